"""The clock of a partition. Tests use one that they advance themselves."""

import time
from typing import Protocol

from osmia_broker.model.timers import LATEST_MS


class Clock(Protocol):
    """The time of the wall."""

    def now_ms(self) -> int:
        """Milliseconds since 1970."""


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return time.time_ns() // 1_000_000


class PinnableClock:
    """Another clock, until it is pinned to a moment. While it is not, it may be ahead of that clock, or behind."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.pinned_ms: int | None = None
        self.ahead_ms = 0

    def now_ms(self) -> int:
        """Milliseconds since 1970. The last moment of the year 9999 stays."""
        return min(self._clock.now_ms() + self.ahead_ms, LATEST_MS) if self.pinned_ms is None else self.pinned_ms
