"""Business ids: unique among the living instances of a process, if the broker is set so (contract-8.10.md, section 2)."""

import pytest

from osmia_broker.engine import commands
from osmia_broker.errors import AlreadyExists
from tests.partition.opened import Opened, WatchedStore, activate, complete, deploy, opened

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
