"""Change a running process instance: `osmia instance modify`, `migrate` and `business-id`.

The commands belong to the group of `osmia instance`, which registers them.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from osmia_broker.cli import variables as typed
from osmia_broker.cli.failures import Exit, Failure, usage
from osmia_broker.cli.options import Key, Var, Vars
from osmia_broker.cli.session import Session, with_session

if TYPE_CHECKING:
    from osmia import SyncClient


@with_session
def modify(
    session: Session,
    key: Key,
    activate: Annotated[
        list[str] | None, typer.Option("--activate", "-a", metavar="ELEMENT", help="Activate this element.")
    ] = None,
    terminate: Annotated[
        list[str] | None,
        typer.Option(
            "--terminate", "-t", metavar="ELEMENT|KEY", help="Terminate all instances of an element, or one by its key."
        ),
    ] = None,
    move: Annotated[
        list[str] | None,
        typer.Option("--move", "-m", metavar="FROM=TO", help="Move tokens from one element (or one by its key)."),
    ] = None,
    var: Var = None,
    vars: Vars = None,
) -> None:
    """Activate, terminate and move elements of a running process instance: all of it, or nothing.

    Example: osmia instance modify 2251799813685251 --move pack=ship --var checked=true
    """
    from osmia import Activate, Move

    variables = typed.read(var, vars)
    if not (activate or terminate or move):
        raise usage("Expected --activate, --terminate or --move, but found none.", "osmia instance modify --help")
    if variables and not (activate or move):
        raise usage("Variables are set together with an activated element.", f"osmia instance variables {key} --var …")
    scopes = {"": variables} if variables else {}
    moves = [Move(_element(source), target, scopes) for source, target in (_pair("--move", one) for one in move or ())]
    ends = [_element(one) for one in terminate or ()]
    if ends:
        session.confirm(f"Terminate {', '.join(map(str, ends))} in process instance {key}?")
    with session.client() as client:
        client.modify_instance(
            key,
            activate=[Activate(id, scopes) for id in activate or ()],
            terminate=[one for one in ends if isinstance(one, int)],
            terminate_elements=[one for one in ends if isinstance(one, str)],
            move=moves,
        )
    session.one({"processInstanceKey": str(key)}, key="processInstanceKey", text=f"Modified {key}")


@with_session
def migrate(
    session: Session,
    key: Key,
    to: Annotated[
        str,
        typer.Option("--to", metavar="KEY|ID", help="The key of a definition, or a process id: its latest version."),
    ],
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FROM=TO", help="The element in which tokens go on; unnamed ones keep their id."),
    ] = None,
) -> None:
    """Let a running process instance go on in another definition.

    Example: osmia instance migrate 2251799813685251 --to order --map pack=pack-and-label
    """
    named = dict(_pair("--map", one) for one in mapping or ())
    with session.client() as client:
        target = int(to) if to.isdecimal() else _latest(client, to)
        kept = {element.element_id: element.element_id for element in client.get_instance(key).elements}
        client.migrate_instance(key, target_definition_key=target, mapping=kept | named)
    row = {"processInstanceKey": str(key), "processDefinitionKey": str(target)}
    session.one(row, key="processInstanceKey", text=f"Migrated {key} to {target}")


@with_session
def name(
    session: Session,
    key: Key,
    business_id: Annotated[str, typer.Argument(metavar="ID", help="1 to 256 characters.")],
) -> None:
    """Give a running process instance that has none a business id.

    Example: osmia instance business-id 2251799813685251 order-7
    """
    with session.client() as client:
        client.assign_business_id(key, business_id)
    row = {"processInstanceKey": str(key), "businessId": business_id}
    session.one(row, key="processInstanceKey", text=f"{key} has business id {business_id}")


def _pair(option: str, text: str) -> tuple[str, str]:
    source, equals, target = text.partition("=")
    if not (source and equals and target):
        raise usage(f"Expected {option} FROM=TO, but found '{text}'.", f"{option} pack=ship")
    return source, target


def _element(text: str) -> str | int:
    """Return the key of an element instance or the id of an element; no id begins with a digit."""
    return int(text) if text.isdecimal() else text


def _latest(client: "SyncClient", process_id: str) -> int:
    found = client.search_definitions(bpmn_process_id=process_id, latest_only=True).items
    if not found:
        raise Failure(
            Exit.NOT_FOUND, f"There is no such process '{process_id}'.", mend="osmia processes", code="NOT_FOUND"
        )
    return found[0].key
