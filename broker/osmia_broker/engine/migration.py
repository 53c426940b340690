"""Migrate a running process instance to another definition.

Every active element is mapped to one of the same type. Its jobs, incidents, timers and subscriptions follow with their keys. An event that is
waited for follows if it is mapped too; otherwise it is closed, and the events that only the other definition has are opened.
"""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from msgspec.structs import replace

from osmia_broker.base.errors import AlreadyExists, InvalidArgument, InvalidState, NotFound
from osmia_broker.engine.commands import MigrateProcessInstance
from osmia_broker.engine.engine import handles
from osmia_broker.engine.events.remote import end_subscription, report_opened
from osmia_broker.engine.events.waiting import open_event
from osmia_broker.engine.incidents import IncidentRaised
from osmia_broker.engine.lifecycle import is_ending
from osmia_broker.engine.lifecycle.joins import open_joins
from osmia_broker.engine.marks import taken_by
from osmia_broker.engine.new_instances import business_id_of
from osmia_broker.engine.suspension.suspending import refuse_suspended
from osmia_broker.engine.turn import Turn
from osmia_broker.model.events import Trigger
from osmia_broker.model.graph import Element, ElementType, MultiInstance, Process
from osmia_broker.state.rows import (
    BusinessId,
    Compensation,
    ElementInstance,
    ElementState,
    InstanceOrigin,
    ProcessDefinition,
    Subscription,
    Timer,
    WaitingToken,
)

R = TypeVar("R", InstanceOrigin, BusinessId, Compensation)


@handles(MigrateProcessInstance)
def migrate_process_instance(turn: Turn, command: MigrateProcessInstance) -> None:
    """Check the whole plan, then let every row follow it."""
    process = turn.find_element(command.process_instance_key)
    if process is None or process.type != ElementType.PROCESS or is_ending(turn, process):
        raise NotFound(
            f"Expected to migrate process instance but no process instance found with key '{command.process_instance_key}'"
        )
    refuse_suspended(turn, process.key, f"migrate process instance with key '{process.key}'")
    target = turn.definitions.processes.get(command.target_definition_key)
    if target is None or target.deleted_ms:
        raise NotFound(
            "Expected to migrate process instance to process definition but no process definition found with key"
            f" '{command.target_definition_key}'"
        )
    source_model = turn.definitions.process(process.process_definition_key)
    target_model = turn.definitions.process(target.key)
    plan = _mapped(process, source_model, target_model, command.mappings)
    plan[source_model.root.id] = target_model.root
    living = turn.elements.of_instance(process.key)
    for instance in living:
        _check(process, instance, source_model, plan)
        _check_events(turn, process, instance, source_model, plan)
    _check_business_id(turn, process, target)
    tokens = [_moved(turn, process, token, source_model, plan) for token in turn.tokens.of_instance(process.key)]
    for token, moved in tokens:
        turn.tokens.end(token, turn.now_ms)
        turn.tokens.insert(moved)
    for instance in living:
        _migrate(turn, instance, target, plan)
    for scope in {token.scope_key for _, token in tokens}:
        open_joins(turn, turn.elements[scope])
    _migrate_marks(turn, process, target, plan)


def _mapped(
    process: ElementInstance, source: Process, target: Process, mappings: Iterable[tuple[str, str]]
) -> dict[str, Element]:
    """Return the elements of the target by the ids of the source."""
    prefix = f"Expected to migrate process instance '{process.key}' but mapping instructions contain"
    plan: dict[str, Element] = {}
    for source_id, target_id in mappings:
        if source_id not in source.elements:
            raise InvalidArgument(
                f"{prefix} a non-existing source element id '{source_id}'."
                " Elements provided in mapping instructions must exist in the source process definition."
            )
        if target_id not in target.elements:
            raise InvalidArgument(
                f"{prefix} a non-existing target element id '{target_id}'."
                " Elements provided in mapping instructions must exist in the target process definition."
            )
        if source_id in plan:
            raise InvalidArgument(f"{prefix} duplicate source element ids '[{source_id}]'.")
        plan[source_id] = target.elements[target_id]
    return plan


def _check(process: ElementInstance, instance: ElementInstance, source: Process, plan: dict[str, Element]) -> None:
    """Refuse an active element that is not mapped to one of its kind in the same scopes."""
    if instance is process:
        return
    prefix = f"Expected to migrate process instance '{process.key}' but"
    id = instance.element_id
    element = plan.get(id)
    if element is None:
        raise InvalidState(
            f"{prefix} no mapping instruction defined for active element with id '{id}'."
            " Elements cannot be migrated without a mapping."
        )
    before = source.elements[id]
    if element.type is not before.type:
        raise InvalidState(
            f"{prefix} active element with id '{id}' and type '{before.type}' is mapped to an element with id"
            f" '{element.id}' and different type '{element.type}'. Elements must be mapped to elements of the same type."
        )
    if _trigger(element) is not _trigger(before):
        raise InvalidState(
            f"{prefix} active element with id '{id}' and event type '{_trigger(before)}' is mapped to an element with id"
            f" '{element.id}' and different event type '{_trigger(element)}'."
        )
    if _kind_of_task(element) != _kind_of_task(before):
        raise InvalidState(
            f"{prefix} active user task with id '{id}' and implementation '{_kind_of_task(before)}' is mapped to a user task"
            f" with id '{element.id}' and different implementation '{_kind_of_task(element)}'."
            " Elements must be mapped to elements of the same implementation."
        )
    if _kind_of_loop(element) != _kind_of_loop(before):
        raise InvalidState(
            f"{prefix} active element with id '{id}' is mapped to an element with id '{element.id}' and another loop."
            " Elements must be mapped to elements with the same kind of loop."
        )
    if before.scope is not None and plan.get(before.scope.id) is not element.scope:
        raise InvalidState(
            f"{prefix} the flow scope of the active element with id '{id}' is changed by its mapping to '{element.id}'."
            " The flow scope of an element must not change."
        )


def _trigger(element: Element) -> Trigger | None:
    return element.event.trigger if element.event is not None else None


def _kind_of_task(element: Element) -> str:
    if element.user_task is None:
        return ""
    return "zeebe user task" if element.user_task.is_native else "job worker"


def _kind_of_loop(element: Element) -> tuple[type, bool]:
    return type(element.loop), isinstance(element.loop, MultiInstance) and element.loop.is_sequential


def _check_events(
    turn: Turn, process: ElementInstance, instance: ElementInstance, source: Process, plan: dict[str, Element]
) -> None:
    """Refuse to map an event that *instance* waits for to one that cannot take its place. One that ends waits for none."""
    if instance.state is ElementState.TERMINATING:
        return
    prefix = f"Expected to migrate process instance '{process.key}' but"
    places = {event.id for event in _events_of(instance, plan[instance.element_id])}
    for row in _waiting(turn, instance):
        before, event = source.elements[row.element_id], plan.get(row.element_id)
        if event is None or before is source.elements[instance.element_id]:
            continue
        if event.type is not before.type or _trigger(event) is not _trigger(before):
            raise InvalidState(
                f"{prefix} the event with id '{before.id}' and event type '{_trigger(before)}' is mapped to an element with id"
                f" '{event.id}' and different event type '{_trigger(event)}'."
            )
        if event.id not in places:
            raise InvalidState(
                f"{prefix} the event with id '{before.id}', which belongs to the active element with id '{instance.element_id}',"
                f" is mapped to '{event.id}', which does not belong to the element that this is mapped to,"
                " or is the target of two events."
            )
        places.remove(event.id)


def _waiting(turn: Turn, instance: ElementInstance) -> Iterator[Timer | Subscription]:
    yield from turn.timers.by("element_instance_key", instance.key)
    yield from turn.subscriptions.by("element_instance_key", instance.key)


def _check_business_id(turn: Turn, process: ElementInstance, target: ProcessDefinition) -> None:
    business_id = business_id_of(turn, process.key)
    if not business_id or target.bpmn_process_id == process.element_id:
        return
    if other := taken_by(turn, target.bpmn_process_id, business_id):
        raise AlreadyExists(
            f"Expected to migrate process instance '{process.key}' with business id '{business_id}' to process"
            f" '{target.bpmn_process_id}', but process instance '{other}' has it"
        )


def _moved(
    turn: Turn, process: ElementInstance, token: WaitingToken, source: Process, plan: dict[str, Element]
) -> tuple[WaitingToken, WaitingToken]:
    """Return a waiting token, and the one at the mapped gateway that takes its place."""
    prefix = f"Expected to migrate process instance '{process.key}' but"
    gateway = plan.get(token.element_id)
    if gateway is None:
        raise InvalidState(f"{prefix} no mapping instruction defined for active element with id '{token.element_id}'.")
    before = source.elements[token.element_id]
    if gateway.type is not before.type:
        raise InvalidState(
            f"{prefix} active element with id '{before.id}' and type '{before.type}' is mapped to an element with id"
            f" '{gateway.id}' and different type '{gateway.type}'."
        )
    came_from = next(flow.source.id for flow in before.incoming if flow.id == token.flow_id)
    flows = [flow.id for flow in gateway.incoming]
    by_source = [flow.id for flow in gateway.incoming if flow.source is plan.get(came_from)]
    if token.flow_id not in flows and not by_source:
        raise InvalidState(
            f"{prefix} a token waits at the gateway with id '{before.id}' that came over the sequence flow '{token.flow_id}',"
            f" and '{gateway.id}' has no such flow."
        )
    flow_id = token.flow_id if token.flow_id in flows else by_source[0]
    return token, WaitingToken(
        turn.next_key(), token.process_instance_key, token.scope_key, gateway.id, flow_id, token.started_ms
    )


def _migrate(turn: Turn, instance: ElementInstance, target: ProcessDefinition, plan: dict[str, Element]) -> None:
    element = plan[instance.element_id]
    id = element.id if instance.scope_key else target.bpmn_process_id
    moved = {"process_definition_key": target.key, "element_id": id}
    turn.elements.update(instance, **moved)
    for job in turn.jobs.by("element_instance_key", instance.key):
        turn.jobs.update(job, **moved)
    for incident in turn.incidents.by("element_instance_key", instance.key):
        turn.incidents.update(incident, **moved)
    for task in turn.user_tasks.by("element_instance_key", instance.key):
        turn.user_tasks.update(task, **moved)
    if instance.state is not ElementState.ACTIVATING:
        _migrate_events(turn, instance, element, target, plan)


def _migrate_events(
    turn: Turn, instance: ElementInstance, element: Element, target: ProcessDefinition, plan: dict[str, Element]
) -> None:
    """Let what the element waits for follow, close what is not mapped, open what is new."""
    new = {event.id: event for event in _events_of(instance, element)}
    for timer in turn.timers.by("element_instance_key", instance.key):
        event = _followed(timer, new, plan)
        if event is None:
            turn.timers.end(timer, turn.now_ms, due_ms=0)
        else:
            turn.timers.update(timer, process_definition_key=target.key, element_id=event.id)
            del new[event.id]
    for subscription in turn.subscriptions.by("element_instance_key", instance.key):
        event = _followed(subscription, new, plan)
        if event is None:
            end_subscription(turn, subscription)
        else:
            turn.subscriptions.update(
                subscription,
                process_definition_key=target.key,
                element_id=event.id,
                bpmn_process_id=target.bpmn_process_id,
            )
            report_opened(turn, subscription, is_migrated=True)
            del new[event.id]
    for opened in new.values():
        try:
            open_event(turn, instance, opened)
        except IncidentRaised as fault:
            raise InvalidState(
                f"Expected to migrate process instance '{instance.process_instance_key}' but the event with id '{opened.id}'"
                f" cannot be opened: {fault}"
            ) from fault


def _events_of(instance: ElementInstance, element: Element) -> Iterable[Element]:
    if instance.type == ElementType.AD_HOC_SUB_PROCESS_INNER_INSTANCE or instance.state is ElementState.TERMINATING:
        return  # the subprocess that it lives in waits for these events; what ends waits for none
    if not instance.loop_counter:
        yield from element.boundaries
    if instance.type != ElementType.MULTI_INSTANCE_BODY and instance.state is ElementState.ACTIVATED:
        yield from element.catches


def _followed(row: Timer | Subscription, new: dict[str, Element], plan: dict[str, Element]) -> Element | None:
    """Return the event of the target that *row* goes on waiting for; None if there is none."""
    mapped = plan.get(row.element_id)
    return new.get(mapped.id) if mapped is not None else None


def _migrate_marks(turn: Turn, process: ElementInstance, target: ProcessDefinition, plan: dict[str, Element]) -> None:
    """Let the rows follow that name the process id, or activities that have completed. Each is written anew."""
    for origin in turn.origins.by("element_instance_key", process.key):
        turn.origins.end(origin, turn.now_ms)
        ids = (plan[id].id if id in plan else id for id in origin.terminate_after.split("\n"))
        changes = {"bpmn_process_id": target.bpmn_process_id, "terminate_after": "\n".join(ids)}
        turn.origins.insert(_anew(turn, origin, **changes))
    for mark in turn.business_ids.by("element_instance_key", process.key):
        turn.business_ids.end(mark, turn.now_ms)
        turn.business_ids.insert(_anew(turn, mark, bpmn_process_id=target.bpmn_process_id))
    elements = turn.definitions.process(target.key).elements
    for row in turn.compensations.of_instance(process.key):
        turn.compensations.end(row, turn.now_ms)
        activity = plan.get(row.element_id) or elements.get(row.element_id)
        handler = plan.get(row.handler_id) or elements.get(row.handler_id)
        activity_id = activity.id if activity is not None else ""
        if row.handler_key and not activity_id:
            activity_id = row.element_id  # its handler runs, and the event that has called it waits for that
        if activity_id and (handler is not None or not row.handler_id):
            handler_id = "" if handler is None else handler.id
            turn.compensations.insert(_anew(turn, row, element_id=activity_id, handler_id=handler_id))


def _anew(turn: Turn, row: R, **changes: object) -> R:
    """Return a living copy of *row* with a key of its own."""
    return replace(row, key=turn.next_key(), ended_ms=0, **changes)
