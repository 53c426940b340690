"""Read the triggers of events: which may stand at which place, and what they mean."""

from collections.abc import Callable
from enum import StrEnum

from osmia_broker.model import expressions
from osmia_broker.model.dates import read_period
from osmia_broker.model.dialects import activiti
from osmia_broker.model.events import (
    ALL_CHANGES,
    CancelEvent,
    CompensationEvent,
    ConditionEvent,
    ErrorEvent,
    EscalationEvent,
    EventDefinition,
    LinkEvent,
    MessageEvent,
    Reach,
    SignalEvent,
    TerminateEvent,
    TimerEvent,
    TimerKind,
    Trigger,
)
from osmia_broker.model.expressions import Expression, Static
from osmia_broker.model.faults import quote
from osmia_broker.model.source import TRUE, Source
from osmia_broker.model.text import trimmed
from osmia_broker.model.timers import read_cycle, read_moment
from osmia_broker.model.xml import BPMN, ZEEBE, Node, local_name, name, text


class Place(StrEnum):
    """Where an event stands. The values are the words of the faults."""

    START = "a start event"
    SUBPROCESS_START = "the start event of an embedded subprocess"
    EVENT_SUBPROCESS_START = "the start event of an event subprocess"
    CATCH = "an intermediate catch event"
    BOUNDARY = "a boundary event"
    THROW = "an intermediate throw event"
    END = "an end event"


_OUTSIDE = frozenset({Trigger.TIMER, Trigger.MESSAGE, Trigger.SIGNAL, Trigger.CONDITION})
ALLOWED: dict[Place, frozenset[Trigger]] = {
    Place.START: _OUTSIDE,
    Place.SUBPROCESS_START: frozenset(),
    Place.EVENT_SUBPROCESS_START: _OUTSIDE | {Trigger.ERROR, Trigger.ESCALATION},
    Place.CATCH: _OUTSIDE | {Trigger.LINK},
    Place.BOUNDARY: _OUTSIDE | {Trigger.ERROR, Trigger.ESCALATION, Trigger.COMPENSATION, Trigger.CANCEL},
    Place.THROW: frozenset({Trigger.MESSAGE, Trigger.SIGNAL, Trigger.ESCALATION, Trigger.COMPENSATION, Trigger.LINK}),
    Place.END: frozenset(
        {
            Trigger.MESSAGE,
            Trigger.SIGNAL,
            Trigger.ERROR,
            Trigger.ESCALATION,
            Trigger.COMPENSATION,
            Trigger.TERMINATE,
            Trigger.CANCEL,
        }
    ),
}
MAY_BE_NONE = frozenset({Place.START, Place.SUBPROCESS_START, Place.THROW, Place.END})
_THROWING = frozenset({Place.THROW, Place.END})

Read = Callable[[Source, Node, Place], EventDefinition | None]
_READERS: dict[str, tuple[Trigger, Read]] = {}


def _reads(tag: str, trigger: Trigger) -> Callable[[Read], Read]:
    def enter(read: Read) -> Read:
        _READERS[tag] = (trigger, read)
        return read

    return enter


def read_event(source: Source, place: Place) -> EventDefinition | None:
    """Read the one event definition of an event; None for a none event, and for a faulty one."""
    found = [
        (tag, node) for tag, node in source.children() if tag.endswith("EventDefinition") or tag == "eventDefinitionRef"
    ]
    if not found:
        if place not in MAY_BE_NONE:
            source.fault(f"Expected {place} to have one event definition, but found none")
        return None
    if len(found) > 1 or source.is_true("parallelMultiple"):
        source.fault(f"Expected {place} to have one event definition, but found {len(found)}")
        return None
    tag, node = _defined(source, *found[0])
    if tag == "eventDefinitionRef":
        found_id = f"'{quote(text(node))}'" if text(node) else "none"
        source.fault(
            f"Expected 'eventDefinitionRef' to name an event definition of this file, but found {found_id}", node
        )
        return None
    if tag not in _READERS:
        source.fault(f"Event definition must be one of: {', '.join(sorted(_READERS))}; but found '{quote(tag)}'")
        return None
    trigger, read = _READERS[tag]
    if trigger not in ALLOWED[place]:
        source.fault(
            f"An event definition of type '{tag}' is not supported at {place}{_REMEDY.get((place, trigger), '')}"
        )
        return None
    return read(source, node, place)


_REMEDY = {
    (
        Place.START,
        Trigger.ERROR,
    ): "; an error is caught by a boundary event, or by the start event of an event subprocess",
    (
        Place.START,
        Trigger.ESCALATION,
    ): "; an escalation is caught by a boundary event, or by the start event of an event subprocess",
}


def _defined(source: Source, tag: str, node: Node) -> tuple[str, Node]:
    """Return an event definition with its tag; of a reference, that of the file which it names. A reference to none comes back as it is."""
    named = source.file.shared.get(text(node)) if tag == "eventDefinitionRef" else None
    if named is None or not local_name(named).endswith("EventDefinition"):
        return tag, node
    return local_name(named), named


# --- timers


@_reads("timerEventDefinition", Trigger.TIMER)
def _timer(source: Source, node: Node, place: Place) -> TimerEvent | None:
    values = [(TimerKind(tag), child) for child in node if (tag := local_name(child)) in set(TimerKind)]
    values = [(kind, child) for kind, child in values if text(child)]
    if len(values) != 1:
        source.fault(f"Must be exactly one type of timer: timeDuration, timeDate or timeCycle; but found {len(values)}")
        return None
    kind, child = values[0]
    value, lenient = text(child), not expressions.is_feel(text(child)) and source.file.is_activiti
    if kind is TimerKind.CYCLE and not _may_repeat(source, place):
        source.fault("A timer cycle is only supported at start events and at events that do not interrupt", child)
        return None
    compiled = _value(source, child, value)
    if compiled is None:
        return None
    if isinstance(compiled, Static):
        if not _is_timer(kind, value, lenient=lenient):
            source.fault(f"Invalid timer {kind} expression ({_EXPECTED[kind]}), but found '{quote(value)}'", child)
            return None
    elif place is Place.START and compiled.names:
        source.fault(f"Expected the timer of a start event to use no variables, but found {_names(compiled)}", child)
        return None
    until = activiti.end_date(source, child) if lenient and kind is TimerKind.CYCLE else None
    return TimerEvent(kind, compiled, lenient, until)


_EXPECTED = {
    TimerKind.DATE: "expected a date-time with an offset, e.g. '2030-01-31T10:00:00Z'",
    TimerKind.DURATION: "expected an ISO duration, e.g. 'PT15M'",
    TimerKind.CYCLE: "expected a repetition or cron expression, e.g. 'R3/PT10S' or '0 0 9 * * MON-FRI'",
}


def _is_timer(kind: TimerKind, value: str, *, lenient: bool) -> bool:
    if kind is TimerKind.DURATION:
        return read_period(value) is not None
    if kind is TimerKind.CYCLE:
        return read_cycle(value, lenient=lenient) is not None
    return read_moment(value, lenient=lenient) is not None or (lenient and read_period(value) is not None)


def _may_repeat(source: Source, place: Place) -> bool:
    if place is Place.START or source.file.is_activiti:  # of Activiti's, one that fires once has the first moment alone
        return True
    attribute = {Place.BOUNDARY: "cancelActivity", Place.EVENT_SUBPROCESS_START: "isInterrupting"}.get(place)
    return attribute is not None and source.node.get(attribute, "").strip() in ("false", "0")


# --- messages and signals


@_reads("messageEventDefinition", Trigger.MESSAGE)
def _message(source: Source, node: Node, place: Place) -> MessageEvent | None:
    return read_message(source, node, place)


def read_message(source: Source, at: Node, place: Place) -> MessageEvent | None:
    """Read the message that *at* (an event definition, a receive or send task) refers to."""
    if place in _THROWING and not at.get("messageRef"):
        return MessageEvent(Static(""))  # thrown by a job, which knows what it sends
    compiled = _by_expression(source, at, "messageExpression", place)
    message = at if compiled is not None else _referenced(source, at, "messageRef", "message")
    if message is None:
        return None
    compiled = compiled or _named(source, message, place)
    if compiled is None:
        return None
    if place is Place.START or place in _THROWING:
        return MessageEvent(compiled)
    key = _correlation_key(source, at, message)
    return None if key is None else MessageEvent(compiled, key)


def _correlation_key(source: Source, at: Node, message: Node) -> Expression | None:
    found = list(Source(message, source.faults).extensions.get(name(ZEEBE, "subscription"), ()))
    if len(found) != 1:
        if not found and source.file.is_activiti:
            return activiti.correlation_key(source, at) or Static("")  # without a key, all wait under the empty one
        source.fault(
            "Must have exactly one 'zeebe:subscription' extension element at its message; set its correlation key in the modeler",
            message,
        )
        return None
    value = found[0].get("correlationKey", "")
    if not trimmed(value):
        source.fault("Attribute 'correlationKey' must be present and not empty", found[0])
        return None
    if not expressions.is_feel(value):
        source.static_value(found[0], value)
        return None
    return source.compiled(found[0], expressions.feel, expressions.without_sign(value))


@_reads("signalEventDefinition", Trigger.SIGNAL)
def _signal(source: Source, node: Node, place: Place) -> SignalEvent | None:
    by_expression = _by_expression(source, node, "signalExpression", place)
    carries_all = source.file.is_activiti and place in _THROWING
    if by_expression is not None:
        return SignalEvent(by_expression, carries_all=carries_all)
    signal = _referenced(source, node, "signalRef", "signal")
    compiled = None if signal is None else _named(source, signal, place)
    if signal is None or compiled is None:
        return None
    return SignalEvent(compiled, source.file.is_activiti and activiti.stays_inside(signal), carries_all)


def _by_expression(source: Source, at: Node, attribute: str, place: Place) -> Expression | None:
    """Return the name that Activiti writes at the event itself; None without, or if the event refers to a definition."""
    is_start = place is Place.START
    return None if is_start or not source.file.is_activiti else activiti.event_name(source, at, attribute)


def _named(source: Source, shared: Node, place: Place) -> Expression | None:
    value = shared.get("name", "")
    if not trimmed(value):
        source.fault("Attribute 'name' must be present and not empty", shared)
        return None
    compiled = _value(source, shared, value)
    if place is Place.START and compiled is not None and compiled.names:
        source.fault(
            f"Expected the name '{quote(value)}' at a start event to use no variables, but found {_names(compiled)}",
            shared,
        )
        return None
    return compiled


# --- triggers from inside


@_reads("errorEventDefinition", Trigger.ERROR)
def _error(source: Source, node: Node, place: Place) -> ErrorEvent | None:
    if not node.get("errorRef") and place not in _THROWING:
        return ErrorEvent()
    if not node.get("errorRef") and source.file.is_activiti:
        return ErrorEvent(Static(""))  # only an event that catches all errors catches it
    id = node.get("errorRef", "").strip()
    if source.file.is_activiti and id and id not in source.file.shared:
        return ErrorEvent(Static(id))  # Activiti takes a reference without a definition as the code itself
    error = _referenced(source, node, "errorRef", "error")
    code = None if error is None else _code(source, error, "errorCode", place)
    return None if code is None else ErrorEvent(code)


@_reads("escalationEventDefinition", Trigger.ESCALATION)
def _escalation(source: Source, node: Node, place: Place) -> EscalationEvent | None:
    if not node.get("escalationRef") and place not in _THROWING:
        return EscalationEvent()
    escalation = _referenced(source, node, "escalationRef", "escalation")
    code = None if escalation is None else _code(source, escalation, "escalationCode", place)
    return None if code is None else EscalationEvent(code)


def _code(source: Source, shared: Node, attribute: str, place: Place) -> Expression | None:
    value = shared.get(attribute, "")
    if not trimmed(value):
        source.fault(f"Attribute '{attribute}' must be present and not empty", shared)
        return None
    compiled = _value(source, shared, trimmed(value))
    if compiled is not None and place not in _THROWING and not isinstance(compiled, Static):
        source.fault(
            f"Expected '{attribute}' of a catching event to be a static value, but found '{quote(value)}'", shared
        )
        return None
    return compiled


@_reads("compensateEventDefinition", Trigger.COMPENSATION)
def _compensation(source: Source, node: Node, place: Place) -> CompensationEvent:
    if place in _THROWING and node.get("waitForCompletion", "true").strip() not in TRUE:
        source.fault("Attribute 'waitForCompletion' of a compensation must be true or not present", node)
    return CompensationEvent(node.get("activityRef", "").strip() if place in _THROWING else "")


@_reads("conditionalEventDefinition", Trigger.CONDITION)
def _condition(source: Source, node: Node, _place: Place) -> ConditionEvent | None:
    conditions = [child for child in node.iterchildren(name(BPMN, "condition")) if text(child)]
    if len(conditions) != 1:
        source.fault(f"Expected a conditional event to have one 'condition', but found {len(conditions)}")
        return None
    value = text(conditions[0])
    if expressions.is_juel(value) and not expressions.is_feel(value):
        compiled = source.compiled(conditions[0], expressions.juel, value)
    elif expressions.is_feel(value):
        compiled = source.compiled(conditions[0], expressions.feel, expressions.without_sign(value))
    else:
        source.static_value(conditions[0], value)
        return None
    variables, changes = _filter(source, node)
    return None if compiled is None else ConditionEvent(compiled, variables, changes)


def _filter(source: Source, node: Node) -> tuple[frozenset[str], frozenset[str]]:
    """Read `zeebe:conditionalFilter`: the variables and the changes that count. Without them, all do that the condition reads."""
    found = Source(node, source.faults).extension(f"{{{ZEEBE}}}conditionalFilter")
    if found is None:
        return frozenset(), ALL_CHANGES
    variables, changes = (
        frozenset(filter(None, map(trimmed, found.get(attribute, "").split(","))))
        for attribute in ("variableNames", "variableEvents")
    )
    if unknown := changes - ALL_CHANGES:
        source.fault(
            f"Expected 'variableEvents' to name 'create' or 'update', but found '{quote(min(unknown))}'", found
        )
    return variables, changes or ALL_CHANGES


@_reads("linkEventDefinition", Trigger.LINK)
def _link(source: Source, node: Node, _place: Place) -> LinkEvent | None:
    value = trimmed(node.get("name", ""))
    if not value:
        source.fault("Attribute 'name' of a link must be present and not empty", node)
        return None
    return LinkEvent(value)


@_reads("terminateEventDefinition", Trigger.TERMINATE)
def _terminate(source: Source, node: Node, _place: Place) -> TerminateEvent:
    return TerminateEvent(activiti.reach(node) if source.file.is_activiti else Reach.SCOPE)


@_reads("cancelEventDefinition", Trigger.CANCEL)
def _cancel(_source: Source, _node: Node, _place: Place) -> CancelEvent:
    return CancelEvent()


# --- shared


def _referenced(source: Source, at: Node, attribute: str, tag: str) -> Node | None:
    """Return the message, signal, error or escalation that *at* names; a fault if it names none."""
    id = at.get(attribute, "").strip()
    one = f"an {tag}" if tag[0] in "aeiou" else f"a {tag}"
    if not id:
        what = f"Must reference {one}: attribute '{attribute}' must be present and not empty"
        source.fault(f"{what}; choose {one} in the modeler", at)
        return None
    node = source.file.shared.get(id)
    if node is None or local_name(node) != tag:
        remedy = f"; choose {one} in the modeler" + (", or none to catch all" if tag in ("error", "escalation") else "")
        source.fault(f"Expected '{attribute}' to name {one} of this file, but found '{quote(id)}'{remedy}", at)
        return None
    return node


def _value(source: Source, at: Node, value: str) -> Expression | None:
    """Compile a text that may be a constant or an expression of either dialect."""
    if expressions.is_feel(value):
        return source.compiled(at, expressions.feel, expressions.without_sign(value))
    if expressions.is_juel(value) and source.file.declares_activiti:
        return source.compiled(at, expressions.juel, value)
    return Static(value)


def _names(expression: Expression) -> str:
    return ", ".join(f"'{quote(one)}'" for one in sorted(expression.names))
