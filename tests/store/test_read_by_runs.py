"""Lists of process instances by their definitions: the page that a plain reading gives, and few rows read for it."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from osmia_broker.state.rows import ElementInstance, ElementState, InstanceOrigin, Variable
from osmia_broker.state.store_protocol import PARTITION_BITS
from osmia_broker.store.read import Reader
from osmia_broker.store.read.entities import PROCESS_INSTANCES
from osmia_broker.store.read.search import way as searching
from osmia_broker.store.read.search.search import Found, Search, orders, search
from osmia_broker.store.read.sql.on_postgres import sources
from osmia_broker.store.sqlite import SqliteStore
from tests import postgres
from tests.store import rows, searched
from tests.store.conftest import Written
from tests.store.plans import steps
from tests.store.rows import BASE

INSTANCES = 48
#: The id, name, version and version tag by the number of a definition. Two have one name, and that of number 5 is deleted.
DEFINITIONS: dict[int, tuple[str, str, int, str]] = {
    1: ("p", "Order", 1, ""),
    2: ("p", "Order", 2, "late"),
    3: ("q", "Ask", 1, "early"),
    4: ("r", "", 3, ""),
    6: ("s", "Order", 2, ""),
}
GONE = 5
LIVING, OVER = (ElementState.ACTIVATING, ElementState.ACTIVATED), (ElementState.COMPLETED, ElementState.TERMINATED)
Facts = dict[str, Any]


def facts(partitions: int) -> list[Facts]:
    chance = random.Random(7)
    made = []
    for number in range(INSTANCES):
        definition = chance.choice([*DEFINITIONS, GONE])
        id, name, version, tag = DEFINITIONS.get(definition, ("", "", 0, ""))
        state = chance.choice([*LIVING, *OVER])
        made.append(
            {
                "key": ((1 + number % partitions) << PARTITION_BITS) + 1_000 + 10 * number,
                "partition": number % partitions,
                "stored": state,
                "state": str(state) if state in OVER else chance.choice(["ACTIVE", "ACTIVE", "SUSPENDED"]),
                "amount": chance.randrange(5),
                "processDefinitionKey": BASE + definition,
                "processDefinitionId": id or None,
                "processDefinitionName": name or None,
                "processDefinitionVersion": version,
                "processDefinitionVersionTag": tag or None,
            }
        )
    return made


def rows_of(fact: Facts) -> list[Any]:
    key, ended_ms = fact["key"], 9 if fact["stored"] in OVER else 0
    suspended_ms = 8 if fact["state"] == "SUSPENDED" else 0
    definition = fact["processDefinitionKey"]
    return [
        ElementInstance(key, key, definition, "p", "PROCESS", fact["stored"], 0, "", 5, ended_ms),
        InstanceOrigin(key + 1, key, key, "p", suspended_ms=suspended_ms),
        Variable(key, "amount", str(fact["amount"]), key),
    ]


def definition(number: int) -> Any:
    id, name, version, tag = DEFINITIONS[number]
    return replace(rows.definition, key=BASE + number, bpmn_process_id=id, name=name, version=version, version_tag=tag)


def wanted(facts: list[Facts], sort: list[str]) -> list[str]:
    """The keys in an order. Absent values come last; equal ones go by key, in the direction of the last field."""
    found = sorted(facts, key=lambda fact: fact["key"], reverse=sort[-1].startswith("-"))
    for one in reversed(sort):
        name = one.lstrip("-")
        present = [fact for fact in found if fact[name] is not None]
        present.sort(key=lambda fact: fact[name], reverse=one.startswith("-"))
        found = present + [fact for fact in found if fact[name] is None]
    return [str(fact["key"]) for fact in found]


@pytest.fixture(params=["sqlite, 1", "sqlite, 3", "postgres, 3"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Reader, list[Facts]]]:
    """A reader of instances in one partition or in three, and the facts about them."""
    kind, number = request.param.split(", ")
    partitions = int(number)
    stores: list[Any]
    opened = ExitStack()
    if kind == "sqlite":
        paths = [tmp_path / f"{one}.db" for one in range(partitions)]
        stores = [SqliteStore(path, partition_id=one) for one, path in enumerate(paths, 1)]
        reader = Reader(*paths)
    else:
        url = opened.enter_context(postgres.database(partitions=partitions))
        stores = postgres.stores(url, partitions=partitions)
        reader = Reader(*sources(postgres.reached(url), partitions))
    made = facts(partitions)
    for place, store in enumerate(stores):
        await store.open()
        mine = [row for fact in made if fact["partition"] == place for row in rows_of(fact)]
        next_key = ((1 + place) << PARTITION_BITS) + 100_000
        await store.write(rows.changes(*map(definition, DEFINITIONS), *mine, next_key=next_key), None)
    yield reader, made
    await reader.close()
    for store in reversed(stores):
        await store.close()
    opened.close()


ABOVE = {"variables": [{"name": "amount", "value": {"$gt": 1}}]}
FILTERS: list[tuple[dict[str, Any], Any]] = [
    ({}, lambda _: True),
    ({"state": "ACTIVE"}, lambda fact: fact["state"] == "ACTIVE"),
    (ABOVE, lambda fact: fact["amount"] > 1),
    (
        ABOVE | {"processDefinitionId": "p", "state": {"$in": ["ACTIVE", "TERMINATED"]}},
        lambda fact: (
            fact["amount"] > 1 and fact["processDefinitionId"] == "p" and fact["state"] in ("ACTIVE", "TERMINATED")
        ),
    ),
    (
        ABOVE | {"processDefinitionKey": {"$in": [str(BASE + 1), str(BASE + 3), str(BASE + 1)]}},
        lambda fact: fact["amount"] > 1 and fact["processDefinitionKey"] in (BASE + 1, BASE + 3),
    ),
    ({"variables": [{"name": "amount", "value": {"$gt": 7}}]}, lambda _: False),
]
SORTS = [
    ["processDefinitionKey"],
    ["-processDefinitionId"],
    ["processDefinitionName"],
    ["-processDefinitionName", "processDefinitionVersion"],
    ["-processDefinitionVersionTag"],
]


@pytest.mark.parametrize("way", ["as usual", "every long way"])
async def test_a_list_by_definitions_is_that_of_a_plain_reading_forwards_and_backwards(
    world: tuple[Reader, list[Facts]], monkeypatch: pytest.MonkeyPatch, way: str
):
    reader, made = world

    async def page(**page: Any) -> Found:
        return await search(reader, PROCESS_INSTANCES, Search(filter, orders(sort), page))

    with searched.taking(way, monkeypatch):
        for filter, passes in FILTERS:
            for sort in SORTS:
                expected = wanted([fact for fact in made if passes(fact)], sort)
                whole = await page(limit=100)
                assert keys(whole) == expected, (filter, sort)
                assert whole.total == len(expected) or whole.has_more_total
                assert keys(await page(**{"from": 3, "limit": 4})) == expected[3:7]
                assert await all_behind(page, await page(limit=19)) == expected, (filter, sort)
                if expected:
                    assert await all_before(page, whole.end) == expected[:-1], (filter, sort)


async def test_a_full_page_looks_at_the_next_rows_of_the_first_runs_only(
    written: Written, monkeypatch: pytest.MonkeyPatch
):
    made = facts(1)
    reader = await written(*[row for fact in made for row in rows_of(fact)])
    monkeypatch.setattr(searching, "WALKS", (5, 9))
    monkeypatch.setattr(searching, "LED_MAX", 0)
    asked = Search(ABOVE, orders(["processDefinitionKey"]), {"limit": 2})
    found = await steps(written, reader, asked, None, PROCESS_INSTANCES)
    in_order = [step for step, text in found if "nearest" in text and " process " in f"{step} "]
    assert in_order
    assert all("SEARCH process USING INTEGER PRIMARY KEY" in step for step in in_order), found


async def all_behind(page: Callable[..., Awaitable[Found]], first: Found) -> list[str]:
    """The keys of the first page, and of all behind it."""
    found = keys(first)
    while first.end and len(found) <= INSTANCES and (first := await page(limit=19, after=first.end)).items:
        found += keys(first)
    return found


async def all_before(page: Callable[..., Awaitable[Found]], place: str | None) -> list[str]:
    """The keys of all pages before a place."""
    found: list[str] = []
    while len(found) <= INSTANCES and (one := await page(limit=19, before=place)).items:
        found, place = keys(one) + found, one.start
    return found


def keys(found: Found) -> list[str]:
    return [one["processInstanceKey"] for one in found.items]
