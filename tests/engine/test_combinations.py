"""Combinations that a breaker found: transactions, ad-hoc subprocesses, compensation, loops and conditions with events and modifications."""

from collections.abc import Callable

import pytest

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.engine.commands import CreateProcessInstance, ModifyProcessInstance, MoveInstruction
from osmia_broker.engine.resources import compile_resources
from tests.bpmn import bpmn
from tests.doors import Door, Refused

Play = Callable[..., None]


@pytest.fixture
def door(alone_door: Door) -> Door:
    return alone_door


# --- transactions

NESTED = "deploy start > t1:transaction { start > t2:transaction { start > b:job > e:end(cancelled=yes) } > c:job > x:end & bt2:boundary(on=t2, cancelled=yes) > d:job > y:end } > z:job > end & bt1:boundary(on=t1, cancelled=yes) > w:job > end2"


def test_the_cancellation_of_an_inner_transaction_leaves_the_outer_one(play: Play):
    play(f"{NESTED}; create; complete b; at t1 d; complete d; at z")


@pytest.mark.parametrize(
    "loop",
    [
        'items="=[1,2]", item=i',
        'items="=[1,2]", item=i, sequential=true',
        'items="=[1,2]", item=i, results=rs, result="=i"',
        'repeat="=true", times=2',
    ],
)
def test_one_cancellation_ends_all_instances_of_a_transaction_with_a_loop(play: Play, loop: str):
    play(f"""
        deploy   start > t:transaction({loop}) {{ start > a:job > x:end(cancelled=yes) }} > z:job > end & b:boundary(on=t, cancelled=yes) > w:job > end2
        create
        complete a
        at       w
    """)


@pytest.mark.parametrize("interrupting", ["true", "false"])
def test_a_transaction_that_is_being_cancelled_begins_no_event_subprocess(play: Play, interrupting: str):
    play(f"""
        deploy   start > t:transaction {{ start > a:job > c:job > e:end(cancelled=yes) & ca:boundary(on=a, compensate=any, handler=u) & u:job(compensates=yes) & es:eventsub {{ s1:start(signal=g, interrupting={interrupting}) > q:job > qe:end }} }} > z:job > end & bt:boundary(on=t, cancelled=yes) > w:job > end2
        create
        complete a
        complete c
        signal   g
        at       t e u
        complete u
        at       w
    """)


# --- ad-hoc subprocesses

AD_HOC = 'h:adhoc(active="=[n1]"{loop}) {{ a:job & b:job & up:throw(escalation=E) > c:job }} > z:job > end & t:boundary(on=h, {event}) > y:job > e2:end; create n1={first}'


@pytest.mark.parametrize("loop", ["", ', items="=[1,2]", item=i'])
@pytest.mark.parametrize("event", ["error=E", "error=any"])
def test_a_boundary_event_catches_the_error_of_an_ad_hoc_activity(play: Play, loop: str, event: str):
    play(f"deploy start > {AD_HOC.format(loop=loop, event=event, first='a')}; throw a code=E; at y")


def test_a_boundary_event_catches_the_escalation_of_an_ad_hoc_activity(play: Play):
    play(f"deploy start > {AD_HOC.format(loop='', event='escalation=E', first='up')}; at y")


def test_a_boundary_event_that_does_not_interrupt_leaves_the_ad_hoc_subprocess(play: Play):
    event = "escalation=E, cancel=false"
    play(f"deploy start > {AD_HOC.format(loop='', event=event, first='up')}; at c h h y; complete c; at y z")


@pytest.mark.parametrize("interrupting", ["true", "false"])
def test_an_event_subprocess_of_an_ad_hoc_subprocess_adds_to_its_results(play: Play, interrupting: str):
    play(f"""
        deploy   start > h:adhoc(active="=[n1]", results=rs, result="=1") {{ a:job & es:eventsub {{ s1:start(signal=g, interrupting={interrupting}) > q:job > qe:end }} }} > z:job > end
        create   n1=a
        signal   g
        complete q
        {"at z" if interrupting == "true" else "complete a"}
        at       z
        variables n1=a rs={"[1]" if interrupting == "true" else "[1,1]"}
    """)


def test_an_error_event_subprocess_of_an_ad_hoc_subprocess_interrupts_all_of_it(play: Play):
    play("""
        deploy   start > h:adhoc(active="=ids") { a:job & b:job & es:eventsub { s1:start(error=E) > q:job > qe:end } } > z:job > end
        create   ids=["a","b"]
        throw    a code=E
        at       es h q
        complete q
        at       z
    """)


def test_a_migrated_ad_hoc_subprocess_waits_for_each_event_once(play: Play):
    model = 'start > h:adhoc(active="=[n1]") { a:job & es:eventsub { s1:start(signal=g, interrupting=false) > q:job > qe:end } } > z:job > end & b:boundary(on=h, signal=o, cancel=false) > y:job > e2:end'
    play(f"""
        deploy   {model}
        deploy   other:: {model.replace("signal=g", "signal=x").replace("signal=o", "signal=w")}
        create   n1=a
        migrate  other h>h a>a
        signal   x
        signal   w
        at       a es h h q y
        complete a
        complete q
        signal   x
        signal   w
        at       y z
    """)


def test_activities_inside_an_ad_hoc_subprocess_are_compensated_after_it(play: Play):
    play("""
        deploy   start > h:adhoc(active="=[n1]") { a:job > s:sub { start > b:job > end & cb:boundary(on=b, compensate=any, handler=v) & v:job(compensates=yes) } & ca:boundary(on=a, compensate=any, handler=u) & u:job(compensates=yes) } > t:throw(compensate=any) > z:job > end
        create   n1=a
        complete a
        complete b
        at       t u v
        complete u
        complete v
        at       z
    """)


# --- compensation

UNDONE = "deploy start > a:job > t:throw(compensate=a) > z:job > end & c:boundary(on=a, compensate=any, handler=u) & u:job(compensates=yes{more}; create; complete a; at t u"


def test_a_throwing_event_goes_on_when_its_handler_is_terminated(play: Play):
    play(f"{UNDONE.format(more=')')}; modify -u; at z")


def test_it_waits_for_its_other_handlers(play: Play):
    play("""
        deploy   start > a:job > b:job > t:throw(compensate=any) > z:job > end & ca:boundary(on=a, compensate=any, handler=u) & u:job(compensates=yes) & cb:boundary(on=b, compensate=any, handler=v) & v:job(compensates=yes)
        create
        complete a
        complete b
        modify   -u
        at       t v
        complete v
        at       z
    """)


def test_a_throwing_event_and_its_handler_are_terminated_together(play: Play):
    play(f"{UNDONE.format(more=')')}; modify -u -t; completed")


def test_a_cancelled_instance_ends_with_its_handlers(play: Play):
    play(f"{UNDONE.format(more=')')}; cancel; completed")


# --- conditions

WATCH = 'deploy start > a:job > end & n:boundary(on=a, condition="=v = 0", cancel=false) > r:job > e3:end; create'


@pytest.mark.parametrize(
    ("lines", "at"),
    [
        ("set v=0; set v=0", "a r"),
        ("set v=0; set v=1; set v=0", "a r r"),
        ("set v=0; set other=1", "a r"),
        ("set v=0; complete r v=0", "a"),
    ],
)
def test_a_condition_is_checked_when_a_value_changes(play: Play, lines: str, at: str):
    play(f"{WATCH}; {lines}; at {at}")


OUTER = 'deploy start > a:job > end & s:eventsub { n:start(condition="=v = 0", interrupting=false) > r:job > e3:end }; create v=1'


@pytest.mark.parametrize(
    ("lines", "at"),
    [
        ("set v=0; set a local v=5; set a local v=0", "a s r"),  # the event does not see what is local to the task
        ("set a local v=0", "a"),
        ("set a local v=5; set v=0", "a s r"),
    ],
)
def test_a_change_in_an_inner_scope_is_not_one_of_the_outer(play: Play, lines: str, at: str):
    play(f"{OUTER}; {lines}; at {at}")


def test_a_change_reaches_what_waits_far_inside(play: Play):
    play("""
        deploy   start > o:sub { start > i:sub { start > c:catch(condition="=v = 0") > a:job > e1:end } > e2:end } > end
        create
        set      o local v=1
        at       o i c
        set      o local v=0
        at       o i a
    """)


FILTERED = 'deploy start > a:job > end & n:boundary(on=a, condition="=v = 0 and w = 0", cancel=false, {filter}) > r:job > e3:end; create w=0'


@pytest.mark.parametrize(
    ("filter", "lines", "at"),
    [
        ("watches=v", "set v=0; set w=1; set w=0", "a r"),
        ("watches=w", "set v=0; set w=1; set w=0", "a r"),
        ('watches="v, w"', "set v=0; set w=1; set w=0", "a r r"),
        ("watches=other", "set v=0", "a"),
        ("watches=other", "set v=0; set other=1", "a r"),
        ("changes=create", "set v=0; set v=1; set v=0", "a r"),
        ("changes=update", "set v=0", "a"),
        ("changes=update", "set v=0; set v=1; set v=0", "a r"),
        ('changes="create,update"', "set v=0; set v=1; set v=0", "a r r"),
        ("watches=v, changes=update", "set v=0; set w=1; set w=0", "a"),
    ],
)
def test_a_filter_says_which_changes_a_condition_waits_for(play: Play, filter: str, lines: str, at: str):
    play(f"{FILTERED.format(filter=filter)}; {lines}; at {at}")


def test_a_condition_that_is_true_at_once_fires_whatever_its_filter(play: Play):
    play(f"{FILTERED.format(filter='watches=other')} v=0; at a r")


def test_a_filter_of_unknown_changes_is_refused(play: Play):
    play(FILTERED.format(filter="changes=delete").partition("; ")[0], refused="INVALID_ARGUMENT")


# --- incidents of jobs of all kinds


@pytest.mark.parametrize(
    ("line", "at"),
    [
        ("start > a:job(on_start=l) > end", "a"),
        ("start > a:job(on_end=l) > end", "a"),
        ("start > a:adhoc(type=decide) { b:job } > end", "a"),
        ("start > a:user > end", "a"),
    ],
)
def test_a_job_without_retries_is_not_resolved(play: Play, line: str, at: str):
    before = f"complete {at}; " if "on_end" in line else ""
    play(f"deploy {line}; create; {before}fail {at} retries=0; resolve {at}", refused="NOT_FOUND")


# --- the start in the middle, forms


def test_an_instance_does_not_start_behind_an_event_based_gateway(door: Door):
    model = "start > g:events [ c:catch(timer=PT9S) > e2:end | c2:catch(signal=x) > e3:end ]"
    door.deploy(("p.bpmn", bpmn(model)))
    with pytest.raises(Refused) as refusal:
        door.do(CreateProcessInstance("process", -1, 0, {}, start_elements=("c",)))
    assert refusal.value.status == "INVALID_ARGUMENT"


def test_a_token_is_not_moved_into_a_loop_that_has_no_instance(door: Door):
    door.deploy(
        (
            "p.bpmn",
            bpmn('start > a:job > m:sub(items="=[1,2]", item=i) { start > b:job > c:job > e:end } > z:job > end'),
        )
    )
    instance = door.create("process", "{}")
    move = MoveInstruction("c", source_element_id="a", infers_ancestor=True)
    with pytest.raises(Refused) as refusal:
        door.do(ModifyProcessInstance(instance, (), (), (move,)))
    assert refusal.value.status == "INVALID_ARGUMENT"
    assert [id for _, id in door.elements(instance)] == ["a"]


@pytest.mark.parametrize("form", [rb'{"id": "f\u0000"}', rb'{"id": "f", "versionTag": "\u0000"}'])
def test_a_form_whose_id_no_store_can_keep_is_refused(form: bytes):
    with pytest.raises(InvalidArgument, match="NUL"):
        compile_resources([("f.form", form)])
