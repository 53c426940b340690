"""Calls of operators: changes of several values at once, batch operations, cluster variables, the deletion of history."""

from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass

import msgspec

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.calls import checks
from osmia_broker.calls.base import PartitionCalls
from osmia_broker.calls.documents import parse_variables
from osmia_broker.engine.batch_commands import (
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
from osmia_broker.engine.commands import (
    ActivateAdHocElements,
    DeleteClusterVariable,
    ElementToActivate,
    PutClusterVariable,
)
from osmia_broker.state.batch_rows import BatchType, ClusterVariable

ITEMS_OF_A_COMMAND = 500  # that one command adds to a batch operation
BATCH_ITEMS_MAX = 1_000_000  #: of one batch operation
CLUSTER_VARIABLE_CHARACTERS = 256  # of a name


@dataclass(frozen=True, slots=True)
class BatchBegun:
    """A batch operation that was created and works."""

    key: int
    type: BatchType


class OperatorCalls(PartitionCalls):
    """Activate and update; batch operations; cluster variables; the deletion of what has ended."""

    def activate_ad_hoc_elements(
        self, ad_hoc_key: int, elements: Iterable[tuple[str, str]], *, cancels_remaining: bool = False
    ) -> Awaitable[None]:
        """Activate elements, given as (id, variables), of a running ad-hoc subprocess."""
        key = checks.int64("adHocSubProcessInstanceKey", ad_hoc_key)
        wanted = tuple(ElementToActivate(id, parse_variables(variables)) for id, variables in elements)
        return self._partition.submit(ActivateAdHocElements(key, wanted, cancels_remaining))

    # --- batch operations

    async def create_batch(
        self, type: BatchType, items: Sequence[tuple[int, int]], *, plan: BatchPlan | None = None, user: str = ""
    ) -> BatchBegun:
        """Create a batch operation for *items*, and start it.

        An item is the key of what the operation is for, and the key of the process instance that it belongs to (0: none).
        """
        key: int = await self._partition.submit(CreateBatch(type, plan or BatchPlan(), checks.storable("user", user)))
        for first in range(0, len(items), ITEMS_OF_A_COMMAND):
            part = tuple(items[first : first + ITEMS_OF_A_COMMAND])
            await self._partition.submit(AddBatchItems(key, part))
        await self._partition.submit(StartBatch(key))
        return BatchBegun(key, type)

    def suspend_batch(self, batch_key: int) -> Awaitable[None]:
        """Pause a batch operation until it is resumed."""
        return self._partition.submit(SuspendBatch(checks.int64("batchOperationKey", batch_key)))

    def resume_batch(self, batch_key: int) -> Awaitable[None]:
        """Let a suspended batch operation go on."""
        return self._partition.submit(ResumeBatch(checks.int64("batchOperationKey", batch_key)))

    def cancel_batch(self, batch_key: int) -> Awaitable[None]:
        """End a batch operation; nothing is done to the items that are left."""
        return self._partition.submit(CancelBatch(checks.int64("batchOperationKey", batch_key)))

    # --- history

    def delete_ended_instance(self, process_instance_key: int) -> Awaitable[None]:
        """Delete a process instance that has ended, with its history."""
        return self._partition.submit(DeleteEndedInstance(checks.int64("processInstanceKey", process_instance_key)))

    def delete_evaluation(self, evaluation_key: int) -> Awaitable[None]:
        """Delete an evaluation of a decision."""
        return self._partition.submit(DeleteEvaluation(checks.int64("decisionEvaluationKey", evaluation_key)))

    # --- cluster variables

    def put_cluster_variable(
        self, name: str, value: str, *, metadata: str | None = None, updates: bool = False
    ) -> Awaitable[ClusterVariable]:
        """Create a cluster variable, or update the one with this name. *value* and *metadata* are JSON; no metadata leave them as they are.

        Raises:
            AlreadyExists: it is to be created, but exists.
            NotFound: it is to be updated, but does not exist.

        """
        if not name.strip():
            raise InvalidArgument("Expected a cluster variable to have a name, but found a blank one")
        checks.at_most("name", name, CLUSTER_VARIABLE_CHARACTERS)
        compact = parse_variables(f'{{"value":{value}}}')["value"]
        if metadata is not None:
            metadata = msgspec.json.format(metadata, indent=-1)
        return self._partition.submit(PutClusterVariable(name, compact, metadata, updates))

    def delete_cluster_variable(self, name: str) -> Awaitable[None]:
        """Delete a cluster variable."""
        return self._partition.submit(DeleteClusterVariable(name))
