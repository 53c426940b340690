"""Multipart requests: files that travel beside each other (RFC 7578)."""

import re
from urllib.parse import unquote_to_bytes

from python_multipart.multipart import MultipartParser, parse_options_header

from osmia_broker.http.operation import Upload
from osmia_broker.http.problem import bad_request

PARTS_MAX = 1_000
_EXTENDED_NAME = re.compile(rb";\s*filename\*\s*=\s*\"?utf-8'[^']*'([^;\"]*)", re.IGNORECASE)


def read_parts(content: bytes, media_type: str) -> list[Upload]:
    """Read the parts of a multipart body, in their order.

    Raises:
        HttpRefusal: the body is cut off or damaged, or has too many parts.

    """
    _, options = parse_options_header(media_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise bad_request("Failed to read request: expected a boundary in the content type, but found none")
    reader = _Reader()
    try:
        parser = reader.parser(boundary)
        parser.write(content)
        parser.finalize()
    except Exception as fault:  # noqa: BLE001 - the library has several kinds of its own
        raise bad_request(f"Failed to read request: expected parts of a form, but found a fault: {fault}") from None
    if not reader.is_complete:
        raise bad_request("Failed to read request: expected the closing boundary, but found the end of the body")
    return reader.parts


class _Reader:
    """Collects parts from the events of the parser."""

    def __init__(self) -> None:
        self.parts: list[Upload] = []
        self.is_complete = False
        self._headers: dict[bytes, bytes] = {}
        self._name = self._value = b""
        self._content: list[bytes] = []

    def parser(self, boundary: bytes) -> MultipartParser:
        """Make a parser that reports to this reader."""
        return MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._field,
                "on_header_value": self._field_value,
                "on_header_end": self._header_end,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._complete,
            },
        )

    def _begin(self) -> None:
        self._headers, self._content = {}, []

    def _field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _field_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._content.append(data[start:end])

    def _end(self) -> None:
        if len(self.parts) >= PARTS_MAX:
            raise ValueError(f"more than {PARTS_MAX} parts")
        disposition = self._headers.get(b"content-disposition", b"")
        # The octets are parsed, not the text: names are UTF-8, and the library takes texts for Latin-1.
        _, options = parse_options_header(disposition)
        self.parts.append(
            Upload(
                name=options.get(b"name", b"").decode("utf-8", "replace"),
                file_name=options.get(b"filename", _extended_name(disposition)).decode("utf-8", "replace"),
                media_type=self._headers.get(b"content-type", b"").decode("utf-8", "replace"),
                content=b"".join(self._content),
            )
        )

    def _complete(self) -> None:
        self.is_complete = True


def _extended_name(disposition: bytes) -> bytes:
    """Return the name that is told in the extended form alone, as some clients do although RFC 7578 does not allow it."""
    found = _EXTENDED_NAME.search(disposition)
    return unquote_to_bytes(found[1]) if found else b""
