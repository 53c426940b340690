"""How the database finds what a search asks for."""

import sqlite3
from typing import Any

from osmia_broker.store.read import Reader
from osmia_broker.store.read.entities import USER_TASKS
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.search import Search, search
from tests.store.conftest import Written


async def steps(
    written: Written,
    reader: Reader,
    asked: Search,
    scope: dict[str, Any] | None = None,
    entity: Entity = USER_TASKS,
) -> list[tuple[str, str]]:
    """Each step of the plans of a search, with its statement."""
    statements: list[str] = []
    async with reader.database.snapshot() as snapshot:  # the only connection so far, so the search has it too
        await snapshot._driver.set_trace_callback(statements.append)
    await search(reader, entity, asked, scope=scope)
    found = []
    with sqlite3.connect(written.path) as db:
        for text in statements:
            if text.startswith(("SELECT", "WITH")) and "osmia_" not in text:
                found += [(step, text) for *_, step in db.execute("EXPLAIN QUERY PLAN " + text)]
    db.close()
    assert found
    return found
