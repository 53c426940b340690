"""`osmia job`: do a worker's part by hand: take jobs, complete them, fail them, give them retries."""

from datetime import timedelta
from typing import Annotated

import msgspec
import typer

from osmia_broker.cli import variables as typed
from osmia_broker.cli.options import INT32_MAX, Key, Var, Vars
from osmia_broker.cli.output import Column, moment
from osmia_broker.cli.session import Session, as_duration, with_session

app = typer.Typer(
    add_completion=False, help="One job, as a worker: activate, complete, fail, retries.", no_args_is_help=True
)

LOCK = timedelta(minutes=5)
ACTIVATED_COLUMNS = (
    Column("jobKey", "KEY"),
    Column("elementId", "ELEMENT"),
    Column("processInstanceKey", "INSTANCE"),
    Column("retries", "RETRIES"),
    Column("deadline", "DEADLINE"),
    Column("variables", "VARIABLES"),
)


@app.command()
@with_session
def activate(
    session: Session,
    type: Annotated[str, typer.Argument(help="The job type.")],
    max_jobs: Annotated[int, typer.Option("--max", min=1, max=INT32_MAX, help="How many at most.")] = 1,
    worker: Annotated[str, typer.Option(help="The name to hold them under.")] = "osmia",
    lock: Annotated[timedelta, typer.Option(parser=as_duration, metavar="5m", help="How long to hold them.")] = LOCK,
    wait: Annotated[
        timedelta, typer.Option(parser=as_duration, metavar="0s", help="How long to wait for the first.")
    ] = timedelta(0),
) -> None:
    """Take jobs of a type, to be completed or failed by their keys.

    Example: osmia job activate charge-card -o json
    """
    with session.client() as client:
        jobs = client.activate_jobs(
            type, max_jobs=max_jobs, worker=worker, timeout_ms=_milliseconds(lock), wait_ms=_milliseconds(wait)
        )
    rows = [
        {
            "jobKey": str(one.key),
            "type": one.type,
            "elementId": one.element_id,
            "processInstanceKey": str(one.process_instance_key),
            "retries": one.retries,
            "deadline": moment(one.deadline_ms),
            "variables": msgspec.Raw(one.variables_json.encode()),
            "customHeaders": msgspec.Raw(one.headers_json.encode()),
        }
        for one in jobs
    ]
    session.list(rows, ACTIVATED_COLUMNS, empty=f"No jobs of type {type}.")


@app.command()
@with_session
def complete(session: Session, key: Key, var: Var = None, vars: Vars = None) -> None:
    """Report a job done.

    Example: osmia job complete 2251799813685256 --var receipt=4711
    """
    variables = typed.read(var, vars)
    with session.client() as client:
        client.complete_job(key, variables)
    session.one({"jobKey": str(key)}, key="jobKey", text=f"Completed {key}")


@app.command()
@with_session
def fail(
    session: Session,
    key: Key,
    retries: Annotated[
        int, typer.Option(min=0, max=INT32_MAX, help="Tries that are left; with 0 an incident is raised.")
    ] = 0,
    message: Annotated[str, typer.Option("--message", "-m", help="What went wrong.")] = "",
    back_off: Annotated[
        timedelta, typer.Option(parser=as_duration, metavar="0s", help="The pause before the next try.")
    ] = timedelta(0),
) -> None:
    """Report that a job went wrong.

    Example: osmia job fail 2251799813685256 --retries 2 --message "bank is closed"
    """
    with session.client() as client:
        client.fail_job(key, retries=retries, message=message, back_off_ms=_milliseconds(back_off))
    session.one({"jobKey": str(key), "retries": retries}, key="jobKey", text=f"Failed {key}, {retries} retries left")


@app.command()
@with_session
def retries(
    session: Session, key: Key, number: Annotated[int, typer.Argument(min=1, max=INT32_MAX, help="How many.")]
) -> None:
    """Give a job new tries. Its incident still has to be resolved.

    Example: osmia job retries 2251799813685256 3
    """
    with session.client() as client:
        client.update_job_retries(key, number)
    session.one({"jobKey": str(key), "retries": number}, key="jobKey", text=f"{key} has {number} retries")


def _milliseconds(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
