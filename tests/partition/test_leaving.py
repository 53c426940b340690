"""A partition that is handed over to another broker: what was taken is finished and answered, nothing new is taken, and it may come back."""

import asyncio
from typing import Any

import pytest

from osmia_broker.base.errors import LeaseHeld, NotLed, StoreFailed, Unavailable, ValueRefused
from osmia_broker.engine.commands import GiveBackJobs
from osmia_broker.partition import Listener
from osmia_broker.state.store_protocol import Changes, Start, Wanted, Written
from tests.partition.opened import Opened, WatchedStore, activate, complete, create, deploy, opened
from tests.patience import ANSWER_S

MODEL = "start > ask:job > end"


class SharedStore(WatchedStore):
    """A store that is opened only when it is the turn of this broker."""

    is_turn = True
    closings = 0

    def __init__(self) -> None:
        super().__init__()
        self.may_close = asyncio.Event()
        self.may_close.set()
        self.fails_to_close = False
        self._is_closing = False

    async def open(self) -> Start:
        if not self.is_turn:
            raise LeaseHeld("Expected to lead partition 1, but found that broker 'two' leads it")
        return await super().open()

    async def close(self) -> None:
        assert not self._is_closing, "a store is closed once at a time"
        self._is_closing = True
        await self.may_close.wait()
        self._is_closing = False
        self.closings += 1
        await super().close()
        if self.fails_to_close:
            raise StoreFailed("Expected to give the lease back, but found no database")


class Away(Listener):
    """Notes why the partition went away, and how often its store was closed then."""

    def __init__(self, store: SharedStore) -> None:
        self._store = store
        self.whys: list[tuple[str, int]] = []

    def partition_away(self, why: str) -> None:
        self.whys.append((why, self._store.closings))


async def begin(it: Opened) -> "asyncio.Task[None]":
    """Begin to hand the partition over, while a write is held up."""
    handing = asyncio.ensure_future(it.partition.hand_over())
    await it.turns()
    return handing


@pytest.fixture
def store() -> SharedStore:
    return SharedStore()


async def test_what_was_taken_is_answered_and_then_the_store_is_given_back(store: SharedStore):
    async with opened(store) as it:
        await it.do(deploy(MODEL))
        away = Away(store)
        it.partition.add_listener(away)
        store.may_write.clear()
        taken = it.do(create())
        store.is_turn = False
        handing = await begin(it)
        assert not taken.done()
        assert store.closings == 0
        store.may_write.set()
        await handing
        assert (await taken).process_instance_key
        assert away.whys == [("Expected partition 1 to be open, but another broker takes it over now; try again", 1)], (
            "whoever hears of it finds the store free"
        )


async def test_a_partition_closes_as_ever_after_its_hand_over_was_cancelled(store: SharedStore):
    """Whoever hands a partition over may leave; nobody waits for the end of the move then."""
    async with opened(store) as it:
        await it.do(deploy(MODEL))
        store.may_write.clear()
        taken = it.do(create())
        handing = await begin(it)
        handing.cancel()
        await asyncio.wait([handing])
        closing = asyncio.ensure_future(it.partition.close())
        await it.turns()
        store.may_write.set()
        await closing
        assert (await taken).process_instance_key
        assert store.closings == 1


@pytest.mark.parametrize("held", ["may_write", "may_close"])
async def test_a_hand_over_goes_on_when_whoever_asked_for_it_has_left(store: SharedStore, held: str):
    """The partition is given back all the same, and comes back when its turn has come."""
    async with opened(store) as it:
        await it.do(deploy(MODEL))
        away = Away(store)
        it.partition.add_listener(away)
        getattr(store, held).clear()
        taken = it.do(create()) if held == "may_write" else None
        handing = await begin(it)
        handing.cancel()
        await asyncio.wait([handing])
        assert handing.cancelled()
        assert away.whys == []
        getattr(store, held).set()
        await it.turns()
        assert taken is None or (await taken).process_instance_key
        assert [closings for _, closings in away.whys] == [1]
        it.partition.look()
        async with asyncio.timeout(ANSWER_S):
            await it.wait_open()


async def test_who_asks_a_second_time_waits_for_the_end_too(store: SharedStore):
    async with opened(store) as it:
        await it.do(deploy(MODEL))
        store.may_close.clear()
        first, second = await begin(it), await begin(it)
        assert not second.done()
        store.may_close.set()
        await asyncio.gather(first, second)
        assert store.closings == 1


async def test_a_partition_whose_store_fails_to_close_comes_back_too(store: SharedStore):
    async with opened(store) as it:
        await it.do(deploy(MODEL))
        store.fails_to_close = True
        with pytest.raises(StoreFailed, match="Expected to give the lease back"):
            await it.partition.hand_over()
        store.fails_to_close = False
        it.partition.look()
        async with asyncio.timeout(ANSWER_S):
            await it.wait_open()


async def test_a_broker_that_stops_waits_until_the_store_was_given_back(store: SharedStore):
    async with opened(store) as it:
        await it.do(deploy(MODEL))
        store.may_close.clear()
        handing = await begin(it)
        handing.cancel()
        closing = asyncio.ensure_future(it.partition.close())
        await it.turns()
        assert not closing.done()
        store.may_close.set()
        await closing
        assert it.heard.opened == 1


async def test_nothing_new_is_taken_meanwhile(store: SharedStore):
    async with opened(store) as it:
        await it.do(deploy(MODEL))
        store.may_write.clear()
        it.do(create())
        handing = await begin(it)
        with pytest.raises(Unavailable, match="another broker takes it over now; try again"):
            it.do(create())
        assert not it.partition.is_open
        store.may_write.set()
        await handing


async def test_commands_of_the_broker_itself_are_decided_until_the_end(store: SharedStore):
    async with opened(store) as it:
        await it.do(deploy(MODEL))
        await it.do(create())
        [job] = await it.do(activate())
        store.may_write.clear()
        it.do(create())
        handing = await begin(it)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        it.partition.decide_own(complete(job), answer)
        store.may_write.set()
        await handing
        assert answer.result() is None


class Restless:
    """Lets the partition decide one command of the broker after the other, each as soon as the one before is answered."""

    def __init__(self, it: Opened) -> None:
        self._it = it
        self.answers = 0
        self.refusal: Any = None

    def done(self) -> bool:
        return False

    def begin(self) -> None:
        self._it.partition.decide_own(GiveBackJobs(()), self)

    def set_result(self, result: Any) -> None:
        self.answers += 1
        if self.answers < 1_000:
            self.begin()

    def set_exception(self, exception: Any) -> None:
        self.refusal = exception


async def test_commands_of_the_broker_that_never_end_do_not_keep_a_partition(store: SharedStore):
    """Messages from several partitions may come without a pause."""
    async with opened(store) as it:
        await it.do(deploy(MODEL))
        store.may_write.clear()
        taken = it.do(create())
        (restless := Restless(it)).begin()
        handing = await begin(it)
        store.may_write.set()
        await handing
        assert (await taken).process_instance_key
        assert 1 <= restless.answers <= 3
        assert isinstance(restless.refusal, NotLed)


async def test_a_partition_at_rest_leaves_at_once(store: SharedStore):
    async with opened(store) as it:
        await it.do(deploy(MODEL))
        await it.partition.hand_over()
        assert store.closings == 1
        with pytest.raises(Unavailable):
            it.do(create())


async def test_it_comes_back_when_its_turn_has_come(store: SharedStore):
    async with opened(store) as it:
        await it.do(deploy(MODEL))
        store.is_turn = False
        await it.partition.hand_over()
        it.partition.look()
        await it.turns()
        assert not it.partition.is_open
        assert "broker 'two' leads it" in it.partition.why_away
        store.is_turn = True
        it.partition.look()
        async with asyncio.timeout(ANSWER_S):
            await it.wait_open()
        assert (await it.do(create())).process_instance_key
        assert it.heard.opened == 2


async def test_what_becomes_due_after_it_came_back_is_carried_out(store: SharedStore):
    async with opened(store) as it:
        await it.do(deploy(MODEL))
        await it.do(create())
        [job] = await it.do(activate(timeout_ms=1_000))
        await it.partition.hand_over()
        it.partition.look()
        async with asyncio.timeout(ANSWER_S):
            await it.wait_open()
        await it.advance(1_001)
        assert [again.key for again in await it.do(activate())] == [job.key]


async def test_whoever_waits_for_a_result_is_told_that_it_will_not_come(store: SharedStore):
    async with opened(store) as it:
        await it.do(deploy(MODEL))
        await it.do(create(ticket=7))
        await it.partition.hand_over()
        assert it.heard.lost == [7]


async def test_a_store_that_fails_meanwhile_is_opened_again_here(store: SharedStore):
    """Nothing was given back: the outcome of what was under way is unknown, and this broker still leads."""
    async with opened(store) as it:
        await it.do(deploy(MODEL))
        store.may_write.clear()
        taken = it.do(create())
        handing = await begin(it)
        store.fails = StoreFailed("Expected a disk, but found none")
        store.may_write.set()
        await handing
        with pytest.raises(StoreFailed):
            await taken
        assert store.closings == 0
        async with asyncio.timeout(ANSWER_S):
            await it.wait_open()


async def test_a_failure_at_the_very_beginning_ends_the_move(store: SharedStore):
    async with opened(store) as it:
        await it.do(deploy(MODEL))
        taken = it.do(create())
        handing = asyncio.ensure_future(it.partition.hand_over())
        await asyncio.sleep(0)
        it.partition.note_epoch(99)
        await handing
        with pytest.raises(StoreFailed):
            await taken
        assert store.closings == 0
        async with asyncio.timeout(ANSWER_S):
            await it.wait_open()


async def test_a_partition_that_is_away_is_not_handed_over():
    store = SharedStore()
    store.is_turn = False
    async with opened(store) as it:
        await it.partition.hand_over()
        assert store.closings == 0


async def test_a_partition_that_is_closed_while_it_leaves_is_closed_once(store: SharedStore):
    async with opened(store) as it:
        await it.do(deploy(MODEL))
        store.may_write.clear()
        taken = it.do(create())
        handing = await begin(it)
        closing = asyncio.ensure_future(it.partition.close())
        await it.turns()
        store.may_write.set()
        await asyncio.gather(handing, closing)
        assert (await taken).process_instance_key
        assert store.closings == 1


class PickyStore(SharedStore):
    """Refuses every commit that holds the text `poison`, as a database refuses a value that it cannot keep."""

    async def write(self, changes: Changes | None, wanted: Wanted | None) -> Written:
        if changes is not None and "poison" in str(changes):
            await self.may_write.wait()
            raise ValueRefused("Expected a value that can be stored, but found a bad one")
        return await super().write(changes, wanted)


async def test_a_value_that_is_refused_meanwhile_lets_the_partition_serve_on_with_all_that_becomes_due():
    store = PickyStore()
    async with opened(store) as it:
        await it.do(deploy(MODEL))
        await it.do(create())
        [job] = await it.do(activate(timeout_ms=1_000))
        store.may_write.clear()
        taken = [it.do(create()), it.do(create(n='"poison"'))]
        handing = await begin(it)
        store.may_write.set()
        await handing
        outcomes = await asyncio.gather(*taken, return_exceptions=True)
        assert [type(one).__name__ for one in outcomes] == ["Created", "InvalidArgument"]
        assert store.closings == 0
        async with asyncio.timeout(ANSWER_S):
            await it.wait_open()
        await it.advance(1_001)
        assert job.key in [again.key for again in await it.do(activate())]
