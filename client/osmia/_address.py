"""The address of a gateway: the forms in which people write it, and the environment that has it else."""

import os
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

DEFAULT_ADDRESS = "127.0.0.1:26500"
DEFAULT_PORT = 26500
SECURE_SCHEMES = {"https", "grpcs"}
PLAIN_SCHEMES = {"", "http", "grpc"}


class Address(NamedTuple):
    """An address that was understood. *target* is `host:port`; *scheme* is empty if none was written."""

    target: str
    host: str
    scheme: str

    @property
    def is_secure(self) -> bool:
        """Whether its scheme asks for TLS."""
        return self.scheme in SECURE_SCHEMES


def parse_address(address: str | None) -> Address:
    """Read the address of a gateway.

    Without *address* the environment decides: OSMIA_ADDRESS, then ZEEBE_ADDRESS, else 127.0.0.1:26500. A scheme may stand in
    front (`https://` and `grpcs://` mean TLS, `http://` and `grpc://` do not), and a missing port is 26500. Blanks around
    the address are ignored.

    Raises:
        TypeError: the address is no text.
        ValueError: the address has no such form, or its port is not between 1 and 65535.
    """
    if not isinstance(address, str | None):
        raise TypeError(f"Expected address to be a string, but found {address!r}")
    given = (address or os.environ.get("OSMIA_ADDRESS") or os.environ.get("ZEEBE_ADDRESS") or DEFAULT_ADDRESS).strip()
    refusal = ValueError(f"Expected an address like host:port or https://host:port, but found '{given}'")
    try:
        parts = urlsplit(given if "://" in given else f"//{given}")
        port = parts.port
    except ValueError:  # the port is no number, is out of range, or brackets do not match
        raise refusal from None
    if parts.scheme not in SECURE_SCHEMES | PLAIN_SCHEMES or not _is_host(parts) or port == 0:
        raise refusal
    host = str(parts.hostname)
    named = f"[{host}]" if ":" in host else host
    return Address(f"{named}:{port or DEFAULT_PORT}", host, parts.scheme)


def _is_host(parts: SplitResult) -> bool:
    """Whether the address names a host and nothing else besides a port."""
    host = parts.hostname or ""
    extra = parts.path.strip("/") or parts.query or parts.fragment or parts.username
    return bool(host) and not extra and not any(character.isspace() for character in host)
