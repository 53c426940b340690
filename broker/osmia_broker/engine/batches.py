"""Batch operations: one command for many items, worked off in slices, each a follow-up (contract-8.10.md, section 2).

The items are rows. A slice takes the next living ones, carries the command out for each on its own, and writes the outcome into the item
and the counts in the same commit. So a crash loses no item and repeats none.
"""

from collections.abc import Callable
from functools import partial

import msgspec

from osmia_broker.engine.batch_actions import act, prepare
from osmia_broker.engine.batch_commands import (
    AddBatchItems,
    BatchPlan,
    CancelBatch,
    CancelBatchItems,
    CreateBatch,
    ResumeBatch,
    StartBatch,
    SuspendBatch,
    WorkOffBatch,
)
from osmia_broker.engine.engine import handles
from osmia_broker.engine.follow_ups import carries_out, leave_follow_up, when_stopped
from osmia_broker.engine.incidents import IncidentRaised
from osmia_broker.engine.turn import Turn
from osmia_broker.errors import InvalidState, NotFound, Rejection
from osmia_broker.state.batch_rows import BatchItem, BatchItemState, BatchOperation, BatchState

SLICE_ITEMS = 50  # in one turn; about what a turn can carry out
REASON_CHARACTERS = 1_000  # of an item's error

_decode_plan = msgspec.json.Decoder(BatchPlan).decode


# --- commands of callers


@handles(CreateBatch)
def create_batch(turn: Turn, command: CreateBatch) -> int:
    """Create a batch operation; its items follow."""
    key = turn.next_key()
    turn.batches.insert(
        BatchOperation(
            key=key,
            process_instance_key=key,
            type=command.type,
            plan=msgspec.json.encode(command.plan).decode(),
            user=command.user,
            started_ms=turn.now_ms,
        )
    )
    return key


@handles(AddBatchItems)
def add_batch_items(turn: Turn, command: AddBatchItems) -> None:
    """Add items."""
    batch = _living(turn, command.batch_key, "add items to", BatchState.CREATED)
    for item_key, target_instance_key in command.items:
        key = turn.next_key()
        turn.batch_items.insert(BatchItem(key, key, batch.key, item_key, target_instance_key))
    turn.batches.update(batch, items=batch.items + len(command.items))


@handles(StartBatch)
def start_batch(turn: Turn, command: StartBatch) -> None:
    """Begin with the first slice; without items the batch operation is complete."""
    batch = _living(turn, command.batch_key, "start", BatchState.CREATED)
    turn.batches.update(batch, state=BatchState.ACTIVE)
    if batch.items:
        _go_on(turn, batch)
    else:
        _complete(turn, batch)


@handles(SuspendBatch)
def suspend_batch(turn: Turn, command: SuspendBatch) -> None:
    """Work off no more items; the slice that is due finds the state."""
    batch = _living(turn, command.batch_key, "suspend", BatchState.ACTIVE)
    turn.batches.update(batch, state=BatchState.SUSPENDED)


@handles(ResumeBatch)
def resume_batch(turn: Turn, command: ResumeBatch) -> None:
    """Go on with the next slice."""
    batch = _living(turn, command.batch_key, "resume", BatchState.SUSPENDED)
    turn.batches.update(batch, state=BatchState.ACTIVE)
    _go_on(turn, batch)


@handles(CancelBatch)
def cancel_batch(turn: Turn, command: CancelBatch) -> None:
    """End the batch operation, and cancel the items that are left in slices."""
    batch = _living(turn, command.batch_key, "cancel")
    turn.batches.end(batch, turn.now_ms, state=BatchState.CANCELED)
    leave_follow_up(turn, 0, CancelBatchItems(batch.key), due_ms=turn.now_ms)


def _living(turn: Turn, key: int, verb: str, *states: BatchState) -> BatchOperation:
    """Return the batch operation of *key*.

    Raises:
        NotFound: there is none, or it has ended.
        InvalidState: it is in none of the *states*, if any are given.

    """
    batch: BatchOperation | None = turn.state.find(BatchOperation, key)
    if batch is None:
        raise NotFound(f"Expected to {verb} a batch operation with key '{key}', but no such batch operation was found")
    if states and batch.state not in states:
        raise InvalidState(
            f"Expected to {verb} a batch operation with key '{key}' in state '{states[0]}', but it is in state '{batch.state}'"
        )
    return batch


# --- slices


def _go_on(turn: Turn, batch: BatchOperation, items_max: int = SLICE_ITEMS) -> None:
    leave_follow_up(turn, 0, WorkOffBatch(batch.key, items_max), due_ms=turn.now_ms)


def _complete(turn: Turn, batch: BatchOperation) -> None:
    turn.batches.end(batch, turn.now_ms, state=BatchState.COMPLETED)


@carries_out(WorkOffBatch)
def work_off(turn: Turn, command: WorkOffBatch) -> None:
    """Carry the command out for the next items, each on its own."""
    batch = _active(turn, command)
    if batch is None:
        return
    items, has_more = _left(turn, batch.key)
    part = items[: command.items_max]
    prepare(turn, batch.type, part)
    plan = _decode_plan(batch.plan)
    failed = 0
    for item in part:
        reason = _try(turn, partial(act, turn, batch.type, plan, item))
        failed += bool(reason)
        _end_item(turn, item, reason)
    turn.batches.update(batch, completed=batch.completed + len(part) - failed, failed=batch.failed + failed)
    if has_more or len(part) < len(items):
        _go_on(turn, batch)
    else:
        _complete(turn, batch)


def _active(turn: Turn, command: WorkOffBatch) -> BatchOperation | None:
    batch: BatchOperation | None = turn.state.find(BatchOperation, command.batch_key)
    return batch if batch is not None and batch.state is BatchState.ACTIVE else None


def _left(turn: Turn, batch_key: int) -> tuple[list[BatchItem], bool]:
    """Return the next items to work off, and whether there may be more."""
    return turn.state.match(BatchItem, ("batch_key",), (batch_key,))


def _try(turn: Turn, carry_out: Callable[[], None]) -> str:
    """Carry a command out, or undo it; return the reason of its refusal, empty if there is none."""
    savepoint = turn.savepoint()
    try:
        carry_out()
    except (Rejection, IncidentRaised) as refusal:
        turn.take_back(savepoint)
        return str(refusal)[:REASON_CHARACTERS]
    return ""


def _end_item(turn: Turn, item: BatchItem, reason: str) -> None:
    state = BatchItemState.FAILED if reason else BatchItemState.COMPLETED
    turn.batch_items.end(item, turn.now_ms, state=state, error_message=reason)


@when_stopped(WorkOffBatch)
def slice_stopped(turn: Turn, command: WorkOffBatch, reason: str) -> None:
    """Try the items of a slice that cannot be carried out one by one; an item that cannot be has failed."""
    batch = _active(turn, command)
    if batch is None:
        return
    if command.items_max > 1:
        _go_on(turn, batch, items_max=1)
        return
    items, _ = _left(turn, batch.key)
    if items:
        _end_item(turn, items[0], reason[:REASON_CHARACTERS])
        turn.batches.update(batch, failed=batch.failed + 1)
    _go_on(turn, batch)


@carries_out(CancelBatchItems)
def cancel_items(turn: Turn, command: CancelBatchItems) -> None:
    """Cancel the next items, and leave the rest for later."""
    items, has_more = _left(turn, command.batch_key)
    for item in items:
        turn.batch_items.end(item, turn.now_ms, state=BatchItemState.CANCELED)
    if has_more:
        leave_follow_up(turn, 0, command, due_ms=turn.now_ms)
