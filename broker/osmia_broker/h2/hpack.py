"""Header compression for a server (RFC 7541): a decoder with bounds, and an encoder that keeps no table.

Answers of gRPC are a few bytes of headers, most of them constant, so a table of our own would gain nothing and cost a state per connection.
"""

import re
from operator import itemgetter

from osmia_broker.h2.frames import COMPRESSION_ERROR, ConnectionFault
from osmia_broker.h2.huffman import decode as huffman

Field = tuple[bytes, bytes, int]  #: name, value, and their size as RFC 7541, 4.1 counts it

TABLE_BYTES = 4_096  # of a peer's dynamic table; the default of HTTP/2, which every peer may use at once
NUMBER_MAX = 2**24  # of an index or a length; everything real is far below
MALFORMED = b""  # the name of a field that RFC 9113, 8.2.1 does not allow; it keeps its place in the table

_NAME = re.compile(rb":(?:authority|method|path|scheme|status)|[!#$%&'*+\-.^_`|~0-9a-z]+")
_NO_VALUE = re.compile(rb"[\0\r\n]")
_BLANKS = b" \t"  # RFC 9113 lets nobody send them around a value; clients of gRPC do, and its servers take them off


def _static() -> list[Field]:
    """Return the static table; the place 0 is no field."""
    text = (
        ":authority|:method GET|:method POST|:path /|:path /index.html|:scheme http|:scheme https|:status 200|:status 204"
        "|:status 206|:status 304|:status 400|:status 404|:status 500|accept-charset|accept-encoding gzip, deflate"
        "|accept-language|accept-ranges|accept|access-control-allow-origin|age|allow|authorization|cache-control"
        "|content-disposition|content-encoding|content-language|content-length|content-location|content-range|content-type"
        "|cookie|date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|if-unmodified-since"
        "|last-modified|link|location|max-forwards|proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after"
        "|server|set-cookie|strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate"
    )
    pairs = [one.partition(" ")[::2] for one in text.split("|")]
    return [(MALFORMED, b"", 0), *(_field(name.encode(), value.encode()) for name, value in pairs)]


def _field(name: bytes, value: bytes) -> Field:
    return name, value, len(name) + len(value) + 32


STATIC = _static()
FIRST_DYNAMIC = len(STATIC)  # 62
_STATIC_FIELDS = FIRST_DYNAMIC - 1
_SHORT = 0x80  # and above it up to 0xFE: the octet is a whole reference to a field, by its index
_REFERENCES = bytes(range(_SHORT + 1, 0xFF))
_size_of = itemgetter(2)
_FIELDS = {field[:2]: index for index, field in enumerate(STATIC) if index}
_NAMES = {field[0]: index for index, field in reversed(list(enumerate(STATIC))) if index}


class Decoder:
    """Reads the header blocks of one connection, in their order."""

    __slots__ = ("_fields", "_limit", "_size")

    def __init__(self) -> None:
        # Both tables, from the highest index to 1: those that the peer has added, oldest first, before the static ones.
        self._fields = STATIC[:0:-1]
        self._size = 0  # of those that the peer has added
        self._limit = TABLE_BYTES

    def decode(self, block: bytes, bytes_max: int) -> list[Field] | None:
        """Return the fields of *block*; None if they are larger than *bytes_max*: then they changed the table, and are forgotten.

        Raises:
            ConnectionFault: the block cannot be read. Nothing after it can, either.
        """
        try:
            return self._decode(block, bytes_max)
        except IndexError:
            raise ConnectionFault(
                COMPRESSION_ERROR, "Expected a header block, but found a reference to nothing"
            ) from None
        except ValueError as error:
            raise ConnectionFault(COMPRESSION_ERROR, f"Expected a header block, but found {error}") from None

    def _decode(self, block: bytes, bytes_max: int) -> list[Field] | None:
        known = self._fields
        if not block.translate(None, _REFERENCES):  # the usual case
            fields = [known[_SHORT - octet] for octet in block]
            return fields if sum(map(_size_of, fields)) <= bytes_max else None
        fields = []
        size = at = 0
        end = len(block)
        while at < end:
            first = block[at]
            at += 1
            if first & 0x80:  # a field that a table has
                index = first & 0x7F
                if index == 0x7F:
                    index, at = _number(block, at, 0x7F)
                if not index:
                    raise ValueError("index 0")
                field = known[-index]
            elif first & 0x40:  # a new field that the table takes
                field, at = self._literal(block, at, first & 0x3F, 0x3F)
                self._add(field)
            elif first & 0x20:
                if fields:
                    raise ValueError("a new size of the table behind a field")
                at = self._resize(block, at, first & 0x1F)
                continue
            else:
                field, at = self._literal(block, at, first & 0x0F, 0x0F)
            size += field[2]
            if size <= bytes_max:
                fields.append(field)
        return fields if size <= bytes_max else None

    def _literal(self, block: bytes, at: int, index: int, mask: int) -> tuple[Field, int]:
        """Read a field whose value is given; its name is, too, if *index* is 0."""
        if index == mask:
            index, at = _number(block, at, mask)
        if index:
            name = self._fields[-index][0]
            value, at = _text(block, at)
        else:
            name, at = _text(block, at)
            value, at = _text(block, at)
            if _NAME.fullmatch(name) is None:
                return (MALFORMED, b"", len(name) + len(value) + 32), at
        if _NO_VALUE.search(value):
            return (MALFORMED, b"", len(name) + len(value) + 32), at
        return (name, value.strip(_BLANKS), len(name) + len(value) + 32), at

    def _resize(self, block: bytes, at: int, limit: int) -> int:
        if limit == 0x1F:
            limit, at = _number(block, at, 0x1F)
        if limit > TABLE_BYTES:
            raise ValueError(f"a table of {limit} bytes, which were not offered")
        self._limit = limit
        self._evict()
        return at

    def _add(self, field: Field) -> None:
        self._fields.insert(-_STATIC_FIELDS, field)
        self._size += field[2]
        if self._size > self._limit:
            self._evict()

    def _evict(self) -> None:
        """Remove the oldest entries until the table fits its limit (RFC 7541, 4.3 and 4.4)."""
        fields, gone = self._fields, 0
        while self._size > self._limit:
            self._size -= fields[gone][2]
            gone += 1
        del fields[:gone]


def _number(block: bytes, at: int, value: int) -> tuple[int, int]:
    """Read the rest of a number that did not fit its prefix, which gave *value* (RFC 7541, 5.1)."""
    shift = 0
    while True:
        octet = block[at]
        at += 1
        value += (octet & 0x7F) << shift
        shift += 7
        if value > NUMBER_MAX or shift > 28:
            raise ValueError("a number beyond all bounds")
        if octet < 0x80:
            return value, at


def _text(block: bytes, at: int) -> tuple[bytes, int]:
    first = block[at]
    at += 1
    length = first & 0x7F
    if length == 0x7F:
        length, at = _number(block, at, 0x7F)
    end = at + length
    if end > len(block):
        raise ValueError("a text that is cut off")
    return (huffman(block[at:end]) if first & 0x80 else block[at:end]), end


def encode(fields: list[tuple[bytes, bytes]]) -> bytes:
    """Return a header block of *fields*, which stands for itself: it uses no table but the static one."""
    return b"".join(_encoded(name, value) for name, value in fields)


def _encoded(name: bytes, value: bytes) -> bytes:
    index = _FIELDS.get((name, value))
    if index is not None:
        return bytes((0x80 | index,))
    index = _NAMES.get(name)
    return (b"\0" + _written(name) if index is None else _prefixed(index, 0x0F)) + _written(value)


def _written(text: bytes) -> bytes:
    return _prefixed(len(text), 0x7F) + text


def _prefixed(value: int, mask: int) -> bytes:
    """Return *value* behind a prefix whose bits are *mask*."""
    if value < mask:
        return bytes((value,))
    octets = bytearray((mask,))
    value -= mask
    while value >= 0x80:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)
