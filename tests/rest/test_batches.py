"""Batch operations over a filter at the HTTP door: each item is tried on its own, and the counts are true."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.rest.conftest import Rest


@pytest.fixture
def finished(rest: Rest) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Wait until a batch operation has ended, and return it."""

    def wait(created: dict[str, Any]) -> dict[str, Any]:
        rest.broker.look_at_clock()
        return dict(rest.get(f"/batch-operations/{created['batchOperationKey']}"))

    return wait


def counts(batch: dict[str, Any]) -> tuple[int, int, int]:
    return (batch["operationsTotalCount"], batch["operationsCompletedCount"], batch["operationsFailedCount"])


def states(rest: Rest, process: str) -> list[str]:
    found = rest.post("/process-instances/search", {"filter": {"processDefinitionId": process}})
    return sorted(one["state"] for one in found["items"])


def test_all_instances_of_a_filter_are_cancelled_in_slices(rest: Rest, unique: str, finished: Any):
    rest.deploy("start > b:user > end", unique)
    for _ in range(120):
        rest.create(unique)
    created = rest.post("/process-instances/cancellation", {"filter": {"processDefinitionId": unique}})
    assert created["batchOperationType"] == "CANCEL_PROCESS_INSTANCE"
    batch = finished(created)
    assert counts(batch) == (120, 120, 0)
    assert batch["endDate"] is not None
    assert batch["errors"] == []
    assert states(rest, unique) == ["TERMINATED"] * 100  # a page
    items = rest.post("/batch-operation-items/search", {"filter": {"batchOperationKey": created["batchOperationKey"]}})
    assert items["page"]["totalItems"] == 120
    assert {one["state"] for one in items["items"]} == {"COMPLETED"}
    assert {one["operationType"] for one in items["items"]} == {"CANCEL_PROCESS_INSTANCE"}


def test_a_filter_that_nothing_passes_makes_an_empty_batch_that_is_complete(rest: Rest, finished: Any):
    created = rest.post("/process-instances/cancellation", {"filter": {"processDefinitionId": "no-such-process"}})
    batch = finished(created)
    assert (batch["state"], counts(batch)) == ("COMPLETED", (0, 0, 0))


def test_an_item_that_fails_says_why_and_the_others_go_on(rest: Rest, unique: str, finished: Any):
    rest.deploy("start > b:job > end", unique)
    other = rest.deploy("start > c:user > end", unique + "x")
    keys = [rest.create(unique) for _ in range(3)]
    plan = {
        "targetProcessDefinitionKey": str(other),
        "mappingInstructions": [{"sourceElementId": "b", "targetElementId": "c"}],
    }
    created = rest.post(
        "/process-instances/migration", {"filter": {"processInstanceKey": {"$in": keys}}, "migrationPlan": plan}
    )
    batch = finished(created)
    assert (batch["state"], counts(batch)) == ("COMPLETED", (3, 0, 3))
    items = rest.post(
        "/batch-operation-items/search",
        {"filter": {"batchOperationKey": created["batchOperationKey"], "state": "FAILED"}},
    )["items"]
    assert sorted(one["itemKey"] for one in items) == sorted(keys)
    assert all("different type" in one["errorMessage"] for one in items)
    assert states(rest, unique) == ["ACTIVE"] * 3


def test_instances_are_migrated_and_modified(rest: Rest, unique: str, finished: Any):
    rest.deploy("start > a:job > b:job > end", unique)
    key = rest.create(unique)
    wanted = {"filter": {"processInstanceKey": key}}
    moved = rest.post(
        "/process-instances/modification",
        {**wanted, "moveInstructions": [{"sourceElementId": "a", "targetElementId": "b"}]},
    )
    assert counts(finished(moved)) == (1, 1, 0)
    target = rest.deploy("start > c:job > end", unique + "x")
    plan = {
        "targetProcessDefinitionKey": target,
        "mappingInstructions": [{"sourceElementId": "b", "targetElementId": "c"}],
    }
    assert counts(finished(rest.post("/process-instances/migration", {**wanted, "migrationPlan": plan}))) == (1, 1, 0)
    found = rest.post("/element-instances/search", {"filter": {"processInstanceKey": key, "state": "ACTIVE"}})
    assert "c" in {one["elementId"] for one in found["items"]}


def test_instances_are_suspended_and_resumed(rest: Rest, unique: str, finished: Any):
    rest.deploy("start > b:job > end", unique)
    rest.create(unique)
    rest.create(unique)
    wanted = {"filter": {"processDefinitionId": unique}}
    assert counts(finished(rest.post("/process-instances/suspension", wanted))) == (2, 2, 0)
    assert states(rest, unique) == ["SUSPENDED"] * 2
    assert counts(finished(rest.post("/process-instances/suspension", wanted))) == (0, 0, 0)
    assert counts(finished(rest.post("/process-instances/resumption", wanted))) == (2, 2, 0)
    assert states(rest, unique) == ["ACTIVE"] * 2


def test_incidents_of_an_instance_are_resolved_and_its_jobs_offered_again(rest: Rest, unique: str, finished: Any):
    rest.deploy(f"start > b:job(type={unique}) > end", unique)
    key = rest.create(unique)
    asked = {"type": unique, "timeout": 60_000, "maxJobsToActivate": 5, "requestTimeout": -1}
    (job,) = rest.post("/jobs/activation", asked)["jobs"]
    rest.post(f"/jobs/{job['jobKey']}/failure", {"retries": 0, "errorMessage": "no"})
    created = rest.post(f"/process-instances/{key}/incident-resolution")
    assert created["batchOperationType"] == "RESOLVE_INCIDENT"
    assert counts(finished(created)) == (1, 1, 0)
    assert [one["jobKey"] for one in rest.post("/jobs/activation", asked)["jobs"]] == [job["jobKey"]]


def test_ended_instances_are_deleted_with_their_history(rest: Rest, unique: str, finished: Any):
    rest.deploy("start > b:user > end", unique)
    ended, living = rest.create(unique), rest.create(unique)
    rest.post(f"/process-instances/{ended}/cancellation")
    refusal = rest.refusal("POST", f"/process-instances/{living}/deletion")
    assert (refusal["status"], refusal["title"]) == (409, "INVALID_STATE")
    assert rest.ask("POST", f"/process-instances/{ended}/deletion").status_code == 204
    assert rest.refusal("GET", f"/process-instances/{ended}")["status"] == 404
    assert rest.refusal("POST", f"/process-instances/{ended}/deletion")["status"] == 404
    found = rest.post("/element-instances/search", {"filter": {"processInstanceKey": ended}})
    assert found["items"] == []
    rest.post(f"/process-instances/{living}/cancellation")
    created = rest.post("/process-instances/deletion", {"filter": {"processDefinitionId": unique}})
    assert counts(finished(created)) == (1, 1, 0)
    assert states(rest, unique) == []


def test_jobs_of_a_filter_are_changed(rest: Rest, unique: str, finished: Any):
    rest.deploy(f"start > b:job(type={unique}) > end", unique)
    rest.create(unique)
    created = rest.post("/jobs/batch-update", {"filter": {"type": unique}, "changeset": {"retries": 9}})
    assert created["batchOperationType"] == "UPDATE_JOB"
    assert counts(finished(created)) == (1, 1, 0)
    (job,) = rest.post("/jobs/search", {"filter": {"type": unique}})["items"]
    assert job["retries"] == 9


BY_FILTER: dict[str, dict[str, Any]] = {
    "/process-instances/cancellation": {},
    "/process-instances/suspension": {},
    "/process-instances/resumption": {},
    "/process-instances/deletion": {},
    "/process-instances/modification": {"moveInstructions": [{"sourceElementId": "a", "targetElementId": "b"}]},
    "/process-instances/migration": {
        "migrationPlan": {
            "targetProcessDefinitionKey": "1",
            "mappingInstructions": [{"sourceElementId": "a", "targetElementId": "b"}],
        }
    },
    "/jobs/batch-update": {"changeset": {"retries": 1}},
    "/decision-instances/deletion": {},
}
OF_NOTHING: list[dict[str, Any]] = [
    {},
    {"state": None},
    {"state": {}},
    {"state": {"$eq": None, "$in": None}},
    {"tags": []},
    {"variables": []},
    {"$or": [{}]},
    {"$or": [{"state": "ACTIVE"}, {}]},
    {"$or": [{"state": "ACTIVE"}, {"processDefinitionId": {"$eq": None}}]},
    {"$or": None},
]


@pytest.mark.parametrize("filter", OF_NOTHING, ids=str)
@pytest.mark.parametrize("path", BY_FILTER)
def test_a_batch_needs_a_filter_that_leaves_something_out(rest: Rest, path: str, filter: dict[str, Any]):
    if not path.startswith("/process-instances"):
        filter = {name: value for name, value in filter.items() if name not in ("tags", "variables")}
        filter = {name: [{}] if name == "$or" and value else value for name, value in filter.items()}
    refusal = rest.refusal("POST", path, {"filter": filter, **BY_FILTER[path]})
    assert (refusal["status"], refusal["detail"]) == (400, "At least one criterion of the filter is required.")


@pytest.mark.parametrize("verb", ["cancellation", "suspension", "resumption"])
def test_a_batch_that_is_over_or_unknown_is_not_found(rest: Rest, verb: str, finished: Any):
    batch = finished(rest.post("/process-instances/cancellation", {"filter": {"processDefinitionId": "nothing"}}))
    for key in (batch["batchOperationKey"], "99"):
        problem = rest.refusal("POST", f"/batch-operations/{key}/{verb}")
        assert (problem["status"], problem["title"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/process-instances/cancellation", {}, "No filter provided."),
        ("/process-instances/cancellation", {"filter": None}, "No filter provided."),
        ("/process-instances/cancellation", {"filter": {}}, "At least one criterion"),
        ("/process-instances/cancellation", {"filter": {"state": None}}, "At least one criterion"),
        ("/process-instances/incident-resolution", {"filter": {"processInstanceKey": None}}, "At least one criterion"),
        ("/process-instances/incident-resolution", {"filter": {"$or": [{}]}}, "At least one criterion"),
        ("/process-instances/cancellation", {"filter": {"colour": "red"}}, "colour"),
        ("/process-instances/cancellation", {"filter": {"state": "completed"}}, "ACTIVE or SUSPENDED, but found 'comp"),
        ("/process-instances/cancellation", {"filter": {"state": {"$eq": "TERMINATED"}}}, "but found 'TERMINATED'"),
        (
            "/process-instances/cancellation",
            {"filter": {"state": {"$in": ["ACTIVE", "COMPLETED"]}}},
            "but found 'COMPLETED'",
        ),
        ("/process-instances/cancellation", {"filter": {"processInstanceKey": "abc"}}, "processInstanceKey"),
        ("/process-instances/migration", {"filter": {"state": "ACTIVE"}}, "No targetProcessDefinitionKey provided."),
        ("/process-instances/modification", {"filter": {"state": "ACTIVE"}}, "No moveInstructions provided."),
        ("/jobs/batch-update", {"filter": {"type": "x"}}, "At least one of [retries, timeout, priority] is required."),
        ("/jobs/batch-update", {"filter": {"type": "x"}, "changeset": {"retries": 0}}, "must be greater than 0"),
        ("/decision-instances/deletion", {}, "No filter provided."),
    ],
)
def test_a_batch_that_cannot_be_begun(rest: Rest, path: str, body: dict[str, Any], words: str):
    problem = rest.refusal("POST", path, body)
    assert problem["status"] == 400
    assert words in problem["detail"]


def test_a_repeated_creation_has_its_result_until_the_history_is_deleted(rest: Rest, unique: str):
    rest.deploy("start > end", unique)
    asked = {"processDefinitionId": unique, "awaitCompletion": True, "variables": {"a": 1, "b": 2}}
    same = {"headers": {"osmia-idempotency-key": unique}}
    first = rest.post("/process-instances", asked, **same)
    assert rest.post("/process-instances", asked, **same) == first
    assert rest.post("/process-instances", {**asked, "fetchVariables": ["b"]}, **same)["variables"] == {"b": 2}
    rest.ask("POST", f"/process-instances/{first['processInstanceKey']}/deletion")
    refusal = rest.refusal("POST", "/process-instances", asked, **same)
    assert (refusal["status"], "its history was deleted" in refusal["detail"]) == (404, True)
