"""The life of a job: created, handed to a worker until a deadline, completed, failed, thrown, given back.

Which call is allowed in which state is reliability.md, section 2, every cell of it measured on the reference broker.
"""

from collections.abc import Mapping

import msgspec

from osmia_broker.engine.answers import ActivatedJob
from osmia_broker.engine.commands import (
    ActivateJobs,
    CompleteJob,
    FailJob,
    GiveBackJobs,
    ReachDeadlines,
    ThrowError,
    UpdateJobRetries,
    UpdateJobTimeout,
)
from osmia_broker.engine.engine import handles
from osmia_broker.engine.incidents import raise_job_incident
from osmia_broker.engine.lifecycle import model_of, plan_completion
from osmia_broker.engine.variables import document, merge, put_local, visible
from osmia_broker.errors import InvalidArgument, InvalidState, NotFound
from osmia_broker.state.missing import Missing
from osmia_broker.state.rows import ElementInstance, ErrorType, Job, JobState
from osmia_broker.state.state import State

MAY_END = (JobState.ACTIVATABLE, JobState.ACTIVATED)  #: complete, fail and throw are allowed here, leased or not
DEADLINE_MS_MAX = 2**63 - 1  # the largest that a store keeps
ENVELOPE_BYTES = 512  # of a job on the wire besides its texts, generously


def create_job(state: State, element: ElementInstance, *, type: str, retries: int, headers: str) -> Job:
    """A new activatable job of *element*; *headers* is a JSON object of strings."""
    job = Job(
        key=state.next_key(),
        process_instance_key=element.process_instance_key,
        process_definition_key=element.process_definition_key,
        element_instance_key=element.key,
        element_id=element.element_id,
        type=type,
        state=JobState.ACTIVATABLE,
        retries=retries,
        worker="",
        deadline_ms=0,
        headers=headers,
        error_message="",
        error_code="",
        created_ms=state.now_ms,
    )
    state.jobs.insert(job)
    state.note_event("job", type, "created")
    return job


def json_object(headers: Mapping[str, str]) -> str:
    """Headers as a job keeps them."""
    return msgspec.json.encode(headers).decode() if headers else "{}"


# --- handing out


@handles(ActivateJobs)
def activate_jobs(state: State, command: ActivateJobs) -> list[ActivatedJob]:
    """Hand out jobs, oldest first, until there are enough, none is left, or the answer would grow too large."""
    handed_out: list[ActivatedJob] = []
    room = command.size_max
    jobs = _wanted_jobs(state, command)
    for place, job in enumerate(jobs):
        activated = _snapshot(state, job, command)
        size = ENVELOPE_BYTES + len(activated.variables.encode()) + len(job.headers.encode())
        if size > command.size_max:
            _park_oversized(state, job, size, command.size_max)
            continue
        room -= size
        if room < 0:
            _leave_waiting(state, jobs[place:])
            break
        state.jobs.update(job, state=JobState.ACTIVATED, worker=command.worker, deadline_ms=activated.deadline_ms)
        state.note_event("job", job.type, "activated")
        handed_out.append(activated)
    return handed_out


def _wanted_jobs(state: State, command: ActivateJobs) -> list[Job]:
    if command.keys is not None:
        found = (state.jobs.get(key) for key in command.keys)
        return [job for job in found if job is not None and job.state is JobState.ACTIVATABLE]
    jobs, wanted = state.jobs.take_activatable(command.type, command.max_jobs)
    if wanted is not None:
        raise Missing(wanted)
    return jobs


def _snapshot(state: State, job: Job, command: ActivateJobs) -> ActivatedJob:
    definition = state.definitions.processes.get(job.process_definition_key)
    assert definition is not None, "a running instance has a definition"
    element = state.elements[job.element_instance_key]
    return ActivatedJob(
        key=job.key,
        type=job.type,
        process_instance_key=job.process_instance_key,
        bpmn_process_id=definition.bpmn_process_id,
        process_definition_version=definition.version,
        process_definition_key=job.process_definition_key,
        element_id=job.element_id,
        element_instance_key=job.element_instance_key,
        headers=job.headers,
        worker=command.worker,
        retries=job.retries,
        deadline_ms=min(DEADLINE_MS_MAX, state.now_ms + command.timeout_ms),
        variables=document(visible(state, element, command.fetch_variables)),
    )


def _leave_waiting(state: State, jobs: list[Job]) -> None:
    """Jobs that found no room in this answer wait for the next."""
    for job in jobs:
        state.jobs.update(job, state=JobState.ACTIVATABLE)


def _park_oversized(state: State, job: Job, size: int, size_max: int) -> None:
    state.jobs.update(job, state=JobState.FAILED)
    raise_job_incident(
        state,
        job,
        ErrorType.MESSAGE_SIZE_EXCEEDED,
        f"Expected a job with its variables to be at most {size_max} bytes, but found {size}",
    )


@handles(GiveBackJobs)
def give_back_jobs(state: State, command: GiveBackJobs) -> None:
    """Jobs that never reached their caller wait again, retries untouched, unless they have gone on since."""
    given = dict(command.jobs)
    for job in state.find_jobs(given):
        if job.state is JobState.ACTIVATED and job.deadline_ms == given[job.key]:
            state.jobs.update(job, state=JobState.ACTIVATABLE, deadline_ms=0)


@handles(ReachDeadlines)
def reach_deadlines(state: State, command: ReachDeadlines) -> None:
    """A lease or a back-off is over: the job waits for a worker again, retries untouched."""
    for job in state.find_jobs(command.job_keys):
        if 0 < job.deadline_ms <= state.now_ms:
            if job.state is JobState.ACTIVATED:
                state.note_event("job", job.type, "timed_out")
            state.jobs.update(job, state=JobState.ACTIVATABLE, deadline_ms=0)


# --- what a worker reports


@handles(CompleteJob)
def complete_job(state: State, command: CompleteJob) -> None:
    """The work is done: its variables are merged, or left to the output mappings, and the element completes."""
    job = _reportable(state, command.job_key, "complete job")
    element = state.elements[job.element_instance_key]
    state.jobs.end(job, state.now_ms, state=JobState.COMPLETED, deadline_ms=0)
    state.note_event("job", job.type, "completed")
    keep = put_local if model_of(state, element).outputs else merge
    keep(state, element, command.variables)
    plan_completion(state, element)


@handles(FailJob)
def fail_job(state: State, command: FailJob) -> None:
    """The work failed: it may be tried again, at once or after its back-off; without retries it stops at an incident."""
    job = _reportable(state, command.job_key, "fail job")
    put_local(state, state.elements[job.element_instance_key], command.variables)
    state.note_event("job", job.type, "failed")
    failed = {"retries": command.retries, "error_message": command.error_message}
    if command.retries <= 0:
        state.jobs.update(job, state=JobState.FAILED, deadline_ms=0, **failed)
        message = command.error_message or "No more retries left."
        raise_job_incident(state, job, ErrorType.JOB_NO_RETRIES, message)
    elif command.back_off_ms > 0:
        deadline_ms = min(DEADLINE_MS_MAX, state.now_ms + command.back_off_ms)
        state.jobs.update(job, state=JobState.FAILED, deadline_ms=deadline_ms, **failed)
    else:
        state.jobs.update(job, state=JobState.ACTIVATABLE, deadline_ms=0, **failed)


@handles(ThrowError)
def throw_error(state: State, command: ThrowError) -> None:
    """An error of the business. No model can catch one yet, so the job stops at an incident."""
    job = _reportable(state, command.job_key, "throw an error for job")
    state.note_event("job", job.type, "error")
    state.jobs.update(
        job,
        state=JobState.ERROR_THROWN,
        deadline_ms=0,
        error_code=command.error_code,
        error_message=command.error_message,
    )
    raise_job_incident(
        state,
        job,
        ErrorType.UNHANDLED_ERROR_EVENT,
        f"Expected to throw an error event with the code '{command.error_code}'"
        + (f" with message '{command.error_message}'" if command.error_message else "")
        + ", but it was not caught. No error events are available in the scope.",
    )


@handles(UpdateJobRetries)
def update_job_retries(state: State, command: UpdateJobRetries) -> None:
    """New tries, in any state; a job that stands at an incident still waits for that to be resolved."""
    if command.retries < 1:
        raise InvalidArgument(
            f"Expected to update retries for job with key '{command.job_key}' with a positive amount of retries,"
            f" but the amount given was '{command.retries}'"
        )
    state.jobs.update(_existing(state, command.job_key, "update job"), retries=command.retries)


@handles(UpdateJobTimeout)
def update_job_timeout(state: State, command: UpdateJobTimeout) -> None:
    """Lengthen or shorten a lease; one that is over already ends at the next look."""
    job = _existing(state, command.job_key, "update job")
    if job.state is not JobState.ACTIVATED:
        raise InvalidState(f"Expected to update the timeout of job with key '{job.key}', but it is not active")
    state.jobs.update(job, deadline_ms=min(DEADLINE_MS_MAX, max(1, state.now_ms + command.timeout_ms)))


def _existing(state: State, key: int, verb: str) -> Job:
    job = state.find_job(key)
    if job is None:
        raise NotFound(f"Expected to {verb} with key '{key}', but no such job was found")
    return job


def _reportable(state: State, key: int, verb: str) -> Job:
    job = _existing(state, key, verb)
    if job.state not in MAY_END:
        raise InvalidState(f"Expected to {verb} with key '{key}', but it is in state '{job.state}'")
    return job
