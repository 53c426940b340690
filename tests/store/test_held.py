"""A snapshot that somebody holds for long: commits get no dearer, the disk is given back afterwards, and the metric and the log say who it is."""

import asyncio
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from osmia_broker.base.errors import StoreFailed
from osmia_broker.store import sqlite
from osmia_broker.store.held import LONG_S, HeldSnapshot
from osmia_broker.store.postgres import life
from osmia_broker.store.sqlite import SqliteStore
from tests import postgres
from tests.clock import Clock
from tests.store import rows
from tests.store.rows import changes


def warnings(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [record for record in caplog.records if record.levelno == logging.WARNING]


# --- what is known of one


def test_it_is_held_from_the_first_look_to_the_last(caplog: pytest.LogCaptureFixture):
    clock = Clock()
    held = HeldSnapshot(clock)
    assert held.seconds == 0
    held.see("one")
    clock.s += LONG_S / 2
    held.see("one")
    assert held.seconds == LONG_S / 2
    held.see(None)
    clock.s += LONG_S
    assert held.seconds == 0
    assert warnings(caplog) == []


def test_the_log_names_once_who_holds_it_for_long_and_says_when_it_is_over(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    clock = Clock()
    held = HeldSnapshot(clock)
    for _ in range(4):
        held.see("one", pid=7)
        clock.s += LONG_S
    [warning] = warnings(caplog)
    assert (warning.getMessage(), warning.seconds, warning.pid) == ("a snapshot is held for long", 60, 7)
    held.see("another one", pid=8)
    assert held.seconds == 0
    assert caplog.records[-1].getMessage() == "a snapshot is held no longer"
    assert caplog.records[-1].seconds == 240


def test_many_readers_one_after_the_other_are_no_held_snapshot(caplog: pytest.LogCaptureFixture):
    clock = Clock()
    held = HeldSnapshot(clock)
    for number in range(100):
        held.see(number)
        clock.s += LONG_S / 2
    assert warnings(caplog) == []


# --- SQLite


BIG = '"' + "x" * 100_000 + '"'


class Log:
    """A store whose log has small bounds, and a reader of its file."""

    def __init__(self, path: Path) -> None:
        self.path, self.clock = path, Clock()
        self.store = SqliteStore(path, clock=self.clock)
        self._reader = sqlite3.connect(path, isolation_level=None)
        self._number = 0

    @property
    def bytes(self) -> int:
        return self.path.with_name(f"{self.path.name}-wal").stat().st_size

    async def write(self, commits: int) -> None:
        for _ in range(commits):
            self._number += 1
            some = rows.instance(self._number)
            await self.store.write(changes(*some, rows.variable.__class__(some[0].key, "big", BIG, some[0].key)), None)
        self.clock.s += sqlite.LOOK_S

    def hold(self) -> None:
        self._reader.execute("BEGIN")
        self._reader.execute("SELECT count(*) FROM jobs").fetchone()

    def leave(self) -> None:
        self._reader.execute("COMMIT")

    async def close(self) -> None:
        self._reader.close()
        await self.store.close()


@pytest.fixture
async def wal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sqlite, "LOG_KEPT_BYTES", 5 * 1024**2)
    monkeypatch.setattr(sqlite, "LOG_HELD_BYTES", 8 * 1024**2)
    made = Log(tmp_path / "partition-1.db")
    await made.store.open()
    yield made
    await made.close()


async def test_a_reader_that_keeps_the_log_of_sqlite_is_noticed_and_the_disk_is_given_back(
    wal: Log, caplog: pytest.LogCaptureFixture
):
    wal.hold()
    await wal.write(100)
    await wal.write(1)
    assert wal.bytes > sqlite.LOG_HELD_BYTES
    wal.clock.s += LONG_S
    await wal.write(1)
    assert wal.store.held.seconds >= LONG_S
    [warning] = warnings(caplog)
    assert (warning.partition, warning.log) == (1, "partition-1.db-wal")
    assert warning.log_bytes > sqlite.LOG_HELD_BYTES
    wal.leave()
    await wal.write(60)  # enough for the log to be emptied
    await wal.write(2)
    assert wal.bytes <= sqlite.LOG_KEPT_BYTES
    assert wal.store.held.seconds == 0


async def test_a_log_that_is_emptied_in_time_is_held_by_nobody(wal: Log):
    for _ in range(3):
        await wal.write(60)
        assert wal.store.held.seconds == 0
        assert wal.bytes < sqlite.LOG_HELD_BYTES


# --- PostgreSQL


@pytest.fixture(params=postgres.VERSIONS)
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    with postgres.database(request.param) as url:
        yield url


async def pages_of(store: Any, commits: int, first: int) -> float:
    """How many pages of the table of leases a commit looks at."""
    connection = store._connection

    async def looked_at() -> int:
        await connection.row("SELECT pg_stat_force_next_flush()")
        found = await connection.row(
            "SELECT heap_blks_hit + heap_blks_read AS pages FROM pg_statio_user_tables WHERE relname = 'partition'"
        )
        return int(found["pages"])

    before = await looked_at()
    for number in range(first, first + commits):
        await store.write(changes(rows.variable, next_key=rows.BASE + number), None)
    return (await looked_at() - before) / commits


async def test_commits_get_no_dearer_while_somebody_holds_a_snapshot(database: str):
    """The row of the lease changes in each; all its versions stay, also where the server has cleaned up before."""
    store = postgres.store(database, **postgres.STILL)
    await store.open()
    reader = await postgres.connected(database)
    await reader.execute("VACUUM partition")  # a table that is known to have one page is read as a whole
    async with reader.transaction(isolation="repeatable_read"):
        await reader.fetch("SELECT count(*) FROM jobs")
        at_first = await pages_of(store, 50, 1_000)
        for number in range(1_500):
            await store.write(changes(rows.variable, next_key=rows.BASE + 2_000 + number), None)
        assert await pages_of(store, 50, 5_000) <= 2 * at_first
    assert (await reader.fetchrow("SELECT next_key, batch FROM partition"))["batch"] == 1_600
    await reader.close()
    await store.close()


async def test_a_table_of_leases_that_was_written_anew_is_found_again(database: str):
    store = postgres.store(database, **postgres.STILL)
    await store.open()
    other = await postgres.connected(database)
    for number in range(3):
        await store.write(changes(*rows.instance(number)), None)
        before = await other.fetchval("SELECT ctid FROM partition")
        await other.execute("VACUUM FULL partition")
        assert await other.fetchval("SELECT ctid FROM partition") != before
    await store.write(changes(*rows.instance(3)), None)
    assert await other.fetchval("SELECT batch FROM partition") == 4
    assert await other.fetchval("SELECT count(*) FROM jobs") == 4
    await other.execute("VACUUM FULL partition")
    await other.execute("UPDATE partition SET epoch = epoch + 1")
    with pytest.raises(StoreFailed, match="another broker has taken it over"):
        await store.write(changes(*rows.instance(4)), None)
    assert await other.fetchval("SELECT count(*) FROM jobs") == 4
    await other.close()
    await store.close()


async def test_whoever_holds_a_snapshot_of_the_database_is_named(
    database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(life, "HELD_TRANSACTIONS", 20)
    clock = Clock()
    store = postgres.store(database, clock=clock, **postgres.STILL)
    await store.open()
    living = store.lease.life
    reader = await postgres.connected(database)
    await reader.execute("SET application_name = 'a report'")

    async def pass_s(seconds: float) -> None:
        for number in range(30):
            await store.write(changes(rows.variable, next_key=rows.BASE + number), None)
        clock.s += seconds
        await asyncio.wait_for(living.beat(), 30)

    await pass_s(life.LOOK_S)
    assert living.held.seconds == 0, "nobody holds one"
    async with reader.transaction(isolation="repeatable_read"):
        await reader.fetch("SELECT count(*) FROM jobs")
        await pass_s(life.LOOK_S)
        while living.held.seconds < LONG_S:
            await pass_s(4.0)
        await pass_s(life.LOOK_S)
        pid = await reader.fetchval("SELECT pg_backend_pid()")
    [warning] = warnings(caplog)
    assert (warning.pid, warning.reader) == (pid, "osmia a report")
    assert warning.transactions > 100
    await pass_s(life.LOOK_S)
    assert living.held.seconds == 0
    await reader.close()
    await store.close()


async def test_a_look_that_fails_stops_no_beat(database: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(life, "_OLDEST", "SELECT 1 / 0 AS pid WHERE $1::int > 0")
    clock = Clock()
    store = postgres.store(database, clock=clock, **postgres.STILL)
    await store.open()
    for _ in range(5):
        clock.s += life.TTL_S - 1
        await store.lease.life.beat()
    assert store.lease.leads()
    other = await postgres.connected(database)
    assert await other.fetchval("SELECT beat FROM brokers") == 5
    await other.close()
    await store.close()
