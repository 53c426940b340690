"""Osmia's own operations, below `/osmia/v1`: what people do with tasks beyond the contract, over HTTP."""

import json
from typing import Any

import httpx
import pytest

from tests.rest.conftest import Rest

ADA = {"headers": {"Osmia-User": "ada", "Osmia-Groups": "cooks"}}
BOB = {"headers": {"Osmia-User": "bob"}}
LINE = "start > ask:user(native=yes, groups=cooks, name=Decide) > end"


@pytest.fixture
def task(rest: Rest, unique: str) -> str:
    """An open task for the cooks; its key."""
    return tasks(rest, unique, 1)[0]


def tasks(rest: Rest, unique: str, number: int) -> list[str]:
    rest.deploy(LINE, id=unique)
    instances = [rest.create(unique, amount=place) for place in range(number)]
    return [the_task(rest, one)["userTaskKey"] for one in instances]


def the_task(rest: Rest, instance: str) -> dict[str, Any]:
    (found,) = rest.post("/user-tasks/search", {"filter": {"processInstanceKey": instance}})["items"]
    return dict(found)


# --- the query language


def test_a_query_finds_what_it_finds_on_the_page(rest: Rest, own: Rest, unique: str):
    keys = tasks(rest, unique, 3)
    found = own.post("/user-tasks/search", {"query": f"process:{unique} group:cooks amount:>1"}, **ADA)
    assert [one["userTaskKey"] for one in found["items"]] == [keys[2]]
    assert found["page"]["totalItems"] == 1


def test_a_filter_narrows_a_query_and_an_order_sorts_it(rest: Rest, own: Rest, unique: str):
    keys = tasks(rest, unique, 3)
    asked = {
        "query": f"process:{unique}",
        "filter": {"userTaskKey": {"$in": keys[:2]}},
        "sort": [{"field": "creationDate", "order": "DESC"}],
        "page": {"limit": 1},
    }
    found = own.post("/user-tasks/search", asked)
    assert [one["userTaskKey"] for one in found["items"]] == [keys[1]]
    assert found["page"]["totalItems"] == 2
    assert own.post("/user-tasks/search")["page"]["totalItems"] >= 3


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"query": "due:soon"}, "due"),
        ({"query": 'name:"open'}, "quot"),
        ({"query": "assignee:ada", "filter": {"assignee": "ada"}}, "both"),
        ({"query": ["a"]}, "query"),
        ({"filter": {"nonsense": 1}}, "nonsense"),
        ({"sort": [{"field": "nonsense"}]}, "nonsense"),
    ],
)
def test_a_question_that_cannot_be_read_is_refused(own: Rest, body: dict[str, Any], reason: str):
    problem = own.refusal("POST", "/user-tasks/search", body, **ADA)
    assert problem["status"] == 400
    assert reason in problem["detail"]


# --- the next task


def test_the_next_task_is_claimed_until_none_is_left(rest: Rest, own: Rest, unique: str):
    (key,) = tasks(rest, unique, 1)
    claimed = own.post("/user-tasks/claim-next", {"processDefinitionId": unique}, **ADA)
    assert (claimed["userTask"]["userTaskKey"], claimed["userTask"]["assignee"]) == (key, "ada")
    assert own.post("/user-tasks/claim-next", {"processDefinitionId": unique}, **ADA) == {"userTask": None}
    assert own.refusal("POST", "/user-tasks/claim-next")["status"] == 400  # nobody is named


# --- many at once


def test_each_of_many_tasks_has_its_own_outcome(rest: Rest, own: Rest, unique: str):
    free, taken, done = tasks(rest, unique, 3)
    rest.post(f"/user-tasks/{taken}/assignment", {"assignee": "bob"})
    rest.post(f"/user-tasks/{done}/completion")
    found = own.post("/user-tasks/many", {"operation": "CLAIM", "userTaskKeys": [free, taken, done, "17"]}, **ADA)
    assert (found["done"], found["refused"]) == (1, 3)
    assert [(one["isDone"], one["reason"]) for one in found["items"]] == [
        (True, None),
        (False, "already claimed by bob"),
        (False, "it is completed"),
        (False, "it does not exist"),
    ]
    assert [one["name"] for one in found["items"]] == ["Decide", "Decide", "Decide", None]


def test_many_tasks_are_completed_with_the_same_variables(rest: Rest, own: Rest, unique: str):
    keys = tasks(rest, unique, 2)
    for doing in ({"operation": "ASSIGN", "assignee": "ada"}, {"operation": "COMPLETE", "variables": {"ok": True}}):
        assert own.post("/user-tasks/many", {"userTaskKeys": keys, **doing}, **ADA)["done"] == 2
    assert {rest.get(f"/user-tasks/{key}")["state"] for key in keys} == {"COMPLETED"}


def test_only_own_tasks_are_given_back_or_completed_together(rest: Rest, own: Rest, unique: str):
    mine, his = tasks(rest, unique, 2)
    rest.post(f"/user-tasks/{mine}/assignment", {"assignee": "ada"})
    rest.post(f"/user-tasks/{his}/assignment", {"assignee": "bob"})
    for doing, reason in (("COMPLETE", "it is not yours"), ("UNCLAIM", "it is assigned to bob")):
        found = own.post("/user-tasks/many", {"operation": doing, "userTaskKeys": [his]}, **ADA)
        assert found["items"][0]["reason"] == reason
    assert own.post("/user-tasks/many", {"operation": "UNCLAIM", "userTaskKeys": [mine]}, **ADA)["done"] == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"operation": "CLAIM", "userTaskKeys": []}, "1 to 500"),
        ({"operation": "CLAIM", "userTaskKeys": [*range(1, 502)]}, "found 501"),
        ({"operation": "CLAIM", "userTaskKeys": ["7", 7]}, "twice"),
        ({"operation": "ASSIGN", "userTaskKeys": [7]}, "assignee"),
        ({"operation": "CLAIM", "assignee": "bob", "userTaskKeys": [7]}, "ASSIGN alone"),
        ({"operation": "CLAIM", "variables": {"a": 1}, "userTaskKeys": [7]}, "COMPLETE alone"),
        ({"operation": "COMPLETE", "variables": [1], "userTaskKeys": [7]}, "an object"),
        ({"operation": "DELETE", "userTaskKeys": [7]}, "DELETE"),
        ({"userTaskKeys": [7]}, "operation"),
        ({"operation": "CLAIM", "userTaskKeys": ["x"]}, "key"),
    ],
)
def test_what_cannot_be_done_with_many_tasks(own: Rest, body: dict[str, Any], reason: str):
    problem = own.refusal("POST", "/user-tasks/many", body, **ADA)
    assert problem["status"] == 400
    assert reason in problem["detail"]


# --- taking back


def test_a_held_completion_is_taken_back(rest: Rest, own: Rest, task: str):
    rest.post(f"/user-tasks/{task}/assignment", {"assignee": "ada"})
    held = own.ask("POST", f"/user-tasks/{task}/held-completion", {"variables": {"ok": True}, "holdMs": 60_000}, **ADA)
    assert (held.status_code, held.json()["completionDate"][:2]) == (202, "20")
    own.post(f"/user-tasks/{task}/undo", **ADA)
    assert rest.get(f"/user-tasks/{task}")["state"] == "CREATED"


def test_an_assignment_is_taken_back_by_the_person_who_made_it(rest: Rest, own: Rest, task: str):
    rest.post(f"/user-tasks/{task}/assignment", {"assignee": "bob"}, **ADA)
    assert own.refusal("POST", f"/user-tasks/{task}/undo", **BOB)["status"] == 409
    own.post(f"/user-tasks/{task}/undo", **ADA)
    assert rest.get(f"/user-tasks/{task}")["assignee"] is None
    assert own.refusal("POST", "/user-tasks/17/undo", **ADA)["status"] == 404


@pytest.mark.parametrize("hold_ms", [0, -1, 60_001])
def test_a_completion_is_held_for_a_minute_at_most(own: Rest, task: str, hold_ms: int):
    problem = own.refusal("POST", f"/user-tasks/{task}/held-completion", {"holdMs": hold_ms}, **ADA)
    assert problem["status"] == 400


# --- snoozes


def test_a_snoozed_task_is_listed_apart_until_it_is_called_back(own: Rest, task: str):
    assert own.ask("PUT", f"/user-tasks/{task}/snooze", {"until": "2d", "untilChange": True}, **ADA).status_code == 204
    (one,) = [one for one in own.get("/user-task-snoozes", **ADA)["items"] if one["userTaskKey"] == task]
    assert one["untilChange"]
    assert one["until"]
    assert task not in str(own.get("/user-task-snoozes", **BOB))
    assert own.ask("DELETE", f"/user-tasks/{task}/snooze", **ADA).status_code == 204
    assert task not in str(own.get("/user-task-snoozes", **ADA))


@pytest.mark.parametrize(
    ("body", "who", "status"),
    [
        ({}, ADA, 400),  # neither a time nor a change
        ({"until": "yesterday"}, ADA, 400),
        ({"until": "2001-01-01"}, ADA, 400),
        ({"until": "2d"}, {}, 400),  # nobody is named
    ],
)
def test_what_a_snooze_needs(own: Rest, task: str, body: dict[str, Any], who: dict[str, Any], status: int):
    assert own.refusal("PUT", f"/user-tasks/{task}/snooze", body, **who)["status"] == status
    assert own.refusal("PUT", "/user-tasks/17/snooze", {"until": "2d"}, **ADA)["status"] == 404


# --- drafts, comments, filters


def test_a_draft_is_private_and_goes_when_it_is_discarded(own: Rest, task: str):
    path = f"/user-tasks/{task}/draft"
    assert own.get(path, **ADA) == {"content": None}
    own.ask("PUT", path, {"content": {"dinner": "pi"}}, **ADA)
    assert own.get(path, **ADA) == {"content": {"dinner": "pi"}}
    assert own.get(path, **BOB) == {"content": None}
    assert own.ask("DELETE", path, **ADA).status_code == 204
    assert own.get(path, **ADA) == {"content": None}
    assert own.refusal("PUT", path, {"content": [1]}, **ADA)["status"] == 400
    assert own.refusal("PUT", path, {}, **ADA)["status"] == 400


def test_comments_are_listed_oldest_first(own: Rest, task: str):
    for text in ("one", "two"):
        assert own.post(f"/user-tasks/{task}/comments", {"text": text}, **ADA)["commentKey"]
    found = own.get(f"/user-tasks/{task}/comments")
    assert [(one["user"], one["text"]) for one in found["items"]] == [("ada", "one"), ("ada", "two")]
    assert own.refusal("POST", f"/user-tasks/{task}/comments", {"text": " "})["status"] == 400
    assert own.refusal("GET", f"/user-tasks/{task}/comments?after=nonsense")["status"] == 400


def test_a_saved_filter_counts_what_passes_it_now(own: Rest, unique: str, task: str):
    name = f"my/{unique} 100%"
    path = f"/user-task-filters/{name.replace('%', '%25').replace('/', '%2F')}"
    assert own.ask("PUT", path, {"query": f"process:{unique}"}, **ADA).status_code == 204
    (one,) = [one for one in own.get("/user-task-filters", **ADA)["items"] if one["name"] == name]
    assert (one["query"], one["totalItems"], one["problem"]) == (f"process:{unique}", 1, None)
    assert own.refusal("PUT", path, {"query": "due:soon"}, **ADA)["status"] == 400
    assert own.ask("DELETE", path, **ADA).status_code == 204
    assert name not in str(own.get("/user-task-filters", **ADA))


def test_nobody_has_more_filters_than_their_list_shows(own: Rest):
    eve = {"headers": {"Osmia-User": "eve"}}
    for number in range(50):
        own.ask("PUT", f"/user-task-filters/f{number}", {"query": "mine"}, **eve)
    assert "50" in own.refusal("PUT", "/user-task-filters/one-more", {"query": "mine"}, **eve)["detail"]
    assert own.ask("PUT", "/user-task-filters/f7", {"query": "group:cooks"}, **eve).status_code == 204


# --- proposals


def test_an_accepted_proposal_completes_its_task(rest: Rest, own: Rest, task: str):
    made = own.post(
        f"/user-tasks/{task}/proposals",
        {"variables": {"big": 12345678901234567890}, "outcome": "yes", "text": "It fits."},
        **BOB,
    )
    rest.post(f"/user-tasks/{task}/assignment", {"assignee": "ada"})
    own.post(f"/user-task-proposals/{made['proposalKey']}/answer", {"state": "ACCEPTED"}, **ADA)
    assert rest.get(f"/user-tasks/{task}")["state"] == "COMPLETED"
    listed = own.ask("GET", f"/user-tasks/{task}/proposals")
    (one,) = listed.json()["items"]
    assert (one["user"], one["outcome"], one["text"]) == ("bob", "yes", "It fits.")
    assert (one["state"], one["answeredBy"]) == ("ACCEPTED", "ada")
    assert "12345678901234567890" in listed.text  # its digits are kept


FORM = {
    "type": "default",
    "id": "dinner",
    "components": [
        {"type": "textfield", "key": "dinner", "label": "Dinner", "validate": {"required": True, "maxLength": 10}},
        {"type": "number", "key": "guests", "label": "Guests", "validate": {"required": True}},
    ],
}


def test_an_accepted_proposal_passes_the_form_of_its_task(rest: Rest, own: Rest, unique: str):
    rest.broker.client.deploy((f"{unique}.form", json.dumps({**FORM, "id": unique}).encode()))
    rest.deploy(f"start > ask:user(native=yes, form_id={unique}) > end", id=unique)
    task = the_task(rest, rest.create(unique, guests=3))["userTaskKey"]
    rest.post(f"/user-tasks/{task}/assignment", {"assignee": "ada"})

    def accepted(**variables: Any) -> httpx.Response:
        made = own.post(f"/user-tasks/{task}/proposals", {"variables": variables, "outcome": "yes"}, **BOB)
        return own.ask("POST", f"/user-task-proposals/{made['proposalKey']}/answer", {"state": "ACCEPTED"}, **ADA)

    assert "'Dinner' is required" in accepted(guests=4).json()["detail"]
    assert "'Dinner' is longer than 10" in accepted(dinner="x" * 11).json()["detail"]
    refused = accepted(dinner="pizza", guests="many")
    assert (refused.status_code, "'Guests' is no number" in refused.text) == (400, True)
    assert rest.get(f"/user-tasks/{task}")["state"] == "CREATED"
    assert accepted(dinner="pizza").status_code == 204  # the guests are there already
    assert rest.get(f"/user-tasks/{task}")["state"] == "COMPLETED"


@pytest.mark.parametrize("answer", [{"state": "ANSWERED", "text": "Why?"}, {"state": "IGNORED"}, {"state": "EDITED"}])
def test_a_proposal_is_answered_once(rest: Rest, own: Rest, task: str, answer: dict[str, str]):
    key = own.post(f"/user-tasks/{task}/proposals", {"outcome": "no"}, **BOB)["proposalKey"]
    rest.post(f"/user-tasks/{task}/assignment", {"assignee": "ada"})
    own.post(f"/user-task-proposals/{key}/answer", answer, **ADA)
    assert own.refusal("POST", f"/user-task-proposals/{key}/answer", answer, **ADA)["status"] == 409
    (one,) = own.get(f"/user-tasks/{task}/proposals")["items"]
    assert (one["state"], one["answer"]) == (answer["state"], answer.get("text"))
    assert rest.get(f"/user-tasks/{task}")["state"] == "CREATED"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/user-tasks/{}/proposals", {}, 400),
        ("/user-tasks/{}/proposals", {"variables": 7}, 400),
        ("/user-tasks/17/proposals", {"outcome": "yes"}, 404),
        ("/user-task-proposals/17/answer", {"state": "IGNORED"}, 404),
        ("/user-task-proposals/17/answer", {"state": "OPEN"}, 400),
        ("/user-task-proposals/17/answer", {"state": "ANSWERED"}, 400),
        ("/user-task-proposals/x/answer", {"state": "IGNORED"}, 400),
    ],
)
def test_what_a_proposal_needs(own: Rest, task: str, path: str, body: dict[str, Any], status: int):
    assert own.refusal("POST", path.format(task), body, **ADA)["status"] == status


# --- the frame


def test_the_own_operations_are_described_apart(rest: Rest, own: Rest):
    described = own.get("/openapi.json")
    assert described["servers"] == [{"url": "/osmia/v1"}]
    assert "/user-tasks/{userTaskKey}/undo" in described["paths"]
    assert "/user-tasks/{userTaskKey}/undo" not in rest.get("/openapi.json")["paths"]
    assert "/osmia/v1/user-tasks/many" in own.ask("GET", "/docs").text
    assert "/osmia/v1/docs" in rest.ask("GET", "/docs").text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nonsense", 404), ("GET", "/user-tasks/many", 405), ("POST", "/topology", 404)],
)
def test_an_unknown_path_is_refused(own: Rest, method: str, path: str, status: int):
    problem = own.refusal(method, path)
    assert problem["status"] == status
    assert status == 405 or "/osmia/v1/docs" in problem["detail"]


def test_another_site_may_not_change_anything(own: Rest, task: str):
    headers = {**ADA["headers"], "Sec-Fetch-Site": "cross-site"}
    assert own.refusal("DELETE", f"/user-tasks/{task}/snooze", headers=headers)["status"] == 403
