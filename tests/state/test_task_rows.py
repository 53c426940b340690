"""Rows of user tasks that are only written, and the global listeners that are always in memory."""

import pytest
from msgspec.structs import replace

from osmia_broker.state.rows.tasks import (
    ENDED,
    CandidateKind,
    GlobalTaskListener,
    TaskCandidate,
    UserTask,
    UserTaskState,
    rfc3339,
)
from osmia_broker.state.state import State
from tests.memory_store import MemoryStore

FAMILY = TaskCandidate(7, CandidateKind.GROUP, "family", 1)
GONE = TaskCandidate(7, CandidateKind.GROUP, "family", 1, standing=ENDED)


def listener(id: str = "all", key: int = 3, **given: object) -> GlobalTaskListener:
    return GlobalTaskListener(key=key, id=id, type="audit", **given)  # type: ignore[arg-type]


def written(state: State, row_type: type) -> list[object]:
    changes = state.take_changes(1)
    assert changes is not None
    return [row_type(*values) for values in changes.written[row_type]]


def test_a_candidate_that_is_written_twice_in_a_batch_is_stored_as_it_was_last():
    state = State()
    state.notes[TaskCandidate].write(FAMILY)
    state.notes[TaskCandidate].write(GONE)
    assert written(state, TaskCandidate) == [GONE]


def test_undoing_a_write_gives_back_the_one_before_it():
    state = State()
    state.notes[TaskCandidate].write(FAMILY)
    mark = len(state.journal.notes())
    state.notes[TaskCandidate].write(GONE)
    state.journal.roll_back(mark)
    assert written(state, TaskCandidate) == [FAMILY]


def test_undoing_the_only_write_leaves_nothing_to_store():
    state = State()
    state.notes[TaskCandidate].write(FAMILY)
    state.journal.roll_back()
    assert state.take_changes(1) is None


def task(key: int = 5) -> UserTask:
    return UserTask(key, 1, 2, 3, "ask", 0, "Ask", "", "", UserTaskState.CREATED)


def changed(state: State) -> dict[int, frozenset[str]]:
    changes = state.take_changes(1)
    assert changes is not None
    return dict(changes.changed.get(UserTask, {}))


def test_a_commit_knows_which_columns_of_a_stored_task_have_changed():
    state, row = State(), task()
    state.user_tasks.admit([row])
    state.user_tasks.update(row, assignee="ada")
    state.user_tasks.set(row, "assignee", "bob")
    state.user_tasks.update(row, priority=7)
    assert changed(state) == {5: {"assignee", "priority"}}
    assert state.take_changes(2) is None


def test_a_task_that_ends_is_written_as_a_whole():
    state, row = State(), task()
    state.user_tasks.admit([row])
    state.user_tasks.update(row, assignee="ada")
    state.user_tasks.end(row, 9, state=UserTaskState.COMPLETED)
    assert changed(state) == {}


def test_a_new_task_is_written_as_a_whole_even_if_it_has_changed_since():
    state, row = State(), task()
    state.user_tasks.insert(row)
    state.user_tasks.update(row, assignee="ada")
    assert changed(state) == {}
    state.user_tasks.update(row, assignee="bob")
    assert changed(state) == {5: {"assignee"}}, "the next batch knows that it is there"


def test_columns_of_a_refused_change_do_not_reach_the_store_without_the_row():
    state, row = State(), task()
    state.user_tasks.admit([row])
    state.user_tasks.update(row, assignee="ada")
    state.journal.roll_back()
    assert state.take_changes(1) is None


def test_a_change_of_nothing_is_written_as_a_whole_row():
    state, row = State(), task()
    state.user_tasks.admit([row])
    state.user_tasks.update(row)
    assert changed(state) == {}


def test_global_listeners_work_in_the_order_of_their_priority_then_of_their_ids():
    state = State()
    for key, (id, priority) in enumerate([("b", 50), ("a", 50), ("z", 90)]):
        state.global_listeners.put(listener(id, key, priority=priority))
    assert [row.id for row in state.global_listeners.in_order()] == ["z", "a", "b"]


async def test_a_deleted_global_listener_is_not_there_after_a_start():
    store, state = MemoryStore(), State()
    await store.open()
    state.global_listeners.put(listener("kept", 4))
    state.global_listeners.put(listener("gone", 5))
    gone = state.global_listeners.of_id("gone")
    assert gone is not None
    state.global_listeners.put(replace(gone, deleted_ms=9))
    await store.write(state.take_changes(1), None)
    again = State()
    again.open(await store.open())
    assert [row.id for row in again.global_listeners.in_order()] == ["kept"]


def test_undoing_a_deletion_brings_a_global_listener_back():
    state = State()
    row = listener()
    state.global_listeners.put(row)
    mark = len(state.journal.notes())
    state.global_listeners.put(replace(row, deleted_ms=9, type="other"))
    state.journal.roll_back(mark)
    assert state.global_listeners.of_id("all") is row
    assert row.deleted_ms == 0
    assert written(state, GlobalTaskListener) == [row]


def test_undoing_a_creation_leaves_no_global_listener():
    state = State()
    state.global_listeners.put(listener())
    state.journal.roll_back()
    assert not len(state.global_listeners)
    assert state.take_changes(1) is None


def test_a_global_listener_made_again_in_the_commit_of_its_deletion_loses_neither():
    state = State()
    state.global_listeners.put(listener(key=4))
    state.take_changes(1)
    state.global_listeners.put(listener(key=4, deleted_ms=9))
    state.global_listeners.put(listener(key=5))
    assert [(row.key, row.deleted_ms) for row in written(state, GlobalTaskListener)] == [(4, 9), (5, 0)]
    assert [row.key for row in state.global_listeners.in_order()] == [5]


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("", None),
        ("2030-01-01T01:00:00Z", "2030-01-01T01:00:00Z"),
        ("2030-01-01T01:00:00.123456789+02:00", "2030-01-01T01:00:00.123456789+02:00"),
        ("2030-01-01T01:00:00+01:00[Europe/Berlin]", "2030-01-01T01:00:00+01:00"),
        ("1850-01-01T01:00:00+00:53:28[Europe/Berlin]", "1850-01-01T00:06:32Z"),
        ("1850-01-01T01:00:00.5-00:00:01", "1850-01-01T01:00:01.500000Z"),
        ("0001-01-01T00:00:00+00:53:28[Europe/Berlin]", "0001-01-01T00:00:00Z"),
    ],
)
def test_a_date_of_a_task_is_shown_as_rfc_3339_has_it(stored: str, shown: str | None):
    assert rfc3339(stored) == shown
