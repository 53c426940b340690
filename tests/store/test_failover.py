"""A primary of PostgreSQL that is killed, and its synchronous standby that takes over: nothing acknowledged is lost, nothing is written twice.

The servers are real, and are killed as a machine would be. The broker names both, in the order in which they were made.
"""

import asyncio
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from osmia_broker.base.errors import LeaseHeld, StoreFailed
from osmia_broker.store.postgres.connection import each_host
from osmia_broker.store.postgres.store import PostgresStore
from osmia_broker.store.read import Reader
from osmia_broker.store.read.sql.on_postgres import sources
from tests import postgres
from tests.patience import ANSWER_S, pause, until
from tests.store import rows
from tests.store.rows import changes


class Pair:
    """A primary and its standby, with a database for a broker that names both."""

    def __init__(self) -> None:
        self.primary = postgres.new_server()
        self.primary.sql("CREATE DATABASE pair")
        self.standby = postgres.Standby(self.primary)
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in (self.primary, self.standby))
        self.url = f"postgresql://osmia@{hosts}/pair"
        self.acknowledged: list[int] = []

    def store(self, broker: str = "one", **options: Any) -> PostgresStore:
        return postgres.store(self.url, broker, **{"resolve_s": 40.0, **options})

    async def write(self, store: PostgresStore, first: int, last: int) -> None:
        """Write instances one after the other, and note those that are acknowledged."""
        for number in range(first, last):
            await store.write(changes(*rows.instance(number)), None)
            self.acknowledged.append(number)

    async def until(self, number: int) -> None:
        """Wait until so many are acknowledged."""
        async with asyncio.timeout(ANSWER_S):
            while len(self.acknowledged) < number:
                await asyncio.sleep(0)

    async def fail_over(self) -> None:
        """Kill the primary as a machine that goes, and promote the standby."""
        self.primary.kill()
        await asyncio.to_thread(self.standby.promote)

    def replay(self) -> None:
        """Wait until the standby shows what it has: a commit waits until it is there, and not until it can be seen."""
        there = self.primary.sql("SELECT pg_current_wal_flush_lsn()")
        until(lambda: self.standby.sql(f"SELECT pg_last_wal_replay_lsn() >= '{there}'") == "t")

    def stop(self) -> None:
        self.standby.stop()
        self.primary.stop()


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.stop()


def count(server: postgres.Server) -> str:
    return server.sql("SELECT count(*) || ' of ' || count(DISTINCT key) FROM jobs", "pair")


async def test_a_primary_that_is_killed_under_load_loses_nothing_and_service_returns_by_itself(pair: Pair):
    store = pair.store()
    await store.open()
    writing = asyncio.ensure_future(pair.write(store, 0, 200))
    await pair.until(40)
    await pair.fail_over()
    async with asyncio.timeout(ANSWER_S):
        await writing
    assert pair.acknowledged == [*range(200)]
    assert count(pair.standby) == "200 of 200"
    assert pair.standby.sql("SELECT batch FROM partition", "pair") == "200"
    await store.close()


async def test_nothing_is_acknowledged_that_only_the_primary_has(pair: Pair):
    store = pair.store()
    await store.open()
    await pair.write(store, 0, 5)
    pair.standby.signal(signal.SIGSTOP)
    writing = asyncio.ensure_future(pair.write(store, 5, 6))
    done, _ = await asyncio.wait([writing], timeout=1.0)
    assert not done
    pair.standby.signal(signal.SIGCONT)
    async with asyncio.timeout(ANSWER_S):
        await writing
    await store.close()
    pair.replay()
    assert count(pair.standby) == count(pair.primary) == "6 of 6"


async def test_an_old_primary_that_comes_back_first_is_passed_over(pair: Pair):
    """It can be written, and stands first among the hosts: what it has is of the past."""
    store = pair.store()
    await store.open()
    await pair.write(store, 0, 5)
    await pair.fail_over()
    async with asyncio.timeout(ANSWER_S):
        await pair.write(store, 5, 10)
    pair.primary.start()
    assert count(pair.primary) == "5 of 5"
    pair.standby.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'osmia'")
    async with asyncio.timeout(ANSWER_S):
        await pair.write(store, 10, 15)
    assert count(pair.standby) == "15 of 15"
    assert count(pair.primary) == "5 of 5"
    await store.close()


async def test_a_broker_that_starts_while_the_old_primary_is_back_uses_the_new_one(pair: Pair):
    store = pair.store()
    await store.open()
    await pair.write(store, 0, 5)
    await pair.fail_over()
    async with asyncio.timeout(ANSWER_S):
        await pair.write(store, 5, 10)
    await store.close()
    pair.primary.start()
    later = pair.store("two")
    async with asyncio.timeout(ANSWER_S):
        await _opened(later)
        await pair.write(later, 10, 12)
    assert count(pair.standby) == "12 of 12"
    await later.close()


async def _opened(store: PostgresStore) -> None:
    while True:
        try:
            await store.open()
        except LeaseHeld:
            await pause()
            continue
        return


async def test_a_standby_that_has_not_all_commits_is_noticed(pair: Pair):
    """The administrator lets commits go on without the standby, and promotes it nevertheless."""
    store = pair.store()
    await store.open()
    await pair.write(store, 0, 5)
    pair.primary.sql("ALTER SYSTEM SET synchronous_standby_names = ''")
    pair.primary.sql("SELECT pg_reload_conf()")
    pair.standby.kill()
    async with asyncio.timeout(ANSWER_S):
        await pair.write(store, 5, 10)
    pair.primary.kill()
    pair.standby.start()
    await asyncio.to_thread(pair.standby.promote)
    with pytest.raises(StoreFailed, match="the database lost some"):
        await store.write(changes(*rows.instance(10)), None)
    await store.close()


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://ada@a/x", ["postgresql://ada@a/x"]),
        (
            "postgresql://ada:p%2C1@a:1,b:2/x?sslmode=require",
            ["postgresql://ada:p%2C1@a:1/x?sslmode=require", "postgresql://ada:p%2C1@b:2/x?sslmode=require"],
        ),
        ("postgresql://a,b", ["postgresql://a", "postgresql://b"]),
        ("postgresql:///x?host=/run", ["postgresql:///x?host=/run"]),
        ("postgresql://[::1]:5,c?dbname=x,y", ["postgresql://[::1]:5?dbname=x,y", "postgresql://c?dbname=x,y"]),
    ],
)
def test_each_host_of_a_url_is_asked_by_itself(url: str, hosts: list[str]):
    assert each_host(url) == hosts


async def test_lists_are_read_where_partitions_are_written(pair: Pair):
    """After the failover, the server that stands first is an old primary: it can be read, and what it has is of the past."""
    store = pair.store()
    reader = Reader(*sources(postgres.reached(pair.url), 1))
    await store.open()
    await pair.write(store, 0, 5)
    assert len((await reader.process_instances()).items) == 5
    await pair.fail_over()
    async with asyncio.timeout(ANSWER_S):
        await pair.write(store, 5, 10)
    assert len((await reader.process_instances()).items) == 10, "no question meets a connection of the past"
    pair.primary.start()
    await reader.close()
    later = Reader(*sources(postgres.reached(pair.url), 1))
    assert len((await later.process_instances()).items) == 10
    await later.close()
    await store.close()
