"""The plans of the read side: no list of what is open walks through the history."""

import sqlite3

import pytest

from osmia_broker.store.read import Reader
from tests.store.conftest import Written
from tests.store.reading import DONE, LISTS, instance, stop

HISTORY = (
    "element",
    "evaluation",
    "job",
    "incident",
    "variable",
    "timer",
    "subscription",
    "message",
    "origin",
    "business",
    "called",
)
OF_OPEN_ROWS = (
    "incidents_open",
    "jobs_activatable",
    "jobs_ranked",
    "jobs_leased",
    "timers_due",
    "subscriptions_by_kind",
    "messages_by_name",
    "instances_suspended",
    "business_ids_by_bpmn_process_id_business_id",
)


@pytest.fixture
async def reader(written: Written) -> Reader:
    return await written(*instance(0), *instance(1, 1, DONE), *instance(4, 3), stop(4))


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_of_what_is_open_never_walks_the_history(written: Written, reader: Reader, name: str):
    """No statement scans a table that instances leave rows in. A scan of a partial index goes through what is open only."""
    asked: list[str] = []
    async with reader.database.snapshot() as snapshot:  # the only connection so far, so the next question has it too
        await snapshot._driver.set_trace_callback(asked.append)
    await LISTS[name](reader)
    statements = [text for text in asked if text.startswith(("SELECT", "WITH"))]
    assert statements
    with sqlite3.connect(written.path) as db:
        for text in statements:
            for *_, step in db.execute("EXPLAIN QUERY PLAN " + text):
                assert not walks(step), f"{step}: {text}"
    db.close()


def walks(step: str) -> bool:
    """Whether a step of a plan goes through a whole table, or through its keys from one on. A partial index holds what is open only."""
    of_history = any(table in step for table in HISTORY) and "start_subscriptions" not in step
    is_long = step.startswith("SCAN") or "PRIMARY KEY (rowid<?)" in step
    return of_history and is_long and not any(index in step for index in OF_OPEN_ROWS)
