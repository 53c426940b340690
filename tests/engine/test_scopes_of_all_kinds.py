"""Transactions and ad-hoc subprocesses."""

from collections.abc import Callable

import pytest

Play = Callable[..., None]
UNDO = "c_a:boundary(on=a, compensate=any, handler=undo_a) & undo_a:job(compensates=yes)"


# --- transaction


def test_a_transaction_that_is_not_cancelled_is_a_subprocess(play: Play):
    play("deploy start > t:transaction { start > a:job > end } > b:job > end; create; at a t; complete a; at b")


def test_a_cancelled_transaction_is_compensated_and_left_by_its_boundary_event(play: Play):
    play(f"""
        deploy   start > t:transaction {{ start > a:job > f:parallel [ b:job > e1:end | no:job > e2:end(cancelled=yes) ] & {UNDO} }} > ok:job > end & x:boundary(on=t, cancelled=yes) > sorry:job > e4:end
        create
        complete a
        complete no
        at       e2 t undo_a
        complete undo_a
        at       sorry
        complete sorry
        completed
    """)


def test_a_cancelled_transaction_without_work_done_is_left_at_once(play: Play):
    play(
        "deploy start > t:transaction { start > no:end(cancelled=yes) } > ok:job > end & x:boundary(on=t, cancelled=yes) > sorry:job > e4:end; create; at sorry"
    )


@pytest.mark.parametrize(
    "line",
    [
        "start > s:sub { start > no:end(cancelled=yes) } > end",
        "start > s:sub { start > end } > end & x:boundary(on=s, cancelled=yes) > e2:end",
    ],
)
def test_a_cancel_event_stands_at_a_transaction_only(play: Play, line: str):
    play(f"deploy {line}", refused="INVALID_ARGUMENT")


# --- ad-hoc


def test_the_elements_of_the_collection_are_activated(play: Play):
    play("""
        deploy   start > p:adhoc(active="=ids") { a:job & b:job > c:job & d:job } > x:job > end
        create   ids=["a","b"]
        at       a b p p p
        complete a
        at       b p p
        complete b
        at       c p p
        complete c
        at       x
    """)


def test_the_completion_condition_ends_it_and_cancels_the_rest(play: Play):
    play("""
        deploy   start > p:adhoc(active="=ids", done="=ok") { a:job & b:job } > x:job > end
        create   ids=["a","b"] ok=false
        complete a
        at       b p p
        create   ids=["a","b"] ok=false
        complete a ok=true
        at       x
    """)


def test_the_completion_condition_may_let_the_rest_finish(play: Play):
    play("""
        deploy   start > p:adhoc(active="=ids", done="=ok", cancel_remaining=false) { a:job & b:job } > x:job > end
        create   ids=["a","b"]
        complete a ok=true
        at       b p p
        complete b
        at       x
    """)


def test_it_stays_while_its_condition_is_false(play: Play):
    play(
        'deploy start > p:adhoc(active="=ids", done="=ok") { a:job } > end; create ids=["a"] ok=false; complete a; at p'
    )


def test_results_are_collected(play: Play):
    play("""
        deploy   start > p:adhoc(active="=ids", results=all, result="=r") { a:job(out.r="=x") & b:job(out.r="=x") } > y:job > end
        create   ids=["a","b"] r=0
        complete b x=2
        complete a x=1
        at       y
        variables ids=["a","b"] r=0 all=[2,1]
    """)


@pytest.mark.parametrize("ids", ['["nothing"]', '"a"', "null", '["c"]', "[1]"])
def test_what_cannot_be_activated_is_an_incident(play: Play, ids: str):
    play(
        f'deploy start > p:adhoc(active="=ids") {{ a:job & b:job > c:job }} > end; create ids={ids}; incident p EXTRACT_VALUE_ERROR; set ids=["a"]; resolve p; at a p p'
    )


@pytest.mark.parametrize(
    "line",
    [
        "start > p:adhoc { start > a:job > end } > end",
        "start > p:adhoc { } > end",
        "start > p:adhoc(active=ids) { a:job } > end",
    ],
)
def test_ad_hoc_models_that_make_no_sense_are_refused(play: Play, line: str):
    play(f"deploy {line}", refused="INVALID_ARGUMENT")
