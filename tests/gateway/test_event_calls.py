"""Messages, signals, conditions, and calls that change instances and definitions: answers, statuses and texts (gateway-rpc.md)."""

from pathlib import Path
from typing import Any

import grpc
import pytest

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.calls import calls
from osmia_broker.calls.batches.items import history_of
from osmia_broker.engine.commands import CompleteJob
from osmia_proto import gateway
from tests.bpmn import bpmn
from tests.gateway.conftest import Wire
from tests.running_broker import RunningBroker, running_broker

INVALID, MISSING, EXISTS, STATE = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
)
UNKNOWN_KEY = (1 << 51) + (1 << 40)


async def deploy(wire: Wire, line: str, id: str) -> int:
    resources = [gateway.Resource(name=f"{id}.bpmn", content=bpmn(line, id=id))]
    answer = await wire.call("DeployResource", resources=resources)
    return int(answer.deployments[0].process.processDefinitionKey)


async def create(wire: Wire, id: str, **fields: object) -> gateway.CreateProcessInstanceResponse:
    return await wire.call("CreateProcessInstance", bpmnProcessId=id, version=-1, **fields)


async def one_job(wire: Wire, type: str) -> gateway.ActivatedJob:
    jobs = await wire.activate(type)
    assert len(jobs) == 1
    return jobs[0]


async def test_a_message_reaches_the_event_that_waits_for_its_key(wire: Wire, unique: str):
    await deploy(wire, f'start > w:catch(message={unique}, key="=id") > done:job(type={unique}) > end', unique)
    await create(wire, unique, variables='{"id": 7}')
    answer = await wire.call("PublishMessage", name=unique, correlationKey="7", variables='{"paid": true}')
    assert answer.key > 0
    assert answer.tenantId == "<default>"
    assert '"paid":true' in (await one_job(wire, unique)).variables


async def test_a_signal_starts_instances_and_wakes_events(wire: Wire, unique: str):
    await deploy(wire, f"go:start(signal={unique}) > done:job(type={unique}) > end", unique)
    assert (await wire.call("BroadcastSignal", signalName=unique)).key > 0
    assert (await one_job(wire, unique)).elementId == "done"


async def test_conditions_start_the_processes_for_which_they_hold(wire: Wire, unique: str):
    key = await deploy(wire, f'go:start(condition="=x > 5") > done:job(type={unique}) > end', unique)
    for variables, started in (('{"x": 1}', 0), ('{"x": 6}', 1), ("{}", 0)):
        answer = await wire.call("EvaluateConditional", processDefinitionKey=key, variables=variables)
        assert [one.processDefinitionKey for one in answer.processInstances] == [key] * started
    assert '"x":6' in (await one_job(wire, unique)).variables


async def test_marks_come_back_with_the_answer_and_with_jobs(wire: Wire, unique: str):
    await deploy(wire, f"start > done:job(type={unique}) > end", unique)
    answer = await create(wire, unique, businessId="order-7", tags=["vip", "a:b"])
    assert (answer.businessId, list(answer.tags)) == ("order-7", ["vip", "a:b"])
    job = await one_job(wire, unique)
    assert (job.businessId, list(job.tags)) == ("order-7", ["vip", "a:b"])


async def test_a_business_id_is_given_once_to_a_running_root_instance(wire: Wire, unique: str):
    await deploy(wire, f"start > done:job(type={unique}) > end", unique)
    key = (await create(wire, unique)).processInstanceKey
    await wire.call("AssignProcessInstanceBusinessId", processInstanceKey=key, businessId="late")
    refusal = await wire.refusal("AssignProcessInstanceBusinessId", processInstanceKey=key, businessId="again")
    assert refusal.code() is STATE
    assert (await one_job(wire, unique)).businessId == "late"


async def test_a_worker_gives_the_business_id_with_its_success(wire: Wire, unique: str):
    await deploy(wire, f"start > a:job(type={unique}) > b:job(type={unique}) > end", unique)
    await create(wire, unique)
    await wire.call("CompleteJob", jobKey=(await one_job(wire, unique)).key, businessId="order-7")
    job = await one_job(wire, unique)
    assert job.businessId == "order-7"
    refusal = await wire.refusal("CompleteJob", jobKey=job.key, businessId="order-8")
    assert refusal.code() is STATE
    refusal = await wire.refusal("CompleteJob", jobKey=job.key, businessId="b" * 257)
    assert refusal.code() is INVALID


async def test_a_broker_may_demand_unique_business_ids(tmp_path: Path):
    with running_broker(tmp_path, unique_business_ids=True) as broker:
        async with grpc.aio.insecure_channel(broker.address) as channel:
            wire = Wire(channel)
            await deploy(wire, "start > a:job > end", "p")
            await create(wire, "p", businessId="order-7")
            refusal = await wire.refusal("CreateProcessInstance", bpmnProcessId="p", version=-1, businessId="order-7")
            assert refusal.code() is EXISTS


async def test_tags_are_a_set(wire: Wire, unique: str):
    await deploy(wire, "start > end", unique)
    assert list((await create(wire, unique, tags=["b", "a", "b"] * 5)).tags) == ["b", "a"]


async def test_an_instance_ends_after_the_element_that_its_caller_named(wire: Wire, unique: str):
    await deploy(wire, f"start > a:task > b:job(type={unique}) > end", unique)
    stop = [{"terminate": {"afterElementId": "a"}}]
    await create(wire, unique, runtimeInstructions=stop)
    assert await wire.activate(unique) == []


async def test_a_deleted_definition_is_gone(wire: Wire, unique: str):
    key = await deploy(wire, "start > end", unique)
    assert (await wire.call("DeleteResource", resourceKey=key)).resourceKey == str(key)
    assert (await wire.refusal("DeleteResource", resourceKey=key)).code() is MISSING
    assert (await wire.refusal("CreateProcessInstance", bpmnProcessId=unique, version=-1)).code() is MISSING


async def test_a_definition_is_deleted_with_its_history(wire: Wire, gateway_broker: RunningBroker, unique: str):
    key = await deploy(wire, "start > end", unique)
    ended = (await create(wire, unique)).processInstanceKey
    client = gateway_broker.client
    assert [one.key for one in client.search_instances(bpmn_process_id=unique).items] == [ended]
    answer = await wire.call("DeleteResource", resourceKey=key, deleteHistory=True)
    assert answer.batchOperation.batchOperationType == gateway.DELETE_PROCESS_INSTANCE
    assert int(answer.batchOperation.batchOperationKey) > ended
    gateway_broker.look_at_clock()
    assert not client.search_instances(bpmn_process_id=unique).items


@pytest.mark.parametrize("too_many_by_then", [False, True])
async def test_history_that_ends_while_its_definition_is_deleted_is_deleted_too(
    wire: Wire,
    gateway_broker: RunningBroker,
    unique: str,
    monkeypatch: pytest.MonkeyPatch,
    too_many_by_then: bool,
):
    key = await deploy(wire, f"start > ask:job(type={unique}) > end", unique)
    early, late, alive = [(await create(wire, unique)).processInstanceKey for _ in range(3)]
    client = gateway_broker.client
    jobs = {job.processInstanceKey: job for job in await wire.activate(unique)}
    await wire.call("CompleteJob", jobKey=jobs[early].key)
    searched: list[int] = []

    async def search_then_end(reader: Any, resource_key: int) -> Any:
        if searched and too_many_by_then:
            raise InvalidArgument("Expected a batch operation of at most 1000000 items, but found more")
        found = await history_of(reader, resource_key)
        if not searched:
            await gateway_broker.broker.partitions.submit(CompleteJob(jobs[late].key, {}))
        searched.append(len(found[1]))
        return found

    monkeypatch.setattr(calls, "history_of", search_then_end)
    await wire.call("DeleteResource", resourceKey=key, deleteHistory=True)
    gateway_broker.look_at_clock()
    left = {one.key for one in client.search_instances(bpmn_process_id=unique).items}
    assert left == ({late, alive} if too_many_by_then else {alive})
    await wire.call("CompleteJob", jobKey=jobs[alive].key)


async def test_without_being_asked_the_history_stays(wire: Wire, unique: str):
    key = await deploy(wire, "start > end", unique)
    await create(wire, unique)
    answer = await wire.call("DeleteResource", resourceKey=key)
    assert not answer.HasField("batchOperation")
    assert (await wire.refusal("DeleteResource", resourceKey=key)).code() is MISSING


async def test_a_definition_that_drains_may_be_deleted_again_and_its_history_when_it_is_gone(
    wire: Wire, gateway_broker: RunningBroker, unique: str
):
    key = await deploy(wire, f"start > ask:job(type={unique}) > end", unique)
    await create(wire, unique)
    [job] = await wire.activate(unique)
    for _ in range(2):
        assert (await wire.call("DeleteResource", resourceKey=key)).resourceKey == str(key)
    early = await wire.refusal("DeleteResource", resourceKey=key, deleteHistory=True)
    assert (early.code(), str(key) in (early.details() or "")) == (STATE, True)
    await wire.call("CompleteJob", jobKey=job.key)
    assert (await wire.refusal("DeleteResource", resourceKey=key)).code() is MISSING
    answer = await wire.call("DeleteResource", resourceKey=key, deleteHistory=True)
    assert answer.batchOperation.batchOperationType == gateway.DELETE_PROCESS_INSTANCE
    gateway_broker.look_at_clock()
    assert not gateway_broker.client.search_instances(bpmn_process_id=unique).items


@pytest.mark.parametrize(
    ("call", "fields", "status", "words"),
    [
        ("PublishMessage", {}, INVALID, "name"),
        ("PublishMessage", {"name": "m", "variables": "[]"}, INVALID, "root level object"),
        ("PublishMessage", {"name": "m\0", "correlationKey": "k"}, INVALID, "NUL"),
        ("PublishMessage", {"name": "m", "businessId": "b" * 257}, INVALID, "at most 256 characters, but found 257"),
        ("PublishMessage", {"name": "m", "tenantId": "other"}, INVALID, "other"),
        ("PublishMessage", {"name": "m" * 40_000}, INVALID, "at most 32768 characters, but found 40000"),
        ("BroadcastSignal", {"signalName": "s", "variables": "{"}, INVALID, "JSON"),
        ("EvaluateConditional", {"processDefinitionKey": UNKNOWN_KEY}, MISSING, str(UNKNOWN_KEY)),
        ("EvaluateConditional", {"processDefinitionKey": -1}, MISSING, "key '-1'"),
        ("ModifyProcessInstance", {}, MISSING, "no process instance found with key '0'"),
        ("ModifyProcessInstance", {"processInstanceKey": UNKNOWN_KEY}, MISSING, str(UNKNOWN_KEY)),
        (
            "ModifyProcessInstance",
            {"processInstanceKey": 1, "terminateInstructions": [{"elementInstanceKey": 1, "elementId": "a"}]},
            INVALID,
            "both",
        ),
        (
            "ModifyProcessInstance",
            {"processInstanceKey": 1, "moveInstructions": [{"targetElementId": "a"}]},
            INVALID,
            "either a source element instance key or a source element id, but found neither",
        ),
        (
            "ModifyProcessInstance",
            {
                "processInstanceKey": 1,
                "activateInstructions": [{"elementId": "a", "variableInstructions": [{"variables": "1"}]}],
            },
            INVALID,
            "root level object",
        ),
        ("MigrateProcessInstance", {}, MISSING, "no process instance found with key '0'"),
        ("DeleteResource", {}, MISSING, "'0'"),
        ("DeleteResource", {"resourceKey": -1}, MISSING, "'-1'"),
        ("AssignProcessInstanceBusinessId", {"processInstanceKey": 1}, INVALID, "1 to 256 characters"),
        (
            "AssignProcessInstanceBusinessId",
            {"processInstanceKey": UNKNOWN_KEY, "businessId": "b"},
            MISSING,
            str(UNKNOWN_KEY),
        ),
        ("CompleteJob", {"jobKey": UNKNOWN_KEY, "businessId": ""}, INVALID, "1 to 256 characters"),
        ("CompleteJob", {"jobKey": UNKNOWN_KEY, "businessId": "b" * 257}, INVALID, "at most 256 characters"),
        ("CreateProcessInstance", {"bpmnProcessId": "p", "businessId": ""}, INVALID, "1 to 256 characters"),
        ("CreateProcessInstance", {"bpmnProcessId": "p", "tags": ["1"]}, INVALID, "a tag to begin with a letter"),
        (
            "CreateProcessInstance",
            {"bpmnProcessId": "p", "tags": [f"t{n}" for n in range(11)]},
            INVALID,
            "at most 10 tags, but found 11",
        ),
        ("CreateProcessInstance", {"bpmnProcessId": "p", "runtimeInstructions": [{}]}, INVALID, "to name an element"),
        (
            "CreateProcessInstance",
            {"bpmnProcessId": "p", "startInstructions": [{"elementId": "a"}] * 2001},
            INVALID,
            "'startInstructions' to have at most 2000 items, but found 2001",
        ),
        ("ModifyProcessInstance", {"moveInstructions": [{}] * 2001}, INVALID, "at most 2000 items, but found 2001"),
        (
            "MigrateProcessInstance",
            {"migrationPlan": {"mappingInstructions": [{}] * 2001}},
            INVALID,
            "at most 2000 items, but found 2001",
        ),
        (
            "CompleteJob",
            {"jobKey": 1, "result": {"type": "adHocSubProcess", "activateElements": [{"elementId": "a"}] * 2001}},
            INVALID,
            "at most 2000 items, but found 2001",
        ),
        (
            "CompleteJob",
            {"jobKey": 1, "result": {"type": "bogus", "denied": True}},
            INVALID,
            "Expected result.type to be userTask or adHocSubProcess, but found 'bogus'",
        ),
    ],
)
async def test_bad_values_are_refused_by_name(
    wire: Wire, call: str, fields: dict[str, object], status: grpc.StatusCode, words: str
):
    refusal = await wire.refusal(call, **fields)
    assert refusal.code() is status
    assert words in (refusal.details() or "")


async def test_a_message_id_is_taken_while_its_message_is_kept(wire: Wire, unique: str):
    first = {"name": unique, "correlationKey": "k", "messageId": "1", "timeToLive": 60_000}
    await wire.call("PublishMessage", **first)
    refusal = await wire.refusal("PublishMessage", **first)
    assert refusal.code() is EXISTS
    assert "id '1'" in (refusal.details() or "")
    await wire.call("PublishMessage", **(first | {"timeToLive": -1, "messageId": "2"}))
    await wire.call("PublishMessage", **(first | {"timeToLive": -1, "messageId": "2"}))


async def test_a_mapping_names_each_source_once(wire: Wire, unique: str):
    await deploy(wire, "start > a:job > end", unique)
    target = await deploy(wire, "start > x:job > y:job > end", f"{unique}2")
    key = (await create(wire, unique)).processInstanceKey
    twice = [{"sourceElementId": "a", "targetElementId": one} for one in ("x", "y")]
    plan = {"targetProcessDefinitionKey": target, "mappingInstructions": twice}
    refusal = await wire.refusal("MigrateProcessInstance", processInstanceKey=key, migrationPlan=plan)
    assert refusal.code() is INVALID
    assert "duplicate source element ids '[a]'" in (refusal.details() or "")


async def test_a_runtime_instruction_names_an_element_of_the_process(wire: Wire, unique: str):
    await deploy(wire, "start > end", unique)
    stop = [{"terminate": {"afterElementId": "nothing"}}]
    refusal = await wire.refusal("CreateProcessInstance", bpmnProcessId=unique, version=-1, runtimeInstructions=stop)
    assert refusal.code() is INVALID
    assert "'nothing'" in (refusal.details() or "")
