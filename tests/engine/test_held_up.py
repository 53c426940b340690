"""Tasks that something holds up: listeners before the end of a suspended instance, listeners that fail or deny, completions for later."""

from collections.abc import Callable, Iterator

import pytest

from osmia_broker.engine.commands import CompleteJob
from osmia_broker.engine.commands.tasks import Actor, AnswerTaskProposal, HoldUserTask, ProposeForUserTask, UndoUserTask
from osmia_broker.engine.tasks.listener_results import TaskListenerResult
from osmia_broker.state.rows import ErrorType, Incident, Job
from osmia_broker.state.rows.tasks import ProposalState, TaskProposal
from osmia_broker.state.tables import answered
from tests.desk import Desk, person
from tests.doors import Refused

At = Callable[..., Desk]
ADA = Actor("ada")
READ = 2**62  # a key that all commits are below
TWO = "start > f:parallel [ t:user(native=yes{first}) > e1:end | u:user(native=yes{second}) > e2:end ]"


@pytest.fixture
def at() -> Iterator[At]:
    desks: list[Desk] = []

    def at(line: str, variables: str = "") -> Desk:
        desks.append(Desk(line, variables))
        return desks[-1]

    yield at
    for desk in desks:
        desk.engine.close()


def complete_listener(desk: Desk, result: TaskListenerResult | None = None) -> None:
    desk.engine.do(CompleteJob(desk.listener_key(), {}, task_result=result))


def hold(desk: Desk, variables: dict[str, str] | None = None) -> None:
    desk.engine.do(HoldUserTask(desk.task("t").key, variables or {}, 1_000, "", ADA))


def incidents(desk: Desk) -> list[ErrorType]:
    return [one.error_type for one in desk.engine.living(Incident, desk.instance)]


# --- the end of a suspended instance


def test_a_suspended_instance_is_cancelled_when_its_listeners_are_done(at: At):
    desk = at("start > t:user(native=yes, canceling=c) > b:job > end")
    desk.play("suspend; cancel")
    assert desk.listener_jobs() == ["canceling c"]
    desk.play("activate c")
    complete_listener(desk)
    assert desk.shown("t", "state") == "CANCELED"
    desk.play("completed")


def test_a_listener_that_was_held_with_its_instance_goes_on_with_the_end(at: At):
    desk = at("start > t:user(native=yes, canceling=c) > end & late:boundary(on=t, timer=PT1S) > b:job > end2")
    desk.play("advance 1000; suspend")
    assert {job.state for job in desk.engine.living(Job, desk.instance)} == {"SUSPENDED"}
    with pytest.raises(Refused, match="is suspended"):
        complete_listener(desk)
    desk.play("cancel; activate c")
    complete_listener(desk)
    desk.play("completed")


def test_called_instances_are_suspended_no_longer_when_their_caller_is_cancelled(at: At):
    desk = at("start > w:job > c:call(process=child) > end")
    desk.play("deploy child:: start > t:user(native=yes, canceling=c) > end; complete w; suspend; cancel")
    parent = desk.instance
    desk.play("instance child; activate c")
    complete_listener(desk)
    assert desk.shown("t", "state") == "CANCELED"
    desk.play("completed")
    desk.instance = parent
    desk.play("completed")


def test_a_called_instance_that_is_suspended_alone_ends_with_its_call(at: At):
    desk = at("start > w:job > c:call(process=child) > end & late:boundary(on=c, timer=PT1S) > b:job > end2")
    desk.play("deploy child:: start > t:user(native=yes, canceling=c) > end; complete w")
    parent = desk.instance
    desk.play("instance child; suspend; advance 1000; activate c")
    complete_listener(desk)
    desk.play("completed")
    desk.instance = parent
    desk.play("at b")


# --- the best task for a person


def test_a_task_whose_listeners_cannot_be_evaluated_holds_up_no_other(at: At):
    desk = at(TWO.format(first=', assigning="=missing"', second=""))
    assert desk.claim_next("t", "u", by="ada") == "u"
    assert desk.shown("t", "assignee", "state") == ("", "CREATED")
    assert desk.claim_next("t", by="ada") == ""


def test_a_task_that_a_listener_denies_holds_up_no_other(at: At):
    desk = at(TWO.format(first=", assigning=c", second=", assigning=d"))
    keys = [desk.task("t").key, desk.task("u").key]
    call = desk.begin(lambda calls: calls.claim_next(keys, caller=person("ada")))
    complete_listener(desk, TaskListenerResult(True, "not you"))
    assert desk.outcome(call) == "waits"
    assert desk.listener_jobs() == ["assigning d"]
    complete_listener(desk)
    assert desk.outcome(call) == "done"
    assert (call.result(), desk.shown("u", "assignee")) == (keys[1], "ada")


# --- completions for later


def test_what_would_be_refused_now_is_not_promised(at: At):
    desk = at('start > t:user(native=yes, completing="=missing") > end')
    with pytest.raises(Refused, match=r"FAILED_PRECONDITION: .* to be evaluated, but found"):
        hold(desk)
    assert desk.shown("t", "state") == "CREATED"


def test_variables_that_are_too_large_are_not_promised(at: At):
    desk = at("start > t:user(native=yes) > b:job > end", f"a={'x' * 2_000_000}")
    with pytest.raises(Refused, match="INVALID_ARGUMENT: Expected the variables of process instance"):
        hold(desk, {"y": f'"{"y" * 2_000_000}"'})
    desk.play("at t; advance 1000; at t")
    assert desk.shown("t", "state") == "CREATED"


def test_a_promise_changes_nothing_before_it_is_due(at: At):
    desk = at("start > t:user(native=yes, assignee=ada) > b:job > end", "a=1")
    hold(desk, {"y": "1"})
    desk.play("at t; variables a=1")
    assert desk.history("t") == []
    desk.play("advance 1000; at b; variables a=1 y=1")
    assert desk.history("t") == [("COMPLETE", "complete", "ada", {})]


def test_a_promise_that_cannot_be_kept_waits_behind_an_incident_of_its_kind(at: At):
    desk = at('start > t:user(native=yes, completing="=kind") > b:job > end', "kind=c")
    hold(desk)
    desk.play("set kind=7; advance 1000")
    assert desk.shown("t", "state") == "COMPLETING"
    assert incidents(desk) == [ErrorType.EXTRACT_VALUE_ERROR]
    desk.play("set kind=c; resolve t")
    complete_listener(desk)
    desk.play("at b")


def test_a_promise_that_a_listener_denies_is_a_step_of_the_history(at: At):
    desk = at("start > t:user(native=yes, completing=c) > b:job > end")
    hold(desk, {"y": "1"})
    desk.play("advance 1000")
    complete_listener(desk, TaskListenerResult(True, "too early"))
    assert desk.shown("t", "state") == "CREATED"
    assert desk.history("t") == []
    key = desk.task("t").key
    reason = f"Completion of the User Task with key '{key}' was denied by Task Listener. Reason to deny: 'too early'"
    assert desk.denied("t") == [("COMPLETE", "complete", "ada", {}, reason)]
    desk.play("at t; variables")


def test_the_reason_of_a_denial_is_cut_to_what_a_person_reads(at: At):
    desk = at("start > t:user(native=yes, completing=c) > b:job > end")
    hold(desk)
    desk.play("advance 1000")
    complete_listener(desk, TaskListenerResult(True, "no" * 50_000))
    [(*_, refusal)] = desk.denied("t")
    assert len(refusal) == 5_000


def undo(desk: Desk, element: str = "t") -> None:
    desk.engine.do(UndoUserTask(desk.task(element).key, ADA))


def test_undoing_a_promise_that_could_not_be_kept_ends_its_incident(at: At):
    desk = at('start > t:user(native=yes, completing="=kind") > b:job > end', "kind=c")
    hold(desk)
    desk.play("set kind=7; advance 1000")
    assert incidents(desk) == [ErrorType.EXTRACT_VALUE_ERROR]
    undo(desk)
    assert (incidents(desk), desk.shown("t", "state")) == ([], "CREATED")
    desk.play("set kind=c; advance 1000; at t")


def test_undoing_a_promise_leaves_the_incident_of_the_job(at: At):
    desk = at("start > t:user > b:job > end")
    hold(desk)
    desk.play("activate io.camunda.zeebe:userTask; fail t retries=0")
    assert incidents(desk) == [ErrorType.JOB_NO_RETRIES]
    undo(desk)
    assert incidents(desk) == [ErrorType.JOB_NO_RETRIES]


def test_each_promise_that_could_not_be_kept_is_repaired_on_its_own(at: At):
    kind = ', completing="=kind"'
    desk = at(TWO.format(first=kind, second=kind), "kind=c")
    for element in ("t", "u"):
        desk.engine.do(HoldUserTask(desk.task(element).key, {}, 1_000, "", ADA))
    desk.play("set kind=7; advance 1000")
    assert len(incidents(desk)) == 2
    undo(desk, "u")
    assert len(incidents(desk)) == 1
    desk.play("set kind=c; resolve t")
    assert (incidents(desk), desk.listener_jobs()) == ([], ["completing c"])
    assert desk.shown("u", "state") == "CREATED"


def test_the_incident_of_a_promise_ends_with_its_task(at: At):
    desk = at(
        'start > t:user(native=yes, completing="=kind") > end & m:boundary(on=t, timer=PT1H) > b:job > end2', "kind=c"
    )
    hold(desk)
    desk.play("set kind=7; advance 1000")
    assert len(incidents(desk)) == 1
    desk.play("advance 3600000; at b")
    assert incidents(desk) == []


# --- proposals


def propose(desk: Desk) -> TaskProposal:
    desk.engine.do(ProposeForUserTask(desk.task("t").key, '{"x":1}', actor=Actor("bot")))
    return proposal(desk)


def proposal(desk: Desk) -> TaskProposal:
    [row] = desk._noted(TaskProposal)
    return row


def test_a_proposal_is_accepted_when_the_listeners_agree(at: At):
    desk = at("start > t:user(native=yes, completing=c) > b:job > end")
    desk.engine.do(AnswerTaskProposal(propose(desk), READ, ProposalState.ACCEPTED, "", {"x": "1"}, ADA))
    assert proposal(desk).state is ProposalState.OPEN
    complete_listener(desk)
    assert (proposal(desk).state, proposal(desk).answered_by) == (ProposalState.ACCEPTED, "ada")
    assert [(action, user) for _, action, user, _ in desk.history("t")] == [
        ("propose", "bot"),
        ("accept proposal", "ada"),
        ("complete", "ada"),
    ]


def test_a_proposal_whose_acceptance_is_denied_can_be_answered_again(at: At):
    desk = at("start > t:user(native=yes, completing=c) > b:job > end")
    made = propose(desk)
    desk.engine.do(AnswerTaskProposal(made, READ, ProposalState.ACCEPTED, "", {"x": "1"}, ADA))
    complete_listener(desk, TaskListenerResult(True, "no"))
    assert proposal(desk) == made
    assert [action for _, action, _, _ in desk.history("t")] == ["propose"]
    desk.engine.do(AnswerTaskProposal(made, READ, ProposalState.IGNORED, "", {}, ADA))
    assert proposal(desk).state is ProposalState.IGNORED


def answer(desk: Desk, made: TaskProposal, state: ProposalState, read_key: int = READ, by: Actor = ADA) -> None:
    desk.engine.do(AnswerTaskProposal(made, read_key, state, "no", {}, by))


@pytest.mark.parametrize("second", [ProposalState.ACCEPTED, ProposalState.EDITED, ProposalState.IGNORED])
def test_of_two_who_read_an_open_proposal_one_answers_it(at: At, second: ProposalState):
    desk = at("start > t:user(native=yes) > b:job > end")
    made = propose(desk)
    answer(desk, made, ProposalState.ANSWERED)
    with pytest.raises(Refused, match=r"FAILED_PRECONDITION: .* to be open, but somebody has answered it"):
        answer(desk, made, second, by=Actor("bob"))
    assert (proposal(desk).state, proposal(desk).answered_by) == (ProposalState.ANSWERED, "ada")
    desk.play("at t")


def test_an_answer_that_is_refused_leaves_the_proposal_open(at: At):
    desk = at('start > t:user(native=yes, completing="=missing") > end')
    made = propose(desk)
    with pytest.raises(Refused, match="to be evaluated"):
        answer(desk, made, ProposalState.ACCEPTED)
    answer(desk, made, ProposalState.IGNORED)
    assert proposal(desk).state is ProposalState.IGNORED


def test_a_proposal_that_was_read_before_the_partition_was_opened_is_read_again(at: At):
    desk = at("start > t:user(native=yes) > b:job > end")
    made = propose(desk)
    with pytest.raises(Refused, match="read too long ago"):
        answer(desk, made, ProposalState.IGNORED, read_key=0)


def test_an_answer_that_is_forgotten_is_found_by_who_reads_again(at: At, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(answered, "ANSWERS_MAX", 0)
    desk = at("start > t:user(native=yes) > b:job > end")
    first = propose(desk)
    desk.engine.do(ProposeForUserTask(desk.task("t").key, '{"x":2}', actor=Actor("bot")))
    second = desk._noted(TaskProposal)[1]
    read_key = second.key + 2  # behind the step that proposes it
    answer(desk, first, ProposalState.EDITED, read_key)
    answer(desk, second, ProposalState.EDITED, READ)
    with pytest.raises(Refused, match="read too long ago"):
        answer(desk, first, ProposalState.IGNORED, read_key)
    with pytest.raises(Refused, match=r"FAILED_PRECONDITION: .* somebody has answered it"):
        answer(desk, desk._noted(TaskProposal)[0], ProposalState.IGNORED, READ)
    assert [one.state for one in desk._noted(TaskProposal)] == [ProposalState.EDITED] * 2


# --- errors of listeners


def test_nothing_catches_the_error_of_a_listener_before_the_end(at: At):
    desk = at("""
        start > t:user(native=yes, canceling=c) > end & late:boundary(on=t, timer=PT1S) > b:job > end2
        & oops:boundary(on=t, error=any) > w:job > end3
    """)
    desk.play("advance 1000; throw t code=E")
    assert incidents(desk) == [ErrorType.UNHANDLED_ERROR_EVENT]
    desk.play("at t b; resolve t")
    complete_listener(desk)
    desk.play("at b")
    assert desk.shown("t", "state") == "CANCELED"


# --- migration meanwhile


def test_an_instance_is_migrated_twice_while_a_task_waits_for_its_end(at: At):
    desk = at("""
        start > t:user(native=yes, canceling=c) > end & stop:boundary(on=t, message=stop, key="=k") > b:job > end2
        & late:boundary(on=t, timer=PT1H, cancel=false) > n:job > end3
    """, "k=1")  # fmt: skip
    desk.play("""
        deploy  other:: start > t:user(native=yes, canceling=c) > b:job > end
        publish stop key=1
        at      t b
        migrate other t>t b>b
        migrate other t>t b>b
    """)
    complete_listener(desk)
    desk.play("at b; advance 4000000; at b; complete b; completed")
    assert desk.shown("t", "state") == "CANCELED"
