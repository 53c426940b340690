"""Walks that are too long for one turn, or too long at all.

The steps that are left when a turn ends are written as follow-ups in the same commit. Each follow-up names element instances; their state
says which step comes next. Two bounds stop a walk without a wait state. No token is lost at either; resolving the incident lets it go on.

- A path of more than DEPTH_MAX steps: the element at its end gets an incident, other paths go on.
- A walk of more than WALK_STEPS_MAX steps in all (a loop through a fork grows in breadth, not in depth): the process instance gets one
  incident, and the follow-ups with all that is left wait until it is resolved.
"""

from osmia_broker.engine.commands import ContinueWalk
from osmia_broker.engine.follow_ups import carries_out, leave_follow_up
from osmia_broker.engine.incidents import raise_incident
from osmia_broker.engine.turn import Planned, Turn
from osmia_broker.state.rows import ElementInstance, ErrorType

DEPTH_MAX = 10_000  # steps of one path without a wait state (reliability.md, section 5)
WALK_STEPS_MAX = 100_000  # steps of one walk in all: more than a fork of 20,000 tasks takes
ELEMENTS_PER_FOLLOW_UP = 500  # about what one turn can carry out


def leave_walk(turn: Turn) -> None:
    """Write what is left on the agenda as follow-ups, one instance's elements after the other."""
    left: dict[int, list[Planned]] = {}
    for planned in turn.agenda:
        element, _ = planned
        if not element.ended_ms:
            left.setdefault(element.process_instance_key, []).append(planned)
    turn.agenda.clear()
    stops = turn.steps >= WALK_STEPS_MAX
    for process_instance_key, planned_steps in left.items():
        for first in range(0, len(planned_steps), ELEMENTS_PER_FOLLOW_UP):
            part = planned_steps[first : first + ELEMENTS_PER_FOLLOW_UP]
            command = ContinueWalk(
                element_keys=tuple(element.key for element, _ in part),
                depths=tuple(0 if stops else depth for _, depth in part),
                steps=0 if stops else turn.steps,
            )
            leave_follow_up(turn, process_instance_key, command, due_ms=0 if stops else turn.now_ms)
        if stops:
            _stop_walk(turn, turn.elements[process_instance_key])
    for process_instance_key, command, _ in turn.inner:
        leave_follow_up(turn, process_instance_key, command, due_ms=turn.now_ms)
    turn.inner.clear()


def _stop_walk(turn: Turn, process: ElementInstance) -> None:
    if not turn.incidents.has_any("element_instance_key", process.key):
        raise_incident(
            turn,
            process,
            ErrorType.UNKNOWN,
            f"Expected a wait state within {WALK_STEPS_MAX} steps, but found none; resolve this incident to let the walk go on",
        )


def walk_too_deep(turn: Turn, element: ElementInstance) -> None:
    """Stop one path of a walk before *element*."""
    raise_incident(
        turn,
        element,
        ErrorType.UNKNOWN,
        f"Expected a wait state within {DEPTH_MAX} steps, but found none: the walk stops before '{element.element_id}'",
    )


@carries_out(ContinueWalk)
def continue_walk(turn: Turn, command: ContinueWalk) -> None:
    """Plan the steps that an earlier turn left; elements that have ended since are passed over."""
    turn.steps = command.steps
    for key, depth in zip(command.element_keys, command.depths, strict=True):
        element = turn.elements.get(key)
        if element is not None:
            turn.agenda.append((element, depth))
