"""Business ids of living process instances, in the partitions where the instances are."""

from typing import Any

from sqlalchemy import bindparam, exists, select, tuple_

from osmia_broker.state.partitioning import partition_of_text
from osmia_broker.state.rows import BusinessId, InstanceOrigin, ProcessDefinition
from osmia_broker.store import schema
from osmia_broker.store.read.sources import Sources, of_all, question

Holder = tuple[str, int]  #: the id of a process, and the key of its instance
PAGE_ROWS = 10_000  # compared at a time

_id, _origin = schema.TABLES[BusinessId], schema.TABLES[InstanceOrigin]
_definition = schema.TABLES[ProcessDefinition]
_ORDER = (_id.c.bpmn_process_id, _id.c.business_id, _id.c.key)
_is_root = ~exists().where(
    _origin.c.process_instance_key == _id.c.process_instance_key, _origin.c.parent_process_instance_key > 0
)
_FIRST_PAGE = select(*_ORDER).where(_id.c.ended_ms == schema.NOT_ENDED).order_by(*_ORDER).limit(PAGE_ROWS)
_NEXT_PAGE = _FIRST_PAGE.where(tuple_(*_ORDER) > tuple_(bindparam("process"), bindparam("id"), bindparam("key")))
_HOLDERS = select(_id.c.process_instance_key).where(
    _id.c.ended_ms == schema.NOT_ENDED,
    _id.c.bpmn_process_id == bindparam("bpmn_process_id"),
    _id.c.business_id == bindparam("business_id"),
    _is_root,
)
_PROCESS = select(_definition.c.bpmn_process_id).where(_definition.c.key == bindparam("key"))


def _any_of(found: list[bool], _given: dict[str, Any]) -> bool:
    return any(found)


def _first_of(found: list[Holder | None], _given: dict[str, Any]) -> Holder | None:
    return next(filter(None, found), None)


@question(of_all(_any_of))
async def has_misplaced_ids(sources: Sources, *, partitions: int) -> bool:
    """Return whether a living instance is in another partition than the one that decides about its business id."""
    statement = _FIRST_PAGE
    values: dict[str, Any] = {}
    while True:
        async with sources.database.snapshot() as snapshot:
            rows = await snapshot.values(statement, values)
        if any(partition_of_text(id, partitions) != sources.number for _, id, _ in rows):
            return True
        if len(rows) < PAGE_ROWS:
            return False
        statement, values = _NEXT_PAGE, dict(zip(("process", "id", "key"), rows[-1], strict=True))


@question(of_all(_first_of))
async def misplaced_holder(
    sources: Sources, *, bpmn_process_id: str, process_definition_key: int, business_id: str, partitions: int
) -> Holder | None:
    """Return a living root instance of a process with this business id in another partition than the one that decides about it.

    The process is named by its id, or else by the key of a definition.
    """
    if partition_of_text(business_id, partitions) == sources.number:
        return None
    async with sources.database.snapshot() as snapshot:
        if not bpmn_process_id:
            found = await snapshot.values(_PROCESS, {"key": process_definition_key})
            bpmn_process_id = found[0][0] if found else ""
        values = {"bpmn_process_id": bpmn_process_id, "business_id": business_id}
        holders = await snapshot.values(_HOLDERS, values)
    return (bpmn_process_id, holders[0][0]) if holders else None
