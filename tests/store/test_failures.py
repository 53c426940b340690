"""Failures of disks, of neighbours and of the process: nothing is half written, nothing acknowledged is lost, and the store comes back."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from osmia_broker.base.errors import StoreFailed, StoreFull, ValueRefused
from osmia_broker.state.rows import ElementInstance, Job, ProcessDefinition, Variable
from osmia_broker.state.store_protocol import DueWanted, Lane, Loaded, Start
from osmia_broker.store.sqlite import SqliteStore, connect
from tests.store import rows
from tests.store.rows import BASE, PROCESS, changes, wanted

NEVER = 10**9
EVERYTHING = wanted(
    PROCESS, resources=frozenset({rows.resource.checksum}), windows=frozenset({(Lane("type"), 0)}), due=DueWanted(1, 1)
)

Stores = Callable[..., SqliteStore]


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[Stores]:
    """Make stores that are closed at the end of the test."""
    made = []

    def make(name: str = "x.db", **options: Any) -> SqliteStore:
        made.append(SqliteStore(tmp_path / name, **options))
        return made[-1]

    yield make
    for store in made:
        await store.close()


class FailingConnection(sqlite3.Connection):
    """Real SQLite whose n-th statement fails."""

    left = NEVER

    def execute(self, *args: Any) -> sqlite3.Cursor:
        type(self).left -= 1
        if type(self).left < 0:
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(*args)


@pytest.fixture(autouse=True)
def nothing_fails_yet() -> None:
    FailingConnection.left = NEVER


def failing(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, factory=FailingConnection)
    db.execute("PRAGMA journal_mode = WAL")
    return db


def fail_after(statements: int) -> None:
    FailingConnection.left = statements


async def count(call: Callable[[], Any]) -> int:
    """Count the statements of a call."""
    FailingConnection.left = NEVER
    await call()
    return NEVER - FailingConnection.left


async def test_a_commit_that_fails_at_any_statement_leaves_nothing(stores: Stores):
    store = stores("count.db", connect=failing)
    await store.open()
    statements = await count(lambda: store.write(changes(*rows.DEPLOYED, *rows.INSTANCE), None))
    assert statements > 10
    for place in range(statements):
        store = stores(f"{place}.db", connect=failing)
        await store.open()
        fail_after(place)
        with pytest.raises(StoreFailed, match="disk I/O error"):
            await store.write(changes(*rows.DEPLOYED, *rows.INSTANCE), None)
        fail_after(NEVER)
        start = await store.open()
        found = (start.next_key, start.definitions[ProcessDefinition])
        assert found == (BASE + 1, []), f"after a failure at statement {place}"
        assert (await store.write(None, wanted(PROCESS))).loaded == Loaded()
        await store.write(changes(*rows.DEPLOYED, *rows.INSTANCE), None)
        assert (await store.open()).definitions[ProcessDefinition] == [rows.definition]


async def test_a_load_that_fails_at_any_statement_is_repeated_after_opening(stores: Stores):
    store = stores(connect=failing)
    await store.open()
    await store.write(changes(*rows.DEPLOYED, *rows.INSTANCE), None)
    statements = await count(lambda: store.write(None, EVERYTHING))
    assert statements > 8
    whole = (await store.write(None, EVERYTHING)).loaded
    for place in range(statements):
        fail_after(place)
        with pytest.raises(StoreFailed, match="disk I/O error"):
            await store.write(None, EVERYTHING)
        fail_after(NEVER)
        await store.open()
        assert (await store.write(None, EVERYTHING)).loaded == whole, f"after a failure at statement {place}"


async def test_an_opening_that_fails_at_any_statement_leaves_no_lock(stores: Stores):
    statements = await count(stores("count.db", connect=failing).open)
    for place in range(statements):
        store, other = stores(f"{place}.db", connect=failing), stores(f"{place}.db")
        fail_after(place)
        with pytest.raises(StoreFailed, match="disk I/O error"):
            await store.open()
        fail_after(NEVER)
        assert (await other.open()).next_key == BASE + 1, f"after a failure at statement {place}"
        await other.close()
        assert (await store.open()).next_key == BASE + 1


async def test_a_failed_connection_is_not_used_again(stores: Stores):
    store = stores(connect=failing)
    await store.open()
    fail_after(2)
    with pytest.raises(StoreFailed):
        await store.write(changes(*rows.INSTANCE), None)
    fail_after(NEVER)
    with pytest.raises(StoreFailed, match="to be open"):
        await store.write(changes(*rows.INSTANCE), None)


async def test_a_defect_of_the_store_fails_as_a_disk_does(stores: Stores):
    """A row of the wrong length can come from a defect only; the partition starts over and goes on."""
    store = stores()
    await store.open()
    defective = changes(*rows.INSTANCE)
    defective.written[Job] = [(1, 2)]  # type: ignore[index]
    with pytest.raises(StoreFailed) as failed:
        await store.write(defective, None)
    assert not isinstance(failed.value, ValueRefused)
    await store.open()
    await store.write(changes(*rows.INSTANCE), None)


def small(path: Path) -> sqlite3.Connection:
    db = connect(path)
    db.execute("PRAGMA max_page_count = 150")
    return db


async def test_a_full_disk_is_reported_as_such(stores: Stores):
    store = stores(connect=small)
    await store.open()
    large = Variable(PROCESS, "large", '"' + "x" * 1_000_000 + '"', PROCESS)
    with pytest.raises(StoreFull):
        await store.write(changes(*rows.INSTANCE, large), None)
    await store.open()
    assert (await store.write(None, wanted(PROCESS))).loaded == Loaded()
    await store.write(changes(*rows.INSTANCE), None)


class WatchedConnection(sqlite3.Connection):
    """Real SQLite that notes the files that this process has open at the end of a commit."""

    open_files: ClassVar[set[str]] = set()

    def execute(self, *args: Any) -> sqlite3.Cursor:
        if args[0] == "COMMIT":
            self.open_files.update(str(one.readlink()) for one in Path("/proc/self/fd").iterdir() if one.is_symlink())
        return super().execute(*args)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc, which tells the open files of a process")
async def test_a_commit_needs_no_file_but_those_of_the_database(stores: Stores, tmp_path: Path):
    """A folder for temporary files may be full, or of a container that may not write."""

    def watched(path: Path) -> sqlite3.Connection:
        db = sqlite3.connect(path, isolation_level=None, factory=WatchedConnection)
        db.execute("PRAGMA journal_mode = WAL")
        return db

    store = stores(connect=watched)
    await store.open()
    for value in ("1", "2"):
        variables = [Variable(PROCESS, f"v{n}", f'"{value * 2_000}"', PROCESS) for n in range(200)]
        await store.write(changes(*(rows.INSTANCE if value == "1" else ()), *variables), None)
    files = WatchedConnection.open_files
    assert str(tmp_path / "x.db") in files
    assert not [one for one in files if "etilqs" in one]


def narrow(path: Path) -> sqlite3.Connection:
    db = connect(path)
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 10_000)
    return db


async def test_a_value_that_is_too_large_is_refused_by_name(stores: Stores):
    store = stores(connect=narrow)
    await store.open()
    large = Variable(PROCESS, "large", '"' + "x" * 20_000 + '"', PROCESS)
    with pytest.raises(ValueRefused, match=r"20002 characters or bytes in variables\.value"):
        await store.write(changes(*rows.INSTANCE, large), None)
    await store.open()
    assert (await store.write(None, wanted(PROCESS))).loaded == Loaded()


# --- two brokers on one file


async def test_a_second_broker_is_refused_and_the_first_one_is_named(stores: Stores):
    first, second = stores(), stores()
    await first.open()
    with pytest.raises(StoreFailed, match=rf"another one \(process {os.getpid()}\) on the same data directory"):
        await second.open()
    await first.close()
    await second.open()


async def test_a_lock_file_without_a_process_id_refuses_as_well(stores: Stores, tmp_path: Path):
    first = stores()
    await first.open()
    (tmp_path / "x.lock").write_text("")
    with pytest.raises(StoreFailed, match="another one on the same data directory"):
        await stores().open()


async def test_the_lock_file_of_a_dead_broker_is_taken_over(stores: Stores, tmp_path: Path):
    (tmp_path / "x.lock").write_text("1234567890\n")
    await stores().open()
    assert (tmp_path / "x.lock").read_text() == f"{os.getpid()}\n"


async def test_a_broker_that_was_overtaken_cannot_write(stores: Stores, tmp_path: Path):
    """The lock is lost with its file; then the epoch keeps the first broker from writing."""
    first, second = stores(), stores()
    await first.open()
    (tmp_path / "x.lock").unlink()
    await second.open()
    await second.write(changes(*rows.instance(1), next_key=BASE + 50), None)
    with pytest.raises(StoreFailed, match="another broker has taken it over"):
        await first.write(changes(*rows.INSTANCE, next_key=BASE + 20), None)
    with pytest.raises(StoreFailed, match="another broker has taken it over"):
        await first.open()
    await second.write(changes(*rows.instance(2), next_key=BASE + 60), None)
    await second.close()
    start = await first_again(first)
    assert start.next_key == BASE + 60
    assert (await first.write(None, wanted(PROCESS))).loaded == Loaded()


async def first_again(store: SqliteStore) -> Start:
    """Close and open: the store stands in line for the lock anew."""
    await store.close()
    return await store.open()


async def test_the_lock_outlasts_a_failure(stores: Stores):
    """Between a failed commit and the next opening nobody else comes in."""
    first, second = stores(connect=failing), stores()
    await first.open()
    fail_after(2)
    with pytest.raises(StoreFailed):
        await first.write(changes(*rows.INSTANCE), None)
    fail_after(0)
    with pytest.raises(StoreFailed, match="disk I/O error"):
        await first.open()
    fail_after(NEVER)
    with pytest.raises(StoreFailed, match="the only broker"):
        await second.open()
    await first.open()
    await first.write(changes(*rows.INSTANCE), None)


async def test_the_file_of_another_partition_is_refused(stores: Stores):
    await stores(partition_id=1).open()
    first, second = stores("y.db", partition_id=1), stores("y.db", partition_id=2)
    await first.open()
    await first.close()
    with pytest.raises(StoreFailed, match="Expected partition 2"):
        await second.open()


@pytest.mark.parametrize(
    "content", [b"this is no database, and long enough to be read", b"SQLite format 3\0" + b"\xff" * 4096]
)
async def test_a_file_that_is_no_database_is_refused_by_name(stores: Stores, tmp_path: Path, content: bytes):
    (tmp_path / "x.db").write_bytes(content)
    with pytest.raises(StoreFailed, match=r"x\.db"):
        await stores().open()


async def test_a_directory_that_cannot_be_made_is_refused_by_name(stores: Stores, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreFailed, match=r"use the database x\.db, but found at '.*/file': File exists"):
        await stores("file/x.db").open()


async def test_the_data_directory_is_its_owners_alone(stores: Stores, tmp_path: Path):
    await stores("deep/data/x.db").open()
    assert (tmp_path / "deep" / "data").stat().st_mode & 0o777 == 0o700


# --- the thread


def store_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("store-")]


async def test_a_closed_store_leaves_no_thread(stores: Stores):
    store = stores(partition_id=7)
    assert "store-7" not in store_threads()
    await store.open()
    assert store_threads().count("store-7") == 1
    await asyncio.gather(*(store.write(changes(*rows.INSTANCE), None) for _ in range(20)))
    assert store_threads().count("store-7") == 1
    await store.close()
    await store.close()
    assert "store-7" not in store_threads()
    with pytest.raises(StoreFailed):
        await store.write(changes(*rows.INSTANCE), None)
    assert "store-7" not in store_threads()


async def test_a_store_that_was_never_opened_leaves_no_thread(stores: Stores, tmp_path: Path):
    (tmp_path / "x.db").write_bytes(b"this is no database, and long enough to be read")
    store = stores(partition_id=8)
    with pytest.raises(StoreFailed):
        await store.open()
    assert "store-8" not in store_threads()


async def test_a_store_that_failed_keeps_its_thread_until_it_is_closed(stores: Stores):
    store = stores(partition_id=9, connect=failing)
    await store.open()
    fail_after(0)
    with pytest.raises(StoreFailed):
        await store.write(changes(*rows.INSTANCE), None)
    assert "store-9" in store_threads()
    await store.close()
    assert "store-9" not in store_threads()


def test_a_store_goes_on_in_the_loop_it_is_opened_on_next(tmp_path: Path):
    """A loop that ended in the middle of a call takes nothing with it."""
    store = SqliteStore(tmp_path / "x.db", partition_id=1)

    async def begin() -> None:
        await store.open()
        store.write(changes(*rows.INSTANCE, next_key=BASE + 44), None)

    async def go_on() -> Start:
        start = await store.open()
        await store.close()
        return start

    asyncio.run(begin())
    assert asyncio.run(go_on()).next_key == BASE + 44


# --- the end of the process


COMMITTER = """
import asyncio, sys
from pathlib import Path
from osmia_broker.store.sqlite import SqliteStore
from tests.store import rows

async def commit_for_ever():
    store = SqliteStore(Path(sys.argv[1]))
    await store.open()
    for number in range(int(sys.argv[2]), 1_000_000):
        await store.write(rows.changes(*rows.instance(number), next_key=rows.BASE + number), None)
        print(number, flush=True)

asyncio.run(commit_for_ever())
"""


async def test_acknowledged_commits_survive_a_kill(stores: Stores, tmp_path: Path):
    """A process that commits for ever is killed again and again in the middle of it; this test keeps its books."""
    acknowledged: list[int] = []
    for round_number in range(4):
        begin = (acknowledged[-1] + 2) if acknowledged else 0
        command = [sys.executable, "-c", COMMITTER, str(tmp_path / "x.db"), str(begin)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
        assert child.stdout is not None
        acknowledged += [int(child.stdout.readline()) for _ in range(5 + 7 * round_number)]
        os.kill(child.pid, signal.SIGKILL)
        acknowledged += [int(line) for line in child.stdout if line.endswith(b"\n")]
        child.stdout.close()
        child.wait()
    store = stores()
    start = await store.open()
    keys = {PROCESS + 1_000 * number for number in acknowledged}
    loaded = (await store.write(None, wanted(*keys))).loaded
    assert loaded is not None
    assert set(loaded.instances) == keys
    assert all(len(one[ElementInstance]) == 2 and one[Job] and one[Variable] for one in loaded.instances.values())
    assert start.next_key >= BASE + acknowledged[-1]
