"""`osmia incident`: show and resolve incidents."""

from typing import TYPE_CHECKING, Annotated

import typer

from osmia_broker.base.counted import counted
from osmia_broker.base.whole_numbers import INT32_MAX, INT64_MAX
from osmia_broker.cli import offers
from osmia_broker.cli.commands.incidents import kind_of_incident
from osmia_broker.cli.failures import Exit, Failure, from_call, usage
from osmia_broker.cli.options import Key, Process
from osmia_broker.cli.rows import every, incident_row
from osmia_broker.cli.session import Session, with_session
from osmia_broker.cli.several import Deed, do_each

if TYPE_CHECKING:
    from osmia import SyncClient
    from osmia.results import Incident

app = typer.Typer(add_completion=False, help="One incident: show, resolve.", no_args_is_help=True)

LIST = "osmia incidents"
RESOLVED = Deed("incident", "resolved", "incidentKey", LIST)


@app.command()
@with_session
def show(session: Session, key: Key) -> None:
    """Show an incident: where it is, and the whole message.

    Example: osmia incident show 2251799813685260
    """
    with session.client() as client:
        found = client.search_incidents(key=key).items
    if not found:
        raise Failure(Exit.NOT_FOUND, f"There is no incident with key {key}.", mend=LIST, code="NOT_FOUND")
    row, one = incident_row(found[0]), found[0]
    lines = [
        f"{key}  {one.error_type}  {row['state']}",
        f"  process   {one.bpmn_process_id}, element {one.element_id}, instance {one.process_instance_key}",
        *([f"  job       {one.job_key}"] if one.job_key else []),
        f"  since     {row['creationTime']}",
        *_indented("  message   ", one.message),
    ]
    session.one(row, key="incidentKey", text="\n".join(lines))
    if not one.resolved_ms:
        retries = " --retries 3" if one.job_key else ""
        if not one.job_key:
            session.say(f"To mend a variable: osmia instance variables {one.process_instance_key} --var NAME=VALUE")
        session.say(f"When the cause is mended: osmia incident resolve {key}{retries}")


def _indented(title: str, text: str) -> list[str]:
    """Return the lines of *text* behind *title*, each under the other."""
    first, *more = text.splitlines() or [""]
    return [title + first, *(" " * len(title) + line for line in more)]


@app.command()
@with_session
def resolve(
    session: Session,
    keys: Annotated[
        list[int] | None,
        typer.Argument(
            metavar="KEY...",
            min=1,
            max=INT64_MAX,
            help="The keys, as the list shows them.",
            autocompletion=offers.keys,
        ),
    ] = None,
    retries: Annotated[
        int, typer.Option(min=0, max=INT32_MAX, help="First give its job this many tries.", show_default=False)
    ] = 0,
    is_all: Annotated[
        bool, typer.Option("--all", help="All that are open, or all that fit the other options.")
    ] = False,
    process: Process = "",
    type: Annotated[str, typer.Option("--type", "-t", help="With --all: only of this kind.")] = "",
) -> None:
    """Resolve incidents: the stopped elements are tried again.

    Example: osmia incident resolve 2251799813685260 --retries 3
    """
    if bool(keys) == is_all:
        raise usage("Expected keys or --all, but found " + ("both." if keys else "neither."), LIST)
    if keys and (process or type):
        raise usage("--process and --type go together with --all only.", f"osmia incident resolve {keys[0]}")
    kind = kind_of_incident(type)
    with session.client(found_by=LIST) as client:
        stopped = _open_incidents(client, bpmn_process_id=process, error_type=kind) if is_all else None
        if stopped is None:
            stopped = [_open_incident(client, key) for key in keys or ()]
        elif stopped:
            session.confirm(f"Resolve {counted(len(stopped), 'incident')}?")
        else:
            session.say("No such incidents.")
        of_key = {one.key: one for one in stopped}
        do_each(session, client.address, list(of_key), lambda key: _resolve(client, of_key[key], retries), RESOLVED)


def _resolve(client: "SyncClient", stopped: "Incident", retries: int) -> None:
    from osmia.errors import NotFound

    key = stopped.key
    if retries and not stopped.job_key:
        raise Failure(
            Exit.REFUSED,
            f"Incident {key} ({stopped.error_type}) is about no job.",
            mend=f"osmia incident resolve {key}",
            code="INVALID_ARGUMENT",
        )
    if retries:
        client.update_job_retries(stopped.job_key, retries)
    try:
        client.resolve_incident(key)
    except NotFound as error:
        raise _not_resolved(stopped, error, client.address) from error
    same_instance = _open_incidents(client, process_instance_key=stopped.process_instance_key)
    again = [one for one in same_instance if _is_same_stop(one, stopped)]
    if again:
        raise Failure(
            Exit.REFUSED,
            f"Incident {key} was resolved, but the same place stopped again.",
            why=again[0].message,
            mend=f"osmia incident resolve {again[0].key}   (when the cause is mended)",
            code="INCIDENT",
        )


def _not_resolved(stopped: "Incident", error: Exception, address: str) -> Failure:
    """Return the failure of a refused resolve. The usual reason is a job without retries, and one option mends it."""
    failure = from_call(error, address, LIST)  # type: ignore[arg-type]  # an OsmiaError
    if stopped.job_key:
        failure.exit = Exit.CONFLICT  # nothing is missing: the job is in a state that does not allow it
        failure.mend = f"osmia incident resolve {stopped.key} --retries 3"
    return failure


def _open_incident(client: "SyncClient", key: int) -> "Incident":
    for one in _open_incidents(client, key=key):
        return one
    raise Failure(Exit.NOT_FOUND, f"There is no open incident with key {key}.", mend=LIST, code="NOT_FOUND")


def _open_incidents(client: "SyncClient", **filters: int | str) -> "list[Incident]":
    from osmia.results import IncidentState

    return list(every(client.search_incidents, states=[IncidentState.OPEN], **filters))


def _is_same_stop(one: "Incident", before: "Incident") -> bool:
    return one.element_instance_key == before.element_instance_key and one.key != before.key
