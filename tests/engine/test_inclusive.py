"""Inclusive gateways (bpmn-execution.md, section 4)."""

from collections.abc import Callable

import pytest

from bpmn import bpmn
from osmia_broker.model import parse
from osmia_broker.model.upstream import is_reached_from

Play = Callable[..., None]
FORK = "start > i:inclusive [ a = true -> a1:job > j:inclusive | b = true -> b1:job > j | else -> c1:job > j ] > after:job > end"


@pytest.mark.parametrize(
    ("a", "b", "at"),
    [("true", "true", "a1 b1"), ("true", "false", "a1"), ("false", "true", "b1"), ("false", "false", "c1")],
)
def test_every_true_flow_is_taken_or_else_the_default(play: Play, a: str, b: str, at: str):
    play(f"deploy {FORK}; create a={a} b={b}; at {at}")


def test_the_join_waits_for_all_that_can_still_arrive_and_opens_once(play: Play):
    play(f"deploy {FORK}; create a=true b=true; complete a1; at b1; complete b1; at after; complete after; completed")


def test_the_join_does_not_wait_for_what_was_not_taken(play: Play):
    play(f"deploy {FORK}; create a=true b=false; complete a1; at after")


def test_the_join_opens_when_the_other_token_goes_another_way(play: Play):
    play("""
        deploy   start > f:parallel [ a:job > j:inclusive | b:job > x:exclusive [ away = true -> z:job > ez:end | else -> j ] ] > after:job > end
        create   away=true
        complete a
        complete b
        at       after z
    """)


def test_the_join_opens_when_a_boundary_event_takes_the_token_away(play: Play):
    play("""
        deploy   start > f:parallel [ a:job > j:inclusive | b:job > j ] > after:job > end & t:boundary(on=b, timer=PT1S) > z:job > ez:end
        create
        complete a
        at       b
        advance  1000
        at       after z
    """)


LOOP = (
    "start > m:exclusive > f:parallel [ i:inclusive [ a = true -> a1:job > j:inclusive | else -> b1:job > j ] > g:parallel"
    " | {beside} > g ] > again:job > x:exclusive [ more = true -> m | else -> end ]"
)


@pytest.mark.parametrize(("first", "second"), [("a1", "c"), ("c", "a1")])
def test_a_join_in_a_loop_does_not_wait_for_a_token_that_waits_for_it(play: Play, first: str, second: str):
    play(f"""
        deploy   {LOOP.format(beside="c:job")}
        create   a=true more=true
        complete {first}
        complete {second}
        complete again
        at       a1 c
    """)


def test_two_joins_in_a_loop_do_not_wait_for_each_other(play: Play):
    play(f"""
        deploy   {LOOP.format(beside="k:inclusive [ a = true -> c1:job > l:inclusive | else -> d1:job > l ]")}
        create   a=true more=false
        complete a1
        complete c1
        at       again
    """)


def test_a_join_waits_for_a_token_at_another_join_that_can_only_take_an_empty_flow(play: Play):
    play("""
        deploy   start > f:parallel [ a:job > j:inclusive > after:job > end | b:job > g:parallel > d:job > j | c:job > g ]
        create
        complete a
        complete b
        at       c
        complete c
        complete d
        at       after
    """)


@pytest.mark.parametrize(("first", "second"), [("j", "k"), ("k", "j")])
def test_a_join_waits_for_another_one_that_opens_in_the_same_moment(play: Play, first: str, second: str):
    """Whatever the order of their ids, and although the other one could also go to a flow that has a token."""
    way = f"g:exclusive [ forward = true -> {first} | else -> m ]"
    play(f"""
        deploy   start > s:inclusive [ x = 1 -> m:exclusive > a:job > {first}:inclusive > after:job > end | x = 1 -> b:job > {second}:inclusive > {way} | x = 2 -> c:job > {second} ]
        create   x=1 forward=true
        complete a
        none     after
        complete b
        complete after
        none     after
        instances 0
    """)


@pytest.mark.parametrize("a", ["null", "5"])
def test_a_condition_that_is_no_boolean_is_an_incident(play: Play, a: str):
    play(
        f"deploy start > i:inclusive [ a -> x:job > e1:end | else -> y:job > e2:end ]; create a={a}; incident i EXTRACT_VALUE_ERROR"
    )


def test_no_true_flow_and_no_default_is_an_incident(play: Play):
    play(
        "deploy start > i:inclusive [ a = true -> x:job > e1:end | b = true -> y:job > e2:end ]; create a=false b=false; incident i CONDITION_ERROR; set b=true; resolve i; at y"
    )


class Visited(set[str]):
    """A set of places that counts how often it is asked."""

    times = 0

    def __contains__(self, place: object) -> bool:
        self.times += 1
        return super().__contains__(place)


def test_the_ways_back_of_all_flows_of_a_join_are_walked_together():
    branches = " | ".join(
        f"a = {number} -> t{number}:job > j{':inclusive > end' * (not number)}" for number in range(200)
    )
    [process] = parse("fork.bpmn", bpmn(f"start > fork:inclusive [ {branches} ]"))
    join = process.elements["j"]
    places = Visited(["end"])
    assert not is_reached_from(places, join, join.incoming)
    assert places.times == 202  # the tasks, the fork and the start event, each once
    assert is_reached_from({"t7"}, join, join.incoming)
    assert not is_reached_from({"t7"}, join, [flow for flow in join.incoming if flow.source.id != "t7"])
