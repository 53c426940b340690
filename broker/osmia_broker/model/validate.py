"""Check that a process can run: one rule for each demand on a kind of element.

A new rule is a function with `@requires` and the types it applies to.
"""

from collections.abc import Callable, Iterable, Iterator

from osmia_broker.model.events import (
    FROM_OUTSIDE,
    CancelEvent,
    CompensationEvent,
    ErrorEvent,
    EscalationEvent,
    LinkEvent,
    MessageEvent,
    SignalEvent,
)
from osmia_broker.model.expressions import Static
from osmia_broker.model.faults import Faults
from osmia_broker.model.graph import ACTIVITIES, CHOOSING, SCOPES, Element, ElementType, MultiInstance, Process

Rule = Callable[[Element, Faults], None]

#: Elements that a token passes at once without changing anything. A loop of only these would never end.
STRAIGHT_THROUGH = frozenset(
    {
        ElementType.START_EVENT,
        ElementType.INTERMEDIATE_THROW_EVENT,  # without a job, an escalation or a compensation
        ElementType.END_EVENT,
        ElementType.EXCLUSIVE_GATEWAY,
        ElementType.INCLUSIVE_GATEWAY,
        ElementType.PARALLEL_GATEWAY,
        ElementType.MANUAL_TASK,
        ElementType.TASK,
        ElementType.SUB_PROCESS,  # if all its elements are of these types
    }
)
LOOPS_REPORTED_MAX = 10  # one mended loop often mends others; each text is as long as its loop
LOOP_ELEMENTS_REPORTED_MAX = 20

_RULES: dict[ElementType, list[Rule]] = {}


def check(process: Process, faults: Faults) -> None:
    """Add the faults of *process* to *faults*. Elements and flows that could not be read are missing from it."""
    children: dict[Element, list[Element]] = {}
    for element in process.elements.values():
        if element.scope is not None:
            children.setdefault(element.scope, []).append(element)
        for rule in _RULES.get(element.type, ()):
            rule(element, faults)
    for scope in process.elements.values():
        _check_starts(scope, children.get(scope, []), faults)
        _check_compensated(scope, children.get(scope, []), faults)
        starts = [one.start for one in scope.event_subprocesses if one.start is not None]
        _refuse_alike(scope, starts, set(), "event subprocesses in one scope", faults)
    _check_loops(process, faults)


def requires(*types: ElementType) -> Callable[[Rule], Rule]:
    """Register the decorated function as a rule for elements of these *types*."""

    def enter(rule: Rule) -> Rule:
        for type in types:
            _RULES.setdefault(type, []).append(rule)
        return rule

    return enter


@requires(*CHOOSING)
def _chooses_by_conditions(gateway: Element, faults: Faults) -> None:
    """Require a condition on each of several flows, except on the default flow. A single flow needs none.

    In the Activiti dialect, a flow without one counts as true.
    """
    for flow in gateway.outgoing:
        is_open = flow.condition is None and flow is not gateway.default_flow and not gateway.has_conditions
        if is_open and len(gateway.outgoing) > 1 and not faults.touch(flow.id):
            faults.about(flow.id, "Must have a condition or be the default flow")


@requires(*(set(ElementType) - {*CHOOSING}))
def _has_no_conditions(element: Element, faults: Faults) -> None:
    """Refuse conditions elsewhere, as the reference does (measured); the Activiti dialect has them."""
    for flow in element.outgoing:
        if flow.condition is not None and not element.has_conditions:
            faults.about(
                flow.id,
                "Conditions are only supported at exclusive or inclusive gateways; put such a gateway between the elements",
            )


@requires(ElementType.END_EVENT)
def _ends_here(event: Element, faults: Faults) -> None:
    if event.outgoing:
        faults.about(event.id, "End events must not have outgoing sequence flows to other elements")


@requires(ElementType.EVENT_BASED_GATEWAY)
def _leads_to_events(gateway: Element, faults: Faults) -> None:
    """Require two or more flows, each to a catching event that nothing else leads to."""
    if len(gateway.outgoing) < 2:
        faults.about(
            gateway.id,
            f"Event-based gateway must have at least 2 outgoing sequence flows, but found {len(gateway.outgoing)}",
        )
    names: set[tuple[str, str]] = set()
    for flow in gateway.outgoing:
        trigger = flow.target.event
        if flow.target.type is not ElementType.INTERMEDIATE_CATCH_EVENT or (
            trigger is None or trigger.trigger not in FROM_OUTSIDE
        ):
            # A catching event without a trigger has a fault of its own.
            is_unread = trigger is None and flow.target.type is ElementType.INTERMEDIATE_CATCH_EVENT
            if not is_unread and not faults.touch(flow.target.id):
                faults.about(
                    gateway.id,
                    f"Event-based gateway must not have an outgoing sequence flow to other elements than message/timer/signal/conditional intermediate catch events, but found '{flow.target.id}'",
                )
        elif len(flow.target.incoming) > 1:
            faults.about(
                flow.target.id, "Target of an event-based gateway must not have any additional incoming sequence flows"
            )
        elif isinstance(trigger, MessageEvent | SignalEvent):
            _refuse_repeated(names, trigger, gateway, faults)


def _refuse_repeated(
    names: set[tuple[str, str]], trigger: MessageEvent | SignalEvent, owner: Element, faults: Faults
) -> None:
    """Refuse two events of one owner that wait for the same constant name: only one of them could ever fire."""
    if not isinstance(trigger.name, Static):
        return
    place = (trigger.trigger, trigger.name.text)
    if place in names:
        faults.about(
            owner.id,
            f"Multiple event definitions with the same {trigger.trigger.lower()} name '{trigger.name.text}' are not allowed",
        )
    names.add(place)


@requires(*ACTIVITIES)
def _has_distinct_boundary_events(activity: Element, faults: Faults) -> None:
    names: set[tuple[str, str]] = set()
    if activity.type is ElementType.RECEIVE_TASK and isinstance(activity.event, MessageEvent):
        _refuse_repeated(names, activity.event, activity, faults)
    _refuse_alike(activity, activity.boundaries, names, "boundary events at one activity", faults)


def _refuse_alike(
    owner: Element, events: Iterable[Element], names: set[tuple[str, str]], kind: str, faults: Faults
) -> None:
    """Refuse *events* of one owner that would catch the same: only one of them could ever fire."""
    codes: set[tuple[str, str]] = set()
    for event in events:
        trigger = event.event
        if isinstance(trigger, MessageEvent | SignalEvent):
            _refuse_repeated(names, trigger, owner, faults)
        elif isinstance(trigger, ErrorEvent | EscalationEvent):
            place = (trigger.trigger, trigger.code.text if trigger.code is not None else "")
            if place in codes:
                what = f"code '{place[1]}'" if trigger.code is not None else "no code, which catches all,"
                faults.about(
                    event.id, f"Multiple {kind} with the same {trigger.trigger.lower()} {what} are not allowed"
                )
            codes.add(place)


@requires(ElementType.BOUNDARY_EVENT)
def _is_attached(event: Element, faults: Faults) -> None:
    trigger = event.event
    if event.incoming:
        faults.about(event.id, "A boundary event must not have incoming sequence flows")
    if isinstance(trigger, CompensationEvent):
        _leads_to_handler(event, faults)
    elif not event.outgoing and not event.may_end and not faults.touch(event.id):
        faults.about(event.id, "Must have at least one outgoing sequence flow")
    if isinstance(trigger, ErrorEvent) and not event.is_interrupting:
        faults.about(event.id, "Non-interrupting boundary events of the type 'error' are not allowed")
    host = event.attached_to
    if host is None:
        return
    if isinstance(trigger, EscalationEvent) and host.type not in (*SCOPES, ElementType.CALL_ACTIVITY):
        faults.about(
            event.id, "An escalation boundary event should only be attached to a subprocess, or a call activity"
        )
    if isinstance(trigger, CancelEvent) and host.type is not ElementType.TRANSACTION:
        faults.about(event.id, "A cancel boundary event must be attached to a transaction")


def _leads_to_handler(event: Element, faults: Faults) -> None:
    if event.outgoing:
        faults.about(event.id, "Compensation boundary events must not have outgoing sequence flows")
    handler = event.compensation_handler
    if handler is None:
        faults.about(event.id, "Compensation boundary event must have exactly one association to its handler")
    elif not handler.is_for_compensation:
        faults.about(event.id, f"Expected the compensation handler '{handler.id}' to have isForCompensation=\"true\"")


@requires(*ACTIVITIES)
def _is_handler_without_flows(activity: Element, faults: Faults) -> None:
    if activity.is_for_compensation and (activity.incoming or activity.outgoing or activity.boundaries):
        faults.about(
            activity.id,
            "A compensation handler must have no incoming or outgoing sequence flows and no boundary events",
        )


@requires(ElementType.INTERMEDIATE_THROW_EVENT, ElementType.END_EVENT)
def _cancels_its_transaction(event: Element, faults: Faults) -> None:
    if isinstance(event.event, CancelEvent) and (
        event.scope is None or event.scope.type is not ElementType.TRANSACTION
    ):
        faults.about(event.id, "A cancel end event must stand directly in a transaction")


def _check_compensated(scope: Element, children: list[Element], faults: Faults) -> None:
    """Require that an `activityRef` names an activity of the same scope. An event subprocess compensates the scope around it."""
    throwing = [
        (child, child.event.activity_id)
        for child in children
        if isinstance(child.event, CompensationEvent) and child.event.activity_id
    ]
    if not throwing:
        return
    compensated = scope.scope if scope.type is ElementType.EVENT_SUB_PROCESS and scope.scope is not None else scope
    ids = {child.id for child in compensated.children}
    for event, id in throwing:
        if id not in ids:
            faults.about(event.id, f"The referenced compensation activity '{id}' doesn't exist in the same scope")


@requires(ElementType.EVENT_SUB_PROCESS)
def _starts_by_one_event(subprocess: Element, faults: Faults) -> None:
    starts = [child for child in subprocess.children if child.type is ElementType.START_EVENT]
    if len(starts) != 1:
        faults.about(subprocess.id, f"Must have exactly one start event, but found {len(starts)}")
    if subprocess.incoming or subprocess.outgoing:
        faults.about(subprocess.id, "Event sub-processes must not have incoming or outgoing sequence flows")
    if starts and isinstance(starts[0].event, ErrorEvent) and not starts[0].is_interrupting:
        faults.about(starts[0].id, "Non-interrupting start events of the type 'error' are not allowed")


@requires(ElementType.AD_HOC_SUB_PROCESS)
def _is_without_start(subprocess: Element, faults: Faults) -> None:
    for child in subprocess.children:
        if child.type in (ElementType.START_EVENT, ElementType.END_EVENT):
            faults.about(
                child.id, "Must not be used inside an ad-hoc subprocess, whose elements are activated by themselves"
            )
    if not any(child.type is not ElementType.EVENT_SUB_PROCESS for child in subprocess.children):
        faults.about(subprocess.id, "Must have at least one activity")


@requires(*ElementType)
def _has_listeners_in_place(element: Element, faults: Faults) -> None:
    """Refuse execution listeners where nothing begins or ends."""
    if element.start_listeners and element.type in (ElementType.START_EVENT, ElementType.BOUNDARY_EVENT):
        faults.about(
            element.id, "Execution listeners of type 'start' are not supported by start events and boundary events"
        )
    is_gateway = element.type.endswith("GATEWAY")
    throws_error = element.type is ElementType.END_EVENT and isinstance(element.event, ErrorEvent)
    is_link = isinstance(element.event, LinkEvent) and element.type is ElementType.INTERMEDIATE_THROW_EVENT
    if element.end_listeners and (is_gateway or throws_error or is_link):
        faults.about(
            element.id,
            "Execution listeners of type 'end' are not supported by gateways, error end events and throwing link events",
        )
    if element.body_listeners and not isinstance(element.loop, MultiInstance):
        faults.about(
            element.id, "Execution listeners of type 'beforeAll' are only supported by multi-instance activities"
        )


def _check_starts(scope: Element, children: list[Element], faults: Faults) -> None:
    starts = [child for child in children if child.type is ElementType.START_EVENT]
    none_starts = [start for start in starts if start.event is None and not faults.touch(start.id)]
    if scope.type is ElementType.PROCESS:
        if not starts:
            faults.about(scope.id, "Must have at least one start event")
        elif len(none_starts) > 1:
            faults.about(scope.id, "Multiple none start events are not allowed")
        _check_start_messages(scope, starts, faults)
    elif scope.type in (ElementType.SUB_PROCESS, ElementType.TRANSACTION) and (not starts or len(none_starts) > 1):
        faults.about(scope.id, f"Must have exactly one start event, but found {len(starts)}")


def _check_start_messages(process: Element, starts: list[Element], faults: Faults) -> None:
    names: set[tuple[str, str]] = set()
    for start in starts:
        if isinstance(start.event, MessageEvent):
            _refuse_repeated(names, start.event, process, faults)


def _check_loops(process: Process, faults: Faults) -> None:
    for reported, loop in enumerate(_straight_loops(process)):
        if reported == LOOPS_REPORTED_MAX:
            return
        ids = [element.id for element in loop]
        if len(ids) > LOOP_ELEMENTS_REPORTED_MAX:
            ids[LOOP_ELEMENTS_REPORTED_MAX // 2 : -LOOP_ELEMENTS_REPORTED_MAX // 2] = ["…"]
        way = " > ".join(ids)
        faults.about(process.id, f"Processes are not allowed to contain a straight-through processing loop: {way}")


def _straight_loops(process: Process) -> Iterator[list[Element]]:
    """Yield the loops without a wait, one for each flow that closes a loop. Its first element is there again at the end."""
    straight = _straight_elements(process)
    done: set[Element] = set()
    for first in straight:
        if first in done:
            continue
        path = {first: iter(_next(first))}  # a dict keeps the order and finds an element at once
        while path:
            element, targets = next(reversed(path.items()))
            target = next(targets, None)
            if target is None:
                path.popitem()
                done.add(element)
            elif target in path:
                way = list(path)
                yield [*way[way.index(target) :], target]
            elif target in straight and target not in done:
                path[target] = iter(_next(target))


def _next(element: Element) -> list[Element]:
    targets = [flow.target for flow in element.outgoing]
    return targets if element.link_target is None else [*targets, element.link_target]


def _is_straight(element: Element) -> bool:
    """Whether a token passes an element at once. A loop or a listener makes it wait; an escalation or a compensation changes the way."""
    if element.type is ElementType.INTERMEDIATE_CATCH_EVENT and isinstance(element.event, LinkEvent):
        return True
    if element.type not in STRAIGHT_THROUGH or element.loop is not None or element.job is not None:
        return False
    if element.type is ElementType.INTERMEDIATE_THROW_EVENT and isinstance(
        element.event, EscalationEvent | CompensationEvent
    ):
        return False
    return not (element.start_listeners or element.end_listeners)


def _straight_elements(process: Process) -> dict[Element, None]:
    """Return the elements without a wait, in document order.

    The graph has each subprocess before its elements. So in reverse, the elements of a subprocess are known before it.
    """
    waiting_inside: set[Element] = set()
    straight: list[Element] = []
    for element in reversed(process.elements.values()):
        if _is_straight(element) and element not in waiting_inside:
            straight.append(element)
        elif element.scope is not None:
            waiting_inside.add(element.scope)
    return dict.fromkeys(reversed(straight))
