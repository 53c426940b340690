"""The commands of workers, deployers and operators at the HTTP door: what succeeds, and what is refused with which words."""

import json
from typing import Any

import pytest

from tests.bpmn import bpmn
from tests.rest.conftest import Rest

BEYOND = "9223372036854775808"  # one more than 64 bits hold


def activate(rest: Rest, type: str, **more: Any) -> list[dict[str, Any]]:
    asked = {"type": type, "timeout": 60_000, "maxJobsToActivate": 5, "requestTimeout": -1, "worker": "w"}
    return list(rest.post("/jobs/activation", {**asked, **more})["jobs"])


@pytest.fixture
def job(rest: Rest, unique: str) -> dict[str, Any]:
    """A job in the hands of a worker."""
    rest.deploy(f"start > b:job(type={unique}) > end", unique)
    rest.create(unique, n=1)
    (job,) = activate(rest, unique)
    return job


def state_of(rest: Rest, key: str) -> str:
    return str(rest.get(f"/process-instances/{key}")["state"])


# --- deployments


def test_files_are_deployed_and_the_same_bytes_again_change_nothing(rest: Rest, unique: str):
    files = [
        ("resources", (f"{unique}.bpmn", bpmn("start > end", id=unique))),
        ("resources", (f"{unique}.form", json.dumps({"id": unique, "components": []}))),
    ]
    first, again = (rest.http.post("/deployments", files=files).json() for _ in range(2))
    process, form = first["deployments"]
    assert process["processDefinition"]["processDefinitionId"] == unique
    assert process["processDefinition"]["processDefinitionVersion"] == 1
    assert form["form"]["formId"] == unique
    members = ["processDefinition", "decisionDefinition", "decisionRequirements", "form", "resource"]
    assert [*form] == [*process] == members  # all are named, and the others are null
    assert [name for name in members if form[name] is not None] == ["form"]
    assert first["tenantId"] == "<default>"
    assert again["deployments"] == first["deployments"]
    assert again["deploymentKey"] != first["deploymentKey"]


def test_a_file_keeps_its_name_in_any_script(rest: Rest, unique: str):
    name = f"Überprüfung-晩ご飯-{unique}.bpmn"
    files = [("resources", (name, bpmn("start > end", id=unique)))]
    (deployed,) = rest.http.post("/deployments", files=files).json()["deployments"]
    assert deployed["processDefinition"]["resourceName"] == name


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.bpmn", "no xml", "'a.bpmn': "),
        ("a.txt", "x", "unknown resource type"),
        ("a.form", "{}", "Expected the form id to be present"),
    ],
)
def test_a_file_that_cannot_be_deployed(rest: Rest, name: str, content: str, words: str):
    refused = rest.http.post("/deployments", files=[("resources", (name, content))])
    assert (refused.status_code, refused.json()["title"]) == (400, "INVALID_ARGUMENT")
    assert words in refused.json()["detail"]


def test_a_deployment_without_files(rest: Rest):
    refused = rest.http.post("/deployments", files={"other": ("x.bpmn", "")})
    assert refused.status_code == 400
    none = "Expected to deploy at least one resource, but none given"
    assert refused.json()["detail"] == f"{none}: expected parts with the name 'resources', but found 'other'"
    tenant_alone = rest.http.post("/deployments", files={"tenantId": (None, "<default>")})
    assert tenant_alone.json()["detail"].endswith("but found 'tenantId'")


def test_a_deleted_definition_takes_no_new_instances(rest: Rest, unique: str):
    key = rest.deploy("start > end", unique)
    deleted = rest.post(f"/resources/{key}/deletion")
    assert deleted == {"resourceKey": str(key), "batchOperation": None}
    assert rest.refusal("POST", "/process-instances", {"processDefinitionId": unique})["status"] == 404
    assert rest.refusal("POST", f"/resources/{key}/deletion")["status"] == 404


def test_a_definition_is_deleted_with_the_history_of_its_instances(rest: Rest, unique: str):
    key = rest.deploy("start > end", unique)
    ended = rest.create(unique)
    deleted = rest.post(f"/resources/{key}/deletion", {"deleteHistory": True})
    assert deleted["batchOperation"]["batchOperationType"] == "DELETE_PROCESS_INSTANCE"
    rest.broker.look_at_clock()
    assert rest.refusal("GET", f"/process-instances/{ended}")["status"] == 404


@pytest.mark.parametrize(
    ("path", "body", "member"),
    [
        ("/cluster-variables/global", {"value": 1}, "name"),
        ("/global-task-listeners", {"type": "t", "eventTypes": ["creating"]}, "id"),
    ],
)
@pytest.mark.parametrize("name", ["a b", "größe", "a/b", "a\n", "camunda:x"])
def test_names_that_published_clients_cannot_read_are_refused(
    rest: Rest, path: str, body: dict[str, Any], member: str, name: str
):
    problem = rest.refusal("POST", path, {**body, member: name})
    assert (problem["status"], f"Expected '{member}' to have letters" in problem["detail"]) == (400, True), problem


def test_one_variable_comes_whole_and_is_described_so(rest: Rest):
    schemas = rest.get("/openapi.json")["components"]["schemas"]
    assert "isTruncated" not in schemas["GetVariableResult"]["properties"]
    assert "isTruncated" in schemas["SearchVariablesResult"]["properties"]["items"]["items"]["properties"]


# --- jobs


def test_a_worker_gets_a_job_with_objects_and_keys_as_text(job: dict[str, Any], unique: str):
    assert job["variables"] == {"n": 1}
    assert job["customHeaders"] == {}
    assert (job["kind"], job["listenerEventType"], job["tenantId"]) == ("BPMN_ELEMENT", "UNSPECIFIED", "<default>")
    assert job["jobKey"] == job["key"]
    for name in ("jobKey", "processInstanceKey", "processDefinitionKey", "elementInstanceKey"):
        assert job[name].isdigit()
    assert (job["worker"], job["retries"], job["type"], job["processDefinitionId"]) == ("w", 3, unique, unique)


def test_a_long_poll_is_answered_when_a_job_comes(rest: Rest, unique: str):
    from concurrent.futures import ThreadPoolExecutor

    rest.deploy(f"start > b:job(type={unique}) > end", unique)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(activate, rest, unique, requestTimeout="20000")  # as a client in JavaScript sends it
        rest.create(unique)
        assert len(waiting.result(20)) == 1


def test_a_completed_job_moves_the_token_on(rest: Rest, job: dict[str, Any]):
    path = f"/jobs/{job['jobKey']}/completion"
    assert rest.ask("POST", path, {"variables": {"done": True}}).status_code == 204
    assert state_of(rest, job["processInstanceKey"]) == "COMPLETED"
    problem = rest.refusal("POST", path)
    assert (problem["status"], problem["title"]) == (404, "NOT_FOUND")
    assert "no such job was found" in problem["detail"]


def test_a_completion_needs_no_body(rest: Rest, job: dict[str, Any]):
    assert rest.ask("POST", f"/jobs/{job['jobKey']}/completion").status_code == 204


def test_a_failed_job_without_retries_is_refused_until_its_incident_is_resolved(rest: Rest, job: dict[str, Any]):
    key = job["jobKey"]
    rest.post(f"/jobs/{key}/failure", {"retries": 0, "errorMessage": "broken"})
    problem = rest.refusal("POST", f"/jobs/{key}/completion")
    assert (problem["status"], problem["title"]) == (409, "INVALID_STATE")
    found = rest.post(f"/process-instances/{job['processInstanceKey']}/incidents/search")["items"]
    assert [one["errorMessage"] for one in found] == ["broken"]
    assert rest.ask("PATCH", f"/jobs/{key}", {"changeset": {"retries": 2}}).status_code == 204
    path = f"/incidents/{found[0]['incidentKey']}/resolution"
    assert rest.ask("POST", path).status_code == 204
    assert rest.refusal("POST", path)["status"] == 404
    assert [one["retries"] for one in activate(rest, job["type"])] == [2]


def test_an_error_that_nothing_catches_is_an_incident(rest: Rest, job: dict[str, Any]):
    assert rest.ask("POST", f"/jobs/{job['jobKey']}/error", {"errorCode": "no"}).status_code == 204
    found = rest.post(f"/process-instances/{job['processInstanceKey']}/incidents/search")["items"]
    assert [one["errorType"] for one in found] == ["UNHANDLED_ERROR_EVENT"]


def test_a_change_of_a_job_is_whole_or_not_at_all(rest: Rest, job: dict[str, Any]):
    key = job["jobKey"]
    rest.post(f"/jobs/{key}/failure", {"retries": 1, "retryBackOff": 60_000})
    problem = rest.refusal("PATCH", f"/jobs/{key}", {"changeset": {"retries": 7, "timeout": 1_000}})
    assert (problem["status"], problem["title"]) == (409, "INVALID_STATE")
    (found,) = rest.post("/jobs/search", {"filter": {"jobKey": key}})["items"]
    assert found["retries"] == 1


def test_the_filter_of_assigned_tenants_passes_over_those_that_are_named(rest: Rest, unique: str):
    rest.deploy(f"start > b:job(type={unique}) > end", unique)
    rest.create(unique)
    body = {"type": unique, "timeout": 1_000, "maxJobsToActivate": 1, "tenantIds": ["other"]}
    assert "multi-tenancy is disabled" in rest.refusal("POST", "/jobs/activation", body)["detail"]
    assert len(rest.post("/jobs/activation", {**body, "tenantFilter": "ASSIGNED"})["jobs"]) == 1


@pytest.mark.parametrize("name", ["jobLeaseToken", "leaseToken"])
def test_a_leased_job_is_reported_on_with_its_token_only(rest: Rest, unique: str, name: str):
    rest.deploy(f"start > b:job(type={unique}) > end", unique)
    key = rest.create(unique)
    (job,) = activate(rest, unique, withLease=True, tenantFilter="assigned")
    assert job["rootProcessInstanceKey"] == key
    assert job["leaseToken"] == job["jobLeaseToken"]
    path = f"/jobs/{job['jobKey']}"
    assert rest.refusal("POST", f"{path}/completion")["title"] == "INVALID_STATE"
    assert rest.refusal("POST", f"{path}/failure", {name: "other"})["title"] == "INVALID_STATE"
    changes = {"changeset": {"priority": 7}}
    assert rest.refusal("PATCH", path, {**changes, name: "other"})["title"] == "INVALID_STATE"
    assert rest.ask("PATCH", path, changes).status_code == 204
    (found,) = rest.post("/jobs/search", {"filter": {"jobKey": job["jobKey"]}})["items"]
    assert found["priority"] == 7
    assert rest.ask("POST", f"{path}/completion", {name: job[name]}).status_code == 204


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("POST", "/jobs/activation", {}, "No type provided. No timeout provided. No maxJobsToActivate provided."),
        (
            "POST",
            "/jobs/activation",
            {"type": " ", "timeout": 0, "maxJobsToActivate": -1},
            (
                "No type provided. The value for timeout is '0' but must be greater than 0."
                " The value for maxJobsToActivate is '-1' but must be greater than 0."
            ),
        ),
        ("POST", "/jobs/1/error", {}, "No errorCode provided."),
        ("PATCH", "/jobs/1", {}, "At least one of [retries, timeout, priority] is required."),
        ("PATCH", "/jobs/1", {"changeset": {"retries": 0}}, "The value for retries is '0' but must be greater than 0."),
        ("POST", "/messages/publication", {}, "No messageName provided."),
        ("POST", "/messages/correlation", {"name": ""}, "No messageName provided."),
        ("POST", "/signals/broadcast", {}, "No signalName provided."),
        ("PUT", "/element-instances/1/variables", {}, "No variables provided."),
        ("POST", "/process-instances/1/business-id-assignment", {}, "No businessId provided."),
        (
            "POST",
            "/process-instances",
            {"processDefinitionId": "p", "businessId": ""},
            "Expected a business id of 1 to 256 characters, but found an empty one",
        ),
        (
            "POST",
            "/process-instances",
            {"processDefinitionId": "p", "runtimeInstructions": [{"afterElementId": "a"}, {}]},
            "Expected a runtime instruction to name an element, but found none",
        ),
        (
            "POST",
            "/process-instances",
            {"processDefinitionId": "p", "runtimeInstructions": [{"type": "SUSPEND", "afterElementId": "a"}]},
            "Expected a runtime instruction of type 'TERMINATE_PROCESS_INSTANCE', but found 'SUSPEND'.",
        ),
        (
            "POST",
            "/jobs/activation",
            {"type": "a", "timeout": 1, "maxJobsToActivate": 1, "tenantFilter": "SOME"},
            "Expected a tenant filter of PROVIDED (0) or ASSIGNED (1), but found another",
        ),
        (
            "POST",
            "/process-instances/1/migration",
            {},
            "No targetProcessDefinitionKey provided. No mappingInstructions provided.",
        ),
        (
            "POST",
            "/process-instances/1/migration",
            {"targetProcessDefinitionKey": "1", "mappingInstructions": [{"sourceElementId": "a"}]},
            "[sourceElementId, targetElementId] are required.",
        ),
        (
            "POST",
            "/process-instances/1/modification",
            {"activateInstructions": [{}], "terminateInstructions": [{}]},
            "No elementId provided. At least one of [elementId, elementInstanceKey] is required.",
        ),
        (
            "POST",
            "/decision-definitions/evaluation",
            {},
            "At least one of [decisionDefinitionId, decisionDefinitionKey] is required.",
        ),
        (
            "POST",
            "/decision-definitions/evaluation",
            {"decisionDefinitionId": "a", "decisionDefinitionKey": "1"},
            "Only one of [decisionDefinitionId, decisionDefinitionKey] is allowed.",
        ),
        ("POST", "/expression/evaluation", {}, "No expression provided."),
        ("POST", "/cluster-variables/global", {}, "No name provided. No value provided."),
        (
            "POST",
            "/process-instances",
            {"processDefinitionId": "p", "operationReference": 0},
            "The value for operationReference is '0' but must be greater than 0.",
        ),
        (
            "POST",
            "/process-instances/99/cancellation",
            {"operationReference": "-5"},
            "The value for operationReference is '-5' but must be greater than 0.",
        ),
    ],
)
def test_all_faults_of_a_request_stand_in_one_refusal(rest: Rest, method: str, path: str, body: Any, words: str):
    problem = rest.refusal(method, path, body)
    assert (problem["status"], problem["title"], problem["detail"]) == (400, "INVALID_ARGUMENT", words)


UNKNOWN = [
    ("POST", "/jobs/{}/completion", {}),
    ("POST", "/jobs/{}/failure", {}),
    ("POST", "/jobs/{}/error", {"errorCode": "x"}),
    ("PATCH", "/jobs/{}", {"changeset": {"retries": 1}}),
    ("POST", "/incidents/{}/resolution", None),
    ("PUT", "/element-instances/{}/variables", {"variables": {"a": 1}}),
    ("POST", "/process-instances/{}/cancellation", None),
    ("POST", "/process-instances/{}/suspension", None),
    ("POST", "/process-instances/{}/resumption", None),
    ("POST", "/process-instances/{}/deletion", None),
    ("POST", "/process-instances/{}/incident-resolution", None),
    ("POST", "/process-instances/{}/modification", {"activateInstructions": [{"elementId": "a"}]}),
    ("POST", "/process-instances/{}/business-id-assignment", {"businessId": "a"}),
    ("POST", "/element-instances/ad-hoc-activities/{}/activation", {"elements": [{"elementId": "a"}]}),
    ("POST", "/resources/{}/deletion", None),
    ("POST", "/decision-instances/{}/deletion", None),
]


@pytest.mark.parametrize(("method", "path", "body"), UNKNOWN)
def test_a_key_that_names_nothing_is_not_found(rest: Rest, method: str, path: str, body: Any):
    for key in (99, (1 << 51) + 2**40, (7 << 51) + 1, -1, 0):
        problem = rest.refusal(method, path.format(key), body)
        assert (problem["status"], problem["title"]) == (404, "NOT_FOUND"), problem


@pytest.mark.parametrize(("method", "path", "body"), UNKNOWN)
def test_a_key_beyond_64_bits_is_refused(rest: Rest, method: str, path: str, body: Any):
    problem = rest.refusal(method, path.format(BEYOND), body)
    assert (problem["status"], problem["title"]) == (400, "Bad Request")
    assert BEYOND in problem["detail"]


# --- messages, signals, conditions


def test_a_message_is_correlated_at_once_or_not_found(rest: Rest, unique: str):
    rest.deploy(f"start > m:receive(message={unique},key==k) > end", unique)
    key = rest.create(unique, k="7")
    body = {"name": unique, "correlationKey": "7", "variables": {"paid": True}}
    answer = rest.post("/messages/correlation", body)
    assert answer["processInstanceKey"] == key
    assert answer["messageKey"].isdigit()
    assert state_of(rest, key) == "COMPLETED"
    problem = rest.refusal("POST", "/messages/correlation", body)
    assert (problem["status"], problem["title"]) == (404, "NOT_FOUND")
    assert f"Expected to find subscription for message with name '{unique}'" in problem["detail"]


def test_a_published_message_waits_for_those_who_come_later(rest: Rest, unique: str):
    rest.deploy(f"start > m:receive(message={unique},key==k) > end", unique)
    body = {"name": unique, "correlationKey": 7, "timeToLive": 60_000, "messageId": "one"}
    assert rest.post("/messages/publication", body)["messageKey"].isdigit()
    assert rest.refusal("POST", "/messages/publication", body)["title"] == "ALREADY_EXISTS"
    assert state_of(rest, rest.create(unique, k="7")) == "COMPLETED"


def test_a_signal_has_a_key(rest: Rest, unique: str):
    assert rest.post("/signals/broadcast", {"signalName": unique})["signalKey"].isdigit()


def test_conditions_are_evaluated(rest: Rest):
    answer = rest.post("/conditionals/evaluation", {"variables": {"x": 1}})
    assert answer["conditionalEvaluationKey"].isdigit()
    assert answer["processInstances"] == []
    problem = rest.refusal("POST", "/conditionals/evaluation", {"variables": [], "processDefinitionKey": "-1"})
    assert problem["status"] in (400, 404)


@pytest.mark.parametrize(
    "path",
    ["/messages/publication", "/messages/correlation", "/signals/broadcast", "/conditionals/evaluation"],
)
def test_other_tenants_are_refused(rest: Rest, path: str):
    body = {"name": "a", "signalName": "a", "tenantId": "other", "variables": {}}
    problem = rest.refusal("POST", path, body)
    assert (problem["status"], "multi-tenancy is disabled" in problem["detail"]) == (400, True)


# --- running instances


def test_variables_are_set_where_they_are_or_locally(rest: Rest, job: dict[str, Any]):
    path = f"/element-instances/{job['elementInstanceKey']}/variables"
    assert rest.ask("PUT", path, {"variables": {"n": 2}}).status_code == 204
    assert rest.ask("PUT", path, {"variables": {"n": 3}, "local": True}).status_code == 204
    found = rest.post("/variables/search", {"filter": {"processInstanceKey": job["processInstanceKey"]}})["items"]
    assert {one["scopeKey"]: one["value"] for one in found} == {
        job["processInstanceKey"]: "2",
        job["elementInstanceKey"]: "3",
    }


def test_a_token_is_moved_by_hand(rest: Rest, unique: str):
    rest.deploy("start > a:job > b:job > end", unique)
    key = rest.create(unique)
    move = {
        "sourceElementInstruction": {"sourceType": "byId", "sourceElementId": "a"},
        "targetElementId": "b",
        "ancestorScopeInstruction": {"ancestorScopeType": "inferred"},
        "variableInstructions": [{"variables": {"x": 1}, "scopeId": "b"}],
    }
    assert rest.ask("POST", f"/process-instances/{key}/modification", {"moveInstructions": [move]}).status_code == 204
    found = rest.post("/element-instances/search", {"filter": {"processInstanceKey": key, "state": "ACTIVE"}})
    assert {one["elementId"] for one in found["items"]} >= {"b"}
    assert "a" not in {one["elementId"] for one in found["items"]}


def test_a_suspended_instance_refuses_all_but_resume_and_cancel(rest: Rest, job: dict[str, Any]):
    path = f"/process-instances/{job['processInstanceKey']}"
    assert rest.ask("POST", f"{path}/suspension").status_code == 204
    assert state_of(rest, job["processInstanceKey"]) == "SUSPENDED"
    assert rest.refusal("POST", f"{path}/suspension")["status"] == 409
    assert rest.refusal("POST", f"/jobs/{job['jobKey']}/completion")["status"] == 409
    assert rest.ask("POST", f"{path}/resumption").status_code == 204
    assert rest.refusal("POST", f"{path}/resumption")["status"] == 409
    assert rest.ask("POST", f"/jobs/{job['jobKey']}/completion").status_code == 204


def test_a_business_id_is_assigned_once(rest: Rest, job: dict[str, Any], unique: str):
    path = f"/process-instances/{job['processInstanceKey']}/business-id-assignment"
    assert rest.ask("POST", path, {"businessId": unique}).status_code == 204
    assert rest.get(f"/process-instances/{job['processInstanceKey']}")["businessId"] == unique
    assert rest.refusal("POST", path, {"businessId": "other"})["status"] == 409
    assert rest.refusal("POST", path, {"businessId": "x" * 257})["status"] == 400


# --- expressions and cluster variables


@pytest.mark.parametrize(
    ("expression", "result"),
    [("=1 + x", 42), ("text", "text"), ("={a: x}", {"a": 41}), ("=null", None), ("=[1.10]", [1.1])],
)
def test_an_expression_is_evaluated(rest: Rest, expression: str, result: Any):
    answer = rest.post("/expression/evaluation", {"expression": expression, "variables": {"x": 41}})
    assert answer["result"] == result
    assert answer["expression"] == expression


def test_an_expression_sees_the_variables_of_an_element(rest: Rest, job: dict[str, Any]):
    body = {"expression": "=n + m", "scopeKey": job["elementInstanceKey"], "variables": {"m": 2}}
    assert rest.post("/expression/evaluation", body)["result"] == 3
    assert rest.refusal("POST", "/expression/evaluation", {**body, "scopeKey": "99"})["status"] == 404


def test_what_an_expression_misses_is_a_warning_and_a_broken_one_is_refused(rest: Rest):
    answer = rest.post("/expression/evaluation", {"expression": "=missing"})
    assert answer["result"] is None
    assert "missing" in answer["warnings"][0]["message"]
    problem = rest.refusal("POST", "/expression/evaluation", {"expression": "=1 +"})
    assert "failed to parse expression '1 +'" in problem["detail"]


def test_a_cluster_variable_is_read_by_every_expression(rest: Rest, unique: str):
    body = {"name": unique, "value": {"limit": 7}, "metadata": {"owner": "ada"}}
    created = rest.post("/cluster-variables/global", body)
    assert (created["value"], created["metadata"], created["scope"]) == ('{"limit":7}', {"owner": "ada"}, "GLOBAL")
    asked = {"expression": f"=camunda.vars.cluster.{unique}.limit"}
    assert rest.post("/expression/evaluation", asked)["result"] == 7
    path = f"/cluster-variables/global/{unique}"
    assert rest.refusal("POST", "/cluster-variables/global", body)["title"] == "ALREADY_EXISTS"
    updated = rest.http.put(path, json={"value": {"limit": 8}}).json()
    assert updated["metadata"] == {"owner": "ada"}
    assert rest.http.put(path, json={"value": 1, "metadata": {"rate": 1.5}}).json()["metadata"] == {"rate": 1.5}
    updated = rest.http.put(path, json={"value": {"limit": 8}, "metadata": {"owner": "ada"}}).json()
    assert rest.get(path)["value"] == '{"limit":8}'
    assert rest.post("/expression/evaluation", asked)["result"] == 8
    found = rest.post("/cluster-variables/search", {"filter": {"name": unique}})["items"]
    assert [one["name"] for one in found] == [unique]
    assert rest.ask("DELETE", path).status_code == 204
    assert rest.post("/expression/evaluation", asked)["result"] is None
    for method in ("GET", "DELETE"):
        assert rest.refusal(method, path)["status"] == 404
    problem = rest.refusal("PUT", path, {"value": 1})
    told = f"Expected to update cluster variable '{unique}', but no such variable was found"
    assert (problem["status"], problem["detail"]) == (404, f"Command 'UPDATE' rejected with code 'NOT_FOUND': {told}")


@pytest.mark.parametrize(
    "body",
    [
        {"name": " ", "value": 1},
        {"name": "x" * 257, "value": 1},
        {"name": "a\0b", "value": 1},
        {"name": "s", "value": 1, "kind": "SECRET_REFERENCE"},
        {"name": "s", "value": 1, "metadata": {"owner": True}},
        {"name": "s", "value": 1, "metadata": {"owner": None}},
        {"name": "s", "value": 1, "metadata": {"owners": ["ada"]}},
        {"name": "s", "value": 1, "metadata": {str(number): 1 for number in range(101)}},
        {"name": "s", "value": 1, "metadata": {"a\0": "ada"}},
        {"name": "s", "value": 1, "metadata": {"owner": "ada\0"}},
        {"name": "s", "value": 1, "metadata": {"rank": 10**400}},
        {"name": "s", "value": "x" * 1_100_000},
    ],
)
def test_a_cluster_variable_that_is_refused(rest: Rest, body: Any):
    assert rest.refusal("POST", "/cluster-variables/global", body)["status"] == 400


def test_cluster_variables_are_found_by_their_metadata(rest: Rest, unique: str):
    """The values of a filter are texts or numbers; a member of the other type is another value."""
    given: list[dict[str, Any]] = [
        {"owner": "ada", "rank": 7},
        {"owner": "bob", "rank": 10.5, 'o"d.d': "*"},
        {"rank": "7"},
        {},
    ]
    for number, metadata in enumerate(given):
        rest.post("/cluster-variables/global", {"name": f"{unique}-{number}", "value": 1, "metadata": metadata})
    expected: list[tuple[dict[str, Any], str]] = [
        ({"owner": "ada"}, "0"),
        ({"owner": {"$eq": "bob"}}, "1"),
        ({"owner": {"$neq": "bob"}}, "023"),
        ({"owner": {"$exists": True}}, "01"),
        ({"owner": {"$exists": False}}, "23"),
        ({"owner": {"$in": ["ada", "bob"]}, "rank": {"$gt": 7}}, "1"),
        ({"owner": {"$in": []}}, ""),
        ({"owner": {"$like": "?d*"}}, "0"),
        ({'o"d.d': {"$like": "\\*"}}, "1"),
        ({"rank": 7}, "0"),
        ({"rank": "7"}, "2"),
        ({"rank": {"$gte": 7, "$lt": 10.5}}, "0"),
        ({"rank": {"$lte": 1e300}}, "01"),
        ({"rank": {"$in": [7, "7"]}}, "02"),
        ({}, "0123"),
    ]
    for filter, numbers in expected:
        asked = {"filter": {"name": {"$like": f"{unique}-*"}, "metadata": filter}, "sort": [{"field": "name"}]}
        found = rest.post("/cluster-variables/search", asked)["items"]
        assert [one["name"].rpartition("-")[2] for one in found] == list(numbers), filter
    turned = {"$or": [{"metadata": {"owner": "ada"}}, {"metadata": {"rank": 10.5}}], "name": {"$like": f"{unique}-*"}}
    assert rest.post("/cluster-variables/search", {"filter": turned})["page"]["totalItems"] == 2


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ("ada", "filter.metadata to be an object of conditions by name, but found 'ada'"),
        ({"owner": None}, "filter.metadata.owner to be a text or a number, but found null"),
        ({"owner": True}, "filter.metadata.owner to be a text or a number, but found true"),
        ({"rank": {"$gt": "7"}}, "filter.metadata.rank.$gt to be a number, but found '7'"),
        ({"rank": {"$notIn": [1]}}, "filter.metadata.rank to have operators among $eq,"),
        ({"rank": {"$in": 1}}, "filter.metadata.rank.$in to be a list, but found 1"),
        ({"rank": {"$in": [1] * 101}}, "at most 100 conditions"),
        ({"rank": 10**400}, "a number below 1.8e308"),
        ({"a\0": 1}, "without NUL characters"),
    ],
)
def test_a_filter_of_metadata_that_is_refused(rest: Rest, metadata: Any, told: str):
    assert told in rest.refusal("POST", "/cluster-variables/search", {"filter": {"metadata": metadata}})["detail"]


def test_a_long_value_of_a_cluster_variable_is_cut_in_lists(rest: Rest, unique: str):
    rest.post("/cluster-variables/global", {"name": unique, "value": "x" * 9_000})
    asked = {"filter": {"name": unique, "isTruncated": True}}
    (cut,) = rest.post("/cluster-variables/search", asked)["items"]
    assert (len(cut["value"]), cut["isTruncated"]) == (8_191, True)
    (whole,) = rest.post("/cluster-variables/search?truncateValues=false", {"filter": {"name": unique}})["items"]
    assert (len(whole["value"]), whole["isTruncated"]) == (9_002, False)
    assert len(rest.get(f"/cluster-variables/global/{unique}")["value"]) == 9_002


# --- around it


def test_the_clock_is_pinned_only_where_a_setting_allows_it(rest: Rest):
    assert rest.refusal("PUT", "/clock", {"timestamp": 1})["status"] == 403
    assert rest.refusal("POST", "/clock/reset")["status"] == 403


def test_the_caller_is_named(rest: Rest):
    assert rest.get("/authentication/me")["username"] == "anonymous"
    headers = {"Osmia-User": "ada", "Osmia-Groups": "family, office"}
    me = rest.get("/authentication/me", headers=headers)
    assert (me["username"], me["groups"]) == ("ada", ["family", "office"])
    assert rest.get("/system/configuration")["deployment"]["maxRequestSize"] == 4 * 1024**2


# --- long lists


MANY: list[tuple[str, dict[str, Any], str]] = [
    (
        "/process-instances",
        {"processDefinitionId": "p", "startInstructions": [{"elementId": "a"}] * 2001},
        "startInstructions",
    ),
    ("/process-instances", {"processDefinitionId": "p", "runtimeInstructions": [{}] * 2001}, "runtimeInstructions"),
    (
        "/process-instances/1/modification",
        {"activateInstructions": [{"elementId": "a"}] * 2001},
        "activateInstructions",
    ),
    (
        "/process-instances/1/modification",
        {"activateInstructions": [{"variableInstructions": [{}] * 2001}]},
        "variableInstructions",
    ),
    (
        "/process-instances/1/modification",
        {"activateInstructions": [{}] * 1001, "terminateInstructions": [{}] * 1000},
        "terminateInstructions",
    ),
    ("/process-instances/1/migration", {"mappingInstructions": [{}] * 2001}, "mappingInstructions"),
    (
        "/process-instances/migration",
        {"filter": {}, "migrationPlan": {"mappingInstructions": [{}] * 2001}},
        "mappingInstructions",
    ),
    ("/jobs/activation", {"type": "a", "tenantIds": ["<default>"] * 300_000}, "tenantIds"),
    ("/jobs/1/completion", {"result": {"activateElements": [{}] * 2001}}, "activateElements"),
]


@pytest.mark.parametrize(("path", "body", "member"), MANY, ids=lambda one: one if isinstance(one, str) else "")
def test_a_list_that_is_longer_than_anybody_needs(rest: Rest, path: str, body: dict[str, Any], member: str):
    problem = rest.refusal("POST", path, body)
    words = f"Expected the lists of a request to have at most 2000 items together, but found more in {member}"
    assert (problem["status"], problem["detail"]) == (400, words)


# --- results of jobs


@pytest.fixture
def listener(rest: Rest, unique: str) -> dict[str, Any]:
    """The job of a listener that looks at a task which is being created."""
    rest.deploy(f"start > t:user(native=yes, creating={unique}) > end", unique)
    rest.post("/process-instances", {"processDefinitionId": unique})
    [job] = rest.post("/jobs/activation", {"type": unique, "timeout": 60_000, "maxJobsToActivate": 1})["jobs"]
    return dict(job)


def test_nobody_acts_at_the_creation_of_a_task_which_is_an_empty_text(listener: dict[str, Any]):
    assert (listener["userTask"]["action"], listener["userTask"]["assignee"]) == ("", None)


def test_a_listener_sees_dates_as_all_answers_have_them(rest: Rest, unique: str):
    """With an offset, and without the name of a zone. The reserved header has the name."""
    rest.deploy(
        f'start > t:user(native=yes, creating={unique}, due="2030-01-01T01:00:00+01:00[Europe/Berlin]") > end', unique
    )
    rest.post("/process-instances", {"processDefinitionId": unique})
    [job] = rest.post("/jobs/activation", {"type": unique, "timeout": 60_000, "maxJobsToActivate": 1})["jobs"]
    assert (job["userTask"]["dueDate"], job["userTask"]["followUpDate"]) == ("2030-01-01T01:00:00+01:00", None)
    assert job["customHeaders"]["io.camunda.zeebe:dueDate"] == "2030-01-01T01:00:00+01:00[Europe/Berlin]"


@pytest.mark.parametrize("type", ["bogus", "user_task"])
def test_a_result_of_an_unknown_type_is_refused(rest: Rest, listener: dict[str, Any], type: str):
    problem = rest.refusal("POST", f"/jobs/{listener['jobKey']}/completion", {"result": {"type": type}})
    words = f"Expected result.type to be userTask or adHocSubProcess, but found '{type}'"
    assert (problem["status"], problem["detail"]) == (400, words)


@pytest.mark.parametrize(
    ("type", "priority"),
    [("userTask", 7), ("USERTASK", 7), ("", 7), (None, 7), ("adHocSubProcess", 50)],
)
def test_the_type_says_which_members_of_a_result_count(
    rest: Rest, listener: dict[str, Any], type: str | None, priority: int
):
    result = {"type": type, "corrections": {"priority": 7}, "isCompletionConditionFulfilled": True}
    rest.post(f"/jobs/{listener['jobKey']}/completion", {"result": result})
    task = rest.get(f"/user-tasks/{listener['userTask']['userTaskKey']}")
    assert (task["state"], task["priority"]) == ("CREATED", priority)


# --- creation by version tag

TAGGED = '<bpmn:extensionElements><zeebe:versionTag value="{}"/></bpmn:extensionElements>'


def test_the_newest_version_with_a_tag_is_started(rest: Rest, unique: str):
    for tag, line in (("gold", "start > a:user > end"), ("gold", "start > b:user > end"), ("new", "start > end")):
        rest.deploy(line, unique, extra=TAGGED.format(tag))
    asked = {"processDefinitionId": unique, "processDefinitionVersionTag": "gold"}
    created = rest.post("/process-instances", asked)
    assert created["processDefinitionVersion"] == 2
    asked = {"processDefinitionId": unique, "processDefinitionVersionTag": "new", "awaitCompletion": True}
    assert rest.post("/process-instances", asked)["processDefinitionVersion"] == 3


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (
            {"processDefinitionId": "{id}", "processDefinitionVersionTag": "lead"},
            404,
            "process ID '{id}' and version tag 'lead'",
        ),
        (
            {"processDefinitionId": "nothing", "processDefinitionVersionTag": "gold"},
            404,
            "process ID 'nothing' and version tag 'gold', but none found",
        ),
        ({"processDefinitionVersionTag": "gold"}, 400, "At least one of [processDefinitionId, processDefinitionKey]"),
        (
            {"processDefinitionId": "{id}", "processDefinitionVersionTag": " "},
            400,
            "No processDefinitionVersionTag provided.",
        ),
        (
            {"processDefinitionId": "{id}", "processDefinitionVersionTag": "gold", "processDefinitionVersion": 1},
            400,
            "Only one of [processDefinitionVersion, processDefinitionVersionTag] is allowed.",
        ),
        (
            {"processDefinitionKey": "5", "processDefinitionVersionTag": "gold"},
            400,
            "Only one of [processDefinitionKey, processDefinitionVersionTag] is allowed.",
        ),
    ],
    ids=str,
)
def test_a_version_tag_stands_beside_an_id_alone(
    rest: Rest, unique: str, body: dict[str, Any], status: int, words: str
):
    rest.deploy("start > end", unique, extra=TAGGED.format("gold"))
    asked = {name: value.format(id=unique) if isinstance(value, str) else value for name, value in body.items()}
    problem = rest.refusal("POST", "/process-instances", asked)
    assert (problem["status"], words.format(id=unique) in problem["detail"]) == (status, True), problem


@pytest.mark.parametrize("wait_ms", [2**63, 10**30, 10**400])
def test_a_wait_of_any_length_is_cut_to_the_longest_one(rest: Rest, unique: str, wait_ms: int):
    rest.deploy("start > end", unique)
    asked = {"processDefinitionId": unique, "awaitCompletion": True, "requestTimeout": wait_ms}
    assert rest.post("/process-instances", asked)["processInstanceKey"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/user-tasks/5/completion"),
        ("POST", "/jobs/5/completion"),
        ("POST", "/jobs/5/failure"),
        ("PUT", "/element-instances/5/variables"),
        ("POST", "/process-instances"),
        ("POST", "/signals/broadcast"),
    ],
)
@pytest.mark.parametrize(
    ("variables", "found"), [([1], "an array"), ("x", "a text"), (5, "a number"), (True, "a boolean")]
)
def test_variables_that_are_no_object_make_a_request_that_cannot_be_read(
    rest: Rest, method: str, path: str, variables: Any, found: str
):
    body = {"variables": variables, "processDefinitionId": "p", "signalName": "s"}
    problem = rest.refusal(method, path, body)
    assert (problem["status"], problem["title"]) == (400, "Bad Request")
    assert problem["detail"] == f"Failed to read request: variables: expected an object, but found {found}"
