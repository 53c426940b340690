"""A database with rows of process instances, and readers of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from osmia_broker.state.rows import Resource
from osmia_broker.store.read import Reader
from osmia_broker.store.sqlite import SqliteStore
from tests.store import rows
from tests.store.reading import MODEL, definition
from tests.store.rows import changes


class Written:
    """Writes rows as a broker does, and makes readers of them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.readers: list[Reader] = []
        self._store = SqliteStore(path)

    async def open(self) -> None:
        await self._store.open()

    async def __call__(self, *batch: Any) -> Reader:
        """Commit these rows, and read them."""
        await self.commit(*batch)
        return self.reader()

    async def commit(self, *batch: Any) -> None:
        await self._store.write(changes(*batch), None)

    def reader(self, **limits: Any) -> Reader:
        self.readers.append(Reader(self.path, **limits))
        return self.readers[-1]

    async def close(self) -> None:
        for reader in self.readers:
            await reader.close()
        await self._store.close()


@asynccontextmanager
async def database(path: Path) -> AsyncIterator[Written]:
    """A database in which two versions of the process p, and q, are deployed."""
    made = Written(path)
    await made.open()
    model = Resource(rows.definition.checksum, MODEL)
    await made.commit(model, definition(1, "p", 1), definition(2, "p", 2), definition(3, "q", 1))
    yield made
    await made.close()


@pytest.fixture
async def written(tmp_path: Path) -> AsyncIterator[Written]:
    """A database with these processes."""
    async with database(tmp_path / "x.db") as made:
        yield made
