"""Real brokers that lead a part of the partitions each, on one real database: killed, stopped, joined, under load and with the books kept by the client."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import monotonic
from uuid import UUID, uuid4

import pytest

import osmia
from osmia_broker.base import ports
from osmia_broker.running.child import LOG, ChildBroker, NotStarted
from osmia_broker.state.partitioning import partition_of_key
from tests import postgres
from tests.bpmn import bpmn
from tests.process.test_kill import Books, all_instances, states

pytestmark = pytest.mark.process

PARTITIONS = 4
LEASE_MS = 600_000
BOUND_S = 90  # a test's own
CALLERS = 3
# After a death that the machine reports, and after one that only silence shows.
LED_AGAIN_S, LED_AGAIN_SILENT_S = (3.0, 8.0)
SLACK = 2.0  # the machine that plays the tests may be busy


class Cluster:
    """Brokers on one database, by name. Each has a data directory of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.brokers: dict[str, ChildBroker] = {}
        self._secret = folder / "secret"
        self._secret.write_text("a secret of brokers")

    def secret(self, text: str) -> Path:
        """A file with another secret."""
        file = self.folder / text.replace(" ", "-")
        file.write_text(text)
        return file

    def make(self, name: str, *more: str) -> ChildBroker:
        flags = ("--database-url", self.url, "--partitions", str(PARTITIONS))
        links = () if "--processes" in more else ("--links-secret-file", str(self._secret))
        broker = self.brokers[name] = ChildBroker(self.folder / name, flags=(*flags, *links, *more))
        return broker

    async def start(self, name: str, *more: str) -> ChildBroker:
        broker = self.make(name, *more)
        await asyncio.to_thread(broker.start)
        return broker

    def sql(self, text: str) -> str:
        return postgres.server().sql(text, self.url.rpartition("/")[2])

    @property
    def shares(self) -> list[int]:
        """How many partitions each leader leads, the fewest first."""
        found = self.sql("SELECT count(*) FROM partition GROUP BY owner ORDER BY 1")
        return [int(one) for one in found.split()]

    async def until(self, holds: Callable[[], bool]) -> float:
        """Ask the database again and again; return how long it took until something held of it."""
        begun = monotonic()
        async with asyncio.timeout(BOUND_S):
            while not await asyncio.to_thread(holds):
                pass
        return monotonic() - begun

    def owners(self) -> dict[int, str]:
        rows = self.sql("SELECT id, owner FROM partition ORDER BY id").split("\n")
        return {int(number): owner for number, _, owner in (row.partition("|") for row in rows)}

    def stop(self) -> None:
        for broker in self.brokers.values():
            if broker.pid:
                with suppress(ProcessLookupError):
                    os.kill(broker.pid, signal.SIGCONT)
                broker.kill()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with postgres.database(partitions=PARTITIONS) as url:
        made = Cluster(tmp_path, url)
        yield made
        made.stop()


async def deploy(broker: ChildBroker) -> None:
    async with osmia.Client(broker.address) as client:
        await client.deploy(("p.bpmn", bpmn("start > ask:job > end")))


async def again(addresses: list[str], work: Callable[[osmia.Client], Awaitable[None]]) -> None:
    """Do *work* without end, at whichever broker answers."""
    turn = 0
    while True:
        turn += 1
        async with osmia.Client(addresses[turn % len(addresses)]) as client:
            with suppress(osmia.Unavailable, osmia.BrokerFailed):
                while True:
                    await work(client)


@asynccontextmanager
async def load(brokers: list[ChildBroker], books: Books) -> AsyncIterator[None]:
    """Create instances in all partitions, and complete their jobs, through all *brokers*."""

    async def create(client: osmia.Client) -> None:
        created = await client.create_instance("process", {"n": 1}, idempotency_key=str(uuid4()))
        assert created.key not in books.created, "a key was given out twice"
        books.created.add(created.key)
        books.note()

    async def work(client: osmia.Client) -> None:
        for job in await client.activate_jobs("ask", max_jobs=4, timeout_ms=LEASE_MS, wait_ms=200):
            books.handed_out[job.key] += 1
            books.completing.add(job.process_instance_key)
            await client.complete_job(job.key)
            books.completing.discard(job.process_instance_key)
            books.completed[job.process_instance_key] += 1

    addresses = [one.address for one in brokers]
    callers = [
        again(addresses[turn % 2 :] + addresses[: turn % 2], one) for one in (create, work) for turn in range(CALLERS)
    ]
    tasks = [asyncio.ensure_future(caller) for caller in callers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    faults = [one for one in outcomes if not isinstance(one, asyncio.CancelledError)]
    assert not faults, faults


async def more(books: Books, number: int) -> None:
    """Wait until so many more instances have been created."""
    books.goal = len(books.created) + number
    books.enough.clear()
    await asyncio.wait_for(books.enough.wait(), BOUND_S)


async def check(books: Books, broker: ChildBroker) -> None:
    """Compare the books with what *broker* has."""
    there = await all_instances(broker)
    assert books.created <= there, "an acknowledged instance is lost"
    assert {partition_of_key(key) for key in books.created} == set(range(1, PARTITIONS + 1))
    done = set(books.completed)
    state = await states(broker, books.created | done)
    assert all(state[key] == "COMPLETED" for key in done), "an acknowledged completion is lost"
    assert all(state[key] == "ACTIVE" for key in books.created - done - books.completing)
    assert set(books.completed.values()) <= {1}
    assert set(books.handed_out.values()) == {1}, "a job was handed out twice within its lease"


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
        await more(books, 60)
        await cluster.start("two")
        await cluster.until(lambda: cluster.shares == [2, 2])
        await more(books, 60)
    await check(books, one)


async def test_a_broker_that_stops_hands_its_share_over(cluster: Cluster):
    one, two = await cluster.start("one"), await cluster.start("two")
    await cluster.until(lambda: cluster.shares == [2, 2])
    await deploy(one)
    books = Books()
    async with load([two, one], books):
        await more(books, 60)
        assert await asyncio.to_thread(one.stop) == 0
        await cluster.until(lambda: cluster.shares == [4])
        await more(books, 60)
    await check(books, two)


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
        await more(books, 60)
        await asyncio.to_thread(killed.kill)
        took_s = await cluster.until(lambda: cluster.shares == [4])
        await more(books, 60)
    assert took_s < LED_AGAIN_S * SLACK
    await check(books, left)
    await deploy(left)


async def test_a_broker_that_was_stopped_for_long_is_fenced_and_goes_on_with_a_share(cluster: Cluster):
    one, two = await cluster.start("one"), await cluster.start("two")
    await cluster.until(lambda: cluster.shares == [2, 2])
    await deploy(one)
    books = Books()
    async with load([one], books):
        await more(books, 40)
        os.kill(two.pid, signal.SIGSTOP)
        took_s = await cluster.until(lambda: cluster.shares == [4])
        await more(books, 40)
        os.kill(two.pid, signal.SIGCONT)
        await cluster.until(lambda: cluster.shares == [2, 2])
        await more(books, 40)
    assert took_s < LED_AGAIN_SILENT_S * SLACK
    await check(books, two)
    await check(books, one)


async def test_all_brokers_are_killed_and_start_again(cluster: Cluster):
    one, two = await cluster.start("one"), await cluster.start("two")
    await deploy(one)
    books = Books()
    async with load([one, two], books):
        await more(books, 40)
        await asyncio.to_thread(one.kill)
        await asyncio.to_thread(two.kill)
    await asyncio.gather(asyncio.to_thread(one.start), asyncio.to_thread(two.start))
    await cluster.until(lambda: cluster.shares == [2, 2])
    await check(books, two)


# --- several processes of one machine


async def test_the_processes_of_one_broker_share_the_partitions(cluster: Cluster):
    broker = await cluster.start("one", "--processes", "2")
    await cluster.until(lambda: cluster.shares == [2, 2])
    await deploy(broker)
    books = Books()
    async with load([broker], books):
        await more(books, 40)
        found = ports.read(broker.data_dir / "process-2")
        assert found is not None
        os.kill(found.pid, signal.SIGKILL)
        await more(books, 40)
    await cluster.until(lambda: cluster.shares == [2, 2])
    await check(books, broker)
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
