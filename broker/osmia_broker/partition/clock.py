"""The clock of a partition. Tests use one that they advance themselves."""

import time
from typing import Protocol


class Clock(Protocol):
    """The time of the wall."""

    def now_ms(self) -> int:
        """Milliseconds since 1970."""


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return time.time_ns() // 1_000_000
