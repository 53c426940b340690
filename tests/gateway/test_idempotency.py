"""A creation with an idempotency key happens once, however often it is repeated."""

import asyncio
from typing import Any

import pytest

import osmia
from tests.bpmn import bpmn
from tests.running_broker import RunningBroker

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


# --- with the result


def with_result(client: osmia.SyncClient, process: str, key: str, names: tuple[str, ...] = ()) -> dict[str, Any]:
    """The result of a creation with an idempotency key."""
    return dict(
        client.create_instance_with_result(
            process, {"n": 1, "m": 2}, fetch_variables=names, idempotency_key=key
        ).variables
    )


def test_a_repeated_creation_has_the_first_result_also_after_the_end(client: osmia.SyncClient, unique: str):
    client.deploy((f"{unique}.bpmn", bpmn("start > end", id=unique)))
    assert with_result(client, unique, unique) == {"n": 1, "m": 2}
    assert with_result(client, unique, unique) == {"n": 1, "m": 2}
    assert with_result(client, unique, unique, ("m", "other")) == {"m": 2}
    assert client.create_instance(unique, idempotency_key=unique).key > 0


def test_the_first_result_has_the_variables_of_the_end(client: osmia.SyncClient, unique: str):
    client.deploy((f"{unique}.bpmn", bpmn(f"start > a:job(type={unique}) > end", id=unique)))
    first = client.create_instance(unique, {"n": 1}, idempotency_key=unique)
    [job] = client.activate_jobs(unique, max_jobs=1)
    client.complete_job(job.key, {"n": 5, "done": True})
    again = client.create_instance_with_result(unique, idempotency_key=unique)
    assert (again.key, again.variables) == (first.key, {"n": 5, "done": True})


def test_an_instance_that_was_canceled_has_no_result(client: osmia.SyncClient, unique: str):
    client.deploy((f"{unique}.bpmn", bpmn("start > a:job > end", id=unique)))
    first = client.create_instance(unique, idempotency_key=unique)
    client.cancel_instance(first.key)
    with pytest.raises(osmia.InvalidState, match=f"'{first.key}' .* but it was terminated, so it has no result"):
        with_result(client, unique, unique)
