"""Find the items of batch operations, by filters as searches have them."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.calls.checks import quoted
from osmia_broker.state.rows.batches import BatchType
from osmia_broker.store.read import Reader
from osmia_broker.store.read.entities import DECISION_INSTANCES, INCIDENTS, JOBS, PROCESS_INSTANCES
from osmia_broker.store.read.search import filters
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.search import Search, search

BATCH_ITEMS_MAX = 1_000_000  # of one batch operation
PAGE_ITEMS = 1_000  # read at a time
KEYS_OF_A_QUESTION = 500  # process instances whose incidents are looked for at a time

Filter = Mapping[str, Any]
Items = list[tuple[int, int]]  #: the key of each item, and that of the process instance it belongs to (0: none)

ROOTS = {"parentProcessInstanceKey": {"$exists": False}}
RUNNING = {"state": {"$in": ["ACTIVE", "SUSPENDED"]}}
ACTIVE = {"state": "ACTIVE"}
SUSPENDED = {"state": "SUSPENDED"}
ENDED = {"state": {"$in": ["COMPLETED", "TERMINATED"]}}
OPEN_JOBS = {"state": {"$in": ["CREATED", "FAILED", "TIMED_OUT", "ERROR_THROWN"]}}

#: The process instances that a batch operation of each type can be for, or of which it takes the incidents.
INSTANCES: Mapping[BatchType, Filter] = MappingProxyType(
    {
        BatchType.CANCEL_PROCESS_INSTANCE: RUNNING | ROOTS,
        BatchType.SUSPEND_PROCESS_INSTANCE: ACTIVE | ROOTS,
        BatchType.RESUME_PROCESS_INSTANCE: SUSPENDED | ROOTS,
        BatchType.DELETE_PROCESS_INSTANCE: ENDED,
        BatchType.MIGRATE_PROCESS_INSTANCE: ACTIVE,
        BatchType.MODIFY_PROCESS_INSTANCE: ACTIVE,
        BatchType.RESOLVE_INCIDENT: ACTIVE,
    }
)


async def find(reader: Reader, type: BatchType, given: Any) -> Items:
    """Find the items of a batch operation by the filter of a request. Only the resolution of incidents may have none.

    Raises:
        InvalidArgument: the filter is missing, wrong or without a condition, or more than BATCH_ITEMS_MAX pass it.

    """
    if type is BatchType.UPDATE_JOB:
        return await _pairs(reader, JOBS, _filter_of(given, JOBS), OPEN_JOBS, "jobKey")
    if type is BatchType.DELETE_DECISION_INSTANCE:
        return await evaluations(reader, _filter_of(given, DECISION_INSTANCES))
    if type is BatchType.CANCEL_PROCESS_INSTANCE:
        _expect_running(given)
    if type is BatchType.RESOLVE_INCIDENT:
        wanted = _filter_of(given, PROCESS_INSTANCES) if given else None
        return await _incidents(reader, wanted, INSTANCES[type])
    return await instances(reader, _filter_of(given, PROCESS_INSTANCES), INSTANCES[type])


def _expect_running(given: Any) -> None:
    """Refuse to cancel what is asked for by a state in which nothing can be cancelled, as the contract does.

    Raises:
        InvalidArgument: the filter names such a state.

    """
    state = given.get("state") if isinstance(given, dict) else None
    asked = state if isinstance(state, dict) else {"$eq": state}
    several = asked.get("$in")
    for one in (asked.get("$eq"), *(several if isinstance(several, list) else ())):
        if isinstance(one, str) and one.upper() not in RUNNING["state"]["$in"]:
            raise InvalidArgument(f"Expected filter.state to be ACTIVE or SUSPENDED, but found '{quoted(one)}'")


def _filter_of(given: Any, entity: Entity) -> Filter:
    """Return the filter of a request for items of *entity*.

    Raises:
        InvalidArgument: there is none, or it is wrong, or it has no condition: a batch operation for everything is more likely a mistake.

    """
    if not isinstance(given, dict):
        raise InvalidArgument("No filter provided.")
    if filters.parse(entity.fields, given).is_empty:
        raise InvalidArgument("At least one criterion of the filter is required.")
    return given


async def instances(reader: Reader, wanted: Filter | None, scope: Filter) -> Items:
    """Find the process instances that pass the filter of a request and *scope*."""
    return await _pairs(reader, PROCESS_INSTANCES, wanted, scope, "processInstanceKey")


async def incidents_of(reader: Reader, process_instance_key: int) -> Items:
    """Find the open incidents of one process instance."""
    return await _incidents(reader, None, {"processInstanceKey": str(process_instance_key)})


async def _incidents(reader: Reader, wanted: Filter | None, scope: Filter) -> Items:
    """Find the open incidents of the process instances that pass the filter of a request and *scope*."""
    owners = [key for key, _ in await instances(reader, wanted, {**scope, "hasIncident": True})]
    found: Items = []
    for first in range(0, len(owners), KEYS_OF_A_QUESTION):
        some = [str(key) for key in owners[first : first + KEYS_OF_A_QUESTION]]
        condition = {"state": "ACTIVE", "processInstanceKey": {"$in": some}}
        found += await _pairs(reader, INCIDENTS, None, condition, "incidentKey")
    return found


async def evaluations(reader: Reader, wanted: Filter) -> Items:
    """Find the evaluations with a decision that passes the filter of a request."""
    found = await _read(reader, DECISION_INSTANCES, wanted, {}, lambda item: (int(item["decisionEvaluationKey"]), 0))
    return list(dict.fromkeys(found))


async def history_of(reader: Reader, resource_key: int) -> tuple[BatchType, Items]:
    """Find what has ended of a definition: evaluations of its decisions, or else process instances. It comes with the way to delete it."""
    evaluated = await evaluations(reader, {"decisionRequirementsKey": str(resource_key)})
    if evaluated:
        return BatchType.DELETE_DECISION_INSTANCE, evaluated
    ended = await instances(reader, {"processDefinitionKey": str(resource_key)}, ENDED)
    return BatchType.DELETE_PROCESS_INSTANCE, ended


async def _pairs(reader: Reader, entity: Entity, wanted: Filter | None, scope: Filter, name: str) -> Items:
    return await _read(
        reader, entity, wanted, scope, lambda item: (int(item[name]), int(item["processInstanceKey"] or 0))
    )


async def _read(
    reader: Reader, entity: Entity, wanted: Filter | None, scope: Filter, of_item: Callable[[Any], Any]
) -> list[Any]:
    """Read all items page by page, in the order of their keys.

    Raises:
        InvalidArgument: the filter is wrong, or there are more than BATCH_ITEMS_MAX.

    """
    found: list[Any] = []
    after: str | None = None
    while True:
        page = {"limit": PAGE_ITEMS} | ({"after": after} if after else {})
        part = await search(reader, entity, Search(filter=wanted, page=page), scope=dict(scope))
        found += map(of_item, part.items)
        if len(found) > BATCH_ITEMS_MAX:
            raise InvalidArgument(
                f"Expected a batch operation of at most {BATCH_ITEMS_MAX} items, but found more; narrow the filter"
            )
        after = part.end
        if not part.items or after is None:
            return found
