"""Real brokers on a database that fails over by itself: two servers under Patroni, with etcd, and a load whose books the client keeps.

A commit waits for the standby, so nothing that was acknowledged may be lost, and nothing done twice. The brokers name both servers, and find the
new primary by themselves.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.patroni import Member, Patroni
from tests.process.books import Books, deploy, load
from tests.process.cluster import PARTITIONS, Cluster

pytestmark = pytest.mark.process

#: Beats of a broker until instances are created again, once there is a new primary. How long Patroni takes for that is its own affair.
BACK = 6
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

    async def survive(self, books: Books, change: Callable[[], None], *, leaves: Member | None = None) -> None:
        """Let *change* happen under load: the primary that *leaves* is replaced, and soon after that instances are created again."""
        others = [one for one in self.patroni.members if one is not leaves]
        async with load([*self.brokers.values()], books):
            await books.more(40)
            await asyncio.to_thread(change)
            await asyncio.to_thread(self.patroni.until, lambda: any(one.is_primary for one in others))
            before = self.beats()
            await books.more(1)
            beats = max(beat - before[id] for id, beat in self.beats().items())
            await books.more(40)
        assert beats <= BACK
        await books.check(self.brokers["two"], partitions=PARTITIONS)


@pytest.fixture
def cluster(tmp_path: Path, patroni: Patroni) -> Iterator[OnPatroni]:
    made = OnPatroni(tmp_path, patroni)
    yield made
    made.stop()


async def test_a_primary_that_is_killed_is_replaced_and_nothing_is_lost(cluster: OnPatroni):
    books = await cluster.begin()
    old = cluster.patroni.primary
    await cluster.survive(books, old.kill_server, leaves=old)
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
    await cluster.survive(books, old.kill, leaves=old)
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
