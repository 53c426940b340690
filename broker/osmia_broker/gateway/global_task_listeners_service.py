"""The calls of `osmia.v1.GlobalTaskListeners`: message to call, answer to message."""

from typing import Any

import msgspec

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.calls import Caller, Calls
from osmia_broker.state.rows.tasks import GlobalTaskListener
from osmia_proto import queries


class GlobalTaskListeners:
    """Answers the calls."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def CreateGlobalTaskListener(
        self, request: queries.CreateGlobalTaskListenerRequest, caller: Caller
    ) -> queries.GlobalTaskListener:
        """Create a global task listener."""
        if not request.event_types:
            raise InvalidArgument("Expected a global task listener to have event types, but found none")
        row = await self._calls.by(caller).create_task_listener(
            request.id, type=request.type, event_types=request.event_types, **_given(request)
        )
        return _message(row)

    async def UpdateGlobalTaskListener(
        self, request: queries.UpdateGlobalTaskListenerRequest, caller: Caller
    ) -> queries.GlobalTaskListener:
        """Change a global task listener."""
        row = await self._calls.by(caller).update_task_listener(
            request.id, type=request.type or None, event_types=request.event_types or None, **_given(request)
        )
        return _message(row)

    async def DeleteGlobalTaskListener(
        self, request: queries.DeleteGlobalTaskListenerRequest, caller: Caller
    ) -> queries.DeleteGlobalTaskListenerResponse:
        """Delete a global task listener."""
        await self._calls.by(caller).delete_task_listener(request.id)
        return queries.DeleteGlobalTaskListenerResponse()


def _given(
    request: queries.CreateGlobalTaskListenerRequest | queries.UpdateGlobalTaskListenerRequest,
) -> dict[str, Any]:
    """Return the values that the request has; None for those that it has not."""
    return {
        "retries": request.retries if request.HasField("retries") else None,
        "after_model": request.after_non_global if request.HasField("after_non_global") else None,
        "priority": request.priority if request.HasField("priority") else None,
    }


def _message(row: GlobalTaskListener) -> queries.GlobalTaskListener:
    return queries.GlobalTaskListener(
        id=row.id,
        type=row.type,
        event_types=msgspec.json.decode(row.event_types, type=list[str]),
        retries=row.retries,
        after_non_global=bool(row.after_model),
        priority=row.priority,
    )
