"""Searches for process instances by their variables and by their end: what they find, and that they look at no more than they need."""

from typing import Any

import pytest

from osmia_broker.state.rows import ElementInstance, ElementState, Variable
from osmia_broker.store.read import Reader
from osmia_broker.store.read.entities import PROCESS_INSTANCES
from osmia_broker.store.read.search import way as searching
from osmia_broker.store.read.search.search import Search, orders, search
from tests.store import searched
from tests.store.conftest import Written
from tests.store.plans import steps
from tests.store.rows import BASE

ANY_AMOUNT = {"variables": [{"name": "amount", "value": {"$gt": 1}}]}


@pytest.fixture
async def instances(written: Written) -> Reader:
    """Nine instances: each third has an amount of its own, each third one in a scope of an element, and the others none."""
    rows: list[Any] = []
    for number in range(9):
        key, ended_ms = BASE + 100 + 10 * number, 7 + number if number % 2 else 0
        state = ElementState.COMPLETED if ended_ms else ElementState.ACTIVATED
        rows.append(ElementInstance(key, key, BASE + 1, "p", "PROCESS", state, 0, "", 5 + number, ended_ms))
        rows.append(ElementInstance(key + 1, key, BASE + 1, "ask", "USER_TASK", state, key, "f", 5 + number, ended_ms))
        if number % 3:
            rows.append(Variable(key + number % 3 - 1, "amount", str(number), key))
            rows.append(Variable(key, "number", str(number), key))
    return await written(*rows)


@pytest.mark.parametrize("led_max", [0, 10_000])
@pytest.mark.parametrize(
    ("filter", "sort", "expected"),
    [
        (ANY_AMOUNT, None, [2, 4, 5, 7, 8]),
        (ANY_AMOUNT, orders(["-startDate"]), [8, 7, 5, 4, 2]),
        (ANY_AMOUNT, orders(["-endDate"]), [7, 5, 8, 4, 2]),
        (ANY_AMOUNT, orders(["businessId"]), [2, 4, 5, 7, 8]),
        (ANY_AMOUNT | {"state": "ACTIVE"}, orders(["endDate"]), [2, 4, 8]),
        (ANY_AMOUNT | {"state": "COMPLETED"}, orders(["-startDate"]), [7, 5]),
        (ANY_AMOUNT | {"processDefinitionKey": BASE + 1, "state": "ACTIVE"}, orders(["-startDate"]), [8, 4, 2]),
        (ANY_AMOUNT | {"processDefinitionKey": BASE + 2}, None, []),
    ],
    ids=str,
)
async def test_instances_are_found_by_variables_in_any_scope_however_many_pass(
    instances: Reader,
    monkeypatch: pytest.MonkeyPatch,
    filter: dict[str, Any],
    sort: Any,
    expected: list[int],
    led_max: int,
):
    monkeypatch.setattr(searching, "FEW_MAX", 0)
    monkeypatch.setattr(searching, "LED_MAX", led_max)
    monkeypatch.setattr(searching, "CHECKED_MAX", 2)
    for size in (1, 2, 20):
        asked, found = Search(filter, sort, {"limit": size}), []
        while page := (answer := await search(instances, PROCESS_INSTANCES, asked)).items:
            found += [(int(one["processInstanceKey"]) - BASE - 100) // 10 for one in page]
            asked = Search(filter, sort, {"limit": size, "after": answer.end})
        assert found == expected


async def test_the_next_instances_are_asked_for_their_variables_through_their_elements(
    written: Written, instances: Reader, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(searching, "LED_MAX", 0)
    found = await steps(
        written, instances, Search(ANY_AMOUNT, orders(["-startDate"]), {"limit": 2}), None, PROCESS_INSTANCES
    )
    checked = [step for step, text in found if "nearest" in text and "variable_variables" in step]
    assert checked
    assert all("PRIMARY KEY (scope_key=? AND name=?)" in step for step in checked), checked


@pytest.mark.parametrize("filter", [{}, {"state": "COMPLETED"}], ids=str)
async def test_instances_by_their_end_are_walked_in_its_order(
    written: Written, instances: Reader, filter: dict[str, Any]
):
    found = await steps(written, instances, Search(filter, orders(["-endDate"]), {"limit": 2}), None, PROCESS_INSTANCES)
    assert any("process_instances_by_end" in step for step, text in found if "nearest" in text), found
    assert not [step for step, text in found if "nearest" in text and "TEMP B-TREE FOR ORDER BY" in step], found


BY_DEFINITION = ["processDefinitionKey", "processDefinitionId", "processDefinitionName", "processDefinitionVersion"]


@pytest.mark.parametrize("filter", [{}, {"state": "ACTIVE"}, {"state": {"$in": ["ACTIVE", "SUSPENDED"]}}], ids=str)
@pytest.mark.parametrize("field", BY_DEFINITION)
async def test_instances_by_their_definitions_are_read_through_the_index_of_these(
    written: Written, instances: Reader, monkeypatch: pytest.MonkeyPatch, field: str, filter: dict[str, Any]
):
    with searched.taking("every long way", monkeypatch):
        found = await steps(written, instances, Search(filter, orders([field]), {"limit": 2}), None, PROCESS_INSTANCES)
    rows = [step for step, _ in found if " process " in f"{step} "]
    assert rows
    assert all("INDEX process_instances " in f"{step} " or "INTEGER PRIMARY KEY" in step for step in rows), found
    runs = [step for step, _ in found if " in_run " in f"{step} "]
    assert runs
    assert all("INDEX process_instances (process_definition_key=? AND state=?" in step for step in runs), found


async def test_instances_by_their_definitions_are_looked_up_if_the_filter_leads_to_few(
    written: Written, instances: Reader
):
    asked = Search({"processInstanceKey": str(BASE + 100)}, orders(["processDefinitionName"]), {"limit": 2})
    found = await steps(written, instances, asked, None, PROCESS_INSTANCES)
    assert any("SEARCH process USING INTEGER PRIMARY KEY" in step for step, _ in found), found
