"""A worker of each published client works on after the broker was stopped or killed and started again, by poll and by stream."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import pyzeebe

import osmia
from osmia_broker.child import ChildBroker
from tests.bpmn import bpmn
from tests.compat import builds
from tests.compat.programs import PLAY_S, PROGRAMS, play
from tests.compat.scenarios import MODELS, write_models

pytestmark = [pytest.mark.process, pytest.mark.timeout(builds.BUILD_S + PLAY_S)]

TRIES, TRY_MS = 60, 1_000  # the longest pause of a client between two tries is 10 s
RESTARTS = [(client, "restart") for client in PROGRAMS] + [
    (client, "restart_stream")  # zeebe-node has no streams, and @camunda8/sdk does not open them again
    for client in ("go", "zeebe-client-java", "camunda-client-java")
]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[ChildBroker]:
    with ChildBroker(tmp_path / "data") as broker:
        yield broker


def doubled(broker: ChildBroker, type: str, n: int) -> int:
    """Create instances until the worker completes one. A stream gets only the jobs that come after it was opened."""
    with osmia.SyncClient(broker.address) as client:
        for _ in range(TRIES):
            with suppress(osmia.Timeout):
                done = client.create_instance_with_result("any", {"kind": type, "n": n}, wait_ms=TRY_MS)
                return int(done.variables["doubled"])
    raise AssertionError(
        f"expected the worker of '{type}' to complete a job, but found none completed in {TRIES} tries"
    )


def stop(broker: ChildBroker, type: str) -> int:
    doubled(broker, type, 1)  # the worker is at work when the broker ends
    assert broker.stop() == 0
    broker.start()
    return doubled(broker, type, 2)


def kill(broker: ChildBroker, type: str) -> int:
    doubled(broker, type, 1)
    broker.kill()
    broker.start()
    return doubled(broker, type, 3)


@pytest.mark.parametrize(("client", "scenario"), RESTARTS)
def test_a_worker_survives_a_restart(client: str, scenario: str, broker: ChildBroker, tmp_path: Path):
    write_models(tmp_path)
    answers = {"stop": lambda type: stop(broker, type), "kill": lambda type: kill(broker, type)}
    said = play(client, broker.address, tmp_path, [scenario], answers)
    assert said == {scenario: {"stop": 4, "kill": 6}}


@pytest.mark.parametrize("streams", [False, True])
async def test_a_worker_of_pyzeebe_survives_a_restart(streams: bool, broker: ChildBroker):
    with osmia.SyncClient(broker.address) as client:
        client.deploy(("any.bpmn", bpmn(MODELS["any"], id="any")))
    channel = pyzeebe.create_insecure_channel(broker.address)
    worker = pyzeebe.ZeebeWorker(channel, stream_enabled=streams)

    @worker.task(task_type="restart")
    async def double(n: int) -> dict[str, int]:
        return {"doubled": 2 * n}

    working = asyncio.ensure_future(worker.work())
    try:
        assert await asyncio.to_thread(stop, broker, "restart") == 4
        assert await asyncio.to_thread(kill, broker, "restart") == 6
    finally:
        await worker.stop()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await channel.close()
