"""Read the broker's settings: each has a name, a default and a rule. No other broker module reads the environment.

A value comes from the flag, else from `OSMIA_<NAME>`, else from the TOML file, else it is the default. One setting is
spelt `--grpc-port`, `OSMIA_GRPC_PORT` and `grpc_port`.

A misspelt name is refused with the nearest setting. In the environment, a name that is near no setting is passed over:
the variables there do not all belong to the broker. Kubernetes, for example, sets `OSMIA_PORT` and a dozen more in every
pod that runs beside a service named `osmia`.
"""

import ipaddress
import itertools
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

PREFIX = "OSMIA_"
CONFIG_VARIABLE = "OSMIA_CONFIG"
CONFIG_FILES = (Path("osmia.toml"), Path("/etc/osmia/osmia.toml"))  # the first that exists, when none is named
OTHERS = frozenset({CONFIG_VARIABLE, "OSMIA_ADDRESS"})  # variables with a meaning of their own, not settings
DATA_DIR = Path("osmia-data")
EVENT_RETENTION = timedelta(hours=1)
SHUTDOWN_GRACE = timedelta(seconds=10)
DOORS = ("grpc", "http", "management")


class ConfigError(ValueError):
    """A setting that cannot be used. The text spells its name as the user did; *hint* says how to correct it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a text that is not blank")
    return value


def _optional_text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a text")  # noqa: TRY004 - one kind of error for all readers
    return value


def _path(value: object) -> Path:
    if "\x00" in str(value):
        raise ValueError("a path without a NUL character")
    return value if isinstance(value, Path) else Path(_text(value)).expanduser()


HOST_AND_PORT = re.compile(r"(?:\[[0-9A-Fa-f:.]+(?:%[\w.]+)?\]|[^\s:\[\]/]+):([0-9]{1,5})")


def _host_and_port(value: object) -> str:
    """Read `HOST:PORT` or `[IPv6]:PORT`. A host alone is refused: with a free port (0) there is nothing to complete it with."""
    text = _optional_text(value).strip()
    parts = HOST_AND_PORT.fullmatch(text)
    if text and (parts is None or not 1 <= int(parts[1]) <= 65535):
        raise ValueError("HOST:PORT, such as broker.example.org:26500 or [::1]:26500")
    return text


VERSION = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}\.[0-9]{1,4}")  # clients split it at the dots and compare the numbers
GATEWAY_VERSION = "8.10.0"  # the level of the gateway contract that is offered


def _version(value: object) -> str:
    if not isinstance(value, str) or not VERSION.fullmatch(value.strip()):
        raise ValueError(f"a version of three numbers, such as {GATEWAY_VERSION}")
    return value.strip()


def _integer(value: object, lowest: int, highest: int, expected: str) -> int:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value.strip()):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise ValueError(expected)
    return value


def _port(value: object) -> int:
    return _integer(value, 0, 65535, "a port from 0 (a free one) to 65535")


def _count(value: object) -> int:
    return _integer(value, 1, 10_000_000, "a whole number from 1 to 10000000")


SWITCHES = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def _switch(value: object) -> bool:
    if isinstance(value, str):
        value = SWITCHES.get(value.strip().lower())
    if not isinstance(value, bool):
        raise ValueError("true or false")  # noqa: TRY004 - one kind of error for all readers
    return value


BYTES = {
    "": 1,
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
}  # by the unit in lower case
MESSAGE_BYTES_MAX = 256 * 1024**2  # a larger message could take all the memory that the broker promises to keep to
MEMORY_BYTES_MAX = 1024**4  # more than a machine has that runs a single broker process


def _size(lowest: int, highest: int, expected: str) -> Callable[[object], int]:
    """Read a number of bytes from *lowest* to *highest*: `4194304`, `4 MiB` or `4MB`."""

    def read(value: object) -> int:
        parts = re.fullmatch(r"\s*([0-9]{1,18})\s*([A-Za-z]*)\s*", str(value))
        factor = BYTES.get(parts[2].lower(), 0) if parts else 0
        size = int(parts[1]) * factor if parts else 0
        if factor == 0 or not lowest <= size <= highest:
            raise ValueError(expected)
        return size

    return read


_message_size = _size(1024, MESSAGE_BYTES_MAX, "a size from 1 KiB to 256 MiB, such as '4 MiB' or 4194304")
_memory_size = _size(
    1, MEMORY_BYTES_MAX, "a whole number of bytes from 1 to 1 TiB, such as '24 MiB', '1 GB' or 25165824"
)


SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
SPAN_MAX = timedelta(days=36_500)  # a moment in milliseconds plus a longer one might not fit into 64 bits
ISO_8601 = re.compile(
    r"P(?:([0-9]+)D)?(?:T(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+(?:\.[0-9]+)?)S)?)?"
)  # days, hours, minutes, seconds


def duration(value: object) -> timedelta:
    """Read `10s`, `500ms`, `5m`, `2h`, `30d`, or ISO 8601 such as `PT1M30S`.

    A number without a unit is refused: it could mean seconds or milliseconds.

    Raises:
        ValueError: *value* is no duration; the text completes the sentence "Expected ...".
    """
    if isinstance(value, timedelta):
        return value
    text = str(value).strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]*)?", text):
        raise ValueError(f"a duration such as {text.rstrip('.')}s")
    if short := re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(ms|s|m|h|d)", text):
        return _span(seconds=float(short[1]) * SECONDS[short[2]])
    iso = ISO_8601.fullmatch(text)
    if iso is None or not any(iso.groups()):
        raise ValueError("a duration such as 500ms, 10s, 5m, 2h, 30d or PT10S")
    days, hours, minutes, seconds = (float(part or 0) for part in iso.groups())
    return _span(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _span(**parts: float) -> timedelta:
    try:
        span = timedelta(**parts)
    except OverflowError:
        span = timedelta.max
    if span > SPAN_MAX:
        raise ValueError("a duration of at most 36500d")
    return span


def _one_of(*choices: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if value not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return str(value)

    return read


def _setting(default: Any, read: Callable[[object], Any], about: str) -> Any:
    return field(default=default, metadata={"read": read, "about": about})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a broker process. `about` of each is its help text.

    Raises:
        ConfigError: a value breaks its rule, two doors have the same port, or a door would be open to the network
            without `insecure`.
    """

    data_dir: Path = _setting(DATA_DIR, _path, "Where the data lives; created with mode 700.")
    host: str = _setting("127.0.0.1", _text, "The address that all doors listen on.")
    grpc_host: str = _setting("", _optional_text, "The gRPC door's address, when it is not host.")
    http_host: str = _setting("", _optional_text, "The HTTP door's address, when it is not host.")
    management_host: str = _setting("", _optional_text, "The management door's address, when it is not host.")
    grpc_port: int = _setting(26500, _port, "The gRPC door; 0 takes a free port.")
    http_port: int = _setting(8080, _port, "The HTTP door, with the REST API; 0 takes a free port.")
    management_port: int = _setting(9600, _port, "Health and metrics; 0 takes a free port.")
    advertised_address: str = _setting("", _host_and_port, "HOST:PORT that Topology names; else where gRPC listens.")
    gateway_version: str = _setting(
        GATEWAY_VERSION, _version, "The level of the gateway contract that Topology names; clients compare its numbers."
    )
    insecure: bool = _setting(False, _switch, "Allow an address that other machines reach, without TLS and sign-in.")
    max_message_size: int = _setting(
        4 * 1024**2, _message_size, "The largest gRPC message or HTTP body, such as '4 MiB'."
    )
    memory_limit: int = _setting(
        24 * 1024**2,
        _memory_size,
        "Memory for process instances kept at hand, such as '24 MiB'; without a unit it is bytes. Colder ones are read again.",
    )
    queue_limit: int = _setting(1000, _count, "Commands that may wait in a partition; more are refused at once.")
    unique_business_ids: bool = _setting(
        False, _switch, "Refuse an instance whose business id a living root instance of its process has."
    )
    clock_control: bool = _setting(False, _switch, "Let callers pin the clock by REST; for tests of processes.")
    task_policy: str = _setting(
        "open",
        _one_of("open", "strict", "candidates", "assignee"),
        "Who may see and act on user tasks: open (everybody), strict (assignee and candidates), candidates (the same, but only the"
        " assignee may update and complete), or assignee.",
    )
    event_log: str = _setting(
        "on-demand",
        _one_of("on-demand", "always"),
        "Record events for those who follow them: on-demand, from the first one on, or always.",
    )
    event_retention: timedelta = _setting(
        EVENT_RETENTION, duration, "How long events are kept, and recorded after the last reader has left."
    )
    event_limit: int = _setting(1_000_000, _count, "The most events that are kept; each takes about 400 bytes.")
    log_level: str = _setting("info", _one_of("debug", "info", "warning", "error"), "debug, info, warning or error.")
    log_format: str = _setting("auto", _one_of("auto", "text", "json"), "text or json; auto is text on a terminal.")
    shutdown_grace: timedelta = _setting(SHUTDOWN_GRACE, duration, "How long a stop waits for open calls.")

    def __post_init__(self) -> None:
        for one in fields(self):
            object.__setattr__(self, one.name, _read(one.name, getattr(self, one.name), one.name))
        self._refuse_public_doors()
        self._refuse_shared_ports()

    def _refuse_public_doors(self) -> None:
        for door in DOORS:
            host = self.host_of(door)
            if not (self.insecure or is_loopback(host)):
                name = f"{door}_host" if getattr(self, f"{door}_host") else "host"
                raise ConfigError(
                    f"Expected {name} to be a loopback address, but found '{host}', which other machines reach",
                    "set --insecure to open it without TLS and sign-in, or keep 127.0.0.1",
                )

    def _refuse_shared_ports(self) -> None:
        for one, other in itertools.combinations(DOORS, 2):
            port = self.port_of(other)
            if port and port == self.port_of(one) and _overlap(self.host_of(one), self.host_of(other)):
                raise ConfigError(
                    f"Expected {one}_port and {other}_port to differ, but found {port} for both",
                    f"--{other}-port {port + 1 if port < 65535 else port - 1}",
                )

    def host_of(self, door: str) -> str:
        """Return the address that *door* (one of `DOORS`) listens on."""
        return str(getattr(self, f"{door}_host")) or self.host

    def port_of(self, door: str) -> int:
        """Return the port that *door* (one of `DOORS`) listens on; 0 takes a free one."""
        return int(getattr(self, f"{door}_port"))

    def advertised(self, grpc_port: int) -> str:
        """Return the HOST:PORT that Topology reports when the gRPC door listens on *grpc_port*."""
        return self.advertised_address or f"{self.host_of('grpc')}:{grpc_port}"


NAMES = {one.name: one for one in fields(Settings)}


def about(name: str) -> str:
    """Return the help text of the setting *name*."""
    return str(NAMES[name].metadata["about"])


def load(
    flags: Mapping[str, Any],
    *,
    environ: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """Build the settings from all their sources. *flags* holds the options of the command line; `None` means not given.

    *environ* is the environment of the process unless a test passes another; *file* is the value of `--config`.

    Raises:
        ConfigError: an unknown name, a value against its rule, or a file that cannot be read.
    """
    environ = os.environ if environ is None else environ
    values = {
        **_from_file(file, environ),
        **_from_environment(environ),
        **{
            name: _read(name, value, "--" + name.replace("_", "-"))
            for name, value in flags.items()
            if value is not None
        },
    }
    return Settings(**values)


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches *host*. A name other than `localhost` counts as public."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _overlap(one: str, other: str) -> bool:
    """Return whether two listeners on one port would meet: on the same address, or when one takes all addresses."""
    hosts = {host.strip("[]").replace("localhost", "127.0.0.1") for host in (one, other)}
    return len(hosts) == 1 or bool(hosts & {"0.0.0.0", "::"})  # noqa: S104 - compared, not bound


SERVICE_LINK = re.compile(
    r"OSMIA_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)  # Kubernetes sets these for each service whose name begins with "osmia"; Docker's links have the same form
SERVICE_LINK_PORT = re.compile(r"OSMIA_([A-Z0-9_]+_)?PORT")  # with a URL as its value, such as tcp://10.0.0.1:26500
SERVICE_LINK_URL = re.compile(r"(tcp|udp|sctp)://.*", re.IGNORECASE)


def passed_over(environ: Mapping[str, str] | None = None) -> list[str]:
    """Return the variables that begin with `OSMIA_` and are neither settings nor links to a service, in order.

    A setting that holds a link to a service is among them, because its owner may believe that it counts: a service named
    `osmia-grpc` sets OSMIA_GRPC_PORT.
    """
    environ = os.environ if environ is None else environ
    found = []
    for variable in sorted(environ):
        if variable.startswith(PREFIX) and variable not in OTHERS:
            is_setting = _setting_name(variable) in NAMES
            is_link = _is_service_link(variable, environ[variable])
            if is_setting is is_link:  # a setting that is lost to a link, or a variable that is neither
                found.append(variable)
    return found


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    values = {}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or variable in OTHERS or _is_service_link(variable, value):
            continue
        name = _setting_name(variable)
        if name in NAMES:
            values[name] = _read(name, value, variable)
        elif near := _misspelt(name):
            raise ConfigError(
                f"Expected a setting that Osmia knows, but found {variable}", f"did you mean {PREFIX}{near.upper()}?"
            )
    return values


def _setting_name(variable: str) -> str:
    return variable.removeprefix(PREFIX).lower()


def _is_service_link(variable: str, value: str) -> bool:
    if SERVICE_LINK.fullmatch(variable):
        return True
    return bool(SERVICE_LINK_PORT.fullmatch(variable) and SERVICE_LINK_URL.fullmatch(value))


def _misspelt(name: str) -> str:
    """Return the setting that *name* is a misspelling of; empty when it is near none.

    One edit is allowed for four letters: HOME is not meant to be HOST, GRPC_PROT is meant to be GRPC_PORT. The same words in
    another order count as a misspelling, too.
    """
    words = sorted(name.split("_"))
    distances = {known: 0 if sorted(known.split("_")) == words else _edits(name, known) for known in NAMES}
    nearest = min(distances, key=lambda known: distances[known])
    return nearest if distances[nearest] <= max(1, len(nearest) // 4) else ""


def _edits(one: str, other: str) -> int:
    """Count the letters to insert, remove, replace or swap with a neighbour that make *one* into *other*."""
    before, row = list[int](), list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, wanted in enumerate(other, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted)))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                row[j] = min(row[j], last[j - 2] + 1)
    return row[-1]


def _from_file(file: Path | None, environ: Mapping[str, str]) -> dict[str, Any]:
    named = file or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    path = named or next((one for one in CONFIG_FILES if one.is_file()), None)
    if path is None:
        return {}
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"Expected to read settings from '{path}', but found: {error.strerror}") from error
    except ValueError as error:  # TOML's faults and broken UTF-8
        raise ConfigError(f"Expected '{path}' to be TOML, but found: {error}") from error
    for name in document:
        if name not in NAMES:
            raise _unknown(name, path)
    return {name: _read(name, value, f"{name} in {path}") for name, value in document.items()}


def _read(name: str, value: object, spelt: str) -> Any:
    try:
        return NAMES[name].metadata["read"](value)
    except ValueError as error:
        raise ConfigError(f"Expected {spelt} to be {error}, but found '{value}'") from error


def _unknown(name: str, path: Path) -> ConfigError:
    """Refuse a name in the settings file, where each name is meant for the broker."""
    near = get_close_matches(name.lower(), NAMES, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"the settings are {', '.join(sorted(NAMES))}"
    return ConfigError(f"Expected a setting that Osmia knows, but found {name} in {path}", hint)
