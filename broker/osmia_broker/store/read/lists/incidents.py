"""The list of incidents, open and resolved, newest first: the search of `entities/incidents.py` with rows."""

from collections.abc import Iterable

import msgspec

from osmia_broker.state.rows import Incident, ProcessDefinition
from osmia_broker.store import schema
from osmia_broker.store.read.entities.incidents import INCIDENTS
from osmia_broker.store.read.lists.pages import Page
from osmia_broker.store.read.lists.stored import Rows, among, page_of
from osmia_broker.store.read.sources import Sources, by_itself, question

NEWEST_FIRST = (("creationTime", True),)
OPEN, RESOLVED = "OPEN", "RESOLVED"
_STATES = {OPEN: "ACTIVE", RESOLVED: "RESOLVED"}  #: as the contract of REST has them

is_open = schema.incidents.c.ended_ms == schema.NOT_ENDED


class SeenIncident(msgspec.Struct, frozen=True):
    """An incident, and the process that it stopped."""

    row: Incident
    definition: ProcessDefinition


@question(by_itself)
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
        "incidentKey": key,
        "processInstanceKey": process_instance_key,
        "processDefinitionId": bpmn_process_id,
        "storedErrorType": error_type,
        "state": among(_STATES[state] for state in states),
    }
    page = await page_of(sources, INCIDENTS, Rows(Incident), NEWEST_FIRST, asked, limit=limit, after=after)
    definitions = await sources.definitions.read(sources.database, (row.process_definition_key for row in page.items))
    return Page([SeenIncident(row, definitions[row.process_definition_key]) for row in page.items], page.next)
