"""Suspended process instances: nothing happens to them until they are resumed (contract-8.10.md, section 2)."""

from collections.abc import Callable

import pytest

from osmia_broker.engine import commands, due_commands
from osmia_broker.state.rows import Job, JobState
from tests.doors import Door
from tests.partition.opened import activate, create, deploy, opened, steps_only

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


def test_cancelling_works(play: Play):
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
        await it.do(due_commands.ReachDeadlines((job.key,)))  # was on its way before
        await it.do(commands.GiveBackJobs(((job.key, job.deadline_ms),)))
        await it.settled()
        assert not it.partition.state.deadlines.is_due(it.clock.ms)
        [row] = it.store.living(Job)
        assert (row.state, row.deadline_ms) == (JobState.ACTIVATED, -job.deadline_ms)
