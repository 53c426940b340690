"""Timers: they fire at their moment, never early, and after a restart at once."""

from functools import partial

from osmia_broker.base.errors import InvalidState
from osmia_broker.engine.commands import Command
from osmia_broker.engine.commands.due import ParkTimer, TriggerTimer
from osmia_broker.engine.domain_events import TIMER
from osmia_broker.engine.engine import apart, handles, leave_behind_incident
from osmia_broker.engine.events.places import fire
from osmia_broker.engine.events.starts import start_by_timer
from osmia_broker.engine.follow_ups import carries_out
from osmia_broker.engine.suspension.held_rows import is_held
from osmia_broker.engine.turn import Turn
from osmia_broker.model.timers import ENDLESS, LATEST_MS, next_of_interval
from osmia_broker.state.rows import Timer


class FireTimer(Command, frozen=True, gc=False):
    """Fire a timer that was due at *due_ms*; a follow-up that waits for an incident, and the timer with it."""

    timer_key: int
    due_ms: int


@handles(TriggerTimer)
def trigger_timer(turn: Turn, command: TriggerTimer) -> None:
    """Fire a timer, and move it on to its next moment if it repeats. One of an instance that cannot take it waits behind an incident there."""
    timer: Timer | None = turn.state.find(Timer, command.timer_key)
    if timer is None or timer.due_ms <= 0:
        return
    due_ms = timer.due_ms
    if due_ms > turn.now_ms:  # the clock was set back since the look: wake up for it again
        turn.state.deadlines.add(due_ms)
        return
    if not timer.element_instance_key:
        _move_on(turn, timer, due_ms)
        start_by_timer(turn, timer)
        return
    if is_held(turn, timer):
        return
    again = FireTimer(timer.key, due_ms)
    if not apart(turn, timer.process_instance_key, partial(fire_timer, turn, again), again):
        turn.timers.update(timer, due_ms=LATEST_MS)


@handles(ParkTimer)
def park_timer(turn: Turn, command: ParkTimer) -> None:
    """Let a timer that could not be fired wait behind an incident: of its process instance, or of the one that it would have started."""
    timer: Timer | None = turn.state.find(Timer, command.timer_key)
    if timer is None or not 0 < timer.due_ms <= turn.now_ms:
        return
    reason = InvalidState(command.reason)
    if not timer.element_instance_key:
        _move_on(turn, timer, timer.due_ms)
        start_by_timer(turn, timer, reason)
        return
    again = FireTimer(timer.key, timer.due_ms)
    leave_behind_incident(turn, turn.elements[timer.process_instance_key], again, reason)
    turn.timers.update(timer, due_ms=LATEST_MS)


@carries_out(FireTimer)
def fire_timer(turn: Turn, command: FireTimer) -> None:
    """Fire the timer of an instance, unless something has ended the wait for it."""
    timer = turn.timers.get(command.timer_key)
    if timer is None:
        return
    _move_on(turn, timer, command.due_ms)
    owner = turn.elements[timer.element_instance_key]
    model = turn.definitions.process(timer.process_definition_key)
    fire(turn, owner, model.elements[timer.element_id], {})


def _move_on(turn: Turn, timer: Timer, due_ms: int) -> None:
    """End the timer that was due at *due_ms* and fires now, or let it wait for its next moment."""
    turn.note(TIMER, "fired", "", timer.key, timer.process_instance_key, since_ms=due_ms)
    left = timer.repetitions if timer.repetitions == ENDLESS else timer.repetitions - 1
    next_ms = next_of_interval(timer.cycle, due_ms) if timer.cycle and left else None
    if next_ms is None:
        turn.timers.end(timer, turn.now_ms, repetitions=left)
    else:
        turn.timers.update(timer, due_ms=next_ms, repetitions=left)
