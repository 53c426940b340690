"""`osmia start`: start a process instance, and with `--await` wait for its result."""

from datetime import timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from osmia_broker.cli import variables as typed
from osmia_broker.cli.failures import Exit, Failure, usage
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
    is_awaited: Annotated[bool, typer.Option("--await", help="Wait, up to --timeout, and print the result.")] = False,
) -> None:
    """Start a process instance and print its key.

    Example: osmia start dinner --var guests=4
    """
    from osmia.errors import NotFound

    variables = typed.read(var, vars)
    if is_awaited and at:
        raise usage("--await and --at do not go together.", f"osmia start {process_id} --at {at[0]}")
    with session.client() as client:
        try:
            if is_awaited:
                _await_result(session, client, process_id, variables, version=version)
            else:
                _start(session, client, process_id, variables, version=version, at=at or [])
        except NotFound as error:
            raise _unknown_process(client, process_id, error.details) from error


def _start(
    session: Session, client: "SyncClient", process_id: str, variables: typed.Variables, *, version: int, at: list[str]
) -> None:
    created = client.create_instance(process_id, variables, version=version, start_at=at)
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
    wait = session.timeout or AWAIT
    wait_ms = int(wait.total_seconds() * 1000)
    result = client.create_instance_with_result(process_id, variables, version=version, wait_ms=wait_ms)
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
