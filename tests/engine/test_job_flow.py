"""Flow control: pauses, limits and fairness, told by counts and by a clock that the test moves."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from osmia_broker.base.errors import InvalidArgument, NotFound
from osmia_broker.calls.jobs.dispatcher import Dispatcher
from osmia_broker.calls.jobs.poll import Poll
from osmia_broker.calls.jobs.stream import JobStream
from osmia_broker.engine import commands
from osmia_broker.engine.answers import ActivatedJob
from osmia_broker.engine.commands import ActivateJobs
from osmia_broker.engine.commands.job_flow import LimitJobs, ListJobFlow, PauseJobs, ResumeJobs
from osmia_broker.state.rows import Job
from tests.partition.opened import Opened, WatchedStore, create, deploy, opened

MODEL = "start > ask:job > end"


async def begin(it: Opened, waiting: int = 0, id: str = "process", **variables: str) -> int:
    """Deploy a process and let so many jobs wait; return the key of its definition."""
    deployed = await it.do(deploy(MODEL, id))
    for _ in range(waiting):
        await it.do(create(id, **variables))
    return int(deployed.processes[0].key)


async def take(it: Opened, max_jobs: int = 1_000, **given: Any) -> list[ActivatedJob]:
    taken: list[ActivatedJob] = await it.do(ActivateJobs("ask", "w", 60_000, max_jobs, **given))
    return taken


async def count(it: Opened, max_jobs: int = 1_000) -> int:
    return len(await take(it, max_jobs))


async def done(it: Opened, jobs: list[ActivatedJob]) -> None:
    for job in jobs:
        await it.do(commands.CompleteJob(job.key, {}))


# --- pause and resume


async def test_a_paused_type_hands_out_nothing_until_it_is_resumed():
    async with opened() as it:
        await begin(it, 3)
        [held] = await take(it, 1)
        await it.do(PauseJobs("ask"))
        assert await take(it) == []
        assert not it.partition.has_activatable("ask")
        await it.do(commands.CompleteJob(held.key, {}))  # who holds a job goes on
        await it.do(create())
        assert await take(it) == []
        await it.do(ResumeJobs("ask"))
        assert await count(it) == 3


async def test_a_paused_definition_holds_back_its_own_jobs_only():
    async with opened() as it:
        paused = await begin(it, 3, "paused")
        await begin(it, 2, "other")
        await it.do(PauseJobs(process_definition_key=paused))
        await it.do(create("paused"))
        assert {job.bpmn_process_id for job in await take(it)} == {"other"}
        assert not it.partition.has_activatable("ask")
        await it.do(ResumeJobs(process_definition_key=paused))
        assert [job.bpmn_process_id for job in await take(it)] == ["paused"] * 4


@pytest.mark.parametrize("of_definition", [False, True])
async def test_a_pause_outlives_a_restart(of_definition: bool):
    store = WatchedStore()
    async with opened(store) as it:
        key = await begin(it, 2)
        subject = {"process_definition_key": key} if of_definition else {"job_type": "ask"}
        await it.do(PauseJobs(**subject))
    async with opened(store) as it:
        assert await take(it) == []
        await it.do(ResumeJobs(**subject))
        assert await count(it) == 2


@pytest.mark.parametrize("of_definition", [False, True])
async def test_who_waits_gets_the_jobs_when_they_are_resumed(of_definition: bool):
    async with opened() as it:
        key = await begin(it)
        subject = {"process_definition_key": key} if of_definition else {"job_type": "ask"}
        dispatcher = Dispatcher(it.partition.parts)
        await it.do(PauseJobs(**subject))
        await it.do(create())
        with JobStream(dispatcher, ActivateJobs("ask", "s", 60_000, 0)) as stream:
            await it.settled()
            await it.do(ResumeJobs(**subject))
            assert (await anext(stream)).worker == "s"


async def test_pausing_twice_and_resuming_what_is_not_paused_change_nothing():
    async with opened() as it:
        await begin(it, 1)
        await it.do(ResumeJobs("ask"))
        await it.do(PauseJobs("ask"))
        it.clock.ms += 5
        await it.do(PauseJobs("ask"))
        [row] = (await it.do(ListJobFlow())).rows
        assert row.paused_ms == it.clock.ms - 5


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (PauseJobs(), InvalidArgument),
        (PauseJobs("ask", 7), InvalidArgument),
        (PauseJobs(process_definition_key=7), NotFound),
        (ResumeJobs(), InvalidArgument),
        (ResumeJobs(process_definition_key=-1), NotFound),
        (LimitJobs(""), InvalidArgument),
        (LimitJobs("ask", held_max=-1), InvalidArgument),
        (LimitJobs("ask", per_second_max=-1), InvalidArgument),
        (LimitJobs("ask", held_per_key_max=-1), InvalidArgument),
        (LimitJobs("ask", fair_by="COLOUR"), InvalidArgument),
    ],
)
async def test_what_is_refused(command: commands.Command, refusal: type[Exception]):
    async with opened() as it:
        with pytest.raises(refusal):
            await it.do(command)
        assert (await it.do(ListJobFlow())).rows == ()


# --- limits


async def test_at_most_so_many_jobs_of_a_type_are_held():
    async with opened() as it:
        await begin(it, 10)
        before = await take(it, 1)  # held before there was a limit
        await it.do(LimitJobs("ask", held_max=3))
        jobs = await take(it)
        assert len(jobs) == 2
        assert await count(it) == 0
        await done(it, before)
        assert await count(it) == 1
        await it.do(commands.FailJob(jobs[0].key, 1, "", 0, {}))
        assert await count(it) == 1
        await it.do(commands.CancelProcessInstance(jobs[1].process_instance_key))
        assert await count(it) == 1
        await it.do(LimitJobs("ask"))
        assert await count(it) == 5


async def test_held_jobs_are_counted_again_after_a_restart():
    store = WatchedStore()
    async with opened(store) as it:
        await begin(it, 5)
        await it.do(LimitJobs("ask", held_max=2))
        held = await take(it)
    async with opened(store) as it:
        assert await count(it) == 0
        await done(it, held[:1])
        assert await count(it) == 1
        answer = await it.do(ListJobFlow())
        assert answer.held == (("ask", "", "w", 2),)


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_held_job_of_a_suspended_instance_takes_no_place(restarts: bool):
    store = WatchedStore()
    async with opened(store) as it:
        await begin(it, 4)
        await it.do(LimitJobs("ask", held_max=2, held_per_key_max=2))
        first, second = await take(it)
        await it.do(commands.SuspendProcessInstance(first.process_instance_key))
        assert (await it.do(ListJobFlow())).held == (("ask", "", "w", 1),)
        assert it.partition.has_activatable("ask")
        if not restarts:
            await resumed_beyond_the_limit(it, first, second)
    if restarts:
        async with opened(store) as it:
            await resumed_beyond_the_limit(it, first, second)


async def resumed_beyond_the_limit(it: Opened, first: ActivatedJob, second: ActivatedJob) -> None:
    [third] = await take(it)
    await it.do(commands.ResumeProcessInstance(first.process_instance_key))
    assert (await it.do(ListJobFlow())).held == (("ask", "", "w", 3),)
    await done(it, [first])
    assert await take(it) == []
    await done(it, [second, third])
    assert await count(it) == 1


async def test_the_end_of_a_suspended_instance_frees_no_place_twice():
    async with opened() as it:
        await begin(it, 4)
        await it.do(LimitJobs("ask", held_max=2))
        first, _ = await take(it)
        await it.do(commands.SuspendProcessInstance(first.process_instance_key))
        await it.do(commands.CancelProcessInstance(first.process_instance_key))
        assert (await it.do(ListJobFlow())).held == (("ask", "", "w", 1),)
        assert await count(it) == 1


async def test_a_lease_that_ends_frees_its_place_for_who_waits():
    async with opened() as it:
        await begin(it, 2)
        await it.do(LimitJobs("ask", held_max=1))
        assert await count(it) == 1
        poll = Poll(Dispatcher(it.partition.parts), ActivateJobs("ask", "p", 60_000, 1), waits=True)
        assert not it.partition.has_activatable("ask")
        waiting = poll.jobs(60)
        got = asyncio.ensure_future(waiting)
        await it.turns()
        assert not got.done()
        await it.advance(60_000)
        assert [job.worker for job in await got] == ["p"]


async def test_at_most_so_many_jobs_are_handed_out_within_any_second():
    async with opened() as it:
        await begin(it, 10)
        await it.do(LimitJobs("ask", per_second_max=3))
        assert await count(it, 2) == 2
        it.clock.ms += 600
        assert await count(it) == 1
        it.clock.ms += 399
        assert await count(it) == 0
        it.clock.ms += 1  # the first two are a second ago
        assert await count(it) == 2
        it.clock.ms += 599
        assert await count(it) == 0
        it.clock.ms += 1
        assert await count(it) == 1


async def test_who_waits_for_a_limit_per_second_gets_a_job_when_the_second_is_over():
    async with opened() as it:
        await begin(it, 5)
        await it.do(LimitJobs("ask", per_second_max=2))
        with JobStream(Dispatcher(it.partition.parts), ActivateJobs("ask", "s", 60_000, 0)) as stream:
            await it.do(create())
            await it.settled()
            assert stream.room() == 30
            for expected in (28, 26):
                await it.advance(1_000)
                await it.settled()
                assert stream.room() == expected


# --- fairness


async def flood(it: Opened, jobs: int, others: int, of_each: int, fair_by: str = "PROCESS") -> None:
    await it.do(LimitJobs("ask", fair_by=fair_by))
    await begin(it, jobs, "flood")
    for number in range(others):
        await begin(it, of_each, f"other{number}")


def by_process(jobs: list[ActivatedJob]) -> Counter[str]:
    return Counter(job.bpmn_process_id for job in jobs)


async def test_a_flood_of_one_process_leaves_the_others_their_share():
    """10,000 jobs of one process come first; of 40 jobs that are handed out then, each of four processes has ten."""
    async with opened(memory_bytes=2**31) as it:
        await flood(it, 10_000, 3, 20)
        assert by_process(await take(it, 40)) == {"flood": 10, "other0": 10, "other1": 10, "other2": 10}
        assert by_process(await take(it, 100)) == {"flood": 70, "other0": 10, "other1": 10, "other2": 10}


async def test_a_key_that_comes_late_has_its_turn_at_once_and_no_more_than_its_share():
    async with opened() as it:
        await flood(it, 100, 1, 100)
        assert by_process(await take(it, 40)) == {"flood": 20, "other0": 20}
        await begin(it, 50, "late")
        assert by_process(await take(it, 30)) == {"flood": 10, "other0": 10, "late": 10}


async def test_the_share_outlives_a_restart():
    store = WatchedStore()
    async with opened(store) as it:
        await flood(it, 60, 2, 10)
    async with opened(store) as it:
        assert by_process(await take(it, 15)) == {"flood": 5, "other0": 5, "other1": 5}


async def test_without_fairness_the_oldest_come_first():
    async with opened() as it:
        await flood(it, 40, 1, 10, "NOTHING")
        assert by_process(await take(it, 30)) == {"flood": 30}


async def test_the_higher_priority_goes_before_the_turn():
    async with opened() as it:
        await flood(it, 10, 1, 10)
        urgent = [row.key for row in it.store.rows(Job) if row.fair_key == "flood"][:4]
        for key in urgent:
            await it.do(commands.UpdateJobPriority(key, 1))
        jobs = await take(it, 10)
        assert [job.key for job in jobs[:4]] == urgent
        assert by_process(jobs) == {"flood": 5, "other0": 5}, "the four turns are counted"


@pytest.mark.parametrize(("fair_by", "expected"), [("BUSINESS_ID", {"a": 5, "b": 5}), ("TENANT", {"a": 10})])
async def test_the_key_may_be_the_business_id_or_the_tenant(fair_by: str, expected: dict[str, int]):
    async with opened() as it:
        await it.do(LimitJobs("ask", fair_by=fair_by))
        await begin(it)
        for business_id in "a" * 30 + "b" * 10:
            await it.do(commands.CreateProcessInstance("process", -1, 0, {}, business_id=business_id))
        assert Counter(job.business_id for job in await take(it, 10)) == expected


async def test_at_most_so_many_jobs_of_a_key_are_held():
    async with opened() as it:
        await it.do(LimitJobs("ask", held_per_key_max=2, fair_by="PROCESS"))
        await begin(it, 10, "a")
        await begin(it, 1, "b")
        jobs = await take(it)
        assert by_process(jobs) == {"a": 2, "b": 1}
        assert not it.partition.has_activatable("ask")
        await done(it, jobs[:1])
        assert by_process(await take(it)) == {"a": 1}


async def test_keys_beyond_those_in_memory_follow(monkeypatch: pytest.MonkeyPatch):
    for module in ("osmia_broker.state.tables.job_flow", "osmia_broker.state.tables.windows", "tests.memory_store"):
        monkeypatch.setattr(f"{module}.LANES_MAX", 3)
    store = WatchedStore()
    async with opened(store) as it:
        await it.do(LimitJobs("ask", fair_by="BUSINESS_ID"))
        await begin(it)
        for number in range(40):
            await it.do(commands.CreateProcessInstance("process", -1, 0, {}, business_id=f"b{number % 10}"))
    async with opened(store) as it:
        seen: Counter[str] = Counter()
        while jobs := await take(it, 3):
            seen.update(job.business_id for job in jobs)
            await done(it, jobs)
        assert seen == {f"b{number}": 4 for number in range(10)}
        assert len(it.partition.state.jobs.windows.turns("ask").taken) < 10, "keys without jobs are forgotten"


async def test_leased_jobs_share_too():
    async with opened() as it:
        await flood(it, 30, 1, 10)
        jobs = await take(it, 10, leases=True)
        assert by_process(jobs) == {"flood": 5, "other0": 5}
        for job in jobs:
            await it.do(commands.FailJob(job.key, 1, "", 0, {}, job.lease_token))
        again = await take(it, 20, leases=True)
        assert by_process(again) == {"flood": 10, "other0": 10}
        assert {job.key for job in jobs} <= {job.key for job in again}, "the oldest of each"


async def test_a_key_that_was_away_makes_up_for_nothing():
    async with opened() as it:
        await flood(it, 3, 1, 100)
        assert by_process(await take(it, 40)) == {"flood": 3, "other0": 37}
        for _ in range(30):
            await it.do(create("flood"))
        assert by_process(await take(it, 20)) == {"flood": 10, "other0": 10}


@pytest.mark.parametrize(
    "control", [PauseJobs("ask", 0), LimitJobs("ask", 1, 0, 0, "NOTHING"), LimitJobs("ask", 0, 1, 0, "NOTHING")]
)
async def test_jobs_that_were_offered_before_their_type_was_controlled_are_not_handed_out_past_it(control: Any):
    async with opened() as it:
        await begin(it, waiting=3)
        keys = tuple(job.key for job in it.store.living(Job))
        await it.do(control)
        assert await take(it, keys=keys) == []
        if isinstance(control, PauseJobs):
            await it.do(ResumeJobs("ask", 0))
        assert await count(it) == (3 if isinstance(control, PauseJobs) else 1)
