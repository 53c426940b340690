"""Brokers that lead a part of the partitions each: played in one process, on a real database, with clocks that a test moves."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from osmia_broker.base.errors import LeaseHeld, StoreFailed
from osmia_broker.store.postgres import connection, sharing
from osmia_broker.store.postgres.census import Broker, Census
from osmia_broker.store.postgres.connection import Connection
from osmia_broker.store.postgres.life import TTL_S, Life
from osmia_broker.store.postgres.probe import REFUSALS
from osmia_broker.store.postgres.shares import LONG_FREE_S, STRANGER_S, Sharing
from osmia_broker.store.postgres.sharing import SharedLease, SharedLife
from osmia_broker.store.postgres.store import PostgresStore
from tests import postgres
from tests.clock import Clock
from tests.store import rows
from tests.store.rows import changes

PARTITIONS = 4


class SharingBroker:
    """One broker: its stores, and what `Sharing` lets it do with them. A door that nobody uses stands for its links."""

    def __init__(self, url: str, name: str, clock: Clock, all: "list[SharingBroker]") -> None:
        server = postgres.reached(url)
        self.life = SharedLife(server, name, clock=clock, patience_s=0.0)
        self.leases = {number: SharedLease(self.life, number) for number in range(1, PARTITIONS + 1)}
        self.stores = {n: PostgresStore(server, one, partitions=PARTITIONS) for n, one in self.leases.items()}
        self.met: list[Census] = []
        self.sharing = Sharing(
            self.life,
            self.leases,
            take=lambda partition: self._opening.append(asyncio.ensure_future(self._open(partition))),
            give=self._give,
            met=self.met.append,
            is_linked=lambda process: any(self.is_linked(one) for one in all if one.life.process == process),
        )
        self.secret = "one"
        self.refused: list[Exception] = []
        self._opening: list[asyncio.Future[None]] = []
        self._door: asyncio.Server | None = None

    def is_linked(self, other: "SharingBroker") -> bool:
        """Whether both have a door, and the same secret."""
        return self.is_there and other.is_there and self.secret == other.secret

    @property
    def is_there(self) -> bool:
        return self._door is not None and self._door.is_serving()

    async def start(self) -> None:
        for store in self.stores.values():
            with pytest.raises(LeaseHeld, match="it is not this broker's turn"):
                await store.open()
        await self.life.join()
        self._door = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        self.life.links = f"127.0.0.1:{self._door.sockets[0].getsockname()[1]}"

    async def _open(self, partition: int) -> None:
        try:
            await self.stores[partition].open()
        except StoreFailed as error:
            self.refused.append(error)

    async def _give(self, partition: int) -> None:
        await self.stores[partition].close()

    async def look(self) -> list[int]:
        """Look, and wait until what came of it is done; return what this broker leads."""
        await self.sharing.look()
        while self._opening:
            await self._opening.pop()
        while self.sharing._giving:
            await asyncio.wait(self.sharing._giving.values())
        return self.led

    @property
    def led(self) -> list[int]:
        return [number for number, lease in self.leases.items() if lease.leads()]

    def die(self) -> None:
        """Take no links any more, and beat no more."""
        if self._door is not None:
            self._door.close()
        self.life.leave()

    async def close(self) -> None:
        self.die()
        await self.sharing.stop()
        for store in self.stores.values():
            await store.close()
        self.life.leave()


class Brokers:
    def __init__(self, url: str) -> None:
        self.url = url
        self.clock = Clock()
        self.all: list[SharingBroker] = []

    async def __call__(self, name: str) -> SharingBroker:
        one = SharingBroker(self.url, name, self.clock, self.all)
        self.all.append(one)
        await one.start()
        return one

    async def pair(self) -> tuple[SharingBroker, SharingBroker]:
        """Two brokers that lead half each."""
        one, two = await self("one"), await self("two")
        await one.look()
        for _ in range(4):
            await two.look()
            await one.look()
        assert (one.led, two.led) == ([1, 3], [2, 4])
        return one, two

    def sql(self, text: str) -> str:
        return postgres.server().sql(text, self.url.rpartition("/")[2])

    @property
    def owners(self) -> list[str]:
        return self.sql("SELECT owner FROM partition ORDER BY id").split("\n")


@pytest.fixture
async def brokers() -> AsyncIterator[Brokers]:
    with postgres.database(partitions=PARTITIONS) as url:
        made = Brokers(url)
        yield made
        for one in made.all:
            await one.close()


async def write(broker: SharingBroker, partition: int) -> None:
    await broker.stores[partition].write(changes(*rows.INSTANCE, next_key=(partition << 51) + 100), None)


# --- who is there


async def test_each_broker_gets_a_number_and_keeps_it(brokers: Brokers):
    one, two = await brokers("one"), await brokers("two")
    assert (one.life.process, two.life.process) == (1, 2)
    again = await brokers("one")
    assert again.life.process == 1
    assert again.life.number == 2


async def test_brokers_that_begin_at_once_get_different_numbers(brokers: Brokers):
    several = await asyncio.gather(*(brokers(f"broker {number}") for number in range(6)))
    assert sorted(one.life.process for one in several) == [1, 2, 3, 4, 5, 6]


async def test_a_broker_that_shared_nothing_before_gets_a_number(brokers: Brokers):
    brokers.sql("INSERT INTO brokers (id, incarnation, address, beat) VALUES ('one', 3, '', 7)")
    one = await brokers("one")
    assert (one.life.process, one.life.number) == (1, 4)


async def test_more_brokers_than_tickets_can_name_are_refused(brokers: Brokers, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sharing, "PROCESS_MAX", 1)
    await brokers("one")
    with pytest.raises(StoreFailed, match="at most 1 brokers"):
        await brokers("two")


async def test_who_cannot_join_says_why(brokers: Brokers, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sharing, "_NUMBER", "SELECT $1::text, $2::bigint FROM nowhere")
    with pytest.raises(StoreFailed, match='but found: relation "nowhere" does not exist'):
        await brokers("one")


async def test_two_beats_at_once_use_one_connection(brokers: Brokers, monkeypatch: pytest.MonkeyPatch):
    one = await brokers("one")
    one.life._drop_connection()
    made: list[int] = []
    connect = one.life._server.connect

    async def counted(partition: int = 1) -> Connection:
        made.append(partition)
        return await connect(partition)

    monkeypatch.setattr(one.life._server, "connect", counted)
    before = one.life.counted
    await asyncio.gather(one.life.beat(), one.life.beat())
    assert (len(made), one.life.counted - before) == (1, 2)


async def test_who_stops_connecting_leaves_no_connection_behind(monkeypatch: pytest.MonkeyPatch):
    ended: list[bool] = []

    class Answered:
        def terminate(self) -> None:
            ended.append(True)

    async def asked(url: str, _settings: Any) -> connection.Reached:
        return connection.Reached(url, cast("Any", Answered()), {"timeline": "1"})

    monkeypatch.setattr(connection, "_asked", asked)
    connecting = asyncio.ensure_future(connection.Server("postgresql://nobody@127.0.0.1/none").connect())
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # the host has answered, and nobody has looked at the answer yet
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    assert ended == [True]


async def test_a_census_has_everybody_with_the_address_of_its_links(brokers: Brokers):
    one, two = await brokers.pair()
    assert one.met[-1].brokers == (
        [
            Broker("one", 1, 1, one.met[-1].brokers[0].beat, one.life.links),
            Broker("two", 2, 1, one.met[-1].brokers[1].beat, two.life.links),
        ]
    )
    assert [(lease.partition, lease.owner) for lease in one.met[-1].leases] == [
        (1, "one"),
        (2, "two"),
        (3, "one"),
        (4, "two"),
    ]


# --- taking and giving


async def test_a_broker_alone_leads_all(brokers: Brokers):
    one = await brokers("one")
    assert await one.look() == [1, 2, 3, 4]
    await write(one, 3)


async def test_a_broker_that_joins_is_given_its_share(brokers: Brokers):
    one = await brokers("one")
    await one.look()
    two = await brokers("two")
    assert await two.look() == []
    assert await one.look() == [1, 3]
    assert await two.look() == [2, 4]
    assert await one.look() == [1, 3]
    await write(one, 1)
    await write(two, 2)
    with pytest.raises(StoreFailed):
        await write(one, 2)


async def test_a_broker_that_was_not_told_to_takes_nothing(brokers: Brokers):
    one, two = await brokers.pair()
    with pytest.raises(LeaseHeld, match="partition 2, but found that broker 'two' leads it"):
        await one.stores[2].open()
    assert two.led == [2, 4]


async def test_of_two_that_want_the_same_partition_one_gets_it(brokers: Brokers):
    one, two = await brokers("one"), await brokers("two")
    for broker in (one, two):
        broker.leases[1].want(0)
    outcomes = await asyncio.gather(one.stores[1].open(), two.stores[1].open(), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(LeaseHeld) == 1
    assert one.leases[1].leads() != two.leases[1].leads()


async def test_a_partition_that_nobody_comes_for_is_taken_by_anybody(brokers: Brokers):
    one, two = await brokers.pair()
    await one.stores[1].close()
    await one.stores[3].close()
    assert await two.look() == [2, 4]
    brokers.clock.s += LONG_FREE_S
    assert await two.look() == [1, 2, 3, 4]


async def test_a_broker_with_another_secret_leads_nothing(brokers: Brokers, caplog: pytest.LogCaptureFixture):
    one, stranger = await brokers("one"), await brokers("stranger")
    stranger.secret = "another"
    assert await one.look() == [1, 2, 3, 4]
    for _ in range(3):
        assert await stranger.look() == []
        brokers.clock.s += STRANGER_S / 2
        assert await one.look() == [1, 2, 3, 4], "nothing is given up to one that the others cannot reach"
    assert await stranger.look() == []
    assert [record.message for record in caplog.records if "links_secret" in record.message] == [
        "no link to any other broker, so nothing is led here: do links_secret and the certificates of the links fit?"
    ]


async def test_a_broker_that_met_others_before_takes_what_they_led(brokers: Brokers):
    one, two = await brokers.pair()
    one.secret = "another"
    assert (await one.look(), await two.look()) == ([1, 3], [2, 4])
    one.die()
    for _ in range(REFUSALS):
        await two.look()
    assert two.led == [1, 2, 3, 4]


async def test_a_broker_alone_takes_what_strangers_led_who_are_gone(brokers: Brokers):
    one, stranger = await brokers("one"), await brokers("stranger")
    stranger.secret = "another"
    await one.look()
    await stranger.look()
    one.die()
    for _ in range(REFUSALS + 1):
        await stranger.look()
    assert stranger.led == [1, 2, 3, 4]


async def test_a_stranger_with_the_lowest_number_takes_nothing_that_others_lead(brokers: Brokers):
    """The broker that leads on can reach the partitions of the one that dies; the stranger could reach neither."""
    stranger, two, three = await brokers("stranger"), await brokers("two"), await brokers("three")
    stranger.secret = "another"
    for _ in range(4):
        await two.look()
        await three.look()
    assert (two.led, three.led) == ([1, 3], [2, 4])
    two.die()
    for _ in range(REFUSALS):
        assert await stranger.look() == []
        await three.look()
    brokers.clock.s += LONG_FREE_S
    for _ in range(2):
        assert await stranger.look() == []
        await three.look()
    assert three.led == [1, 2, 3, 4]


async def test_a_broker_that_leads_takes_what_it_has_lost_although_strangers_are_there(brokers: Brokers):
    stranger, two = await brokers("stranger"), await brokers("two")
    stranger.secret = "another"
    for _ in range(2):
        await two.look()
        assert await stranger.look() == []
    brokers.sql("UPDATE partition SET owner = '', epoch = epoch + 1 WHERE id = 3")
    await two.look()
    for _ in range(2):
        assert await stranger.look() == []
        await two.look()
    assert two.led == [1, 2, 3, 4]


async def test_of_strangers_that_begin_at_once_one_leads(brokers: Brokers):
    one, two = await brokers("one"), await brokers("two")
    two.secret = "another"
    await one.life.beat()  # both are there before either looks
    for _ in range(3):
        await two.look()
        await one.look()
    assert (one.led, two.led) == ([1, 2, 3, 4], [])


# --- dying


async def test_what_a_broker_led_whose_address_refuses_is_led_by_the_other(brokers: Brokers):
    one, two = await brokers.pair()
    two.die()
    for _ in range(REFUSALS - 1):
        assert await one.look() == [1, 3]
    assert await one.look() == [1, 2, 3, 4]
    with pytest.raises(StoreFailed):
        await write(two, 2)
    assert brokers.sql("SELECT count(*) FROM public_partition_2.jobs") == "0"


async def test_a_broker_that_is_silent_for_the_whole_time_is_replaced(brokers: Brokers):
    one, _ = await brokers.pair()
    await one.look()
    brokers.clock.s += TTL_S - 0.1
    assert await one.look() == [1, 3]
    brokers.clock.s += 0.2
    assert await one.look() == [1, 2, 3, 4]


async def test_a_broker_that_beats_is_left_alone(brokers: Brokers):
    one, two = await brokers.pair()
    for _ in range(3):
        brokers.clock.s += TTL_S - 0.1
        await two.look()
        assert await one.look() == [1, 3]


async def test_a_broker_that_was_replaced_gets_its_share_back(brokers: Brokers):
    one, two = await brokers.pair()
    await one.look()
    brokers.clock.s += TTL_S + 0.1
    assert await one.look() == [1, 2, 3, 4]
    assert await two.look() == []
    assert await one.look() == [1, 3]
    assert await two.look() == [2, 4]


async def test_an_earlier_life_of_a_broker_is_over(brokers: Brokers):
    one, _ = await brokers.pair()
    again = await brokers("two")
    await again.look()
    assert again.led == [2, 4]
    assert await one.look() == [1, 3]


async def test_an_outage_of_the_database_kills_nobody(brokers: Brokers, monkeypatch: pytest.MonkeyPatch):
    one, _ = await brokers.pair()
    await one.look()

    async def away(_partition: int = 1) -> None:
        raise StoreFailed("away")

    one.life._drop_connection()
    monkeypatch.setattr(one.life._server, "connect", away)
    brokers.clock.s += TTL_S + 1
    assert await one.look() == []
    monkeypatch.undo()
    assert await one.look() == [1, 3]
    assert brokers.owners == ["one", "two", "one", "two"]


async def test_a_broker_that_leaves_is_not_waited_for(brokers: Brokers):
    one, two = await brokers.pair()
    await two.sharing.rest()
    assert await one.look() == [1, 3], "it may still commit what it has taken"
    for number in (4, 2):
        await two.stores[number].close()
    assert await one.look() == [1, 2, 3, 4]
    assert await two.look() == []


async def test_a_broker_that_was_declared_dead_begins_a_new_life(brokers: Brokers):
    one, two = await brokers.pair()
    brokers.sql("DELETE FROM brokers WHERE id = 'two'")
    await two.look()
    assert two.led == []
    await two.look()
    assert (two.life.process, two.led) == (2, [2, 4])
    assert await one.look() == [1, 3]


async def test_a_store_that_has_failed_goes_on_with_the_lease_that_it_has(brokers: Brokers):
    one, _ = await brokers.pair()
    one.stores[3]._drop()
    with pytest.raises(StoreFailed):
        await write(one, 3)
    await one.stores[3].open()
    await write(one, 3)


async def test_a_lease_that_was_lost_meanwhile_is_not_taken_again(brokers: Brokers):
    one, _ = await brokers.pair()
    brokers.sql("UPDATE partition SET owner = 'two', epoch = epoch + 1 WHERE id = 3")
    with pytest.raises(LeaseHeld):
        await one.stores[3].open()
    assert one.led == [1]


async def test_a_broker_without_links_keeps_what_it_leads(brokers: Brokers):
    """So one that is started with links beside it waits until it stops."""
    before = postgres.stores(brokers.url, "before", partitions=PARTITIONS, beat_s=3_600.0, patience_s=0.0)
    for store in before:
        await store.open()
    one = await brokers("one")
    for _ in range(2):
        brokers.clock.s += TTL_S - 0.1
        await before[0].lease.life.beat()
        assert await one.look() == []
    for store in reversed(before):
        await store.close()
    assert await one.look() == [1, 2, 3, 4]


async def test_a_broker_that_takes_links_no_more_is_left_nothing(brokers: Brokers):
    """Its next life has no links, whatever listens where it took them."""
    one, two = await brokers.pair()
    for number in (4, 2):
        await two.stores[number].close()
    server = postgres.reached(brokers.url)
    connection = await server.connect()
    await Life(server, "two").begin(connection)
    await connection.close()
    assert await one.look() == [1, 2, 3, 4]


async def test_a_broker_that_stops_while_it_gives_partitions_up_gives_them_up_first(brokers: Brokers):
    one, two = await brokers("one"), await brokers("two")
    assert await one.look() == [1, 2, 3, 4]
    for _ in range(2):
        await two.look()
    await one.sharing.look()
    assert one.sharing._giving, "the other one has joined"
    await one.sharing.rest()
    assert one.led == [1, 3]
    assert brokers.sql("SELECT links FROM brokers WHERE id = 'one'") == "", "nobody leaves it anything"
    assert await two.look() == [2, 4]


async def test_a_broker_whose_number_another_one_has_leads_nothing_until_it_is_started_again(brokers: Brokers):
    _, two = await brokers.pair()
    brokers.sql("DELETE FROM brokers WHERE id = 'two'")
    three = await brokers("three")
    assert three.life.process == 2
    for _ in range(3):
        await two.look()
    assert two.led == []
    assert "two" not in brokers.sql("SELECT id FROM brokers")
    with pytest.raises(StoreFailed, match="Expected this broker to be number 2 still"):
        await two.life.join()
    again = await brokers("two")
    assert again.life.process == 3
