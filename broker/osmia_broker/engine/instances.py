"""Process instances: created at their start, given variables, cancelled."""

from typing import NoReturn

from osmia_broker.engine.answers import Created
from osmia_broker.engine.commands import CancelProcessInstance, CreateProcessInstance, SetVariables
from osmia_broker.engine.engine import handles
from osmia_broker.engine.lifecycle import activate, advance, enter, terminate
from osmia_broker.engine.variables import merge, put_local
from osmia_broker.errors import InvalidArgument, InvalidState, NotFound
from osmia_broker.model.graph import Element, ElementType, Process
from osmia_broker.state.rows import ElementInstance, ElementState, ProcessDefinition
from osmia_broker.state.state import State

NOT_STARTABLE = frozenset({ElementType.START_EVENT})  #: no start instruction may name one (gateway-rpc.md)


@handles(CreateProcessInstance)
def create_process_instance(state: State, command: CreateProcessInstance) -> Created:
    """Start an instance; by the answer its token has walked to where it waits, or to the end."""
    definition = _definition(state, command)
    model = state.definitions.process(definition.key)
    starts = [_start_element(model, id) for id in command.start_elements]
    if not starts and model.root.start is None:
        raise InvalidState("Expected to create instance of process with none start event, but there is no such event")
    process = _new_process(state, definition)
    put_local(state, process, command.variables)
    if command.result_ticket:
        state.awaited[process.key] = (command.result_ticket, command.fetch_variables)
        state.journal.note(state.awaited.pop, process.key, None)
    if starts:
        _start_at(state, process, starts)
    else:
        state.agenda.append((activate, process))
    return Created(definition.key, definition.bpmn_process_id, definition.version, process.key)


def _definition(state: State, command: CreateProcessInstance) -> ProcessDefinition:
    """The definition that the command names; the id wins over the key."""
    processes = state.definitions.processes
    id, version, key = command.bpmn_process_id, command.version, command.process_definition_key
    if not id:
        if key < 0:
            raise InvalidArgument("Expected at least a bpmnProcessId or a key greater than -1, but none given")
        return processes.get(key) or _no_definition(f"key '{key}'")
    if version < 0:
        return processes.latest(id) or _no_definition(f"process ID '{id}'")
    return processes.version(id, version) or _no_version(state, id, version)


def _no_version(state: State, id: str, version: int) -> NoReturn:
    if state.definitions.processes.latest(id) is None:
        _no_definition(f"process ID '{id}'")
    _no_definition(f"process ID '{id}' and version '{version}'")


def _no_definition(named: str) -> NoReturn:
    raise NotFound(f"Expected to find process definition with {named}, but none found")


def _new_process(state: State, definition: ProcessDefinition) -> ElementInstance:
    key = state.next_key()
    process = ElementInstance(
        key=key,
        process_instance_key=key,
        process_definition_key=definition.key,
        element_id=definition.bpmn_process_id,
        type=ElementType.PROCESS,
        state=ElementState.ACTIVATING,
        scope_key=0,
        entered_by="",
        started_ms=state.now_ms,
    )
    state.elements.insert(process)
    state.note_event("instance", definition.bpmn_process_id, "created")
    return process


# --- start instructions


def _start_element(model: Process, id: str) -> Element:
    prefix = "Expected to create instance of process with start instructions but"
    element = model.elements.get(id)
    if element is None:
        raise InvalidArgument(f"{prefix} no element found with id '{id}'.")
    if element.type in NOT_STARTABLE:
        raise InvalidArgument(
            f"{prefix} the element with id '{id}' targets unsupported element type '{element.type}'."
            f" Supported element types are: {', '.join(sorted(set(ElementType) - NOT_STARTABLE))}"
        )
    return element


def _start_at(state: State, process: ElementInstance, starts: list[Element]) -> None:
    """Put a token on each of *starts*, opening the subprocesses around it once each."""
    advance(state, process, ElementState.ACTIVATED)
    scopes: dict[str, ElementInstance] = {process.element_id: process}
    for element in starts:
        if element.scope is None:  # the process itself: as if there were no instruction
            assert process.state is ElementState.ACTIVATED, "it was activated just now"
            assert element.start is not None, "a startable process has a start event"
            enter(state, element.start, process)
        else:
            enter(state, element, _open_scope(state, element.scope, scopes))


def _open_scope(state: State, scope: Element, open_scopes: dict[str, ElementInstance]) -> ElementInstance:
    """The instance of *scope*, made now if need be; a subprocess made so does not run its own start event."""
    chain: list[Element] = []
    inner: Element | None = scope
    while inner is not None and inner.id not in open_scopes:
        chain.append(inner)
        inner = inner.scope
    for element in reversed(chain):
        assert element.scope is not None, "the process is open"
        opened = enter(state, element, open_scopes[element.scope.id])
        state.agenda.pop()  # it was opened for what is started in it
        advance(state, opened, ElementState.ACTIVATED)
        open_scopes[element.id] = opened
    return open_scopes[scope.id]


# --- variables, cancellation


@handles(SetVariables)
def set_variables(state: State, command: SetVariables) -> int:
    """Set variables from outside; answers with the key of the document."""
    element = state.find_element(command.element_instance_key)
    if element is None:
        raise NotFound(
            f"Expected to update variables for element with key '{command.element_instance_key}',"
            " but no such element was found"
        )
    (put_local if command.local else merge)(state, element, command.variables)
    return state.next_key()


@handles(CancelProcessInstance)
def cancel_process_instance(state: State, command: CancelProcessInstance) -> None:
    """End an instance with its tokens, jobs and incidents. Nobody is told its result."""
    process = state.find_element(command.process_instance_key)
    if process is None or process.type != ElementType.PROCESS:
        raise NotFound(
            f"Expected to cancel a process instance with key '{command.process_instance_key}', but no such process was found"
        )
    terminate(state, process)
    waiting = state.awaited.pop(process.key, None)
    if waiting is not None:
        state.journal.note(state.awaited.__setitem__, process.key, waiting)
