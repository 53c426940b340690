"""Follow-ups: commands that a command leaves in its own commit, to be carried out on their own, exactly once.

A follow-up is a row. The partition finds it when it is due and submits `CarryOut`, which deletes the row and carries the inner command out
in one turn, so both happen in one commit or neither. After a crash the row is still there. A follow-up that cannot be carried out waits
behind an incident of its process instance, or of the element instance that it is about; resolving that makes it due again.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from osmia_broker.engine.commands import Command
from osmia_broker.engine.incidents import stop_for_follow_up
from osmia_broker.engine.turn import Turn
from osmia_broker.state.rows import ElementInstance, ErrorType, FollowUp

C = TypeVar("C", bound=Command)
Act = Callable[[Turn, Any], None]

#: The commands that may be follow-ups, by the name that is stored; never renamed, since rows of an older version hold it.
FOLLOW_UPS: dict[str, tuple[type[Command], Act]] = {}

Stopped = Callable[[Turn, Any, str], None]

#: What happens to the work of a follow-up that cannot be carried out and belongs to no process instance, by the same name.
_WHEN_STOPPED: dict[str, Stopped] = {}

Place = Callable[[Turn, Any], ElementInstance | None]

#: The element instance that a follow-up stops at if it cannot be carried out, by the same name; its process instance unless one is named.
_PLACES: dict[str, Place] = {}

WAITING = 0  #: the due time of a follow-up that waits for an incident to be resolved
# The pause before work of no process instance is tried again: there is no incident that somebody could resolve.
RETRY_MS = 3_600_000


def carries_out(command: type[C]) -> Callable[[Callable[[Turn, C], None]], Callable[[Turn, C], None]]:
    """Register the decorated function: it carries *command* out, which may be left as a follow-up."""

    def register(act: Callable[[Turn, C], None]) -> Callable[[Turn, C], None]:
        assert command.__name__ not in FOLLOW_UPS, f"{command} is registered"
        FOLLOW_UPS[command.__name__] = (command, act)
        return act

    return register


def when_stopped(
    command: type[C],
) -> Callable[[Callable[[Turn, C, str], None]], Callable[[Turn, C, str], None]]:
    """Register the decorated function: it takes *command* if that cannot be carried out, and the reason. The follow-up is gone then."""

    def register(stopped: Callable[[Turn, C, str], None]) -> Callable[[Turn, C, str], None]:
        _WHEN_STOPPED[command.__name__] = stopped
        return stopped

    return register


def stops_at(command: type[C]) -> Callable[[Callable[[Turn, C], ElementInstance | None]], Place]:
    """Register the decorated function: it returns the element instance that *command* stops at. When that ends, so does the incident."""

    def register(place: Callable[[Turn, C], ElementInstance | None]) -> Place:
        _PLACES[command.__name__] = place
        return place

    return register


def _place_of(turn: Turn, row: FollowUp) -> ElementInstance | None:
    """Return where a follow-up stops; None if its process instance has ended."""
    place = _PLACES.get(row.command)
    found = place(turn, _command_of(row)) if place is not None else None
    return found or turn.elements.get(row.process_instance_key)


def act_on(turn: Turn, command: Command) -> None:
    """Carry *command* out as a part of this turn."""
    _, act = FOLLOW_UPS[type(command).__name__]
    act(turn, command)


def leave_follow_up(turn: Turn, process_instance_key: int, command: Command, *, due_ms: int, depth: int = 0) -> None:
    """Write *command* as a follow-up of this commit, due at *due_ms* (WAITING: when an incident is resolved).

    A follow-up that works on no process instance (key 0) comes into memory alone, by its own key.
    """
    key = turn.next_key()
    turn.follow_ups.insert(
        FollowUp(
            key=key,
            process_instance_key=process_instance_key or key,
            target_partition=turn.state.partition_id,
            command=type(command).__name__,
            content=msgspec.json.encode(command).decode(),
            due_ms=due_ms,
            depth=depth,
        )
    )


def take_follow_up(turn: Turn, key: int) -> Command | None:
    """Delete the follow-up of *key* and return its command; None if it has been carried out or its instance has ended.

    Raises:
        Missing: its row must be loaded first.

    """
    row: FollowUp | None = turn.state.find(FollowUp, key)
    if row is None or row.due_ms <= WAITING:
        return None
    turn.follow_ups.delete(row)
    turn.depth = row.depth
    return _command_of(row)


def _command_of(row: FollowUp) -> Command:
    command_type, _ = FOLLOW_UPS[row.command]
    return msgspec.json.decode(row.content, type=command_type)


def park_follow_up(turn: Turn, key: int, reason: str, error_type: ErrorType = ErrorType.UNKNOWN) -> str:
    """Let a follow-up that cannot be carried out wait behind an incident of its process instance.

    One of no instance is tried again after RETRY_MS; then return the name of its command, for the log. Else return an empty text.
    """
    row: FollowUp | None = turn.state.find(FollowUp, key)
    if row is None:
        return ""
    place = _place_of(turn, row)
    if place is not None:
        turn.follow_ups.update(row, due_ms=WAITING)
        stop_for_follow_up(turn, place, error_type, reason)
    elif stopped := _WHEN_STOPPED.get(row.command):
        turn.follow_ups.delete(row)
        stopped(turn, _command_of(row), reason)
    elif row.process_instance_key == row.key:
        turn.follow_ups.update(row, due_ms=turn.now_ms + RETRY_MS)
        return row.command
    else:
        turn.follow_ups.delete(row)  # its instance has ended
    return ""


def drop_stopped(turn: Turn, row: FollowUp) -> None:
    """Delete a follow-up that is wanted no more, and the incident that it waits behind, unless others wait there too."""
    place = _place_of(turn, row) if row.due_ms == WAITING else None
    turn.follow_ups.delete(row)
    if place is None or _waiting_at(turn, place):
        return
    for incident in turn.incidents.by("element_instance_key", place.key):
        if not incident.job_key:
            turn.incidents.end(incident, turn.now_ms)


def release_follow_ups(turn: Turn, element: ElementInstance) -> set[str]:
    """Make the follow-ups due that wait behind an incident of *element*; return the names of their commands."""
    waiting = _waiting_at(turn, element)
    for row in waiting:
        turn.follow_ups.update(row, due_ms=turn.now_ms)
    return {row.command for row in waiting}


def _waiting_at(turn: Turn, element: ElementInstance) -> list[FollowUp]:
    """Return the follow-ups that wait behind an incident of *element*."""
    rows = turn.follow_ups.of_instance(element.process_instance_key)
    return [row for row in rows if row.due_ms == WAITING and _place_of(turn, row) is element]


def follow_waiting(turn: Turn, process_instance_key: int, command_type: type[Command]) -> None:
    """Carry the follow-ups of one type that wait in the process instance out in this turn, so that its answer is given after them."""
    for row in turn.follow_ups.of_instance(process_instance_key):
        if row.due_ms == WAITING and row.command == command_type.__name__:
            turn.follow_ups.delete(row)
            turn.follow(process_instance_key, _command_of(row))
