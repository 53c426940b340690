"""The lists of batch operations, newest first, and of their items, in ascending order: the searches of `entities/batches.py` with rows."""

from collections.abc import Iterable

from osmia_broker.state.rows.batches import BatchItem, BatchOperation
from osmia_broker.store.read.entities import BATCH_ITEMS, BATCH_OPERATIONS
from osmia_broker.store.read.lists.pages import Page
from osmia_broker.store.read.lists.stored import Rows, among, page_of
from osmia_broker.store.read.sources import Sources, by_itself, no_such, question

NEWEST_FIRST = (("startDate", True),)
BY_KEY = ()


@question(by_itself)
async def search(
    sources: Sources, *, types: Iterable[str] = (), states: Iterable[str] = (), limit: int = 0, after: str = ""
) -> Page[BatchOperation]:
    """List the batch operations that pass every filter. An empty filter lets all pass."""
    asked = {"batchOperationType": among(types), "state": among(states)}
    rows = Rows(BatchOperation)
    return await page_of(sources, BATCH_OPERATIONS, rows, NEWEST_FIRST, asked, limit=limit, after=after)


@question(by_itself)
async def find(sources: Sources, key: int) -> BatchOperation:
    """Return one batch operation.

    Raises:
        NotFound: there is none with this key.

    """
    asked = {"batchOperationKey": {"$eq": str(key)}}
    page = await page_of(sources, BATCH_OPERATIONS, Rows(BatchOperation), BY_KEY, asked, limit=1, after="")
    if not page.items:
        raise no_such("batch operation", key)
    return page.items[0]


@question(by_itself)
async def search_items(
    sources: Sources,
    *,
    batch_operation_key: int = 0,
    process_instance_key: int = 0,
    states: Iterable[str] = (),
    limit: int = 0,
    after: str = "",
) -> Page[BatchItem]:
    """List the items that pass every filter. An empty filter lets all pass."""
    asked = {
        "batchOperationKey": batch_operation_key,
        "processInstanceKey": process_instance_key,
        "state": among(states),
    }
    return await page_of(sources, BATCH_ITEMS, Rows(BatchItem), BY_KEY, asked, limit=limit, after=after)
