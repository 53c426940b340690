"""Answers that came before the end of their request: a little later, their peer is asked to send no more (RFC 9113, 8.1)."""

import asyncio

from osmia_broker.h2.frames import NO_ERROR, rst_stream
from osmia_broker.h2.outbox import Outbox

STOP_S = 0.5  # for a peer to pass on an answer before the end of its request: HAProxy forgets it at RST_STREAM
STOPS_MAX = 100  # that wait so on a connection


class EarlyAnswers:
    """The streams of one connection that have their answer, and whose peer may still send."""

    __slots__ = ("_loop", "_outbox", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, outbox: Outbox) -> None:
        self._loop, self._outbox = loop, outbox
        self._waiting: dict[int, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def ask_to_stop(self, stream_id: int) -> None:
        """Ask the peer to send no more for a stream that has its answer, unless it stops by itself soon."""
        if len(self._waiting) < STOPS_MAX:
            self._waiting[stream_id] = self._loop.call_later(STOP_S, self._stop, stream_id)
        else:
            self._outbox.put(rst_stream(stream_id, NO_ERROR))

    def _stop(self, stream_id: int) -> None:
        self.stopped(stream_id)
        self._outbox.put(rst_stream(stream_id, NO_ERROR))

    def stopped(self, stream_id: int) -> None:
        """Note that the peer sends no more for a stream; it may be any."""
        if waits := self._waiting.pop(stream_id, None):
            waits.cancel()

    def forget(self) -> None:
        """Ask nobody: the connection is closed."""
        for waits in self._waiting.values():
            waits.cancel()
        self._waiting.clear()
