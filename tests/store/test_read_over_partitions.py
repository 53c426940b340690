"""A list of several partitions is one list: what was made by turns in each comes in the order of its making, whatever the keys are."""

import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from osmia_broker.state.rows import ElementState
from osmia_broker.state.store_protocol import PARTITION_BITS
from osmia_broker.state.task_rows import UserTaskState
from osmia_broker.store.dialects import sql
from osmia_broker.store.read import Reader
from osmia_broker.store.read.entities import ELEMENT_INSTANCES, INCIDENTS, JOBS, PROCESS_INSTANCES, USER_TASKS
from osmia_broker.store.read.on_postgres import sources
from osmia_broker.store.read.search import statements
from osmia_broker.store.read.search import way as searching
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.search import Search, search
from osmia_broker.store.sqlite import SqliteStore
from tests import postgres
from tests.store import rows

CASES = 23
PARTITIONS = 2
KEYS = {"process instances": 10, "element instances": 11, "jobs": 12, "incidents": 13, "user tasks": 14}
CREATED = {
    PROCESS_INSTANCES: "startDate",
    ELEMENT_INSTANCES: "startDate",
    JOBS: "creationTime",
    INCIDENTS: "creationTime",
    USER_TASKS: "creationDate",
}
NAMES = {one: one.declared[0].name for one in CREATED}
SEARCHES = [(entity, {}) for entity in CREATED] + [
    (USER_TASKS, {"state": "CREATED"}),
    (USER_TASKS, {"state": "COMPLETED"}),
    (USER_TASKS, {"priority": {"$gte": 70}}),
]


def made_ms(number: int) -> int:
    """When a case began. The clock moves after three cases, so two partitions have the same moments; once it was set back."""
    return 1_000 + 10 * (number // 3) - (35 if number >= 15 else 0)


def first_key(number: int) -> int:
    partition = 1 + number % PARTITIONS
    return (partition << PARTITION_BITS) + 1_000 * number


def is_over(number: int) -> bool:
    return number % 5 in (1, 2)


def case(number: int) -> list[Any]:
    """The rows of an instance that waits at a user task, or has waited."""
    base, at_ms, ended_ms = first_key(number), made_ms(number), 90_000 if is_over(number) else 0
    process, element, job, incident, task = (base + place for place in KEYS.values())
    state = ElementState.COMPLETED if ended_ms else ElementState.ACTIVATED
    times = {"started_ms": at_ms, "ended_ms": ended_ms, "state": state}
    of_all = {"process_instance_key": process}
    of_element = {**of_all, "element_instance_key": element}
    return [
        replace(rows.process, key=process, **of_all, **times),
        replace(rows.task, key=element, scope_key=process, **of_all, **times),
        replace(rows.job, key=job, created_ms=at_ms, **of_element),
        replace(rows.incident, key=incident, created_ms=at_ms, job_key=job, **of_element),
        replace(
            rows.user_task,
            key=task,
            state=UserTaskState.COMPLETED if ended_ms else UserTaskState.CREATED,
            created_ms=at_ms,
            ended_ms=ended_ms,
            **of_element,
        ),
    ]


@pytest.fixture(params=["sqlite", "postgres"])
async def reader(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Reader]:
    """A reader of partitions in which cases began by turns."""
    stores: list[Any]
    if request.param == "sqlite":
        paths = [tmp_path / f"{number}.db" for number in range(1, PARTITIONS + 1)]
        stores = [SqliteStore(path, partition_id=number) for number, path in enumerate(paths, 1)]
        made = Reader(*paths)
    else:
        url = request.getfixturevalue("database")
        stores = postgres.stores(url, partitions=PARTITIONS)
        made = Reader(*sources(postgres.reached(url), PARTITIONS))
    for number, store in enumerate(stores):
        await store.open()
        mine = [row for one in range(CASES) if one % PARTITIONS == number for row in case(one)]
        await store.write(rows.changes(*mine, next_key=first_key(CASES + number)), None)
    yield made
    await made.close()
    for store in reversed(stores):
        await store.close()


@pytest.fixture
def database() -> Any:
    with postgres.database(partitions=PARTITIONS) as url:
        yield url


def expected(entity: Entity, filter: dict[str, Any], direction: str) -> list[str]:
    """The keys that a list has: by time, and of one moment by key."""
    wanted = {"COMPLETED": [True], "CREATED": [False]}.get(filter.get("state", ""), [True, False])
    numbers = [one for one in range(CASES) if is_over(one) in wanted]
    keys = sorted((made_ms(one), first_key(one) + KEYS[entity.name]) for one in numbers)
    return [str(key) for _, key in (reversed(keys) if direction == "DESC" else keys)]


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
@pytest.mark.parametrize(("entity", "filter"), SEARCHES, ids=lambda one: getattr(one, "name", str(one)))
async def test_what_was_made_by_turns_is_listed_by_turns(
    reader: Reader, entity: Entity, filter: dict[str, Any], direction: str
):
    sort, name = [{"field": CREATED[entity], "order": direction}], NAMES[entity]
    wanted = expected(entity, filter, direction)
    assert len({key[:3] for key in wanted[:4]}) == PARTITIONS, "they are mixed"

    async def page(**at: Any) -> Any:
        return await search(reader, entity, Search(filter, sort, {"limit": 4, **at}))

    pages = [await page()]
    while pages[-1].next:
        pages.append(await page(after=pages[-1].next))
    assert [item[name] for one in pages for item in one.items] == wanted
    assert {one.total for one in pages} == {len(wanted)}
    for earlier, later in itertools.pairwise(pages):
        assert (await page(before=later.start)).items == earlier.items
    assert [item[name] for item in (await page(**{"from": 3})).items] == wanted[3:7]
    assert not (await page(after=pages[-1].end)).items


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_of_one_priority_the_task_that_was_made_first_comes_first(reader: Reader, direction: str):
    sort = [{"field": "priority", "order": "DESC"}, {"field": "creationDate", "order": direction}]
    found = await search(reader, USER_TASKS, Search({"state": "CREATED"}, sort, {"limit": 100}))
    assert [item["userTaskKey"] for item in found.items] == expected(USER_TASKS, {"state": "CREATED"}, direction)


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_open_tasks_that_are_too_many_to_be_counted_are_sorted_by_their_making(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, direction: str
):
    monkeypatch.setattr(searching, "TOTAL_MAX", 3)
    sort = [{"field": "creationDate", "order": direction}]

    async def page(**at: Any) -> Any:
        return await search(reader, USER_TASKS, Search({"state": "CREATED"}, sort, {"limit": 1, **at}))

    pages = [await page()]
    while pages[-1].next:
        pages.append(await page(after=pages[-1].next))
    wanted = expected(USER_TASKS, {"state": "CREATED"}, direction)
    assert [item["userTaskKey"] for one in pages for item in one.items] == wanted
    assert {(one.total, one.has_more_total) for one in pages} == {(3, True)}
    for earlier, later in itertools.pairwise(pages):
        assert (await page(before=later.start)).items == earlier.items


@pytest.mark.parametrize(("keeps_order", "is_read_first"), [(True, True), (False, False)])
def test_rows_of_several_partitions_are_read_in_the_order_that_is_nearly_theirs(
    *, keeps_order: bool, is_read_first: bool
):
    entity = USER_TASKS.divided[0].over_partitions
    sight, order = statements.Sight(entity, entity.index), (("creationDate", True),)
    page = statements.page_keys(sight, statements.NOTHING, order, None, is_walk=False, keeps_order=keeps_order)
    assert ('ORDER BY task."key" DESC' in sql(page)) is is_read_first, sql(page)


LISTS: list[tuple[str, Entity, dict[str, Any]]] = [
    ("process_instances", PROCESS_INSTANCES, {}),
    ("process_instances", PROCESS_INSTANCES, {"states": ["ACTIVE", "COMPLETED"]}),
    ("process_instances", PROCESS_INSTANCES, {"process_definition_key": rows.process.process_definition_key}),
    ("jobs", JOBS, {}),
    ("jobs", JOBS, {"type": rows.job.type, "states": [rows.job.state]}),
    ("incidents", INCIDENTS, {}),
    ("incidents", INCIDENTS, {"states": ["OPEN"]}),
]


@pytest.mark.parametrize(("name", "entity", "asked"), LISTS, ids=lambda one: getattr(one, "name", str(one)))
async def test_a_list_of_rows_goes_by_moment_too(reader: Reader, name: str, entity: Entity, asked: dict[str, Any]):
    ask = getattr(reader, name)
    page = await ask(limit=4, **asked)
    keys = [str(one.row.key) for one in page.items]
    while page.next:
        page = await ask(limit=4, after=page.next, **asked)
        keys += [str(one.row.key) for one in page.items]
    assert keys == expected(entity, {}, "DESC")
