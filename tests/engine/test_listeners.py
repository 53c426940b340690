"""Execution listeners: jobs before and after the element's own work (bpmn-execution.md, section 3)."""

from collections.abc import Callable

import pytest

Play = Callable[..., None]


def test_start_and_end_listeners_run_one_after_the_other_around_the_job(play: Play):
    play("""
        deploy   start > a:job(on_start="s1 s2", on_end=e1) > end
        create
        waits    a type=s1
        complete a
        waits    a type=s2
        complete a
        waits    a type=a
        complete a
        waits    a type=e1
        complete a
        completed
    """)


def test_variables_of_a_start_listener_are_local_and_those_of_an_end_listener_leave(play: Play):
    play("""
        deploy   start > a:job(on_start=s1, on_end=e1) > b:job > end
        create
        complete a x=1
        activate a
        sees     x=1
        complete a
        complete a y=2
        at       b
        variables y=2
    """)


def test_an_end_listener_sees_the_result_of_the_output_mappings(play: Play):
    play("""
        deploy   start > a:job(on_end=e1, out.y="=x + 1") > end
        create
        complete a x=1
        activate e1
        sees     x=1 y=2
    """)


def test_input_mappings_come_before_the_start_listeners(play: Play):
    play('deploy start > a:job(on_start=s1, in.y="=x") > end; create x=1; activate s1; sees x=1 y=1')


def test_a_listener_without_retries_stops_at_its_own_kind_of_incident(play: Play):
    play("""
        deploy   start > a:job(on_start=s1) > end
        create
        fail     a retries=0 message=broken
        incident a EXECUTION_LISTENER_NO_RETRIES broken
        retries  a 1
        resolve  a
        complete a
        waits    a type=a
    """)


@pytest.mark.parametrize(
    "element",
    [
        "x:manual(on_start=s1)",
        "x:sub(on_start=s1) { start > end }",
        "x:throw(on_start=s1)",
        "x:exclusive(on_start=s1)",
        "x:catch(timer=PT0S, on_start=s1)",
    ],
)
def test_listeners_work_on_elements_of_all_kinds(play: Play, element: str):
    play(f"deploy start > {element} > a:job > end; create; waits x type=s1; complete x; advance 0; at a")


def test_a_scope_with_an_end_listener_completes_after_it(play: Play):
    play(
        "deploy start > s:sub(on_end=e1) { start > a:job > end } > b:job > end; create; complete a; waits s type=e1; complete s; at b"
    )


@pytest.mark.parametrize("trigger", ["timer=PT1S", 'message=go, key="=1"'])
def test_a_boundary_event_leaves_no_element_whose_work_is_done(play: Play, trigger: str):
    play(f"""
        deploy   start > a:job(on_end=e1) > c:job > end & t:boundary(on=a, {trigger}) > b:job > e2:end
        create
        complete a
        advance  1000
        publish  go key=1
        none     b
        waits    a type=e1
        complete a
        at       c
    """)


def test_a_boundary_event_leaves_no_element_that_an_incident_holds_at_its_end(play: Play):
    play("""
        deploy   start > a:job(out.x="=assert(y, y != null)") > c:job > end & t:boundary(on=a, timer=PT1S) > b:job > e2:end
        create
        complete a
        incident a IO_MAPPING_ERROR
        advance  1000
        none     b
        set      y=1
        resolve  a
        at       c
    """)


@pytest.mark.parametrize(
    "line",
    [
        "start(on_start=x) > end",
        "start > g:exclusive(on_end=x) > end",
        'start > a:job(on_start="x x") > end',
        "start > e:end(error=E, on_end=x)",
    ],
)
def test_listeners_where_nothing_begins_or_ends_are_refused(play: Play, line: str):
    play(f"deploy {line}", refused="INVALID_ARGUMENT")


@pytest.mark.parametrize("line", ["throw a code=E", "complete a; complete a; throw a code=E"])
def test_an_execution_listener_cannot_throw_an_error(play: Play, line: str):
    deployed = "deploy start > a:job(on_start=s1, on_end=e1) > end & b:boundary(on=a, error=E) > end2:end; create; "
    play(deployed + line, refused="FAILED_PRECONDITION")
