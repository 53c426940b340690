"""Say what the elements of a process instance wait for: a person, a worker, a timer, a message, a signal, a condition."""

from typing import TYPE_CHECKING

from osmia_broker.base.counted import counted
from osmia_broker.cli.output import moment
from osmia_broker.cli.rows import every

if TYPE_CHECKING:
    from osmia import SyncClient, UserTask
    from osmia.results import JobInfo

Waits = dict[int, list[str]]  #: by the key of the element instance: a line for each thing that it waits for
OPEN_JOB = ("ACTIVATABLE", "ACTIVATED", "FAILED", "ERROR_THROWN", "SUSPENDED")
OPEN_TASK = ["CREATING", "CREATED", "ASSIGNING", "UPDATING", "COMPLETING", "CANCELING"]
TASKS_MAX = 200  # of one instance; a loop may have thousands, and nobody reads so many lines


def waits_of(client: "SyncClient", key: int) -> tuple[Waits, dict[int, str]]:
    """Return what the element instances of the instance *key* wait for, and the names of those with a user task.

    The name of a user task may be an expression; here it is evaluated, as in the list of tasks.
    """
    from osmia.results import JobState, SubscriptionState, TimerState

    waits: Waits = {}
    names: dict[int, str] = {}
    for task in client.user_tasks.search(
        {"processInstanceKey": str(key), "state": {"$in": OPEN_TASK}}, limit=TASKS_MAX
    ).items:
        waits.setdefault(task.element_instance_key, []).append(_task(task))
        names[task.element_instance_key] = task.name
    for job in every(client.search_jobs, process_instance_key=key, states=[JobState(one) for one in OPEN_JOB]):
        if job.element_instance_key not in names:  # the job of a user task is the task
            waits.setdefault(job.element_instance_key, []).append(_job(job))
    for timer in every(client.search_timers, process_instance_key=key, states=[TimerState.WAITING]):
        waits.setdefault(timer.element_instance_key, []).append(f"{moment(timer.due_ms)}  ({timer.element_id})")
    for one in every(client.search_subscriptions, process_instance_key=key, states=[SubscriptionState.OPEN]):
        name = f" {one.name} {one.correlation_key}".rstrip()
        waits.setdefault(one.element_instance_key, []).append(f"{one.kind.lower()}{name}  ({one.element_id})")
    return waits, names


def _task(task: "UserTask") -> str:
    if task.assignee:
        who = task.assignee
    else:
        candidates = [*task.candidate_users, *task.candidate_groups]
        who = f"one of {', '.join(candidates)}" if candidates else "anybody"
    return f"{who}: task {task.key}  (osmia task show {task.key})"


def _job(job: "JobInfo") -> str:
    tries = counted(job.retries, "retry", "retries")
    if job.state == "ACTIVATED":
        return f"worker {job.worker or 'without a name'}, which holds job {job.key} of type {job.type} until {moment(job.deadline_ms)}"
    state = "" if job.state == "ACTIVATABLE" else f", {job.state.lower().replace('_', ' ')}"
    return f"a worker for job {job.key} of type {job.type}  ({tries} left{state}; osmia workers -t {job.type})"
