"""When the disk says no: nothing is half written, nothing acknowledged is lost, and the store comes back."""

import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from osmia_broker.errors import StoreFailed, StoreFull
from osmia_broker.state.exchange import Start, Wanted
from osmia_broker.store import creation
from osmia_broker.store.sqlite import SqliteStore, connect
from tests.store import rows
from tests.store.rows import BASE, PROCESS, changes

NOTHING = 10**9


class FailingConnection(sqlite3.Connection):
    """Real SQLite whose n-th statement fails."""

    left = NOTHING

    def execute(self, *args: Any) -> sqlite3.Cursor:
        type(self).left -= 1
        if type(self).left < 0:
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(*args)


def failing(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=FailingConnection)
    db.execute("PRAGMA journal_mode = WAL")
    return db


def count_statements(path: Path) -> int:
    """How many statements the commit of the test's batch takes."""
    store = SqliteStore(path, connect=failing)
    store.open()
    FailingConnection.left = NOTHING
    store.commit(changes(*rows.DEPLOYED, *rows.INSTANCE))
    store.close()
    return NOTHING - FailingConnection.left


def test_a_commit_that_fails_at_any_statement_leaves_nothing(tmp_path: Path):
    statements = count_statements(tmp_path / "count.db")
    assert statements > 10
    for place in range(statements):
        store = SqliteStore(tmp_path / f"{place}.db", connect=failing)
        FailingConnection.left = NOTHING
        store.open()
        FailingConnection.left = place
        with pytest.raises(StoreFailed, match="disk I/O error"):
            store.commit(changes(*rows.DEPLOYED, *rows.INSTANCE))
        FailingConnection.left = NOTHING
        start = store.open()
        assert (start.next_key, start.processes) == (BASE + 1, []), f"after a failure at statement {place}"
        assert store.load(Wanted(instances=frozenset({PROCESS}))).instances == {}
        store.commit(changes(*rows.DEPLOYED, *rows.INSTANCE))
        assert store.open().processes == [rows.definition]
        store.close()


def test_a_failed_connection_is_not_used_again(tmp_path: Path):
    store = SqliteStore(tmp_path / "x.db", connect=failing)
    FailingConnection.left = NOTHING
    store.open()
    FailingConnection.left = 2
    with pytest.raises(StoreFailed):
        store.commit(changes(*rows.INSTANCE))
    FailingConnection.left = NOTHING
    with pytest.raises(StoreFailed, match="to be open"):
        store.commit(changes(*rows.INSTANCE))
    store.close()


def small(path: Path) -> sqlite3.Connection:
    db = connect(path)
    db.execute("PRAGMA max_page_count = 60")
    return db


def test_a_full_disk_is_told_apart(tmp_path: Path):
    store = SqliteStore(tmp_path / "x.db", connect=small)
    store.open()
    large = rows.Variable(PROCESS, "large", '"' + "x" * 1_000_000 + '"', PROCESS)
    with pytest.raises(StoreFull):
        store.commit(changes(*rows.INSTANCE, large))
    store.open()
    assert store.load(Wanted(instances=frozenset({PROCESS}))).instances == {}
    store.commit(changes(*rows.INSTANCE))
    store.close()


def test_a_second_broker_is_refused(tmp_path: Path):
    first, second = SqliteStore(tmp_path / "x.db"), SqliteStore(tmp_path / "x.db")
    first.open()
    with pytest.raises(StoreFailed, match="another one on the same data directory"):
        second.open()
    first.close()
    second.open()
    second.close()


def test_a_broker_that_was_overtaken_cannot_write(tmp_path: Path):
    """The lock is lost with its file; what keeps the first one from writing then is the epoch."""
    first, second = SqliteStore(tmp_path / "x.db"), SqliteStore(tmp_path / "x.db")
    first.open()
    (tmp_path / "x.lock").unlink()
    second.open()
    second.commit(changes(*rows.instance(1), next_key=BASE + 50))
    with pytest.raises(StoreFailed, match="another broker has taken it over"):
        first.commit(changes(*rows.INSTANCE, next_key=BASE + 20))
    with pytest.raises(StoreFailed, match="another broker has taken it over"):
        first.open()
    second.commit(changes(*rows.instance(2), next_key=BASE + 60))
    second.close()
    start = first_again(first)
    assert start.next_key == BASE + 60
    assert first.load(Wanted(instances=frozenset({PROCESS}))).instances == {}
    first.close()


def first_again(store: SqliteStore) -> Start:
    """Close and open: it stands in line for the lock anew."""
    store.close()
    return store.open()


def test_the_lock_outlasts_a_failure(tmp_path: Path):
    """Between a failed commit and the next opening nobody else comes in."""
    FailingConnection.left = NOTHING
    first, second = SqliteStore(tmp_path / "x.db", connect=failing), SqliteStore(tmp_path / "x.db")
    first.open()
    FailingConnection.left = 2
    with pytest.raises(StoreFailed):
        first.commit(changes(*rows.INSTANCE))
    FailingConnection.left = NOTHING
    with pytest.raises(StoreFailed, match="the only broker"):
        second.open()
    first.open()
    first.commit(changes(*rows.INSTANCE))
    first.close()


def test_the_file_of_another_partition_is_refused(tmp_path: Path):
    store = SqliteStore(tmp_path / "x.db", partition_id=1)
    store.open()
    store.close()
    with pytest.raises(StoreFailed, match="Expected partition 2"):
        SqliteStore(tmp_path / "x.db", partition_id=2).open()


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1])
def test_a_number_that_no_column_holds_leaves_nothing(tmp_path: Path, number: int):
    store = SqliteStore(tmp_path / "x.db")
    store.open()
    with pytest.raises(StoreFailed):
        store.commit(changes(*rows.INSTANCE, replace(rows.job, key=rows.JOB + 1, created_ms=number)))
    store.open()
    assert store.load(Wanted(instances=frozenset({PROCESS}))).instances == {}
    store.close()


@pytest.mark.parametrize(
    "content", [b"this is no database, and long enough to be told", b"SQLite format 3\0" + b"\xff" * 4096]
)
def test_a_file_that_is_no_database_is_told(tmp_path: Path, content: bytes):
    (tmp_path / "x.db").write_bytes(content)
    with pytest.raises(StoreFailed, match=r"x\.db"):
        SqliteStore(tmp_path / "x.db").open()


def test_a_row_that_no_broker_wrote_makes_its_instance_unreadable_and_no_other(tmp_path: Path):
    store = SqliteStore(tmp_path / "x.db")
    store.open()
    store.commit(changes(*rows.INSTANCE, *rows.instance(1)))
    store.close()
    with sqlite3.connect(tmp_path / "x.db") as db:
        db.execute("UPDATE jobs SET state = 'SLEEPING' WHERE key = ?", (rows.JOB,))
    db.close()
    store.open()
    loaded = store.load(Wanted(instances=frozenset({PROCESS, PROCESS + 1_000})))
    assert list(loaded.instances) == [PROCESS + 1_000]
    assert set(loaded.unreadable) == {PROCESS, rows.TASK, rows.JOB, rows.INCIDENT}
    assert "found 'SLEEPING' in the row of 'ask'" in loaded.unreadable[PROCESS]
    store.close()


def test_the_data_directory_is_its_owners_alone(tmp_path: Path):
    store = SqliteStore(tmp_path / "deep" / "data" / "x.db")
    store.open()
    assert (tmp_path / "deep" / "data").stat().st_mode & 0o777 == 0o700
    store.close()


COMMITTER = """
import sys
from pathlib import Path
from osmia_broker.store.sqlite import SqliteStore
from tests.store import rows
store = SqliteStore(Path(sys.argv[1]))
store.open()
for number in range(int(sys.argv[2]), 1_000_000):
    store.commit(rows.changes(*rows.instance(number), next_key=rows.BASE + number))
    print(number, flush=True)
"""


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path):
    """A process that commits for ever is killed again and again in the middle of it; its books are kept here."""
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
    store = SqliteStore(tmp_path / "x.db")
    start = store.open()
    keys = frozenset(PROCESS + 1_000 * number for number in acknowledged)
    found = store.load(Wanted(instances=keys)).instances
    assert set(found) == keys
    assert all(len(one.elements) == 2 and one.jobs and one.variables for one in found.values())
    assert start.next_key >= BASE + acknowledged[-1]
    store.close()


# --- versions of the schema


def described(path: Path) -> list[tuple[str, ...]]:
    with sqlite3.connect(path) as db:
        tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        columns = [
            (table, *map(str, column)) for (table,) in tables for column in db.execute(f"PRAGMA table_info({table})")
        ]
        indexes = db.execute(
            "SELECT tbl_name, name, replace(replace(sql, char(10), ''), ' ', '') FROM sqlite_master WHERE type = 'index'"
        )
        found = sorted([*columns, *(tuple(map(str, index)) for index in indexes)])
    db.close()
    return found


def test_migrations_lead_to_the_schema_that_a_new_file_gets(tmp_path: Path):
    from osmia_broker.store.migrations import upgrade

    store = SqliteStore(tmp_path / "new.db")
    store.open()
    store.close()
    upgrade.run(tmp_path / "migrated.db")
    assert described(tmp_path / "migrated.db") == described(tmp_path / "new.db")
    assert upgrade.heads() == [creation.HEAD]


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path):
    store = SqliteStore(tmp_path / "x.db")
    store.open()
    store.close()
    with sqlite3.connect(tmp_path / "x.db") as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    db.close()
    with pytest.raises(StoreFailed, match="found version 9999"):
        store.open()


def test_a_start_imports_no_alembic(tmp_path: Path):
    program = (
        "import sys; from pathlib import Path; from osmia_broker.store.sqlite import SqliteStore;"
        "store = SqliteStore(Path(sys.argv[1])); store.open(); store.close(); store.open();"
        "sys.exit('alembic' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "x.db")], check=True)


def test_every_column_stands_where_its_field_does():
    from dataclasses import fields

    from osmia_broker.store import schema

    for row_type, table in schema.TABLES.items():
        assert [field.name for field in fields(row_type)] == list(table.columns.keys())
