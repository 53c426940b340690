"""The head of a request: which fields it must have, and which make it malformed (RFC 9113, section 8)."""

from collections.abc import Iterable

from osmia_broker.h2.frames import PROTOCOL_ERROR, StreamFault
from osmia_broker.h2.hpack import MALFORMED, Field

PSEUDO = frozenset((b":method", b":scheme", b":path", b":authority"))
_FORBIDDEN = frozenset(
    (b":status", b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade", MALFORMED)
)
_SPECIAL = PSEUDO | _FORBIDDEN


def head(fields: Iterable[Field]) -> dict[bytes, bytes]:
    """Return the fields of a request by name; of equal names the last counts.

    Raises:
        StreamFault: the request is malformed.
    """
    found: dict[bytes, bytes] = {}
    is_behind = False  # the pseudo-header fields
    for name, value, _ in fields:
        if name not in _SPECIAL:
            is_behind = True
        elif name in _FORBIDDEN or is_behind or name in found:
            raise StreamFault(PROTOCOL_ERROR, "Expected the head of a request, but found a field that may not be there")
        found[name] = value
    if not (found.get(b":method") and found.get(b":scheme") and found.get(b":path")):
        raise StreamFault(PROTOCOL_ERROR, "Expected a method, a scheme and a path, but found one of them missing")
    if found.get(b"te", b"trailers") != b"trailers":
        raise StreamFault(PROTOCOL_ERROR, "Expected te to be trailers, but found another value")
    return found


def check_trailers(fields: Iterable[Field]) -> None:
    """Check the fields behind the content of a request.

    Raises:
        StreamFault: one may not be there.
    """
    if any(name in _SPECIAL for name, _, _ in fields):
        raise StreamFault(PROTOCOL_ERROR, "Expected trailers, but found a field that may not be there")


def content_length(found: dict[bytes, bytes]) -> int | None:
    """Return how many octets of content a request announces; None if it does not say.

    Raises:
        StreamFault: it is no number.
    """
    text = found.get(b"content-length")
    if text is None:
        return None
    if not text.isdigit() or len(text) > 18:
        raise StreamFault(PROTOCOL_ERROR, "Expected content-length to be a number, but found something else")
    return int(text)
