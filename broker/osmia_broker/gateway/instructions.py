"""Instructions of the wire as those of the engine: what to create, activate, terminate and move, and what a worker decided."""

from collections.abc import Collection
from typing import Any

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.calls import Caller, checks
from osmia_broker.calls.documents import parse_variables
from osmia_broker.calls.jobs.results import is_of_listener
from osmia_broker.calls.processes.new_instance import NO_MARKS, Marks, NewInstance
from osmia_broker.calls.tasks.user_tasks import corrections_of
from osmia_broker.engine.commands import (
    ActivateInstruction,
    AdHocResult,
    ElementToActivate,
    MoveInstruction,
    TerminateInstruction,
    Variables,
)
from osmia_broker.engine.tasks.listener_results import TaskListenerResult
from osmia_proto import gateway

Modify = gateway.ModifyProcessInstanceRequest


def new_instance(request: gateway.CreateProcessInstanceRequest, caller: Caller) -> NewInstance:
    """Translate the creation of an instance by *caller*."""
    return NewInstance(
        bpmn_process_id=request.bpmnProcessId,
        version=request.version,
        process_definition_key=request.processDefinitionKey,
        variables=request.variables,
        start_elements=tuple(instruction.elementId for instruction in request.startInstructions),
        marks=_marks(request, caller),
    )


def _marks(request: gateway.CreateProcessInstanceRequest, caller: Caller) -> Marks:
    said = (caller.idempotency_key, caller.user, caller.traceparent)
    if not (any(said) or request.tags or request.runtimeInstructions or request.HasField("businessId")):
        return NO_MARKS
    checks.few("runtimeInstructions", request.runtimeInstructions)  # before they are translated
    business_id = request.businessId if request.HasField("businessId") else None
    terminate_after = tuple(one.terminate.afterElementId for one in request.runtimeInstructions)
    return Marks(business_id, tuple(request.tags), terminate_after, *said)


def activation(instruction: Modify.ActivateInstruction) -> ActivateInstruction:
    """Translate an element to activate."""
    key = checks.int64("ancestorElementInstanceKey", instruction.ancestorElementInstanceKey)
    return ActivateInstruction(instruction.elementId, key, _variables(instruction.variableInstructions))


def termination(instruction: Modify.TerminateInstruction) -> TerminateInstruction:
    """Translate an element instance, or all instances of an element, to terminate.

    Raises:
        InvalidArgument: both are given.

    """
    if instruction.elementInstanceKey and instruction.elementId:
        raise InvalidArgument(
            "Expected a terminate instruction with an element instance key or an element id, but found both"
        )
    return TerminateInstruction(instruction.elementInstanceKey, instruction.elementId)


def move(instruction: Modify.MoveInstruction) -> MoveInstruction:
    """Translate tokens to move.

    Raises:
        InvalidArgument: the source is given twice or not at all.

    """
    if bool(instruction.sourceElementInstanceKey) == bool(instruction.sourceElementId):
        found = "both" if instruction.sourceElementId else "neither"
        raise InvalidArgument(
            "Expected a move instruction with either a source element instance key or a source element id,"
            f" but found {found}"
        )
    return MoveInstruction(
        target_element_id=instruction.targetElementId,
        source_element_instance_key=instruction.sourceElementInstanceKey,
        source_element_id=instruction.sourceElementId,
        variables=_variables(instruction.variableInstructions),
        ancestor_key=instruction.ancestorElementInstanceKey,
        infers_ancestor=instruction.inferAncestorScopeFromSourceHierarchy,
        uses_source_parent=instruction.useSourceParentKeyAsAncestorScopeKey,
    )


def job_result(result: gateway.JobResult) -> AdHocResult | TaskListenerResult | None:
    """Translate what a worker decided: for an ad-hoc subprocess, or as a task listener. None if nothing is decided by it.

    Raises:
        InvalidArgument: the type or a correction is wrong.

    """
    if is_of_listener(result.type, has_its_members=result.denied or result.HasField("corrections")):
        return TaskListenerResult(
            result.denied, checks.storable("deniedReason", result.deniedReason), _corrections(result.corrections)
        )
    checks.few("activateElements", result.activateElements)
    activate = tuple(
        ElementToActivate(one.elementId, parse_variables(one.variables)) for one in result.activateElements
    )
    if not (activate or result.isCompletionConditionFulfilled or result.isCancelRemainingInstances):
        return None
    return AdHocResult(activate, result.isCompletionConditionFulfilled, result.isCancelRemainingInstances)


def _corrections(given: gateway.JobResultCorrections) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: getattr(given, name)
        for name in ("assignee", "dueDate", "followUpDate", "priority")
        if given.HasField(name)
    }
    found |= {
        name: list(getattr(given, name).values)
        for name in ("candidateUsers", "candidateGroups")
        if given.HasField(name)
    }
    return corrections_of(found)


def _variables(instructions: Collection[Modify.VariableInstruction]) -> tuple[tuple[str, Variables], ...]:
    checks.few("variableInstructions", instructions)
    return tuple((one.scopeId, parse_variables(one.variables)) for one in instructions)
