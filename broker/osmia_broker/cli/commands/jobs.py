"""`osmia jobs`: list jobs of service tasks and user tasks; pause, resume and limit those of a type."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from osmia_broker.base.counted import counted
from osmia_broker.base.whole_numbers import INT32_MAX
from osmia_broker.cli.failures import usage
from osmia_broker.cli.options import Instance, JobType, Limit, OfJobType
from osmia_broker.cli.output import Column, moment
from osmia_broker.cli.rows import JOB_COLUMNS, PAGE, every, first, job_row
from osmia_broker.cli.session import Session, with_session
from osmia_broker.cli.waits import OPEN_JOB


class Jobs(TyperGroup):
    """Without the name of a command, `osmia jobs` lists jobs."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `list` before options, or nothing at all."""
        return super().parse_args(ctx, args if args and args[0] in self.commands else ["list", *args])


app = typer.Typer(cls=Jobs, add_completion=False, help="Jobs: list, pause, resume, limit, flow.")

OPEN = tuple(one.lower() for one in OPEN_JOB)
NAMED_MAX = 10  # job types in a hint
STATES = (*OPEN, "completed", "canceled")


@app.command("list")
@with_session
def jobs(
    session: Session,
    type: OfJobType = "",
    state: Annotated[list[str] | None, typer.Option(help=f"Only in this state: {', '.join(STATES)}, all.")] = None,
    instance: Instance = 0,
    limit: Limit = 50,
) -> None:
    """List jobs that are open, newest first. Others: osmia jobs pause, resume, limit, flow.

    Example: osmia jobs --type charge-card --state failed
    """
    from osmia.results import JobState

    wanted = [JobState(name.upper()) for name in _states(state)]
    with session.client() as client:
        found = every(client.search_jobs, type=type, process_instance_key=instance, states=wanted)
        rows = [job_row(one) for one in first(session, found, limit)]
        empty = "No such jobs."
        if type and not rows:
            known = {one.type for one in client.search_jobs(limit=PAGE).items}
            if type not in known and known:
                empty = f"No job has the type '{type}'. Jobs have: {', '.join(sorted(known)[:NAMED_MAX])}."
    tired = sum(row["state"] == "FAILED" and row["retries"] == 0 for row in rows)
    if tired:
        session.say(f"{counted(tired, 'job has', 'jobs have')} no retries left: osmia incidents --type JOB_NO_RETRIES")
    uncaught = sum(row["state"] == "ERROR_THROWN" for row in rows)
    if uncaught:
        kind = "--type UNHANDLED_ERROR_EVENT"
        session.say(f"{counted(uncaught, 'job')} threw an error that nothing catches: osmia incidents {kind}")
    session.list(rows, JOB_COLUMNS, empty=empty)


def _states(given: list[str] | None) -> tuple[str, ...]:
    """Return the wanted states: those of open jobs when none is given, none at all (no filter) for `all`."""
    if not given:
        return OPEN
    states = [name.lower().replace("-", "_") for name in given]
    for name, state in zip(given, states, strict=True):
        if state not in (*STATES, "all"):
            raise usage(f"There is no job state '{name}'.", f"--state {STATES[0]}   (or {', '.join(STATES[1:])}, all)")
    return () if "all" in states else tuple(states)


Type = Annotated[str, typer.Argument(metavar="[TYPE]", help="The job type.")]
Definition = Annotated[
    int, typer.Option("--definition", metavar="KEY", help="All jobs of this process definition instead.")
]
FLOW_COLUMNS = (
    Column("type", "TYPE", is_long=True),
    Column("processDefinitionKey", "DEFINITION"),
    Column("pausedDate", "PAUSED", is_moment=True),
    Column("held", "HELD"),
    Column("heldMax", "MAX"),
    Column("perSecondMax", "PER SECOND"),
    Column("heldPerKeyMax", "PER KEY"),
    Column("fairBy", "FAIR BY"),
)


@app.command()
@with_session
def pause(session: Session, type: Type = "", definition: Definition = 0) -> None:
    """Hand out no more jobs of a type or a process definition. Workers keep the jobs that they hold.

    Example: osmia jobs pause charge-card
    """
    _refuse_unless_one(type, definition, "pause")
    with session.client(found_by="osmia processes") as client:
        client.pause_jobs(type, process_definition_key=definition)
    session.one({"type": type or None}, key="type", text=f"Paused {type or definition}")


@app.command()
@with_session
def resume(session: Session, type: Type = "", definition: Definition = 0) -> None:
    """Hand out the jobs of a type or a process definition again.

    Example: osmia jobs resume charge-card
    """
    _refuse_unless_one(type, definition, "resume")
    with session.client(found_by="osmia processes") as client:
        client.resume_jobs(type, process_definition_key=definition)
    session.one({"type": type or None}, key="type", text=f"Resumed {type or definition}")


def _refuse_unless_one(type: str, definition: int, command: str) -> None:
    if bool(type) == bool(definition):
        found = "both" if type else "neither"
        raise usage(f"Expected a job type or --definition KEY, but found {found}.", f"osmia jobs {command} TYPE")


@app.command()
@with_session
def limit(
    session: Session,
    type: JobType,
    held: Annotated[int, typer.Option(min=0, max=INT32_MAX, help="Jobs held at a time; 0 is any number.")] = 0,
    per_second: Annotated[int, typer.Option(min=0, max=INT32_MAX, help="Jobs handed out within any second.")] = 0,
    per_key: Annotated[int, typer.Option(min=0, max=INT32_MAX, help="Jobs of one key held at a time.")] = 0,
    fair_by: Annotated[
        str, typer.Option(metavar="KEY", help="process, business-id, tenant or nothing: each such key has its turn.")
    ] = "nothing",
) -> None:
    """Set all limits of a job type; those that are not given are lifted.

    Example: osmia jobs limit charge-card --held 50 --fair-by process
    """
    from osmia.results import FairBy

    name = fair_by.upper().replace("-", "_")
    if name not in FairBy.__members__:
        raise usage(f"There is no key '{fair_by}'.", "--fair-by process   (or business-id, tenant, nothing)")
    with session.client() as client:
        client.limit_jobs(
            type, held_max=held, per_second_max=per_second, held_per_key_max=per_key, fair_by=FairBy[name]
        )
    session.one({"type": type}, key="type", text=f"Limited {type}")


@app.command()
@with_session
def flow(session: Session) -> None:
    """List what is paused or limited.

    Example: osmia jobs flow
    """
    with session.client() as client:
        found = client.job_flow()
    rows = [
        {
            "type": one.job_type or None,
            "processDefinitionKey": str(one.process_definition_key) if one.process_definition_key else None,
            "pausedDate": moment(one.paused_ms),
            "held": one.held,
            "heldMax": one.held_max,
            "perSecondMax": one.per_second_max,
            "heldPerKeyMax": one.held_per_key_max,
            "fairBy": str(one.fair_by),
        }
        for one in found
    ]
    session.list(rows, FLOW_COLUMNS, empty="Nothing is paused or limited.")
