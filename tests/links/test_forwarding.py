"""A call that belongs to another process, from a client of gRPC to the owner and back."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from osmia_broker.links import Links, UnixPlace, forwarding
from osmia_broker.links.routes import ROUTES
from osmia_broker.rpc import Call, Refusal, Rpc, Shape
from osmia_broker.rpc.python_server import PythonServer
from osmia_proto.methods import GATEWAY
from tests.links.wire import STEP_S, Service, identity, turns

COMPLETE, FAIL, CREATE = (
    f"/gateway_protocol.Gateway/{name}" for name in ("CompleteJob", "FailJob", "CreateProcessInstance")
)


class Owner(Service):
    """What a process answers, by the calls of the contract."""

    def rpcs(self) -> list[Rpc]:
        return [
            Rpc(COMPLETE, Shape.UNARY, self.echo),
            Rpc(FAIL, Shape.UNARY, self.refuse),
            Rpc(CREATE, Shape.UNARY, self.echo),
            Rpc("/gateway_protocol.Gateway/ThrowError", Shape.UNARY, self.hold),
            Rpc("/gateway_protocol.Gateway/CancelProcessInstance", Shape.UNARY, self.about),
        ]

    async def refuse(self, message: bytes, call: Call) -> bytes:
        raise Refusal(
            "FAILED_PRECONDITION",
            "Expected a job that is held, but found “none”",
            (("reason", "held"), ("d-bin", b"\0")),
        )


class Cluster:
    """Process 1 with a gRPC door, and process 2, which leads the even partitions."""

    def __init__(self, path: Path) -> None:
        self.one, self.two = Owner(), Owner()
        self.place = UnixPlace(path / "2.sock")
        self.links = [Links(identity(number), owner.rpcs()) for number, owner in ((1, self.one), (2, self.two))]
        self.moving = False

    def process_of(self, partition: int) -> int:
        if self.moving:
            raise Refusal("UNAVAILABLE", f"Expected a process that leads partition {partition}, but found none")
        return 2 - partition % 2

    async def start(self) -> None:
        await self.links[1].listen(self.place)
        self.links[0].dial(2, self.place)
        async with asyncio.timeout(STEP_S):
            await self.links[0].wait_for([2])
        rpcs = forwarding(self.one.rpcs(), self.links[0], 4, self.process_of)
        self.server = PythonServer(rpcs, message_bytes_max=4 * 1024 * 1024)
        self.address = f"127.0.0.1:{await self.server.start('127.0.0.1', 0)}"

    async def stop(self) -> None:
        await self.server.stop(None)
        for one in self.links:
            await one.stop(0)
        await turns(5)


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Cluster]:
    cluster = Cluster(tmp_path)
    await cluster.start()
    async with grpc.aio.insecure_channel(cluster.address) as channel:
        cluster.channel = channel  # type: ignore[attr-defined]
        yield cluster
    await cluster.stop()


def request(name: str, partition: int, **more) -> bytes:
    path = f"/gateway_protocol.Gateway/{name}"
    return GATEWAY[name].request(**{ROUTES[path].name: partition << 51 | 7}, **more).SerializeToString()


async def ask(it: Cluster, name: str, message: bytes, **more):
    return await it.channel.unary_unary(f"/gateway_protocol.Gateway/{name}")(message, **more)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("partition", "owner"), [(1, "one"), (2, "two"), (3, "one"), (4, "two"), (5, "one"), (0, "one")]
)
async def test_a_call_goes_to_the_process_that_leads_its_partition(it: Cluster, partition, owner):
    message = request("CompleteJob", partition, variables='{"a": 1}')
    assert await ask(it, "CompleteJob", message) == message
    assert getattr(it, owner).asked == [message]
    assert len(it.one.asked) + len(it.two.asked) == 1


async def test_a_call_without_a_key_stays(it: Cluster):
    message = GATEWAY["CreateProcessInstance"].request(processDefinitionKey=2 << 51 | 1).SerializeToString()
    await ask(it, "CreateProcessInstance", message)
    assert it.one.asked == [message]


@pytest.mark.parametrize("partition", [1, 2])
async def test_a_refusal_is_the_same_here_and_there(it: Cluster, partition):
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await ask(it, "FailJob", request("FailJob", partition))
    error = refusal.value
    assert (error.code(), error.details()) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "Expected a job that is held, but found “none”",
    )
    trailers = dict(error.trailing_metadata())
    assert (trailers["reason"], trailers["d-bin"]) == ("held", b"\0")


async def test_who_calls_and_until_when_travels_with_the_call(it: Cluster):
    found = await ask(
        it,
        "CancelProcessInstance",
        request("CancelProcessInstance", 2),
        metadata=(("authorization", "Bearer t"), ("osmia-user-bin", b"\xc3\xbc")),
        timeout=3_600,
    )
    assert b"('authorization', 'Bearer t')" in found
    assert b"('osmia-user-bin', b'\\xc3\\xbc')" in found
    assert 3_500 < float(found.rpartition(b", ")[2].rstrip(b")")) <= 3_600
    assert it.two.calls


async def test_a_client_that_leaves_cancels_at_the_owner(it: Cluster):
    call = it.channel.unary_unary("/gateway_protocol.Gateway/ThrowError")(request("ThrowError", 2))  # type: ignore[attr-defined]
    while not it.two.running:
        await asyncio.sleep(0)
    call.cancel()
    while it.two.running:
        await asyncio.sleep(0)
    assert it.two.cancelled == 1


async def test_a_deadline_holds_at_the_owner(it: Cluster):
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await ask(it, "ThrowError", request("ThrowError", 2), timeout=0.2)
    assert refusal.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    while it.two.running:
        await asyncio.sleep(0)
    assert it.two.cancelled == 1


async def test_an_owner_that_has_gone_makes_its_calls_unavailable_and_no_others(it: Cluster):
    held = asyncio.ensure_future(ask(it, "ThrowError", request("ThrowError", 2)))
    while not it.two.running:
        await asyncio.sleep(0)
    await it.links[1].stop(0)
    for call in (held, ask(it, "CompleteJob", request("CompleteJob", 2))):
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await call
        assert refusal.value.code() == grpc.StatusCode.UNAVAILABLE
    assert await ask(it, "CompleteJob", request("CompleteJob", 1))
    assert len(it.two.asked) == 1


async def test_a_partition_that_nobody_leads_is_unavailable(it: Cluster):
    it.moving = True
    with pytest.raises(grpc.aio.AioRpcError, match="Expected a process that leads partition 2, but found none"):
        await ask(it, "CompleteJob", request("CompleteJob", 2))


async def test_a_call_is_never_forwarded_twice(it: Cluster):
    """Process 2 believes that partition 2 is elsewhere, too: it answers itself, and does not send the call back."""
    message = request("CompleteJob", 2)
    assert await it.links[0].call(2, COMPLETE, message) == message
    assert it.two.asked == [message]


async def test_bytes_that_are_no_message_are_answered_here(it: Cluster):
    assert await ask(it, "CompleteJob", b"\xff\xff") == b"\xff\xff"
    assert it.one.asked == [b"\xff\xff"]
