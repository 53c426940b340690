"""Timers and errors of the Activiti dialect, as its engine has them (measured on Activiti 7.1.0.M6). The clock begins on Friday, 2027-01-15, at 8:00."""

import pytest

from tests.activiti import deployed, played
from tests.doors import Door, Refused
from tests.harness import Scenario

HOUR, DAY = 3_600_000, 86_400_000


@pytest.fixture
def door(alone_door: Door) -> Door:
    return alone_door


def reminded(door: Door, timer: str, scenario: str) -> None:
    """A user task with a reminder that does not interrupt it."""
    played(door, f"start > a:user > end & late:boundary(on=a, {timer}, cancel=false) > b:user > end2", scenario)


def test_day_six_of_the_week_is_friday(door: Door):
    reminded(
        door,
        'cycle="0 0 9 ? * 6"',
        f"create; advance {HOUR - 1}; at a; advance 1; at a b; advance {6 * DAY}; at a b; advance {DAY}; at a b b",
    )


def test_so_it_is_in_an_expression(door: Door):
    reminded(door, 'cycle="${c}"', f'create c="0 0 9 ? * 6"; advance {HOUR}; at a b; advance {DAY}; at a b')


@pytest.mark.parametrize(
    "timer",
    [
        "cycle=R/PT1H/2027-01-15T10:30:00",
        "cycle=R5/PT1H/2027-01-15T10:30:00Z",
        "cycle=R/PT1H, until=2027-01-15T10:30:00",
        'cycle=R9/PT1H, until="${e}"',
        'cycle="0 0 * * * ?", until=2027-01-15T10:30:00',
        "cycle=R/PT1H/2027-01-15T13:00:00, until=2027-01-15T10:30:00",
        "cycle=R/PT1H/2027-01-15T10:30:00, until=2027-01-15T13:00:00",
    ],
)
def test_a_cycle_ends_at_its_last_moment(door: Door, timer: str):
    reminded(
        door,
        timer,
        f"create e=2027-01-15T10:30:00; advance {HOUR}; advance {HOUR}; at a b b; advance {9 * HOUR}; at a b b",
    )


def test_one_that_has_ended_never_fires(door: Door):
    reminded(
        door, "cycle=R/PT1H, until=2027-01-15T08:30:00", f"create; advance {9 * HOUR}; at a; complete a; completed"
    )


def test_an_end_that_is_null_is_none(door: Door):
    reminded(door, 'cycle=R2/PT1H, until="${e}"', f"create e=null; advance {9 * HOUR}; at a b b")


@pytest.mark.parametrize("given", ["e=soon", "e=5", ""])
def test_an_end_that_is_no_date_is_an_incident(door: Door, given: str):
    reminded(door, 'cycle=R2/PT1H, until="${e}"', f"create {given}; incident a EXTRACT_VALUE_ERROR")


def test_an_end_that_is_no_date_is_refused(door: Door):
    with pytest.raises(Refused, match="Expected an ISO date or date-time in 'activiti:endDate', but found 'PT2H'"):
        reminded(door, "cycle=R2/PT1H, until=PT2H", "create")


@pytest.mark.parametrize("cycle", ["R3/PT1H", "0 0 9 * * ?"])
def test_a_cycle_of_an_event_that_interrupts_fires_once(door: Door, cycle: str):
    line = f'start > a:user > end & late:boundary(on=a, cycle="{cycle}") > b:user > end2'
    played(door, line, f"create; advance {HOUR}; at b; advance {9 * HOUR}; at b; complete b; completed")


@pytest.mark.parametrize("cycle", ["R3/PT1H", "0 0 9 * * ?"])
def test_so_does_that_of_a_catch_event(door: Door, cycle: str):
    line = f'start > wait:catch(cycle="{cycle}") > b:user > end'
    played(door, line, f"create; at wait; advance {HOUR}; at b; advance {9 * HOUR}; at b")


def test_a_cycle_begins_at_a_local_moment(door: Door):
    reminded(
        door,
        "cycle=R2/2027-01-15T12:00:00/PT1H",
        f"create; advance {4 * HOUR - 1}; at a; advance 1; at a b; advance {HOUR}; at a b b",
    )


def test_an_error_interrupts_whatever_the_model_says(door: Door):
    inside = "in:sub { start > a:user > stop:end(error=E) }"
    line = f"start > {inside} > end & oops:boundary(on=in, error=E, cancel=false) > b:user > end2"
    played(door, line, "create; complete a; at b; complete b; completed")


def test_so_does_that_of_an_event_subprocess(door: Door):
    caught = "help:eventsub { go:start(error=E, interrupting=false) > b:user > end3 }"
    line = f"start > fork:parallel [a:user > stop:end(error=E) | c:user > end] & {caught}"
    played(door, line, "create; complete a; at b help; complete b; completed")


def test_an_error_without_a_code_is_caught_by_those_that_catch_all(door: Door):
    inside = "in:sub { start > a:user > stop:end(error=any) }"
    line = f"start > {inside} > end & oops:boundary(on=in, error=any) > b:user > end2"
    played(door, line, "create; complete a; at b")


def test_others_do_not_catch_it(door: Door):
    inside = "in:sub { start > a:user > stop:end(error=any) }"
    line = f"start > {inside} > end & oops:boundary(on=in, error=E) > b:user > end2"
    played(door, line, "create; complete a; incident stop UNHANDLED_ERROR_EVENT")


def test_a_start_timer_counts_days_as_quartz(door: Door):
    deployed(door, 'start(cycle="0 0 9 ? * 7") > a:user > end')
    door.advance(DAY)
    scenario = Scenario(door)
    scenario.play(f"instances 0; advance {HOUR}; instances 1")
