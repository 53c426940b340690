"""Many rows of a process instance are held when it is suspended, and released when it is resumed: in slices, so that others are served.

The instance itself is suspended or resumed at once. Each of its rows follows all orders in their turn, however many are on their way, so in the end
its due time is moved by each suspension. A row that would act before the slices have reached it is held at that moment (`is_left_behind`).
"""

from typing import Any

import msgspec
from msgspec.structs import replace

from osmia_broker.engine.commands.inner import FollowSuspension, MeetKeptMessages
from osmia_broker.engine.follow_ups import leave_follow_up
from osmia_broker.engine.turn import Turn
from osmia_broker.model.timers import LATEST_MS
from osmia_broker.state.memory.table import Table
from osmia_broker.state.rows import FollowUp, Job, JobState, Timer

ROWS_PER_SLICE = 500  # about 5 ms
HOLD = -1  #: the order to hold rows; any other moves their due times by so many milliseconds and releases them


def order(turn: Turn, process_instance_key: int, what: int) -> int:
    """Let the rows of an instance follow the order *what*; return how many have done so at once.

    If others are still on their way, it comes after them. Messages that are kept arrive at once: none that is published later may come before them.
    """
    if what != HOLD and turn.subscriptions.has_any_of_instance(process_instance_key):
        turn.follow(process_instance_key, MeetKeptMessages(process_instance_key))
    new = (turn.state.last_key, what)
    left = _left(turn, process_instance_key)
    if left is None:
        return follow_orders(turn, FollowSuspension(process_instance_key, (new,)))
    before = msgspec.json.decode(left.content, type=FollowSuspension)
    turn.follow_ups.delete(left)
    _leave(turn, replace(before, orders=(*before.orders, new)))
    return 0


def follow_orders(turn: Turn, command: FollowSuspension) -> int:
    """Let the next rows follow the first order, and leave what there is to do after that; return how many rows have followed."""
    key, after_key, done = command.process_instance_key, command.after_key, 0
    (until_key, what), *later = command.orders
    tables: tuple[Table[Any], ...] = (turn.jobs, turn.timers, turn.follow_ups)
    for place in range(command.place, len(tables)):
        rows = tables[place].some_of_instance(key, after_key, until_key, ROWS_PER_SLICE - done)
        for row in rows:
            hold_row(turn, row) if what == HOLD else _release_row(turn, row, what)
        done += len(rows)
        if done == ROWS_PER_SLICE:
            _leave(turn, replace(command, place=place, after_key=rows[-1].key))
            return done
        after_key = 0
    if later:
        _leave(turn, FollowSuspension(key, tuple(later)))
    return done


def is_left_behind(turn: Turn, process_instance_key: int) -> bool:
    """Whether there may be rows that have not followed an order yet."""
    return _left(turn, process_instance_key) is not None


def hold_row(turn: Turn, row: Job | Timer | FollowUp) -> None:
    """Hold a row, if that has not been done."""
    if isinstance(row, Job):
        state = JobState.SUSPENDED if row.state is JobState.ACTIVATABLE else row.state
        turn.jobs.update(row, state=state, deadline_ms=-abs(row.deadline_ms))
    elif isinstance(row, Timer):
        turn.timers.update(row, due_ms=-abs(row.due_ms))
    elif not follows_orders(row):
        turn.follow_ups.update(row, due_ms=-abs(row.due_ms))


def _release_row(turn: Turn, row: Job | Timer | FollowUp, moved_ms: int) -> None:
    if isinstance(row, Job):
        state = JobState.ACTIVATABLE if row.state is JobState.SUSPENDED else row.state
        turn.jobs.update(row, state=state, deadline_ms=_moved(row.deadline_ms, moved_ms))
    elif isinstance(row, Timer):
        turn.timers.update(row, due_ms=_moved(row.due_ms, moved_ms))
    elif not follows_orders(row):
        turn.follow_ups.update(row, due_ms=_moved(row.due_ms, moved_ms))


def _moved(due_ms: int, moved_ms: int) -> int:
    """Return a due time later by *moved_ms* if it was held. One that was set since it was to be released stays, as does 0, which means never."""
    return min(-due_ms + moved_ms, LATEST_MS) if due_ms < 0 else due_ms


def _leave(turn: Turn, command: FollowSuspension) -> None:
    leave_follow_up(turn, command.process_instance_key, command, due_ms=turn.now_ms)


def _left(turn: Turn, process_instance_key: int) -> FollowUp | None:
    return next(filter(follows_orders, turn.follow_ups.of_instance(process_instance_key)), None)


def follows_orders(row: FollowUp) -> bool:
    """Whether the follow-up holds or releases the rows of its instance; it is never held itself."""
    return row.command == FollowSuspension.__name__
