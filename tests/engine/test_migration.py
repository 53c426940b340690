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
