"""The HTTP door ends although clients hold it up: one who sends half a request, one who takes no answer, an open page.

The grace is an hour, so an end that waits for it never comes here.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from osmia_broker.http.server import HttpServer
from osmia_broker.http.web.live import Live
from osmia_broker.metrics import HttpCounters
from osmia_broker.state.store_protocol import Changes
from tests.patience import ANSWER_S

GRACE = timedelta(hours=1)
HEAD = b"POST / HTTP/1.1\r\nhost: x\r\n"


class Served:
    """A door whose application is *app*, with a client."""

    def __init__(self) -> None:
        self.server = HttpServer(object(), HttpCounters(), Live(), lambda: 0, body_bytes_max=100)  # type: ignore[arg-type]
        self.entered = asyncio.Event()
        self.answers = 0

    async def start(self, app: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self.server._config.app = app
        port = await self.server.start("127.0.0.1", 0)
        return await asyncio.open_connection("127.0.0.1", port, limit=1_024)

    async def stop(self) -> None:
        await asyncio.wait_for(self.server.stop(GRACE), ANSWER_S)


@pytest.fixture
async def it() -> AsyncIterator[Served]:
    served = Served()
    yield served
    await served.server.stop(timedelta(0))


async def test_half_a_request_does_not_hold_up_the_end(it: Served):
    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        it.entered.set()
        while (await receive())["type"] != "http.disconnect":
            pass

    _, writer = await it.start(app)
    writer.write(HEAD + b"content-length: 100\r\n\r\nhalf")
    await asyncio.wait_for(it.entered.wait(), ANSWER_S)
    await it.stop()
    writer.close()


async def test_a_client_who_takes_no_answer_does_not_hold_up_the_end(it: Served):
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(10_000):
            it.entered.set()
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})

    _, writer = await it.start(app)
    writer.write(HEAD + b"content-length: 0\r\n\r\n")
    await asyncio.wait_for(it.entered.wait(), ANSWER_S)
    await it.stop()
    writer.close()


async def test_an_answer_that_is_on_its_way_arrives(it: Served):
    stopping = asyncio.Event()

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        it.entered.set()
        await stopping.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    reader, writer = await it.start(app)
    writer.write(HEAD + b"content-length: 0\r\n\r\n")
    await asyncio.wait_for(it.entered.wait(), ANSWER_S)
    ending = asyncio.ensure_future(it.stop())
    await asyncio.sleep(0)
    stopping.set()
    assert b"done" in await asyncio.wait_for(reader.read(), ANSWER_S)
    await ending
    writer.close()


async def test_a_page_that_rests_after_a_change_ends_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("osmia_broker.http.web.live.PAUSE_S", 3_600.0)  # it grows with the number of open pages
    live = Live()
    stream = live.follow(["instances"])
    assert b"event: ready" in await anext(stream)
    live.changes_committed(Changes(1, erased=[7]))
    assert b"event: changed" in await asyncio.wait_for(anext(stream), ANSWER_S)
    rest = asyncio.ensure_future(anext(stream, b""))
    await asyncio.sleep(0)
    live.stop()
    assert await asyncio.wait_for(rest, ANSWER_S) == b""
    assert [one async for one in live.follow(["instances"])] == []
