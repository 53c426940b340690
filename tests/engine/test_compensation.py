"""Compensation: handlers undo completed activities (bpmn-execution.md, section 5)."""

from collections.abc import Callable

import pytest

Play = Callable[..., None]
HANDLER = "c_{0}:boundary(on={0}, compensate=any, handler=undo_{0}) & undo_{0}:job(compensates=yes)"
TWO = f"start > a:job > b:job > {{}} > end & {HANDLER.format('a')} & {HANDLER.format('b')}"


def test_a_throwing_event_calls_the_handlers_of_all_completed_activities_and_waits(play: Play):
    play(f"""
        deploy   {TWO.format("t:throw(compensate=any)")}
        create
        complete a
        complete b
        at       t undo_a undo_b
        complete undo_a x=1
        at       t undo_b
        complete undo_b
        completed
    """)


def test_a_handler_that_is_not_marked_as_one_works(play: Play):
    handler = HANDLER.format("a").replace("(compensates=yes)", "")
    play(
        f"deploy start > a:job > t:throw(compensate=any) > end & {handler}; create; complete a; at t undo_a; complete undo_a; completed"
    )


def test_an_event_that_names_an_activity_calls_its_handler_alone(play: Play):
    play(
        f"deploy {TWO.format('t:throw(compensate=a)')}; create; complete a; complete b; at t undo_a; complete undo_a; completed"
    )


def test_an_activity_that_has_not_completed_is_not_compensated(play: Play):
    play(f"""
        deploy   start > f:parallel [ a:job > t:end(compensate=any) | b:job > e:end ] & {HANDLER.format("a")} & {HANDLER.format("b")}
        create
        complete a
        at       b t undo_a
        complete undo_a
        complete b
        completed
    """)


def test_with_nothing_to_compensate_the_event_passes(play: Play):
    play(
        f"deploy start > t:throw(compensate=any) > a:job > end & {HANDLER.format('a')}; create; at a; complete a; completed"
    )


def test_activities_inside_a_completed_subprocess_are_reached(play: Play):
    play(f"""
        deploy   start > s:sub {{ start > a:job > end & {HANDLER.format("a")} }} > t:throw(compensate=any) > end
        create
        complete a
        at       t undo_a
        complete undo_a
        completed
    """)


def test_a_subprocess_with_a_handler_of_its_own_is_compensated_as_a_whole(play: Play):
    play(f"""
        deploy   start > s:sub {{ start > a:job > end & {HANDLER.format("a")} }} > t:throw(compensate=s) > end & {HANDLER.format("s")}
        create
        complete a
        at       t undo_s
        complete undo_s
        completed
    """)


def test_an_activity_is_compensated_once(play: Play):
    play(
        f"deploy start > a:job > t:throw(compensate=any) > u:throw(compensate=any) > end & {HANDLER.format('a')}; create; complete a; complete undo_a; completed"
    )


def test_an_activity_that_was_done_twice_is_compensated_twice(play: Play):
    play(f"""
        deploy   start > m:exclusive > a:job > x:exclusive [ again = true -> m | else -> t:throw(compensate=any) ] > end & {HANDLER.format("a")}
        create   again=true
        complete a again=true
        complete a again=false
        at       t undo_a undo_a
    """)


def test_a_handler_sees_the_local_variables_of_its_activity(play: Play):
    play(f"""
        deploy   start > a:job(in.room="=1 + 1") > t:throw(compensate=any) > end & {HANDLER.format("a")}
        create
        complete a
        activate undo_a
        sees     room=2
    """)


def test_cancelling_ends_throwing_event_and_handlers(play: Play):
    play(f"deploy {TWO.format('t:throw(compensate=any)')}; create; complete a; complete b; cancel; completed")


@pytest.mark.parametrize(
    "line",
    [
        "start > a:job > t:throw(compensate=nothing) > end",
        "start > a:job > end & c:boundary(on=a, compensate=any)",  # no handler
        "start > a:job > end & c:boundary(on=a, compensate=any, handler=b) & b:job > e:end",  # b is not for compensation
        "start > a:job > end & c:boundary(on=a, compensate=any, handler=b) > end2 & b:job(compensates=yes)",
    ],
)
def test_models_that_cannot_compensate_are_refused(play: Play, line: str):
    play(f"deploy {line}", refused="INVALID_ARGUMENT")
