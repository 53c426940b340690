"""A creation with an idempotency key happens once, however often it is repeated."""

import asyncio

import pytest

import osmia
from tests.bpmn import bpmn
from tests.doors import RunningBroker

DAY_MS = 24 * 3_600_000


@pytest.fixture
def client(gateway_broker: RunningBroker) -> osmia.SyncClient:
    return gateway_broker.client


def test_a_repeated_creation_returns_the_first_instance(client: osmia.SyncClient, unique: str):
    client.deploy((f"{unique}.bpmn", bpmn("start > a:job > end", id=unique)))
    first = client.create_instance(unique, {"n": 1}, idempotency_key=unique)
    again = client.create_instance(unique, {"n": 2}, idempotency_key=unique)
    assert first.key == again.key
    assert client.create_instance(unique, idempotency_key=f"{unique}2").key != first.key
    assert client.create_instance(unique).key != first.key


def test_a_key_that_is_too_long_is_refused(client: osmia.SyncClient, unique: str):
    client.deploy((f"{unique}.bpmn", bpmn("start > end", id=unique)))
    with pytest.raises(osmia.InvalidArgument, match="at most 256 characters, but found 257"):
        client.create_instance(unique, idempotency_key="k" * 257)


def test_a_refused_creation_is_not_remembered(client: osmia.SyncClient, unique: str):
    with pytest.raises(osmia.NotFound):
        client.create_instance(unique, idempotency_key=unique)
    client.deploy((f"{unique}.bpmn", bpmn("start > a:job > end", id=unique)))
    assert client.create_instance(unique, idempotency_key=unique).key > 0


def test_a_creation_is_forgotten_after_a_day(gateway_broker: RunningBroker, client: osmia.SyncClient, unique: str):
    client.deploy((f"{unique}.bpmn", bpmn("start > a:job > end", id=unique)))
    first = client.create_instance(unique, idempotency_key=unique)
    gateway_broker.clock.ms += DAY_MS
    gateway_broker.look_at_clock()
    assert client.create_instance(unique, idempotency_key=unique).key != first.key


def test_repetitions_at_the_same_moment_make_one_instance(gateway_broker: RunningBroker, unique: str):
    async def together() -> set[int]:
        async with osmia.Client(gateway_broker.address) as client:
            await client.deploy((f"{unique}.bpmn", bpmn("start > a:job > end", id=unique)))
            calls = (client.create_instance(unique, idempotency_key=unique) for _ in range(20))
            return {created.key for created in await asyncio.gather(*calls)}

    assert len(asyncio.run(together())) == 1
