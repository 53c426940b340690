"""Warn of what a model says and nobody will hear: it can be deployed, and it does probably not do what its author meant.

Six kinds: an expression that calls a function which does not exist (it gives null, and no incident); an element of the `zeebe:` dialect
that is not known or stands in a place where none reads it, or an attribute of one with a misspelt name; what BPMN has and neither this
broker nor the reference carries out, such as `startQuantity="2"`; names of `activiti:` at an element of the `zeebe:` dialect; input
mappings of events without a trigger; and what a form property of the Activiti dialect says beyond its field. All of it is passed over.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from osmia_broker.base.counted import counted
from osmia_broker.base.edits import did_you_mean
from osmia_broker.model.dialects.zeebe_words import ATTRIBUTES, OUTER, WITHOUT_EFFECT
from osmia_broker.model.extension_files import ProcessExtensions
from osmia_broker.model.faults import Fault, meant, quote
from osmia_broker.model.foreign import foreign_names
from osmia_broker.model.form_properties import PROPERTY, without_effect
from osmia_broker.model.graph import CHOOSING, Element, ElementType, Process, SequenceFlow
from osmia_broker.model.xml import BPMN, ZEEBE, Node, line, local_name, namespace

NAMES_COMPARED_MAX = 100  # unknown ones of one file; a comparison with all that are known takes a millisecond
WARNINGS_MAX = 50  # of one file; each is a line that a person reads


def of_file(root: Node, processes: tuple[Process, ...]) -> list[Fault]:
    """Return the warnings about a file: its outermost element, and the processes that were read from it. In the order of its lines."""
    places = {id: node for node in root.iter(f"{{{BPMN}}}*") if (id := _id(node))}
    found = [*_misspelt(root), *_not_carried_out(root), *_of_the_other_dialect(root), *_form_properties(root)]
    for process in processes:
        found += [*_default_flows(process, places), *_inputs_of_none_events(process, places)]
        found += _unknown_calls(process, places)
    return sorted(found, key=lambda warning: warning.line)[:WARNINGS_MAX]


def _id(node: Node) -> str:
    """Return the id as the processes have it: without the white space around it, which the schema takes away."""
    return node.get("id", "").strip()


def _misspelt(root: Node) -> Iterator[Fault]:
    suggestions: dict[tuple[str, str], str] = {}

    def suggestion(owner: str, name: str, prefix: str, known: Iterable[str]) -> str:
        """Return the name that was meant; empty for one of a newer version of the dialect."""
        if (owner, name) not in suggestions and len(suggestions) < NAMES_COMPARED_MAX:
            suggestions[owner, name] = meant(prefix, name, known)
        return suggestions.get((owner, name), "")

    for node in root.iter(f"{{{ZEEBE}}}*"):
        name = local_name(node)
        if name not in ATTRIBUTES:
            near = suggestion("", name, "zeebe:", ATTRIBUTES)
            yield _without_effect(node, f"The element 'zeebe:{quote(name)}' is not known, and", near)
            continue
        if name in WITHOUT_EFFECT:
            yield _without_effect(node, f"The element 'zeebe:{name}' is not carried out here; it")
        elif name not in OUTER and _is_outside(node):
            yield _without_effect(
                node, f"The element 'zeebe:{name}' stands outside of the element that it belongs to, and"
            )
        for attribute in map(str, node.keys()):
            if attribute in ATTRIBUTES[name] or attribute.startswith("{"):  # of another namespace
                continue
            if near := suggestion(name, attribute, "", ATTRIBUTES[name]):
                yield _without_effect(
                    node, f"The attribute '{quote(attribute)}' of 'zeebe:{name}' is not known, and", near
                )


def _is_outside(node: Node) -> bool:
    parent = node.getparent()
    return parent is None or namespace(parent) != ZEEBE


_INPUT = f"{{{BPMN}}}extensionElements/{{{ZEEBE}}}ioMapping/{{{ZEEBE}}}input"
_THROWN_OR_START = (ElementType.START_EVENT, ElementType.INTERMEDIATE_THROW_EVENT, ElementType.END_EVENT)

#: The attributes that are carried out with these values only: with them, they change nothing.
_ORDINARY_VALUES = {
    "completionQuantity": ("1", "0"),  # some tools write 0 where nobody has set it
    "startQuantity": ("1", "0"),
    "instantiate": ("false", "0"),
    "eventGatewayType": ("Exclusive",),
    "ordering": ("Parallel",),
    "method": ("##Compensate", "##Image", "##Store"),
}


def _not_carried_out(root: Node) -> Iterator[Fault]:
    for node in root.iter(f"{{{BPMN}}}*"):
        for attribute, ordinary in _ORDINARY_VALUES.items():
            value = node.get(attribute, "").strip()
            if value and value not in ordinary:
                yield _without_effect(node, f"'{attribute}=\"{quote(value)}\"' is not carried out; it")


def _of_the_other_dialect(root: Node) -> Iterator[Fault]:
    for node, found in foreign_names(root):
        local = quote(found.rpartition("}")[2])
        yield _without_effect(node, f"'activiti:{local}' stands at an element of the 'zeebe:' dialect, and")


def _form_properties(root: Node) -> Iterator[Fault]:
    for node in root.iter(PROPERTY):
        for what, near in without_effect(node):
            yield _without_effect(node, what, near)


def _without_effect(node: Node, what: str, near: str = "") -> Fault:
    at: Node | None = node
    while at is not None and not (namespace(at) == BPMN and _id(at)):
        at = at.getparent()
    id = "" if at is None else _id(at)
    label = "" if at is None else at.get("name", "")
    return Fault(id, quote(id), f"{what} has no effect{near}", line(node), label)


def _default_flows(process: Process, places: Mapping[Any, Node]) -> Iterator[Fault]:
    """Warn of the default flows of activities, which the Activiti dialect alone has: every flow out of such an activity is taken."""
    for element in process.elements.values():
        is_read = element.type in CHOOSING or element.has_conditions
        if element.default_flow is not None and len(element.outgoing) > 1 and not is_read:
            yield _without_effect(
                places[element.id],
                "A default flow is read at exclusive and inclusive gateways only: all flows are taken, and it",
            )


def _inputs_of_none_events(process: Process, places: Mapping[Any, Node]) -> Iterator[Fault]:
    for element in process.elements.values():
        if element.event is None and element.type in _THROWN_OR_START:
            for node in places[element.id].iterfind(_INPUT):
                yield _without_effect(node, "An input mapping of an event without a trigger is not applied; it")


def _unknown_calls(process: Process, places: Mapping[Any, Node]) -> Iterator[Fault]:
    for element in process.elements.values():
        yield from _calls_in(element, element.id, places)
        for flow in element.outgoing:
            yield from _calls_in(flow.condition, flow.id, places)


def _calls_in(value: object, id: str, places: Mapping[Any, Node]) -> Iterator[Fault]:
    for name, count in dict.fromkeys(_calls(value, is_outermost=True)):
        node = places.get(id)
        at, label = (0, "") if node is None else (line(node), node.get("name") or "")
        yield Fault(id, quote(id), _about(name, count), at, label)


def _about(name: str, count: int) -> str:
    from osmia_broker.feel import PROCESS_FUNCTIONS

    if name in PROCESS_FUNCTIONS:
        return f"No FEEL function '{quote(name)}' takes {counted(count, 'argument')}; this call gives null"
    return f"There is no FEEL function '{quote(name)}'; this call gives null{did_you_mean(name, PROCESS_FUNCTIONS)}"


def _calls(value: object, *, is_outermost: bool = False) -> Iterator[tuple[str, int]]:
    """Yield the unknown calls of every expression in *value*: a definition, a mapping, a list of them. Other elements are left out."""
    if isinstance(value, Element | SequenceFlow) and not is_outermost:
        return
    calls = getattr(value, "unknown_calls", None)
    if calls is not None:
        yield from calls
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _calls(one)
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _calls(one)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from _calls(getattr(value, field.name))


def of_extensions(process: Process, extensions: ProcessExtensions) -> Iterator[Fault]:
    """Yield the warnings about what an extension file says of *process*: mappings and constants of an element that it does not have."""
    for id in islice((id for id in extensions.mappings if id not in process.elements), WARNINGS_MAX):
        part = "mappings" if extensions.mappings[id].is_written else "constants"
        near = meant("", id, process.elements)
        reason = f"The process has no element '{quote(id)}', so this has no effect{near}"
        yield Fault("", f"extensions.{quote(process.id)}.{part}.{quote(id)}", reason)


def text(resource_name: str, warning: Fault) -> str:
    """Return a warning as one line: file, line, element, reason."""
    place = f"{resource_name}:{warning.line}" if warning.line else resource_name
    name = f' "{quote(warning.name)}"' if warning.name else ""
    return f"{place} {warning.path}{name}: {warning.reason}" if warning.path else f"{place}: {warning.reason}"
