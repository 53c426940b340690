"""The calls of `osmia.v1.JobFlow`: message to call, answer to message."""

from collections import Counter

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.calls.jobs.flow import JobFlowCalls, SeenWorker
from osmia_broker.state.rows.job_flow import JobFlow as Row
from osmia_proto import queries

_FAIR_BY = "FAIR_BY_"


class JobFlow:
    """Answers the calls."""

    def __init__(self, calls: JobFlowCalls) -> None:
        self._calls = calls

    async def PauseJobs(self, request: queries.PauseJobsRequest) -> queries.PauseJobsResponse:
        """Hold jobs back."""
        await self._calls.pause(request.job_type, request.process_definition_key)
        return queries.PauseJobsResponse()

    async def ResumeJobs(self, request: queries.ResumeJobsRequest) -> queries.ResumeJobsResponse:
        """Let jobs go on."""
        await self._calls.resume(request.job_type, request.process_definition_key)
        return queries.ResumeJobsResponse()

    async def LimitJobs(self, request: queries.LimitJobsRequest) -> queries.LimitJobsResponse:
        """Limit a job type."""
        if request.fair_by not in queries.FairBy.values():
            raise InvalidArgument(
                f"Expected 'fair_by' of {', '.join(queries.FairBy.keys())}, but found {request.fair_by}"
            )
        await self._calls.limit(
            request.job_type,
            held_max=request.held_max,
            per_second_max=request.per_second_max,
            held_per_key_max=request.held_per_key_max,
            fair_by=queries.FairBy.Name(request.fair_by).removeprefix(_FAIR_BY),
        )
        return queries.LimitJobsResponse()

    async def ListJobFlow(self, _request: queries.ListJobFlowRequest) -> queries.ListJobFlowResponse:
        """List pauses and limits."""
        answer = await self._calls.settings()
        held: Counter[str] = Counter()
        for type, _, _, number in answer.held:
            held[type] += number
        return queries.ListJobFlowResponse(items=[_item(row, held[row.job_type]) for row in answer.rows])

    async def ListWorkers(self, request: queries.ListWorkersRequest) -> queries.ListWorkersResponse:
        """List workers."""
        return queries.ListWorkersResponse(items=map(_worker, await self._calls.workers(request.job_type)))


def _item(row: Row, held: int) -> queries.JobFlowItem:
    return queries.JobFlowItem(
        job_type=row.job_type,
        process_definition_key=row.process_definition_key,
        paused_ms=row.paused_ms,
        held_max=row.held_max,
        per_second_max=row.per_second_max,
        held_per_key_max=row.held_per_key_max,
        fair_by=queries.FairBy.Value(_FAIR_BY + row.fair_by),
        held=held,
    )


def _worker(seen: SeenWorker) -> queries.Worker:
    return queries.Worker(
        job_type=seen.job_type,
        name=seen.name,
        polls=seen.presence.polls,
        streams=seen.presence.streams,
        since_ms=seen.presence.since_ms,
        last_seen_ms=seen.presence.last_seen_ms,
        held=seen.held,
        user_agent=seen.presence.user_agent,
    )
