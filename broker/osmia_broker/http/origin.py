"""Whether a request comes from another site: a page there may send one in the name of the person at the browser, with their cookies or password.

Browsers say where a request comes from, and a page cannot change that. A program that is no browser says nothing, and is believed.
"""

from collections.abc import Mapping
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


def split(address: str) -> SplitResult:
    """Return the parts of an address that a browser has sent; empty parts if it is none."""
    try:
        return urlsplit(address)
    except ValueError:
        return SplitResult("", "", "", "", "")
