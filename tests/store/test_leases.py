"""Who leads a partition on PostgreSQL: one broker at a time, watched by the others' own clocks, and fenced by the epoch of every commit."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from osmia_broker.base.errors import LeaseHeld, StoreFailed
from osmia_broker.state.store_protocol import Changes
from osmia_broker.store.postgres.life import TTL_S
from osmia_broker.store.postgres.probe import REFUSALS
from osmia_broker.store.postgres.store import PostgresStore
from tests import postgres
from tests.clock import Clock
from tests.line import Line
from tests.store import rows
from tests.store.rows import BASE, changes


class Brokers:
    """Brokers at one database, by their names, each with a clock of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.clocks: dict[str, Clock] = {}
        self._stores: list[PostgresStore] = []

    def __call__(self, name: str, **options: Any) -> PostgresStore:
        clock = self.clocks[name] = Clock()
        store = postgres.store(options.pop("url", self.url), name, clock=clock, **{**postgres.STILL, **options})
        self._stores.append(store)
        return store

    async def close(self) -> None:
        for store in self._stores:
            await store.close()

    def sql(self, text: str) -> str:
        return postgres.server().sql(text, self.url.rpartition("/")[2])


@pytest.fixture
async def brokers() -> AsyncIterator[Brokers]:
    with postgres.database() as url:
        made = Brokers(url)
        yield made
        await made.close()


async def write(store: PostgresStore, next_key: int = BASE + 100) -> None:
    await store.write(changes(*rows.INSTANCE, next_key=next_key), None)


async def test_a_second_broker_waits_while_the_first_one_lives(brokers: Brokers):
    one, two = brokers("one"), brokers("two")
    await one.open()
    for _ in range(5):
        with pytest.raises(LeaseHeld, match="broker 'one' leads it"):
            await two.open()
        await one.lease.life.beat()
        brokers.clocks["two"].s += TTL_S
    await write(one)


async def test_a_broker_that_is_silent_for_the_whole_time_is_replaced(brokers: Brokers):
    one, two = brokers("one"), brokers("two")
    await one.open()
    await write(one, BASE + 100)
    with pytest.raises(LeaseHeld):
        await two.open()
    brokers.clocks["two"].s += TTL_S - 0.1
    with pytest.raises(LeaseHeld):
        await two.open()
    brokers.clocks["two"].s += 0.2
    assert (await two.open()).next_key == BASE + 100
    assert two.lease.leads()


async def test_a_broker_that_was_replaced_writes_nothing(brokers: Brokers):
    one, two = brokers("one"), brokers("two", ttl_s=0.0)
    await one.open()
    with pytest.raises(LeaseHeld):
        await two.open()
    await two.open()
    with pytest.raises(StoreFailed, match="another broker has taken it over"):
        await write(one)
    assert brokers.sql("SELECT count(*) FROM jobs") == "0"
    assert not one.lease.leads()
    await write(two)
    assert brokers.sql("SELECT count(*) FROM jobs") == "1"


async def test_a_broker_that_was_replaced_waits_like_any_other(brokers: Brokers):
    one, two = brokers("one"), brokers("two", ttl_s=0.0)
    await one.open()
    with pytest.raises(LeaseHeld):
        await two.open()
    await two.open()
    with pytest.raises(LeaseHeld, match="broker 'two' leads it"):
        await one.open()


async def test_an_outage_of_the_database_takes_no_lease_away(brokers: Brokers):
    """Nobody could see a beat meanwhile, so everybody begins to count anew."""
    async with Line(postgres.server().port) as line:
        one, two = brokers("one"), brokers("two", url=_over(line, brokers.url))
        await one.open()
        with pytest.raises(LeaseHeld):
            await two.open()
        await line.cut()
        brokers.clocks["two"].s += TTL_S
        with pytest.raises(StoreFailed, match="Expected to reach the database"):
            await two.open()
        await line.mend()
        brokers.clocks["two"].s += TTL_S
        with pytest.raises(LeaseHeld):
            await two.open()
        await two.close()


async def test_a_broker_that_stops_lets_the_next_one_lead_at_once(brokers: Brokers):
    one, two = brokers("one"), brokers("two")
    await one.open()
    with pytest.raises(LeaseHeld):
        await two.open()
    await one.close()
    await two.open()
    await write(two)


async def test_a_broker_that_comes_back_follows_its_own_earlier_life_at_once(brokers: Brokers):
    earlier, later = brokers("one"), brokers("one")
    await earlier.open()
    await later.open()
    with pytest.raises(StoreFailed):
        await write(earlier)
    await write(later)
    await earlier.lease.life.beat()
    assert not earlier.lease.leads()


@pytest.mark.parametrize("listens", [True, False])
async def test_a_leader_whose_address_refuses_is_replaced_without_waiting(brokers: Brokers, listens: bool):
    listening = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    one, two = brokers("one"), brokers("two")
    one.lease.life.address = f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    await one.open()
    await one.lease.life.beat()
    if not listens:
        listening.close()
        await listening.wait_closed()
    for _ in range(REFUSALS):
        with pytest.raises(LeaseHeld):
            await two.open()
    if listens:
        with pytest.raises(LeaseHeld):
            await two.open()
        listening.close()
    else:
        await two.open()


async def test_of_many_brokers_exactly_one_gets_a_free_lease(brokers: Brokers):
    several = [brokers(f"broker {number}") for number in range(8)]
    outcomes = await asyncio.gather(*(one.open() for one in several), return_exceptions=True)
    assert sorted(isinstance(one, LeaseHeld) for one in outcomes) == [False] + [True] * 7
    assert brokers.sql("SELECT epoch FROM partition") == "1"


async def test_commits_and_beats_keep_a_lease(brokers: Brokers):
    one = brokers("one")
    await one.open()
    for keeps in (lambda: write(one), one.lease.life.beat):
        brokers.clocks["one"].s += TTL_S - 0.1
        assert one.lease.leads()
        await keeps()
    brokers.clocks["one"].s += TTL_S - 0.1
    assert one.lease.leads()
    brokers.clocks["one"].s += 0.2
    assert not one.lease.leads()


async def test_a_broker_that_nothing_confirms_says_that_it_has_lost(brokers: Brokers):
    lost: list[StoreFailed] = []
    async with Line(postgres.server().port) as line:
        one = brokers("one", url=_over(line, brokers.url))
        one.lease.when_lost = lost.append
        await one.open()
        await line.cut()
        brokers.clocks["one"].s += TTL_S - 0.1
        await one.lease.life.beat()
        assert not lost
        brokers.clocks["one"].s += 0.2
        await one.lease.life.beat()
    assert "nothing has confirmed that for 5 s" in str(*lost)
    await one.close()


async def test_a_broker_that_was_declared_dead_begins_a_new_life(brokers: Brokers):
    lost: list[StoreFailed] = []
    one = brokers("one")
    one.lease.when_lost = lost.append
    await one.open()
    brokers.sql("DELETE FROM brokers")
    await one.lease.life.beat()
    assert "declared dead" in str(*lost)
    await one.open()
    await write(one)
    assert brokers.sql("SELECT incarnation FROM brokers") == "1"


async def test_a_commit_of_an_empty_batch_is_fenced_too(brokers: Brokers):
    one, two = brokers("one"), brokers("two", ttl_s=0.0)
    await one.open()
    with pytest.raises(LeaseHeld):
        await two.open()
    await two.open()
    with pytest.raises(StoreFailed):
        await one.write(Changes(next_key=BASE + 9), None)


def _over(line: Line, url: str) -> str:
    return f"postgresql://osmia@127.0.0.1:{line.port}/{url.rpartition('/')[2]}"
