"""Calls about process instances: start, change, move, end."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from osmia import variables as variables_json
from osmia.arguments import calls_of
from osmia.calls.call import ANSWER_SLACK_MS, Calls
from osmia.results import CompletedInstance, CreatedInstance
from osmia_proto import gateway, queries

LATEST = -1


@dataclass(frozen=True, slots=True)
class Activate:
    """An element to be activated by `modify_instance`.

    *variables* go to the scopes named by their keys (the element or one around it; empty: the root). *ancestor_key* is
    needed only when a scope around the element runs several times.
    """

    element_id: str
    variables: Mapping[str, object] = field(default_factory=dict)
    ancestor_key: int = 0


@dataclass(frozen=True, slots=True)
class Move:
    """Tokens to be moved by `modify_instance`: *target* is activated once for each instance of *source* that is terminated.

    *source* is an element id (all its instances) or the key of one element instance. The scope of the target is found; else name it by
    *ancestor_key*, or take the scopes of the source (*infer_ancestor*), or the parent of the source (*use_source_parent*).
    """

    source: str | int
    target: str
    variables: Mapping[str, object] = field(default_factory=dict)
    ancestor_key: int = 0
    infer_ancestor: bool = False
    use_source_parent: bool = False


@calls_of("Client")
class InstanceCalls(Calls):
    """Start process instances, change them and end them."""

    async def create_instance(
        self,
        bpmn_process_id: str = "",
        variables: object = None,
        *,
        version: int = LATEST,
        process_definition_key: int = 0,
        start_at: Sequence[str] = (),
        terminate_after: Sequence[str] = (),
        tags: Sequence[str] = (),
        business_id: str | None = None,
        idempotency_key: str = "",
        tenant_id: str = "",
        operation_reference: int | None = None,
    ) -> CreatedInstance:
        """Start an instance of a process, named by its id (and *version*) or by *process_definition_key*.

        The instance is stored when this returns. *start_at* names elements to start at instead of the start event.
        *terminate_after* names elements; when one of them ends, the instance ends.

        *tags* (at most 10) and the *business_id* (1 to 256 characters) mark the instance; its jobs carry them.

        Without an *idempotency_key* the call is never repeated by itself: after `Unavailable` or `Timeout` the instance may or may not exist.
        With one (at most 256 characters) it is repeated while the broker is away, and every repetition within 24 hours
        returns the instance of the first call. A client with `idempotent_creations=True` gives each call a key of its own.

        Raises:
            NotFound: there is no such process or version.
            InvalidArgument: an element of *start_at* does not exist or cannot be started at, or a mark is against its rule.
            InvalidState: the process has no none start event.
            AlreadyExists: another instance of the process has the *business_id*, and the broker wants them unique.
        """
        request = _creation(
            bpmn_process_id,
            version,
            process_definition_key,
            start_at,
            terminate_after,
            variables=variables_json.encode(variables),
            tags=tags,
            businessId=business_id,
            tenantId=tenant_id,
            operationReference=operation_reference,
        )
        answer = await self._create("CreateProcessInstance", request, self._timeout_s, idempotency_key)
        return CreatedInstance(
            answer.processInstanceKey,
            answer.processDefinitionKey,
            answer.bpmnProcessId,
            answer.version,
            answer.businessId,
            tuple(answer.tags),
        )

    async def create_instance_with_result(
        self,
        bpmn_process_id: str = "",
        variables: object = None,
        *,
        version: int = LATEST,
        process_definition_key: int = 0,
        start_at: Sequence[str] = (),
        terminate_after: Sequence[str] = (),
        tags: Sequence[str] = (),
        business_id: str | None = None,
        idempotency_key: str = "",
        fetch_variables: Sequence[str] = (),
        wait_ms: int = 15_000,
        tenant_id: str = "",
        operation_reference: int | None = None,
    ) -> CompletedInstance:
        """Start an instance, wait up to *wait_ms* (> 0) for its end, and return its variables.

        With an *idempotency_key* a repetition waits for the instance of the first call.

        Raises:
            NotFound, InvalidArgument, InvalidState, AlreadyExists: as `create_instance`.
            Timeout: it did not complete in time; it continues.
        """
        creation = _creation(
            bpmn_process_id,
            version,
            process_definition_key,
            start_at,
            terminate_after,
            variables=variables_json.encode(variables),
            tags=tags,
            businessId=business_id,
            tenantId=tenant_id,
            operationReference=operation_reference,
        )
        request = gateway.CreateProcessInstanceWithResultRequest(
            request=creation, requestTimeout=wait_ms, fetchVariables=fetch_variables
        )
        timeout_s = (wait_ms + ANSWER_SLACK_MS) / 1000
        answer = await self._create("CreateProcessInstanceWithResult", request, timeout_s, idempotency_key)
        return CompletedInstance(
            answer.processInstanceKey,
            answer.processDefinitionKey,
            answer.bpmnProcessId,
            answer.version,
            variables_json.decode(answer.variables),
            answer.businessId,
            tuple(answer.tags),
        )

    async def cancel_instance(self, process_instance_key: int, *, operation_reference: int | None = None) -> None:
        """Cancel an instance with all its element instances and jobs.

        Raises:
            NotFound: no such instance runs.
            InvalidState: it was started by a call activity; cancel the instance of that.
        """
        await self._call(
            "CancelProcessInstance",
            gateway.CancelProcessInstanceRequest(
                processInstanceKey=process_instance_key, operationReference=operation_reference
            ),
        )

    async def suspend_instance(self, process_instance_key: int) -> None:
        """Hold a running instance, with all that it has called, until it is resumed.

        Its jobs are not handed out, its timers wait, no message or signal reaches it, and every call on it is refused but to resume and to
        cancel it. Only Osmia's gateway has this call.

        Raises:
            NotFound: no such instance runs.
            InvalidState: it is suspended already.
            Unimplemented: the gateway lacks the call.
        """
        await self._call(
            "SuspendProcessInstance", queries.SuspendProcessInstanceRequest(process_instance_key=process_instance_key)
        )

    async def resume_instance(self, process_instance_key: int) -> None:
        """Let a suspended instance go on, with all that it has called. Each due time is later by the time of the suspension.

        Only Osmia's gateway has this call.

        Raises:
            NotFound: no such instance runs.
            InvalidState: it is not suspended, or the instance that has called it is.
            Unimplemented: the gateway lacks the call.
        """
        await self._call(
            "ResumeProcessInstance", queries.ResumeProcessInstanceRequest(process_instance_key=process_instance_key)
        )

    async def delete_instance(self, process_instance_key: int) -> None:
        """Delete an instance that has ended, with its history, for ever.

        Only Osmia's gateway has this call. For many instances, see `client.batches.delete_instances`.

        Raises:
            NotFound: there is no such instance.
            InvalidState: it is still running.
            Unimplemented: the gateway lacks the call.
        """
        await self._call(
            "DeleteProcessInstance", queries.DeleteProcessInstanceRequest(process_instance_key=process_instance_key)
        )

    async def activate_ad_hoc_elements(
        self,
        element_instance_key: int,
        elements: Iterable[str | tuple[str, object]],
        *,
        cancel_remaining: bool = False,
    ) -> None:
        """Activate elements of a running ad-hoc subprocess: all of them, or none.

        *elements* are ids, or ids with the variables of the element: `["call", ("write", {"to": "ada"})]`. With *cancel_remaining* the elements that
        are active in it now are terminated. Only Osmia's gateway has this call.

        Raises:
            NotFound: no ad-hoc subprocess with that key runs, or it has no such element.
            InvalidArgument: no element is named, or one twice.
            InvalidState: the process instance is suspended.
            Unimplemented: the gateway lacks the call.
        """
        named = [(one, None) if isinstance(one, str) else one for one in elements]
        request = queries.ActivateAdHocElementsRequest(
            element_instance_key=element_instance_key,
            elements=[
                queries.AdHocElement(element_id=id, variables=variables_json.encode(variables))
                for id, variables in named
            ],
            cancel_remaining=cancel_remaining,
        )
        await self._call("ActivateAdHocElements", request)

    async def assign_business_id(self, process_instance_key: int, business_id: str) -> None:
        """Give a running instance that has no business id this one (1 to 256 characters).

        Raises:
            NotFound: no such instance runs.
            InvalidState: it has a business id, or it was started by a call activity.
        """
        await self._call(
            "AssignProcessInstanceBusinessId",
            gateway.AssignProcessInstanceBusinessIdRequest(
                processInstanceKey=process_instance_key, businessId=business_id
            ),
        )

    async def set_variables(
        self,
        element_instance_key: int,
        variables: object,
        *,
        local: bool = False,
        operation_reference: int | None = None,
    ) -> int:
        """Set variables at an element instance or process instance, and return the key of this change.

        With *local* all of them are set in that scope. Otherwise each is set in the nearest scope outwards that has a
        variable of that name, and a new one in the root scope.

        Raises:
            NotFound: no such element instance runs.
        """
        answer = await self._call(
            "SetVariables",
            gateway.SetVariablesRequest(
                elementInstanceKey=element_instance_key,
                variables=variables_json.encode(variables),
                local=local,
                operationReference=operation_reference,
            ),
        )
        return int(answer.key)

    async def resolve_incident(self, incident_key: int, *, operation_reference: int | None = None) -> None:
        """Resolve an incident: the broker repeats the step that failed. If it fails again, a new incident is raised.

        Raises:
            NotFound: there is no such incident, or its job has no retries left: see `update_job_retries`.
        """
        await self._call(
            "ResolveIncident",
            gateway.ResolveIncidentRequest(incidentKey=incident_key, operationReference=operation_reference),
        )

    async def modify_instance(
        self,
        process_instance_key: int,
        *,
        activate: Sequence[str | Activate] = (),
        terminate: Sequence[int] = (),
        terminate_elements: Sequence[str] = (),
        move: Sequence[Move] = (),
        operation_reference: int | None = None,
    ) -> None:
        """Activate elements (by id, or `Activate`), terminate element instances, and move tokens of a running instance.

        *terminate* names element instances by key, *terminate_elements* all instances of these elements. Either all of it
        happens or nothing.

        Raises:
            NotFound: no such instance runs.
            InvalidArgument: an element or element instance does not exist or cannot be used like that.
        """
        instruction = gateway.ModifyProcessInstanceRequest.TerminateInstruction
        await self._call(
            "ModifyProcessInstance",
            gateway.ModifyProcessInstanceRequest(
                processInstanceKey=process_instance_key,
                activateInstructions=map(_activate, activate),
                terminateInstructions=[
                    *(instruction(elementInstanceKey=key) for key in terminate),
                    *(instruction(elementId=id) for id in terminate_elements),
                ],
                moveInstructions=map(_move, move),
                operationReference=operation_reference,
            ),
        )

    async def migrate_instance(
        self,
        process_instance_key: int,
        *,
        target_definition_key: int,
        mapping: Mapping[str, str],
        operation_reference: int | None = None,
    ) -> None:
        """Move a running instance to another definition. *mapping* names for each active element the element of the other definition.

        Raises:
            NotFound: no such instance runs, or there is no such definition.
            InvalidArgument: *mapping* names an unknown element.
            InvalidState: an active element is not in *mapping*, or is mapped to another type of element.
        """
        request = gateway.MigrateProcessInstanceRequest
        plan = request.MigrationPlan(
            targetProcessDefinitionKey=target_definition_key,
            mappingInstructions=[
                request.MappingInstruction(sourceElementId=source, targetElementId=target)
                for source, target in mapping.items()
            ],
        )
        await self._call(
            "MigrateProcessInstance",
            request(
                processInstanceKey=process_instance_key, migrationPlan=plan, operationReference=operation_reference
            ),
        )


def _creation(
    bpmn_process_id: str,
    version: int,
    process_definition_key: int,
    start_at: Sequence[str],
    terminate_after: Sequence[str],
    **fields: Any,
) -> gateway.CreateProcessInstanceRequest:
    """Write the request of both creations; *fields* are those of the wire.

    Raises:
        ValueError: the process is named twice or not at all.
    """
    if bool(bpmn_process_id) == bool(process_definition_key):
        raise ValueError(
            "Expected either bpmn_process_id or process_definition_key, "
            f"but found '{bpmn_process_id}' and {process_definition_key}"
        )
    return gateway.CreateProcessInstanceRequest(
        bpmnProcessId=bpmn_process_id,
        version=version,
        processDefinitionKey=process_definition_key,
        startInstructions=[gateway.ProcessInstanceCreationStartInstruction(elementId=id) for id in start_at],
        runtimeInstructions=map(_terminate, terminate_after),
        **fields,
    )


def _terminate(element_id: str) -> gateway.ProcessInstanceCreationRuntimeInstruction:
    return gateway.ProcessInstanceCreationRuntimeInstruction(
        terminate=gateway.TerminateProcessInstanceInstruction(afterElementId=element_id)
    )


def _move(move: Move) -> gateway.ModifyProcessInstanceRequest.MoveInstruction:
    request = gateway.ModifyProcessInstanceRequest
    return request.MoveInstruction(
        sourceElementInstanceKey=move.source if isinstance(move.source, int) else 0,
        sourceElementId=move.source if isinstance(move.source, str) else "",
        targetElementId=move.target,
        variableInstructions=_variable_instructions(move.variables),
        ancestorElementInstanceKey=move.ancestor_key,
        inferAncestorScopeFromSourceHierarchy=move.infer_ancestor,
        useSourceParentKeyAsAncestorScopeKey=move.use_source_parent,
    )


def _variable_instructions(
    variables: Mapping[str, object],
) -> list[gateway.ModifyProcessInstanceRequest.VariableInstruction]:
    instruction = gateway.ModifyProcessInstanceRequest.VariableInstruction
    return [
        instruction(scopeId=scope_id, variables=variables_json.encode(values)) for scope_id, values in variables.items()
    ]


def _activate(element: str | Activate) -> gateway.ModifyProcessInstanceRequest.ActivateInstruction:
    wanted = Activate(element) if isinstance(element, str) else element
    request = gateway.ModifyProcessInstanceRequest
    return request.ActivateInstruction(
        elementId=wanted.element_id,
        ancestorElementInstanceKey=wanted.ancestor_key,
        variableInstructions=_variable_instructions(wanted.variables),
    )
