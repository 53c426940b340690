"""The rules that every store keeps, written against the `Store` protocol: one more backend is one more factory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from osmia_broker.base.errors import StoreFailed, ValueRefused
from osmia_broker.state.rows import (
    DEFINITION_TYPES,
    Decision,
    DecisionRequirements,
    ElementInstance,
    ElementState,
    FollowUp,
    Form,
    Incident,
    Job,
    JobState,
    ProcessDefinition,
    Received,
    StartSubscription,
    Subscription,
    Variable,
    WaitingToken,
)
from osmia_broker.state.rows.batches import ClusterVariable
from osmia_broker.state.rows.event_log import EventRecording
from osmia_broker.state.rows.job_flow import FairBy, JobFlow
from osmia_broker.state.rows.kinds import KINDS
from osmia_broker.state.rows.tasks import GlobalTaskListener, UserTask, UserTaskState
from osmia_broker.state.store_protocol import (
    LANE_JOBS,
    LANES_MAX,
    MATCHES_MAX,
    WINDOW_JOBS,
    Changes,
    Due,
    DueWanted,
    Lane,
    Loaded,
    MatchWanted,
    Store,
    Wanted,
)
from osmia_broker.state.tables.windows import FIRST, priority_of, rank, rank_of
from osmia_broker.store.memory import MemoryStore
from osmia_broker.store.sqlite import SqliteStore
from tests import postgres
from tests.store import rows
from tests.store.rows import BASE, FOLLOW_UP, INCIDENT, JOB, PROCESS, TASK, TEXT, TOKEN, changes, wanted
from tests.turns import in_turn


@contextmanager
def on_postgres(version: str) -> Iterator[Store]:
    """A store in a database of this version of PostgreSQL."""
    with postgres.database(version) as url:
        yield postgres.store(url)


OF_SERVERS = [f"postgresql {version}" for version in postgres.VERSIONS]
FACTORIES: dict[str, Callable[[Path], AbstractContextManager[Store]]] = {
    "sqlite": lambda path: nullcontext(SqliteStore(path / "partition-1.db")),
    "memory": lambda _path: nullcontext(MemoryStore()),
    **{
        name: partial(lambda version, _path: on_postgres(version), version)
        for name, version in zip(OF_SERVERS, postgres.VERSIONS, strict=True)
    },
}


@pytest.fixture(params=["sqlite", "memory", *in_turn("store", OF_SERVERS)])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    with FACTORIES[request.param](tmp_path) as store:
        await store.open()
        yield store
        await store.close()


async def write(store: Store, *batch: Any, **options: Any) -> None:
    """Commit these rows."""
    await store.write(changes(*batch, **options), None)


async def load(store: Store, asked: Wanted) -> Loaded:
    """Read what is asked for."""
    loaded = (await store.write(None, asked)).loaded
    assert loaded is not None
    return loaded


# --- starting


async def test_a_new_store_begins_with_the_first_key(store: Store):
    start = await store.open()
    assert start.next_key == BASE + 1
    assert start.definitions == {row_type: [] for row_type in DEFINITION_TYPES}
    assert start.next_due_ms is None


async def test_a_start_reads_the_key_counter_and_all_definitions(store: Store):
    await write(store, *rows.DEPLOYED, rows.cluster_variable, *rows.INSTANCE, next_key=BASE + 77)
    start = await store.open()
    assert start.next_key == BASE + 77
    assert start.definitions == {
        ProcessDefinition: [rows.definition],
        DecisionRequirements: [rows.requirements],
        Decision: [rows.decision],
        Form: [rows.form],
        StartSubscription: [],
        GlobalTaskListener: [],
        EventRecording: [],
        ClusterVariable: [rows.cluster_variable],
        JobFlow: [],
        Received: [],
    }


async def test_a_start_names_the_earliest_due_time_of_any_living_row(store: Store):
    await write(store, *rows.instance(1, state=JobState.ACTIVATED, deadline_ms=40))
    await write(store, *rows.instance(2, deadline_ms=10, ended_ms=11))
    assert (await store.open()).next_due_ms == 40
    await write(store, replace(rows.follow_up, due_ms=30))
    assert (await store.open()).next_due_ms == 30


# --- rows that are there

CLAIMED = replace(rows.user_task, assignee="ada")


async def test_a_changed_row_gets_the_columns_that_have_changed(store: Store):
    await write(store, *rows.INSTANCE)
    claim = changes(CLAIMED)
    claim.changed = {UserTask: {CLAIMED.key: frozenset({"assignee"})}}
    await store.write(claim, None)
    found = (await load(store, wanted(PROCESS))).instances[PROCESS]
    assert found[UserTask] == [CLAIMED]


async def test_new_and_differently_changed_rows_go_into_one_batch(store: Store):
    first, second, new = (replace(rows.user_task, key=BASE + 60 + number) for number in range(3))
    await write(store, *rows.INSTANCE, first, second)
    first, second = replace(first, assignee="ada"), replace(second, state=UserTaskState.COMPLETED, ended_ms=9)
    batch = changes(first, new, CLAIMED, second)
    of_claim, of_end = frozenset({"assignee"}), frozenset({"state", "ended_ms"})
    batch.changed = {UserTask: {first.key: of_claim, CLAIMED.key: of_claim, second.key: of_end}}
    await store.write(batch, None)
    found = (await load(store, wanted(PROCESS))).instances[PROCESS]
    assert sorted(found[UserTask], key=lambda row: row.key) == [CLAIMED, first, new]


# --- whole instances


async def test_every_row_of_an_instance_survives_a_start(store: Store):
    await write(store, *rows.DEPLOYED, *rows.INSTANCE)
    await store.open()
    found = (await load(store, wanted(PROCESS))).instances[PROCESS]
    assert sorted(found.pop(ElementInstance), key=lambda row: row.key) == [rows.process, rows.task]
    assert found == {type(row): [row] for row in rows.INSTANCE if not isinstance(row, ElementInstance)}


@pytest.mark.parametrize("row", rows.ALONE, ids=lambda row: type(row).__name__)
async def test_a_row_that_stands_alone_survives_a_start(store: Store, row: Any):
    await write(store, row)
    await store.open()
    assert (await load(store, wanted(row.key, of=type(row)))).instances == {row.key: {type(row): [row]}}


async def test_an_erased_instance_leaves_no_row_behind(store: Store):
    others = rows.instance(1)
    await write(store, *rows.INSTANCE, *others, replace(rows.token, key=BASE + 50, ended_ms=9))
    await store.write(Changes(next_key=BASE + 200, erased=[PROCESS]), None)
    await store.open()
    asked = wanted(PROCESS, others[0].key) | wanted(rows.variable.scope_key, of=ElementInstance)
    assert (await load(store, asked)).instances.keys() == {others[0].key}
    await write(store, rows.process)
    assert (await load(store, wanted(PROCESS))).instances == {PROCESS: {ElementInstance: [rows.process]}}


async def test_an_instance_that_ends_and_is_erased_in_one_batch_is_gone(store: Store):
    await write(store, *rows.INSTANCE)
    ended = changes(replace(rows.process, ended_ms=9), next_key=BASE + 200)
    ended.erased = [PROCESS]
    await store.write(ended, None)
    await write(store, rows.process)
    assert (await load(store, wanted(PROCESS))).instances == {PROCESS: {ElementInstance: [rows.process]}}


# --- rows by their values


async def matched(store: Store, *values: str, after: int = 0) -> Loaded:
    columns = ("kind", "name", "correlation_key")
    return await load(store, Wanted(matches=frozenset({MatchWanted(Subscription, columns, values, after)})))


async def test_rows_are_found_by_their_values_with_their_instances(store: Store):
    other = replace(rows.subscription, key=BASE + 60, name="other")
    await write(store, *rows.INSTANCE, other)
    found = await matched(store, "MESSAGE", TEXT, TEXT)
    assert [*found.matches.values()] == [[rows.subscription.key]]
    assert found.instances[PROCESS][Subscription] == [rows.subscription, other]
    for values in (("SIGNAL", TEXT, TEXT), ("MESSAGE", TEXT, ""), ("MESSAGE", "", TEXT)):
        nothing = await matched(store, *values)
        assert ([*nothing.matches.values()], nothing.instances) == ([[]], {})


async def test_rows_by_their_values_come_in_pages_and_without_ended_ones(store: Store):
    several = [replace(rows.subscription, key=BASE + 1_000 + n, ended_ms=n % 2) for n in range(4 * MATCHES_MAX)]
    await write(store, rows.process, rows.task, *several)
    living = [row.key for row in several if not row.ended_ms]
    [first] = (await matched(store, "MESSAGE", TEXT, TEXT)).matches.values()
    assert first == living[:MATCHES_MAX]
    [second] = (await matched(store, "MESSAGE", TEXT, TEXT, after=first[-1])).matches.values()
    assert second == living[MATCHES_MAX:]


async def test_instances_that_memory_knows_better_are_not_read(store: Store):
    await write(store, *rows.INSTANCE, *rows.instance(1))
    match = MatchWanted(Subscription, ("kind", "name", "correlation_key"), ("MESSAGE", TEXT, TEXT))
    asked = wanted(JOB, JOB + 1_000, of=Job, matches=frozenset({match}), newer={PROCESS})
    loaded = await load(store, asked)
    assert loaded.matches == {match: [rows.subscription.key]}
    assert list(loaded.instances) == [PROCESS + 1_000]
    assert loaded.unreadable == {}


async def test_half_a_surrogate_pair_matches_nothing(store: Store):
    """No row can hold such a text, so none is found; a store that failed over it would fail again and again."""
    await write(store, *rows.INSTANCE)
    match = MatchWanted(Subscription, ("kind", "name", "correlation_key"), ("MESSAGE", "\ud800", TEXT))
    loaded = await load(store, wanted(JOB, of=Job, matches=frozenset({match})))
    assert loaded.matches == {match: []}
    assert list(loaded.instances) == [PROCESS]


async def test_a_start_knows_which_messages_are_kept(store: Store):
    await write(
        store,
        rows.message,
        replace(rows.message, key=BASE + 70, process_instance_key=BASE + 70, name="gone", ended_ms=1),
    )
    kept = (await store.open()).kept_messages
    assert kept is not None
    assert ("paid", "7") in kept
    assert ("gone", "7") not in kept


async def test_enums_come_back_as_their_members(store: Store):
    await write(store, *rows.INSTANCE)
    found = (await load(store, wanted(PROCESS))).instances[PROCESS]
    assert found[Job][0].state is JobState.ACTIVATABLE
    assert all(type(row.state) is ElementState for row in found[ElementInstance])


@pytest.mark.parametrize(
    "asked",
    [
        wanted(PROCESS),
        wanted(TASK),
        wanted(JOB, of=Job),
        wanted(INCIDENT, of=Incident),
        wanted(TOKEN, of=WaitingToken),
        wanted(FOLLOW_UP, of=FollowUp),
        wanted(JOB, 99, of=Job) | wanted(TASK, 98) | wanted(97, of=Incident),
    ],
)
async def test_an_instance_is_found_whole_by_any_of_its_keys(store: Store, asked: Wanted):
    await write(store, *rows.INSTANCE, *rows.instance(1))
    loaded = await load(store, asked)
    assert list(loaded.instances) == [PROCESS]
    assert sum(map(len, loaded.instances[PROCESS].values())) == len(rows.INSTANCE)
    assert loaded.unreadable == {}


@pytest.mark.parametrize("kind", [ElementInstance, WaitingToken, Job, Incident, FollowUp])
@pytest.mark.parametrize("key", [0, -1, 99, 2**63 - 1, JOB + 500])
async def test_keys_that_name_nothing_find_nothing(store: Store, kind: type, key: int):
    await write(store, *rows.INSTANCE)
    assert await load(store, wanted(key, of=kind)) == Loaded()


async def test_nothing_is_loaded_when_nothing_is_wanted(store: Store):
    assert (await store.write(changes(*rows.INSTANCE), None)).loaded is None
    assert (await store.write(None, Wanted())).loaded is None


async def test_a_load_sees_the_commit_of_its_own_call(store: Store):
    written = await store.write(changes(*rows.INSTANCE), wanted(JOB, of=Job))
    assert written.loaded is not None
    assert list(written.loaded.instances) == [PROCESS]
    assert written.commit_s > 0


async def test_a_row_is_brought_up_to_date(store: Store):
    await write(store, *rows.INSTANCE)
    taken = replace(rows.job, state=JobState.ACTIVATED, worker="w", deadline_ms=50, retries=-1)
    changed = replace(rows.variable, value="2")
    await write(store, taken, changed)
    found = (await load(store, wanted(JOB, of=Job))).instances[PROCESS]
    assert (found[Job], found[Variable]) == ([taken], [changed])


@pytest.mark.parametrize(
    ("row", "column"),
    [
        (row, column)
        for row in rows.INSTANCE
        for column in KINDS[type(row)].columns
        if column in KINDS[type(row)].changing and column != "ended_ms"
    ],
    ids=lambda given: given if isinstance(given, str) else type(given).__name__,
)
async def test_every_field_that_may_change_is_changed_in_the_store(store: Store, row: Any, column: str):
    await write(store, *rows.INSTANCE)
    now = {str: '"changed"', int: 123}.get(type(getattr(row, column))) or list(type(getattr(row, column)))[2]
    changed = replace(row, **{column: now})
    await write(store, changed)
    assert changed in (await load(store, wanted(PROCESS))).instances[PROCESS][type(row)]


async def test_ended_rows_stay_out_of_a_load(store: Store):
    await write(store, *rows.INSTANCE)
    ended = {"ended_ms": 99}
    await write(
        store,
        replace(rows.task, state=ElementState.COMPLETED, **ended),
        replace(rows.job, state=JobState.COMPLETED, **ended),
        replace(rows.incident, **ended),
        replace(rows.token, **ended),
        *(replace(row, ended_ms=99) for row in rows.OF_EVENTS),
        deleted=[rows.follow_up],
    )
    found = (await load(store, wanted(PROCESS))).instances[PROCESS]
    assert found == {ElementInstance: [rows.process], Variable: [rows.variable]}
    for gone in (wanted(JOB, of=Job), wanted(TASK), wanted(INCIDENT, of=Incident), wanted(FOLLOW_UP, of=FollowUp)):
        assert await load(store, gone) == Loaded()


async def test_variables_of_an_ended_scope_stay_out_of_a_load(store: Store):
    local = replace(rows.variable, scope_key=TASK)
    await write(store, *rows.INSTANCE, local)
    assert local in (await load(store, wanted(PROCESS))).instances[PROCESS][Variable]
    over = [replace(row, ended_ms=9) for row in (rows.task, rows.job, rows.incident, *rows.OF_EVENTS)]
    await write(store, *over)
    assert (await load(store, wanted(PROCESS))).instances[PROCESS][Variable] == [rows.variable]


async def test_an_instance_that_has_ended_is_not_loaded(store: Store):
    await write(store, replace(rows.process, state=ElementState.COMPLETED, ended_ms=1), rows.variable)
    assert await load(store, wanted(PROCESS)) == Loaded()


@pytest.mark.parametrize("count", [1, 2, 3, 15, 16, 17, 31, 63, 64, 65, 130])
async def test_batches_of_any_size_are_written_whole(store: Store, count: int):
    await write(store, *(row for number in range(count) for row in rows.instance(number)))
    keys = [PROCESS + 1_000 * number for number in range(count)]
    found = (await load(store, wanted(*keys))).instances
    assert set(found) == set(keys)
    assert all(sum(map(len, rows.values())) == 4 for rows in found.values())


# --- deleting


async def test_rows_are_deleted_by_primary_key(store: Store):
    other = replace(rows.variable, name="other")
    await write(store, *rows.INSTANCE, other)
    await write(store, deleted=[rows.variable, rows.job])
    found = (await load(store, wanted(PROCESS))).instances[PROCESS]
    assert (found[Variable], found.get(Job)) == ([other], None)


async def test_deleting_a_row_that_is_not_there_changes_nothing(store: Store):
    await write(store, *rows.INSTANCE, deleted=[replace(rows.job, key=JOB + 1)])
    assert (await load(store, wanted(PROCESS))).instances[PROCESS][Job] == [rows.job]


async def test_a_follow_up_is_carried_out_and_leaves_another_in_one_commit(store: Store):
    first = replace(rows.follow_up, due_ms=5)
    second = replace(rows.follow_up, key=FOLLOW_UP + 1, due_ms=6)
    await write(store, rows.process, first)
    await write(store, second, deleted=[first])
    loaded = await load(store, wanted(PROCESS, due=DueWanted(10, 10)))
    assert loaded.instances[PROCESS][FollowUp] == [second]
    assert loaded.due == Due([(6, FollowUp, FOLLOW_UP + 1)], None)


# --- resources


async def test_contents_are_found_by_checksum(store: Store):
    other = replace(rows.resource, checksum="f" * 64, content=b"")
    await write(store, rows.resource, other)
    asked = Wanted(resources=frozenset({rows.resource.checksum, other.checksum}))
    assert (await load(store, asked)).resources == {
        rows.resource.checksum: rows.resource.content,
        other.checksum: b"",
    }


async def test_a_resource_that_is_missing_is_absent(store: Store):
    await write(store, rows.resource)
    asked = Wanted(resources=frozenset({"nothing", rows.resource.checksum}))
    assert list((await load(store, asked)).resources) == [rows.resource.checksum]


# --- activatable jobs


LANE, LEASED = Lane("type"), Lane("type", is_leased=True)


async def window_of(store: Store, lane: Lane = LANE, after: int = FIRST) -> list[int]:
    """The next ranks of a lane."""
    return (await load(store, Wanted(windows=frozenset({(lane, after)})))).windows[lane]


def job_rank(number: int, priority: int = 0) -> int:
    return rank_of(priority, JOB + 1_000 * number)


async def test_the_window_gives_activatable_jobs_oldest_first(store: Store):
    await write(store, *(row for number in (3, 1, 2) for row in rows.instance(number)))
    await write(
        store,
        *rows.instance(4, state=JobState.ACTIVATED),
        *rows.instance(5, type="other"),
        *rows.instance(6, ended_ms=1),
    )
    assert await window_of(store) == [job_rank(1), job_rank(2), job_rank(3)]
    asked = Wanted(windows=frozenset({(LANE, job_rank(1)), (Lane("nothing"), FIRST)}))
    assert (await load(store, asked)).windows == {LANE: [job_rank(2), job_rank(3)], Lane("nothing"): []}


PRIORITIES = [0, 5, -5, 2**31 - 1, -(2**31), 5, 0, -5, 1]


async def test_the_window_gives_higher_priorities_first(store: Store):
    """In whatever place the last window ended, the next one goes on behind it."""
    await write(store, *(rows.instance(number, priority=one)[2] for number, one in enumerate(PRIORITIES)))
    ranks = sorted(job_rank(number, priority) for number, priority in enumerate(PRIORITIES))
    assert [priority_of(one) for one in ranks] == sorted(PRIORITIES, reverse=True)
    for place, after in enumerate([FIRST, *ranks]):
        assert await window_of(store, after=after) == ranks[place:]
        assert await window_of(store, LEASED, after) == []


async def test_jobs_that_were_leased_have_a_window_of_their_own(store: Store):
    ordinary = [rows.instance(number, priority=number % 2)[2] for number in range(4)]
    leased = [rows.instance(number, priority=number % 3 - 1, lease_token="x")[2] for number in range(4, 10)]
    await write(store, *ordinary, *leased)
    assert await window_of(store) == sorted(map(rank, ordinary))
    ranks = sorted(map(rank, leased))
    for place, after in enumerate([FIRST, *ranks]):
        assert await window_of(store, LEASED, after) == ranks[place:]


@pytest.mark.parametrize("of_each", [{}, {"priority": 3}, {"priority": -3}, {"lease_token": "x"}])
async def test_a_window_is_bounded(store: Store, of_each: dict[str, Any]):
    jobs = [rows.instance(number, **of_each)[2] for number in range(WINDOW_JOBS + 5)]
    await write(store, *jobs)
    lane = Lane("type", "lease_token" in of_each)
    window = await window_of(store, lane)
    assert window == [rank(job) for job in jobs[:WINDOW_JOBS]]
    assert await window_of(store, lane, window[-1]) == [rank(job) for job in jobs[WINDOW_JOBS:]]


async def test_a_window_is_filled_up_with_jobs_of_lower_priorities(store: Store):
    jobs = [rows.instance(number, priority=1 - number % 3)[2] for number in range(WINDOW_JOBS + 5)]
    await write(store, *jobs)
    assert await window_of(store) == sorted(map(rank, jobs))[:WINDOW_JOBS]


async def test_jobs_with_a_key_have_a_window_for_each_key(store: Store):
    jobs = [
        rows.instance(number, fair_key="ab"[number % 2] if number > 3 else "", priority=number % 3 - 1)[2]
        for number in range(20)
    ]
    await write(store, *jobs)
    for key in ("", "a", "b", "c"):
        ranks = sorted(rank(job) for job in jobs if job.fair_key == key)
        for place, after in enumerate([FIRST, *ranks]):
            assert await window_of(store, Lane("type", fair_key=key), after) == ranks[place:]


async def test_a_window_of_a_key_is_smaller(store: Store):
    jobs = [rows.instance(number, fair_key="a")[2] for number in range(LANE_JOBS + 5)]
    await write(store, *jobs)
    assert await window_of(store, Lane("type", fair_key="a")) == [rank(job) for job in jobs[:LANE_JOBS]]


async def test_the_keys_of_waiting_jobs_are_listed_in_pages(store: Store):
    """The first page begins with the key of the jobs that have none, whether there are such or not."""
    keys = [f"k{number:04}" for number in range(LANES_MAX + 5)]
    await write(
        store,
        *(rows.instance(number, fair_key=key, lease_token="x" * (number % 2))[2] for number, key in enumerate(keys)),
        rows.instance(9_000, fair_key="held", state=JobState.ACTIVATED)[2],
    )
    first = (await load(store, Wanted(fair_keys=frozenset({("type", "")})))).fair_keys
    assert first == {"type": ["", *keys[: LANES_MAX - 1]]}
    rest = (await load(store, Wanted(fair_keys=frozenset({("type", keys[LANES_MAX - 2]), ("other", "")})))).fair_keys
    assert rest == {"type": keys[LANES_MAX - 1 :], "other": [""]}


async def test_a_start_reads_flow_control_and_counts_held_jobs(store: Store):
    flow = JobFlow(BASE + 90, "type", 0, 5, 1, 2, 3, FairBy.PROCESS)
    held = [
        rows.instance(number, state=JobState.ACTIVATED, deadline_ms=9, worker="w", fair_key="k")[2] for number in (1, 2)
    ]
    others = [rows.instance(3)[2], rows.instance(4, state=JobState.FAILED, deadline_ms=9)[2]]
    await write(store, flow, *held, *others)
    start = await store.open()
    assert start.definitions[JobFlow] == [flow]
    assert start.held == [("type", "k", "w", 2)]


# --- due rows


def held(number: int, deadline_ms: int) -> tuple[Any, ...]:
    return rows.instance(number, state=JobState.ACTIVATED, deadline_ms=deadline_ms)


def later(number: int, due_ms: int) -> Any:
    shift = number * 1_000
    return replace(rows.follow_up, key=FOLLOW_UP + shift, process_instance_key=PROCESS + shift, due_ms=due_ms)


# In order: jobs 1, 2, 0, 3 and follow-ups 1, 2, 0 at 10, 20, 30, 40 and 15, 20, 35; the key decides between equal times.
DUE = [
    (10, Job, JOB + 1_000),
    (15, FollowUp, FOLLOW_UP + 1_000),
    (20, Job, JOB + 2_000),
    (20, FollowUp, FOLLOW_UP + 2_000),
    (30, Job, JOB),
    (35, FollowUp, FOLLOW_UP),
    (40, Job, JOB + 3_000),
]


@pytest.mark.parametrize(
    ("now_ms", "rows_max", "found"),
    [
        (9, 10, 0),
        (10, 10, 1),  # the bound belongs to it
        (19, 10, 2),
        (20, 10, 4),
        (20, 3, 3),
        (40, 10, 7),
        (40, 7, 7),
        (40, 6, 6),
        (40, 1, 1),
        (2**63 - 1, 100, 7),
        (0, 0, 0),
        (40, 0, 0),
    ],
)
async def test_due_rows_come_in_order_within_their_bounds(store: Store, now_ms: int, rows_max: int, found: int):
    await write(store, *(row for number, ms in enumerate((30, 10, 20, 40)) for row in held(number, ms)))
    await write(store, *(later(number, ms) for number, ms in enumerate((35, 15, 20))))
    await write(store, *rows.instance(9, deadline_ms=5, ended_ms=5), later(8, 0), *rows.instance(7))
    due = (await load(store, Wanted(due=DueWanted(now_ms, rows_max)))).due
    assert due is not None
    assert due.rows == DUE[:found]
    assert due.next_ms == (DUE[found][0] if found < len(DUE) else None)


@pytest.mark.parametrize("shift", [-2_000, -1, 1, 2_000])
async def test_the_key_decides_between_rows_of_one_time_whatever_their_kind(store: Store, shift: int):
    await write(store, *held(0, 20), replace(rows.follow_up, key=JOB + shift, due_ms=20))
    due = (await load(store, Wanted(due=DueWanted(20, 2)))).due
    assert due is not None
    assert [key for _, _, key in due.rows] == sorted([JOB, JOB + shift])


async def test_nothing_due_and_nothing_to_come(store: Store):
    await write(store, *rows.INSTANCE)
    assert (await load(store, Wanted(due=DueWanted(2**63 - 1, 10)))).due == Due([], None)


# --- values


@pytest.mark.parametrize("number", [0, 1, -1, 2**63 - 1, -(2**63)])
async def test_numbers_of_64_bits_survive(store: Store, number: int):
    await write(store, *rows.INSTANCE, replace(rows.job, key=JOB + 1, created_ms=number))
    found = (await load(store, wanted(PROCESS))).instances[PROCESS]
    assert number in {job.created_ms for job in found[Job]}


@pytest.mark.parametrize("text", ["", " ", "'", '"', "%_\\", "\u00e9\u0301", "\U0001f600", "\ufeffx", "x" * 100_000])
async def test_texts_survive(store: Store, text: str):
    value = msgspec.json.encode(text).decode()
    await write(store, *rows.INSTANCE)
    await write(store, replace(rows.variable, name=text, value=value), replace(rows.job, worker=text))
    found = (await load(store, wanted(PROCESS))).instances[PROCESS]
    assert found[Job][0].worker == text
    assert (text, value) in {(row.name, row.value) for row in found[Variable]}


REFUSED = {
    "an integer beyond 64 bits": (replace(rows.job, deadline_ms=2**63), "jobs.deadline_ms: 9223372036854775808"),
    "an integer below 64 bits": (replace(rows.job, retries=-(2**63) - 1), "jobs.retries: -9223372036854775809"),
    "an integer of a key": (replace(rows.incident, key=2**70), "incidents.key: 1180591620717411303424"),
    "an integer of thousands of digits": (replace(rows.job, retries=10**6000), "jobs.retries: about 2^19931"),
    "half a surrogate pair": (replace(rows.variable, value='"\ud800"'), "variables.value: '\"\\ud800\"'"),
    "half a pair in a name": (replace(rows.variable, name="\udfff"), "variables.name: '\\udfff'"),
    "half a pair in an enum": (replace(rows.process, state="\ud800"), "element_instances.state: '\\ud800'"),
    "a resource": (replace(rows.resource, content=object()), "resources.content: <object"),
    "no value": (replace(rows.form, form_id=None), "forms.form_id: None"),
    "a list": (replace(rows.token, flow_id=["flow"]), "waiting_tokens.flow_id: ['flow']"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_value_that_no_column_holds_is_refused_by_name_and_nothing_is_written(store: Store, name: str):
    row, named = REFUSED[name]
    with pytest.raises(ValueRefused) as refused:
        await write(store, *rows.instance(1), row, *rows.instance(2), next_key=BASE + 500)
    assert named in str(refused.value)
    with pytest.raises(StoreFailed):
        await write(store, *rows.instance(1))
    assert (await store.open()).next_key == BASE + 1
    assert await load(store, wanted(PROCESS + 1_000, PROCESS + 2_000, PROCESS)) == Loaded()
    await write(store, *rows.instance(1))


async def test_a_deleted_key_that_no_column_holds_is_refused(store: Store):
    await write(store, *rows.INSTANCE)
    with pytest.raises(ValueRefused, match=r"jobs\.key"):
        await write(store, deleted=[rows.job, replace(rows.job, key=2**64)])
    await store.open()
    assert (await load(store, wanted(PROCESS))).instances[PROCESS][Job] == [rows.job]


async def test_a_key_counter_beyond_64_bits_is_refused(store: Store):
    with pytest.raises(ValueRefused, match=r"partition\.next_key"):
        await write(store, next_key=2**63)
    assert (await store.open()).next_key == BASE + 1


# --- calls


async def test_calls_are_made_in_order_although_nobody_waits_between_them(store: Store):
    last = [replace(rows.variable, value=str(number)) for number in range(50)]
    first = store.write(changes(rows.process), None)
    writing = [store.write(changes(row), wanted(PROCESS)) for row in last]
    await first
    for row, written in zip(last, await asyncio.gather(*writing), strict=True):
        assert written.loaded is not None
        assert written.loaded.instances[PROCESS][Variable] == [row]


async def test_a_write_that_nobody_waits_for_any_longer_is_made_all_the_same(store: Store):
    writing = asyncio.ensure_future(store.write(changes(*rows.INSTANCE), None))
    writing.cancel()
    assert list((await load(store, wanted(PROCESS))).instances) == [PROCESS]


async def test_closing_waits_for_a_write(store: Store):
    writing = asyncio.ensure_future(store.write(changes(*rows.INSTANCE, next_key=BASE + 9), None))
    await store.close()
    assert writing.done()
    await writing
    assert (await store.open()).next_key == BASE + 9


async def test_a_store_is_closed_twice_and_opened_again(store: Store):
    await write(store, *rows.INSTANCE)
    await store.close()
    await asyncio.gather(store.close(), store.close())
    opening, again = store.open(), store.open()
    assert await opening == await again
    assert list((await load(store, wanted(PROCESS))).instances) == [PROCESS]


async def test_closing_and_opening_at_once_leaves_the_store_open(store: Store):
    closing, opening = store.close(), store.open()
    await asyncio.gather(closing, opening)
    await write(store, *rows.INSTANCE)


async def test_a_closed_store_is_refused_until_it_is_opened(store: Store):
    await store.close()
    with pytest.raises(StoreFailed):
        await write(store, *rows.INSTANCE)
    with pytest.raises(StoreFailed):
        await load(store, wanted(PROCESS))
    await store.open()
    await write(store, *rows.INSTANCE)


async def test_an_empty_batch_saves_the_key_counter(store: Store):
    await store.write(Changes(next_key=BASE + 300), None)
    assert (await store.open()).next_key == BASE + 300
