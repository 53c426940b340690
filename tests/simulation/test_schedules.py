"""Whatever the order of commands, failures and restarts: what was acknowledged holds, and the rows fit together."""

import asyncio
import random
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from osmia_broker.engine import commands
from osmia_broker.engine.resources import compile_resources
from osmia_broker.errors import OsmiaError, Rejection, StoreFailed
from tests.bpmn import bpmn
from tests.partition.test_partition import Opened, opened

PROCESS = bpmn(
    "start > fork:parallel [a:job(type=t) > join:parallel > end"
    " | pick:exclusive [n > 5 -> b:job(type=t) > merge:task > join | else -> c:user > merge]]"
)
DEPLOY = commands.DeployResources(compile_resources([("p.bpmn", PROCESS)]))
TYPES = ("t", "io.camunda.zeebe:userTask")
STEPS = 60
ROUNDS = 3


@dataclass
class Books:
    """What the client side was told."""

    created: set[int] = field(default_factory=set)
    cancelled: set[int] = field(default_factory=set)
    completed: set[int] = field(default_factory=set)  # jobs
    unknown: set[int] = field(default_factory=set)  # keys of a call that failed with the store
    held: dict[int, int] = field(default_factory=dict)  # job -> instance


class Client:
    """Calls one partition at random and keeps the books."""

    def __init__(self, it: Opened, books: Books, random: random.Random) -> None:
        self.it, self.books, self.random = it, books, random

    async def step(self) -> None:
        await self.it.wait_open()
        burst = [self.random.choice(CALLS)(self) for _ in range(self.random.randint(1, 8))]
        if self.random.random() < 0.15:
            self.it.store.fails, self.it.store.fails_after = StoreFailed("simulated"), self.random.random() < 0.5
        await asyncio.gather(*burst)
        self.it.clock.ms += self.random.randint(0, 400)
        if self.it.partition.is_open:
            self.it.partition.look_at_clock()

    async def create(self) -> None:
        number = {"n": self.random.choice(["1", "9", '"text"'])}
        answer = await self._told(0, commands.CreateProcessInstance("process", -1, 0, number))
        if answer is not None:
            self.books.created.add(answer.process_instance_key)

    async def activate(self) -> None:
        command = commands.ActivateJobs(self.random.choice(TYPES), "w", self.random.choice([1, 500, 10_000]), 5)
        for job in await self._told(0, command) or []:
            assert job.key not in self.books.completed, "a completed job was handed out again"
            self.books.held[job.key] = job.process_instance_key

    async def complete(self) -> None:
        if self.books.held:
            key = self.random.choice(sorted(self.books.held))
            if await self._told(key, commands.CompleteJob(key, {"n": "7"})) is ...:
                assert key not in self.books.completed, "a job completed twice"
                self.books.completed.add(key)

    async def fail(self) -> None:
        if self.books.held:
            key = self.random.choice(sorted(self.books.held))
            retries, back_off_ms = self.random.choice([(0, 0), (2, 0), (2, 300)])
            await self._told(key, commands.FailJob(key, retries, "no", back_off_ms, {}))

    async def cancel(self) -> None:
        if self.books.created and self.random.random() < 0.3:
            key = self.random.choice(sorted(self.books.created))
            if await self._told(key, commands.CancelProcessInstance(key)) is ...:
                self.books.cancelled.add(key)

    async def _told(self, key: int, command: commands.Command) -> object:
        """The answer (... for one without content), or None for a refusal or a failure, which may have taken effect."""
        try:
            answer = await self.it.do(command)
        except Rejection:
            return None
        except OsmiaError:
            self.books.unknown.add(key)
            return None
        return ... if answer is None else answer


CALLS = [
    Client.create,
    Client.create,
    Client.activate,
    Client.activate,
    Client.complete,
    Client.complete,
    Client.fail,
    Client.cancel,
]


@pytest.mark.parametrize("seed", range(12))
async def test_any_schedule_keeps_its_promises(tmp_path: Path, seed: int):
    print(f"seed {seed}")
    books, chance = Books(), random.Random(seed)
    for round_number in range(ROUNDS):
        async with opened(tmp_path, resident_instances=chance.choice([1, 3, 1_000])) as it:
            if round_number == 0:
                await it.do(DEPLOY)
            client = Client(it, books, chance)
            for _ in range(STEPS):
                await client.step()
            await it.wait_open()
            it.store.fails = None
    check(tmp_path / "partition-1.db", books)


def check(path: Path, books: Books) -> None:
    """Compare the books with the rows, and the rows with each other."""
    with sqlite3.connect(path) as db:
        instances = dict(db.execute("SELECT key, state FROM element_instances WHERE type = 'PROCESS'"))
        jobs = dict(db.execute("SELECT key, state FROM jobs"))
        orphans = db.execute(
            "SELECT e.key FROM element_instances e JOIN element_instances s ON s.key = e.scope_key"
            " WHERE e.ended_ms = 0 AND s.ended_ms > 0"
        ).fetchall()
        stranded = db.execute(
            "SELECT e.key, e.element_id FROM element_instances e WHERE e.ended_ms = 0 AND e.type IN ('USER_TASK', 'SERVICE_TASK')"
            " AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.element_instance_key = e.key AND j.ended_ms = 0)"
        ).fetchall()
        empty = db.execute(
            "SELECT p.key FROM element_instances p WHERE p.type = 'PROCESS' AND p.ended_ms = 0 AND NOT EXISTS"
            " (SELECT 1 FROM element_instances e WHERE e.process_instance_key = p.key AND e.type != 'PROCESS' AND e.ended_ms = 0)"
        ).fetchall()
        living_jobs_of_the_dead = db.execute(
            "SELECT j.key FROM jobs j JOIN element_instances e ON e.key = j.element_instance_key WHERE j.ended_ms = 0 AND e.ended_ms > 0"
        ).fetchall()
        (highest,) = db.execute(
            "SELECT max(key) FROM (SELECT key FROM element_instances UNION SELECT key FROM jobs)"
        ).fetchone()
        (next_key,) = db.execute("SELECT next_key FROM partition").fetchone()
    db.close()
    assert books.created <= set(instances), "an acknowledged instance is lost"
    assert all(jobs[key] == "COMPLETED" for key in books.completed), "an acknowledged completion is lost"
    assert all(instances[key] == "TERMINATED" for key in books.cancelled), "an acknowledged cancellation is lost"
    done = {key for key, state in jobs.items() if state == "COMPLETED"}
    assert done <= books.completed | books.unknown, "a job completed by itself"
    assert (orphans, stranded, empty, living_jobs_of_the_dead) == ([], [], [], [])
    assert next_key > highest
