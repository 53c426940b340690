"""What a user task costs inside the broker, in the engine and in its commits: to create, claim and complete it.

    python -m bench tasks [--tasks 1024] [--rounds 7] [--waiting 0] [--without INDEX,INDEX ...]

A partition on a real file carries the commands out, 64 at a time, without a door. Its commits are recorded and then written again, into
one file for each variant; the variants take turns at every commit, so their figures can be compared on a busy machine. `--without` drops
these indexes in a variant of its own; the word `rows` stands for the rows of tasks and candidates. With `--waiting`, each file has so
many open tasks before, each for two groups. Shown are microseconds of CPU of one task: the engine's part with everything around it, then
that of the commits in each variant (the sum of each commit's least over the rounds), and the bytes that a task has in the file.

`job` is a service task that is created, handed out and completed: the floor for the same with a user task, which is `cycle`.
"""

import argparse
import asyncio
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.search import build
from osmia_broker.engine import commands
from osmia_broker.engine.commands.tasks import ClaimUserTask, CompleteUserTask
from osmia_broker.engine.resources import compile_resources
from osmia_broker.metrics import PartitionCounters
from osmia_broker.partition import Partition, SystemClock
from osmia_broker.state.rows.tasks import TaskCandidate, UserTask
from osmia_broker.state.store_protocol import Changes
from osmia_broker.store.sqlite import SqliteStore
from tests.bpmn import bpmn

AT_A_TIME = 64
WHO = 'groups="=groups", due="=due", name="Decide the case"'
MODELS = {
    "job": "start > a:job(type=job) > end",
    "cycle": f"start > a:user({WHO}) > end",
    "native": f"start > a:user({WHO}, native=yes) > end",
}
TYPES = {"job": "job", "cycle": "io.camunda.zeebe:userTask"}
VARIABLES = {"groups": '["hr","sales"]', "due": '"2030-01-01T00:00:00Z"'}
ROWS = "rows"
ROW_TYPES = (UserTask, TaskCandidate)


class Recorder(SqliteStore):
    """A store that keeps every commit, with the step that it belongs to, and the CPU that its thread has used."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.step = "deploy"
        self.commits: list[tuple[str, Changes]] = []
        self.cpu_s = 0.0

    def _commit(self, db: sqlite3.Connection, changes: Changes) -> None:
        self.commits.append((self.step, changes))
        begun = time.thread_time()
        super()._commit(db, changes)
        self.cpu_s += time.thread_time() - begun


async def many(asked: Sequence[Any], carry_out: Callable[[Any], Awaitable[Any]]) -> list[Any]:
    """Carry all out, some at a time; return the answers in order."""
    gate = asyncio.Semaphore(AT_A_TIME)

    async def one(command: Any) -> Any:
        async with gate:
            return await carry_out(command)

    return await asyncio.gather(*map(one, asked))


class Run:
    """Carries out every step once, and measures the engine's part."""

    def __init__(self, path: Path, filled: Path, tasks: int) -> None:
        if filled.exists():  # so the keys are none of those that are there
            shutil.copy(filled, path)
        self._path = path
        self._tasks = tasks
        self._store = Recorder(path)
        self._partition = Partition(self._store, SystemClock(), PartitionCounters(1))
        self.engine_us: dict[str, float] = {}

    async def whole(self) -> list[tuple[str, Changes]]:
        """Return the commits."""
        await self._partition.open()
        resources = [(f"{id}.bpmn", bpmn(line, id=id)) for id, line in MODELS.items()]
        await self._partition.submit(commands.DeployResources(compile_resources(resources)))
        for id in TYPES:
            await self._step(id, self._created(id), self._cycle)
        submit = self._partition.submit
        await self._step("create", self._created("native"), submit)
        with sqlite3.connect(self._path) as db:
            newest = "SELECT key FROM user_tasks WHERE ended_ms = 0 ORDER BY key DESC LIMIT ?"
            keys = [key for (key,) in db.execute(newest, (self._tasks,))]
        db.close()
        await self._step("claim", [ClaimUserTask(key, f"person-{key % 200}") for key in keys], submit)
        await self._step("complete", [CompleteUserTask(key, {}) for key in keys], submit)
        await self._partition.close()
        return self._store.commits

    def _created(self, id: str) -> list[commands.CreateProcessInstance]:
        return [commands.CreateProcessInstance(id, -1, 0, VARIABLES) for _ in range(self._tasks)]

    async def _cycle(self, create: commands.CreateProcessInstance) -> None:
        await self._partition.submit(create)
        activate = commands.ActivateJobs(TYPES[create.bpmn_process_id], "bench", 600_000, 1)
        while not (jobs := await self._partition.submit(activate)):  # noqa: ASYNC110 - a partition has no event for it
            await asyncio.sleep(0)  # the next ones are being read
        await self._partition.submit(commands.CompleteJob(jobs[0].key, {}))

    async def _step(self, name: str, asked: Sequence[Any], carry_out: Callable[[Any], Awaitable[Any]]) -> None:
        self._store.step, self._store.cpu_s = name, 0.0
        begun = time.process_time()
        await many(asked, carry_out)
        self.engine_us[name] = (time.process_time() - begun - self._store.cpu_s) / self._tasks * 1e6


class Variant:
    """A file that the commits are written into."""

    def __init__(self, path: Path, filled: Path, without: Sequence[str]) -> None:
        path.parent.mkdir()
        if filled.exists():
            shutil.copy(filled, path)
        self._without = without
        self._store = SqliteStore(path)
        self._path = path

    async def open(self) -> None:
        """Make the file, and the connection that writes it."""
        await self._store.open()
        with sqlite3.connect(self._path) as db:
            for index in self._without:
                if index != ROWS:
                    db.execute(f"DROP INDEX {index}")
        db.close()
        self._db = sqlite3.connect(self._path, isolation_level=None, cached_statements=512)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")

    def write(self, changes: Changes) -> float:
        """Write a commit; return the seconds of CPU."""
        if ROWS in self._without:
            written = {kind: rows for kind, rows in changes.written.items() if kind not in ROW_TYPES}
            changes = replace(changes, written=written)
        begun = time.thread_time()
        self._store._commit(self._db, changes)  # noqa: SLF001 - in this thread, without a turn of the other
        return time.thread_time() - begun

    def size(self) -> int:
        """Return the bytes of the whole file."""
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return self._path.stat().st_size

    async def close(self) -> None:
        """Delete the file."""
        self._db.close()
        await self._store.close()
        shutil.rmtree(self._path.parent)


async def replay(
    folder: Path, filled: Path, commits: Sequence[tuple[str, Changes]], variants: Sequence[Sequence[str]], rounds: int
) -> tuple[list[dict[str, float]], list[int]]:
    """Write the commits into every variant; return the seconds of CPU by step, and the bytes, of each."""
    least = [[float("inf")] * len(commits) for _ in variants]
    sizes = [0] * len(variants)
    for turn in range(rounds):
        files = [Variant(folder / f"{turn}-{n}" / "partition-1.db", filled, one) for n, one in enumerate(variants)]
        for file in files:
            await file.open()
        before = [file.size() for file in files]
        for place, (_, changes) in enumerate(commits):
            for number in range(place + turn, place + turn + len(files)):
                of_file = least[number % len(files)]
                of_file[place] = min(of_file[place], files[number % len(files)].write(changes))
        sizes = [file.size() - size for file, size in zip(files, before, strict=True)]
        for file in files:
            await file.close()
    spent: list[dict[str, float]] = [defaultdict(float) for _ in variants]
    for number, seconds in enumerate(least):
        for (step, _), one in zip(commits, seconds, strict=True):
            spent[number][step] += one
    return spent, sizes


async def compare(folder: Path, given: argparse.Namespace, variants: Sequence[Sequence[str]]) -> None:
    filled = folder / "filled.db"
    if given.waiting:
        await build(filled, given.waiting, 0)
    engine: list[dict[str, float]] = []
    for number in range(given.rounds):
        run = Run(folder / f"recorded-{number}.db", filled, given.tasks)
        commits = await run.whole()
        engine.append(run.engine_us)
    spent, sizes = await replay(folder, filled, commits, variants, given.rounds)
    for number, without in enumerate(variants):
        print(f"variant {number}: " + (f"without {', '.join(without)}" if without else "whole"))
    print(f"{'µs of CPU a task':<18}{'engine':>8}" + "".join(f"{number:>8}" for number in range(len(variants))))
    for step in engine[0]:
        cells = [statistics.median(one[step] for one in engine), *(one[step] / given.tasks * 1e6 for one in spent)]
        print(f"{step:<18}" + "".join(f"{cell:>8.1f}" for cell in cells))
    tasks = given.tasks * len(MODELS)
    print(f"{'bytes of the file':<18}{'':>8}" + "".join(f"{size / tasks:>8.0f}" for size in sizes), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=1_024)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--waiting", type=int, default=0)
    parser.add_argument(
        "--without", nargs="*", default=[], help="names of indexes, or `rows`, with commas between them"
    )
    given = parser.parse_args()
    variants = [[], *(one.split(",") for one in given.without)]
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(compare(Path(folder), given, variants))


if __name__ == "__main__":
    main()
