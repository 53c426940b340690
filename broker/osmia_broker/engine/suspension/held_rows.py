"""The rows of a suspended process instance are held: jobs that wait, and every due time. Released when it is resumed, or begins to end."""

from collections.abc import Iterable

from osmia_broker.base.errors import InvalidState
from osmia_broker.engine.commands.inner import FollowCallers
from osmia_broker.engine.follow_ups import leave_follow_up
from osmia_broker.engine.new_instances import add_origin, origin_of
from osmia_broker.engine.suspension.held_slices import HOLD, follows_orders, hold_row, is_left_behind, order
from osmia_broker.engine.turn import Turn
from osmia_broker.state.rows import ElementInstance, FollowUp, Job, Timer

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


def hold(turn: Turn, process: ElementInstance, since_ms: int) -> int:
    """Suspend *process*, unless it is suspended already; return how many of its rows were held at once.

    *since_ms* (epoch) is when it, or the outermost caller, was to be suspended.
    """
    origin = origin_of(turn, process.key) or add_origin(turn, process)
    if origin.suspended_ms:
        return 0
    turn.origins.update(origin, suspended_ms=since_ms)
    return order(turn, process.key, HOLD)


def release(turn: Turn, process: ElementInstance) -> tuple[int, int]:
    """Let *process* be suspended no longer: each due time is moved by the time of the suspension, and messages that are kept for it arrive.

    Return since when it was suspended (epoch milliseconds; 0 if it was not), and how many of its rows were released at once.
    """
    origin = origin_of(turn, process.key)
    if origin is None or not origin.suspended_ms:
        return 0, 0
    since_ms = origin.suspended_ms
    turn.origins.update(origin, suspended_ms=0)
    return since_ms, order(turn, process.key, max(turn.now_ms - since_ms, 0))


def release_for_the_end(turn: Turn, process: ElementInstance) -> None:
    """Release *process*, which begins to end, and then all that it has called: task listeners have to work before the end."""
    since_ms, _ = release(turn, process) if turn.origins.living else (0, 0)
    if since_ms:
        follow_callers(turn, [process], max(turn.now_ms, since_ms))


def awaits_hold(turn: Turn, process_instance_key: int) -> bool:
    """Return whether a resident process instance is suspended and has rows that the slices may not have reached."""
    return (
        bool(turn.origins.living)
        and is_suspended(turn, process_instance_key)
        and is_left_behind(turn, process_instance_key)
    )


def is_held(turn: Turn, row: Job | Timer | FollowUp) -> bool:
    """Return whether *row*, which would act now, must wait: its instance is suspended, and the slices had not reached it. It is held then."""
    if isinstance(row, FollowUp) and follows_orders(row):
        return False
    if not awaits_hold(turn, row.process_instance_key):
        return False
    hold_row(turn, row)
    return True
