"""The earliest moment at which something may become due.

Leases, back-offs, follow-ups, timers and times to live stand in the store. Each of these tables has an index by its due time, so a million
waiting timers take no memory. Here is only the earliest of these times. It may be too early, if its row has changed since; then a look
finds nothing and learns the next time. It is never too late.

Follow-ups carry on what has begun, so their times are known apart: they are asked for although a look has just been (`partition/due_work`).
"""

from osmia_broker.state.store_protocol import Due

SLICE_ROWS = 200  #: due rows per look, so that other commands are served in between


class Deadlines:
    """Knows when the store must be asked for due rows."""

    __slots__ = ("_added_ms", "looking", "next_ms", "work_ms")

    def __init__(self, next_ms: int | None = None) -> None:
        self.next_ms = next_ms
        self.work_ms: int | None = None  #: the earliest time of the follow-ups that came since the last look began
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
        if self.work_ms is None or due_ms < self.work_ms:
            self.work_ms = due_ms

    def is_due(self, now_ms: int) -> bool:
        """Whether a look is worth while."""
        return not self.looking and self.next_ms is not None and self.next_ms <= now_ms

    def is_work_due(self, now_ms: int) -> bool:
        """Whether a look would find a follow-up that came since the last one."""
        return self.work_ms is not None and self.work_ms <= now_ms

    def look_begins(self) -> None:
        """Note that due rows are being loaded."""
        self.looking, self._added_ms, self.work_ms = True, None, None

    def looked(self, due: Due) -> None:
        """Learn the next time from the result of a look."""
        self.looking = False
        times = [ms for ms in (due.next_ms, self._added_ms) if ms is not None]
        self.next_ms = min(times, default=None)
