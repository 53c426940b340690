"""The form of each kind of frame: its size, its stream and its values (RFC 9113, section 6). A frame of another form ends the connection."""

from collections.abc import Iterator

from osmia_broker.h2 import frames
from osmia_broker.h2.frames import (
    ACK,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    NUMBER,
    PROTOCOL_ERROR,
    SETTING,
    WINDOW_MAX,
    ConnectionFault,
)

PRIORITY_BYTES = 5


def after_priority(data: bytes, begin: int, end: int, stream_id: int) -> int:
    """Return where the header block begins in HEADERS with a priority."""
    if end - begin < PRIORITY_BYTES:
        raise ConnectionFault(FRAME_SIZE_ERROR, "Expected a priority, but found the end of the frame")
    if depends_on_itself(data, begin, stream_id):
        raise ConnectionFault(PROTOCOL_ERROR, "Expected a stream to depend on another, but found itself")
    return begin + PRIORITY_BYTES


def depends_on_itself(data: bytes, begin: int, stream_id: int) -> bool:
    """Return whether the priority at *begin* names the stream that it is for."""
    return bool(NUMBER.unpack_from(data, begin)[0] & WINDOW_MAX == stream_id)


def priority_fault(data: bytes, begin: int, end: int, stream_id: int) -> int:
    """Return the error code for a PRIORITY frame of a stream; 0 if nothing is wrong."""
    if end - begin != PRIORITY_BYTES:
        return FRAME_SIZE_ERROR
    return PROTOCOL_ERROR if depends_on_itself(data, begin, stream_id) else 0


def settings_of(data: bytes, begin: int, end: int, flags: int, stream_id: int) -> Iterator[tuple[int, int]]:
    """Return the names and values of SETTINGS; none if they acknowledge ours. A value is checked when it is read."""
    if stream_id:
        raise ConnectionFault(PROTOCOL_ERROR, "Expected SETTINGS of the connection, but found a stream")
    if (end - begin) % SETTING.size or (flags & ACK and end > begin):
        raise ConnectionFault(FRAME_SIZE_ERROR, "Expected whole settings, but found a part of one")
    return (_setting(name, value) for name, value in SETTING.iter_unpack(data[begin:end]))


def _setting(name: int, value: int) -> tuple[int, int]:
    if name == frames.INITIAL_WINDOW_SIZE and value > WINDOW_MAX:
        raise ConnectionFault(FLOW_CONTROL_ERROR, "Expected a window below 2^31, but found a larger one")
    if name == frames.MAX_FRAME_SIZE and not frames.FRAME_BYTES_MAX <= value < 2**24:
        raise ConnectionFault(PROTOCOL_ERROR, "Expected a frame size from 16384 to 16777215, but found another")
    if name == frames.ENABLE_PUSH and value > 1:
        raise ConnectionFault(PROTOCOL_ERROR, "Expected ENABLE_PUSH to be 0 or 1, but found another value")
    return name, value


def check_ping(begin: int, end: int, stream_id: int) -> None:
    """Check a PING."""
    if stream_id:
        raise ConnectionFault(PROTOCOL_ERROR, "Expected PING of the connection, but found a stream")
    if end - begin != 8:
        raise ConnectionFault(FRAME_SIZE_ERROR, "Expected a PING of 8 octets, but found another size")


def step_of(data: bytes, begin: int, end: int) -> int:
    """Return the number of octets by which a WINDOW_UPDATE widens a window."""
    if end - begin != 4:
        raise ConnectionFault(FRAME_SIZE_ERROR, "Expected a WINDOW_UPDATE of 4 octets, but found another size")
    return int(NUMBER.unpack_from(data, begin)[0]) & WINDOW_MAX


def check_rst_stream(begin: int, end: int) -> None:
    """Check a RST_STREAM."""
    if end - begin != 4:
        raise ConnectionFault(FRAME_SIZE_ERROR, "Expected a RST_STREAM of 4 octets, but found another size")


def check_goaway(begin: int, end: int, stream_id: int) -> None:
    """Check a GOAWAY."""
    if stream_id or end - begin < 8:
        raise ConnectionFault(PROTOCOL_ERROR if stream_id else FRAME_SIZE_ERROR, "Expected a whole GOAWAY")
