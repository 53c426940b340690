"""Read the broker's settings: each has a name, a default and a rule. No other broker module reads the environment.

A value comes from the flag, else from `OSMIA_<NAME>`, else from the TOML file, else it is the default. One setting is
spelt `--grpc-port`, `OSMIA_GRPC_PORT` and `grpc_port`. A file that holds a secret (`database_url_file`) is another spelling of that
secret, so the same order holds for both: `--database-url` wins over `OSMIA_DATABASE_URL_FILE`, also if it is empty.

A misspelt name is refused with the nearest setting. In the environment, a name that is near no setting is passed over:
the variables there do not all belong to the broker. Kubernetes, for example, sets `OSMIA_PORT` and a dozen more in every
pod that runs beside a service named `osmia`.
"""

import os
import shlex
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

from osmia_broker.base.addresses import is_loopback
from osmia_broker.base.edits import misspelt, nearest
from osmia_broker.base.system_errors import in_words
from osmia_broker.settings import rules as setting_rules
from osmia_broker.settings import values as setting_values
from osmia_broker.settings.rules import DOORS
from osmia_broker.settings.service_links import is_service_link
from osmia_broker.settings.values import PREFIX

CONFIG_VARIABLE = "OSMIA_CONFIG"
CONFIG_FILES = (Path("osmia.toml"), Path("/etc/osmia/osmia.toml"))  # the first that exists, when none is named
# Variables with a meaning of their own, most of them for clients, not settings.
OTHERS = frozenset(
    f"OSMIA_{name}"
    for name in (
        *("CONFIG", "ADDRESS", "PROFILE", "USER", "GROUPS", "TOKEN", "TOKEN_FILE", "PASSWORD", "PASSWORD_FILE"),
        *("CA_CERT", "CLIENT_CERT", "CLIENT_KEY"),
    )
)
DATA_DIR = Path("osmia-data")
EVENT_RETENTION = timedelta(hours=1)
SHUTDOWN_GRACE = timedelta(seconds=10)
HISTORY_RETENTION = timedelta(days=30)
EXPRESSION_TIMEOUT = timedelta(seconds=1)


class ConfigError(ValueError):
    """A setting that cannot be used. The text spells its name as the user did; *hint* says how to correct it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def _setting(default: Any, read: Callable[[object], Any], about: str, *, is_secret: bool = False) -> Any:
    return field(default=default, repr=not is_secret, metadata={"read": read, "about": about})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a broker process. `about` of each is its help text.

    Raises:
        ConfigError: a value breaks its rule, two doors have the same port, TLS or sign-in is set by halves, or a door would be
            open to the network without both, and without `insecure`.
    """

    data_dir: Path = _setting(DATA_DIR, setting_values.path, "Where the data lives; created with mode 700.")
    database_url: str = _setting(
        "",
        setting_values.database_url,
        "A PostgreSQL database instead of SQLite in data_dir: postgresql://USER@HOST[:PORT]/DATABASE.",
        is_secret=True,
    )
    partitions: int = _setting(
        1,
        setting_values.partitions,
        "How many partitions share the work; fixed when the data directory, or the database, is made.",
    )
    processes: int = _setting(
        1,
        setting_values.processes,
        "How many processes of this machine lead the partitions; at most one for each.",
    )
    links_secret: str = _setting(
        "",
        setting_values.optional_text,
        "A secret that all brokers on one database share. With it, each leads a part of the partitions, and reaches the others.",
        is_secret=True,
    )
    links_host: str = _setting("127.0.0.1", setting_values.text, "The address that links of other brokers come in at.")
    links_port: int = _setting(0, setting_values.port, "The port of links; 0 takes a free one.")
    links_address: str = _setting(
        "", setting_values.host_and_port, "HOST:PORT at which other brokers reach the links; else where they come in."
    )
    links_cert: Path | None = _setting(
        None, setting_values.optional_path, "The certificate chain (PEM) for TLS of links."
    )
    links_key: Path | None = _setting(None, setting_values.optional_path, "The private key (PEM) of that certificate.")
    links_ca: Path | None = _setting(
        None,
        setting_values.optional_path,
        "The authorities (PEM) of the certificates of all brokers, and of nobody else.",
    )
    host: str = _setting("127.0.0.1", setting_values.text, "The address that all three ports listen on.")
    grpc_host: str = _setting("", setting_values.optional_text, "The address of the gRPC port, when it is not host.")
    http_host: str = _setting("", setting_values.optional_text, "The address of the HTTP port, when it is not host.")
    management_host: str = _setting(
        "", setting_values.optional_text, "The address of the management port, when it is not host."
    )
    grpc_port: int = _setting(26500, setting_values.port, "The port for gRPC clients; 0 takes a free one.")
    http_port: int = _setting(8080, setting_values.port, "The port of the page and the REST API; 0 takes a free one.")
    management_port: int = _setting(9600, setting_values.port, "The port of health and metrics; 0 takes a free one.")
    advertised_address: str = _setting(
        "", setting_values.host_and_port, "HOST:PORT that Topology names; else where gRPC listens."
    )
    public_url: str = _setting(
        "", setting_values.site, "The address of the HTTP door for browsers, if a proxy has one."
    )
    gateway_version: str = _setting(
        setting_values.GATEWAY_VERSION,
        setting_values.version,
        "The level of the gateway contract that Topology names; clients compare its numbers.",
    )
    insecure: bool = _setting(
        False, setting_values.switch, "Allow an address that other machines reach, without TLS and sign-in."
    )
    tls_cert: Path | None = _setting(
        None, setting_values.optional_path, "The certificate chain (PEM) for TLS; read again on change."
    )
    tls_key: Path | None = _setting(None, setting_values.optional_path, "The private key (PEM) of the certificate.")
    tls_client_ca: Path | None = _setting(
        None, setting_values.optional_path, "Ask clients for a certificate of one of these authorities (PEM)."
    )
    auth: str = _setting(
        "none",
        setting_values.one_of("none", "basic", "oidc"),
        "How callers prove who they are: none (they say it), basic (user and password) or oidc (a token).",
    )
    users_file: Path | None = _setting(
        None, setting_values.optional_path, "The users of basic, as `osmia user` writes them; else in data_dir."
    )
    oidc_issuer: str = _setting("", setting_values.optional_text, "The address of the provider that issues the tokens.")
    oidc_audience: str = _setting(
        "", setting_values.optional_text, "The audience that a token must name; several by commas."
    )
    oidc_client_id: str = _setting("", setting_values.optional_text, "The client id of the page at the provider.")
    oidc_client_secret: str = _setting(
        "", setting_values.optional_text, "The secret of the page's client.", is_secret=True
    )
    oidc_username_claim: str = _setting(
        "preferred_username", setting_values.text, "The claim of a token with the user's name."
    )
    oidc_groups_claim: str = _setting(
        "groups", setting_values.text, "The claim with the user's groups; dots lead into objects."
    )
    grpc_server: str = _setting(
        "python",
        setting_values.one_of("python", "grpcio"),
        "The server behind the gRPC port: python (Osmia's own, at half the CPU), or grpcio (whose core is in C).",
    )
    max_message_size: int = _setting(
        4 * 1024**2, setting_values.message_size, "The largest gRPC message or HTTP body, such as '4 MiB'."
    )
    memory_limit: int = _setting(
        24 * 1024**2,
        setting_values.memory_size,
        "Memory for process instances kept at hand, such as '24 MiB'; without a unit it is bytes. Colder ones are read again.",
    )
    queue_limit: int = _setting(
        1000, setting_values.count, "Commands that may wait in a partition; more are refused at once."
    )
    batch_limit: int = _setting(
        1000, setting_values.count, "Commands that share a commit; more wait for the next one, in the order they came."
    )
    step_limit: int = _setting(
        10_000,
        setting_values.count,
        "How many steps one path of a process may take without a wait state, and all its paths together ten times as many; more is an incident.",
    )
    expression_timeout: timedelta = _setting(
        EXPRESSION_TIMEOUT,
        setting_values.timeout,
        "Processor time of the expressions of one step, or of one that is evaluated by itself; beyond, it fails.",
    )
    unique_business_ids: bool = _setting(
        False, setting_values.switch, "Refuse an instance whose business id a living root instance of its process has."
    )
    clock_control: bool = _setting(
        False,
        setting_values.switch,
        "Let callers move the clock, by REST and at the management port; for tests of processes.",
    )
    task_policy: str = _setting(
        "open",
        setting_values.one_of("open", "strict", "candidates", "assignee"),
        "Who may see and act on user tasks: open (everybody), strict (assignee and candidates), candidates (the same, but only the"
        " assignee may update and complete), or assignee.",
    )
    event_log: str = _setting(
        "on-demand",
        setting_values.one_of("on-demand", "always"),
        "Record events for those who follow them: on-demand, from the first one on, or always.",
    )
    event_retention: timedelta = _setting(
        EVENT_RETENTION,
        setting_values.duration,
        "How long events are kept, and recorded after the last reader has left.",
    )
    event_limit: int = _setting(
        1_000_000, setting_values.count, "The most events that are kept; each takes about 400 bytes."
    )
    history_retention: timedelta | None = _setting(
        HISTORY_RETENTION,
        setting_values.retention,
        "How long ended process instances are kept, such as 90d; or forever.",
    )
    backup_dir: Path | None = _setting(
        None, setting_values.optional_path, "Where `osmia backup` makes a new copy, if no other place is named."
    )
    log_level: str = _setting(
        "info", setting_values.one_of("debug", "info", "warning", "error"), "debug, info, warning or error."
    )
    log_format: str = _setting(
        "auto", setting_values.one_of("auto", "text", "json"), "text or json; auto is text on a terminal."
    )
    otel_endpoint: str = _setting(
        "",
        setting_values.http_url,
        "Send traces to this OpenTelemetry collector (OTLP over HTTP); needs osmia[otel]. The OTEL_ variables win.",
    )
    shutdown_grace: timedelta = _setting(
        SHUTDOWN_GRACE, setting_values.duration, "How long a stop waits for open calls."
    )

    def __post_init__(self) -> None:
        for one in fields(self):
            object.__setattr__(self, one.name, _read(one.name, getattr(self, one.name), one.name))
        self._refuse(setting_rules.breaches(self))
        self._refuse_public_doors()
        self._refuse(setting_rules.late_breaches(self))

    @staticmethod
    def _refuse(breaches: setting_rules.Breaches) -> None:
        for words, hint in breaches:
            raise ConfigError(words, hint)

    def _refuse_public_doors(self) -> None:
        for door in () if self.insecure else self.unsafe_doors():
            host = self.host_of(door)
            name = f"{door}_host" if getattr(self, f"{door}_host") else "host"
            raise ConfigError(
                f"Expected {name} to be a loopback address, but found '{host}', which other machines reach",
                "--tls-cert FILE --tls-key FILE --auth basic   (or --insecure, without TLS and sign-in; or keep 127.0.0.1)",
            )

    def unsafe_doors(self) -> list[str]:
        """Return the doors that other machines reach without TLS and sign-in, because `insecure` allows it."""
        return [door for door in DOORS if not (is_loopback(self.host_of(door)) or self._is_safe(door))]

    def _is_safe(self, door: str) -> bool:
        """Whether other machines may reach *door*. Nobody signs in at the management door: it has no data of processes."""
        knows_callers = self.auth != "none" or self.tls_client_ca is not None or door == "management"
        return self.tls_cert is not None and knows_callers

    @property
    def users_path(self) -> Path:
        """Where the users of basic sign-in are."""
        return self.users_file or self.data_dir / "osmia.users.json"

    def host_of(self, door: str) -> str:
        """Return the address that *door* (one of `DOORS`, or `links`) listens on."""
        return str(getattr(self, f"{door}_host")) or self.host

    def port_of(self, door: str) -> int:
        """Return the port that *door* (one of `DOORS`, or `links`) listens on; 0 takes a free one."""
        return int(getattr(self, f"{door}_port"))

    def advertised(self, grpc_port: int) -> str:
        """Return the HOST:PORT that Topology reports when the gRPC door listens on *grpc_port*."""
        return self.advertised_address or f"{self.host_of('grpc')}:{grpc_port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretFiles:
    """For each secret setting a file that holds it, in the place of the setting itself."""

    database_url_file: Path | None = _setting(None, setting_values.optional_path, "A file that holds database_url.")
    links_secret_file: Path | None = _setting(None, setting_values.optional_path, "A file that holds links_secret.")
    oidc_client_secret_file: Path | None = _setting(
        None, setting_values.optional_path, "A file that holds oidc_client_secret."
    )


NAMES = {one.name: one for one in fields(Settings)}
FILES = {one.name: one for one in fields(SecretFiles)}  #: names that may be given, but stand for the secret in the file
GIVEN = {**NAMES, **FILES}  #: every name that may be given


def about(name: str) -> str:
    """Return the help text of the setting *name*."""
    return str(GIVEN[name].metadata["about"])


def choices(name: str) -> list[str]:
    """Return the values that the setting *name* may have, if they are few and fixed; else an empty list."""
    return list(getattr(GIVEN[name].metadata["read"], "choices", ()))


def is_size(name: str) -> bool:
    """Return whether the setting *name* is a number of bytes."""
    return setting_values.is_size(GIVEN[name].metadata["read"])


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
    values = {name: value for name, (value, _) in _given(flags, environ, file).items()}
    return Settings(**values)


def explained(
    flags: Mapping[str, Any], *, environ: Mapping[str, str] | None = None, file: Path | None = None
) -> list[tuple[str, Any, str]]:
    """Return name, value and source of every setting: an option, a variable, a file, or `default`. The parameters are those of `load`.

    Raises:
        ConfigError: as `load`.
    """
    given = _given(flags, environ, file)
    settings = Settings(**{name: value for name, (value, _) in given.items()})
    return [(name, getattr(settings, name), given[name][1] if name in given else "default") for name in NAMES]


def _given(
    flags: Mapping[str, Any], environ: Mapping[str, str] | None, file: Path | None
) -> dict[str, tuple[Any, str]]:
    """Return value and source of each setting that is given. A source that comes later here overrules an earlier one.

    Raises:
        ConfigError: as `load`.
    """
    environ = os.environ if environ is None else environ
    path = _file(file, environ)
    spelt = {name: "--" + name.replace("_", "-") for name in flags}
    typed = {name: _read(name, value, spelt[name]) for name, value in flags.items() if value is not None}
    sources = (
        {name: (value, str(path)) for name, value in (_from_file(path) if path else {}).items()},
        {name: (value, PREFIX + name.upper()) for name, value in _from_environment(environ).items()},
        {name: (value, spelt[name]) for name, value in typed.items()},
    )
    given = {name: one for source in sources for name, one in _in_one_spelling(source).items()}
    return {
        name: (_secret(name, value.path, source) if isinstance(value, _InFile) else value, source)
        for name, (value, source) in given.items()
    }


@dataclass(frozen=True, slots=True)
class _InFile:
    """A secret that its source gives as a file. It is read only if no other source overrules this one."""

    path: Path


def _in_one_spelling(given: dict[str, tuple[Any, str]]) -> dict[str, tuple[Any, str]]:
    """Return what one source gives. A file that holds a secret has the name of the secret.

    Raises:
        ConfigError: the source gives a secret and its file.
    """
    found = {name: one for name, one in given.items() if name not in FILES}
    for file_name in FILES.keys() & given.keys():
        path, source = given[file_name]
        name = file_name.removesuffix("_file")
        if path is None:
            continue
        if found.get(name, ("", ""))[0]:
            raise ConfigError(
                f"Expected {name} or {file_name}, but found both, in {found[name][1]} and {source}",
                _unset(source, found[name][1]),
            )
        found[name] = (_InFile(path), source)
    return found


def _secret(name: str, path: Path, source: str) -> Any:
    """Return the setting *name*, whose text is in the file of *path*, which *source* names.

    Raises:
        ConfigError: it cannot be read, has no text, or one against the rule of the setting.
    """
    spelt = source if source.startswith(("--", PREFIX)) else f"{name}_file in {source}"
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError(
            f"Expected {spelt} to be a text file, but found '{path}': {in_words(fault)}",
            f"ls -l {shlex.quote(str(path.parent))}   (for a file that is there)",
        ) from fault
    if not text:
        raise ConfigError(f"Expected {spelt} to be a file that holds {name}, but found '{path}' empty")
    try:
        return _read(name, text, f"the text in '{path}', which {spelt} names,")
    except ConfigError as fault:
        raise ConfigError(str(fault), setting_values.EXAMPLES.get(name, "")) from None


def _unset(*sources: str) -> str:
    """Return the command that takes away one of two *sources*; empty if neither is a variable."""
    return next((f"unset {one}" for one in sources if one.startswith(PREFIX)), "")


def passed_over(environ: Mapping[str, str] | None = None) -> list[str]:
    """Return the variables that begin with `OSMIA_` and are neither settings nor links to a service, in order.

    A setting that holds a link to a service is among them, because its owner may believe that it counts: a service named
    `osmia-grpc` sets OSMIA_GRPC_PORT.
    """
    environ = os.environ if environ is None else environ
    found = []
    for variable in sorted(environ):
        if variable.startswith(PREFIX) and variable not in OTHERS:
            is_setting = _setting_name(variable) in GIVEN
            is_link = is_service_link(variable, environ[variable])
            if is_setting is is_link:  # a setting that is lost to a link, or a variable that is neither
                found.append(variable)
    return found


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    values = {}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or variable in OTHERS or is_service_link(variable, value):
            continue
        name = _setting_name(variable)
        if name in GIVEN:
            values[name] = _read(name, value, variable)
        elif near := misspelt(name, GIVEN):
            raise ConfigError(
                f"Expected a setting that Osmia knows, but found {variable}",
                f'export {PREFIX}{near.upper()}="${variable}"; unset {variable}',
            )
    return values


def _setting_name(variable: str) -> str:
    return variable.removeprefix(PREFIX).lower()


def _file(file: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the settings file: *file*, else that of the variable, else the first of the usual ones that is there."""
    named = file or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    return named or next((one for one in CONFIG_FILES if one.is_file()), None)


def _from_file(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"Expected to read settings from '{path}', but found: {in_words(error)}",
            "osmia broker --config FILE   (a file that is there; or without --config)",
        ) from error
    except ValueError as error:  # TOML's faults and broken UTF-8
        raise ConfigError(
            f"Expected '{path}' to be TOML, but found: {in_words(error)}",
            'data_dir = "/var/lib/osmia"   (NAME = VALUE, one a line; a text stands in quotes)',
        ) from error
    for name in document:
        if name not in GIVEN:
            raise _unknown(name, path)
    return {name: _read(name, value, f"{name} in {path}") for name, value in document.items()}


def _read(name: str, value: object, spelt: str) -> Any:
    try:
        return GIVEN[name].metadata["read"](value)
    except ValueError as error:
        found = f"'{value}'" if GIVEN[name].repr else "another value"  # a secret is not printed
        example = setting_values.example(name, GIVEN[name].default, spelt)
        raise ConfigError(f"Expected {spelt} to be {error}, but found {found}", example) from error


def _unknown(name: str, path: Path) -> ConfigError:
    """Refuse a name in the settings file, where each name is meant for the broker."""
    near = nearest(name.lower(), GIVEN, likeness=0.5)
    hint = f"{near} = VALUE" if near else "osmia config schema   (it has all settings)"
    return ConfigError(f"Expected a setting that Osmia knows, but found {name} in {path}", hint)
