"""Messages and signals reach what is not in memory: page by page, with hardly any memory, and after a restart."""

import asyncio

import pytest

from osmia_broker.engine import commands
from osmia_broker.state.rows import ElementInstance, Message, Subscription
from osmia_broker.state.store_protocol import MATCHES_MAX
from tests.partition.opened import ONE_INSTANCE, WatchedStore, create, deploy, opened

SEVERAL = 2 * MATCHES_MAX + 7
BOUNDS = [1, 3 * ONE_INSTANCE, 1 << 40]

LISTENS = 'start > listen:catch(signal=news) > ask:job(type=t, in.heard="=x") > end'
WAITS = 'start > wait:catch(message=paid, key="=k") > ask:job(type=t) > end'


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("is_restarted", [False, True], ids=["at once", "after a restart"])
async def test_a_signal_reaches_every_listener_once(bound: int, is_restarted: bool):
    store = WatchedStore()
    async with opened(store, memory_bytes=bound) as it:
        await it.do(deploy(LISTENS))
        await asyncio.gather(*(it.do(create()) for _ in range(SEVERAL)))
        await it.settled()
        if not is_restarted:
            await it.do(commands.BroadcastSignal("news", {"x": "1"}))
            await it.settled()
    async with opened(store, memory_bytes=bound) as it:
        if is_restarted:
            await it.do(commands.BroadcastSignal("news", {"x": "1"}))
            await it.settled()
        assert not store.living(Subscription)
        asking = [row for row in store.rows(ElementInstance) if row.element_id == "ask"]
        assert len(asking) == SEVERAL
        assert it.partition.state.residency.total_bytes <= bound


@pytest.mark.parametrize("bound", BOUNDS)
async def test_a_message_reaches_the_oldest_of_many_subscriptions(bound: int):
    async with opened(memory_bytes=bound) as it:
        await it.do(deploy(WAITS))
        made = [await it.do(create(k='"7"')) for _ in range(5)]
        for number in range(3):
            await it.do(commands.PublishMessage("paid", "7", 0, "", {}))
            await it.settled()
            waiting = [row.process_instance_key for row in it.store.living(Subscription)]
            assert waiting == [one.process_instance_key for one in made[number + 1 :]]


@pytest.mark.parametrize("bound", BOUNDS)
async def test_kept_messages_are_taken_oldest_first(bound: int):
    """More of them than a page has; each instance takes one, the messages of other keys stay."""
    store = WatchedStore()
    number_kept = MATCHES_MAX + 3
    async with opened(store, memory_bytes=bound) as it:
        await it.do(deploy(WAITS))
        for number in range(number_kept):
            await it.do(commands.PublishMessage("paid", "7", 100_000, "", {"number": str(number)}))
        await it.do(commands.PublishMessage("paid", "8", 100_000, "", {}))
    async with opened(store, memory_bytes=bound) as it:  # the filter is made anew
        await it.do(create(k='"7"'))
        await it.settled()
        assert not store.living(Subscription)
        oldest, *others = store.living(Message)
        assert oldest.correlated == "process"
        assert not any(message.correlated for message in others)


async def test_a_message_that_has_expired_is_not_taken():
    async with opened() as it:
        await it.do(deploy(WAITS))
        await it.do(commands.PublishMessage("paid", "7", 1_000, "", {}))
        await it.advance(1_001)
        assert not it.store.living(Message)
        await it.do(create(k='"7"'))
        await it.settled()
        assert len(it.store.living(Subscription)) == 1


async def test_a_subscription_without_a_kept_message_asks_the_store_for_nothing():
    async with opened() as it:
        await it.do(deploy(WAITS))
        await it.do(create(k='"1"'))
        await it.do(commands.PublishMessage("paid", "other", 100_000, "", {}))
        await it.settled()
        loads = it.store.loads
        await asyncio.gather(*(it.do(create(k=f'"{number}"')) for number in range(2, 30)))
        await it.settled()
        assert it.store.loads == loads


async def test_a_message_and_a_cancel_that_come_together_do_not_revive_the_instance():
    """The message waits for the store while the only instance that it could reach is cancelled."""
    async with opened() as it:
        await it.do(deploy(WAITS))
        made = await it.do(create(k='"7"'))
        await it.settled()
        it.store.may_write.clear()
        publishing = it.do(commands.PublishMessage("paid", "7", 0, "", {}))
        await it.turns()
        cancelling = it.do(commands.CancelProcessInstance(made.process_instance_key))
        it.store.may_write.set()
        await asyncio.gather(publishing, cancelling)
        await it.settled()
        states = {row.element_id: row.state for row in it.store.rows(ElementInstance)}
        assert states["process"] == states["wait"] == "TERMINATED"
        assert "ask" not in states
        assert it.partition.resident_instances == 0
