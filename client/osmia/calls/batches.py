"""One command for many things: `client.batches` (`osmia.v1.BatchOperations`). Only Osmia answers; a Zeebe gateway raises `Unimplemented`.

    begun = await client.batches.cancel_instances({"processDefinitionId": "dinner"})
    async for batch in client.batches.follow(begun.key):
        print(batch.completed + batch.failed, "of", batch.items)

A filter is that of a search of the REST API: of process instances, jobs or decision instances. It needs a condition.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from grpc import StatusCode

from osmia import variables as variables_json
from osmia.arguments import calls_of
from osmia.backoff import Backoff
from osmia.calls.call import Calls
from osmia.calls.fields import fields_of, numbers_of
from osmia.errors import Timeout
from osmia.results import Page
from osmia_proto import queries

DEFAULT_LIMIT = 50
FIRST_LOOK_MS, LOOK_EVERY_MS = 20, 500
FINDING_S = 600  # to find and store a million items
_TYPE = "BATCH_OPERATION_TYPE_"
_STATE = "BATCH_OPERATION_STATE_"
_ITEM = "BATCH_OPERATION_ITEM_STATE_"

Filter = Mapping[str, Any] | str  #: a text is taken for JSON already


class BatchType(StrEnum):
    """The kinds of batch operations, by what is done to each item."""

    CANCEL_PROCESS_INSTANCE = "CANCEL_PROCESS_INSTANCE"
    SUSPEND_PROCESS_INSTANCE = "SUSPEND_PROCESS_INSTANCE"
    RESUME_PROCESS_INSTANCE = "RESUME_PROCESS_INSTANCE"
    DELETE_PROCESS_INSTANCE = "DELETE_PROCESS_INSTANCE"
    MIGRATE_PROCESS_INSTANCE = "MIGRATE_PROCESS_INSTANCE"
    MODIFY_PROCESS_INSTANCE = "MODIFY_PROCESS_INSTANCE"
    RESOLVE_INCIDENT = "RESOLVE_INCIDENT"
    UPDATE_JOB = "UPDATE_JOB"
    DELETE_DECISION_INSTANCE = "DELETE_DECISION_INSTANCE"


class BatchState(StrEnum):
    """The state of a batch operation. In COMPLETED every item was tried; some may have failed."""

    CREATED = "CREATED"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"


class BatchItemState(StrEnum):
    """The state of an item of a batch operation."""

    ACTIVE = "ACTIVE"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


@dataclass(frozen=True, slots=True)
class BatchBegun:
    """A batch operation that was begun, and the number of its items."""

    key: int
    items: int


@dataclass(frozen=True, slots=True)
class BatchOperation:
    """A batch operation: how many *items* it has, how many of them are *completed*, and how many were refused (*failed*)."""

    key: int
    type: BatchType
    state: BatchState
    user: str  # who began it; empty if unknown
    start_ms: int
    end_ms: int
    items: int
    completed: int
    failed: int

    @property
    def has_ended(self) -> bool:
        """Whether nothing more happens in it."""
        return self.state in (BatchState.COMPLETED, BatchState.CANCELED)


@dataclass(frozen=True, slots=True)
class BatchItem:
    """An item of a batch operation. *item_key* is that of the process instance, incident, job or evaluation."""

    batch_operation_key: int
    item_key: int
    process_instance_key: int
    state: BatchItemState
    error_message: str  # why it was refused
    end_ms: int


@calls_of("Client.batches")
class BatchCalls(Calls):
    """Begin batch operations, look at them, and stop them.

    A call that begins one returns when its items are stored; they are worked off in the background, each on its own. Each such call may raise
    `InvalidArgument`: the filter is missing, wrong or without a condition, or more than a million things pass it.
    """

    # --- begin

    async def cancel_instances(self, filter: Filter) -> BatchBegun:
        """Cancel the running process instances that pass *filter*, without those that call activities have started."""
        return await self._begin(BatchType.CANCEL_PROCESS_INSTANCE, filter)

    async def suspend_instances(self, filter: Filter) -> BatchBegun:
        """Suspend the active process instances that pass *filter*, without those that call activities have started."""
        return await self._begin(BatchType.SUSPEND_PROCESS_INSTANCE, filter)

    async def resume_instances(self, filter: Filter) -> BatchBegun:
        """Let the suspended process instances that pass *filter* go on, without those that call activities have started."""
        return await self._begin(BatchType.RESUME_PROCESS_INSTANCE, filter)

    async def delete_instances(self, filter: Filter) -> BatchBegun:
        """Delete the process instances that have ended and pass *filter*, with their history."""
        return await self._begin(BatchType.DELETE_PROCESS_INSTANCE, filter)

    async def migrate_instances(
        self,
        filter: Filter,
        *,
        target_definition_key: int,
        mapping: Mapping[str, str] | None = None,
        maps_same_ids: bool = False,
    ) -> BatchBegun:
        """Let the active process instances that pass *filter* go on in another definition. *mapping* is that of `migrate_instance`.

        With *maps_same_ids*, active elements that it does not name go on where the same id is.
        """
        return await self._begin(
            BatchType.MIGRATE_PROCESS_INSTANCE,
            filter,
            target_process_definition_key=target_definition_key,
            mappings=_pairs(mapping or {}),
            maps_same_ids=maps_same_ids,
        )

    async def modify_instances(self, filter: Filter, *, moves: Mapping[str, str]) -> BatchBegun:
        """Move tokens in the active process instances that pass *filter*: from each element of *moves* to the one behind it."""
        return await self._begin(BatchType.MODIFY_PROCESS_INSTANCE, filter, moves=_pairs(moves))

    async def resolve_incidents(self, filter: Filter | None = None) -> BatchBegun:
        """Resolve the incidents of the active process instances that pass *filter*; without one, of all. A job without retries gets one."""
        return await self._begin(BatchType.RESOLVE_INCIDENT, filter)

    async def resolve_incidents_of(self, process_instance_key: int) -> BatchBegun:
        """Resolve all incidents of one process instance.

        Raises:
            NotFound: there is no such process instance.
        """
        request = queries.ResolveProcessInstanceIncidentsRequest(process_instance_key=process_instance_key)
        answer = await self._begun("ResolveProcessInstanceIncidents", request)
        return BatchBegun(answer.key, answer.items)

    async def update_jobs(
        self, filter: Filter, *, retries: int | None = None, timeout_ms: int | None = None, priority: int | None = None
    ) -> BatchBegun:
        """Change the open jobs that pass *filter*: their retries, the end of their lease (from now), their priority."""
        return await self._begin(
            BatchType.UPDATE_JOB, filter, retries=retries, timeout_ms=timeout_ms, priority=priority
        )

    async def delete_evaluations(self, filter: Filter) -> BatchBegun:
        """Delete the evaluations with a decision that passes *filter*."""
        return await self._begin(BatchType.DELETE_DECISION_INSTANCE, filter)

    async def count(self, type: BatchType | str, filter: Filter | None = None) -> int:
        """Return how many items such a batch operation would have now. Nothing is begun."""
        (number,) = numbers_of(queries.BatchOperationType, _TYPE, [type])
        request = queries.CountBatchOperationItemsRequest(type=number, filter=variables_json.encode(filter))
        return int((await self._begun("CountBatchOperationItems", request)).items)

    async def _begin(self, type: BatchType, filter: Filter | None, **details: Any) -> BatchBegun:
        (number,) = numbers_of(queries.BatchOperationType, _TYPE, [type])
        request = queries.CreateBatchOperationRequest(type=number, filter=variables_json.encode(filter), **details)
        answer = await self._begun("CreateBatchOperation", request)
        return BatchBegun(answer.key, answer.items)

    async def _begun(self, name: str, request: Any) -> Any:
        """Make a call that finds all items first, and so takes longer than others."""
        timeout_s = None if self._timeout_s is None else max(self._timeout_s, FINDING_S)
        return await self._channel.unary(name, request, timeout_s=timeout_s)

    # --- look after

    async def get(self, key: int) -> BatchOperation:
        """Return one batch operation.

        Raises:
            NotFound: there is none with that key.
        """
        return _batch(await self._call("GetBatchOperation", queries.GetBatchOperationRequest(key=key)))

    async def search(
        self,
        *,
        types: Iterable[BatchType | str] = (),
        states: Iterable[BatchState | str] = (),
        limit: int = DEFAULT_LIMIT,
        after: str = "",
    ) -> Page[BatchOperation]:
        """Return batch operations, newest first. *limit* and *after* are those of every search."""
        request = queries.SearchBatchOperationsRequest(
            types=numbers_of(queries.BatchOperationType, _TYPE, types),
            states=numbers_of(queries.BatchOperationState, _STATE, states),
            limit=limit,
            after=after,
        )
        answer = await self._call("SearchBatchOperations", request)
        return Page([_batch(one) for one in answer.items], answer.next)

    async def items(
        self,
        key: int = 0,
        *,
        process_instance_key: int = 0,
        states: Iterable[BatchItemState | str] = (),
        limit: int = DEFAULT_LIMIT,
        after: str = "",
    ) -> Page[BatchItem]:
        """Return the items of a batch operation, or of all of them, oldest first."""
        request = queries.SearchBatchOperationItemsRequest(
            batch_operation_key=key,
            process_instance_key=process_instance_key,
            states=numbers_of(queries.BatchOperationItemState, _ITEM, states),
            limit=limit,
            after=after,
        )
        answer = await self._call("SearchBatchOperationItems", request)
        return Page([_item(one) for one in answer.items], answer.next)

    async def follow(self, key: int, *, wait_ms: int | None = None) -> AsyncIterator[BatchOperation]:
        """Iterate over a batch operation as it is now and each time that it has changed; the last one has ended.

        Raises:
            NotFound: there is none with that key.
            Timeout: it has not ended within *wait_ms*; it goes on.
        """
        loop, pauses = asyncio.get_running_loop(), Backoff(first_ms=FIRST_LOOK_MS, max_ms=LOOK_EVERY_MS)
        end_s = None if wait_ms is None else loop.time() + wait_ms / 1000
        seen = None
        while seen is None or not seen.has_ended:
            now = await self.get(key)
            if now != seen:
                yield now
            seen = now
            pause_s = pauses.next_s()
            if now.has_ended:
                return
            if end_s is not None and loop.time() + pause_s >= end_s:
                raise Timeout(
                    StatusCode.DEADLINE_EXCEEDED, f"Expected batch operation '{key}' to end within {wait_ms} ms"
                )
            await asyncio.sleep(pause_s)

    async def suspend(self, key: int) -> None:
        """Pause a batch operation until it is resumed.

        Raises:
            NotFound: there is none, or it has ended.
            InvalidState: it is suspended already.
        """
        await self._call("SuspendBatchOperation", queries.SuspendBatchOperationRequest(batch_operation_key=key))

    async def resume(self, key: int) -> None:
        """Let a suspended batch operation go on.

        Raises:
            NotFound: there is none, or it has ended.
            InvalidState: it is not suspended.
        """
        await self._call("ResumeBatchOperation", queries.ResumeBatchOperationRequest(batch_operation_key=key))

    async def cancel(self, key: int) -> None:
        """End a batch operation. What is done stays done; the items that are left are canceled.

        Raises:
            NotFound: there is none, or it has ended.
        """
        await self._call("CancelBatchOperation", queries.CancelBatchOperationRequest(batch_operation_key=key))


def _pairs(mapping: Mapping[str, str]) -> list[queries.ElementPair]:
    return [
        queries.ElementPair(source_element_id=source, target_element_id=target) for source, target in mapping.items()
    ]


def _batch(message: queries.BatchOperation) -> BatchOperation:
    type = BatchType(queries.BatchOperationType.Name(message.type).removeprefix(_TYPE))
    state = BatchState(queries.BatchOperationState.Name(message.state).removeprefix(_STATE))
    return BatchOperation(**fields_of(message, type=type, state=state))


def _item(message: queries.BatchOperationItem) -> BatchItem:
    state = BatchItemState(queries.BatchOperationItemState.Name(message.state).removeprefix(_ITEM))
    return BatchItem(**fields_of(message, state=state))
