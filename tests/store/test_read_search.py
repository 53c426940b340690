"""Searches: filters, orders, pages and totals of the read side, compared with a plain reading in Python."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.state.rows import Variable
from osmia_broker.store.read import Reader
from osmia_broker.store.read.entities import ENTITIES, USER_TASKS, VARIABLES
from osmia_broker.store.read.search import statements
from osmia_broker.store.read.search import way as searching
from osmia_broker.store.read.search.fields import Kind
from osmia_broker.store.read.search.search import Found, Search, search
from osmia_broker.store.read.sql import on_sqlite
from tests.store.conftest import Written, database
from tests.store.rows import BASE
from tests.store.searched import DAY, WAYS, Facts, forget, ordered, passes, taking, tasks
from tests.turns import in_turn

DATE = "1970-01-03T00:00:00Z"
CONDITIONS: list[dict[str, Any]] = [
    {"state": "CREATED"},
    {"state": "created"},
    {"state": {"$in": ["COMPLETED", "CANCELED"]}},
    {"state": {"$neq": "CREATED"}},
    {"state": {"$like": "*ED"}},
    {"assignee": "ada"},
    {"assignee": {"$neq": "ada"}},
    {"assignee": {"$exists": False}},
    {"assignee": {"$in": ["ada", "bob"]}},
    {"assignee": {"$notIn": ["ada", "bob"]}},
    {"assignee": {"$like": "?o?"}},
    {"assignee": ""},
    {"candidateGroup": "hr"},
    {"candidateGroup": {"$in": ["hr", "it"]}},
    {"candidateGroup": {"$neq": "hr"}},
    {"candidateGroup": {"$notIn": ["hr", "it"]}},
    {"candidateGroup": {"$exists": False}},
    {"candidateGroup": {"$like": "*s*"}},
    {"priority": 50},
    {"priority": {"$gt": 0, "$lt": 99}},
    {"priority": {"$gte": 99}},
    {"priority": {"$lte": 0}},
    {"priority": {"$exists": True}},
    {"name": {"$like": "Approve*"}},
    {"name": {"$like": "*[[]x] \\*\\?"}},
    {"name": {"$like": "*[x] \\*\\?"}},
    {"name": {"$like": "*\\\\s*"}},
    {"name": {"$like": "Gr????*"}},
    {"name": {"$like": "*"}},
    {"name": {"$exists": False}},
    {"name": "Größe prüfen"},
    {"dueDate": {"$exists": True}},
    {"dueDate": {"$exists": False}},
    {"dueDate": {"$lt": DATE}},
    {"dueDate": {"$lte": "1970-01-03T01:00:00+01:00"}},
    {"dueDate": {"$gt": DATE}},
    {"dueDate": {"$neq": DATE}},
    {"followUpDate": DATE},
    {"followUpDate": {"$in": [DATE, "1970-01-04T00:00:00Z"]}},
    {"creationDate": {"$gte": DATE}},
    {"completionDate": {"$exists": True}},
    {"completionDate": {"$lt": "1970-01-04T00:00:00Z"}},
    {"elementId": "ask"},
    {"processDefinitionId": "p"},
    {"processDefinitionId": {"$neq": "p"}},
    {"processDefinitionId": {"$in": ["q", "nothing"]}},
    {"processDefinitionKey": str(BASE + 1)},
    {"processDefinitionKey": {"$notIn": [str(BASE + 1), BASE + 2]}},
    {"userTaskKey": BASE + 10_002},
    {"userTaskKey": {"$in": [str(BASE + 10_002), str(BASE + 10_012), "5"]}},
    {"userTaskKey": {"$in": []}},
    {"processInstanceKey": str(BASE + 10_050)},
    {"elementInstanceKey": str(BASE + 10_051)},
    {"candidateGroup": {"$in": ["hr", "hr"]}},
    {"candidateGroup": {"$in": []}},
    {"candidateGroup": {"$in": [*"abcdefgh", "it"]}},
    {"candidateGroup": {"$eq": "hr", "$neq": "it"}},
    {"candidateGroup": "hr", "assignee": {"$exists": False}},
    {"candidateGroup": {"$in": ["hr", "sales"]}, "assignee": {"$exists": True}},
    {"candidateGroup": {"$in": ["hr", "sales"]}, "assignee": {"$neq": "bob"}},
    {"candidateGroup": "it", "assignee": "bob"},
    {"businessId": "b-1"},
    {"businessId": {"$exists": False}},
    {"businessId": {"$neq": "b-1"}},
    {"tags": ["vip"]},
    {"tags": ["vip", "late"]},
    {"tags": []},
    {"processInstanceVariables": [{"name": "amount", "value": "2"}]},
    {"processInstanceVariables": [{"name": "amount", "value": {"$in": ["1", "2"]}}]},
    {"processInstanceVariables": [{"name": "amount", "value": {"$neq": "2"}}]},
    {"processInstanceVariables": [{"name": "amount", "value": {"$like": "?"}}]},
    {"processInstanceVariables": [{"name": "nothing", "value": {"$exists": True}}]},
    {"processInstanceVariables": [{"name": "amount", "value": {"$gte": 1}}]},
    {"processInstanceVariables": [{"name": "amount", "value": {"$gt": 0, "$lt": 3}}], "state": "CREATED"},
    {"processInstanceVariables": [{"name": "amount", "value": {"$gt": 99}}], "state": "CREATED"},
    {"processInstanceVariables": [{"name": "amount", "value": {"$lte": 1}}], "candidateGroup": "hr"},
    {"processInstanceVariables": [{"name": "amount", "value": {"$gt": 0}}, {"name": "amount", "value": "2"}]},
]
ALTERNATIVES: list[dict[str, Any]] = [
    {"$or": [{"assignee": "ada"}, {"candidateGroup": "hr"}]},
    {"$or": [{"assignee": "ada", "priority": 50}, {"name": "Decide"}, {"userTaskKey": BASE + 10_002}]},
    {"$or": [{"candidateGroup": {"$in": ["hr", "it"]}}, {}]},
    {"$or": [{"candidateGroup": "hr"}, {"candidateGroup": {"$neq": "hr"}}]},
    {"$or": [{"assignee": ""}, {"name": ""}]},
    {"$or": [{"assignee": "ada"}, {"assignee": "ada"}, {"processInstanceKey": str(BASE + 10_050)}]},
]
OPEN = {"state": {"$in": ["CREATED", "ASSIGNING"]}}
OPEN_UNASSIGNED = {"state": "CREATED", "assignee": {"$exists": False}}
SORTS = ["creationDate", "completionDate", "dueDate", "followUpDate", "priority", "name", "businessId"]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Each way to a page."""
    with taking(request.param, monkeypatch):
        yield str(request.param)


FILES = {"one file": 1, "three files": 3}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """All tasks in one database, and each process instance in one of the files of three partitions. No test writes there."""
    folder, (rows, _) = tmp_path_factory.mktemp("searched"), tasks(seed=7)
    paths = {name: [folder / f"{number}-of-{count}.db" for number in range(count)] for name, count in FILES.items()}

    async def write() -> None:
        for of_one in paths.values():
            for number, path in enumerate(of_one):
                mine = [row for row in rows if (row.process_instance_key - BASE) // 10 % len(of_one) == number]
                async with database(path) as made:
                    await made.commit(*mine)

    asyncio.run(write())
    return paths


@pytest.fixture(params=in_turn("searched", FILES))
async def searched(
    request: pytest.FixtureRequest, files: dict[str, list[Path]]
) -> AsyncIterator[tuple[Reader, list[Facts]]]:
    """Readers of one file, or of three."""
    reader = Reader(*files[request.param])
    yield reader, tasks(seed=7)[1]
    await reader.close()


def keys(found: Found) -> list[int]:
    return [int(item["userTaskKey"]) for item in found.items]


def sorting(*fields: tuple[str, str]) -> list[dict[str, str]]:
    return [{"field": name, "order": direction} for name, direction in fields]


def check_total(found: Found, number: int, way: str) -> None:
    assert found.has_more_total == (found.total < number)
    least = {"as usual": 10_000, "no short way": 10_000, "every long way": 3, "counted less far": 2}[way]
    most = number if way == "counted less far" else least  # a page that has all knows their number
    assert min(number, least) <= found.total <= min(number, most)


def check(found: Found, facts: list[Facts], filter: dict[str, Any], sort: list[tuple[str, str]], way: str) -> None:
    expected = ordered([fact for fact in facts if passes(fact, filter)], sort)
    assert keys(found) == expected[: len(keys(found))], f"{filter} {sort}"
    check_total(found, len(expected), way)


async def test_a_filter_finds_what_passes(searched: tuple[Reader, list[Facts]], way: str):
    reader, facts = searched
    for condition in CONDITIONS:
        for filter in (
            condition,
            condition | {"state": "CREATED"},
            {"$or": [condition, {"priority": 99}]},
            {"state": {"$in": ["CREATED", "ASSIGNING"]}, "$or": [condition, {"assignee": "ada"}]},
        ):
            found = await search(reader, USER_TASKS, Search(filter))
            check(found, facts, filter, [], way)
            assert len(found.items) == sum(passes(fact, filter) for fact in facts), filter


@pytest.mark.parametrize(
    "sort", [[], [("priority", "DESC")], [("creationDate", "DESC")], [("dueDate", "ASC")]], ids=str
)
async def test_alternatives_are_looked_up_by_their_keys(searched: tuple[Reader, list[Facts]], way: str, sort: Any):
    reader, facts = searched
    for alternatives in ALTERNATIVES:
        for filter in (
            alternatives,
            alternatives | {"state": "CREATED"},
            OPEN | alternatives,
            OPEN_UNASSIGNED | alternatives,
        ):
            check(await search(reader, USER_TASKS, Search(filter, sorting(*sort))), facts, filter, sort, way)


@pytest.mark.parametrize(
    ("filter", "meant"),
    [
        ({"state": {"$eq": "CREATED", "$in": [], "$notIn": []}}, {"state": "CREATED"}),
        ({"priority": {"$gte": 50, "$in": []}, "$or": []}, {"priority": {"$gte": 50}}),
        ({"assignee": {"$in": ["ada"], "$notIn": []}}, {"assignee": {"$in": ["ada"]}}),
        ({"$or": [], "tags": []}, {}),
        ({"userTaskKey": {"$notIn": []}}, {}),
        ({"userTaskKey": {"$in": [], "$notIn": []}}, {"userTaskKey": {"$in": []}}),  # it passes nothing
    ],
)
async def test_empty_lists_that_a_client_always_sends_are_no_conditions(searched, filter, meant):
    reader, facts = searched
    for more in ({}, {"$or": [filter]} if "$or" not in filter else {}):
        found = await search(reader, USER_TASKS, Search(more or filter))
        check(found, facts, meant, [], "as usual")


@pytest.mark.parametrize("seed", range(4))
async def test_filters_orders_and_pages_together(searched: tuple[Reader, list[Facts]], seed: int, way: str):
    """Random filters, orders and sizes: a walk over all pages by cursors, forwards and back, meets each item once, in order."""
    reader, facts = searched
    chance = random.Random(seed)
    for _ in range(15):
        filter: dict[str, Any] = {}
        for condition in chance.sample(CONDITIONS, chance.randrange(3)):
            filter |= condition
        if chance.random() < 0.3:
            filter["$or"] = chance.sample(CONDITIONS, 2)
        sort = [(name, chance.choice(["ASC", "DESC"])) for name in chance.sample(SORTS, chance.randrange(4))]
        asked = Search(filter, sorting(*sort), {"limit": chance.randrange(1, 9)})
        expected = ordered([fact for fact in facts if passes(fact, filter)], sort)
        pages = await _forwards(reader, asked, len(expected))
        assert [key for page in pages for key in keys(page)] == expected, f"{seed=} {asked}"
        check(pages[0], facts, filter, sort, way)
        await _backwards(reader, asked, pages)


async def _forwards(reader: Reader, asked: Search, items: int) -> list[Found]:
    pages = [await search(reader, USER_TASKS, asked)]
    while pages[-1].items and sum(len(page.items) for page in pages) < items:
        page = {**asked.page, "after": pages[-1].end}
        pages.append(await search(reader, USER_TASKS, Search(asked.filter, asked.sort, page)))
    return pages


async def _backwards(reader: Reader, asked: Search, pages: list[Found]) -> None:
    for earlier, later in itertools.pairwise(pages):
        page = {**asked.page, "before": later.start}
        back = await search(reader, USER_TASKS, Search(asked.filter, asked.sort, page))
        assert keys(back) == keys(earlier)
        assert back.total == earlier.total


@pytest.mark.parametrize("filter", [{}, {"state": "CREATED"}], ids=str)
async def test_a_page_may_begin_anywhere(searched: tuple[Reader, list[Facts]], filter: dict[str, Any], way: str):
    reader, facts = searched
    for name, direction in itertools.product(SORTS, ["ASC", "DESC"]):
        expected = ordered([fact for fact in facts if passes(fact, filter)], [(name, direction)])
        for first in (0, 1, len(expected) - 3, len(expected), len(expected) + 5):
            page = {"from": first, "limit": 7}
            found = await search(reader, USER_TASKS, Search(filter, sorting((name, direction)), page))
            assert keys(found) == expected[first : first + 7], (name, direction)
            check_total(found, len(expected), way)


async def test_a_page_holds_a_hundred_items_unless_it_says_otherwise(written: Written):
    rows = [row for seed in range(3) for row in _shifted(tasks(seed)[0], seed)]
    reader = await written(*rows)
    found = await search(reader, USER_TASKS, Search())
    assert (len(found.items), found.total) == (100, 180)
    assert len((await search(reader, USER_TASKS, Search(page={"limit": 10_000}))).items) == 180


def _shifted(rows: list[Any], number: int) -> list[Any]:
    """These rows under other keys."""
    return [replace(row, key=row.key + number * 5_000) for row in rows if type(row) is type(rows[0])]


@pytest.mark.parametrize("sort", ["creationDate", "completionDate", "dueDate", "priority", "name", "businessId"])
async def test_a_task_for_everybody_counts_once_in_a_list_of_open_and_ended_tasks(
    searched: tuple[Reader, list[Facts]], sort: str
):
    reader, facts = searched
    is_free = [one["completionDate"] is None and not one["assignee"] and not one["candidateGroup"] for one in facts]
    scope = {"$or": [{"assignee": "nobody"}, {"isForEverybody": True}]}
    found = await search(reader, USER_TASKS, Search(sort=sorting((sort, "ASC"))), scope=scope)
    assert found.total == len(found.items) == sum(is_free) > 0


async def test_an_empty_page_has_no_cursors(searched: tuple[Reader, list[Facts]]):
    found = await search(searched[0], USER_TASKS, Search({"assignee": "nobody"}))
    assert found == Found([], 0, False, None, None, False)


async def test_a_cursor_stays_valid_when_items_come_and_go(written: Written):
    rows, facts = tasks(seed=3)
    reader = await written(*rows)
    asked = Search({"state": "CREATED"}, sorting(("priority", "DESC")), {"limit": 5})
    first = await search(reader, USER_TASKS, asked)
    gone = keys(first)[-1]
    row = next(one for one in rows if getattr(one, "key", 0) == gone)
    row.ended_ms, row.state = DAY, "COMPLETED"
    await written.commit(row)
    following = await search(reader, USER_TASKS, Search(asked.filter, asked.sort, {"limit": 5, "after": first.end}))
    expected = ordered([fact for fact in facts if passes(fact, {"state": "CREATED"})], [("priority", "DESC")])
    assert keys(following) == expected[5:10]
    assert following.total == first.total - 1


@pytest.mark.parametrize(
    ("pattern", "same"),
    [
        ("?re*T?d", ["CREATED"]),
        ("C*E**D", ["CANCELED", "COMPLETED", "CREATED"]),
        ("*el*", ["CANCELED"]),
        ("?" * 7, ["CREATED"]),
        ("C\\*", []),
        ("*" * 9_999 + "x", []),  # a matcher that goes back would never end
        ("*e" * 5_000, []),
    ],
    ids=lambda one: str(one)[:20],
)
async def test_a_pattern_of_states(searched: tuple[Reader, list[Facts]], pattern: str, same: list[str]):
    reader, _ = searched
    page = {"limit": 1_000}
    found = await search(reader, USER_TASKS, Search({"state": {"$like": pattern}}, page=page))
    assert keys(found) == keys(await search(reader, USER_TASKS, Search({"state": {"$in": same}}, page=page)))


@pytest.mark.parametrize(
    "pattern", ["*" * 9_000 + "pp*" + "*" * 900, "*a" * 5_000, "[" * 10_000, "\U0001f600" * 10_000], ids=len
)
async def test_the_longest_patterns_can_be_asked(searched: tuple[Reader, list[Facts]], pattern: str):
    reader, facts = searched
    found = await search(reader, USER_TASKS, Search({"name": {"$like": pattern}}))
    expected = [fact for fact in facts if "pp" in (fact["name"] or "")] if "pp" in pattern else []
    assert found.total == len(expected)


WRONG: list[tuple[Search, str]] = [
    (Search({"colour": "green"}), "filter to name fields among .*, but found 'colour'"),
    (Search({"nam": "x"}), "but found 'nam'; did you mean 'name'[?]$"),
    (Search({"elementid": "x"}), "but found 'elementid'; did you mean 'elementId'[?]$"),
    (Search({"elementId" * 20: "x"}), "but found '(elementId){11}…$"),
    (Search(sort=[{"field": "creationdate"}]), r"sort\[0\].field to be one of .*; did you mean 'creationDate'[?]$"),
    (Search(sort=[{"field": 7}]), r"sort\[0\].field to be one of .*, but found 7$"),
    (Search({"description": "x"}), "but found 'description'"),  # it is only shown
    (Search([1]), "filter to be an object, but found a list"),
    (Search("x"), "filter to be an object, but found 'x'"),
    (Search({"state": "OPEN"}), r"filter.state to be one of CREATING, .*, but found 'OPEN'"),
    (Search({"state": 5}), "filter.state to be one of"),
    (Search({"state": {"$in": "CREATED"}}), r"filter.state.\$in to be a list, but found 'CREATED'"),
    (Search({"state": {"$in": ["CREATED", "X"]}}), "but found 'X'"),
    (Search({"state": {"$gt": "CREATED"}}), r"filter.state to have operators among .*, but found '\$gt'"),
    (Search({"priority": "high"}), "filter.priority to be an integer, but found 'high'"),
    (Search({"priority": "50"}), "filter.priority to be an integer, but found '50'"),
    (Search({"priority": {"$in": [1, "2"]}}), r"filter.priority.\$in\[1\] to be an integer, but found '2'"),
    (Search({"priority": 1.5}), "filter.priority to be an integer, but found 1.5"),
    (Search({"priority": True}), "filter.priority to be an integer, but found true"),
    (Search({"priority": {"$gte": None, "$lt": []}}), r"filter.priority.\$lt to be an integer, but found a list"),
    (Search({"priority": 2**63}), "filter.priority to be an integer, but found 9223372036854775808"),
    (Search({"userTaskKey": 2**63}), "filter.userTaskKey to be a key, an integer of 64 bits, but found 9223372036854775808"),
    (Search({"userTaskKey": "abc"}), "filter.userTaskKey to be a key"),
    (Search({"userTaskKey": "1" * 500}), "filter.userTaskKey to be a key"),
    (Search({"userTaskKey": {"$like": "1*"}}), "but found '\\$like'"),
    (Search({"dueDate": "tomorrow"}), "filter.dueDate to be a date-time such as '2030-01-31T12:00:00Z', but found 'tomorrow'"),
    (Search({"dueDate": "2030-01-01"}), "filter.dueDate to be a date-time"),
    (Search({"dueDate": "2030-01-01T00:00:00"}), "filter.dueDate to be a date-time"),
    (Search({"dueDate": "2030-02-30T00:00:00Z"}), "filter.dueDate to be a date-time"),
    (Search({"dueDate": 5}), "filter.dueDate to be a date-time"),
    (Search({"name": ["x"]}), "filter.name to be a text, but found a list"),
    (Search({"name": {"$like": {}}}), r"filter.name.\$like to be a text, but found an object"),
    (Search({"name": "\ud800"}), "filter.name to be a text of whole characters"),
    (Search({"assignee": {"$exists": "yes"}}), r"filter.assignee.\$exists to be true or false, but found 'yes'"),
    (Search({"$or": {}}), r"filter.\$or to be a list of alternatives, but found an object"),
    (Search({"$or": 7}), "a list of alternatives"),
    (Search({"$or": [5]}), r"filter.\$or\[0\] to be an object, but found 5"),
    (Search({"$or": [{"$or": [{}]}]}), r"filter.\$or\[0\] to name fields among .*, but found '\$or'"),
    (Search({"tags": "vip"}), "filter.tags to be a list, but found 'vip'"),
    (Search({"tags": [{}]}), r"filter.tags\[0\] to be a text, but found an object"),
    (Search({"localVariables": [{"name": "x"}]}), r"filter.localVariables\[0\] to be an object with name and value"),
    (Search({"localVariables": [{"name": "x", "value": {"$gt": "1"}}]}), "but found '\\$gt'"),
    (Search({"userTaskKey": {"$in": [1] * 10_001}}), r"at most 10000 items together, but found 10001 with filter.userTaskKey.\$in"),
    (Search({"$or": [{"priority": 1, "name": "x"}] * 51}), r"at most 100 conditions, but found more in filter.\$or\[50\].priority"),
    (Search({"$or": [{}] * 101}), r"filter.\$or to have at most 100 alternatives, but found 101"),
    (Search({"$or": [{"priority": {"$gt": 1, "$lt": 9}}] * 51}), "at most 100 conditions"),
    (Search({"localVariables": [{"name": "x", "value": "1"}] * 51}), r"at most 100 conditions, but found more in filter.localVariables"),
    (Search({"tags": ["x"] * 11}), "filter.tags to have at most 10 tags, but found 11"),
    (Search({"name": {"$like": "*" * 10_001}}), r"at most 10000 characters together, but found 10001 with filter.name.\$like"),
    (Search({"state": {"$like": "*" * 10_001}}), "at most 10000 characters together, but found 10001"),
    (Search({"name": {"$like": "x" * 5_001}, "assignee": {"$like": "y" * 5_000}}), "but found 10001 with filter.assignee"),
    (Search({"localVariables": [{"name": "x", "value": {"$like": "x" * 10_001}}]}), "at most 10000 characters together"),
    (Search(sort=[{"field": "colour"}]), r"sort\[0\].field to be one of name, .*, but found 'colour'"),
    (Search(sort=[{"field": "assignee"}]), r"sort\[0\].field to be one of"),
    (Search(sort=[{}]), r"sort\[0\].field to be one of .*, but found null"),
    (Search(sort=["name"]), r"sort\[0\] to be an object, but found 'name'"),
    (Search(sort={"field": "name"}), "sort to be a list, but found an object"),
    (Search(sort=[{"field": "name", "order": "UP"}]), r"sort\[0\].order to be ASC or DESC, but found 'UP'"),
    (Search(page=[]), "page to be an object, but found a list"),
    (Search(page={"size": 5}), "page to have the members after, before, from, limit, but found 'size'"),
    (Search(page={"limit": 0}), "page.limit to be an integer from 1 to 10000, but found 0"),
    (Search(page={"limit": 10_001}), "page.limit"),
    (Search(page={"limit": "5"}), "page.limit"),
    (Search(page={"limit": True}), "page.limit"),
    (Search(page={"from": -1}), "page.from to be an integer from 0 to 2147483647, but found -1"),
    (Search(page={"after": "x", "before": "y"}), "at most one of from, after and before, but found after and before"),
    (Search(page={"after": "x", "from": 0}), "but found from and after"),
    (Search(page={"after": "nonsense"}), "page.after to be a cursor that this search gave with the same sort"),
    (Search(page={"before": 5}), "page.before to be a cursor"),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "refusal"), WRONG, ids=lambda one: str(one)[:60])
async def test_a_question_that_cannot_be_answered(asked: Search, refusal: str, tmp_path: Path):
    """It is refused before the database is opened: here is none."""
    reader = Reader(tmp_path / "none.db")
    with pytest.raises(InvalidArgument, match="Expected .*" + refusal):
        await search(reader, USER_TASKS, asked)
    await reader.close()


async def test_a_cursor_belongs_to_its_order_and_its_list(searched: tuple[Reader, list[Facts]]):
    reader, _ = searched
    found = await search(reader, USER_TASKS, Search(sort=sorting(("name", "ASC"))))
    for entity, sort in ((USER_TASKS, None), (USER_TASKS, sorting(("name", "DESC"))), (ENTITIES[0], None)):
        with pytest.raises(InvalidArgument, match=r"page\.after"):
            await search(reader, entity, Search(sort=sort, page={"after": found.end}))


async def test_absent_members_of_a_question_mean_nothing(searched: tuple[Reader, list[Facts]]):
    reader, facts = searched
    for asked in (
        Search(),
        Search({}, [], {}),
        Search({"assignee": None}, None, {"limit": None, "after": None}),
        Search({"assignee": {"$eq": None}}),
        Search({"$or": [{}]}),
    ):
        assert (await search(reader, USER_TASKS, asked)).total == len(facts)


async def test_a_statement_is_built_once_for_each_shape(searched: tuple[Reader, list[Facts]]):
    reader, _ = searched
    forget()
    for number in range(5):
        await search(
            reader, USER_TASKS, Search({"assignee": f"user-{number}", "userTaskKey": {"$in": [*range(number)]}})
        )
    assert statements.few.cache_info().currsize == 1


async def test_the_text_of_a_statement_is_written_once_for_all_files(
    files: dict[str, list[Path]], monkeypatch: pytest.MonkeyPatch
):
    written: list[str] = []

    class Noted(on_sqlite._Compiler):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            written.append(self.string)

    monkeypatch.setattr(on_sqlite, "_Compiler", Noted)
    monkeypatch.setattr(on_sqlite, "_TEXTS", on_sqlite._Texts(100))
    for _ in range(2):
        reader = Reader(*files["three files"])
        assert (await search(reader, USER_TASKS, Search({"state": "CREATED"}))).items
        await reader.close()
    assert written
    assert len(written) == len({*written})


async def test_a_long_value_is_found_by_all_of_it(written: Written):
    """The index of variables has their first characters only."""
    rows, _ = tasks(seed=1)
    instance = rows[0].process_instance_key
    long, other = ('"' + "x" * 100 + end + '"' for end in "ab")
    reader = await written(*rows, Variable(instance, "long", long, instance))
    for value, total in ((long, 1), (other, 0)):
        filter = {"processInstanceVariables": [{"name": "long", "value": value}]}
        assert (await search(reader, USER_TASKS, Search(filter))).total == total
        assert (await search(reader, VARIABLES, Search({"value": value}))).total == total


@pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: entity.name)
async def test_every_field_answers_in_an_empty_database(written: Written, entity: Any):
    reader = written.reader()
    for known in entity.declared:
        if known.sorts:
            for direction in ("ASC", "DESC"):
                await search(reader, entity, Search(sort=sorting((known.name, direction))))
        if known.filters and known.choices is not None:
            for name in known.choices:
                asked: object = name == "True" if known.kind is Kind.FLAG else name
                await search(reader, entity, Search({known.name: [asked] if known.several else asked}))


async def test_a_total_of_rows_that_are_counted_one_by_one_has_a_bound_of_its_own(
    searched: tuple[Reader, list[Facts]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(searching, "LED_MAX", 0)  # or the variables themselves would be counted
    reader, facts = searched
    wide = OPEN | {"processInstanceVariables": [{"name": "amount", "value": {"$gte": 1}}]}
    wanted = [fact for fact in facts if passes(fact, wide)]
    found = await search(reader, USER_TASKS, Search(wide, None, {"limit": 3}), total_max=5)
    assert (found.total, found.has_more_total, found.goes_on) == (5, True, True)
    assert [int(one["userTaskKey"]) for one in found.items] == ordered(wanted, [])[:3]
    found = await search(reader, USER_TASKS, Search(wide, None, {"limit": 3}), total_max=len(wanted))
    assert (found.total, found.has_more_total) == (len(wanted), False)
    plain = await search(reader, USER_TASKS, Search(OPEN, None, {"limit": 3}), total_max=5)
    assert plain.total == sum(passes(fact, OPEN) for fact in facts), "an index counts these"


async def test_a_total_of_rows_that_are_looked_up_one_by_one_is_counted_less_far(
    written: Written, monkeypatch: pytest.MonkeyPatch
):
    rows, facts = tasks(seed=7)
    reader = await written(*rows)
    monkeypatch.setattr(searching, "FEW_MAX", 0)
    monkeypatch.setattr(searching, "CHECKED_MAX", 2)
    filter = OPEN_UNASSIGNED | {"candidateGroup": {"$in": ["hr", "it"]}}
    expected = ordered([fact for fact in facts if passes(fact, filter)], [("priority", "DESC")])
    found = await search(reader, USER_TASKS, Search(filter, sorting(("priority", "DESC")), {"limit": 1}))
    assert len(expected) > 4
    assert (keys(found), found.total, found.has_more_total) == (expected[:1], 2, True)
    whole = await search(reader, USER_TASKS, Search(filter, sorting(("priority", "DESC"))))
    assert (keys(whole), whole.total, whole.has_more_total) == (expected, len(expected), False), "a page that has all"
    exact = await search(reader, USER_TASKS, Search({"candidateGroup": "hr"}, None, {"limit": 1}))
    assert (exact.total, exact.has_more_total) == (sum("hr" in fact["candidateGroup"] for fact in facts), False)


@pytest.mark.parametrize(
    ("name", "value", "led_max"),
    [
        ("processDefinitionKey", BASE + 1, 10_000),
        ("processInstanceVariables", [{"name": "amount", "value": {"$gte": 1}}], 10_000),
        ("processInstanceVariables", [{"name": "amount", "value": {"$gte": 1}}], 0),
    ],
    ids=["led by a definition", "led by variables", "too many variables"],
)
async def test_a_total_is_counted_less_far_if_each_row_is_looked_up_by_what_leads_to_it(
    written: Written, monkeypatch: pytest.MonkeyPatch, name: str, value: Any, led_max: int
):
    rows, facts = tasks(seed=7)
    reader = await written(*rows)
    filter = {"state": "CREATED", name: value}
    expected = ordered([fact for fact in facts if passes(fact, filter)], [("priority", "DESC")])
    asked = Search(filter, sorting(("priority", "DESC")), {"limit": 1})
    exact = await search(reader, USER_TASKS, asked)
    assert (keys(exact), exact.total, exact.has_more_total) == (expected[:1], len(expected), False)
    monkeypatch.setattr(searching, "FEW_MAX", 0)
    monkeypatch.setattr(searching, "LED_MAX", led_max)
    monkeypatch.setattr(searching, "CHECKED_MAX", 2)
    found = await search(reader, USER_TASKS, asked)
    assert len(expected) > 4
    assert (keys(found), found.total, found.has_more_total) == (expected[:1], 2, True)
