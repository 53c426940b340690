"""Marks of process instances: business ids, tags, an end after an element, and creations that are repeated (contract-8.10.md, section 2).

Every fact is played with ample memory and with none at all, where each command reads its rows from the store again.
"""

from typing import Any

import pytest
from msgspec.structs import replace

from osmia_broker.base.errors import AlreadyExists, InvalidArgument, InvalidState, NotFound
from osmia_broker.engine import commands
from osmia_broker.engine.marks import RETENTION_MS
from osmia_broker.state.rows import BusinessId, CreatedOnce, ElementInstance, InstanceOrigin
from tests.partition.opened import Opened, activate, complete, create, deploy, opened

DEPLOY = deploy("start > a:job > b:job > end")
CALLING = (
    deploy("start > w:job > end", id="child"),
    deploy("start > c:call(process=child) > a:job > end"),
)
WAITING = deploy('start > m:catch(message=go, key="=k") > end')
STARTED = deploy("s:start(message=go) > a:job > end", id="started")


@pytest.fixture(params=[1, 24 * 1024**2], ids=["no memory", "memory"])
def memory(request: pytest.FixtureRequest) -> Any:
    return {"memory_bytes": request.param}


def marked(id: str = "process", **marks: Any) -> commands.CreateProcessInstance:
    """The command that starts an instance with these marks."""
    return replace(create(id), **marks)


def publish(business_id: str, ttl_ms: int = 0) -> commands.PublishMessage:
    return commands.PublishMessage("go", "1", ttl_ms, "", {}, business_id)


def living(it: Opened, row_type: type) -> list[Any]:
    return it.store.living(row_type)


def running(it: Opened, process_id: str) -> list[int]:
    return [row.key for row in living(it, ElementInstance) if row.element_id == process_id]


# --- business ids


async def test_jobs_and_called_instances_have_the_business_id_of_their_instance(memory: dict[str, int]):
    async with opened(**memory) as it:
        for deployment in CALLING:
            await it.do(deployment)
        created = await it.do(marked(business_id="order-1"))
        assert created.business_id == "order-1"
        [job] = await it.do(activate("w"))
        assert job.business_id == "order-1"
        await it.do(complete(job))
        [job] = await it.do(activate("a"))
        assert job.business_id == "order-1"
        await it.do(complete(job))
        await it.settled()
        assert living(it, BusinessId) == []


async def test_a_business_id_may_be_used_again_unless_the_broker_forbids_it(memory: dict[str, int]):
    async with opened(**memory) as it:
        await it.do(DEPLOY)
        await it.do(marked(business_id="order-1"))
        await it.do(marked(business_id="order-1"))


async def test_a_unique_business_id_is_refused_while_an_instance_lives_that_has_it(memory: dict[str, int]):
    async with opened(unique_business_ids=True, **memory) as it:
        await it.do(DEPLOY)
        await it.do(deploy("start > a:job > end", id="other"))
        first = await it.do(marked(business_id="order-1"))
        with pytest.raises(AlreadyExists, match=f"business id 'order-1', but .*'{first.process_instance_key}' has it"):
            await it.do(marked(business_id="order-1"))
        assert len(running(it, "process")) == 1
        await it.do(marked(business_id="order-2"))
        await it.do(marked("other", business_id="order-1"))
        await it.do(commands.CancelProcessInstance(first.process_instance_key))
        await it.do(marked(business_id="order-1"))


async def test_called_instances_do_not_count_for_uniqueness(memory: dict[str, int]):
    async with opened(unique_business_ids=True, **memory) as it:
        for deployment in CALLING:
            await it.do(deployment)
        await it.do(marked(business_id="order-1"))
        await it.do(marked("child", business_id="order-1"))
        with pytest.raises(AlreadyExists):
            await it.do(marked("child", business_id="order-1"))


async def test_a_business_id_is_assigned_once(memory: dict[str, int]):
    async with opened(**memory) as it:
        await it.do(DEPLOY)
        key = (await it.do(create())).process_instance_key
        await it.do(commands.AssignBusinessId(key, "order-1"))
        await it.do(commands.AssignBusinessId(key, "order-1"))  # a repetition changes nothing
        assert [row.business_id for row in living(it, BusinessId)] == ["order-1"]
        with pytest.raises(InvalidState, match="to have no business id, but found 'order-1'"):
            await it.do(commands.AssignBusinessId(key, "order-2"))
        [job] = await it.do(activate("a"))
        assert job.business_id == "order-1"


async def test_an_assigned_business_id_is_refused_if_it_must_be_unique_and_is_not(memory: dict[str, int]):
    async with opened(unique_business_ids=True, **memory) as it:
        await it.do(DEPLOY)
        await it.do(marked(business_id="order-1"))
        key = (await it.do(create())).process_instance_key
        with pytest.raises(AlreadyExists, match="Expected to assign"):
            await it.do(commands.AssignBusinessId(key, "order-1"))


@pytest.mark.parametrize(("which", "error"), [("child", InvalidState), ("job", NotFound), ("ended", NotFound)])
async def test_only_a_running_root_instance_is_assigned_a_business_id(
    memory: dict[str, int], which: str, error: type[Exception]
):
    async with opened(**memory) as it:
        for deployment in CALLING:
            await it.do(deployment)
        root = (await it.do(create())).process_instance_key
        [job] = await it.do(activate("w"))
        key = {"child": job.process_instance_key, "job": job.key, "ended": root}[which]
        if which == "ended":
            await it.do(commands.CancelProcessInstance(root))
        with pytest.raises(error):
            await it.do(commands.AssignBusinessId(key, "order-1"))
        assert living(it, BusinessId) == []


async def test_a_worker_assigns_the_business_id_with_its_success(memory: dict[str, int]):
    async with opened(**memory) as it:
        await it.do(DEPLOY)
        await it.do(create())
        [job] = await it.do(activate("a"))
        await it.do(commands.CompleteJob(job.key, {}, None, "order-1"))
        [job] = await it.do(activate("b"))
        assert job.business_id == "order-1"
        with pytest.raises(InvalidState, match="to have no business id, but found 'order-1'"):
            await it.do(commands.CompleteJob(job.key, {"n": "1"}, None, "order-2"))
        await it.do(commands.CompleteJob(job.key, {}, None, "order-1"))
        assert living(it, ElementInstance) == []


async def test_a_worker_of_a_called_instance_assigns_no_business_id(memory: dict[str, int]):
    async with opened(**memory) as it:
        for deployment in CALLING:
            await it.do(deployment)
        await it.do(create())
        [job] = await it.do(activate("w"))
        with pytest.raises(InvalidState, match="was called by another one"):
            await it.do(commands.CompleteJob(job.key, {}, None, "order-1"))
        assert running(it, "child")


# --- messages with a business id


async def test_a_message_with_a_business_id_reaches_only_instances_that_have_it(memory: dict[str, int]):
    async with opened(**memory) as it:
        await it.do(WAITING)
        one, two = [
            (await it.do(marked(business_id=id, variables={"k": '"1"'}))).process_instance_key for id in ("x", "y")
        ]
        await it.do(publish("z"))
        assert running(it, "process") == [one, two]
        await it.do(publish("y"))
        assert running(it, "process") == [one]
        await it.do(publish(""))
        assert running(it, "process") == []


async def test_a_kept_message_for_another_business_id_does_not_hold_up_the_next(memory: dict[str, int]):
    async with opened(**memory) as it:
        await it.do(WAITING)
        await it.do(publish("x", ttl_ms=60_000))
        await it.do(publish("y", ttl_ms=60_000))
        await it.do(marked(business_id="y", variables={"k": '"1"'}))
        await it.settled()
        assert running(it, "process") == []
        await it.do(marked(business_id="y", variables={"k": '"1"'}))
        await it.settled()
        assert len(running(it, "process")) == 1


async def test_an_instance_that_a_message_starts_gets_its_business_id(memory: dict[str, int]):
    async with opened(**memory) as it:
        await it.do(STARTED)
        await it.do(publish("order-1", ttl_ms=60_000))
        await it.do(publish("order-2", ttl_ms=60_000))  # waits: the first has its correlation key
        [job] = await it.do(activate("a"))
        assert job.business_id == "order-1"
        await it.do(complete(job))
        await it.settled()
        [job] = await it.do(activate("a"))
        assert job.business_id == "order-2"


async def test_a_message_starts_no_second_instance_with_a_unique_business_id(memory: dict[str, int]):
    async with opened(unique_business_ids=True, **memory) as it:
        await it.do(STARTED)
        await it.do(commands.PublishMessage("go", "", 0, "", {}, "order-1"))
        await it.do(commands.PublishMessage("go", "", 0, "", {}, "order-1"))
        assert len(running(it, "started")) == 1


# --- creations that are repeated


async def test_a_repeated_creation_gets_the_first_answer_whatever_it_gives(memory: dict[str, int]):
    async with opened(**memory) as it:
        await it.do(DEPLOY)
        first = await it.do(marked(idempotency_key="once", business_id="x", tags=("red", "blue")))
        again = await it.do(marked(idempotency_key="once", business_id="y", variables={"n": "1"}))
        assert again == first
        assert len(running(it, "process")) == 1
        await it.do(commands.CancelProcessInstance(first.process_instance_key))
        assert await it.do(marked(idempotency_key="once")) == first


async def test_a_repeated_creation_of_another_process_is_refused(memory: dict[str, int]):
    async with opened(**memory) as it:
        await it.do(DEPLOY)
        await it.do(deploy("start > a:job > end", id="other"))
        first = await it.do(marked(idempotency_key="once"))
        with pytest.raises(AlreadyExists, match="'process'"):
            await it.do(marked("other", idempotency_key="once"))
        by_key = marked("", idempotency_key="once", process_definition_key=first.process_definition_key)
        assert await it.do(by_key) == first
        with pytest.raises(AlreadyExists):
            await it.do(replace(by_key, process_definition_key=first.process_definition_key + 1))


async def test_all_who_repeat_a_creation_get_its_result(memory: dict[str, int]):
    async with opened(**memory) as it:
        await it.do(DEPLOY)
        await it.do(marked(idempotency_key="once", result_ticket=1))
        await it.do(marked(idempotency_key="once", result_ticket=2, fetch_variables=("n",)))
        it.partition.forget_result(1)
        await it.do(marked(idempotency_key="once", result_ticket=3))
        for type in ("a", "b"):
            [job] = await it.do(activate(type))
            await it.do(complete(job, n="1", m="2"))
        await it.settled()
        assert it.heard.results == {2: '{"n":1}', 3: '{"n":1,"m":2}'}


async def test_the_repetition_of_a_creation_after_its_end_says_so(memory: dict[str, int]):
    async with opened(**memory) as it:
        await it.do(deploy("start > end"))
        first = await it.do(marked(idempotency_key="once", result_ticket=1))
        await it.settled()
        assert await it.do(marked(idempotency_key="once", result_ticket=2)) == replace(first, has_ended=True)
        assert await it.do(marked(idempotency_key="once")) == first
        assert set(it.heard.results) == {1}


async def test_a_creation_is_forgotten_when_its_time_is_over(memory: dict[str, int]):
    async with opened(**memory) as it:
        await it.do(DEPLOY)
        first = await it.do(marked(idempotency_key="once"))
        await it.advance(RETENTION_MS - 1)
        assert await it.do(marked(idempotency_key="once")) == first
        await it.advance(1)
        assert living(it, CreatedOnce) == []
        assert await it.do(marked(idempotency_key="once")) != first


# --- tags, and the end after an element


async def test_jobs_have_the_tags_of_their_instance(memory: dict[str, int]):
    async with opened(**memory) as it:
        await it.do(DEPLOY)
        assert (await it.do(marked(tags=("red", "blue")))).tags == ("red", "blue")
        [job] = await it.do(activate("a"))
        assert job.tags == ("red", "blue")


async def test_an_instance_is_terminated_after_an_element_and_takes_no_flow(memory: dict[str, int]):
    async with opened(**memory) as it:
        await it.do(DEPLOY)
        await it.do(marked(terminate_after=("a",), result_ticket=7))
        [job] = await it.do(activate("a"))
        await it.do(complete(job))
        await it.settled()
        assert living(it, ElementInstance) == living(it, InstanceOrigin) == []
        assert [row.element_id for row in it.store.rows(ElementInstance)] == ["process", "start", "a"]
        assert it.heard.results == {}  # nobody gets the result of a terminated instance


async def test_an_instance_is_terminated_after_a_loop_and_not_after_its_first_instance(memory: dict[str, int]):
    async with opened(**memory) as it:
        await it.do(deploy('start > a:job(items="=[1,2]") > b:job > end'))
        await it.do(marked(terminate_after=("a",)))
        one, two = await it.do(activate("a"))
        await it.do(complete(one))
        assert running(it, "process")
        await it.do(complete(two))
        await it.settled()
        assert living(it, ElementInstance) == []


async def test_an_instance_is_terminated_after_an_event_behind_a_gateway_and_after_the_gateway(memory: dict[str, int]):
    async with opened(**memory) as it:
        await it.do(deploy("start > g:events [ t:catch(timer=PT1S) > a:job > e:end | u:catch(timer=PT9S) > f:end ]"))
        for id in ("g", "t"):
            await it.do(marked(terminate_after=(id,)))
        await it.advance(1_000)
        assert living(it, ElementInstance) == []
        assert await it.do(activate("a")) == []


async def test_other_instances_and_called_ones_are_not_terminated(memory: dict[str, int]):
    async with opened(**memory) as it:
        await it.do(deploy("start > a:job > b:job > end", id="child"))
        await it.do(deploy("start > c:call(process=child) > a:job > end"))
        await it.do(marked(terminate_after=("a",)))
        [job] = await it.do(activate("a"))
        await it.do(complete(job))
        [job] = await it.do(activate("b"))
        assert job.bpmn_process_id == "child"


async def test_an_unknown_element_to_end_after_is_refused(memory: dict[str, int]):
    async with opened(**memory) as it:
        await it.do(DEPLOY)
        with pytest.raises(InvalidArgument, match="no element found with id 'nothing'"):
            await it.do(marked(terminate_after=("a", "nothing"), business_id="x", idempotency_key="once"))
        for row_type in (ElementInstance, InstanceOrigin, BusinessId, CreatedOnce):
            assert living(it, row_type) == []


# --- marks and migration


async def test_all_marks_follow_a_migration(memory: dict[str, int]):
    async with opened(unique_business_ids=True, **memory) as it:
        await it.do(DEPLOY)
        deployed = await it.do(deploy("start > x:job(type=b) > y:job > end", id="other"))
        key = (await it.do(marked(business_id="order-1", tags=("red",), terminate_after=("b",)))).process_instance_key
        [job] = await it.do(activate("a"))
        await it.do(complete(job))
        await it.do(commands.MigrateProcessInstance(key, deployed.processes[0].key, (("b", "x"),)))
        await it.do(marked(business_id="order-1"))
        with pytest.raises(AlreadyExists):
            await it.do(marked("other", business_id="order-1"))
        [job] = await it.do(activate("b"))
        assert (job.business_id, job.tags) == ("order-1", ("red",))
        await it.do(complete(job))
        assert running(it, "other") == []


async def test_a_migration_that_would_repeat_a_unique_business_id_is_refused(memory: dict[str, int]):
    async with opened(unique_business_ids=True, **memory) as it:
        await it.do(DEPLOY)
        deployed = await it.do(deploy("start > x:job(type=b) > y:job > end", id="other"))
        key = (await it.do(marked(business_id="order-1"))).process_instance_key
        await it.do(marked("other", business_id="order-1"))
        with pytest.raises(AlreadyExists):
            await it.do(commands.MigrateProcessInstance(key, deployed.processes[0].key, (("a", "x"),)))


# --- start instructions


@pytest.mark.parametrize(
    ("element", "text"),
    [
        ("nothing", "no element found with id 'nothing'"),
        ("start", "targets unsupported element type 'START_EVENT'"),
        ("late", "targets unsupported element type 'BOUNDARY_EVENT'"),
        ("a_to_b", "targets unsupported element type 'SEQUENCE_FLOW'"),
    ],
)
async def test_an_element_that_cannot_be_started_at_is_refused(element: str, text: str):
    async with opened() as it:
        await it.do(deploy("start > a:job > b:job > end & late:boundary(on=a, timer=PT1H) > f:end"))
        with pytest.raises(InvalidArgument, match=text):
            await it.do(marked(start_elements=("a", element)))
        assert living(it, ElementInstance) == []


async def test_an_instance_starts_inside_an_ad_hoc_subprocess(memory: dict[str, int]):
    async with opened(**memory) as it:
        await it.do(deploy("start > h:adhoc { a:job > b:job & c:job } > d:job > end"))
        await it.do(marked(start_elements=("b", "c")))
        for type in ("b", "c", "d"):
            [job] = await it.do(activate(type))
            await it.do(complete(job))
        await it.settled()
        assert living(it, ElementInstance) == []
