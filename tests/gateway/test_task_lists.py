"""Task lists over gRPC, through the SDK: queries, saved filters, and tasks that are out of sight for a while."""

from collections.abc import Iterator
from typing import Any

import pytest

import osmia
from osmia.errors import InvalidArgument, NotFound
from tests.bpmn import bpmn
from tests.running_broker import RunningBroker, running_broker

DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    with running_broker(tmp_path_factory.mktemp("lists")) as broker:
        yield broker


@pytest.fixture
def desk(broker: RunningBroker, unique: str) -> Iterator[Any]:
    """The tasks of a process of one test's own, as ada sees them."""
    with osmia.SyncClient(broker.address, metadata=[("osmia-user", f"ada-{unique}")]) as client:
        line = "start > fork:parallel [pay:user(name=Pay, groups=finance, native=yes) > join:parallel | ask:user(name=Ask, native=yes) > join] > end"
        client.deploy((f"{unique}.bpmn", bpmn(line, id=unique)))
        for amount in (500, 2000):
            client.create_instance(unique, {"amount": amount})
        yield client.user_tasks


@pytest.fixture
def unique(request: pytest.FixtureRequest) -> str:
    return "t_" + "".join(letter if letter.isalnum() else "_" for letter in request.node.name)


def found(desk: Any, unique: str, text: str, **more: Any) -> list[str]:
    return [task.name for task in desk.search(query=f"process:{unique} {text}", **more).items]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("group:finance", ["Pay", "Pay"]),
        ("group:finance amount:>1000", ["Pay"]),
        ("element:ask amount=500", ["Ask"]),
        ("is:mine", []),
        ("is:completed", []),
        ("Ask", ["Ask", "Ask"]),
    ],
    ids=["group", "compared", "variable", "mine", "completed", "words"],
)
def test_a_query_means_what_it_means_on_the_page(desk: Any, unique: str, text: str, names: list[str]):
    assert found(desk, unique, text) == names


def test_a_filter_narrows_a_query_and_an_order_takes_the_place_of_its_own(desk: Any, unique: str):
    instances = {task.process_instance_key for task in desk.search(query=f"process:{unique} amount:>1000").items}
    [instance] = instances
    assert sorted(found(desk, unique, "", filter={"processInstanceKey": str(instance)})) == ["Ask", "Pay"]
    named = found(desk, unique, "sort:newest", sort=[{"field": "name"}])
    assert named == ["Ask", "Ask", "Pay", "Pay"]
    page = desk.search(query=f"process:{unique} sort:oldest", limit=3)
    assert (len(page.items), page.total) == (3, 4)
    rest = desk.search(query=f"process:{unique} sort:oldest", limit=3, after=page.end_cursor)
    assert len(rest.items) == 1


@pytest.mark.parametrize(
    ("query", "filter", "told"),
    [
        ("priority:high", {}, "Expected 'priority:' to be a whole number"),
        ('"open', {}, "every quote to be closed"),
        ("group:a", {"candidateGroup": "b"}, "Expected 'candidateGroup' in the query or in the filter"),
        ("is:late", {}, "one of open, mine, unassigned, completed, snoozed"),
    ],
)
def test_a_query_that_cannot_be_read_is_refused(desk: Any, query: str, filter: dict[str, str], told: str):
    with pytest.raises(InvalidArgument, match=told):
        desk.search(filter, query=query)


def test_a_saved_filter_counts_the_tasks_that_pass_it_now(desk: Any, unique: str):
    desk.save_filter("mine", f"process:{unique} is:mine")
    desk.save_filter("dear", f"process:{unique} amount:>1000 is:unassigned")
    assert [(one.name, one.total) for one in desk.filters()] == [("dear", 2), ("mine", 0)]
    desk.claim_next(bpmn_process_id=unique)  # nobody is a candidate, so nothing is claimed
    desk.claim(desk.search(query=f"process:{unique} amount:>1000").items[0].key)
    assert [(one.name, one.total) for one in desk.filters()] == [("dear", 1), ("mine", 1)]
    assert desk.filters(user="somebody else") == []
    desk.delete_filter("dear")
    desk.delete_filter("never there")
    assert [one.name for one in desk.filters()] == ["mine"]


@pytest.mark.parametrize(("name", "query"), [("", "is:mine"), ("x", "due:soon"), ("x" * 101, "is:mine")])
def test_a_filter_that_cannot_be_kept_is_refused(desk: Any, name: str, query: str):
    with pytest.raises(InvalidArgument):
        desk.save_filter(name, query)
    assert desk.filters() == []


# --- snoozing


def test_a_snoozed_task_is_out_of_ones_own_lists_and_comes_back_at_its_time(
    broker: RunningBroker, desk: Any, unique: str
):
    key = desk.search(query=f"process:{unique} element:pay amount=500").items[0].key
    now_ms = broker.clock.now_ms()
    desk.snooze(key, until="1d")
    assert len(found(desk, unique, "")) == 3
    assert [task.key for task in desk.search(query=f"process:{unique} is:snoozed").items] == [key]
    assert [(one.key, one.until_ms, one.until_change) for one in desk.snoozed()] == [(key, now_ms + DAY_MS, False)]
    assert len(found(desk, unique, "", user="bob")) == 4
    desk.comment(key, "not before tomorrow")
    assert len(found(desk, unique, "")) == 3  # it was not to come back with a change
    broker.clock.ms += DAY_MS
    assert len(found(desk, unique, "")) == 4
    assert desk.snoozed() == []


@pytest.mark.parametrize("change", ["assign", "update", "comment"])
def test_a_task_comes_back_as_soon_as_something_changes(desk: Any, unique: str, change: str):
    key = desk.search(query=f"process:{unique} element:pay amount=500").items[0].key
    desk.comment(key, "said before")
    desk.snooze(key, until_change=True)
    assert len(found(desk, unique, "")) == 3
    changes = {
        "assign": lambda: desk.assign(key, "bob", user="boss"),
        "update": lambda: desk.update(key, {"priority": 90}, user="boss"),
        "comment": lambda: desk.comment(key, "now it is urgent", user="boss"),
    }
    changes[change]()
    assert len(found(desk, unique, "")) == 4


def test_a_snoozed_task_is_called_back_and_snoozed_again(desk: Any, unique: str):
    key = desk.search(query=f"process:{unique} element:pay amount=500").items[0].key
    desk.snooze(key, until_change=True)
    desk.wake(key)
    desk.wake(key)
    assert len(found(desk, unique, "")) == 4
    desk.snooze(key, until_change=True)
    assert len(found(desk, unique, "")) == 3


def test_the_next_task_is_none_that_is_snoozed(desk: Any, unique: str):
    for task in desk.search(query=f"process:{unique} element:pay").items:
        desk.snooze(task.key, until_change=True)
    assert desk.claim_next(groups=["finance"], bpmn_process_id=unique) is None
    assert desk.claim_next(user="bob", groups=["finance"], bpmn_process_id=unique) is not None


def test_a_task_that_has_ended_is_snoozed_no_more(desk: Any, unique: str):
    key = desk.search(query=f"process:{unique} element:pay amount=500").items[0].key
    desk.snooze(key, until_change=True)
    desk.complete(key)
    assert desk.snoozed() == []
    with pytest.raises(NotFound):
        desk.snooze(key, until_change=True)


def test_a_snooze_needs_a_time_to_come_and_a_person(broker: RunningBroker, desk: Any, unique: str):
    key = desk.search(query=f"process:{unique} element:pay amount=500").items[0].key
    with pytest.raises(ValueError, match="until or until_change"):
        desk.snooze(key)
    for text, told in (
        ("soon", "a time such as"),
        ("0h", "which is over"),
        ("2020-01-01", "which is over"),
        ("1999999w", "a time such as"),
    ):
        with pytest.raises(InvalidArgument, match=told):
            desk.snooze(key, until=text)
    with osmia.SyncClient(broker.address) as nobody, pytest.raises(InvalidArgument, match="nobody is named"):
        nobody.user_tasks.snooze(key, until_change=True)
