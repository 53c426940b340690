"""Batch operations over several partitions: each item is tried where it is, once, and one batch operation has all counts."""

import pytest

from osmia_broker.base.errors import InvalidState, NotFound, OsmiaError
from osmia_broker.engine import commands
from osmia_broker.engine.batches.operations import CREATION_MS
from osmia_broker.engine.commands import batches
from osmia_broker.state.partitioning import partition_of_key
from osmia_broker.state.rows import ElementInstance, FollowUp
from osmia_broker.state.rows.batches import BatchItem, BatchItemState, BatchOperation, BatchState, BatchType
from tests.partition.opened import create, deploy
from tests.partition.several import Several, several

DEPLOY = deploy("start > ask:job > end")


async def started(it: Several, number: int) -> list[int]:
    return [(await it.do(create())).process_instance_key for _ in range(number)]


async def begun(it: Several, keys: list[int], type: BatchType = BatchType.CANCEL_PROCESS_INSTANCE) -> int:
    """Create a batch operation for process instances, without starting it."""
    key: int = await it.do(batches.CreateBatch(type, user="ada"))
    await it.do(batches.AddBatchItems(key, tuple((one, one) for one in keys)))
    return key


def whole(it: Several, key: int) -> BatchOperation:
    (row,) = [row for rows in it.rows(BatchOperation) for row in rows if row.key == key]
    return row  # type: ignore[no-any-return]


def counts(it: Several, key: int) -> tuple[str, int, int, int]:
    row = whole(it, key)
    return str(row.state), row.items, row.completed, row.failed


def items(it: Several) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in (row for rows in it.rows(BatchItem) for row in rows):
        found[str(row.state)] = found.get(str(row.state), 0) + 1
    return found


def living(it: Several) -> list[int]:
    return [row.key for store in it.stores for row in store.living(ElementInstance) if row.type == "PROCESS"]


async def test_the_items_of_all_partitions_are_worked_off_in_theirs():
    async with several() as it:
        await it.do(DEPLOY)
        keys = await started(it, 200)
        key = await begun(it, keys)
        await it.settled()
        kept = [{partition_of_key(row.item_key) for row in rows} for rows in it.rows(BatchItem)]
        assert kept == [{1}, {2}, {3}]
        assert counts(it, key) == ("CREATED", 200, 0, 0)
        assert len(living(it)) == 200
        await it.do(batches.StartBatch(key))
        await it.settled()
        assert counts(it, key) == ("COMPLETED", 200, 200, 0)
        assert items(it) == {"COMPLETED": 200}
        assert living(it) == []


async def test_an_item_that_fails_in_another_partition_is_counted():
    async with several() as it:
        await it.do(DEPLOY)
        keys = await started(it, 9)
        for one in keys[:4]:
            await it.do(commands.CancelProcessInstance(one))
        key = await begun(it, keys)
        await it.do(batches.StartBatch(key))
        await it.settled()
        assert counts(it, key) == ("COMPLETED", 9, 5, 4)
        assert items(it) == {"COMPLETED": 5, "FAILED": 4}


async def test_a_batch_operation_without_items_is_complete_at_once():
    async with several() as it:
        key = await begun(it, [])
        await it.do(batches.StartBatch(key))
        assert counts(it, key) == ("COMPLETED", 0, 0, 0)


async def test_a_key_that_no_partition_has_given_out_fails_as_an_item():
    async with several() as it:
        key = await begun(it, [7, (9 << 51) + 7])
        await it.do(batches.StartBatch(key))
        await it.settled()
        assert counts(it, key) == ("COMPLETED", 2, 0, 2)


async def test_a_suspended_batch_operation_stands_still_everywhere_until_it_is_resumed():
    async with several() as it:
        await it.do(DEPLOY)
        key = await begun(it, await started(it, 330))
        await it.settled()
        it.delivery.stop()  # nothing reaches the others before the suspension
        await it.do(batches.StartBatch(key))
        await it.do(batches.SuspendBatch(key))
        assert whole(it, key).state is BatchState.SUSPENDED
    async with several(it.stores) as it:
        await it.settled()
        left = living(it)
        assert len(left) > 110  # of each partition a slice at most has been worked off meanwhile
        await it.advance(60_000)
        assert living(it) == left
        await it.do(batches.ResumeBatch(key))
        await it.settled()
        assert counts(it, key) == ("COMPLETED", 330, 330, 0)


async def test_one_whose_items_are_all_tried_while_it_is_suspended_ends_when_it_is_resumed():
    async with several() as it:
        await it.do(DEPLOY)
        key = await begun(it, await started(it, 9))
        await it.settled()
        home = it.parts[partition_of_key(key) - 1]
        for route in it.delivery.routes:
            if route.receiver is home:
                route.begin = lambda: None  # type: ignore[method-assign]
        await it.do(batches.StartBatch(key))
        while living(it):
            await it.parts[0].submit(commands.ReadScope(0, frozenset()))
        await it.do(batches.SuspendBatch(key))
        for route in it.delivery.routes:
            route.__dict__.pop("begin", None)
            route.begin()
        await it.settled()
        assert counts(it, key) == ("SUSPENDED", 9, 9, 0)
        await it.do(batches.ResumeBatch(key))
        await it.settled()
        assert counts(it, key) == ("COMPLETED", 9, 9, 0)


async def test_a_canceled_batch_operation_cancels_what_is_left_in_all_partitions():
    async with several() as it:
        await it.do(DEPLOY)
        key = await begun(it, await started(it, 150))
        await it.do(batches.CancelBatch(key))
        await it.settled()
        assert whole(it, key).state is BatchState.CANCELED
        assert items(it) == {"CANCELED": 150}
        assert len(living(it)) == 150
        assert [row.state for rows in it.rows(BatchOperation) for row in rows] == [BatchState.CANCELED] * 3


async def test_a_share_is_no_batch_operation_for_callers():
    async with several() as it:
        await it.do(DEPLOY)
        key = await begun(it, await started(it, 3))
        await it.settled()
        shares = [row for rows in it.rows(BatchOperation) for row in rows if row.key != key]
        assert [row.whole_key for row in shares] == [key, key]
        for share in shares:
            with pytest.raises(NotFound):
                await it.do(batches.CancelBatch(share.key))


async def test_items_that_come_after_the_start_are_refused():
    async with several() as it:
        await it.do(DEPLOY)
        keys = await started(it, 3)
        key = await begun(it, keys)
        await it.do(batches.StartBatch(key))
        with pytest.raises((InvalidState, NotFound)):
            await it.do(batches.AddBatchItems(key, ((keys[0], keys[0]),)))


async def test_a_partition_that_is_away_holds_up_its_own_items_only():
    async with several() as it:
        await it.do(DEPLOY)
        key = await begun(it, await started(it, 30))
        await it.settled()
        away = partition_of_key(key) % 3 + 1
        it.stores[away - 1].may_write.clear()
        await it.do(batches.StartBatch(key))
        while counts(it, key)[2] < 20:
            await it.parts[partition_of_key(key) - 1].submit(commands.ReadScope(0, frozenset()))
        assert counts(it, key) == ("ACTIVE", 30, 20, 0)
        it.stores[away - 1].may_write.set()
        await it.settled()
        assert counts(it, key) == ("COMPLETED", 30, 30, 0)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("nth", range(1, 13))
async def test_a_failed_commit_anywhere_loses_no_item_and_tries_none_twice(nth: int, after: bool):
    """The n-th commit after the items were added fails; with *after*, it took effect nevertheless."""
    async with several() as it:
        await it.do(DEPLOY)
        keys = await started(it, 120)
        key = await begun(it, keys)
        commits = it.fail_commit(nth, after=after)
        state = None
        while state is not BatchState.COMPLETED:
            try:
                if whole(it, key).state is BatchState.CREATED:
                    await it.do(batches.StartBatch(key))
            except OsmiaError:
                pass
            await it.settled()
            state = whole(it, key).state
        assert len(commits) >= nth
        assert counts(it, key) == ("COMPLETED", 120, 120, 0)
        assert items(it) == {str(BatchItemState.COMPLETED): 120}
        assert living(it) == []
        assert {row.command for rows in it.rows(FollowUp) for row in rows} == {"GiveUpBatch"}  # which finds it ended
        await it.advance(CREATION_MS)
        assert not [row for rows in it.rows(FollowUp) for row in rows]


@pytest.mark.parametrize("number", [0, 9])
async def test_a_batch_operation_whose_creation_comes_to_a_halt_is_canceled_also_after_a_restart(number: int):
    async with several() as it:
        await it.do(DEPLOY)
        keys = await started(it, number)
        key = await begun(it, keys)
        await it.settled()
    async with several(it.stores) as it:  # whoever created it is gone
        await it.advance(CREATION_MS - 1)
        assert whole(it, key).state is BatchState.CREATED
        await it.advance(1)  # it looks whether there are more than before
        await it.advance(CREATION_MS)
        assert counts(it, key) == ("CANCELED", number, 0, 0)
        assert items(it) == ({"CANCELED": number} if number else {})
        assert len(living(it)) == number
        with pytest.raises(NotFound):
            await it.do(batches.AddBatchItems(key, ()))


async def test_a_batch_operation_that_gets_items_slowly_is_created_nevertheless():
    async with several() as it:
        await it.do(DEPLOY)
        keys = await started(it, 3)
        key: int = await it.do(batches.CreateBatch(BatchType.CANCEL_PROCESS_INSTANCE))
        for one in keys:
            await it.advance(CREATION_MS - 1)
            await it.do(batches.AddBatchItems(key, ((one, one),)))
        await it.advance(CREATION_MS - 1)
        await it.do(batches.StartBatch(key))
        await it.advance(10 * CREATION_MS)
        assert counts(it, key) == ("COMPLETED", 3, 3, 0)


async def test_a_batch_operation_that_was_suspended_is_not_given_up():
    async with several() as it:
        await it.do(DEPLOY)
        key = await begun(it, await started(it, 3))
        await it.settled()
        await it.do(batches.StartBatch(key))
        await it.do(batches.SuspendBatch(key))
        await it.advance(10 * CREATION_MS)
        assert whole(it, key).state is BatchState.SUSPENDED
