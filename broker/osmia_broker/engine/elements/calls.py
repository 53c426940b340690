"""The call activity: it starts an instance of another process, waits for it, and takes its variables back."""

from osmia_broker.base.business_ids import BUSINESS_ID_CHARACTERS
from osmia_broker.base.errors import InvalidArgument
from osmia_broker.engine.activiti.element_mappings import keep_result
from osmia_broker.engine.activiti.extensions import mapping_of
from osmia_broker.engine.activiti.implied_variables import initiator_of
from osmia_broker.engine.activiti.process_variables import initial_variables, with_initiator
from osmia_broker.engine.bindings import Binding, find_process
from osmia_broker.engine.commands import Variables
from osmia_broker.engine.commands.inner import ReturnFromCall, TerminateCalled
from osmia_broker.engine.expressions import evaluate_text
from osmia_broker.engine.follow_ups import carries_out, leave_follow_up
from osmia_broker.engine.incidents import IncidentRaised
from osmia_broker.engine.lifecycle import (
    Processor,
    is_ending,
    model_of,
    plan_completion,
    processes,
    terminate,
    terminate_in_slices,
)
from osmia_broker.engine.new_instances import add_origin, business_id_of, new_process, origin_of
from osmia_broker.engine.suspension.held_rows import is_suspended
from osmia_broker.engine.turn import Turn
from osmia_broker.engine.variables import put_local, visible
from osmia_broker.model.graph import CallDefinition, Element, ElementType
from osmia_broker.state.rows import (
    BusinessId,
    CalledInstance,
    ElementInstance,
    ElementState,
    ErrorType,
    ProcessDefinition,
)

# Living instances below one outermost caller: a process that calls itself twice has no depth to speak of.
CALLED_MAX = 100_000
CALL_DEPTH_MAX = 1_000  # callers above one another, as later releases of the reference


@processes(ElementType.CALL_ACTIVITY)
class CallActivity(Processor):
    """Waits for the process instance that it has called. Errors and escalations of that one are caught here."""

    def activate(self, turn: Turn, instance: ElementInstance, element: Element) -> None:
        """Start the called instance with the variables that are visible here, or only with those of input mappings."""
        call = element.call
        assert call is not None, f"'{element.id}' was deployed without a called element"
        definition = _called(turn, instance, call)
        process = new_process(turn, definition)
        caller = origin_of(turn, instance.process_instance_key)
        depth = 1 if caller is None else caller.call_depth + 1
        if depth > CALL_DEPTH_MAX:
            raise IncidentRaised(
                ErrorType.CALLED_ELEMENT_ERROR,
                f"Expected at most {CALL_DEPTH_MAX} calls above one another, but found that '{definition.bpmn_process_id}' would be one more",
            )
        root = (caller.root_process_instance_key if caller is not None else 0) or instance.process_instance_key
        if turn.state.call_trees.size(root) >= CALLED_MAX:
            raise IncidentRaised(
                ErrorType.CALLED_ELEMENT_ERROR,
                f"Expected at most {CALLED_MAX} called instances below process instance '{root}', but found that "
                f"'{definition.bpmn_process_id}' would be one more",
            )
        turn.state.call_trees.begun(root)
        add_origin(
            turn,
            process,
            parent_process_instance_key=instance.process_instance_key,
            parent_element_instance_key=instance.key,
            root_process_instance_key=root,
            call_depth=depth,
            initiator="" if caller is None else caller.initiator,
            traceparent="" if caller is None else caller.traceparent,
        )
        if business_id := _business_id(turn, instance, call):
            mark = BusinessId(turn.next_key(), process.key, process.key, process.element_id, business_id)
            turn.business_ids.insert(mark)
        turn.called.insert(CalledInstance(turn.next_key(), instance.process_instance_key, instance.key, process.key))
        put_local(turn, process, _passed_on(turn, instance, call, definition))
        turn.plan(process)

    def terminated(self, turn: Turn, instance: ElementInstance) -> None:
        """Terminate the called instance too, in slices: it may have called others, and these others. One that is not resident ends on its own."""
        for called in turn.called.by("element_instance_key", instance.key):
            key = called.called_process_instance_key
            process = turn.elements.get(key)
            if process is not None:
                terminate_in_slices(turn, process)
            elif not turn.elements.has_left(key):
                leave_follow_up(turn, 0, TerminateCalled(key), due_ms=turn.now_ms)


@carries_out(TerminateCalled)
def terminate_called(turn: Turn, command: TerminateCalled) -> None:
    """Terminate an instance whose caller has been terminated, unless it has ended by itself."""
    process = turn.find_element(command.called_process_instance_key)
    if process is not None:
        terminate(turn, process)


def _passed_on(turn: Turn, instance: ElementInstance, call: CallDefinition, definition: ProcessDefinition) -> Variables:
    """Return the variables of the called instance: those that the call passes on, and the defaults of an Activiti process."""
    if call.propagates_parent_variables:
        given = visible(turn, instance)
    else:
        given = {name: row.value for name, row in turn.variables.of_scope(instance.key).items()}
    model = turn.definitions.process(definition.key)
    initiator = initiator_of(turn, instance.process_instance_key)
    try:
        return with_initiator(model, model.root.start, initial_variables(turn, definition, given), initiator)
    except InvalidArgument as refused:
        raise IncidentRaised(ErrorType.CALLED_ELEMENT_ERROR, str(refused)) from refused


def _business_id(turn: Turn, instance: ElementInstance, call: CallDefinition) -> str:
    """Return the business id of the called instance: the one that the call names, or that of the caller; empty for none."""
    if call.business_id is None:
        return business_id_of(turn, instance.process_instance_key)
    business_id = evaluate_text(turn, call.business_id, _seen_from(instance, call))
    if len(business_id) > BUSINESS_ID_CHARACTERS:
        raise IncidentRaised(
            ErrorType.EXTRACT_VALUE_ERROR,
            f"Expected '{call.business_id.text}' to give a business key of at most {BUSINESS_ID_CHARACTERS} characters, but found {len(business_id)}",
        )
    return business_id


def _seen_from(instance: ElementInstance, call: CallDefinition) -> int:
    """Return the scope whose variables the expressions of the call see. In a loop that is always its own, where the item is."""
    return instance.scope_key if call.reads_around and not instance.loop_counter else instance.key


def _called(turn: Turn, instance: ElementInstance, call: CallDefinition) -> ProcessDefinition:
    process_id = evaluate_text(turn, call.process_id, _seen_from(instance, call))
    definition = find_process(turn, instance, Binding(process_id, call.binding, call.version_tag))
    if turn.definitions.process(definition.key).root.start is None:
        raise IncidentRaised(
            ErrorType.CALLED_ELEMENT_ERROR,
            f"Expected process with BPMN process id '{process_id}' to have a none start event, but not found.",
        )
    return definition


@carries_out(ReturnFromCall)
def return_from_call(turn: Turn, command: ReturnFromCall) -> None:
    """Complete the call activity of a called instance that has completed.

    Output mappings read the variables of the called instance. Without them all variables leave the activity, unless the model forbids that.
    A caller that is suspended takes them when it is resumed.
    """
    instance = turn.find_element(command.element_instance_key)
    if instance is None or instance.state is not ElementState.ACTIVATED or is_ending(turn, instance):
        return
    if is_suspended(turn, instance.process_instance_key):
        held_ms = -turn.now_ms  # a time below 0 is held
        leave_follow_up(turn, instance.process_instance_key, command, due_ms=held_ms)
        return
    element = model_of(turn, instance)
    assert element.call is not None, "only a call activity calls"
    for called in turn.called.by("element_instance_key", instance.key):
        turn.called.end(called, turn.now_ms)
    if element.outputs or element.call.propagates_child_variables or mapping_of(turn, instance) is not None:
        keep_result(turn, instance, command.variables)
    plan_completion(turn, instance)
