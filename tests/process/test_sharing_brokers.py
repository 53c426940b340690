"""Real brokers that lead a part of the partitions each, on one real database: killed, stopped, joined, under load and with the books kept by the client."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

import osmia
from osmia_broker.base import ports
from osmia_broker.running.child import LOG, NotStarted
from osmia_broker.state.partitioning import partition_of_key
from tests import postgres
from tests.process.books import Books, deploy, load
from tests.process.cluster import PARTITIONS, Cluster

pytestmark = pytest.mark.process

# After a death that the machine reports, and after one that only silence shows: beats of the one who lives, with the one that was under way.
LED_AGAIN, LED_AGAIN_SILENT = 3 + 1, 8 + 1


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with postgres.database(partitions=PARTITIONS) as url:
        made = Cluster(tmp_path, url)
        yield made
        made.stop()


# --- leading a part


async def test_two_brokers_lead_half_each_and_each_serves_all(cluster: Cluster):
    one, two = await cluster.start("one"), await cluster.start("two")
    await cluster.until(lambda: cluster.shares == [2, 2])
    await deploy(two)
    ids = set()
    for broker in (one, two):
        async with osmia.Client(broker.address) as client:
            keys = [(await client.create_instance("process", idempotency_key=str(n))).key for n in range(12)]
            assert {partition_of_key(key) for key in keys} == {1, 2, 3, 4}
            while (topology := await client.topology()).cluster_size < 2:
                pass  # the other one is named from its next beat on
            assert [(one.node_id, len(one.roles)) for one in topology.brokers] == [(1, 2), (2, 2)]
            assert {one.address for one in topology.brokers} == {one.address, two.address}
            ids.add(UUID(topology.cluster_id))
    assert len(ids) == 1, "one cluster"


async def test_a_broker_that_joins_under_load_gets_its_share_and_nothing_is_lost(cluster: Cluster):
    one = await cluster.start("one")
    await deploy(one)
    books = Books()
    async with load([one], books):
        await books.more(60)
        await cluster.start("two")
        await cluster.until(lambda: cluster.shares == [2, 2])
        await books.more(60)
    await books.check(one, partitions=PARTITIONS)


async def test_a_broker_that_stops_hands_its_share_over(cluster: Cluster):
    one, two = await cluster.start("one"), await cluster.start("two")
    await cluster.until(lambda: cluster.shares == [2, 2])
    await deploy(one)
    books = Books()
    async with load([two, one], books):
        await books.more(60)
        assert await asyncio.to_thread(one.stop) == 0
        await cluster.until(lambda: cluster.shares == [4])
        await books.more(60)
    await books.check(two, partitions=PARTITIONS)


# --- dying


@pytest.mark.parametrize("led", [1, 2], ids=["with partition 1", "without partition 1"])
async def test_a_broker_that_is_killed_under_load_loses_nothing(cluster: Cluster, led: int):
    brokers = [await cluster.start("one"), await cluster.start("two")]
    await cluster.until(lambda: cluster.shares == [2, 2])
    owners = cluster.owners()
    first_leads = owners[1] == cluster.sql("SELECT id FROM brokers WHERE process = 1")
    killed = brokers[0 if first_leads == (led == 1) else 1]
    left = next(one for one in brokers if one is not killed)
    await deploy(left)
    books = Books()
    async with load(brokers, books):
        await books.more(60)
        before = cluster.beats()
        await asyncio.to_thread(killed.kill)
        await cluster.until(lambda: cluster.shares == [4])
        took = cluster.beats_since(before)
        await books.more(60)
    assert took <= LED_AGAIN
    await books.check(left, partitions=PARTITIONS)
    await deploy(left)


async def test_a_broker_that_was_stopped_for_long_is_fenced_and_goes_on_with_a_share(cluster: Cluster):
    one, two = await cluster.start("one"), await cluster.start("two")
    await cluster.until(lambda: cluster.shares == [2, 2])
    await deploy(one)
    books = Books()
    async with load([one], books):
        await books.more(40)
        before = cluster.beats()
        os.kill(two.pid, signal.SIGSTOP)
        await cluster.until(lambda: cluster.shares == [4])
        took = cluster.beats_since(before)
        await books.more(40)
        os.kill(two.pid, signal.SIGCONT)
        await cluster.until(lambda: cluster.shares == [2, 2])
        await books.more(40)
    assert took <= LED_AGAIN_SILENT
    await books.check(two, partitions=PARTITIONS)
    await books.check(one, partitions=PARTITIONS)


async def test_all_brokers_are_killed_and_start_again(cluster: Cluster):
    one, two = await cluster.start("one"), await cluster.start("two")
    await deploy(one)
    books = Books()
    async with load([one, two], books):
        await books.more(40)
        await asyncio.to_thread(one.kill)
        await asyncio.to_thread(two.kill)
    await asyncio.gather(asyncio.to_thread(one.start), asyncio.to_thread(two.start))
    await cluster.until(lambda: cluster.shares == [2, 2])
    await books.check(two, partitions=PARTITIONS)


# --- several processes of one machine


async def test_the_processes_of_one_broker_share_the_partitions(cluster: Cluster):
    broker = await cluster.start("one", "--processes", "2")
    await cluster.until(lambda: cluster.shares == [2, 2])
    await deploy(broker)
    books = Books()
    async with load([broker], books):
        await books.more(40)
        found = ports.read(broker.data_dir / "process-2")
        assert found is not None
        os.kill(found.pid, signal.SIGKILL)
        await books.more(40)
    await cluster.until(lambda: cluster.shares == [2, 2])
    await books.check(broker, partitions=PARTITIONS)
    assert (broker.data_dir / "osmia.links-secret").stat().st_mode & 0o777 == 0o600


# --- who does not belong


async def test_another_number_of_partitions_is_refused(cluster: Cluster):
    await cluster.start("one")
    other = cluster.make("two", "--partitions", "3")
    with pytest.raises(NotStarted, match="to have 3 partitions, but found 4"):
        await asyncio.to_thread(other.start)
    assert cluster.shares == [4]


async def test_a_broker_that_is_stopped_while_it_waits_for_the_others_stops_at_once(cluster: Cluster):
    """It has another secret, so nobody leads a partition that it can reach; without the signal it would be ready after ten seconds."""
    await cluster.start("one")
    other = cluster.make("two", "--links-secret-file", str(cluster.secret("the secret of others")))
    await asyncio.to_thread(other.launch)
    await cluster.until(lambda: cluster.sql("SELECT count(*) FROM brokers WHERE links <> ''") == "2")
    assert await asyncio.to_thread(other.stop) == 0
    log = (other.data_dir / LOG).read_text()
    assert "broker stopped before it was ready" in log
    assert "broker ready" not in log
    assert cluster.sql("SELECT count(*) FROM brokers WHERE links <> ''") == "1", (
        "it says that it takes no links any more"
    )
    assert cluster.shares == [4]
