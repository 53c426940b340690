"""Work that has become due: leases and back-offs that end, follow-ups to carry out.

The store is asked for the earliest due rows in slices, and each slice is worked off before the next one is asked for. Between
commands that take long, the partition serves others for at least as long.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any

from osmia_broker.engine.commands import CarryOut, Command, ParkFollowUp, ReachDeadlines
from osmia_broker.errors import OsmiaError, StoreFailed
from osmia_broker.state.deadlines import SLICE_ROWS
from osmia_broker.state.rows import FollowUp, Job
from osmia_broker.state.store_protocol import Due, DueWanted

JOBS_PER_COMMAND = 50  # ended leases per command; each may load a process instance
WORK_S = 0.005  # due work without a pause; beyond it, others are served as long as the work took
STUCK_MAX = 10_000  # corrupt due rows that are passed over

log = logging.getLogger(__name__)


class _Waiter:
    """Waits for the end of one due command, which frees the way for the next slice."""

    __slots__ = ("_ended",)

    def __init__(self, ended: Callable[[Any, OsmiaError | None], None]) -> None:
        self._ended = ended

    def done(self) -> bool:
        return False

    def set_result(self, result: Any, /) -> None:
        self._ended(result, None)

    def set_exception(self, exception: Any, /) -> None:
        self._ended(None, exception)


class DueWork:
    """The due commands of one partition, from the store's answer until each of them is committed."""

    def __init__(self, decide: Callable[[Command, Any], None]) -> None:
        self._decide = decide
        self._queue: deque[Command] = deque()
        self._under_way = 0
        self._stuck: set[int] = set()  # keys of rows that cannot be worked off; a start tries them again

    @property
    def is_idle(self) -> bool:
        """Whether the last slice is finished, so that the next one may be asked for."""
        return not self._queue and not self._under_way

    @property
    def is_waiting(self) -> bool:
        """Whether commands wait to be decided."""
        return bool(self._queue)

    def question(self, now_ms: int) -> DueWanted:
        """Return the question for the next slice."""
        return DueWanted(now_ms, SLICE_ROWS + len(self._stuck))

    def take(self, due: Due) -> None:
        """Queue commands for the rows of a slice."""
        rows = [(row_type, key) for _, row_type, key in due.rows if key not in self._stuck]
        jobs = [key for row_type, key in rows if row_type is Job]
        for first in range(0, len(jobs), JOBS_PER_COMMAND):
            self._queue.append(ReachDeadlines(tuple(jobs[first : first + JOBS_PER_COMMAND])))
        self._queue.extend(CarryOut(key) for row_type, key in rows if row_type is FollowUp)

    def work(self) -> float:
        """Decide queued commands for up to WORK_S, at least one; return how many seconds it took."""
        begun = perf_counter()
        while self._queue:
            command = self._queue.popleft()
            self._under_way += 1
            self._decide(command, _Waiter(self._ended(command)))
            if perf_counter() - begun > WORK_S:
                break
        return perf_counter() - begun

    def _ended(self, command: Command) -> Callable[[Any, OsmiaError | None], None]:
        def ended(result: Any, error: OsmiaError | None) -> None:
            self._under_way -= 1
            if isinstance(command, ReachDeadlines):
                keys: Iterable[int] = command.job_keys if error is not None else result
                if not isinstance(error, StoreFailed):
                    self._pass_over(keys, error or "its process instance cannot be read")
            elif isinstance(command, CarryOut) and error is not None and not isinstance(error, StoreFailed):
                self._queue.append(
                    ParkFollowUp(command.follow_up_key, f"Expected a follow-up to succeed, but found: {error}")
                )
            elif isinstance(command, ParkFollowUp) and error is not None and not isinstance(error, StoreFailed):
                self._pass_over([command.follow_up_key], error)

        return ended

    def _pass_over(self, keys: Iterable[int], reason: object) -> None:
        for key in keys:
            if len(self._stuck) < STUCK_MAX:
                self._stuck.add(key)
            log.error("due row passed over", extra={"key": key, "reason": str(reason)})
