"""The audit log beyond user tasks: which operations of people it holds, and what it leaves out."""

from typing import Any

import pytest

import osmia
from tests.bpmn import bpmn
from tests.dmn.models import decision, definitions, literal
from tests.rest.conftest import Rest

ADA = {"Osmia-User": "ada"}


def entries(rest: Rest, **filter: Any) -> list[dict[str, Any]]:
    body = {"filter": filter, "sort": [{"field": "auditLogKey", "order": "ASC"}]}
    return list(rest.post("/audit-logs/search", body)["items"])


def done(rest: Rest, **filter: Any) -> list[tuple[str, str, str | None]]:
    return [(one["entityType"], one["operationType"], one["actorId"]) for one in entries(rest, **filter)]


def test_the_life_of_an_instance_that_people_operate_on(rest: Rest, unique: str):
    first = rest.deploy("start > a:user > b:user > end", unique)
    second = rest.deploy("start > a:user > b:user > c:user > end", unique)
    asked = {"processDefinitionId": unique, "processDefinitionVersion": 1}
    key = rest.post("/process-instances", asked, headers=ADA)["processInstanceKey"]
    path = f"/process-instances/{key}"
    ben = {"Osmia-User": "ben"}
    rest.ask("PUT", f"/element-instances/{key}/variables", {"variables": {"x": 1, "y": 2}}, headers=ben)
    rest.post(f"{path}/suspension", headers=ben)
    rest.post(f"{path}/resumption", headers=ben)
    rest.post(f"{path}/modification", {"activateInstructions": [{"elementId": "b"}]}, headers=ben)
    plan = {
        "targetProcessDefinitionKey": str(second),
        "mappingInstructions": [{"sourceElementId": one, "targetElementId": one} for one in "ab"],
    }
    rest.post(f"{path}/migration", plan, headers=ADA)
    rest.post(f"{path}/business-id-assignment", {"businessId": "b-7"}, headers=ADA)
    rest.post(f"{path}/cancellation")
    found = [one for one in entries(rest, processInstanceKey=key) if one["entityType"] != "USER_TASK"]
    assert [(one["entityType"], one["operationType"], one["actorId"]) for one in found] == [
        ("PROCESS_INSTANCE", "CREATE", "ada"),
        ("VARIABLE", "UPDATE", "ben"),
        ("PROCESS_INSTANCE", "SUSPEND", "ben"),
        ("PROCESS_INSTANCE", "RESUME", "ben"),
        ("PROCESS_INSTANCE", "MODIFY", "ben"),
        ("PROCESS_INSTANCE", "MIGRATE", "ada"),
        ("PROCESS_INSTANCE", "UPDATE", "ada"),
        ("PROCESS_INSTANCE", "CANCEL", None),
    ]
    variables = found[1]
    assert (variables["entityDescription"], variables["elementInstanceKey"]) == ("x, y", key)
    for one in found:
        assert (one["category"], one["result"], one["userTaskKey"]) == ("DEPLOYED_RESOURCES", "SUCCESS", None)
        assert one["processDefinitionId"] == unique
        assert one["processDefinitionKey"] in (str(first), str(second))
        assert one["actorType"] == ("UNKNOWN" if one["actorId"] is None else "USER")
        assert rest.get(f"/audit-logs/{one['auditLogKey']}") == one
    rest.post(f"{path}/deletion", headers=ADA)
    assert done(rest, processInstanceKey=key)[-1] == ("PROCESS_INSTANCE", "DELETE", "ada")  # the log outlives it


def test_a_held_completion_that_a_listener_denies_is_seen_at_all_doors(rest: Rest, unique: str):
    desk = rest.broker.client.user_tasks
    rest.deploy(f"start > a:user(native=yes, completing={unique}) > end", unique)
    key = rest.create(unique)
    [task] = rest.post("/user-tasks/search", {"filter": {"processInstanceKey": key}})["items"]
    task_key = task["userTaskKey"]

    def hold(result: dict[str, Any], user: str = "") -> None:
        desk.complete(int(task_key), {"x": 1}, user=user, hold_ms=1)
        rest.broker.clock.ms += 1
        rest.broker.look_at_clock()
        asked = {"type": unique, "timeout": 60_000, "maxJobsToActivate": 1, "requestTimeout": 20_000, "worker": "w"}
        [job] = rest.post("/jobs/activation", asked)["jobs"]
        rest.post(f"/jobs/{job['jobKey']}/completion", {"result": {"type": "userTask"} | result})

    hold({"denied": True, "deniedReason": "too early"}, user="ada")
    reason = (
        f"Completion of the User Task with key '{task_key}' was denied by Task Listener. Reason to deny: 'too early'"
    )
    [failed] = entries(rest, userTaskKey=task_key, result="FAIL")
    assert (failed["operationType"], failed["actorId"], failed["refusal"]) == ("COMPLETE", "ada", reason)
    assert rest.get(f"/user-tasks/{task_key}")["state"] == "CREATED"
    hold({"denied": False})
    assert [(one.operation, one.user, one.refusal, one.channel) for one in desk.history(int(task_key))] == [
        ("CREATE", "", "", "RULE"),
        ("COMPLETE", "ada", reason, "GRPC"),
        ("COMPLETE", "", "", ""),
    ]


def test_each_step_of_a_task_says_by_which_channel_it_came(rest: Rest, unique: str):
    rest.deploy("start > a:user(native=yes, assignee=ada) > end", unique)
    key = rest.create(unique)
    [task] = rest.post("/user-tasks/search", {"filter": {"processInstanceKey": key}})["items"]
    path, task_key = f"/user-tasks/{task['userTaskKey']}", int(task["userTaskKey"])

    def by_client(name: str, priority: int) -> None:
        who = [("osmia-user", "ada"), ("osmia-client", name)]
        with osmia.SyncClient(rest.broker.address, metadata=who) as client:
            client.user_tasks.update(task_key, {"priority": priority})

    rest.ask("DELETE", f"{path}/assignee", headers=ADA)
    rest.broker.client.user_tasks.claim(task_key, user="ada")
    by_client("cli", 1)
    by_client("mcp", 2)
    by_client("<b>toaster", 3)  # no client of ours: the door counts
    rest.ask("PATCH", path, {"changeset": {"priority": 4}}, headers=ADA | {"Osmia-Client": "cli"})
    expected = [
        ("CREATE", "RULE"), ("UNASSIGN", "REST"), ("ASSIGN", "GRPC"), ("UPDATE", "CLI"),
        ("UPDATE", "MCP"), ("UPDATE", "GRPC"), ("UPDATE", "CLI"),
    ]  # fmt: skip
    steps = rest.broker.client.user_tasks.history(task_key)
    assert [(one.operation, one.channel) for one in steps] == expected
    logged = entries(rest, userTaskKey=str(task_key))
    assert sorted((one["operationType"], one["channel"]) for one in logged) == sorted(expected)


def test_what_programs_do_all_day_is_in_the_log_only_with_a_name(rest: Rest, unique: str):
    rest.deploy(f"start > b:job(type={unique}) > end", unique)
    key = rest.create(unique)
    asked = {"type": unique, "timeout": 60_000, "maxJobsToActivate": 1, "requestTimeout": -1, "worker": "w"}
    [job] = rest.post("/jobs/activation", asked)["jobs"]
    rest.ask("PUT", f"/element-instances/{key}/variables", {"variables": {"x": 1}})
    rest.ask("PATCH", f"/jobs/{job['jobKey']}", {"changeset": {"retries": 5}})
    assert entries(rest, processInstanceKey=key) == []
    rest.ask("PATCH", f"/jobs/{job['jobKey']}", {"changeset": {"retries": 2}}, headers=ADA)
    rest.post(f"/jobs/{job['jobKey']}/failure", {"retries": 0, "errorMessage": "no"}, headers=ADA)
    [incident] = rest.post("/incidents/search", {"filter": {"processInstanceKey": key}})["items"]
    rest.ask("PATCH", f"/jobs/{job['jobKey']}", {"changeset": {"retries": 1}}, headers=ADA)
    rest.post(f"/incidents/{incident['incidentKey']}/resolution", headers=ADA)
    found = entries(rest, processInstanceKey=key)
    assert [(one["entityType"], one["operationType"], one["entityKey"]) for one in found] == [
        ("JOB", "UPDATE", job["jobKey"]),
        ("JOB", "UPDATE", job["jobKey"]),
        ("INCIDENT", "RESOLVE", incident["incidentKey"]),
    ]
    assert [one["jobKey"] for one in found] == [job["jobKey"], job["jobKey"], None]
    assert {one["elementInstanceKey"] for one in found} == {job["elementInstanceKey"]}


def test_deployments_decisions_and_batches(rest: Rest, unique: str):
    actor = {"Osmia-User": unique}
    deployed = rest.post(
        "/deployments",
        files=[("resources", (f"{unique}.bpmn", bpmn("start > t:user > end", id=unique)))],
        headers=actor,
    )
    rest.broker.client.deploy((f"{unique}.dmn", definitions(decision(unique, literal("1 + 2")))))
    asked = {"decisionDefinitionId": unique, "variables": {"x": 1}}
    evaluated = rest.post("/decision-definitions/evaluation", asked, headers=actor)
    rest.create(unique)
    batch = rest.post("/process-instances/cancellation", {"filter": {"processDefinitionId": unique}}, headers=actor)
    definition = deployed["deployments"][0]["processDefinition"]["processDefinitionKey"]
    rest.post(f"/resources/{definition}/deletion", {}, headers=actor)
    deployment, made, created, deleted = entries(rest, actorId=unique)
    assert (deployment["deploymentKey"], deployment["entityDescription"]) == (
        deployed["deploymentKey"],
        f"{unique}.bpmn",
    )
    assert made["decisionEvaluationKey"] == evaluated["decisionEvaluationKey"]
    assert (made["decisionDefinitionId"], made["processDefinitionKey"]) == (unique, None)
    assert (created["batchOperationKey"], created["batchOperationType"]) == (
        batch["batchOperationKey"],
        "CANCEL_PROCESS_INSTANCE",
    )
    assert (deleted["operationType"], deleted["resourceKey"], deleted["deploymentKey"]) == ("DELETE", definition, None)
    assert [one["auditLogKey"] for one in entries(rest, batchOperationKey=batch["batchOperationKey"])] == [
        created["auditLogKey"]
    ]
    for type, among in [  # a name in any case; entries about anything else have none
        ("cancel_process_instance", True),
        ({"$in": ["Cancel_Process_Instance", "UPDATE_JOB"]}, True),
        ({"$exists": False}, False),
        ("UPDATE_JOB", False),
    ]:
        found = entries(rest, actorId=unique, batchOperationType=type)
        assert (created["auditLogKey"] in [one["auditLogKey"] for one in found]) is among
    refused = rest.http.post("/audit-logs/search", json={"filter": {"batchOperationType": "NO_SUCH"}})
    assert refused.status_code == 400


def test_operations_over_grpc_are_in_the_audit_log(rest: Rest, unique: str):
    rest.deploy("start > t:user > end", unique)
    with osmia.SyncClient(rest.broker.address, metadata=[("osmia-user", "ada")]) as client:
        key = client.create_instance(unique).key
        client.set_variables(key, {"x": 1})
        client.suspend_instance(key)
        client.resume_instance(key)
        client.cancel_instance(key)
    found = [one for one in done(rest, processInstanceKey=str(key)) if one[0] != "USER_TASK"]
    assert found == [
        ("PROCESS_INSTANCE", "CREATE", "ada"),
        ("VARIABLE", "UPDATE", "ada"),
        ("PROCESS_INSTANCE", "SUSPEND", "ada"),
        ("PROCESS_INSTANCE", "RESUME", "ada"),
        ("PROCESS_INSTANCE", "CANCEL", "ada"),
    ]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/process-instances/99/cancellation", {}),
        ("POST", "/process-instances/99/suspension", {}),
        ("PUT", "/element-instances/99/variables", {"variables": {"x": 1}}),
        ("POST", "/incidents/99/resolution", {}),
        ("PATCH", "/jobs/99", {"changeset": {"retries": 1}}),
        ("POST", "/batch-operations/99/cancellation", {}),
        ("POST", "/process-instances", {"processDefinitionId": "nothing"}),
    ],
)
def test_a_refused_operation_is_not_in_the_log(rest: Rest, unique: str, method: str, path: str, body: dict[str, Any]):
    refused = rest.refusal(method, path, body, headers={"Osmia-User": unique})
    assert refused["status"] == 404
    assert "ByPerson" not in refused["detail"]
    assert entries(rest, actorId=unique) == []


def test_a_repeated_creation_is_in_the_log_once(rest: Rest, unique: str):
    rest.deploy("start > t:user > end", unique)
    headers = ADA | {"osmia-idempotency-key": unique}
    keys = [rest.post("/process-instances", {"processDefinitionId": unique}, headers=headers) for _ in range(2)]
    assert keys[0]["processInstanceKey"] == keys[1]["processInstanceKey"]
    found = done(rest, processInstanceKey=keys[0]["processInstanceKey"], entityType="PROCESS_INSTANCE")
    assert found == [("PROCESS_INSTANCE", "CREATE", "ada")]
