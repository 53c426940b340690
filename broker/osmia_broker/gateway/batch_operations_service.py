"""The calls of `osmia.v1.BatchOperations`: message to call, answer to message."""

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.calls import Caller, Calls
from osmia_broker.calls.batches.operations import BatchBegun
from osmia_broker.calls.batches.plans import job_changes, migration_plan, modification_plan
from osmia_broker.engine.commands.batches import BatchPlan
from osmia_broker.gateway.json_fields import object_of
from osmia_broker.state.rows.batches import BatchType
from osmia_proto import queries

_TYPE = "BATCH_OPERATION_TYPE_"


class BatchOperations:
    """Answers the calls."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def CreateBatchOperation(
        self, request: queries.CreateBatchOperationRequest, caller: Caller
    ) -> queries.CreateBatchOperationResponse:
        """Begin a batch operation for all that passes a filter."""
        type = _type_of(request.type)
        begun = await self._calls.by(caller).begin_batch(
            type, object_of("filter", request.filter), plan=_plan(type, request), user=caller.user
        )
        return _begun(begun)

    async def CountBatchOperationItems(
        self, request: queries.CountBatchOperationItemsRequest
    ) -> queries.CountBatchOperationItemsResponse:
        """Count what a batch operation would be for."""
        items = await self._calls.find_items(_type_of(request.type), object_of("filter", request.filter))
        return queries.CountBatchOperationItemsResponse(items=len(items))

    async def ResolveProcessInstanceIncidents(
        self, request: queries.ResolveProcessInstanceIncidentsRequest, caller: Caller
    ) -> queries.CreateBatchOperationResponse:
        """Begin to resolve the incidents of one process instance."""
        calls = self._calls.by(caller)
        return _begun(await calls.resolve_incidents_of(request.process_instance_key, user=caller.user))

    async def SuspendBatchOperation(
        self, request: queries.SuspendBatchOperationRequest, caller: Caller
    ) -> queries.SuspendBatchOperationResponse:
        """Pause a batch operation."""
        await self._calls.by(caller).suspend_batch(request.batch_operation_key)
        return queries.SuspendBatchOperationResponse()

    async def ResumeBatchOperation(
        self, request: queries.ResumeBatchOperationRequest, caller: Caller
    ) -> queries.ResumeBatchOperationResponse:
        """Let a suspended batch operation go on."""
        await self._calls.by(caller).resume_batch(request.batch_operation_key)
        return queries.ResumeBatchOperationResponse()

    async def CancelBatchOperation(
        self, request: queries.CancelBatchOperationRequest, caller: Caller
    ) -> queries.CancelBatchOperationResponse:
        """End a batch operation."""
        await self._calls.by(caller).cancel_batch(request.batch_operation_key)
        return queries.CancelBatchOperationResponse()


def _type_of(number: queries.BatchOperationType.ValueType) -> BatchType:
    types = queries.BatchOperationType
    if not number or number not in types.values():
        raise InvalidArgument(f"Expected a type of {', '.join(types.keys()[1:])}, but found {number}")
    return BatchType(types.Name(number).removeprefix(_TYPE))


def _plan(type: BatchType, request: queries.CreateBatchOperationRequest) -> BatchPlan | None:
    """Return the details that a batch operation of this type has; None if it has none."""
    if type is BatchType.MIGRATE_PROCESS_INSTANCE:
        pairs = ((one.source_element_id, one.target_element_id) for one in request.mappings)
        return migration_plan(request.target_process_definition_key, pairs, maps_same_ids=request.maps_same_ids)
    if type is BatchType.MODIFY_PROCESS_INSTANCE:
        return modification_plan((one.source_element_id, one.target_element_id) for one in request.moves)
    if type is BatchType.UPDATE_JOB:
        return job_changes(
            retries=request.retries if request.HasField("retries") else None,
            timeout_ms=request.timeout_ms if request.HasField("timeout_ms") else None,
            priority=request.priority if request.HasField("priority") else None,
        )
    return None


def _begun(begun: BatchBegun) -> queries.CreateBatchOperationResponse:
    return queries.CreateBatchOperationResponse(key=begun.key, items=begun.items)
