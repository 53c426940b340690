"""Global task listeners: kept by the broker, for all native user tasks."""

from typing import Annotated, Any

import msgspec

from osmia_broker.calls.checks import IDENTIFIER
from osmia_broker.calls.faults import require
from osmia_broker.calls.tasks.global_listeners import ALL_EVENTS, ID_CHARACTERS
from osmia_broker.engine.elements.user_tasks import PRIORITY_MAX
from osmia_broker.engine.tasks.listeners import EVENTS
from osmia_broker.http.described import Name, Positive32, one_of, schema
from osmia_broker.http.operation import Call, operation
from osmia_broker.http.searching import item_type, serve_search
from osmia_broker.http.types import Body, Item, Text
from osmia_broker.state.rows.tasks import GlobalTaskListener
from osmia_broker.store.read.entities import GLOBAL_TASK_LISTENERS

TAG = "Global listener"
LISTENERS, LISTENER = "/global-task-listeners", "/global-task-listeners/{id}"
_FOUND = item_type(GLOBAL_TASK_LISTENERS, "get_global_task_listener")


class Listener(Body):
    """The values of a global task listener."""

    type: Name | None = None
    event_types: list[Annotated[Text, one_of(*EVENTS, ALL_EVENTS)]] | None = None
    retries: Positive32 | None = None
    after_non_global: bool | None = None
    priority: Annotated[int, schema(minimum=0, maximum=PRIORITY_MAX)] | None = None


class NewListener(Listener):
    """A global task listener to create."""

    id: Annotated[Text, schema(minLength=1, maxLength=ID_CHARACTERS, pattern=IDENTIFIER)] | None = None


class ListenerItem(Item):
    """A global task listener."""

    id: str
    type: str
    event_types: list[Annotated[str, one_of(*EVENTS)]]
    retries: int
    after_non_global: bool
    priority: int
    source: Annotated[str, one_of("API")] = "API"


@operation("POST", LISTENERS, tag=TAG, status=201)
async def create_global_task_listener(call: Call, body: NewListener) -> ListenerItem:
    """Create a global task listener."""
    require(id=body.id, type=body.type, eventTypes=body.event_types or None)
    return _item(await call.calls.create_task_listener(body.id or "", **_values(body)))


@operation("PUT", LISTENER, tag=TAG)
async def update_global_task_listener(call: Call, id: str, body: Listener) -> ListenerItem:
    """Change a global task listener."""
    require(type=body.type, eventTypes=body.event_types or None)
    return _item(await call.calls.update_task_listener(id, **_values(body)))


@operation("DELETE", LISTENER, tag=TAG, status=204)
async def delete_global_task_listener(call: Call, id: str) -> None:
    """Delete a global task listener."""
    await call.calls.delete_task_listener(id)


@operation("GET", LISTENER, tag=TAG)
async def get_global_task_listener(call: Call, id: str) -> _FOUND:  # type: ignore[valid-type]  # made at run time
    """Return one global task listener."""
    return await call.lists.get("global-task-listeners", id)


serve_search(
    f"{LISTENERS}/search",
    name="search_global_task_listeners",
    tag=TAG,
    summary="Search global task listeners.",
)


def _values(body: Listener) -> dict[str, Any]:
    return {
        "type": body.type or "",
        "event_types": body.event_types or [],
        "retries": body.retries,
        "after_model": body.after_non_global,
        "priority": body.priority,
    }


def _item(row: GlobalTaskListener) -> ListenerItem:
    return ListenerItem(
        id=row.id,
        type=row.type,
        event_types=msgspec.json.decode(row.event_types, type=list[str]),
        retries=row.retries,
        after_non_global=bool(row.after_model),
        priority=row.priority,
    )
