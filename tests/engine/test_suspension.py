"""Suspended process instances: nothing happens to them until they are resumed (contract-8.10.md, section 2)."""

from collections.abc import Callable

import pytest

from tests.doors import Door

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
