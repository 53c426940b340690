"""Pin the clock of a broker under test, move it, and let it go again."""

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
        self._clock.pinned_ms = self._moment("timestamp", ms)
        self._partitions.check_clock()

    def add(self, ms: int) -> None:
        """Move the clock by *ms*, and act on everything that has become due. It runs on, unless it is pinned.

        Raises:
            InvalidArgument: the clock would be beyond the year 9999, or before 1970.

        """
        moment = self._moment("clock", self.now_ms() + checks.int64("offsetMilli", ms))
        if self._clock.pinned_ms is None:
            self._clock.ahead_ms += ms
        else:
            self._clock.pinned_ms = moment
        self._partitions.check_clock()

    def reset(self) -> None:
        """Let the clock follow that of the machine."""
        self._clock.pinned_ms = None
        self._clock.ahead_ms = 0
        self._partitions.check_clock()

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return self._clock.now_ms()

    @staticmethod
    def _moment(name: str, ms: int) -> int:
        if not 0 <= checks.int64(name, ms) <= LATEST_MS:
            raise InvalidArgument(f"Expected a {name} from 0 to {LATEST_MS}, but found {ms}")
        return ms
