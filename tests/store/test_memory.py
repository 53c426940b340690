"""The store in memory: no file, one database for all connections of the process, and nothing left when the store is gone."""

import gc
import sqlite3
from contextlib import closing

import pytest

from osmia_broker.base.errors import StoreFailed
from osmia_broker.state.rows import ProcessDefinition
from osmia_broker.store import memory
from osmia_broker.store.memory import IN_MEMORY, MemoryStore, connect
from osmia_broker.store.read import Reader
from tests.store import rows
from tests.store.rows import changes


async def test_a_reader_sees_what_the_store_has_committed():
    store = MemoryStore()
    await store.open()
    await store.write(changes(rows.definition), None)
    reader = Reader(store.path)
    assert [one.key for one in (await reader.process_definitions()).items] == [rows.definition.key]
    await reader.close()
    await store.close()


async def test_no_file_is_made():
    store = MemoryStore()
    await store.open()
    assert not IN_MEMORY.exists()
    await store.close()


async def test_the_rows_live_as_long_as_the_store():
    store = MemoryStore()
    path = store.path
    await store.open()
    await store.write(changes(rows.definition), None)
    await store.close()
    with closing(connect(path)) as db:
        assert db.execute("SELECT count(*) FROM process_definitions").fetchone() == (1,)
    del store
    gc.collect()
    with closing(connect(path)) as db:
        assert db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


async def test_two_stores_share_nothing():
    one, other = MemoryStore(), MemoryStore()
    await one.open()
    await one.write(changes(rows.definition), None)
    assert (await other.open()).definitions[ProcessDefinition] == []
    await one.close()
    await other.close()


def test_an_old_sqlite_is_refused_with_the_mend(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory.sqlite3, "sqlite_version_info", (3, 34, 1))
    with pytest.raises(StoreFailed, match=f"3.36 or newer, but found {sqlite3.sqlite_version}; use a data directory"):
        MemoryStore()
