"""Batch operations with their items."""

from sqlalchemy import and_, case, literal_column, or_

from osmia_broker.state.rows.batches import (
    BatchItem,
    BatchItemState,
    BatchOperation,
    BatchState,
    BatchType,
)
from osmia_broker.store import schema
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.fields import (
    Join,
    choice,
    date,
    integer,
    json,
    key,
    list_of,
    maybe,
    named,
    object_of,
    own_key,
)

_batch = schema.TABLES[BatchOperation].alias("batch")
_item = schema.TABLES[BatchItem].alias("item")
#: In a partition that has a share of a batch operation, its items are joined with that.
_is_share = and_(_batch.c.whole_key == _item.c.batch_key, _batch.c.whole_key != literal_column("0"))
_batch_join = Join(_batch, or_(_batch.c.key == _item.c.batch_key, _is_share))

#: The names of the contract; some of them no broker of ours writes.
TYPES = (
    *(one.value for one in BatchType),
    "ADD_VARIABLE",
    "DELETE_DECISION_DEFINITION",
    "DELETE_PROCESS_DEFINITION",
    "UPDATE_VARIABLE",
)
STATES = (*(one.value for one in BatchState), "FAILED", "PARTIALLY_COMPLETED")
ITEM_STATES = (*(one.value for one in BatchItemState), "SKIPPED")
ACTORS = {"USER": _batch.c.user != "", "ANONYMOUS": _batch.c.user == ""} | dict.fromkeys(
    ("CLIENT", "UNKNOWN"), _batch.c.key < 0
)

_ERROR = object_of(
    partitionId={"type": "integer", "format": "int32"},
    type={"type": "string", "enum": ["QUERY_FAILED", "RESULT_BUFFER_SIZE_EXCEEDED"]},
    message={"type": "string"},
)

BATCH_OPERATIONS = Entity(
    "batch operations",
    _batch,
    (_batch.c.key,),
    (
        own_key("batchOperationKey", _batch.c.key),
        choice("state", _batch.c.state, STATES, sorts=True),
        choice("batchOperationType", _batch.c.type, TYPES),
        choice("operationType", _batch.c.type, TYPES, sorts=True, shows=False),
        date("startDate", _batch.c.started_ms, sorts=True, sorted_by=_batch.c.key, optional=False),
        date("endDate", _batch.c.ended_ms, sorts=True),
        named("actorType", case((_batch.c.user != "", "USER"), else_="ANONYMOUS"), ACTORS, sorts=True),
        maybe("actorId", _batch.c.user, sorts=True),
        integer("operationsTotalCount", _batch.c["items"], filters=False),
        integer("operationsFailedCount", _batch.c.failed, filters=False),
        integer("operationsCompletedCount", _batch.c.completed, filters=False),
        json("errors", literal_column("'[]'"), lambda _: [], list_of(_ERROR)),
    ),
    where=_batch.c.whole_key == 0,
)

BATCH_ITEMS = Entity(
    "batch operation items",
    _item,
    (_item.c.key,),
    (
        choice("operationType", _batch.c.type, TYPES, joins=(_batch_join,)),
        key("batchOperationKey", _item.c.batch_key, sorts=True),
        key("itemKey", _item.c.item_key, sorts=True),
        key("processInstanceKey", _item.c.target_instance_key, sorts=True),
        key("rootProcessInstanceKey", literal_column("0"), filters=False),
        choice("state", _item.c.state, ITEM_STATES, sorts=True),
        date("processedDate", _item.c.ended_ms, sorts=True),
        maybe("errorMessage", _item.c.error_message),
    ),
)
