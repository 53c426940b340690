"""An interrupt that comes too late is harmless: the connection of a question that has been left is closed in a thread."""

import sqlite3

import aiosqlite
import pytest

from osmia_broker.store.read import dialect


async def test_a_connection_whose_database_is_closed_already_can_be_interrupted():
    driver = await aiosqlite.connect(":memory:")
    inner = driver._conn
    await driver._execute(inner.close)
    with pytest.raises(sqlite3.ProgrammingError):
        await driver.interrupt()
    await dialect.interrupt(driver)
    await driver.close()
