"""pyzeebe, as published: deploy, create, work by poll and by stream, fail, throw, messages, signals, cancel, refused calls."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
import pyzeebe
from pyzeebe.errors import (
    JobNotFoundError,
    MessageAlreadyExistsError,
    ProcessDefinitionNotFoundError,
    ProcessInstanceNotFoundError,
)

from tests.bpmn import bpmn
from tests.patience import ANSWER_S
from tests.running_broker import RunningBroker, running_broker


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
            asyncio.gather(*(client.run_process_with_result(id, {"n": n}, timeout=60_000) for n in range(10))), ANSWER_S
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
        result = await asyncio.wait_for(client.run_process_with_result("flaky", timeout=60_000), ANSWER_S)
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
        result = await asyncio.wait_for(client.run_process_with_result("dine", timeout=60_000), ANSWER_S)
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


@pytest.mark.parametrize("streaming", [False, True])
async def test_an_error_is_caught_by_a_boundary_event(channel: grpc.aio.Channel, tmp_path: Path, streaming: bool):
    client = pyzeebe.ZeebeClient(channel)
    id = f"throws{streaming}"
    caught = 'c:boundary(on=a, error=E, out.why="=why") > s:script(expression="=why", result=outcome) > end2'
    await deploy(client, tmp_path, id, f"start > a:job(type={id}) > end & {caught}")
    worker = pyzeebe.ZeebeWorker(channel, stream_enabled=streaming)

    async def throw(error: Exception, job: pyzeebe.Job, controller: pyzeebe.JobController) -> None:
        await controller.set_error_status(str(error), error_code="E", variables={"why": "refused"})

    @worker.task(task_type=id, exception_handler=throw)
    async def refuse() -> None:
        raise ValueError("no")

    async with working(worker):
        result = await asyncio.wait_for(client.run_process_with_result(id, timeout=60_000), ANSWER_S)
    assert result.variables["outcome"] == "refused"


async def test_a_message_reaches_the_instance_that_waits_for_its_key(channel: grpc.aio.Channel, tmp_path: Path):
    client = pyzeebe.ZeebeClient(channel)
    await deploy(client, tmp_path, "parcel", 'start > wait:catch(message=arrived, key="=order") > end')
    waiting = asyncio.ensure_future(client.run_process_with_result("parcel", {"order": "7"}, timeout=60_000))
    for order, weight in (("8", 1), ("7", 2)):
        await client.publish_message("arrived", order, {"weight": weight}, time_to_live_in_milliseconds=60_000)
    result = await asyncio.wait_for(waiting, ANSWER_S)
    assert result.variables == {"order": "7", "weight": 2}


async def test_a_message_id_is_taken_while_its_message_is_buffered(channel: grpc.aio.Channel):
    client = pyzeebe.ZeebeClient(channel)
    await client.publish_message("unheard", "1", {}, time_to_live_in_milliseconds=60_000, message_id="once")
    with pytest.raises(MessageAlreadyExistsError):
        await client.publish_message("unheard", "1", {}, time_to_live_in_milliseconds=60_000, message_id="once")


async def test_a_signal_reaches_all_that_listen(channel: grpc.aio.Channel, tmp_path: Path):
    client = pyzeebe.ZeebeClient(channel)
    await deploy(client, tmp_path, "visitor", "start > wait:catch(signal=opened) > a:job(type=visit) > end")
    created = [(await client.run_process("visitor")).process_instance_key for _ in range(3)]
    await client.broadcast_signal("opened", {"by": "ada"})
    worker = pyzeebe.ZeebeWorker(channel)
    visits = asyncio.Queue[tuple[int, str]]()

    @worker.task(task_type="visit")
    async def visit(by: str, job: pyzeebe.Job) -> None:
        visits.put_nowait((job.process_instance_key, by))

    async with working(worker):
        seen = [await asyncio.wait_for(visits.get(), ANSWER_S) for _ in created]
    assert sorted(seen) == [(key, "ada") for key in created]


async def test_what_has_been_cancelled_is_not_found(channel: grpc.aio.Channel, tmp_path: Path):
    client = pyzeebe.ZeebeClient(channel)
    await deploy(client, tmp_path, "short", "start > a:job(type=nobody) > end")
    created = await client.run_process("short")
    await client.cancel_process_instance(created.process_instance_key)
    with pytest.raises(ProcessInstanceNotFoundError):
        await client.cancel_process_instance(created.process_instance_key)
