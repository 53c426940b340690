"""The list of deployed processes, newest first."""

from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, or_, select, tuple_

from osmia_broker.state.rows import ProcessDefinition
from osmia_broker.store import schema
from osmia_broker.store.read import pages
from osmia_broker.store.read.draining import draining, drains
from osmia_broker.store.read.pages import Page
from osmia_broker.store.read.sources import Sources, by_itself, no_such, of_cluster, question
from osmia_broker.store.read.tables import columns_of

LIST = "process definitions"  #: the name in its cursors

_definition = schema.process_definitions
_NOT_DELETED = 0
_BY_KEY = columns_of(ProcessDefinition).where(_definition.c.key == bindparam("key"))


@question(by_itself)
async def search(
    sources: Sources,
    *,
    key: int = 0,
    bpmn_process_id: str = "",
    latest_only: bool = False,
    with_draining: bool = False,
    limit: int = 0,
    after: str = "",
) -> Page[ProcessDefinition]:
    """List the definitions of every process or of one, in all versions or only the latest.

    Deleted ones are left out; with *with_draining* only those of which no instance runs any more.
    """
    given = {name: value for name, value in (("key", key), ("bpmn_process_id", bpmn_process_id)) if value}
    values = pages.values_of(LIST, limit, after) | given
    if with_draining:
        values |= await draining(sources)
    statement = _statement(frozenset(given), latest_only, with_draining)
    async with sources.database.snapshot() as snapshot:
        return await pages.read(snapshot, LIST, ProcessDefinition, statement, values)


@question(of_cluster)
async def find(sources: Sources, key: int) -> ProcessDefinition:
    """Return the definition with this key, also a deleted one: instances refer to it.

    Raises:
        NotFound: there is none.
    """
    async with sources.database.snapshot() as snapshot:
        found = await snapshot.rows(ProcessDefinition, _BY_KEY, {"key": key})
    if not found:
        raise no_such("process definition", key)
    return found[0]


@cache
def _statement(given: frozenset[str], latest_only: bool, with_draining: bool) -> Select[Any]:
    is_wanted: ColumnElement[bool] = _definition.c.deleted_ms == _NOT_DELETED
    if latest_only:
        other = _definition.alias()
        latest = (
            select(other.c.bpmn_process_id, func.max(other.c.version))
            .where(other.c.deleted_ms == _NOT_DELETED)
            .group_by(other.c.bpmn_process_id)
        )
        is_wanted = and_(is_wanted, tuple_(_definition.c.bpmn_process_id, _definition.c.version).in_(latest))
    if with_draining:
        is_wanted = or_(is_wanted, drains(_definition.c.key))
    filters = (_definition.c[name] == bindparam(name) for name in sorted(given))
    return pages.newest_first(columns_of(ProcessDefinition).where(is_wanted, *filters), ProcessDefinition)
