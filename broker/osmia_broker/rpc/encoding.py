"""The encoding of metadata, texts, deadlines and compressed messages in gRPC over HTTP/2 (gRPC, PROTOCOL-HTTP2.md and compression.md)."""

import re
import zlib
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Iterable

from osmia_broker.h2.request import PSEUDO
from osmia_broker.rpc.face import Metadata, Refusal

OWN = PSEUDO | {b"te", b"content-type", b"content-length", b"grpc-timeout", b"grpc-encoding", b"grpc-accept-encoding"}
# These belong to the protocol; all other fields are metadata.
BINARY = b"-bin"
WINDOW_BITS = {b"gzip": 31, b"deflate": 15}  # zlib's own numbers for the two formats
ENCODINGS = b"identity,deflate,gzip"
TIMEOUT_S_MAX = 365 * 86_400.0  # nobody waits longer, and clocks of event loops overflow somewhere
_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_TO_ESCAPE = re.compile(rb"[^ -$&-~]")


def metadata(fields: Iterable[tuple[bytes, bytes, int]]) -> Metadata:
    """Return what a caller sent beside the message. A value that is not what its name promises is left out."""
    found: list[tuple[str, str | bytes]] = []
    for name, value, _ in fields:
        if name in OWN:
            continue
        text = name.decode("ascii")
        if name.endswith(BINARY):
            found.extend((text, one) for one in _binary(value))
        else:
            found.append((text, _text(value)))
    return tuple(found)


def _text(value: bytes) -> str | bytes:
    """Read the value of a field. One that is no UTF-8 stays as bytes, so that nobody takes a mended text for what was sent."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _binary(value: bytes) -> list[bytes]:
    """Read the values of a `-bin` field: Base64 with or without padding; several are separated by commas."""
    found = []
    for one in value.split(b","):
        try:
            found.append(b64decode(one.strip() + b"=" * (-len(one.strip()) % 4), validate=True))
        except Error:
            continue
    return found


def written(pairs: Metadata) -> list[tuple[bytes, bytes]]:
    """Return metadata as header fields."""
    return [
        (name.encode("ascii"), b64encode(value).rstrip(b"=") if isinstance(value, bytes) else escaped(value))
        for name, value in pairs
    ]


def escaped(text: str) -> bytes:
    """Write *text* as `grpc-message`: UTF-8, where all but printable ASCII without % is escaped as %XX."""
    return _TO_ESCAPE.sub(lambda octet: b"%%%02X" % octet[0][0], text.encode("utf-8", "replace"))


def timeout_s(value: bytes) -> float:
    """Read `grpc-timeout`.

    Raises:
        Refusal: it is no time.
    """
    read = _TIMEOUT.fullmatch(value)
    if read is None:
        raise Refusal("INTERNAL", f"Expected grpc-timeout to be a number and a unit, but found {value[:20]!r}")
    return min(int(read[1]) * _UNITS[read[2]], TIMEOUT_S_MAX)


def unpacked(message: bytes, encoding: bytes, bytes_max: int) -> bytes:
    """Return *message* without its compression.

    Raises:
        Refusal: the encoding is unknown, the message is broken, or it is larger than *bytes_max* when unpacked.
    """
    if encoding not in WINDOW_BITS:
        if encoding == b"identity":
            raise Refusal("INTERNAL", "Expected grpc-encoding beside a compressed message, but found none")
        trailers = (("grpc-accept-encoding", ENCODINGS.decode()),)
        raise Refusal("UNIMPLEMENTED", f"Expected {ENCODINGS.decode()}, but found {encoding[:50]!r}", trailers)
    unpacking = zlib.decompressobj(WINDOW_BITS[encoding])
    try:
        found = unpacking.decompress(message, bytes_max + 1)
    except zlib.error:
        found = b""
    else:
        if len(found) > bytes_max:
            raise too_large(bytes_max, len(found))
    if not unpacking.eof or unpacking.unused_data:
        raise Refusal("INTERNAL", f"Expected a message in {encoding.decode()}, but found other bytes")
    return found


def too_large(bytes_max: int, octets: int) -> Refusal:
    """Refuse a message in the words of the reference broker, by which clients know that repeating does not help."""
    return Refusal("RESOURCE_EXHAUSTED", f"gRPC message exceeds maximum size {bytes_max}: {octets}")
