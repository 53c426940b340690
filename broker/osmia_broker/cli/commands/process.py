"""`osmia process`: show or delete one deployed process."""

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from osmia_broker.cli import offers
from osmia_broker.cli.commands.resource import HISTORY
from osmia_broker.cli.failures import Exit, Failure
from osmia_broker.cli.known_processes import find_process
from osmia_broker.cli.options import WithHistory
from osmia_broker.cli.output import moment
from osmia_broker.cli.rows import every, process_row
from osmia_broker.cli.session import Session, with_session

if TYPE_CHECKING:
    from osmia.results import ProcessDefinition

app = typer.Typer(add_completion=False, help="One process: show, xml, delete.", no_args_is_help=True)

Which = Annotated[
    str,
    typer.Argument(
        metavar="KEY|ID",
        help="The key of a version, or a process id for its latest.",
        autocompletion=offers.process_ids,
    ),
]


@app.command()
@with_session
def show(session: Session, process: Which) -> None:
    """Show a version of a process, and what its start events wait for.

    Example: osmia process show dinner
    """
    from osmia.results import SubscriptionState, TimerState

    with session.client() as client:
        found = find_process(client, process)
        of_process = {"bpmn_process_id": found.bpmn_process_id, "of_start_event": True}
        timers = list(every(client.search_timers, states=[TimerState.WAITING], **of_process))
        waits = list(every(client.search_subscriptions, states=[SubscriptionState.OPEN], **of_process))
    lines = [f"{found.key}  {found.bpmn_process_id} (version {found.version})  {found.name}".rstrip()]
    lines.append(f"  deployed {moment(found.deployed_ms)} from {found.resource_name}")
    if found.deleted_ms:
        lines.append(
            f"  deleted  {moment(found.deleted_ms)}; its running instances go on: osmia instances -p {shlex.quote(found.bpmn_process_id)}"
        )
    own_timers = [one for one in timers if one.process_definition_key == found.key]
    own_waits = [one for one in waits if one.process_definition_key == found.key]
    lines += [f"  {one.element_id} starts it at {moment(one.due_ms)}" for one in own_timers]
    lines += [f"  {one.element_id} starts it by {one.kind.lower()} {one.name}".rstrip() for one in own_waits]
    session.one(process_row(found), key="processDefinitionKey", text="\n".join(lines))


@app.command()
@with_session
def xml(session: Session, process: Which) -> None:
    """Print the BPMN file of a version of a process. One without positions gets a layout.

    Example: osmia process xml dinner > dinner.bpmn
    """
    with session.client() as client:
        typer.echo(client.process_xml(find_process(client, process).key).decode())


@app.command()
@with_session
def delete(session: Session, process: Which, with_history: WithHistory = False) -> None:
    """Delete a version of a process. Running instances go on to their end.

    Example: osmia process delete 2251799813685249 --yes
    """
    with session.client() as client:
        found = find_process(client, process)
        if found.deleted_ms:
            was = f"Version {found.version} of process {found.bpmn_process_id} is deleted since {moment(found.deleted_ms)}."
            mend = f"osmia instances -p {shlex.quote(found.bpmn_process_id)}"
            raise Failure(Exit.CONFLICT, was, mend=mend, code="FAILED_PRECONDITION")
        session.confirm(
            f"Delete {_named(found)}{HISTORY * with_history}? It starts no more instances; running ones go on."
        )
        client.delete_resource(found.key, delete_history=with_history)
    session.one({"processDefinitionKey": str(found.key)}, key="processDefinitionKey", text=f"Deleted {_named(found)}")


def _named(found: "ProcessDefinition") -> str:
    return f"process {found.bpmn_process_id} (version {found.version})"
