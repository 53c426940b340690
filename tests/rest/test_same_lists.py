"""Every list and every item of REST is had by the SDK, too, with the same items under the same names."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import osmia
from osmia_broker.calls.lists.lists import ITEMS, LISTS
from osmia_broker.gateway import items as items_of_gateway
from osmia_broker.http import api
from osmia_broker.http.operation import OPERATIONS, Operation
from osmia_broker.http.searching import name_of_list
from tests.rest.conftest import Rest
from tests.running_broker import running_broker

api.load()
LINE = """
    start > a:user(native=yes, assignee=ada) > j:job(type=t) > b:user > end
    & late:boundary(on=a, message=n, key="=id", cancel=false) > l:task > end2
"""


def list_of(one: Operation) -> str:
    """The list that an operation reads, whole or one item of it; empty if it reads none."""
    name = name_of_list(one.path)
    if one.method == "POST":
        return name if name in LISTS and one.path.endswith(("/search", *name.split("/statistics")[1:])) else ""
    is_one = one.path.endswith("}")
    return name if one.method == "GET" and name in (ITEMS if is_one else LISTS) else ""


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Rest, dict[str, Any]]]:
    """A broker with something in most lists, and the keys that lists belong to, by the first part of their path."""
    with running_broker(tmp_path_factory.mktemp("busy")) as broker:
        rest = Rest(broker)
        client = broker.client
        definition = rest.deploy(LINE)
        instance = client.create_instance("process", {"id": 7, "long": "x" * 20_000}).key
        (task,) = client.user_tasks.search().items
        client.user_tasks.update(task.key, {"priority": 7}, user="ben")
        client.user_tasks.complete(task.key, {"done": True})
        client.suspend_instance(client.create_instance("process").key)
        client.cancel_instance(client.create_instance("process").key)
        (job,) = client.activate_jobs("t", max_jobs=1, worker="w")
        client.fail_job(job.key, retries=0, message="no luck")
        rest.post("/cluster-variables/global", {"name": "limit", "value": "y" * 20_000})
        rest.post("/global-task-listeners", {"id": "g", "type": "t", "eventTypes": ["completing"]})
        element = rest.post("/element-instances/search", {"filter": {"elementId": "j"}})["items"][0][
            "elementInstanceKey"
        ]
        owners = {
            "process-instances": instance,
            "element-instances": int(element),
            "process-definitions": definition,
            "user-tasks": task.key,
        }
        yield rest, owners
        rest.http.close()


PERIOD = {"from": "2000-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}
FILTERS: dict[str, dict[str, Any]] = {
    "jobs/statistics/by-types": PERIOD,
    "jobs/statistics/global": PERIOD,
    "jobs/statistics/by-workers": {**PERIOD, "jobType": "t"},
    "jobs/statistics/errors": {**PERIOD, "jobType": "t"},
    "jobs/statistics/time-series": {**PERIOD, "jobType": "t", "resolution": "P366D"},
    "process-definitions/statistics/process-instances-by-version": {"processDefinitionId": "process"},
    "incidents/statistics/process-instances-by-definition": {"errorHashCode": 1},
}
LISTING = [one for one in OPERATIONS if list_of(one) and not one.path.endswith("}")]
EMPTY = {
    "batch-operations",
    "batch-operation-items",
    "correlated-message-subscriptions",
    "decision-definitions",
    "decision-instances",
    "decision-requirements",
    "incidents/statistics/process-instances-by-definition",
    "process-definitions/statistics/message-subscriptions",
}


def test_every_list_has_an_operation_of_rest():
    assert {list_of(one) for one in LISTING} == set(LISTS)
    assert {list_of(one) for one in OPERATIONS if list_of(one) and one.path.endswith("}")} | {"cluster-variables"} == {
        *ITEMS
    }


@pytest.mark.parametrize("one", LISTING, ids=list_of)
def test_a_list_has_the_same_items_at_both_doors(busy: tuple[Rest, dict[str, Any]], one: Operation):
    rest, owners = busy
    name = list_of(one)
    owner = owners[name.split("/")[0]] if LISTS[name].owner else None
    filter = FILTERS.get(name)
    path = name_path(one, owner)
    if one.method == "POST":
        answer = rest.post(path, {"filter": filter, "page": {"limit": 3}} if "/statistics/element" not in path else {})
    else:
        answer = rest.get(path, params=filter)
    found = rest.broker.client.search_items(name, filter, of=owner, limit=3 if "page" in answer else 0)
    of_rest = answer["items"] if "items" in answer else answer if isinstance(answer, list) else [answer]
    assert found.items == of_rest
    assert (name in EMPTY) == (not found.items), "an example of each, or it proves little"
    if "page" in answer:
        page = answer["page"]
        assert (found.total, found.has_more_total) == (page["totalItems"], page["hasMoreTotalItems"])
        assert (found.start_cursor or None, found.end_cursor or None) == (page["startCursor"], page["endCursor"])
        assert bool(found.next) == (found.total > 3)


def name_path(one: Operation, owner: int | None) -> str:
    return "/".join(str(owner) if part.startswith("{") else part for part in one.path.split("/"))


@pytest.mark.parametrize("name", [name for name in ITEMS if name not in EMPTY and name != "user-tasks"])
def test_an_item_is_the_same_at_both_doors(busy: tuple[Rest, dict[str, Any]], name: str):
    rest, _ = busy
    item = rest.broker.client.search_items(name).items[0]
    # The key has the name of the list in the singular, or is a name.
    key = next(
        item[one]
        for one in item
        if one in ("name", "id") or (one.endswith("Key") and one[:-3].lower() in name.replace("-", ""))
    )
    middle = "/global" if name == "cluster-variables" else ""
    assert rest.broker.client.get_item(name, key) == rest.get(f"/{name}{middle}/{key}")


def test_long_values_are_cut_unless_they_are_asked_for_whole(busy: tuple[Rest, dict[str, Any]]):
    rest, owners = busy
    client = rest.broker.client
    for name, of in (("variables", None), ("user-tasks/variables", owners["user-tasks"]), ("cluster-variables", None)):
        wanted = {"name": {"$in": ["long", "limit"]}}
        values = [
            len(client.search_items(name, wanted, of=of, whole_values=one).items[0]["value"]) for one in (False, True)
        ]
        assert values[0] < 20_000 < values[1], name


def test_the_pages_of_a_list_bring_each_item_once_forwards_and_back(busy: tuple[Rest, dict[str, Any]]):
    client = busy[0].broker.client
    order = [{"field": "auditLogKey", "order": "ASC"}]
    whole = client.search_items("audit-logs", sort=order, limit=1000).items
    found, page = [], client.search_items("audit-logs", sort=order, limit=2)
    while True:
        found += page.items
        if not page.next:
            break
        page = client.search_items("audit-logs", sort=order, limit=2, after=page.next)
    assert found == whole
    assert len(whole) > 4
    back = client.search_items("audit-logs", sort=order, limit=2, before=page.start_cursor)
    assert back.items == whole[-len(page.items) - 2 : -len(page.items)]
    assert client.search_items("audit-logs", sort=order, start=3, limit=1).items == whole[3:4]


def test_a_page_ends_before_its_items_fill_a_message(
    busy: tuple[Rest, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
):
    client = busy[0].broker.client
    order = [{"field": "name", "order": "ASC"}]
    whole = client.search_items("variables", sort=order).items
    monkeypatch.setattr(items_of_gateway, "ITEMS_BYTES_MAX", 8_700)
    first = client.search_items("variables", sort=order)
    assert 0 < len(first.items) < len(whole)
    assert first.total == len(whole)
    assert first.items + client.search_items("variables", sort=order, after=first.next).items == whole
    with pytest.raises(osmia.InvalidState, match="at most 8700 bytes"):
        client.search_items("variables", {"name": "long"}, whole_values=True)
    with pytest.raises(osmia.InvalidState, match="can be read by REST"):
        client.get_item("cluster-variables", "limit")


Asked = Callable[[osmia.SyncClient], Any]
REFUSED: list[tuple[Asked, type[Exception], str]] = [
    (
        lambda it: it.search_items(""),
        osmia.InvalidArgument,
        "Expected the name of a list, but found ''; the lists are audit-logs",
    ),
    (lambda it: it.search_items("audit-logs/search"), osmia.InvalidArgument, "but found 'audit-logs/search'"),
    (lambda it: it.search_items("jobs", {"unknown": 1}), osmia.InvalidArgument, "unknown"),
    (lambda it: it.search_items("jobs", sort=[{"field": "none"}]), osmia.InvalidArgument, "none"),
    (lambda it: it.search_items("jobs", limit=-1), osmia.InvalidArgument, "-1"),
    (lambda it: it.search_items("jobs", limit=10_001), osmia.InvalidArgument, "10001"),
    (lambda it: it.search_items("jobs", after="x"), osmia.InvalidArgument, "cursor"),
    (lambda it: it.search_items("jobs", of=1), osmia.InvalidArgument, "Expected no key, .* but found 1"),
    (lambda it: it.search_items("user-tasks/audit-logs"), osmia.InvalidArgument, "Expected the key of the user task"),
    (lambda it: it.search_items("user-tasks/audit-logs", of=0), osmia.NotFound, "'0'"),
    (lambda it: it.search_items("process-instances/incidents", of=99), osmia.NotFound, "process instance .*'99'"),
    (lambda it: it.search_items("process-instances/call-hierarchy", of=99), osmia.NotFound, "'99'"),
    (lambda it: it.search_items("element-instances/incidents", of=-1), osmia.NotFound, "element instance .*'-1'"),
    (lambda it: it.search_items("process-definitions/variable-names", of=99), osmia.NotFound, "'99'"),
    (
        lambda it: it.search_items("process-instances/call-hierarchy", {"a": 1}, of=9),
        osmia.InvalidArgument,
        "no filter",
    ),
    (lambda it: it.search_items("process-instances/sequence-flows", of=9, limit=1), osmia.InvalidArgument, "no page"),
    (lambda it: it.search_items("jobs/statistics/global"), osmia.InvalidArgument, r"filter.from .* filter.to"),
    (lambda it: it.search_items("jobs/statistics/global", {**PERIOD, "x": 1}), osmia.InvalidArgument, "but found 'x'"),
    (lambda it: it.search_items("jobs/statistics/global", {**PERIOD, "jobType": 1}), osmia.InvalidArgument, "jobType"),
    (lambda it: it.search_items("jobs/statistics/errors", PERIOD), osmia.InvalidArgument, "filter.jobType"),
    (lambda it: it.search_items("jobs/statistics/by-types", {"from": "1"}), osmia.InvalidArgument, "filter.to"),
    (
        lambda it: it.search_items("incidents/statistics/process-instances-by-definition"),
        osmia.InvalidArgument,
        "filter.errorHashCode",
    ),
    (
        lambda it: it.get_item("jobs", 1),
        osmia.InvalidArgument,
        "whose items have keys, but found 'jobs'; such are audit-logs",
    ),
    (lambda it: it.get_item("incidents", 1), osmia.NotFound, "incident .*'1'"),
    (lambda it: it.get_item("incidents", "x"), osmia.InvalidArgument, "the key of the incident, an integer"),
    (lambda it: it.get_item("incidents", 2**63), osmia.InvalidArgument, "64 bits"),
    (lambda it: it.get_item("decision-instances", "1-x"), osmia.NotFound, "'1-x'"),
    (lambda it: it.get_item("variables", 5), osmia.NotFound, "variable"),
    (lambda it: it.get_item("cluster-variables", "none"), osmia.NotFound, "find cluster variable 'none', but"),
]


@pytest.mark.parametrize(("asked", "kind", "text"), REFUSED)
def test_what_no_list_answers(busy: tuple[Rest, dict[str, Any]], asked: Asked, kind: type[Exception], text: str):
    with pytest.raises(kind, match=text):
        asked(busy[0].broker.client)


@pytest.mark.parametrize(("person", "seen"), [("ada", True), ("eve", False), ("", False)])
def test_a_list_shows_what_its_reader_may_see(tmp_path: Path, person: str, seen: bool):
    with running_broker(tmp_path, task_policy="strict") as broker:
        client = broker.client
        rest = Rest(broker)
        rest.deploy("start > a:user(native=yes, assignee=ada) > end")
        client.create_instance("process")
        key = client.search_jobs().items
        assert not key, "a native task is no job"
        task = next(iter(client.search_items("user-tasks", user="ada").items))["userTaskKey"]
        assert bool(client.search_items("user-tasks", user=person).items) == seen
        about = [one["userTaskKey"] for one in client.search_items("audit-logs", user=person).items]
        assert (task in about) == seen
        for ask in (
            lambda: client.get_item("user-tasks", task, user=person),
            lambda: client.search_items("user-tasks/audit-logs", of=int(task), user=person),
            lambda: client.search_items("user-tasks/effective-variables", of=int(task), user=person),
        ):
            if seen:
                assert ask()
            else:
                with pytest.raises(osmia.NotAllowed):
                    ask()
        rest.http.close()
