"""`osmia start`: start a process instance, and with `--await` wait for its result."""

import re
import shlex
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from osmia_broker.base.whole_numbers import INT32_MAX
from osmia_broker.cli import offers
from osmia_broker.cli import variables as typed
from osmia_broker.cli.failures import Exit, Failure, from_call
from osmia_broker.cli.follow import await_end
from osmia_broker.cli.known_processes import unknown_process
from osmia_broker.cli.options import User, Var, Vars
from osmia_broker.cli.output import Row
from osmia_broker.cli.rows import every
from osmia_broker.cli.session import TIMEOUT, Session, with_session_and_timeout

if TYPE_CHECKING:
    from osmia import SyncClient

app = typer.Typer(add_completion=False)

LATEST = -1
AWAIT = timedelta(seconds=60)
WITHOUT = re.compile(r"without required variables - (.+)$")  # in the refusal of a process of Activiti
UNFIT = re.compile(r"fail type validation - (.+?)\. Expected ")  # likewise


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
    with session.client(user=user, call_timeout=TIMEOUT if is_awaited else None) as client:
        try:
            created = client.create_instance(
                process_id,
                variables,
                version=version,
                start_at=at or (),
                business_id=business_id or None,
                tags=tags or (),
                idempotency_key=idempotency_key,
            )
        except NotFound as error:
            raise _not_found(client, process_id, version, error.sentence) from error
        except InvalidArgument as error:
            failure = from_call(error, client.address)
            if missing := WITHOUT.search(error.details):
                given = " ".join(f"--var {shlex.quote(name)}=VALUE" for name in missing[1].split(", "))
                failure.mend = given
            elif unfit := UNFIT.search(error.details):
                failure.mend = " ".join(f"--var {shlex.quote(name)}=VALUE" for name in unfit[1].split(", "))
            elif "variable" in error.details.lower():
                failure.mend = f"osmia start {shlex.quote(process_id)} --var NAME:=JSON   (NAME==TEXT is text)"
            raise failure from error
        row: dict[str, Any] = {
            "processInstanceKey": str(created.key),
            "processDefinitionKey": str(created.process_definition_key),
            "processDefinitionId": created.bpmn_process_id,
            "processDefinitionVersion": created.version,
        }
        session.say(f"Started {created.bpmn_process_id} (version {created.version})")
        if is_awaited:
            row["variables"] = _result(session, client, created.key, row)
    text = msgspec.json.encode(row["variables"]).decode() if is_awaited else str(created.key)
    session.one(row, key="processInstanceKey", text=text)


def _result(session: Session, client: "SyncClient", key: int, row: Row) -> typed.Variables:
    """Wait for the end of the instance with this *key*, and return the variables that it ended with.

    If there is no result, its key is printed: the instance has been started, and nobody needs to start it again.

    Raises:
        Failure: it does not end in time, an incident stops it, or it was canceled.
    """
    from osmia.results import InstanceState

    try:
        ended = await_end(client, key, session.say, wait=session.timeout or AWAIT)
    except BaseException:  # also Ctrl-C
        session.one(row, key="processInstanceKey", text=str(key))
        raise
    if ended.state is not InstanceState.COMPLETED:
        session.one(row, key="processInstanceKey", text=str(key))
        what = f"Instance {key} was canceled."
        raise Failure(Exit.REFUSED, what, mend=f"osmia instance show {key}", code="CANCELED")
    session.say(f"Completed {key}")
    return {one.name: one.value for one in every(client.search_variables, process_instance_key=key, scope_key=key)}


def _not_found(client: "SyncClient", process_id: str, version: int, why: str) -> Failure:
    """Return the failure for a process or a version that is not there, with the nearest that is."""
    versions = [one.version for one in every(client.search_definitions, bpmn_process_id=process_id)]
    if not versions:
        return unknown_process(client, process_id, "osmia start {}", why=why)
    what = f"Process '{process_id}' has no version {version}; the latest is {max(versions)}."
    return Failure(Exit.NOT_FOUND, what, mend=f"osmia start {shlex.quote(process_id)}", code="NOT_FOUND")
