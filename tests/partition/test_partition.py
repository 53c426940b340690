"""Answer after commit, all or nothing, bounded, crash-only: promises 1, 2, 4 and 5 of the design."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from osmia_broker.engine import commands
from osmia_broker.engine.resources import compile_resources
from osmia_broker.errors import NotFound, Overloaded, StoreFailed, StoreFull, Unavailable
from osmia_broker.metrics import PartitionCounters
from osmia_broker.partition import Partition
from osmia_broker.state.exchange import Changes, Loaded, Start, Wanted
from osmia_broker.store.sqlite import SqliteStore
from tests.bpmn import bpmn
from tests.doors import FakeClock

PROCESS = bpmn("start > ask:job > end")
DEPLOY = commands.DeployResources(compile_resources([("p.bpmn", PROCESS)]))
CREATE = commands.CreateProcessInstance("process", -1, 0, {"n": "1"})


class WatchedStore(SqliteStore):
    """A real store that a test can hold up, or let fail before or after the rows are on disk."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.may_commit = Event()
        self.may_commit.set()
        self.fails: Exception | None = None
        self.fails_after = False
        self.may_open = True
        self.commits = 0
        self.loads = 0

    def open(self) -> Start:
        if not self.may_open:
            raise StoreFailed("Expected a disk, but found none")
        return super().open()

    def commit(self, changes: Changes) -> None:
        assert self.may_commit.wait(10)
        failure, self.fails = self.fails, None
        if failure is not None and not self.fails_after:
            raise failure
        super().commit(changes)
        self.commits += 1
        if failure is not None:
            raise failure

    def load(self, wanted: Wanted) -> Loaded:
        self.loads += 1
        return super().load(wanted)


class Opened:
    """A partition under test with all that it stands on."""

    def __init__(
        self, partition: Partition, store: WatchedStore, clock: FakeClock, counters: PartitionCounters
    ) -> None:
        self.partition, self.store, self.clock, self.counters = partition, store, clock, counters
        self.do: Callable[[commands.Command], Any] = partition.submit

    async def wait_open(self) -> None:
        while not self.partition.is_open:
            await asyncio.sleep(0)


@asynccontextmanager
async def opened(path: Path, **options: Any) -> AsyncIterator[Opened]:
    store, clock, counters = WatchedStore(path / "partition-1.db"), FakeClock(), PartitionCounters(1)
    partition = Partition(store, clock, counters, **options)
    await partition.open()
    try:
        yield Opened(partition, store, clock, counters)
    finally:
        store.may_commit.set()
        await partition.close()


async def test_no_answer_comes_before_its_commit(tmp_path: Path):
    async with opened(tmp_path) as it:
        await it.do(DEPLOY)
        it.store.may_commit.clear()
        commits = it.store.commits
        creation = it.do(CREATE)
        refusal = it.do(commands.CompleteJob(7, {}))
        for _ in range(50):
            await asyncio.sleep(0)
        assert not creation.done()
        it.store.may_commit.set()
        await creation
        assert it.store.commits == commits + 1
        with pytest.raises(NotFound):
            await refusal


async def test_a_refusal_is_not_told_from_state_that_is_not_committed(tmp_path: Path):
    async with opened(tmp_path) as it:
        await it.do(DEPLOY)
        await it.do(CREATE)
        (job,) = await it.do(commands.ActivateJobs("ask", "w", 1_000, 1))
        it.store.may_commit.clear()
        first, second = it.do(commands.CompleteJob(job.key, {})), it.do(commands.CompleteJob(job.key, {}))
        for _ in range(50):
            await asyncio.sleep(0)
        assert not first.done()
        assert not second.done(), "the job is gone only once that is on disk"
        it.store.may_commit.set()
        await first
        with pytest.raises(NotFound):
            await second


async def test_commands_that_come_together_share_a_commit(tmp_path: Path):
    async with opened(tmp_path) as it:
        await it.do(DEPLOY)
        before = it.store.commits
        await asyncio.gather(*(it.do(CREATE) for _ in range(100)))
        assert it.store.commits - before <= 2


@pytest.mark.parametrize("failure", [StoreFailed("Expected to write, but found an I/O error"), StoreFull("no room")])
@pytest.mark.parametrize("after", [False, True])
async def test_a_failed_commit_is_told_to_all_and_leaves_no_half(tmp_path: Path, failure: StoreFailed, after: bool):
    async with opened(tmp_path) as it:
        await it.do(DEPLOY)
        kept = await it.do(CREATE)
        it.store.fails, it.store.fails_after = failure, after
        lost = [it.do(CREATE) for _ in range(5)]
        outcomes = await asyncio.gather(*lost, return_exceptions=True)
        assert all(type(outcome) is type(failure) for outcome in outcomes), outcomes
        await it.wait_open()
        jobs = await it.do(commands.ActivateJobs("ask", "w", 60_000, 100))
        assert len(jobs) == (6 if after else 1)
        assert jobs[0].process_instance_key == kept.process_instance_key
        for job in jobs:
            await it.do(commands.CompleteJob(job.key, {}))
        assert sum(it.counters.commit_failures.values()) == 1


async def test_while_the_store_is_away_commands_are_refused_and_it_comes_back_by_itself(tmp_path: Path):
    async with opened(tmp_path) as it:
        await it.do(DEPLOY)
        it.store.fails, it.store.may_open = StoreFailed("gone"), False
        with pytest.raises(StoreFailed):
            await it.do(CREATE)
        with pytest.raises(StoreFailed):
            it.do(CREATE)
        it.store.may_open = True
        await it.wait_open()
        await it.do(CREATE)


async def test_keys_are_not_used_again_after_a_failed_commit_or_a_start(tmp_path: Path):
    async with opened(tmp_path) as it:
        await it.do(DEPLOY)
        before = (await it.do(CREATE)).process_instance_key
    async with opened(tmp_path) as it:
        again = (await it.do(CREATE)).process_instance_key
        key = await it.do(commands.SetVariables(again, {}, False))
    async with opened(tmp_path) as it:
        assert (await it.do(CREATE)).process_instance_key > key > again > before


async def test_a_full_queue_is_told_at_once(tmp_path: Path):
    async with opened(tmp_path, queue_max=10) as it:
        await it.do(DEPLOY)
        it.store.may_commit.clear()
        taken = [it.do(CREATE) for _ in range(10)]
        with pytest.raises(Overloaded):
            it.do(CREATE)
        assert it.counters.refused_busy == 1
        it.store.may_commit.set()
        await asyncio.gather(*taken)
        await it.do(CREATE)


async def test_a_million_waiting_instances_need_no_million_in_memory(tmp_path: Path):
    async with opened(tmp_path, resident_instances=5) as it:
        await it.do(DEPLOY)
        created = [(await it.do(CREATE)).process_instance_key for _ in range(40)]
        assert it.partition.resident_instances <= 5
        jobs = await it.do(commands.ActivateJobs("ask", "w", 60_000, 100))
        assert [job.process_instance_key for job in jobs] == created
        for job in jobs:
            await it.do(commands.CompleteJob(job.key, {"done": "true"}))
        assert it.partition.resident_instances <= 5
        with pytest.raises(NotFound):
            await it.do(commands.CompleteJob(jobs[0].key, {}))


async def test_a_cold_instance_is_found_by_each_of_its_keys(tmp_path: Path):
    async with opened(tmp_path, resident_instances=1) as it:
        await it.do(DEPLOY)
        cold = await it.do(CREATE)
        (job,) = await it.do(commands.ActivateJobs("ask", "w", 60_000, 1))
        await it.do(commands.FailJob(job.key, 0, "no", 0, {}))
        for _ in range(3):
            await it.do(CREATE)
        await it.do(commands.SetVariables(job.element_instance_key, {"x": "1"}, True))
        for _ in range(3):
            await it.do(CREATE)
        await it.do(commands.UpdateJobRetries(job.key, 2))
        for _ in range(3):
            await it.do(CREATE)
        await it.do(commands.ResolveIncident(job.key + 1))  # the key given out next
        await it.do(CREATE)
        await it.do(commands.CancelProcessInstance(cold.process_instance_key))
        with pytest.raises(NotFound):
            await it.do(commands.CancelProcessInstance(cold.process_instance_key))


async def test_deadlines_are_kept_through_a_start(tmp_path: Path):
    async with opened(tmp_path) as it:
        await it.do(DEPLOY)
        await it.do(CREATE)
        await it.do(commands.ActivateJobs("ask", "w", 100_000, 1))
        now = it.clock.ms
    async with opened(tmp_path) as it:
        it.clock.ms = now + 99_999
        it.partition.look_at_clock()
        assert await it.do(commands.ActivateJobs("ask", "w", 1, 1)) == []
        it.clock.ms = now + 100_000
        for _ in range(2):
            it.partition.look_at_clock()
            await it.do(commands.GiveBackJobs(()))
        assert len(await it.do(commands.ActivateJobs("ask", "w", 1, 1))) == 1


async def test_stopping_answers_what_was_taken(tmp_path: Path):
    async with opened(tmp_path) as it:
        await it.do(DEPLOY)
        taken = [it.do(CREATE) for _ in range(20)]
        await it.partition.close()
        assert all(creation.done() and creation.result() for creation in taken)
        with pytest.raises(Unavailable):
            it.do(CREATE)
    async with opened(tmp_path) as it:
        assert len(await it.do(commands.ActivateJobs("ask", "w", 1, 100))) == 20


async def test_a_stored_model_that_cannot_be_read_hurts_only_its_own(tmp_path: Path):
    other = commands.DeployResources(compile_resources([("o.bpmn", bpmn("start > ask:job > end", id="other"))]))
    async with opened(tmp_path) as it:
        await it.do(DEPLOY)
        await it.do(other)
    with sqlite3.connect(tmp_path / "partition-1.db") as db:
        checksum = DEPLOY.resources[0].checksum
        db.execute("UPDATE resources SET content = ? WHERE checksum = ?", (b"<x/>", checksum))
    db.close()
    async with opened(tmp_path) as it:
        create_other = commands.CreateProcessInstance("other", -1, 0, {})
        outcomes = await asyncio.gather(it.do(CREATE), it.do(create_other), it.do(CREATE), return_exceptions=True)
        assert [type(outcome).__name__ for outcome in outcomes] == ["InvalidState", "Created", "InvalidState"]
        assert "stored resource 'p.bpmn'" in str(outcomes[0])
        assert it.partition.is_open
        assert sum(it.counters.commit_failures.values()) == 0


async def test_a_defect_in_a_step_stops_its_instance_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with opened(tmp_path) as it:
        await it.do(DEPLOY)
        with monkeypatch.context() as patched:
            patched.setattr("osmia_broker.engine.elements.tasks.create_job", lambda *_, **__: 1 // 0)
            poisoned = await it.do(CREATE)
        healthy = await it.do(CREATE)
        (job,) = await it.do(commands.ActivateJobs("ask", "w", 1_000, 10))
        assert job.process_instance_key == healthy.process_instance_key
        assert it.counters.incidents == {("UNKNOWN",): 1}
        await it.do(commands.CancelProcessInstance(poisoned.process_instance_key))


async def test_a_stored_row_that_cannot_be_read_hurts_only_its_instance(tmp_path: Path):
    async with opened(tmp_path) as it:
        await it.do(DEPLOY)
        bad, good = await it.do(CREATE), await it.do(CREATE)
    with sqlite3.connect(tmp_path / "partition-1.db") as db:
        db.execute("UPDATE element_instances SET state = 'ASLEEP' WHERE key = ?", (bad.process_instance_key,))
    db.close()
    async with opened(tmp_path) as it:
        cancel = commands.CancelProcessInstance(bad.process_instance_key)
        outcomes = await asyncio.gather(it.do(cancel), it.do(CREATE), return_exceptions=True)
        assert [type(outcome).__name__ for outcome in outcomes] == ["InvalidState", "Created"]
        jobs = await it.do(commands.ActivateJobs("ask", "w", 1_000, 10))
        assert good.process_instance_key in {job.process_instance_key for job in jobs}
        assert bad.process_instance_key not in {job.process_instance_key for job in jobs}
        assert sum(it.counters.commit_failures.values()) == 0
