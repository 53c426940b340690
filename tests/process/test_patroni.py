"""Real brokers on a database that fails over by itself: two servers under Patroni, with etcd, and a load whose books the client keeps.

A commit waits for the standby, so nothing that was acknowledged may be lost, and nothing done twice. The brokers name both servers, and find the
new primary by themselves.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest

from tests.patroni import Patroni
from tests.process.books import Books, deploy, load
from tests.process.cluster import PARTITIONS, SLACK, Cluster

pytestmark = pytest.mark.process

AWAY_S = 6.0  # Patroni sees a server of its own that has ended, and lets the standby take over
AWAY_SILENT_S = 30.0  # a machine that is gone is one only after 20 s
_names = itertools.count(1)


@pytest.fixture(scope="module")
def patroni() -> Iterator[Patroni]:
    made = Patroni()
    made.start()
    yield made
    made.stop()


class OnPatroni(Cluster):
    """Two brokers that lead half of the partitions each, on a new database of *patroni*."""

    def __init__(self, folder: Path, patroni: Patroni) -> None:
        self.patroni, self.database = patroni, f"cluster{next(_names)}"
        patroni.until_synchronous()
        patroni.primary.sql(f"CREATE DATABASE {self.database}")
        super().__init__(folder, patroni.url(self.database))

    def sql(self, text: str) -> str:
        return self.patroni.primary.sql(text, self.database)

    async def begin(self) -> Books:
        one, _ = [await self.start("one"), await self.start("two")]
        await self.until(lambda: self.shares == [2, 2])
        await deploy(one)
        return Books()

    async def survive(self, books: Books, change: Callable[[], None]) -> float:
        """Let *change* happen under load; return how long nothing was created after it."""
        async with load([*self.brokers.values()], books):
            await books.more(40)
            await asyncio.to_thread(change)
            begun = monotonic()
            await books.more(1)
            away_s = monotonic() - begun
            await books.more(40)
        await books.check(self.brokers["two"], partitions=PARTITIONS)
        return away_s


@pytest.fixture
def cluster(tmp_path: Path, patroni: Patroni) -> Iterator[OnPatroni]:
    made = OnPatroni(tmp_path, patroni)
    yield made
    made.stop()


async def test_a_primary_that_is_killed_is_replaced_and_nothing_is_lost(cluster: OnPatroni):
    books = await cluster.begin()
    old = cluster.patroni.primary
    assert await cluster.survive(books, old.kill_server) < AWAY_S * SLACK
    assert cluster.patroni.primary is not old


async def test_a_switch_over_by_hand_loses_nothing(cluster: OnPatroni):
    cluster.url += (
        "?target_session_attrs=read-write"  # as people write it for other clients; the broker asks for that anyway
    )
    books = await cluster.begin()
    old = cluster.patroni.primary
    await cluster.survive(books, cluster.patroni.switch_over)
    assert cluster.patroni.primary is not old


@pytest.mark.timeout(300)  # three failures in a row, and 20 s until Patroni notices the first
async def test_a_machine_that_is_lost_is_replaced_and_its_server_is_passed_over_when_it_comes_back(cluster: OnPatroni):
    """The old primary comes back alone, before Patroni: it can be written, and what it has is of the past."""
    books = await cluster.begin()
    old = cluster.patroni.primary
    assert await cluster.survive(books, old.kill) < AWAY_SILENT_S * SLACK
    new = cluster.patroni.primary
    assert new is not old
    old.start_server()
    assert old.sql("SHOW transaction_read_only", cluster.database) == "off"
    before = old.sql("SELECT sum(batch) FROM partition", cluster.database)
    new.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'osmia%'")
    await cluster.survive(books, lambda: None)
    assert old.sql("SELECT sum(batch) FROM partition", cluster.database) == before, "nothing was written there"
    old.kill_server()
    await cluster.survive(books, old.start)
    cluster.patroni.until_synchronous()
    assert cluster.patroni.standby is old
    assert old.sql("SELECT pg_is_in_recovery()") == "t"
