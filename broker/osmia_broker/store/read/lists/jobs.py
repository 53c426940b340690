"""The list of jobs, open and ended, newest first: the search of `entities/jobs.py` with rows and the states that they have."""

from collections.abc import Iterable

import msgspec

from osmia_broker.state.rows import Job, ProcessDefinition
from osmia_broker.store.read.entities.jobs import JOBS
from osmia_broker.store.read.lists.pages import Page
from osmia_broker.store.read.lists.stored import Rows, among, page_of, with_elements
from osmia_broker.store.read.sources import Sources, by_itself, question

NEWEST_FIRST = (("creationTime", True),)


class SeenJob(msgspec.Struct, frozen=True):
    """A job, and the element that it belongs to."""

    row: Job
    definition: ProcessDefinition
    element_name: str


@question(by_itself)
async def search(
    sources: Sources,
    *,
    key: int = 0,
    type: str = "",
    process_instance_key: int = 0,
    states: Iterable[str] = (),
    limit: int = 0,
    after: str = "",
) -> Page[SeenJob]:
    """List the jobs that pass every filter. An empty filter lets all pass."""
    asked = {"jobKey": key, "type": type, "processInstanceKey": process_instance_key, "storedState": among(states)}
    page = await page_of(sources, JOBS, Rows(Job), NEWEST_FIRST, asked, limit=limit, after=after)
    return await with_elements(sources, page, SeenJob)
