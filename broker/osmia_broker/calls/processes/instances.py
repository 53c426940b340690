"""Calls that change running process instances."""

from collections.abc import Awaitable, Iterable, Sequence

from osmia_broker.calls import checks
from osmia_broker.calls.base import CallGroup
from osmia_broker.calls.documents import parse_variables
from osmia_broker.calls.faults import Faults
from osmia_broker.engine.commands import (
    ActivateAdHocElements,
    ActivateInstruction,
    AssignBusinessId,
    CancelProcessInstance,
    ElementToActivate,
    MigrateProcessInstance,
    ModifyProcessInstance,
    MoveInstruction,
    ResolveIncident,
    ResumeProcessInstance,
    SuspendProcessInstance,
    TerminateInstruction,
)


class InstanceCalls(CallGroup):
    """Cancel, modify, migrate, suspend and name process instances; set their variables, resolve their incidents."""

    def cancel_instance(self, process_instance_key: int) -> Awaitable[None]:
        """End an instance with everything in it."""
        return self._partitions.submit(CancelProcessInstance(checks.int64("processInstanceKey", process_instance_key)))

    def modify_instance(
        self,
        process_instance_key: int,
        *,
        activate: Sequence[ActivateInstruction] = (),
        terminate: Sequence[TerminateInstruction] = (),
        move: Sequence[MoveInstruction] = (),
    ) -> Awaitable[None]:
        """Activate, terminate and move elements of a running instance: all instructions, or none."""
        key = checks.int64("processInstanceKey", process_instance_key)
        checks.few("the instructions", (*activate, *terminate, *move))
        return self._partitions.submit(ModifyProcessInstance(key, tuple(activate), tuple(terminate), tuple(move)))

    def activate_ad_hoc_elements(
        self, ad_hoc_key: int, elements: Iterable[tuple[str, str]], *, cancels_remaining: bool = False
    ) -> Awaitable[None]:
        """Activate elements, given as (id, variables), of a running ad-hoc subprocess.

        Raises:
            InvalidArgument: no element is named, or one has no id.

        """
        key, named = checks.int64("adHocSubProcessInstanceKey", ad_hoc_key), list(elements)
        faults = Faults()
        faults.require("elements", named or None)
        for number, (id, _) in enumerate(named):
            faults.require(f"elements[{number}].elementId", id)
        faults.refuse()
        wanted = tuple(ElementToActivate(id, parse_variables(variables)) for id, variables in named)
        return self._partitions.submit(ActivateAdHocElements(key, wanted, cancels_remaining))

    def migrate_instance(
        self, process_instance_key: int, target_definition_key: int, mappings: Sequence[tuple[str, str]]
    ) -> Awaitable[None]:
        """Let a running instance go on in another definition. *mappings* are (source element id, target element id)."""
        checks.few("mappingInstructions", mappings)
        return self._partitions.submit(
            MigrateProcessInstance(
                checks.int64("processInstanceKey", process_instance_key),
                checks.int64("targetProcessDefinitionKey", target_definition_key),
                tuple(mappings),
            )
        )

    def assign_business_id(self, process_instance_key: int, business_id: str) -> Awaitable[None]:
        """Give a running instance that has no business id this one."""
        given = checks.business_id(business_id)
        return self._partitions.submit(
            AssignBusinessId(checks.int64("processInstanceKey", process_instance_key), given)
        )

    def suspend_instance(self, process_instance_key: int) -> Awaitable[None]:
        """Suspend a running instance."""
        return self._partitions.submit(SuspendProcessInstance(checks.int64("processInstanceKey", process_instance_key)))

    def resume_instance(self, process_instance_key: int) -> Awaitable[None]:
        """Let a suspended instance go on."""
        return self._partitions.submit(ResumeProcessInstance(checks.int64("processInstanceKey", process_instance_key)))

    def resolve_incident(self, incident_key: int) -> Awaitable[None]:
        """Try the step again that an incident has stopped."""
        return self._partitions.submit(ResolveIncident(checks.int64("incidentKey", incident_key)))
