"""The door alone, on a real server: callers, statuses, details; and the translation of single values."""

import asyncio
import logging
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from osmia_broker.auth import User
from osmia_broker.base.errors import InvalidArgument, NotFound, OsmiaError, Overloaded, StoreFull, TimedOut, Unavailable
from osmia_broker.calls import Caller
from osmia_broker.gateway import wire as messages
from osmia_broker.gateway.door import Door
from osmia_broker.gateway.server import parse_address, rpc_server
from osmia_broker.metrics import GatewayCounters
from osmia_proto import gateway
from osmia_proto.methods import GATEWAY
from tests.calls.scripted import job
from tests.gateway.conftest import Wire
from tests.patience import ANSWER_S


class Scripted:
    """A servicer whose calls do what a test says."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.callers: list[Caller] = []
        self.entered = asyncio.Event()
        self.may_go_on = asyncio.Event()

    async def CompleteJob(self, request: Any) -> Any:  # noqa: N802
        if self.error is not None:
            raise self.error
        return gateway.CompleteJobResponse()

    async def FailJob(self, request: Any, caller: Caller) -> Any:  # noqa: N802
        self.callers.append(caller)
        self.entered.set()
        await self.may_go_on.wait()
        return gateway.FailJobResponse()

    async def StreamActivatedJobs(self, request: Any, caller: Caller) -> AsyncIterator[Any]:  # noqa: N802
        self.callers.append(caller)
        yield gateway.ActivatedJob(worker=caller.user)
        if self.error is not None:
            raise self.error
        self.entered.set()
        await self.may_go_on.wait()


class Served:
    def __init__(self, grpc_server: str) -> None:
        self.servicer = Scripted()
        self.counters = GatewayCounters()
        self.door = Door(self.counters)
        self.server = rpc_server(grpc_server, self.door.rpcs(GATEWAY, self.servicer), message_bytes_max=4 * 1024**2)


@pytest.fixture
async def it(grpc_server: str) -> AsyncIterator[Served]:
    served = Served(grpc_server)
    port = await served.server.start("127.0.0.1", 0)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        served.wire = Wire(channel)  # type: ignore[attr-defined]
        yield served
    await served.server.stop(None)


def call(it: Served, name: str, metadata: tuple[tuple[str, Any], ...] = ()) -> Any:
    method = GATEWAY[name]
    channel = it.wire._channel  # type: ignore[attr-defined]
    kind = channel.unary_stream if method.server_streaming else channel.unary_unary
    return kind(method.full_name, method.request.SerializeToString, method.response.FromString)(
        method.request(), metadata=metadata
    )


# --- the end


class Waiting:
    """A guard that lets a call in when the test says so."""

    def __init__(self) -> None:
        self.asked, self.may_go_on = asyncio.Event(), asyncio.Event()

    async def identify(self, _authorization: str) -> User:
        self.asked.set()
        await self.may_go_on.wait()
        return User("ada")


async def test_a_call_that_is_admitted_while_the_door_closes_is_waited_for():
    guard, servicer = Waiting(), Scripted()
    door = Door(GatewayCounters(), guard)  # type: ignore[arg-type]
    (rpc,) = (one for one in door.rpcs(GATEWAY, servicer) if one.path.endswith("/FailJob"))
    head = SimpleNamespace(invocation_metadata=lambda: (), time_remaining=lambda: None)

    async def carried() -> bytes:
        assert rpc.admit is not None
        return await rpc.answer(b"", await rpc.admit(head))

    carrying = asyncio.ensure_future(carried())
    await guard.asked.wait()
    closing = asyncio.ensure_future(door.idle())
    guard.may_go_on.set()
    await servicer.entered.wait()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not closing.done()
    servicer.may_go_on.set()
    await asyncio.wait_for(asyncio.gather(carrying, closing), ANSWER_S)


# --- the log


NAMED = ("osmia-request-id", "a1b2c3d4")


async def test_a_defect_is_in_the_log_under_the_name_that_the_caller_gave_to_the_call(it: Served, caplog: Any):
    it.servicer.error = RuntimeError("broken")
    with pytest.raises(grpc.aio.AioRpcError):
        await call(it, "CompleteJob", (NAMED,))
    (record,) = (one for one in caplog.records if one.message == "call failed")
    assert (record.method, record.request_id) == ("CompleteJob", "a1b2c3d4")


@pytest.mark.parametrize(
    ("metadata", "name"), [((), ""), ((NAMED,), "a1b2c3d4"), ((("osmia-request-id", "x" * 65),), "")]
)
async def test_a_refusal_is_in_the_log_at_debug(it: Served, caplog: Any, metadata: tuple[Any, ...], name: str):
    caplog.set_level(logging.DEBUG, "osmia_broker.gateway.door")
    it.servicer.error = NotFound("complete", "job", 7)
    with pytest.raises(grpc.aio.AioRpcError):
        await call(it, "CompleteJob", metadata)
    (record,) = (one for one in caplog.records if one.message == "call refused")
    assert (record.method, record.status, record.request_id) == ("CompleteJob", "NOT_FOUND", name)


# --- callers


async def test_a_handler_that_takes_a_caller_gets_their_name_and_metadata(it: Served):
    it.servicer.may_go_on.set()
    await call(it, "FailJob", (("osmia-user", "ada"), ("x-other", "1"), ("x-raw-bin", b"\x00\xff")))
    (caller,) = it.servicer.callers
    assert caller.user == "ada"
    assert caller.metadata["x-other"] == "1"
    assert "x-raw-bin" not in caller.metadata
    assert not caller.is_gone


async def test_a_caller_without_metadata_has_no_name(it: Served):
    it.servicer.may_go_on.set()
    await call(it, "FailJob")
    assert it.servicer.callers[0].user == ""


async def test_a_stream_has_a_caller_too(it: Served):
    stream = call(it, "StreamActivatedJobs", (("osmia-user", "bob"),))
    assert (await asyncio.wait_for(stream.read(), ANSWER_S)).worker == "bob"
    stream.cancel()


@pytest.mark.parametrize("name", ["FailJob", "StreamActivatedJobs"])
async def test_a_caller_who_cancels_is_gone(it: Served, name: str):
    running = call(it, name)
    if GATEWAY[name].server_streaming:
        await running.read()
    await asyncio.wait_for(it.servicer.entered.wait(), ANSWER_S)
    (caller,) = it.servicer.callers
    assert not caller.is_gone
    running.cancel()
    await asyncio.wait_for(it.door.idle(), ANSWER_S)
    assert caller.is_gone


async def test_a_caller_who_is_answered_is_not_reported_as_gone(it: Served):
    running = call(it, "FailJob")
    await asyncio.wait_for(it.servicer.entered.wait(), ANSWER_S)
    it.servicer.may_go_on.set()
    await running
    await call(it, "CompleteJob")
    assert not it.servicer.callers[0].is_gone


# --- statuses and details


async def refusal(it: Served, error: Exception) -> grpc.aio.AioRpcError:
    it.servicer.error = error
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(it, "CompleteJob")
    return refused.value


@pytest.mark.parametrize(
    "error", [NotFound("x"), InvalidArgument("x"), Overloaded("x"), Unavailable("x"), TimedOut("x"), StoreFull("x")]
)
async def test_an_error_travels_as_its_own_status(it: Served, error: OsmiaError):
    found = await refusal(it, error)
    assert (found.code().name, found.details()) == (error.status, "x")
    assert it.counters.requests == {("CompleteJob", error.status): 1}


async def test_a_defect_is_internal_and_logged_and_says_nothing_of_the_inside(
    it: Served, caplog: pytest.LogCaptureFixture
):
    found = await refusal(it, KeyError("secret"))
    assert (found.code(), found.details()) == (
        grpc.StatusCode.INTERNAL,
        "Expected CompleteJob to succeed, but found a defect: KeyError",
    )
    assert "secret" in caplog.text


async def test_bytes_that_are_no_message_are_refused_and_counted(it: Served):
    channel = it.wire._channel  # type: ignore[attr-defined]
    unary = channel.unary_unary(GATEWAY["CompleteJob"].full_name)
    stream = channel.unary_stream(GATEWAY["ActivateJobs"].full_name)
    for answer in (unary(b"\xff\xff"), stream(b"\xff\xff").read()):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await answer
        assert refused.value.code() is grpc.StatusCode.INTERNAL
        assert "but found other bytes" in (refused.value.details() or "")
    assert set(it.counters.requests) == {("CompleteJob", "INTERNAL"), ("ActivateJobs", "INTERNAL")}


@pytest.mark.parametrize("text", ["x" * 50_000, "字" * 50_000, "😀é%\n" * 20_000, "half \ud800 of a pair"])
async def test_details_stay_small_enough_to_travel(it: Served, text: str):
    """Above 8 KiB of headers a client replaces the status by one of its own."""
    found = await refusal(it, NotFound(text))
    assert found.code() is grpc.StatusCode.NOT_FOUND
    assert (found.details() or "")[:5] == text[:5]
    assert 4 <= len(found.details() or "") <= 1_000


async def test_a_stream_that_fails_keeps_what_it_sent_and_tells_its_status(it: Served):
    it.servicer.error = Unavailable("over")
    stream = call(it, "StreamActivatedJobs")
    await stream.read()
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stream.read()
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert it.counters.streams_open["StreamActivatedJobs",] == 0


async def test_a_call_without_a_method_is_unimplemented(it: Served):
    for name in ("Topology", "ActivateJobs"):
        running = call(it, name)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await (running.read() if GATEWAY[name].server_streaming else running)
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_the_door_knows_when_no_call_is_being_answered(it: Served):
    await it.door.idle()
    running = call(it, "FailJob")
    await asyncio.wait_for(it.servicer.entered.wait(), ANSWER_S)
    idle = asyncio.ensure_future(it.door.idle())
    await asyncio.sleep(0)
    assert not idle.done()
    it.servicer.may_go_on.set()
    await asyncio.wait_for(idle, ANSWER_S)
    await running


# --- single values


@pytest.mark.parametrize(
    ("stored", "sent"), [(0, 0), (2**31 - 1, 2**31 - 1), (5_000_000_000, 2**31 - 1), (-(2**40), -(2**31))]
)
def test_retries_beyond_the_wire_do_not_spoil_the_answer(stored: int, sent: int):
    row = job(1)
    given = {name: getattr(row, name) for name in row.__struct_fields__} | {"retries": stored}
    assert messages.job(SimpleNamespace(**given)).retries == sent  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("", ("", 0)),
        ("broker.example", ("broker.example", 0)),
        ("broker.example:26500", ("broker.example", 26500)),
        ("10.0.0.1", ("10.0.0.1", 0)),
        ("[::1]:26500", ("::1", 26500)),
        ("[::1]", ("::1", 0)),
        ("fe80::1", ("fe80::1", 0)),
        (":26500", ("", 26500)),
    ],
)
def test_an_advertised_address_may_lack_its_port(text: str, address: tuple[str, int]):
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["host:", "host:x", "host:-1", "host:65536", "host:²", "[::1]:x"])
def test_an_address_with_a_port_that_is_none_is_refused(text: str):
    with pytest.raises(ValueError, match=r"HOST or HOST:PORT, but found"):
        parse_address(text)
