"""Batch operations: one command for many items, worked off in slices, each a follow-up.

The items are rows. A slice takes the next living ones, carries the command out for each on its own, and writes the outcome into the item
and the counts in the same commit. So a crash loses no item and repeats none. With several partitions, each works off a share (`shares`).
"""

from collections.abc import Callable
from functools import partial

import msgspec

from osmia_broker.base.errors import InvalidState, NotFound, Rejection
from osmia_broker.engine.batches.actions import act, prepare
from osmia_broker.engine.batches.shares import (
    CountShare,
    ShareBatch,
    TurnShare,
    add_items,
    find_share,
    report_to_home,
    take_items,
    turn_shares,
    whole_of,
)
from osmia_broker.engine.commands.batches import (
    AddBatchItems,
    BatchPlan,
    CancelBatch,
    CancelBatchItems,
    CreateBatch,
    GiveUpBatch,
    ResumeBatch,
    StartBatch,
    SuspendBatch,
    WorkOffBatch,
)
from osmia_broker.engine.engine import handles
from osmia_broker.engine.follow_ups import carries_out, leave_follow_up, when_stopped
from osmia_broker.engine.incidents import IncidentRaised
from osmia_broker.engine.turn import Turn
from osmia_broker.state.rows.batches import BatchItem, BatchItemState, BatchOperation, BatchState

SLICE_ITEMS = 50  # in one turn; about what a turn can carry out
# Time for the next items of a batch operation that is being created. A crash in the middle of it leaves nobody who would go on.
CREATION_MS = 60_000
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
    _watch_creation(turn, key, items=0)
    return key


def _watch_creation(turn: Turn, batch_key: int, items: int) -> None:
    leave_follow_up(turn, 0, GiveUpBatch(batch_key, items), due_ms=turn.now_ms + CREATION_MS)


@carries_out(GiveUpBatch)
def give_up(turn: Turn, command: GiveUpBatch) -> None:
    """Cancel a batch operation whose creation has come to a halt; look again later if it got items meanwhile."""
    batch: BatchOperation | None = turn.state.find(BatchOperation, command.batch_key)
    if batch is None or batch.state is not BatchState.CREATED:
        return
    if batch.items > command.items:
        _watch_creation(turn, batch.key, batch.items)
    else:
        _cancel(turn, batch)


@handles(AddBatchItems)
def add_batch_items(turn: Turn, command: AddBatchItems) -> None:
    """Add items."""
    batch = _living(turn, command.batch_key, "add items to", BatchState.CREATED)
    turn.batches.update(batch, items=batch.items + add_items(turn, batch, command.items))


@handles(StartBatch)
def start_batch(turn: Turn, command: StartBatch) -> None:
    """Begin with the first slice; without items the batch operation is complete."""
    batch = _living(turn, command.batch_key, "start", BatchState.CREATED)
    _enter(turn, batch, BatchState.ACTIVE)
    if batch.items:
        _go_on(turn, batch)
    else:
        _complete_if_all_tried(turn, batch)


@handles(SuspendBatch)
def suspend_batch(turn: Turn, command: SuspendBatch) -> None:
    """Work off no more items; the slice that is due finds the state."""
    _enter(turn, _living(turn, command.batch_key, "suspend", BatchState.ACTIVE), BatchState.SUSPENDED)


@handles(ResumeBatch)
def resume_batch(turn: Turn, command: ResumeBatch) -> None:
    """Go on with the next slice."""
    batch = _living(turn, command.batch_key, "resume", BatchState.SUSPENDED)
    _enter(turn, batch, BatchState.ACTIVE)
    _go_on(turn, batch)


@handles(CancelBatch)
def cancel_batch(turn: Turn, command: CancelBatch) -> None:
    """End the batch operation, and cancel the items that are left in slices."""
    _cancel(turn, _living(turn, command.batch_key, "cancel"))


def _enter(turn: Turn, batch: BatchOperation, state: BatchState) -> None:
    """Bring *batch* and its shares in other partitions into a state."""
    turn.batches.update(batch, state=state)
    turn_shares(turn, batch, state)


def _cancel(turn: Turn, batch: BatchOperation) -> None:
    turn_shares(turn, batch, BatchState.CANCELED)
    _cancel_here(turn, batch)


def _cancel_here(turn: Turn, batch: BatchOperation) -> None:
    turn.batches.end(batch, turn.now_ms, state=BatchState.CANCELED)
    leave_follow_up(turn, 0, CancelBatchItems(whole_of(batch)), due_ms=turn.now_ms)


def _living(turn: Turn, key: int, verb: str, *states: BatchState) -> BatchOperation:
    """Return the batch operation of *key*.

    Raises:
        NotFound: there is none, or it has ended.
        InvalidState: it is in none of the *states*, if any are given.

    """
    batch: BatchOperation | None = turn.state.find(BatchOperation, key)
    if batch is None or batch.whole_key:
        raise NotFound(f"Expected to {verb} a batch operation with key '{key}', but no such batch operation was found")
    if states and batch.state not in states:
        raise InvalidState(
            f"Expected to {verb} a batch operation with key '{key}' in state '{states[0]}', but it is in state '{batch.state}'"
        )
    return batch


# --- slices


def _go_on(turn: Turn, batch: BatchOperation, items_max: int = SLICE_ITEMS) -> None:
    leave_follow_up(turn, 0, WorkOffBatch(batch.key, items_max), due_ms=turn.now_ms)


def _count(turn: Turn, batch: BatchOperation, completed: int, failed: int) -> None:
    """Count what has been worked off, here and in the home of the batch operation."""
    turn.batches.update(batch, completed=batch.completed + completed, failed=batch.failed + failed)
    if completed or failed:
        report_to_home(turn, batch, completed, failed)


def _complete_if_all_tried(turn: Turn, batch: BatchOperation) -> None:
    """End a batch operation of which no item is left, in no partition. A suspended one ends when it is resumed."""
    if batch.state is BatchState.ACTIVE and batch.completed + batch.failed >= batch.items:
        turn.batches.end(batch, turn.now_ms, state=BatchState.COMPLETED)


@carries_out(WorkOffBatch)
def work_off(turn: Turn, command: WorkOffBatch) -> None:
    """Carry the command out for the next items, each on its own."""
    batch = _active(turn, command)
    if batch is None:
        return
    items, has_more = _left(turn, whole_of(batch))
    part = items[: command.items_max]
    prepare(turn, batch.type, part)
    plan = _decode_plan(batch.plan)
    failed = 0
    for item in part:
        reason = _try(turn, partial(act, turn, batch.type, plan, item))
        failed += bool(reason)
        _end_item(turn, item, reason)
    _count(turn, batch, len(part) - failed, failed)
    if has_more or len(part) < len(items):
        _go_on(turn, batch)
    else:
        _complete_if_all_tried(turn, batch)


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
    items, _ = _left(turn, whole_of(batch))
    if items:
        _end_item(turn, items[0], reason[:REASON_CHARACTERS])
        _count(turn, batch, 0, 1)
    _go_on(turn, batch)


@carries_out(CancelBatchItems)
def cancel_items(turn: Turn, command: CancelBatchItems) -> None:
    """Cancel the next items, and leave the rest for later."""
    items, has_more = _left(turn, command.batch_key)
    for item in items:
        turn.batch_items.end(item, turn.now_ms, state=BatchItemState.CANCELED)
    if has_more:
        leave_follow_up(turn, 0, command, due_ms=turn.now_ms)


# --- shares, between partitions


@carries_out(ShareBatch)
def share_batch(turn: Turn, command: ShareBatch) -> None:
    """Take items that another partition has found for this one."""
    take_items(turn, command)


@carries_out(TurnShare)
def turn_share(turn: Turn, command: TurnShare) -> None:
    """Start, suspend, resume or cancel a share; one that has been worked off has ended."""
    share = find_share(turn, command.batch_key)
    if share is None:
        return
    if command.state is BatchState.CANCELED:
        _cancel_here(turn, share)
        return
    turn.batches.update(share, state=command.state)
    if command.state is BatchState.ACTIVE:
        _go_on(turn, share)


@carries_out(CountShare)
def count_share(turn: Turn, command: CountShare) -> None:
    """Count what another partition has worked off. A batch operation that was canceled counts no more."""
    batch: BatchOperation | None = turn.state.find(BatchOperation, command.batch_key)
    if batch is not None:
        _count(turn, batch, command.completed, command.failed)
        _complete_if_all_tried(turn, batch)
