"""Corrupt rows and the lists: a row that somebody changed by hand is left out, and hides no other."""

import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from osmia_broker.base.errors import InvalidState
from tests.store import rows
from tests.store.conftest import Written
from tests.store.reading import instance, numbers, stop
from tests.store.rows import BASE, INCIDENT, JOB, PROCESS, TASK

NOT_UTF8 = "CAST(x'ff' AS TEXT)"


def alter(path: Path, *statements: str) -> None:
    """Change the file as an operator may, past the broker."""
    with closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            db.execute(statement)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("state = 'SLEEPING'", "column state: 'SLEEPING'"),
        ("retries = 'three'", "column retries: 'three' of type str"),
        ("deadline_ms = 1.5", "column deadline_ms: 1.5 of type float"),
        ("created_ms = x'00'", "column created_ms: b'\\x00' of type bytes"),
        (f"worker = {NOT_UTF8}", "column worker: b'\\xff' of type bytes"),
        ("type = x'74'", "column type: b't' of type bytes"),
        ("kind = ''", "column kind: ''"),
        ("process_definition_key = 'p'", "column process_definition_key: 'p'"),
    ],
)
@pytest.mark.parametrize("limit", [1, 2, 50])
async def test_a_corrupt_row_is_left_out_of_its_list_with_a_warning(
    written: Written, change: str, fault: str, limit: int, caplog: pytest.LogCaptureFixture
):
    reader = await written(*instance(0), *instance(1), *instance(2))
    alter(written.path, f"UPDATE jobs SET {change} WHERE key = {JOB + 1_000}")
    with caplog.at_level(logging.WARNING):
        page = await reader.jobs(limit=limit)
        found = numbers(page.items, JOB)
        while page.next:
            page = await reader.jobs(limit=limit, after=page.next)
            found += numbers(page.items, JOB)
    assert found == [2, 0]
    assert f"in table jobs, key {JOB + 1_000}, {fault}" in caplog.text


@pytest.mark.parametrize("limit", [1, 50])
async def test_corrupt_instances_hide_no_other(written: Written, limit: int):
    reader = await written(*(row for number in range(4) for row in instance(number)), stop(0))
    alter(
        written.path,
        f"UPDATE element_instances SET state = 'DREAMING' WHERE key = {PROCESS + 1_000}",
        f"UPDATE element_instances SET started_ms = 'soon' WHERE key = {PROCESS + 2_000}",
        f"UPDATE element_instances SET state = 'DREAMING' WHERE key = {TASK + 3_000}",
        f"UPDATE incidents SET error_type = 'ODD' WHERE key = {INCIDENT}",
    )
    page = await reader.process_instances(limit=limit)
    seen = list(page.items)
    while page.next:
        page = await reader.process_instances(limit=limit, after=page.next)
        seen += page.items
    assert [(number, len(one.elements)) for number, one in zip(numbers(seen), seen, strict=True)] == [(3, 0), (0, 1)]
    with pytest.raises(InvalidState, match=r"Expected the stored rows of process instance .* column state: 'DREAMING'"):
        await reader.process_instance(PROCESS + 1_000)


async def test_a_corrupt_definition_costs_its_names(written: Written):
    reader = await written(*instance(0), *instance(1, 2))
    alter(written.path, f"UPDATE process_definitions SET version = 'one' WHERE key = {BASE + 1}")
    assert [one.definition.version for one in (await reader.jobs()).items] == [2, 0]
    assert [one.key for one in (await reader.process_definitions()).items] == [BASE + 3, BASE + 2]


@pytest.mark.parametrize("name", ["x'61'", NOT_UTF8])
@pytest.mark.parametrize("limit", [1, 2, 50])
async def test_a_corrupt_variable_hides_none_of_another_scope(written: Written, name: str, limit: int):
    own: list[Any] = [rows.process, rows.task, *(_variable(scope, name) for scope in (PROCESS, TASK) for name in "bc")]
    reader = await written(*own)
    alter(
        written.path,
        f"INSERT INTO variables VALUES ({PROCESS}, {name}, '1', {PROCESS})",
        "UPDATE variables SET value = 1",
    )
    page = await reader.variables(PROCESS, limit=limit)
    found = list(page.items)
    while page.next:
        page = await reader.variables(PROCESS, limit=limit, after=page.next)
        found += page.items
    assert [(row.scope_key, row.name) for row in found] == [(PROCESS, "b"), (PROCESS, "c"), (TASK, "b"), (TASK, "c")]


def _variable(scope_key: int, name: str) -> Any:
    return rows.Variable(scope_key, name, "1", PROCESS)


@pytest.mark.parametrize("list_name", ["timers", "subscriptions", "messages"])
async def test_no_list_breaks(written: Written, list_name: str):
    reader = await written(rows.timer, rows.subscription, replace(rows.message, expires_ms=5))
    assert len((await getattr(reader, list_name)()).items) == 1
    alter(written.path, f"UPDATE {list_name} SET process_instance_key = 'x'")
    assert (await getattr(reader, list_name)()).items == []
