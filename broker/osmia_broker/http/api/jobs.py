"""Jobs for workers: hand them out, and take the reports of workers and operators."""

from functools import partial
from typing import Annotated, Any

import msgspec
from msgspec import Raw, field

from osmia_broker.calls import checks
from osmia_broker.calls.calls import WORKER_CHARACTERS
from osmia_broker.calls.faults import Faults, require
from osmia_broker.calls.tasks.listened import listened_task
from osmia_broker.engine.answers import ActivatedJob
from osmia_broker.http.described import (
    KEY,
    NUMBER,
    TEXT,
    TEXTS,
    BusinessId,
    GivenVariables,
    Int32,
    Name,
    OperationReference,
    Positive32,
    SeenVariables,
    TextsByName,
    maybe,
    one_of,
    properties,
    schema,
)
from osmia_broker.http.job_bodies import JobChanges, JobResult, result_of
from osmia_broker.http.operation import Call, Reply, operation
from osmia_broker.http.types import Body, Item, Key, Long, Text, key_text, variables_text
from osmia_broker.state.rows import JobKind
from osmia_broker.store.read.entities.jobs import LISTENER_EVENTS

TAG = "Job"
PHYSICAL_TENANT = "default"  # the only one of a broker without tenants

_encode = msgspec.json.Encoder().encode

TENANT_FILTERS = {"PROVIDED": 0, "ASSIGNED": 1}  # as gRPC numbers them


USER_TASK = properties(
    **dict.fromkeys(("assignee", "dueDate", "followUpDate"), maybe(TEXT)),
    **dict.fromkeys(("candidateGroups", "candidateUsers", "changedAttributes"), TEXTS),
    action=TEXT,
    formKey=maybe(KEY),
    priority=NUMBER,
    userTaskKey=KEY,
)


class Activation(Body):
    """The jobs that a worker asks for. Times are milliseconds."""

    type: Name | None = None
    worker: Annotated[Text, schema(maxLength=WORKER_CHARACTERS)] | None = None
    timeout: Annotated[Long, schema(minimum=1)] | None = None
    max_jobs_to_activate: Positive32 | None = None
    fetch_variable: list[Text] | None = None
    request_timeout: Long | None = None
    tenant_ids: list[Text] | None = None
    #: PROVIDED, or ASSIGNED, which passes over those that are named
    tenant_filter: Annotated[Text, one_of(*TENANT_FILTERS)] | None = None
    with_lease: bool | None = None


class ActivatedJobItem(Item):
    """A job in the hands of a worker. *deadline* is epoch milliseconds."""

    job_key: str
    key: str  # the name of `jobKey` before version 8.8
    type: str
    process_instance_key: str
    root_process_instance_key: str | None
    process_definition_id: str
    process_definition_version: int
    process_definition_key: str
    element_id: str
    element_instance_key: str
    custom_headers: TextsByName
    worker: str
    retries: int
    deadline: int
    variables: SeenVariables
    tenant_id: str
    physical_tenant_id: str
    kind: Annotated[str, one_of(*JobKind)]
    listener_event_type: Annotated[str, one_of(*LISTENER_EVENTS)]
    user_task: Annotated[dict[str, Any], schema(**USER_TASK)] | None
    tags: tuple[str, ...]
    business_id: str | None
    priority: int
    job_lease_token: str | None
    lease_token: str | None  # another name of `jobLeaseToken`; clients know the one or the other


class ActivatedJobs(Item):
    """The jobs that were handed out."""

    jobs: list[ActivatedJobItem]


class Leased(Body):
    """The report of a worker on a job that it may have leased. Clients know the token by either name."""

    job_lease_token: Text | None = None
    lease_token: Text | None = None

    @property
    def token(self) -> str:
        """The token of the lease; empty without one."""
        return self.job_lease_token or self.lease_token or ""


class Completion(Leased):
    """The report of a worker that has done its job."""

    variables: GivenVariables = field(default_factory=Raw)
    result: JobResult | None = None
    business_id: BusinessId | None = None


class Failure(Leased):
    """The report of a worker that gives up. *retry_back_off* is in milliseconds."""

    retries: Int32 | None = None
    error_message: Text | None = None
    retry_back_off: Long | None = None
    variables: GivenVariables = field(default_factory=Raw)


class Error(Leased):
    """An error of the business, for the model to catch."""

    error_code: Name | None = None
    error_message: Text | None = None
    variables: GivenVariables = field(default_factory=Raw)


class Update(Leased):
    """A change of a job."""

    changeset: JobChanges | None = None
    operation_reference: OperationReference | None = None


@operation("POST", "/jobs/activation", tag=TAG, waits=True)
async def activate_jobs(call: Call, body: Activation) -> ActivatedJobs | Reply:
    """Hand out jobs of a type, now or when the first come."""
    faults = Faults()
    faults.require("type", body.type)
    faults.require_number("timeout", body.timeout)
    faults.require_number("maxJobsToActivate", body.max_jobs_to_activate)
    faults.refuse()
    tenant_filter = TENANT_FILTERS.get((body.tenant_filter or "PROVIDED").upper(), -1)
    checks.tenants_of_jobs("Activate Jobs", tenant_filter, body.tenant_ids or ())
    jobs = await call.calls.activate_jobs(
        type=body.type or "",
        worker=body.worker or "",
        timeout_ms=body.timeout or 0,
        max_jobs=body.max_jobs_to_activate or 0,
        fetch_variables=tuple(body.fetch_variable or ()),
        wait_ms=body.request_timeout or 0,
        leases=bool(body.with_lease),
    )
    answer = _encode(ActivatedJobs(jobs=[_job(one) for one in jobs]))
    return Reply(body=answer, undelivered=partial(call.calls.give_back, jobs))


@operation("POST", "/jobs/{jobKey}/completion", tag=TAG, status=204)
async def complete_job(call: Call, job_key: Key, body: Completion | None = None) -> None:
    """Complete a job."""
    given = body or Completion()
    await call.calls.complete_job(
        job_key,
        variables_text(given.variables),
        result_of(given.result),
        given.business_id,
        given.token,
    )


@operation("POST", "/jobs/{jobKey}/failure", tag=TAG, status=204)
async def fail_job(call: Call, job_key: Key, body: Failure | None = None) -> None:
    """Fail a job: it may be tried again as often as there are retries left."""
    given = body or Failure()
    await call.calls.fail_job(
        job_key,
        retries=given.retries or 0,
        error_message=given.error_message or "",
        back_off_ms=given.retry_back_off or 0,
        variables=variables_text(given.variables),
        lease_token=given.token,
    )


@operation("POST", "/jobs/{jobKey}/error", tag=TAG, status=204)
async def throw_job_error(call: Call, job_key: Key, body: Error) -> None:
    """Throw an error of the business from a job."""
    require(errorCode=body.error_code)
    await call.calls.throw_error(
        job_key,
        error_code=body.error_code or "",
        error_message=body.error_message or "",
        variables=variables_text(body.variables),
        lease_token=body.token,
    )


@operation("PATCH", "/jobs/{jobKey}", tag=TAG, status=204)
async def update_job(call: Call, job_key: Key, body: Update) -> None:
    """Change retries, deadline or priority of a job: all that is given, or nothing."""
    changes = body.changeset or JobChanges()
    await call.calls.update_job(
        job_key,
        retries=changes.retries,
        timeout_ms=changes.timeout,
        priority=changes.priority,
        lease_token=body.token,
    )


def _job(job: ActivatedJob) -> ActivatedJobItem:
    return ActivatedJobItem(
        job_key=str(job.key),
        key=str(job.key),
        type=job.type,
        process_instance_key=str(job.process_instance_key),
        root_process_instance_key=key_text(job.root_process_instance_key),
        process_definition_id=job.bpmn_process_id,
        process_definition_version=job.process_definition_version,
        process_definition_key=str(job.process_definition_key),
        element_id=job.element_id,
        element_instance_key=str(job.element_instance_key),
        custom_headers=Raw(job.headers.encode()),
        worker=job.worker,
        retries=job.retries,
        deadline=job.deadline_ms,
        variables=Raw(job.variables.encode()),
        tenant_id=checks.DEFAULT_TENANT,
        physical_tenant_id=PHYSICAL_TENANT,
        kind=job.kind,
        listener_event_type=job.listener_event or "UNSPECIFIED",
        user_task=_user_task(job),
        tags=job.tags,
        business_id=job.business_id or None,
        priority=job.priority,
        job_lease_token=job.lease_token or None,
        lease_token=job.lease_token or None,
    )


def _user_task(job: ActivatedJob) -> dict[str, Any] | None:
    """Return what a task listener sees of its task, with keys as text."""
    seen = listened_task(job)
    if seen is not None:
        seen["action"] = seen["action"] or ""  # nobody has acted when a task is created or canceled
        seen["formKey"] = key_text(seen["formKey"] or 0)
        seen["userTaskKey"] = str(seen["userTaskKey"])
    return seen
