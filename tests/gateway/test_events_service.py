"""`osmia.v1.Events` over gRPC: the SDK's stream, and the statuses of what is refused."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

import osmia
from osmia.results import EventKind
from osmia_proto import queries
from osmia_proto.methods import EVENTS
from tests.bpmn import bpmn
from tests.running_broker import RunningBroker, running_broker

MODEL = "start > ask:user > end"


@pytest.fixture
async def client(gateway_broker: RunningBroker) -> AsyncIterator[osmia.Client]:
    async with osmia.Client(gateway_broker.address) as client:
        yield client


async def deployed(client: osmia.Client, id: str) -> None:
    await client.deploy((f"{id}.bpmn", bpmn(MODEL, id=id)))


async def until(stream: Any, intent: str) -> list[Any]:
    """The events up to the first with this intent."""
    events = []
    async for event in stream:
        events.append(event)
        if event.intent == intent:
            break
    return events


async def test_a_reader_follows_an_instance_to_its_end(client: osmia.Client, unique: str):
    await deployed(client, unique)
    stream = client.events(bpmn_process_id=unique, kinds=[EventKind.PROCESS_INSTANCE, "USER_TASK"])
    first = asyncio.ensure_future(anext(stream))
    while not (await client.event_log()).is_recording:
        await asyncio.sleep(0)
    key = (await client.create_instance(unique, {"n": 1})).key
    await client.cancel_instance(key)
    events = [await first, *await until(stream, "canceled"), await anext(stream)]
    await stream.aclose()
    assert [(one.kind, one.intent) for one in events] == [
        ("PROCESS_INSTANCE", "created"),
        ("USER_TASK", "created"),
        ("USER_TASK", "canceled"),
        ("PROCESS_INSTANCE", "canceled"),
    ]
    assert {one.process_instance_key for one in events} == {key}
    assert events[1].element_id == "ask"


async def test_a_second_reader_goes_on_behind_the_first(client: osmia.Client, unique: str):
    await deployed(client, unique)
    position = (await client.event_log()).newest_position
    async for _ in client.events(after=position, follow=False):
        pass
    stream = client.events(bpmn_process_id=unique)
    asking = asyncio.ensure_future(anext(stream))
    while not (await client.event_log()).is_recording:
        await asyncio.sleep(0)
    await client.create_instance(unique, {"n": 1.5})
    position = (await asking).position
    await stream.aclose()
    rest = [one async for one in client.events(bpmn_process_id=unique, after=position, follow=False)]
    assert rest[0].kind == "VARIABLE"
    assert rest[0].details["value"] == 1.5
    assert rest[0].position > position
    assert [one.element_id for one in rest if one.kind == "USER_TASK"] == ["ask"]


async def test_a_reader_that_gives_up_waiting_can_ask_again(client: osmia.Client, unique: str):
    await deployed(client, unique)
    async with client.events(bpmn_process_id=unique, kinds=["USER_TASK"]) as stream:
        for _ in range(2):
            waiting = asyncio.ensure_future(anext(stream))
            while not stream._through:
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        await client.create_instance(unique)
        assert (await anext(stream)).intent == "created"


async def test_a_stream_that_has_ended_stays_ended(client: osmia.Client):
    stream = client.events(follow=False)
    for _ in range(2):
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


Refused = tuple[dict[str, Any], str, str]


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [
        ({"after": [1]}, "OUT_OF_RANGE", "Expected a position of "),
        ({"after": [-1]}, "OUT_OF_RANGE", "but found -1"),
        ({"after": [2**63 - 1]}, "INVALID_ARGUMENT", "the newest one"),
        ({"after": [1, 2]}, "INVALID_ARGUMENT", "one position, as there is one partition, but found 2"),
        ({"after": [1], "from_oldest": True}, "INVALID_ARGUMENT", "but found both"),
        ({"kinds": [99]}, "INVALID_ARGUMENT", "kinds of events from 1 to 7, but found 99"),
        ({"kinds": [0]}, "INVALID_ARGUMENT", "but found 0"),
    ],
)
async def test_what_is_refused(gateway_broker: RunningBroker, fields: dict[str, Any], status: str, text: str):
    async with grpc.aio.insecure_channel(gateway_broker.address) as channel:
        method = EVENTS["FollowEvents"]
        call = channel.unary_stream(method.full_name, method.request.SerializeToString, method.response.FromString)
        with pytest.raises(grpc.aio.AioRpcError, match=text) as refused:
            await call(queries.FollowEventsRequest(**fields)).read()
    assert refused.value.code().name == status


async def test_a_lost_position_is_an_error_of_its_own(client: osmia.Client):
    with pytest.raises(osmia.OutOfRange):
        await anext(client.events(after=1))


async def test_a_broken_call_is_refused_before_it_is_sent(client: osmia.Client):
    with pytest.raises(ValueError, match="found both"):
        client.events(after=1, from_oldest=True)
    with pytest.raises(ValueError, match="NO_SUCH"):
        client.events(kinds=["NO_SUCH"])


async def test_a_stream_comes_back_by_itself_when_the_broker_does(tmp_path_factory: pytest.TempPathFactory):
    with running_broker(tmp_path_factory.mktemp("events")) as broker:
        broker.client.deploy(("p.bpmn", bpmn(MODEL, id="p")))
        async with osmia.Client(broker.address) as client:
            stream = client.events(kinds=["PROCESS_INSTANCE"])
            asking = asyncio.ensure_future(anext(stream))
            while not (await client.event_log()).is_recording:
                await asyncio.sleep(0)
            keys = [broker.client.create_instance("p").key]
            seen = [(await asking).key]
            await asyncio.to_thread(broker.restart)
            keys.append((await asyncio.to_thread(broker.client.create_instance, "p")).key)
            seen.append((await anext(stream)).key)
            await stream.aclose()
    assert seen == keys


async def test_the_first_connection_that_fails_is_told():
    async with osmia.Client("127.0.0.1:1") as client:
        with pytest.raises(osmia.Unavailable):
            await anext(client.events())
