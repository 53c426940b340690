"""Searches at the HTTP door: each entity is found, filtered, sorted and paged, right after the commands that made it."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.bpmn import bpmn
from tests.dmn.models import decision, definitions, literal
from tests.rest.conftest import Rest

DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
KEYS = {
    "process-instances": "processInstanceKey",
    "element-instances": "elementInstanceKey",
    "jobs": "jobKey",
    "incidents": "incidentKey",
    "variables": "variableKey",
    "process-definitions": "processDefinitionKey",
    "message-subscriptions": "messageSubscriptionKey",
    "correlated-message-subscriptions": "subscriptionKey",
    "decision-definitions": "decisionDefinitionKey",
    "decision-requirements": "decisionRequirementsKey",
    "decision-instances": "decisionEvaluationInstanceKey",
    "resources": "resourceKey",
}
Found = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def found(rest: Rest) -> Found:
    """Search *what*; the items."""

    def search(what: str, filter: Any = None, *sort: str, **page: Any) -> list[dict[str, Any]]:
        orders = [{"field": one.lstrip("-"), "order": "DESC" if one[0] == "-" else "ASC"} for one in sort]
        body = {"filter": filter, "sort": orders, "page": page}
        return list(rest.post(f"/{what}/search", body)["items"])

    return search


def of(rest: Rest, what: str, filter: Any) -> int:
    """How many pass a filter, as the answer says."""
    return int(rest.post(f"/{what}/search", {"filter": filter, "page": {"limit": 1}})["page"]["totalItems"])


def the(items: list[dict[str, Any]], field: str) -> list[Any]:
    return [item[field] for item in items]


# --- process instances


def test_an_instance_is_found_in_the_first_answer_after_its_creation(rest: Rest, unique: str, found: Found):
    definition = str(rest.deploy("start > a:job > end", unique))
    for _ in range(3):
        key = rest.create(unique)
        (item,) = found("process-instances", {"processInstanceKey": key})
        assert DATE_TIME.fullmatch(item.pop("startDate"))
        assert item == {
            "processInstanceKey": key,
            "processDefinitionId": unique,
            "processDefinitionName": unique,
            "processDefinitionVersion": 1,
            "processDefinitionVersionTag": None,
            "processDefinitionKey": definition,
            "endDate": None,
            "state": "ACTIVE",
            "suspendedDate": None,
            "hasIncident": False,
            "parentProcessInstanceKey": None,
            "parentElementInstanceKey": None,
            "rootProcessInstanceKey": key,
            "tags": [],
            "businessId": None,
            "tenantId": "<default>",
        }
        assert rest.get(f"/process-instances/{key}") == found("process-instances", {"processInstanceKey": int(key)})[0]


@pytest.fixture
def three(rest: Rest, unique: str) -> tuple[str, str, str]:
    """Instances of one process: active with a business id and tags, with an incident, canceled."""
    rest.deploy(f"start > a:job(type={unique}, retries=1) > end", unique)
    body = {
        "processDefinitionId": unique,
        "variables": {"n": 1, "s": "x"},
        "businessId": unique,
        "tags": ["vip", "late"],
    }
    active = rest.post("/process-instances", body)["processInstanceKey"]
    stopped, gone = rest.create(unique, n=2), rest.create(unique, n=3)
    for job in rest.broker.client.activate_jobs(unique, max_jobs=3):
        if str(job.process_instance_key) == stopped:
            rest.broker.client.fail_job(job.key, retries=0, message="Card refused")
    rest.post(f"/process-instances/{gone}/cancellation")
    return active, stopped, gone


@pytest.mark.parametrize(
    ("filter", "who"),
    [
        ({}, "asg"),
        ({"state": "ACTIVE"}, "as"),
        ({"state": "active"}, "as"),
        ({"state": {"$in": ["TERMINATED", "COMPLETED"]}}, "g"),
        ({"state": {"$neq": "ACTIVE"}}, "g"),
        ({"state": {"$like": "TERM*"}}, "g"),
        ({"state": "SUSPENDED"}, ""),
        ({"hasIncident": True}, "s"),
        ({"hasIncident": False}, "ag"),
        ({"errorMessage": "Card refused"}, "s"),
        ({"errorMessage": {"$like": "*refused"}}, "s"),
        ({"incidentErrorHashCode": 1584365024}, "s"),
        ({"elementId": "a"}, "asg"),
        ({"elementId": "a", "elementInstanceState": "ACTIVE"}, "as"),
        ({"elementId": "start", "elementInstanceState": "ACTIVE"}, ""),
        ({"elementId": "a", "hasElementInstanceIncident": True}, "s"),
        ({"elementId": "start", "hasElementInstanceIncident": True}, ""),
        ({"hasRetriesLeft": True}, ""),
        ({"tags": ["vip"]}, "a"),
        ({"tags": ["late", "vip"]}, "a"),
        ({"tags": ["vip", "none"]}, ""),
        ({"variables": [{"name": "n", "value": "2"}]}, "s"),
        ({"variables": [{"name": "n", "value": {"$in": ["1", "3"]}}]}, "ag"),
        ({"variables": [{"name": "s", "value": '"x"'}]}, "a"),
        ({"variables": [{"name": "s", "value": {"$exists": True}}, {"name": "n", "value": "1"}]}, "a"),
        ({"variables": [{"name": "s", "value": {"$neq": '"y"'}}]}, "a"),
        ({"variables": [{"name": "s", "value": {"$like": '*x"'}}]}, "a"),
        ({"variables": [{"name": "s", "value": {"$contains": "X"}}]}, "a"),
        ({"variables": [{"name": "s", "value": {"$contains": "y"}}]}, ""),
        ({"endDate": {"$exists": True}}, "g"),
        ({"startDate": {"$gt": "2020-01-01T00:00:00Z"}}, "asg"),
        ({"startDate": {"$lt": "2020-01-01T00:00:00Z"}}, ""),
        ({"processDefinitionVersion": {"$gte": 1}}, "asg"),
        ({"processDefinitionVersion": 2}, ""),
        ({"parentProcessInstanceKey": {"$exists": False}}, "asg"),
        ({"$or": [{"hasIncident": True}, {"state": "TERMINATED"}]}, "sg"),
        ({"state": "ACTIVE", "$or": [{"tags": ["vip"]}, {"state": "TERMINATED"}]}, "a"),
    ],
    ids=str,
)
def test_process_instances_by_each_filter(
    rest: Rest, unique: str, three: tuple[str, str, str], found: Found, filter: dict[str, Any], who: str
):
    named = dict(zip("asg", three, strict=True))
    items = found("process-instances", {"processDefinitionId": unique, **filter})
    assert the(items, "processInstanceKey") == [named[one] for one in who]
    assert of(rest, "process-instances", {"processDefinitionId": unique, **filter}) == len(who)


def test_a_job_that_threw_an_error_nobody_caught_is_none_that_failed(rest: Rest, unique: str, found: Found):
    rest.deploy(f"start > a:job(type={unique}) > end", unique)
    thrown, failed = (rest.create(unique) for _ in range(2))
    for job in rest.broker.client.activate_jobs(unique, max_jobs=2, wait_ms=-1):
        if str(job.process_instance_key) == thrown:
            rest.broker.client.throw_error(job.key, "NOBODY", message="bad")
        else:
            rest.broker.client.fail_job(job.key, retries=2, message="Card refused")
    items = found("process-instances", {"processDefinitionId": unique, "hasRetriesLeft": True})
    assert the(items, "processInstanceKey") == [failed]


def test_the_process_instances_of_a_batch(rest: Rest, unique: str, found: Found):
    rest.deploy("start > a:user > end", unique)
    keys = [rest.create(unique) for _ in range(3)]
    filter = {"processDefinitionId": unique, "processInstanceKey": {"$in": keys[:2]}}
    batch = rest.post("/process-instances/cancellation", {"filter": filter})["batchOperationKey"]
    assert the(found("process-instances", {"batchOperationKey": batch}), "processInstanceKey") == keys[:2]
    of_process = {"processDefinitionId": unique}
    assert (
        the(found("process-instances", of_process | {"batchOperationKey": {"$neq": batch}}), "processInstanceKey")
        == keys[2:]
    )
    assert found("process-instances", {"batchOperationId": "nothing"}) == []


def test_process_instances_in_order_and_by_pages(rest: Rest, unique: str, three: tuple[str, str, str]):
    def ask(**page: Any) -> Any:
        sort = [{"field": "processInstanceKey", "order": "desc"}]
        return rest.post(
            "/process-instances/search",
            {"filter": {"processDefinitionId": unique}, "sort": sort, "page": {"limit": 2, **page}},
        )

    first = ask()
    assert the(first["items"], "processInstanceKey") == [three[2], three[1]]
    assert (first["page"]["totalItems"], first["page"]["hasMoreTotalItems"]) == (3, False)
    for cursor in (first["page"]["startCursor"], first["page"]["endCursor"]):
        assert re.fullmatch(
            "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", cursor
        )  # clients check it
    second = ask(after=first["page"]["endCursor"])
    assert the(second["items"], "processInstanceKey") == [three[0]]
    assert second["page"]["totalItems"] == 3
    third = ask(after=second["page"]["endCursor"])
    assert (third["items"], third["page"]["endCursor"], third["page"]["totalItems"]) == ([], None, 3)
    assert ask(before=second["page"]["startCursor"])["items"] == first["items"]
    assert ask(**{"from": 1})["items"] == [first["items"][1], second["items"][0]]


def test_a_business_id_and_tags_are_shown(rest: Rest, three: tuple[str, str, str], unique: str, found: Found):
    (item,) = found("process-instances", {"businessId": unique})
    assert (item["processInstanceKey"], item["tags"], item["businessId"]) == (three[0], ["vip", "late"], unique)


def test_a_called_instance_names_its_callers(rest: Rest, unique: str, found: Found):
    rest.deploy("start > b:user > end", f"{unique}c")
    rest.deploy(f"start > call:call(process={unique}c) > end", unique)
    outer = rest.create(unique)
    (inner,) = found("process-instances", {"parentProcessInstanceKey": outer})
    (calling,) = found("element-instances", {"processInstanceKey": outer, "elementId": "call"})
    assert inner["parentElementInstanceKey"] == calling["elementInstanceKey"]
    assert inner["rootProcessInstanceKey"] == outer
    hierarchy = rest.get(f"/process-instances/{inner['processInstanceKey']}/call-hierarchy")
    assert the(hierarchy, "processInstanceKey") == [outer, inner["processInstanceKey"]]
    assert the(hierarchy, "processDefinitionName") == [unique, f"{unique}c"]


def test_the_flows_and_numbers_of_an_instance(rest: Rest, unique: str, three: tuple[str, str, str]):
    definition = rest.get(f"/process-instances/{three[0]}")["processDefinitionKey"]
    assert rest.get(f"/process-instances/{three[1]}/statistics/element-instances")["items"] == [
        {"elementId": "a", "active": 0, "canceled": 0, "incidents": 1, "completed": 0},
        {"elementId": "start", "active": 0, "canceled": 0, "incidents": 0, "completed": 1},
    ]
    statistics = f"/process-definitions/{definition}/statistics/element-instances"
    assert rest.post(statistics)["items"] == [
        {"elementId": "a", "active": 1, "canceled": 1, "incidents": 1, "completed": 0},
        {"elementId": "start", "active": 0, "canceled": 0, "incidents": 0, "completed": 3},
    ]
    assert rest.post(statistics, {"filter": {"hasIncident": True}})["items"][0]["incidents"] == 1
    assert rest.post(statistics, {"filter": {"state": "TERMINATED"}})["items"][0]["canceled"] == 1
    (flow,) = rest.get(f"/process-instances/{three[0]}/sequence-flows")["items"]
    assert flow["sequenceFlowId"] == f"{three[0]}_{flow['elementId']}"
    assert (flow["processInstanceKey"], flow["processDefinitionId"]) == (three[0], unique)
    assert rest.get(f"/process-instances/{three[0]}/statistics/wait-states")["items"] == [
        {"elementId": "a", "waitingCount": 1}
    ]


# --- element instances, jobs, incidents, variables


def test_element_instances_are_found_by_their_fields(rest: Rest, unique: str, found: Found):
    rest.deploy("start > a:job(name=Pack it) > end", unique)
    instance = rest.create(unique)
    of_instance = {"processInstanceKey": instance}
    items = found("element-instances", of_instance, "startDate")
    assert the(items, "elementId") == ["start", "a"]
    assert the(items, "state") == ["COMPLETED", "ACTIVE"]
    assert the(items, "type") == ["START_EVENT", "SERVICE_TASK"]
    assert (items[1]["elementName"], items[0]["endDate"] is None, items[1]["endDate"]) == ("Pack it", False, None)
    assert rest.get(f"/element-instances/{items[1]['elementInstanceKey']}") == items[1]
    for filter, ids in [
        ({"state": "ACTIVE"}, ["a"]),
        ({"type": "SERVICE_TASK"}, ["a"]),
        ({"type": "PROCESS"}, []),
        ({"type": "SEQUENCE_FLOW"}, []),
        ({"elementName": "Pack it"}, ["a"]),
        ({"elementName": {"$like": "Pack*"}}, ["a"]),
        ({"elementName": {"$neq": "Pack it"}}, ["start"]),
        ({"elementId": {"$in": ["start", "x"]}}, ["start"]),
        ({"elementInstanceScopeKey": instance}, ["start", "a"]),
        ({"processDefinitionId": "x"}, []),
        ({"hasIncident": True}, []),
        ({"incidentKey": {"$exists": False}}, ["start", "a"]),
        ({"$or": [{"elementId": "a"}, {"type": "END_EVENT"}]}, ["a"]),
    ]:
        assert the(found("element-instances", of_instance | filter), "elementId") == ids, filter
    assert the(found("element-instances", of_instance, "elementName"), "elementId") == ["a", "start"]
    assert the(found("element-instances", of_instance, "-elementId"), "elementId") == ["start", "a"]


def test_jobs_are_found_by_their_fields_and_by_what_became_of_them(rest: Rest, unique: str, found: Found):
    rest.deploy(f"start > a:job(type={unique}, retries=5, header.tone=loud) > end", unique)
    keys = [rest.create(unique) for _ in range(4)]
    client = rest.broker.client
    held = client.activate_jobs(unique, max_jobs=3, worker="w1")
    client.fail_job(held[0].key, retries=2, message="No paper")
    client.complete_job(held[1].key)
    client.throw_error(held[2].key, "E1", message="Broken")
    of_type = {"type": unique}
    items = found("jobs", of_type)
    assert the(items, "processInstanceKey") == keys
    assert the(items, "state") == ["FAILED", "COMPLETED", "ERROR_THROWN", "CREATED"]
    assert the(items, "hasFailedWithRetriesLeft") == [True, False, False, False]
    assert the(items, "errorMessage") == ["No paper", None, "Broken", None]
    assert the(items, "errorCode") == [None, None, "E1", None]
    assert the(items, "customHeaders") == [{"tone": "loud"}] * 4
    for filter, count in [
        ({"state": "FAILED"}, 1),
        ({"state": {"$in": ["CREATED", "COMPLETED"]}}, 2),
        ({"worker": "w1"}, 3),
        ({"worker": {"$exists": False}}, 0),  # the contract's worker is empty, not absent
        ({"retries": {"$lt": 5}}, 1),
        ({"hasFailedWithRetriesLeft": True}, 1),
        ({"errorMessage": {"$like": "*paper"}}, 1),
        ({"errorCode": {"$exists": True}}, 1),
        ({"kind": "BPMN_ELEMENT"}, 4),
        ({"listenerEventType": "UNSPECIFIED"}, 4),
        ({"jobKey": str(held[0].key)}, 1),
        ({"endTime": {"$exists": True}}, 1),
        ({"processDefinitionId": unique, "elementId": "a"}, 4),
        ({"isDenied": False}, 0),  # no listener said anything: null
    ]:
        assert of(rest, "jobs", of_type | filter) == count, filter
    assert the(found("jobs", of_type, "retries", "-jobKey"), "retries") == [2, 5, 5, 5]


def test_incidents_are_found_before_and_after_they_are_resolved(
    rest: Rest, unique: str, found: Found, three: tuple[str, str, str]
):
    (item,) = found("incidents", {"processInstanceKey": three[1]})
    assert DATE_TIME.fullmatch(item["creationTime"])
    assert (item["errorType"], item["errorMessage"], item["state"]) == ("JOB_NO_RETRIES", "Card refused", "ACTIVE")
    assert rest.get(f"/incidents/{item['incidentKey']}") == item
    assert rest.post(f"/process-instances/{three[1]}/incidents/search")["items"] == [item]
    assert rest.post(f"/process-instances/{three[0]}/incidents/search")["items"] == []
    element = item["elementInstanceKey"]
    assert rest.post(f"/element-instances/{element}/incidents/search", {})["items"] == [item]
    job = found("jobs", {"jobKey": item["jobKey"]})[0]["jobKey"]
    rest.broker.client.update_job_retries(int(job), 1)
    rest.broker.client.resolve_incident(int(item["incidentKey"]))
    for filter, count in [({"state": "RESOLVED"}, 1), ({"state": "ACTIVE"}, 0), ({"errorType": "JOB_NO_RETRIES"}, 1)]:
        assert of(rest, "incidents", {"processInstanceKey": three[1]} | filter) == count, filter


def test_the_incidents_of_called_instances_are_also_those_of_their_callers(rest: Rest, unique: str, found: Found):
    rest.deploy(f"start > a:job(type={unique}, retries=1) > end", f"{unique}leaf")
    rest.deploy(f"start > b:call(process={unique}leaf) > end", f"{unique}inner")
    rest.deploy(f"start > c:call(process={unique}inner) > end", unique)
    rest.create(f"{unique}leaf")  # has an incident too, but nobody called it
    outer = rest.create(unique)
    for job in rest.broker.client.activate_jobs(unique, max_jobs=2):
        rest.broker.client.fail_job(job.key, retries=0)
    tree = found("process-instances", {"$or": [{"processDefinitionId": {"$like": f"{unique}*"}}]}, "processInstanceKey")
    alone, *called = [one["processInstanceKey"] for one in tree]
    assert called[0] == outer
    (of_alone,) = rest.post(f"/process-instances/{alone}/incidents/search")["items"]
    (of_leaf,) = rest.post(f"/process-instances/{called[-1]}/incidents/search")["items"]
    assert of_alone != of_leaf
    for instance, id in zip(called, "cba", strict=True):
        path = f"/process-instances/{instance}/incidents/search"
        assert rest.post(path)["items"] == [of_leaf]
        (element, start) = (
            found("element-instances", {"processInstanceKey": instance, "elementId": one})[0] for one in (id, "start")
        )
        at_element = rest.post(f"/element-instances/{element['elementInstanceKey']}/incidents/search", {})
        assert (at_element["items"], at_element["page"]["totalItems"]) == ([of_leaf], 1)
        assert rest.post(f"/element-instances/{start['elementInstanceKey']}/incidents/search", {})["items"] == []
        own = rest.post(path, {"filter": {"processInstanceKey": instance}})["items"]
        assert own == ([of_leaf] if id == "a" else [])
    assert rest.refusal("POST", "/incidents/search", {"filter": {"ofInstance": outer}})["status"] == 400


def test_the_numbers_of_incidents(rest: Rest, unique: str, three: tuple[str, str, str]):
    assert three
    by_error = rest.post("/incidents/statistics/process-instances-by-error", {"sort": [{"field": "errorMessage"}]})
    (group,) = [one for one in by_error["items"] if one["errorMessage"] == "Card refused"]
    assert group["activeInstancesWithErrorCount"] >= 1
    by_definition = rest.post(
        "/incidents/statistics/process-instances-by-definition",
        {"filter": {"errorHashCode": group["errorHashCode"]}, "page": {"limit": 1000}},
    )
    assert unique in the(by_definition["items"], "processDefinitionId")


@pytest.mark.parametrize(
    ("conditions", "is_taken"),
    [
        ([{"$like": "x" * 1_000}], True),
        ([{"$like": "x" * 1_001}], False),
        ([{"$like": "*" + "x" * 500}, {"$like": "x" * 500 + "*"}], False),
        ([{"$contains": "x" * 100}], True),
        ([{"$contains": "x" * 101}], False),
        ([{"$like": "x" * 500, "$contains": "x" * 60}], False),
        ([{"$eq": "x" * 20_000}], True),
    ],
)
def test_patterns_over_values_are_shorter(rest: Rest, conditions: list[dict[str, str]], *, is_taken: bool):
    filters = {
        "variables": {"$or": [{"value": one} for one in conditions]},
        "process-instances": {"variables": [{"name": "a", "value": one} for one in conditions]},
        "cluster-variables": {"$or": [{"value": one} for one in conditions]},
    }
    for path, filter in filters.items():
        answer = rest.ask("POST", f"/{path}/search", {"filter": filter})
        assert answer.status_code == (200 if is_taken else 400), answer.text
        assert is_taken or "patterns over values" in answer.json()["detail"]


def test_variables_are_found_by_name_value_and_scope_and_long_ones_are_cut(rest: Rest, unique: str, found: Found):
    rest.deploy("start > a:job(in.local==n + 1) > end", unique)
    key = rest.create(unique, n=1, long="x" * 9_000, deep={"a": [1, None]})
    of_instance = {"processInstanceKey": key}
    items = found("variables", of_instance, "name")
    assert the(items, "name") == ["deep", "local", "long", "n"]
    assert the(items, "isTruncated") == [False, False, True, False]
    assert (items[0]["value"], items[1]["value"], len(items[2]["value"])) == ('{"a":[1,null]}', "2", 8_191)
    assert len({item["variableKey"] for item in items}) == 4
    for item in items:
        whole = rest.get(f"/variables/{item['variableKey']}")
        assert whole["name"] == item["name"]
        assert whole["value"].startswith(item["value"])
    answer = rest.post("/variables/search?truncateValues=false", {"filter": {**of_instance, "name": "long"}})
    assert answer["items"][0]["value"] == '"' + "x" * 9_000 + '"'
    for filter, names in [
        ({"name": {"$like": "*o*"}}, ["local", "long"]),
        ({"value": "2"}, ["local"]),
        ({"value": '"' + "x" * 9_000 + '"'}, ["long"]),
        ({"isTruncated": True}, ["long"]),
        ({"scopeKey": key}, ["deep", "long", "n"]),
        ({"scopeKey": {"$neq": key}}, ["local"]),
        ({"variableKey": items[1]["variableKey"]}, ["local"]),
    ]:
        assert the(found("variables", of_instance | filter, "name"), "name") == names, filter
    by_key = the(found("variables", of_instance, "variableKey"), "variableKey")
    assert by_key == sorted(by_key, key=int)


# --- deployed things


def test_process_definitions_are_found_by_their_fields(rest: Rest, unique: str, found: Found):
    first, second = (rest.deploy(f"start > a{n}:user > end", unique) for n in (1, 2))
    of_process = {"processDefinitionId": unique}
    items = found("process-definitions", of_process)
    assert the(items, "version") == [1, 2]
    assert items[0] == rest.get(f"/process-definitions/{first}")
    assert items[0] == {
        "processDefinitionKey": str(first),
        "processDefinitionId": unique,
        "name": unique,
        "resourceName": f"{unique}.bpmn",
        "version": 1,
        "versionTag": None,
        "state": "ACTIVE",
        "hasStartForm": False,
        "tenantId": "<default>",
    }
    for filter, versions in [
        ({"isLatestVersion": True}, [2]),
        ({"isLatestVersion": False}, [1]),
        ({"version": 1}, [1]),
        ({"state": "ACTIVE"}, [1, 2]),
        ({"state": "DELETED"}, []),
        ({"hasStartForm": False}, [1, 2]),
        ({"hasStartForm": True}, []),
        ({"name": {"$like": unique[:5] + "*"}}, [1, 2]),
        ({"resourceName": f"{unique}.bpmn"}, [1, 2]),
        ({"versionTag": "v"}, []),
    ]:
        assert the(found("process-definitions", of_process | filter), "version") == versions, filter
    assert the(found("process-definitions", of_process, "-version"), "version") == [2, 1]
    xml = rest.ask("GET", f"/process-definitions/{second}/xml")
    assert xml.headers["content-type"].startswith("text/xml")
    assert xml.content == bpmn("start > a2:user > end", id=unique)
    assert rest.ask("GET", f"/process-definitions/{second}/form").status_code == 204


def in_latin_1(file: bytes) -> bytes:
    text = file.decode().rpartition("?>")[2].replace("plain", "Käse")
    return f'<?xml version="1.0" encoding="ISO-8859-1"?>{text}'.encode("iso-8859-1")


def test_xml_is_in_utf_8_whatever_the_file_was(rest: Rest, unique: str, found: Found):
    process = in_latin_1(bpmn("start > a:user(name=plain) > end", id=unique))
    graph = in_latin_1(definitions(decision(unique, literal('"plain"'))))
    rest.broker.client.deploy((f"{unique}.bpmn", process))
    rest.broker.client.deploy((f"{unique}.dmn", graph))
    (definition,) = found("process-definitions", {"processDefinitionId": unique})
    (decided,) = found("decision-definitions", {"decisionDefinitionId": unique})
    key = definition["processDefinitionKey"]
    for path, file in [
        (f"/process-definitions/{key}/xml", process),
        (f"/resources/{key}/content", process),
        (f"/decision-definitions/{decided['decisionDefinitionKey']}/xml", graph),
        (f"/decision-requirements/{decided['decisionRequirementsKey']}/xml", graph),
    ]:
        text = rest.ask("GET", path).content.decode()
        assert text == file.decode("iso-8859-1").replace("ISO-8859-1", "UTF-8"), path
        assert "Käse" in text
    assert rest.ask("GET", f"/resources/{key}/content/binary").content == process


def test_a_deleted_definition_drains_and_is_gone(rest: Rest, unique: str, found: Found):
    key = rest.deploy("start > a:user > end", unique)
    instance = rest.create(unique)
    rest.broker.client.delete_resource(key)
    assert the(found("process-definitions", {"processDefinitionKey": key}), "state") == ["DRAINING"]
    rest.post(f"/process-instances/{instance}/cancellation")
    assert the(found("process-definitions", {"processDefinitionKey": key}), "state") == ["DELETED"]
    assert rest.get(f"/process-instances/{instance}")["processDefinitionId"] == unique


def test_the_numbers_of_definitions(rest: Rest, unique: str, three: tuple[str, str, str]):
    assert three
    answer = rest.post(
        "/process-definitions/statistics/process-instances",
        {"sort": [{"field": "processDefinitionId", "order": "ASC"}], "page": {"limit": 10_000}},
    )
    (item,) = [one for one in answer["items"] if one["processDefinitionId"] == unique]
    assert item == {
        "processDefinitionId": unique,
        "latestProcessDefinitionName": unique,
        "hasMultipleVersions": False,
        "activeInstancesWithIncidentCount": 1,
        "activeInstancesWithoutIncidentCount": 1,
        "tenantId": "<default>",
    }
    by_version = "/process-definitions/statistics/process-instances-by-version"
    (version,) = rest.post(by_version, {"filter": {"processDefinitionId": unique}})["items"]
    assert (version["processDefinitionVersion"], version["activeInstancesWithIncidentCount"]) == (1, 1)
    names = f"/process-definitions/{version['processDefinitionKey']}/variable-names/search"
    assert the(rest.post(names)["items"], "name") == ["n", "s"]
    assert the(rest.post(names, {"filter": {"name": {"$like": "s*"}}})["items"], "name") == ["s"]


def test_decisions_and_their_graphs_and_evaluations_are_found(rest: Rest, unique: str, found: Found):
    file = definitions(decision(unique, literal("amount * 2")), decision(f"{unique}b", literal("1")))
    rest.broker.client.deploy((f"{unique}.dmn", file))
    (item,) = found("decision-definitions", {"decisionDefinitionId": unique})
    assert (item["version"], item["tenantId"]) == (1, "<default>")
    key, graph = item["decisionDefinitionKey"], item["decisionRequirementsKey"]
    assert rest.get(f"/decision-definitions/{key}") == item
    assert rest.ask("GET", f"/decision-definitions/{key}/xml").content == file
    (requirements,) = found("decision-requirements", {"decisionRequirementsKey": graph})
    assert requirements["resourceName"] == f"{unique}.dmn"
    assert rest.get(f"/decision-requirements/{graph}") == requirements
    assert rest.ask("GET", f"/decision-requirements/{graph}/xml").content == file
    assert of(rest, "decision-definitions", {"decisionRequirementsKey": graph}) == 2

    rest.broker.client.evaluate_decision(unique, {"amount": 21})
    (instance,) = found("decision-instances", {"decisionDefinitionId": unique})
    assert (instance["state"], instance["result"], instance["decisionDefinitionKey"]) == ("EVALUATED", "42", key)
    assert (instance["processInstanceKey"], instance["evaluationFailure"]) == (None, None)
    assert instance["decisionEvaluationInstanceKey"] == instance["decisionEvaluationKey"] + "-1"
    whole = rest.get(f"/decision-instances/{instance['decisionEvaluationInstanceKey']}")
    assert {**instance, "evaluatedInputs": [], "matchedRules": []} == whole
    for filter, count in [
        ({"state": "EVALUATED"}, 1),
        ({"state": "FAILED"}, 0),
        ({"rootDecisionDefinitionKey": key}, 1),
        ({"decisionDefinitionVersion": 1, "decisionRequirementsKey": graph}, 1),
        ({"evaluationDate": {"$exists": True}}, 1),
    ]:
        assert of(rest, "decision-instances", {"decisionDefinitionId": unique} | filter) == count, filter


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_form_that_was_saved_on_another_system_is_read_as_a_form(
    rest: Rest, unique: str, found: Found, encoding: str
):
    text = f'{{"id": "{unique}", "components": [], "title": "Grün"}}'
    content = text.encode(encoding)
    rest.broker.client.deploy((f"{unique}.form", content))
    [item] = found("resources", {"resourceId": unique})
    key = item["resourceKey"]
    assert rest.get(f"/forms/{key}")["schema"] == text
    assert rest.ask("GET", f"/resources/{key}/content").content == text.encode()
    assert rest.ask("GET", f"/resources/{key}/content/binary").content == content  # as it was deployed


def test_resources_are_found_and_their_contents_are_read(rest: Rest, unique: str, found: Found):
    form = b'{"id": "%s", "components": []}' % unique.encode()
    rest.broker.client.deploy((f"{unique}.form", form), (f"{unique}.bpmn", bpmn("start > end", id=unique)))
    items = found("resources", {"resourceId": unique}, "resourceName")
    assert the(items, "resourceName") == [f"{unique}.bpmn", f"{unique}.form"]
    key = items[1]["resourceKey"]
    assert rest.get(f"/resources/{key}") == items[1]
    text = rest.ask("GET", f"/resources/{key}/content")
    assert (text.content, text.headers["content-type"]) == (form, "application/json")
    binary = rest.ask("GET", f"/resources/{key}/content/binary")
    assert (binary.content, binary.headers["content-type"]) == (form, "application/octet-stream")
    assert rest.get(f"/forms/{key}") == {
        "formKey": key,
        "formId": unique,
        "version": 1,
        "schema": form.decode(),
        "tenantId": "<default>",
    }


# --- messages, wait states


def test_message_subscriptions_and_what_has_reached_them(rest: Rest, unique: str, found: Found):
    line = f'start > wait:catch(message={unique}, key="=order") > a:user > end'
    rest.deploy(line + f" & go:start(message={unique}go) > end2", unique)
    key = rest.create(unique, order="7")
    subscriptions = {"processDefinitionId": unique}
    items = found("message-subscriptions", subscriptions, "messageSubscriptionType")
    assert the(items, "messageSubscriptionType") == ["PROCESS_EVENT", "START_EVENT"]
    assert the(items, "messageSubscriptionState") == ["CREATED", "CREATED"]
    assert the(items, "correlationKey") == ["7", None]
    assert the(items, "processInstanceKey") == [key, None]
    assert all(DATE_TIME.fullmatch(item["lastUpdatedDate"]) for item in items)
    numbers = rest.post("/process-definitions/statistics/message-subscriptions", {"filter": subscriptions})["items"]
    assert [(one["activeSubscriptions"], one["processInstancesWithActiveSubscriptions"]) for one in numbers] == [(1, 1)]
    for filter, count in [
        ({"correlationKey": "7"}, 1),
        ({"correlationKey": "8"}, 0),
        ({"elementId": {"$like": "w*"}}, 1),
    ]:
        body = {"filter": subscriptions | filter}
        found_numbers = rest.post("/process-definitions/statistics/message-subscriptions", body)
        assert len(found_numbers["items"]) == count, filter

    message = rest.broker.client.publish_message(unique, "7")
    started = rest.broker.client.publish_message(f"{unique}go", "")
    (waited,) = found("message-subscriptions", {**subscriptions, "processInstanceKey": key})
    assert waited["messageSubscriptionState"] == "CORRELATED"
    reached = found("correlated-message-subscriptions", subscriptions, "correlationTime", "messageKey")
    assert the(reached, "messageKey") == [str(message), str(started)]
    assert the(reached, "subscriptionKey") == the(items, "messageSubscriptionKey")
    assert the(reached, "elementId") == ["wait", "go"]
    assert (reached[0]["correlationKey"], reached[0]["partitionId"]) == ("7", 1)
    assert of(rest, "correlated-message-subscriptions", {"messageName": unique, "messageKey": message}) == 1


def test_a_subscription_that_no_message_has_reached_is_deleted_with_its_instance(rest: Rest, unique: str, found: Found):
    rest.deploy(f'start > wait:catch(message={unique}, key="=order") > end', unique)
    rest.post(f"/process-instances/{rest.create(unique, order='7')}/cancellation")
    assert the(found("message-subscriptions", {"messageName": unique}), "messageSubscriptionState") == ["DELETED"]
    assert of(rest, "message-subscriptions", {"messageName": unique, "messageSubscriptionState": "DELETED"}) == 1


def test_wait_states_say_what_each_element_waits_for(rest: Rest, unique: str):
    line = f'start > fork:parallel [a:job(type={unique}) > e1:end | m:catch(message={unique}, key="=order") > e2:end'
    rest.deploy(line + f" | t:catch(timer=P1D) > e3:end | s:catch(signal={unique}) > e4:end]", unique)
    key = rest.create(unique, order="7")

    def ask(filter: dict[str, Any]) -> list[Any]:
        body = {"filter": {"processInstanceKey": key, **filter}, "sort": [{"field": "elementId"}]}
        return list(rest.post("/element-instances/wait-states/search", body)["items"])

    items = ask({})
    assert the(items, "elementId") == ["a", "m", "s", "t"]
    details = the(items, "details")
    assert the(details, "waitStateType") == ["JOB", "MESSAGE", "SIGNAL", "TIMER"]
    assert (details[0]["jobType"], details[1]["correlationKey"], details[2]["signalName"]) == (unique, "7", unique)
    assert (details[3]["repetitions"], details[3]["dueDate"] > 0) == (1, True)
    assert the(items, "elementType") == ["SERVICE_TASK", *["INTERMEDIATE_CATCH_EVENT"] * 3]
    assert the(ask({"waitStateType": "TIMER"}), "elementId") == ["t"]
    assert the(ask({"elementType": "SERVICE_TASK"}), "elementId") == ["a"]
    assert ask({"elementType": {"$in": ["PROCESS", "UNSPECIFIED"]}}) == []
    assert the(ask({"rootProcessInstanceKey": key, "elementId": {"$in": ["m", "t"]}}), "elementId") == ["m", "t"]
    numbers = rest.get(f"/process-instances/{key}/statistics/wait-states")["items"]
    assert numbers == [{"elementId": id, "waitingCount": 1} for id in ("a", "m", "s", "t")]


def test_a_wait_for_a_condition_says_which(rest: Rest, unique: str):
    caught = 'c:catch(condition="=x > 5") > e1:end | d:catch(condition="=y", watches="y,z", changes=update) > e2:end'
    rest.deploy(f"start > fork:parallel [{caught}]", unique)
    key = rest.create(unique, x=1, y=False)
    body = {"filter": {"processInstanceKey": key}, "sort": [{"field": "elementId"}]}
    details = the(rest.post("/element-instances/wait-states/search", body)["items"], "details")
    assert details == [
        {"waitStateType": "CONDITION", "expression": "x > 5", "events": ["create", "update"]},
        {"waitStateType": "CONDITION", "expression": "y", "events": ["update"]},
    ]


# --- job statistics


def test_the_numbers_of_jobs(rest: Rest, unique: str):
    rest.deploy(f"start > a:job(type={unique}) > end", unique)
    for _ in range(3):
        rest.create(unique)
    client = rest.broker.client
    held = client.activate_jobs(unique, max_jobs=2, worker="w1")
    client.complete_job(held[0].key)
    client.fail_job(held[1].key, retries=1, message="No paper")
    period = {"from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}
    one_type = {"filter": {**period, "jobType": unique}}

    def counts(item: Any) -> tuple[int, int, int]:
        return item["created"]["count"], item["completed"]["count"], item["failed"]["count"]

    everything = rest.get(f"/jobs/statistics/global?from={period['from']}&to={period['to']}&jobType={unique}")
    assert (counts(everything), everything["isIncomplete"]) == ((3, 1, 1), False)
    (by_type,) = rest.post("/jobs/statistics/by-types", one_type)["items"]
    assert (counts(by_type), by_type["workers"], by_type["jobType"]) == ((3, 1, 1), 1, unique)
    assert DATE_TIME.fullmatch(by_type["created"]["lastUpdatedAt"])
    (by_worker,) = rest.post("/jobs/statistics/by-workers", one_type)["items"]
    assert (counts(by_worker), by_worker["worker"]) == ((2, 1, 1), "w1")
    (error,) = rest.post("/jobs/statistics/errors", one_type)["items"]
    assert error == {"errorCode": "", "errorMessage": "No paper", "workers": 1}
    series = rest.post("/jobs/statistics/time-series", {"filter": {**one_type["filter"], "resolution": "PT1H"}})[
        "items"
    ]
    assert [sum(numbers) for numbers in zip(*map(counts, series), strict=True)] == [3, 1, 1]
    early = {"filter": {"from": period["from"], "to": "2020-01-02T00:00:00Z", "jobType": unique}}
    assert rest.post("/jobs/statistics/by-types", early)["items"] == []
    for path in ("by-workers", "errors", "time-series"):
        problem = rest.refusal("POST", f"/jobs/statistics/{path}", {"filter": period})
        assert (problem["status"], "jobType" in problem["detail"]) == (400, True)
    assert rest.refusal("GET", "/jobs/statistics/global")["status"] == 400


# --- refusals


@pytest.mark.parametrize("what", KEYS)
def test_what_no_search_takes(rest: Rest, what: str):
    path, key = f"/{what}/search", KEYS[what]
    for body in (
        {"filter": {"colour": "green"}},
        {"filter": {key: {}, "colour": 1}},
        {"filter": 5},
        {"filter": {key: {"$near": "5"}}},
        {"sort": [{"field": "colour"}]},
        {"sort": [{"field": key, "order": "UP"}]},
        {"sort": {}},
        {"page": {"limit": 0}},
        {"page": {"limit": 10_001}},
        {"page": {"limit": "many"}},
        {"page": {"from": -1}},
        {"page": {"after": "nonsense"}},
        {"page": {"before": "nonsense"}},
        {"page": {"after": "x", "before": "y"}},
        {"page": 5},
    ):
        problem = rest.refusal("POST", path, body)
        assert (problem["status"], problem["title"]) == (400, "INVALID_ARGUMENT"), body
        assert re.match("Expected .*, but found ", problem["detail"]), problem["detail"]
    if what != "decision-instances":
        for value in ("abc", 2**63, 1.5, True, [], {"$in": [2**64]}):
            problem = rest.refusal("POST", path, {"filter": {key: value}})
            assert (problem["status"], f"filter.{key}" in problem["detail"]) == (400, True)
    for content in ("", "{", "[]", '"x"'):
        response = rest.ask("POST", path, content=content.encode(), headers={"content-type": "application/json"})
        assert response.status_code == (200 if content == "" else 400), content
    assert rest.ask("POST", path, content=b"{}", headers={"content-type": "text/plain"}).status_code == 415
    response = rest.ask("GET", path)
    is_text = what == "decision-instances"  # whose key may be any text; nowhere else is a word a key
    assert (response.status_code, response.headers.get("allow")) == ((404, None) if is_text else (405, "POST"))


@pytest.mark.parametrize(
    "path",
    [
        "/process-instances/{}",
        "/process-instances/{}/call-hierarchy",
        "/process-instances/{}/sequence-flows",
        "/process-instances/{}/statistics/element-instances",
        "/process-instances/{}/statistics/wait-states",
        "/element-instances/{}",
        "/incidents/{}",
        "/variables/{}",
        "/process-definitions/{}",
        "/process-definitions/{}/xml",
        "/process-definitions/{}/form",
        "/decision-definitions/{}",
        "/decision-definitions/{}/xml",
        "/decision-requirements/{}",
        "/decision-requirements/{}/xml",
        "/decision-instances/{}",
        "/resources/{}",
        "/resources/{}/content",
        "/resources/{}/content/binary",
        "/forms/{}",
        "/user-tasks/{}",
        "/user-tasks/{}/form",
        "/audit-logs/{}",
    ],
)
def test_what_is_not_there_is_not_found(rest: Rest, path: str):
    for key in ("99", "9223372036854775807", "-1", "0"):
        problem = rest.refusal("GET", path.format(key))
        assert (problem["status"], problem["title"]) == (404, "NOT_FOUND"), key
        assert key in problem["detail"]
    expected = (404, "NOT_FOUND") if "decision-instances" in path else (400, "Bad Request")
    problem = rest.refusal("GET", path.format("abc"))
    assert (problem["status"], problem["title"]) == expected


def test_an_evaluation_that_is_not_there_is_named_with_its_place(rest: Rest):
    problem = rest.refusal("GET", "/decision-instances/99-1")
    assert (problem["status"], "'99-1'" in problem["detail"]) == (404, True), problem


@pytest.mark.parametrize(
    "path",
    [
        "/process-instances/99/incidents/search",
        "/element-instances/99/incidents/search",
        "/user-tasks/99/variables/search",
        "/user-tasks/99/effective-variables/search",
        "/user-tasks/99/audit-logs/search",
        "/process-definitions/99/statistics/element-instances",
        "/process-definitions/99/variable-names/search",
    ],
)
def test_a_search_inside_of_nothing_is_not_found(rest: Rest, path: str):
    assert rest.refusal("POST", path, {})["status"] == 404


def test_an_element_instance_is_no_process_instance(rest: Rest, unique: str, found: Found):
    rest.deploy("start > a:user > end", unique)
    (element, *_) = found("element-instances", {"processInstanceKey": rest.create(unique)})
    assert rest.refusal("GET", f"/process-instances/{element['elementInstanceKey']}")["status"] == 404
    assert rest.refusal("GET", f"/element-instances/{element['processInstanceKey']}")["status"] == 404


# --- moments beyond the calendar, and values beyond what a cursor held


def test_a_task_that_is_due_beyond_the_calendar_of_utc_spoils_no_list(rest: Rest, unique: str):
    rest.deploy("start > ask:user(native=yes) > end", unique)
    of_unique = {"filter": {"processDefinitionId": unique}}
    for due in ("9999-12-31T23:59:59-10:00", "0001-01-01T00:00:00+14:00"):
        key = rest.create(unique)
        (task,) = rest.post("/user-tasks/search", {"filter": {"processInstanceKey": key}})["items"]
        rest.ask("PATCH", f"/user-tasks/{task['userTaskKey']}", {"changeset": {"dueDate": due}})
        waiting = rest.post("/element-instances/wait-states/search", {"filter": {"processInstanceKey": key}})
        assert waiting["items"][0]["details"]["dueDate"] == (
            "9999-12-31T23:59:59.999Z" if due.startswith("9") else "0001-01-01T00:00:00.000Z"
        )
    assert len(rest.post("/user-tasks/search", of_unique | {"sort": [{"field": "dueDate"}]})["items"]) == 2


def test_a_job_that_is_held_for_ever_is_in_the_list(rest: Rest, unique: str):
    rest.deploy(f"start > work:job(type={unique}) > end", unique)
    rest.create(unique)
    asked = {"type": unique, "timeout": 2**61, "maxJobsToActivate": 1, "requestTimeout": -1, "worker": "w"}
    assert len(rest.post("/jobs/activation", asked)["jobs"]) == 1
    (job,) = rest.post("/jobs/search", {"filter": {"type": unique}})["items"]
    assert job["deadline"] == "9999-12-31T23:59:59.999Z"


def test_a_cursor_holds_the_largest_value(rest: Rest, unique: str):
    rest.deploy("start > work:job > end", unique)
    for letter in "abc":
        rest.create(unique, **{unique: letter * 1_900_000})
    asked = {"filter": {"name": unique}, "sort": [{"field": "value"}]}
    first = rest.post("/variables/search", asked | {"page": {"limit": 1}})["page"]["endCursor"]
    second = rest.post("/variables/search", asked | {"page": {"limit": 1, "after": first}})
    assert second["items"][0]["value"].startswith('"b')
    third = rest.post("/variables/search", asked | {"page": {"limit": 1, "after": second["page"]["endCursor"]}})
    assert third["items"][0]["value"].startswith('"c')
