"""Migrations: a running instance goes on in another definition (bpmn-execution.md, section 10)."""

from collections.abc import Callable

import pytest

Play = Callable[..., None]
ONE = "deploy start > a:job > b:job > end; deploy other:: start > x:job > y:job > z:job > end; create"


def test_a_job_follows_with_its_key_and_the_next_steps_are_those_of_the_target(play: Play):
    play(f"{ONE}; activate a; migrate other a>x; at x; complete a; at y; complete y; at z; complete z; completed")


def test_timers_and_subscriptions_follow_their_events(play: Play):
    play("""
        deploy   start > a:job > end & t:boundary(on=a, timer=PT10S) > b:job > e2:end
        deploy   other:: start > x:job > end & u:boundary(on=x, timer=PT1H) > y:job > e2:end
        create
        migrate  other a>x t>u
        advance  10000
        at       y
    """)


def test_events_that_are_not_mapped_are_closed_and_new_ones_are_opened(play: Play):
    play("""
        deploy   start > a:job > end & t:boundary(on=a, timer=PT10S) > b:job > e2:end
        deploy   other:: start > x:job > end & u:boundary(on=x, timer=PT60S) > y:job > e2:end
        create
        migrate  other a>x
        advance  10000
        at       x
        advance  50000
        at       y
    """)


def test_a_catch_event_keeps_waiting(play: Play):
    play("""
        deploy   start > w:catch(timer=PT10S) > end
        deploy   other:: start > v:catch(timer=PT60S) > c:job > end
        create
        migrate  other w>v
        advance  10000
        at       c
    """)


def test_an_incident_follows(play: Play):
    play("""
        deploy   start > a:job(type="=t") > end
        deploy   other:: start > x:job(type="=t") > y:job > end
        create
        migrate  other a>x
        incident x EXTRACT_VALUE_ERROR
        set      t=work
        resolve  x
        complete x
        at       y
    """)


def test_tokens_that_wait_at_a_join_follow(play: Play):
    play("""
        deploy   start > f:parallel [ a:job > j:parallel | b:job > j ] > end
        deploy   other:: start > g:parallel [ c:job > k:parallel | d:job > k ] > e:job > end
        create
        complete a
        migrate  other b>d j>k a>c
        complete d
        at       e
    """)


def test_scopes_and_loops_follow(play: Play):
    play("""
        deploy   start > s:sub(items="=[1,2]") { start > a:job > end } > end
        deploy   other:: start > t:sub(items="=[1,2]") { start > x:job > y:job > end } > end
        create
        migrate  other s>t a>x
        at       t t t x x
        complete x
        at       t t t x y
    """)


@pytest.mark.parametrize(
    ("line", "refusal"),
    [
        ("migrate other", "FAILED_PRECONDITION"),  # a is not mapped
        ("migrate other nothing>x", "INVALID_ARGUMENT"),
        ("migrate other a>nothing", "INVALID_ARGUMENT"),
        ("migrate other a>start", "FAILED_PRECONDITION"),  # another type
        ("migrate nobody a>x", "NOT_FOUND"),
        ("complete a; complete b; migrate other a>x", "NOT_FOUND"),
    ],
)
def test_migrations_that_are_refused_change_nothing(play: Play, line: str, refusal: str):
    play(f"{ONE}; {line}", refused=refusal)


def test_a_change_of_scope_is_refused(play: Play):
    play(
        """
        deploy   start > s:sub { start > a:job > end } > end
        deploy   other:: start > s:sub { start > b:job > end } > x:job > end
        create
        migrate  other s>s a>x
    """,
        refused="FAILED_PRECONDITION",
    )


def test_a_new_event_that_cannot_be_opened_refuses_the_migration(play: Play):
    play(
        """
        deploy   start > a:job > end
        deploy   other:: start > x:job > end & u:boundary(on=x, timer="=missing") > e2:end
        create
        migrate  other a>x
    """,
        refused="FAILED_PRECONDITION",
    )


# --- what waits follows


def test_a_message_subscription_follows_with_its_key(play: Play):
    play("""
        deploy   start > m:catch(message=migrate_1, key="=x") > end
        deploy   other:: start > n:catch(message=migrate_2, key="=y") > c:job > end
        create   x=41
        migrate  other m>n
        publish  migrate_2 key=41
        at       n
        publish  migrate_1 key=41
        at       c
    """)


def test_events_behind_a_gateway_follow(play: Play):
    play("""
        deploy   start > g:events [ t:catch(timer=PT10S) > a:job > e1:end | m:catch(message=migrate_3, key="=x") > e2:end ]
        deploy   other:: start > h:events [ u:catch(timer=PT1H) > b:job > e1:end | n:catch(message=migrate_3, key="=x") > e2:end ]
        create   x=1
        migrate  other g>h t>u m>n
        advance  10000
        at       b
    """)


def test_an_event_subprocess_goes_on_waiting_and_one_that_runs_goes_on(play: Play):
    play("""
        deploy   start > a:job > end & s:eventsub { go:start(timer=PT10S, interrupting=false) > b:job > end3 }
        deploy   other:: start > x:job > end & t:eventsub { gone:start(timer=PT1H, interrupting=false) > y:job > z:job > end3 }
        create
        migrate  other a>x go>gone
        advance  10000
        at       t x y
    """)
    play("""
        deploy   start > a:job > end & s:eventsub { go:start(timer=PT10S, interrupting=false) > b:job > end3 }
        deploy   other:: start > x:job > end & t:eventsub { gone:start(timer=PT1H, interrupting=false) > y:job > z:job > end3 }
        create
        advance  10000
        migrate  other a>x s>t b>y go>gone
        at       t x y
        complete y
        at       t x z
    """)


def test_a_called_instance_returns_to_its_migrated_caller(play: Play):
    play("""
        deploy   called_1:: start > w:job > end
        deploy   start > c:call(process=called_1) > a:job > end
        deploy   other:: start > d:call(process=nobody) > x:job > end
        create
        migrate  other c>d
        instance called_1
        complete w
        completed
        instance other
        at       x
    """)


def test_a_called_instance_is_migrated_and_returns(play: Play):
    play("""
        deploy   called_2:: start > w:job > end
        deploy   called_3:: start > v:job > u:job > end
        deploy   start > c:call(process=called_2) > a:job > end
        create
        instance called_2
        migrate  called_3 w>v
        complete v
        complete u
        instance
        at       a
    """)


def test_an_ad_hoc_subprocess_follows_with_its_paths(play: Play):
    play("""
        deploy   start > h:adhoc(active="=ids") { a:job > b:job } > end
        deploy   other:: start > k:adhoc(active="=ids") { x:job > y:job } > z:job > end
        create   ids=["a"]
        migrate  other h>k a>x
        complete x
        at       k k y
        complete y
        at       z
    """)


def test_the_jobs_of_listeners_and_failed_jobs_follow(play: Play):
    play("""
        deploy   start > a:job(on_start=first, on_end=last) > end
        deploy   other:: start > x:job(on_start=first, on_end=last) > y:job > end
        create
        migrate  other a>x
        complete x
        fail     x retries=0
        incident x JOB_NO_RETRIES
        migrate  process x>a
        incident a JOB_NO_RETRIES
        retries  a 1
        resolve  a
        migrate  other a>x
        complete x
        complete x
        at       y
    """)


def test_a_compensation_handler_follows(play: Play):
    play("""
        deploy   start > a:job > b:job > end & k:boundary(on=a, compensate=any, handler=u) & u:job(compensates=yes)
        deploy   other:: start > x:job > y:job > undo:throw(compensate=any) > end & l:boundary(on=x, compensate=any, handler=v) & v:job(compensates=yes)
        create
        complete a
        migrate  other a>x b>y u>v
        complete y
        at       undo v
        complete v
        completed
    """)


def test_a_throwing_event_waits_on_for_a_handler_that_runs_when_the_compensated_activity_is_not_mapped(play: Play):
    play("""
        deploy   start > a:job > undo:throw(compensate=any) > b:job > end & k:boundary(on=a, compensate=any, handler=u) & u:job(compensates=yes)
        deploy   other:: start > x:job > redo:throw(compensate=any) > y:job > end & l:boundary(on=x, compensate=any, handler=v) & v:job(compensates=yes)
        create
        complete a
        migrate  other u>v undo>redo
        at       redo v
        complete v
        complete y
        completed
    """)


# --- refusals


@pytest.mark.parametrize(
    ("source", "target", "mapping"),
    [
        ("w:catch(timer=PT10S)", 'v:catch(message=m, key="=1")', "w>v"),
        ("w:catch(timer=PT10S)", "v:catch(signal=m)", "w>v"),
        ('w:job(items="=[1,2]")', 'v:job(items="=[1,2]", sequential=true)', "w>v"),
        ('w:job(items="=[1,2]", sequential=true)', 'v:job(items="=[1,2]")', "w>v"),
        ('w:job(items="=[1,2]")', "v:job", "w>v"),
        ("w:job", 'v:job(items="=[1,2]")', "w>v"),
        ('w:job(items="=[1,2]")', 'v:job(repeat="=true")', "w>v"),
    ],
)
def test_another_trigger_or_another_loop_is_refused(play: Play, source: str, target: str, mapping: str):
    play(
        f"deploy start > {source} > end; deploy other:: start > {target} > end; create; migrate other {mapping}",
        refused="FAILED_PRECONDITION",
    )


@pytest.mark.parametrize(
    "boundary",
    [
        "u:boundary(on=x, signal=m)",  # another trigger
        "u:boundary(on=y, timer=PT1S)",  # at another activity
    ],
)
def test_an_event_that_is_mapped_to_one_that_cannot_take_its_place_is_refused(play: Play, boundary: str):
    play(
        f"""
        deploy   start > a:job > b:job > end & t:boundary(on=a, timer=PT1S) > e2:end
        deploy   other:: start > x:job > y:job > end & {boundary} > e2:end
        create
        migrate  other a>x b>y t>u
    """,
        refused="FAILED_PRECONDITION",
    )


def test_two_events_that_wait_cannot_become_one(play: Play):
    play(
        """
        deploy   start > a:job > end & t:boundary(on=a, timer=PT1S) > e2:end & s:boundary(on=a, timer=PT2S) > e3:end
        deploy   other:: start > x:job > end & u:boundary(on=x, timer=PT1S) > e2:end
        create
        migrate  other a>x t>u s>u
    """,
        refused="FAILED_PRECONDITION",
    )


def test_a_deleted_definition_takes_no_instances_by_migration(play: Play):
    play(
        "deploy start > a:job > end; deploy gone_1:: start > x:job > end; create; delete gone_1; migrate deleted a>x",
        refused="NOT_FOUND",
    )


def test_an_instance_migrates_out_of_a_deleted_definition(play: Play):
    play(
        "deploy gone_2:: start > a:job > end; deploy other:: start > x:job > y:job > end; create_of gone_2; delete gone_2; migrate other a>x; complete x; at y"
    )
