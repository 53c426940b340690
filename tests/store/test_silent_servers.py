"""A server that takes connections and never answers: whoever closes the store does not wait for it."""

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from osmia_broker.base.errors import StoreFailed
from osmia_broker.store.postgres import connection
from osmia_broker.store.postgres.store import PostgresStore
from tests import postgres
from tests.patience import ANSWER_S


class Silent:
    """The server. It notes who has come, and who has gone."""

    def __init__(self) -> None:
        self.met, self.left = asyncio.Event(), asyncio.Event()
        self.port = 0

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.met.set()
        while await reader.read(1_000):
            pass
        self.left.set()
        writer.close()

    def store(self) -> PostgresStore:
        return postgres.store(f"postgresql://osmia@127.0.0.1:{self.port}/one?sslmode=disable")


@pytest.fixture
async def silent(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Silent]:
    monkeypatch.setattr(connection, "CONNECT_S", 10 * ANSWER_S)
    played = Silent()
    server = await asyncio.start_server(played.take, "127.0.0.1")
    played.port = server.sockets[0].getsockname()[1]
    yield played
    server.close()


async def test_a_store_that_connects_is_closed_without_waiting_for_the_server(silent: Silent):
    async with asyncio.timeout(ANSWER_S):
        store = silent.store()
        opening = store.open()
        await silent.met.wait()
        await store.close()
        with pytest.raises(
            StoreFailed, match=r"Expected to open the database .*, but found that it is closed meanwhile"
        ):
            await opening
        await silent.left.wait()


async def test_a_start_that_is_given_up_leaves_nothing_behind(silent: Silent):
    """The task that opens the store goes on without its asker; nobody reads how it ended."""
    unread: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, found: unread.append(found))
    async with asyncio.timeout(ANSWER_S):
        store = silent.store()
        opening = store.open()
        await silent.met.wait()
        opening.cancel()
        await store.close()
        await silent.left.wait()
    del store, opening
    gc.collect()
    assert unread == []


async def test_a_store_that_is_closed_before_it_connects_does_not_begin(silent: Silent):
    async with asyncio.timeout(ANSWER_S):
        store = silent.store()
        opening, closing = store.open(), store.close()
        await closing
        with pytest.raises(StoreFailed, match="closed meanwhile"):
            await opening
    assert not silent.met.is_set()


async def test_a_store_that_was_closed_connects_again(silent: Silent):
    """A partition that was handed over may come back."""
    async with asyncio.timeout(ANSWER_S):
        store = silent.store()
        await store.close()
        opening = store.open()
        await silent.met.wait()
        await store.close()
        with pytest.raises(StoreFailed):
            await opening


async def test_an_opening_that_something_else_cancels_is_no_refusal(silent: Silent):
    """Only a close makes one of it."""
    async with asyncio.timeout(ANSWER_S):
        store = silent.store()
        opening = store.open()
        await silent.met.wait()
        assert store._connecting is not None
        store._connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
