"""`kill -9` again and again under load, with the books kept on the client's side (reliability.md, promises 1 to 5 and 7)."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

import osmia
from osmia_broker.running.child import ChildBroker
from tests.process.books import AWAY, Books, deploy

pytestmark = pytest.mark.process

ROUNDS = 4
CREATORS = 4
WORKERS = 3


async def until_away(client: osmia.Client, work: Callable[[osmia.Client], Awaitable[None]]) -> None:
    """Do *work* until the broker is gone."""
    with suppress(*AWAY):
        while True:
            await work(client)


async def one_round(broker: ChildBroker, books: Books) -> None:
    """Load the broker until some more were created, and kill it in the middle of it."""
    async with osmia.Client(broker.address) as client:
        callers = [books.create] * CREATORS + [books.work] * WORKERS
        tasks = [asyncio.ensure_future(until_away(client, work)) for work in callers]
        await books.more(60)
        await asyncio.to_thread(broker.kill)
        await asyncio.wait_for(asyncio.gather(*tasks), 60)


async def test_nothing_acknowledged_is_lost_and_nothing_is_done_twice(tmp_path: Path, grpc_server: str):
    broker, books = ChildBroker(tmp_path / "data", flags=("--grpc-server", grpc_server)), Books()
    await asyncio.to_thread(broker.start)
    await deploy(broker)
    for _ in range(ROUNDS):
        await one_round(broker, books)
        await asyncio.to_thread(broker.start)
    try:
        await books.check(broker, unanswered=ROUNDS * CREATORS)
    finally:
        await asyncio.to_thread(broker.stop)
