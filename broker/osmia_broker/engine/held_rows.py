"""The rows of a suspended process instance that are held: jobs that wait, and every due time. Released when it is resumed, or begins to end."""

from collections.abc import Iterable

from osmia_broker.base.errors import InvalidState
from osmia_broker.engine.follow_ups import leave_follow_up
from osmia_broker.engine.inner_commands import FollowCallers
from osmia_broker.engine.new_instances import add_origin, origin_of
from osmia_broker.engine.turn import Turn
from osmia_broker.model.timers import LATEST_MS
from osmia_broker.state.rows import ElementInstance, JobState

# instances that one step suspends or lets go on; each is a read, and its jobs and timers are some more rows
CALLED_PER_SLICE = 100


class CallerSuspended(InvalidState):
    """A called instance would act on its caller, which is suspended; it will be suspended itself soon."""


def is_suspended(turn: Turn, process_instance_key: int) -> bool:
    """Whether a resident process instance is suspended."""
    origin = origin_of(turn, process_instance_key)
    return origin is not None and origin.suspended_ms != 0


def follow_callers(turn: Turn, callers: Iterable[ElementInstance], ordered_ms: int) -> None:
    """Let the instances that *callers* have called be suspended or go on as these, in slices; those that are not resident later on."""
    keys = [row.called_process_instance_key for caller in callers for row in turn.called.of_instance(caller.key)]
    resident = [key for key in keys if key in turn.elements]
    away = [key for key in keys if key not in turn.elements and not turn.elements.has_left(key)]
    for part in _slices(resident):
        turn.follow(0, FollowCallers(part, ordered_ms))
    for part in _slices(away):
        leave_follow_up(turn, 0, FollowCallers(part, ordered_ms), due_ms=turn.now_ms)


def _slices(keys: list[int]) -> list[tuple[int, ...]]:
    return [tuple(keys[first : first + CALLED_PER_SLICE]) for first in range(0, len(keys), CALLED_PER_SLICE)]


def hold(turn: Turn, process: ElementInstance, since_ms: int) -> None:
    """Suspend *process*, unless it is suspended already. *since_ms* (epoch): when it, or the outermost caller, was to be suspended."""
    origin = origin_of(turn, process.key) or add_origin(turn, process)
    if origin.suspended_ms:
        return
    turn.origins.update(origin, suspended_ms=since_ms)
    for job in turn.jobs.of_instance(process.key):
        state = JobState.SUSPENDED if job.state is JobState.ACTIVATABLE else job.state
        turn.jobs.update(job, state=state, deadline_ms=-job.deadline_ms)  # a time below 0 is held
    for timer in turn.timers.of_instance(process.key):
        turn.timers.update(timer, due_ms=-timer.due_ms)
    for follow_up in turn.follow_ups.of_instance(process.key):
        turn.follow_ups.update(follow_up, due_ms=-follow_up.due_ms)


def release(turn: Turn, process: ElementInstance) -> int:
    """Let *process* be suspended no longer; each due time is moved by the time of the suspension.

    Return since when it was suspended (epoch milliseconds); 0 if it was not.
    """
    origin = origin_of(turn, process.key)
    if origin is None or not origin.suspended_ms:
        return 0
    since_ms = origin.suspended_ms
    held_ms = max(turn.now_ms - since_ms, 0)
    turn.origins.update(origin, suspended_ms=0)
    for job in turn.jobs.of_instance(process.key):
        state = JobState.ACTIVATABLE if job.state is JobState.SUSPENDED else job.state
        turn.jobs.update(job, state=state, deadline_ms=_moved(job.deadline_ms, held_ms))
    for timer in turn.timers.of_instance(process.key):
        turn.timers.update(timer, due_ms=_moved(timer.due_ms, held_ms))
    for follow_up in turn.follow_ups.of_instance(process.key):
        turn.follow_ups.update(follow_up, due_ms=_moved(follow_up.due_ms, held_ms))
    return since_ms


def release_for_the_end(turn: Turn, process: ElementInstance) -> None:
    """Release *process*, which begins to end, and then all that it has called: task listeners have to work before the end."""
    if len(turn.origins) and (since_ms := release(turn, process)):
        follow_callers(turn, [process], max(turn.now_ms, since_ms))


def _moved(held: int, held_ms: int) -> int:
    """Return the due time of a row that was held, later by the time for which it was held; 0 stays "never"."""
    return min(-held + held_ms, LATEST_MS) if held < 0 else 0
