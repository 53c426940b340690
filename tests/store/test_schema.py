"""The schema of the file: made from the registry, migrated from every older version, read through its indexes."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import astuple, replace

from osmia_broker.base.errors import StoreFailed
from osmia_broker.model.graph import ElementType
from osmia_broker.state.rows import (
    DUE_KINDS,
    INSTANCE_KINDS,
    ElementInstance,
    FollowUp,
    Job,
    StartSubscription,
    WaitingToken,
)
from osmia_broker.state.rows.kinds import KINDS
from osmia_broker.state.rows.tasks import ENDED, REMOVED, STANDS
from osmia_broker.state.store_protocol import Due, DueWanted, Lane, MatchWanted, Wanted
from osmia_broker.state.tables.windows import FIRST, rank_of
from osmia_broker.store import creation, dialects, schema, statements
from osmia_broker.store.migrations import upgrade
from osmia_broker.store.sqlite import SqliteStore
from tests.store import rows
from tests.store.rows import BASE, FOLLOW_UP, PROCESS, changes, wanted

TYPES = {int: "INTEGER", str: "TEXT", bytes: "BLOB"}


#: A look-up by values for each index that serves one.
MATCHES = {
    f"{kind.table}_by_{'_'.join(columns)}": MatchWanted(kind.row_type, columns, ("x",) * len(columns), 7)
    for kind in KINDS.values()
    for columns in kind.matches
}


async def made(path: Path, *batch: Any) -> Path:
    """Make a file with these rows."""
    store = SqliteStore(path)
    await store.open()
    await store.write(changes(*batch), None)
    await store.close()
    return path


def described(path: Path) -> list[tuple[str, ...]]:
    """Return all tables, columns and indexes of a file."""
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


def version(path: Path) -> str:
    """Return the revision that a file says it has."""
    with closing(sqlite3.connect(path)) as db:
        found: str = db.execute("SELECT version_num FROM alembic_version").fetchone()[0]
    return found


async def test_every_field_of_every_row_class_is_a_column(tmp_path: Path):
    path = await made(tmp_path / "x.db")
    with sqlite3.connect(path) as db:
        for kind in KINDS.values():
            columns = [column[1:3] for column in db.execute(f"PRAGMA table_info({kind.table})")]
            fields = zip(kind.row_type.__struct_fields__, kind.types, strict=True)
            plain = [(name, TYPES[next(t for t in TYPES if issubclass(type, t))]) for name, type in fields]
            assert [(name, type.replace("VARCHAR", "TEXT")) for name, type in columns] == plain
            assert all(column[3] for column in db.execute(f"PRAGMA table_info({kind.table})")), "NOT NULL"
    db.close()


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.table)
def test_the_schema_says_which_columns_change(kind: Any):
    table = schema.TABLES[kind.row_type]
    assert {column.name for column in table.columns if column.info["changes"]} == kind.changing
    assert tuple(column.name for column in table.primary_key) == kind.primary_key


def test_every_kind_of_an_instance_is_found_by_its_instance_or_its_scope():
    found = [kind.table for kind in (*schema.KEYED_KINDS, *schema.SCOPED_KINDS)]
    assert sorted(found) == sorted(kind.table for kind in INSTANCE_KINDS)
    indexes = {index.name for table in schema.metadata.tables.values() for index in table.indexes}
    assert {f"{kind.table}_of_instance" for kind in schema.KEYED_KINDS} <= indexes
    assert {f"{kind.table}_due" for kind in DUE_KINDS} <= indexes


async def test_migrations_lead_to_the_schema_that_a_new_file_gets(tmp_path: Path):
    new = await made(tmp_path / "new.db")
    upgrade.run(tmp_path / "migrated.db")
    assert described(tmp_path / "migrated.db") == described(new)
    assert version(tmp_path / "migrated.db") == version(new) == creation.HEAD


#: The rows of an instance that a file of each older version can hold.
OF_VERSIONS = {"0001": rows.OF_FIRST_VERSION, "0002": (*rows.OF_FIRST_VERSION, rows.follow_up)}


def older_file(path: Path, version: str) -> None:
    """Make the file that a broker of an older version left behind, with rows of every kind that it had."""
    upgrade.run(path, version)
    of_then = [*rows.DEPLOYED, *OF_VERSIONS[version]]
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("INSERT INTO partition (id, next_key, epoch) VALUES (1, ?, 3)", (BASE + 70,))
        for row_type, values in changes(*of_then).written.items():
            table = KINDS[row_type].table
            columns = len(db.execute(f"PRAGMA table_info({table})").fetchall())  # later ones came at the end
            for one in values:
                db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * columns)})", one[:columns])
    db.close()


@pytest.mark.parametrize("version", OF_VERSIONS)
async def test_a_file_of_an_older_version_is_migrated_with_its_rows(tmp_path: Path, version: str):
    path = tmp_path / "x.db"
    older_file(path, version)
    store = SqliteStore(path)
    start = await store.open()
    assert start.next_key == BASE + 70
    assert [row for found in start.definitions.values() for row in found] == [*rows.DEPLOYED[:4]]
    loaded = (await store.write(None, wanted(PROCESS))).loaded
    assert loaded is not None
    found = [row for several in loaded.instances[PROCESS].values() for row in several]
    assert sorted(map(repr, found)) == sorted(map(repr, OF_VERSIONS[version])), "new columns have their first value"
    await store.close()
    assert described(path) == described(await made(tmp_path / "new.db"))


@pytest.mark.parametrize("version", OF_VERSIONS)
async def test_a_migrated_file_takes_rows_of_every_kind(tmp_path: Path, version: str):
    path = tmp_path / "x.db"
    older_file(path, version)
    store = SqliteStore(path)
    await store.open()
    follow_up = FollowUp(FOLLOW_UP, PROCESS, 1, "CompleteJob", "{}", 5)
    new = (follow_up, *rows.OF_EVENTS, *rows.ALONE, rows.start_subscription)
    asked = wanted(PROCESS, due=DueWanted(9, 9), matches=frozenset(MATCHES.values()))
    loaded = (await store.write(changes(*new), asked)).loaded
    assert loaded is not None
    assert sum(map(len, loaded.instances[PROCESS].values())) == len(
        [*rows.OF_FIRST_VERSION, follow_up, *rows.OF_EVENTS]
    )
    assert loaded.due == Due([(5, FollowUp, FOLLOW_UP)], None)
    await store.close()
    assert (await store.open()).definitions[StartSubscription] == [rows.start_subscription]
    await store.close()


async def test_candidates_of_an_older_file_stand_or_have_ended_or_were_removed(tmp_path: Path):
    path = tmp_path / "x.db"
    upgrade.run(path, "0015")
    tasks = [(1, 0), (2, 70)]  # of which the second has ended
    candidates = [(1, "here", 0), (1, "gone", 50), (2, "here", 70), (2, "gone", 50), (3, "of an erased instance", 0)]
    with sqlite3.connect(path) as db:
        for key, ended_ms in tasks:
            row = replace(rows.user_task, key=key, ended_ms=ended_ms)
            db.execute(f"INSERT INTO user_tasks VALUES ({', '.join('?' * len(astuple(row)))})", astuple(row))
        db.executemany("INSERT INTO task_candidates VALUES (?, 'USER', ?, 10, ?)", candidates)
    db.close()
    upgrade.run(path)
    with sqlite3.connect(path) as db:
        found = db.execute("SELECT user_task_key, name, standing FROM task_candidates ORDER BY 1, 2").fetchall()
    db.close()
    assert found == [(1, "gone", REMOVED), (1, "here", STANDS), (2, "gone", REMOVED), (2, "here", ENDED)]


async def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path):
    path = tmp_path / "x.db"
    upgrade.run(path, "0001")
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE follow_ups (key INTEGER)")  # stands in the way
    db.close()
    before = described(path)
    store = SqliteStore(path)
    with pytest.raises(StoreFailed, match="follow_ups already exists"):
        await store.open()
    assert described(path) == before


async def test_a_file_of_a_newer_version_is_refused(tmp_path: Path):
    path = await made(tmp_path / "x.db")
    with sqlite3.connect(path) as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    db.close()
    with pytest.raises(StoreFailed, match="found version 9999"):
        await SqliteStore(path).open()


def test_a_start_imports_no_alembic(tmp_path: Path):
    program = """
import asyncio, sys
from pathlib import Path
from osmia_broker.store.sqlite import SqliteStore

async def start_twice():
    store = SqliteStore(Path(sys.argv[1]))
    await store.open()
    await store.close()
    await store.open()
    await store.close()

asyncio.run(start_twice())
sys.exit("alembic" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "x.db")], check=True)


#: Steps of a plan that read no rows, or the keys that are a parameter.
FRAMES = (
    "LIST SUBQUERY",
    "SCALAR SUBQUERY",
    "COMPOUND",
    "LEFT-MOST",
    "UNION ALL",
    "SCAN CONSTANT",
    "SCAN wanted",
    "MATERIALIZE",
)


@pytest.mark.parametrize("index", MATCHES)
async def test_rows_are_found_by_their_values_in_the_order_of_their_keys(tmp_path: Path, index: str):
    """All values and the key lead through the index: a page costs the same, however many rows come before it."""
    asked = MATCHES[index]
    values = {f"value_{place}": value for place, value in enumerate(asked.values)}
    with sqlite3.connect(await made(tmp_path / "x.db")) as db:
        found = dialects.Prepared(statements.MATCHES[asked.row_type, asked.columns])
        parameters = {**found.constants, **values, "after": asked.after}
        plan = [step for *_, step in db.execute("EXPLAIN QUERY PLAN " + found.text, parameters)]
    db.close()
    assert len(plan) == 1, f"a step of its own for sorting: {plan}"
    conditions = " AND ".join([*(f"{name}=?" for name in asked.columns), "rowid>?"])
    assert f"{index} ({conditions})" in plan[0]


async def test_every_statement_of_a_load_goes_by_an_index(tmp_path: Path):
    """No load walks through a table, or sorts; only arrays of keys, which are parameters, are scanned."""
    asked: list[str] = []

    def tracing(path: Path) -> sqlite3.Connection:
        db = sqlite3.connect(path, isolation_level=None)
        db.set_trace_callback(asked.append)
        return db

    store = SqliteStore(await made(tmp_path / "x.db", *rows.INSTANCE), connect=tracing)
    await store.open()
    opening = [text for text in asked if any(f".{kind.due}" in text for kind in DUE_KINDS)]
    asked.clear()
    lanes = {
        (Lane("type", is_leased, key), after)
        for is_leased in (False, True)
        for key in ("", "key")
        for after in (FIRST, rank_of(-7, 5))
    }
    every = wanted(
        PROCESS,
        windows=frozenset(lanes),
        fair_keys=frozenset({("type", "")}),
        due=DueWanted(5, 5),
        resources=frozenset({"c" * 64}),
    )
    every |= Wanted(matches=frozenset(MATCHES.values()))
    for kind in schema.KEYED_KINDS:
        every |= wanted(PROCESS, of=kind.row_type)
    await store.write(None, every)
    await store.close()
    # But for held jobs, once at a start.
    texts = [text for text in (*opening, *asked) if text.startswith("SELECT") and "GROUP BY" not in text]
    assert len(texts) >= 2 * len(schema.KEYED_KINDS) + len(schema.SCOPED_KINDS) + 2
    with sqlite3.connect(tmp_path / "x.db") as db:
        for text in texts:
            for *_, step in db.execute("EXPLAIN QUERY PLAN " + text):
                assert (
                    step.startswith(("SEARCH", *FRAMES)) or "json_each" in step or "anon_1" in step or " due_" in step
                ), f"{step}: {text}"
    db.close()


@pytest.mark.parametrize(
    ("index", "statement"),
    [
        ("jobs_activatable (type=? AND rowid>?)", statements.PLAIN_JOBS),
        ("jobs_ranked (type=? AND fair_key=? AND priority=? AND rowid>?)", statements.SAME_PRIORITY[schema.RANKED]),
        (
            "jobs_ranked (type=? AND fair_key=? AND priority>? AND priority<?)",
            statements.BETWEEN_PRIORITIES[schema.RANKED],
        ),
        ("jobs_leased (type=? AND fair_key=? AND priority=? AND rowid>?)", statements.SAME_PRIORITY[schema.LEASED]),
        (
            "jobs_leased (type=? AND fair_key=? AND priority>? AND priority<?)",
            statements.BETWEEN_PRIORITIES[schema.LEASED],
        ),
    ],
)
async def test_a_window_reads_no_more_than_its_part_of_an_index(tmp_path: Path, index: str, statement: Any):
    with sqlite3.connect(await made(tmp_path / "x.db")) as db:
        text = dialects.Prepared(statement)
        given = {"type": "t", "after": 1, "priority": 1, "below": 9, "above": 0, "fair_key": "k", "rows_max": 5}
        plan = [step for *_, step in db.execute("EXPLAIN QUERY PLAN " + text.text, text.constants | given)]
    db.close()
    assert len(plan) == 1, f"a step of its own for sorting: {plan}"
    assert index in plan[0]


async def test_due_rows_are_read_in_the_order_of_their_indexes(tmp_path: Path):
    with sqlite3.connect(await made(tmp_path / "x.db")) as db:
        text = dialects.Prepared(statements.DUE)
        given = {**text.constants, **statements.due_values(DueWanted(5, 5))}
        plan = [step for *_, step in db.execute("EXPLAIN QUERY PLAN " + text.text, given)]
    db.close()
    assert not any("TEMP B-TREE" in step for step in plan), f"a step of its own for sorting: {plan}"
    searches = [step for step in plan if step.startswith("SEARCH")]
    for kind in DUE_KINDS:
        assert sum(f"{kind.table}_due (" in step for step in searches) == 2, searches


@pytest.mark.parametrize(("due", "waiting"), [(0, 2_000), (2_000, 0), (1_000, 1_000)])
async def test_a_look_for_due_rows_reads_no_more_than_it_returns(tmp_path: Path, due: int, waiting: int):
    """However many others are due or wait. The steps of SQLite's machine are counted: about 1,000, and several more for each row that it reads."""
    now_ms = 10_000
    times = [now_ms - number for number in range(due)] + [now_ms + 1 + number for number in range(waiting)]
    path = await made(
        tmp_path / "x.db", *(replace(rows.follow_up, key=place, due_ms=ms) for place, ms in enumerate(times))
    )
    steps = []
    with sqlite3.connect(path) as db:
        text = dialects.Prepared(statements.DUE)
        db.set_progress_handler(lambda: steps.append(1), 10)
        found = text.rows(db, **statements.due_values(DueWanted(now_ms, 3)))
    db.close()
    assert len(found) == min(due, 4) + min(waiting, 1)
    assert len(steps) * 10 < 2_000


async def test_a_load_passes_over_the_ended_rows_of_a_long_history(tmp_path: Path):
    """The index leads to the living rows: two equalities, none of them checked row by row."""
    with sqlite3.connect(await made(tmp_path / "x.db")) as db:
        for row_type in (ElementInstance, WaitingToken, Job):
            text = dialects.Prepared(statements.OF_INSTANCES[row_type]).text
            plan = [step for *_, step in db.execute("EXPLAIN QUERY PLAN " + text, {"keys": "[]"})]
            assert "_of_instance (process_instance_key=? AND ended_ms=?)" in plan[0], plan
    db.close()


@pytest.mark.parametrize(
    "enum", dict.fromkeys([ElementType, *(enum for kind in KINDS.values() for enum in kind.enums.values())])
)
def test_sqlite_takes_the_members_of_every_enum_for_plain_texts(enum: type[StrEnum]):
    for member in enum:
        adapted = sqlite3.adapt(member)
        assert type(adapted) is str
        assert adapted == member
