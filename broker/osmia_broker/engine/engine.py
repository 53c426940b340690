"""One command at a time: decide it whole, or leave no trace of it.

A handler refuses early, changes once, and puts follow-up steps on the agenda. The agenda is a queue, never recursion. Each step
is undone on its own if it ends in an incident; a refusal or a missing row undoes the whole command.
"""

import logging
from collections.abc import Callable
from typing import Any, TypeVar, cast

from osmia_broker.engine.commands import Command
from osmia_broker.engine.incidents import IncidentRaised, raise_incident
from osmia_broker.errors import Rejection
from osmia_broker.state.missing import Missing
from osmia_broker.state.rows import ErrorType
from osmia_broker.state.state import State, Step

STEPS_MAX = 10_000  # of one command without a wait state (reliability.md, section 5); a longer walk ends in an incident

log = logging.getLogger(__name__)

C = TypeVar("C", bound=Command)
Handler = Callable[[State, Any], Any]
HANDLERS: dict[type[Command], Handler] = {}


def handles(command: type[C]) -> Callable[[Callable[[State, C], Any]], Callable[[State, C], Any]]:
    """Register the function that carries *command* out."""

    def register(handler: Callable[[State, C], Any]) -> Callable[[State, C], Any]:
        assert command not in HANDLERS, f"{command} has a handler"
        HANDLERS[command] = cast("Handler", handler)
        return handler

    return register


def execute(state: State, command: Command, now_ms: int) -> Any:
    """Carry *command* out at *now_ms* and return its answer.

    Raises:
        Rejection: it was refused; *state* is as it was.
        Missing: rows must be loaded first; *state* is as it was.

    """
    state.now_ms = now_ms
    try:
        answer = HANDLERS[type(command)](state, command)
        if state.agenda:
            _work_off(state)
    except BaseException:
        state.agenda.clear()
        state.journal.roll_back()
        raise
    state.journal.clear()
    return answer


def _work_off(state: State) -> None:
    """Take the steps on the agenda, and those that they put there, one by one."""
    agenda = state.agenda
    left = STEPS_MAX
    while agenda:
        step = agenda.popleft()
        if step[1].ended_ms:
            continue  # something has ended the element since the step was planned
        left -= 1
        if left < 0:
            agenda.clear()
            _stop_endless_walk(state, step)
            return
        _take(state, step)


def _take(state: State, step: Step) -> None:
    act, element = step
    planned = len(state.agenda)
    savepoint = state.journal.mark()
    try:
        act(state, element)
    except IncidentRaised as stop:
        _take_back(state, savepoint, planned)
        raise_incident(state, element, stop.error_type, str(stop))
    except (Missing, Rejection):
        raise
    except Exception as defect:  # the instance stops, the partition goes on (reliability.md, promise 13)
        where = {"element_id": element.element_id, "process_instance_key": element.process_instance_key}
        log.exception("step failed", extra=where)
        _take_back(state, savepoint, planned)
        raise_incident(state, element, ErrorType.UNKNOWN, f"Expected a step to succeed, but found a defect: {defect!r}")


def _take_back(state: State, savepoint: int, planned: int) -> None:
    state.journal.roll_back(savepoint)
    while len(state.agenda) > planned:
        state.agenda.pop()


def _stop_endless_walk(state: State, step: Step) -> None:
    raise_incident(
        state,
        step[1],
        ErrorType.UNKNOWN,
        f"Expected a wait state within {STEPS_MAX} steps, but found none: the walk stops before '{step[1].element_id}'",
    )
