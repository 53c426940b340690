"""Jobs: hand them to workers until a deadline, and take the reports of workers.

The table of calls and states was measured cell by cell on the reference broker.
"""

from collections.abc import Callable
from functools import cache, partial

from osmia_broker.base.errors import InvalidArgument, InvalidState, NotFound
from osmia_broker.base.whole_numbers import INT64_MAX
from osmia_broker.engine.activiti.element_mappings import keep_result
from osmia_broker.engine.answers import CHARACTER_BYTES_MAX, ActivatedJob, size_of
from osmia_broker.engine.commands import (
    ActivateJobs,
    CompleteJob,
    FailJob,
    GiveBackJobs,
    ThrowError,
    UpdateJob,
    UpdateJobPriority,
    UpdateJobRetries,
    UpdateJobTimeout,
    Variables,
)
from osmia_broker.engine.commands.due import ReachDeadlines
from osmia_broker.engine.domain_events import JOB
from osmia_broker.engine.engine import handles
from osmia_broker.engine.events.places import fire
from osmia_broker.engine.events.throwing import find_error_catch, uncaught_error
from osmia_broker.engine.incidents import raise_job_incident
from osmia_broker.engine.lifecycle import is_ending, plan_completion
from osmia_broker.engine.marks import assign
from osmia_broker.engine.new_instances import business_id_of, decode_tags, origin_of
from osmia_broker.engine.parts import GoesOn
from osmia_broker.engine.suspension.held_rows import awaits_hold, is_held
from osmia_broker.engine.suspension.suspending import refuse_suspended
from osmia_broker.engine.tasks.listeners import coming_variables
from osmia_broker.engine.tasks.rows import complete_tasks_of
from osmia_broker.engine.turn import Turn
from osmia_broker.engine.variables import merge, put_local, visible
from osmia_broker.state.json_text import document
from osmia_broker.state.missing import Missing
from osmia_broker.state.rows import ElementInstance, ErrorType, Job, JobKind, JobState

MAY_END = (JobState.ACTIVATABLE, JobState.ACTIVATED)  #: complete, fail and throw are allowed here, leased or not
# Names of their own for what each job asks: Python 3.11 finds a member in an enum slowly.
_ACTIVATABLE, _ACTIVATED, _COMPLETED = JobState.ACTIVATABLE, JobState.ACTIVATED, JobState.COMPLETED
_OF_ELEMENT, _TASK_LISTENER = JobKind.BPMN_ELEMENT, JobKind.TASK_LISTENER
NO_RETRIES = {  #: the incident of a failed job without retries
    JobKind.BPMN_ELEMENT: ErrorType.JOB_NO_RETRIES,
    JobKind.EXECUTION_LISTENER: ErrorType.EXECUTION_LISTENER_NO_RETRIES,
    JobKind.TASK_LISTENER: ErrorType.TASK_LISTENER_NO_RETRIES,
    JobKind.AD_HOC_SUB_PROCESS: ErrorType.AD_HOC_SUB_PROCESS_NO_RETRIES,
}
PASSED_OVER_MAX = 500  #: jobs that nobody may be handed, which one part of an activation passes over; about 3 ms
TIME_MAX = INT64_MAX  # ms since 1970; a deadline beyond it is never reached anyhow


def _note(turn: Turn, job: Job, intent: str, since_ms: int = 0) -> None:
    turn.note(JOB, intent, job.type, job.key, job.process_instance_key, since_ms=since_ms)


def _from_now(turn: Turn, ms: int) -> int:
    """Return the moment *ms* from now, kept within what a row can hold: 1 to TIME_MAX."""
    return min(max(turn.now_ms + ms, 1), TIME_MAX)


# --- handing out


@handles(ActivateJobs)
def activate_jobs(turn: Turn, command: ActivateJobs) -> list[ActivatedJob]:
    """Hand out jobs in order until there are enough, none is left, or the answer would grow too large.

    If there are many before them that nobody may be handed, it goes on in parts.

    A lease is a token that changes with each activation. Once a job has been leased, a worker that is late cannot report on it any more.
    """
    handed_out: list[ActivatedJob] = []
    room = command.size_max
    worker_bytes = CHARACTER_BYTES_MAX * len(command.worker)  # each job names its worker
    jobs = _wanted_jobs(turn, command)
    for place, job in enumerate(jobs):
        activated = _snapshot(turn, job, command)
        size = size_of(activated)
        if size > command.size_max:
            _park_oversized(turn, job, size, command.size_max)
            turn.jobs.ask_for(job.type)  # in its place: the answer may be empty although there are others
            continue
        room -= size + worker_bytes
        if room < 0 and handed_out:
            turn.jobs.leave(jobs[place:])
            break
        held = {"lease_token": activated.lease_token} if command.leases else {}
        waiting_since_ms = 0 if job.worker else job.created_ms  # a worker's name stays: the job was handed out before
        turn.jobs.update(job, state=_ACTIVATED, worker=command.worker, deadline_ms=activated.deadline_ms, **held)
        turn.jobs.flow.handed_out(job.type, turn.now_ms)
        _note(turn, job, "activated", waiting_since_ms)
        handed_out.append(activated)
    return handed_out


def _wanted_jobs(turn: Turn, command: ActivateJobs) -> list[Job]:
    """Return the jobs to hand out. Others leave their windows.

    One that the slices of a suspension have still to reach comes back when it is released.
    """
    await_hold = cache(partial(awaits_hold, turn))

    def may_begin(job: Job) -> bool:
        return _is_wanted(turn, job) and not await_hold(job.process_instance_key)

    if command.keys is not None:
        found = [turn.jobs.get(key) for key in command.keys]
        if None in found:  # it has ended, or it was evicted while the push waited for room in a batch
            turn.jobs.ask_for(command.type)
        return [job for job in found if job is not None and _is_for(turn, command, job) and may_begin(job)]
    passed_over = 0
    while passed_over < PASSED_OVER_MAX:
        savepoint = turn.savepoint()
        jobs, wanted = turn.jobs.take_activatable(command.type, command.max_jobs, turn.now_ms, leases=command.leases)
        if wanted is not None:
            if passed_over:
                turn.take_back(savepoint)  # alone: `Missing` would take back what was passed over, too
                break
            raise Missing(wanted)
        living = [job for job in jobs if may_begin(job)]
        if living or not jobs:
            return living
        passed_over += len(jobs)
    raise GoesOn


def _is_for(turn: Turn, command: ActivateJobs, job: Job) -> bool:
    """Whether the caller may be handed the job: it waits, is not paused, and it was never leased, or the caller leases.

    A type that got flow control after the job was offered is asked for as a whole, so that its limits and pauses hold.
    """
    flow = turn.jobs.flow
    is_held_back = job.process_definition_key in flow.paused_definitions or job.type in flow.types
    return job.state is _ACTIVATABLE and not is_held_back and (command.leases or not job.lease_token)


def _is_wanted(turn: Turn, job: Job) -> bool:
    """Whether somebody still wants the work: its element is not being terminated."""
    return works_at_the_end(job) or not is_ending(turn, turn.elements[job.element_instance_key])


def works_at_the_end(job: Job) -> bool:
    """Whether *job* is of a task listener for `canceling`: it works while its element is being terminated."""
    return job.listener_event == "CANCELING" and job.kind is JobKind.TASK_LISTENER


def _snapshot(turn: Turn, job: Job, command: ActivateJobs) -> ActivatedJob:
    definition = turn.definitions.processes.get(job.process_definition_key)
    assert definition is not None, "a running instance has a definition"
    element = turn.elements[job.element_instance_key]
    origin = origin_of(turn, job.process_instance_key)
    root_key = 0 if origin is None else origin.root_process_instance_key
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
        deadline_ms=_from_now(turn, command.timeout_ms),
        variables=document(_variables(turn, job, element, command.fetch_variables)),
        kind=job.kind,
        listener_event=job.listener_event,
        business_id=business_id_of(turn, job.process_instance_key),
        tags=() if origin is None else decode_tags(origin.tags),
        priority=job.priority,
        lease_token=turn.new_token() if command.leases else "",
        root_process_instance_key=root_key or job.process_instance_key,
    )


def _variables(turn: Turn, job: Job, element: ElementInstance, names: tuple[str, ...]) -> Variables:
    """Return what the worker sees, or the *names* of it. A task listener sees the variables of a completion before they take effect."""
    seen = visible(turn, element, names)
    if job.kind is _TASK_LISTENER:
        coming = coming_variables(turn, element)
        seen |= {name: value for name, value in coming.items() if not names or name in names}
    return seen


def _park_oversized(turn: Turn, job: Job, size: int, size_max: int) -> None:
    turn.jobs.update(job, state=JobState.FAILED)
    raise_job_incident(
        turn,
        job,
        ErrorType.MESSAGE_SIZE_EXCEEDED,
        f"Expected a job with its variables to be at most {size_max} bytes, but found {size}",
    )


@handles(GiveBackJobs)
def give_back_jobs(turn: Turn, command: GiveBackJobs) -> None:
    """Make jobs activatable again that did not reach their caller, with their retries. Jobs that have changed since stay as they are."""
    given = dict(command.jobs)
    for job in turn.find_jobs(given):
        if job.state is JobState.ACTIVATED and job.deadline_ms == given[job.key]:
            turn.jobs.update(job, state=JobState.ACTIVATABLE, deadline_ms=0)


@handles(ReachDeadlines)
def reach_deadlines(turn: Turn, command: ReachDeadlines) -> list[int]:
    """End leases and back-offs: the jobs become activatable again, with their retries. The answer lists keys that cannot be read."""
    for job in turn.find_jobs(command.job_keys):
        if 0 < job.deadline_ms <= turn.now_ms:
            if is_held(turn, job):
                continue
            if job.state is JobState.ACTIVATED:
                _note(turn, job, "timed_out")
            turn.jobs.update(job, state=JobState.ACTIVATABLE, deadline_ms=0)
        elif job.deadline_ms > 0:  # it was moved, or the clock was set back since the look: wake up for it again
            turn.state.deadlines.add(job.deadline_ms)
    return [key for key in command.job_keys if turn.state.is_unreadable(key)]


# --- what a worker reports


@handles(CompleteJob)
def complete_job(turn: Turn, command: CompleteJob) -> None:
    """Complete a job and its element. Without output mappings its variables are merged outwards; otherwise they stay local.

    Raises:
        NotFound, InvalidState, AlreadyExists: the job cannot be completed, or the business id not be assigned.

    """
    job = _reportable(turn, command, "complete job")
    element = turn.elements[job.element_instance_key]
    if command.business_id:
        assign(turn, turn.elements[job.process_instance_key], command.business_id)
    turn.jobs.end(job, turn.now_ms, state=_COMPLETED, deadline_ms=0)
    _note(turn, job, "completed", job.created_ms)
    if job.kind is not _OF_ELEMENT:
        COMPLETED[job.kind](turn, job, element, command)
        return
    keep_result(turn, element, command.variables)
    complete_tasks_of(turn, element)
    plan_completion(turn, element)


Completed = Callable[[Turn, Job, ElementInstance, CompleteJob], None]
COMPLETED: dict[JobKind, Completed] = {}  #: what follows a completed job of a special kind


def completes(kind: JobKind) -> Callable[[Completed], Completed]:
    """Register the decorated function: it goes on after a completed job of this *kind*."""

    def register(go_on: Completed) -> Completed:
        COMPLETED[kind] = go_on
        return go_on

    return register


@completes(JobKind.EXECUTION_LISTENER)
def _listener_done(turn: Turn, job: Job, element: ElementInstance, command: CompleteJob) -> None:
    """Go on with the step. The variables of a start listener are local to the element, those of an end listener leave it (measured)."""
    if job.listener_event == "START":
        put_local(turn, element, command.variables)
    else:
        merge(turn, element, command.variables)
    turn.elements.set(element, "listeners_done", element.listeners_done + 1)
    turn.plan(element)


@handles(FailJob)
def fail_job(turn: Turn, command: FailJob) -> None:
    """Fail a job: it becomes activatable again, at once or after its back-off. Without retries it stops at an incident."""
    job = _reportable(turn, command, "fail job")
    put_local(turn, turn.elements[job.element_instance_key], command.variables)
    _note(turn, job, "failed")
    failed = {"retries": command.retries, "error_message": command.error_message}
    if command.retries <= 0:
        turn.jobs.update(job, state=JobState.FAILED, deadline_ms=0, **failed)
        message = command.error_message or "No more retries left."
        raise_job_incident(turn, job, NO_RETRIES[job.kind], message)
    elif command.back_off_ms > 0:
        turn.jobs.update(job, state=JobState.FAILED, deadline_ms=_from_now(turn, command.back_off_ms), **failed)
    else:
        turn.jobs.update(job, state=JobState.ACTIVATABLE, deadline_ms=0, **failed)


@handles(ThrowError)
def throw_error(turn: Turn, command: ThrowError) -> None:
    """Throw an error of the business. The nearest event that catches it ends the job; without one it stops at an incident.

    Nothing catches an error of a task listener for `canceling`: its element is being terminated, and waits for this job.

    Raises:
        NotFound, InvalidState: the job cannot end with an error. That of an execution listener never can: its element does not work yet,
            or no more.
    """
    job = _reportable(turn, command, "throw an error for job")
    if job.kind is JobKind.EXECUTION_LISTENER:
        raise InvalidState(
            f"Cannot throw BPMN error from {job.kind} job with key '{job.key}', type '{job.type}' and"
            f" processInstanceKey '{job.process_instance_key}'"
        )
    _note(turn, job, "error")
    thrown = {"error_code": command.error_code, "error_message": command.error_message}
    thrower = None if works_at_the_end(job) else turn.elements[job.element_instance_key]
    catch = None if thrower is None else find_error_catch(turn, thrower, command.error_code)
    if catch is not None:
        turn.jobs.end(job, turn.now_ms, state=JobState.ERROR_THROWN, deadline_ms=0, **thrown)
        fire(turn, catch.owner, catch.event, command.variables, stay_local=True)
        return
    turn.jobs.update(job, state=JobState.ERROR_THROWN, deadline_ms=0, **thrown)
    text = uncaught_error(turn, thrower, command.error_code, command.error_message)
    raise_job_incident(turn, job, ErrorType.UNHANDLED_ERROR_EVENT, text)


@handles(UpdateJob)
def update_job(turn: Turn, command: UpdateJob) -> None:
    """Change those values of a job that are given: all, or none."""
    key, token = command.job_key, command.lease_token
    if command.retries is not None:
        update_job_retries(turn, UpdateJobRetries(key, command.retries, token))
    if command.timeout_ms is not None:
        update_job_timeout(turn, UpdateJobTimeout(key, command.timeout_ms, token))
    if command.priority is not None:
        update_job_priority(turn, UpdateJobPriority(key, command.priority, token))


@handles(UpdateJobRetries)
def update_job_retries(turn: Turn, command: UpdateJobRetries) -> None:
    """Give a job new retries in any state. A job with an incident still waits until that is resolved."""
    if command.retries < 1:
        raise InvalidArgument(
            f"Expected to update retries for job with key '{command.job_key}' with a positive amount of retries,"
            f" but the amount given was '{command.retries}'"
        )
    job = _updatable(turn, command)
    turn.jobs.update(job, retries=command.retries)


@handles(UpdateJobPriority)
def update_job_priority(turn: Turn, command: UpdateJobPriority) -> None:
    """Give a job a new priority in any state. A job that waits takes its new place at once."""
    job = _updatable(turn, command)
    turn.jobs.update(job, priority=command.priority)


@handles(UpdateJobTimeout)
def update_job_timeout(turn: Turn, command: UpdateJobTimeout) -> None:
    """Lengthen or shorten a lease. A deadline in the past ends it at once."""
    job = _updatable(turn, command)
    if job.state is not JobState.ACTIVATED:
        raise InvalidState(f"Expected to update the timeout of job with key '{job.key}', but it is not active")
    turn.jobs.update(job, deadline_ms=_from_now(turn, command.timeout_ms))


def _existing(turn: Turn, key: int, verb: str) -> Job:
    job = turn.find_job(key)
    if job is None or not _is_wanted(turn, job):
        raise NotFound(f"Expected to {verb} with key '{key}', but no such job was found")
    return job


def _updatable(turn: Turn, command: UpdateJobRetries | UpdateJobPriority | UpdateJobTimeout) -> Job:
    job = _existing(turn, command.job_key, "update job")
    refuse_suspended(turn, job.process_instance_key, f"update job with key '{job.key}'")
    if command.lease_token:
        _check_lease(job, command.lease_token, "update job")
    return job


def _reportable(turn: Turn, command: CompleteJob | FailJob | ThrowError, verb: str) -> Job:
    key = command.job_key
    job = _existing(turn, key, verb)
    refuse_suspended(turn, job.process_instance_key, f"{verb} with key '{key}'")
    if job.state not in MAY_END:
        raise InvalidState(f"Expected to {verb} with key '{key}', but it is in state '{job.state}'")
    if job.lease_token or command.lease_token:
        _check_lease(job, command.lease_token, verb)
    return job


def _check_lease(job: Job, token: str, verb: str) -> None:
    """Refuse a report on a job by anybody but the worker that leased it last."""
    if token != job.lease_token:
        found = "another one" if token else "none"
        raise InvalidState(
            f"Expected to {verb} with key '{job.key}' with the token of its {'last lease' if job.lease_token else 'lease'}, but found {found}"
            + ("" if job.lease_token else ": it never was leased")
        )
