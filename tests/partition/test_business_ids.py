"""Business ids: unique among the living instances of a process, if the broker is set so (contract-8.10.md, section 2)."""

import pytest
from msgspec.structs import replace

from osmia_broker.base.errors import AlreadyExists, InvalidState, NotFound, Unavailable
from osmia_broker.engine import commands
from osmia_broker.partition import older_ids
from osmia_broker.state.partitioning import partition_of_key, partition_of_text
from tests.partition.opened import Opened, WatchedStore, activate, complete, deploy, opened
from tests.partition.several import several

DEPLOY = deploy("start > ask:job > end")


def create(business_id: str, id: str = "process") -> commands.CreateProcessInstance:
    return commands.CreateProcessInstance(id, -1, 0, {}, business_id=business_id)


async def started(it: Opened, business_id: str = "order-7") -> int:
    return (await it.do(create(business_id))).process_instance_key


async def test_two_living_instances_may_share_a_business_id_by_default():
    async with opened() as it:
        await it.do(DEPLOY)
        assert await started(it) != await started(it)


async def test_a_living_instance_refuses_another_one_with_its_business_id():
    store = WatchedStore()
    async with opened(store, unique_business_ids=True, memory_bytes=1) as it:
        await it.do(DEPLOY)
        first = await started(it)
        with pytest.raises(AlreadyExists, match=f"'order-7', but process instance '{first}' has it"):
            await started(it)
        await started(it, "order-8")
    store.is_open = False
    async with opened(store, unique_business_ids=True) as it:
        with pytest.raises(AlreadyExists):
            await started(it)


@pytest.mark.parametrize("end", ["completed", "canceled"])
async def test_a_business_id_is_free_again_when_its_instance_has_ended(end: str):
    async with opened(unique_business_ids=True) as it:
        await it.do(DEPLOY)
        first = await started(it)
        if end == "completed":
            (job,) = await it.do(activate())
            await it.do(complete(job))
        else:
            await it.do(commands.CancelProcessInstance(first))
        assert await started(it) != first


async def test_instances_of_different_processes_share_a_business_id():
    async with opened(unique_business_ids=True) as it:
        await it.do(DEPLOY)
        await it.do(deploy("start > ask:job > end", id="other"))
        await started(it)
        await it.do(create("order-7", "other"))


async def test_an_instance_cannot_be_given_the_business_id_of_another_one_later():
    async with opened(unique_business_ids=True) as it:
        await it.do(DEPLOY)
        await started(it)
        late = await started(it, "")
        with pytest.raises(AlreadyExists):
            await it.do(commands.AssignBusinessId(late, "order-7"))
        await it.do(commands.AssignBusinessId(late, "order-8"))


async def test_called_processes_inherit_it_though_many_of_one_process_live_at_once():
    async with opened(unique_business_ids=True) as it:
        await it.do(DEPLOY)
        await it.do(deploy('start > c:call(process=process, items="=[1,2,3]", item=i) > end', id="parent"))
        await it.do(create("order-7", "parent"))
        assert len(await it.do(activate())) == 3


# --- over several partitions


def place_of(business_id: str, partitions: int = 3) -> int:
    return partition_of_text(business_id, partitions)


async def test_a_business_id_is_unique_over_all_partitions():
    async with several(unique_business_ids=True) as it:
        await it.do(DEPLOY)
        for number in range(12):
            key = (await it.do(create(f"order-{number}"))).process_instance_key
            assert partition_of_key(key) == place_of(f"order-{number}")
        for number in range(12):
            with pytest.raises(AlreadyExists):
                await it.do(create(f"order-{number}"))


async def started_without(stores: list[WatchedStore], number: int = 12) -> dict[str, int]:
    """Start instances while their ids need not be unique; return their keys by business id."""
    async with several(stores) as it:
        await it.do(DEPLOY)
        keys = {f"order-{n}": (await it.do(create(f"order-{n}"))).process_instance_key for n in range(number)}
    for store in stores:
        store.is_open = False
    return keys


async def test_an_instance_from_before_the_setting_keeps_its_business_id_in_any_partition():
    stores = [WatchedStore() for _ in range(3)]
    keys = await started_without(stores)
    assert len({partition_of_key(key) == place_of(id) for id, key in keys.items()}) == 2, "some are misplaced"
    async with several(stores, unique_business_ids=True) as it:
        for id, key in keys.items():
            with pytest.raises(AlreadyExists, match=f"with business id '{id}', but process instance '{key}' has it"):
                await it.do(create(id))
        for id, key in keys.items():
            await it.do(commands.CancelProcessInstance(key))
            second = await it.do(create(id))
            assert partition_of_key(second.process_instance_key) == place_of(id)
            with pytest.raises(AlreadyExists):
                await it.do(create(id))


async def test_without_such_instances_no_creation_looks_for_them():
    async with several(unique_business_ids=True) as it:
        await it.do(DEPLOY)
        await it.do(create("order-1"))
        await it.settled()
        questions = it.ids.questions
        for number in range(2, 9):
            await it.do(create(f"order-{number}"))
        assert it.ids.questions == questions
        assert it.ids.looks == 1
        with pytest.raises(AlreadyExists):
            await it.do(create("order-1"))


async def test_once_the_last_of_them_has_ended_no_creation_looks_for_them(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(older_ids, "AGAIN_S", 0.0)
    stores = [WatchedStore() for _ in range(3)]
    keys = await started_without(stores)
    async with several(stores, unique_business_ids=True) as it:
        await it.do(create("new-1"))
        assert it.ids.looks == 1
        for key in keys.values():
            await it.do(commands.CancelProcessInstance(key))
        for number in (2, 3):  # the first of them begins to look again
            await it.do(create(f"new-{number}"))
            await it.settled()
        questions = it.ids.questions
        await it.do(create("new-4"))
        assert (it.ids.looks, it.ids.questions) == (2, questions)


async def test_while_one_of_them_lives_not_every_creation_looks_through_all():
    stores = [WatchedStore() for _ in range(3)]
    await started_without(stores)
    async with several(stores, unique_business_ids=True) as it:
        for number in range(5):
            await it.do(create(f"new-{number}"))
            await it.settled()
        assert (it.ids.looks, it.ids.questions) == (1, 5)


async def test_a_look_for_them_that_fails_is_made_again():
    async with several(unique_business_ids=True) as it:
        await it.do(DEPLOY)
        it.ids.fails = True
        for number in range(3):
            await it.do(create(f"order-{number}"))
            await it.settled()
        assert it.ids.looks == it.ids.questions == 3
        it.ids.fails = False
        for number in range(3, 9):
            await it.do(create(f"order-{number}"))
            await it.settled()
        assert it.ids.looks == it.ids.questions == 4


async def test_a_creation_that_is_repeated_is_found_where_its_business_id_is():
    async with several(unique_business_ids=True) as it:
        await it.do(DEPLOY)
        for number in range(6):
            once = replace(create(f"order-{number}"), idempotency_key=f"once-{number}")
            first = await it.do(once)
            assert await it.do(once) == first


async def test_instances_without_a_business_id_begin_in_every_partition():
    async with several(unique_business_ids=True) as it:
        await it.do(DEPLOY)
        keys = [(await it.do(create(""))).process_instance_key for _ in range(9)]
        assert {partition_of_key(key) for key in keys} == {1, 2, 3}


async def test_where_they_need_not_be_unique_instances_with_a_business_id_begin_anywhere():
    async with several() as it:
        await it.do(DEPLOY)
        keys = [(await it.do(create("order-7"))).process_instance_key for _ in range(9)]
        assert {partition_of_key(key) for key in keys} == {1, 2, 3}


async def test_a_creation_whose_partition_is_away_is_refused_and_no_other_one_takes_it():
    async with several(unique_business_ids=True) as it:
        await it.do(DEPLOY)
        away = place_of("order-7")
        await it.parts[away - 1].close()
        with pytest.raises(Unavailable):
            await it.do(create("order-7"))
        other = next(one for one in map(str, range(9)) if place_of(one) != away)
        await it.do(create(other))


async def test_what_would_give_one_to_a_running_instance_is_refused_by_name():
    """Whether it is free is known in one partition, the instance is in another one, and both have to change at once."""
    async with several(unique_business_ids=True) as it:
        await it.do(DEPLOY)
        await it.do(deploy("start(message=go) > ask:job > end", id="other"))
        late = (await it.do(create(""))).process_instance_key
        only = "when it is created, because business ids are unique over 3 partitions"
        with pytest.raises(InvalidState, match=only):
            await it.do(commands.AssignBusinessId(late, "order-7"))
        with pytest.raises(InvalidState, match=only):
            await it.do(commands.PublishMessage("go", "", 0, "", {}, "order-7"))
        (job,) = [job for one in it.parts for job in await one.submit(activate())]
        with pytest.raises(InvalidState, match=only):
            await it.do(commands.CompleteJob(job.key, {}, business_id="order-7"))
        await it.do(complete(job))


async def test_a_message_with_a_business_id_reaches_the_instance_that_has_it_in_any_partition():
    async with several(unique_business_ids=True) as it:
        await it.do(deploy('start > wait:catch(message=paid, key="=k") > ask:job > end'))
        for number in range(6):
            id = f"order-{number}"
            await it.do(replace(create(id), variables={"k": '"7"'}))
        await it.settled()
        answer = await it.do(commands.CorrelateAtOnce("paid", "7", {}, "order-4"))
        await it.settled()
        assert partition_of_key(answer.process_instance_key) == place_of("order-4")
        jobs = [job for one in it.parts for job in await one.submit(activate("ask", 10))]
        assert [job.process_instance_key for job in jobs] == [answer.process_instance_key]
        with pytest.raises(NotFound):
            await it.do(commands.CorrelateAtOnce("paid", "7", {}, "order-9"))
