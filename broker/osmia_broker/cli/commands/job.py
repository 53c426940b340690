"""`osmia job`: do a worker's part by hand: take jobs, complete them, fail them, throw errors, give them retries, time and priority."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from osmia_broker.base.counted import counted
from osmia_broker.base.whole_numbers import INT32_MAX
from osmia_broker.cli import variables as typed
from osmia_broker.cli.failures import Exit, Failure, usage
from osmia_broker.cli.options import JobType, Key, Var, Vars
from osmia_broker.cli.output import Column, moment
from osmia_broker.cli.rows import every
from osmia_broker.cli.session import Session, with_session
from osmia_broker.cli.times import as_duration, duration_option, milliseconds, spelt

if TYPE_CHECKING:
    from osmia import SyncClient

app = typer.Typer(
    add_completion=False,
    help="One job, as a worker: activate, complete, fail, throw-error, retries, timeout, priority.",
    no_args_is_help=True,
)

LIST = "osmia jobs"

LOCK = timedelta(minutes=5)
ACTIVATED_COLUMNS = (
    Column("jobKey", "KEY"),
    Column("elementId", "ELEMENT"),
    Column("processInstanceKey", "INSTANCE"),
    Column("retries", "RETRIES"),
    Column("priority", "PRIORITY", is_wide=True),
    Column("leaseToken", "LEASE", is_wide=True),
    Column("deadline", "DEADLINE"),
    Column("variables", "VARIABLES"),
)

LeaseToken = Annotated[
    str, typer.Option(metavar="TOKEN", help="The token with which the job was taken, if it was leased.")
]


@app.command()
@with_session
def activate(
    session: Session,
    type: JobType,
    max_jobs: Annotated[int, typer.Option("--max", min=1, max=INT32_MAX, help="How many at most.")] = 1,
    worker: Annotated[str, typer.Option(help="The name to hold them under.")] = "osmia",
    lock: Annotated[timedelta, duration_option(help="How long to hold them", default=LOCK)] = LOCK,
    wait: Annotated[
        timedelta, duration_option(help="How long to wait for the first", default=timedelta(0))
    ] = timedelta(0),
    lease: Annotated[
        bool, typer.Option("--lease", help="With a token, without which nobody can report on them any more.")
    ] = False,
) -> None:
    """Take jobs of a type, to be completed or failed by their keys.

    Example: osmia job activate charge-card -o json
    """
    with session.client() as client:
        jobs = client.activate_jobs(
            type,
            max_jobs=max_jobs,
            worker=worker,
            timeout_ms=milliseconds(lock),
            wait_ms=milliseconds(wait),
            with_lease=lease,
        )
    rows = [
        {
            "jobKey": str(one.key),
            "type": one.type,
            "elementId": one.element_id,
            "processInstanceKey": str(one.process_instance_key),
            "retries": one.retries,
            "priority": one.priority,
            "leaseToken": one.lease_token or None,
            "deadline": moment(one.deadline_ms),
            "variables": msgspec.Raw(one.variables_json.encode()),
            "customHeaders": msgspec.Raw(one.headers_json.encode()),
        }
        for one in jobs
    ]
    session.list(rows, ACTIVATED_COLUMNS, empty=f"No jobs of type {type}.")


@app.command()
@with_session
def complete(session: Session, key: Key, var: Var = None, vars: Vars = None, lease_token: LeaseToken = "") -> None:
    """Report a job done.

    Example: osmia job complete 2251799813685256 --var receipt=4711
    """
    variables = typed.read(var, vars)
    with session.client(found_by=LIST) as client:
        client.complete_job(key, variables, lease_token=lease_token)
    session.one({"jobKey": str(key)}, key="jobKey", text=f"Completed {key}")


@app.command()
@with_session
def fail(
    session: Session,
    key: Key,
    retries: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=INT32_MAX,
            help="Tries that are left, one less than it has unless given; with 0 an incident is raised.",
        ),
    ] = None,
    message: Annotated[str, typer.Option("--message", "-m", help="What went wrong.")] = "",
    back_off: Annotated[
        timedelta, duration_option(help="The pause before the next try", default=timedelta(0))
    ] = timedelta(0),
    lease_token: LeaseToken = "",
) -> None:
    """Report that a job went wrong.

    Example: osmia job fail 2251799813685256 --retries 2 --message "bank is closed"
    """
    with session.client(found_by=LIST) as client:
        left = _one_less(client, key) if retries is None else retries
        client.fail_job(key, retries=left, message=message, back_off_ms=milliseconds(back_off), lease_token=lease_token)
    session.one({"jobKey": str(key), "retries": left}, key="jobKey", text=f"Failed {key}, {_tries(left)} left")
    if left == 0:
        session.say("An incident is raised: osmia incidents --type JOB_NO_RETRIES")


def _one_less(client: "SyncClient", key: int) -> int:
    """Return the retries of a job without the one that just went wrong.

    Raises:
        Failure: NOT_FOUND, or USAGE where the broker has no lists to ask.
    """
    from osmia.errors import Unimplemented

    try:
        found = client.search_jobs(key=key).items
    except Unimplemented as error:
        raise usage(
            "This broker cannot be asked for the retries of a job.", f"osmia job fail {key} --retries 2"
        ) from error
    if not found:
        raise Failure(Exit.NOT_FOUND, f"There is no job with key {key}.", mend=LIST, code="NOT_FOUND")
    return max(0, found[0].retries - 1)


@app.command("throw-error")
@with_session
def throw_error(
    session: Session,
    key: Key,
    code: Annotated[str, typer.Argument(metavar="CODE", help="The error code that an error event catches.")],
    message: Annotated[str, typer.Option("--message", "-m", help="What went wrong.")] = "",
    var: Var = None,
    vars: Vars = None,
    lease_token: LeaseToken = "",
) -> None:
    """Throw a BPMN error from a job. Without an event that catches it, an incident is raised.

    Example: osmia job throw-error 2251799813685256 over-limit --message "too expensive"
    """
    variables = typed.read(var, vars)
    with session.client(found_by=LIST) as client:
        client.throw_error(key, code, message=message, variables=variables, lease_token=lease_token)
        incident = _incident_of(client, key)
    session.one({"jobKey": str(key), "errorCode": code}, key="jobKey", text=f"Threw {code} from {key}")
    if incident:
        session.say(f"No error event catches '{code}', so an incident is raised: osmia incident show {incident}")


@app.command()
@with_session
def retries(
    session: Session,
    key: Key,
    number: Annotated[int | None, typer.Argument(min=1, max=INT32_MAX, help="How many.")] = None,
    option: Annotated[
        int | None, typer.Option("--retries", min=1, max=INT32_MAX, help="The same as an option.")
    ] = None,
) -> None:
    """Give a job new tries. Its incident still has to be resolved: osmia incident resolve does both.

    Example: osmia job retries 2251799813685256 3
    """
    given = [one for one in (number, option) if one is not None]
    if len(given) != 1:
        found = "both" if given else "neither"
        raise usage(f"Expected a number or --retries, but found {found}.", f"osmia job retries {key} 3")
    with session.client(found_by=LIST) as client:
        client.update_job_retries(key, given[0])
        incident = _incident_of(client, key)
    session.one({"jobKey": str(key), "retries": given[0]}, key="jobKey", text=f"{key} has {_tries(given[0])}")
    if incident:
        session.say(f"Its incident still stops it: osmia incident resolve {incident}")


def _incident_of(client: "SyncClient", job_key: int) -> int:
    """Return the key of the open incident of a job; 0 if there is none, or where the broker has no lists."""
    from osmia.errors import Unimplemented
    from osmia.results import IncidentState

    try:
        for job in client.search_jobs(key=job_key).items:
            key = job.process_instance_key
            opened = every(client.search_incidents, process_instance_key=key, states=[IncidentState.OPEN])
            return next((one.key for one in opened if one.job_key == job_key), 0)
    except Unimplemented:
        pass
    return 0


@app.command("timeout")
@with_session
def lease(
    session: Session,
    key: Key,
    lasts: Annotated[
        timedelta,
        typer.Argument(parser=as_duration, metavar="DURATION", help="From now on, such as 5m; 0s gives it back."),
    ],
) -> None:
    """Change how long a worker holds a job.

    Example: osmia job timeout 2251799813685256 5m
    """
    with session.client(found_by=LIST) as client:
        client.update_job_timeout(key, milliseconds(lasts))
    session.one({"jobKey": str(key)}, key="jobKey", text=f"{key} is held for {spelt(lasts)} more")


@app.command()
@with_session
def priority(
    session: Session,
    key: Key,
    number: Annotated[int, typer.Argument(min=-INT32_MAX - 1, max=INT32_MAX, help="Higher ones are handed out first.")],
) -> None:
    """Give a job a new priority among the jobs of its type.

    Example: osmia job priority 2251799813685256 10   (after -- for a negative one: osmia job priority -- 2251799813685256 -5)
    """
    with session.client(found_by=LIST) as client:
        client.update_job_priority(key, number)
    session.one({"jobKey": str(key), "priority": number}, key="jobKey", text=f"{key} has priority {number}")


def _tries(number: int) -> str:
    return counted(number, "retry", "retries")
