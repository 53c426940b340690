"""Batch operations over several partitions: each works off the items that it has, in a share of its own.

The batch operation of the caller is in one partition, its home; an item that another partition has given out travels there in the commit that
adds it. The partition keeps its items with a share, which is worked off like any batch operation, and reports the outcome of each slice to
its home. So every item is tried in the partition of what it is for, exactly once, and the home has the counts and the end.
"""

from collections.abc import Iterable

from osmia_broker.engine.commands import Command
from osmia_broker.engine.outbox import send
from osmia_broker.engine.turn import Turn
from osmia_broker.state.partitioning import partition_of_key
from osmia_broker.state.rows.batches import BatchItem, BatchOperation, BatchState, BatchType


class ShareBatch(Command, frozen=True, gc=False):
    """Take items of a batch operation of another partition, which has not started yet."""

    batch_key: int
    type: BatchType
    plan: str
    user: str
    items: tuple[tuple[int, int], ...]


class TurnShare(Command, frozen=True, gc=False):
    """Bring the share of a batch operation into the state that this has: started, suspended, resumed, or canceled."""

    batch_key: int
    state: BatchState


class CountShare(Command, frozen=True, gc=False):
    """Count what another partition has worked off."""

    batch_key: int
    completed: int
    failed: int


# --- at home


def add_items(turn: Turn, batch: BatchOperation, items: Iterable[tuple[int, int]]) -> int:
    """Keep the items that are worked off here, send the others to their partitions, and return how many there are."""
    number = 0
    elsewhere: dict[int, list[tuple[int, int]]] = {}
    for one in items:
        number += 1
        partition = partition_of_key(one[0])
        if partition == turn.state.partition_id or not 1 <= partition <= turn.partitions:
            insert_item(turn, batch.key, *one)
        else:
            elsewhere.setdefault(partition, []).append(one)
    for partition, some in elsewhere.items():
        send(turn, partition, ShareBatch(batch.key, batch.type, batch.plan, batch.user, tuple(some)))
    return number


def insert_item(turn: Turn, batch_key: int, item_key: int, target_instance_key: int) -> None:
    """Keep one item."""
    key = turn.next_key()
    turn.batch_items.insert(BatchItem(key, key, batch_key, item_key, target_instance_key))


def turn_shares(turn: Turn, batch: BatchOperation, state: BatchState) -> None:
    """Bring all shares of *batch* into a state. A partition without one passes over it."""
    for partition in range(1, turn.partitions + 1):
        if partition != turn.state.partition_id:
            send(turn, partition, TurnShare(batch.key, state))


# --- elsewhere


def whole_of(batch: BatchOperation) -> int:
    """Return the key of the batch operation that the caller knows; *batch* may be a share of it."""
    return batch.whole_key or batch.key


def find_share(turn: Turn, batch_key: int) -> BatchOperation | None:
    """Return the living share of a batch operation of another partition; None if there is none."""
    found: list[BatchOperation]
    found, _ = turn.state.match(BatchOperation, ("whole_key",), (batch_key,))
    return found[0] if found else None


def take_items(turn: Turn, command: ShareBatch) -> None:
    """Keep items that have come, with a share if they are the first."""
    share = find_share(turn, command.batch_key)
    if share is None:
        key = turn.next_key()
        share = BatchOperation(
            key=key,
            process_instance_key=key,
            type=command.type,
            plan=command.plan,
            user=command.user,
            started_ms=turn.now_ms,
            whole_key=command.batch_key,
        )
        turn.batches.insert(share)
    for one in command.items:
        insert_item(turn, command.batch_key, *one)
    turn.batches.update(share, items=share.items + len(command.items))


def report_to_home(turn: Turn, share: BatchOperation, completed: int, failed: int) -> None:
    """Report to the home of *share* what has been worked off; nothing for a batch operation that is at home here."""
    if share.whole_key:
        send(turn, partition_of_key(share.whole_key), CountShare(share.whole_key, completed, failed))
