"""Searches for jobs, and numbers over them: by type, by worker, by error and by time."""

from msgspec import convert

from osmia_broker.calls.lists.of_jobs import PERIOD
from osmia_broker.http.operation import Asked, Call, operation
from osmia_broker.http.searching import serve_search
from osmia_broker.http.types import Item
from osmia_broker.store.read.search.search import Search

TAG = "Job"

serve_search("/jobs/search", name="search_jobs", tag=TAG, summary="Search jobs, open and ended.")


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


_PERIOD = tuple(Asked(name, described, is_required=True) for name, described in PERIOD.items())


@operation("GET", "/jobs/statistics/global", tag=TAG, query=(*_PERIOD, Asked("jobType")))
async def get_global_job_statistics(call: Call) -> JobNumbers:
    """Count the jobs that were created, completed and failed between `from` and `to`, of all types or of `jobType`."""
    asked = {name: call.query[name][-1] for name in ("from", "to", "jobType") if name in call.query}
    found = await call.lists.search("jobs/statistics/global", Search(asked))
    return convert(found.items[0], JobNumbers)


serve_search(
    "/jobs/statistics/by-types",
    name="get_job_type_statistics",
    tag=TAG,
    summary="Count the jobs of a period by type.",
)
serve_search(
    "/jobs/statistics/by-workers",
    name="get_job_worker_statistics",
    tag=TAG,
    summary="Count the jobs of a type and a period by worker.",
)
serve_search(
    "/jobs/statistics/errors",
    name="get_job_error_statistics",
    tag=TAG,
    summary="Count the workers of a type by the errors of its jobs in a period.",
)
serve_search(
    "/jobs/statistics/time-series",
    name="get_job_time_series_statistics",
    tag=TAG,
    summary="Count the jobs of a type in the parts of a period.",
)
