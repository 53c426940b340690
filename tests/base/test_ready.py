"""When a whole broker says of itself that it is ready."""

import asyncio
import http.client
import json
from contextlib import closing
from pathlib import Path

import pytest

from osmia_broker.http.server import HttpServer
from osmia_broker.running.broker import Broker
from osmia_broker.settings.config import Settings
from tests.patience import ANSWER_S


def ready(port: int) -> tuple[int, dict[str, str]]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S)) as connection:
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


async def test_a_broker_is_ready_when_its_last_door_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A probe sends requests as soon as the broker says yes."""
    opens, may_open, start = asyncio.Event(), asyncio.Event(), HttpServer.start

    async def start_late(server: HttpServer, host: str, port: int) -> int:
        opens.set()
        await may_open.wait()
        return await start(server, host, port)

    monkeypatch.setattr(HttpServer, "start", start_late)
    broker = Broker(Settings(data_dir=tmp_path, grpc_port=0, http_port=0, management_port=0))
    starting = asyncio.ensure_future(broker.start())
    await opens.wait()
    status, body = await asyncio.to_thread(ready, broker.management_port)
    assert (status, body["reason"]) == (503, "the ports for gRPC and HTTP are not open yet")
    may_open.set()
    await starting
    assert await asyncio.to_thread(ready, broker.management_port) == (200, {"status": "READY"})
    await broker.stop()
