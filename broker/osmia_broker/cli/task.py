"""`osmia task`: show and complete a user task by its key."""

from typing import TYPE_CHECKING

import typer

from osmia_broker.cli import variables as typed
from osmia_broker.cli.failures import Exit, Failure
from osmia_broker.cli.options import Key, Var, Vars
from osmia_broker.cli.rows import task_row
from osmia_broker.cli.session import Session, with_session

if TYPE_CHECKING:
    from osmia import SyncClient
    from osmia.results import JobInfo

app = typer.Typer(add_completion=False, help="One user task: show, complete.", no_args_is_help=True)

LIST = "osmia tasks"


@app.command()
@with_session
def show(session: Session, key: Key) -> None:
    """Show a user task: its people, its dates and its process instance.

    Example: osmia task show 2251799813685256
    """
    with session.client(found_by=LIST) as client:
        task = _task(client, key)
    row = task_row(task)
    shown = {
        "state": row["state"],
        "assignee": task.assignee or "nobody",
        "groups": ", ".join(task.candidate_groups),
        "users": ", ".join(task.candidate_users),
        "due": task.due_date,
        "follow up": task.follow_up_date,
        "form": task.form_key,
        "process": f"{task.bpmn_process_id} (version {task.process_definition_version})",
        "instance": str(task.process_instance_key),
    }
    lines = [f"{key}  {row['name']}", *(f"  {name:<10}{value}" for name, value in shown.items() if value)]
    session.one(row, key="userTaskKey", text="\n".join(lines))


@app.command()
@with_session
def complete(session: Session, key: Key, var: Var = None, vars: Vars = None) -> None:
    """Complete a user task; the variables go to the process.

    Example: osmia task complete 2251799813685256 --var dinner=pizza
    """
    from osmia.errors import Unimplemented

    variables = typed.read(var, vars)
    with session.client(found_by=LIST) as client:
        try:
            _refuse_ended(_task(client, key))
        except Unimplemented:  # a broker that is not Osmia has no lists
            session.say("This broker has no lists, so it is not checked that the key is one of a user task.")
        client.complete_job(key, variables)
    session.one({"userTaskKey": str(key)}, key="userTaskKey", text=f"Completed {key}")


def _refuse_ended(task: "JobInfo") -> None:
    from osmia.results import JobState

    if task.state in (JobState.COMPLETED, JobState.CANCELED):
        what = f"Task {task.key} is {task.state.lower()} already."
        raise Failure(Exit.NOT_FOUND, what, mend=LIST, code="NOT_FOUND")


def _task(client: "SyncClient", key: int) -> "JobInfo":
    """Return a user task. The job of a service task is none: to complete it would skip the work of its worker.

    Raises:
        Failure: NOT_FOUND.
    """
    from osmia import USER_TASK_TYPE

    found = client.search_jobs(key=key).items
    if not found:
        raise Failure(Exit.NOT_FOUND, f"There is no task with key {key}.", mend=LIST, code="NOT_FOUND")
    job = found[0]
    if job.type != USER_TASK_TYPE:
        raise Failure(
            Exit.NOT_FOUND,
            f"{key} is no user task, but a job of type '{job.type}' for a worker.",
            mend=f"osmia job complete {key}   (does the worker's part by hand)",
            code="NOT_FOUND",
        )
    return job
