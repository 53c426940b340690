"""Connecting over a line with a long round trip, and the reasons of failures to connect."""

import asyncio

import pytest
from scripted_gateway import ScriptedGateway
from slow_line import SlowLine

from osmia import Client, Worker, errors


async def test_a_client_connects_over_a_line_of_300_ms(gateway: ScriptedGateway) -> None:
    async with SlowLine(gateway.address) as line, Client(line.address) as client:
        await client.topology()
    assert gateway.asked("Topology")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_worker_works_over_a_line_of_300_ms(gateway: ScriptedGateway, stream: bool) -> None:
    async with SlowLine(gateway.address) as line, Client(line.address) as client:
        worker = Worker(client, max_jobs=1, stream=stream)

        @worker.job("t")
        async def work() -> None: ...

        keys = [await gateway.add_job("t") for _ in range(2)]
        async with worker:
            await gateway.until(lambda: set(keys) <= gateway.ended.keys())


async def test_a_call_that_is_still_connecting_says_so() -> None:
    async with SlowLine("127.0.0.1:1", silent=True) as line, Client(line.address, call_timeout_ms=100) as client:
        with pytest.raises(
            errors.Timeout, match=f"Expected a connection to {line.address} within 0.1 s, but found none"
        ):
            await client.topology()


async def test_a_call_that_is_connected_does_not_blame_the_connection(gateway: ScriptedGateway) -> None:
    async with Client(gateway.address, call_timeout_ms=100) as client:
        await client.topology()
        gateway.hold("CreateProcessInstance")
        with pytest.raises(errors.Timeout) as raised:
            await client.create_instance("p")
        assert "connection" not in str(raised.value)
        gateway.let_go("CreateProcessInstance")


async def test_a_refused_connection_is_unavailable_with_the_reason() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with Client(f"127.0.0.1:{port}") as client:
        with pytest.raises(errors.Unavailable, match="Connection refused"):
            await client.topology()
