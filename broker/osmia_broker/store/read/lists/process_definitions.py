"""The list of deployed processes, newest first: the search of `entities/process_definitions.py` with rows."""

from typing import Any

from sqlalchemy import bindparam

from osmia_broker.state.rows import ProcessDefinition
from osmia_broker.store import schema
from osmia_broker.store.read.entities.process_definitions import LIVING_DEFINITIONS, PROCESS_DEFINITIONS
from osmia_broker.store.read.lists.pages import Page
from osmia_broker.store.read.lists.stored import Rows, page_of
from osmia_broker.store.read.sources import Sources, by_itself, no_such, of_cluster, question
from osmia_broker.store.read.sql.tables import columns_of

NEWEST_FIRST = (("processDefinitionKey", True),)

_BY_KEY = columns_of(ProcessDefinition).where(schema.process_definitions.c.key == bindparam("key"))


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
    latest = True if latest_only else None
    asked: dict[str, Any] = {"processDefinitionKey": key, "processDefinitionId": bpmn_process_id}
    entity = LIVING_DEFINITIONS
    if with_draining:
        entity = PROCESS_DEFINITIONS
        asked["$or"] = [{"isLatestVersion": latest, "state": "ACTIVE"}, {"state": "DRAINING"}]
    else:
        asked["isLatestVersion"] = latest
    rows = Rows(ProcessDefinition)
    return await page_of(sources, entity, rows, NEWEST_FIRST, asked, limit=limit, after=after)


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
