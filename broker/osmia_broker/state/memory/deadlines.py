"""The earliest moment at which something may become due.

Leases, back-offs, follow-ups, timers and times to live stand in the store. Each of these tables has an index by its due time, so a million
waiting timers take no memory. Here is only the earliest of these times. It may be too early, if its row has changed since; then a look
finds nothing and learns the next time. It is never too late.

After a look there may be a pause (`partition/due_work`). Two things do not wait for its end: follow-ups, which carry on what has begun, so
their times are known apart; and rows that were due at that look already: those that it left, and those that came late.
"""

from osmia_broker.state.store_protocol import Due

SLICE_ROWS = 200  #: due rows per look, so that other commands are served in between


class Deadlines:
    """Knows when the store must be asked for due rows."""

    __slots__ = ("_added_ms", "_looked_ms", "_work_ms", "looking", "next_ms")

    def __init__(self, next_ms: int | None = None) -> None:
        self.next_ms = next_ms
        self._looked_ms = 0  # the moment of the last look
        self._work_ms: int | None = None  # the earliest time of the follow-ups that came since then
        self.looking = False  # a look is under way
        self._added_ms: int | None = None  # the earliest time added during the look, which may not have seen it

    def add(self, due_ms: int) -> None:
        """Note that a row becomes due at *due_ms*."""
        if self.looking and (self._added_ms is None or due_ms < self._added_ms):
            self._added_ms = due_ms
        if self.next_ms is None or due_ms < self.next_ms:
            self.next_ms = due_ms

    def add_work(self, due_ms: int) -> None:
        """Note that a follow-up becomes due at *due_ms*."""
        self.add(due_ms)
        if self._work_ms is None or due_ms < self._work_ms:
            self._work_ms = due_ms

    def is_due(self, now_ms: int) -> bool:
        """Whether a look is worth while."""
        return not self.looking and self.next_ms is not None and self.next_ms <= now_ms

    @property
    def pressing_ms(self) -> int | None:
        """The earliest time of what does not wait for the end of a pause."""
        return self.next_ms if self.next_ms is not None and self.next_ms <= self._looked_ms else self._work_ms

    def is_pressing(self, now_ms: int) -> bool:
        """Whether something is due that does not wait for the end of a pause."""
        pressing_ms = self.pressing_ms
        return pressing_ms is not None and pressing_ms <= now_ms

    def look_begins(self, now_ms: int) -> None:
        """Note that the rows due at *now_ms* are being loaded."""
        self.looking, self._added_ms, self._work_ms, self._looked_ms = True, None, None, now_ms

    def looked(self, due: Due) -> None:
        """Learn the next time from the result of a look."""
        self.looking = False
        times = [ms for ms in (due.next_ms, self._added_ms) if ms is not None]
        self.next_ms = min(times, default=None)
