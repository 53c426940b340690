"""`osmia instance`: show, change, move, suspend and cancel one process instance."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from osmia_broker.base.counted import counted
from osmia_broker.base.model_names import holds_expression
from osmia_broker.base.whole_numbers import whole_number
from osmia_broker.cli import variables as typed
from osmia_broker.cli.failures import telling_end, usage
from osmia_broker.cli.follow import follow
from osmia_broker.cli.known_processes import find_process
from osmia_broker.cli.options import Key, Keys, Var, Vars
from osmia_broker.cli.output import Output, moment
from osmia_broker.cli.rows import VARIABLE_COLUMNS, every, instance_row, state_of_instance, variable_row
from osmia_broker.cli.session import EVERYWHERE, TIMEOUT, Session, with_session, with_session_and_timeout
from osmia_broker.cli.several import Deed, do_each
from osmia_broker.cli.waits import waits_of

if TYPE_CHECKING:
    from osmia import SyncClient
    from osmia.history import TakenFlow
    from osmia.results import ProcessInstance

app = typer.Typer(
    add_completion=False,
    help="One process instance: show, diagram, variables, modify, migrate, activate, business-id, suspend, resume, cancel, delete.",
    no_args_is_help=True,
)

LIST = "osmia instances"
ENDED = "osmia instances --state completed"
AD_HOC, INNER = "AD_HOC_SUB_PROCESS", "AD_HOC_SUB_PROCESS_INNER_INSTANCE"
#: Elements that share their name with one beside them: what tells them apart.
INSIDE = {INNER: " (one path)", "MULTI_INSTANCE_BODY": " (all instances)"}


@app.command()
@with_session_and_timeout("How long to wait for an answer, 10s unless given; with --follow, for its end.")
def show(
    session: Session,
    key: Key,
    is_followed: Annotated[
        bool, typer.Option("--follow", "-f", help="Say each change until it ends, at most for --timeout.")
    ] = False,
) -> None:
    """Show the state of a process instance, its path so far, the elements that hold its tokens, and what they wait for.

    Example: osmia instance show 2251799813685251
    """
    if is_followed:
        with session.client(found_by=LIST, call_timeout=TIMEOUT) as client:
            follow(client, key, session.say, wait=session.timeout)
    with session.client(found_by=LIST) as client:
        instance = client.get_instance(key)
        is_text = session.output in (Output.TABLE, Output.WIDE)
        waits, names = waits_of(client, key) if is_text else ({}, {})
        path = _path(client.taken_flows(key)) if is_text else ""
    row = instance_row(instance)
    lines = [f"{key}  {instance.bpmn_process_id} (version {instance.version})  {state_of_instance(row)}"]
    marks = {**_marks(instance), "path": path}
    lines += [f"  {name}: {value}" for name, value in marks.items() if value]
    for element in instance.elements:
        if element.type == INNER and not element.incident_key:
            continue  # it has the name of its ad-hoc subprocess, and what is active in it has a line of its own
        incident = f"  incident {element.incident_key}" if element.incident_key else ""
        called = f"  called {element.called_process_instance_key}" if element.called_process_instance_key else ""
        name = names.get(element.key) or element.element_name or element.element_id
        is_open = element.type == AD_HOC and element.state == "ACTIVATED"
        activated = f"  (osmia instance activate {element.key} ELEMENT)" if is_open else ""
        lines.append(f"  {name}{INSIDE.get(element.type, '')}: {element.state}{incident}{called}{activated}")
        lines += [f"    waits for {wait}" for wait in waits.get(element.key, ())]
    session.one(row, key="processInstanceKey", text="\n".join(lines))
    stops = [str(element.incident_key) for element in instance.elements if element.incident_key]
    if stops:
        session.say(f"Stopped by {counted(len(stops), 'incident')}: osmia incident show {stops[0]}")


def _marks(instance: "ProcessInstance") -> dict[str, str]:
    return {
        "called by": str(instance.parent_key or ""),
        "business id": instance.business_id,
        "tags": ", ".join(instance.tags),
        "suspended since": moment(instance.suspended_ms) or "",
    }


def _path(flows: "list[TakenFlow]") -> str:
    """Return the elements along *flows* with arrows between them. A comma comes before a flow that does not go on from the last one."""
    path, at = "", ""
    for flow in flows:
        source, target = flow.source_element_id or flow.id, flow.target_element_id
        if source != at or not path:
            path += f"{', ' if path else ''}{_shown(flow.source_element_name, source)}"
        path += f" → {_shown(flow.target_element_name, target)}" if target else ""
        at = target
    return path


def _shown(name: str, id: str) -> str:
    """Return the name of an element in the model; its id without one, and where the name is an expression, which each visit evaluates."""
    return id if not name or holds_expression(name) else name


class DiagramForm(StrEnum):
    """The forms of a diagram: an image, and those of every command."""

    SVG = "svg"
    TABLE = Output.TABLE
    WIDE = Output.WIDE
    JSON = Output.JSON
    YAML = Output.YAML
    CSV = Output.CSV
    KEY = Output.KEY


@app.command()
@with_session
def diagram(
    session: Session,
    key: Key,
    output: Annotated[
        DiagramForm | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FORM",
            case_sensitive=False,
            help=f"svg, an image; or the form of the data: {', '.join(Output)}.",
            rich_help_panel=EVERYWHERE,
        ),
    ] = None,
) -> None:
    """Draw the process of an instance with its tokens: ● for a token, ! for one that an incident stops. `-o svg` makes an image.

    Example: osmia instance diagram 2251799813685251 -o svg > dinner.svg
    """
    with session.client(found_by=LIST) as client:
        instance = client.get_instance(key)
        xml = client.process_xml(instance.process_definition_key)
        taken = client.taken_flows(key) if output is DiagramForm.SVG else []
    if output is DiagramForm.SVG:
        sys.stdout.write(_svg(instance, xml, taken))
        return
    if output is not None:
        session = replace(session, output=Output(output))
    _draw(session, instance, xml)


def _svg(instance: "ProcessInstance", xml: bytes, taken: "list[TakenFlow]") -> str:
    from osmia_broker.model.svg import Tokens, draw_svg

    tokens: dict[str, Tokens] = {}
    for element in instance.elements:
        before = tokens.get(element.element_id, Tokens())
        is_stopped = bool(element.incident_key)
        tokens[element.element_id] = Tokens(before.active + (not is_stopped), before.incident + is_stopped)
    return draw_svg(xml, instance.bpmn_process_id, tokens=tokens, taken=[one.id for one in taken])


def _draw(session: Session, instance: "ProcessInstance", xml: bytes) -> None:
    from osmia_broker.cli.drawing import draw

    tokens: dict[str, str] = {}
    for element in instance.elements:
        tokens[element.element_id] = tokens.get(element.element_id, "") + ("!" if element.incident_key else "●")
    text = draw(xml, instance.bpmn_process_id, tokens)
    session.one(instance_row(instance), key="processInstanceKey", text=text)


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
    with session.client(found_by=LIST) as client:
        if given:
            with _running(client, key):
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
def modify(
    session: Session,
    key: Key,
    activate: Annotated[list[str] | None, typer.Option(metavar="ELEMENT", help="Activate this element.")] = None,
    terminate: Annotated[
        list[str] | None,
        typer.Option(metavar="ELEMENT|KEY", help="Terminate all instances of this element, or this element instance."),
    ] = None,
    move: Annotated[
        list[str] | None, typer.Option(metavar="FROM=TO", help="Move the tokens of one element to another.")
    ] = None,
    var: Var = None,
    vars: Vars = None,
) -> None:
    """Activate, terminate and move elements of a running instance: all of it, or nothing. The variables go to the instance.

    Example: osmia instance modify 2251799813685251 --move decide=eat --var dinner=pizza
    """
    from osmia import Activate, Move

    given = typed.read(var, vars)
    moves = [_pair(one, "--move FROM=TO", "--move decide=eat") for one in move or ()]
    if not (activate or terminate or moves):
        raise usage("Expected --activate, --terminate or --move, but found none.", "--move decide=eat")
    if given and not (activate or moves):
        raise usage("Variables need an element to activate.", f"osmia instance variables {key} --var NAME=VALUE")
    terminated = [_element(one) for one in terminate or ()]
    with session.client(found_by=LIST) as client:
        first = [{"": given} if given else {}]  # the variables go along with the first instruction
        with _running(client, key):
            client.modify_instance(
                key,
                activate=[Activate(id, first.pop() if first else {}) for id in activate or ()],
                move=[Move(_element(source), target, first.pop() if first else {}) for source, target in moves],
                terminate=[one for one in terminated if isinstance(one, int)],
                terminate_elements=[one for one in terminated if isinstance(one, str)],
            )
    session.one({"processInstanceKey": str(key)}, key="processInstanceKey", text=f"Modified {key}")


@app.command()
@with_session
def migrate(
    session: Session,
    key: Key,
    to: Annotated[str, typer.Option(metavar="KEY|ID", help="A process version by its key, or the latest of an id.")],
    maps: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FROM=TO", help="The element to go on at, for each with another id there."),
    ] = None,
) -> None:
    """Let a running instance go on in another process or version. Active elements go on where the same id is.

    Example: osmia instance migrate 2251799813685251 --to dinner --map decide=choose
    """
    given = dict(_pair(one, "--map FROM=TO", "--map decide=choose") for one in maps or ())
    with session.client(found_by=LIST) as client:
        target = find_process(client, to, f"osmia instance migrate {key} --to {{}}")
        active = {element.element_id for element in client.get_instance(key).elements}
        mapping = {element: element for element in sorted(active)} | given
        with _running(client, key):
            client.migrate_instance(key, target_definition_key=target.key, mapping=mapping)
    row = {"processInstanceKey": str(key), "processDefinitionKey": str(target.key)}
    text = f"Migrated {key} to {target.bpmn_process_id} (version {target.version})"
    session.one(row, key="processInstanceKey", text=text)


@app.command()
@with_session
def activate(
    session: Session,
    key: Key,
    elements: Annotated[list[str], typer.Argument(metavar="ELEMENT...", help="The ids of the elements to activate.")],
    var: Var = None,
    vars: Vars = None,
    cancels_remaining: Annotated[
        bool, typer.Option("--cancel-remaining", help="Terminate what is active in it now.")
    ] = False,
) -> None:
    """Activate elements of a running ad-hoc subprocess, by its element instance key; `osmia instance show` has it.

    Example: osmia instance activate 2251799813685263 call write --var to=ada
    """
    variables = typed.read(var, vars)
    with session.client(found_by=LIST) as client:
        client.activate_ad_hoc_elements(key, [(id, variables) for id in elements], cancel_remaining=cancels_remaining)
    row = {"elementInstanceKey": str(key), "elementIds": elements}
    session.one(row, key="elementInstanceKey", text=f"Activated {', '.join(elements)} in {key}")


@app.command("business-id")
@with_session
def business_id(
    session: Session, key: Key, id: Annotated[str, typer.Argument(metavar="ID", help="1 to 256 characters.")]
) -> None:
    """Give a running instance a business id, if it has none.

    Example: osmia instance business-id 2251799813685251 order-7
    """
    with session.client(found_by=LIST) as client, _running(client, key):
        client.assign_business_id(key, id)
    row = {"processInstanceKey": str(key), "businessId": id}
    session.one(row, key="processInstanceKey", text=f"{key} has the business id {id}")


@app.command()
@with_session
def suspend(session: Session, keys: Keys) -> None:
    """Hold process instances until they are resumed: no job is handed out, timers and tasks wait.

    Example: osmia instance suspend 2251799813685251
    """
    with session.client(found_by=LIST) as client:
        _do_each(session, client, keys, client.suspend_instance, "suspended")


@app.command()
@with_session
def resume(session: Session, keys: Keys) -> None:
    """Let suspended process instances go on. What was due meanwhile is due later.

    Example: osmia instance resume 2251799813685251
    """
    with session.client(found_by=LIST) as client:
        _do_each(session, client, keys, client.resume_instance, "resumed")


@app.command()
@with_session
def cancel(session: Session, keys: Keys) -> None:
    """Cancel process instances and all their work.

    Example: osmia instance cancel 2251799813685251 --yes
    """
    what = f"process instance {keys[0]} and everything in it"
    session.confirm(f"Cancel {what if len(keys) == 1 else f'{len(keys)} process instances and everything in them'}?")
    with session.client(found_by=LIST) as client:
        _do_each(session, client, keys, client.cancel_instance, "canceled")


@app.command()
@with_session
def delete(session: Session, keys: Keys) -> None:
    """Delete process instances that have ended, with their history, for ever.

    Example: osmia instance delete 2251799813685251 --yes
    """
    what = f"process instance {keys[0]} with its history"
    session.confirm(f"Delete {what if len(keys) == 1 else f'{len(keys)} process instances with their history'}?")
    deed = Deed("process instance", "deleted", "processInstanceKey", ENDED)
    with session.client(found_by=ENDED) as client:
        do_each(session, client.address, keys, client.delete_instance, deed)


def _do_each(session: Session, client: "SyncClient", keys: list[int], act: Callable[[int], None], done: str) -> None:
    """Do *act* with each of several running instances; in words, they are *done*."""
    deed = Deed("process instance", done, "processInstanceKey", LIST)
    do_each(session, client.address, keys, act, deed, within=partial(_running, client))


def _running(client: "SyncClient", key: int) -> AbstractContextManager[None]:
    """Return a context for what needs the instance with *key* to run. Raises as `telling_end`."""

    def end() -> str:
        instance = client.get_instance(key)
        return "" if instance.is_running else instance.state

    return telling_end(f"Instance {key}", f"osmia instance show {key}", end)


def _pair(text: str, form: str, example: str) -> tuple[str, str]:
    source, equals, target = text.partition("=")
    if not (source and equals and target):
        raise usage(f"Expected {form}, but found '{text}'.", example)
    return source, target


def _element(text: str) -> str | int:
    """Return an element instance key, or an element id. No id of XML begins with a digit."""
    key = whole_number(text)
    return text if key is None else key
