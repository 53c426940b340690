"""The requests for batch operations, and the answer to them."""

from typing import Any, Self

from msgspec import UNSET, UnsetType

from osmia_broker.calls.batch_items import Filter, Items
from osmia_broker.calls.operators import BatchBegun
from osmia_broker.engine.batch_commands import BatchPlan
from osmia_broker.http.operation import Call
from osmia_broker.http.problem import invalid
from osmia_broker.http.types import Body, Item
from osmia_broker.state.batch_rows import BatchType
from osmia_broker.store.read.search import filters
from osmia_broker.store.read.search.entity import Entity


class FilterBody(Body):
    """The items of a batch operation, by a filter as searches have it."""

    filter: dict[str, Any] | UnsetType | None = UNSET


class BatchCreated(Item):
    """A batch operation that was begun."""

    batch_operation_key: str
    batch_operation_type: str

    @classmethod
    def of(cls, begun: BatchBegun) -> Self:
        """Return the answer for a batch operation that was begun."""
        return cls(batch_operation_key=str(begun.key), batch_operation_type=begun.type.value)


def filter_of(body: FilterBody, entity: Entity) -> Filter:
    """Return the filter of a request for items of *entity*.

    Raises:
        HttpRefusal: there is none, or it has no condition: a batch operation for everything is more likely a mistake.
        InvalidArgument: it is wrong.

    """
    if not isinstance(body.filter, dict):
        raise invalid("No filter provided.")
    if filters.parse(entity.fields, body.filter).is_empty:
        raise invalid("At least one criterion of the filter is required.")
    return body.filter


async def begin(call: Call, type: BatchType, items: Items, plan: BatchPlan | None = None) -> BatchCreated:
    """Create a batch operation and start it."""
    return BatchCreated.of(await call.calls.create_batch(type, items, plan=plan, user=call.caller.user))
