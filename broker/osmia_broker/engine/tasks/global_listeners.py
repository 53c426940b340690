"""Global task listeners: kept by the broker, for the native user tasks of all processes."""

from typing import Any, NoReturn

import msgspec
from msgspec.structs import replace

from osmia_broker.base.errors import AlreadyExists, NotFound
from osmia_broker.engine.commands.tasks import (
    CreateGlobalTaskListener,
    DeleteGlobalTaskListener,
    UpdateGlobalTaskListener,
)
from osmia_broker.engine.engine import handles
from osmia_broker.engine.turn import Turn
from osmia_broker.state.rows.tasks import GlobalTaskListener


@handles(CreateGlobalTaskListener)
def create_global_task_listener(turn: Turn, command: CreateGlobalTaskListener) -> GlobalTaskListener:
    """Create a listener; the answer is its row."""
    if turn.global_listeners.of_id(command.id) is not None:
        raise AlreadyExists(
            f"Expected to create a global task listener with id '{command.id}', but one with this id already exists"
        )
    row = GlobalTaskListener(key=turn.next_key(), id=command.id, created_ms=turn.now_ms, **_columns(command))
    return turn.global_listeners.put(row)


@handles(UpdateGlobalTaskListener)
def update_global_task_listener(turn: Turn, command: UpdateGlobalTaskListener) -> GlobalTaskListener:
    """Change a listener; changes that wait for listeners already go on with those that they began with."""
    row = turn.global_listeners.of_id(command.id) or _no_such("update", command.id)
    return turn.global_listeners.put(replace(row, **_columns(command)))


@handles(DeleteGlobalTaskListener)
def delete_global_task_listener(turn: Turn, command: DeleteGlobalTaskListener) -> None:
    """Delete a listener."""
    row = turn.global_listeners.of_id(command.id) or _no_such("delete", command.id)
    turn.global_listeners.put(replace(row, deleted_ms=turn.now_ms))


def _columns(command: CreateGlobalTaskListener | UpdateGlobalTaskListener) -> dict[str, Any]:
    types = None if command.event_types is None else msgspec.json.encode(command.event_types).decode()
    after = None if command.after_model is None else int(command.after_model)
    given = {
        "type": command.type,
        "event_types": types,
        "retries": command.retries,
        "after_model": after,
        "priority": command.priority,
    }
    return {name: value for name, value in given.items() if value is not None}


def _no_such(verb: str, id: str) -> NoReturn:
    raise NotFound(f"Expected to {verb} a global task listener with id '{id}', but no such listener was found")
