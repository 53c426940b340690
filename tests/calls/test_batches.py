"""The creation of batch operations: whoever leaves in the middle of it leaves nothing that waits for ever."""

import asyncio

import pytest

from osmia_broker.base.errors import Unavailable
from osmia_broker.calls import Calls
from osmia_broker.calls.batches.operations import ITEMS_OF_A_COMMAND
from osmia_broker.engine.commands.batches import AddBatchItems, CancelBatch, CreateBatch, StartBatch
from osmia_broker.state.rows.batches import BatchType
from tests.calls.scripted import ScriptedPartition

ITEMS = [(key, 0) for key in range(ITEMS_OF_A_COMMAND + 1)]  # of two commands


def kinds(partition: ScriptedPartition) -> list[type]:
    return [type(command) for command in partition.commands]


async def answered(partition: ScriptedPartition, times: int) -> None:
    """Let the partition answer so many commands, each of which asks for the next."""
    for _ in range(times):
        while not partition.asked:
            await asyncio.sleep(0)
        partition.answer()


async def test_a_batch_is_started_when_all_items_are_stored() -> None:
    partition = ScriptedPartition()
    creation = asyncio.ensure_future(Calls(partition).create_batch(BatchType.UPDATE_JOB, ITEMS))  # type: ignore[arg-type]
    await answered(partition, 4)
    assert (await creation).items == len(ITEMS)
    assert kinds(partition) == [CreateBatch, AddBatchItems, AddBatchItems, StartBatch]


@pytest.mark.parametrize(("stored", "last"), [(0, CancelBatch), (1, CancelBatch), (2, StartBatch)])
async def test_a_batch_whose_caller_leaves_is_canceled_unless_it_was_to_start(stored: int, last: type) -> None:
    partition = ScriptedPartition()
    creation = asyncio.ensure_future(Calls(partition).create_batch(BatchType.UPDATE_JOB, ITEMS))  # type: ignore[arg-type]
    await answered(partition, 1 + stored)
    while not partition.asked:
        await asyncio.sleep(0)
    creation.cancel()
    with pytest.raises(asyncio.CancelledError):
        await creation
    assert kinds(partition)[-1] is last
    assert {CancelBatch, StartBatch} & {*kinds(partition)} == {last}


async def test_a_batch_whose_caller_leaves_before_it_has_a_key_is_canceled() -> None:
    partition = ScriptedPartition()
    creation = asyncio.ensure_future(Calls(partition).create_batch(BatchType.UPDATE_JOB, ITEMS))  # type: ignore[arg-type]
    while not partition.asked:
        await asyncio.sleep(0)
    creation.cancel()
    with pytest.raises(asyncio.CancelledError):
        await creation
    assert kinds(partition) == [CreateBatch]
    [(_, created)] = partition.asked
    created.set_result(7)
    await asyncio.sleep(0)
    assert partition.commands[1:] == [CancelBatch(7)]


async def test_a_batch_that_is_refused_after_its_caller_has_left_is_nothing_to_cancel() -> None:
    partition = ScriptedPartition()
    creation = asyncio.ensure_future(Calls(partition).create_batch(BatchType.UPDATE_JOB, ITEMS))  # type: ignore[arg-type]
    while not partition.asked:
        await asyncio.sleep(0)
    creation.cancel()
    with pytest.raises(asyncio.CancelledError):
        await creation
    partition.answer(Unavailable("away"))
    await asyncio.sleep(0)
    assert kinds(partition) == [CreateBatch]


async def test_a_batch_of_a_partition_that_is_away_is_refused_as_such() -> None:
    partition = ScriptedPartition()
    creation = asyncio.ensure_future(Calls(partition).create_batch(BatchType.UPDATE_JOB, ITEMS))  # type: ignore[arg-type]
    await answered(partition, 1)
    while not partition.asked:
        await asyncio.sleep(0)
    partition.refusal = Unavailable("over")  # of the cancel, too
    partition.answer(Unavailable("away"))
    with pytest.raises(Unavailable, match="away"):
        await creation
