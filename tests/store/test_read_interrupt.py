"""An interrupt that comes too late is harmless: the connection of a question that has been left is closed in a thread."""

import sqlite3
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from osmia_broker.store.read.sql.on_sqlite import SqliteSource


async def test_a_connection_whose_database_is_closed_already_can_be_interrupted(tmp_path: Path):
    driver = await aiosqlite.connect(":memory:")
    inner = driver._conn
    await driver._execute(inner.close)
    with pytest.raises(sqlite3.ProgrammingError):
        await driver.interrupt()
    await SqliteSource(tmp_path / "x.db").interrupt(driver)
    await driver.close()


async def test_a_statement_visits_the_thread_of_its_connection_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sqlite3.connect(tmp_path / "x.db").execute("VACUUM").connection.close()
    engine = SqliteSource(tmp_path / "x.db").open_engine(1)
    visits = []
    usual = aiosqlite.Connection._execute

    async def visited(connection: aiosqlite.Connection, function: Any, *arguments: Any, **named: Any) -> Any:
        visits.append(arguments)
        return await usual(connection, function, *arguments, **named)

    async with engine.connect() as connection:
        monkeypatch.setattr(aiosqlite.Connection, "_execute", visited)
        found = await connection.execute(text("SELECT 1 AS one, 'x' AS two UNION ALL SELECT 2, :two"), {"two": "y"})
        assert visits == [("SELECT 1 AS one, 'x' AS two UNION ALL SELECT 2, ?", ("y",))]
        assert [*found.keys()] == ["one", "two"]
        assert found.all() == [(1, "x"), (2, "y")]
        assert (await connection.execute(text("SELECT 1 WHERE 1 = 0"))).all() == []
    await engine.dispose()


async def test_a_statement_over_a_closed_connection_fails_as_one_of_the_database(tmp_path: Path):
    sqlite3.connect(tmp_path / "x.db").execute("VACUUM").connection.close()
    engine = SqliteSource(tmp_path / "x.db").open_engine(1)
    async with engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        await driver.close()
        with pytest.raises(DBAPIError, match="Connection closed"):
            await connection.execute(text("SELECT 1"))
    await engine.dispose()
