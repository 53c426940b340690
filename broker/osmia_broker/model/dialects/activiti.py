"""The `activiti:` dialect: attributes of Activiti and Alfresco.

A text with `${…}` or `#{…}` in it is JUEL; any other is a constant. The job type of a service task is its `implementation`, where
Alfresco names a connector; the engine's built-in tasks and Java classes (`activiti:type`, `activiti:class` …) are refused.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from itertools import chain
from typing import Any

from osmia_broker.base.business_ids import BUSINESS_ID_CHARACTERS
from osmia_broker.base.whole_numbers import whole_number
from osmia_broker.model import expressions
from osmia_broker.model.dates import full_date_time, read_period
from osmia_broker.model.events import Reach
from osmia_broker.model.expressions import Converted, Expression, OrNull, Static
from osmia_broker.model.faults import meant, quote
from osmia_broker.model.graph import (
    LOOP_INSTANCES_MAX,
    CallDefinition,
    JobDefinition,
    PublishDefinition,
    UserTaskDefinition,
    VariableMapping,
)
from osmia_broker.model.source import TRUE, Source
from osmia_broker.model.text import trimmed
from osmia_broker.model.xml import ACTIVITI, BPMN, Node, local_name, name, text

DEFAULT_RETRIES = 3

TASK = frozenset({"skipExpression"})
FLOW = TASK
#: These are about a script, which is refused: so that the refusal is about the script.
SCRIPT_TASK = TASK | {"autoStoreVariables", "resultVariable"}
USER_TASK = TASK | {
    "assignee",
    "candidateGroups",
    "candidateUsers",
    "category",
    "dueDate",
    "formKey",
    "priority",
    "owner",
}
START_EVENT = frozenset({"initiator", "formKey", "formFieldValidation"})
CALL_ACTIVITY = frozenset({"inheritVariables", "businessKey", "inheritBusinessKey"})
#: Who may start a process is decided by the broker's own rules.
PROCESS = frozenset({"candidateStarterUsers", "candidateStarterGroups", "versionTag"})
#: The extension elements of each kind of element. Form properties become a form for people; the broker itself does not read them.
EXTENSIONS = {
    "callActivity": frozenset({"in", "out"}),
    "userTask": frozenset({"formProperty"}),
    "startEvent": frozenset({"formProperty"}),
}
WORK = "give the task an 'implementation', and let a worker take jobs of that type"  #: how a task of this dialect is worked on here
#: The attributes and extension elements that run Java code inside Activiti's own process. Each with the way to do the same here.
JAVA = {
    "class": WORK,
    "delegateExpression": WORK,
    "expression": WORK,
    "executionListener": "put a service task before or behind the element",
    "taskListener": "put a service task before or behind the user task",
    "eventListener": "put a service task where the event is to be noticed",
}
_RESULT = "the variables with which the worker completes the job are its result"
_RULES = "use a service task, whose worker applies the rules"
#: What else of Activiti is not supported where it stands, with the way to do without it.
INSTEAD = {
    "type": WORK,
    "resultVariable": _RESULT,
    "resultVariableName": _RESULT,
    "field": "let the worker read a variable, which it gets with its job",
    "mapException": "let the worker throw a BPMN error, and catch it with a boundary event",
    "failedJobRetryTimeCycle": "let the worker say how many retries are left, and how long to wait for the next one",
    "rules": _RULES,
    "ruleVariablesInput": _RULES,
    "exclude": _RULES,
    "businessCalendarName": "give 'activiti:dueDate' a date or a period",
    "customResource": "name people by 'activiti:candidateUsers' and 'activiti:candidateGroups'",
    "calledElementType": "name the called process by its id",
    "formProperty": "only a start event and a user task have a form",
    "in": "only a call activity passes variables so",
    "out": "only a call activity passes variables so",
}
LEAVE_OUT = "leave it out: it has no effect here"
#: These divide the transactions of Activiti's own engine. Here every step is durable anyway.
HARMLESS = frozenset({"async", "asyncAfter", "asyncBefore", "exclusive"})

_PREFIX = f"{{{ACTIVITI}}}"
_OWNER = re.compile(r"(user|group)\s*\((.+)\)")
_INTEGER = re.compile(r"[+-]?[0-9]{1,10}")
_INTEGERS = range(-(2**31), 2**31)  # a Java int, as Activiti keeps a priority
_AN_INTEGER = f"a whole number from {_INTEGERS[0]} to {_INTEGERS[-1]}"


def check(source: Source, supported: frozenset[str] = frozenset()) -> None:
    """Refuse every `activiti:` extension element, and every attribute that is neither *supported* nor harmless."""
    for attribute in source.node.attrib:
        local = str(attribute).removeprefix(_PREFIX)
        if local != attribute and local not in supported and local not in HARMLESS:
            source.fault(_unsupported(local, str(source.node.get(attribute)), supported))
    for tag, nodes in source.extensions.items():
        local = local_name(nodes[0])
        if tag.startswith(_PREFIX) and local not in EXTENSIONS.get(local_name(source.node), ()):
            source.fault(_unsupported(local))


def _unsupported(local: str, value: str = "", supported: frozenset[str] = frozenset()) -> str:
    """Return the refusal of an attribute or an extension element, always with a way to do without it."""
    if local in JAVA:
        return f"'activiti:{local}' is currently not supported, because it runs Java code; {JAVA[local]}"
    named = f'activiti:{local}="{value}"' if local == "type" else f"activiti:{local}"
    way = meant("activiti:", local, supported) or f"; {INSTEAD.get(local, LEAVE_OUT)}"
    return f"'{quote(named)}' is currently not supported{way}"


def has(source: Source, attributes: frozenset[str]) -> bool:
    """Whether the element carries one of these attributes."""
    return any(name(ACTIVITI, attribute) in source.node.attrib for attribute in attributes)


def job(source: Source) -> JobDefinition | None:
    """Read the job of a task from `implementation`, which names a connector; None if it names none.

    The values of the schema itself (`##WebService`, `##unspecified`) are no names.
    """
    implementation = trimmed(source.node.get("implementation", ""))
    if not implementation or implementation.startswith("##"):
        return None
    return JobDefinition(Static(implementation), Static(DEFAULT_RETRIES), {})


def user_task(source: Source) -> UserTaskDefinition:
    """Read the `activiti:` attributes of a user task, and its `potentialOwner`, whose names are more candidates."""
    owners = _owners(source)
    return UserTaskDefinition(
        name=_computed(source, source.node.get("name", "")),
        documentation=_computed(source, source.documentation),
        assignee=_value(source, "assignee", convert=_as_text, otherwise=_performer(source)),
        candidate_groups=_list(source, "candidateGroups", owners["group"]),
        candidate_users=_list(source, "candidateUsers", owners["user"]),
        due_date=_value(source, "dueDate", _date),
        form_key=_value(source, "formKey"),
        priority=_value(source, "priority", _priority, _as_integer),
        category=_value(source, "category"),
        lenient=True,
    )


def _computed(source: Source, text: str) -> Expression | None:
    """Compile a text that people read, if it holds an expression."""
    return source.compiled(source.node, expressions.juel, text) if expressions.is_juel(text) else None


def skip(source: Source) -> Expression | None:
    """Read `activiti:skipExpression`; None without."""
    text = trimmed(source.node.get(name(ACTIVITI, "skipExpression"), ""))
    if not text:
        return None
    if not expressions.is_juel(text):
        source.fault(f"Expected an expression '${{…}}' in 'activiti:skipExpression', but found '{quote(text)}'")
        return None
    return source.compiled(source.node, expressions.juel, text)


def initiator_variable(source: Source) -> str:
    """Read `activiti:initiator` of a start event: the name of a variable; empty without."""
    return trimmed(source.node.get(name(ACTIVITI, "initiator"), ""))


def collection(source: Source, node: Node, text: str) -> Expression | None:
    """Compile the collection of a loop: an expression, or the name of a variable."""
    return source.compiled(node, expressions.juel, text if expressions.is_juel(text) else f"${{{text}}}")


def cardinality(source: Source, node: Node, text: str) -> Expression | None:
    """Compile how often a loop runs: an expression, or a fixed number."""
    if not expressions.is_juel(text) and whole_number(text, LOOP_INSTANCES_MAX) is None:
        expected = f"an expression '${{…}}' or a whole number from 0 to {LOOP_INSTANCES_MAX}"
        source.fault(f"Expected {expected} in 'loopCardinality', but found '{quote(text)}'", node)
        return None
    return text_or_juel(source, node, text)


def text_or_juel(source: Source, node: Node, text: str) -> Expression | None:
    """Compile a text that may be an expression."""
    return source.compiled(node, expressions.juel, text) if expressions.is_juel(text) else Static(text)


def call(source: Source) -> CallDefinition | None:
    """Read the `calledElement` of a call activity; None without.

    Beside `activiti:in`, no other variables go into the called process. If it says what goes in, nothing leaves but by `activiti:out` (measured on
    Activiti 6.0.0). One that says nothing at all passes everything both ways, which is ours.
    """
    text = trimmed(source.node.get("calledElement", ""))
    compiled = text_or_juel(source, source.node, text) if text else None
    inherits = source.node.get(name(ACTIVITI, "inheritVariables"), "").strip() in TRUE
    chooses = name(ACTIVITI, "in") in source.extensions
    if compiled is None:
        return None
    return CallDefinition(
        compiled,
        propagates_parent_variables=inherits or not chooses,
        propagates_child_variables=not (inherits or chooses),
        business_id=_business_id(source),
        reads_around=chooses,
    )


def _business_id(source: Source) -> Expression | None:
    """Read `activiti:businessKey` of a call activity. Only where the file says that it is not inherited, there is none."""
    inherited = source.node.get(name(ACTIVITI, "inheritBusinessKey"), "true").strip() in TRUE
    return _value(source, "businessKey", _fixed_business_id, _as_business_id) or (None if inherited else Static(""))


def call_mappings(source: Source) -> tuple[tuple[VariableMapping, ...], tuple[VariableMapping, ...]]:
    """Read `activiti:in` and `activiti:out` of a call activity: a variable or an expression, and the variable it goes to."""
    read = {
        way: [_mapping(source, node) for node in source.extensions.get(name(ACTIVITI, way), [])]
        for way in ["in", "out"]
    }
    return tuple(filter(None, read["in"])), tuple(filter(None, read["out"]))


def _mapping(source: Source, node: Node) -> VariableMapping | None:
    target = source.required(node, "target")
    expression, variable = trimmed(node.get("sourceExpression", "")), trimmed(node.get("source", ""))
    if bool(expression) == bool(variable):
        source.fault("Expected exactly one of the attributes 'source' and 'sourceExpression'", node)
        return None
    value = text_or_juel(source, node, expression) if expression else collection(source, node, variable)
    if value is None or not target:
        return None
    return VariableMapping(value if expression else OrNull(value), (target,), sees_earlier=False)


def correlation_key(source: Source, at: Node) -> Expression | None:
    """Read `activiti:correlationKey` of a message event definition; None without."""
    text = trimmed(at.get(name(ACTIVITI, "correlationKey"), ""))
    return text_or_juel(source, at, text) if text else None


def event_name(source: Source, at: Node, attribute: str) -> Expression | None:
    """Read `activiti:messageExpression` or `activiti:signalExpression` of an event definition; None without."""
    text = trimmed(at.get(name(ACTIVITI, attribute), ""))
    return text_or_juel(source, at, text) if text else None


def stays_inside(signal: Node) -> bool:
    """Read `activiti:scope` of a signal: whether it reaches only the process instance that throws it."""
    return trimmed(signal.get(name(ACTIVITI, "scope"), "")) == "processInstance"


def end_date(source: Source, at: Node) -> Expression | None:
    """Read `activiti:endDate` of a timer cycle; None without."""
    text = trimmed(at.get(name(ACTIVITI, "endDate"), ""))
    if text and not expressions.is_juel(text) and full_date_time(text) is None:
        source.fault(f"Expected an ISO date or date-time in 'activiti:endDate', but found '{quote(text)}'", at)
        return None
    return text_or_juel(source, at, text) if text else None


def reach(at: Node) -> Reach:
    """Read `activiti:terminateAll` and `activiti:terminateMultiInstance` of a terminate event definition."""
    if at.get(name(ACTIVITI, "terminateAll"), "").strip() in TRUE:
        return Reach.ALL
    is_of_loop = at.get(name(ACTIVITI, "terminateMultiInstance"), "").strip() in TRUE
    return Reach.LOOP if is_of_loop else Reach.SCOPE


def publish(source: Source, message_name: Expression) -> PublishDefinition | None:
    """Read what a throwing message event publishes in an Activiti file, where no worker does it; None in other files."""
    if not source.file.is_activiti or message_name == Static("") or job(source) is not None:
        return None
    definition = next(node for tag, node in source.children() if tag == "messageEventDefinition")
    return PublishDefinition(message_name, correlation_key(source, definition))


def has_owners(source: Source) -> bool:
    """Whether a user task names people by `potentialOwner` or `humanPerformer`."""
    return any(tag in ("potentialOwner", "humanPerformer") for tag, _ in source.children())


def _owners(source: Source) -> dict[str, list[str]]:
    """Return the users and groups of each `potentialOwner`: `user(ada), group(hr)`; a plain name is a group, as in Activiti."""
    found: dict[str, list[str]] = {"user": [], "group": []}
    owners = (_formal_expression(node) for tag, node in source.children() if tag == "potentialOwner")
    for part in chain.from_iterable(map(_parts, owners)):
        match = _OWNER.fullmatch(trimmed(part))
        if match is not None and match[2].strip():
            found[match[1]].append(match[2].strip())
        elif trimmed(part):
            found["group"].append(part)
    return found


def _parts(text: str) -> list[str]:
    """Split a list at its commas. A comma inside `${…}` separates nothing."""
    parts: list[str] = []
    end, is_inside = len(text), False
    for place in range(len(text) - 1, -1, -1):
        if text[place] in "{}":
            is_inside = text[place] == "}"
        elif text[place] == "," and not is_inside:
            parts.append(text[place + 1 : end])
            end = place
    return [text[:end], *reversed(parts)]


def _performer(source: Source) -> str:
    return next((_formal_expression(node) for tag, node in source.children() if tag == "humanPerformer"), "")


def _formal_expression(node: Node) -> str:
    return next((text(one) for one in node.iter(name(BPMN, "formalExpression"))), "")


def condition(source: Source, text: str) -> Expression | None:
    """Compile the JUEL condition of a sequence flow."""
    return source.compiled(source.node, expressions.juel, text)


def _value(
    source: Source,
    attribute: str,
    static: Callable[[str], Expression] = Static,
    convert: Callable[[Any], Any] | None = None,
    otherwise: str = "",
) -> Expression | None:
    text = trimmed(source.node.get(name(ACTIVITI, attribute), "")) or otherwise
    if not text:
        return None
    if expressions.is_juel(text):
        compiled = source.compiled(source.node, expressions.juel, text)
        return compiled if compiled is None or convert is None else Converted(compiled, convert)
    try:
        return static(text)
    except ValueError as error:
        source.fault(f"{error} in 'activiti:{attribute}'")
        return None


def _list(source: Source, attribute: str, owners: list[str]) -> Expression | None:
    text = ",".join(one for one in (source.node.get(name(ACTIVITI, attribute), ""), *owners) if trimmed(one))
    return source.compiled(source.node, expressions.list_of, text) if trimmed(text) else None


def _date(text: str) -> Static:
    if read_period(text) is None and full_date_time(text) is None:
        raise ValueError(
            f"Expected an ISO date, date-time or duration, e.g. '2030-01-31', '2030-01-31T10:00' or 'P3DT1H', but found '{quote(text)}'"
        )
    return Static(text)


def _priority(text: str) -> Static:
    if not _INTEGER.fullmatch(text) or int(text) not in _INTEGERS:
        raise ValueError(f"Expected {_AN_INTEGER}, but found '{quote(text)}'")
    return Static(int(text))


def _as_text(value: Any) -> str | None:
    """Convert as Activiti does for an assignee: null stays, anything else becomes its text."""
    from osmia_broker import juel  # loaded with the first expression only, as in expressions.juel

    return None if value is None else juel.to_text(value)


def _fixed_business_id(text: str) -> Static:
    if len(text) > BUSINESS_ID_CHARACTERS:
        raise ValueError(f"Expected at most {BUSINESS_ID_CHARACTERS} characters, but found {len(text)},")
    return Static(text)


def _as_business_id(value: Any) -> str:
    """Convert as Activiti does for a business key: anything but null becomes its text."""
    text = _as_text(value)
    if text is None:
        raise ValueError("a business key, but found null")
    return text


def _as_integer(value: Any) -> int | None:
    """Convert as Activiti does for a priority: null stays, a text must be a whole number, a fraction is cut off."""
    if value is None:
        return None
    number = _whole(value)
    if number is None or number not in _INTEGERS:
        found = f"'{quote(value)}'" if isinstance(value, str) else quote(str(value))
        raise ValueError(f"{_AN_INTEGER}, but found {found}")
    return number


def _whole(value: Any) -> int | None:
    if isinstance(value, str):
        return int(value) if _INTEGER.fullmatch(value) else None
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    return int(value) if is_number else None
