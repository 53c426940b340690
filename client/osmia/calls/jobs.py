"""Calls about jobs: take them, report their outcome, change their retries and leases."""

from collections.abc import AsyncGenerator, Sequence

from osmia import variables as variables_json
from osmia.arguments import calls_of
from osmia.calls.call import ANSWER_SLACK_MS, Calls
from osmia.job import AdHocResult, Job, TaskListenerResult, job_from_wire
from osmia_proto import gateway

LONG_POLL_MS = 10_000  # the time that gateways wait by default


@calls_of("Client")
class JobCalls(Calls):
    """Take jobs and report their outcome. A `Worker` does all of this by itself."""

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
        with_lease: bool = False,
    ) -> list[Job]:
        """Take up to *max_jobs* jobs of *type* with a lease of *timeout_ms* (> 0): the highest priority first, then the oldest.

        If there are none, wait up to *wait_ms* for the first one (0: do not wait), then return an empty list. Without
        *fetch_variables* a job comes with all variables that are visible from its task.

        *with_lease*: each job has a `lease_token`, without which nobody can report on it any more. It fences a worker that is late.

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
            withLease=with_lease,
        )
        return [job async for batch in self.job_batches(request) for job in batch]

    async def job_batches(self, request: gateway.ActivateJobsRequest) -> AsyncGenerator[list[Job], None]:
        """Take jobs by a request of the contract, and yield those of each message as it arrives.

        If the call breaks off, the jobs that came before are not lost, as they are in `activate_jobs`. *request* must have
        its `requestTimeout` set: above 0, or -1 not to wait.
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
        with_lease: bool = False,
    ) -> AsyncGenerator[Job, None]:
        """Iterate over jobs of *type* that the gateway pushes as they become activatable, each with a lease of *timeout_ms*.

        Jobs that waited before are not pushed: take them with `activate_jobs`. The gateway pushes as many jobs as come,
        also while the iteration pauses; their leases run meanwhile. Stopping the iteration ends the stream, and jobs that
        were pushed and not read come back when their lease ends. A `Worker` with `stream=True` takes care of both.
        *with_lease* is as that of `activate_jobs`.

        Raises:
            InvalidArgument: *type* is blank or *timeout_ms* is below 1.
            Unavailable: the connection broke; iterate again.
        """
        request = gateway.StreamActivatedJobsRequest(
            type=type,
            worker=worker,
            timeout=timeout_ms,
            fetchVariable=fetch_variables,
            tenantIds=tenant_ids,
            withLease=with_lease,
        )
        async for message in self._stream("StreamActivatedJobs", request, timeout_ms=None):
            yield job_from_wire(message)

    async def complete_job(
        self,
        job_key: int,
        variables: object = None,
        *,
        result: AdHocResult | TaskListenerResult | None = None,
        business_id: str | None = None,
        lease_token: str = "",
    ) -> None:
        """Complete a job. Its *variables* (a mapping or a model) go to the process, or to the task's output mappings.

        *result* is for the job of an ad-hoc subprocess or of a task listener. *business_id* is given to the
        process instance, as by `assign_business_id`. *lease_token* is that of the job, if it was taken with a lease.

        Raises:
            NotFound: there is no such job, or it is done already.
            InvalidState: it has failed and waits for its back-off, or for its incident to be resolved; or another lease is its last.
        """
        await self._call(
            "CompleteJob",
            gateway.CompleteJobRequest(
                jobKey=job_key,
                variables=variables_json.encode(variables),
                result=_result(result),
                businessId=business_id,
                jobLeaseToken=lease_token or None,
            ),
        )

    async def fail_job(
        self,
        job_key: int,
        *,
        retries: int,
        message: str = "",
        back_off_ms: int = 0,
        variables: object = None,
        lease_token: str = "",
    ) -> None:
        """Fail a job. It has *retries* tries left; the next one may begin after *back_off_ms*. With 0 an incident is raised.

        *variables* are visible to the next try, not to the process.

        Raises:
            NotFound: there is no such job, or it is done already.
            InvalidState: it has failed and waits for its back-off, or for its incident to be resolved.
        """
        await self._call(
            "FailJob",
            gateway.FailJobRequest(
                jobKey=job_key,
                retries=retries,
                errorMessage=message,
                retryBackOff=back_off_ms,
                variables=variables_json.encode(variables),
                jobLeaseToken=lease_token or None,
            ),
        )

    async def throw_error(
        self, job_key: int, code: str, *, message: str = "", variables: object = None, lease_token: str = ""
    ) -> None:
        """Throw a BPMN error for a job: its task ends by the error event for *code*. If no event catches it, an incident is raised.

        Raises:
            NotFound: there is no such job, or it is done already.
            InvalidState: it has failed and waits for its back-off, or for its incident to be resolved.
        """
        await self._call(
            "ThrowError",
            gateway.ThrowErrorRequest(
                jobKey=job_key,
                errorCode=code,
                errorMessage=message,
                variables=variables_json.encode(variables),
                jobLeaseToken=lease_token or None,
            ),
        )

    async def update_job_retries(
        self, job_key: int, retries: int, *, operation_reference: int | None = None, lease_token: str = ""
    ) -> None:
        """Set the retries of a job (at least 1). If it has an incident, this must be resolved as well.

        Raises:
            NotFound: there is no such job.
            InvalidArgument: *retries* is below 1.
        """
        await self._call(
            "UpdateJobRetries",
            gateway.UpdateJobRetriesRequest(
                jobKey=job_key,
                retries=retries,
                operationReference=operation_reference,
                jobLeaseToken=lease_token or None,
            ),
        )

    async def update_job_priority(
        self, job_key: int, priority: int, *, operation_reference: int | None = None, lease_token: str = ""
    ) -> None:
        """Give a job a new priority, an integer of 32 bits; higher ones are handed out first.

        Raises:
            NotFound: there is no such job.
            InvalidState: *lease_token* is given, and another lease is the job's last.
        """
        await self._call(
            "UpdateJobPriority",
            gateway.UpdateJobPriorityRequest(
                jobKey=job_key,
                priority=priority,
                operationReference=operation_reference,
                jobLeaseToken=lease_token or None,
            ),
        )

    async def update_job_timeout(
        self, job_key: int, timeout_ms: int, *, operation_reference: int | None = None, lease_token: str = ""
    ) -> None:
        """Set the end of a job's lease to *timeout_ms* from now; 0 ends the lease, and other workers get the job.

        Raises:
            NotFound: there is no such job.
            InvalidState: no worker holds it.
        """
        await self._call(
            "UpdateJobTimeout",
            gateway.UpdateJobTimeoutRequest(
                jobKey=job_key,
                timeout=timeout_ms,
                operationReference=operation_reference,
                jobLeaseToken=lease_token or None,
            ),
        )


def _result(result: AdHocResult | TaskListenerResult | None) -> gateway.JobResult | None:
    match result:
        case None:
            return None
        case AdHocResult():
            return _ad_hoc(result)
    if result.is_denied:
        return gateway.JobResult(type="userTask", denied=True, deniedReason=result.reason)
    users, groups = (
        None if names is None else gateway.StringList(values=names)
        for names in (result.candidate_users, result.candidate_groups)
    )
    corrections = gateway.JobResultCorrections(
        assignee=result.assignee,
        dueDate=result.due_date,
        followUpDate=result.follow_up_date,
        candidateUsers=users,
        candidateGroups=groups,
        priority=result.priority,
    )
    return gateway.JobResult(type="userTask", corrections=corrections)


def _ad_hoc(result: AdHocResult) -> gateway.JobResult:
    return gateway.JobResult(
        type="adHocSubProcess",
        activateElements=[
            gateway.JobResultActivateElement(elementId=id, variables=variables_json.encode(values))
            for id, values in result.activate.items()
        ],
        isCompletionConditionFulfilled=result.is_fulfilled,
        isCancelRemainingInstances=result.cancels_remaining,
    )
