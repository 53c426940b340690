"""Time, handed to whoever needs it; tests hand in one that they advance themselves."""

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time of the wall."""

    def now_ms(self) -> int:
        """Milliseconds since 1970."""


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return time.time_ns() // 1_000_000
