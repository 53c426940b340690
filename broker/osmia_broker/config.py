"""Settings: every name, its default, its rule, and where its value came from. The only reader of the environment.

A value is taken from the flag, else from `OSMIA_<NAME>`, else from the TOML file, else it is the default; the three
spellings of one name are `--grpc-port`, `OSMIA_GRPC_PORT` and `grpc_port`. A name that nobody knows is an error that
offers the nearest one, so a misspelt setting never passes in silence.
"""

import ipaddress
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
CLIENT_VARIABLES = frozenset(
    {CONFIG_VARIABLE, "OSMIA_ADDRESS", "OSMIA_TOKEN", "OSMIA_PROFILE", "OSMIA_CA_CERT"}
)  # read by clients, so no mistake when the broker meets them
DATA_DIR = Path("osmia-data")
SHUTDOWN_GRACE = timedelta(seconds=10)


class ConfigError(ValueError):
    """A setting that cannot be used. The text names it as its writer spelt it; *hint* says what to do."""

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
    return value if isinstance(value, Path) else Path(_text(value)).expanduser()


def _integer(value: object, lowest: int, highest: int, expected: str) -> int:
    if isinstance(value, str) and re.fullmatch(r"\d{1,18}", value.strip()):
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


BYTES = {"": 1, "B": 1, "KB": 1000, "MB": 1000**2, "KIB": 1024, "MIB": 1024**2}
MESSAGE_SIZE_MAX = 256 * 1024**2  # beyond it one message could take the memory that the whole broker promises


def _bytes(value: object) -> int:
    parts = re.fullmatch(r"\s*(\d{1,12})\s*([A-Za-z]*)\s*", str(value))
    factor = BYTES.get(parts[2].upper()) if parts else None
    size = int(parts[1]) * factor if parts and factor else 0
    if not 1024 <= size <= MESSAGE_SIZE_MAX:
        raise ValueError("a size from 1 KiB to 256 MiB, such as '4 MiB' or 4194304")
    return size


SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
ISO_8601 = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


def duration(value: object) -> timedelta:
    """Read `10s`, `500ms`, `5m`, `2h`, `30d`, or ISO 8601 such as `PT1M30S`.

    Raises:
        ValueError: *value* is none of these.
    """
    if isinstance(value, timedelta):
        return value
    text = str(value).strip()
    if short := re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)\s*(ms|s|m|h|d)", text):
        return timedelta(seconds=float(short[1]) * SECONDS[short[2]])
    iso = ISO_8601.fullmatch(text)
    if iso is None or not any(iso.groups()):
        raise ValueError("a duration such as 500ms, 10s, 5m, 2h, 30d or PT10S")
    days, hours, minutes, seconds = (float(part or 0) for part in iso.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


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
    """What a broker process was told. Every member has an effect; `about` of each is its help text.

    Raises:
        ConfigError: a value breaks its rule, or a door would be open to the network without `insecure`.
    """

    data_dir: Path = _setting(DATA_DIR, _path, "Where the data lives; created with mode 700.")  # noqa: RUF009 - never changes
    host: str = _setting("127.0.0.1", _text, "The address that all doors listen on.")
    grpc_host: str = _setting("", _optional_text, "The gRPC door's address, when it is not host.")
    http_host: str = _setting("", _optional_text, "The HTTP door's address, when it is not host.")
    management_host: str = _setting("", _optional_text, "The management door's address, when it is not host.")
    grpc_port: int = _setting(26500, _port, "The gRPC door; 0 takes a free port.")
    http_port: int = _setting(8080, _port, "The HTTP door; 0 takes a free port.")
    management_port: int = _setting(9600, _port, "Health and metrics; 0 takes a free port.")
    advertised_address: str = _setting("", _optional_text, "HOST:PORT that Topology names; else where gRPC listens.")
    insecure: bool = _setting(False, _switch, "Allow an address that other machines reach, without TLS and sign-in.")
    max_message_size: int = _setting(4 * 1024**2, _bytes, "The largest gRPC message, such as '4 MiB'.")
    queue_limit: int = _setting(1000, _count, "Commands that may wait in a partition; more are refused at once.")
    log_level: str = _setting("info", _one_of("debug", "info", "warning", "error"), "debug, info, warning or error.")
    log_format: str = _setting("auto", _one_of("auto", "text", "json"), "text or json; auto is text on a terminal.")
    shutdown_grace: timedelta = _setting(SHUTDOWN_GRACE, duration, "How long a stop waits for open calls.")  # noqa: RUF009 - never changes

    def __post_init__(self) -> None:
        for one in fields(self):
            object.__setattr__(self, one.name, _read(one.name, getattr(self, one.name), one.name))
        for door in ("grpc", "http", "management"):
            host = self.host_of(door)
            if not (self.insecure or is_loopback(host)):
                raise ConfigError(
                    f"Expected {door}_host to be a loopback address, but found '{host}', which other machines reach",
                    "set --insecure to open it without TLS and sign-in, or keep 127.0.0.1",
                )

    def host_of(self, door: str) -> str:
        """The address that *door* (`grpc`, `http`, `management`) listens on."""
        return str(getattr(self, f"{door}_host")) or self.host

    def advertised(self, grpc_port: int) -> str:
        """What Topology says when the gRPC door listens on *grpc_port*."""
        return self.advertised_address or f"{self.host_of('grpc')}:{grpc_port}"


NAMES = {one.name: one for one in fields(Settings)}


def about(name: str) -> str:
    """The help text of the setting *name*."""
    return str(NAMES[name].metadata["about"])


def load(
    flags: Mapping[str, Any],
    *,
    environ: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """Bring the sources together. *flags* holds what the command line gave; `None` there means not given.

    *environ* is the process's own unless a test hands one in; *file* is `--config`.

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
    """Whether only this machine reaches *host*. A name other than `localhost` counts as public."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    values = {}
    for variable, value in environ.items():
        name = variable.removeprefix(PREFIX).lower()
        if not variable.startswith(PREFIX) or variable in CLIENT_VARIABLES:
            continue
        if name not in NAMES:
            raise _unknown(variable, name, lambda near: PREFIX + near.upper())
        values[name] = _read(name, value, variable)
    return values


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
            raise _unknown(f"{name} in {path}", name, lambda near: near)
    return {name: _read(name, value, f"{name} in {path}") for name, value in document.items()}


def _read(name: str, value: object, spelt: str) -> Any:
    try:
        return NAMES[name].metadata["read"](value)
    except ValueError as error:
        raise ConfigError(f"Expected {spelt} to be {error}, but found '{value}'") from error


def _unknown(spelt: str, name: str, spell: Callable[[str], str]) -> ConfigError:
    near = get_close_matches(name, NAMES, n=1, cutoff=0.5)
    hint = f"did you mean {spell(near[0])}?" if near else f"the settings are {', '.join(map(spell, sorted(NAMES)))}"
    return ConfigError(f"Expected a setting that Osmia knows, but found {spelt}", hint)
