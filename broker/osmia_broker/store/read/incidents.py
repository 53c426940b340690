"""The list of incidents, open and resolved, newest first."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Select, bindparam, select

from osmia_broker.state.rows import Incident, ProcessDefinition
from osmia_broker.store import schema
from osmia_broker.store.read import pages
from osmia_broker.store.read.definitions import keys_of_process
from osmia_broker.store.read.pages import Page, merged, row_key
from osmia_broker.store.read.sources import Sources, of_all, question
from osmia_broker.store.read.tables import columns_of

LIST = "incidents"  #: the name in its cursors
OPEN, RESOLVED = "OPEN", "RESOLVED"

_incident = schema.incidents
is_open = _incident.c.ended_ms == schema.NOT_ENDED

_FILTERS = {
    "key": _incident.c.key == bindparam("key"),
    "process_instance_key": _incident.c.process_instance_key == bindparam("process_instance_key"),
    "bpmn_process_id": _incident.c.process_definition_key.in_(keys_of_process("bpmn_process_id")),
    "error_type": _incident.c.error_type == bindparam("error_type"),
}
_STATES = {
    OPEN: _incident.c.key.in_(select(_incident.c.key).where(is_open)),  # the list of keys leads to the index
    RESOLVED: _incident.c.ended_ms > 0,
}


class SeenIncident(msgspec.Struct, frozen=True):
    """An incident, and the process that it stopped."""

    row: Incident
    definition: ProcessDefinition


@question(of_all(merged(LIST, row_key)))
async def search(
    sources: Sources,
    *,
    key: int = 0,
    process_instance_key: int = 0,
    bpmn_process_id: str = "",
    error_type: str = "",
    states: Iterable[str] = (),
    limit: int = 0,
    after: str = "",
) -> Page[SeenIncident]:
    """List the incidents that pass every filter. An empty filter lets all pass."""
    asked = {
        "key": key,
        "process_instance_key": process_instance_key,
        "bpmn_process_id": bpmn_process_id,
        "error_type": error_type,
    }
    given = {name: value for name, value in asked.items() if value}
    values = pages.values_of(LIST, limit, after) | given
    async with sources.database.snapshot() as snapshot:
        page = await pages.read(snapshot, LIST, Incident, _statement(frozenset(given), frozenset(states)), values)
        definitions = await sources.definitions.of(snapshot, (row.process_definition_key for row in page.items))
    return Page([SeenIncident(row, definitions[row.process_definition_key]) for row in page.items], page.next)


@cache
def _statement(given: frozenset[str], states: frozenset[str]) -> Select[Any]:
    """Build the statement with these filters, once."""
    statement = columns_of(Incident).where(*(_FILTERS[name] for name in sorted(given)))
    if states and states != _STATES.keys():
        statement = statement.where(*(_STATES[state] for state in states))
    return pages.newest_first(statement, Incident)
