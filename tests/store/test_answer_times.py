"""No statement waits for ever for a server that has gone silent, and no question runs on after the one that it belongs to has ended."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from osmia_broker.store.postgres import connection
from osmia_broker.store.postgres.connection import Connection
from osmia_broker.store.read.sources import of_all


class SilentDriver:
    """A connection whose server answers so many portions and then nothing more, until it is shut down."""

    def __init__(self, portions: int) -> None:
        self.portions = portions
        self.ended = asyncio.Event()

    def add_log_listener(self, _listener: Any) -> None:
        return

    def terminate(self) -> None:
        self.ended.set()

    @asynccontextmanager
    async def transaction(self, *, readonly: bool) -> Any:
        yield readonly

    async def cursor(self, _text: str) -> "SilentDriver":
        return self

    async def fetch(self, _most: int) -> list[Any]:
        if self.portions:
            self.portions -= 1
            return [("name", "key")]
        await self.ended.wait()
        raise ConnectionError("the connection was shut down")


@pytest.mark.parametrize("portions", [0, 2])
async def test_a_list_that_stops_coming_ends_with_its_connection(portions: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connection, "START_S", 0.01)
    taken: list[Any] = []
    driver: Any = SilentDriver(portions)
    with pytest.raises(ConnectionError, match=r"no answer within 0\.01 s"):
        await Connection(driver, 1, 1.0).pairs("select", taken.extend)
    assert len(taken) == portions


class AskedDriver(SilentDriver):
    """A connection whose server answers one statement when the test says so. Between its two messages, the connection may be gone."""

    def __init__(self) -> None:
        super().__init__(0)
        self.asked = asyncio.Event()
        self.answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def terminate(self) -> None:
        super().terminate()
        if not self.answer.done():
            self.answer.set_result("")

    async def fetchrow(self, _text: str) -> str:
        self.asked.set()
        answer = await self.answer
        if self.ended.is_set():
            raise AttributeError("'NoneType' object has no attribute 'bind_execute'")
        return answer


async def test_an_answer_that_came_while_the_process_was_busy_is_taken(monkeypatch: pytest.MonkeyPatch):
    """A command of many thousand steps, or a machine with too much to do: the server was quick, and this process heard nothing."""
    loop, busy_s = asyncio.get_running_loop(), [0.0]
    own_time = loop.time
    monkeypatch.setattr(loop, "time", lambda: own_time() + busy_s[0])
    driver: Any = AskedDriver()
    asking = asyncio.create_task(Connection(driver, 1, 5.0).row("select"))
    await driver.asked.wait()
    busy_s[0] = 60.0
    loop.call_soon(
        driver.answer.set_result, "row"
    )  # as a socket does that has it: in the round in which the timer is due, too
    assert await asking == "row"
    assert not driver.ended.is_set()


async def test_a_server_that_is_silent_while_the_process_listens_is_left():
    driver: Any = AskedDriver()
    with pytest.raises(ConnectionError, match=r"no answer within 0\.01 s"):
        await Connection(driver, 1, 0.01).row("select")


async def test_when_one_partition_fails_the_questions_to_the_others_end():
    running, was_ended = asyncio.Event(), []

    async def ask(part: int) -> int:
        if part == 2:
            await running.wait()
            raise ValueError("partition 2")
        try:
            running.set()
            await asyncio.Event().wait()
        finally:
            was_ended.append(part)
        return part

    sources: Any = SimpleNamespace(parts=[1, 2, 3])
    with pytest.raises(ValueError, match="partition 2"):
        await of_all(lambda answers, _given: answers)(sources, ask, {})
    assert sorted(was_ended) == [1, 3]
