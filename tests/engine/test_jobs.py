"""Jobs: handed out, completed, failed, thrown, given new tries; what is refused in which state (reliability.md, section 2)."""

import pytest

from tests.conftest import Play

ONE_JOB = "deploy start > ask:job > end; create; "
USER = "io.camunda.zeebe:userTask"


def test_a_completed_user_task_moves_the_token_on(play: Play):
    play("""
        deploy    start > approve:user(assignee=ada, groups="hr, managers") > end
        create    amount=12
        waits     approve  assignee=ada candidateGroups='["hr","managers"]' retries=1 type=io.camunda.zeebe:userTask
        complete  approve  ok=true
        completed
    """)


def test_a_job_is_handed_out_with_what_its_task_sees(play: Play):
    play("""
        deploy    start > ask:job(retries=5, in.half="=amount / 2", header.tone=loud) > end
        create    amount=12 name="ö \\"q\\""
        activate  ask
        sees      amount=12 name="ö \\"q\\"" half=6
        waits     ask  tone=loud retries=5 state=ACTIVATED
    """)


def test_only_the_fetched_variables_come(play: Play):
    play(ONE_JOB.replace("create;", "create a=1 b=2;") + "activate ask fetch=b,missing; sees b=2")


def test_a_held_job_is_not_handed_out_again_before_its_deadline(play: Play):
    scenario = play(ONE_JOB + "activate ask timeout=1000; idle; advance 999; idle; advance 1")
    first = scenario.taken["ask"].key
    scenario.play("waits ask state=ACTIVATABLE; activate ask; waits ask state=ACTIVATED")
    assert scenario.taken["ask"].key == first


def test_a_late_worker_may_still_complete(play: Play):
    play(ONE_JOB + "activate ask timeout=10; advance 5000; complete ask; completed")


def test_a_job_that_was_never_activated_may_be_completed(play: Play):
    play(ONE_JOB + "complete ask; completed")


def test_a_failed_job_with_retries_is_offered_again(play: Play):
    play(ONE_JOB + "activate ask; fail ask retries=2; waits ask state=ACTIVATABLE retries=2; complete ask; completed")


def test_a_failed_job_backs_off(play: Play):
    play(
        ONE_JOB
        + "activate ask; fail ask retries=2 back_off=5000; waits ask state=FAILED; advance 4999; idle; advance 1"
    )


def test_variables_of_a_failure_are_seen_by_the_next_try_alone(play: Play):
    play(ONE_JOB + "fail ask retries=2 var.why=1; activate ask; sees why=1; variables; complete ask; completed")


def test_a_failed_job_without_retries_raises_an_incident(play: Play):
    play(ONE_JOB + "activate ask; fail ask retries=0 message=broken; idle; incident ask JOB_NO_RETRIES broken")


def test_new_retries_and_resolving_offer_the_job_again(play: Play):
    play(
        ONE_JOB
        + "fail ask retries=0; retries ask 3; idle; resolve ask; waits ask state=ACTIVATABLE retries=3; complete ask; completed"
    )


def test_an_uncaught_error_stops_at_an_incident(play: Play):
    play(
        ONE_JOB + "throw ask code=no; idle; incident ask UNHANDLED_ERROR_EVENT no; resolve ask; complete ask; completed"
    )


def test_a_timeout_can_be_moved(play: Play):
    play(
        ONE_JOB
        + "activate ask timeout=1000; timeout ask 60000; advance 2000; waits ask state=ACTIVATED; timeout ask 0; waits ask state=ACTIVATABLE"
    )


def test_jobs_come_oldest_first(play: Play):
    scenario = play("""
        deploy start > fork:parallel [one:job(type=t) > join:parallel | two:job(type=t) > join] > end
        create; activate t max=1; fail one retries=1; activate t max=2
    """)
    keys = [job.key for job in scenario.taken.values()]
    assert keys == sorted(keys)
    assert len(keys) == 2


def test_completing_twice_changes_nothing(play: Play):
    play(ONE_JOB + "activate ask; complete ask; complete ask", refused="NOT_FOUND")


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("complete 0", "NOT_FOUND"),
        ("complete -1", "NOT_FOUND"),
        ("complete 9223372036854775807", "NOT_FOUND"),
        ("complete 2251799813685248", "NOT_FOUND"),
        ("fail 0", "NOT_FOUND"),
        ("throw 0", "NOT_FOUND"),
        ("retries 0 1", "NOT_FOUND"),
        ("timeout 0 1", "NOT_FOUND"),
        ("retries ask 0", "INVALID_ARGUMENT"),
        ("retries ask -3", "INVALID_ARGUMENT"),
        ("complete ask variables=[1]", "INVALID_ARGUMENT"),
        ('complete ask variables="x"', "INVALID_ARGUMENT"),
        ("complete ask variables=1", "INVALID_ARGUMENT"),
        ("complete ask variables={", "INVALID_ARGUMENT"),
        ("complete ask variables={'a':1}", "INVALID_ARGUMENT"),
        ('complete ask variables={"a":NaN}', "INVALID_ARGUMENT"),
        ('complete ask variables={"a":1e999}', "INVALID_ARGUMENT"),
        ('complete ask variables={"a":18446744073709551616}', "INVALID_ARGUMENT"),
        ('complete ask variables={"a":1} x', "INVALID_ARGUMENT"),
        ("timeout ask 1000", "FAILED_PRECONDITION"),
        ("resolve ask", "NOT_FOUND"),
        ("cancel 0", "NOT_FOUND"),
        ("cancel 2251799813685249", "NOT_FOUND"),
        ("set nowhere a=1", "NOT_FOUND"),
    ],
)
def test_what_a_worker_may_not_do(play: Play, line: str, status: str):
    play(ONE_JOB + line, refused=status)


PARKED = {
    "backing off": "fail ask retries=1 back_off=60000; ",
    "parked": "fail ask retries=0; ",
    "error thrown": "throw ask code=no; ",
}


@pytest.mark.parametrize("parked", PARKED)
@pytest.mark.parametrize("line", ["complete ask", "fail ask retries=1", "throw ask code=x", "timeout ask 1"])
def test_a_job_that_cannot_be_activated_cannot_be_reported_on(play: Play, parked: str, line: str):
    play(ONE_JOB + PARKED[parked] + line, refused="FAILED_PRECONDITION")


def test_resolving_before_new_retries_is_refused(play: Play):
    play(ONE_JOB + "fail ask retries=0; resolve ask", refused="NOT_FOUND")


def test_a_resolved_incident_is_gone(play: Play):
    play(ONE_JOB + "fail ask retries=0; retries ask 1; resolve ask; resolve ask", refused="NOT_FOUND")


@pytest.mark.parametrize(
    "line", ["complete ask", "fail ask retries=1", "throw ask code=x", "retries ask 1", "timeout ask 1"]
)
def test_a_cancelled_instance_has_no_jobs_left(play: Play, line: str):
    play(ONE_JOB + "waits ask; retries ask 5; cancel; completed; " + line, refused="NOT_FOUND")


def test_cancelling_twice_is_refused(play: Play):
    play(ONE_JOB + "cancel; cancel", refused="NOT_FOUND")
