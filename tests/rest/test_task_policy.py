"""Who reads which user tasks under a policy, at the doors: lists, single tasks and everything that belongs to them."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

import osmia
from osmia_broker.http.web.person import COOKIE, Person
from tests.rest.conftest import Rest
from tests.running_broker import running_broker

TASKS = {
    "hr": "native=yes, groups=hr",
    "ben": "native=yes, users=ben",
    "ada": "native=yes, assignee=ada",
    "both": "native=yes, assignee=ada, groups=hr",
    "free": "native=yes",
    "work": "groups=hr",
}
LINE = f"start > fork:parallel [{' | '.join(f'{id}:user({given}) > {id}_end:end' for id, given in TASKS.items())}]"
ALL = {*TASKS}

#: What each person reads: name, groups, and the tasks.
STRICT = [
    ("ada", "", {"ada", "both", "free"}),
    ("ada", "hr", {"ada", "both", "free", "hr", "work"}),
    ("ben", "", {"ben", "free"}),
    ("ben", "it, hr", {"ben", "free", "hr", "both", "work"}),
    ("eve", "", {"free"}),
    ("eve", "it", {"free"}),
    ("", "hr", set()),
    ("", "", set()),
]
ASSIGNEE = [("ada", "hr", {"ada", "both"}), ("ben", "hr", set()), ("", "", set())]
READERS = {"open": [("", "", ALL), ("eve", "", ALL)], "strict": STRICT, "candidates": STRICT, "assignee": ASSIGNEE}


def who(name: str, groups: str = "") -> dict[str, str]:
    return {"Osmia-User": name, "Osmia-Groups": groups}


@contextmanager
def opened(path: Path, line: str, **settings: Any) -> Iterator[Rest]:
    """A broker with one instance of the process *line*."""
    with running_broker(path, **settings) as broker:
        rest = Rest(broker)
        try:
            rest.deploy(line)
            rest.create()
            yield rest
        finally:
            rest.http.close()


@pytest.fixture(scope="module", params=READERS)
def policy(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def desk(policy: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rest]:
    with opened(tmp_path_factory.mktemp(policy), LINE, task_policy=policy) as rest:
        yield rest


def keys_of(rest: Rest) -> dict[str, int]:
    """The key of each task, from a list that no policy narrows: what the instance waits for."""
    waiting = rest.post("/element-instances/wait-states/search", {"filter": {"waitStateType": "USER_TASK"}})
    return {one["elementId"]: int(one["details"]["taskKey"]) for one in waiting["items"]}


def names(found: Any) -> set[str]:
    return {one["elementId"] for one in found["items"]}


def test_a_person_finds_what_the_policy_lets_them_read(desk: Rest, policy: str):
    for name, groups, expected in READERS[policy]:
        for filter in ({}, {"state": "CREATED"}, {"priority": 50}, {"state": {"$neq": "COMPLETED"}}):
            found = desk.post("/user-tasks/search", {"filter": filter}, headers=who(name, groups))
            assert names(found) == expected, (name, groups, filter)
            assert found["page"]["totalItems"] == len(expected)
        by_sdk = desk.broker.client.user_tasks.search(user=name, groups=groups.split(", "))
        assert {one.element_id for one in by_sdk.items} == expected
        assert by_sdk.total == len(expected)


def test_a_filter_widens_nothing(desk: Rest, policy: str):
    for name, groups, expected in READERS[policy]:
        every = {"$or": [{"assignee": {"$exists": True}}, {"assignee": {"$exists": False}}]}
        assert names(desk.post("/user-tasks/search", {"filter": every}, headers=who(name, groups))) == expected
        of_hr = desk.post("/user-tasks/search", {"filter": {"candidateGroup": "hr"}}, headers=who(name, groups))
        assert names(of_hr) == expected & {"hr", "both", "work"}


def test_pages_hold_readable_tasks_only(desk: Rest, policy: str):
    for name, groups, expected in READERS[policy]:
        found: list[str] = []
        after: dict[str, str] = {}
        while True:
            body = {"sort": [{"field": "creationDate", "order": "DESC"}], "page": {"limit": 2, **after}}
            page = desk.post("/user-tasks/search", body, headers=who(name, groups))
            if not page["items"]:
                break
            found += [one["elementId"] for one in page["items"]]
            after = {"after": page["page"]["endCursor"]}
        assert sorted(found) == sorted(expected)


READS: dict[str, Callable[[Rest, int, dict[str, str]], Any]] = {
    "get": lambda rest, key, who: rest.ask("GET", f"/user-tasks/{key}", headers=who),
    "form": lambda rest, key, who: rest.ask("GET", f"/user-tasks/{key}/form", headers=who),
    "variables": lambda rest, key, who: rest.ask("POST", f"/user-tasks/{key}/variables/search", {}, headers=who),
    "effective": lambda rest, key, who: rest.ask(
        "POST", f"/user-tasks/{key}/effective-variables/search", {}, headers=who
    ),
    "history": lambda rest, key, who: rest.ask("POST", f"/user-tasks/{key}/audit-logs/search", {}, headers=who),
}


@pytest.mark.parametrize("read", READS)
def test_what_belongs_to_a_task_is_for_its_readers(desk: Rest, policy: str, read: str):
    keys = keys_of(desk)
    for name, groups, expected in READERS[policy]:
        for element, key in keys.items():
            answer = READS[read](desk, key, who(name, groups))
            assert (answer.status_code < 300) == (element in expected), (name, groups, element, answer.text)
            if element not in expected:
                assert answer.status_code == 403, answer.text
                assert answer.json()["title"] == "FORBIDDEN"
                assert f"user task with key '{key}'" in answer.json()["detail"]
    missing = READS[read](desk, 99, who("eve"))
    assert missing.status_code == 404, missing.text


CALLS: dict[str, Callable[[Any, int, dict[str, Any]], Any]] = {
    "get": lambda tasks, key, who: tasks.get(key, **who),
    "form": lambda tasks, key, who: tasks.form(key, **who),
    "variables": lambda tasks, key, who: tasks.variables(key, **who),
    "comments": lambda tasks, key, who: tasks.comments(key, **who),
    "history": lambda tasks, key, who: tasks.history(key, **who),
    "draft": lambda tasks, key, who: tasks.draft(key, **who),
    "save": lambda tasks, key, who: tasks.save_draft(key, {"x": 1}, **who),
    "comment": lambda tasks, key, who: tasks.comment(key, "well", **who),
}


@pytest.mark.parametrize("call", CALLS)
def test_the_calls_of_the_sdk_are_for_readers(desk: Rest, policy: str, call: str):
    tasks, keys = desk.broker.client.user_tasks, keys_of(desk)
    for name, groups, expected in READERS[policy]:
        if call == "save" and not name:
            continue  # a draft has an owner, whatever the policy
        for element, key in keys.items():
            given = {"user": name, "groups": [one for one in groups.split(", ") if one]}
            if element in expected:
                CALLS[call](tasks, key, given)
                continue
            with pytest.raises(osmia.NotAllowed, match=f"user task with key '{key}'"):
                CALLS[call](tasks, key, given)


def test_the_audit_log_tells_of_readable_tasks_only(desk: Rest, policy: str):
    for name, groups, expected in READERS[policy]:
        filter = {"entityType": "USER_TASK", "operationType": "CREATE"}
        found = desk.post("/audit-logs/search", {"filter": filter}, headers=who(name, groups))
        keys = {int(one["userTaskKey"]): one["auditLogKey"] for one in found["items"]}
        assert {element for element, key in keys_of(desk).items() if key in keys} == expected


def test_a_stranger_reads_no_entry_of_the_audit_log(tmp_path: Path):
    with opened(tmp_path, "start > t:user(native=yes, groups=hr) > end", task_policy="strict") as rest:
        found = rest.post("/audit-logs/search", {"filter": {"entityType": "USER_TASK"}}, headers=who("ada", "hr"))
        [entry] = found["items"]
        assert rest.get(f"/audit-logs/{entry['auditLogKey']}", headers=who("ada", "hr")) == entry
        problem = rest.refusal("GET", f"/audit-logs/{entry['auditLogKey']}", headers=who("ada"))
        assert (problem["status"], problem["title"]) == (403, "FORBIDDEN")


@pytest.mark.parametrize(("policy", "may"), [("strict", True), ("candidates", False), ("assignee", False)])
def test_a_candidate_completes_under_the_strict_policy_only(tmp_path: Path, policy: str, may: bool):
    with opened(tmp_path, "start > t:user(native=yes, groups=hr) > end", task_policy=policy) as rest:
        [key] = keys_of(rest).values()
        stranger = rest.refusal("POST", f"/user-tasks/{key}/completion", headers=who("eve", "it"))
        assert (stranger["status"], stranger["title"]) == (403, "FORBIDDEN")
        answer = rest.ask("POST", f"/user-tasks/{key}/completion", headers=who("ada", "hr"))
        assert answer.status_code == (204 if may else 403), answer.text
        if may:  # the candidates of an ended task still read it
            done = {"filter": {"state": "COMPLETED"}}
            assert names(rest.post("/user-tasks/search", done, headers=who("ben", "hr"))) == {"t"}
            assert names(rest.post("/user-tasks/search", done, headers=who("eve"))) == set()


def test_a_task_for_everybody_is_its_takers_once_it_is_claimed(tmp_path: Path):
    with opened(tmp_path, "start > t:user(native=yes) > end", task_policy="strict") as rest:
        [key] = keys_of(rest).values()
        rest.post(f"/user-tasks/{key}/assignment", {"assignee": "ada", "allowOverride": False}, headers=who("ada"))
        for act in ("completion", "assignment"):
            body = {"assignee": "ben"} if act == "assignment" else {}
            assert rest.refusal("POST", f"/user-tasks/{key}/{act}", body, headers=who("ben"))["status"] == 403
        assert rest.refusal("GET", f"/user-tasks/{key}", headers=who("ben"))["status"] == 403
        assert rest.get(f"/user-tasks/{key}", headers=who("ada"))["assignee"] == "ada"
        assert rest.ask("DELETE", f"/user-tasks/{key}/assignee", headers=who("ada")).status_code == 204
        assert rest.get(f"/user-tasks/{key}", headers=who("ben"))["assignee"] is None


def test_a_follower_is_told_of_readable_tasks_only(tmp_path: Path):
    line = "start > fork:parallel [t:user(groups=hr) > e1:end | u:user(groups=it) > e2:end]"
    with opened(tmp_path, line, task_policy="strict", event_log="always") as rest:
        client = rest.broker.client
        keys = keys_of(rest)
        for name, group in (("t", "hr"), ("u", "it")):
            client.user_tasks.claim(keys[name], user="ada", groups=[group])
        changes = client.user_tasks.follow(after=client.event_log().oldest_position, user="ben", groups=["it"])
        seen = [next(changes) for _ in range(2)]
        changes.close()
        assert [(one.element_id, one.intent) for one in seen] == [("u", "created"), ("u", "assigned")]


def test_the_next_task_is_one_that_the_person_may_claim(desk: Rest, policy: str):
    tasks = desk.broker.client.user_tasks
    found = tasks.claim_next(user="zoe", groups=["it"])
    assert found is None
    found = tasks.claim_next(user="zoe", groups=["hr"])
    assert (found is None) == (policy == "assignee")
    if found is not None:
        tasks.unclaim(found.key, user="zoe", groups=["hr"])


# --- the page


def seen(rest: Rest, path: str, name: str, groups: str = "") -> httpx.Response:
    """What a person gets from the page, with the name and groups that they chose there."""
    chosen = Person(name, tuple(group.strip() for group in groups.split(",") if group.strip()))
    address = f"http://127.0.0.1:{rest.broker.broker.http_port}{path}"
    return httpx.get(address, cookies={COOKIE: chosen.cookie()}, follow_redirects=True)


def test_the_page_lists_readable_tasks_only(desk: Rest, policy: str):
    keys = keys_of(desk)
    for name, groups, expected in READERS[policy]:
        if name:  # the page takes no blank name
            for path in ("/tasks", "/tasks.csv"):
                listed = seen(desk, path, name, groups)
                assert {id for id, key in keys.items() if str(key) in listed.text} == expected, (path, name)


def test_the_page_shows_a_task_to_its_readers(desk: Rest, policy: str):
    for name, groups, expected in READERS[policy]:
        if name:
            for element, key in keys_of(desk).items():
                may = element in expected
                assert seen(desk, f"/tasks/{key}", name, groups).status_code == (200 if may else 403), (element, name)
                found = seen(desk, f"/search?q={key}", name, groups).text
                assert (f"/tasks/{key}" in found) == may, (element, name)


def test_the_page_leads_to_the_list_when_a_task_leaves_the_sight_of_a_person(tmp_path: Path):
    with opened(tmp_path, "start > t:user(native=yes, assignee=ada) > end", task_policy="strict") as rest:
        [key] = keys_of(rest).values()
        origin = f"http://127.0.0.1:{rest.broker.broker.http_port}"
        asked = {
            "cookies": {COOKIE: Person("ada").cookie()},
            "headers": {"origin": origin, "sec-fetch-site": "same-origin"},
        }
        answer = httpx.post(f"{origin}/tasks/{key}/assign", data={"user": "ben"}, **asked)
        assert (answer.status_code, answer.headers["location"]) == (303, "/tasks")
        answer = httpx.post(f"{origin}/tasks/selected", data={"do": "claim", "key": str(key)}, **asked)
        assert "Claimed 0 of 1 task." in answer.text
        assert not re.search(r"\bben\b", answer.text)
