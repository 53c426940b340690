"""User tasks at the HTTP door: found by each filter, in each order, with their forms, variables and history."""

import re
from typing import Any

import pytest

from osmia_broker.model import USER_TASK_JOB_TYPE
from tests.rest.conftest import Rest

MODEL = (
    'start > decide:user(name=Decide, native=yes, assignee="=who", groups="=groups", users="=users", due="=due", '
    'follow_up="=follow", priority="=priority", in.hint="=word + order") > end'
)
PEOPLE: list[dict[str, Any]] = [
    {"who": "ada", "groups": ["hr"], "users": [], "due": "2031-01-01T00:00:00Z", "priority": 90},
    {"who": "", "groups": ["hr", "it"], "users": ["bob"], "due": None, "priority": 50},
    {"who": "", "groups": [], "users": ["eve"], "due": "2030-06-01T12:00:00+02:00", "priority": 10},
]


def the(items: list[dict[str, Any]], field: str) -> list[Any]:
    return [item[field] for item in items]


class Tasks:
    """Three tasks of one process."""

    def __init__(self, rest: Rest, unique: str) -> None:
        self.rest = rest
        self.process = unique
        rest.deploy(MODEL, unique)
        given = {"follow": None, "word": "for "}
        self.instances = [rest.create(unique, order=f"o{n}", **{**given, **one}) for n, one in enumerate(PEOPLE)]

    def search(self, filter: dict[str, Any] | None = None, *sort: str, **page: Any) -> Any:
        orders = [{"field": one.lstrip("-"), "order": "DESC" if one[0] == "-" else "ASC"} for one in sort]
        body = {"filter": {"processDefinitionId": self.process, **(filter or {})}, "sort": orders, "page": page}
        return self.rest.post("/user-tasks/search", body)

    def numbers(self, filter: dict[str, Any] | None = None, *sort: str, **page: Any) -> str:
        """The tasks that were found, each by its place in PEOPLE."""
        answer = self.search(filter, *sort, **page)
        if not page:
            assert answer["page"]["totalItems"] == len(answer["items"])
        return "".join(str(self.instances.index(item["processInstanceKey"])) for item in answer["items"])


@pytest.fixture
def tasks(rest: Rest, unique: str) -> Tasks:
    return Tasks(rest, unique)


def test_a_task_is_found_in_the_first_answer_after_it_was_created(rest: Rest, unique: str, tasks: Tasks):
    item = tasks.search()["items"][0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", item["creationDate"])
    shown = {name: value for name, value in item.items() if not name.endswith("Key") and name != "creationDate"}
    assert shown == {
        "name": "Decide",
        "state": "CREATED",
        "assignee": "ada",
        "elementId": "decide",
        "candidateGroups": ["hr"],
        "candidateUsers": [],
        "priority": 90,
        "completionDate": None,
        "dueDate": "2031-01-01T00:00:00Z",
        "followUpDate": None,
        "externalFormReference": None,
        "customHeaders": {},
        "processDefinitionId": unique,
        "processDefinitionVersion": 1,
        "processName": unique,
        "businessId": None,
        "tags": [],
        "tenantId": "<default>",
        "description": None,
        "category": None,
    }
    assert item["formKey"] is None
    assert len({item[name] for name in ("userTaskKey", "elementInstanceKey", "processInstanceKey")}) == 3
    assert rest.get(f"/user-tasks/{item['userTaskKey']}") == item
    assert rest.ask("GET", f"/user-tasks/{item['userTaskKey']}/form").status_code == 204


@pytest.mark.parametrize(
    ("filter", "who"),
    [
        ({}, "012"),
        ({"state": "CREATED"}, "012"),
        ({"state": "completed"}, ""),
        ({"state": {"$in": ["CREATED", "COMPLETED"]}}, "012"),
        ({"assignee": "ada"}, "0"),
        ({"assignee": {"$exists": False}}, "12"),
        ({"assignee": {"$neq": "ada"}}, "12"),
        ({"candidateGroup": "hr"}, "01"),
        ({"candidateGroup": {"$in": ["it", "x"]}}, "1"),
        ({"candidateGroup": {"$neq": "it"}}, "02"),
        ({"candidateGroup": {"$exists": False}}, "2"),
        ({"candidateUser": {"$like": "?o*"}}, "1"),
        ({"state": "CREATED", "candidateUser": "eve"}, "2"),
        ({"$or": [{"assignee": "ada"}, {"candidateUser": "eve"}]}, "02"),
        ({"state": "CREATED", "$or": [{"candidateGroup": "it"}, {"assignee": "ada"}]}, "01"),
        ({"priority": {"$gte": 50}}, "01"),
        ({"priority": 10}, "2"),
        ({"dueDate": {"$exists": True}}, "02"),
        ({"dueDate": {"$lt": "2030-07-01T00:00:00Z"}}, "2"),
        ({"dueDate": "2030-06-01T10:00:00Z"}, "2"),  # the same moment with another offset
        ({"followUpDate": {"$exists": True}}, ""),
        ({"completionDate": {"$exists": False}}, "012"),
        ({"creationDate": {"$lte": "2100-01-01T00:00:00Z"}}, "012"),
        ({"name": {"$like": "Dec*"}}, "012"),
        ({"name": {"$contains": "DECIDE"}}, "012"),  # in any case, beyond the contract
        ({"name": {"$contains": "d*c"}}, ""),
        ({"elementId": "decide"}, "012"),
        ({"processInstanceVariables": [{"name": "order", "value": '"o1"'}]}, "1"),
        ({"localVariables": [{"name": "hint", "value": '"for o2"'}]}, "2"),
        ({"localVariables": [{"name": "order", "value": '"o2"'}]}, ""),
        ({"tags": ["vip"]}, ""),
        ({"tenantId": "<default>"}, "012"),
        ({"tenantId": "other"}, ""),
    ],
    ids=str,
)
def test_user_tasks_by_each_filter(tasks: Tasks, filter: dict[str, Any], who: str):
    assert tasks.numbers(filter) == who


def test_a_date_before_the_standard_time_of_its_zone_is_shown_in_utc(rest: Rest, unique: str):
    """Its offset has seconds, which RFC 3339 does not know. Such a task once was in no list."""
    rest.deploy('start > ask:user(native=yes, due="=date and time(d)") > end', unique)
    key = rest.create(unique, d="1850-01-01T00:53:28@Europe/Berlin")
    (task,) = rest.post(
        "/user-tasks/search", {"filter": {"processInstanceKey": key, "dueDate": "1850-01-01T00:00:00Z"}}
    )["items"]
    assert task["dueDate"] == "1850-01-01T00:00:00Z"


def test_user_tasks_in_each_order(tasks: Tasks):
    for sort, who in [
        ((), "012"),
        (("creationDate",), "012"),
        (("-creationDate",), "210"),
        (("priority",), "210"),
        (("-priority",), "012"),
        (("dueDate",), "201"),  # a task without a date comes last
        (("-dueDate",), "021"),
        (("name", "-priority"), "012"),
    ]:
        for filter in ({}, {"state": "CREATED"}):
            assert tasks.numbers(filter, *sort) == who, sort


def test_pages_of_user_tasks_forwards_and_back(tasks: Tasks):
    def ask(**page: Any) -> Any:
        return tasks.search({"state": "CREATED"}, "dueDate", limit=1, **page)

    pages = [ask()]
    for _ in range(3):
        pages.append(ask(after=pages[-1]["page"]["endCursor"]))
        assert pages[-1]["page"]["totalItems"] == 3
        if not pages[-1]["items"]:
            break
    assert [len(page["items"]) for page in pages] == [1, 1, 1, 0]
    assert ask(before=pages[2]["page"]["startCursor"])["items"] == pages[1]["items"]
    assert ask(before=pages[1]["page"]["startCursor"])["items"] == pages[0]["items"]
    assert ask(**{"from": 2})["items"] == pages[2]["items"]


def test_a_completed_task_has_its_end_and_keeps_its_candidates(rest: Rest, unique: str):
    rest.deploy("start > decide:user(groups=hr) > end", unique)
    instance = rest.create(unique)
    (job,) = [
        job
        for job in rest.broker.client.activate_jobs(USER_TASK_JOB_TYPE, max_jobs=1_000, timeout_ms=1_000)
        if str(job.process_instance_key) == instance
    ]
    rest.broker.client.complete_job(job.key)

    def count(**filter: Any) -> int:
        body = {"filter": {"processInstanceKey": instance, **filter}}
        return int(rest.post("/user-tasks/search", body)["page"]["totalItems"])

    assert (count(state="CREATED"), count(state="COMPLETED")) == (0, 1)
    assert (count(candidateGroup="hr"), count(candidateGroup={"$neq": "hr"})) == (1, 0)
    assert (count(completionDate={"$exists": True}), count(completionDate={"$exists": False})) == (1, 0)


def test_the_variables_that_a_task_sees(rest: Rest, tasks: Tasks):
    task = tasks.search({"assignee": "ada"})["items"][0]["userTaskKey"]
    rest.broker.client.set_variables(int(tasks.instances[0]), {"hint": "outer"})
    body = {"filter": {"name": {"$in": ["hint", "order"]}}, "sort": [{"field": "name"}, {"field": "value"}]}
    seen = rest.post(f"/user-tasks/{task}/variables/search", body)["items"]
    assert [(one["name"], one["value"]) for one in seen] == [
        ("hint", '"for o0"'),
        ("hint", '"outer"'),
        ("order", '"o0"'),
    ]
    effective = rest.post(f"/user-tasks/{task}/effective-variables/search", body)["items"]
    assert [(one["name"], one["value"]) for one in effective] == [("hint", '"for o0"'), ("order", '"o0"')]
    everything = rest.post(f"/user-tasks/{task}/effective-variables/search?truncateValues=false")
    assert everything["page"]["totalItems"] == 9


def test_the_form_of_a_task_and_of_a_start(rest: Rest, unique: str):
    form = b'{"id": "%s", "components": []}' % unique.encode()
    rest.broker.client.deploy((f"{unique}.form", form))
    rest.deploy(f"start > decide:user(form_id={unique}) > end", unique)
    instance = rest.create(unique)
    (task,) = rest.post("/user-tasks/search", {"filter": {"processInstanceKey": instance}})["items"]
    found = rest.get(f"/user-tasks/{task['userTaskKey']}/form")
    assert (found["formId"], found["formKey"], found["schema"]) == (unique, task["formKey"], form.decode())
    assert rest.get(f"/forms/{task['formKey']}") == found


def test_the_history_of_a_task(rest: Rest, tasks: Tasks):
    task = tasks.search({"assignee": "ada"})["items"][0]["userTaskKey"]
    rest.post(f"/process-instances/{tasks.instances[0]}/cancellation")
    log = rest.post(
        f"/user-tasks/{task}/audit-logs/search", {"sort": [{"field": "timestamp"}, {"field": "auditLogKey"}]}
    )
    assert (log["items"][0]["operationType"], log["items"][-1]["operationType"]) == ("CREATE", "CANCEL")
    first = log["items"][0]
    assert (first["entityType"], first["entityKey"], first["result"]) == ("USER_TASK", task, "SUCCESS")
    assert first["processInstanceKey"] == tasks.instances[0]
    assert rest.get(f"/audit-logs/{first['auditLogKey']}") == first
    for filter, count in [
        ({"operationType": "CANCEL"}, 1),
        ({"operationType": {"$like": "C*"}}, 2),
        ({"result": "FAIL"}, 0),
    ]:
        found = rest.post(f"/user-tasks/{task}/audit-logs/search", {"filter": filter})
        assert found["page"]["totalItems"] == count, filter
    everywhere = rest.post("/audit-logs/search", {"filter": {"userTaskKey": task, "category": "USER_TASKS"}})
    assert everywhere["page"]["totalItems"] == len(log["items"])


def test_the_history_of_a_task_comes_as_it_happened_unless_the_request_has_another_order(rest: Rest, tasks: Tasks):
    """The keys of the creation and of the end are older than those of the entries between them."""
    task = tasks.search({"assignee": "ada"})["items"][0]["userTaskKey"]
    path = f"/user-tasks/{task}"
    for candidates in (["ben"], ["eve"]):
        rest.broker.clock.ms += 1_000
        assert rest.ask("PATCH", path, {"changeset": {"candidateUsers": candidates}}).status_code == 204
    rest.broker.clock.ms += 1_000
    rest.post(f"/process-instances/{tasks.instances[0]}/cancellation")

    def operations(body: Any) -> list[str]:
        return [one["operationType"] for one in rest.post(f"{path}/audit-logs/search", body)["items"]]

    happened = ["CREATE", "UPDATE", "UPDATE", "CANCEL"]
    for body in (None, {}, {"sort": None}, {"sort": []}):
        assert operations(body) == happened, body
    first = rest.post(f"{path}/audit-logs/search", {"page": {"limit": 3}})
    following = {"page": {"after": first["page"]["endCursor"]}}
    assert operations(following) == ["CANCEL"]
    assert operations({"sort": [{"field": "timestamp", "order": "DESC"}]}) == happened[::-1]
    assert operations({"sort": [{"field": "auditLogKey"}]}) == ["CREATE", "CANCEL", "UPDATE", "UPDATE"]


def test_a_task_is_a_wait_state(rest: Rest, tasks: Tasks):
    body = {"filter": {"processInstanceKey": tasks.instances[0]}}
    (wait,) = rest.post("/element-instances/wait-states/search", body)["items"]
    assert (wait["details"]["waitStateType"], wait["elementType"]) == ("USER_TASK", "USER_TASK")
    assert wait["details"]["taskKey"] == tasks.search({"assignee": "ada"})["items"][0]["userTaskKey"]


@pytest.mark.parametrize(
    "body",
    [
        {"filter": {"state": "OPEN"}},
        {"filter": {"assignee": {"$gt": "a"}}},
        {"filter": {"priority": "high"}},
        {"filter": {"dueDate": "tomorrow"}},
        {"filter": {"userTaskKey": "abc"}},
        {"filter": {"userTaskKey": 2**63}},
        {"filter": {"candidateGroup": ["hr"]}},
        {"filter": {"colour": "green"}},
        {"filter": {"$or": "x"}},
        {"filter": {"processInstanceVariables": [{"name": "x"}]}},
        {"sort": [{"field": "assignee"}]},
        {"sort": [{"field": "priority", "order": "UP"}]},
        {"page": {"limit": 10_001}},
        {"page": {"after": "nonsense"}},
    ],
    ids=str,
)
def test_what_no_search_for_tasks_takes(rest: Rest, body: dict[str, Any]):
    problem = rest.refusal("POST", "/user-tasks/search", body)
    assert (problem["status"], problem["title"]) == (400, "INVALID_ARGUMENT")
    assert re.match("Expected (filter|sort|page).* but found ", problem["detail"])


@pytest.mark.parametrize("date", ["1970-01-01T00:00:00Z", "2031-01-01T00:00Z", "1969-12-31T23:59:59.999Z"])
def test_a_date_is_found_by_its_own_text(tasks: Tasks, date: str):
    (task,) = tasks.search({"assignee": "ada"})["items"]
    changed = tasks.rest.ask("PATCH", f"/user-tasks/{task['userTaskKey']}", {"changeset": {"followUpDate": date}})
    assert changed.status_code == 204
    assert tasks.numbers({"followUpDate": date}) == "0"
    assert tasks.numbers({"followUpDate": {"$gte": date}}) == "0"
    assert tasks.numbers({"followUpDate": {"$gt": date}}) == ""


@pytest.mark.parametrize(
    "digits", ["1.10", "1e2", "0.1000000000000000055", "12345678901234567890123", "1e400", "100.0"]
)
def test_a_number_where_a_text_is_meant_keeps_its_digits(tasks: Tasks, digits: str):
    (task,) = tasks.search({"candidateUser": "eve"})["items"]
    path, json = f"/user-tasks/{task['userTaskKey']}", {"content-type": "application/json"}
    assigned = tasks.rest.ask("POST", f"{path}/assignment", content=f'{{"assignee": {digits}}}', headers=json)
    assert assigned.status_code == 204
    assert tasks.rest.get(path)["assignee"] == digits
    wanted = f'{{"filter": {{"assignee": {digits}, "processDefinitionId": "{tasks.process}"}}}}'
    found = tasks.rest.post("/user-tasks/search", content=wanted, headers=json)["items"]
    assert [one["userTaskKey"] for one in found] == [task["userTaskKey"]]


@pytest.mark.parametrize(
    ("written", "asked", "shown"),
    [
        (r'"caf\u00e9"', '"café"', '"café"'),
        ('"café"', r'"caf\u00e9"', '"café"'),
        (r'"a\/b"', '"a/b"', '"a/b"'),
        ("1e2", "100.0", "100.0"),
        ("100", "1e2", "100"),
        ("1.10", "1.1", "1.10"),
        ("5", "5.0", "5"),
        ('{"a": 1}', '{"a": 1}', '{"a":1}'),
        ('{"a":1}', '{ "a" : 1 }', '{"a":1}'),
    ],
)
def test_the_value_of_a_variable_is_compared_not_its_spelling(
    rest: Rest, unique: str, written: str, asked: str, shown: str
):
    rest.deploy("start > t:user(native=yes) > end", unique)
    body = f'{{"processDefinitionId":"{unique}","variables":{{"v":{written}}}}}'
    key = rest.post("/process-instances", content=body, headers={"content-type": "application/json"})[
        "processInstanceKey"
    ]
    of_instance = {"processInstanceKey": key}
    for value, expected in ((asked, 1), ({"$in": ['"x"', asked]}, 1), ({"$neq": asked}, 0), ({"$notIn": [asked]}, 0)):
        wanted = {"processInstanceVariables": [{"name": "v", "value": value}]}
        found = rest.post("/user-tasks/search", {"filter": of_instance | wanted})
        assert found["page"]["totalItems"] == expected, value
    [variable] = rest.post("/variables/search", {"filter": of_instance | {"name": "v"}})["items"]
    assert variable["value"] == shown


def test_the_size_of_a_variable_is_compared_with_any_number(rest: Rest, unique: str):
    rest.deploy("start > ask:user > end", id=unique)
    rest.create(unique, amount=11)
    for least, count in ((10, 1), (10.5, 1), (1.05e1, 1), (11.5, 0)):
        variable = {"name": "amount", "value": {"$gt": least}}
        found = rest.post(
            "/user-tasks/search",
            {"filter": {"processDefinitionId": unique, "processInstanceVariables": [variable]}},
        )
        assert found["page"]["totalItems"] == count


@pytest.mark.parametrize("value", ["1" + "0" * 400, "true", '"10"'])
def test_a_size_that_is_no_number_is_refused(rest: Rest, value: str):
    text = '{"filter": {"processInstanceVariables": [{"name": "a", "value": {"$gt": ' + value + "}}]}}"
    answer = rest.http.post("/user-tasks/search", content=text, headers={"content-type": "application/json"})
    assert answer.status_code == 400


@pytest.mark.parametrize("operator", ["$like", "$contains"])
def test_the_patterns_of_a_filter_are_bounded_together(rest: Rest, operator: str):
    some = {"filter": {"$or": [{"name": {operator: "x" * 2_000}}] * 5}}
    assert rest.post("/user-tasks/search", some)["items"] == []
    more = {"filter": {"$or": [{"name": {operator: "x" * 2_000}}] * 6}}
    problem = rest.refusal("POST", "/user-tasks/search", more)
    assert (problem["status"], "patterns of a filter" in problem["detail"]) == (400, True), problem
