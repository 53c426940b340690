"""Calls of global task listeners: create, change and delete what the broker keeps for the native user tasks of all processes."""

from collections.abc import Sequence

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.calls import checks
from osmia_broker.calls.base import CallGroup
from osmia_broker.engine.commands.tasks import (
    CreateGlobalTaskListener,
    DeleteGlobalTaskListener,
    UpdateGlobalTaskListener,
)
from osmia_broker.engine.elements.user_tasks import PRIORITY_MAX
from osmia_broker.engine.tasks.listeners import EVENTS
from osmia_broker.state.rows.tasks import GlobalTaskListener

ID_CHARACTERS = 256  # of a global task listener
ALL_EVENTS = "all"  #: the event type that stands for every one


class GlobalTaskListenerCalls(CallGroup):
    """Create, change and delete global task listeners."""

    async def create_task_listener(
        self,
        id: str,
        *,
        type: str,
        event_types: Sequence[str],
        retries: int | None = None,
        after_model: bool | None = None,
        priority: int | None = None,
    ) -> GlobalTaskListener:
        """Keep a task listener for all native tasks. It works before those of the model, unless *after_model*.

        Raises:
            InvalidArgument: a value is wrong.
            AlreadyExists: there is one with this id.

        """
        _check(id, type, retries, priority)
        checks.identifier("id", id, ID_CHARACTERS)
        command = CreateGlobalTaskListener(id, type, _event_types(event_types), retries, after_model, priority)
        row: GlobalTaskListener = await self._partitions.submit(command)
        return row

    async def update_task_listener(
        self,
        id: str,
        *,
        type: str | None = None,
        event_types: Sequence[str] | None = None,
        retries: int | None = None,
        after_model: bool | None = None,
        priority: int | None = None,
    ) -> GlobalTaskListener:
        """Change a global task listener; None keeps a value. Raises as `create_task_listener`, and NotFound."""
        _check(id, type, retries, priority)
        events = None if event_types is None else _event_types(event_types)
        command = UpdateGlobalTaskListener(id, type, events, retries, after_model, priority)
        row: GlobalTaskListener = await self._partitions.submit(command)
        return row

    async def delete_task_listener(self, id: str) -> None:
        """Delete a global task listener.

        Raises:
            NotFound: there is none with this id.

        """
        await self._partitions.submit(DeleteGlobalTaskListener(checks.at_most("id", id, ID_CHARACTERS)))


def _check(id: str, type: str | None, retries: int | None, priority: int | None) -> None:
    if not id.strip():
        raise InvalidArgument("Expected a global task listener to have an id, but found none")
    checks.at_most("id", id, ID_CHARACTERS)
    if type is not None:
        if not type.strip():
            raise InvalidArgument("Expected a global task listener to have a job type, but found a blank one")
        checks.name("type", type)
    if retries is not None and not checks.int32("retries", retries) >= 1:
        raise InvalidArgument(f"Expected retries to be at least 1, but found {retries}")
    if priority is not None and not 0 <= priority <= PRIORITY_MAX:
        raise InvalidArgument(f"Expected priority to be from 0 to {PRIORITY_MAX}, but found {priority}")


def _event_types(given: Sequence[str]) -> tuple[str, ...]:
    """Return the events that a listener is for, with every one for `all`."""
    lower = [one.lower() for one in given]
    wrong = next((one for one in lower if one not in (*EVENTS, ALL_EVENTS)), None)
    if wrong is not None or not lower:
        found = "none" if wrong is None else f"'{checks.quoted(wrong)}'"
        raise InvalidArgument(f"Expected event types of {', '.join((*EVENTS, ALL_EVENTS))}, but found {found}")
    return EVENTS if ALL_EVENTS in lower else tuple(one for one in EVENTS if one in lower)
