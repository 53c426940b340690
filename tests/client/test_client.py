"""The calls of the client: what goes over the wire, what comes back, and what each failure is."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from operator import attrgetter
from typing import Any

import grpc
import pytest
from scripted_gateway import ScriptedGateway

import osmia
from osmia import Activate, AdHocResult, Client, Move, SyncClient, SyncWorker, errors, results
from osmia._address import parse_address
from osmia._channel import Channel
from osmia_proto import gateway as wire
from osmia_proto import queries
from osmia_proto.methods import METHODS, USER_TASKS
from tests.patience import ANSWER_S

NAMES = {
    "ActivateJobs": "activate_jobs",
    "StreamActivatedJobs": "stream_jobs",
    "CancelProcessInstance": "cancel_instance",
    "CompleteJob": "complete_job",
    "CreateProcessInstance": "create_instance",
    "CreateProcessInstanceWithResult": "create_instance_with_result",
    "EvaluateDecision": "evaluate_decision",
    "DeployProcess": "deploy_process",
    "DeployResource": "deploy",
    "FailJob": "fail_job",
    "ThrowError": "throw_error",
    "PublishMessage": "publish_message",
    "ResolveIncident": "resolve_incident",
    "SetVariables": "set_variables",
    "Topology": "topology",
    "UpdateJobRetries": "update_job_retries",
    "ModifyProcessInstance": "modify_instance",
    "MigrateProcessInstance": "migrate_instance",
    "UpdateJobTimeout": "update_job_timeout",
    "DeleteResource": "delete_resource",
    "BroadcastSignal": "broadcast_signal",
    "EvaluateConditional": "evaluate_conditional",
    "UpdateJobPriority": "update_job_priority",
    "AssignProcessInstanceBusinessId": "assign_business_id",
    "SearchProcessInstances": "search_instances",
    "GetProcessInstance": "get_instance",
    "SearchJobs": "search_jobs",
    "SearchIncidents": "search_incidents",
    "SearchProcessDefinitions": "search_definitions",
    "SearchVariables": "search_variables",
    "SearchTimers": "search_timers",
    "SearchSubscriptions": "search_subscriptions",
    "SearchMessages": "search_messages",
    "SearchDecisionEvaluations": "search_decision_evaluations",
    "ListTakenSequenceFlows": "taken_flows",
    "GetProcessXml": "process_xml",
    "SearchItems": "search_items",
    "GetItem": "get_item",
    "GetDeployedFile": "deployed_file",
    "GetForm": "form",
    "GetStartForm": "start_form",
    "ActivateAdHocElements": "activate_ad_hoc_elements",
    "EvaluateExpression": "evaluate_expression",
    "CreateDocument": "documents.create",
    "ReadDocument": "documents.stream",
    "DeleteDocument": "documents.delete",
    "LinkDocument": "documents.link",
    "CheckDeployment": "check_deployment",
    "Status": "status",
    "CorrelateMessage": "correlate_message",
    "SuspendProcessInstance": "suspend_instance",
    "ResumeProcessInstance": "resume_instance",
    "PauseJobs": "pause_jobs",
    "ResumeJobs": "resume_jobs",
    "LimitJobs": "limit_jobs",
    "ListJobFlow": "job_flow",
    "ListWorkers": "workers",
    "FollowEvents": "events",
    "GetEventLog": "event_log",
    "DeleteProcessInstance": "delete_instance",
    "DeleteDecisionEvaluation": "delete_evaluation",
    "CreateBatchOperation": "batches.cancel_instances",
    "CountBatchOperationItems": "batches.count",
    "ResolveProcessInstanceIncidents": "batches.resolve_incidents_of",
    "SuspendBatchOperation": "batches.suspend",
    "ResumeBatchOperation": "batches.resume",
    "CancelBatchOperation": "batches.cancel",
    "GetBatchOperation": "batches.get",
    "SearchBatchOperations": "batches.search",
    "SearchBatchOperationItems": "batches.items",
    "CreateClusterVariable": "cluster_variables.create",
    "UpdateClusterVariable": "cluster_variables.update",
    "DeleteClusterVariable": "cluster_variables.delete",
    "CreateGlobalTaskListener": "global_task_listeners.create",
    "UpdateGlobalTaskListener": "global_task_listeners.update",
    "DeleteGlobalTaskListener": "global_task_listeners.delete",
    "GetClusterVariable": "cluster_variables.get",
    "SearchClusterVariables": "cluster_variables.search",
}


def test_every_call_of_the_contracts_has_a_method_in_both_clients() -> None:
    assert set(NAMES) == set(METHODS) - set(USER_TASKS)  # those are beside each other in `client.user_tasks`
    client, blocking = Client("127.0.0.1:9"), SyncClient("127.0.0.1:9")
    for name in NAMES.values():
        assert callable(attrgetter(name)(client))
        assert attrgetter(name)(blocking).__doc__ == attrgetter(name)(client).__doc__


@pytest.mark.parametrize("group", ["user_tasks", "batches", "cluster_variables", "global_task_listeners", "documents"])
def test_every_call_of_a_group_is_in_both_clients(group: str) -> None:
    calls, blocking = getattr(Client("127.0.0.1:9"), group), getattr(SyncClient("127.0.0.1:9"), group)
    names = {name for name in dir(calls) if not name.startswith("_")}
    assert len(names) >= 5
    assert {name for name in dir(blocking) if not name.startswith("_")} == names


CALLS: list[tuple[str, Any, Any]] = [
    (
        "CreateProcessInstance",
        lambda c: c.create_instance(
            "p", {"a": 1}, start_at=["x"], terminate_after=["y"], tags=["t"], operation_reference=0
        ),
        wire.CreateProcessInstanceRequest(
            bpmnProcessId="p",
            version=-1,
            variables='{"a":1}',
            startInstructions=[wire.ProcessInstanceCreationStartInstruction(elementId="x")],
            runtimeInstructions=[
                wire.ProcessInstanceCreationRuntimeInstruction(
                    terminate=wire.TerminateProcessInstanceInstruction(afterElementId="y")
                )
            ],
            tags=["t"],
            operationReference=0,
        ),
    ),
    (
        "ModifyProcessInstance",
        lambda c: c.modify_instance(
            1, activate=["a", Activate("b", variables={"": {"x": 1}}, ancestor_key=7)], terminate=[9]
        ),
        wire.ModifyProcessInstanceRequest(
            processInstanceKey=1,
            activateInstructions=[
                wire.ModifyProcessInstanceRequest.ActivateInstruction(elementId="a"),
                wire.ModifyProcessInstanceRequest.ActivateInstruction(
                    elementId="b",
                    ancestorElementInstanceKey=7,
                    variableInstructions=[wire.ModifyProcessInstanceRequest.VariableInstruction(variables='{"x":1}')],
                ),
            ],
            terminateInstructions=[wire.ModifyProcessInstanceRequest.TerminateInstruction(elementInstanceKey=9)],
        ),
    ),
    (
        "MigrateProcessInstance",
        lambda c: c.migrate_instance(1, target_definition_key=2, mapping={"a": "b"}),
        wire.MigrateProcessInstanceRequest(
            processInstanceKey=1,
            migrationPlan=wire.MigrateProcessInstanceRequest.MigrationPlan(
                targetProcessDefinitionKey=2,
                mappingInstructions=[
                    wire.MigrateProcessInstanceRequest.MappingInstruction(sourceElementId="a", targetElementId="b")
                ],
            ),
        ),
    ),
    ("CancelProcessInstance", lambda c: c.cancel_instance(5), wire.CancelProcessInstanceRequest(processInstanceKey=5)),
    ("ResolveIncident", lambda c: c.resolve_incident(5), wire.ResolveIncidentRequest(incidentKey=5)),
    ("DeleteResource", lambda c: c.delete_resource(5), wire.DeleteResourceRequest(resourceKey=5)),
    (
        "DeleteResource",
        lambda c: c.delete_resource(5, delete_history=True),
        wire.DeleteResourceRequest(resourceKey=5, deleteHistory=True),
    ),
    ("UpdateJobRetries", lambda c: c.update_job_retries(5, 3), wire.UpdateJobRetriesRequest(jobKey=5, retries=3)),
    (
        "SetVariables",
        lambda c: c.set_variables(5, {"a": None}, local=True),
        wire.SetVariablesRequest(elementInstanceKey=5, variables='{"a":null}', local=True),
    ),
    (
        "PublishMessage",
        lambda c: c.publish_message("m", "k", time_to_live_ms=9, message_id="i"),
        wire.PublishMessageRequest(name="m", correlationKey="k", timeToLive=9, messageId="i"),
    ),
    (
        "CreateProcessInstanceWithResult",
        lambda c: c.create_instance_with_result(
            "p", start_at=["x"], tags=["t"], business_id="b", fetch_variables=["v"], wait_ms=7
        ),
        wire.CreateProcessInstanceWithResultRequest(
            request=wire.CreateProcessInstanceRequest(
                bpmnProcessId="p",
                version=-1,
                startInstructions=[wire.ProcessInstanceCreationStartInstruction(elementId="x")],
                tags=["t"],
                businessId="b",
            ),
            requestTimeout=7,
            fetchVariables=["v"],
        ),
    ),
    (
        "ModifyProcessInstance",
        lambda c: c.modify_instance(1, terminate_elements=["z"], move=[Move(9, "b", use_source_parent=True)]),
        wire.ModifyProcessInstanceRequest(
            processInstanceKey=1,
            terminateInstructions=[wire.ModifyProcessInstanceRequest.TerminateInstruction(elementId="z")],
            moveInstructions=[
                wire.ModifyProcessInstanceRequest.MoveInstruction(
                    sourceElementInstanceKey=9, targetElementId="b", useSourceParentKeyAsAncestorScopeKey=True
                )
            ],
        ),
    ),
    (
        "EvaluateConditional",
        lambda c: c.evaluate_conditional({"x": 1}, process_definition_key=3),
        wire.EvaluateConditionalRequest(processDefinitionKey=3, variables='{"x":1}'),
    ),
    (
        "AssignProcessInstanceBusinessId",
        lambda c: c.assign_business_id(5, "b"),
        wire.AssignProcessInstanceBusinessIdRequest(processInstanceKey=5, businessId="b"),
    ),
    ("BroadcastSignal", lambda c: c.broadcast_signal("s"), wire.BroadcastSignalRequest(signalName="s")),
    (
        "SearchJobs",
        lambda c: c.search_jobs(user_tasks_only=True, states=[results.JobState.FAILED], after="x"),
        queries.SearchJobsRequest(user_tasks_only=True, states=[queries.JOB_STATE_FAILED], limit=50, after="x"),
    ),
    (
        "SearchProcessInstances",
        lambda c: c.search_instances(parent_key=5, limit=1),
        queries.SearchProcessInstancesRequest(parent_process_instance_key=5, limit=1),
    ),
    (
        "SearchTimers",
        lambda c: c.search_timers(bpmn_process_id="p", of_start_event=False, states=[results.TimerState.WAITING]),
        queries.SearchTimersRequest(
            bpmn_process_id="p", of_start_event=False, states=[queries.TIMER_STATE_WAITING], limit=50
        ),
    ),
    (
        "SearchSubscriptions",
        lambda c: c.search_subscriptions(name="paid", kinds=["MESSAGE"], states=["OPEN"], element_id="wait"),
        queries.SearchSubscriptionsRequest(
            name="paid",
            element_id="wait",
            kinds=[queries.SUBSCRIPTION_KIND_MESSAGE],
            states=[queries.SUBSCRIPTION_STATE_OPEN],
            limit=50,
        ),
    ),
    (
        "SearchMessages",
        lambda c: c.search_messages(correlation_key="7", after="x"),
        queries.SearchMessagesRequest(correlation_key="7", limit=50, after="x"),
    ),
]


@pytest.mark.parametrize(("name", "call", "request_"), CALLS, ids=[name for name, *_ in CALLS])
async def test_a_call_says_what_was_given(
    gateway: ScriptedGateway, client: Client, name: str, call: Any, request_: Any
) -> None:
    gateway.answers[name] = METHODS[name].response()
    await call(client)
    assert gateway.asked(name) == [request_]


async def test_a_deployment_tells_each_kind(gateway: ScriptedGateway, client: Client) -> None:
    gateway.answers["DeployResource"] = wire.DeployResourceResponse(
        key=1,
        deployments=[
            wire.Deployment(
                process=wire.ProcessMetadata(
                    bpmnProcessId="p", version=2, processDefinitionKey=3, resourceName="p.bpmn"
                )
            ),
            wire.Deployment(form=wire.FormMetadata(formId="f", version=1, formKey=4, resourceName="f.form")),
        ],
    )
    deployed = await client.deploy(("p.bpmn", b"<x/>"), __file__)
    assert deployed.processes == [results.DeployedProcess(3, "p", 2, "p.bpmn")]
    assert deployed.forms == [results.DeployedForm(4, "f", 1, "f.form")]
    assert [each.name for each in gateway.asked("DeployResource")[0].resources] == ["p.bpmn", "test_client.py"]


async def test_instances_come_with_where_they_are(gateway: ScriptedGateway, client: Client) -> None:
    element = queries.ElementInstance(
        key=2, element_id="eat", type="USER_TASK", state=queries.ELEMENT_INSTANCE_STATE_ACTIVATED
    )
    gateway.answers["SearchProcessInstances"] = queries.SearchProcessInstancesResponse(
        items=[queries.ProcessInstance(key=1, state=queries.PROCESS_INSTANCE_STATE_ACTIVE, elements=[element])],
        next="c",
    )
    page = await client.search_instances(has_incident=False)
    assert page.next == "c"
    assert page.items[0].state is results.InstanceState.ACTIVE
    assert page.items[0].elements[0].state == "ACTIVATED"
    assert gateway.asked("SearchProcessInstances")[0].HasField("has_incident")


async def test_jobs_incidents_variables_and_status_are_plain_values(gateway: ScriptedGateway, client: Client) -> None:
    gateway.answers |= {
        "SearchJobs": queries.SearchJobsResponse(
            items=[
                queries.Job(key=1, state=queries.JOB_STATE_FAILED, custom_headers='{"a":"b"}', candidate_groups=["g"])
            ]
        ),
        "SearchIncidents": queries.SearchIncidentsResponse(
            items=[queries.Incident(key=2, state=queries.INCIDENT_STATE_OPEN)]
        ),
        "SearchVariables": queries.SearchVariablesResponse(items=[queries.Variable(name="n", value="[1]")]),
        "Status": queries.StatusResponse(
            broker_version="0.1.0", partitions=[queries.PartitionStatus(id=1, role="LEADER")]
        ),
    }
    (job,) = (await client.search_jobs()).items
    assert (job.state, job.headers, job.candidate_groups, job.priority) == ("FAILED", {"a": "b"}, ["g"], None)
    assert (await client.search_incidents()).items[0].state is results.IncidentState.OPEN
    assert (await client.search_variables(1)).items[0].value == [1]
    assert (await client.status()).partitions[0].role == "LEADER"


async def test_timers_subscriptions_and_messages_are_plain_values(gateway: ScriptedGateway, client: Client) -> None:
    gateway.answers |= {
        "SearchTimers": queries.SearchTimersResponse(
            items=[queries.Timer(key=1, state=queries.TIMER_STATE_SUSPENDED, due_ms=9, repetitions=-1)], next="c"
        ),
        "SearchSubscriptions": queries.SearchSubscriptionsResponse(
            items=[
                queries.Subscription(
                    key=2, kind=queries.SUBSCRIPTION_KIND_CONDITION, state=queries.SUBSCRIPTION_STATE_ENDED
                )
            ]
        ),
        "SearchMessages": queries.SearchMessagesResponse(
            items=[queries.BufferedMessage(key=3, variables='{"a":1}', correlated_process_ids=["p"])]
        ),
    }
    page = await client.search_timers()
    assert (page.items[0].state, page.items[0].due_ms, page.items[0].repetitions, page.next) == (
        results.TimerState.SUSPENDED,
        9,
        -1,
        "c",
    )
    (subscription,) = (await client.search_subscriptions()).items
    assert (subscription.kind, subscription.state) == ("CONDITION", "ENDED")
    (message,) = (await client.search_messages()).items
    assert (message.variables, message.correlated_process_ids) == ({"a": 1}, ["p"])


@pytest.mark.parametrize("value", ["1e999", "pizza", ""])
async def test_a_value_that_python_cannot_read_hides_no_other(
    gateway: ScriptedGateway, client: Client, value: str
) -> None:
    items = [queries.Variable(name="odd", value=value), queries.Variable(name="n", value="1")]
    gateway.answers["SearchVariables"] = queries.SearchVariablesResponse(items=items)
    assert [one.value for one in (await client.search_variables(1)).items] == [value, 1]


async def test_a_word_is_no_list_of_words(gateway: ScriptedGateway, client: Client) -> None:
    with pytest.raises(TypeError, match="Expected states to be a list, but found 'ACTIVE'"):
        await client.search_instances(states="ACTIVE")
    with pytest.raises(TypeError, match="Expected kinds to be a list, but found 'JOB'"):
        client.events(kinds="JOB")
    assert not gateway.requests


async def test_an_address_that_is_no_text_is_named() -> None:
    wrong: Any = 12
    with pytest.raises(TypeError, match="Expected address to be a string, but found 12"):
        Client(wrong)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"a": 1, "b": object()}, "found object in variable 'b'"),
        ({"a": [{"x": {1: object()}}]}, "found object in variable 'a'"),
        ({"a": lambda: 0}, "found function in variable 'a'"),
    ],
)
async def test_a_value_that_cannot_be_sent_is_named(gateway, client: Client, values: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        await client.create_instance("p", values)
    assert not gateway.requests


def test_a_refusal_says_its_status_once() -> None:
    framed = "Command 'CREATE' rejected with code 'INVALID_ARGUMENT': Expected a resource"
    refusal = errors.InvalidArgument(grpc.StatusCode.INVALID_ARGUMENT, framed)
    assert (str(refusal), refusal.sentence) == ("INVALID_ARGUMENT: Expected a resource", "Expected a resource")
    assert refusal.details == framed


@pytest.mark.parametrize(
    "call", [lambda c: c.search_timers(states=["OPEN"]), lambda c: c.search_subscriptions(kinds=["X"])]
)
async def test_a_state_or_kind_that_is_none_is_refused(gateway: ScriptedGateway, client: Client, call: Any) -> None:
    with pytest.raises(ValueError, match="but found"):
        await call(client)
    assert not gateway.requests


@pytest.mark.parametrize(
    ("code", "error", "parent"),
    [
        ("NOT_FOUND", errors.NotFound, errors.Refused),
        ("ALREADY_EXISTS", errors.AlreadyExists, errors.Refused),
        ("INVALID_ARGUMENT", errors.InvalidArgument, errors.Refused),
        ("FAILED_PRECONDITION", errors.InvalidState, errors.Refused),
        ("PERMISSION_DENIED", errors.NotAllowed, errors.Refused),
        ("UNAUTHENTICATED", errors.NotAllowed, errors.Refused),
        ("UNIMPLEMENTED", errors.Unimplemented, errors.Refused),
        ("RESOURCE_EXHAUSTED", errors.Overloaded, errors.OsmiaError),
        ("UNAVAILABLE", errors.Unavailable, errors.OsmiaError),
        ("CANCELLED", errors.Unavailable, errors.OsmiaError),
        ("DEADLINE_EXCEEDED", errors.Timeout, errors.OsmiaError),
        ("INTERNAL", errors.BrokerFailed, errors.OsmiaError),
        ("UNKNOWN", errors.BrokerFailed, errors.OsmiaError),
    ],
)
async def test_each_status_is_an_error_of_its_own(
    gateway: ScriptedGateway, client: Client, code: str, error: type[errors.OsmiaError], parent: type
) -> None:
    for call in ("CreateProcessInstance", "ActivateJobs"):
        gateway.refusals[call].append(grpc.StatusCode[code])
    with pytest.raises(error, match="scripted refusal") as raised:
        await client.create_instance("p")
    assert raised.value.code is grpc.StatusCode[code]
    assert isinstance(raised.value, parent)
    with pytest.raises(error):
        await client.activate_jobs("t")
    assert len(gateway.asked("CreateProcessInstance")) == 1  # never repeated by itself


KEY = "osmia-idempotency-key"


async def test_a_creation_with_a_key_is_repeated_with_it_until_the_broker_answers(
    gateway: ScriptedGateway, client: Client
) -> None:
    gateway.refusals["CreateProcessInstance"].append(grpc.StatusCode.UNAVAILABLE)
    await client.create_instance("p", idempotency_key="k")
    assert gateway.metadata("CreateProcessInstance", KEY) == ["k", "k"]


async def test_a_client_can_give_each_creation_a_key_of_its_own(gateway: ScriptedGateway) -> None:
    async with Client(gateway.address, idempotent_creations=True) as client:
        gateway.refusals["CreateProcessInstance"].append(grpc.StatusCode.UNAVAILABLE)
        await client.create_instance("p")
        await client.create_instance("p")
        await client.create_instance("p", idempotency_key="mine")
    first, again, second, own = gateway.metadata("CreateProcessInstance", KEY)
    assert first == again != second
    assert own == "mine"


async def test_a_refused_creation_is_not_repeated(gateway: ScriptedGateway, client: Client) -> None:
    for status in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED):
        gateway.refusals["CreateProcessInstance"].append(status)
        with pytest.raises(errors.OsmiaError):
            await client.create_instance("p", idempotency_key="k")
    assert len(gateway.asked("CreateProcessInstance")) == 3


async def test_a_creation_with_a_key_ends_with_its_time(gateway: ScriptedGateway) -> None:
    async with Client(gateway.address, call_timeout_ms=1) as client:
        gateway.refusals["CreateProcessInstance"].extend([grpc.StatusCode.UNAVAILABLE] * 100)
        with pytest.raises((errors.Unavailable, errors.Timeout)):
            await client.create_instance("p", idempotency_key="k")


async def test_the_decision_of_an_ad_hoc_worker_travels_with_the_completion(
    gateway: ScriptedGateway, client: Client
) -> None:
    key = await gateway.add_job("choose")
    decision = AdHocResult({"x": {"y": 2}, "z": None}, is_fulfilled=True)
    await client.complete_job(key, {"a": 1}, result=decision, business_id="b")
    assert gateway.ended[key] == wire.CompleteJobRequest(
        jobKey=key,
        variables='{"a":1}',
        result=wire.JobResult(
            type="adHocSubProcess",
            activateElements=[
                wire.JobResultActivateElement(elementId="x", variables='{"y":2}'),
                wire.JobResultActivateElement(elementId="z"),
            ],
            isCompletionConditionFulfilled=True,
            isCancelRemainingInstances=False,
        ),
        businessId="b",
    )


async def test_a_job_knows_its_kind_and_the_marks_of_its_instance(gateway: ScriptedGateway, client: Client) -> None:
    kind, event = wire.ActivatedJob.JobKind, wire.ActivatedJob.ListenerEventType
    unspecified = event.Value("UNSPECIFIED")
    await gateway.add_job("t", listenerEventType=unspecified, businessId="b", tags=["vip"])
    await gateway.add_job("t", kind=kind.Value("EXECUTION_LISTENER"), listenerEventType=event.Value("END"))
    await gateway.add_job("t", kind=kind.Value("AD_HOC_SUB_PROCESS"), listenerEventType=unspecified)
    seen = [(job.kind, job.listener_event, job.business_id, job.tags) for job in await client.activate_jobs("t")]
    assert seen == [
        ("BPMN_ELEMENT", "", "b", ("vip",)),
        ("EXECUTION_LISTENER", "END", "", ()),
        ("AD_HOC_SUB_PROCESS", "", "", ()),
    ]


async def test_a_poll_ends_without_jobs(client: Client) -> None:
    assert await client.activate_jobs("none", wait_ms=0) == []


async def test_nobody_there_is_unavailable() -> None:
    async with Client("127.0.0.1:1") as client:
        with pytest.raises(errors.Unavailable):
            await client.topology()


LARGE = "y" * 2_097_152


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda c: c.create_instance("p", {"a": 1, "x": LARGE}), "of at most 2097152 bytes, but found 2097166; .* 'x'"),
        (lambda c: c.complete_job(1, {"x": LARGE}), "2097152 bytes"),
        (lambda c: c.complete_job(1, f'{{"x":"{LARGE}"}}'), "2097152 bytes"),
    ],
)
async def test_too_large_a_call_is_refused_before_it_is_sent(
    gateway: ScriptedGateway, client: Client, call: Any, text: str
) -> None:
    with pytest.raises(errors.InvalidArgument, match=text):
        await call(client)
    assert not gateway.requests


async def test_variables_of_the_largest_size_are_sent(gateway: ScriptedGateway, client: Client) -> None:
    await client.create_instance("p", {"x": "y" * (2_097_152 - len('{"x":""}'))})
    assert gateway.asked("CreateProcessInstance")


@pytest.mark.parametrize(
    ("details", "error"),
    [
        ("SERVER: Received message larger than max (5 vs. 4)", errors.InvalidArgument),
        ("gRPC message exceeds maximum size 4: 5", errors.InvalidArgument),
        ("CLIENT: Received message larger than max (5 vs. 4)", errors.Overloaded),  # the call may have taken effect
        ("Expected at most 1000 commands to wait, but found as many already", errors.Overloaded),
    ],
)
def test_a_gateway_that_finds_a_request_too_large_is_not_overloaded(details: str, error: type) -> None:
    metadata = grpc.aio.Metadata()
    failure = grpc.aio.AioRpcError(grpc.StatusCode.RESOURCE_EXHAUSTED, metadata, metadata, details)
    assert type(errors.from_rpc(failure)) is error


async def test_options_overrule_the_built_in_ones(gateway: ScriptedGateway) -> None:
    async with Client(gateway.address, options=[("grpc.max_send_message_length", 100)]) as client:
        with pytest.raises(errors.InvalidArgument, match="at most 100 bytes"):
            await client.create_instance("p", {"x": "y" * 100})
    async with Client(gateway.address) as client:  # the gateway knows what it takes
        with pytest.raises(errors.InvalidArgument, match="SERVER: Received message larger than max"):
            await client.deploy(("big.bpmn", b"x" * (5 * 1024 * 1024)))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda c: c.create_instance(), ValueError, "either bpmn_process_id or process_definition_key"),
        (lambda c: c.create_instance("p", process_definition_key=1), ValueError, "either bpmn_process_id"),
        (lambda c: c.create_instance("p", [1]), TypeError, "a mapping, a dataclass or a model, but found list"),
        (lambda c: c.create_instance("p", {"x": object()}), TypeError, "found object"),
        (lambda c: c.evaluate_decision(), ValueError, "either decision_id or decision_key"),
        (lambda c: c.deploy("no-such-file.bpmn"), FileNotFoundError, "no-such-file"),
    ],
)
async def test_a_mistake_in_a_call_is_told_before_anything_is_sent(
    gateway: ScriptedGateway, client: Client, call: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        await call(client)
    assert not gateway.requests


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("broker", ("broker:26500", False)),
        ("broker:1", ("broker:1", False)),
        ("http://broker:1", ("broker:1", False)),
        ("https://broker", ("broker:26500", True)),
        ("grpcs://broker:443/", ("broker:443", True)),
        ("[::1]:7", ("[::1]:7", False)),
        (" broker:1 \n", ("broker:1", False)),
    ],
)
def test_an_address_is_understood(address: str, found: tuple[str, bool]) -> None:
    parsed = parse_address(address)
    assert (parsed.target, parsed.is_secure) == found


@pytest.mark.parametrize(
    "address",
    [
        "ftp://broker",
        "http://",
        "broker:1/path",
        "broker:port",
        "broker:99999",
        "broker:0",
        ":26500",
        "[::1",
        "two words:1",
        "user@broker:1",
        "broker:1?x=y",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"an address like host:port or https://host:port, but found"):
        parse_address(address)


def test_the_address_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OSMIA_ADDRESS", raising=False)
    monkeypatch.delenv("ZEEBE_ADDRESS", raising=False)
    assert Channel().address == "127.0.0.1:26500"
    monkeypatch.setenv("ZEEBE_ADDRESS", "zeebe:1")
    assert Channel().address == "zeebe:1"
    monkeypatch.setenv("OSMIA_ADDRESS", "osmia:2")
    assert Channel().address == "osmia:2"
    assert Channel("given:3").address == "given:3"


async def test_a_client_is_not_shared_between_loops(gateway: ScriptedGateway, client: Client) -> None:
    await client.activate_jobs("t", wait_ms=0)
    caught: list[BaseException] = []

    def elsewhere() -> None:
        try:
            asyncio.run(client.topology())
        except RuntimeError as error:
            caught.append(error)

    await asyncio.to_thread(elsewhere)
    assert "one event loop only" in str(caught[0])


async def test_the_blocking_client_works_from_any_thread(gateway: ScriptedGateway) -> None:
    def use(found: list[int]) -> None:
        found.append(client.create_instance("t", {"n": 1}).key)

    with SyncClient(gateway.address) as client:
        keys: list[int] = []
        await asyncio.gather(*(asyncio.to_thread(use, keys) for _ in range(4)))
        assert len(set(keys)) == 4
        jobs = await asyncio.to_thread(client.activate_jobs, "t")
        assert sorted(job.key for job in jobs) == sorted(keys)
        await asyncio.to_thread(client.complete_job, jobs[0].key, {"m": 2})
        assert jobs[0].key in gateway.ended
        await asyncio.to_thread(client.close)


async def test_the_blocking_stream_ends_with_its_iteration(gateway: ScriptedGateway) -> None:
    client = SyncClient(gateway.address)

    def first() -> int:
        for job in client.stream_jobs("t"):
            return job.key
        raise AssertionError("the stream ended")

    reading = asyncio.create_task(asyncio.to_thread(first))
    await gateway.until(lambda: gateway.asked("StreamActivatedJobs"))
    key = await gateway.add_job("t")
    assert await reading == key
    await asyncio.to_thread(client.close)


async def test_a_call_of_another_thread_ends_when_the_client_is_closed(gateway: ScriptedGateway) -> None:
    # The call is made again and again.
    gateway.refusals["CreateProcessInstance"].extend([grpc.StatusCode.UNAVAILABLE] * 1_000)
    client = SyncClient(gateway.address)
    creating = asyncio.create_task(asyncio.to_thread(client.create_instance, "t", idempotency_key="once"))
    await gateway.until(lambda: len(gateway.asked("CreateProcessInstance")) > 1)
    await asyncio.to_thread(client.close)
    with pytest.raises(errors.Unavailable):
        await asyncio.wait_for(creating, ANSWER_S)


async def test_the_blocking_worker_works_and_stops(gateway: ScriptedGateway) -> None:
    client = SyncClient(gateway.address)
    worker = SyncWorker(client, wait_ms=1_000)
    threads = set()

    @worker.job("t")
    def work(n: int) -> dict[str, int]:
        threads.add(threading.current_thread().name)
        return {"m": n + 1}

    key = await gateway.add_job("t", variables={"n": 1})
    running = asyncio.create_task(asyncio.to_thread(worker.run))
    await gateway.until(lambda: key in gateway.ended)
    await asyncio.to_thread(worker.stop)
    await running
    assert threads
    assert all("-job" in name for name in threads)
    await asyncio.to_thread(client.close)


WORKER = """
import asyncio, sys
from osmia import {client}, {worker}
{client_line}
worker = {worker}(client, wait_ms=60_000)
@worker.job("t")
def work(): pass
{run}
print("stopped in order")
"""
KINDS = {
    "asyncio": {"client": "Client", "worker": "Worker", "run": "asyncio.run(worker.run())"},
    "blocking": {"client": "SyncClient", "worker": "SyncWorker", "run": "worker.run()"},
}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_signal_stops_a_worker_in_order(gateway: ScriptedGateway, kind: str, number: signal.Signals) -> None:
    words = KINDS[kind]
    program = WORKER.format(client_line=f"client = {words['client']}('{gateway.address}')", **words)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ
    )
    await gateway.until(lambda: gateway.open_polls == 1)
    process.send_signal(number)
    out, err = await asyncio.wait_for(process.communicate(), 20)
    assert (process.returncode, out) == (0, b"stopped in order\n"), err.decode()
    assert not gateway.asked("FailJob")


def test_the_client_needs_nothing_but_grpc_protobuf_and_msgspec() -> None:
    program = """
import sys, osmia, osmia.testing
ours = {"grpc_health", "grpc_reflection", "grpc_tools"}  # grpc itself takes these along where it finds them
ours |= {"osmia", "osmia_proto", "grpc", "google", "msgspec", "typing_extensions", "cython_runtime", "_cython"}
print(sorted({name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names) - ours))
"""
    done = subprocess.run([sys.executable, "-I", "-c", program], check=True, capture_output=True, text=True)
    found = [
        name
        for name in eval(done.stdout)
        if not name.startswith(("__", "_cython", "_virtualenv", "_distutils", "sitecustomize"))
    ]
    assert found == [], "Expected no further package, but found these"


def test_what_is_exported_is_there() -> None:
    assert all(hasattr(osmia, name) for name in osmia.__all__)
