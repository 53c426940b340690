"""Long walks go on in slices, others are served in between, and no bound loses a token."""

import asyncio
from typing import Any

import pytest

from osmia_broker.base.errors import StoreFailed
from osmia_broker.engine import Budget, commands
from osmia_broker.engine.commands.due import CarryOut
from osmia_broker.engine.commands.inner import ContinueWalk
from osmia_broker.engine.lifecycle import steps
from osmia_broker.engine.slow import FAST_TURNS
from osmia_broker.state.rows import ElementInstance, FollowUp, Incident, InstanceOrigin, Job
from tests.partition.opened import WatchedStore, activate, complete, create, deploy, opened, steps_only

SMALL = steps_only(7)
LOOP = 'start > again:exclusive > turn:script(expression="=1", result=r) > choice:exclusive [n > 0 -> again | else -> ask:job > end]'


def fan(width: int) -> str:
    """A fork of plain tasks that each lead to a job."""
    branches = [f"p{n}:task > j{n}:job(type=ask) > join{'' if n else ':parallel'}" for n in range(width)]
    return f"start > fork:parallel [{' | '.join(branches)}] > end"


@pytest.mark.parametrize("steps_max", [1, 2, 7, 100])
async def test_a_wide_fork_comes_to_its_jobs_in_slices(steps_max: int):
    async with opened(budget=steps_only(steps_max)) as it:
        await it.do(deploy(fan(60)))
        await it.do(create())
        await it.settled()
        jobs = await it.do(activate())
        assert len(jobs) == 60
        assert it.store.living(FollowUp) == []
        for job in jobs:
            await it.do(complete(job))
        await it.settled()
        assert it.counters.process_instances["process", "completed"] == 1


@pytest.mark.parametrize("failing", range(1, 12))
async def test_a_walk_survives_a_failed_commit_at_any_slice(failing: int):
    async with opened(budget=steps_only(20)) as it:
        await it.do(deploy(fan(30)))
        await it.do(create())
        for _ in range(failing):
            await it.turns(2)
        it.store.fails = StoreFailed("gone")
        await it.settled()
        it.store.fails = None  # the walk may have ended before
        assert len(await it.do(activate())) == 30


async def test_a_walk_goes_on_after_a_restart():
    store = WatchedStore()
    async with opened(store, budget=SMALL) as it:
        await it.do(deploy(fan(60)))
        await it.do(create())
        assert store.living(FollowUp) != []
    async with opened(store, budget=SMALL) as it:
        await it.settled()
        assert len(await it.do(activate())) == 60


async def test_others_are_served_while_a_walk_goes_on():
    async with opened(budget=SMALL) as it:
        await it.do(deploy(LOOP, id="loop"))
        await it.do(deploy("start > ask:job(type=honest) > end", id="honest"))
        endless = await it.do(create("loop", n="1"))
        for _ in range(20):
            await it.do(create("honest"))
        assert len(await it.do(activate("honest"))) == 20
        await it.do(commands.CancelProcessInstance(endless.process_instance_key))
        await it.settled()
        assert it.store.living(FollowUp) == []


async def test_a_walk_without_an_end_stops_at_an_incident_and_loses_no_token():
    async with opened(budget=steps_only(50, path_steps_max=200)) as it:
        await it.do(deploy(LOOP))
        instance = (await it.do(create(n="1"))).process_instance_key
        await it.settled()
        (incident,) = it.store.living(Incident)
        assert "Expected a wait state within" in incident.message
        await it.do(commands.SetVariables(instance, {"n": "0"}, False))
        await it.do(commands.ResolveIncident(incident.key))
        await it.settled()
        (job,) = await it.do(activate())
        await it.do(complete(job))
        assert it.counters.process_instances["process", "completed"] == 1


async def test_the_bound_on_one_path_lets_the_others_go_on():
    async with opened(budget=steps_only(30, path_steps_max=100)) as it:
        await it.do(
            deploy(
                'start > fork:parallel [again:exclusive > turn:script(expression="=1", result=r) > again | a:task > b:job(type=ask) > end]'
            )
        )
        await it.do(create())
        await it.settled()
        assert len(it.store.living(Incident)) == 1
        assert len(await it.do(activate())) == 1


async def test_a_walk_that_grows_in_breadth_stops_at_one_incident_and_can_go_on():
    async with opened(budget=steps_only(50, walk_steps_max=300)) as it:
        await it.do(
            deploy(
                'start > again:exclusive > turn:script(expression="=1", result=r) > fork:parallel [a:task > again | b:task > again | c:job(type=ask) > end]'
            )
        )
        instance = (await it.do(create())).process_instance_key
        await it.settled()
        (incident,) = it.store.living(Incident)
        assert incident.element_instance_key == instance
        before = len(it.store.living(Job))
        waiting = sum(len(row.content) for row in it.store.living(FollowUp))
        assert before > 0
        assert waiting > 0, "the tokens that are left wait in follow-ups"
        await it.do(commands.ResolveIncident(incident.key))
        await it.settled()
        assert len(it.store.living(Job)) > before
        assert len(it.store.living(Incident)) == 1
        await it.do(commands.CancelProcessInstance(instance))
        assert (it.store.living(FollowUp), it.store.living(ElementInstance), it.store.living(Job)) == ([], [], [])


async def test_a_follow_up_is_carried_out_once():
    async with opened(budget=SMALL) as it:
        await it.do(deploy(fan(5)))
        it.store.may_write.clear()
        creation = it.do(create())
        await it.turns()
        it.store.may_write.set()
        await creation
        keys = [row.key for row in it.store.rows(FollowUp)]
        await it.settled()
        jobs = len(it.store.living(Job))
        for key in keys:
            await it.do(CarryOut(key))
        await it.settled()
        assert len(it.store.living(Job)) == jobs == 5


async def test_a_follow_up_that_cannot_be_carried_out_waits_at_an_incident(monkeypatch: pytest.MonkeyPatch):
    async with opened(budget=SMALL) as it:
        await it.do(deploy(fan(5)))
        with monkeypatch.context() as patched:
            patched.setitem(carried_out(), "ContinueWalk", (ContinueWalk, lambda *_: 1 // 0))
            await it.do(create())
            await it.settled()
        (incident,) = it.store.living(Incident)
        assert "Expected due work to be done" in incident.message
        await it.do(commands.ResolveIncident(incident.key))
        await it.settled()
        assert len(await it.do(activate())) == 5


def carried_out() -> dict:
    from osmia_broker.engine.follow_ups import FOLLOW_UPS

    return FOLLOW_UPS


async def test_slow_steps_leave_room_for_others():
    """Steps that use their turn up are followed by as much time for others."""
    ticks = iter(range(10_000_000))
    slow = Budget(1_000, seconds=1, time=lambda: next(ticks), cpu=lambda: next(ticks))
    async with opened(budget=slow) as it:
        await it.do(deploy(LOOP))
        await it.do(deploy("start > ask:job(type=honest) > end", id="honest"))
        await it.do(create(n="1"))
        for _ in range(10):
            await asyncio.gather(it.do(create("honest")), it.do(activate("honest")))
        assert it.counters.process_instances["honest", "created"] == 10


async def test_a_join_of_many_flows_ends_with_the_last():
    async with opened() as it:
        await it.do(deploy(fan(300)))
        await it.do(create())
        await it.settled()
        await asyncio.gather(*[it.do(complete(job)) for job in await it.do(activate())])
        await it.settled()
        assert it.counters.process_instances["process", "completed"] == 1
        assert it.partition.state.tokens._joins == {}


class EarlyTimers:
    """An event loop whose timers fire at once, as uvloop's may fire before their time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def call_later(self, _pause_s: float, *call: Any) -> asyncio.Handle:
        return self._loop.call_soon(*call)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


async def test_due_work_goes_on_after_a_rest_whose_timer_fires_early(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("osmia_broker.partition.due_work.WORK_S", 0.0)  # so that each command is followed by a rest
    async with opened() as it:
        await it.do(deploy("start > ask:job > end"))
        await asyncio.gather(*(it.do(create()) for _ in range(180)))
        assert len(await it.do(activate(timeout_ms=10))) == 180
        it.partition._committing.due._loop = EarlyTimers()
        it.clock.ms += 10
        it.partition.check_clock()
        await it.turns(2_000)
        assert it.partition.is_at_rest, "ended leases wait although nothing wakes the partition up"
        assert len(await it.do(activate())) == 180


async def test_a_clock_that_is_set_back_between_look_and_command_loses_no_lease():
    async with opened() as it:
        await it.do(deploy("start > ask:job > end"))
        await it.do(create())
        await it.do(activate(timeout_ms=1_000))
        it.clock.ms += 1_000
        load = it.store._load

        def set_back(wanted: Any) -> Any:
            loaded = load(wanted)
            it.clock.ms -= 500 if wanted.due else 0
            return loaded

        it.store._load = set_back
        it.partition.check_clock()
        await it.settled()
        it.store._load = load
        await it.advance(100_000)
        assert len(await it.do(activate())) == 1


async def test_a_process_with_slow_steps_goes_on_as_due_work_from_its_second_instance():
    """Its callers are paced as other due work is: the answer comes at once, the steps follow."""
    ticks = iter(range(10_000_000))
    slow = Budget(1_000, seconds=1_000, time=lambda: next(ticks), cpu=lambda: next(ticks))
    async with opened(budget=slow) as it:
        await it.do(deploy("start > ask:job > end"))
        await it.do(create())
        assert [job.element_id for job in it.store.living(Job)] == ["ask"]
        await it.do(create())
        assert len(it.store.living(Job)) == 1
        await it.settled()
        assert len(it.store.living(Job)) == 2


async def test_a_step_that_waits_for_a_processor_is_not_slow():
    ticks = iter(range(10_000_000))
    async with opened(budget=Budget(1_000, seconds=1_000_000, time=lambda: next(ticks), cpu=lambda: 0.0)) as it:
        await it.do(deploy("start > ask:job > end"))
        await it.do(create())
        await it.do(create())
        assert len(it.store.living(Job)) == 2, "the walk of the second one has not been put off"


def test_walks_that_follow_each_other_share_a_reading_of_the_processors_time():
    """To ask for it is a call of the system, at which a busy machine may give the processor to others."""
    moment, asked = 0.0, []

    def cpu() -> float:
        asked.append(moment)
        return moment

    budget = Budget(time=lambda: moment, cpu=cpu)
    for moment in (0.0, 0.001, 0.005, 0.006, 0.010, 0.100):  # noqa: B007 - both clocks read it
        budget.begin()
    assert asked == [0.0, 0.006, 0.100]
    moment += 0.07
    budget.step_ends()
    assert budget.was_slow


async def test_a_process_whose_steps_are_fast_again_is_no_longer_deferred():
    step = [1.0]
    now = [0.0]

    def time() -> float:
        now[0] += step[0]
        return now[0]

    async with opened(budget=Budget(1_000, seconds=1_000, time=time, cpu=time)) as it:
        await it.do(deploy("start > ask:job > end"))
        await it.do(create())
        step[0] = 0.0
        for _ in range(FAST_TURNS):
            await it.do(create())
            await it.settled()
        before = len(it.store.living(Job))
        await it.do(create())
        assert len(it.store.living(Job)) == before + 1


async def test_a_loop_through_a_fork_stops_at_the_bound_on_all_its_steps():
    """Each follow-up of a walk that has forked counts the steps of all, not only of its own line of descent."""
    forked = 'start > again:exclusive > fork:parallel [ a:script(expression="=1", result=r) > again | b:script(expression="=1", result=r) > again ]'
    async with opened(budget=steps_only(50, path_steps_max=50)) as it:
        await it.do(deploy(forked))
        await it.do(create())
        await it.settled()
        [incident] = it.store.living(Incident)
        assert "within 500 steps" in incident.message
        assert len(it.store.rows(ElementInstance)) < 1_000


TWICE = "start > fork:parallel [a:call(process=process) > end | b:call(process=process) > end2:end]"


async def test_follow_ups_whose_instances_are_loaded_do_not_come_back_all_at_once(monkeypatch: pytest.MonkeyPatch):
    """A process that calls itself twice grows in breadth. Each of its commits leaves room for others, in memory or not."""
    monkeypatch.setattr("osmia_broker.engine.elements.calls.CALL_DEPTH_MAX", 6)
    monkeypatch.setattr("osmia_broker.partition.due_work.WALKS_S", 0.0)  # the first one uses it up
    async with opened(budget=steps_only(5), memory_bytes=1) as it:
        await it.do(deploy(TWICE))
        before, most = 0, 0
        write = it.store.write

        async def counted(*asked: Any) -> Any:
            nonlocal before, most
            now = it.counters.commands.get(("CarryOut", "accepted"), 0)
            before, most = now, max(most, now - before)
            return await write(*asked)

        it.store.write = counted  # type: ignore[method-assign]
        await it.do(create())
        await it.settled()
        assert before > 120
        assert most <= 10
        assert len(it.store.living(Incident)) == 2**7


async def test_calls_that_grow_in_breadth_stop_at_incidents_and_can_go_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("osmia_broker.engine.elements.calls.CALLED_MAX", 60)
    async with opened(budget=steps_only(7)) as it:
        await it.do(deploy(TWICE))
        root = (await it.do(create())).process_instance_key
        await it.settled()
        incidents = it.store.living(Incident)
        assert {incident.message for incident in incidents} == {
            f"Expected at most 60 called instances below process instance '{root}', but found that 'process' would be one more"
        }
        assert len(it.store.living(InstanceOrigin)) == 60
        assert len(incidents) == 2 + 60, "one for each call that is over the bound"
        monkeypatch.setattr("osmia_broker.engine.elements.calls.CALLED_MAX", 61)
        await it.do(commands.ResolveIncident(incidents[0].key))
        await it.settled()
        assert len(it.store.living(InstanceOrigin)) == 61
        await it.do(commands.CancelProcessInstance(root))
        await it.settled()
        assert it.store.living(ElementInstance) == []
        assert it.partition.state.call_trees._sizes == {}


async def test_called_instances_that_have_ended_make_room(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("osmia_broker.engine.elements.calls.CALLED_MAX", 3)
    async with opened() as it:
        await it.do(deploy("start > ask:job > end", id="inner"))
        await it.do(
            deploy("start > again:exclusive > call:call(process=inner) > more:exclusive [n > 0 -> again | else -> end]")
        )
        await it.do(create(n="1"))
        for _ in range(10):
            (job,) = await it.do(activate())
            await it.do(complete(job))
            await it.settled()
        assert it.store.living(Incident) == []
        assert it.counters.process_instances["inner", "completed"] == 10


@pytest.mark.parametrize("fork", ["parallel", "inclusive"])
async def test_a_loop_through_a_fork_that_waits_stops_at_one_incident(monkeypatch: pytest.MonkeyPatch, fork: str):
    """Each timer is a wait state, so no bound on a walk holds it. Every token stays, and goes on when there is room again."""
    monkeypatch.setattr(steps, "LIVING_MAX", 40)
    async with opened() as it:
        branch = "true -> again" if fork == "inclusive" else "again"
        branches = " | ".join([branch] * 3)
        await it.do(deploy(f"start > again:exclusive > wait:catch(timer=PT0S) > split:{fork} [{branches}]"))
        instance = await it.do(create())
        await it.settled()
        living = it.store.living(ElementInstance)
        assert 40 <= len(living) <= 3 * 40
        assert {one.element_id for one in living} == {"process", "split"}
        (incident,) = it.store.living(Incident)
        assert incident.element_instance_key == instance.process_instance_key
        assert "at most 40 element instances" in incident.message
        await it.do(commands.ResolveIncident(incident.key))
        await it.settled()
        (again,) = it.store.living(Incident)
        assert again.key != incident.key, "there is still no room"
        assert len(it.store.living(ElementInstance)) == len(living)
        await it.do(commands.CancelProcessInstance(instance.process_instance_key))
        await it.settled()
        assert it.store.living(ElementInstance) == it.store.living(Incident) == []


FORK_LOOP = "start > again:exclusive > wait:catch(timer=PT0S) > split:parallel [again | again | again]"


async def test_forks_that_wait_for_room_go_on_when_there_is_some(monkeypatch: pytest.MonkeyPatch):
    async with opened() as it:
        monkeypatch.setattr(steps, "LIVING_MAX", 20)
        await it.do(deploy(FORK_LOOP))
        await it.do(create())
        await it.settled()
        (incident,) = it.store.living(Incident)
        before = len(it.store.living(ElementInstance))
        monkeypatch.setattr(steps, "LIVING_MAX", 200)
        await it.do(commands.ResolveIncident(incident.key))
        await it.settled()
        assert len(it.store.living(ElementInstance)) > 3 * before, "every token that waited went on"
        assert len(it.store.living(Incident)) == 1


async def test_a_fork_that_waits_for_room_and_is_cancelled_leaves_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(steps, "LIVING_MAX", 20)
    async with opened() as it:
        await it.do(deploy(FORK_LOOP))
        instance = (await it.do(create())).process_instance_key
        await it.settled()
        assert it.store.living(FollowUp)
        await it.do(commands.CancelProcessInstance(instance))
        await it.settled()
        assert it.store.living(FollowUp) == it.store.living(ElementInstance) == it.store.living(Incident) == []
