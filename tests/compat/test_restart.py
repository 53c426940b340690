"""Workers of each published client work on after the broker was stopped and after it was killed, by poll and by stream."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import pyzeebe

import osmia
from osmia_broker.running.child import ChildBroker
from tests.bpmn import bpmn
from tests.compat import builds
from tests.compat.programs import PROGRAMS, play
from tests.compat.scenarios import MODELS, write_models
from tests.patience import PROGRAM_S

pytestmark = [pytest.mark.process, pytest.mark.timeout(builds.BUILD_S + 2 * PROGRAM_S)]

TRIES, TRY_MS = 60, 1_000  # the longest pause of a client between two tries is 10 s
#: The first and the last have no streams, and the second does not open a stream again.
ONLY_POLLS = ("zeebe-node", "camunda8-sdk", "zeebe-rs")
SELDOM = ("zeebe-rs",)  # asks for jobs every 15 s only, so that it takes a minute
WORKERS = [pytest.param(client, "python", marks=pytest.mark.long if client in SELDOM else ()) for client in PROGRAMS]


@pytest.fixture
def broker(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ChildBroker]:
    server = getattr(request, "param", "python")
    with ChildBroker(tmp_path / "data", flags=("--grpc-server", server)) as broker:
        yield broker


def finish_one(broker: ChildBroker, type: str) -> None:
    """Create instances until the worker completes one. A stream gets only the jobs that come after it was opened."""
    with osmia.SyncClient(broker.address) as client:
        for n in range(TRIES):
            with suppress(osmia.Timeout):
                done = client.create_instance_with_result("any", {"kind": type, "n": n}, wait_ms=TRY_MS)
                assert done.variables["doubled"] == 2 * n
                return
    raise AssertionError(f"expected the worker '{type}' to complete a job, but found none completed in {TRIES} tries")


def restart(broker: ChildBroker, types: list[str]) -> int:
    """Stop and kill the broker while workers wait for jobs of *types*; return how often a worker completed a job after that."""
    worked = 0
    for end in (broker.stop, broker.kill):
        for type in types:
            finish_one(broker, type)
        end()
        broker.start()
        for type in types:
            finish_one(broker, type)
            worked += 1
    return worked


@pytest.mark.parametrize(("client", "broker"), [*WORKERS, ("go", "grpcio")], indirect=["broker"])
def test_workers_survive_restarts(client: str, broker: ChildBroker, tmp_path: Path):
    write_models(tmp_path)
    answers = {"restart": lambda types: restart(broker, types.split())}
    said = play(client, broker.address, tmp_path, ["restart"], answers)
    assert said == {"restart": {"worked": 2 if client in ONLY_POLLS else 4}}


async def test_workers_of_pyzeebe_survive_restarts(broker: ChildBroker):
    with osmia.SyncClient(broker.address) as client:
        client.deploy(("any.bpmn", bpmn(MODELS["any"], id="any")))
    channel = pyzeebe.create_insecure_channel(broker.address)
    workers = {streams: pyzeebe.ZeebeWorker(channel, stream_enabled=streams) for streams in (False, True)}
    for streams, worker in workers.items():

        @worker.task(task_type="by_stream" if streams else "by_poll")
        async def double(n: int) -> dict[str, int]:
            return {"doubled": 2 * n}

    working = [asyncio.ensure_future(worker.work()) for worker in workers.values()]
    try:
        assert await asyncio.to_thread(restart, broker, ["by_poll", "by_stream"]) == 4
    finally:
        for worker in workers.values():
            await worker.stop()
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        await channel.close()
