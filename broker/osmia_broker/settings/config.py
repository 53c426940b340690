"""The broker's settings: each has a name, a default and a rule. `sources` reads them."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

from osmia_broker.base.addresses import is_loopback
from osmia_broker.settings import rules as setting_rules
from osmia_broker.settings import values as setting_values
from osmia_broker.settings.rules import DOORS

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
        False, setting_values.switch, "Let callers move the clock (REST, management port); for tests of processes."
    )
    purge_allowed: bool = _setting(False, setting_values.switch, "Let the management port empty the broker, for tests.")
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
            object.__setattr__(self, one.name, read_value(one.name, getattr(self, one.name), one.name))
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


def read_value(name: str, value: object, spelt: str) -> Any:
    """Return *value* as the setting *name* has it; *spelt* is how its source names the setting.

    Raises:
        ConfigError: it is against the rule of the setting.
    """
    try:
        return GIVEN[name].metadata["read"](value)
    except ValueError as error:
        found = f"'{value}'" if GIVEN[name].repr else "another value"  # a secret is not printed
        example = setting_values.example(name, GIVEN[name].default, spelt)
        raise ConfigError(f"Expected {spelt} to be {error}, but found {found}", example) from error
