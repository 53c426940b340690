"""How to write a batch of rows into SQLite beside a busy event loop, and what that costs the writer and the loop.

Four ways, on batches of 1, 8, 32 and 128 rows in each of two tables, WAL and synchronous=FULL:

- many: `executemany`, a step per row; sqlite3 gives up the interpreter lock at every step
- json: one statement per table that unpacks the batch from one JSON parameter
- values: multi-row VALUES in groups (what the store does)
- view: one INSTEAD OF trigger on a view unpacks the whole batch in a single step

    python -m bench commit [--interval 0.005 0.0005] [--turn 30 3000] [--rounds 5]

Each way is measured for each of the interpreter's switch intervals (seconds; Python's own is 0.005) and each length of the loop's
turns (microseconds of work between two looks for events, at which alone a loop gives up the lock by itself). The ways take turns, ROUNDS
times; what is told are medians of single commits. `loop` is how many turns the loop made meanwhile, in percent of what it makes alone.
"""

import argparse
import asyncio
import json
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import msgspec

from osmia_broker.store.dialects import flattened, in_groups

NAMES = ["key", "a", "b", "c", "d", "e", "f", "g", "h", "i"]
CHANGING = ", ".join(f"{name} = excluded.{name}" for name in ("e", "i"))
CONFLICT = f" ON CONFLICT (key) DO UPDATE SET {CHANGING}"
ONE_ROW = f"({', '.join('?' * len(NAMES))})"
UNPACKED = ", ".join(f"value ->> {place}" for place in range(len(NAMES)))
TABLES = ("t1", "t2")
BATCHES = (1, 8, 32, 128)
COMMITS = 30  # of one way in one round

Rows = list[tuple[int | str, ...]]
Write = Callable[[sqlite3.Connection, Rows], None]


def many(db: sqlite3.Connection, rows: Rows) -> None:
    db.execute("BEGIN IMMEDIATE")
    for table in TABLES:
        db.executemany(f"INSERT INTO {table} VALUES {ONE_ROW}{CONFLICT}", rows)
    db.execute("COMMIT")


def unpacked(db: sqlite3.Connection, rows: Rows) -> None:
    db.execute("BEGIN IMMEDIATE")
    document = msgspec.json.encode(rows).decode()
    for table in TABLES:
        db.execute(f"INSERT INTO {table} SELECT {UNPACKED} FROM json_each(?) WHERE true{CONFLICT}", (document,))
    db.execute("COMMIT")


def values(db: sqlite3.Connection, rows: Rows) -> None:
    db.execute("BEGIN IMMEDIATE")
    for table in TABLES:
        for group in in_groups(rows):
            db.execute(f"INSERT INTO {table} VALUES {', '.join([ONE_ROW] * len(group))}{CONFLICT}", flattened(group))
    db.execute("COMMIT")


def view(db: sqlite3.Connection, rows: Rows) -> None:
    document = msgspec.json.encode(rows).decode()
    db.execute("INSERT INTO batch VALUES (?, ?)", (document, document))


WAYS: dict[str, Write] = {"many": many, "json": unpacked, "values": values, "view": view}


def new_database(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=200)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    for table in TABLES:
        db.execute(f"CREATE TABLE {table} (key INTEGER PRIMARY KEY, {', '.join(NAMES[1:])})")
        db.execute(f"CREATE INDEX {table}_a ON {table} (a)")
    db.execute("CREATE TEMP VIEW batch AS SELECT '' AS t1, '' AS t2")
    inserts = "".join(
        f"INSERT INTO {table} SELECT {UNPACKED} FROM json_each(new.{table}) WHERE true{CONFLICT};" for table in TABLES
    )
    db.execute(f"CREATE TEMP TRIGGER unpack INSTEAD OF INSERT ON batch BEGIN {inserts} END")
    return db


@dataclass
class Taken:
    """What single commits took: seconds of the writer thread's CPU and of the wall; and the loop's turns per second beside them."""

    cpu_s: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)
    turns_per_s: list[float] = field(default_factory=list)

    def line(self, batch: int, alone: float) -> str:
        """The figures of a table's line; *alone* is the loop's turns per second without commits beside it."""
        cpu, wall = statistics.median(self.cpu_s), statistics.median(self.wall_s)
        worst = statistics.quantiles(self.wall_s, n=20)[-1]
        share = 100 * statistics.median(self.turns_per_s) / alone
        return f"{cpu / batch / len(TABLES) * 1e6:>11.1f}{wall * 1e3:>12.2f}{worst * 1e3:>12.2f}{share:>8.0f}"


def work(repeats: int) -> None:
    """A turn of the loop."""
    for _ in range(repeats):
        json.dumps({"some": "work"})


def repeats_for(turn_us: float) -> int:
    """How often to repeat the work for a turn of this length."""
    begun = time.perf_counter()
    work(20_000)
    return max(1, round(turn_us * 20_000 / ((time.perf_counter() - begun) * 1e6)))


def turns_alone(repeats: int, seconds: float = 0.3) -> float:
    """Turns per second of a loop that has the interpreter for itself."""

    async def run() -> float:
        turns, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < seconds:
            work(repeats)
            turns += 1
            await asyncio.sleep(0)
        return turns / seconds

    return asyncio.run(run())


def measure(write: Write, batch: int, path: Path, repeats: int, taken: Taken) -> None:
    """Commit COMMITS batches in a thread while an event loop next to it always has work."""
    db, turns = new_database(path), 0
    done = threading.Event()

    def run() -> None:
        first_turn, begun = turns, time.perf_counter()
        for number in range(COMMITS):
            rows: Rows = [
                ((1 << 51) + key, key, 1 << 51, "Activity_1", "USER_TASK", "ACTIVATED", key, "Flow_1", 1, 0)
                for key in range(number * batch, (number + 1) * batch)
            ]
            cpu, wall = time.thread_time(), time.perf_counter()
            write(db, rows)
            taken.cpu_s.append(time.thread_time() - cpu)
            taken.wall_s.append(time.perf_counter() - wall)
        taken.turns_per_s.append((turns - first_turn) / (time.perf_counter() - begun))
        done.set()

    async def busy() -> None:
        nonlocal turns
        while not done.is_set():
            work(repeats)
            turns += 1
            await asyncio.sleep(0)

    thread = threading.Thread(target=run)
    thread.start()
    asyncio.run(busy())
    thread.join()
    db.close()


def compare(folder: Path, interval: float, turn_us: float, rounds: int) -> None:
    """All ways and batches under one switch interval and one length of turns."""
    sys.setswitchinterval(interval)
    repeats = repeats_for(turn_us)
    alone = turns_alone(repeats)
    print(f"\nswitch interval {interval * 1e3:g} ms, turns of the loop {turn_us:g} us")
    print(f"{'rows':>5}  {'way':<8}{'CPU us/row':>11}{'wall ms p50':>12}{'p95':>12}{'loop %':>8}")
    numbers = count()
    for batch in BATCHES:
        taken = {name: Taken() for name in WAYS}
        for _ in range(rounds):
            for name, write in WAYS.items():
                measure(write, batch, folder / f"{interval}-{turn_us}-{next(numbers)}.db", repeats, taken[name])
        for name, one in taken.items():
            print(f"{batch:>5}  {name:<8}{one.line(batch, alone)}", flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--interval", type=float, nargs="+", default=[0.005, 0.0005], help="seconds")
    arguments.add_argument("--turn", type=float, nargs="+", default=[30, 3000], help="microseconds")
    arguments.add_argument("--rounds", type=int, default=5)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for turn_us in given.turn:
            for interval in given.interval:
                compare(Path(folder), interval, turn_us, given.rounds)


if __name__ == "__main__":
    main()
