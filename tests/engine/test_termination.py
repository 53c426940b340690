"""Large scopes end in slices; from the first moment on, nothing inside them acts any more."""

from collections.abc import Callable

import pytest

from osmia_broker.engine.lifecycle import scopes

Play = Callable[..., None]
MANY = 'deploy start > s:sub { start > m:job(items="=[1,2,3,4,5,6]", item=x) > end } > after:job > end & b:boundary(on=s, message=stop, key="=k") > stopped:job > e2:end'


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scopes, "TERMINATED_AT_ONCE", 2)
    monkeypatch.setattr(scopes, "TERMINATED_PER_SLICE", 2)


def test_a_cancelled_instance_ends_whole(play: Play):
    play(f"{MANY}; create k=1; at m m m m m m m s; cancel; none m; idle")


def test_what_is_cancelled_cannot_be_cancelled_again(play: Play):
    play(f"{MANY}; create k=1; cancel; cancel", refused="NOT_FOUND")


def test_an_interrupting_event_goes_on_beside_what_ends(play: Play):
    play(f"{MANY}; create k=1; publish stop key=1; at stopped; none m; complete stopped; completed")


def test_an_interrupted_job_takes_no_completion(play: Play):
    play(f"{MANY}; create k=1; activate m; publish stop key=1; complete m", refused="NOT_FOUND")


def test_the_condition_of_a_loop_ends_the_instances_that_still_run(play: Play):
    play("""
        deploy   start > m:job(items="=[1,2,3,4,5,6]", item=x, done="=x >= 1") > after:job > end
        create
        complete m
        at       after
        none     m
        complete after
        completed
    """)


def test_a_terminate_end_event_ends_what_runs_beside_it(play: Play):
    play("""
        deploy   start > f:parallel [ m:job(items="=[1,2,3,4,5,6]", item=x) > end | t:job > e2:end(terminate=yes) ]
        create
        complete t
        completed
        none     m
    """)


def test_an_interrupting_event_subprocess_begins_when_the_rest_is_ending(play: Play):
    play("""
        deploy   start > m:job(items="=[1,2,3,4,5,6]", item=x) > end & h:eventsub { hs:start(message=stop, key="=k", interrupting=true) > help:job > e2:end }
        create   k=1
        publish  stop key=1
        at       h help
        complete help
        completed
    """)


@pytest.mark.parametrize(
    ("trigger", "fires"),
    [
        ("timer=PT5S", "advance 6000"),
        ('message=stop, key="=k"', "publish stop key=1"),
        ("signal=stop", "signal stop"),
    ],
)
@pytest.mark.parametrize("interrupting", ["true", "false"])
def test_a_scope_that_an_incident_holds_at_its_end_begins_no_event_subprocess(
    play: Play, trigger: str, fires: str, interrupting: str
):
    play(f"""
        deploy   start > s:sub(out.y="=assert(z, z > 0)") {{ start > a:job > end & h:eventsub {{ hs:start({trigger}, interrupting={interrupting}) > help:job > e3:end }} }} > after:job > end
        create   k=1
        complete a
        incident s IO_MAPPING_ERROR
        {fires}
        none     help
        set      z=1
        resolve  s
        at       after
        complete after
        completed
    """)


def test_a_message_is_kept_for_an_event_that_still_takes_it(play: Play):
    play("""
        deploy   start > s:sub(out.y="=assert(z, z > 0)") { start > a:job > end & h:eventsub { hs:start(message=stop, key="=k", interrupting=true) > help:job > e3:end } } > after:receive(message=stop, key="=k") > end
        create   k=1
        complete a
        publish  stop key=1 ttl=60000
        set      z=1
        resolve  s
        completed
    """)
