"""The lists of the read side: every filter, their pages, and the names and definitions that belong to their items."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from osmia_broker.base.errors import InvalidArgument, NotFound
from osmia_broker.state.rows import InstanceOrigin, JobState, Resource
from osmia_broker.store.read import Reader
from osmia_broker.store.read.deployed import definitions, element_names
from osmia_broker.store.read.entities.process_definitions import PROCESS_DEFINITIONS
from osmia_broker.store.read.search.search import Search, get, search
from tests.bpmn import bpmn
from tests.store import rows
from tests.store.conftest import Written, database
from tests.store.reading import DONE, GONE, LIVING_STATES, definition, instance, numbers, stop
from tests.store.rows import BASE, INCIDENT, JOB, PROCESS, TASK


def _suspended(number: int) -> InstanceOrigin:
    key = PROCESS + 1_000 * number
    return InstanceOrigin(key + 900, key, key, "p", suspended_ms=30)


@pytest.fixture
async def reader(written: Written) -> Reader:
    """Two instances of p version 1, of its version 2 and of q; 1 completed, 3 cancelled, 4 stopped now, 0 stopped once; 2 suspended, and 3 at its end."""
    return await written(
        *instance(0, 1),
        *instance(1, 1, DONE),
        *instance(2, 2),
        *instance(3, 2, GONE),
        *instance(4, 3),
        *instance(5, 3),
        _suspended(2),
        _suspended(3),
        stop(4),
        stop(0, key=INCIDENT + 7, ended_ms=60),
    )


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [5, 4, 3, 2, 1, 0]),
        ({"bpmn_process_id": "p"}, [3, 2, 1, 0]),
        ({"bpmn_process_id": "p", "version": 1}, [1, 0]),
        ({"version": 1}, [5, 4, 1, 0]),
        ({"process_definition_key": BASE + 2}, [3, 2]),
        ({"bpmn_process_id": "q", "process_definition_key": BASE + 2}, []),
        ({"bpmn_process_id": "unknown"}, []),
        ({"process_definition_key": 99}, []),
        ({"states": ["ACTIVE", "SUSPENDED"]}, [5, 4, 2, 0]),
        ({"states": ["COMPLETED", "CANCELED"]}, [3, 1]),
        ({"states": ["CANCELED"], "bpmn_process_id": "p"}, [3]),
        ({"has_incident": True}, [4]),
        ({"has_incident": True, "bpmn_process_id": "p"}, []),
        ({"has_incident": True, "states": ["COMPLETED"]}, []),
        ({"has_incident": False}, [5, 3, 2, 1, 0]),
        ({"has_incident": False, "states": ["ACTIVE"], "bpmn_process_id": "q"}, [5]),
        ({"states": ["SUSPENDED"]}, [2]),
        ({"states": ["SUSPENDED"], "bpmn_process_id": "p"}, [2]),
        ({"states": ["SUSPENDED"], "bpmn_process_id": "q"}, []),
        ({"states": ["SUSPENDED", "CANCELED"]}, [3, 2]),
        ({"states": ["ACTIVE"]}, [5, 4, 0]),
        ({"states": ["ACTIVE", "COMPLETED"], "bpmn_process_id": "p"}, [1, 0]),
    ],
)
async def test_process_instances_pass_every_filter_that_is_given(
    reader: Reader, asked: dict[str, Any], found: list[int]
):
    assert numbers((await reader.process_instances(**asked)).items) == found


@pytest.mark.parametrize("asked", [{}, {"states": ["ACTIVE", "COMPLETED", "CANCELED"]}, {"has_incident": False}])
@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_pages_bring_every_process_instance_once(reader: Reader, asked: dict[str, Any], limit: int):
    whole = numbers((await reader.process_instances(**asked)).items)
    page = await reader.process_instances(limit=limit, **asked)
    found = numbers(page.items)
    while page.next:
        page = await reader.process_instances(limit=limit, after=page.next, **asked)
        assert 0 < len(page.items) <= limit
        found += numbers(page.items)
        assert len(found) <= len(whole), found
    assert found == whole


async def test_a_process_instance_shows_where_its_tokens_are(reader: Reader):
    stopped = await reader.process_instance(PROCESS + 4_000)
    assert (stopped.state, stopped.has_incident, stopped.definition.bpmn_process_id) == ("ACTIVE", True, "q")
    assert [(place.row.element_id, place.incident_key) for place in stopped.elements] == [("ask", INCIDENT + 4_000)]
    once = await reader.process_instance(PROCESS)
    assert (once.has_incident, [place.name for place in once.elements]) == (False, ["Ask somebody"])
    over = await reader.process_instance(PROCESS + 3_000)
    assert (over.state, over.elements) == ("CANCELED", [])


@pytest.mark.parametrize("content", [b"", b"<what", bpmn("start > end", id="another")])
async def test_a_model_that_is_taken_no_longer_costs_names_and_not_the_list(written: Written, content: bytes):
    """What an older Osmia took, this one may refuse."""
    old = replace(definition(8, "old", 1), checksum="8" * 64)
    reader = await written(Resource("8" * 64, content), old, *instance(7, 8), *instance(8, 1))
    places = [
        (one.row.element_id, one.name) for seen in (await reader.process_instances()).items for one in seen.elements
    ]
    assert places == [("ask", "Ask somebody"), ("ask", "")]


async def test_names_of_few_definitions_are_kept(written: Written, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(element_names, "DEFINITIONS_MAX", 2)
    reader = await written(*instance(1, 1), *instance(2, 2), *instance(3, 1))
    for number in (1, 2, 1):
        await reader.process_instance(PROCESS + 1_000 * number)
    assert list(reader.element_names._kept) == [BASE + 2, BASE + 1], "the last one is the one used last"
    third = replace(definition(8, "p", 3), checksum=rows.definition.checksum)
    reader = await written(third, *instance(4, 8))
    monkeypatch.setattr(element_names, "DEFINITIONS_MAX", 1)
    assert all(one.name for seen in (await reader.process_instances()).items for one in seen.elements)
    assert len(reader.element_names._kept) == 1


async def test_few_definitions_are_kept(written: Written, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(definitions, "DEFINITIONS_MAX", 1)
    reader = await written(*instance(1, 1), *instance(2, 2), *instance(3, 3))
    for _ in range(2):
        found = (await reader.jobs()).items
        assert [one.definition.key for one in found] == [BASE + 3, BASE + 2, BASE + 1]
        assert len(reader.definitions._kept) == 1


@pytest.mark.parametrize("asked", [{}, {"states": ["ACTIVE"]}, {"process_definition_key": BASE + 9}])
async def test_a_deleted_definition_costs_its_names_and_not_the_list(written: Written, asked: dict[str, Any]):
    reader = await written(*instance(7, 9), stop(7, process_definition_key=BASE + 9))
    (seen,) = (await reader.process_instances(**asked)).items
    assert (seen.row.key, seen.definition.key, seen.definition.bpmn_process_id) == (PROCESS + 7_000, BASE + 9, "")
    assert [(place.row.element_id, place.name) for place in seen.elements] == [("ask", "")]
    (job,) = (await reader.jobs()).items
    assert (job.definition.version, job.element_name) == (0, "")
    (incident,) = (await reader.incidents()).items
    assert incident.definition.bpmn_process_id == ""
    assert (await reader.counts()).process_instances == 1


async def test_a_deleted_file_costs_the_names_and_not_the_list(written: Written):
    reader = await written(replace(definition(8, "old", 1), checksum="gone"), *instance(7, 8))
    (seen,) = (await reader.process_instances()).items
    assert (seen.definition.bpmn_process_id, seen.elements[0].name) == ("old", "")


@pytest.mark.parametrize("key", [0, -1, 2**63 - 1, TASK])
async def test_what_is_no_process_instance_is_not_found(reader: Reader, key: int):
    with pytest.raises(NotFound, match=f"'{key}'"):
        await reader.process_instance(key)


JOBS = {
    0: {"state": JobState.ACTIVATABLE},
    1: {"state": JobState.ACTIVATED, "deadline_ms": 9},
    2: {"state": JobState.FAILED, "deadline_ms": 9},
    3: {"state": JobState.FAILED},
    4: {"state": JobState.COMPLETED, "ended_ms": 5},
    5: {"state": JobState.ACTIVATABLE, "type": "other"},
    6: {"state": JobState.ACTIVATABLE},
    7: {"state": JobState.SUSPENDED},
    8: {"state": JobState.FAILED, "deadline_ms": -9},
}
SUSPENDED = [
    InstanceOrigin(BASE + number, PROCESS + 1_000 * number, PROCESS + 1_000 * number, "p", suspended_ms=4)
    for number in (7, 8)
]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [8, 7, 6, 5, 4, 3, 2, 1, 0]),
        ({"type": "type"}, [8, 7, 6, 4, 3, 2, 1, 0]),
        ({"type": "type", "states": LIVING_STATES}, [8, 6, 3, 2, 1, 0]),
        ({"type": "type", "states": ["FAILED"]}, [8, 3, 2]),
        ({"type": "other", "states": LIVING_STATES}, [5]),
        ({"type": "type", "states": ["ACTIVATABLE", "COMPLETED"]}, [6, 4, 0]),
        ({"states": ["ACTIVATABLE"]}, [6, 5, 0]),
        ({"states": ["FAILED", "ACTIVATED"]}, [8, 3, 2, 1]),
        ({"states": ["ERROR_THROWN"]}, []),
        ({"states": ["SUSPENDED"]}, [7]),
        ({"type": "type", "states": ["SUSPENDED", "ACTIVATABLE"]}, [7, 6, 0]),
        ({"states": ["COMPLETED", "CANCELED"]}, [4]),
        ({"process_instance_key": PROCESS + 2_000}, [2]),
        ({"process_instance_key": PROCESS + 2_000, "type": "type", "states": ["ACTIVATABLE"]}, []),
        ({"type": "unknown", "states": LIVING_STATES}, []),
        ({"key": JOB + 2_000}, [2]),
        ({"key": JOB + 2_000, "states": ["FAILED"]}, [2]),
        ({"key": JOB + 2_000, "type": "other"}, []),
        ({"key": 99}, []),
    ],
)
@pytest.mark.parametrize("limit", [1, 50])
async def test_jobs_pass_every_filter_that_is_given(
    written: Written, asked: dict[str, Any], found: list[int], limit: int
):
    each = (
        replace(rows.job, key=JOB + 1_000 * n, process_instance_key=PROCESS + 1_000 * n, **job)
        for n, job in JOBS.items()
    )
    reader = await written(*each, *SUSPENDED, stop(3))
    page = await reader.jobs(limit=limit, **asked)
    listed = numbers(page.items, JOB)
    while page.next:
        page = await reader.jobs(limit=limit, after=page.next, **asked)
        listed += numbers(page.items, JOB)
        assert len(listed) <= len(found), listed
    assert listed == found


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [INCIDENT + 4_000, INCIDENT + 7]),
        ({"states": ["OPEN"]}, [INCIDENT + 4_000]),
        ({"states": ["OPEN", "RESOLVED"]}, [INCIDENT + 4_000, INCIDENT + 7]),
        ({"states": ["RESOLVED"]}, [INCIDENT + 7]),
        ({"process_instance_key": PROCESS}, [INCIDENT + 7]),
        ({"bpmn_process_id": "q"}, []),  # they name the first version of p
        ({"error_type": "CONDITION_ERROR"}, []),
        ({"key": INCIDENT + 7}, [INCIDENT + 7]),
        ({"key": INCIDENT + 7, "states": ["OPEN"]}, []),
    ],
)
async def test_incidents_pass_every_filter_that_is_given(reader: Reader, asked: dict[str, Any], found: list[int]):
    assert [one.row.key for one in (await reader.incidents(**asked)).items] == found


async def test_definitions_are_listed_whole_or_by_their_latest_versions(reader: Reader):
    async def listed(**asked: Any) -> list[tuple[str, int]]:
        return [(one.bpmn_process_id, one.version) for one in (await reader.process_definitions(**asked)).items]

    assert await listed() == [("q", 1), ("p", 2), ("p", 1)]
    assert await listed(latest_only=True) == [("q", 1), ("p", 2)]
    assert await listed(latest_only=True, bpmn_process_id="p") == [("p", 2)]
    assert await listed(bpmn_process_id="unknown") == []
    assert await listed(key=BASE + 1) == [("p", 1)]
    assert await listed(key=BASE + 1, latest_only=True) == []
    assert await listed(key=BASE + 1, bpmn_process_id="q") == []


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [("q", 1), ("p", 2), ("p", 1)]),
        (
            {"with_draining": True},
            [("old", 1), ("q", 1), ("p", 2), ("p", 1)],
        ),  # all instances of old version 2 have ended
        ({"with_draining": True, "latest_only": True}, [("old", 1), ("q", 1), ("p", 2)]),
        ({"with_draining": True, "key": BASE + 8}, [("old", 1)]),
        ({"with_draining": True, "key": BASE + 9}, []),
        ({"with_draining": True, "bpmn_process_id": "old"}, [("old", 1)]),
        ({"with_draining": True, "bpmn_process_id": "q"}, [("q", 1)]),
        ({"key": BASE + 8}, []),
    ],
)
async def test_a_deleted_definition_is_listed_while_an_instance_of_it_runs(
    written: Written, asked: dict[str, Any], found: list[tuple[str, int]]
):
    deleted = [replace(definition(number, "old", number - 7), deleted_ms=7) for number in (8, 9)]
    reader = await written(*instance(0, 8), *instance(1, 9, DONE), *instance(2, 1), *deleted)
    assert [(one.bpmn_process_id, one.version) for one in (await reader.process_definitions(**asked)).items] == found


async def test_a_deleted_definition_drains_while_an_instance_of_it_runs_in_any_partition(
    written: Written, tmp_path: Path
):
    running, over = (replace(definition(number, "old", number - 7), deleted_ms=7) for number in (8, 9))
    async with database(tmp_path / "y.db") as other:
        await written.commit(running, over, *instance(1, 9, DONE))
        await other.commit(running, over, *instance(0, 8))
        reader = Reader(written.path, other.path)
        try:
            listed = (await reader.process_definitions(bpmn_process_id="old", with_draining=True)).items
            states = [
                (await search(reader, PROCESS_DEFINITIONS, Search({"state": state}))).items
                for state in ("DRAINING", "DELETED")
            ]
            shown = [
                (await get(reader, PROCESS_DEFINITIONS, one.key, "process definition"))["state"]
                for one in (running, over)
            ]
        finally:
            await reader.close()
    assert [one.key for one in listed] == [running.key]
    assert [[item["processDefinitionKey"] for item in items] for items in states] == [
        [str(running.key)],
        [str(over.key)],
    ]
    assert shown == ["DRAINING", "DELETED"]


async def test_a_definition_is_found_by_its_key_also_when_it_is_deleted(written: Written):
    deleted = replace(definition(8, "old", 1), deleted_ms=7)
    reader = await written(*instance(0, 1), deleted)
    assert (await reader.process_definition(deleted.key)).deleted_ms == 7
    assert (await reader.process_definition(BASE + 1)).bpmn_process_id == "p"
    with pytest.raises(NotFound):
        await reader.process_definition(BASE + 99)


async def test_variables_of_one_instance_come_by_scope_and_name(written: Written):
    own = [replace(rows.variable, scope_key=scope, name=name) for scope in (TASK, PROCESS) for name in "ba"]
    reader = await written(rows.process, rows.task, *own, *instance(1))
    page = await reader.variables(PROCESS, limit=3)
    rest = await reader.variables(PROCESS, limit=3, after=page.next)
    assert [(row.scope_key, row.name) for row in (*page.items, *rest.items)] == [
        (PROCESS, "a"),
        (PROCESS, "b"),
        (TASK, "a"),
        (TASK, "b"),
    ]
    assert rest.next == ""
    assert [row.name for row in (await reader.variables(PROCESS, scope_key=TASK)).items] == ["a", "b"]
    assert (await reader.variables(99)).items == []


async def test_what_is_open_is_counted(reader: Reader):
    counts = await reader.counts()
    assert (counts.process_instances, counts.jobs, counts.incidents) == (4, 5, 1)


@pytest.mark.parametrize("limit", [-1, 1_001])
async def test_a_limit_out_of_its_range_is_refused(reader: Reader, limit: int):
    with pytest.raises(InvalidArgument, match="Expected a limit"):
        await reader.process_instances(limit=limit, states=["ACTIVE"])


async def test_a_cursor_of_another_list_is_refused(reader: Reader):
    of_jobs = (await reader.jobs(limit=1)).next
    for after in (of_jobs, "what", "é"):
        with pytest.raises(InvalidArgument, match="Expected after to be a cursor"):
            await reader.process_instances(after=after, states=["ACTIVE"])


async def test_a_nul_character_is_refused_without_the_name_that_the_field_has_inside(reader: Reader):
    with pytest.raises(InvalidArgument, match=r"^Expected the request without NUL characters, but found one$"):
        await reader.process_instances(bpmn_process_id="p\0")
