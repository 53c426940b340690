"""pyzeebe, as published: deploy, create, work by poll and by stream, complete, fail, refused calls."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
import pyzeebe
from pyzeebe.errors import JobNotFoundError, ProcessDefinitionNotFoundError

from tests.bpmn import bpmn
from tests.doors import RunningBroker, running_broker

STEP_S = 20


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    with running_broker(tmp_path_factory.mktemp("pyzeebe")) as broker:
        yield broker


@pytest.fixture
async def channel(broker: RunningBroker) -> AsyncIterator[grpc.aio.Channel]:
    channel = pyzeebe.create_insecure_channel(broker.address)
    yield channel
    await channel.close()


@asynccontextmanager
async def working(worker: pyzeebe.ZeebeWorker) -> AsyncIterator[None]:
    task = asyncio.ensure_future(worker.work())
    try:
        yield
    finally:
        await worker.stop()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def deploy(client: pyzeebe.ZeebeClient, path: Path, id: str, line: str) -> None:
    file = path / f"{id}.bpmn"
    file.write_bytes(bpmn(line, id=id))
    answer = await client.deploy_resource(file)
    assert answer.deployments[0].bpmn_process_id == id


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_worker_completes_what_was_created(channel: grpc.aio.Channel, tmp_path: Path, streaming: bool):
    client = pyzeebe.ZeebeClient(channel)
    id = f"double{streaming}"
    await deploy(client, tmp_path, id, f"start > a:job(type={id}) > end")
    worker = pyzeebe.ZeebeWorker(channel, stream_enabled=streaming)

    @worker.task(task_type=id)
    async def double(n: int) -> dict[str, int]:
        return {"doubled": 2 * n}

    async with working(worker):
        results = await asyncio.wait_for(
            asyncio.gather(*(client.run_process_with_result(id, {"n": n}, timeout=60_000) for n in range(10))), STEP_S
        )
    assert [result.variables["doubled"] for result in results] == [2 * n for n in range(10)]


async def test_a_failing_handler_is_tried_again(channel: grpc.aio.Channel, tmp_path: Path):
    client = pyzeebe.ZeebeClient(channel)
    await deploy(client, tmp_path, "flaky", "start > a:job(type=flaky) > end")
    worker = pyzeebe.ZeebeWorker(channel)
    tries: list[int] = []

    @worker.task(task_type="flaky")
    async def flaky() -> dict[str, int]:
        tries.append(len(tries))
        if len(tries) < 3:
            raise ValueError("not yet")
        return {"tries": len(tries)}

    async with working(worker):
        result = await asyncio.wait_for(client.run_process_with_result("flaky", timeout=60_000), STEP_S)
    assert result.variables["tries"] == 3


async def test_a_user_task_is_a_job(channel: grpc.aio.Channel, tmp_path: Path):
    client = pyzeebe.ZeebeClient(channel)
    await deploy(client, tmp_path, "dine", "start > decide:user(groups=family) > end")
    worker = pyzeebe.ZeebeWorker(channel)
    seen: list[dict[str, str]] = []

    @worker.task(task_type="io.camunda.zeebe:userTask")
    async def decide(job: pyzeebe.Job) -> dict[str, str]:
        seen.append(job.custom_headers)
        return {"dinner": "pizza"}

    async with working(worker):
        result = await asyncio.wait_for(client.run_process_with_result("dine", timeout=60_000), STEP_S)
    assert result.variables["dinner"] == "pizza"
    assert seen == [{"io.camunda.zeebe:candidateGroups": '["family"]'}]


async def test_refusals_are_pyzeebes_own_errors(channel: grpc.aio.Channel):
    client = pyzeebe.ZeebeClient(channel)
    with pytest.raises(ProcessDefinitionNotFoundError):
        await client.run_process("nope")
    adapter = client.zeebe_adapter
    with pytest.raises(JobNotFoundError):
        await adapter.complete_job(7, {})


async def test_an_instance_is_cancelled(channel: grpc.aio.Channel, tmp_path: Path):
    client = pyzeebe.ZeebeClient(channel)
    await deploy(client, tmp_path, "waiting", "start > a:job(type=nobody) > end")
    created = await client.run_process("waiting")
    await client.cancel_process_instance(created.process_instance_key)
    topology = await client.topology()
    assert topology.brokers[0].partitions[0].role.name == "LEADER"
