"""The calls of `osmia.v1.Instances`: message to call, answer to message."""

from osmia_broker.calls import Caller, Calls
from osmia_proto import queries


class Instances:
    """Answers the calls."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def SuspendProcessInstance(
        self, request: queries.SuspendProcessInstanceRequest, caller: Caller
    ) -> queries.SuspendProcessInstanceResponse:
        """Suspend a running process instance."""
        await self._calls.by(caller).suspend_instance(request.process_instance_key)
        return queries.SuspendProcessInstanceResponse()

    async def ResumeProcessInstance(
        self, request: queries.ResumeProcessInstanceRequest, caller: Caller
    ) -> queries.ResumeProcessInstanceResponse:
        """Let a suspended process instance go on."""
        await self._calls.by(caller).resume_instance(request.process_instance_key)
        return queries.ResumeProcessInstanceResponse()

    async def DeleteProcessInstance(
        self, request: queries.DeleteProcessInstanceRequest, caller: Caller
    ) -> queries.DeleteProcessInstanceResponse:
        """Delete a process instance that has ended."""
        await self._calls.by(caller).delete_ended_instance(request.process_instance_key)
        return queries.DeleteProcessInstanceResponse()

    async def ActivateAdHocElements(
        self, request: queries.ActivateAdHocElementsRequest, caller: Caller
    ) -> queries.ActivateAdHocElementsResponse:
        """Activate elements of an ad-hoc subprocess."""
        await self._calls.by(caller).activate_ad_hoc_elements(
            request.element_instance_key,
            [(one.element_id, one.variables) for one in request.elements],
            cancels_remaining=request.cancel_remaining,
        )
        return queries.ActivateAdHocElementsResponse()
