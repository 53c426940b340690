"""Calls of batch operations: begin one for all that passes a filter, look after it, and delete what has ended one by one."""

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from osmia_broker.base.errors import NotFound, OsmiaError
from osmia_broker.calls import checks
from osmia_broker.calls.base import CallGroup
from osmia_broker.calls.batches import items as batch_items
from osmia_broker.calls.batches.items import Items
from osmia_broker.engine.commands.batches import (
    AddBatchItems,
    BatchPlan,
    CancelBatch,
    CreateBatch,
    DeleteEndedInstance,
    DeleteEvaluation,
    ResumeBatch,
    StartBatch,
    SuspendBatch,
)
from osmia_broker.state.rows.batches import BatchType
from osmia_broker.store.read import Reader
from osmia_broker.store.read.entities import PROCESS_INSTANCES
from osmia_broker.store.read.search.search import get

ITEMS_OF_A_COMMAND = 500  # that one command adds to a batch operation


@dataclass(frozen=True, slots=True)
class BatchBegun:
    """A batch operation that was created and works."""

    key: int
    type: BatchType
    items: int  # the number of them


class BatchCalls(CallGroup):
    """Begin, suspend, resume and cancel batch operations; delete what has ended."""

    _reader: Reader | None  #: where the items are found

    async def begin_batch(
        self, type: BatchType, filter: Any, *, plan: BatchPlan | None = None, user: str = ""
    ) -> BatchBegun:
        """Begin a batch operation of *user* for all that passes *filter*, as the searches of the REST API have it.

        Only the resolution of incidents may have no filter: it is for all of them.

        Raises:
            InvalidArgument: the filter is missing, wrong or without a condition, or more passes it than a batch operation may have.

        """
        return await self.create_batch(type, await self.find_items(type, filter), plan=plan, user=user)

    async def find_items(self, type: BatchType, filter: Any) -> Items:
        """Return the items that a batch operation would have now. Raises as `begin_batch`."""
        return await batch_items.find(self._lists(), type, filter)

    async def resolve_incidents_of(self, process_instance_key: int, *, user: str = "") -> BatchBegun:
        """Begin to resolve all open incidents of one process instance.

        Raises:
            NotFound: there is no such process instance.

        """
        await self._expect_instance(process_instance_key)
        items = await batch_items.incidents_of(self._lists(), process_instance_key)
        return await self.create_batch(BatchType.RESOLVE_INCIDENT, items, user=user)

    async def create_batch(
        self, type: BatchType, items: Sequence[tuple[int, int]], *, plan: BatchPlan | None = None, user: str = ""
    ) -> BatchBegun:
        """Create a batch operation for *items*, and start it.

        An item is the key of what the operation is for, and the key of the process instance that it belongs to (0: none). A batch operation
        whose items are not all stored, because the caller has left for example, is canceled: nothing would ever start it. After a crash in the
        middle, the engine cancels it (`GiveUpBatch`).
        """
        command = CreateBatch(type, plan or BatchPlan(), checks.storable("user", user))
        created: asyncio.Future[int] = self._partitions.submit(command)
        try:
            key = await asyncio.shield(created)
        except asyncio.CancelledError:  # its key comes nevertheless
            created.add_done_callback(self._give_up_created)
            raise
        try:
            for first in range(0, len(items), ITEMS_OF_A_COMMAND):
                part = tuple(items[first : first + ITEMS_OF_A_COMMAND])
                await self._partitions.submit(AddBatchItems(key, part))
        except BaseException:
            self._give_up(key)
            raise
        await self._partitions.submit(StartBatch(key))
        return BatchBegun(key, type, len(items))

    def _give_up_created(self, created: "asyncio.Future[int]") -> None:
        if not created.cancelled() and created.exception() is None:
            self._give_up(created.result())

    def _give_up(self, batch_key: int) -> None:
        """Cancel a batch operation whose caller has left; a partition that is away keeps it, for a person to cancel."""
        with suppress(OsmiaError):
            canceled: asyncio.Future[None] = self._partitions.submit(CancelBatch(batch_key))
            canceled.add_done_callback(lambda done: done.cancelled() or done.exception())  # mark it as read

    def suspend_batch(self, batch_key: int) -> Awaitable[None]:
        """Pause a batch operation until it is resumed."""
        return self._partitions.submit(SuspendBatch(checks.int64("batchOperationKey", batch_key)))

    def resume_batch(self, batch_key: int) -> Awaitable[None]:
        """Let a suspended batch operation go on."""
        return self._partitions.submit(ResumeBatch(checks.int64("batchOperationKey", batch_key)))

    def cancel_batch(self, batch_key: int) -> Awaitable[None]:
        """End a batch operation; nothing is done to the items that are left."""
        return self._partitions.submit(CancelBatch(checks.int64("batchOperationKey", batch_key)))

    # --- one by one

    async def delete_ended_instance(self, process_instance_key: int) -> None:
        """Delete a process instance that has ended, with its history.

        Raises:
            NotFound: there is no such process instance.
            InvalidState: it is still running.

        """
        await self._expect_instance(process_instance_key)
        await self._partitions.submit(DeleteEndedInstance(process_instance_key))

    async def delete_evaluation(self, evaluation_key: int) -> None:
        """Delete an evaluation of a decision, with those that it required.

        Raises:
            NotFound: there is no such evaluation.

        """
        key = checks.int64("decisionEvaluationKey", evaluation_key)
        if not await batch_items.evaluations(self._lists(), {"decisionEvaluationKey": str(key)}):
            raise NotFound(f"Expected to delete decision evaluation with key '{key}', but no such evaluation was found")
        await self._partitions.submit(DeleteEvaluation(key))

    async def _expect_instance(self, process_instance_key: int) -> None:
        key = checks.int64("processInstanceKey", process_instance_key)
        await get(self._lists(), PROCESS_INSTANCES, key, "process instance")

    def _lists(self) -> Reader:
        assert self._reader is not None, "a broker has a read side"
        return self._reader
