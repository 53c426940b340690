"""Gather what a connection sends, and write it once for each turn of the loop; content only as far as the peer's windows reach."""

import asyncio
from typing import TYPE_CHECKING

from osmia_broker.h2.frame_budget import FrameBudget
from osmia_broker.h2.frames import FRAME_BYTES_MAX, WINDOW

if TYPE_CHECKING:
    from osmia_broker.h2.stream import Stream

EARNED_PER_CONTENT = 4  # a peer answers content with a ping and with updates of two windows
TURN_BYTES_MAX = 256 * 1024  # of content that is put together in one turn: more would only lie in memory


class Outbox:
    """The frames of one connection on their way out."""

    __slots__ = (
        "_budget",
        "_bytes",
        "_frames",
        "_is_due",
        "_loop",
        "_transport",
        "_waiting",
        "frame_bytes_max",
        "gathering",
        "is_closed",
        "is_full",
        "stream_window",
        "window",
    )

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, budget: FrameBudget) -> None:
        self.window = WINDOW  # of the connection: octets of content that the peer takes now
        self.stream_window = WINDOW  # that a new stream has
        self.frame_bytes_max = FRAME_BYTES_MAX  # a peer may take more, but gains nothing by it
        self.is_full = False  # the transport takes no more now
        self.is_closed = False  # nothing is sent any more
        self.gathering = 1  # the number of the write that is being put together
        self._transport, self._loop, self._budget = transport, loop, budget
        self._frames: list[bytes] = []
        self._bytes = 0  # of content among them
        self._is_due = False
        # Streams with content that their own window lets through, the next one first.
        self._waiting: dict[Stream, None] = {}

    def put(self, frames: bytes) -> None:
        """Send *frames* in this turn of the loop."""
        self._frames.append(frames)
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self.flush)

    def put_content(self, frames: bytes, octets: int) -> None:
        """Send *frames* with *octets* of content, for which there is room in the window."""
        self.window -= octets
        self._bytes += octets
        self._budget.earn(EARNED_PER_CONTENT)
        self.put(frames)

    def room(self) -> int:
        """The octets of content that one frame may have now."""
        if self.is_full or self._bytes >= TURN_BYTES_MAX:
            return 0
        return min(self.window, self.frame_bytes_max)

    def wait(self, stream: "Stream") -> None:
        """Let *stream* have its turn when there is room."""
        self._waiting[stream] = None
        self.go_on()

    def forget(self, stream: "Stream") -> None:
        """Let *stream* have no more turns."""
        self._waiting.pop(stream, None)

    def go_on(self) -> None:
        """Let streams send, a frame each in turn, until there is no room."""
        waiting = self._waiting
        while waiting and (room := self.room()) > 0:
            stream = next(iter(waiting))
            del waiting[stream]
            if stream.send_waiting(room):
                waiting[stream] = None

    def flush(self) -> None:
        """Write what was gathered."""
        self._is_due = False
        self.gathering += 1
        if self._frames:
            frames, self._frames, self._bytes = self._frames, [], 0
            if not self.is_closed:
                self._transport.write(frames[0] if len(frames) == 1 else b"".join(frames))
        if self._waiting:
            self.go_on()
