"""Work that has become due: leases and back-offs that end, follow-ups to carry out.

The store is asked for the earliest due rows in slices. Follow-ups may be steps that take long: after each of them, the partition serves others
for as long as it took. Everything else that is due is short (leases, timers, messages that expire) and does not wait for them.

A look, the commit of what it brought and the way to the workers cost about the same for one timer as for five. So after a look that found
something there is a pause of PAUSE_S, and what becomes due meanwhile shares the next one. The first after a quiet time is never late. Follow-ups
do not wait for the end of a pause, nor does what was due before it.

Only one large process instance stays in memory. While it has follow-ups that are due, those of other large ones wait, for up to RUN_MAX of them:
if they went by turns, each would throw the other out, and the whole instance would be read again for every follow-up.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from itertools import chain
from time import perf_counter
from typing import Any

from osmia_broker.base.errors import OsmiaError, StoreFailed
from osmia_broker.engine.commands import Command
from osmia_broker.engine.commands.due import (
    CarryOut,
    DueCommand,
    ExpireCreation,
    ExpireMessage,
    ParkFollowUp,
    ParkTimer,
    ReachDeadlines,
    TriggerTimer,
)
from osmia_broker.partition.alarm import Alarm
from osmia_broker.partition.clock import Clock
from osmia_broker.state.memory.deadlines import SLICE_ROWS, Deadlines
from osmia_broker.state.rows import CreatedOnce, FollowUp, Job, Message, Timer
from osmia_broker.state.state import State
from osmia_broker.state.store_protocol import Due, DueWanted, Wanted

JOBS_PER_COMMAND = 50  # ended leases per command; each may load a process instance
WORK_S = 0.005  # due work without a pause; beyond it, others are served as long as the work took
WALKS_AT_ONCE = 50  # follow-ups that are begun and not committed
WALKS_S = WORK_S  # follow-ups that go on after a load
PAUSE_S = 0.02  # between two looks for what becomes due little by little (docs/decisions/0006)
RUN_MAX = 100  # follow-ups of one large instance before the next one is read
KNOWN_MAX = 2 * SLICE_ROWS  # due rows that are queued or under way; beyond it, no more are asked for
STUCK_MAX = 10_000  # corrupt due rows that are passed over
STUCK_PAUSE_MS = 10_000  # if there are more, no due rows are asked for so long: these would come again at once

log = logging.getLogger(__name__)


#: The command for a due row of each kind; leases and back-offs of jobs go many to a command instead.
_COMMANDS: dict[type, Callable[[int], DueCommand]] = {
    FollowUp: CarryOut,
    Timer: TriggerTimer,
    Message: ExpireMessage,
    CreatedOnce: ExpireCreation,
}

#: The command that puts work aside which cannot be done, behind an incident, by the command that cannot: from (the key of the row, the reason).
_PUT_ASIDE: dict[type, Callable[[int, str], DueCommand]] = {CarryOut: ParkFollowUp, TriggerTimer: ParkTimer}


class _Waiter:
    """Waits for the end of one due command, which frees the way for the next slice."""

    __slots__ = ("_command", "_ended")

    def __init__(self, command: DueCommand, ended: Callable[[DueCommand, Any, OsmiaError | None], None]) -> None:
        self._command, self._ended = command, ended

    def done(self) -> bool:
        return False

    def set_result(self, result: Any, /) -> None:
        self._ended(self._command, result, None)

    def set_exception(self, exception: Any, /) -> None:
        self._ended(self._command, None, exception)


class LoadedWalks:
    """Bounds the follow-ups that go on after one load: the first, and more for up to WALKS_S. All together they may take long."""

    __slots__ = ("_begun",)

    def __init__(self) -> None:
        self._begun: float | None = None

    def have_time_for(self, command: Command) -> bool:
        """Whether *command* may be decided now; anything but a follow-up always may."""
        if not isinstance(command, CarryOut):
            return True
        if self._begun is None:
            self._begun = perf_counter()
            return True
        return perf_counter() - self._begun <= WALKS_S


class DueWork:
    """The due commands of one partition: asked for when their time has come, queued, decided, until each is committed.

    *decide* decides a command, *schedule* lets the open batch be closed soon, *guarded* makes a call of the partition's loop.
    """

    def __init__(
        self,
        clock: Clock,
        state: State,
        decide: Callable[[Command, Any], None],
        schedule: Callable[[], None],
        guarded: Callable[[Callable[[], None]], None],
    ) -> None:
        self._clock = clock
        self._state = state
        self._decide = decide
        self._schedule = schedule
        self._guarded = guarded
        self._loop = asyncio.get_running_loop()
        self._alarm = Alarm(self._loop, lambda: guarded(self._wake_up))
        self._short: deque[DueCommand] = deque()
        self._walks: deque[DueCommand] = deque()  # follow-ups, which may take long
        self._put_off: list[DueCommand] = []  # follow-ups that wait while another large instance is at work
        # The number of follow-ups of that one that they have waited for, and the last of these.
        self._run: tuple[int, int] = (0, 0)
        self._walking = 0  # follow-ups that were begun and are not committed
        self._known: set[int] = set()  # keys of rows that are queued, or decided and not committed
        # While it runs, others are served. Its end goes on with the follow-ups.
        self._rest: asyncio.TimerHandle | None = None
        # While it runs, only what is pressing is asked for. Its end asks for what has become due.
        self._pause: asyncio.TimerHandle | None = None
        self._is_stopped = False
        self._stuck: set[int] = set()  # keys of rows that cannot be worked off; a start tries them again
        self._quiet_until_ms = 0  # no due rows are asked for before

    @property
    def _deadlines(self) -> Deadlines:
        return self._state.deadlines

    @property
    def is_ready(self) -> bool:
        """Whether the store should be asked for due rows now."""
        return self._is_due and (self._pause is None or self._deadlines.is_pressing(self._clock.now_ms()))

    @property
    def _is_due(self) -> bool:
        """Whether the next time has come, and there is room for its rows."""
        has_room, now_ms = len(self._known) < KNOWN_MAX, self._clock.now_ms()
        may_ask = not self._is_stopped and has_room and now_ms >= self._quiet_until_ms
        return may_ask and self._deadlines.is_due(now_ms)

    @property
    def passed_over(self) -> int:
        """The number of due rows that cannot be worked off."""
        return len(self._stuck)

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing is due, asked for or under way."""
        return self._is_idle and not self._deadlines.looking and not self._is_due

    @property
    def _is_idle(self) -> bool:
        return not self._known

    def question(self) -> Wanted:
        """Return the question for the next slice, which is to be loaded with the batch that is being closed."""
        now_ms = self._clock.now_ms()
        self._deadlines.look_begins(now_ms)
        return Wanted(due=DueWanted(now_ms, SLICE_ROWS + len(self._stuck) + len(self._known)))

    def take(self, due: Due) -> None:
        """Queue commands for the rows of a slice."""
        self._deadlines.looked(due)
        self.end_pause()
        if due.rows:
            self._pause = self._loop.call_later(PAUSE_S, self._guarded, self._go_on_after_pause)
        rows = [(kind, key) for _, kind, key in due.rows if key not in self._stuck and key not in self._known]
        self._known.update(key for _, key in rows)
        jobs = [key for row_type, key in rows if row_type is Job]
        for first in range(0, len(jobs), JOBS_PER_COMMAND):
            self._short.append(ReachDeadlines(tuple(jobs[first : first + JOBS_PER_COMMAND])))
        for row_type, key in rows:
            if row_type in _COMMANDS:
                (self._walks if row_type is FollowUp else self._short).append(_COMMANDS[row_type](key))

    def go_on(self) -> None:
        """Decide short commands for up to WORK_S, then follow-ups, at least one; after these, rest for as long as they took."""
        if self._is_stopped:
            return
        self._work(self._short, len(self._short))
        if self._short:
            self._schedule()
        if not (self._walks or self._put_off) or self._rest is not None or self._walking >= WALKS_AT_ONCE:
            return
        self._let_large_wait()
        took_s = self._work(self._walks, WALKS_AT_ONCE - self._walking)
        if took_s > WORK_S or self._walks:
            self._rest = self._loop.call_later(took_s, self._guarded, self._go_on_after_rest)

    def _let_large_wait(self) -> None:
        """Put follow-ups off whose large instance would throw out the one that is at work; the others are in the queue after that."""
        left = self._state.of_large_left(walk.row_keys[0] for walk in chain(self._put_off, self._walks))
        has_others = len(left) < len(self._put_off) + len(self._walks)
        if not left or not self._is_run_on(has_others):
            self._run = (0, 0)
            self._walks.extendleft(reversed(self._put_off))
            self._put_off.clear()
            return
        walks = [*self._put_off, *self._walks]
        self._put_off = [walk for walk in walks if walk.row_keys[0] in left]
        self._walks = deque(walk for walk in walks if walk.row_keys[0] not in left)

    def _is_run_on(self, has_others: bool) -> bool:
        """Whether the large instance in memory is at work still, and has not been for too long. The end of what is under way asks again."""
        done, last = self._run
        next_key = self._state.next_of_large(self._clock.now_ms())
        is_moving = has_others or self._walking > 0 or self._deadlines.looking or self.is_ready
        if next_key is None or next_key in self._stuck or not is_moving:
            return False
        self._run = (done + (next_key != last), next_key)
        return self._run[0] <= RUN_MAX

    def _work(self, queue: deque[DueCommand], most: int) -> float:
        """Decide *most* commands of *queue* until WORK_S are over; return how long it took in seconds."""
        begun = perf_counter()
        while queue and most > 0:
            most -= 1
            command = queue.popleft()
            self._walking += isinstance(command, CarryOut)
            self._decide(command, _Waiter(command, self._ended))
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
        next_ms = self._deadlines.next_ms if self._pause is None else self._deadlines.pressing_ms
        if next_ms is None or self._is_stopped or len(self._known) >= KNOWN_MAX or self._deadlines.looking:
            self._alarm.stop()
        else:
            self._alarm.set(max(next_ms, self._quiet_until_ms), self._clock.now_ms())

    def go_on_with(self, state: State) -> None:
        """Follow another *state*, because memory was begun anew; also after `stop`, since the partition serves again.

        The commands under way are decided again, so their rows stay known.
        """
        self._state, self._is_stopped = state, False

    def stop(self) -> None:
        """Decide nothing any more, and wake up no more."""
        self._is_stopped = True
        self._alarm.stop()
        self.end_pause()

    def end_pause(self) -> None:
        """Let what is due be asked for at once."""
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None

    def _go_on_after_pause(self) -> None:
        self._pause = None
        if not self._is_stopped:
            self._wake_up()

    def _wake_up(self) -> None:
        if self.is_ready:
            self._schedule()
        else:
            self.set_alarm()

    # --- ends

    def _ended(self, command: DueCommand, unreadable: Iterable[int] | None, error: OsmiaError | None) -> None:
        self._walking -= isinstance(command, CarryOut)
        self._known.difference_update(command.row_keys)
        put_aside = _PUT_ASIDE.get(type(command))
        if error is None:
            self._pass_over(unreadable or (), "its process instance cannot be read")
        elif isinstance(error, StoreFailed):
            return  # its rows are found due again
        elif put_aside is None:
            self._pass_over(command.row_keys, error)
        else:
            self._known.update(command.row_keys)
            self._short.append(put_aside(command.row_keys[0], f"Expected due work to be done, but found: {error}"))

    def _pass_over(self, keys: Iterable[int], reason: object) -> None:
        for key in keys:
            if len(self._stuck) < STUCK_MAX:
                self._stuck.add(key)
                log.error("due row passed over", extra={"key": key, "reason": str(reason)})
            elif self._quiet_until_ms <= self._clock.now_ms():
                self._quiet_until_ms = self._clock.now_ms() + STUCK_PAUSE_MS
                log.error("too many due rows are passed over", extra={"key": key, "reason": str(reason)})
