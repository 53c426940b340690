"""`osmia tasks`: list user tasks."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from osmia_broker.cli.options import Limit, Process
from osmia_broker.cli.rows import TASK_COLUMNS, every, first, task_row
from osmia_broker.cli.session import Session, with_session

if TYPE_CHECKING:
    from osmia.results import JobInfo

app = typer.Typer(add_completion=False)


@app.command()
@with_session
def tasks(
    session: Session,
    assignee: Annotated[str, typer.Option(metavar="USER", help="Only those of this assignee.")] = "",
    group: Annotated[str, typer.Option(metavar="GROUP", help="Only those with this candidate group.")] = "",
    is_unassigned: Annotated[bool, typer.Option("--unassigned", help="Only those without an assignee.")] = False,
    is_completed: Annotated[
        bool, typer.Option("--completed", help="Those that are completed, not the open ones.")
    ] = False,
    process: Process = "",
    limit: Limit = 50,
) -> None:
    """List user tasks that are open, newest first.

    Example: osmia tasks --group cooks -o key
    """
    from osmia.results import IncidentState, JobState

    done = [JobState.COMPLETED]
    wanted = done if is_completed else [state for state in JobState if state not in (*done, JobState.CANCELED)]

    def fits(job: "JobInfo") -> bool:
        return (
            (not assignee or job.assignee == assignee)
            and (not group or group in job.candidate_groups)
            and not (is_unassigned and job.assignee)
            and (not process or job.bpmn_process_id == process)
        )

    with session.client() as client:
        open_tasks: Iterator[JobInfo] = every(client.search_jobs, user_tasks_only=True, states=wanted)
        rows = [task_row(one) for one in first(session, filter(fits, open_tasks), limit)]
        is_stopped = not rows and bool(
            client.search_incidents(bpmn_process_id=process, states=[IncidentState.OPEN], limit=1).items
        )
    why = f"osmia incidents{f' -p {process}' if process else ''}" if is_stopped else ""
    hint = f"An incident is open: {why}" if is_stopped else "Start an instance: osmia start PROCESS_ID"
    session.list(rows, TASK_COLUMNS, empty=f"No such tasks. {hint}")
