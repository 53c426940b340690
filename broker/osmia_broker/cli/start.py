"""`osmia start`: start a process instance, and with `--await` wait for its result."""

import re
import shlex
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from osmia_broker.cli import offers
from osmia_broker.cli import variables as typed
from osmia_broker.cli.failures import FRAME, Exit, Failure, from_call, usage
from osmia_broker.cli.options import INT32_MAX, User, Var, Vars
from osmia_broker.cli.processes import unknown_process
from osmia_broker.cli.rows import every
from osmia_broker.cli.session import Session, milliseconds, spelt, with_session_and_timeout

if TYPE_CHECKING:
    from osmia import SyncClient
    from osmia.errors import OsmiaError
    from osmia.results import Incident

app = typer.Typer(add_completion=False)

LATEST = -1
AWAIT = timedelta(seconds=60)
WITHOUT = re.compile(r"without required variables - (.+)$")  # in the refusal of a process of Activiti
INSTANCE_IN_TEXT = re.compile(r"process instance '(\d+)'")  # in the sentence of a broker that waited too long


@app.command()
@with_session_and_timeout("How long to wait: unless given, 10s for the key, or 60s with --await for the result.")
def start(
    session: Session,
    process_id: Annotated[str, typer.Argument(help="The id of a deployed process.", autocompletion=offers.process_ids)],
    var: Var = None,
    vars: Vars = None,
    version: Annotated[
        int, typer.Option(min=LATEST, max=INT32_MAX, help="Its version; the latest unless given.", show_default=False)
    ] = LATEST,
    at: Annotated[list[str] | None, typer.Option("--at", metavar="ELEMENT", help="Start at this element.")] = None,
    is_awaited: Annotated[bool, typer.Option("--await", help="Wait for its end, and print the result.")] = False,
    business_id: Annotated[str, typer.Option(metavar="TEXT", help="A name of your own for the instance.")] = "",
    tags: Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag for the instance.")] = None,
    idempotency_key: Annotated[
        str, typer.Option(metavar="TEXT", help="A repetition with this key prints the key of the first instance.")
    ] = "",
    user: User = "",
) -> None:
    """Start a process instance and print its key.

    Example: osmia start dinner --var guests=4
    """
    from osmia.errors import InvalidArgument, NotFound

    variables = typed.read(var, vars)
    marks = {"start_at": at, "business_id": business_id, "tags": tags, "idempotency_key": idempotency_key}
    marks = {name: value for name, value in marks.items() if value}
    if is_awaited and marks:
        name = {"start_at": "at", "tags": "tag"}.get(next(iter(marks)), next(iter(marks)).replace("_", "-"))
        raise usage(f"--await and --{name} do not go together.", f"osmia start {process_id} --await")
    with session.client(user=user) as client:
        try:
            if is_awaited:
                _await_result(session, client, process_id, variables, version=version)
            else:
                _start(session, client, process_id, variables, version=version, **marks)
        except NotFound as error:
            raise _not_found(client, process_id, version, error.details) from error
        except InvalidArgument as error:
            failure = from_call(error, client.address)
            if missing := WITHOUT.search(error.details):
                given = " ".join(f"--var {shlex.quote(name)}=VALUE" for name in missing[1].split(", "))
                failure.mend = f"osmia start {process_id} {given}"
            elif "variable" in error.details.lower():
                failure.mend = f"osmia start {process_id} --var NAME:=JSON   (NAME==TEXT is text)"
            raise failure from error


def _start(
    session: Session, client: "SyncClient", process_id: str, variables: typed.Variables, *, version: int, **marks: Any
) -> None:
    created = client.create_instance(process_id, variables, version=version, **marks)
    session.say(f"Started {created.bpmn_process_id} (version {created.version})")
    row = {
        "processInstanceKey": str(created.key),
        "processDefinitionKey": str(created.process_definition_key),
        "processDefinitionId": created.bpmn_process_id,
        "processDefinitionVersion": created.version,
    }
    session.one(row, key="processInstanceKey", text=str(created.key))


def _await_result(
    session: Session, client: "SyncClient", process_id: str, variables: typed.Variables, *, version: int
) -> None:
    from osmia.errors import Timeout as OverTime

    wait = session.timeout or AWAIT
    wait_ms = milliseconds(wait)
    try:
        result = client.create_instance_with_result(process_id, variables, version=version, wait_ms=wait_ms)
    except OverTime as error:
        raise _still_running(session, client, error, wait) from error
    row = {
        "processInstanceKey": str(result.key),
        "processDefinitionKey": str(result.process_definition_key),
        "processDefinitionId": result.bpmn_process_id,
        "processDefinitionVersion": result.version,
        "variables": result.variables,
    }
    session.say(f"Completed {result.key}")
    session.one(row, key="processInstanceKey", text=msgspec.json.encode(result.variables).decode())


def _still_running(
    session: Session, client: "SyncClient", error: "OsmiaError", wait: timedelta
) -> "OsmiaError | Failure":
    """Return the failure of a wait that was too short. The instance goes on, so its key is printed, and none needs to be started again."""
    found = INSTANCE_IN_TEXT.search(error.details)
    if found is None:
        return error
    key = found[1]
    session.one({"processInstanceKey": key}, key="processInstanceKey", text=key)
    what, why, mend = f"Instance {key} has not completed within {spelt(wait)}", "", f"osmia instance show {key}"
    if incident := _incident_of(client, int(key)):
        what += f"; it is stopped by an incident at '{incident.element_id}'."
        why, mend = incident.message, f"osmia incident show {incident.key}"
    else:
        what += "; it goes on."
    return Failure(Exit.TIMED_OUT, what, why=why, mend=mend, code="DEADLINE_EXCEEDED")


def _incident_of(client: "SyncClient", key: int) -> "Incident | None":
    """Return an open incident of the instance; none where the broker has no lists."""
    from osmia.errors import Unimplemented
    from osmia.results import IncidentState

    try:
        found = client.search_incidents(process_instance_key=key, states=[IncidentState.OPEN], limit=1).items
    except Unimplemented:
        return None
    return found[0] if found else None


def _not_found(client: "SyncClient", process_id: str, version: int, why: str) -> Failure:
    """Return the failure for a process or a version that is not there, with the nearest that is."""
    versions = [one.version for one in every(client.search_definitions, bpmn_process_id=process_id)]
    if not versions:
        return unknown_process(client, process_id, "osmia start {}", why=FRAME.sub("", why, count=1))
    what = f"Process '{process_id}' has no version {version}; the latest is {max(versions)}."
    return Failure(Exit.NOT_FOUND, what, mend=f"osmia start {process_id}", code="NOT_FOUND")
