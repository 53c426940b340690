"""The reports of workers on the jobs that they hold, and new values of jobs."""

from collections.abc import Awaitable

from osmia_broker.calls import checks
from osmia_broker.calls.base import CallGroup
from osmia_broker.calls.batches.plans import job_changes
from osmia_broker.calls.documents import parse_variables
from osmia_broker.engine.commands import (
    AdHocResult,
    CompleteJob,
    FailJob,
    ThrowError,
    UpdateJob,
    UpdateJobPriority,
    UpdateJobRetries,
    UpdateJobTimeout,
)
from osmia_broker.engine.tasks.listener_results import TaskListenerResult


class JobReports(CallGroup):
    """Complete, fail and update jobs. The token of a lease is empty if the worker has none."""

    def complete_job(
        self,
        job_key: int,
        variables: str,
        result: AdHocResult | TaskListenerResult | None = None,
        business_id: str | None = None,
        lease_token: str = "",
    ) -> Awaitable[None]:
        """Report success. *result* is of a worker of an ad-hoc subprocess, or of a task listener.

        *business_id* is for a root instance that has none yet.
        """
        given = "" if business_id is None else checks.business_id(business_id)
        key = checks.int64("jobKey", job_key)
        of_ad_hoc = result if isinstance(result, AdHocResult) else None
        of_task = result if isinstance(result, TaskListenerResult) else None
        parsed = parse_variables(variables)
        return self._partitions.submit(CompleteJob(key, parsed, of_ad_hoc, given, of_task, lease_token))

    def fail_job(
        self,
        job_key: int,
        *,
        retries: int,
        error_message: str,
        back_off_ms: int,
        variables: str,
        lease_token: str = "",
    ) -> Awaitable[None]:
        """Report a failure after which the job has *retries* left and may be tried again after *back_off_ms*."""
        return self._partitions.submit(
            FailJob(
                checks.int64("jobKey", job_key),
                checks.int32("retries", retries),
                checks.storable("errorMessage", error_message),
                checks.int64("retryBackOff", back_off_ms),
                parse_variables(variables),
                lease_token,
            )
        )

    def throw_error(
        self, job_key: int, *, error_code: str, error_message: str, variables: str, lease_token: str = ""
    ) -> Awaitable[None]:
        """Report an error of the business, for the model to catch."""
        return self._partitions.submit(
            ThrowError(
                checks.int64("jobKey", job_key),
                checks.storable("errorCode", error_code),
                checks.storable("errorMessage", error_message),
                parse_variables(variables),
                lease_token,
            )
        )

    def update_retries(self, job_key: int, retries: int, lease_token: str = "") -> Awaitable[None]:
        """Give a job *retries* new tries."""
        return self._partitions.submit(
            UpdateJobRetries(checks.int64("jobKey", job_key), checks.int32("retries", retries), lease_token)
        )

    def update_priority(self, job_key: int, priority: int, lease_token: str = "") -> Awaitable[None]:
        """Give a job a new *priority*; the higher one is handed out first."""
        return self._partitions.submit(
            UpdateJobPriority(checks.int64("jobKey", job_key), checks.int32("priority", priority), lease_token)
        )

    def update_timeout(self, job_key: int, timeout_ms: int, lease_token: str = "") -> Awaitable[None]:
        """Move the end of a job's lease to now + *timeout_ms*; 0 or below ends it."""
        return self._partitions.submit(
            UpdateJobTimeout(checks.int64("jobKey", job_key), checks.int64("timeout", timeout_ms), lease_token)
        )

    def update_job(
        self,
        job_key: int,
        *,
        retries: int | None = None,
        timeout_ms: int | None = None,
        priority: int | None = None,
        lease_token: str = "",
    ) -> Awaitable[None]:
        """Change the values of a job that are given: all of them, or none."""
        key = checks.int64("jobKey", job_key)
        plan = job_changes(retries=retries, timeout_ms=timeout_ms, priority=priority)
        return self._partitions.submit(UpdateJob(key, plan.retries, plan.timeout_ms, plan.priority, lease_token))
