"""The server on real sockets: what frames alone do not show."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator

import grpc
import pytest

from osmia_broker.base import ports
from osmia_broker.h2 import Limits
from osmia_broker.rpc.python_server import PythonServer, limits_for
from tests.h2.peer import Served
from tests.patience import ANSWER_S

MB = 1024**2


class Running:
    def __init__(self) -> None:
        self.served = Served()
        self.server = PythonServer(self.served.rpcs().values(), message_bytes_max=4 * MB)


@pytest.fixture
async def it() -> AsyncIterator[Running]:
    running = Running()
    port = await running.server.start("127.0.0.1", 0)
    running.address = f"127.0.0.1:{port}"  # type: ignore[attr-defined]
    options = [("grpc.max_receive_message_length", -1)]
    async with grpc.aio.insecure_channel(running.address, options=options) as channel:  # type: ignore[attr-defined]
        running.channel = channel  # type: ignore[attr-defined]
        yield running
    await running.server.stop(None)


async def test_many_of_the_largest_messages_may_travel_at_once(it: Running):
    echo = it.channel.unary_unary("/t.T/Echo")  # type: ignore[attr-defined]
    messages = [bytes((number,)) * 4 * MB for number in range(8)]
    answers = await asyncio.gather(*(echo(message) for message in messages))
    assert answers == messages
    assert it.server._site is not None
    assert it.server._site.held_bytes == 0


async def test_more_calls_than_a_connection_may_have_wait_for_their_turn(it: Running):
    hold = it.channel.unary_unary("/t.T/Hold")  # type: ignore[attr-defined]
    calls = [asyncio.ensure_future(hold(b"%d" % number)) for number in range(1_500)]
    while it.served.running < 1_000:
        await asyncio.sleep(0)
    it.served.may_go_on.set()
    assert await asyncio.gather(*calls) == [b"%d" % number for number in range(1_500)]


async def test_a_port_that_is_taken_is_an_error(it: Running):
    port = int(it.address.rpartition(":")[2])  # type: ignore[attr-defined]
    second = PythonServer([], message_bytes_max=MB)
    with pytest.raises(OSError, match=f"Expected to listen on port {port} of 127.0.0.1, but found"):
        await second.start("127.0.0.1", port)
    await second.stop(None)


async def test_every_address_of_a_name_has_the_same_port():
    server = PythonServer(Served().rpcs().values(), message_bytes_max=MB)
    port = await server.start("localhost", 0)
    ports = {one.sockets[0].getsockname()[1] for one in server._listeners}
    assert ports == {port}
    await server.stop(None)


async def test_a_stop_with_grace_waits_for_the_answer_and_one_without_does_not(it: Running):
    hold = it.channel.unary_unary("/t.T/Hold")  # type: ignore[attr-defined]
    call = asyncio.ensure_future(hold(b"kept"))
    while not it.served.running:
        await asyncio.sleep(0)
    stopping = asyncio.ensure_future(it.server.stop(3600))
    await asyncio.sleep(0)
    it.served.may_go_on.set()
    assert await asyncio.wait_for(call, ANSWER_S) == b"kept"
    await asyncio.wait_for(stopping, ANSWER_S)

    other = Running()
    port = await other.server.start("127.0.0.1", 0)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = asyncio.ensure_future(channel.unary_unary("/t.T/Hold")(b"lost"))
        while not other.served.running:
            await asyncio.sleep(0)
        await asyncio.wait_for(other.server.stop(None), ANSWER_S)
        with pytest.raises(grpc.aio.AioRpcError):
            await call
    assert other.served.cancelled == 1


async def test_a_server_that_stops_takes_no_more_connections(it: Running):
    await it.server.stop(None)
    host, _, port = it.address.rpartition(":")  # type: ignore[attr-defined]
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((host, int(port)), ANSWER_S)


def test_the_bounds_grow_with_the_largest_message():
    assert limits_for(4 * MB) == Limits()
    assert limits_for(100 * MB).held_bytes == 400 * MB
    assert limits_for(100 * MB).held_bytes_in_all == 1_600 * MB


# --- a port for several processes


@pytest.fixture
def reserved() -> Iterator[int]:
    if not ports.SHARED_PORTS:
        pytest.skip("this system does not spread the connections of one port")
    held, port = ports.reserve("127.0.0.1", 0)
    yield port
    held.close()


async def shared(port: int) -> PythonServer:
    server = PythonServer(Served().rpcs().values(), message_bytes_max=MB, shares_port=True)
    assert await server.start("127.0.0.1", port) == port
    return server


async def echo(port: int) -> bytes:
    async with grpc.aio.insecure_channel(
        f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)]
    ) as channel:
        answer: bytes = await asyncio.wait_for(channel.unary_unary("/t.T/Echo")(b"x"), ANSWER_S)
        return answer


async def test_servers_that_share_a_port_take_its_connections_among_them(reserved: int):
    servers = [await shared(reserved) for _ in range(2)]
    assert [await echo(reserved) for _ in range(8)] == [b"x"] * 8  # wherever each connection went
    await servers[0].stop(None)
    assert [await echo(reserved) for _ in range(8)] == [b"x"] * 8
    await servers[1].stop(None)


async def test_a_server_that_does_not_share_cannot_have_a_shared_port(reserved: int):
    server = await shared(reserved)
    other = PythonServer([], message_bytes_max=MB)
    with pytest.raises(OSError, match=f"Expected to listen on port {reserved}"):
        await other.start("127.0.0.1", reserved)
    await server.stop(None)


@pytest.mark.parametrize("shares", [False, True])
async def test_a_port_at_which_somebody_listens_is_not_reserved(shares: bool, reserved: int):
    server = PythonServer([], message_bytes_max=MB, shares_port=shares)
    port = await server.start("127.0.0.1", reserved if shares else 0)
    with pytest.raises(OSError, match=r"(?i)address already in use"):
        ports.reserve("127.0.0.1", port)
    await server.stop(None)


async def test_a_reserved_port_takes_no_connections_itself(reserved: int):
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", reserved)
