"""A stop of the gRPC door: whoever only waits is sent away at once, whoever is being answered is answered.

The grace is an hour, so a stop that waits for it never ends here.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from osmia_broker.base.errors import Unavailable
from osmia_broker.calls import Calls
from osmia_broker.calls.broker_identity import BrokerIdentity
from osmia_broker.gateway.server import Server
from osmia_broker.metrics import GatewayCounters
from tests.calls.scripted import ScriptedPartition
from tests.gateway.conftest import Wire
from tests.patience import ANSWER_S
from tests.running_broker import running_broker

GRACE = timedelta(hours=1)
POLL = {"type": "ask", "worker": "w", "timeout": 60_000, "maxJobsToActivate": 1, "requestTimeout": 3_600_000}
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


class Served:
    """A door on a partition that is played by hand, with a client."""

    def __init__(self, grpc_server: str) -> None:
        self.partition = ScriptedPartition()
        self.calls = Calls(self.partition)  # type: ignore[arg-type]
        identity = BrokerIdentity(gateway_version="8.10.0", cluster_id="")
        self.server = Server(
            self.calls,
            object(),
            object(),
            GatewayCounters(),
            identity,
            user_tasks=object(),
            documents=object(),
            message_bytes_max=4 * 1024**2,
            grpc_server=grpc_server,
        )  # type: ignore[arg-type]
        self.stopped: asyncio.Future[None] | None = None

    async def start(self) -> None:
        port = await self.server.start("127.0.0.1", 0)
        self.address = f"127.0.0.1:{port}"
        self.channel = grpc.aio.insecure_channel(self.address)
        self.wire = Wire(self.channel)

    async def asked(self) -> None:
        """Until a call has reached the partition."""
        while not self.partition.asked:
            await asyncio.sleep(0)

    async def arrived(self) -> None:
        """Until everything that was sent before has arrived: one connection, in order."""
        await asyncio.wait_for(self.wire.call("Topology"), ANSWER_S)

    def begin_stop(self) -> None:
        self.calls.stop(Unavailable("over"))
        self.stopped = asyncio.ensure_future(self.server.stop(GRACE))

    async def stop(self) -> None:
        if self.stopped is None:
            self.begin_stop()
        await asyncio.wait_for(self.stopped, ANSWER_S)


@pytest.fixture
async def it(grpc_server: str) -> AsyncIterator[Served]:
    served = Served(grpc_server)
    await served.start()
    try:
        yield served
    finally:
        await served.channel.close()
        with suppress(TimeoutError):
            await served.stop()


async def refused(call: Any, words: str = "") -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await asyncio.wait_for(call, ANSWER_S)
    assert words in (error.value.details() or "")
    code: grpc.StatusCode = error.value.code()
    return code


# --- idle waiters, each kind


async def test_a_door_that_nobody_uses_stops_at_once(it: Served):
    await it.stop()


async def test_a_parked_poll_is_sent_away(it: Served):
    call = it.wire.call("ActivateJobs", **POLL)
    reading = asyncio.ensure_future(call.read())
    await it.arrived()
    await it.stop()
    assert await refused(reading, "over") is UNAVAILABLE


async def test_an_open_job_stream_is_sent_away(it: Served):
    call = it.wire.call("StreamActivatedJobs", type="ask", timeout=60_000)
    reading = asyncio.ensure_future(call.read())
    await it.arrived()
    await it.stop()
    assert await refused(reading, "over") is UNAVAILABLE


async def test_a_caller_who_waits_for_a_result_is_sent_away(it: Served):
    request = {"bpmnProcessId": "p", "version": -1}
    call = it.wire.call("CreateProcessInstanceWithResult", request=request, requestTimeout=3_600_000)
    await it.asked()
    it.partition.answer()
    await it.arrived()
    await it.stop()
    assert await refused(call, "over") is UNAVAILABLE


@pytest.mark.parametrize("service", ["", "gateway_protocol.Gateway", "nobody"])
async def test_a_watch_of_the_health_hears_of_the_stop_and_ends(it: Served, service: str):
    watch = health_pb2_grpc.HealthStub(it.channel).Watch(health_pb2.HealthCheckRequest(service=service))
    heard = [(await asyncio.wait_for(watch.read(), ANSWER_S)).status]

    async def read_on() -> None:
        while True:
            heard.append((await watch.read()).status)

    reading = asyncio.ensure_future(read_on())
    await it.stop()
    assert await refused(reading, "it is stopping") is UNAVAILABLE
    status = health_pb2.HealthCheckResponse
    assert heard == ([status.SERVICE_UNKNOWN] if service == "nobody" else [status.SERVING, status.NOT_SERVING])


async def test_a_check_of_a_service_that_is_not_there_names_it(it: Served):
    check = health_pb2_grpc.HealthStub(it.channel).Check(health_pb2.HealthCheckRequest(service="nobody"))
    with pytest.raises(grpc.aio.AioRpcError, match="unknown service nobody: expected one of '', 'gateway") as refusal:
        await check
    assert refusal.value.code() is grpc.StatusCode.NOT_FOUND


async def test_many_watches_all_note_epoch_the_stop(it: Served):
    stub = health_pb2_grpc.HealthStub(it.channel)
    watches = [stub.Watch(health_pb2.HealthCheckRequest(service="")) for _ in range(5)]
    for watch in watches:
        await asyncio.wait_for(watch.read(), ANSWER_S)
    watches[0].cancel()
    reading = [asyncio.ensure_future(watch.read()) for watch in watches[1:]]
    await it.stop()
    answers = await asyncio.wait_for(asyncio.gather(*reading), ANSWER_S)
    assert {answer.status for answer in answers} == {health_pb2.HealthCheckResponse.NOT_SERVING}


async def test_an_open_reflection_stream_does_not_hold_the_door(it: Served):
    call = reflection_pb2_grpc.ServerReflectionStub(it.channel).ServerReflectionInfo()
    await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    await call.read()
    await it.stop()
    await refused(call.read())


async def test_a_call_whose_message_never_comes_does_not_hold_the_door(it: Served):
    call = it.channel.stream_unary("/gateway_protocol.Gateway/CompleteJob")()
    await call.wait_for_connection()
    await it.arrived()
    await it.stop()
    await refused(call)


async def test_a_job_stream_whose_client_does_not_read_does_not_hold_the_door(it: Served):
    own = [("grpc.use_local_subchannel_pool", 1)]  # a connection of its own: what is not read stops all of it
    async with grpc.aio.insecure_channel(it.address, options=own) as channel:
        it.partition.variables = '{"a":"' + "x" * 500_000 + '"}'
        call = Wire(channel).call("StreamActivatedJobs", type="ask", timeout=60_000, worker="w")
        reading = asyncio.ensure_future(call.read())
        while not it.partition.asked:
            await it.arrived()
            it.partition.offer(1)
        it.partition.answer()
        await asyncio.wait_for(reading, ANSWER_S)  # the first job, and no other: half a megabyte each
        for first in range(10, 74, 16):
            it.partition.offer(*range(first, first + 16))
            it.partition.answer()
            await it.arrived()
        await it.stop()
    assert it.partition.given_back, "the jobs that did not reach the client were given back"


# --- calls that are being answered


async def test_a_call_in_flight_is_answered(it: Served):
    call = it.wire.call("CompleteJob", jobKey=1)
    await it.asked()
    it.begin_stop()
    for _ in range(10):
        await asyncio.sleep(0)
    assert it.stopped is not None
    assert not it.stopped.done()
    it.partition.answer()
    await asyncio.wait_for(call, ANSWER_S)
    await it.stop()


async def test_a_poll_in_flight_gets_its_jobs(it: Served):
    it.partition.waiting["ask"] = [1]
    reading = asyncio.ensure_future(it.wire.call("ActivateJobs", **POLL).read())
    await it.asked()
    it.begin_stop()
    await asyncio.sleep(0)
    it.partition.answer()
    answer = await asyncio.wait_for(reading, ANSWER_S)
    assert [job.key for job in answer.jobs] == [1]
    await it.stop()
    assert it.partition.given_back == []


async def test_calls_that_wait_for_a_stuck_partition_end_with_the_grace(it: Served):
    call = it.wire.call("CompleteJob", jobKey=1)
    await it.asked()
    it.calls.stop(Unavailable("over"))
    it.stopped = asyncio.ensure_future(it.server.stop(timedelta(milliseconds=10)))
    await it.stop()
    await refused(call)


async def test_new_calls_are_refused_while_others_are_still_answered(it: Served):
    call = it.wire.call("CompleteJob", jobKey=1)
    await it.asked()
    it.begin_stop()
    await asyncio.sleep(0)
    status = await refused(it.wire.call("ActivateJobs", **POLL).read())
    assert status in (UNAVAILABLE, grpc.StatusCode.CANCELLED)  # on a slow machine the last words are over by then
    it.partition.answer()
    await asyncio.wait_for(call, ANSWER_S)
    await it.stop()


# --- a whole broker


async def test_a_broker_stops_at_once_while_callers_of_every_kind_wait(tmp_path: Path):
    with running_broker(tmp_path, shutdown_grace=GRACE) as broker:
        async with grpc.aio.insecure_channel(broker.address) as channel:
            wire = Wire(channel)
            await wire.deploy("start > ask:job(type=ask) > end")
            request = {"bpmnProcessId": "process", "version": -1}
            result = wire.call("CreateProcessInstanceWithResult", request=request, requestTimeout=3_600_000)
            assert len(await wire.activate("ask", requestTimeout=60_000)) == 1
            poll = asyncio.ensure_future(wire.call("ActivateJobs", **POLL).read())
            stream = wire.call("StreamActivatedJobs", type="other", timeout=1)
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=""))
            await watch.read()
            await asyncio.to_thread(broker.run, broker.broker.stop())  # the harness waits 30 s, the grace is an hour
            for call in (result, poll, stream.read()):
                assert await refused(call) is UNAVAILABLE
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
