"""The number of open process instances, jobs and incidents, read from indexes."""

import msgspec
from sqlalchemy import func, select, text

from osmia_broker.state.rows import RUNNING
from osmia_broker.store import schema
from osmia_broker.store.read.instances.instance_conditions import definitions_with_instances, is_process
from osmia_broker.store.read.lists.incidents import is_open as incident_is_open
from osmia_broker.store.read.sources import Sources, of_all, question

_element, _job, _incident = schema.element_instances, schema.jobs, schema.incidents
_job_is_open = _job.c.ended_ms == schema.NOT_ENDED


class Counts(msgspec.Struct, frozen=True):
    """The number of process instances and jobs that have not ended, and of unresolved incidents."""

    process_instances: int
    jobs: int
    incidents: int


_INSTANCES = select(func.count()).where(
    is_process,
    _element.c.process_definition_key.in_(definitions_with_instances()),  # the first column of the index
    _element.c.state.in_(RUNNING),
)
_WAITING_JOBS = [
    select(func.count()).select_from(_job).where(text(index)).scalar_subquery() for index in schema.WAITING
]
_TIMED_JOBS = select(func.count()).where(_job.c.deadline_ms > schema.NO_DEADLINE, _job_is_open)
_STOPPED_JOBS = select(func.count(func.nullif(_incident.c.job_key, 0).distinct())).where(incident_is_open)
_INCIDENTS = select(func.count(_incident.c.key)).where(incident_is_open)
_COUNTS = select(
    _INSTANCES.scalar_subquery(),
    sum(_WAITING_JOBS, _TIMED_JOBS.scalar_subquery()) + _STOPPED_JOBS.scalar_subquery(),
    _INCIDENTS.scalar_subquery(),
)


def _sum(found: list[Counts], _given: object) -> Counts:
    return Counts(*(sum(getattr(one, name) for one in found) for name in Counts.__struct_fields__))


@question(of_all(_sum))
async def count(sources: Sources) -> Counts:
    """Count open process instances, jobs and incidents."""
    async with sources.database.snapshot() as snapshot:
        (found,) = await snapshot.values(_COUNTS, {})
    return Counts(*found)
