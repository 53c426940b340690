"""Pin the clock of a broker under test, and let it go again."""

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.calls import checks
from osmia_broker.partition import Partitions, PinnableClock

LATEST_MS = 253_402_300_799_000  # the end of the year 9999: dates of expressions end there


class ClockControl:
    """The clock of the partitions, in the hands of callers."""

    def __init__(self, partitions: Partitions, clock: PinnableClock) -> None:
        self._partitions = partitions
        self._clock = clock

    def pin(self, ms: int) -> None:
        """Let the clock stand at *ms*, epoch, and act on everything that has become due.

        Raises:
            InvalidArgument: it is beyond the year 9999.

        """
        if not 0 <= checks.int64("timestamp", ms) <= LATEST_MS:
            raise InvalidArgument(f"Expected a timestamp from 0 to {LATEST_MS}, but found {ms}")
        self._clock.pinned_ms = ms
        self._partitions.check_clock()

    def reset(self) -> None:
        """Let the clock follow that of the machine."""
        self._clock.pinned_ms = None
        self._partitions.check_clock()
