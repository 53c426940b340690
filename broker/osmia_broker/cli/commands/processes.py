"""`osmia processes`: list deployed processes; and find one for the other commands."""

from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from osmia_broker.base.whole_numbers import whole_number
from osmia_broker.cli.failures import Exit, Failure
from osmia_broker.cli.options import Limit, Process
from osmia_broker.cli.rows import PROCESS_COLUMNS, every, first, process_row
from osmia_broker.cli.session import Session, with_session

if TYPE_CHECKING:
    from osmia import SyncClient
    from osmia.results import ProcessDefinition

app = typer.Typer(add_completion=False)

KNOWN_MAX = 1_000  # processes among which the nearest is looked for


@app.command()
@with_session
def processes(
    session: Session,
    process: Process = "",
    is_every_version: Annotated[bool, typer.Option("--all", help="Every version, not only the latest.")] = False,
    limit: Limit = 50,
) -> None:
    """List deployed processes, and deleted ones of which instances still run (DRAINING).

    Example: osmia processes --all
    """
    with session.client() as client:
        found = every(
            client.search_definitions, bpmn_process_id=process, latest_only=not is_every_version, with_draining=True
        )
        rows = [process_row(one) for one in first(session, found, limit)]
        missing = "" if rows else missing_process(client, process)
    session.list(rows, PROCESS_COLUMNS, empty=missing or "Nothing deployed yet: osmia deploy FILE")


def missing_process(client: "SyncClient", process: str) -> str:
    """Return why a list with the filter *process* is empty: no such process is deployed. Empty if it is, or if it is not given."""
    if not process or client.search_definitions(bpmn_process_id=process, limit=1).items:
        return ""
    known = {one.bpmn_process_id for one in islice(every(client.search_definitions, latest_only=True), KNOWN_MAX)}
    near = get_close_matches(process, sorted(known), n=1)
    return f"There is no process '{process}'. " + (f"Did you mean '{near[0]}'?" if near else "See: osmia processes")


def find_process(client: "SyncClient", key_or_id: str, command: str = "osmia process show {}") -> "ProcessDefinition":
    """Return the definition with this key, or the latest version of the process with this id. A deleted one is found while it drains.

    *command* has a place for the nearest process id.

    Raises:
        Failure: NOT_FOUND, with the nearest process id.
    """
    key = whole_number(key_or_id)
    if key is not None:
        found = client.search_definitions(key=key, with_draining=True).items
    else:
        found = client.search_definitions(bpmn_process_id=key_or_id, latest_only=True, with_draining=True).items
        found.sort(key=lambda one: (one.deleted_ms == 0, one.version), reverse=True)
    if found:
        return found[0]
    failure = unknown_process(client, key_or_id, command)
    if key is not None:
        failure.what = f"There is no version of a process with key {key}."
        failure.mend = "osmia processes --all   (it lists the keys of all versions)"
    raise failure


def unknown_process(client: "SyncClient", process_id: str, command: str, *, why: str = "") -> Failure:
    """Return the failure for a process that is not deployed. *command* has a place for the nearest one that is."""
    known = {one.bpmn_process_id for one in islice(every(client.search_definitions, latest_only=True), KNOWN_MAX)}
    near = get_close_matches(process_id, sorted(known), n=1)
    mend = command.format(near[0]) if near else "osmia processes" if known else "osmia deploy FILE"
    return Failure(Exit.NOT_FOUND, f"There is no such process '{process_id}'.", why=why, mend=mend, code="NOT_FOUND")
