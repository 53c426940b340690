"""How to write a batch of rows into SQLite beside a busy event loop: CPU per row and wall time per commit.

Four ways, on batches of 1, 8, 32 and 128 rows in each of two tables, WAL and synchronous=FULL:

- many: `executemany`, a step per row; sqlite3 gives up the interpreter lock at every step
- json: one statement per table that unpacks the batch from one JSON parameter
- values: multi-row VALUES in groups of powers of two (what the store does)
- view: one INSTEAD OF trigger on a view unpacks the whole batch in a single step

    python -m bench commit [--interval SECONDS]     the interpreter's switch interval; the broker sets 0.0005
"""

import argparse
import asyncio
import json
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from osmia_broker.store.statements import flat, in_groups

NAMES = ["key", "a", "b", "c", "d", "e", "f", "g", "h", "i"]
CHANGING = ", ".join(f"{name} = excluded.{name}" for name in ("e", "i"))
CONFLICT = f" ON CONFLICT (key) DO UPDATE SET {CHANGING}"
ONE_ROW = f"({', '.join('?' * len(NAMES))})"
UNPACKED = ", ".join(f"value ->> {place}" for place in range(len(NAMES)))
TABLES = ("t1", "t2")
ROWS_IN_ALL = 4_000

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
            db.execute(f"INSERT INTO {table} VALUES {', '.join([ONE_ROW] * len(group))}{CONFLICT}", flat(group))
    db.execute("COMMIT")


def view(db: sqlite3.Connection, rows: Rows) -> None:
    document = msgspec.json.encode(rows).decode()
    db.execute("INSERT INTO batch VALUES (?, ?)", (document, document))


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


def measure(write: Write, batch: int, path: Path) -> tuple[float, float]:
    """Seconds of the writer thread's CPU and of the wall per commit, while an event loop next to it has always work."""
    db, commits, taken = new_database(path), max(25, ROWS_IN_ALL // batch), [0.0, 0.0]
    done = threading.Event()

    def run() -> None:
        cpu, wall = time.thread_time(), time.perf_counter()
        for number in range(commits):
            keys = range(number * batch, (number + 1) * batch)
            write(
                db,
                [
                    ((1 << 51) + key, key, 1 << 51, "Activity_1", "USER_TASK", "ACTIVATED", key, "Flow_1", 1, 0)
                    for key in keys
                ],
            )
        taken[:] = [(time.thread_time() - cpu) / commits, (time.perf_counter() - wall) / commits]
        done.set()

    async def busy() -> None:
        while not done.is_set():
            for _ in range(200):
                json.dumps({"some": "work"})
            await asyncio.sleep(0)

    thread = threading.Thread(target=run)
    thread.start()
    asyncio.run(busy())
    thread.join()
    db.close()
    return taken[0], taken[1]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--interval", type=float, default=0.0005)
    sys.setswitchinterval(arguments.parse_args().interval)
    print(f"{'rows':>5}  {'way':<8}{'CPU us/row':>12}{'CPU ms/commit':>15}{'wall ms/commit':>16}")
    with tempfile.TemporaryDirectory() as folder:
        for batch in (1, 8, 32, 128):
            for name, write in (("many", many), ("json", unpacked), ("values", values), ("view", view)):
                if name == "many" and batch == 1:
                    continue  # the same statement as `values`
                cpu, wall = measure(write, batch, Path(folder) / f"{name}-{batch}.db")
                per_row = cpu / batch / len(TABLES) * 1e6
                print(f"{batch:>5}  {name:<8}{per_row:>12.1f}{cpu * 1e3:>15.2f}{wall * 1e3:>16.2f}")


if __name__ == "__main__":
    main()
