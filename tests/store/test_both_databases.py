"""Every list on PostgreSQL is that of SQLite: each search by each field, in each order, and each list that is asked for often."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import func, select

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.state.cluster_tables import CLUSTER_TYPES
from osmia_broker.state.rows import InstanceOrigin, Job, JobState, Resource
from osmia_broker.state.rows.kinds import KINDS
from osmia_broker.store.read import Reader
from osmia_broker.store.read.entities import CLUSTER_VARIABLES, ENTITIES, statistics
from osmia_broker.store.read.instances import instance_history, instance_views
from osmia_broker.store.read.instances.incident_groups import incident_groups
from osmia_broker.store.read.instances.suspended_instances import suspended_of
from osmia_broker.store.read.search.entity import Entity, joins_of
from osmia_broker.store.read.search.fields import Field, Kind
from osmia_broker.store.read.search.groups import ROWS
from osmia_broker.store.read.search.search import ALL, Search, search
from osmia_broker.store.read.sql.numbers import error_hash
from osmia_broker.store.read.sql.on_postgres import sources
from osmia_broker.store.sqlite import SqliteStore
from tests import postgres
from tests.patience import ANSWER_S
from tests.store import rows, searched
from tests.store.reading import DONE, LISTS, MODEL, definition, instance, stop
from tests.store.rows import BASE, PROCESS, TEXT, changes

OPERATORS = ("$eq", "$neq", "$in", "$notIn", "$gt", "$lte", "$like")
NOBODY_HAS: dict[Kind, Any] = {  # values that are large, for fields that have none in any row, too
    Kind.KEY: str((1 << 63) - 1),
    Kind.INTEGER: (1 << 63) - 1,
    Kind.DATE: "9999-12-31T23:59:59.999Z",
    Kind.TEXT: "nobody",
}

SUSPENDED = [PROCESS + 1_000 * number for number in (1, 2, 3, 6)]
METADATA = (("texts", '{"a":"1","b b":"x*"}'), ("numbers", '{"a":2.5,"b":1e400}'), ("others", '{"a":true,"b":[1]}'))


def everything() -> list[Any]:
    """Rows of every kind, several instances in all states, and tasks at random."""
    started = [row for number in range(1, 6) for row in instance(number, process=1 + number % 3)]
    ended = [row for number in (6, 7) for row in instance(number, process=2, state=DONE)]
    failed = [
        replace(row, state=JobState.FAILED, error_message="it's 10 % off", worker="w", deadline_ms=9)
        for row in instance(8)
        if isinstance(row, Job)
    ]
    tasks, _ = searched.tasks(7)
    return [
        Resource(rows.definition.checksum, MODEL),
        *(definition(number, "pq"[number > 2], number) for number in (1, 2, 3)),
        *(rows.requirements, rows.decision, rows.form, rows.cluster_variable, rows.start_subscription),
        *rows.INSTANCE,
        *rows.ALONE,
        *(replace(rows.cluster_variable, name=name, metadata=metadata) for name, metadata in METADATA),
        *started,
        *ended,
        *failed,
        *(stop(number) for number in (1, 2, 3)),
        stop(4, message="other", ended_ms=99),
        *(stop(number, message="rare") for number in (5, 8)),
        *(InstanceOrigin(key + 900, key, key, "p", suspended_ms=30) for key in SUSPENDED),
        *tasks,
    ]


@pytest.fixture(scope="module")
def unique() -> list[Any]:
    found: dict[Any, Any] = {}
    for row in everything():
        kind = KINDS[type(row)]
        found[type(row), tuple(getattr(row, name) for name in kind.primary_key)] = row
    return [*found.values()]


def batch_of(number: int, partitions: int, unique: list[Any]) -> Any:
    """The rows of one partition of several: those of some instances, and what all have."""
    mine = [
        row
        for row in unique
        if type(row) in (*CLUSTER_TYPES, Resource)
        or getattr(row, "process_instance_key", BASE) // 10 % partitions == number - 1
    ]
    return changes(*mine, next_key=BASE + 900_000)


@dataclass(frozen=True)
class Written:
    """The same rows on SQLite and on PostgreSQL, which no test changes."""

    paths: list[Path]
    url: str

    @asynccontextmanager
    async def readers(self) -> AsyncIterator[tuple[Reader, Reader]]:
        """Readers of both."""
        both = (
            Reader(*self.paths, time_limit_s=ANSWER_S),
            Reader(*sources(postgres.reached(self.url), len(self.paths)), time_limit_s=ANSWER_S),
        )
        yield both
        for one in both:
            await one.close()


@contextmanager
def written_to(folder: Path, partitions: int, unique: list[Any]) -> Iterator[Written]:
    """The rows of so many partitions."""
    paths = [folder / f"{number}.db" for number in range(1, partitions + 1)]

    async def write(url: str) -> None:
        of_servers = postgres.stores(url, partitions=partitions)
        of_files = [SqliteStore(path, partition_id=number) for number, path in enumerate(paths, 1)]
        for number, stores in enumerate(zip(of_files, of_servers, strict=True), 1):
            for store in stores:
                await store.open()
                await store.write(batch_of(number, partitions, unique), None)
        for one in (*reversed(of_files), *reversed(of_servers)):
            await one.close()

    with postgres.database(partitions=partitions) as url:
        asyncio.run(write(url))
        yield Written(paths, url)


@pytest.fixture(scope="module")
def of_one(unique: list[Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Written]:
    with written_to(tmp_path_factory.mktemp("one"), 1, unique) as made:
        yield made


@pytest.fixture(scope="module")
def of_three(unique: list[Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Written]:
    with written_to(tmp_path_factory.mktemp("three"), 3, unique) as made:
        yield made


@pytest.fixture
async def readers(of_one: Written) -> AsyncIterator[tuple[Reader, Reader]]:
    async with of_one.readers() as both:
        yield both


@pytest.fixture
async def several(of_three: Written) -> AsyncIterator[tuple[Reader, Reader]]:
    """The same of three partitions."""
    async with of_three.readers() as both:
        yield both


def written(answer: Any) -> str:
    """An answer as text. The order of a dictionary says nothing."""
    return repr(sorted(answer.items()) if isinstance(answer, dict) else answer)


async def compare(readers: tuple[Reader, Reader], ask: Any) -> Any:
    """What both answer; a refusal must be the same one."""
    answers = []
    for reader in readers:
        try:
            answers.append(await ask(reader))
        except InvalidArgument as refusal:
            answers.append(str(refusal))
    assert answers[0] == answers[1]
    assert written(answers[0]) == written(answers[1])  # as a Decimal and an integer can be equal
    return answers[0]


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_is_the_same(readers: tuple[Reader, Reader], name: str):
    await compare(readers, LISTS[name])


VIEWS: dict[str, Callable[[Reader], Awaitable[Any]]] = {
    "elements of an instance": lambda reader: instance_views.element_numbers(reader, PROCESS),
    "elements of a definition": lambda reader: instance_views.element_numbers_of_definition(reader, BASE + 1, {}),
    "waits of an instance": lambda reader: instance_views.wait_numbers(reader, PROCESS),
    "callers": lambda reader: instance_views.callers(reader, PROCESS),
    "tokens": lambda reader: instance_history.tokens(reader, PROCESS),
    "visits": lambda reader: instance_history.visits(reader, PROCESS, limit=100),
    "scopes": lambda reader: instance_history.scopes(reader, PROCESS),
}


@pytest.mark.parametrize("name", VIEWS)
async def test_a_view_of_an_instance_is_the_same(readers: tuple[Reader, Reader], name: str):
    assert await compare(readers, VIEWS[name])


def questions(entity: Entity, items: list[dict[str, Any]]) -> Iterator[Search]:
    """Searches by every field and operator for values that there are, and in every order."""
    for known in entity.declared:
        yield Search(filter={known.name: {"$exists": True}})
        seen = [item[known.name] for item in items if item.get(known.name) not in (None, "")]
        if known.kind in NOBODY_HAS:
            for asked in (
                NOBODY_HAS[known.kind],
                {"$in": [NOBODY_HAS[known.kind]]},
                {"$notIn": [NOBODY_HAS[known.kind]]},
            ):
                yield Search(filter={known.name: asked})
        for value, operator in itertools.product(seen[:1], OPERATORS):
            asked = f"{value[:3]}*" if operator == "$like" and isinstance(value, str) else value
            yield Search(filter={known.name: {operator: [asked] if operator in ("$in", "$notIn") else asked}})
        for direction in ("ASC", "DESC"):
            yield Search(sort=[{"field": known.name, "order": direction}], page={"limit": 7})


@pytest.mark.parametrize(
    ("filter", "total"),
    [
        ({"a": 1}, 1),
        ({"a": "1"}, 1),
        ({"a": {"$neq": 1}}, 3),
        ({"a": {"$exists": True}}, 4),
        ({"b": {"$exists": False}}, 2),
        ({"a": {"$gt": 1}}, 1),
        ({"b": {"$gte": 1e308}}, 1),
        ({"a": {"$in": [1, "1", 2.5]}}, 3),
        ({"b b": {"$like": "?\\*"}}, 1),
    ],
)
async def test_a_filter_of_members_finds_the_same(readers: tuple[Reader, Reader], filter: dict[str, Any], total: int):
    question = Search({"metadata": filter})
    assert (await compare(readers, lambda reader: search(reader, CLUSTER_VARIABLES, question))).total == total


@pytest.fixture(params=["as usual", "every long way"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The ways of few rows, and those of more rows than a test has."""
    with searched.taking(request.param, monkeypatch):
        yield


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: entity.name)
async def test_a_search_is_the_same(readers: tuple[Reader, Reader], entity: Entity):
    everything = await compare(readers, lambda reader: search(reader, entity, ALL))
    for question in questions(entity, everything.items):
        found = await compare(readers, lambda reader, asked=question: search(reader, entity, asked))
        if question.sort is not None and not isinstance(found, str) and found.goes_on:
            page = {"limit": 7, "after": found.end}
            following = Search(sort=question.sort, page=page)
            await compare(readers, lambda reader, asked=following: search(reader, entity, asked))


async def test_a_search_over_several_partitions_is_the_same(several: tuple[Reader, Reader]):
    for entity in ENTITIES:
        found = await compare(several, lambda reader, entity=entity: search(reader, entity, Search(page={"limit": 7})))
        if found.goes_on:
            following = Search(page={"limit": 7, "after": found.end})
            await compare(several, lambda reader, entity=entity, asked=following: search(reader, entity, asked))


GROUPS = [one for one in vars(statistics).values() if isinstance(one, Entity) and one.groups]
GIVEN = {  # the parameters of all groups: a period with everything in it, and what the rows have
    statistics.ERROR_HASH: error_hash(TEXT),
    statistics.DEFINITION_KEY: BASE + 1,
    statistics.FROM: 0,
    statistics.TO: 1 << 50,
    statistics.BUCKET: 10,
}


ASKED = [*ENTITIES, *GROUPS, *(one.groups.of_several for one in GROUPS if one.groups)]
NUL = "\0"


@pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: entity.name)
async def test_a_nul_character_is_refused_by_both(readers: tuple[Reader, Reader], entity: Entity):
    """PostgreSQL takes no such parameter, and seemed not to answer."""
    for known in entity.declared:
        for asked in (NUL, {"$like": f"*{NUL}"}, {"$in": ["a", NUL]}, {"$neq": NUL}):
            question = Search(filter={known.name: asked})
            answer = await compare(readers, lambda reader, asked=question: search(reader, entity, asked))
            assert isinstance(answer, str), f"{known.name} {asked}"


async def test_a_nul_character_in_another_question_is_no_failure_of_the_database(readers: tuple[Reader, Reader]):
    _, on_postgres = readers
    with pytest.raises(InvalidArgument, match="Expected texts without NUL characters, but found one"):
        await on_postgres.misplaced_holder(bpmn_process_id=NUL, process_definition_key=0, business_id="b", partitions=3)
    assert (await on_postgres.process_definitions()).items, "its connection goes on"


@pytest.mark.parametrize("entity", GROUPS, ids=lambda entity: entity.name)
async def test_numbers_of_groups_are_the_same(readers: tuple[Reader, Reader], entity: Entity):
    groups = await compare(readers, lambda reader: search(reader, entity, ALL, given=GIVEN))
    assert groups.items
    for question in questions(entity, groups.items):
        await compare(readers, lambda reader, asked=question: search(reader, entity, asked, given=GIVEN))


@pytest.mark.parametrize("entity", GROUPS, ids=lambda entity: entity.name)
async def test_numbers_of_groups_over_several_partitions_are_those_of_one(
    readers: tuple[Reader, Reader], several: tuple[Reader, Reader], entity: Entity
):
    groups = await compare(several, lambda reader: search(reader, entity, ALL, given=GIVEN))
    assert groups.items
    for question in (ALL, *questions(entity, groups.items)):
        found, expected = [
            await compare(both, lambda reader, asked=question: search(reader, entity, asked, given=GIVEN))
            for both in (several, readers)
        ]
        assert found == expected


@pytest.mark.parametrize("entity", ASKED, ids=lambda entity: entity.name)
async def test_each_text_is_compared_by_code_points(of_one: Written, entity: Entity):
    """Whatever locale a database has; those of tests have one that does not tell."""
    texts = [one for one in entity.declared if one.kind in (Kind.TEXT, Kind.CHOICE) and one.nested is None]
    collations = {}
    async with of_one.readers() as (_, reader), reader.database.snapshot() as snapshot:
        given = await entity.prepare(reader, frozenset(one.name for one in texts)) | GIVEN | {ROWS: "[]"}
        for one in texts:
            source = entity.table
            for join in joins_of([one]):
                source = source.outerjoin(join.table, join.on)
            value = select(one.column).select_from(source).limit(1).scalar_subquery()
            [(collations[one.name],)] = await snapshot.values(select(func.pg_collation_for(value)), given)
    by_locale = [one for one in texts if collations[one.name] != '"C"' and not getattr(one.column, "is_literal", False)]
    assert all(map(sort_anywhere, by_locale)), [one.name for one in by_locale]


def sort_anywhere(known: Field) -> bool:
    """Whether the values of a field are names of ours that sort the same in each locale: they pass over "_", or put it before letters."""
    names = sorted(known.choices or ())
    return bool(names) and all(names == sorted(names, key=lambda one: one.replace("_", put)) for put in ("", " "))


@pytest.fixture(scope="module")
def thirteen_files(unique: list[Any], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The files of more partitions than one connection to SQLite reads."""
    folder = tmp_path_factory.mktemp("thirteen")
    paths = [folder / f"{number}.db" for number in range(1, 14)]

    async def write() -> None:
        for number, path in enumerate(paths, 1):
            store = SqliteStore(path, partition_id=number)
            await store.open()
            await store.write(batch_of(number, len(paths), unique), None)
            await store.close()

    asyncio.run(write())
    return paths


@pytest.fixture
async def thirteen(thirteen_files: list[Path]) -> AsyncIterator[Reader]:
    reader = Reader(*thirteen_files, time_limit_s=ANSWER_S)
    yield reader
    await reader.close()


@pytest.mark.parametrize("entity", GROUPS, ids=lambda entity: entity.name)
async def test_numbers_of_groups_over_thirteen_partitions_are_those_of_one(
    readers: tuple[Reader, Reader], thirteen: Reader, entity: Entity
):
    expected = await search(readers[0], entity, ALL, given=GIVEN)
    assert expected.items
    assert await search(thirteen, entity, ALL, given=GIVEN) == expected


async def test_the_suspended_ones_of_some_instances_are_found(
    readers: tuple[Reader, Reader], several: tuple[Reader, Reader]
):
    some = [PROCESS, *SUSPENDED[1:], 0]
    for both in (readers, several):
        assert await compare(both, lambda reader: suspended_of(reader, some)) == {*SUSPENDED[1:]}
        assert await compare(both, lambda reader: suspended_of(reader, [])) == set()


async def test_groups_of_incidents_are_those_of_all_partitions(
    readers: tuple[Reader, Reader], several: tuple[Reader, Reader]
):
    groups, goes_on = await compare(several, incident_groups)
    assert [(one.count, len(one.keys)) for one in groups] == [(4, 4), (2, 2)]
    assert (groups, goes_on) == await incident_groups(readers[0])
    assert await compare(several, lambda reader: incident_groups(reader, skipped=1)) == (groups[1:], False)
    beyond = await compare(several, lambda reader: incident_groups(reader, skipped=1 << 31))
    assert beyond == "Expected page.from to be an integer from 0 to 2147483647, but found 2147483648"


async def test_a_search_of_many_partitions_holds_no_more_connections_than_there_are(several: tuple[Reader, Reader]):
    """Each search reads all partitions over one connection, so many at a time do not wait for each other for ever."""
    _, on_server = several
    await asyncio.gather(*(search(on_server, entity, ALL) for entity in (*ENTITIES, *ENTITIES)))
