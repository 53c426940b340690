"""The requests for batch operations, and the answer to them."""

from typing import Annotated, Any, Self

from msgspec import UNSET, UnsetType

from osmia_broker.calls.batch_items import Filter, Items
from osmia_broker.calls.operators import BatchBegun
from osmia_broker.engine.batch_commands import BatchPlan
from osmia_broker.http.described import Referenced, one_of, schema
from osmia_broker.http.operation import Call
from osmia_broker.http.problem import invalid
from osmia_broker.http.searching import filter_schema
from osmia_broker.http.types import Item
from osmia_broker.state.batch_rows import BatchType
from osmia_broker.store.read.entities import PROCESS_INSTANCES
from osmia_broker.store.read.entities.batches import TYPES
from osmia_broker.store.read.search import filters
from osmia_broker.store.read.search.entity import Entity

Given = dict[str, Any] | UnsetType | None  #: the filter of a request


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


def filter_of(given: Given, entity: Entity) -> Filter:
    """Return the filter of a request for items of *entity*.

    Raises:
        HttpRefusal: there is none, or it has no condition: a batch operation for everything is more likely a mistake.
        InvalidArgument: it is wrong.

    """
    if not isinstance(given, dict):
        raise invalid("No filter provided.")
    if filters.parse(entity.fields, given).is_empty:
        raise invalid("At least one criterion of the filter is required.")
    return given


async def begin(call: Call, type: BatchType, items: Items, plan: BatchPlan | None = None) -> BatchCreated:
    """Create a batch operation and start it."""
    return BatchCreated.of(await call.calls.create_batch(type, items, plan=plan, user=call.caller.user))
