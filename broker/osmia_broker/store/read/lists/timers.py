"""The list of timers, newest first: the search of `entities/timers.py` with rows."""

from collections.abc import Iterable

import msgspec

from osmia_broker.state.rows import ProcessDefinition, Timer
from osmia_broker.store.read.entities.timers import ENDED, SUSPENDED, TIMERS, WAITING
from osmia_broker.store.read.lists.pages import Page
from osmia_broker.store.read.lists.stored import Rows, among, page_of, with_elements
from osmia_broker.store.read.sources import Sources, by_itself, question

NEWEST_FIRST = (("creationDate", True),)


class SeenTimer(msgspec.Struct, frozen=True):
    """A timer, and the event that it belongs to."""

    row: Timer
    definition: ProcessDefinition
    element_name: str

    @property
    def state(self) -> str:
        """Whether it waits, is suspended with its instance, or has ended."""
        if self.row.ended_ms:
            return ENDED
        return SUSPENDED if self.row.due_ms < 0 else WAITING


@question(by_itself)
async def search(
    sources: Sources,
    *,
    process_instance_key: int = 0,
    element_id: str = "",
    bpmn_process_id: str = "",
    of_start_event: bool | None = None,
    states: Iterable[str] = (),
    limit: int = 0,
    after: str = "",
) -> Page[SeenTimer]:
    """List the timers that pass every filter. An empty filter lets all pass."""
    asked = {
        "processInstanceKey": process_instance_key,
        "elementId": element_id,
        "processDefinitionId": bpmn_process_id,
        "isOfStartEvent": of_start_event,
        "state": among(states),
    }
    page = await page_of(sources, TIMERS, Rows(Timer), NEWEST_FIRST, asked, limit=limit, after=after)
    return await with_elements(sources, page, SeenTimer)
