"""The trace context of a caller travels in the header `traceparent` of the jobs that their call has caused.

Every fact is played with ample memory and with none at all, where each command reads its rows from the store again.
"""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from osmia_broker.calls.caller import Caller, read_traceparent
from osmia_broker.engine import commands
from osmia_broker.state.rows import InstanceOrigin
from tests.partition.opened import Opened, activate, complete, create, deploy, opened

FIRST = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SECOND = "00-11111111111111111111111111111111-2222222222222222-00"
WAITING = deploy('start > m:catch(message=go, key="=k") > a:job > end')
STARTED = deploy("s:start(message=go) > a:job > end")


@pytest.fixture(params=[1, 24 * 1024**2], ids=["no memory", "memory"])
def memory(request: pytest.FixtureRequest) -> Any:
    return {"memory_bytes": request.param}


def started(traceparent: str, **variables: str) -> commands.CreateProcessInstance:
    return replace(create(**variables), traceparent=traceparent)


def publish(traceparent: str, ttl_ms: int = 0, key: str = "1") -> commands.PublishMessage:
    return commands.PublishMessage("go", key, ttl_ms, "", {}, traceparent=traceparent)


async def header(it: Opened, type: str = "a") -> str | None:
    """The header of the one job of this type, which is completed."""
    [job] = await it.do(activate(type))
    await it.do(complete(job))
    found: str | None = json.loads(job.headers).get("traceparent")
    return found


# --- the instance


async def test_every_job_of_an_instance_has_the_trace_context_of_its_creator(memory: dict[str, int]):
    async with opened(**memory) as it:
        await it.do(deploy("start > a:job > b:job > end"))
        await it.do(started(FIRST))
        assert await header(it, "a") == FIRST
        assert await header(it, "b") == FIRST


async def test_without_one_there_is_no_header_and_no_row(memory: dict[str, int]):
    async with opened(**memory) as it:
        await it.do(deploy("start > a:job > end"))
        await it.do(started(""))
        assert it.store.living(InstanceOrigin) == []
        [job] = await it.do(activate("a"))
        assert job.headers == "{}"


async def test_headers_of_the_model_stay_and_one_of_this_name_wins():
    async with opened() as it:
        await it.do(deploy("start > a:job(header.region=north) > b:job(header.traceparent=mine) > end"))
        await it.do(started(FIRST))
        [job] = await it.do(activate("a"))
        assert json.loads(job.headers) == {"traceparent": FIRST, "region": "north"}
        await it.do(complete(job))
        assert await header(it, "b") == "mine"


async def test_a_user_task_that_is_a_job_has_it_beside_its_own_headers():
    async with opened() as it:
        await it.do(deploy("start > a:user(assignee=ada) > end"))
        await it.do(started(FIRST))
        [job] = await it.do(activate("io.camunda.zeebe:userTask"))
        assert json.loads(job.headers) == {"traceparent": FIRST, "io.camunda.zeebe:assignee": "ada"}


async def test_called_instances_have_that_of_their_caller(memory: dict[str, int]):
    async with opened(**memory) as it:
        await it.do(deploy("start > a:job > end", id="child"))
        await it.do(deploy("start > c:call(process=child) > end"))
        await it.do(started(FIRST))
        assert await header(it) == FIRST


async def test_a_repeated_creation_changes_nothing():
    async with opened() as it:
        await it.do(deploy("start > a:job > end"))
        await it.do(replace(started(FIRST), idempotency_key="once"))
        await it.do(replace(started(SECOND), idempotency_key="once"))
        assert await header(it) == FIRST


# --- messages


@pytest.mark.parametrize("ttl_ms", [0, 60_000])
async def test_an_instance_that_a_message_starts_has_that_of_its_publisher(memory: dict[str, int], ttl_ms: int):
    async with opened(**memory) as it:
        await it.do(STARTED)
        await it.do(publish(FIRST, ttl_ms))
        assert await header(it) == FIRST


async def test_a_message_without_a_key_starts_with_it_too():
    async with opened() as it:
        await it.do(STARTED)
        await it.do(publish(FIRST, key=""))
        assert await header(it) == FIRST


async def test_the_next_message_with_the_key_starts_with_its_own(memory: dict[str, int]):
    async with opened(**memory) as it:
        await it.do(STARTED)
        await it.do(publish(FIRST, 60_000))
        await it.do(publish(SECOND, 60_000))
        assert await header(it) == FIRST
        await it.settled()
        assert await header(it) == SECOND


@pytest.mark.parametrize("before", [True, False], ids=["waits first", "published first"])
@pytest.mark.parametrize("of_instance", ["", FIRST], ids=["instance without", "instance with"])
async def test_a_message_that_reaches_an_instance_is_the_cause_from_then_on(
    memory: dict[str, int], before: bool, of_instance: str
):
    async with opened(**memory) as it:
        await it.do(WAITING)
        steps = [started(of_instance, k='"1"'), publish(SECOND, 60_000)]
        for step in steps if before else steps[::-1]:
            await it.do(step)
        await it.settled()
        assert await header(it) == SECOND


async def test_a_message_without_one_leaves_that_of_the_instance(memory: dict[str, int]):
    async with opened(**memory) as it:
        await it.do(WAITING)
        await it.do(started(FIRST, k='"1"'))
        await it.do(publish(""))
        assert await header(it) == FIRST


async def test_a_message_that_is_correlated_at_once_brings_it_too():
    async with opened() as it:
        await it.do(WAITING)
        await it.do(started("", k='"1"'))
        await it.do(commands.CorrelateAtOnce("go", "1", {}, traceparent=SECOND))
        assert await header(it) == SECOND


# --- what callers write


LATER = FIRST.replace("00-", "01-", 1)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (FIRST, FIRST),
        (SECOND, SECOND),
        (f" {FIRST} ", FIRST),
        (FIRST[:-2] + "ff", FIRST[:-2] + "ff"),
        (LATER, FIRST),
        (LATER + "-more-than-we-know", FIRST),
        (LATER[:-2] + "fe-x", FIRST[:-2] + "00"),
    ],
)
def test_what_is_valid_is_written_as_version_00(text: str, read: str):
    assert Caller({"traceparent": text}).traceparent == read


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        FIRST[:-1],
        FIRST + "0",
        FIRST + "-more",
        FIRST.upper(),
        FIRST.replace("00-", "ff-", 1),
        FIRST.replace("-", "_"),
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01",
        LATER + "x",
        f"{FIRST}\n{SECOND}",
        f"{FIRST}\n{FIRST}",
    ],
)
def test_what_is_not_valid_is_passed_over(text: str):
    assert Caller({"traceparent": text}).traceparent == ""
    assert read_traceparent(text) == ""
