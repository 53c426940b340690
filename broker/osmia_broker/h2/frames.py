"""The frames of HTTP/2 as bytes: kinds, flags, settings, error codes, and how a frame is put together (RFC 9113, sections 4, 6 and 7)."""

from struct import Struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)

END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
WITH_PRIORITY = 0x20

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = (
    range(1, 7)
)

NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR = range(
    7
)
REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM = range(7, 12)

HEADER_BYTES = 9
FRAME_BYTES_MAX = 16_384  # the least that every peer may send; larger frames would only make others wait longer
WINDOW = 65_535  # of a stream and of the connection, until a peer says otherwise
WINDOW_MAX = 2**31 - 1

HEADER = Struct(">HBBBI")  #: length >> 8, length & 255, kind, flags, stream id
NUMBER = Struct(">I")
SETTING = Struct(">HI")


class ConnectionFault(Exception):
    """The peer broke a rule that ends the connection. *code* is the error code that it is told."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class StreamFault(Exception):
    """The peer broke a rule that ends one stream."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """Return a frame. The payload must fit the peer's `MAX_FRAME_SIZE`."""
    length = len(payload)
    return HEADER.pack(length >> 8, length & 255, kind, flags, stream_id) + payload


def settings(values: dict[int, int]) -> bytes:
    """Return a SETTINGS frame with *values* by their identifier."""
    return frame(SETTINGS, 0, 0, b"".join(SETTING.pack(*pair) for pair in values.items()))


def window_update(stream_id: int, octets: int) -> bytes:
    """Return a frame that lets the peer send *octets* more."""
    return frame(WINDOW_UPDATE, 0, stream_id, NUMBER.pack(octets))


def rst_stream(stream_id: int, code: int) -> bytes:
    """Return a frame that ends a stream."""
    return frame(RST_STREAM, 0, stream_id, NUMBER.pack(code))


def goaway(last_stream_id: int, code: int, text: str = "") -> bytes:
    """Return a frame that ends the connection; streams above *last_stream_id* were not looked at."""
    return frame(GOAWAY, 0, 0, NUMBER.pack(last_stream_id) + NUMBER.pack(code) + text.encode()[:200])


def unpadded(data: bytes, begin: int, end: int, flags: int) -> tuple[int, int]:
    """Return where the content of a frame begins and ends when padding is taken off (RFC 9113, 6.1).

    Raises:
        ConnectionFault: the padding is longer than the frame.
    """
    if not flags & PADDED:
        return begin, end
    if begin >= end or begin + 1 + data[begin] > end:
        raise ConnectionFault(PROTOCOL_ERROR, "Expected padding within its frame, but found more")
    return begin + 1, end - data[begin]
