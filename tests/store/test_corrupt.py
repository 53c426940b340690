"""Corrupt rows: an operator's UPDATE or a bad disk makes one process instance unreadable, and hurts no other."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from osmia_broker.base.errors import StoreFailed
from osmia_broker.state.rows import ElementInstance, FollowUp, Incident, Job, Message, WaitingToken
from osmia_broker.state.rows.kinds import KINDS
from osmia_broker.state.store_protocol import DueWanted, Lane, Loaded, Wanted
from osmia_broker.store import schema
from osmia_broker.store.sqlite import SqliteStore
from tests.store import rows
from tests.store.rows import BASE, FOLLOW_UP, INCIDENT, JOB, PROCESS, TASK, TOKEN, changes, wanted

ALL_KEYS = {PROCESS, TASK, TOKEN, JOB, INCIDENT, FOLLOW_UP, *(row.key for row in rows.OF_EVENTS)}
OTHER = PROCESS + 1_000
BOTH = wanted(PROCESS, OTHER)


def alter(path: Path, *statements: str) -> None:
    """Change the file as an operator may, past the broker."""
    with closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            db.execute(statement)


async def loaded_after(path: Path, statement: str, asked: Wanted) -> Loaded:
    """Store two instances, alter the file, and load."""
    store = SqliteStore(path)
    await store.open()
    await store.write(changes(*rows.DEPLOYED, *rows.INSTANCE, *rows.instance(1)), None)
    alter(path, statement)
    loaded = (await store.write(None, asked)).loaded
    await store.close()
    assert loaded is not None
    return loaded


CORRUPT = {
    "a state that is none": (f"UPDATE jobs SET state = 'SLEEPING' WHERE key = {JOB}", "column state: 'SLEEPING'"),
    "no state of an element": (f"UPDATE element_instances SET state = '' WHERE key = {TASK}", "column state: ''"),
    "a state in small letters": (
        f"UPDATE element_instances SET state = 'activated' WHERE key = {PROCESS}",
        "column state: 'activated'",
    ),
    "an error type that is none": ("UPDATE incidents SET error_type = 'NO'", "column error_type: 'NO'"),
    "text as retries": (
        f"UPDATE jobs SET retries = 'three' WHERE key = {JOB}",
        f"in table jobs, key {JOB}, column retries: 'three' of type str",
    ),
    "a fraction as a time": (
        f"UPDATE jobs SET deadline_ms = 1.5 WHERE key = {JOB}",
        "column deadline_ms: 1.5 of type float",
    ),
    "bytes as text": (f"UPDATE jobs SET type = x'ff' WHERE key = {JOB}", "column type: b'\\xff' of type bytes"),
    "text that is not UTF-8": (
        f"UPDATE variables SET value = CAST(x'22ff22' AS TEXT) WHERE scope_key = {PROCESS}",
        "column value: b'\"\\xff\"' of type bytes",
    ),
    "bytes as a variable": (
        f"UPDATE variables SET value = x'00' WHERE scope_key = {PROCESS}",
        "column value: b'\\x00' of type bytes",
    ),
    "a long value is cut": (
        f"UPDATE jobs SET state = '{'x' * 10_000}' WHERE key = {JOB}",
        f"column state: '{'x' * 59}",
    ),
    "text as a definition": ("UPDATE incidents SET process_definition_key = 'p'", "column process_definition_key: 'p'"),
    "bytes as a follow-up": ("UPDATE follow_ups SET content = x'7b7d'", "column content: b'{}' of type bytes"),
    "a variable that is no JSON": (
        f"UPDATE variables SET value = 'oops' WHERE scope_key = {PROCESS}",
        f"in table variables, key {PROCESS}, column value: 'oops', which is no JSON",
    ),
    "an empty variable": (f"UPDATE variables SET value = '' WHERE scope_key = {PROCESS}", "column value: '', which is"),
    "a variable of two values": (
        f"UPDATE variables SET value = '1 2' WHERE scope_key = {PROCESS}",
        "column value: '1 2', which is no JSON",
    ),
    "headers that are cut off": (f"UPDATE jobs SET headers = '{{' WHERE key = {JOB}", "column headers: '{', which"),
    "an element of an unknown type": (
        f"UPDATE element_instances SET type = 'NOPE' WHERE key = {TASK}",
        f"in table element_instances, key {TASK}: type 'NOPE', which this broker does not know",
    ),
    "a process of no type": (
        f"UPDATE element_instances SET type = '' WHERE key = {PROCESS}",
        f"in table element_instances, key {PROCESS}: type '', which",
    ),
    "an element that has completed without an end": (
        f"UPDATE element_instances SET state = 'COMPLETED' WHERE key = {TASK}",
        f"key {TASK}: state COMPLETED, but no time of its end",
    ),
    "an element that has been terminated without an end": (
        f"UPDATE element_instances SET state = 'TERMINATED' WHERE key = {PROCESS}",
        f"key {PROCESS}: state TERMINATED, but no time of its end",
    ),
    "a job whose element has ended": (
        f"UPDATE element_instances SET ended_ms = 5 WHERE key = {TASK}",
        f"element_instance_key {TASK}, which is not living",
    ),
    "a job of no element": (
        f"UPDATE jobs SET element_instance_key = 99 WHERE key = {JOB}",
        f"in table jobs, key {JOB}: element_instance_key 99, which is not living",
    ),
    "a job of an element of another instance": (
        f"UPDATE jobs SET element_instance_key = {TASK + 1_000} WHERE key = {JOB}",
        f"element_instance_key {TASK + 1_000}, which is not living",
    ),
    "an incident of no element": ("UPDATE incidents SET element_instance_key = 0", "element_instance_key 0"),
    "a token in no scope": ("UPDATE waiting_tokens SET scope_key = 98", "scope_key 98, which is not living"),
    "an element in no scope": (
        f"UPDATE element_instances SET scope_key = 97 WHERE key = {TASK}",
        f"in table element_instances, key {TASK}: scope 97, which is not living in the process",
    ),
    "an element in itself": (
        f"UPDATE element_instances SET scope_key = {TASK} WHERE key = {TASK}",
        f"scope {TASK}, which is not living in the process",
    ),
    "a second process": (
        f"UPDATE element_instances SET scope_key = 0 WHERE key = {TASK}",
        "scope 0, which is not living in the process",
    ),
    "a process in a scope": (
        f"UPDATE element_instances SET scope_key = {TASK} WHERE key = {PROCESS}",
        "no living process",
    ),
    "a variable of another instance": (
        f"UPDATE variables SET process_instance_key = 5 WHERE scope_key = {PROCESS}",
        "process instance 5",
    ),
    "a variable of no instance": (
        f"UPDATE variables SET process_instance_key = 'p' WHERE scope_key = {PROCESS}",
        "column process_instance_key: 'p' of type str",
    ),
}


@pytest.mark.parametrize("name", CORRUPT)
async def test_a_corrupt_row_makes_its_instance_unreadable_and_no_other(tmp_path: Path, name: str):
    statement, reason = CORRUPT[name]
    loaded = await loaded_after(tmp_path / "x.db", statement, BOTH)
    assert list(loaded.instances) == [OTHER]
    assert loaded.unreadable, "the keys of the instance"
    assert loaded.unreadable.keys() == ALL_KEYS - ({TASK} if "has ended" in name else set())
    for text in loaded.unreadable.values():
        assert text.startswith(f"Expected the stored rows of process instance '{PROCESS}' to be readable, but found ")
        assert reason in text
        assert len(text) < 300


@pytest.mark.parametrize(
    ("row", "change", "reason"),
    [
        (rows.message, "variables = x'00'", "column variables: b'\\x00' of type bytes"),
        (rows.message, "process_instance_key = 99", "no living process"),
        (rows.created_once, "version = 'one'", "column version: 'one' of type str"),
        (rows.start_timer, "repetitions = 1.5", "column repetitions: 1.5 of type float"),
        (rows.start_timer, f"process_instance_key = {PROCESS}", "element_instance_key 0, which is not living"),
        (rows.signal, f"process_instance_key = {PROCESS + 5_000}", "no living process"),
    ],
)
async def test_a_corrupt_row_that_stands_alone_hurts_no_other(tmp_path: Path, row: Any, change: str, reason: str):
    kind = KINDS[type(row)]
    store = SqliteStore(tmp_path / "x.db")
    await store.open()
    await store.write(changes(*rows.ALONE, *rows.INSTANCE, *rows.instance(1)), None)
    alter(tmp_path / "x.db", f"UPDATE {kind.table} SET {change} WHERE key = {row.key}")
    asked = wanted(OTHER)
    for one in rows.ALONE:
        asked |= wanted(one.key, of=type(one))
    loaded = (await store.write(None, asked)).loaded
    await store.close()
    assert loaded is not None
    assert reason in loaded.unreadable[row.key]
    assert loaded.instances.keys() == {OTHER, *(one.key for one in rows.ALONE if one is not row)}


async def test_two_rows_do_not_stand_alone_together(tmp_path: Path):
    store = SqliteStore(tmp_path / "x.db")
    await store.open()
    other = replace(rows.start_timer, key=BASE + 60, process_instance_key=rows.message.key)
    await store.write(changes(rows.message, other), None)
    loaded = (await store.write(None, wanted(rows.message.key, of=Message))).loaded
    await store.close()
    assert loaded is not None
    assert loaded.unreadable.keys() == {rows.message.key, other.key}


ENDED = f"UPDATE element_instances SET ended_ms = 5 WHERE process_instance_key = {PROCESS}"


@pytest.mark.parametrize(
    ("of", "key"), [(Job, JOB), (WaitingToken, TOKEN), (Incident, INCIDENT), (FollowUp, FOLLOW_UP)]
)
async def test_rows_whose_elements_have_all_ended_are_unreadable(tmp_path: Path, of: type, key: int):
    loaded = await loaded_after(tmp_path / "x.db", ENDED, wanted(key, of=of) | wanted(OTHER))
    assert list(loaded.instances) == [OTHER]
    assert loaded.unreadable.keys() == ALL_KEYS - {PROCESS, TASK}
    assert "but found no living process" in loaded.unreadable[key]


async def test_an_instance_that_was_ended_by_hand_is_not_found_by_its_own_key(tmp_path: Path):
    assert await loaded_after(tmp_path / "x.db", ENDED, wanted(PROCESS, TASK)) == Loaded()


@pytest.mark.parametrize("owner", ["'p'", "1.5", "x'00'"])
async def test_a_row_that_names_no_instance_is_unreadable_alone(tmp_path: Path, owner: str):
    statement = f"UPDATE jobs SET process_instance_key = {owner} WHERE key = {JOB}"
    loaded = await loaded_after(tmp_path / "x.db", statement, wanted(JOB, of=Job) | BOTH)
    assert loaded.unreadable.keys() == {JOB}
    assert f"Expected the stored row with key '{JOB}' to name a process instance" in loaded.unreadable[JOB]
    assert set(loaded.instances) == {PROCESS, OTHER}


@pytest.mark.parametrize("owner", [99, 0, -1, 2**63 - 1])
async def test_a_row_of_an_instance_that_does_not_exist_is_unreadable_alone(tmp_path: Path, owner: int):
    statement = f"UPDATE jobs SET process_instance_key = {owner} WHERE key = {JOB}"
    loaded = await loaded_after(tmp_path / "x.db", statement, wanted(JOB, of=Job) | BOTH)
    assert loaded.unreadable.keys() == {JOB}
    assert set(loaded.instances) == {PROCESS, OTHER}


@pytest.mark.parametrize("scope", [OTHER, TASK + 1_000])
async def test_a_variable_that_was_moved_to_another_instance_makes_that_one_unreadable(tmp_path: Path, scope: int):
    """The first instance is whole without it; the second one holds a value that is not its own."""
    statement = f"UPDATE variables SET scope_key = {scope}, name = 'moved' WHERE process_instance_key = {PROCESS}"
    loaded = await loaded_after(tmp_path / "x.db", statement, BOTH)
    assert list(loaded.instances) == [PROCESS]
    assert f"scope {scope}: process instance {PROCESS}" in loaded.unreadable[OTHER]


async def test_scopes_in_a_circle_are_unreadable(tmp_path: Path):
    store = SqliteStore(tmp_path / "x.db")
    await store.open()
    inner = [
        ElementInstance(BASE + n, PROCESS, BASE + 1, "sub", "SUB_PROCESS", rows.task.state, BASE + scope, "", 6)
        for n, scope in ((50, 51), (51, 52), (52, 50))
    ]
    await store.write(changes(*rows.INSTANCE, *inner), None)
    loaded = (await store.write(None, wanted(PROCESS))).loaded
    assert loaded is not None
    assert loaded.unreadable.keys() == {*ALL_KEYS, BASE + 50, BASE + 51, BASE + 52}
    await store.close()


async def test_a_due_time_that_is_no_time_never_becomes_due(tmp_path: Path):
    asked = wanted(OTHER, due=DueWanted(2**63 - 1, 10))
    loaded = await loaded_after(tmp_path / "x.db", "UPDATE follow_ups SET due_ms = 'soon'", asked)
    assert loaded.due is not None
    assert (loaded.due.rows, loaded.due.next_ms) == ([], None)
    assert list(loaded.instances) == [OTHER]


async def test_a_resource_that_is_no_bytes_is_absent(tmp_path: Path):
    asked = Wanted(resources=frozenset({rows.resource.checksum}))
    assert (await loaded_after(tmp_path / "x.db", "UPDATE resources SET content = 'x'", asked)).resources == {}


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE process_definitions SET version = 'x'", "table process_definitions, key .* column version: 'x'"),
        ("UPDATE forms SET form_id = CAST(x'ff' AS TEXT)", r"table forms, key .* column form_id: b'\\xff'"),
    ],
)
async def test_a_start_with_a_corrupt_definition_is_refused_by_name(tmp_path: Path, statement: str, reason: str):
    """Without it, the next deployment would give its version number again."""
    store = SqliteStore(tmp_path / "x.db")
    await store.open()
    await store.write(changes(*rows.DEPLOYED), None)
    await store.close()
    alter(tmp_path / "x.db", statement)
    with pytest.raises(StoreFailed, match=reason):
        await store.open()


# --- any value in any column

PLACES = [(kind.table, column) for kind in (*schema.KEYED_KINDS, *schema.SCOPED_KINDS) for column in kind.columns]
VALUES = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([0, 1, PROCESS, TASK, OTHER, TASK + 1_000, JOB]),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.binary(max_size=5),
    st.binary(max_size=5).map(lambda raw: (raw,)),  # as text, whether it is UTF-8 or not
)


@pytest.fixture(scope="module")
def altered() -> Iterator[tuple[Path, sqlite3.Connection]]:
    """A file with two instances, and a connection to alter it; open all the time, so that no store writes the whole file at its close."""

    async def make(path: Path) -> None:
        store = SqliteStore(path)
        await store.open()
        await store.write(
            changes(*rows.INSTANCE, *rows.ALONE, *rows.DEPLOYED, rows.start_subscription, *rows.instance(1)), None
        )
        await store.close()

    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.db"
        asyncio.run(make(path))
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA synchronous = OFF")
            yield path, db


@settings(deadline=None, max_examples=200)
@given(place=st.sampled_from(PLACES), value=VALUES)
async def test_no_value_in_any_column_makes_a_load_fail(
    altered: tuple[Path, sqlite3.Connection], place: tuple[str, str], value: Any
):
    """One row of the first instance is altered. The second one is loaded in every case, and no row of the wrong type comes out."""
    (path, db), (table, column) = altered, place
    key = schema.metadata.tables[table].primary_key.columns.keys()[0]
    row = {"element_instances": TASK, "jobs": JOB, "incidents": INCIDENT}.get(table)
    where = f"{key} = {row}" if row else f"process_instance_key = {PROCESS}"
    new = "CAST(? AS TEXT)" if isinstance(value, tuple) else "?"
    asked = wanted(PROCESS, OTHER, due=DueWanted(2**63 - 1, 9), windows=frozenset({(Lane("type"), 0)}))
    for kind, one in ((Job, JOB), (Incident, INCIDENT), (WaitingToken, TOKEN), (FollowUp, FOLLOW_UP)):
        asked |= wanted(one, of=kind)
    before = db.execute(f"SELECT * FROM {table}").fetchall()
    with suppress(sqlite3.IntegrityError):  # a key of this kind cannot even be stored
        db.execute(f'UPDATE {table} SET "{column}" = {new} WHERE {where}', value if new != "?" else (value,))
    store = SqliteStore(path)
    try:
        await store.open()
        loaded = (await store.write(None, asked)).loaded
    finally:
        await store.close()
        db.execute(f"DELETE FROM {table}")
        db.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(before[0]))})", before)
    assert loaded is not None
    came_to_it = value in (OTHER, TASK + 1_000)
    assert came_to_it or OTHER in loaded.instances, "it suffers only if the altered row came to it"
    for found in loaded.instances.values():
        for row_type, several in found.items():
            for one in several:
                values = [getattr(one, name) for name in KINDS[row_type].columns]
                assert all(isinstance(v, t) for v, t in zip(values, schema.VALUE_TYPES[row_type], strict=True))
