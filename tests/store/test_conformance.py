"""What every store must do, written against the `Store` protocol: one more backend is one more factory."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from osmia_broker.errors import StoreFailed
from osmia_broker.state.exchange import WINDOW_JOBS, Changes, Store, Wanted
from osmia_broker.state.rows import ElementInstance, ElementState, Job, JobState, Variable
from osmia_broker.store.sqlite import SqliteStore
from tests.store import rows
from tests.store.rows import BASE, INCIDENT, JOB, PROCESS, TASK, changes

FACTORIES: dict[str, Callable[[Path], Store]] = {"sqlite": lambda path: SqliteStore(path / "partition-1.db")}


@pytest.fixture(params=FACTORIES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    store = FACTORIES[request.param](tmp_path)
    store.open()
    yield store
    store.close()


def test_a_new_store_begins_with_the_first_key(store: Store):
    start = store.open()
    assert start.next_key == BASE + 1
    assert (start.processes, start.requirements, start.decisions, start.forms) == ([], [], [], [])


def test_what_was_committed_is_there_after_a_start(store: Store):
    store.commit(changes(*rows.DEPLOYED, *rows.INSTANCE, next_key=BASE + 77))
    start = store.open()
    assert start.next_key == BASE + 77
    assert start.processes == [rows.definition]
    assert (start.requirements, start.decisions, start.forms) == ([rows.requirements], [rows.decision], [rows.form])
    loaded = store.load(Wanted(instances=frozenset({PROCESS}), resources=frozenset({rows.resource.checksum})))
    assert loaded.resources == {rows.resource.checksum: rows.resource.content}
    found = loaded.instances[PROCESS]
    assert sorted(found.elements, key=lambda row: row.key) == [rows.process, rows.task]
    assert (found.tokens, found.jobs, found.variables, found.incidents) == (
        [rows.token],
        [rows.job],
        [rows.variable],
        [rows.incident],
    )
    assert found.jobs[0].state is JobState.ACTIVATABLE
    assert found.elements[0].state is ElementState.ACTIVATED


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(instances=frozenset({PROCESS})),
        Wanted(elements=frozenset({PROCESS})),
        Wanted(elements=frozenset({TASK})),
        Wanted(jobs=frozenset({JOB})),
        Wanted(incidents=frozenset({INCIDENT})),
        Wanted(jobs=frozenset({JOB, 99}), elements=frozenset({TASK, 98}), incidents=frozenset({97})),
    ],
)
def test_an_instance_is_found_whole_by_any_of_its_keys(store: Store, wanted: Wanted):
    store.commit(changes(*rows.INSTANCE, *rows.instance(1)))
    loaded = store.load(wanted)
    assert list(loaded.instances) == [PROCESS]
    assert len(loaded.instances[PROCESS].elements) == 2


@pytest.mark.parametrize("kind", ["instances", "elements", "jobs", "incidents"])
@pytest.mark.parametrize("key", [0, -1, 99, 2**63 - 1, JOB + 5])
def test_keys_that_name_nothing_find_nothing(store: Store, kind: str, key: int):
    store.commit(changes(*rows.INSTANCE))
    assert store.load(Wanted(**{kind: frozenset({key})})).instances == {}


def test_a_row_is_brought_up_to_date(store: Store):
    store.commit(changes(*rows.INSTANCE))
    taken = replace(rows.job, state=JobState.ACTIVATED, worker="w", deadline_ms=50, retries=-1)
    said = replace(rows.variable, value="2")
    store.commit(changes(taken, said))
    found = store.load(Wanted(jobs=frozenset({JOB}))).instances[PROCESS]
    assert (found.jobs, found.variables) == ([taken], [said])


def test_ended_rows_stay_out_of_a_load(store: Store):
    store.commit(changes(*rows.INSTANCE))
    ended = {"ended_ms": 99}
    store.commit(
        changes(
            replace(rows.task, state=ElementState.COMPLETED, **ended),
            replace(rows.job, state=JobState.COMPLETED, **ended),
            replace(rows.incident, **ended),
            replace(rows.token, **ended),
        )
    )
    found = store.load(Wanted(instances=frozenset({PROCESS}))).instances[PROCESS]
    assert (found.elements, found.jobs, found.incidents, found.tokens) == ([rows.process], [], [], [])
    for gone in (
        Wanted(jobs=frozenset({JOB})),
        Wanted(elements=frozenset({TASK})),
        Wanted(incidents=frozenset({INCIDENT})),
    ):
        assert store.load(gone).instances == {}


def test_an_instance_that_is_over_is_not_loaded(store: Store):
    over = replace(rows.process, state=ElementState.COMPLETED, ended_ms=1)
    store.commit(changes(over, rows.variable))
    assert store.load(Wanted(instances=frozenset({PROCESS}))).instances == {}


def test_rows_are_deleted_by_key(store: Store):
    store.commit(changes(*rows.INSTANCE))
    gone = {Variable: [(PROCESS, rows.variable.name)], Job: [(JOB,)]}
    store.commit(Changes(next_key=BASE + 100, deleted=gone))
    found = store.load(Wanted(instances=frozenset({PROCESS}))).instances[PROCESS]
    assert (found.variables, found.jobs) == ([], [])


@pytest.mark.parametrize("number", [0, 1, -1, 2**63 - 1, -(2**63)])
def test_numbers_of_64_bits_survive(store: Store, number: int):
    store.commit(changes(*rows.INSTANCE, replace(rows.job, key=JOB + 1, created_ms=number)))
    found = store.load(Wanted(instances=frozenset({PROCESS}))).instances[PROCESS]
    assert number in {job.created_ms for job in found.jobs}


@pytest.mark.parametrize("count", [1, 2, 3, 63, 64, 65, 130])
def test_batches_of_any_size_are_written_whole(store: Store, count: int):
    store.commit(changes(*(row for number in range(count) for row in rows.instance(number))))
    wanted = frozenset(PROCESS + 1_000 * number for number in range(count))
    assert set(store.load(Wanted(instances=wanted)).instances) == wanted


def test_the_window_gives_activatable_jobs_oldest_first(store: Store):
    store.commit(changes(*(row for number in (3, 1, 2) for row in rows.instance(number))))
    store.commit(
        changes(
            *rows.instance(4, state=JobState.ACTIVATED), *rows.instance(5, type="other"), *rows.instance(6, ended_ms=1)
        )
    )
    first = store.load(Wanted(job_types=frozenset({("type", 0)}))).windows
    assert first == {"type": [JOB + 1_000, JOB + 2_000, JOB + 3_000]}
    rest = store.load(Wanted(job_types=frozenset({("type", JOB + 1_000), ("nothing", 0)}))).windows
    assert rest == {"type": [JOB + 2_000, JOB + 3_000], "nothing": []}


def test_a_window_is_bounded(store: Store):
    store.commit(changes(*(rows.instance(number)[2] for number in range(WINDOW_JOBS + 5))))
    assert len(store.load(Wanted(job_types=frozenset({("type", 0)}))).windows["type"]) == WINDOW_JOBS


def test_deadlines_come_in_order_and_within_their_bounds(store: Store):
    held = [
        rows.instance(number, state=JobState.ACTIVATED, deadline_ms=ms) for number, ms in enumerate((30, 10, 20, 40))
    ]
    store.commit(changes(*(row for one in held for row in one)))
    store.commit(changes(*rows.instance(9, deadline_ms=20, ended_ms=5)))
    due = store.load(Wanted(due_jobs=(10, 30))).due_jobs
    assert due == [(20, JOB + 2_000), (30, JOB)]


def test_a_closed_store_is_refused_until_it_is_opened(store: Store):
    store.close()
    with pytest.raises(StoreFailed):
        store.commit(changes(*rows.INSTANCE))
    with pytest.raises(StoreFailed):
        store.load(Wanted(instances=frozenset({PROCESS})))
    store.open()
    store.commit(changes(*rows.INSTANCE))


def test_an_unknown_resource_is_no_silent_loss(store: Store):
    with pytest.raises(StoreFailed, match="Expected the resource"):
        store.load(Wanted(resources=frozenset({"nothing"})))


def test_an_element_is_an_element(store: Store):
    store.commit(changes(*rows.INSTANCE))
    found = store.load(Wanted(jobs=frozenset({JOB}))).instances[PROCESS]
    assert all(type(row) is ElementInstance for row in found.elements)
