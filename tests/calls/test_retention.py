"""History that is removed by itself: what is old enough goes with all its rows, and nothing else does."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from osmia_broker.base.errors import StoreFailed
from osmia_broker.calls.processes import retention
from osmia_broker.calls.processes.retention import Retention
from osmia_broker.engine import commands
from osmia_broker.metrics import PartitionCounters
from osmia_broker.partition import Partition
from osmia_broker.store.read import Reader
from osmia_broker.store.sqlite import SqliteStore
from tests.clock import FakeClock
from tests.partition.opened import activate, complete, create, deploy
from tests.patience import settle
from tests.rest.conftest import Rest
from tests.running_broker import running_broker

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
WORK = "start > a:job(type=ask) > end"
CALLER = "start > sub:call(process=work) > b:job(type=later) > end"


class Kept:
    """A partition on disk that keeps its history for a day."""

    def __init__(self, path: Path) -> None:
        self.path, self.clock, self.counters = path, FakeClock(), PartitionCounters(1)
        self.store = SqliteStore(path)
        self.partition = Partition(self.store, self.clock, self.counters)
        self.reader = Reader(path)
        self.retention = Retention(self.partition, self.reader, self.clock, self.counters, keep_ms=DAY_MS)

    async def do(self, command: commands.Command) -> Any:
        return await self.partition.submit(command)

    async def run(self, id: str = "work") -> int:
        """Run an instance to its end."""
        key = int((await self.do(create(id))).process_instance_key)
        await self.work()
        return key

    async def work(self, type: str = "ask") -> None:
        for job in await self.do(activate(type)):
            await self.do(complete(job))

    async def pass_by(self, ms: int) -> int:
        """Let time pass, and sweep; return how many instances were removed."""
        self.clock.ms += ms
        self.partition.check_clock()
        await settle(self.partition)
        return await self.retention.sweep()

    async def left(self) -> set[int]:
        """The instances that are listed."""
        return {one.row.key for one in (await self.reader.process_instances(limit=100)).items}

    def rows(self) -> int:
        """The rows of instances in the file."""
        with closing(sqlite3.connect(self.path)) as db:
            tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            of_instances = [
                table
                for table in tables
                if "process_instance_key" in {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
            ]
            kept = {"audit_entries", "event_log"}
            return sum(
                db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in of_instances if table not in kept
            )


@pytest.fixture
async def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Kept]:
    monkeypatch.setattr(retention, "RESTS", 0)
    it = Kept(tmp_path / "partition-1.db")
    await it.partition.open()
    await it.do(deploy(WORK, "work"))
    await it.do(deploy(CALLER, "caller"))
    yield it
    await it.retention.stop()
    await it.partition.close()
    await it.reader.close()


async def test_an_instance_is_removed_with_all_its_rows_when_it_is_old_enough(kept: Kept):
    before = kept.rows()
    await kept.run()
    assert await kept.pass_by(DAY_MS - 1) == 0
    assert await kept.pass_by(1) == 1
    assert await kept.left() == set()
    assert kept.rows() == before
    assert kept.counters.history_removed == 1
    assert await kept.pass_by(DAY_MS) == 0


async def test_the_time_counts_from_the_end_and_not_from_the_start(kept: Kept):
    old = await kept.run()
    running = (await kept.do(create("work"))).process_instance_key
    await kept.pass_by(10 * DAY_MS)
    assert await kept.left() == {running}
    await kept.work()
    assert await kept.pass_by(DAY_MS - 1) == 0
    assert await kept.pass_by(1) == 1
    assert old not in await kept.left()


async def test_a_canceled_instance_is_history_too(kept: Kept):
    key = (await kept.do(create("work"))).process_instance_key
    await kept.do(commands.CancelProcessInstance(key))
    assert await kept.pass_by(DAY_MS) == 1


async def test_a_called_instance_stays_as_long_as_its_caller(kept: Kept):
    caller = await kept.run("caller")
    await settle(kept.partition)
    await kept.work()
    called = await kept.left() - {caller}
    assert len(called) == 1
    assert await kept.pass_by(10 * DAY_MS) == 0  # the called one ended long ago, its caller runs
    await kept.work("later")
    assert await kept.pass_by(DAY_MS - 1) == 0
    assert await kept.pass_by(1) == 2


async def test_many_are_removed_in_slices_and_those_that_stay_are_passed_over_once(kept: Kept):
    await kept.run("caller")
    await settle(kept.partition)
    await kept.work()
    number = 2 * retention.SLICE_INSTANCES + 3
    for _ in range(number):
        await kept.do(create("work"))
    await kept.work()
    assert await kept.pass_by(DAY_MS) == number
    assert len(await kept.left()) == 2


async def test_a_partition_that_is_away_is_left_alone(kept: Kept):
    await kept.run()
    kept.clock.ms += DAY_MS
    await kept.partition.close()
    assert await kept.retention.sweep() == 0


async def test_a_store_that_fails_puts_the_rest_off(kept: Kept, monkeypatch: pytest.MonkeyPatch):
    await kept.run()
    kept.clock.ms += DAY_MS

    async def fails(*_: Any) -> Any:
        raise StoreFailed("Expected a disk, but found none")

    with monkeypatch.context() as broken:
        broken.setattr(kept.store, "write", fails)
        with pytest.raises(StoreFailed):
            await kept.retention.sweep()
    while not kept.partition.is_open:
        await settle(kept.partition)
    assert await kept.retention.sweep() == 1
    assert kept.counters.history_removed == 1


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first round does not wait for a start to be over."""
    monkeypatch.setattr(retention, "FIRST_S", 0)


@pytest.mark.usefixtures("at_once")
async def test_rounds_begin_and_end_with_stop(kept: Kept):
    await kept.run()
    kept.clock.ms += DAY_MS
    kept.retention.start()
    while not kept.counters.history_removed:
        await asyncio.sleep(0)
    await kept.retention.stop()
    await kept.retention.stop()


def test_a_broker_that_is_told_so_keeps_everything(tmp_path: Path):
    with running_broker(tmp_path, history_retention="forever") as broker:
        rest = Rest(broker)
        rest.deploy("start > end", id="brief")
        rest.create("brief")
        broker.clock.ms += 1_000 * DAY_MS
        broker.look_at_clock()
        broker.restart()
        assert rest.broker.broker.metrics.partitions[0].history_removed == 0
        rest.http.close()


def test_a_start_opens_no_read_side(tmp_path: Path):
    with running_broker(tmp_path) as broker:
        (reader,) = broker.broker._database.reader.parts
        assert reader.database.connections.engine is None


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("settings", [{}, {"history_retention": "30d"}])
def test_a_broker_removes_what_is_old_when_it_starts(tmp_path: Path, settings: dict[str, str]):
    with running_broker(tmp_path) as broker:
        rest = Rest(broker)
        rest.deploy("start > end", id="brief")
        rest.create("brief")
        rest.http.close()
        broker.clock.ms += 31 * DAY_MS
        broker.restart(**settings)
        rest = Rest(broker)
        counters = broker.broker.metrics.partitions[0]
        while not counters.history_removed:
            broker.look_at_clock()
        assert rest.post("/process-instances/search")["items"] == []
        rest.http.close()


@pytest.mark.usefixtures("at_once")
def test_each_partition_removes_its_own_history(tmp_path: Path):
    with running_broker(tmp_path, partitions=2) as broker:
        rest = Rest(broker)
        rest.deploy("start > end", id="brief")
        for _ in range(6):
            rest.create("brief")
        rest.http.close()
        broker.clock.ms += 31 * DAY_MS
        broker.restart(history_retention="30d")
        counters = broker.broker.metrics.partitions
        while sum(one.history_removed for one in counters) < 6:
            broker.look_at_clock()
        assert all(one.history_removed for one in counters)
        rest = Rest(broker)
        assert rest.post("/process-instances/search")["items"] == []
        rest.http.close()
