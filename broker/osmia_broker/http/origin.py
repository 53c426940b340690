"""Whether a request comes from another site: a page there may send one in the name of the person at the browser, with their cookies or password.

Browsers say where a request comes from, and a page cannot change that. A program that is no browser says nothing, and is believed.

A page can also let the name of its own site lead to this machine, and is of the same site then (DNS rebinding). The name stays in the
header `host`, so an open broker answers to this machine's names alone.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

SAFE_METHODS = ("GET", "HEAD")  # they change nothing, and another site cannot read their answers
OWN_SITES = ("same-origin", "none")  # none: the person typed the address


def is_foreign(method: str, headers: Mapping[str, str]) -> bool:
    """Return whether a request that changes something comes from another site. *headers* have lower-case names."""
    if method in SAFE_METHODS:
        return False
    site = headers.get("sec-fetch-site")
    if site is not None and site not in OWN_SITES:
        return True
    origin = headers.get("origin")
    return origin is not None and split(origin).netloc != headers.get("host", "")


def is_this_machine(host: str) -> bool:
    """Return whether the header *host* names this machine: `localhost`, or an address in digits. Without the header no browser asks."""
    name = (split(f"//{host}").hostname or "").removesuffix(".")
    if not host or name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def split(address: str) -> SplitResult:
    """Return the parts of an address that a browser has sent; empty parts if it is none."""
    try:
        return urlsplit(address)
    except ValueError:
        return SplitResult("", "", "", "", "")
