"""`osmia batches`: list batch operations; and the rows of them and of their items."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from osmia_broker.cli.options import Limit
from osmia_broker.cli.output import Column, Row, moment
from osmia_broker.cli.rows import every, first
from osmia_broker.cli.session import Session, with_session

if TYPE_CHECKING:
    from osmia.calls.batches import BatchItem, BatchOperation

app = typer.Typer(add_completion=False)

COLUMNS = (
    Column("batchOperationKey", "KEY"),
    Column("batchOperationType", "TYPE", is_long=True),
    Column("state", "STATE"),
    Column("operationsTotalCount", "ITEMS"),
    Column("operationsCompletedCount", "DONE"),
    Column("operationsFailedCount", "FAILED"),
    Column("startDate", "STARTED", is_moment=True),
    Column("endDate", "ENDED", is_wide=True, is_moment=True),
    Column("actorId", "BY", is_wide=True, is_long=True),
)
ITEM_COLUMNS = (
    Column("itemKey", "KEY"),
    Column("state", "STATE"),
    Column("processInstanceKey", "INSTANCE"),
    Column("errorMessage", "WHY", is_long=True),
    Column("processedDate", "AT", is_wide=True, is_moment=True),
    Column("batchOperationKey", "BATCH", is_wide=True),
)


class State(StrEnum):
    """The values of `--state`."""

    CREATED = "created"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    COMPLETED = "completed"
    CANCELED = "canceled"
    ALL = "all"


@app.command()
@with_session
def batches(
    session: Session,
    state: Annotated[State, typer.Option(case_sensitive=False, help="The state of the listed ones.")] = State.ALL,
    limit: Limit = 50,
) -> None:
    """List batch operations, newest first.

    Example: osmia batches --state active
    """
    with session.client() as client:
        found = every(client.batches.search, states=[] if state is State.ALL else [state.upper()])
        rows = [batch_row(one) for one in first(session, found, limit)]
    session.list(rows, COLUMNS, empty="No batch operations." if state is State.ALL else "No such batch operations.")


def batch_row(batch: "BatchOperation") -> Row:
    """Return the row of a batch operation."""
    return {
        "batchOperationKey": str(batch.key),
        "batchOperationType": str(batch.type),
        "state": str(batch.state),
        "operationsTotalCount": batch.items,
        "operationsCompletedCount": batch.completed,
        "operationsFailedCount": batch.failed,
        "startDate": moment(batch.start_ms),
        "endDate": moment(batch.end_ms),
        "actorId": batch.user or None,
    }


def item_row(item: "BatchItem") -> Row:
    """Return the row of an item of a batch operation."""
    return {
        "itemKey": str(item.item_key),
        "state": str(item.state),
        "processInstanceKey": str(item.process_instance_key) if item.process_instance_key else None,
        "errorMessage": item.error_message or None,
        "processedDate": moment(item.end_ms),
        "batchOperationKey": str(item.batch_operation_key),
    }
