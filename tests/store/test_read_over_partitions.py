"""A list of several partitions is one list: what was made by turns in each comes in the order of its making, whatever the keys are.

The clocks of the partitions differ, and one was set back: there, the order of the keys counts.
"""

import itertools
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

import pytest

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.state.store_protocol import PARTITION_BITS
from osmia_broker.store.dialects import sql
from osmia_broker.store.read import Reader
from osmia_broker.store.read.entities import (
    BATCH_OPERATIONS,
    CORRELATIONS,
    ELEMENT_INSTANCES,
    INCIDENTS,
    JOBS,
    PROCESS_INSTANCES,
    USER_TASKS,
)
from osmia_broker.store.read.search import cursors, statements
from osmia_broker.store.read.search import way as searching
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.search import Found, Search, search
from osmia_broker.store.read.search.values import moment
from tests import postgres
from tests.store import by_turns, rows
from tests.store.by_turns import CASES, KEYS, PARTITIONS, World, first_key, is_over, made_ms

SET_BACK_MS = 1_035  #: the least moment that the clock which was set back has shown twice
CREATED = {
    BATCH_OPERATIONS: "startDate",
    CORRELATIONS: "correlationTime",
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


@pytest.fixture(params=["sqlite", "postgres"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """Partitions in which cases began by turns."""
    url = request.getfixturevalue("database") if request.param == "postgres" else ""
    async with by_turns.world(tmp_path, url) as made:
        yield made


@pytest.fixture
def reader(world: World) -> Reader:
    return world.reader


@pytest.fixture
def database() -> Any:
    with postgres.database(partitions=PARTITIONS) as url:
        yield url


def numbers_of(filter: dict[str, Any]) -> list[int]:
    wanted = {"COMPLETED": [True], "CREATED": [False]}.get(filter.get("state", ""), [True, False])
    return [one for one in range(CASES) if is_over(one) in wanted]


def expected(entity: Entity, filter: dict[str, Any], direction: str, numbers: Iterable[int] | None = None) -> list[str]:
    """The keys that a list has: again and again that of the best moment (then key) among the next ones of the partitions."""
    is_descending = direction == "DESC"
    numbers = sorted(numbers_of(filter) if numbers is None else numbers, reverse=is_descending)
    waiting = [[one for one in numbers if one % PARTITIONS == partition] for partition in range(PARTITIONS)]
    found = []
    while any(waiting):
        heads = [some for some in waiting if some]
        best = (max if is_descending else min)(heads, key=lambda some: (made_ms(some[0]), first_key(some[0])))
        found.append(str(first_key(best.pop(0)) + KEYS[entity.name]))
    return found


def number_of(key: str) -> int:
    return int(key) % (1 << PARTITION_BITS) // 1_000


@pytest.mark.parametrize("direction", ["ASC", "DESC", "unsorted"])
@pytest.mark.parametrize(("entity", "filter"), SEARCHES, ids=lambda one: getattr(one, "name", str(one)))
async def test_what_was_made_by_turns_is_listed_by_turns(
    reader: Reader, entity: Entity, filter: dict[str, Any], direction: str
):
    sort = [{"field": CREATED[entity], "order": direction}] if direction != "unsorted" else None
    name = NAMES[entity]
    wanted = expected(entity, filter, direction)
    assert len({number_of(key) % PARTITIONS for key in wanted[:9]}) == PARTITIONS, "they are mixed"

    async def page(**at: Any) -> Any:
        return await search(reader, entity, Search(filter, sort, {"limit": 4, **at}))

    pages = [await page()]
    while pages[-1].next:
        pages.append(await page(after=pages[-1].next))
    assert [item[name] for one in pages for item in one.items] == wanted
    assert {one.total for one in pages} == {len(wanted)}
    assert [item[name] for item in (await page(**{"from": 3})).items] == wanted[3:7]
    assert not (await page(after=pages[-1].end)).items


@pytest.mark.parametrize(("bound", "total"), [(3, (3, True)), (4, (4, True)), (5, (5, False)), (6, (5, False))])
async def test_a_total_has_all_though_they_are_in_one_partition_which_counts_its_share_of_the_bound_at_first(
    world: World, monkeypatch: pytest.MonkeyPatch, bound: int, total: tuple[int, bool]
):
    monkeypatch.setattr(searching, "TOTAL_MAX", bound)
    await world.begin(*(24, 27, 30, 33, 36), type="rare")
    found = await search(world.reader, JOBS, Search({"type": "rare"}, page={"limit": 1}))
    assert (found.total, found.has_more_total) == total


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_of_one_priority_the_task_that_was_made_first_comes_first(reader: Reader, direction: str):
    sort = [{"field": "priority", "order": "DESC"}, {"field": "creationDate", "order": direction}]
    found = await search(reader, USER_TASKS, Search({"state": "CREATED"}, sort, {"limit": 100}))
    numbers = sorted(numbers_of({"state": "CREATED"}), key=lambda one: (made_ms(one), first_key(one)))
    keys = [str(first_key(one) + KEYS["user tasks"]) for one in numbers]
    assert [item["userTaskKey"] for item in found.items] == (keys[::-1] if direction == "DESC" else keys)


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


@pytest.mark.parametrize(("keeps_order", "is_read_first"), [(True, True), (False, False)])
def test_rows_that_are_sorted_by_another_field_too_are_read_in_the_order_that_is_nearly_theirs(
    *, keeps_order: bool, is_read_first: bool
):
    entity, order = JOBS.over_partitions, (("creationTime", True), ("type", True))
    sight = statements.Sight(entity)
    page = statements.page_keys(sight, statements.NOTHING, order, None, is_walk=False, keeps_order=keeps_order)
    assert ('ORDER BY job."key" DESC' in sql(page)) is is_read_first, sql(page)


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_a_list_by_creation_and_another_field_goes_by_the_moment_itself(reader: Reader, direction: str):
    sort = [{"field": "creationTime", "order": direction}, {"field": "jobKey", "order": direction}]
    found = await search(reader, JOBS, Search(None, sort, {"limit": 7}))
    keys = keys_in(found)
    while found.next:
        found = await search(reader, JOBS, Search(None, sort, {"limit": 7, "after": found.next}))
        keys += keys_in(found)
    numbers = sorted(range(CASES), key=lambda one: (made_ms(one), first_key(one)), reverse=direction == "DESC")
    assert keys == [str(first_key(one) + KEYS["jobs"]) for one in numbers]


async def jobs(reader: Reader, direction: str, filter: Any = None, **page: Any) -> Found:
    return await search(reader, JOBS, Search(filter, [{"field": "creationTime", "order": direction}], page))


def keys_in(found: Found) -> list[str]:
    return [item["jobKey"] for item in found.items]


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_pages_of_any_size_have_each_row_once_on_the_way_and_back(reader: Reader, direction: str):
    wanted = expected(JOBS, {}, direction)
    for size in range(1, CASES + 1):
        found = await jobs(reader, direction, limit=size)
        there = keys_in(found)
        while found.next and len(there) <= CASES:
            found = await jobs(reader, direction, limit=size, after=found.next)
            there += keys_in(found)
        assert there == wanted, size
        back = keys_in(found)
        while found.start and len(back) <= CASES:
            found = await jobs(reader, direction, limit=size, before=found.start)
            back = keys_in(found) + back
        assert sorted(back) == sorted(wanted), size
        for partition in range(PARTITIONS):
            of_partition = [key for key in back if number_of(key) % PARTITIONS == partition]
            assert of_partition == [key for key in wanted if key in of_partition], (size, partition)


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_a_cursor_names_a_row_which_lies_neither_behind_nor_before_it(reader: Reader, direction: str):
    filter = {"creationTime": {"$lt": moment(SET_BACK_MS)}}
    wanted = keys_in(await jobs(reader, direction, filter))
    assert len(wanted) > PARTITIONS
    for place in range(len(wanted)):
        row = await jobs(reader, direction, filter, **{"from": place, "limit": 1})
        assert keys_in(row) == [wanted[place]]
        for cursor in (row.start, row.end):
            assert keys_in(await jobs(reader, direction, filter, before=cursor)) == wanted[:place]
            assert keys_in(await jobs(reader, direction, filter, after=cursor)) == wanted[place + 1 :]
            near = await jobs(reader, direction, filter, before=cursor, limit=2)
            assert keys_in(near) == wanted[max(place - 2, 0) : place]
            if near.end:
                assert keys_in(await jobs(reader, direction, filter, after=near.end, limit=1)) == [wanted[place]]


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_where_no_clock_was_set_back_the_pages_are_the_same_on_the_way_back(reader: Reader, direction: str):
    filter = {"creationTime": {"$lt": moment(SET_BACK_MS)}}
    numbers = [one for one in range(CASES) if made_ms(one) < SET_BACK_MS]
    pages = [await jobs(reader, direction, filter, limit=2)]
    while pages[-1].next:
        pages.append(await jobs(reader, direction, filter, limit=2, after=pages[-1].next))
    assert [key for one in pages for key in keys_in(one)] == expected(JOBS, {}, direction, numbers)
    for earlier, later in itertools.pairwise(pages):
        before = await jobs(reader, direction, filter, limit=2, before=later.start)
        assert before.items == earlier.items
        assert (await jobs(reader, direction, filter, limit=2, after=before.end)).items == later.items


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_what_is_made_between_two_pages_is_met_where_the_newest_are(world: World, direction: str):
    new = range(CASES, CASES + PARTITIONS)
    pages = [await jobs(world.reader, direction, limit=4)]
    pages.append(await jobs(world.reader, direction, limit=4, after=pages[-1].next))
    await world.begin(*new)
    while pages[-1].next:
        pages.append(await jobs(world.reader, direction, limit=4, after=pages[-1].next))
    met = [key for one in pages for key in keys_in(one)]
    before = keys_in(await jobs(world.reader, direction, before=pages[0].start))
    old, all = (expected(JOBS, {}, direction, range(until)) for until in (new.start, new.stop))
    assert (met, before) == ((all, []) if direction == "ASC" else (old, expected(JOBS, {}, direction, new)))


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_the_first_row_of_a_partition_is_met_where_the_newest_are(world: World, direction: str):
    filter, (last, first, second) = {"type": "rare"}, range(CASES, CASES + PARTITIONS)
    await world.begin(first, second, type="rare")
    found = await jobs(world.reader, direction, filter)
    assert keys_in(found) == expected(JOBS, {}, direction, [first, second])
    await world.begin(last, type="rare")
    way, other = ({"after": found.end}, {"before": found.start})[:: 1 if direction == "ASC" else -1]
    assert keys_in(await jobs(world.reader, direction, filter, **way)) == expected(JOBS, {}, direction, [last])
    assert not (await jobs(world.reader, direction, filter, **other)).items


@pytest.mark.parametrize(
    ("asked", "of"),
    [
        ([{"field": "creationTime", "order": "DESC"}], [1, 2, 0]),
        ([{"field": "creationTime", "order": "DESC"}], [1, 2, 3, 4, 0]),
        ([{"field": "creationTime", "order": "DESC"}], [1, 2, 3, -1]),
        ([{"field": "creationTime", "order": "DESC"}], [1, 2, 3, 3]),
        ([{"field": "creationTime", "order": "DESC"}], [1, 2, 3, "0"]),
        ([{"field": "creationTime", "order": "DESC"}], [1, 2, "3", 0]),
        ([{"field": "creationTime", "order": "DESC"}], [1, 2, 2**63, 0]),
        ([{"field": "creationTime", "order": "DESC"}], [1, 2, -(2**63) - 1, 0]),
        ([{"field": "creationTime", "order": "DESC"}], [1, 2, True, 0]),
        ([{"field": "creationTime", "order": "ASC"}], [1, 2, 3, 0]),
        ([{"field": "jobKey", "order": "DESC"}], [1, 2, 3, 0]),
    ],
    ids=str,
)
@pytest.mark.parametrize("way", ["after", "before"])
async def test_the_cursor_of_another_list_or_of_other_partitions_is_refused(
    reader: Reader, asked: Any, of: list[Any], way: str
):
    cursor = cursors.write("jobs", f"-creationTime of {len(of) - 1}", of)
    with pytest.raises(
        InvalidArgument, match=rf"Expected page\.{way} to be a cursor that this search gave with the same"
    ):
        await search(reader, JOBS, Search(None, asked, {way: cursor}))


@pytest.mark.parametrize("cut", [-(2**63), 0, 2**63 - 1])
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_a_cursor_may_lie_outside_of_all_keys(reader: Reader, direction: str, cut: int):
    cursor = cursors.write(
        "jobs", f"{'-' if direction == 'DESC' else ''}creationTime of {PARTITIONS}", [*[cut] * PARTITIONS, 1]
    )
    are_after = (direction == "ASC") == (cut <= 0)
    for way, are_there in (("after", are_after), ("before", not are_after)):
        assert len((await jobs(reader, direction, **{way: cursor})).items) == (CASES if are_there else 0)


async def test_a_cursor_of_one_partition_has_no_place_in_several(reader: Reader):
    cursor = cursors.write("jobs", "-creationTime", (5, 5))
    with pytest.raises(InvalidArgument, match="Expected after to be a cursor that this search gave"):
        await reader.jobs(after=cursor)


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


NEWEST: Any = [{"field": "creationTime", "order": "DESC"}]
WAITING: dict[str, Any] = {"type": rows.job.type, "states": [rows.job.state]}
FIRST_ROWS: list[tuple[str, Callable[[Reader], Coroutine[Any, Any, Any]], int, set[str]]] = [
    ("all jobs", lambda reader: reader.jobs(limit=2), 1, set()),
    (
        "waiting jobs",
        lambda reader: reader.jobs(limit=2, **WAITING),
        4,
        {"jobs_activatable", "jobs_ranked", "jobs_leased"},
    ),
    ("all instances", lambda reader: reader.process_instances(limit=2), 1, set()),
    ("jobs over REST", lambda reader: search(reader, JOBS, Search(None, NEWEST, {"limit": 2})), 1, set()),
]


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("_name", "ask", "limits", "indexes"), FIRST_ROWS, ids=lambda one: one if isinstance(one, str) else ""
)
async def test_each_partition_reads_the_first_rows_alone(
    reader: Reader,
    _name: str,
    ask: Callable[[Reader], Coroutine[Any, Any, Any]],
    limits: int,
    indexes: set[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(searching, "FEW_MAX", 0)
    asked: dict[Path, list[str]] = {}
    for part in reader.parts:
        path = part.database.source.path
        async with part.database.snapshot() as snapshot:  # its only connection so far, so the next question has it too
            await snapshot._driver.set_trace_callback(asked.setdefault(path, []).append)
    await ask(reader)
    for path, texts in asked.items():
        [page] = [text for text in texts if "AS moment" in text]
        with sqlite3.connect(path) as db:
            plan = [step for *_, step in db.execute("EXPLAIN QUERY PLAN " + page)]
        db.close()
        assert page.count("LIMIT") >= limits, page
        assert all(any(index in step for step in plan) for index in indexes), plan
        assert indexes or not [step for step in plan if "TEMP B-TREE" in step], plan
