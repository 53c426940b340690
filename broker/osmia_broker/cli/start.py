"""`osmia start`: start a process instance, and with `--await` wait for its result."""

from datetime import timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from osmia_broker.cli import variables as typed
from osmia_broker.cli.failures import Exit, Failure
from osmia_broker.cli.options import INT32_MAX, Var, Vars
from osmia_broker.cli.rows import every
from osmia_broker.cli.session import Session, with_session

if TYPE_CHECKING:
    from osmia import SyncClient

app = typer.Typer(add_completion=False)

LATEST = -1
AWAIT = timedelta(seconds=60)


@app.command()
@with_session
def start(
    session: Session,
    process_id: Annotated[str, typer.Argument(help="The id of a deployed process.")],
    var: Var = None,
    vars: Vars = None,
    version: Annotated[
        int, typer.Option(min=LATEST, max=INT32_MAX, help="Its version; the latest unless given.", show_default=False)
    ] = LATEST,
    at: Annotated[list[str] | None, typer.Option("--at", metavar="ELEMENT", help="Start at this element.")] = None,
    terminate_after: Annotated[
        list[str] | None, typer.Option(metavar="ELEMENT", help="Terminate the instance when this element has ended.")
    ] = None,
    business_id: Annotated[str | None, typer.Option(metavar="ID", help="A business id.", show_default=False)] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag; at most 10.")] = None,
    once: Annotated[
        str, typer.Option(metavar="KEY", help="Start it once: a repetition with this key prints the first instance.")
    ] = "",
    is_awaited: Annotated[bool, typer.Option("--await", help="Wait, up to --timeout, and print the result.")] = False,
) -> None:
    """Start a process instance and print its key.

    Example: osmia start dinner --var guests=4
    """
    from osmia.errors import NotFound

    creation = {
        "bpmn_process_id": process_id,
        "variables": typed.read(var, vars),
        "version": version,
        "start_at": at or (),
        "terminate_after": terminate_after or (),
        "business_id": business_id,
        "tags": tag or (),
        "idempotency_key": once,
    }
    with session.client() as client:
        try:
            (_await_result if is_awaited else _start)(session, client, creation)
        except NotFound as error:
            raise _unknown_process(client, process_id, error.details) from error


def _start(session: Session, client: "SyncClient", creation: dict[str, Any]) -> None:
    created = client.create_instance(**creation)
    session.say(f"Started {created.bpmn_process_id} (version {created.version})")
    row = {
        "processInstanceKey": str(created.key),
        "processDefinitionKey": str(created.process_definition_key),
        "processDefinitionId": created.bpmn_process_id,
        "processDefinitionVersion": created.version,
    }
    session.one(row, key="processInstanceKey", text=str(created.key))


def _await_result(session: Session, client: "SyncClient", creation: dict[str, Any]) -> None:
    wait = session.timeout or AWAIT
    wait_ms = int(wait.total_seconds() * 1000)
    result = client.create_instance_with_result(**creation, wait_ms=wait_ms)
    row = {
        "processInstanceKey": str(result.key),
        "processDefinitionKey": str(result.process_definition_key),
        "processDefinitionId": result.bpmn_process_id,
        "processDefinitionVersion": result.version,
        "variables": result.variables,
    }
    session.say(f"Completed {result.key}")
    session.one(row, key="processInstanceKey", text=msgspec.json.encode(result.variables).decode())


def _unknown_process(client: "SyncClient", process_id: str, why: str) -> Failure:
    """Return the refusal, with the nearest deployed process."""
    known = {definition.bpmn_process_id for definition in every(client.search_definitions, latest_only=True)}
    near = get_close_matches(process_id, sorted(known), n=1)
    mend = f"osmia start {near[0]}" if near else "osmia processes" if known else "osmia deploy FILE"
    return Failure(Exit.NOT_FOUND, f"There is no such process '{process_id}'.", why=why, mend=mend, code="NOT_FOUND")
