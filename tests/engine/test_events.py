"""Every trigger at every place: what fires, what happens to the owner, where the variables go (bpmn-execution.md, section 5)."""

from collections.abc import Callable

import pytest

from tests.doors import Door

Play = Callable[..., None]


@pytest.fixture
def door(alone_door: Door) -> Door:
    return alone_door


FIRES = {  # trigger: (the arguments of the event, what fires it)
    "timer": ("timer=PT10S", "advance 10000"),
    "message": ('message=go, key="=id"', "publish go key=7"),
    "signal": ("signal=go", "signal go"),
    "condition": ('condition="=x > 5"', "set x=6"),
}


@pytest.mark.parametrize("trigger", FIRES)
def test_a_catch_event_waits_for_its_trigger(play: Play, trigger: str):
    event, fires = FIRES[trigger]
    play(f"deploy start > wait:catch({event}) > end; create id=7; at wait; {fires}; completed")


@pytest.mark.parametrize("trigger", FIRES)
def test_an_interrupting_boundary_event_ends_its_activity(play: Play, trigger: str):
    event, fires = FIRES[trigger]
    play(f"""
        deploy   start > a:job > end & late:boundary(on=a, {event}) > b:job > end2
        create   id=7
        at       a
        {fires}
        at       b
        complete b
        completed
    """)


@pytest.mark.parametrize("trigger", FIRES)
def test_a_boundary_event_is_closed_with_its_activity(play: Play, trigger: str):
    event, fires = FIRES[trigger]
    play(
        f"deploy start > a:job > c:job > end & late:boundary(on=a, {event}) > b:job > end2; create id=7; complete a; {fires}; at c"
    )


@pytest.mark.parametrize("trigger", FIRES)
def test_a_non_interrupting_boundary_event_runs_beside_its_activity(play: Play, trigger: str):
    event, fires = FIRES[trigger]
    play(f"""
        deploy   start > a:job > end & late:boundary(on=a, cancel=false, {event}) > b:job > end2
        create   id=7
        {fires}
        at       a b
        complete a
        at       b
        complete b
        completed
    """)


@pytest.mark.parametrize("trigger", FIRES)
def test_an_interrupting_event_subprocess_ends_everything_else_in_its_scope(play: Play, trigger: str):
    event, fires = FIRES[trigger]
    play(f"""
        deploy   start > fork:parallel [ a:job > e1:end | c:job > e2:end ] & help:eventsub {{ go:start({event}) > b:job > e3:end }}
        create   id=7
        at       a c
        {fires}
        at       b help
        complete b
        completed
    """)


@pytest.mark.parametrize("trigger", FIRES)
def test_a_non_interrupting_event_subprocess_runs_beside_its_scope(play: Play, trigger: str):
    event, fires = FIRES[trigger]
    play(f"""
        deploy   start > s:sub {{ start > a:job > end }} > end & outer:eventsub {{ go:start(interrupting=false, {event}) > b:job > e3:end }}
        create   id=7
        {fires}
        at       a b outer s
        complete a
        at       b outer
        complete b
        completed
    """)


@pytest.mark.parametrize("trigger", FIRES)
def test_an_event_based_gateway_takes_the_first_event(play: Play, trigger: str):
    event, fires = FIRES[trigger]
    play(f"""
        deploy   start > g:events [ w:catch({event}) > b:job > e1:end | never:catch(signal=never) > c:job > e2:end ]
        create   id=7
        at       g
        {fires}
        at       b
        signal   never
        at       b
    """)


@pytest.mark.parametrize("trigger", ["message", "signal"])
def test_a_start_event_starts_an_instance(play: Play, trigger: str):
    event = {"message": "message=go", "signal": "signal=go"}[trigger]
    fires = {"message": "publish go x=1", "signal": "signal go x=1"}[trigger]
    play(
        f"deploy go:start({event}) > a:job > end; instances 0; {fires}; instance; at a; variables x=1; complete a; completed"
    )


def test_a_timer_start_event_starts_instances_as_often_as_it_says(play: Play):
    play(
        "deploy go:start(cycle=R2/PT10S) > a:job > end; advance 9999; instances 0; advance 1; instances 1; advance 10000; instances 2; advance 60000; instances 2"
    )


def test_only_the_latest_version_has_start_events(play: Play):
    play("""
        deploy    go:start(message=go) > a:job > end
        deploy    go:start(message=go) > b:job > end
        publish   go
        instances 1
        instance
        at        b
        deploy    start > c:job > end
        publish   go
        instances 1
    """)


# --- variables


@pytest.mark.parametrize(("mappings", "left"), [("", "id=7 x=1 y=2"), (', out.z="=x"', "id=7 z=1")])
def test_the_variables_of_a_message_leave_the_event_merged_or_mapped(play: Play, mappings: str, left: str):
    play(
        f'deploy start > wait:catch(message=go, key="=id"{mappings}) > a:job > end; create id=7; publish go key=7 x=1 y=2; variables {left}'
    )
    play(
        f'deploy start > h:job > end & wait:boundary(on=h, message=go, key="=id"{mappings}) > a:job > end2; create id=7; publish go key=7 x=1 y=2; variables {left}'
    )
    play(
        f'deploy start > h:job > end & s:eventsub {{ wait:start(message=go, key="=id"{mappings}) > a:job > end2 }}; create id=7; publish go key=7 x=1 y=2; variables {left}'
    )


# --- timers


@pytest.mark.parametrize(
    "timer",
    [
        "timer=PT0S",
        "timer=-PT1S",
        "date=2020-01-01T00:00:00Z",
        "date=2020-01-01T00:00:00z",
        "date=2020-01-01T00:00:00+01",
        'date="=d"',
        'date="=short"',
        'date="=now()"',
        'date="=string(now())"',
        'date="=string(date and time(d))"',
    ],
)
def test_a_timer_of_the_past_fires_at_once(play: Play, timer: str):
    play(
        f'deploy start > wait:catch({timer}) > end; create d="2001-01-01T00:00:00+02:00" short="2001-01-01t00:00:00-05"; completed'
    )


@pytest.mark.parametrize(
    ("timer", "value"),
    [
        ('timer="=x"', "soon"),
        ('timer="=x"', "true"),
        ('date="=x"', "2030-01-01"),
        ('date="=x"', "2030-01-01T00:00:00@No/Where"),
        ('timer="=nothing"', "1"),
    ],
)
def test_a_value_that_is_no_timer_is_an_incident(play: Play, timer: str, value: str):
    play(f"deploy start > wait:catch({timer}) > end; create x={value}; incident wait EXTRACT_VALUE_ERROR; at wait")


@pytest.mark.parametrize(
    ("event", "value", "text"),
    [
        ('timer="=x"', "soon", "Invalid duration format 'soon' for expression 'x'."),
        ('timer="=x"', "5", "the expression 'x' to be one of '[DURATION, PERIOD, STRING]', but was 'NUMBER'."),
        ('date="=x"', "soon", "Invalid date-time format 'soon' for expression 'x'."),
        ('date="=x"', "true", "the expression 'x' to be one of '[DATE_TIME, STRING]', but was 'BOOLEAN'."),
        (
            'message=m, key="=x"',
            "true",
            "key for 'x': The value must be either a string or a number, but was 'BOOLEAN'.",
        ),
        ('message=m, key="=miss"', "1", "[NO_VARIABLE_FOUND] No variable found with name 'miss'"),
    ],
)
def test_the_incident_of_an_event_has_the_words_of_the_reference(play: Play, event: str, value: str, text: str):
    play(f"deploy start > wait:catch({event}) > end; create x={value}; incident wait EXTRACT_VALUE_ERROR {text}")


def test_a_repeating_boundary_timer_fires_as_often_as_it_says(play: Play):
    play("""
        deploy   start > a:job > end & t:boundary(on=a, cancel=false, cycle=R3/PT10S) > b:job > end2
        create
        advance  10000
        advance  10000
        advance  10000
        at       a b b b
        advance  60000
        at       a b b b
    """)


def test_a_failing_boundary_timer_leaves_the_task_without_job_until_it_is_resolved(play: Play):
    play("""
        deploy   start > a:job > end & t:boundary(on=a, timer="=x") > b:job > end2
        create
        incident a EXTRACT_VALUE_ERROR
        none     a
        set      x=PT1S
        resolve  a
        waits    a
        advance  1000
        at       b
    """)


# --- messages


def test_a_message_is_kept_for_its_time_and_taken_in_order(play: Play):
    play("""
        deploy   start > wait:catch(message=go, key="=id") > a:job > end
        publish  go key=7 ttl=10000 x=1
        publish  go key=7 ttl=60000 x=2
        create   id=7
        variables id=7 x=1
        create   id=7
        variables id=7 x=2
        create   id=7
        at       wait
    """)
    play("""
        deploy   start > wait:catch(message=go, key="=id") > a:job > end
        publish  go key=7 ttl=10000
        advance  10000
        create   id=7
        at       wait
    """)


def test_a_message_without_a_time_to_live_is_not_kept(play: Play):
    play('deploy start > wait:catch(message=go, key="=id") > end; publish go key=7; create id=7; at wait')


@pytest.mark.parametrize(("id", "key"), [("77", "77"), ("2.0", "2"), ("1.5", "1.5"), ('"a"', "a"), ('""', "")])
def test_a_correlation_key_is_a_text_or_a_number(play: Play, id: str, key: str):
    play(f'deploy start > wait:catch(message=go, key="=id") > end; create id={id}; publish go key={key}; completed')


@pytest.mark.parametrize("id", ["true", "null", "[1]", '{"a":1}'])
def test_any_other_correlation_key_is_an_incident(play: Play, id: str):
    play(f'deploy start > wait:catch(message=go, key="=id") > end; create id={id}; incident wait EXTRACT_VALUE_ERROR')


def test_a_message_reaches_one_instance_of_each_process_the_one_that_waited_first(play: Play):
    play("""
        deploy   start > wait:catch(message=go, key="=id") > a:job > end
        deploy   other:: start > wait:catch(message=go, key="=id") > b:job > end
        create   id=7
        create   id=7
        publish  go key=7
        at       wait
        publish  go key=7
        at       a
    """)


def test_the_same_message_id_is_refused_while_the_first_lives(play: Play):
    play("publish go key=7 id=one ttl=1000; publish go key=7 id=one", refused="ALREADY_EXISTS")


@pytest.mark.parametrize(
    "again",
    [
        "publish go key=8 id=one",  # another key
        "publish other key=7 id=one",  # another name
        "publish go key=7 id=two",
        "publish go key=7",
        "advance 1000; publish go key=7 id=one",  # the first is gone
    ],
)
def test_a_message_is_no_repetition_without_the_same_name_key_and_id(play: Play, again: str):
    play(f"publish go key=7 id=one ttl=1000; {again}")


def test_a_message_that_is_not_kept_can_be_repeated(play: Play):
    play("publish go key=7 id=one; publish go key=7 id=one")


def test_a_message_with_a_key_starts_one_living_instance_of_a_process(play: Play):
    play("""
        deploy    go:start(message=go) > a:job > end
        publish   go key=7 ttl=60000 x=1
        publish   go key=7 ttl=60000 x=2
        publish   go key=8 ttl=60000 x=3
        publish   go key= ttl=60000 x=4
        publish   go key= ttl=60000 x=5
        instances 4
    """)


@pytest.mark.parametrize("ends", ["complete a", "cancel"])
def test_a_process_that_a_message_started_takes_the_next_one_of_its_key_when_it_has_ended(play: Play, ends: str):
    play(f"""
        deploy    go:start(message=go) > a:job > end
        publish   go key=7 ttl=60000 x=1
        publish   go key=7 ttl=60000 x=2
        instance
        variables x=1
        {ends}
        instances 1
        instance
        variables x=2
        {ends}
        instances 0
    """)


START_AND_CATCH = 'deploy start > wait:catch(message=go, key="=id") > a:job > end & go:start(message=go) > b:job > end2'


def test_a_message_that_an_instance_waits_for_starts_no_other_one_of_its_process(play: Play):
    play(f"""
        {START_AND_CATCH}
        deploy    other:: go:start(message=go) > c:job > end
        create    id=7
        publish   go key=7 ttl=60000
        at        a
        instances process 1
        instances other 1
        publish   go key=7
        instances process 2
        instances other 1
    """)


def test_a_message_that_nobody_of_its_process_waits_for_with_this_key_starts_an_instance(play: Play):
    play(f"{START_AND_CATCH}; create id=7; publish go key=8; at wait; instances 2")


# --- errors, escalations


@pytest.mark.parametrize(
    ("catches", "at"),
    [
        ("error=E", "b"),
        ("error=any", "b"),
        ("error=other", None),
    ],
)
def test_an_error_of_a_worker_is_caught_by_its_code_or_by_any(play: Play, catches: str, at: str | None):
    model = f"deploy start > a:job > end & e:boundary(on=a, {catches}) > b:job > end2; create"
    if at is None:
        play(f"{model}; throw a code=E; incident a UNHANDLED_ERROR_EVENT")
    else:
        play(f"{model}; throw a code=E x=1; at {at}; variables ")


def test_the_nearest_catch_wins_and_at_one_place_the_exact_code(play: Play):
    play("""
        deploy   start > s:sub { start > a:job > end & x:boundary(on=a, error=any) > b:job > e4:end & y:boundary(on=a, error=E) > c:job > e5:end } > end
        create
        throw    a code=E
        at       c s
    """)
    play("""
        deploy   start > s:sub { start > a:job > end & h:eventsub { c:start(error=E) > in:job > e3:end } } > end & out:boundary(on=s, error=E) > b:job > e2:end
        create
        throw    a code=E x=1
        at       h in s
    """)
    play("""
        deploy   start > s:sub { start > a:job > end(error=E) } > end & out:boundary(on=s, error=E) > b:job > e2:end
        create
        complete a
        at       b
    """)


@pytest.mark.parametrize(
    ("code", "then"),
    [
        ("F", "at out"),
        ("E", "incident in UNHANDLED_ERROR_EVENT Available error events are [F]"),
        ("no", "incident in UNHANDLED_ERROR_EVENT Available error events are [F]"),
    ],
)
def test_an_interrupted_scope_begins_no_other_event_subprocess(play: Play, code: str, then: str):
    play(f"""
        deploy   start > s:sub {{ start > a:job > end & h:eventsub {{ c:start(error=E) > in:job > e3:end }} & i:eventsub {{ d:start(error=F) > e4:end }} }} > end & b:boundary(on=s, error=F) > out:job > e2:end
        create
        throw    a code=E
        throw    in code={code}
        {then}
    """)


def test_beside_an_event_subprocess_that_does_not_interrupt_errors_are_caught(play: Play):
    play("""
        deploy   start > a:job > end & h:eventsub { c:start(signal=go, interrupting=false) > in:job > e3:end } & i:eventsub { d:start(error=E) > out:job > e4:end }
        create
        signal   go
        throw    in code=E
        at       i out
    """)


def test_an_error_that_nobody_catches_stops_its_end_event(play: Play):
    play("deploy start > a:job > oops:end(error=E); create; complete a; incident oops UNHANDLED_ERROR_EVENT")


@pytest.mark.parametrize(
    ("model", "thrown", "text"),
    [
        ("start > a:job > end", "throw a code=no", "No error events are available in the scope."),
        (
            "start > a:job > end & e:boundary(on=a, error=E) > end2:end",
            "throw a code=no",
            "the code 'no', but it was not caught. Available error events are [E]",
        ),
        (
            "start > s:sub { start > a:job > end & f:boundary(on=a, error=F) > e2:end & h:eventsub { g:start(error=G) > e3:end } } > end & e:boundary(on=s, error=E) > e4:end & e5:boundary(on=s, error=F) > e6:end",
            "throw a code=no",
            "Available error events are [F, G, E]",
        ),
        (
            "start > s:sub { start > a:task > oops:end(error=no) } > end & e:boundary(on=s, error=E) > e4:end",
            "",
            "Available error events are [E]",
        ),
    ],
)
def test_the_incident_of_an_uncaught_error_lists_the_codes_that_would_be_caught(
    play: Play, model: str, thrown: str, text: str
):
    at = "a" if thrown else "oops"
    play(f"deploy {model}; create; {thrown}; incident {at} UNHANDLED_ERROR_EVENT {text}")


@pytest.mark.parametrize(("cancel", "at"), [("true", "b"), ("false", "b c s")])
def test_an_escalation_is_caught_outside_and_goes_on_unless_interrupted(play: Play, cancel: str, at: str):
    play(f"""
        deploy   start > s:sub {{ start > up:throw(escalation=E) > c:job > end }} > end & x:boundary(on=s, cancel={cancel}, escalation=E) > b:job > e2:end
        create
        at       {at}
    """)


def test_an_escalation_that_nobody_catches_is_ignored(play: Play):
    play("deploy start > up:throw(escalation=E) > a:job > end(escalation=F); create; complete a; completed")


# --- terminate, link, signal


def test_a_terminate_end_event_ends_its_own_scope_only(play: Play):
    play("""
        deploy   start > s:sub { start > fork:parallel [ a:job > e1:end(terminate=yes) | b:job > e2:end ] } > c:job > end
        create
        complete a
        at       c
    """)


def test_a_link_jumps_to_its_catch(play: Play):
    play("deploy start > jump:throw(link=x) & land:catch(link=x) > a:job > end; create; at a; complete a; completed")


def test_a_signal_reaches_all_that_listen_and_nobody_later(play: Play):
    play("""
        deploy   start > wait:catch(signal=go) > a:job > end
        create
        create
        signal   go x=1
        at       a
        variables x=1
        create
        at       wait
    """)


def test_a_thrown_signal_carries_what_its_input_mappings_made(play: Play):
    play("""
        deploy   start > wait:catch(signal=go) > a:job > end
        deploy   other:: start > shout:throw(signal=go, in.y="=x + 1") > end
        create
    """)


@pytest.mark.parametrize(
    "scenario",
    [
        """
        deploy   start > s:sub { start > f:parallel [ a:job > e1:end | up:throw(escalation=E) > c:job > e2:end ] & h:eventsub { e:start(escalation=E, interrupting=false) > b:job > e3:end } } > end
        create
        at       s a c h b
        """,
        """
        deploy   start > a:job(items="=[1,2,3]", item=x) > end & m:boundary(on=a, message=stop, key="=k", cancel=false) > b:job > e2:end
        create   k=1
        publish  stop key=1
        publish  stop key=1
        at       a a a a b b
        complete a
        complete a
        complete a
        complete b
        complete b
        completed
        """,
        """
        deploy   start > a:job > end & h:eventsub { m:start(message=m, key="=k", interrupting=false) > b:job > e3:end }
        create   k=1
        publish  m key=1
        publish  m key=1
        at       a h h b b
        complete a
        at       h h b b
        complete b
        complete b
        completed
        """,
        """
        deploy   start > u:user(assignee=ada) > end & t:boundary(on=u, cycle=R/PT10S, cancel=false) > r:job > e2:end
        create
        advance  10000
        advance  10000
        at       u r r
        complete u
        advance  100000
        at       r r
        """,
        """
        deploy   start > a:job(in.x="=1", on_start=l) > end & e:boundary(on=a, error=any, out.y="=err") > b:job > e2:end
        create
        complete a
        throw    a code=Z err=3
        at       b
        variables y=3
        """,
        """
        deploy    a:start(message=x) > j:job > end & b:start(signal=y) > j2:job > end2 & c:start > j3:job > end3
        create
        at        j3
        publish   x
        signal    y
        instances 3
        """,
        """
        deploy    t:start(cycle="0 0 * * * *") > a:job > end
        advance   3600000
        instances 1
        advance   3600000
        instances 2
        """,
        """
        deploy   kid:: start > end
        deploy   start > c:call(process=kid) > stop:end(terminate=yes)
        create
        completed
        """,
    ],
)
def test_triggers_and_places_in_company(play: Play, scenario: str):
    play(scenario)


# --- messages that the broker publishes itself


def test_a_throwing_event_publishes_its_message_with_the_variables_of_its_input_mappings(play: Play):
    play("""
        deploy   start > wait:catch(message=go, key="=id") > a:job > end
        deploy   other:: start > tell:throw(message=go, publish="=id", in.x="=y + 1") > b:job > end
        create   id=7
        create_of other id=7 y=1
        at       b
        instance
        at       a
        variables id=7 x=2
    """)


def test_a_message_end_event_publishes_its_message(play: Play):
    play("""
        deploy   start > wait:catch(message=go, key="=id") > a:job > end
        deploy   other:: start > tell:end(message=go, publish="=id")
        create   id=7
        create_of other id=7
        completed
        instance
        at       a
    """)


def test_a_published_message_without_a_usable_key_is_an_incident(play: Play):
    play(
        'deploy start > tell:throw(message=go, publish="=id") > end; create id=true; incident tell EXTRACT_VALUE_ERROR; set id=1; resolve tell; completed'
    )
