"""Every list on PostgreSQL is that of SQLite: each search by each field, in each order, and each list that is asked for often."""

import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from osmia_broker.errors import InvalidArgument
from osmia_broker.state.kinds import KINDS
from osmia_broker.state.rows import Job, JobState, Resource
from osmia_broker.store.read import Reader
from osmia_broker.store.read.entities import ENTITIES
from osmia_broker.store.read.on_postgres import PostgresSource
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.search import ALL, Search, search
from osmia_broker.store.sqlite import SqliteStore
from tests import postgres
from tests.store import rows, searched
from tests.store.reading import DONE, LISTS, MODEL, definition, instance, stop
from tests.store.rows import BASE, changes

OPERATORS = ("$eq", "$neq", "$in", "$notIn", "$gt", "$lte", "$like")


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
        *started,
        *ended,
        *failed,
        *(stop(number) for number in (1, 2, 3)),
        stop(4, message="other", ended_ms=99),
        *tasks,
    ]


@pytest.fixture(scope="module")
def batch() -> Any:
    unique: dict[Any, Any] = {}
    for row in everything():
        kind = KINDS[type(row)]
        unique[type(row), tuple(getattr(row, name) for name in kind.primary_key)] = row
    return changes(*unique.values(), next_key=BASE + 900_000)


@pytest.fixture
async def readers(batch: Any, tmp_path: Path) -> AsyncIterator[tuple[Reader, Reader]]:
    """Readers of the same rows, on SQLite and on PostgreSQL."""
    with postgres.database() as url:
        on_file, on_server = SqliteStore(tmp_path / "x.db"), postgres.store(url)
        for store in (on_file, on_server):
            await store.open()
            await store.write(batch, None)
        both = Reader(tmp_path / "x.db"), Reader(PostgresSource(url))
        yield both
        for one in (*both, on_file, on_server):
            await one.close()


async def compare(readers: tuple[Reader, Reader], ask: Any) -> Any:
    """What both answer; a refusal must be the same one."""
    answers = []
    for reader in readers:
        try:
            answers.append(await ask(reader))
        except InvalidArgument as refusal:
            answers.append(str(refusal))
    assert answers[0] == answers[1]
    return answers[0]


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_is_the_same(readers: tuple[Reader, Reader], name: str):
    await compare(readers, LISTS[name])


def questions(entity: Entity, items: list[dict[str, Any]]) -> Iterator[Search]:
    """Searches by every field and operator for values that there are, and in every order."""
    for known in entity.declared:
        yield Search(filter={known.name: {"$exists": True}})
        seen = [item[known.name] for item in items if item.get(known.name) not in (None, "")]
        for value, operator in itertools.product(seen[:1], OPERATORS):
            asked = f"{value[:3]}*" if operator == "$like" and isinstance(value, str) else value
            yield Search(filter={known.name: {operator: [asked] if operator in ("$in", "$notIn") else asked}})
        for direction in ("ASC", "DESC"):
            yield Search(sort=[{"field": known.name, "order": direction}], page={"limit": 7})


@pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: entity.name)
async def test_a_search_is_the_same(readers: tuple[Reader, Reader], entity: Entity):
    everything = await compare(readers, lambda reader: search(reader, entity, ALL))
    for question in questions(entity, everything.items):
        found = await compare(readers, lambda reader, asked=question: search(reader, entity, asked))
        if question.sort is not None and not isinstance(found, str) and found.goes_on:
            page = {"limit": 7, "after": found.end}
            following = Search(sort=question.sort, page=page)
            await compare(readers, lambda reader, asked=following: search(reader, entity, asked))
