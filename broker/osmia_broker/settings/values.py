"""Read the values of settings: texts, numbers, sizes and durations as people write them. A wrong value is a ValueError that names what is right."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

PREFIX = "OSMIA_"  # of the variables
#: A value of each setting whose default does not show how it is typed.
EXAMPLES = {
    "data_dir": "/var/lib/osmia",
    "database_url": "postgresql://osmia@db.example.org/osmia",
    "database_url_file": "/run/secrets/osmia-database-url",
    "links_secret_file": "/run/secrets/osmia-links",
    "links_address": "broker-1.example.org:26600",
    "oidc_client_secret_file": "/run/secrets/osmia-client-secret",
    "host": "127.0.0.1",
    "advertised_address": "broker.example.org:26500",
    "public_url": "https://osmia.example.org",
    "max_message_size": "4MiB",
    "memory_limit": "24MiB",
    "task_policy": "candidates",
    "event_retention": "1h",
    "history_retention": "30d",
    "expression_timeout": "1s",
    "otel_endpoint": "http://127.0.0.1:4318",
    "shutdown_grace": "10s",
}


def example(name: str, default: object, spelt: str) -> str:
    """Return a value of the setting *name* as it would be written where *spelt* stands: an option, a variable, or a line of the file."""
    value = EXAMPLES.get(name) or (EXAMPLES["host"] if name.endswith("_host") else default)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if spelt.startswith("--"):
        return spelt if isinstance(default, bool) else f"{spelt} {text}"
    if spelt.startswith(PREFIX):
        return f"{spelt}={text}"
    return f'{name} = "{text}"' if isinstance(value, str) else f"{name} = {text}"


def text(value: object) -> str:
    """Read a text that is not blank."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a text that is not blank")
    return value


def optional_text(value: object) -> str:
    """Read a text that may be empty."""
    if not isinstance(value, str):
        raise ValueError("a text")  # noqa: TRY004 - one kind of error for all readers
    return value


def path(value: object) -> Path:
    """Read a path; `~` stands for the home directory."""
    if "\x00" in str(value):
        raise ValueError("a path without a NUL character")
    return value if isinstance(value, Path) else Path(text(value)).expanduser()


def optional_path(value: object) -> Path | None:
    """Read a path, or nothing."""
    return None if value is None or value == "" else path(value)


DATABASES = ("postgresql", "postgres")  # the schemes of a URL that name PostgreSQL


def database_url(value: object) -> str:
    """Read the URL of a database of PostgreSQL, or nothing. Several hosts stand side by side, separated by commas."""
    text = optional_text(value).strip()
    if text:
        parts = urlsplit(text)
        has_host = bool(parts.netloc.rpartition("@")[2]) or "host" in parse_qs(parts.query)
        if parts.scheme not in DATABASES or not has_host or not parts.path.strip("/"):
            raise ValueError("postgresql://USER@HOST[:PORT]/DATABASE")
    return text


HOST_AND_PORT = re.compile(r"(?:\[[0-9A-Fa-f:.]+(?:%[\w.]+)?\]|[^\s:\[\]/]+):([0-9]{1,5})")


def host_and_port(value: object) -> str:
    """Read `HOST:PORT` or `[IPv6]:PORT`. A host alone is refused: with a free port (0) there is nothing to complete it with."""
    text = optional_text(value).strip()
    parts = HOST_AND_PORT.fullmatch(text)
    if text and (parts is None or not 1 <= int(parts[1]) <= 65535):
        raise ValueError("HOST:PORT, such as broker.example.org:26500 or [::1]:26500")
    return text


def http_url(value: object) -> str:
    """Read the URL of a server that speaks HTTP, or nothing."""
    text = optional_text(value).strip()
    parts = urlsplit(text) if text else None
    if parts is not None and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query):
        raise ValueError("a URL such as http://127.0.0.1:4318")
    return text


SITE = re.compile(r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?/?", re.IGNORECASE)
PORTS = {"http": 80, "https": 443}  # that browsers do not write


def site(value: object) -> str:
    """Read a scheme, a host and maybe a port, or nothing; return them as browsers write them."""
    text = optional_text(value).strip()
    parts = SITE.fullmatch(text)
    if text and (parts is None or not 1 <= int(parts[3] or 1) <= 65535):
        raise ValueError("an address without a path, such as https://osmia.example.org")
    if parts is None:
        return ""
    scheme, host, port = parts[1].lower(), parts[2].lower(), int(parts[3] or 0)
    return f"{scheme}://{host}:{port}" if port not in (0, PORTS[scheme]) else f"{scheme}://{host}"


VERSION = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}\.[0-9]{1,4}")  # clients split it at the dots and compare the numbers
GATEWAY_VERSION = "8.10.0"  # the level of the gateway contract that is offered


def version(value: object) -> str:
    """Read a version of three numbers."""
    if not isinstance(value, str) or not VERSION.fullmatch(value.strip()):
        raise ValueError(f"a version of three numbers, such as {GATEWAY_VERSION}")
    return value.strip()


def _integer(value: object, lowest: int, highest: int, expected: str) -> int:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value.strip()):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise ValueError(expected)
    return value


def port(value: object) -> int:
    """Read a port; 0 stands for a free one."""
    return _integer(value, 0, 65535, "a port from 0 (a free one) to 65535")


def count(value: object) -> int:
    """Read a whole number of things, at least 1."""
    return _integer(value, 1, 10_000_000, "a whole number from 1 to 10000000")


PARTITIONS_MAX = 64  # each is a thread and some open files, and a list asks all of them


def partitions(value: object) -> int:
    """Read the number of partitions."""
    return _integer(value, 1, PARTITIONS_MAX, f"a whole number from 1 to {PARTITIONS_MAX}")


def processes(value: object) -> int:
    """Read the number of processes."""
    return _integer(value, 1, PARTITIONS_MAX, f"a whole number from 1 to {PARTITIONS_MAX}")


SWITCHES = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def switch(value: object) -> bool:
    """Read whether something is on."""
    if isinstance(value, str):
        value = SWITCHES.get(value.strip().lower())
    if not isinstance(value, bool):
        raise ValueError("true or false")  # noqa: TRY004 - one kind of error for all readers
    return value


# By the unit in lower case.
BYTES = {"": 1, "b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1024, "mib": 1024**2, "gib": 1024**3}
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

    read.is_size = True  # type: ignore[attr-defined]  # read by `is_size`
    return read


def is_size(read: object) -> bool:
    """Return whether *read* is the rule of a number of bytes."""
    return getattr(read, "is_size", False)


def size_text(size: int) -> str:
    """Return a number of bytes as a person would write it: `24MiB`, `1GB`, `1500KB`."""
    units = ("GiB", "GB", "MiB", "MB", "KiB", "KB", "B")
    unit = next(one for one in units if size % BYTES[one.lower()] == 0)
    return f"{size // BYTES[unit.lower()]}{unit}"


message_size = _size(1024, MESSAGE_BYTES_MAX, "a size from 1 KiB to 256 MiB, such as '4 MiB' or 4194304")
memory_size = _size(
    1, MEMORY_BYTES_MAX, "a whole number of bytes from 1 to 1 TiB, such as '24 MiB', '1 GB' or 25165824"
)


SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
SPAN_MAX = timedelta(days=36_500)  # a moment in milliseconds plus a longer one might not fit into 64 bits
# Days, hours, minutes and seconds.
ISO_8601 = re.compile(r"P(?:([0-9]+)D)?(?:T(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+(?:\.[0-9]+)?)S)?)?")


def duration(value: object, unit: str = "s") -> timedelta:
    """Read `10s`, `500ms`, `5m`, `2h`, `30d`, or ISO 8601 such as `PT1M30S`.

    A number without a unit is refused: it could mean seconds or milliseconds. The refusal shows it with the most likely *unit*.

    Raises:
        ValueError: *value* is no duration; the text completes the sentence "Expected ...".
    """
    if isinstance(value, timedelta):
        return value
    text = str(value).strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]*)?", text):
        raise ValueError(f"a duration such as {text.rstrip('.')}{unit}")
    if short := re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(ms|s|m|h|d)", text):
        return _span(seconds=float(short[1]) * SECONDS[short[2]])
    iso = ISO_8601.fullmatch(text)
    if iso is None or not any(iso.groups()):
        raise ValueError("a duration such as 500ms, 10s, 5m, 2h, 30d or PT10S")
    days, hours, minutes, seconds = (float(part or 0) for part in iso.groups())
    return _span(days=days, hours=hours, minutes=minutes, seconds=seconds)


TIMEOUTS = (timedelta(milliseconds=1), timedelta(minutes=1))  # an expression holds its partition up; longer is a slip


def timeout(value: object) -> timedelta:
    """Read how long one expression may take: a duration from a millisecond to a minute."""
    found = duration(value)
    if not TIMEOUTS[0] <= found <= TIMEOUTS[1]:
        raise ValueError("a duration from 1ms to 1m")
    return found


SHORTEST_RETENTION = timedelta(minutes=1)


def retention(value: object) -> timedelta | None:
    """Read how long history is kept: a duration of a minute or longer, because people look at what has just ended.

    Nothing, or `forever`, means for ever.
    """
    if value is None or str(value).strip() in ("", "forever"):
        return None
    found = duration(value, "d")
    if found < SHORTEST_RETENTION:
        raise ValueError("a duration of 1m or longer")
    return found


def _span(**parts: float) -> timedelta:
    try:
        span = timedelta(**parts)
    except OverflowError:
        span = timedelta.max
    if span > SPAN_MAX:
        raise ValueError("a duration of at most 36500d")
    return span


def one_of(*choices: str) -> Callable[[object], str]:
    """Read one of these words."""

    def read(value: object) -> str:
        if value not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return str(value)

    read.choices = choices  # type: ignore[attr-defined]  # read by `choices`
    return read
