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
    assert rest.refusal("PUT", path, changed)["status"] == 404


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
