"""One request and its answer. A server subclasses `Stream` and says what arriving parts mean; this is only how they travel."""

import asyncio
from typing import TYPE_CHECKING

from osmia_broker.h2.frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADER,
    HEADERS,
    NUMBER,
    WINDOW_MAX,
    frame,
    rst_stream,
    window_update,
)
from osmia_broker.h2.hpack import Field

if TYPE_CHECKING:
    from osmia_broker.h2.connection import Connection

Block = tuple[bytes, bytes]  #: the beginning of a HEADERS frame up to its stream, and the header block behind it


def prepared(block: bytes, *, is_last: bool) -> Block:
    """Make ready a header block that is sent often. It must fit one frame."""
    flags = END_HEADERS | (END_STREAM if is_last else 0)
    return frame(HEADERS, flags, 0, block)[:5], block


class Stream:
    """The HTTP/2 half of a request. `window` is what its peer takes of content, `receive_window` what its peer may send."""

    __slots__ = (
        "__weakref__",
        "_connection",
        "_drained",
        "_held",
        "_last",
        "_offset",
        "_outbox",
        "_read",
        "_unsent",
        "begun_s",
        "expected",
        "id",
        "is_over",
        "is_whole",
        "receive_window",
        "window",
    )

    def __init__(self, connection: "Connection", id: int) -> None:
        self.id = id
        self.is_whole = False  # the peer has sent everything
        self.is_over = False  # nothing more is sent, and what arrives is of no interest
        self.expected: int | None = None  # octets of content that are still to come, if the peer announced their number
        self.begun_s = 0.0  # by the clock of the site
        self.window = connection.outbox.stream_window
        self.receive_window = connection.limits.stream_window
        self._connection = connection
        self._outbox = connection.outbox
        self._read = 0  # octets that the peer may send again and was not told of
        self._unsent = b""  # content that waits for a window
        self._offset = 0  # of what is unsent in it
        self._last: bytes | None = None  # the frame behind it, if it is known
        self._held = 0  # bytes that count for the memory of the connection
        self._drained: asyncio.Future[None] | None = None

    # --- what a subclass does with what arrives

    def opened(self, fields: list[Field] | None) -> None:
        """Take the head of the request; None if it is too large. `is_whole` says whether content follows.

        Raises:
            StreamFault: it is malformed.
        """
        raise NotImplementedError

    def received(self, data: bytes) -> None:
        """Take content. `is_whole` says whether more follows. The subclass calls `read` for what it does not keep."""
        raise NotImplementedError

    def lost(self) -> None:
        """Stop: the peer has gone or wants no answer. Called once, and not after `is_over`."""
        raise NotImplementedError

    # --- what arrives

    def read(self, octets: int) -> None:
        """Let the peer send as many octets again as were read. It is told when they are half of a window."""
        self._read += octets
        if self._read >= self._connection.limits.stream_window >> 1 and not self.is_whole and not self.is_over:
            self.receive_window += self._read
            self._outbox.put(window_update(self.id, self._read))
            self._read = 0

    def hold(self, octets: int) -> bool:
        """Count *octets* that are kept for this stream; return False, and count nothing, if that would be too many."""
        if not self._connection.hold(octets):
            return False
        self._held += octets
        return True

    def release(self, octets: int) -> None:
        """Count *octets* less."""
        self._held -= octets
        self._connection.release(octets)

    # --- what is sent

    def send_head(self, block: Block) -> None:
        """Send the head of the answer."""
        self._outbox.put(b"".join((block[0], NUMBER.pack(self.id), block[1])))

    def send_content(self, data: bytes) -> bool:
        """Send *data*, now or when the peer takes it. Return False, and send nothing, if too much waits on the connection already.

        `is_drained()` must be true. It is again when everything was sent.
        """
        size = len(data)
        if size <= self.window and size <= self._outbox.room():
            self.window -= size
            header = HEADER.pack(size >> 8, size & 255, DATA, 0, self.id)
            self._outbox.put_content(header + data, size)
            return True
        if not self.hold(size):
            return False
        self._unsent, self._offset = data, 0
        if self.window > 0:
            self._outbox.wait(self)
        return True

    def send_last(self, block: Block) -> None:
        """Send the end of the answer behind all content."""
        last = b"".join((block[0], NUMBER.pack(self.id), block[1]))
        if self._unsent:
            self._last = last
        else:
            self._outbox.put(last)
            self.end()

    def send_whole(self, head: Block, data: bytes, last: Block) -> bool:
        """Send an answer of one piece. The result is that of `send_content`."""
        size = len(data)
        if size <= self.window and size <= self._outbox.room() and not self._unsent:
            id = NUMBER.pack(self.id)
            header = HEADER.pack(size >> 8, size & 255, DATA, 0, self.id)
            self._outbox.put_content(b"".join((head[0], id, head[1], header, data, last[0], id, last[1])), size)
            self.end()
            return True
        self.send_head(head)
        if not self.send_content(data):
            return False
        self.send_last(last)
        return True

    def send_waiting(self, room: int) -> bool:
        """Send one frame of waiting content, at most *room* octets; return whether there is more that could be sent."""
        begin = self._offset
        size = min(room, self.window, len(self._unsent) - begin)
        if size <= 0:
            return False
        self._offset = end = begin + size
        self.window -= size
        header = HEADER.pack(size >> 8, size & 255, DATA, 0, self.id)
        self._outbox.put_content(header + self._unsent[begin:end], size)
        if end < len(self._unsent):
            return self.window > 0
        self.release(len(self._unsent))
        self._unsent, self._offset = b"", 0
        if self._last is not None:
            self._outbox.put(self._last)
            self.end()
        elif self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        return False

    def widen(self, octets: int) -> bool:
        """Note that the peer takes *octets* more, or fewer; return False if that is more than a window can be."""
        self.window += octets
        if self.window > WINDOW_MAX:
            return False
        if self._unsent and self.window > 0:
            self._outbox.wait(self)
        return True

    def is_drained(self) -> bool:
        """Return whether content can be sent: all that was sent before has left, and the connection takes more."""
        return not self._unsent and not self._outbox.is_full

    def is_ending(self) -> bool:
        """Whether the end of the answer is known, though it may wait behind content."""
        return self.is_over or self._last is not None

    @property
    def is_stuck(self) -> bool:
        """Whether content waits for the peer."""
        return bool(self._unsent)

    async def drained(self) -> None:
        """Wait until content can be sent."""
        while not self.is_drained():
            self._drained = self._connection.loop.create_future()
            if not self._unsent:
                self._connection.wake_when_writable(self._drained)
            await self._drained

    # --- the end

    def end(self) -> None:
        """Note that the answer is complete. A peer that still sends is asked to stop."""
        if not self.is_whole:
            self._connection.early.ask_to_stop(self.id)
        self.is_over = True
        if self._held:
            self.release(self._held)
        self._connection.answered(self)

    def reset(self, code: int) -> None:
        """End the stream without an answer, or in the middle of one."""
        if not self.is_over:
            self._outbox.put(rst_stream(self.id, code))
            self.give_up()

    def give_up(self) -> None:
        """Forget the stream, whatever is unsent."""
        self.is_over = True
        self._unsent, self._last = b"", None
        self._outbox.forget(self)
        self.release(self._held)
        self._connection.forget(self)
        if self._drained is not None and not self._drained.done():
            self._drained.cancel()
