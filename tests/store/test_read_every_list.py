"""Every list over several partitions: it has one order, and its pages have each item once, forwards and backwards."""

import random
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from functools import partial
from operator import eq, ne
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from osmia_broker.calls.lists.lists import LISTS, Lists
from osmia_broker.calls.tasks.readable import ReadableTasks
from osmia_broker.engine.commands.tasks import NOBODY
from osmia_broker.state.rows import (
    DecisionEvaluation,
    ErrorType,
    Incident,
    Job,
    JobState,
    Subscription,
    Variable,
)
from osmia_broker.state.rows.batches import BatchItem, BatchItemState
from osmia_broker.state.rows.history import AuditEntry, AuditOperation, MessageCorrelation
from osmia_broker.state.rows.tasks import Channel, TaskEvent, TaskOperation, UserTask
from osmia_broker.store.read.search.fields import Field, Kind
from osmia_broker.store.read.search.search import Found, Search
from tests import postgres
from tests.store import by_turns, rows
from tests.store.by_turns import PARTITIONS, SET_BACK, case, first_key, made_ms
from tests.turns import in_turn

SEED = 27
#: The lists that belong to nothing, need no filter, and sort their items.
NAMES = [
    name
    for name, one in LISTS.items()
    if not (one.owner or one.needs_filter or one.answers)
    and any(field.sorts for field in getattr(one.entity, "declared", ()))
]
#: The lists whose items are made by turns, with the name of the key of an item. A case has two decisions of one evaluation.
MADE = {
    "audit-logs": "auditLogKey",
    "batch-operations": "batchOperationKey",
    "correlated-message-subscriptions": "subscriptionKey",
    "decision-instances": "decisionEvaluationKey",
    "element-instances": "elementInstanceKey",
    "element-instances/wait-states": "elementInstanceKey",
    "incidents": "incidentKey",
    "jobs": "jobKey",
    "message-subscriptions": "messageSubscriptionKey",
    "process-instances": "processInstanceKey",
    "user-tasks": "userTaskKey",
}
ARE_SEVERAL = {
    "audit-logs",  # a task is created, and ends
    "decision-instances",
    "element-instances",
    "element-instances/wait-states",
}
DATES = [("1970-01-01T00:00:07Z", 7_000), ("1970-01-01T00:00:08Z", 8_000)]
#: The kinds of fields that a filter compares with what an item shows.
COMPARED = {Kind.KEY, Kind.TEXT, Kind.INTEGER, Kind.DATE, Kind.FLAG, Kind.CHOICE}


def varied(number: int) -> list[Any]:
    """The rows of a case with values by chance, many of them equal, many of them absent; and some more rows."""
    chance = random.Random(SEED * 1_000 + number)
    base, at_ms = first_key(number), made_ms(number)
    process, element, task = base + 10, base + 11, base + 14
    of_all = {"process_instance_key": process}
    word = partial(chance.choice, ["", "a", "b", "ä"])
    of_kind: dict[type, dict[str, Any]] = {
        Job: {
            "type": chance.choice("xy"),
            "worker": word(),
            "retries": chance.randrange(3),
            "priority": chance.randrange(-1, 2),
            "deadline_ms": chance.choice([0, 5_000, 6_000]),
            "state": chance.choice([JobState.ACTIVATABLE, JobState.FAILED]),
        },
        UserTask: {
            "name": word(),
            "priority": chance.randrange(3),
            **dict(zip(("due_date", "due_ms"), chance.choice([("", 0), *DATES]), strict=True)),
            **dict(zip(("follow_up_date", "follow_up_ms"), chance.choice([("", 0), *DATES]), strict=True)),
            "assignee": word(),
        },
        Incident: {"error_type": chance.choice([ErrorType.JOB_NO_RETRIES, ErrorType.IO_MAPPING_ERROR])},
        Subscription: {"name": chance.choice("mn"), "correlation_key": word()},
        MessageCorrelation: {"message_name": chance.choice("mn"), "correlation_key": word()},
        DecisionEvaluation: {"failed_decision_id": chance.choice(["", "side"]), "decision_key": chance.randrange(3)},
        AuditEntry: {"operation": chance.choice([AuditOperation.CREATE, AuditOperation.CANCEL]), "user": word()},
    }
    made = [replace(row, **of_kind.get(type(row), {})) for row in case(number)]
    ended_ms = chance.choice([0, 20_000, 21_000])
    state = BatchItemState.COMPLETED if ended_ms else BatchItemState.ACTIVE
    return [
        *made,
        *(Variable(scope, name, chance.choice(["1", '"x"']), process) for scope in (process, element) for name in "vw"),
        BatchItem(base + 20, base + 20, base + 9, process, process, state, "", ended_ms),
        replace(rows.timer, key=base + 21, element_instance_key=element, created_ms=at_ms, **of_all),
        replace(rows.message, key=base + 22, process_instance_key=base + 22, published_ms=at_ms),
        TaskEvent(base + 23, process, task, TaskOperation.ASSIGN, "", word(), "{}", at_ms + 3, "", Channel.UNKNOWN),
    ]


@pytest.fixture(scope="module", params=in_turn("place", ["sqlite", "postgres"]))
def place(request: pytest.FixtureRequest) -> Any:
    """The address of a database; empty for files."""
    if request.param == "sqlite":
        yield ""
        return
    with postgres.database(partitions=PARTITIONS) as url:
        yield url


@pytest.fixture
async def lists(tmp_path: Path, place: str) -> AsyncIterator[Lists]:
    async with by_turns.world(tmp_path, place, varied, SET_BACK) as made:
        yield Lists(made.reader, ReadableTasks(made.reader, NOBODY))


async def pages(lists: Lists, name: str, sort: Any, size: int) -> list[Found]:
    """All pages, forwards."""
    found = [await lists.search(name, Search(None, sort, {"limit": size}))]
    while found[-1].next:
        assert len(found) < 500, "a cursor goes round in circles"
        found.append(await lists.search(name, Search(None, sort, {"limit": size, "after": found[-1].next})))
    return found


async def pages_before(lists: Lists, name: str, sort: Any, size: int, cursor: str) -> list[list[dict[str, Any]]]:
    """All pages before a cursor, from the last to the first."""
    found: list[list[dict[str, Any]]] = []
    while True:
        page = await lists.search(name, Search(None, sort, {"limit": size, "before": cursor}))
        if not page.items:
            return found
        found.append(page.items)
        assert len(found) < 500, "a cursor goes round in circles"
        cursor = page.start or ""


def ranks(items: list[dict[str, Any]], field: Field) -> list[Any]:
    """The values by which items are sorted, without those that are absent."""
    reads: dict[Kind, Callable[[Any], Any]] = {Kind.KEY: int, Kind.DATE: datetime.fromisoformat}
    read = reads.get(field.kind, lambda value: value)
    return [read(item[field.name]) for item in items if item[field.name] is not None]


@pytest.mark.parametrize("name", NAMES)
async def test_the_pages_of_every_list_have_each_item_once_in_each_order(lists: Lists, name: str):
    chance = random.Random(SEED)
    entity = LISTS[name].entity
    assert entity is not None
    for field in (None, *(one for one in entity.declared if one.sorts)):
        direction, size = chance.choice(["ASC", "DESC"]), chance.randrange(5, 12)
        sort = None if field is None else [{"field": field.name, "order": direction}]
        whole = await lists.search(name, Search(None, sort, {"limit": 1_000}))
        items = whole.items
        assert len({msgspec.json.encode(item) for item in items}) == len(items) == whole.total, sort
        assert len(items) >= SET_BACK or name not in MADE, "the list has items"
        there = await pages(lists, name, sort, size)
        assert [item for one in there for item in one.items] == items, (sort, size)
        if items and there[-1].end:
            back = await pages_before(lists, name, sort, size, there[-1].end)
            assert [item for one in reversed(back) for item in one] == items[:-1], (sort, size)
        if field is not None and field.shows and items and field.name in items[0]:
            values = ranks(items, field)
            assert values == sorted(values, reverse=direction == "DESC"), sort
            absent = [item[field.name] is None for item in items]
            assert absent == sorted(absent), sort


@pytest.mark.parametrize("name", MADE)
async def test_a_list_without_a_sort_goes_by_the_moment_of_making(lists: Lists, name: str):
    found = await lists.search(name, Search(None, None, {"limit": 1_000}))
    numbers = [int(item[MADE[name]]) % first_key(0) // 1_000 for item in found.items]
    of_one = [one for place, one in enumerate(numbers) if place == 0 or one != numbers[place - 1]]
    moments = [made_ms(one) for one in (of_one if name in ARE_SEVERAL else numbers)]
    if name == "audit-logs":  # the ends of tasks come last
        moments = moments[: len(set(numbers))]
    assert moments == sorted(moments)
    assert set(numbers) == set(range(SET_BACK))
    assert len({one % PARTITIONS for one in numbers[: 3 * len(numbers) // SET_BACK + 1]}) > 1, "they are mixed"


def asked_of(field: Field, shown: list[Any]) -> list[tuple[Any, Callable[[Any], bool]]]:
    """Conditions on a field, each with what it says about the shown value. *shown* has the different values of all items."""
    if field.kind is Kind.FLAG:
        return [
            asked
            for value in (True, False)
            for asked in ((value, partial(eq, value)), ({"$neq": value}, partial(ne, value)))
        ]
    absent = {Kind.TEXT: [""], Kind.CHOICE: list(field.choices or ())[:1]}.get(field.kind, [])
    present = [one for one in shown if one is not None] or absent
    conditions: list[tuple[Any, Callable[[Any], bool]]] = [
        ({"$exists": True}, lambda one: one is not None),
        ({"$exists": False}, lambda one: one is None),
    ]
    for value in present[:1]:
        conditions += [(value, partial(eq, value)), ({"$neq": value}, partial(ne, value))]
    for value in present[-1:]:
        conditions += [({"$in": [value]}, partial(eq, value)), ({"$notIn": [value]}, partial(ne, value))]
    return conditions


@pytest.mark.parametrize("name", NAMES)
async def test_a_filter_means_what_an_item_shows(lists: Lists, name: str):
    entity = LISTS[name].entity
    assert entity is not None
    items = (await lists.search(name, Search(None, None, {"limit": 1_000}))).items
    for field in entity.declared if items else ():
        if not field.filters or field.several or field.kind not in COMPARED or field.name not in items[0]:
            continue
        shown = list({item[field.name]: None for item in items})
        for condition, holds in asked_of(field, shown):
            found = await lists.search(name, Search({field.name: condition}, None, {"limit": 1_000}))
            assert found.items == [item for item in items if holds(item[field.name])], (field.name, condition)
