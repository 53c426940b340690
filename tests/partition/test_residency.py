"""Memory is bounded in bytes, and no bound, however small, loses or hides a job."""

import asyncio

import pytest

from osmia_broker.base.errors import NotFound
from osmia_broker.engine import commands
from osmia_broker.engine.commands.job_flow import PauseJobs
from osmia_broker.partition import pace
from osmia_broker.partition.pace import MANY
from osmia_broker.state import store_protocol
from osmia_broker.state.rows import ElementInstance, Job
from osmia_broker.state.store_protocol import Loaded, Wanted
from tests.partition.opened import ONE_INSTANCE, Opened, WatchedStore, activate, complete, create, deploy, opened

DEPLOY = deploy("start > ask:job > end")
FOUR_AT_A_TIME = (
    "start > fork:parallel [a:job(type=ask) > join:parallel | b:job(type=ask) > join"
    " | c:job(type=ask) > join | d:job(type=ask) > join] > end"
)
BOUNDS = [1, ONE_INSTANCE, 2 * ONE_INSTANCE, 3 * ONE_INSTANCE, 10 * ONE_INSTANCE]


@pytest.mark.parametrize("bound", BOUNDS)
async def test_a_backlog_above_the_bound_is_worked_off_whole(bound: int):
    """Several workers and parallel jobs of one instance: no job is hidden, none is said to be gone."""
    async with opened(memory_bytes=bound) as it:
        await it.do(deploy(FOUR_AT_A_TIME))
        await asyncio.gather(*(it.do(create(n="1")) for _ in range(60)))
        done: set[int] = set()

        async def work() -> None:
            while jobs := await it.do(activate(max_jobs=3)):
                for job in jobs:
                    await it.do(complete(job, n="2"))
                    assert job.key not in done, "a job was handed out twice"
                    done.add(job.key)

        await asyncio.gather(*(work() for _ in range(12)))
        assert len(done) == 240
        assert it.counters.process_instances["process", "completed"] == 60
        await it.settled()
        assert it.partition.resident_instances == 0


@pytest.mark.parametrize("bound", BOUNDS)
async def test_the_bound_holds_between_commands(bound: int):
    async with opened(memory_bytes=bound) as it:
        await it.do(DEPLOY)
        created = [(await it.do(create(n="1"))).process_instance_key for _ in range(40)]
        await it.settled()
        assert it.partition.state.residency.total_bytes <= bound
        jobs = await it.do(activate())
        assert [job.process_instance_key for job in jobs] == created
        for job in jobs:
            await it.do(complete(job))
        await it.settled()
        assert it.partition.state.residency.total_bytes == 0
        with pytest.raises(NotFound):
            await it.do(complete(jobs[0]))


async def test_callers_whose_rows_are_read_first_are_not_waited_for(monkeypatch: pytest.MonkeyPatch):
    """They were not answered, so they cannot call again: the batch that has them closes at once."""
    async with opened(memory_bytes=1) as it:
        await it.do(DEPLOY)
        await asyncio.gather(*(it.do(create()) for _ in range(2 * MANY)))
        jobs = await it.do(activate())
        await it.settled()
        monkeypatch.setattr(pace, "PAUSE_S", 5)
        completed = [asyncio.ensure_future(it.do(complete(job))) for job in jobs]
        await it.turns(300)
        assert len(jobs) == 2 * MANY
        assert all(one.done() for one in completed)


async def test_large_variables_count():
    async with opened(memory_bytes=1_000_000) as it:
        await it.do(DEPLOY)
        large = '"' + "x" * 400_000 + '"'
        for _ in range(10):
            await it.do(create(n=large))
        await it.settled()
        assert it.partition.resident_instances <= 2
        assert it.partition.state.residency.total_bytes <= 1_000_000


@pytest.mark.parametrize("change", ["larger", "smaller", "fails", "gone"])
async def test_the_count_follows_every_change(change: str):
    async with opened() as it:
        await it.do(DEPLOY)
        instance = (await it.do(create(n='"' + "x" * 1_000 + '"'))).process_instance_key
        (job,) = await it.do(activate())
        before = it.partition.state.residency.total_bytes
        if change == "fails":
            await it.do(commands.FailJob(job.key, 3, "m" * 5_000, 0, {}))
            assert it.partition.state.residency.total_bytes == before + 5_000
        elif change == "gone":
            await it.do(commands.CancelProcessInstance(instance))
            assert it.partition.state.residency.total_bytes == 0
        else:
            text = "x" * (3_000 if change == "larger" else 10)
            await it.do(commands.SetVariables(instance, {"n": f'"{text}"'}, False))
            assert it.partition.state.residency.total_bytes == before + len(text) - 1_000


async def test_a_waiting_caller_does_not_keep_instances_in_memory():
    async with opened(memory_bytes=3 * ONE_INSTANCE) as it:
        await it.do(DEPLOY)
        await it.do(create(ticket=1))
        for _ in range(50):
            await it.do(create())
        await it.settled()
        assert it.partition.state.residency.total_bytes <= 3 * ONE_INSTANCE
        for job in await it.do(activate()):
            await it.do(complete(job))
        assert list(it.heard.results) == [1], "the result comes also from an instance that was evicted meanwhile"


async def test_a_cold_instance_is_found_by_each_of_its_keys():
    async with opened(memory_bytes=1) as it:
        await it.do(DEPLOY)
        cold = await it.do(create())
        (job,) = await it.do(activate())
        await it.do(commands.FailJob(job.key, 0, "no", 0, {}))
        await others(it)
        await it.do(commands.SetVariables(job.element_instance_key, {"x": "1"}, True))
        await others(it)
        await it.do(commands.UpdateJobRetries(job.key, 2))
        await others(it)
        await it.do(commands.ResolveIncident(job.key + 1))  # the key given out next
        await others(it)
        await it.do(commands.CancelProcessInstance(cold.process_instance_key))
        with pytest.raises(NotFound):
            await it.do(commands.CancelProcessInstance(cold.process_instance_key))


async def others(it: Opened) -> None:
    for _ in range(3):
        await it.do(create())


async def test_jobs_pushed_to_streams_cost_later_polls_nothing():
    """1,500 jobs were pushed by key and completed; then one poll for one job loads about once, not 1,500 times."""
    async with opened(memory_bytes=10 * ONE_INSTANCE) as it:
        await it.do(DEPLOY)
        await it.do(activate())
        for _ in range(300):
            await asyncio.gather(*(it.do(create()) for _ in range(5)))
            keys, it.heard.activatable = tuple(it.heard.activatable), []
            for job in await it.do(commands.ActivateJobs("ask", "w", 60_000, 5, keys=keys)):
                await it.do(complete(job))
        await it.do(create())
        loads = it.store.loads
        assert len(await it.do(activate(max_jobs=1))) == 1
        assert it.store.loads <= loads + 1


async def test_a_poll_loads_cold_instances_in_bounded_parts():
    async with opened(memory_bytes=1) as it:
        await it.do(DEPLOY)
        await asyncio.gather(*(it.do(create()) for _ in range(950)))
        await it.settled()
        seen: list[int] = []
        load = it.store._load

        def counting(wanted):
            seen.append(len(wanted.rows))
            return load(wanted)

        it.store._load = counting
        assert len(await it.do(activate(max_jobs=900))) == 900
        assert max(seen) <= 1_000
        assert sum(seen) <= 1_000, "rows that are in memory are not read again"


class CountedLoads(WatchedStore):
    """Notes how many process instances each load has brought."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[int] = []

    def _load(self, wanted: Wanted) -> Loaded:
        loaded = super()._load(wanted)
        self.loaded.append(len(loaded.instances))
        return loaded


@pytest.mark.parametrize(
    ("letters", "most", "least"),
    [(1_000_000, 6, 4), (100_000, 60, 40), (10, 200, 100)],
    ids=["1 MB each", "100 kB each", "tiny"],
)
async def test_commands_for_many_cold_instances_load_them_in_parts_of_bounded_size(letters: int, most: int, least: int):
    store = CountedLoads()
    number = 3 * most
    async with opened(store) as it:
        await it.do(DEPLOY)
        keys = [(await it.do(create(n=f'"{"x" * letters}"'))).process_instance_key for _ in range(number)]
    store.is_open = False
    async with opened(store) as it:
        await it.do(commands.CancelProcessInstance(keys.pop()))  # from then on it is known how large they are
        store.loaded.clear()
        await asyncio.gather(*(it.do(commands.CancelProcessInstance(key)) for key in keys))
        assert sum(store.loaded) == number - 1, "each of them once"
        assert least <= max(store.loaded) <= most
        assert it.store.living(ElementInstance) == []


async def test_a_command_that_waits_for_its_turn_to_load_is_not_overtaken_for_ever():
    """Small commands go on arriving; each part of the load takes those that have waited longest."""
    store = CountedLoads()
    async with opened(store) as it:
        await it.do(DEPLOY)
        keys = [(await it.do(create(n=f'"{"x" * 1_000_000}"'))).process_instance_key for _ in range(24)]
    store.is_open = False
    async with opened(store) as it:
        await it.do(commands.CancelProcessInstance(keys.pop()))
        ended: list[int] = []

        async def cancel(key: int) -> None:
            await it.do(commands.CancelProcessInstance(key))
            ended.append(key)

        waiting = [asyncio.ensure_future(cancel(key)) for key in keys]
        while not all(one.done() for one in waiting):
            await it.do(create())
        assert ended == keys


async def test_a_poll_for_jobs_of_large_instances_loads_as_many_as_its_answer_holds():
    store = CountedLoads()
    async with opened(store) as it:
        await it.do(DEPLOY)
        for _ in range(20):
            await it.do(create(n=f'"{"x" * 1_000_000}"'))
    store.is_open = False
    async with opened(store) as it:
        await it.do(activate(max_jobs=1))
        store.loaded.clear()
        assert 3 <= len(await it.do(activate())) <= 5
        assert max(store.loaded) <= 4


async def test_a_large_instance_is_not_read_again_for_every_slice_of_its_work():
    async with opened(memory_bytes=1) as it:
        await it.do(deploy('start > ask:job(items="=for i in 1..5000 return i", item=i) > end'))
        await it.do(create())
        await it.settled()
        assert it.partition.resident_instances == 1
        assert it.store.loads < 35, "50 slices, most of them after it has become large"
        await it.do(create())
        await it.settled()
        assert it.partition.resident_instances == 1, "only the one that was used last stays"


async def test_jobs_without_room_in_the_answer_stay_as_they_are():
    async with opened() as it:
        await it.do(DEPLOY)
        text = '"' + "x" * 1_000_000 + '"'
        for _ in range(10):
            await it.do(create(n=text))
        written = sum(len(rows) for rows in it.store.values.values())
        commits: list[int] = []
        commit = it.store._commit
        it.store._commit = lambda changes: (commits.append(sum(map(len, changes.written.values()))), commit(changes))[1]
        jobs = await it.do(activate(max_jobs=10))
        assert 1 <= len(jobs) < 10
        assert commits == [len(jobs)], "only the activated jobs are written"
        assert sum(len(rows) for rows in it.store.values.values()) == written
        taken = len(jobs)
        while more := await it.do(activate(max_jobs=10)):
            taken += len(more)
        assert taken == 10


async def test_a_poll_of_cold_jobs_compares_none_with_all_others(monkeypatch: pytest.MonkeyPatch):
    """Comparing rows by all their fields, for every pair, took 0.8 s for 1,000 jobs."""
    store = WatchedStore()
    async with opened(store) as it:
        await it.do(DEPLOY)
        await asyncio.gather(*(it.do(create()) for _ in range(300)))
    compared = 0

    def equal(one: Job, other: object) -> bool:
        nonlocal compared
        compared += 1
        return one is other

    async with opened(store) as it:
        monkeypatch.setattr(Job, "__eq__", equal)
        assert len(await it.do(activate(max_jobs=300))) == 300
        assert compared == 0


async def test_a_window_that_is_dropped_before_its_refill_is_read_from_its_beginning(monkeypatch: pytest.MonkeyPatch):
    """Jobs that came back to the window are in the store, before those that it was to be refilled with."""
    monkeypatch.setattr(store_protocol, "WINDOW_JOBS", 2)
    async with opened() as it:
        await it.do(DEPLOY)
        other = await it.do(deploy("start > end", "quiet"))
        for _ in range(5):
            await it.do(create())
        first = await it.do(activate(max_jobs=2))
        it.store.may_write.clear()
        begun = it.do(create("quiet"))
        await it.turns()
        behind = it.do(activate(max_jobs=1))  # waits for the refill
        back = it.do(commands.GiveBackJobs(tuple((job.key, job.deadline_ms) for job in first)))
        paused = it.do(PauseJobs(process_definition_key=other.processes[0].key))
        it.store.may_write.set()
        await asyncio.gather(begun, back, paused)
        found = [job.key for job in [*await behind, *await it.do(activate()), *await it.do(activate())]]
        found += [job.key for job in [*await it.do(activate()), *await it.do(activate())]]
        assert sorted(found) == sorted(job.key for job in it.store.living(Job))
