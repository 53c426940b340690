"""Timers: they fire at their moment, never early, and after a restart at once."""

from osmia_broker.engine.commands import TriggerTimer
from osmia_broker.engine.domain_events import TIMER
from osmia_broker.engine.engine import handles
from osmia_broker.engine.events.places import fire
from osmia_broker.engine.events.starts import start_at
from osmia_broker.engine.turn import Turn
from osmia_broker.model.timers import ENDLESS, next_of_interval
from osmia_broker.state.rows import Timer


@handles(TriggerTimer)
def trigger_timer(turn: Turn, command: TriggerTimer) -> None:
    """Fire a timer, and move it on to its next moment if it repeats."""
    timer: Timer | None = turn.state.find(Timer, command.timer_key)
    if timer is None or timer.due_ms <= 0:
        return
    if timer.due_ms > turn.now_ms:  # the clock was set back since the look: wake up for it again
        turn.state.deadlines.add(timer.due_ms)
        return
    turn.note(TIMER, "fired", "", timer.key, timer.process_instance_key, since_ms=timer.due_ms)
    _move_on(turn, timer)
    if not timer.element_instance_key:
        start_at(turn, timer.process_definition_key, timer.element_id, {})
        return
    owner = turn.elements[timer.element_instance_key]
    model = turn.definitions.process(timer.process_definition_key)
    fire(turn, owner, model.elements[timer.element_id], {})


def _move_on(turn: Turn, timer: Timer) -> None:
    left = timer.repetitions if timer.repetitions == ENDLESS else timer.repetitions - 1
    due_ms = next_of_interval(timer.cycle, timer.due_ms) if timer.cycle and left else None
    if due_ms is None:
        turn.timers.end(timer, turn.now_ms, repetitions=left)
    else:
        turn.timers.update(timer, due_ms=due_ms, repetitions=left)
