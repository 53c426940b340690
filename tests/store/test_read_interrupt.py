"""An interrupt that comes too late is harmless: the connection of a question that has been left is closed in a thread."""

import sqlite3
from pathlib import Path

import aiosqlite
import pytest

from osmia_broker.store.read.on_sqlite import SqliteSource


async def test_a_connection_whose_database_is_closed_already_can_be_interrupted(tmp_path: Path):
    driver = await aiosqlite.connect(":memory:")
    inner = driver._conn
    await driver._execute(inner.close)
    with pytest.raises(sqlite3.ProgrammingError):
        await driver.interrupt()
    await SqliteSource(tmp_path / "x.db").interrupt(driver)
    await driver.close()
