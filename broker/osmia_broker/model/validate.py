"""Check that a process can run (bpmn-execution.md, section 11): one rule for each demand on a kind of element.

A new rule is a function with `@requires` and the types it applies to.
"""

from collections.abc import Callable, Iterator

from osmia_broker.model.faults import Faults
from osmia_broker.model.graph import Element, ElementType, Process

Rule = Callable[[Element, Faults], None]

#: Elements that a token passes at once without changing anything. A loop of only these would never end.
STRAIGHT_THROUGH = frozenset(
    {
        ElementType.START_EVENT,
        ElementType.END_EVENT,
        ElementType.EXCLUSIVE_GATEWAY,
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
    _check_loops(process, faults)


def requires(*types: ElementType) -> Callable[[Rule], Rule]:
    """Register the decorated function as a rule for elements of these *types*."""

    def enter(rule: Rule) -> Rule:
        for type in types:
            _RULES.setdefault(type, []).append(rule)
        return rule

    return enter


@requires(ElementType.EXCLUSIVE_GATEWAY)
def _chooses_by_conditions(gateway: Element, faults: Faults) -> None:
    """Require a condition on each of several flows, except on the default flow. A single flow needs none."""
    for flow in gateway.outgoing:
        is_open = flow.condition is None and flow is not gateway.default_flow
        if is_open and len(gateway.outgoing) > 1 and not faults.touch(flow.id):
            faults.about(flow.id, "Must have a condition or be the default flow")


@requires(*(set(ElementType) - {ElementType.EXCLUSIVE_GATEWAY}))
def _has_no_conditions(element: Element, faults: Faults) -> None:
    """Refuse conditions elsewhere, as the reference does (measured)."""
    for flow in element.outgoing:
        if flow.condition is not None:
            faults.about(flow.id, "Conditions are only supported at exclusive gateways")


@requires(ElementType.END_EVENT)
def _ends_here(event: Element, faults: Faults) -> None:
    if event.outgoing:
        faults.about(event.id, "End events must not have outgoing sequence flows to other elements")


def _check_starts(scope: Element, children: list[Element], faults: Faults) -> None:
    starts = [child for child in children if child.type is ElementType.START_EVENT]
    several = len([start for start in starts if not faults.touch(start.id)]) > 1
    if scope.type is ElementType.PROCESS:
        if not starts:
            faults.about(scope.id, "Must have at least one start event")
        elif several:
            faults.about(scope.id, "Multiple none start events are not allowed")
    elif scope.type is ElementType.SUB_PROCESS and (not starts or several):
        faults.about(scope.id, f"Must have exactly one start event, but found {len(starts)}")


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
        path = {first: iter(first.outgoing)}  # a dict keeps the order and finds an element at once
        while path:
            element, flows = next(reversed(path.items()))
            flow = next(flows, None)
            if flow is None:
                path.popitem()
                done.add(element)
            elif flow.target in path:
                way = list(path)
                yield [*way[way.index(flow.target) :], flow.target]
            elif flow.target in straight and flow.target not in done:
                path[flow.target] = iter(flow.target.outgoing)


def _straight_elements(process: Process) -> dict[Element, None]:
    """Return the elements without a wait, in document order.

    The graph has each subprocess before its elements. So in reverse, the elements of a subprocess are known before it.
    """
    waiting_inside: set[Element] = set()
    straight: list[Element] = []
    for element in reversed(process.elements.values()):
        if element.type in STRAIGHT_THROUGH and element not in waiting_inside:
            straight.append(element)
        elif element.scope is not None:
            waiting_inside.add(element.scope)
    return dict.fromkeys(reversed(straight))
