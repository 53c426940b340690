"""`osmia instance`: show one process instance, change its variables, cancel it."""

from typing import Annotated

import msgspec
import typer

from osmia_broker.cli import variables as typed
from osmia_broker.cli.options import Key, Var, Vars
from osmia_broker.cli.output import Output
from osmia_broker.cli.rows import VARIABLE_COLUMNS, every, instance_row, variable_row
from osmia_broker.cli.session import Session, with_session

app = typer.Typer(add_completion=False, help="One process instance: show, variables, cancel.", no_args_is_help=True)


@app.command()
@with_session
def show(session: Session, key: Key) -> None:
    """Show the state of a process instance and the elements that hold its tokens.

    Example: osmia instance show 2251799813685251
    """
    with session.client() as client:
        instance = client.get_instance(key)
    lines = [f"{instance.key}  {instance.bpmn_process_id} (version {instance.version})  {instance.state}"]
    for element in instance.elements:
        incident = f"  incident {element.incident_key}" if element.incident_key else ""
        lines.append(f"  {element.element_name or element.element_id}: {element.state}{incident}")
    session.one(instance_row(instance), key="processInstanceKey", text="\n".join(lines))


@app.command()
@with_session
def variables(
    session: Session,
    key: Key,
    var: Var = None,
    vars: Vars = None,
    is_local: Annotated[bool, typer.Option("--local", help="Set them in this scope, not in a parent.")] = False,
) -> None:
    """List the variables of a process instance; with --var or --vars, set them (KEY may be an element instance then).

    Example: osmia instance variables 2251799813685251 --var guests=5
    """
    given = typed.read(var, vars)
    with session.client() as client:
        if given:
            client.set_variables(key, given, local=is_local)
            session.say(f"Set {', '.join(given)}")
            return
        client.get_instance(key)  # an unknown key is an error, not an empty list
        rows = [variable_row(one) for one in every(client.search_variables, process_instance_key=key)]
    if session.output in (Output.TABLE, Output.WIDE, Output.CSV):
        rows = [{**row, "value": msgspec.json.encode(row["value"]).decode()} for row in rows]
    session.list(rows, VARIABLE_COLUMNS, empty="No variables.")


@app.command()
@with_session
def cancel(session: Session, key: Key) -> None:
    """Cancel a process instance and all its work.

    Example: osmia instance cancel 2251799813685251 --yes
    """
    session.confirm(f"Cancel process instance {key} and everything in it?")
    with session.client() as client:
        client.cancel_instance(key)
    session.one({"processInstanceKey": str(key)}, key="processInstanceKey", text=f"Canceled {key}")
