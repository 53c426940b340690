"""Batch operations over a filter: find the items, then create the batch operation that works them off."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import UNSET, UnsetType

from osmia_broker.calls.operators import BATCH_ITEMS_MAX
from osmia_broker.engine.batch_commands import BatchPlan
from osmia_broker.errors import InvalidArgument
from osmia_broker.http.operation import Call
from osmia_broker.http.problem import invalid
from osmia_broker.http.types import Body, Item
from osmia_broker.state.batch_rows import BatchType
from osmia_broker.store.read.entities import DECISION_INSTANCES, INCIDENTS, JOBS, PROCESS_INSTANCES
from osmia_broker.store.read.search import filters
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.search import Search, search

PAGE_ITEMS = 1_000  # read at a time
KEYS_OF_A_QUESTION = 500  # process instances whose incidents are looked for at a time

Filter = Mapping[str, Any]
Items = list[tuple[int, int]]

ROOTS = {"parentProcessInstanceKey": {"$exists": False}}
RUNNING = {"state": {"$in": ["ACTIVE", "SUSPENDED"]}}
ACTIVE = {"state": "ACTIVE"}
SUSPENDED = {"state": "SUSPENDED"}
ENDED = {"state": {"$in": ["COMPLETED", "TERMINATED"]}}
OPEN_JOBS = {"state": {"$in": ["CREATED", "FAILED", "TIMED_OUT", "ERROR_THROWN"]}}


class FilterBody(Body):
    """The items of a batch operation, by a filter as searches have it."""

    filter: dict[str, Any] | UnsetType | None = UNSET


class BatchCreated(Item):
    """A batch operation that was begun."""

    batch_operation_key: str
    batch_operation_type: str


def filter_of(body: FilterBody, entity: Entity) -> Filter:
    """Return the filter of a request for items of *entity*.

    Raises:
        HttpRefusal: there is none, or it has no condition: a batch operation for everything is more likely a mistake.
        InvalidArgument: it is wrong.

    """
    if not isinstance(body.filter, dict):
        raise invalid("No filter provided.")
    if filters.parse(entity.fields, body.filter).is_empty:
        raise invalid("At least one criterion of the filter is required.")
    return body.filter


async def begin(call: Call, type: BatchType, items: Items, plan: BatchPlan | None = None) -> BatchCreated:
    """Create a batch operation and start it."""
    key = await call.calls.create_batch(type, items, plan=plan, user=call.caller.user)
    return BatchCreated(batch_operation_key=str(key), batch_operation_type=type.value)


async def instances(call: Call, wanted: Filter | None, scope: Filter) -> Items:
    """Find the process instances that pass the filter of a request and *scope*."""
    return await _pairs(call, PROCESS_INSTANCES, wanted, scope, "processInstanceKey")


async def incidents(call: Call, wanted: Filter | None, scope: Filter) -> Items:
    """Find the open incidents of the process instances that pass the filter of a request and *scope*."""
    owners = [key for key, _ in await instances(call, wanted, {**scope, "hasIncident": True})]
    found: Items = []
    for first in range(0, len(owners), KEYS_OF_A_QUESTION):
        some = [str(key) for key in owners[first : first + KEYS_OF_A_QUESTION]]
        condition = {"state": "ACTIVE", "processInstanceKey": {"$in": some}}
        found += await _pairs(call, INCIDENTS, None, condition, "incidentKey")
    return found


async def jobs(call: Call, wanted: Filter) -> Items:
    """Find the open jobs that pass the filter of a request."""
    return await _pairs(call, JOBS, wanted, OPEN_JOBS, "jobKey")


async def evaluations(call: Call, wanted: Filter) -> Items:
    """Find the evaluations with a decision that passes the filter of a request."""
    found = await _read(call, DECISION_INSTANCES, wanted, {}, lambda item: (int(item["decisionEvaluationKey"]), 0))
    return list(dict.fromkeys(found))


async def _pairs(call: Call, entity: Entity, wanted: Filter | None, scope: Filter, name: str) -> Items:
    return await _read(
        call, entity, wanted, scope, lambda item: (int(item[name]), int(item["processInstanceKey"] or 0))
    )


async def _read(
    call: Call, entity: Entity, wanted: Filter | None, scope: Filter, of_item: Callable[[Any], Any]
) -> list[Any]:
    """Read all items page by page, in the order of their keys.

    Raises:
        InvalidArgument: the filter is wrong, or there are more than BATCH_ITEMS_MAX.

    """
    found: list[Any] = []
    after: str | None = None
    while True:
        page = {"limit": PAGE_ITEMS} | ({"after": after} if after else {})
        part = await search(call.reader, entity, Search(filter=wanted, page=page), scope=dict(scope))
        found += map(of_item, part.items)
        if len(found) > BATCH_ITEMS_MAX:
            raise InvalidArgument(
                f"Expected a batch operation of at most {BATCH_ITEMS_MAX} items, but found more; narrow the filter"
            )
        after = part.end
        if not part.items or after is None:
            return found
