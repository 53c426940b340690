"""Judge addresses: who reaches a host, whether two listeners meet, whether a URL is safe for secrets."""

import ipaddress
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches *host*. A name other than `localhost` counts as public."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def is_safe_url(url: str) -> bool:
    """Return whether nobody on the way can read or change what is sent to *url*: over TLS, or on this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))


def do_meet(one: str, other: str) -> bool:
    """Return whether two listeners on one port would meet: on the same address, or when one takes all addresses."""
    hosts = {host.strip("[]").replace("localhost", "127.0.0.1") for host in (one, other)}
    return len(hosts) == 1 or bool(hosts & {"0.0.0.0", "::"})  # noqa: S104 - compared, not bound


def without_password(url: str) -> str:
    """Return *url* without its password and its parameters, which may hold one too."""
    head, at, tail = url.rpartition("@")
    scheme, _, user = head.partition("://")
    return f"{scheme}://{user.partition(':')[0]}@{tail.partition('?')[0]}" if at else url.partition("?")[0]


def local_path(address: str) -> str:
    r"""Return *address* if it is a path of this site, else `/`: no link may lead people from here to another site.

    Browsers take `//host` and `/\host` for another host, and pass over line ends and tabs.
    """
    is_local = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if is_local else "/"
