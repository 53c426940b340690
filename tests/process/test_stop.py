"""SIGTERM ends a real broker at once although callers wait for something that cannot happen any more.

The grace is longer than `ChildBroker.stop` waits before it kills: exit 0 means that the broker did not wait for its callers.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import osmia
from osmia_broker.running.child import ChildBroker
from tests.bpmn import bpmn
from tests.patience import ANSWER_S

pytestmark = pytest.mark.process

GRACE_S = 3 * int(ANSWER_S)
WAIT_MS = 600_000


@pytest.fixture
async def broker(tmp_path: Path, grpc_server: str) -> AsyncIterator[ChildBroker]:
    one = ChildBroker(tmp_path, flags=("--shutdown-grace", f"{GRACE_S}s", "--grpc-server", grpc_server))
    await asyncio.to_thread(one.start)
    yield one
    await asyncio.to_thread(one.kill)


@asynccontextmanager
async def client_of(broker: ChildBroker) -> AsyncIterator[osmia.Client]:
    """A client with a process deployed that waits at a job nobody takes."""
    async with osmia.Client(broker.address) as client:
        await client.deploy(("p.bpmn", bpmn("start > ask:job > end")))
        yield client


async def open_calls(broker: ChildBroker) -> int:
    """How many streaming calls the broker counts as open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", broker.ports.management)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    lines = (await reader.read()).decode().splitlines()
    writer.close()
    return sum(int(float(line.split()[-1])) for line in lines if line.startswith("osmia_grpc_streams_open{"))


async def stops(broker: ChildBroker, *waiting: "asyncio.Task[object]") -> int:
    """Stop the broker, and see every waiting call end."""
    code = await asyncio.to_thread(broker.stop)
    ended, still_waiting = await asyncio.wait(waiting, timeout=ANSWER_S) if waiting else (set(), set())
    assert not still_waiting, "a call outlived its broker"
    assert all(task.exception() is None or isinstance(task.exception(), osmia.OsmiaError) for task in ended)
    return code


async def test_a_broker_whose_callers_are_all_gone_stops_with_0(broker):
    assert await stops(broker) == 0


async def test_a_caller_waits_for_a_result(broker):
    async with client_of(broker) as client:
        waiting = asyncio.ensure_future(client.create_instance_with_result("process", wait_ms=WAIT_MS))
        while not (await client.search_instances()).items:
            await asyncio.sleep(0)
        assert await stops(broker, waiting) == 0


async def test_a_worker_polls(broker):
    async with client_of(broker) as client:
        waiting = asyncio.ensure_future(client.activate_jobs("nothing", worker="w", timeout_ms=1000, wait_ms=WAIT_MS))
        while not await open_calls(broker):
            await asyncio.sleep(0)
        assert await stops(broker, waiting) == 0


async def test_a_worker_streams(broker):
    async def take(client: osmia.Client) -> None:
        async for _ in client.stream_jobs("nothing", worker="w", timeout_ms=1000):
            pass

    async with client_of(broker) as client:
        waiting = asyncio.ensure_future(take(client))
        while not await open_calls(broker):
            await asyncio.sleep(0)
        assert await stops(broker, waiting) == 0


async def test_a_load_balancer_watches_the_health(broker):
    async with grpc.aio.insecure_channel(broker.address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        assert await stops(broker) == 0
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_all_of_them_wait(broker):
    async def take(client: osmia.Client) -> None:
        async for _ in client.stream_jobs("nothing", worker="w", timeout_ms=1000):
            pass

    async with client_of(broker) as client, grpc.aio.insecure_channel(broker.address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        await watch.read()
        waiting = [
            asyncio.ensure_future(client.create_instance_with_result("process", wait_ms=WAIT_MS)),
            asyncio.ensure_future(client.activate_jobs("nothing", worker="w", timeout_ms=1000, wait_ms=WAIT_MS)),
            asyncio.ensure_future(take(client)),
        ]
        while await open_calls(broker) < 2 or not (await client.search_instances()).items:
            await asyncio.sleep(0)
        assert await stops(broker, *waiting) == 0
