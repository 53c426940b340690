"""Every table: what is undone leaves no trace, what is committed leaves memory and comes back as it was."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from osmia_broker.base.errors import InvalidState
from osmia_broker.state.rows import (
    ElementState,
    Job,
    LoopResult,
    StartSubscription,
    SubscriptionKind,
    Timer,
    Variable,
)
from osmia_broker.state.rows.kinds import KINDS
from osmia_broker.state.state import State
from osmia_broker.state.store_protocol import Start, Wanted
from tests.memory_store import MemoryStore
from tests.state.pictures import picture_of
from tests.store import rows
from tests.store.rows import BASE, PROCESS

KEYED = tuple(row for row in (*rows.INSTANCE, *rows.ALONE) if type(row) is not Variable)
NEXT_KEY = BASE + 1_000_000
NAMES = [type(row).__name__ for row in KEYED]


def fresh_state(*definitions: Any) -> State:
    state = State()
    by_type: dict[type, list[Any]] = {}
    for row in (rows.definition, *definitions):
        by_type.setdefault(type(row), []).append(replace(row))
    state.open(Start(NEXT_KEY, by_type))
    return state


def changed_value(row: Any, name: str) -> Any:
    """Another value for a field of *row*."""
    before = getattr(row, name)
    if name in KINDS[type(row)].enums:
        return next(one for one in KINDS[type(row)].enums[name] if one is not before)
    return before + 1_000 if isinstance(before, int) else before + " and longer"


def change(state: State, row: Any, what: str) -> None:
    """Make one change of a row, if it can be made now."""
    table = state.tables[type(row)]
    here = table.get(row.key)
    if what == "insert":
        if here is None and row.key not in table.changed and row.key not in table.deleted:
            table.insert(replace(row))
    elif here is None:
        return
    elif what == "remove":
        if table.kind.ends:
            table.end(here, 99)
        else:
            table.delete(here)
    else:
        names = sorted(table.kind.changing - {"ended_ms"})
        if names:
            name = names[int(what) % len(names)]
            table.update(here, **{name: changed_value(here, name)})


CHANGE = st.tuples(st.sampled_from(KEYED), st.sampled_from(["insert", "insert", "remove", "0", "1", "2", "3"]))


@settings(max_examples=200, deadline=None)
@given(st.lists(CHANGE, max_size=40), st.lists(CHANGE, min_size=1, max_size=20), st.booleans())
def test_what_is_undone_leaves_no_trace(before: list[Any], undone: list[Any], is_committed: bool):
    state = fresh_state()
    for row, what in before:
        change(state, row, what)
    state.journal.clear()
    if is_committed:
        state.take_changes(1)
    picture_before = picture_of(state)
    for row, what in undone:
        change(state, row, what)
    state.journal.roll_back()
    assert picture_of(state) == picture_before


def test_an_instance_stays_in_memory_until_its_variables_are_committed():
    state = fresh_state()
    state.elements.insert(replace(rows.process))
    state.take_changes(1)
    state.residency._bytes_max = 0
    state.variables.put(PROCESS, PROCESS, {"x": "1"})
    state.evict(1, Wanted)
    assert state.variables.of_scope(PROCESS)["x"].value == "1"
    state.take_changes(2)
    state.evict(2, Wanted)
    assert not state.variables.of_scope(PROCESS)
    assert not len(state.residency)


@pytest.mark.parametrize("row", KEYED, ids=NAMES)
async def test_a_row_is_committed_evicted_and_loaded_again(row: Any):
    store, state = MemoryStore(), fresh_state()
    await store.open()
    company = [] if row in rows.ALONE else [rows.process, rows.task]
    for one in {id(one): one for one in (*company, row)}.values():
        state.tables[type(one)].insert(replace(one))
    before = picture_of(state)["rows"]
    changes = state.take_changes(1)
    assert changes is not None
    await store.write(changes, None)
    state.residency._bytes_max = 0
    state.evict(1, Wanted)
    assert not any(len(table) for table in state.tables.values())
    assert state.residency.total_bytes == 0
    wanted = Wanted(rows=frozenset({(type(row), row.key)}))
    loaded = (await store.write(None, state.not_resident(wanted))).loaded
    assert loaded is not None
    state.admit(wanted, loaded)
    assert picture_of(state)["rows"] == before
    assert state.take_changes(2) is None, "what was loaded is not written again"


@pytest.mark.parametrize("row", KEYED, ids=NAMES)
async def test_a_row_that_was_removed_is_found_nowhere(row: Any):
    store, state = MemoryStore(), fresh_state()
    await store.open()
    state.tables[type(row)].insert(replace(row))
    for batch in (1, 2):
        changes = state.take_changes(batch)
        assert changes is not None
        await store.write(changes, None)
        if batch == 1:
            change(state, row, "remove")
    assert row.key not in {one.key for one in store.living(type(row))}
    assert picture_of(state)["rows"] == [{} for _ in state.tables]
    assert not any(one for index in picture_of(state)["matches"] for one in index.values())
    assert not len(state.start_subscriptions._by_name)


@pytest.mark.parametrize("row", [row for row in KEYED if KINDS[type(row)].due], ids=lambda row: type(row).__name__)
@pytest.mark.parametrize("change", ["insert", "update"])
def test_a_due_time_wakes_the_partition_up(row: Any, change: str):
    state = fresh_state()
    table = state.tables[type(row)]
    due = table.kind.due
    table.insert(replace(row, **{due: 700 if change == "insert" else 0}))
    if change == "update":
        assert state.deadlines.next_ms is None, "0 is no time"
        table.update(table[row.key], **{due: -700})
        assert state.deadlines.next_ms is None, "suspended"
        table.update(table[row.key], **{due: 700})
    assert state.deadlines.next_ms == 700


def test_a_due_time_is_not_set_past_the_index():
    state = fresh_state()
    state.timers.insert(replace(rows.timer))
    with pytest.raises(AssertionError, match="update"):
        state.timers.set(state.timers[rows.timer.key], "due_ms", 700)


@pytest.mark.parametrize(
    ("row", "column"),
    [(rows.job, "error_message"), (rows.loop_result, "results")],
    ids=["error_message", "results"],
)
def test_a_text_that_grows_counts_towards_the_memory_bound(row: Any, column: str):
    state = fresh_state()
    table = state.tables[type(row)]
    table.insert(replace(row, **{column: ""}))
    before = state.residency.bytes_of(PROCESS)
    mark = len(state.journal.notes())
    table.update(table[row.key], **{column: "x" * 5_000})
    assert state.residency.bytes_of(PROCESS) == before + 5_000
    state.journal.roll_back(mark)
    assert state.residency.bytes_of(PROCESS) == before
    table.update(table[row.key], **{column: "y" * 100})
    table.end(table[row.key], 99)
    assert state.residency.bytes_of(PROCESS) == 0


def test_an_end_that_is_undone_is_being_terminated_again():
    state = fresh_state()
    state.elements.insert(replace(rows.process))
    state.elements.begin_to_terminate(state.elements[PROCESS])
    mark = len(state.journal.notes())
    state.elements.leave(state.elements[PROCESS], 99, ElementState.TERMINATED)
    assert not state.elements.terminating
    state.journal.roll_back(mark)
    assert state.elements.terminating == {PROCESS}


ABOUT_ELEMENTS = [
    row for row in rows.INSTANCE if {"process_definition_key", "element_id"} <= {*KINDS[type(row)].columns}
]


@pytest.mark.parametrize("row", ABOUT_ELEMENTS, ids=lambda row: type(row).__name__)
async def test_a_row_of_an_unknown_definition_makes_its_instance_unreadable(row: Any):
    store, state = MemoryStore(), fresh_state()
    await store.open()
    corrupt = replace(row, process_definition_key=BASE + 99)
    company = [one for one in (rows.process, rows.task) if one.key != row.key]
    await store.write(rows.changes(*company, corrupt), None)
    wanted = Wanted(rows=frozenset({(type(row), row.key)}))
    loaded = (await store.write(None, wanted)).loaded
    assert loaded is not None
    state.admit(wanted, loaded)
    for one in (*company, corrupt):
        with pytest.raises(InvalidState, match=f"found no process definition with key '{BASE + 99}'"):
            state.find(type(one), one.key)
    assert not len(state.residency)


async def test_a_timer_of_a_start_event_of_an_unknown_definition_is_unreadable():
    store, state = MemoryStore(), fresh_state()
    await store.open()
    alone = replace(
        rows.timer, process_instance_key=rows.timer.key, element_instance_key=0, process_definition_key=BASE + 99
    )
    await store.write(rows.changes(alone), None)
    wanted = Wanted(rows=frozenset({(Timer, alone.key)}))
    loaded = (await store.write(None, wanted)).loaded
    assert loaded is not None
    assert loaded.instances
    state.admit(wanted, loaded)
    with pytest.raises(InvalidState, match="no process definition"):
        state.find(Timer, alone.key)


# --- start subscriptions


def start_subscription(number: int, **fields: Any) -> StartSubscription:
    return replace(rows.start_subscription, key=BASE + 500 + number, **fields)


def waiting(state: State, name: str = "go") -> list[int]:
    return [row.key - BASE - 500 for row in state.start_subscriptions.by_name(SubscriptionKind.MESSAGE, name)]


def test_start_subscriptions_keep_their_order_when_an_end_is_undone():
    state = fresh_state(*map(start_subscription, (2, 1, 3)))
    assert waiting(state) == [1, 2, 3]
    first = state.start_subscriptions.by_name(SubscriptionKind.MESSAGE, "go")[0]
    state.start_subscriptions.end(first, 99)
    assert waiting(state) == [2, 3]
    state.journal.roll_back()
    assert waiting(state) == [1, 2, 3]
    assert [row.key - BASE - 500 for row in state.start_subscriptions.of_definition(BASE + 1)] == [1, 2, 3]
    assert state.take_changes(1) is None


def test_start_subscriptions_that_ended_leave_nothing_behind():
    state = fresh_state()
    for number in range(50):
        row = start_subscription(number, name=f"go {number}", process_definition_key=BASE + number)
        state.start_subscriptions.put(row)
        state.start_subscriptions.end(row, 99)
    assert not state.start_subscriptions._by_name
    assert not state.start_subscriptions._by_definition


async def test_start_subscriptions_are_there_after_a_start_and_ended_ones_are_not():
    store, state = MemoryStore(), fresh_state()
    await store.open()
    some = [*map(start_subscription, range(3))]
    for row in some:
        state.start_subscriptions.put(row)
    state.start_subscriptions.end(some[1], 99)
    changes = state.take_changes(1)
    assert changes is not None
    await store.write(changes, None)
    again = State()
    again.open(await store.open())
    assert waiting(again) == [0, 2]


# --- definitions


def test_a_deleted_version_is_found_by_its_key_alone_and_its_number_is_not_used_again():
    state = fresh_state(replace(rows.definition, key=BASE + 7, version=2))
    processes = state.definitions.processes
    second = processes.get(BASE + 7)
    assert second is not None
    processes.put(replace(second, deleted_ms=99))
    assert processes.get(BASE + 7) == replace(second, deleted_ms=99)
    assert processes.version("p", 2) is None
    assert processes.latest("p") == rows.definition
    assert processes.next_version("p") == 3
    first = processes.latest("p")
    assert first is not None
    processes.put(replace(first, deleted_ms=99))
    assert processes.latest("p") is None
    assert processes.as_of_deployment("p", BASE + 7) is None
    assert processes.tagged("p", "tag") is None
    assert processes.next_version("p") == 3
    state.journal.roll_back()
    assert processes.latest("p") is second
    assert second.deleted_ms == 0
    assert state.take_changes(1) is None


def test_a_deleted_version_is_written():
    state = fresh_state()
    row = state.definitions.processes.latest("p")
    assert row is not None
    state.definitions.processes.put(replace(row, deleted_ms=99))
    changes = state.take_changes(1)
    assert changes is not None
    [values] = changes.written[type(row)]
    assert dict(zip(KINDS[type(row)].columns, values, strict=True))["deleted_ms"] == 99


def test_every_kind_of_the_registry_is_tried_here():
    assert {type(row) for row in (*KEYED, rows.variable)} == {kind for kind in KINDS if KINDS[kind].of_instance}
    assert {Job, LoopResult, Timer} <= {type(row) for row in KEYED}
