"""One command at a time: decide it whole, or leave no trace of it.

A handler refuses early, changes once, and plans follow-up steps on the agenda. The agenda is a queue, never recursion. Each step is
undone on its own if it ends in an incident; a refusal or a missing row undoes the whole command. A walk that is too long for one turn
goes on as a follow-up (`walks`).
"""

import logging
from collections.abc import Callable
from typing import Any, TypeVar, cast

from osmia_broker import feel
from osmia_broker.base.errors import Rejection
from osmia_broker.engine.commands import Command
from osmia_broker.engine.commands.due import CarryOut
from osmia_broker.engine.follow_ups import RETRY_MS, WAITING, act_on, leave_follow_up
from osmia_broker.engine.incidents import IncidentRaised, NoRoom, raise_incident, stop_for_follow_up
from osmia_broker.engine.lifecycle import is_ending, take_step
from osmia_broker.engine.parts import GoesOn
from osmia_broker.engine.recording import record
from osmia_broker.engine.suspension.held_rows import CallerSuspended
from osmia_broker.engine.turn import Turn
from osmia_broker.engine.variables import TooLarge
from osmia_broker.engine.walks import leave_walk, wait_for_caller, wait_for_room, walk_too_deep
from osmia_broker.state.missing import Missing
from osmia_broker.state.rows import ElementInstance, ErrorType

log = logging.getLogger(__name__)

C = TypeVar("C", bound=Command)
Handler = Callable[[Turn, Any], Any]
HANDLERS: dict[type[Command], Handler] = {}


class UndoFailed(Exception):
    """The undo of a command failed, so memory can no longer be trusted and must be read again from the store."""


def handles(command: type[C]) -> Callable[[Callable[[Turn, C], Any]], Callable[[Turn, C], Any]]:
    """Register the decorated function as the handler of *command*."""

    def register(handler: Callable[[Turn, C], Any]) -> Callable[[Turn, C], Any]:
        assert command not in HANDLERS, f"{command} has a handler"
        HANDLERS[command] = cast("Handler", handler)
        return handler

    return register


def execute(turn: Turn, command: Command, now_ms: int) -> Any:
    """Carry *command* out at *now_ms* and return its answer.

    Raises:
        Rejection: it was refused; the state is as it was.
        Missing: rows must be loaded first; the state is as it was.
        GoesOn: it has to be decided again for the rest.
        UndoFailed: the state is broken and must be dropped.

    """
    turn.now_ms, turn.command = now_ms, command
    turn.depth = turn.steps = turn.steps_before = 0
    turn.allowance.begin()
    feel.with_allowance(turn.allowance)
    try:
        answer = HANDLERS[type(command)](turn, command)
        if turn.agenda or turn.inner:
            is_due_work = type(command) is CarryOut
            if is_due_work or not _begins_slowly(turn):
                _walk(turn, is_due_work=is_due_work)
            else:
                leave_walk(turn)
        if turn.event_log.is_recording:
            record(turn)
    except GoesOn:
        turn.journal.clear()
        raise
    except BaseException as reason:
        turn.agenda.clear()
        turn.inner.clear()
        try:
            turn.journal.roll_back()
        except Exception as fault:  # noqa: BLE001 - whatever it is, memory is broken
            raise UndoFailed(f"Expected to undo {type(command).__name__}, but found {fault!r}") from reason
        raise
    finally:
        feel.with_allowance(None)  # what is evaluated after the command does not use up its time
    turn.journal.clear()
    return answer


def _begins_slowly(turn: Turn) -> bool:
    """Whether the first step belongs to a process whose steps take long; its walk goes on as due work, which is paced."""
    return bool(turn.agenda) and turn.slow.is_slow(turn.agenda[0][0].process_definition_key)


def _walk(turn: Turn, *, is_due_work: bool) -> None:
    """Take the steps on the agenda, and those that they plan, until none is left or the turn has to end.

    Inner commands come when no step is left, so each finds the instance at rest.
    """
    agenda, inner, budget, terminating = turn.agenda, turn.inner, turn.budget, turn.elements.terminating
    budget.begin()
    definition_key, is_slow = 0, False
    while agenda or inner:
        is_allowed = budget.allows_step()
        if budget.was_slow and definition_key:
            turn.slow.note_slow(definition_key)
            is_slow = True
        if not is_allowed:
            leave_walk(turn)
            return
        if not agenda:
            _carry_out(turn, *inner.popleft())
            continue
        element, depth = agenda.popleft()
        if element.ended_ms or (terminating and is_ending(turn, element)):
            continue  # something has ended the element since the step was planned
        definition_key = element.process_definition_key
        turn.steps += 1
        turn.allowance.begin()
        if depth > budget.path_steps_max:
            walk_too_deep(turn, element)
        else:
            turn.depth = depth
            _take(turn, element)
    budget.step_ends()
    if budget.was_slow and definition_key:
        turn.slow.note_slow(definition_key)
    elif is_due_work and not is_slow:
        turn.slow.note_fast(definition_key)


def _take(turn: Turn, element: ElementInstance) -> None:
    savepoint = turn.savepoint()
    try:
        take_step(turn, element)
    except NoRoom as stop:
        turn.take_back(savepoint)
        wait_for_room(turn, element, str(stop))
    except CallerSuspended:
        turn.take_back(savepoint)
        wait_for_caller(turn, element)
    except IncidentRaised as stop:
        turn.take_back(savepoint)
        raise_incident(turn, element, stop.error_type, str(stop))
    except TooLarge as fault:
        turn.take_back(savepoint)
        raise_incident(turn, element, ErrorType.IO_MAPPING_ERROR, str(fault))
    except (Missing, Rejection):
        raise
    except Exception as defect:  # the instance stops, the partition goes on
        where = {"element_id": element.element_id, "process_instance_key": element.process_instance_key}
        log.exception("step failed", extra=where)
        turn.take_back(savepoint)
        raise_incident(turn, element, ErrorType.UNKNOWN, f"Expected a step to succeed, but found a defect: {defect!r}")


def apart(turn: Turn, process_instance_key: int, act: Callable[[], None], again: Command) -> bool:
    """Do the part of a command that concerns one process instance, which lives; return whether it was done.

    Whatever stops it stops that instance alone: the part is undone, and *again* waits as a follow-up behind an incident of the instance.
    """
    savepoint = turn.savepoint()
    try:
        act()
    except Missing:
        raise
    except (IncidentRaised, Rejection) as stop:
        turn.take_back(savepoint)
        leave_behind_incident(turn, turn.elements[process_instance_key], again, stop)
    except Exception as defect:
        log.exception("a part of a command failed", extra={"process_instance_key": process_instance_key})
        turn.take_back(savepoint)
        leave_behind_incident(turn, turn.elements[process_instance_key], again, defect)
    else:
        return True
    return False


def leave_behind_incident(turn: Turn, process: ElementInstance, command: Command, stop: Exception) -> None:
    """Let *command* wait as a follow-up until the incident of its process instance is resolved; *stop* is the reason."""
    leave_follow_up(turn, process.key, command, due_ms=WAITING)
    reason = str(stop)
    if isinstance(stop, IncidentRaised):
        error_type = stop.error_type
    elif isinstance(stop, TooLarge):
        error_type = ErrorType.IO_MAPPING_ERROR
    else:
        error_type = ErrorType.UNKNOWN
        if not isinstance(stop, Rejection):
            reason = f"Expected a step to succeed, but found a defect: {stop!r}"
    stop_for_follow_up(turn, process, error_type, reason)


def _carry_out(turn: Turn, process_instance_key: int, command: Command, depth: int) -> None:
    """Carry an inner command out. If it cannot be, it waits as a follow-up behind an incident of its process instance."""
    turn.depth = depth
    turn.steps += 1
    turn.allowance.begin()
    savepoint = turn.savepoint()
    try:
        act_on(turn, command)
    except (IncidentRaised, TooLarge) as stop:
        turn.take_back(savepoint)
        process = turn.elements.get(process_instance_key)
        if process is not None:
            leave_behind_incident(turn, process, command, stop)
        elif not process_instance_key:
            leave_follow_up(turn, 0, command, due_ms=turn.now_ms + RETRY_MS)
            log_retry(type(command).__name__, str(stop))


def log_retry(command: str, reason: str) -> None:
    """Log that work of no process instance has failed: no incident shows it."""
    log.error("work of no process instance is tried again", extra={"command": command, "error": reason})


def log_unreadable(reason: str) -> None:
    """Log that a command for many has passed over what cannot be read, so that the others were served."""
    log.warning("a stored model was passed over", extra={"error": reason})
