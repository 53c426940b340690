"""The requests for batch operations, and the answer to them."""

from typing import Annotated, Any, Self

from msgspec import UNSET, UnsetType

from osmia_broker.calls.batches.operations import BatchBegun
from osmia_broker.engine.commands.batches import BatchPlan
from osmia_broker.http.described import Referenced, one_of, schema
from osmia_broker.http.operation import Call
from osmia_broker.http.searching import filter_schema
from osmia_broker.http.types import Item
from osmia_broker.state.rows.batches import BatchType
from osmia_broker.store.read.entities import PROCESS_INSTANCES
from osmia_broker.store.read.entities.batches import TYPES


class InstancesFilter(Referenced):
    """The process instances of a batch operation, by a filter as searches have it."""

    filter: Annotated[dict[str, Any], schema(**filter_schema(PROCESS_INSTANCES))] | UnsetType | None = UNSET


class BatchCreated(Item):
    """A batch operation that was begun."""

    batch_operation_key: str
    batch_operation_type: Annotated[str, one_of(*TYPES)]

    @classmethod
    def of(cls, begun: BatchBegun) -> Self:
        """Return the answer for a batch operation that was begun."""
        return cls(batch_operation_key=str(begun.key), batch_operation_type=begun.type.value)


async def begin(call: Call, type: BatchType, filter: Any, plan: BatchPlan | None = None) -> BatchCreated:
    """Begin a batch operation for all that passes the filter of a request."""
    return BatchCreated.of(await call.calls.begin_batch(type, filter, plan=plan, user=call.caller.user))
