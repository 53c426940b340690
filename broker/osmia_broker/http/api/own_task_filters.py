"""The filters of task lists that a person saves, with the number of tasks that pass each, and the description of all own operations."""

from osmia_broker import __version__
from osmia_broker.http.api.own_user_tasks import lists
from osmia_broker.http.openapi import document, page
from osmia_broker.http.operation import HTML, JSON, OWN, Call, Reply, operation
from osmia_broker.http.types import Body, Item, Text
from osmia_broker.store.read.tasks.task_filters import FILTERS_MAX

TAG = "User task filter"
FILTER = "/user-task-filters/{name}"


class SavedFilter(Body):
    """The query to save."""

    query: Text


class UserTaskFilter(Item):
    """A saved filter, and how many tasks pass it now."""

    name: str
    query: str
    total_items: int
    has_more_total_items: bool
    problem: str | None  # why the query cannot be read any more


class UserTaskFilters(Item):
    """The saved filters of a person, by name."""

    items: list[UserTaskFilter]


@operation("GET", "/user-task-filters", tag=TAG, base=OWN)
async def get_user_task_filters(call: Call) -> UserTaskFilters:
    """List the filters that the person has saved."""
    items = [
        UserTaskFilter(
            name=one.name,
            query=one.query,
            total_items=one.total,
            has_more_total_items=one.has_more_total,
            problem=one.problem or None,
        )
        for one in await lists(call).saved(counted_max=FILTERS_MAX)
    ]
    return UserTaskFilters(items=items)


@operation("PUT", FILTER, tag=TAG, status=204, base=OWN)
async def save_user_task_filter(call: Call, name: str, body: SavedFilter) -> None:
    """Save a query of the person's task list under a name."""
    if body.query:
        await lists(call).require_savable(name, body.query)
    await call.calls.user_tasks.save_filter(name, body.query, caller=call.caller)


@operation("DELETE", FILTER, tag=TAG, status=204, base=OWN)
async def delete_user_task_filter(call: Call, name: str) -> None:
    """Forget a saved filter; it is no mistake if there is none."""
    await call.calls.user_tasks.save_filter(name, "", caller=call.caller)


@operation("GET", "/openapi.json", tag="Description", gives=JSON, is_open=True, base=OWN)
async def get_own_openapi(_call: Call) -> Reply:
    """Return the OpenAPI document of Osmia's own operations."""
    return Reply(body=document(__version__, OWN))


@operation("GET", "/docs", tag="Description", gives=HTML, is_open=True, base=OWN)
async def get_own_docs(_call: Call) -> Reply:
    """Return a page that lists Osmia's own operations for people."""
    return Reply(body=page(__version__, OWN), media_type=HTML)
