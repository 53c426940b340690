"""The journal as a list of changes: what each row was before and after each of them."""

import pytest

from osmia_broker.state.changes import _READERS, Change, changes_of
from osmia_broker.state.memory.table import Table
from osmia_broker.state.rows import Job, JobState, Variable
from osmia_broker.state.state import State
from osmia_broker.state.tables.elements import ElementTable
from osmia_broker.state.tables.variables import VariableTable


def new_job(state: State) -> Job:
    job = Job(1, 1, 1, 1, "a", "t", JobState.ACTIVATABLE, 3)
    state.jobs.insert(job)
    return job


def changes(state: State, row_type: type = Job) -> list[Change]:
    return [change for change in changes_of(state.journal) if type(change.row) is row_type]


def test_a_row_is_told_as_it_was_after_each_change() -> None:
    state = State()
    job = new_job(state)
    state.jobs.update(job, state=JobState.ACTIVATED, worker="w")
    state.jobs.set(job, "retries", 2)
    state.jobs.end(job, 5, state=JobState.COMPLETED)
    told = [
        (one.value("state"), one.value("worker"), one.value("retries"), one.value("ended_ms")) for one in changes(state)
    ]
    assert told == [
        ("ACTIVATABLE", "", 3, 0),
        ("ACTIVATED", "w", 3, 0),
        ("ACTIVATED", "w", 2, 0),
        ("COMPLETED", "w", 2, 5),
    ]


def test_a_change_tells_which_fields_it_set() -> None:
    state = State()
    job = new_job(state)
    state.jobs.update(job, state=JobState.ACTIVATABLE, retries=4)
    insert, update = changes(state)
    assert insert.is_insert
    assert insert.is_set("worker")
    assert (update.is_insert, update.is_set("state"), update.is_set("retries")) == (False, False, True)
    assert (update.was("retries"), update.was("worker"), insert.was("retries")) == (3, "", None)


def test_a_variable_is_told_with_each_value() -> None:
    state = State()
    for value in ("1", "2", "2", "3"):
        state.variables.put(1, 1, {"x": value})
    assert [one.value("value") for one in changes(state, Variable)] == ["1", "2", "3"]


def test_what_was_rolled_back_is_not_told() -> None:
    state = State()
    job = new_job(state)
    mark = len(state.journal.notes())
    state.jobs.update(job, retries=9)
    state.journal.roll_back(mark)
    assert [one.value("retries") for one in changes(state)] == [3]


@pytest.mark.parametrize("table", [Table, ElementTable, VariableTable])
def test_every_undo_of_a_row_is_known(table: type) -> None:
    """A new way to change a row must be told as well. Of a `VersionedTable`, all notes are read alike."""
    undone = {function for name, function in vars(table).items() if name.startswith("undo_")}
    assert undone
    assert undone <= _READERS.keys()


def test_an_end_that_was_rolled_back_is_not_told() -> None:
    state = State()
    job = new_job(state)
    mark = len(state.journal.notes())
    state.jobs.end(job, 5, state=JobState.ERROR_THROWN, deadline_ms=0, error_message="long")
    assert state.jobs.get(job.key) is None
    state.journal.roll_back(mark)
    assert state.jobs.by("element_instance_key", job.element_instance_key) == [job]
    assert (job.state, job.ended_ms, job.error_message) == (JobState.ACTIVATABLE, 0, "")
    assert [one.value("state") for one in changes(state)] == [JobState.ACTIVATABLE]
    state.journal.roll_back()
    assert state.residency.total_bytes == 0
