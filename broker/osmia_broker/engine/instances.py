"""Process instances: create them, set their variables, cancel them."""

from typing import NoReturn

from msgspec.structs import replace

from osmia_broker.base.errors import InvalidArgument, InvalidState, NotFound
from osmia_broker.engine.activiti.process_variables import given_initiator, initial_variables, with_initiator
from osmia_broker.engine.answers import Created
from osmia_broker.engine.commands import CancelProcessInstance, CreateProcessInstance
from osmia_broker.engine.engine import handles
from osmia_broker.engine.lifecycle import is_ending, open_scopes, put_into, terminate
from osmia_broker.engine.marks import find_first, give_business_id, keep_first
from osmia_broker.engine.new_instances import add_origin, encode_tags, new_process, origin_of
from osmia_broker.engine.turn import Turn
from osmia_broker.engine.variables import put_local
from osmia_broker.model.graph import Element, ElementType, Process
from osmia_broker.state.rows import ElementInstance, ProcessDefinition

#: No start instruction may name one.
NOT_STARTABLE = frozenset({ElementType.START_EVENT, ElementType.BOUNDARY_EVENT})


@handles(CreateProcessInstance)
def create_process_instance(turn: Turn, command: CreateProcessInstance) -> Created:
    """Start an instance. Unless its walk is long, the token is at a wait state or at the end when the answer leaves."""
    if command.idempotency_key and (first := find_first(turn, command)) is not None:
        return _await_first(turn, command, first) if command.result_ticket else first
    definition = _definition(turn, command)
    model = turn.definitions.process(definition.key)
    starts = [_start_element(model, id) for id in command.start_elements]
    if not starts and model.root.start is None:
        raise InvalidState("Expected to create instance of process with none start event, but there is no such event")
    initiator = given_initiator(model, command.variables, command.initiator)
    variables = initial_variables(turn, definition, command.variables)
    process = new_process(turn, definition)
    put_local(turn, process, with_initiator(model, model.root.start, variables, initiator))
    if command.result_ticket:
        _await(turn, command, process.key)
    if command.business_id or command.tags or command.terminate_after or command.traceparent or initiator:
        _mark(turn, process, command, model, initiator)
    _prepare(turn, process, starts)
    turn.plan(process)
    created = Created(
        definition.key,
        definition.bpmn_process_id,
        definition.version,
        process.key,
        command.business_id,
        command.tags,
    )
    if command.idempotency_key:
        keep_first(turn, command.idempotency_key, created)
    return created


def _await(turn: Turn, command: CreateProcessInstance, process_instance_key: int) -> None:
    turn.awaited.add(process_instance_key, command.result_ticket, command.fetch_variables)
    turn.journal.note(turn.awaited.forget, command.result_ticket)


def _await_first(turn: Turn, command: CreateProcessInstance, first: Created) -> Created:
    """Let the caller who repeats a creation wait for the instance of the first one, unless that has ended; return the answer.

    Raises:
        InvalidState: the instance is being terminated.

    """
    process = turn.find_element(first.process_instance_key)
    if process is None:
        return replace(first, has_ended=True)
    if is_ending(turn, process):
        raise InvalidState(
            f"Expected process instance '{first.process_instance_key}' of the first creation with this idempotency key to be running,"
            " but it is being terminated"
        )
    _await(turn, command, process.key)
    return first


def _mark(turn: Turn, process: ElementInstance, command: CreateProcessInstance, model: Process, initiator: str) -> None:
    """Keep the marks of a new instance.

    Raises:
        InvalidArgument: it is to be terminated after an element that does not exist.
        AlreadyExists: another living instance has the business id, and they are unique here.

    """
    for id in command.terminate_after:
        if id not in model.elements:
            raise InvalidArgument(
                f"Expected to create instance of process with runtime instructions but no element found with id '{id}'."
            )
    add_origin(
        turn,
        process,
        tags=encode_tags(command.tags),
        terminate_after="\n".join(command.terminate_after),
        initiator=initiator,
        traceparent=command.traceparent,
    )
    if command.business_id:
        verb = f"create instance of process '{process.element_id}'"
        give_business_id(turn, process, command.business_id, verb, is_creation=True)


def _definition(turn: Turn, command: CreateProcessInstance) -> ProcessDefinition:
    """Return the definition that the command names. The id wins over the key."""
    processes = turn.definitions.processes
    id, version, key = command.bpmn_process_id, command.version, command.process_definition_key
    if not id:
        if key < 0:
            raise InvalidArgument("Expected at least a bpmnProcessId or a key greater than -1, but none given")
        found = processes.get(key)
        return found if found is not None and not found.deleted_ms else _no_definition(f"key '{key}'")
    if command.version_tag:
        tag = command.version_tag
        return processes.tagged(id, tag) or _no_definition(f"process ID '{id}' and version tag '{tag}'")
    if version < 0:
        return processes.latest(id) or _no_definition(f"process ID '{id}'")
    return processes.version(id, version) or _no_definition(f"process ID '{id}' and version '{version}'")


def _no_definition(named: str) -> NoReturn:
    raise NotFound(f"Expected to find process definition with {named}, but none found")


# --- start instructions


def _start_element(model: Process, id: str) -> Element:
    prefix = "Expected to create instance of process with start instructions but"
    element = model.elements.get(id)
    type = element.type if element is not None else "SEQUENCE_FLOW" if model.has_flow(id) else None
    if type is None:
        raise InvalidArgument(f"{prefix} no element found with id '{id}'.")
    if element is None or type in NOT_STARTABLE:
        raise InvalidArgument(
            f"{prefix} the element with id '{id}' targets unsupported element type '{type}'."
            f" Supported element types are: {', '.join(sorted(set(ElementType) - NOT_STARTABLE))}"
        )
    if any(flow.source.type is ElementType.EVENT_BASED_GATEWAY for flow in element.incoming):
        raise InvalidArgument(
            f"{prefix} the element with id '{id}' belongs to an event-based gateway."
            " The creation of elements belonging to an event-based gateway is not supported."
        )
    scope = element.scope
    while scope is not None:
        if scope.loop is not None:
            raise InvalidArgument(
                f"{prefix} the element with id '{id}' is inside the multi-instance subprocess '{scope.id}'."
                " The creation of elements inside a multi-instance subprocess is not supported."
            )
        scope = scope.scope
    return element


def _prepare(turn: Turn, process: ElementInstance, starts: list[Element]) -> None:
    """Put a token on each of *starts*, with the subprocesses around it once each. They go on when the process is activated."""
    opened: dict[str, ElementInstance] = {process.element_id: process}
    for element in starts:
        if element.scope is None:  # the process itself: as if there were no instruction
            assert element.start is not None, "a startable process has a start event"
            put_into(turn, element.start, process)
        else:
            put_into(turn, element, open_scopes(turn, element.scope, opened))


# --- variables, cancellation


@handles(CancelProcessInstance)
def cancel_process_instance(turn: Turn, command: CancelProcessInstance) -> None:
    """End an instance with its tokens, jobs and incidents. A caller who waits for its result gets none."""
    process = turn.find_element(command.process_instance_key)
    if process is None or process.type != ElementType.PROCESS or is_ending(turn, process):
        raise NotFound(
            f"Expected to cancel a process instance with key '{command.process_instance_key}', but no such process was found"
        )
    origin = origin_of(turn, process.key)
    if origin is not None and origin.parent_process_instance_key:
        raise InvalidState(
            f"Expected to cancel a process instance with key '{process.key}', but it is created by a parent process instance."
            f" Cancel the root process instance '{origin.root_process_instance_key}' instead."
        )
    terminate(turn, process)
