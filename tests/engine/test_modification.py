"""Modifications: elements activated by hand, element instances terminated, tokens moved (bpmn-execution.md, section 10)."""

from collections.abc import Callable

import pytest

Play = Callable[..., None]
TWO = "deploy start > a:job > b:job > end; create"
NESTED = 'deploy start > a:job > s:sub(in.y="=x") { start > b:job > end } > c:job > end; create x=1'


def test_an_element_is_activated_beside_the_others(play: Play):
    play(f"{TWO}; modify +b; at a b; complete b; at a; complete a; at b; complete b; completed")


def test_an_activated_element_gets_the_scopes_around_it_with_their_input_mappings(play: Play):
    play(f"{NESTED}; modify +b -a; at b s; activate b; sees x=1 y=1; complete b; at c")


def test_a_running_scope_is_used_again(play: Play):
    play(f"{NESTED}; complete a; at b s; modify +b; at b b s")


def test_the_last_terminated_element_ends_the_instance(play: Play):
    play(f"{TWO}; modify -a; completed")
    play(f"{NESTED}; complete a; modify -b; completed")


def test_tokens_are_moved(play: Play):
    play(f"{TWO}; modify a>b; at b; complete b; completed")
    play(f"{NESTED}; modify a>b; at b s")


def test_a_terminated_token_lets_a_join_go_on_that_waited_for_it(play: Play):
    play("""
        deploy   start > i:inclusive [ true -> a:job > j:inclusive | true -> b:job > j ] > c:job > end
        create
        complete a
        modify   -b
        at       c
    """)


def test_a_join_that_misses_a_token_keeps_the_instance(play: Play):
    play("deploy start > f:parallel [ a:job > j:parallel | b:job > j ] > end; create; complete a; modify -b; running")


def test_variables_go_to_the_scope_that_is_named(play: Play):
    play(
        f"{NESTED}; modify +b -a b.own=1 s.inner=2 outer=3; activate b; sees x=1 y=1 own=1 inner=2 outer=3; variables x=1 outer=3"
    )


def test_an_empty_modification_changes_nothing(play: Play):
    play(f"{TWO}; modify; at a")


def test_a_multi_instance_is_activated_as_a_whole(play: Play):
    play('deploy start > a:job > m:job(items="=[1,2]") > end; create; modify a>m; at m m m')


@pytest.mark.parametrize(
    ("line", "refusal"),
    [
        ("modify +nothing", "INVALID_ARGUMENT"),
        ("modify +process", "INVALID_ARGUMENT"),
        ("modify +start", "INVALID_ARGUMENT"),
        ("modify +b b.x=1 nothing.x=1", "INVALID_ARGUMENT"),
        ("modify +b a.x=1", "INVALID_ARGUMENT"),  # no scope of b
        ("modify -1", "INVALID_ARGUMENT"),
        ("modify +b -1", "INVALID_ARGUMENT"),  # nothing of it is done
        ("modify nothing>b", "INVALID_ARGUMENT"),
        ("modify a>nothing", "INVALID_ARGUMENT"),
        ("complete a; complete b; modify +b", "NOT_FOUND"),
    ],
)
def test_modifications_that_are_refused_change_nothing(play: Play, line: str, refusal: str):
    play(f"{TWO}; {line}", refused=refusal)


def test_an_element_in_one_of_several_scopes_needs_an_ancestor(play: Play):
    play(
        'deploy start > s:sub(items="=[1,2]") { start > a:job > b:job > end } > end; create; modify +b',
        refused="INVALID_ARGUMENT",
    )


def test_an_element_inside_a_multi_instance_that_does_not_run_is_refused(play: Play):
    play(
        'deploy start > x:job > s:sub(items="=[1,2]") { start > a:job > end } > end; create; modify +a',
        refused="INVALID_ARGUMENT",
    )


def test_an_event_behind_a_gateway_is_refused(play: Play):
    play(
        "deploy start > x:job > g:events [ t:catch(timer=PT1S) > end | u:catch(timer=PT2S) > e2:end ]; create; modify +t",
        refused="INVALID_ARGUMENT",
    )
