"""Rows that were made by turns in several partitions. Their clocks differ, and one was set back."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from osmia_broker.state.rows import ElementState, Job
from osmia_broker.state.rows.history import AuditEntity, AuditEntry, AuditOperation, MessageCorrelation
from osmia_broker.state.rows.tasks import UserTaskState
from osmia_broker.state.store_protocol import PARTITION_BITS
from osmia_broker.store.read import Reader
from osmia_broker.store.read.sql.on_postgres import sources
from osmia_broker.store.sqlite import SqliteStore
from tests import postgres
from tests.store import rows

CASES = 23
SET_BACK = 16  #: the first case at which the clock of partition 2 was set back
PARTITIONS = 3
KEYS = {
    "batch operations": 9,
    "process instances": 10,
    "element instances": 11,
    "jobs": 12,
    "incidents": 13,
    "user tasks": 14,
    "message subscriptions": 15,
    "correlated message subscriptions": 16,
    "decision instances": 17,
    "audit logs": 18,
}
#: What an evaluation has reached: each is an item of a list.
STEPS = (
    '[{"decision_id":"dish","decision_name":"Dish","decision_type":"LITERAL_EXPRESSION","output":"1","is_knowledge_model":false},'
    '{"decision_id":"side","decision_name":"Side","decision_type":"DECISION_TABLE","output":"2","is_knowledge_model":false}]'
)


def made_ms(number: int) -> int:
    """When a case began. The clocks move after three cases, so two partitions have the same moments. One is fast, and one was set back."""
    partition, at_ms = number % PARTITIONS, 1_000 + 10 * (number // 3)
    return at_ms + {0: 0, 1: -15 if number >= SET_BACK else 0, 2: 20}[partition]


def first_key(number: int) -> int:
    partition = 1 + number % PARTITIONS
    return (partition << PARTITION_BITS) + 1_000 * number


def is_over(number: int) -> bool:
    return number % 5 in (1, 2)


def case(number: int) -> list[Any]:
    """The rows of an instance that waits at a user task, or has waited, and of what else was made with it."""
    base, at_ms, ended_ms = first_key(number), made_ms(number), 90_000 if is_over(number) else 0
    batch, process, element, job, incident, task, waiting, reached, evaluation, entry = (
        base + place for place in KEYS.values()
    )
    state = ElementState.COMPLETED if ended_ms else ElementState.ACTIVATED
    times = {"started_ms": at_ms, "ended_ms": ended_ms, "state": state}
    of_all = {"process_instance_key": process}
    of_element = {**of_all, "element_instance_key": element}
    return [
        replace(rows.batch, key=batch, process_instance_key=batch, started_ms=at_ms),
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
        replace(rows.subscription, key=waiting, created_ms=at_ms, **of_element),
        MessageCorrelation(reached, process, 1, "p", "paid", element, reached, 1, "paid", "7", at_ms),
        replace(rows.evaluation, key=evaluation, evaluated=STEPS, ended_ms=at_ms, **of_element),
        AuditEntry(
            entry, process, 1, 0, AuditEntity.PROCESS_INSTANCE, process, AuditOperation.CREATE, "", "ada", at_ms
        ),
    ]


class World(NamedTuple):
    """A reader of partitions, and what writes to them."""

    reader: Reader
    stores: list[Any]

    async def begin(self, *numbers: int, **job: Any) -> None:
        """Write more cases, whose jobs are as *job* says."""
        for number in numbers:
            batch = [replace(row, **job) if isinstance(row, Job) else row for row in case(number)]
            await self.stores[number % PARTITIONS].write(rows.changes(*batch, next_key=first_key(number + 9)), None)


@asynccontextmanager
async def world(
    folder: Path, url: str = "", rows_of: Callable[[int], list[Any]] = case, cases: int = CASES
) -> AsyncIterator[World]:
    """Partitions in which cases began by turns: in files of a folder, or in a database of PostgreSQL."""
    stores: list[Any]
    if url:
        stores = postgres.stores(url, partitions=PARTITIONS)
        made = Reader(*sources(postgres.reached(url), PARTITIONS))
    else:
        paths = [folder / f"{number}.db" for number in range(1, PARTITIONS + 1)]
        stores = [SqliteStore(path, partition_id=number) for number, path in enumerate(paths, 1)]
        made = Reader(*paths)
    for number, store in enumerate(stores):
        await store.open()
        mine = [row for one in range(cases) if one % PARTITIONS == number for row in rows_of(one)]
        await store.write(rows.changes(*mine, next_key=first_key(cases + number)), None)
    yield World(made, stores)
    await made.close()
    for store in reversed(stores):
        await store.close()
