"""Suspended process instances: nothing happens to them until they are resumed (contract-8.10.md, section 2)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from osmia_broker.base.errors import StoreFailed
from osmia_broker.engine import commands, jobs
from osmia_broker.engine.commands.due import ReachDeadlines, TriggerTimer
from osmia_broker.engine.commands.inner import FollowCallers
from osmia_broker.engine.lifecycle import scopes
from osmia_broker.engine.suspension import held_rows, held_slices, suspending
from osmia_broker.engine.suspension.held_rows import CallerSuspended
from osmia_broker.model.graph import ElementType
from osmia_broker.state.rows import (
    ElementInstance,
    FollowUp,
    InstanceOrigin,
    Job,
    JobState,
    Subscription,
    Timer,
    Variable,
)
from tests.clock import FakeClock
from tests.doors import Door
from tests.partition.opened import activate, complete, create, deploy, opened, steps_only

Play = Callable[..., None]
ONE = "deploy start > a:job > b:job > end; create x=1"


@pytest.fixture
def door(alone_door: Door) -> Door:
    return alone_door  # only the engine can suspend; the doors follow with the REST calls


def test_jobs_of_a_suspended_instance_are_not_handed_out_until_it_is_resumed(play: Play):
    play(
        f"{ONE}; suspend; activate a; waits a state=SUSPENDED; resume; activate a; waits a state=ACTIVATED; complete a; at b"
    )


@pytest.mark.parametrize(
    "line",
    [
        "complete a",
        "fail a retries=1",
        "throw a code=E",
        "retries a 5",
        "timeout a 5000",
        "set x=2",
        "modify +b",
        "migrate process a>a",
        "suspend",
    ],
)
def test_commands_on_a_suspended_instance_are_refused(play: Play, line: str):
    play(f"{ONE}; suspend; {line}", refused="FAILED_PRECONDITION")


def test_an_incident_waits_too(play: Play):
    play(f"{ONE}; fail a retries=0; suspend; resolve a", refused="FAILED_PRECONDITION")


def test_a_suspended_instance_can_be_cancelled(play: Play):
    play(f"{ONE}; suspend; cancel; completed")


def test_timers_are_held_and_moved_by_the_time_of_the_suspension(play: Play):
    play(
        "deploy start > t:catch(timer=PT10S) > a:job > end; create; advance 4000; suspend; advance 60000; at t; resume; advance 5999; at t; advance 1; at a"
    )


def test_leases_are_held_too(play: Play):
    play(
        f"{ONE}; activate a timeout=1000; suspend; advance 60000; resume; waits a state=ACTIVATED; advance 1000; waits a state=ACTIVATABLE"
    )


def test_messages_and_signals_pass_it_by(play: Play):
    play("""
        deploy   start > g:events [ m:catch(message=go, key="=x") > a:job > e1:end | s:catch(signal=go) > b:job > e2:end ]
        create   x=1
        suspend
        publish  go key=1
        signal   go
        at       g
        resume
        at       g
        publish  go key=1
        at       a
    """)


def test_a_called_instance_is_suspended_with_its_caller(play: Play):
    play("""
        deploy   child:: start > w:job > end
        deploy   start > c:call(process=child) > a:job > end
        create
        suspend
        instance child
        waits    w state=SUSPENDED
        instance
        resume
        instance child
        complete w
        instance
        at       a
    """)


@pytest.mark.parametrize(
    ("lines", "status"),
    [("resume", "FAILED_PRECONDITION"), ("cancel; suspend", "NOT_FOUND"), ("cancel; resume", "NOT_FOUND")],
)
def test_only_what_runs_is_suspended_and_only_what_is_suspended_is_resumed(play: Play, lines: str, status: str):
    play(f"{ONE}; {lines}", refused=status)


def test_a_message_that_is_kept_meanwhile_arrives_on_resuming(play: Play):
    play("""
        deploy   start > m:catch(message=go, key="=x") > a:job > end
        create   x=1
        suspend
        publish  go key=1 ttl=600000 n=7
        at       m
        advance  500000
        resume
        at       a
        variables x=1 n=7
    """)


def test_a_kept_message_is_no_signal(play: Play):
    play("""
        deploy   start > s:catch(signal=go) > a:job > end
        create
        suspend
        publish  go ttl=600000
        resume
        at       s
    """)


def test_a_message_that_expires_meanwhile_does_not_arrive(play: Play):
    play("""
        deploy   start > m:catch(message=go, key="=x") > a:job > end
        create   x=1
        suspend
        publish  go key=1 ttl=1000
        advance  1000
        resume
        at       m
    """)


def test_a_message_passes_to_the_next_instance_that_is_not_suspended(play: Play):
    play("""
        deploy   start > m:catch(message=go, key="=x") > a:job > end
        create   x=1
        suspend
        create   x=1
        publish  go key=1
        at       a
    """)


def test_a_back_off_is_held(play: Play):
    play(
        f"{ONE}; activate a; fail a retries=1 back_off=1000; suspend; advance 60000; resume; waits a state=FAILED;"
        " advance 999; waits a state=FAILED; advance 1; waits a state=ACTIVATABLE"
    )


def test_a_timer_that_repeats_goes_on_in_its_rhythm(play: Play):
    play("""
        deploy   start > a:job > end & t:boundary(on=a, cycle=R/PT10S, cancel=false) > b:job > f:end
        create
        advance  10000
        at       a b
        advance  4000
        suspend
        advance  100000
        resume
        advance  5999
        at       a b
        advance  1
        at       a b b
        advance  10000
        at       a b b b
    """)


def test_a_called_instance_is_not_resumed_without_its_caller(play: Play):
    play(
        """
        deploy   child:: start > w:job > end
        deploy   start > c:call(process=child) > a:job > end
        create
        suspend
        instance child
        resume
    """,
        refused="FAILED_PRECONDITION",
    )


def test_a_called_instance_is_suspended_alone(play: Play):
    play("""
        deploy   child:: start > w:job > end
        deploy   start > f:parallel [ c:call(process=child) > e1:end | a:job > e2:end ]
        create
        instance child
        suspend
        instance
        complete a
        at       c
        instance child
        waits    w state=SUSPENDED
        resume
        complete w
        completed
    """)


def test_a_suspended_instance_is_cancelled_with_those_that_it_has_called(play: Play):
    play("""
        deploy   child:: start > w:job > end
        deploy   start > c:call(process=child) > a:job > end
        create
        suspend
        cancel
        completed
        instances child 0
    """)


# --- in the middle of something


@pytest.mark.parametrize("memory_bytes", [1, 24 * 1024**2])
async def test_a_long_walk_stops_and_goes_on(memory_bytes: int):
    async with opened(memory_bytes=memory_bytes, budget=steps_only(5)) as it:
        await it.do(deploy('start > m:job(items="=for i in 1..50 return i") > end'))
        key = (await it.do(create())).process_instance_key
        await it.do(commands.SuspendProcessInstance(key))
        await it.advance(60_000)
        waiting = it.store.living(Job)
        assert len(waiting) < 50
        assert {job.state for job in waiting} <= {JobState.SUSPENDED}
        assert await it.do(activate("m")) == []
        await it.do(commands.ResumeProcessInstance(key))
        await it.settled()
        assert len(await it.do(activate("m"))) == 50


async def test_a_lease_that_is_about_to_end_is_held():
    async with opened() as it:
        await it.do(deploy("start > a:job > end"))
        key = (await it.do(create())).process_instance_key
        [job] = await it.do(activate("a", timeout_ms=1_000))
        await it.do(commands.SuspendProcessInstance(key))
        await it.do(ReachDeadlines((job.key,)))  # was on its way before
        await it.do(commands.GiveBackJobs(((job.key, job.deadline_ms),)))
        await it.settled()
        assert not it.partition.state.deadlines.is_due(it.clock.ms)
        [row] = it.store.living(Job)
        assert (row.state, row.deadline_ms) == (JobState.ACTIVATED, -job.deadline_ms)


# --- an instance with many rows


TIMERS = ("timer=PT1S", "timer=PT1M")


@asynccontextmanager
async def many_rows(number: int, element: str = "m:job", **options: Any) -> AsyncIterator[Any]:
    """A partition with one instance that stands at *number* instances of an element."""
    async with opened(budget=steps_only(10), **options) as it:
        kind, _, arguments = element.partition("(")
        items = f'items="=for i in 1..{number} return i", item=i'
        line = f"{kind}({items}{', ' if arguments else ')'}{arguments} > end"
        if element in TIMERS:
            branches = (f"c{place}:catch({element}) > e{place}:end" for place in range(number))
            line = f"f:parallel [ {' | '.join(branches)} ]"
        await it.do(deploy(f"start > {line}"))
        it.key = (await it.do(create())).process_instance_key
        await it.settled()
        it.suspend, it.resume = commands.SuspendProcessInstance(it.key), commands.ResumeProcessInstance(it.key)
        yield it


@pytest.fixture
def _few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_slices, "ROWS_PER_SLICE", 5)
    monkeypatch.setattr(suspending, "ROWS_PER_SLICE", 5)


def job_states(it: Any) -> list[JobState]:
    return [job.state for job in it.store.living(Job)]


@pytest.mark.parametrize("memory_bytes", [1, 24 * 1024**2])
async def test_many_jobs_are_held_and_released_in_slices(memory_bytes: int):
    async with many_rows(1_200, memory_bytes=memory_bytes) as it:
        await it.do(it.suspend)
        assert job_states(it).count(JobState.SUSPENDED) == 500
        await it.settled()
        assert set(job_states(it)) == {JobState.SUSPENDED}
        await it.do(it.resume)
        assert job_states(it).count(JobState.SUSPENDED) == 700
        await it.settled()
        assert set(job_states(it)) == {JobState.ACTIVATABLE}
        assert it.store.living(FollowUp) == []


@pytest.mark.usefixtures("_few_rows")
async def test_no_job_is_handed_out_that_the_slices_have_not_reached():
    async with many_rows(12) as it:
        activated = it.do(it.suspend), it.do(activate("m", max_jobs=12))  # the second comes before any slice
        assert (await asyncio.gather(*activated))[1] == []
        await it.settled()
        assert set(job_states(it)) == {JobState.SUSPENDED}
        await it.do(it.resume)
        await it.settled()
        assert len(await it.do(activate("m", max_jobs=12))) == 12


@pytest.mark.usefixtures("_few_rows")
@pytest.mark.parametrize(("memory_bytes", "part"), [(24 * 1024**2, 5), (1, 5), (1, 500)])
@pytest.mark.parametrize("cancels", [False, True])
async def test_a_poll_passes_many_jobs_over_in_parts(
    monkeypatch: pytest.MonkeyPatch, memory_bytes: int, part: int, cancels: bool
):
    monkeypatch.setattr(jobs, "PASSED_OVER_MAX", part)
    monkeypatch.setattr(scopes, "TERMINATED_AT_ONCE", 5)
    monkeypatch.setattr(scopes, "TERMINATED_PER_SLICE", 1)
    async with many_rows(40, memory_bytes=memory_bytes) as it:
        await it.do(create())
        await it.settled()
        assert len(await it.do(activate("m", max_jobs=1))) == 1  # so the next poll need not read which jobs there are
        order: list[str] = []

        async def answer(name: str, command: commands.Command) -> Any:
            answered = await it.do(command)
            order.append(name)
            return answered

        ends = commands.CancelProcessInstance(it.key)
        poll = answer("poll", activate("m", max_jobs=1))
        _, found, _ = await asyncio.gather(
            answer("end", ends if cancels else it.suspend), poll, answer("other", create())
        )
        assert order[-1] == "poll" or memory_bytes == 1  # others were served meanwhile
        assert [job.process_instance_key > it.key for job in found] == [True]
        await it.settled()
        if cancels:
            return
        await it.do(it.resume)
        await it.settled()
        assert len(await it.do(activate("m"))) == 118


@pytest.mark.usefixtures("_few_rows")
async def test_a_stream_gets_no_job_that_the_slices_have_not_reached():
    async with many_rows(12) as it:
        keys = tuple(job.key for job in it.store.living(Job))
        pushed = commands.ActivateJobs("m", "w", 1_000, 12, keys=keys)
        assert (await asyncio.gather(it.do(it.suspend), it.do(pushed)))[1] == []


@pytest.mark.usefixtures("_few_rows")
async def test_a_lease_and_a_timer_that_end_before_the_slices_reach_them_are_held():
    async with many_rows(12) as it:
        jobs = await it.do(activate("m", max_jobs=12, timeout_ms=1_000))
        it.clock.ms += 1_000
        late = ReachDeadlines(tuple(job.key for job in jobs))
        await asyncio.gather(it.do(it.suspend), it.do(late))
        await it.settled()
        assert {(job.state, job.deadline_ms) for job in it.store.living(Job)} == {(JobState.ACTIVATED, -it.clock.ms)}
    async with many_rows(12, TIMERS[0]) as it:
        [*_, last] = it.store.living(Timer)
        it.clock.ms += 1_000
        await asyncio.gather(it.do(it.suspend), it.do(TriggerTimer(last.key)))
        await it.settled()
        assert len(it.store.living(Timer)) == 12


@pytest.mark.usefixtures("_few_rows")
async def test_timers_are_moved_by_each_suspension_while_slices_are_on_their_way():
    async with many_rows(12, TIMERS[1]) as it:
        due_ms = it.clock.ms + 60_000
        await it.do(it.suspend)
        it.clock.ms += 10_000
        await it.do(it.resume)
        await it.do(it.suspend)
        it.clock.ms += 5_000
        await asyncio.gather(it.do(it.resume), it.do(it.suspend), it.do(it.resume))
        await it.settled()
        assert {timer.due_ms for timer in it.store.living(Timer)} == {due_ms + 15_000}
        await it.advance(59_999)
        assert len(it.store.living(Timer)) == 12
        await it.advance(1)
        assert it.store.living(ElementInstance) == []


@pytest.mark.usefixtures("_few_rows")
async def test_a_failure_between_the_slices_loses_none():
    async with many_rows(12) as it:
        await it.do(it.suspend)
        assert job_states(it).count(JobState.SUSPENDED) == 5
        it.store.fails = StoreFailed("Expected a disk, but found none")
        await it.wait_open()
        await it.settled()
        assert it.heard.opened == 2
        assert set(job_states(it)) == {JobState.SUSPENDED}


@pytest.mark.usefixtures("_few_rows")
async def test_what_a_worker_set_after_the_resumption_stays():
    async with many_rows(12) as it:
        jobs = await it.do(activate("m", max_jobs=12, timeout_ms=60_000))
        held = it.clock.ms + 60_000
        await it.do(it.suspend)
        await it.settled()
        it.clock.ms += 5_000
        resumed = it.do(it.resume)
        failed = it.do(commands.FailJob(jobs[-1].key, 1, "", 7_000, {}))
        await asyncio.gather(resumed, failed)
        await it.settled()
        *others, last = [job.deadline_ms for job in it.store.living(Job)]
        assert (set(others), last) == ({held + 5_000}, it.clock.ms + 7_000)


@pytest.mark.usefixtures("_few_rows")
async def test_kept_messages_arrive_in_slices():
    async with many_rows(12, 'r:receive(message=go, key="=i")') as it:
        await it.do(it.suspend)
        for number in range(1, 13):
            await it.do(commands.PublishMessage("go", str(number), 600_000, "", {}))
        assert len(it.store.living(Subscription)) == 12
        await it.do(it.resume)
        await it.settled()
        # One message reaches the instance at a time, as without a suspension: the process has one living instance.
        assert it.store.living(Subscription) == []


@pytest.mark.usefixtures("_few_rows")
async def test_a_kept_message_arrives_before_one_that_is_published_while_slices_are_on_their_way():
    async with opened(budget=steps_only(10)) as it:
        jobs = 'm:job(items="=for i in 1..12 return i", item=i)'
        await it.do(deploy(f'start > f:parallel [ c:catch(message=go, key="=7") > e1:end | {jobs} > e2:end ]'))
        key = (await it.do(create())).process_instance_key
        await it.settled()
        await it.do(commands.SuspendProcessInstance(key))
        await it.settled()
        await it.do(commands.PublishMessage("go", "7", 600_000, "", {"which": '"kept"'}))
        resumed = it.do(commands.ResumeProcessInstance(key))
        await asyncio.gather(resumed, it.do(commands.PublishMessage("go", "7", 600_000, "", {"which": '"new"'})))
        await it.settled()
        assert [row.value for row in it.store.living(Variable) if row.name == "which"] == ['"kept"']


@pytest.mark.usefixtures("_few_rows")
@pytest.mark.parametrize("when", ["while it is held", "afterwards"])
async def test_a_suspended_instance_with_many_rows_is_cancelled(when: str):
    async with many_rows(1_200) as it:
        suspended = it.do(it.suspend)
        if when == "afterwards":
            await it.settled()
        await asyncio.gather(suspended, it.do(commands.CancelProcessInstance(it.key)))
        await it.settled()
        assert it.store.living(Job) == []
        assert it.store.living(FollowUp) == []


# --- a large tree of calls


@pytest.fixture
def _small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slice is small enough that one command reaches some of the instances, and a called instance can end in one turn."""
    monkeypatch.setattr(held_rows, "CALLED_PER_SLICE", 5)


@asynccontextmanager
async def calling(number: int, child: str, around: str = "", steps: int = 10, **options: Any) -> AsyncIterator[Any]:
    """A partition with one instance that has called *number* others. A turn has so many *steps*."""
    async with opened(budget=steps_only(steps), **options) as it:
        await it.do(deploy(child, id="child"))
        await it.do(deploy(f'start > c:call(process=child, items="=for i in 1..{number} return i") > end{around}'))
        it.key = (await it.do(create())).process_instance_key
        await it.settled()
        yield it


def states(it: Any) -> list[bool]:
    """Whether each instance with an origin is suspended. The outermost is the last: its origin came with its suspension."""
    return [origin.suspended_ms != 0 for origin in it.store.living(InstanceOrigin)]


def slices(it: Any) -> list[int]:
    """How many instances each slice has that is still to come."""
    rows = it.store.living(FollowUp)
    return [len(msgspec.json.decode(row.content, type=FollowCallers).called_process_instance_keys) for row in rows]


@pytest.mark.parametrize(("memory_bytes", "left"), [(1, [100, 100, 100, 50]), (24 * 1024**2, [100, 100, 50])])
async def test_a_large_tree_is_suspended_and_resumed_in_slices(memory_bytes: int, left: list[int]):
    async with calling(350, "start > w:job > end", steps=1, memory_bytes=memory_bytes) as it:
        await it.do(commands.SuspendProcessInstance(it.key))
        assert slices(it) == left  # those in memory begin with the command itself
        assert sum(states(it)) == 351 - sum(left)
        await it.settled()
        assert states(it) == [True] * 351
        assert {job.state for job in it.store.living(Job)} == {JobState.SUSPENDED}
        await it.do(commands.ResumeProcessInstance(it.key))
        assert slices(it) == left
        assert sum(states(it)) == sum(left)
        await it.settled()
        assert not any(states(it))
        assert len(await it.do(activate("w"))) == 350


@pytest.mark.usefixtures("_small_slices")
async def test_the_last_command_counts_while_others_are_on_their_way():
    async with calling(100, "start > w:job > end") as it:
        suspend, resume = commands.SuspendProcessInstance(it.key), commands.ResumeProcessInstance(it.key)
        await asyncio.gather(it.do(suspend), it.do(resume), it.do(suspend))
        await it.settled()
        assert states(it) == [True] * 101
        await asyncio.gather(it.do(resume), it.do(suspend), it.do(resume))
        await it.settled()
        assert not any(states(it))


def last_job(it: Any) -> Job:
    """The job of the called instance that is reached last."""
    return max(it.store.living(Job), key=lambda job: job.process_instance_key)


class RunningClock(FakeClock):
    """Each command has a later time."""

    def now_ms(self) -> int:
        self.ms += 1
        return self.ms


@pytest.mark.usefixtures("_small_slices")
async def test_what_was_suspended_alone_after_the_order_stays_so():
    async with calling(100, "start > w:job > end") as it:
        suspend, resume = commands.SuspendProcessInstance(it.key), commands.ResumeProcessInstance(it.key)
        alone = commands.SuspendProcessInstance(last_job(it).process_instance_key)
        it.clock.__class__ = RunningClock
        await asyncio.gather(it.do(suspend), it.do(resume), it.do(alone))
        await it.settled()
        assert states(it) == [False] * 99 + [True, False]


@pytest.mark.usefixtures("_small_slices")
@pytest.mark.parametrize("back_ms", [3_600_000, 50])
async def test_a_clock_that_goes_back_leaves_no_called_instance_suspended(back_ms: int):
    """If it goes back by little, it passes the time of the suspension again while the slices follow."""
    async with calling(100, "start > w:job > end") as it:
        it.clock.__class__ = RunningClock
        await it.do(commands.SuspendProcessInstance(it.key))
        await it.settled()
        it.clock.ms -= back_ms
        await it.do(commands.ResumeProcessInstance(it.key))
        it.clock.ms += 10
        await it.settled()
        assert not any(states(it))


@pytest.mark.usefixtures("_small_slices")
async def test_a_called_instance_that_ends_before_it_is_reached_returns_when_its_caller_is_resumed():
    async with calling(100, "start > w:job > end") as it:
        await asyncio.gather(it.do(commands.SuspendProcessInstance(it.key)), it.do(complete(last_job(it))))
        await it.settled()
        calls = [one for one in it.store.living(ElementInstance) if one.type == ElementType.CALL_ACTIVITY]
        assert len(calls) == 100  # its call activity waits too
        await it.do(commands.ResumeProcessInstance(it.key))
        await it.settled()
        calls = [one for one in it.store.living(ElementInstance) if one.type == ElementType.CALL_ACTIVITY]
        assert len(calls) == 99


@pytest.mark.usefixtures("_small_slices")
async def test_an_error_that_a_suspended_caller_would_catch_is_refused():
    around = " & b:boundary(on=c, error=E) > late:job > e2:end"
    async with calling(100, "start > w:job > end", around) as it:
        suspended = it.do(commands.SuspendProcessInstance(it.key))
        with pytest.raises(CallerSuspended):
            await asyncio.gather(suspended, it.do(commands.ThrowError(last_job(it).key, "E", "", {})))
        await it.settled()
        await it.do(commands.ResumeProcessInstance(it.key))
        await it.settled()
        await it.do(commands.ThrowError(last_job(it).key, "E", "", {}))
        await it.settled()
        assert [job.element_id for job in it.store.living(Job)] == ["late"]


@pytest.mark.usefixtures("_small_slices")
async def test_an_escalation_to_a_suspended_caller_is_thrown_when_it_is_resumed():
    around = " & b:boundary(on=c, escalation=U, cancel=false) > late:job > e2:end"
    async with calling(100, "start > w:job > up:throw(escalation=U) > v:job > end", around) as it:
        await asyncio.gather(it.do(commands.SuspendProcessInstance(it.key)), it.do(complete(last_job(it))))
        await it.settled()
        await it.advance(60_000)
        assert {job.element_id for job in it.store.living(Job)} == {"w"}
        await it.do(commands.ResumeProcessInstance(it.key))
        await it.settled()
        await it.advance(1_000)
        assert sorted(job.element_id for job in it.store.living(Job) if job.element_id != "w") == ["late", "v"]


@pytest.mark.usefixtures("_small_slices")
async def test_a_large_tree_that_is_suspended_is_cancelled():
    async with calling(100, "start > w:job > end") as it:
        suspended = it.do(commands.SuspendProcessInstance(it.key))
        await asyncio.gather(suspended, it.do(commands.CancelProcessInstance(it.key)))
        await it.settled()
        assert it.store.living(ElementInstance) == []
        assert it.store.living(FollowUp) == []
