"""Calls about the flow of jobs: pause and limit job types, and list the workers. Osmia's broker alone has them."""

from osmia.arguments import calls_of
from osmia.calls.call import Calls
from osmia.results import FairBy, JobFlow, WorkerInfo
from osmia_proto import queries

_FAIR_BY = "FAIR_BY_"


@calls_of("Client")
class JobFlowCalls(Calls):
    """Control which jobs are handed out, how fast and to whom."""

    async def pause_jobs(self, job_type: str = "", *, process_definition_key: int = 0) -> None:
        """Hand out no more jobs of a type, or of a process definition, until they are resumed. Workers keep the jobs that they hold.

        Raises:
            InvalidArgument: not exactly one of the two is given.
            NotFound: there is no such process definition.
        """
        await self._call(
            "PauseJobs", queries.PauseJobsRequest(job_type=job_type, process_definition_key=process_definition_key)
        )

    async def resume_jobs(self, job_type: str = "", *, process_definition_key: int = 0) -> None:
        """Hand out the jobs of a type, or of a process definition, again. Raises as `pause_jobs`."""
        await self._call(
            "ResumeJobs", queries.ResumeJobsRequest(job_type=job_type, process_definition_key=process_definition_key)
        )

    async def limit_jobs(
        self,
        job_type: str,
        *,
        held_max: int = 0,
        per_second_max: int = 0,
        held_per_key_max: int = 0,
        fair_by: FairBy = FairBy.NOTHING,
    ) -> None:
        """Set all limits of a job type; 0 is none.

        *held_max* jobs are held at a time, *per_second_max* handed out within any second, *held_per_key_max* held of each key. With
        *fair_by*, the jobs that are created from now on have a key, and each key has its turn.

        Raises:
            InvalidArgument: *job_type* is empty, or a limit is negative.
        """
        request = queries.LimitJobsRequest(
            job_type=job_type,
            held_max=held_max,
            per_second_max=per_second_max,
            held_per_key_max=held_per_key_max,
            fair_by=queries.FairBy.Value(_FAIR_BY + FairBy(fair_by)),
        )
        await self._call("LimitJobs", request)

    async def job_flow(self) -> list[JobFlow]:
        """List all pauses and limits."""
        answer = await self._call("ListJobFlow", queries.ListJobFlowRequest())
        return [
            JobFlow(
                job_type=item.job_type,
                process_definition_key=item.process_definition_key,
                paused_ms=item.paused_ms,
                held_max=item.held_max,
                per_second_max=item.per_second_max,
                held_per_key_max=item.held_per_key_max,
                fair_by=FairBy(queries.FairBy.Name(item.fair_by).removeprefix(_FAIR_BY)),
                held=item.held,
            )
            for item in answer.items
        ]

    async def workers(self, job_type: str = "") -> list[WorkerInfo]:
        """List the workers of a job type, or of all, that ask for jobs, asked lately, or hold some."""
        answer = await self._call("ListWorkers", queries.ListWorkersRequest(job_type=job_type))
        return [
            WorkerInfo(
                job_type=item.job_type,
                name=item.name,
                polls=item.polls,
                streams=item.streams,
                since_ms=item.since_ms,
                last_seen_ms=item.last_seen_ms,
                held=item.held,
                user_agent=item.user_agent,
            )
            for item in answer.items
        ]
