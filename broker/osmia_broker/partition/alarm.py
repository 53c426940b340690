"""A timer for a moment of the wall clock."""

import asyncio
from collections.abc import Callable

LOOK_S = 1.0  # the longest sleep, since the clock of the wall may be set forward meanwhile


class Alarm:
    """Calls back at a moment, or LOOK_S from now if that is earlier. There is at most one timer at a time."""

    __slots__ = ("_at_ms", "_call", "_loop", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
        self._loop = loop
        self._call = call
        self._timer: asyncio.TimerHandle | None = None
        self._at_ms = 0

    def set(self, at_ms: int, now_ms: int) -> None:
        """Call back at *at_ms*, unless that is planned for an earlier moment already."""
        if self._timer is not None and self._at_ms <= at_ms:
            return
        self.stop()
        self._at_ms = at_ms
        self._timer = self._loop.call_later(min(LOOK_S, max(0.0, (at_ms - now_ms) / 1000)), self._fire)

    def stop(self) -> None:
        """Call back no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        self._call()
