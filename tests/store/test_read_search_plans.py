"""The plans of searches for open user tasks: none goes through the tasks that have ended, nor sorts where an index has the order."""

from typing import Any

import pytest

from osmia_broker.calls.tasks.readable import ReadableTasks
from osmia_broker.engine.commands.tasks import Actor, TaskPolicy
from osmia_broker.state.rows import ElementInstance, ElementState
from osmia_broker.state.rows.tasks import STANDS, CandidateKind, TaskCandidate, UserTask, UserTaskState
from osmia_broker.store.read import Reader
from osmia_broker.store.read.entities import AUDIT_LOGS, ELEMENT_INSTANCES, JOBS, PROCESS_INSTANCES, USER_TASKS
from osmia_broker.store.read.search import way as searching
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.search import Search, search
from tests.store.conftest import Written
from tests.store.plans import steps
from tests.store.rows import BASE
from tests.store.searched import tasks

OPEN = {"state": "CREATED"}
MINE = OPEN | {"assignee": "ada"}
NOBODY = OPEN | {"assignee": {"$exists": False}}
GROUPS = OPEN | {"candidateGroup": {"$in": ["hr", "it"]}}
ORDERS: list[Any] = [
    None,
    *(
        [{"field": name, "order": order}]
        for name in ("creationDate", "completionDate", "dueDate", "followUpDate", "priority", "name")
        for order in ("ASC", "DESC")
    ),
    [{"field": "priority", "order": "DESC"}, {"field": "dueDate", "order": "ASC"}],
]
INDEXES = ("user_tasks_open", "user_tasks_by_", "user_tasks_of_instance")


@pytest.fixture
async def reader(written: Written) -> Reader:
    return await written(*tasks(seed=2)[0])


@pytest.mark.parametrize("sort", ORDERS, ids=str)
@pytest.mark.parametrize(
    "filter",
    [OPEN, MINE, NOBODY, GROUPS, GROUPS | NOBODY, OPEN | {"priority": {"$gte": 99}}, OPEN | {"name": {"$like": "*x*"}}],
    ids=str,
)
async def test_open_tasks_are_found_through_indexes(
    written: Written, reader: Reader, filter: dict[str, Any], sort: Any
):
    for page in ({"limit": 2}, {"limit": 2, "from": 3}):
        for step, text in await steps(written, reader, Search(filter, sort, page)):
            if "task " in step or step.endswith("task"):
                is_by_key = "SEARCH task USING INTEGER PRIMARY KEY (rowid=?)" in step  # of the items of a page
                assert is_by_key or any(index in step for index in INDEXES), f"{step}: {text}"


@pytest.mark.parametrize("name", ["creationDate", "dueDate", "priority", "name"])
async def test_the_next_page_is_read_from_its_index(written: Written, reader: Reader, name: str):
    sort = [{"field": name, "order": "DESC"}]
    first = await search(reader, USER_TASKS, Search(OPEN, sort, {"limit": 2}))
    found = await steps(written, reader, Search(OPEN, sort, {"limit": 2, "after": first.end}))
    orders = [
        step
        for step, text in found
        if "nearest" in text and ("user_tasks_by" in step or "user_tasks_open (key" in step)
    ]
    assert orders
    assert all("SEARCH" in step for step in orders), orders


@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ({"assignee": "ada"}, "user_tasks_by_assignee (assignee=? AND ended_ms=?)"),
        ({"processInstanceKey": BASE + 10_000}, "user_tasks_of_instance (process_instance_key=? AND ended_ms=?)"),
        ({"candidateGroup": "hr"}, "task_candidates_by_name (kind=? AND name=? AND standing=?)"),
        (
            {"processInstanceVariables": [{"name": "amount", "value": "2"}]},
            "variables_by_value (name=? AND <expr>=?)",
        ),
        (
            {"processInstanceVariables": [{"name": "amount", "value": '"two"'}]},
            "variables_by_value (name=? AND <expr>=?)",
        ),
        ({"businessId": "b-1"}, "business_ids_by_id (business_id=?)"),
    ],
    ids=str,
)
async def test_a_condition_with_few_rows_leads_to_them(
    written: Written, reader: Reader, condition: dict[str, Any], index: str
):
    found = await steps(written, reader, Search(OPEN | condition, [{"field": "priority"}]))
    assert any(index in step for step, _ in found), found


WIDE: list[Any] = [{"$gte": 0}, {"$gte": 0, "$lt": 100}, {"$neq": "7"}, {"$like": "?"}, {"$exists": True}]


@pytest.mark.parametrize("sort", [None, [{"field": "creationDate", "order": "DESC"}], [{"field": "dueDate"}]], ids=str)
@pytest.mark.parametrize("value", WIDE, ids=str)
async def test_a_condition_that_most_tasks_pass_is_looked_up_for_the_next_tasks_alone(
    written: Written, reader: Reader, value: Any, sort: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(searching, "LED_MAX", 0)
    filter = OPEN | {"processInstanceVariables": [{"name": "amount", "value": value}]}
    found = await steps(written, reader, Search(filter, sort, {"limit": 2}))
    unbounded = [step for step, text in found if "variables_by_value" in step and "AS one" not in text]
    assert not unbounded, "all variables of the name would be read"
    assert [step for step, _ in found if "PRIMARY KEY (scope_key=? AND name=?)" in step], found


@pytest.mark.parametrize("sort", [None, [{"field": "dueDate"}], [{"field": "name"}]], ids=str)
@pytest.mark.parametrize("state", [OPEN, {"state": "COMPLETED"}, {}], ids=str)
@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("processInstanceVariables", {"$gt": 7}, "<expr>>? AND <expr><?"),
        ("processInstanceVariables", {"$lte": 7}, "<expr><?"),
        ("processInstanceVariables", {"$gt": 7, "$lt": 9}, "<expr>>? AND <expr><?"),
        ("localVariables", {"$gt": 7}, "<expr>>? AND <expr><?"),
        ("localVariables", "7", "<expr>=?"),
        ("localVariables", {"$in": ["7", '"x"']}, "<expr>=?"),
    ],
    ids=str,
)
async def test_few_variables_with_a_value_lead_to_their_tasks(
    written: Written, reader: Reader, field: str, value: Any, place: str, state: Any, sort: Any
):
    found = await steps(written, reader, Search(state | {field: [{"name": "amount", "value": value}]}, sort))
    page = [step for step, text in found if "AS total" in text]
    assert any(f"variables_by_value (name=? AND {place})" in step for step in page), found
    assert any("user_tasks_of_instance (process_instance_key=?" in step for step in page), page
    assert not [step for step in page if step.startswith("SCAN task")], page


async def test_such_a_condition_beside_a_group_is_looked_up_for_the_tasks_of_the_group(
    written: Written, reader: Reader
):
    filter = OPEN | {"candidateGroup": "hr", "processInstanceVariables": [{"name": "amount", "value": {"$gte": 0}}]}
    found = await steps(written, reader, Search(filter, None, {"limit": 2}))
    assert any("task_candidates_by_name (kind=? AND name=? AND standing=?)" in step for step, _ in found), found
    assert not [step for step, _ in found if "variables_by_value" in step]


@pytest.mark.parametrize("sort", ORDERS, ids=str)
@pytest.mark.parametrize("filter", [OPEN, NOBODY, {}], ids=str)
async def test_what_a_person_may_read_is_found_through_indexes(
    written: Written, reader: Reader, filter: dict[str, Any], sort: Any
):
    readable = ReadableTasks(reader, Actor("ada", ("hr", "it"), TaskPolicy.STRICT)).scope
    found = await steps(written, reader, Search(filter, sort, {"limit": 2}), readable)
    for index in ("task_candidates_by_name (kind=? AND name=?", "user_tasks_by_assignee (assignee=?"):
        assert any(index in step for step, _ in found), found
    assert any("user_tasks_for_everybody (ended_ms=?" in step for step, _ in found), found
    if filter:
        for step, text in found:
            if step.endswith(" task") or " task " in step:
                assert "SEARCH" in step or any(index in step for index in INDEXES), f"{step}: {text}"


@pytest.mark.parametrize("filter", [GROUPS, GROUPS | {"priority": {"$gte": 50}}, {"state": "COMPLETED"}], ids=str)
async def test_what_is_looked_up_by_key_is_read_as_the_keys_are_found(
    written: Written, reader: Reader, filter: dict[str, Any]
):
    scope = ReadableTasks(reader, Actor("ada", ("hr", "it"), TaskPolicy.STRICT)).scope
    found = await steps(written, reader, Search(filter, fields("dueDate"), {"limit": 2}), scope)
    assert [step for step, _ in found if step == "CO-ROUTINE keys"], found
    assert not [step for step, _ in found if step in ("MATERIALIZE keys", "MATERIALIZE nearest")], found


MANY_GROUPS = tuple(f"group-{number}" for number in range(19))


async def test_a_person_in_many_groups_has_their_tasks_merged_as_they_are_read(written: Written, reader: Reader):
    for groups, are_sorted in (((*MANY_GROUPS, "hr"), False), ((*MANY_GROUPS, *map(str, range(14))), True)):
        scope = ReadableTasks(reader, Actor("ada", groups, TaskPolicy.CANDIDATES)).scope
        for filter in (OPEN, {}):
            found = await steps(written, reader, Search(filter, None, {"limit": 2}), scope)
            keys = [step for step, text in found if "UNION" in text]
            assert "MERGE (UNION)" in keys, keys
            assert ("USE TEMP B-TREE FOR DISTINCT" in keys) is are_sorted, keys


async def test_groups_are_compared_with_the_few_of_a_row_rather_than_looked_up_one_by_one(
    written: Written, reader: Reader, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(searching, "CHECKED_MAX", 0)
    monkeypatch.setattr(searching, "FEW_MAX", 0)
    found = await steps(written, reader, Search(GROUPS, fields("dueDate"), {"limit": 2}))
    checked = [step for step, text in found if "nearest" in text and "candidate_group" in step]
    assert checked
    assert all("PRIMARY KEY (user_task_key=? AND kind=?)" in step for step in checked), checked


async def test_what_most_rows_pass_is_checked_last(written: Written, reader: Reader):
    found = await steps(written, reader, Search({"state": "CREATED", "elementId": "ask"}))
    conditions = {text.index("element_id =") < text.index("state =") for _, text in found if "state =" in text}
    assert conditions == {True}, found


async def many(written: Written, instances: int, of_process: int) -> Reader:
    """Tasks of one group; the first ones are of a process of their own."""
    rows: list[Any] = []
    for number in range(instances):
        key, definition = BASE + 100 + 10 * number, BASE + (1 if number < of_process else 2)
        place = (definition, "p" if number < of_process else "q", "PROCESS")
        rows += [
            ElementInstance(key, key, *place, ElementState.ACTIVATED, 0, "", 5),
            UserTask(
                *(key + 2, key, definition, key + 1, "ask", 0, "Ask", "", "", UserTaskState.CREATED),
                candidate_groups='["hr"]',
            ),
            TaskCandidate(key + 2, CandidateKind.GROUP, "hr", key, STANDS),
        ]
    return await written(*rows)


@pytest.mark.parametrize(("of_process", "leads"), [(4, True), (10, False)])
async def test_a_definition_leads_if_the_alternatives_lead_to_many_more_tasks(
    written: Written, of_process: int, leads: bool
):
    reader = await many(written, 20, of_process)
    scope = ReadableTasks(reader, Actor("ada", ("hr",), TaskPolicy.STRICT)).scope
    asked = Search(OPEN | {"processDefinitionKey": BASE + 1}, fields("name"))
    found = await steps(written, reader, asked, scope)
    [page] = {text for _, text in found if "AS total" in text}
    assert ("of_running" in page) is leads, page
    assert (await search(reader, USER_TASKS, asked, scope=scope)).total == of_process


LAST_ENDED = [{"field": "completionDate", "order": "DESC"}]


@pytest.mark.parametrize("filter", [{}, {"state": "COMPLETED"}], ids=["all", "completed"])
async def test_who_may_read_a_task_is_known_without_a_look_at_the_tasks(
    written: Written, reader: Reader, filter: dict[str, Any]
):
    readable = ReadableTasks(reader, Actor("ada", ("hr", "it"), TaskPolicy.STRICT)).scope
    for sort in ORDERS:
        found = await steps(written, reader, Search(filter, sort, {"limit": 2}), readable)
        assert not [step for step, _ in found if "SUBQUERY" in step and "owner" in step], found
        assert any("task_candidates_by_name (kind=? AND name=? AND standing=?)" in step for step, _ in found), found


async def test_the_next_tasks_that_ended_are_walked_in_the_order_of_their_list(
    written: Written, reader: Reader, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(searching, "FEW_MAX", 1)
    monkeypatch.setattr(searching, "CHECKED_MAX", 1)
    readable = ReadableTasks(reader, Actor("ada", ("hr", "it"), TaskPolicy.STRICT)).scope
    found = await steps(written, reader, Search({"state": "COMPLETED"}, LAST_ENDED, {"limit": 2}), readable)
    walked = [step for step, text in found if "nearest" in text and "INDEX user_tasks_by_completion" in step]
    assert walked, found
    assert not [step for step, text in found if "nearest" in text and "TEMP B-TREE FOR ORDER BY" in step], found


ENDED = {"state": {"$in": ["COMPLETED", "CANCELED"]}}
BY_KEY = [None, [{"field": "creationDate", "order": "ASC"}], [{"field": "creationDate", "order": "DESC"}]]


@pytest.mark.parametrize("way", ["from", "after", "before"])
@pytest.mark.parametrize("sort", BY_KEY, ids=str)
@pytest.mark.parametrize("filter", [{}, OPEN, ENDED], ids=["all", "open", "ended"])
async def test_the_tasks_of_a_person_by_key_are_merged_from_the_place_of_the_page_on(
    written: Written, reader: Reader, monkeypatch: pytest.MonkeyPatch, filter: dict[str, Any], sort: Any, way: str
):
    monkeypatch.setattr(searching, "FEW_MAX", 1)
    monkeypatch.setattr(searching, "CHECKED_MAX", 1)
    readable = ReadableTasks(reader, Actor("ada", ("hr", "it"), TaskPolicy.STRICT)).scope
    page: dict[str, Any] = {"limit": 2, "from": 1}
    if way != "from":
        ends = await search(reader, USER_TASKS, Search(filter, sort, {"limit": 2, "from": 2}), scope=readable)
        page = {"limit": 2, way: ends.start if way == "before" else ends.end}
    found = await steps(written, reader, Search(filter, sort, page), readable)
    [text] = {text for _, text in found if "CROSS JOIN user_tasks" in text and "count(" not in text}
    plan = [step for step, of in found if of == text]
    assert "MERGE (UNION)" in plan, plan
    reads_task = [step for step in plan if step.endswith(" task") or " task " in step]
    assert len(reads_task) == 1, plan
    assert "key=?" in reads_task[0] or "rowid=?" in reads_task[0], plan
    # Only the few tasks of one assignee are sorted, of those that have ended.
    assert plan.count("USE TEMP B-TREE FOR ORDER BY") == (filter != OPEN), plan
    if way != "from":
        begun = [step for step in plan if "of_candidate" in step]
        assert all("AND user_task_key" in step for step in begun), begun


async def test_the_keys_of_alternatives_are_counted_and_not_merged(written: Written, reader: Reader):
    readable = ReadableTasks(reader, Actor("ada", ("hr", "it"), TaskPolicy.STRICT)).scope
    found = await steps(written, reader, Search(OPEN | {"processDefinitionId": "p"}), readable)
    counted = [step for step, text in found if text.startswith("SELECT count(*)") and "UNION ALL" in text]
    assert any("task_candidates_by_name" in step for step in counted), found
    assert not [step for step in counted if "MERGE" in step], counted


@pytest.mark.parametrize("sort", [None, [{"field": "timestamp", "order": "DESC"}]], ids=str)
async def test_the_history_of_a_task_is_found_without_a_look_at_other_tasks(
    written: Written, reader: Reader, sort: Any
):
    task = (await search(reader, USER_TASKS)).items[0]["userTaskKey"]
    found = await steps(written, reader, Search(sort=sort), {"userTaskKey": {"$eq": task}}, AUDIT_LOGS)
    assert any("SEARCH noted USING INDEX user_tasks_of_instance" in step for step, _ in found), found
    assert not [step for step, _ in found if step in ("SCAN task_events", "SCAN noted")], found


def fields(*names: str) -> list[dict[str, str]]:
    return [{"field": name} for name in names]


@pytest.mark.parametrize("sort", [None, fields("dueDate"), fields("name"), fields("priority", "dueDate")], ids=str)
@pytest.mark.parametrize(
    ("field", "value", "index"),
    [
        ("priority", {"$gte": 60}, "user_tasks_by_priority (priority>?)"),
        ("priority", {"$gt": 10, "$lt": 60}, "user_tasks_by_priority (priority>? AND priority<?)"),
        ("priority", 99, "user_tasks_by_priority (priority=?)"),
        ("priority", {"$in": [0, 99]}, "user_tasks_by_priority (priority=?)"),
        ("dueDate", {"$lt": "1970-01-03T00:00:00Z"}, "user_tasks_by_due_date (due_ms<?)"),
        ("followUpDate", {"$gt": "1970-01-03T00:00:00Z"}, "user_tasks_by_follow_up_date (follow_up_ms>?)"),
        ("name", {"$like": "Approve*"}, "user_tasks_by_name (name=?)"),
        ("name", {"$contains": "größe"}, "user_tasks_by_name (name=?)"),
    ],
    ids=str,
)
async def test_a_range_that_few_tasks_are_in_leads_to_them(
    written: Written, reader: Reader, field: str, value: Any, index: str, sort: Any
):
    found = await steps(written, reader, Search(OPEN | {field: value}, sort))
    page = [step for step, text in found if "AS total" in text]
    assert any(index in step for step in page), page
    assert not [step for step, _ in found if step.startswith("SCAN") and step.endswith("user_tasks_open")], found


@pytest.mark.parametrize("sort", [None, fields("dueDate"), fields("priority", "dueDate")], ids=str)
@pytest.mark.parametrize(
    "condition",
    [
        {"processDefinitionKey": BASE + 1},
        {"processDefinitionKey": {"$in": [BASE + 1, BASE + 9]}},
        {"processDefinitionId": "p"},
        {"processDefinitionId": {"$in": ["p", "nothing"]}},
    ],
    ids=str,
)
async def test_a_definition_leads_to_its_running_instances_and_they_to_their_tasks(
    written: Written, reader: Reader, condition: dict[str, Any], sort: Any
):
    found = await steps(written, reader, Search(OPEN | condition, sort))
    [page] = {text for _, text in found if "AS total" in text}
    plan = [step for step, text in found if text == page]
    assert any("process_instances (process_definition_key=? AND state=?)" in step for step in plan), plan
    assert any("user_tasks_of_instance (process_instance_key=? AND ended_ms=?)" in step for step in plan), plan
    assert not [step for step, _ in found if step.startswith("SCAN task")], found


@pytest.mark.parametrize("condition", [{"processDefinitionKey": {"$neq": 1}}, {"processDefinitionId": {"$like": "*"}}])
async def test_a_definition_that_is_not_named_leads_nowhere(
    written: Written, reader: Reader, condition: dict[str, Any]
):
    found = await steps(written, reader, Search(OPEN | condition))
    assert not [step for step, _ in found if " process_instances " in step], found


async def test_a_definition_with_many_instances_does_not_lead_to_them(
    written: Written, reader: Reader, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(searching, "LED_MAX", 0)
    found = await steps(written, reader, Search(OPEN | {"processDefinitionId": "p"}, fields("name"), {"limit": 2}))
    assert not [step for step, text in found if "of_running" in text], "they may have no task"


async def test_a_range_that_many_tasks_are_in_is_counted_in_its_index_and_not_followed(
    written: Written, reader: Reader, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(searching, "LED_MAX", 0)
    found = await steps(written, reader, Search(OPEN | {"priority": {"$gte": 0}}, fields("name"), {"limit": 2}))
    assert any("user_tasks_by_priority (priority>?)" in step for step, text in found if "count" in text), found
    assert not [text for _, text in found if "AS total" in text], "the page comes from the order of names"


async def test_a_page_begins_where_the_range_of_its_order_does(written: Written, reader: Reader, monkeypatch):
    monkeypatch.setattr(searching, "LED_MAX", 0)
    found = await steps(written, reader, Search(OPEN | {"priority": {"$gte": 99}}, fields("priority"), {"limit": 2}))
    nearest = [step for step, text in found if "nearest" in text and "user_tasks_by_priority" in step]
    assert nearest
    assert all("(priority>?)" in step for step in nearest), nearest


@pytest.mark.parametrize("name", ["dueDate", "priority", "name"])
async def test_open_and_ended_tasks_together_are_two_lists_and_the_open_ones_come_from_their_index(
    written: Written, reader: Reader, name: str
):
    found = await steps(written, reader, Search({}, fields(name), {"limit": 2}))
    index = {"dueDate": "user_tasks_by_due_date", "priority": "user_tasks_by_priority", "name": "user_tasks_by_name"}[
        name
    ]
    assert any(index in step for step, text in found if "nearest" in text), found
    sorted_rows = [text for step, text in found if "TEMP B-TREE FOR ORDER BY" in step]
    assert sorted_rows
    assert all("ended_ms > 0" in text for text in sorted_rows), sorted_rows


@pytest.mark.parametrize("order", ["ASC", "DESC"])
@pytest.mark.parametrize(
    ("entity", "name"),
    [
        (JOBS, "jobKey"),
        (JOBS, "creationTime"),
        (ELEMENT_INSTANCES, "elementInstanceKey"),
        (ELEMENT_INSTANCES, "startDate"),
    ],
    ids=lambda one: getattr(one, "name", one),
)
async def test_jobs_and_element_instances_by_key_or_time_are_not_sorted(
    written: Written, reader: Reader, entity: Entity, name: str, order: str
):
    found = await steps(written, reader, Search(None, [{"field": name, "order": order}], {"limit": 2}), None, entity)
    assert [step for step, text in found if "nearest" in text], found
    assert not [step for step, _ in found if "TEMP B-TREE FOR ORDER BY" in step], found


@pytest.mark.parametrize("order", ["ASC", "DESC"])
@pytest.mark.parametrize("filter", [{}, {"state": "ACTIVE"}, {"hasIncident": False}], ids=str)
@pytest.mark.parametrize("name", ["processInstanceKey", "startDate"])
async def test_many_instances_by_key_or_time_are_not_sorted(
    written: Written, reader: Reader, monkeypatch: pytest.MonkeyPatch, name: str, filter: dict[str, Any], order: str
):
    monkeypatch.setattr(searching, "TOTAL_MAX", 3)
    asked = Search(filter, [{"field": name, "order": order}], {"limit": 2})
    pages = [
        (step, text) for step, text in await steps(written, reader, asked, None, PROCESS_INSTANCES) if "OFFSET" in text
    ]
    of_many = [step for step, text in pages if "found" not in text]  # else it is a count of few, with its page
    assert of_many, pages
    assert not [step for step in of_many if "TEMP B-TREE" in step], pages


async def test_tasks_without_a_value_come_from_an_index_when_those_with_one_are_at_their_end(
    written: Written, reader: Reader
):
    many = {"processInstanceVariables": [{"name": "amount", "value": {"$like": "?"}}]}
    found = await steps(written, reader, Search(OPEN | many, fields("followUpDate"), {"limit": 40}))
    without = [step for step, text in found if "nearest" in text and "follow_up_ms = 0" in text]
    assert any("user_tasks_open" in step for step in without), found
    assert not [text for step, text in found if "TEMP B-TREE FOR ORDER BY" in step]
