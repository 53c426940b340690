"""Work that has become due: leases and back-offs that end, follow-ups to carry out.

The store is asked for the earliest due rows in slices, and each slice is worked off before the next one is asked for. Between
commands that take long, the partition serves others for at least as long.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any

from osmia_broker.engine.commands import (
    CarryOut,
    Command,
    ExpireCreation,
    ExpireMessage,
    ParkFollowUp,
    ReachDeadlines,
    TriggerTimer,
)
from osmia_broker.errors import OsmiaError, StoreFailed
from osmia_broker.partition.alarm import Alarm
from osmia_broker.partition.clock import Clock
from osmia_broker.state.deadlines import SLICE_ROWS, Deadlines
from osmia_broker.state.rows import CreatedOnce, FollowUp, Job, Message, Timer
from osmia_broker.state.store_protocol import Due, DueWanted, Wanted

JOBS_PER_COMMAND = 50  # ended leases per command; each may load a process instance
WORK_S = 0.005  # due work without a pause; beyond it, others are served as long as the work took
STUCK_MAX = 10_000  # corrupt due rows that are passed over

log = logging.getLogger(__name__)


#: The command for a due row of each kind; leases and back-offs of jobs go many to a command instead.
_COMMANDS: dict[type, Callable[[int], Command]] = {
    FollowUp: CarryOut,
    Timer: TriggerTimer,
    Message: ExpireMessage,
    CreatedOnce: ExpireCreation,
}


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


def key_of(command: Command) -> int:
    """Return the key of the row that a due command is about."""
    if isinstance(command, TriggerTimer):
        return command.timer_key
    if isinstance(command, ExpireMessage):
        return command.message_key
    if isinstance(command, ExpireCreation):
        return command.created_once_key
    assert isinstance(command, CarryOut | ParkFollowUp), "due work about one row"
    return command.follow_up_key


class DueWork:
    """The due commands of one partition: asked for when their time has come, queued, decided, until each is committed.

    *decide* decides a command, *schedule* lets the open batch be closed soon, *guarded* makes a call of the partition's loop.
    """

    def __init__(
        self,
        clock: Clock,
        deadlines: Deadlines,
        decide: Callable[[Command, Any], None],
        schedule: Callable[[], None],
        guarded: Callable[[Callable[[], None]], None],
    ) -> None:
        self._clock = clock
        self._deadlines = deadlines
        self._decide = decide
        self._schedule = schedule
        self._guarded = guarded
        self._loop = asyncio.get_running_loop()
        self._alarm = Alarm(self._loop, lambda: guarded(self._wake_up))
        self._queue: deque[Command] = deque()
        self._under_way = 0  # commands that are decided and not committed
        self._rest: asyncio.TimerHandle | None = (
            None  # while it runs, others are served; its end goes on with the queue
        )
        self._is_stopped = False
        self._stuck: set[int] = set()  # keys of rows that cannot be worked off; a start tries them again

    @property
    def is_ready(self) -> bool:
        """Whether the store should be asked for due rows: the last slice is finished, and the next time has come."""
        return not self._is_stopped and self._is_idle and self._deadlines.is_due(self._clock.now_ms())

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing is due, asked for or under way."""
        return self._is_idle and not self._deadlines.looking and not self.is_ready

    @property
    def _is_idle(self) -> bool:
        return not self._queue and not self._under_way

    def question(self) -> Wanted:
        """Return the question for the next slice, which is to be loaded with the batch that is being closed."""
        self._deadlines.look_begins()
        return Wanted(due=DueWanted(self._clock.now_ms(), SLICE_ROWS + len(self._stuck)))

    def take(self, due: Due) -> None:
        """Queue commands for the rows of a slice."""
        self._deadlines.looked(due)
        rows = [(row_type, key) for _, row_type, key in due.rows if key not in self._stuck]
        jobs = [key for row_type, key in rows if row_type is Job]
        for first in range(0, len(jobs), JOBS_PER_COMMAND):
            self._queue.append(ReachDeadlines(tuple(jobs[first : first + JOBS_PER_COMMAND])))
        self._queue.extend(_COMMANDS[row_type](key) for row_type, key in rows if row_type in _COMMANDS)

    def go_on(self) -> None:
        """Decide queued commands for up to WORK_S, at least one; then rest for as long as that took, so that others are served."""
        if not self._queue or self._is_stopped or self._rest is not None:
            return
        took_s = self._work()
        if took_s > WORK_S or self._queue:
            self._rest = self._loop.call_later(took_s, self._guarded, self._go_on_after_rest)

    def _work(self) -> float:
        begun = perf_counter()
        while self._queue:
            command = self._queue.popleft()
            self._under_way += 1
            self._decide(command, _Waiter(self._ended(command)))
            if perf_counter() - begun > WORK_S:
                break
        return perf_counter() - begun

    def _go_on_after_rest(self) -> None:
        """Go on because the timer has fired, whatever the clock says: uvloop's timers may fire a millisecond early."""
        self._rest = None
        if not self._is_stopped:
            self.go_on()
            self._schedule()

    # --- waking up

    def set_alarm(self) -> None:
        """Wake up when the next row becomes due. While due work goes on, its end sets the alarm."""
        next_ms = self._deadlines.next_ms
        if next_ms is None or self._is_stopped or not self._is_idle or self._deadlines.looking:
            self._alarm.stop()
        else:
            self._alarm.set(next_ms, self._clock.now_ms())

    def stop(self) -> None:
        """Decide nothing any more, and wake up no more."""
        self._is_stopped = True
        self._alarm.stop()

    def _wake_up(self) -> None:
        if self.is_ready:
            self._schedule()
        else:
            self.set_alarm()

    # --- ends

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
            elif error is not None and not isinstance(error, StoreFailed):
                self._pass_over([key_of(command)], error)

        return ended

    def _pass_over(self, keys: Iterable[int], reason: object) -> None:
        for key in keys:
            if len(self._stuck) < STUCK_MAX:
                self._stuck.add(key)
            log.error("due row passed over", extra={"key": key, "reason": str(reason)})
