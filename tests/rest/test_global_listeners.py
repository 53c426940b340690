"""Global task listeners at the HTTP door: each change is seen at once, and they work on every native task."""

from typing import Any

import pytest

from tests.rest.conftest import Rest


def test_a_listener_is_created_changed_and_deleted(rest: Rest, unique: str):
    body = {"id": unique, "type": unique, "eventTypes": ["updating", "assigning"], "priority": 7}
    response = rest.ask("POST", "/global-task-listeners", body)
    assert response.status_code == 201, response.text
    path = f"/global-task-listeners/{unique}"
    try:
        assert response.json() == rest.get(path)
        assert rest.get(path) == {
            "id": unique,
            "type": unique,
            "eventTypes": ["assigning", "updating"],
            "retries": 3,
            "afterNonGlobal": False,
            "priority": 7,
            "source": "API",
        }
        assert rest.refusal("POST", "/global-task-listeners", body)["title"] == "ALREADY_EXISTS"
        changed = {"type": unique, "eventTypes": ["canceling"], "retries": 1, "afterNonGlobal": True}
        assert rest.http.put(path, json=changed).json()["eventTypes"] == ["canceling"]
        found = rest.post("/global-task-listeners/search", {"filter": {"id": unique}})["items"]
        assert [(one["retries"], one["afterNonGlobal"]) for one in found] == [(1, True)]
    finally:
        assert rest.ask("DELETE", path).status_code == 204
    for method in ("GET", "DELETE"):
        assert rest.refusal(method, path)["status"] == 404
    problem = rest.refusal("PUT", path, changed)
    told = f"Expected to update a global task listener with id '{unique}', but no such listener was found"
    assert (problem["status"], problem["detail"]) == (404, f"Command 'UPDATE' rejected with code 'NOT_FOUND': {told}")


@pytest.mark.parametrize(
    ("events", "is_found"),
    [
        (["updating"], True),
        (["UPDATING"], True),
        ([{"$eq": "assigning"}, "updating"], True),
        (["updating", "creating"], False),
        ([{"$in": ["creating", "updating"]}], True),
        ([{"$neq": "updating"}], False),
        ([{"$notIn": ["creating", "canceling"]}], True),
        ([{"$like": "*ing"}], True),
        ([{"$exists": False}], False),
        (["all"], False),
        ([], True),
    ],
)
def test_listeners_are_found_by_their_events(rest: Rest, unique: str, events: list[Any], *, is_found: bool):
    body = {"id": unique, "type": unique, "eventTypes": ["updating", "assigning"]}
    assert rest.ask("POST", "/global-task-listeners", body).status_code == 201
    try:
        asked = {"filter": {"id": unique, "eventTypes": events}}
        found = rest.post("/global-task-listeners/search", asked)["items"]
        assert [one["eventTypes"] for one in found] == ([["assigning", "updating"]] if is_found else [])
    finally:
        assert rest.ask("DELETE", f"/global-task-listeners/{unique}").status_code == 204


def test_a_listener_of_all_events_is_found_by_that(rest: Rest, unique: str):
    body = {"id": unique, "type": unique, "eventTypes": ["all"], "retries": 1}
    assert rest.ask("POST", "/global-task-listeners", body).status_code == 201
    try:
        asked = {"filter": {"id": unique, "eventTypes": ["all", "creating"]}}
        assert len(rest.post("/global-task-listeners/search", asked)["items"]) == 1
    finally:
        assert rest.ask("DELETE", f"/global-task-listeners/{unique}").status_code == 204


@pytest.mark.parametrize("events", ["updating", {"$eq": "updating"}, ["sleeping"], [{"$gt": "updating"}], [5]])
def test_a_search_for_events_that_is_refused(rest: Rest, events: Any):
    body = {"filter": {"eventTypes": events}}
    assert "filter.eventTypes" in rest.refusal("POST", "/global-task-listeners/search", body)["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"id": " ", "type": "t", "eventTypes": ["all"]},
        {"id": "i", "type": "t", "eventTypes": []},
        {"id": "i", "type": "t", "eventTypes": ["sleeping"]},
        {"id": "i", "type": "t", "eventTypes": ["all"], "retries": 0},
        {"id": "i", "type": "t", "eventTypes": ["all"], "priority": 101},
    ],
)
def test_a_listener_that_is_refused(rest: Rest, body: Any):
    assert rest.refusal("POST", "/global-task-listeners", body)["title"] == "INVALID_ARGUMENT"
