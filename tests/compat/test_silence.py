"""A long poll in which nothing happens stays connected, however often its client pings; then it gets the job that comes.

A server that counts pings as misuse ends such a connection (clients.md, section 3). Real time must pass here: it is the subject. The short case
runs always, the long one with all published clients on request: `pytest -m long tests/compat`.
"""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import pyzeebe

import osmia
from osmia_broker.running.child import ChildBroker
from tests.bpmn import bpmn
from tests.compat import builds
from tests.compat.programs import PROGRAMS, play
from tests.compat.scenarios import MODELS, write_models
from tests.running_broker import running_broker

SHORT_PING_MS = 1_000  # the C core sends no more than one ping in a second
SHORT_S = 6  # with the default options the fourth ping or so ends the connection
LONG_S, LONG_PING_MS = 200, 10_000  # the shortest interval that the clients of Go and Java allow


def after_silence(address: str, type: str, silence_s: float) -> int:
    """Create an instance with a job of *type* when nothing has happened for *silence_s*."""
    threading.Event().wait(silence_s)
    with osmia.SyncClient(address) as client:
        return client.create_instance("any", {"kind": type}).key


async def polled(channel: grpc.aio.Channel, type: str, wait_ms: int) -> list[pyzeebe.Job]:
    adapter = pyzeebe.ZeebeClient(channel).zeebe_adapter
    jobs = adapter.activate_jobs(type, "pyzeebe", 60_000, 1, [], wait_ms)
    return [job async for job in jobs]


async def silent_pyzeebe(address: str, silence_s: float, ping_ms: int) -> bool:
    """Return whether a poll got its job after *silence_s*, with a ping every *ping_ms*."""
    options = (("grpc.keepalive_time_ms", ping_ms), ("grpc.http2.max_pings_without_data", 0))
    channel = pyzeebe.create_insecure_channel(address, channel_options=options)
    try:
        poll = asyncio.ensure_future(polled(channel, "pyzeebe", 600_000))
        instance = await asyncio.to_thread(after_silence, address, "pyzeebe", silence_s)
        return [job.process_instance_key for job in await poll] == [instance]
    finally:
        await channel.close()


def deploy(address: str) -> None:
    with osmia.SyncClient(address) as client:
        client.deploy(("any.bpmn", bpmn(MODELS["any"], id="any")))


async def test_many_pings_in_a_short_silence_are_forgiven(tmp_path: Path):
    with running_broker(tmp_path) as broker:
        deploy(broker.address)
        assert await silent_pyzeebe(broker.address, SHORT_S, SHORT_PING_MS)


@pytest.mark.long
@pytest.mark.process
@pytest.mark.timeout(builds.BUILD_S + 2 * LONG_S)
def test_a_silence_of_200_s_is_survived_by_every_client(tmp_path: Path):
    write_models(tmp_path)
    for program in PROGRAMS.values():
        program()  # what takes time to build is built before the silence
    every = {name: str(LONG_PING_MS) for name in ("ZEEBE_KEEP_ALIVE", "CAMUNDA_KEEP_ALIVE", "GRPC_KEEPALIVE_TIME_MS")}
    with ChildBroker(tmp_path / "data") as broker, ThreadPoolExecutor() as threads:
        deploy(broker.address)
        answers = {"silence": lambda kind: after_silence(broker.address, kind, LONG_S)}

        def silent(client: str) -> dict[str, Any]:
            return play(client, broker.address, tmp_path, ["silence"], answers, **every)

        said = {client: threads.submit(silent, client) for client in PROGRAMS}
        pyzeebes = threads.submit(asyncio.run, silent_pyzeebe(broker.address, LONG_S, LONG_PING_MS))
        for client, one in said.items():
            assert one.result() == {"silence": {"same": True}}, client
        assert pyzeebes.result()
