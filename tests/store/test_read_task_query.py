"""The query language of task lists: what each term means, and how a mistake is reported."""

import pytest

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.store.read.tasks import task_query
from osmia_broker.store.read.tasks.task_query import OPEN_STATES, Asker
from osmia_broker.store.read.tasks.task_snoozes import Snooze
from osmia_broker.store.read.tasks.task_terms import near_miss, quoted, terms_of

ADA = Asker("ada", ("cooks", "waiters"), 1_800_000_000_000)  # 2027-01-15T08:00:00Z
OPEN = {"state": {"$in": [*OPEN_STATES]}}


class NoProcess:
    """A read side that knows no process."""


@pytest.fixture(autouse=True)
def no_process(monkeypatch):
    async def named(_sources, words):
        return ["7"] if words == "dinner" else []

    async def snoozed(_sources, user, now_ms):
        return [Snooze(5, now_ms + 1, False), Snooze(6, 0, True)] if user == "bob" else []

    monkeypatch.setattr(task_query, "definitions_named", named)
    monkeypatch.setattr(task_query, "snoozes_of", snoozed)


async def read(text, **more):
    return await task_query.read(NoProcess(), text, ADA, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "filter"),
    [
        ("", OPEN),
        ("is:open", OPEN),
        ("is:mine", OPEN | {"assignee": "ada"}),
        ("is:unassigned", OPEN | {"assignee": {"$exists": False}}),
        ("is:completed", {"state": {"$in": ["COMPLETED"]}}),
        ("state:canceled", {"state": "CANCELED"}),
        ("state:completed state:canceled", {"state": {"$in": ["COMPLETED", "CANCELED"]}}),
        ("assignee:me", OPEN | {"assignee": "ada"}),
        ("assignee:bob assignee:ada", OPEN | {"assignee": {"$in": ["bob", "ada"]}}),
        ("assignee:none", OPEN | {"assignee": {"$exists": False}}),
        ("group:finance", OPEN | {"candidateGroup": "finance"}),
        ('group:"night shift"', OPEN | {"candidateGroup": "night shift"}),
        ("group:mine", OPEN | {"candidateGroup": {"$in": ["cooks", "waiters"]}}),
        ("user:bob", OPEN | {"candidateUser": "bob"}),
        ("process:dinner", OPEN | {"processDefinitionKey": {"$in": ["7"]}}),
        ("process:nothing", OPEN | {"processDefinitionKey": {"$in": []}}),
        ("priority:80", OPEN | {"priority": {"$eq": 80}}),
        ("priority:>=50 priority:<80", OPEN | {"priority": {"$gte": 50, "$lt": 80}}),
        ("due:<2d", OPEN | {"dueDate": {"$lt": "2027-01-17T08:00:00.000Z"}}),
        ("due:2d", OPEN | {"dueDate": {"$lte": "2027-01-17T08:00:00.000Z"}}),
        ("due:overdue", OPEN | {"dueDate": {"$lt": "2027-01-15T08:00:00.000Z"}}),
        ("due:today", OPEN | {"dueDate": {"$gte": "2027-01-15T00:00:00Z", "$lt": "2027-01-16T00:00:00Z"}}),
        ("due:>2027-02-28", OPEN | {"dueDate": {"$gte": "2027-03-01T00:00:00Z"}}),
        ("due:<=2027-02-28", OPEN | {"dueDate": {"$lt": "2027-03-01T00:00:00Z"}}),
        ("due:none", OPEN | {"dueDate": {"$exists": False}}),
        ("created:<2d", OPEN | {"creationDate": {"$gt": "2027-01-13T08:00:00.000Z"}}),
        ("created:>1w", OPEN | {"creationDate": {"$lt": "2027-01-08T08:00:00.000Z"}}),
        ("amount:>1000", OPEN | {"processInstanceVariables": [{"name": "amount", "value": {"$gt": 1000.0}}]}),
        ("amount=12", OPEN | {"processInstanceVariables": [{"name": "amount", "value": {"$eq": "12"}}]}),
        ("dinner:pizza", OPEN | {"processInstanceVariables": [{"name": "dinner", "value": {"$eq": '"pizza"'}}]}),
        ('note="a b"', OPEN | {"processInstanceVariables": [{"name": "note", "value": {"$eq": '"a b"'}}]}),
        ("veg=true", OPEN | {"processInstanceVariables": [{"name": "veg", "value": {"$eq": "true"}}]}),
        ("var.amount:>1000", OPEN | {"processInstanceVariables": [{"name": "amount", "value": {"$gt": 1000.0}}]}),
        ("var.asignee:ada", OPEN | {"processInstanceVariables": [{"name": "asignee", "value": {"$eq": '"ada"'}}]}),
        ("var.group:7", OPEN | {"processInstanceVariables": [{"name": "group", "value": {"$eq": "7"}}]}),
        ("asignee=ada", OPEN | {"processInstanceVariables": [{"name": "asignee", "value": {"$eq": '"ada"'}}]}),
        (
            "decide now",
            OPEN | {"$or": [{"name": {"$contains": "decide now"}}, {"elementId": {"$contains": "decide now"}}]},
        ),
        (
            "12",
            OPEN
            | {
                "$or": [
                    {"name": {"$contains": "12"}},
                    {"userTaskKey": "12"},
                    {"processInstanceKey": "12"},
                    {"elementId": {"$contains": "12"}},
                ]
            },
        ),
    ],
)
async def test_a_query_means_a_filter(text, filter):
    assert (await read(text)).filter == filter


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("is:everything", "'is:' to be one of open, mine"),
        ("sort:name", "'sort:' to be one of newest"),
        ("due:soon", "'due:' to be a time"),
        ("due:<2y", "'due:' to be a time .*units are m, h, d, w.*, but found '<2y'"),
        ("due:<99999999-01-01", "'due:' to be a time"),
        ("priority:high", "'priority:' to be a whole number"),
        ("priority:1 priority:2", "said once"),
        ("state:asleep", "'state:' to be one of"),
        ("key:abc", "'key:' to be a key"),
        ("due:<999999w", "'due:' to be a time that a calendar has"),
        ("created:<999999w", "'created:' to be a time that a calendar has"),
        ("amount:>lots", "'amount:' to be a number"),
        ("amount:>nan", "'amount:' to be a number"),
        ("amount:<=inf", "'amount:' to be a number"),
        ("amount:>1e999", "'amount:' to be a number"),
        ("amount:>1_000", "'amount:' to be a number"),
        ("amount:>\u0661", "'amount:' to be a number"),
        ('group:"night shift', "every quote to be closed"),
        ("group:", "a value behind 'group:', but found none"),
        ("is:mine due: x", "a value behind 'due:', but found none"),
        ("x" * 2001, "at most 2000 characters"),
    ],
)
async def test_a_mistake_is_named(text, reason):
    with pytest.raises(InvalidArgument, match=reason):
        await read(text)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("asignee", "assignee"),
        ("assigne", "assignee"),
        ("Assignee", "assignee"),
        ("asingee", "assignee"),
        ("groups", "group"),
        ("gruop", "group"),
        ("candidateGroup", "group"),
        ("usr", "user"),
        ("prioriti", "priority"),
        ("proces", "process"),
        ("dueDate", "due"),
        ("deu", "due"),
        ("tags", "tag"),
        ("stat", "state"),
        ("sorted", ""),
        ("stage", ""),
        ("store", ""),
        ("port", ""),
        ("id", ""),
        ("dur", ""),
        ("amount", ""),
        ("credited", ""),
        ("cleared", ""),
        ("u", ""),
        ("group", ""),
    ],
)
async def test_a_name_that_is_nearly_a_field_is_refused_with_the_field(name, nearest):
    assert near_miss(name) == nearest
    value = {"priority": "80", "due": "today", "state": "open"}.get(nearest, "x")
    if nearest:
        with pytest.raises(InvalidArgument, match=f"nearly the field '{nearest}:'; write .* or var.{name}:{value} for"):
            await read(f"{name}:{value}")


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("insurance:full", ""),
        ("insurance:>1000", ""),
        ("insurance:2251799813685251", "instance"),
        ("short:true", ""),
        ("short:due", "sort"),
        ("assigned:ada", "assignee"),
        ("assigned:>2", ""),
        ("stat:good", ""),
        ("prioritys:high", ""),
        ("prioritys:>=3", "priority"),
        ("proces:dinner", "process"),
        ("Priority:high", "priority"),  # the same word, so no other is meant
        ("dueDate:soon", "due"),
    ],
)
async def test_a_value_that_the_field_does_not_take_is_of_a_variable(text, nearest):
    if nearest:
        with pytest.raises(InvalidArgument, match=f"nearly the field '{nearest}:'"):
            await read(text)
    else:
        filter = (await read(text)).filter
        assert [one["name"] for one in filter["processInstanceVariables"]] == [text.partition(":")[0]]


async def test_the_view_and_the_order_are_taken_out_of_the_text():
    query = await read('is:mine group:"night shift" sort:due soup')
    assert (query.view, query.order, query.text) == ("mine", "due", 'group:"night shift" soup')
    assert task_query.order_of(query) == ("dueDate",)


async def test_the_text_beats_the_choices_beside_it():
    assert (await read("is:mine", view="completed", order="due")).view == "mine"
    assert (await read("", view="completed", order="due")).order == "due"


@pytest.mark.parametrize("value", ["plain", "two words", 'a "quote"', "back\\slash here", "", "tab\there", "e\u0301"])
def test_what_is_quoted_is_one_term_again(value):
    (term,) = terms_of(f"group:{quoted(value)}")
    assert (term.name, term.value) == ("group", value)


@pytest.mark.parametrize(
    "text", ["'; DROP TABLE user_tasks; --", "%", "[a-z]*", "\\", ":", "=", "a=", "http://x.y/z?q=1"]
)
async def test_odd_texts_are_only_words_or_values(text):
    await read(text)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", {"$notIn": ["5", "6"]}),
        ("is:mine", {"$notIn": ["5", "6"]}),
        ("is:unassigned", {"$notIn": ["5", "6"]}),
        ("is:snoozed", {"$in": ["5", "6"]}),
        ("is:completed", None),
        ("key:5", "5"),  # who names a task wants to see it
    ],
)
async def test_what_a_person_has_snoozed_is_out_of_their_lists(text, keys):
    bob = Asker("bob", (), ADA.now_ms)
    query = await task_query.read(NoProcess(), text, bob)  # type: ignore[arg-type]
    assert query.filter.get("userTaskKey") == keys


async def test_nobody_else_has_the_tasks_out_of_their_lists():
    assert "userTaskKey" not in (await read("is:open")).filter
    assert (await read("is:snoozed")).filter["userTaskKey"] == {"$in": []}
