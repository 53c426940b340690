"""Walks that are too long for one turn, or too long at all.

The steps that are left when a turn ends are written as follow-ups in the same commit. Each follow-up names element instances; their state
says which step comes next. Two bounds stop a walk without a wait state. No token is lost at either; resolving the incident lets it go on.

- A path of more than `Budget.path_steps_max` steps: the element at its end gets an incident, other paths go on.
- A walk of more than `Budget.walk_steps_max` steps in all (a loop through a fork grows in breadth, not in depth): the process instance gets
  one incident, and the follow-ups with all that is left wait until it is resolved.
"""

from osmia_broker.engine.commands.inner import ContinueWalk
from osmia_broker.engine.follow_ups import WAITING, carries_out, leave_follow_up
from osmia_broker.engine.incidents import raise_incident
from osmia_broker.engine.turn import Planned, Turn
from osmia_broker.state.rows import ElementInstance, ErrorType

WALKS_MAX = 1_000  # whose steps are counted in memory; the oldest is forgotten first
CALLER_PAUSE_MS = 1_000  # the suspension of a large tree of calls takes some seconds to come down
ELEMENTS_PER_FOLLOW_UP = 500  # about what one turn can carry out


def leave_walk(turn: Turn) -> None:
    """Write what is left on the agenda as follow-ups, one instance's elements after the other."""
    left: dict[int, list[Planned]] = {}
    for planned in turn.agenda:
        element, _ = planned
        if not element.ended_ms:
            left.setdefault(element.process_instance_key, []).append(planned)
    turn.agenda.clear()
    for process_instance_key, steps in left.items():
        _leave_steps(turn, process_instance_key, steps)
    for process_instance_key, inner, depth in turn.inner:
        # The row makes its instance resident, so the whole instance has to be; for one that has ended there is nothing to do.
        if not process_instance_key or turn.find_element(process_instance_key) is not None:
            leave_follow_up(turn, process_instance_key, inner, due_ms=turn.now_ms, depth=depth)
    turn.inner.clear()


def _leave_steps(turn: Turn, process_instance_key: int, steps: list[Planned]) -> None:
    """Write the steps of one process instance as follow-ups. Beyond the bound on all steps they wait, and its incident makes them due."""
    done = _steps_of(turn, process_instance_key)
    is_over = done >= turn.budget.walk_steps_max
    for first in range(0, len(steps), ELEMENTS_PER_FOLLOW_UP):
        part = steps[first : first + ELEMENTS_PER_FOLLOW_UP]
        command = ContinueWalk(
            element_keys=tuple(element.key for element, _ in part),
            depths=tuple(0 if is_over else depth for _, depth in part),
            steps=0 if is_over else done,
        )
        leave_follow_up(turn, process_instance_key, command, due_ms=0 if is_over else turn.now_ms)
    if is_over:
        most = turn.budget.walk_steps_max
        reason = (
            f"Expected a wait state within {most} steps, but found none; resolve this incident to let the walk go on"
        )
        _stop(turn, turn.elements[process_instance_key], reason)


def _steps_of(turn: Turn, process_instance_key: int) -> int:
    """Count the steps of this turn to those of all follow-ups of the same walk, and return the sum.

    A walk that forks is carried on by several follow-ups, and none of them knows the others. So the sum is kept in memory. After a restart
    it begins again with what the next follow-up knows; the bound comes later then, which does no harm.
    """
    known = turn.state.walk_steps
    is_one_of_several = bool(turn.follow_ups.of_instance(process_instance_key))
    before = known.get(process_instance_key, 0) if is_one_of_several else 0
    steps = max(before, turn.steps_before) + turn.steps - turn.steps_before
    known[process_instance_key] = steps
    while len(known) > WALKS_MAX:
        del known[next(iter(known))]
    return steps


def wait_for_room(turn: Turn, element: ElementInstance, reason: str) -> None:
    """Let the step of *element* wait until the incident of its process instance is resolved; there is one, however many steps wait."""
    process = turn.elements[element.process_instance_key]
    command = ContinueWalk(element_keys=(element.key,), depths=(0,), steps=0)
    leave_follow_up(turn, process.key, command, due_ms=WAITING)
    _stop(turn, process, reason)


def wait_for_caller(turn: Turn, element: ElementInstance) -> None:
    """Let the step of *element* be taken later: its caller is suspended. Its own instance will be soon, and then the step is held with it."""
    command = ContinueWalk(element_keys=(element.key,), depths=(turn.depth,), steps=0)
    leave_follow_up(turn, element.process_instance_key, command, due_ms=turn.now_ms + CALLER_PAUSE_MS)


def _stop(turn: Turn, process: ElementInstance, reason: str) -> None:
    if not turn.incidents.has_any("element_instance_key", process.key):
        raise_incident(turn, process, ErrorType.UNKNOWN, reason)


def walk_too_deep(turn: Turn, element: ElementInstance) -> None:
    """Stop one path of a walk before *element*."""
    raise_incident(
        turn,
        element,
        ErrorType.UNKNOWN,
        f"Expected a wait state within {turn.budget.path_steps_max} steps, but found none: the walk stops before '{element.element_id}'",
    )


@carries_out(ContinueWalk)
def continue_walk(turn: Turn, command: ContinueWalk) -> None:
    """Plan the steps that an earlier turn left; elements that have ended since are passed over."""
    turn.steps = turn.steps_before = command.steps
    for key, depth in zip(command.element_keys, command.depths, strict=True):
        element = turn.elements.get(key)
        if element is not None:
            turn.agenda.append((element, depth))
