"""A partition answers only while its broker leads: refusals and empty answers included; and it waits while another broker leads."""

import asyncio
import gc

import pytest

from osmia_broker.base.errors import LeaseHeld, NotFound, StoreFailed
from osmia_broker.engine import commands
from osmia_broker.partition import opening
from osmia_broker.state.store_protocol import Alone, Start
from tests.partition.opened import WatchedStore, activate, complete, create, deploy, opened
from tests.patience import ANSWER_S

UNKNOWN = commands.CompleteJob(7, {})


class Led(Alone):
    """A leadership that a test takes away."""

    is_mine = True

    def __init__(self, epoch: int = 1) -> None:
        self.epoch = epoch

    def leads(self) -> bool:
        return self.is_mine


class LedByOther(WatchedStore):
    """A store whose partition another broker leads, until a test says otherwise."""

    is_held = True

    async def open(self) -> Start:
        if self.is_held:
            raise LeaseHeld("Expected to lead partition 1, but found that broker 'two' leads it")
        return await super().open()


async def test_a_refusal_is_not_given_by_a_broker_that_may_not_lead_any_more():
    led = Led()
    async with opened(leadership=led) as it:
        with pytest.raises(NotFound):
            await it.do(UNKNOWN)
        led.is_mine = False
        with pytest.raises(StoreFailed, match="another broker may lead it"):
            await it.do(UNKNOWN)


async def test_an_empty_answer_is_not_given_either():
    led = Led()
    async with opened(leadership=led) as it:
        assert await it.do(activate()) == []
        led.is_mine = False
        with pytest.raises(StoreFailed, match="another broker may lead it"):
            await it.do(activate())


@pytest.mark.parametrize("instances", [1, 3])
async def test_a_job_of_the_next_leader_is_not_unknown_to_the_one_before(instances: int):
    """A broker that has not noticed yet that its partition was taken over finds rows that it cannot have written, and leads no more."""
    store = WatchedStore()
    async with opened(store, leadership=Led(epoch=1)) as before:
        await before.do(deploy("start > ask:job > end"))
        async with opened(store, leadership=Led(epoch=2)) as leader:
            for _ in range(instances):
                await leader.do(create())
            job = (await leader.do(activate()))[-1]
            with pytest.raises(StoreFailed, match="another broker may lead it"):
                await before.do(complete(job))
        await before.wait_open()
        with pytest.raises(NotFound):
            await before.do(commands.CompleteJob(job.key + 1_000, {}))
        await before.do(complete(job))


async def test_an_answer_with_a_commit_needs_no_clock():
    """The fence of the commit proves that this broker leads."""
    led = Led()
    async with opened(leadership=led) as it:
        await it.do(deploy("start > ask:job > end"))
        led.is_mine = False
        await it.do(create())


async def test_a_partition_leads_while_it_is_open_and_its_lease_is_its_own():
    led = Led()
    async with opened(leadership=led) as it:
        assert it.partition.leads
        led.is_mine = False
        assert it.partition.is_open
        assert not it.partition.leads, "the lease is another broker's"
        led.is_mine, it.store.may_open = True, False
        assert led.when_lost is not None
        led.when_lost(StoreFailed("Expected a disk, but found none"))
        assert not it.partition.leads, "the partition is not open"


async def test_losing_the_lease_refuses_all_who_wait_and_opens_the_store_again():
    led = Led()
    async with opened(leadership=led) as it:
        await it.do(deploy("start > ask:job > end"))
        it.store.may_write.clear()
        waiting = it.do(create())
        await it.turns()
        assert led.when_lost is not None
        led.when_lost(StoreFailed("Expected to lead partition 1, but found that another broker has taken it over"))
        with pytest.raises(StoreFailed, match="has taken it over"):
            await waiting
        assert not it.partition.is_open
        it.store.may_write.set()
        await it.wait_open()
        await it.do(create())


async def test_a_partition_that_another_broker_leads_waits_for_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(opening, "REOPEN_S", (0.0,))
    store = LedByOther()
    async with opened(store) as it:
        with pytest.raises(LeaseHeld, match="broker 'two' leads it"):
            it.do(UNKNOWN)
        assert "broker 'two'" in it.partition.why_away
        await it.turns()
        assert not it.partition.is_open
        store.is_held = False
        async with asyncio.timeout(ANSWER_S):
            await it.wait_open()
        assert it.heard.opened == 1
        await it.do(deploy("start > ask:job > end"))


async def test_a_partition_that_waits_for_another_broker_closes_at_once():
    async with opened(LedByOther()) as it:
        await it.partition.close()
        assert not it.partition.is_open


async def test_a_write_that_fails_after_the_lease_is_lost_is_nobodys_failure_any_more():
    """Its callers have been refused; the loop must not report an error that nobody has read."""
    led, unread = Led(), []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unread.append(context["message"]))
    async with opened(leadership=led) as it:
        await it.do(deploy("start > ask:job > end"))
        it.store.may_write.clear()
        taken = it.do(create())
        await it.turns()
        assert led.when_lost is not None
        led.when_lost(StoreFailed("Expected to lead partition 1, but found that another broker has taken it over"))
        it.store.fails = StoreFailed("Expected a commit, but found another epoch")
        it.store.may_write.set()
        await it.wait_open()
        with pytest.raises(StoreFailed, match="taken it over"):
            await taken
        gc.collect()
    assert unread == []
