"""The read side: every filter, pages, one moment per answer, and lists that never walk the whole history."""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from osmia_broker.errors import InvalidArgument, NotFound, StoreFailed
from osmia_broker.state.rows import ElementState, Incident, JobState, ProcessDefinition, Resource
from osmia_broker.store.queries import Reader
from osmia_broker.store.sqlite import SqliteStore
from tests.bpmn import bpmn
from tests.store import rows
from tests.store.rows import BASE, INCIDENT, JOB, PROCESS, TASK, changes

MODEL = bpmn("start > ask:job(name=Ask somebody) > end", id="p")
DONE, GONE = ElementState.COMPLETED, ElementState.TERMINATED


def definition(number: int, process_id: str, version: int) -> ProcessDefinition:
    return replace(rows.definition, key=BASE + number, bpmn_process_id=process_id, version=version)


def instance(number: int, process: int = 1, state: ElementState = ElementState.ACTIVATED, **of_job: Any) -> list[Any]:
    """Rows of an instance of the definition with this number; over, if *state* says so."""
    ended = {"ended_ms": 50} if state in (DONE, GONE) else {}
    of_all = {"process_definition_key": BASE + process, **ended}
    whole, task, job, variable = rows.instance(number, **of_job)
    return [replace(whole, state=state, **of_all), replace(task, **of_all), replace(job, **of_all), variable]


def stop(number: int, **of_incident: Any) -> Incident:
    """An incident of the instance with this number, and of its job."""
    shift = 1_000 * number
    keys = {"key": INCIDENT + shift, "process_instance_key": PROCESS + shift, "job_key": JOB + shift}
    return replace(rows.incident, element_instance_key=TASK + shift, **{**keys, **of_incident})


def numbers(items: Any, first: int = PROCESS) -> list[int]:
    """Which instances these are, or the jobs or incidents of which."""
    return [(item.row.key - first) // 1_000 for item in items]


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Callable[..., Reader]]:
    """Write rows, and read them."""
    store, opened = SqliteStore(tmp_path / "x.db"), []
    store.open()
    model = Resource(rows.definition.checksum, MODEL)
    store.commit(changes(model, definition(1, "p", 1), definition(2, "p", 2), definition(3, "q", 1)))

    def write(*batch: Any) -> Reader:
        store.commit(changes(*batch))
        opened.append(Reader(tmp_path / "x.db"))
        return opened[-1]

    yield write
    for reader in opened:
        reader.close()
    store.close()


@pytest.fixture
def reader(written: Callable[..., Reader]) -> Reader:
    """Two instances of p version 1, of its version 2 and of q; 1 completed, 3 cancelled, 4 stopped now, 0 stopped once."""
    return written(
        *instance(0, 1),
        *instance(1, 1, DONE),
        *instance(2, 2),
        *instance(3, 2, GONE),
        *instance(4, 3),
        *instance(5, 3),
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
        ({"states": ["ACTIVE"]}, [5, 4, 2, 0]),
        ({"states": ["COMPLETED", "CANCELED"]}, [3, 1]),
        ({"states": ["CANCELED"], "bpmn_process_id": "p"}, [3]),
        ({"has_incident": True}, [4]),
        ({"has_incident": True, "bpmn_process_id": "p"}, []),
        ({"has_incident": True, "states": ["COMPLETED"]}, []),
        ({"has_incident": False}, [5, 3, 2, 1, 0]),
        ({"has_incident": False, "states": ["ACTIVE"], "bpmn_process_id": "q"}, [5]),
    ],
)
def test_process_instances_pass_every_filter_that_is_given(reader: Reader, asked: dict[str, Any], found: list[int]):
    assert numbers(reader.process_instances(**asked).items) == found


@pytest.mark.parametrize("asked", [{}, {"states": ["ACTIVE", "COMPLETED", "CANCELED"]}, {"has_incident": False}])
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_bring_every_process_instance_once(reader: Reader, asked: dict[str, Any], limit: int):
    whole = numbers(reader.process_instances(**asked).items)
    page = reader.process_instances(limit=limit, **asked)
    found = numbers(page.items)
    while page.next:
        page = reader.process_instances(limit=limit, after=page.next, **asked)
        assert 0 < len(page.items) <= limit
        found += numbers(page.items)
        assert len(found) <= len(whole), found
    assert found == whole


def test_a_process_instance_shows_where_its_tokens_are(reader: Reader):
    stopped = reader.process_instance(PROCESS + 4_000)
    assert (stopped.state, stopped.has_incident, stopped.definition.bpmn_process_id) == ("ACTIVE", True, "q")
    assert [(place.row.element_id, place.incident_key) for place in stopped.elements] == [("ask", INCIDENT + 4_000)]
    once = reader.process_instance(PROCESS)
    assert (once.has_incident, [place.name for place in once.elements]) == (False, ["Ask somebody"])
    over = reader.process_instance(PROCESS + 3_000)
    assert (over.state, over.elements) == ("CANCELED", [])


@pytest.mark.parametrize("content", [b"", b"<what", bpmn("start > end", id="another")])
def test_a_model_that_is_taken_no_longer_costs_names_and_not_the_list(written: Callable[..., Reader], content: bytes):
    """What an older Osmia took, this one may refuse."""
    old = replace(definition(8, "old", 1), checksum="8" * 64)
    reader = written(Resource("8" * 64, content), old, *instance(7, 8), *instance(8, 1))
    places = [(one.row.element_id, one.name) for seen in reader.process_instances().items for one in seen.elements]
    assert places == [("ask", "Ask somebody"), ("ask", "")]


def test_names_of_few_definitions_are_kept(written: Callable[..., Reader], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("osmia_broker.store.queries.NAMES_MAX", 2)
    reader = written(*instance(1, 1), *instance(2, 2), *instance(3, 1))
    reader.process_instances()
    assert list(reader._names) == [BASE + 2, BASE + 1], "the last one is the one used last"
    third = replace(definition(8, "p", 3), checksum=rows.definition.checksum)
    reader = written(third, *instance(4, 8))
    monkeypatch.setattr("osmia_broker.store.queries.NAMES_MAX", 1)
    assert all(one.name for seen in reader.process_instances().items for one in seen.elements)
    assert len(reader._names) == 1


@pytest.mark.parametrize("key", [0, -1, 2**63 - 1, TASK])
def test_what_is_no_process_instance_is_not_found(reader: Reader, key: int):
    with pytest.raises(NotFound, match=f"'{key}'"):
        reader.process_instance(key)


JOBS = {
    0: {"state": JobState.ACTIVATABLE},
    1: {"state": JobState.ACTIVATED, "deadline_ms": 9},
    2: {"state": JobState.FAILED, "deadline_ms": 9},
    3: {"state": JobState.FAILED},
    4: {"state": JobState.COMPLETED, "ended_ms": 5},
    5: {"state": JobState.ACTIVATABLE, "type": "other"},
    6: {"state": JobState.ACTIVATABLE},
}
LIVING_STATES = ["ACTIVATABLE", "ACTIVATED", "FAILED", "ERROR_THROWN"]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [6, 5, 4, 3, 2, 1, 0]),
        ({"type": "type"}, [6, 4, 3, 2, 1, 0]),
        ({"type": "type", "states": LIVING_STATES}, [6, 3, 2, 1, 0]),
        ({"type": "type", "states": ["FAILED"]}, [3, 2]),
        ({"type": "other", "states": LIVING_STATES}, [5]),
        ({"type": "type", "states": ["ACTIVATABLE", "COMPLETED"]}, [6, 4, 0]),
        ({"states": ["ACTIVATABLE"]}, [6, 5, 0]),
        ({"states": ["FAILED", "ACTIVATED"]}, [3, 2, 1]),
        ({"states": ["ERROR_THROWN"]}, []),
        ({"states": ["COMPLETED", "CANCELED"]}, [4]),
        ({"process_instance_key": PROCESS + 2_000}, [2]),
        ({"process_instance_key": PROCESS + 2_000, "type": "type", "states": ["ACTIVATABLE"]}, []),
        ({"type": "unknown", "states": LIVING_STATES}, []),
    ],
)
@pytest.mark.parametrize("limit", [1, 50])
def test_jobs_pass_every_filter_that_is_given(
    written: Callable[..., Reader], asked: dict[str, Any], found: list[int], limit: int
):
    each = (
        replace(rows.job, key=JOB + 1_000 * n, process_instance_key=PROCESS + 1_000 * n, **job)
        for n, job in JOBS.items()
    )
    reader = written(*each, stop(3))
    page = reader.jobs(limit=limit, **asked)
    listed = numbers(page.items, JOB)
    while page.next:
        page = reader.jobs(limit=limit, after=page.next, **asked)
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
    ],
)
def test_incidents_pass_every_filter_that_is_given(reader: Reader, asked: dict[str, Any], found: list[int]):
    assert [one.row.key for one in reader.incidents(**asked).items] == found


def test_definitions_are_listed_whole_or_by_their_latest_versions(reader: Reader):
    def listed(**asked: Any) -> list[tuple[str, int]]:
        return [(one.bpmn_process_id, one.version) for one in reader.process_definitions(**asked).items]

    assert listed() == [("q", 1), ("p", 2), ("p", 1)]
    assert listed(latest_only=True) == [("q", 1), ("p", 2)]
    assert listed(latest_only=True, bpmn_process_id="p") == [("p", 2)]
    assert listed(bpmn_process_id="unknown") == []


def test_variables_of_one_instance_come_by_scope_and_name(written: Callable[..., Reader]):
    own = [replace(rows.variable, scope_key=scope, name=name) for scope in (TASK, PROCESS) for name in "ba"]
    reader = written(rows.process, rows.task, *own, *instance(1))
    page = reader.variables(PROCESS, limit=3)
    rest = reader.variables(PROCESS, limit=3, after=page.next)
    assert [(row.scope_key, row.name) for row in (*page.items, *rest.items)] == [
        (PROCESS, "a"),
        (PROCESS, "b"),
        (TASK, "a"),
        (TASK, "b"),
    ]
    assert rest.next == ""
    assert [row.name for row in reader.variables(PROCESS, scope_key=TASK).items] == ["a", "b"]
    assert reader.variables(99).items == []


def test_what_is_open_is_counted(reader: Reader):
    counts = reader.counts()
    assert (counts.process_instances, counts.jobs, counts.incidents) == (4, 5, 1)


@pytest.mark.parametrize("limit", [-1, 1_001])
def test_a_limit_out_of_its_range_is_refused(reader: Reader, limit: int):
    with pytest.raises(InvalidArgument, match="Expected a limit"):
        reader.process_instances(limit=limit, states=["ACTIVE"])


def test_a_cursor_of_another_list_is_refused(reader: Reader):
    of_jobs = reader.jobs(limit=1).next
    for after in (of_jobs, "what", "é"):
        with pytest.raises(InvalidArgument, match="Expected a cursor"):
            reader.process_instances(after=after, states=["ACTIVE"])


def test_an_answer_is_of_one_moment(written: Callable[..., Reader], monkeypatch: pytest.MonkeyPatch):
    """A commit between the two looks that an answer takes is not seen: an active instance shows its places."""
    reader = written(*instance(0))
    look = reader._seen_instances

    def ends_meanwhile(found: list[Any]) -> list[Any]:
        written(*instance(0, state=DONE))
        return look(found)

    monkeypatch.setattr(reader, "_seen_instances", ends_meanwhile)
    (seen,) = reader.process_instances().items
    assert (seen.state, [place.row.element_id for place in seen.elements]) == ("ACTIVE", ["ask"])
    monkeypatch.undo()
    assert reader.process_instance(PROCESS).state == "COMPLETED"


def test_a_reader_cannot_write(reader: Reader):
    reader.counts()
    assert reader._db is not None
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._db.execute("DELETE FROM jobs")


def test_a_reader_answers_again_when_the_database_does(written: Callable[..., Reader], tmp_path: Path):
    missing = Reader(tmp_path / "later" / "x.db")
    with pytest.raises(StoreFailed, match=r"x\.db"):
        missing.counts()
    store = SqliteStore(tmp_path / "later" / "x.db")
    store.open()
    assert missing.counts().jobs == 0
    missing.close()
    store.close()


LISTS: dict[str, Callable[[Reader], Any]] = {
    "active instances": lambda reader: reader.process_instances(states=["ACTIVE"]),
    "a process": lambda reader: reader.process_instances(bpmn_process_id="p"),
    "active of a process": lambda reader: reader.process_instances(bpmn_process_id="p", states=["ACTIVE"]),
    "active, not stopped": lambda reader: reader.process_instances(has_incident=False, states=["ACTIVE"]),
    "stopped": lambda reader: reader.process_instances(has_incident=True),
    "one instance": lambda reader: reader.process_instance(PROCESS),
    "open jobs of a type": lambda reader: reader.jobs(type="type", states=LIVING_STATES),
    "held jobs": lambda reader: reader.jobs(states=["ACTIVATED", "FAILED", "ERROR_THROWN"]),
    "jobs of an instance": lambda reader: reader.jobs(process_instance_key=PROCESS),
    "open incidents": lambda reader: reader.incidents(states=["OPEN"]),
    "variables": lambda reader: reader.variables(PROCESS),
    "counts": lambda reader: reader.counts(),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_what_is_open_never_walks_the_history(reader: Reader, name: str):
    """No statement scans a table of what instances leave behind; to go through a partial index is to go through what is open."""
    asked: list[str] = []
    reader.counts()
    assert reader._db is not None
    reader._db.set_trace_callback(asked.append)
    LISTS[name](reader)
    reader._db.set_trace_callback(None)
    statements = [text for text in asked if text.startswith("SELECT")]
    assert statements
    for text in statements:
        for *_, step in reader._db.execute("EXPLAIN QUERY PLAN " + text):
            scans = step.startswith("SCAN") and any(
                table in step for table in ("element", "job", "incident", "variable")
            )
            assert not scans or any(small in step for small in ("incidents_open", "jobs_activatable")), (
                f"{step}: {text}"
            )
