"""Searches for jobs, and numbers over them: by type, by worker, by error and by time."""

from typing import Any

from msgspec import Struct

from osmia_broker.http.described import MOMENT
from osmia_broker.http.operation import Asked, Call, operation
from osmia_broker.http.problem import invalid
from osmia_broker.http.searching import asked_by, results, serve, serve_search
from osmia_broker.http.types import Item
from osmia_broker.store.read.entities import JOBS
from osmia_broker.store.read.entities.statistics import (
    ALL_JOBS,
    BUCKET,
    FROM,
    JOBS_BY_ERROR,
    JOBS_BY_TIME,
    JOBS_BY_TYPE,
    JOBS_BY_WORKER,
    TO,
)
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.periods import bucket_ms
from osmia_broker.store.read.search.search import Search, search
from osmia_broker.store.read.search.values import epoch_ms, refuse

TAG = "Job"
EVER_MS = 2**53  # beyond every time that a calendar has

serve_search("/jobs/search", JOBS, name="search_jobs", tag=TAG, summary="Search jobs, open and ended.")


class Metric(Item):
    """A number of jobs, and the time of the latest one."""

    count: int
    last_updated_at: str | None


class JobNumbers(Item):
    """The numbers of jobs of a period."""

    created: Metric
    completed: Metric
    failed: Metric
    is_incomplete: bool


class _Question(Struct):
    """A statistics query with its period taken out of the filter."""

    asked: Search
    given: dict[str, int]
    resolution: Any


_MEMBERS = {"from": MOMENT, "to": MOMENT}  # of a filter beside those of the numbers
_PERIOD = tuple(Asked(name, described, is_required=True) for name, described in _MEMBERS.items())


@operation("GET", "/jobs/statistics/global", tag=TAG, query=(*_PERIOD, Asked("jobType")))
async def get_global_job_statistics(call: Call) -> JobNumbers:
    """Count the jobs that were created, completed and failed between `from` and `to`, of all types or of `jobType`."""
    period = {name: call.query[name][-1] for name in ("from", "to") if name in call.query}
    question = _with_period(Search({**period}))
    type = call.query.get("jobType", [""])[-1]
    if type:
        found = await search(call.reader, JOBS_BY_TYPE, Search({"jobType": type}), given=question.given)
    else:
        found = await search(call.reader, ALL_JOBS, Search(), given=question.given)
    item = found.items[0] if found.items else {}
    nothing = {"count": 0, "lastUpdatedAt": None}
    created, completed, failed = (_metric(item.get(name, nothing)) for name in ("created", "completed", "failed"))
    return JobNumbers(created=created, completed=completed, failed=failed, is_incomplete=False)


def _metric(found: dict[str, Any]) -> Metric:
    return Metric(count=found["count"], last_updated_at=found["lastUpdatedAt"])


def _with_period(asked: Search, *, needs_type: bool = False) -> _Question:
    """Take the period out of a filter.

    Raises:
        InvalidArgument: a date is none.
        HttpRefusal: the period or the job type is missing.

    """
    filter = dict(asked.filter) if isinstance(asked.filter, dict) else {}
    missing = [name for name in ("from", "to", *(["jobType"] if needs_type else [])) if filter.get(name) is None]
    if missing:
        raise invalid(*(f"Expected filter.{name} to be given, but found none" for name in missing))
    given = {FROM: _moment(filter, "from"), TO: _moment(filter, "to")}
    resolution = filter.pop("resolution", None)
    return _Question(Search(filter, asked.sort, asked.page), given, resolution)


def _moment(filter: dict[str, Any], name: str) -> int:
    value = filter.pop(name)
    # A `+` in the address of a request means a space, and clients forget to write it as %2B.
    found = epoch_ms(value.replace(" ", "+")) if isinstance(value, str) else None
    if found is None:
        raise refuse(f"filter.{name}", "a date-time such as '2030-01-31T12:00:00Z'", value)
    return found


def _serve(entity: Entity, path: str, name: str, summary: str, *, needs_type: bool) -> None:
    async def handle(call: Call, body: Any = None) -> Any:
        asked = asked_by(body)
        if asked.filter is None and not needs_type:
            question = _Question(asked, {FROM: 0, TO: EVER_MS}, None)
        else:
            question = _with_period(asked, needs_type=needs_type)
        given: dict[str, Any] = dict(question.given)
        if entity is JOBS_BY_TIME:
            given[BUCKET] = bucket_ms(question.resolution, given[TO] - given[FROM])
        elif question.resolution is not None:
            raise invalid("Expected filter to have no resolution, but found one")
        return results(await search(call.reader, entity, question.asked, given=given))

    more = _MEMBERS | ({"resolution": {"type": "string"}} if entity is JOBS_BY_TIME else {})
    serve(handle, entity, path, name=name, tag=TAG, summary=summary, more=more)


_serve(
    JOBS_BY_TYPE,
    "/jobs/statistics/by-types",
    "get_job_type_statistics",
    "Count the jobs of a period by type.",
    needs_type=False,
)
_serve(
    JOBS_BY_WORKER,
    "/jobs/statistics/by-workers",
    "get_job_worker_statistics",
    "Count the jobs of a type and a period by worker.",
    needs_type=True,
)
_serve(
    JOBS_BY_ERROR,
    "/jobs/statistics/errors",
    "get_job_error_statistics",
    "Count the workers of a type by the errors of its jobs in a period.",
    needs_type=True,
)
_serve(
    JOBS_BY_TIME,
    "/jobs/statistics/time-series",
    "get_job_time_series_statistics",
    "Count the jobs of a type in the parts of a period.",
    needs_type=True,
)
