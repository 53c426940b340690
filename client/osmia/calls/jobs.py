"""Calls about jobs: take them, tell how they went, change what they have left."""

from collections.abc import AsyncGenerator, Sequence

from osmia import variables as variables_json
from osmia.calls.call import ANSWER_SLACK_MS, Calls
from osmia.job import Job, job_from_wire
from osmia_proto import gateway

LONG_POLL_MS = 10_000  # what gateways wait by themselves


class JobCalls(Calls):
    """Take jobs and tell how they went. A `Worker` does all of this by itself."""

    async def activate_jobs(
        self,
        type: str,
        *,
        max_jobs: int = 32,
        timeout_ms: int = 60_000,
        wait_ms: int = LONG_POLL_MS,
        worker: str = "",
        fetch_variables: Sequence[str] = (),
        tenant_ids: Sequence[str] = (),
    ) -> list[Job]:
        """Take up to *max_jobs* jobs of *type* for *timeout_ms* (> 0), oldest first.

        If there are none, wait up to *wait_ms* for a first one (0: do not wait) and then return an empty list. Without
        *fetch_variables* jobs come with all variables that are visible from their task.

        Raises:
            InvalidArgument: *type* is empty or *timeout_ms* is below 1.
        """
        request = gateway.ActivateJobsRequest(
            type=type,
            worker=worker,
            timeout=timeout_ms,
            maxJobsToActivate=max_jobs,
            fetchVariable=fetch_variables,
            requestTimeout=wait_ms if wait_ms > 0 else -1,  # on the wire 0 is the gateway's own time
            tenantIds=tenant_ids,
        )
        return [job async for batch in self.job_batches(request) for job in batch]

    async def job_batches(self, request: gateway.ActivateJobsRequest) -> AsyncGenerator[list[Job], None]:
        """The jobs of a request of the contract, as its messages arrive: `activate_jobs` for who must not lose any of them.

        *request* has its `requestTimeout` set: above 0, or -1 for not to wait.
        """
        async for response in self._stream("ActivateJobs", request, max(request.requestTimeout, 0) + ANSWER_SLACK_MS):
            yield [job_from_wire(job) for job in response.jobs]

    async def stream_jobs(
        self,
        type: str,
        *,
        timeout_ms: int = 60_000,
        worker: str = "",
        fetch_variables: Sequence[str] = (),
        tenant_ids: Sequence[str] = (),
    ) -> AsyncGenerator[Job, None]:
        """Get jobs of *type* pushed from the moment they become activatable, each for *timeout_ms*, until the iteration stops.

        Jobs that waited before are not pushed: take them with `activate_jobs`.

        Raises:
            InvalidArgument: *type* is blank or *timeout_ms* is below 1.
            Unavailable: the broker went away; iterate anew.
        """
        request = gateway.StreamActivatedJobsRequest(
            type=type, worker=worker, timeout=timeout_ms, fetchVariable=fetch_variables, tenantIds=tenant_ids
        )
        async for message in self._stream("StreamActivatedJobs", request, timeout_ms=None):
            yield job_from_wire(message)

    async def complete_job(self, job_key: int, variables: object = None) -> None:
        """The work is done. *variables* (a mapping or a model) go to the process, or to the task's output mappings.

        Raises:
            NotFound: there is no such job, or it is done already.
            InvalidState: it failed or threw an error and waits.
        """
        await self._call(
            "CompleteJob", gateway.CompleteJobRequest(jobKey=job_key, variables=variables_json.encode(variables))
        )

    async def fail_job(
        self,
        job_key: int,
        *,
        retries: int,
        message: str = "",
        back_off_ms: int = 0,
        variables: object = None,
    ) -> None:
        """The work went wrong; *retries* tries are left, the next after *back_off_ms*. With 0 left an incident is raised.

        *variables* are seen by the next try, not by the process.

        Raises:
            NotFound: there is no such job, or it is done already.
            InvalidState: it failed or threw an error and waits.
        """
        await self._call(
            "FailJob",
            gateway.FailJobRequest(
                jobKey=job_key,
                retries=retries,
                errorMessage=message,
                retryBackOff=back_off_ms,
                variables=variables_json.encode(variables),
            ),
        )

    async def throw_error(self, job_key: int, code: str, *, message: str = "", variables: object = None) -> None:
        """Leave the task by the error event for *code*. If nothing catches it an incident is raised, and this is no error.

        Raises:
            NotFound: there is no such job, or it is done already.
            InvalidState: it failed or threw an error and waits.
        """
        await self._call(
            "ThrowError",
            gateway.ThrowErrorRequest(
                jobKey=job_key, errorCode=code, errorMessage=message, variables=variables_json.encode(variables)
            ),
        )

    async def update_job_retries(self, job_key: int, retries: int, *, operation_reference: int | None = None) -> None:
        """Give a job *retries* tries (at least 1). An incident of it still has to be resolved.

        Raises:
            NotFound: there is no such job.
            InvalidArgument: *retries* is below 1.
        """
        await self._call(
            "UpdateJobRetries",
            gateway.UpdateJobRetriesRequest(jobKey=job_key, retries=retries, operationReference=operation_reference),
        )

    async def update_job_timeout(
        self, job_key: int, timeout_ms: int, *, operation_reference: int | None = None
    ) -> None:
        """Let whoever holds the job hold it until *timeout_ms* from now; 0 gives it back.

        Raises:
            NotFound: there is no such job.
            InvalidState: nobody holds it.
        """
        await self._call(
            "UpdateJobTimeout",
            gateway.UpdateJobTimeoutRequest(jobKey=job_key, timeout=timeout_ms, operationReference=operation_reference),
        )
