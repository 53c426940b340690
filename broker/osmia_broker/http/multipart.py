"""Multipart requests: files that travel beside each other (RFC 7578)."""

from python_multipart.multipart import MultipartParser, parse_options_header

from osmia_broker.http.operation import Upload
from osmia_broker.http.problem import bad_request

PARTS_MAX = 1_000


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
        self._headers: dict[str, str] = {}
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
        self._headers[self._name.decode("latin-1").lower()] = self._value.decode("utf-8", "replace")
        self._name = self._value = b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._content.append(data[start:end])

    def _end(self) -> None:
        if len(self.parts) >= PARTS_MAX:
            raise ValueError(f"more than {PARTS_MAX} parts")
        _, options = parse_options_header(self._headers.get("content-disposition", ""))
        self.parts.append(
            Upload(
                name=options.get(b"name", b"").decode("utf-8", "replace"),
                file_name=options.get(b"filename", b"").decode("utf-8", "replace"),
                media_type=self._headers.get("content-type", ""),
                content=b"".join(self._content),
            )
        )

    def _complete(self) -> None:
        self.is_complete = True
