"""The list of jobs, open and ended, newest first."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Select, bindparam, select, text, union_all

from osmia_broker.state.rows import Job, ProcessDefinition
from osmia_broker.store import schema
from osmia_broker.store.read import pages
from osmia_broker.store.read.pages import Page, merged, row_key
from osmia_broker.store.read.sources import Sources, of_all, question
from osmia_broker.store.read.tables import columns_of

LIST = "jobs"  #: the name in its cursors
ENDED = frozenset({"COMPLETED", "CANCELED"})

_job, _incident = schema.jobs, schema.incidents
_is_open = _job.c.ended_ms == schema.NOT_ENDED

_FILTERS = {
    "key": _job.c.key == bindparam("key"),
    "type": _job.c.type == bindparam("type"),
    "process_instance_key": _job.c.process_instance_key == bindparam("process_instance_key"),
    "states": _job.c.state.in_(bindparam("states", expanding=True)),
}


class SeenJob(msgspec.Struct, frozen=True):
    """A job, and the element that it belongs to."""

    row: Job
    definition: ProcessDefinition
    element_name: str


@question(of_all(merged(LIST, row_key)))
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
    asked = {"key": key, "type": type, "process_instance_key": process_instance_key, "states": sorted(set(states))}
    given = {name: value for name, value in asked.items() if value}
    values = pages.values_of(LIST, limit, after) | {"type": type} | given
    statement = _statement(frozenset(given), not key and _reads_open_jobs(type, process_instance_key, set(states)))
    async with sources.database.snapshot() as snapshot:
        page = await pages.read(snapshot, LIST, Job, statement, values)
        definitions = await sources.definitions.of(snapshot, (row.process_definition_key for row in page.items))
    names = await sources.element_names.of(definitions.values())

    def seen(row: Job) -> SeenJob:
        key = row.process_definition_key
        return SeenJob(row, definitions[key], names[key].get(row.element_id, ""))

    return Page([seen(row) for row in page.items], page.next)


def _reads_open_jobs(type: str, process_instance_key: int, states: set[str]) -> bool:
    """Whether the indexes of open jobs find all jobs in *states*. Without a type, they do not find the jobs that wait for a worker."""
    beyond = ENDED if type else ENDED | {"ACTIVATABLE"}
    return bool(states) and not process_instance_key and not states & beyond


@cache
def _statement(given: frozenset[str], reads_open_jobs: bool) -> Select[Any]:
    """Build the statement with these filters, once: building costs more than running it."""
    statement = columns_of(Job).where(*(_FILTERS[name] for name in sorted(given)))
    if reads_open_jobs:
        statement = statement.where(_job.c.key.in_(_open_jobs()))
    return pages.newest_first(statement, Job)


def _open_jobs() -> Select[Any]:
    """Select the keys of open jobs: all that a worker holds, that back off or have an incident, and the newest activatable ones of a type.

    Only the activatable ones can be many, so only they are limited to a page.
    """
    waiting = [select(_job.c.key).where(_job.c.type == bindparam("type"), text(index)) for index in schema.WAITING]
    newest = [select(pages.newest_first(one, Job).subquery().c.key) for one in waiting]
    timed = select(_job.c.key).where(_job.c.deadline_ms > schema.NO_DEADLINE, _is_open)
    stopped = select(_incident.c.job_key).where(_incident.c.ended_ms == schema.NOT_ENDED)
    keys = union_all(*newest, timed, stopped).subquery()
    return select(keys.c.key)
