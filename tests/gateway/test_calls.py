"""Every other call: answers, statuses and texts as measured (gateway-rpc.md)."""

import asyncio
from typing import Any
from uuid import UUID

import grpc
import pytest

from osmia_broker.rpc.grpcio_server import options
from osmia_proto import gateway
from tests.bpmn import bpmn
from tests.gateway.conftest import Wire
from tests.harness import example
from tests.running_broker import RunningBroker

INVALID, MISSING = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND


async def test_topology_names_a_leader(wire: Wire, gateway_broker: RunningBroker):
    topology = await wire.call("Topology")
    assert (topology.clusterSize, topology.partitionsCount, topology.replicationFactor) == (1, 1, 1)
    assert (topology.gatewayVersion, topology.brokers[0].version) == ("8.10.0", "8.10.0")
    assert UUID(topology.clusterId)
    (broker,) = topology.brokers
    assert f"{broker.host}:{broker.port}" == gateway_broker.address
    assert [(one.partitionId, one.role, one.health) for one in broker.partitions] == [(1, 0, 0)]


async def deploy(wire: Wire, *files: tuple[str, bytes]) -> gateway.DeployResourceResponse:
    resources = [gateway.Resource(name=name, content=content) for name, content in files]
    return await wire.call("DeployResource", resources=resources)


async def test_unchanged_files_keep_version_and_key(wire: Wire, unique: str):
    one, two = bpmn("start > a:job > end", id=unique), bpmn("start > b:job > end", id=unique)
    answers = [await deploy(wire, (name, content)) for name, content in
               [("p.bpmn", one), ("p.bpmn", one), ("p.bpmn", two), ("p.bpmn", one), ("other.bpmn", one)]]  # fmt: skip
    processes = [answer.deployments[0].process for answer in answers]
    assert [process.version for process in processes] == [1, 1, 2, 3, 4]
    assert processes[0].processDefinitionKey == processes[1].processDefinitionKey
    assert len({answer.key for answer in answers}) == 5


async def test_the_dinner_example_runs_in_both_dialects(wire: Wire):
    for name in ("dinner.bpmn", "dinner-activiti.bpmn"):
        answer = await deploy(wire, (name, example(name)))
        process = answer.deployments[0].process
        assert process.resourceName == name
        key = process.processDefinitionKey
        await wire.call("CreateProcessInstance", processDefinitionKey=key)


async def test_one_bad_file_refuses_all(wire: Wire, unique: str):
    good = gateway.Resource(name="good.bpmn", content=bpmn("start > end", id=unique))
    bad = gateway.Resource(name="bad.bpmn", content=b"<nothing")
    refusal = await wire.refusal("DeployResource", resources=[good, bad])
    assert refusal.code() is INVALID
    frame = "Command 'CREATE' rejected with code 'INVALID_ARGUMENT': Expected to deploy new resources, but encountered the following errors:"
    assert (refusal.details() or "").startswith(f"{frame}\n'bad.bpmn': ")
    missing = await wire.refusal("CreateProcessInstance", bpmnProcessId=unique, version=-1)
    assert missing.code() is MISSING


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.txt", b"x", "unknown resource type"),
        ("a.BPMN", b"x", "unknown resource type"),
        ("a.bpmn", b"", "'a.bpmn'"),
        ("a.bpmn", b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>', "DOCTYPE is disallowed"),
        ("a.form", b"{}", "Expected the form id to be present"),
        ("a.form", b'{"id":""}', "to be filled"),
        ("a.form", b"[]", "'a.form'"),
        ("a.dmn", b"<x/>", "'a.dmn'"),
        ("a.bpmn", bpmn('start > a:job(type="=1 +") > end'), "failed to parse expression '1 +'"),
    ],
)
async def test_bad_files_are_told(wire: Wire, name: str, content: bytes, words: str):
    refusal = await wire.refusal("DeployResource", resources=[gateway.Resource(name=name, content=content)])
    assert refusal.code() is INVALID
    assert words in (refusal.details() or "")
    assert "root:" not in (refusal.details() or "")


async def test_nothing_to_deploy_is_refused(wire: Wire):
    refusal = await wire.refusal("DeployResource")
    assert (refusal.details() or "").endswith(": Expected to deploy at least one resource, but none given")


async def test_two_files_may_not_share_a_process(wire: Wire, unique: str):
    files = [gateway.Resource(name=name, content=bpmn("start > end", id=unique)) for name in ("1.bpmn", "2.bpmn")]
    refusal = await wire.refusal("DeployResource", resources=files)
    assert "Duplicated process id in resources '1.bpmn' and '2.bpmn'" in (refusal.details() or "")


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"bpmnProcessId": "nope", "version": -1}, MISSING, "process ID 'nope', but none found"),
        ({"bpmnProcessId": "nope"}, MISSING, "process ID 'nope' and version '0', but none found"),
        ({"bpmnProcessId": "nope", "version": 3}, MISSING, "process ID 'nope' and version '3', but none found"),
        ({"processDefinitionKey": 12345}, MISSING, "key '12345', but none found"),
        ({}, MISSING, "key '0'"),
        ({"processDefinitionKey": -1}, INVALID, "at least a bpmnProcessId or a key greater than -1"),
        ({"bpmnProcessId": "known", "version": 9}, MISSING, "process ID 'known' and version '9', but none found"),
        ({"bpmnProcessId": "known"}, MISSING, "version '0'"),
        ({"bpmnProcessId": "known", "version": -1, "tenantId": "x"}, INVALID, "tenant identifier 'x'"),
        ({"bpmnProcessId": "known", "version": -1, "variables": "[]"}, INVALID, "was 'ARRAY'"),
        (
            {"bpmnProcessId": "known", "version": -1, "startInstructions": [{"elementId": "no"}]},
            INVALID,
            "no element found with id 'no'",
        ),
        (
            {"bpmnProcessId": "known", "version": -1, "startInstructions": [{"elementId": "start"}]},
            INVALID,
            "unsupported element type 'START_EVENT'",
        ),
    ],
)
async def test_what_cannot_be_started(wire: Wire, fields: dict[str, object], status: grpc.StatusCode, words: str):
    await wire.deploy("start > end", id="known")
    refusal = await wire.refusal("CreateProcessInstance", **fields)
    assert refusal.code() is status
    assert words in (refusal.details() or "")


async def test_an_instance_starts_where_it_is_told(wire: Wire, unique: str):
    await wire.deploy(
        f"start > a:job(type={unique}a) > dine:sub {{ start > b:job(type={unique}b) > end }} > end", id=unique
    )
    await wire.call("CreateProcessInstance", bpmnProcessId=unique, version=-1, startInstructions=[{"elementId": "b"}])
    assert await wire.activate(unique + "a") == []
    (job,) = await wire.activate(unique + "b")
    await wire.call("CompleteJob", jobKey=job.key)


async def test_a_result_is_awaited(wire: Wire, unique: str):
    await wire.deploy(f"start > a:job(type={unique}) > end", id=unique)
    request = {"bpmnProcessId": unique, "version": -1, "variables": '{"x":1,"y":2}'}
    call = wire.call(
        "CreateProcessInstanceWithResult", request=request, requestTimeout=60_000, fetchVariables=["x", "z", "no"]
    )
    (job,) = await wire.activate(unique, requestTimeout=60_000)
    await wire.call("CompleteJob", jobKey=job.key, variables='{"z":[3]}')
    answer = await call
    assert answer.variables == '{"x":1,"z":[3]}'
    assert answer.processInstanceKey == job.processInstanceKey


async def test_a_result_without_a_wait_state_comes_at_once(wire: Wire, unique: str):
    await wire.deploy("start > end", id=unique)
    answer = await wire.call(
        "CreateProcessInstanceWithResult", request={"bpmnProcessId": unique, "version": -1, "variables": '{"x":1}'}
    )
    assert answer.variables == '{"x":1}'


async def test_a_result_that_does_not_come_ends_the_wait_alone(wire: Wire, unique: str):
    await wire.deploy(f"start > a:job(type={unique}) > end", id=unique)
    request = {"bpmnProcessId": unique, "version": -1}
    refusal = await wire.refusal("CreateProcessInstanceWithResult", request=request, requestTimeout=20)
    assert refusal.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    (job,) = await wire.activate(unique)
    await wire.call("CompleteJob", jobKey=job.key)


async def test_the_largest_wait_for_a_result_is_a_long_wait(wire: Wire, unique: str):
    await wire.deploy(f"start > a:job(type={unique}) > end", id=unique)
    request = {"bpmnProcessId": unique, "version": -1}
    call = wire.call("CreateProcessInstanceWithResult", request=request, requestTimeout=2**63 - 1)
    (job,) = await wire.activate(unique, requestTimeout=60_000)
    await wire.call("CompleteJob", jobKey=job.key)
    assert (await call).processInstanceKey == job.processInstanceKey


async def test_a_refused_command_is_framed(wire: Wire):
    refusal = await wire.refusal("CompleteJob", jobKey=7)
    assert refusal.details() == (
        "Command 'COMPLETE' rejected with code 'NOT_FOUND': Expected to complete job with key '7', but no such job was found"
    )


async def test_details_stay_readable(wire: Wire):
    refusal = await wire.refusal("CreateProcessInstance", bpmnProcessId="x" * 40_000, version=-1)
    assert refusal.code() is MISSING
    assert len(refusal.details() or "") <= 1_000


def test_clients_may_ping():
    given = dict(options(4_194_304))
    assert given["grpc.http2.min_ping_interval_without_data_ms"] <= 10_000
    assert given["grpc.http2.max_ping_strikes"] == 0
    assert given["grpc.keepalive_permit_without_calls"] == 1


async def test_priority_and_lease_travel_with_a_job(wire: Wire, unique: str):
    await wire.deploy(f"start > ask:job(type={unique}) > end", id=unique)
    await wire.create(unique)
    [job] = await wire.activate(unique, withLease=True)
    assert (job.priority, job.HasField("jobLeaseToken")) == (0, True)
    await wire.call("UpdateJobPriority", jobKey=job.key, priority=-7, jobLeaseToken=job.jobLeaseToken)
    updates = [("UpdateJobRetries", {"retries": 2}), ("UpdateJobTimeout", {"timeout": 1}), ("UpdateJobPriority", {})]
    reports = [("CompleteJob", {}), ("FailJob", {"retries": 1}), ("ThrowError", {"errorCode": "x"})]
    for call, fields in (*updates, *reports):
        refusal = await wire.refusal(call, jobKey=job.key, jobLeaseToken="another", **fields)
        assert refusal.code() is grpc.StatusCode.FAILED_PRECONDITION, call
    for call, fields in reports:
        refusal = await wire.refusal(call, jobKey=job.key, **fields)
        assert refusal.code() is grpc.StatusCode.FAILED_PRECONDITION, call
    await wire.call("FailJob", jobKey=job.key, retries=2, jobLeaseToken=job.jobLeaseToken)
    assert await wire.activate(unique) == []
    [again] = await wire.activate(unique, withLease=True)
    assert (again.key, again.priority, again.retries) == (job.key, -7, 2)
    await wire.call("CompleteJob", jobKey=job.key, jobLeaseToken=again.jobLeaseToken)


async def test_a_stream_with_leases_is_pushed_what_was_leased_before(wire: Wire, unique: str):
    await wire.deploy(f"start > ask:job(type={unique}) > end", id=unique)
    await wire.create(unique)
    [job] = await wire.activate(unique, withLease=True)
    plain = wire.call("StreamActivatedJobs", type=unique, timeout=60_000, worker="plain")
    leasing = wire.call("StreamActivatedJobs", type=unique, timeout=60_000, worker="leasing", withLease=True)
    await wire.activate(unique + "other")
    await wire.call("FailJob", jobKey=job.key, retries=2, jobLeaseToken=job.jobLeaseToken)
    again = await asyncio.wait_for(leasing.read(), 5)
    assert (again.key, again.worker) == (job.key, "leasing")
    assert again.jobLeaseToken not in ("", job.jobLeaseToken)
    plain.cancel()
    leasing.cancel()


@pytest.mark.parametrize("call", ["ActivateJobs", "StreamActivatedJobs"])
async def test_the_tenants_of_a_worker(wire: Wire, unique: str, call: str):
    """Those that are named count unless the caller wants the assigned ones, which is the default one alone."""
    given: dict[str, Any] = {"type": unique, "timeout": 1, "tenantIds": ["other"]}
    for tenant_filter in (0, 2, -1):
        refusal = await wire.refusal(call, **given, tenantFilter=tenant_filter)
        assert refusal.code() is grpc.StatusCode.INVALID_ARGUMENT
    accepted = wire.call("ActivateJobs", **given, tenantFilter=1, maxJobsToActivate=1, requestTimeout=-1)
    assert [list(answer.jobs) async for answer in accepted] == [[]]
