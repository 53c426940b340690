"""Call activities (bpmn-execution.md, section 7)."""

from collections.abc import Callable

import pytest

from tests.doors import Door

Play = Callable[..., None]


@pytest.fixture
def door(alone_door: Door) -> Door:
    return alone_door


CHILD = "deploy child:: start > w:job > end"


def test_a_called_process_starts_with_all_variables_and_gives_all_back(play: Play):
    play(
        f"{CHILD}; deploy start > c:call(process=child) > a:job > end; create x=1; at c; instance child; variables x=1; complete w y=2; completed; instance; at a; variables x=1 y=2"
    )


def test_input_mappings_alone_enter_and_output_mappings_alone_leave(play: Play):
    play(f"""
        {CHILD}
        deploy   start > c:call(process=child, parent=false, in.y="=x + 1", out.z="=y * 10") > a:job > end
        create   x=1
        instance child
        variables y=2
        complete w other=5
        instance
        at       a
        variables x=1 z=20
    """)


def test_without_propagation_nothing_leaves(play: Play):
    play(
        f"{CHILD}; deploy start > c:call(process=child, child=false) > a:job > end; create x=1; instance child; complete w y=2; instance; variables x=1"
    )


def test_the_process_may_be_an_expression(play: Play):
    play(f'{CHILD}; deploy start > c:call(process="=p") > end; create p=child; instance child; at w')


def test_the_latest_version_is_called_at_that_moment(play: Play):
    play(
        f"{CHILD}; deploy start > a:job > c:call(process=child) > end; create; deploy child:: start > v:job > end; complete a; instance child; at v"
    )


def test_an_unknown_process_is_an_incident_until_it_is_deployed(play: Play):
    play(
        "deploy start > c:call(process=later) > end; create; incident c CALLED_ELEMENT_ERROR; deploy later:: start > w:job > end; resolve c; instance later; at w"
    )


def test_a_process_without_a_none_start_event_cannot_be_called(play: Play):
    play(
        "deploy child2:: s:start(timer=PT1H) > w:job > end; deploy start > c:call(process=child2) > end; create; incident c CALLED_ELEMENT_ERROR"
    )


def test_cancelling_the_caller_ends_the_called_instance(play: Play):
    play(f"{CHILD}; deploy start > c:call(process=child) > end; create; cancel; completed; instances child 0")


def test_an_interrupting_event_ends_the_called_instance(play: Play):
    play(
        f"{CHILD}; deploy start > c:call(process=child) > end & t:boundary(on=c, timer=PT1S) > late:job > e2:end; create; advance 1000; at late; instances child 0"
    )


def test_a_called_instance_cannot_be_cancelled_by_itself(play: Play):
    play(
        f"{CHILD}; deploy start > c:call(process=child) > end; create; instance child; cancel",
        refused="FAILED_PRECONDITION",
    )


@pytest.mark.parametrize("trigger", ["error=E", "error=any"])
def test_an_error_in_the_called_process_is_caught_by_the_caller(play: Play, trigger: str):
    play(
        f"{CHILD}; deploy start > c:call(process=child) > end & e:boundary(on=c, {trigger}) > late:job > e2:end; create; instance child; throw w code=E; instances child 0; instance; at late"
    )


def test_an_escalation_in_the_called_process_is_caught_by_the_caller(play: Play):
    play("""
        deploy   child3:: start > up:throw(escalation=U) > w:job > end
        deploy   start > c:call(process=child3) > end & e:boundary(on=c, escalation=U, cancel=false) > note:job > e2:end
        create
        at       c note
        instances child3 1
    """)


@pytest.mark.parametrize("event", ["signal=S", "escalation=S"])
def test_an_event_that_a_called_process_throws_just_before_its_end_interrupts_the_call(play: Play, event: str):
    play(
        """
        deploy   child:: start > w:job > up:throw({event}) > end
        deploy   start > c:call(process=child) > a:job > end & b:boundary(on=c, {event}) > late:job > e2:end
        create
        instance child
        complete w
        instances child 0
        instance
        at       late
    """.replace("{event}", event)
    )


def test_calls_nest(play: Play):
    play("""
        deploy   inner:: start > w:job > end
        deploy   middle:: start > c:call(process=inner) > end
        deploy   start > c:call(process=middle) > a:job > end
        create   x=1
        instance inner
        complete w x=2
        instance
        at       a
        variables x=2
    """)


def test_a_call_for_every_item(play: Play):
    play(f"""
        {CHILD}
        deploy   start > c:call(process=child, child=false, items="=[1,2]", item=x, results=rs, result="=x") > a:job > end
        create
        instances child 2
        instance child
        complete w
        instance child
        complete w
        instance
        at       a
        variables rs=[1,2]
    """)


def test_a_process_that_calls_itself_stops_at_an_incident(play: Play):
    scenario = play("deploy me:: start > c:call(process=me) > end; create_of me")
    assert len(scenario.door.instances("me")) == 1_000 + 1
