"""Task listeners: jobs that hold up a change of a user task, correct it or deny it (user-tasks.md, section 7)."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from osmia_broker.base.errors import OsmiaError
from osmia_broker.engine.commands import ActivateJobs, CancelProcessInstance, CompleteJob, SetVariables
from osmia_broker.engine.tasks.listener_results import TaskListenerResult
from osmia_broker.state.rows import Job
from tests.desk import Desk, person
from tests.doors import Refused

At = Callable[..., Desk]


@pytest.fixture
def at() -> Iterator[At]:
    desks: list[Desk] = []

    def at(listeners: str = "", variables: str = "", line: str = "") -> Desk:
        line = line or f"start > t:user(native=yes, groups=hr{listeners and ', '}{listeners}) > b:job > end"
        desks.append(Desk(line, variables))
        return desks[-1]

    yield at
    for desk in desks:
        desk.engine.close()


def answer(desk: Desk, *, denied: bool = False, reason: str = "", **corrections: Any) -> None:
    """Complete the open job of a listener."""
    result = TaskListenerResult(denied, reason, corrections)
    desk.engine.do(CompleteJob(desk.listener_key(), {}, task_result=result))


def key(desk: Desk) -> int:
    return desk.task("t").key


# --- holding up


@pytest.mark.parametrize(
    ("event", "state", "act"),
    [
        ("assigning", "ASSIGNING", lambda calls, key: calls.assign(key, "ada", caller=person("boss"))),
        ("assigning", "ASSIGNING", lambda calls, key: calls.claim(key, caller=person("ada"))),
        ("assigning", "ASSIGNING", lambda calls, key: calls.unassign(key, caller=person())),
        ("updating", "UPDATING", lambda calls, key: calls.update(key, {"priority": 9}, caller=person())),
        ("completing", "COMPLETING", lambda calls, key: calls.complete(key, '{"x":1}', caller=person())),
    ],
)
def test_a_change_waits_for_its_listeners_one_after_the_other(at: At, event: str, state: str, act: Any):
    desk = at(f'{event}="first second"')
    before = desk.task("t")
    call = desk.begin(lambda calls: act(calls, before.key))
    assert desk.outcome(call) == "waits"
    assert (desk.shown("t", "state"), desk.shown("t", "assignee")) == (state, "")
    assert desk.listener_jobs() == [f"{event} first"]
    answer(desk)
    assert desk.outcome(call) == "waits"
    assert desk.listener_jobs() == [f"{event} second"]
    answer(desk)
    assert desk.outcome(call) == "done"
    assert desk.shown("t", "state") == ("COMPLETED" if event == "completing" else "CREATED")


def test_a_completion_takes_effect_when_the_listeners_are_done(at: At):
    desk = at("completing=check")
    call = desk.begin(lambda calls: calls.complete(key(desk), '{"x":1}', caller=person("ada")))
    desk.play("at t; variables")
    answer(desk)
    assert desk.outcome(call) == "done"
    desk.play("at b; variables x=1")
    assert desk.history("t") == [("COMPLETE", "complete", "ada", {})]


@pytest.mark.parametrize(
    ("activate", "seen"),
    [
        ("activate check", "x=1 y=0 z=2"),
        ("activate check fetch=x,y,none", "x=1 y=0"),
        ("activate check fetch=z", "z=2"),
    ],
)
def test_a_listener_sees_the_variables_of_the_completion(at: At, activate: str, seen: str):
    desk = at("completing=check", "x=0 y=0")
    desk.begin(lambda calls: calls.complete(key(desk), '{"x":1,"z":2}', caller=person()))
    desk.play(f"{activate}; sees {seen}; variables x=0 y=0")
    answer(desk)
    desk.play("variables x=1 y=0 z=2")


def test_after_a_denied_completion_its_variables_are_forgotten(at: At):
    desk = at("completing=check", "x=0")
    desk.begin(lambda calls: calls.complete(key(desk), '{"x":1}', caller=person()))
    answer(desk, denied=True)
    desk.begin(lambda calls: calls.complete(key(desk), '{"z":2}', caller=person()))
    desk.play("activate check; sees x=0 z=2")


@pytest.mark.parametrize(
    "act",
    [
        lambda desk: desk.assign("t", "ben"),
        lambda desk: desk.claim("t", by="ben"),
        lambda desk: desk.unassign("t"),
        lambda desk: desk.update("t", {"priority": 1}),
        lambda desk: desk.finish("t"),
    ],
)
def test_a_task_takes_nothing_else_while_listeners_work(at: At, act: Any):
    desk = at("assigning=check")
    call = desk.begin(lambda calls: calls.assign(key(desk), "ada", caller=person()))
    with pytest.raises(Refused, match=r"FAILED_PRECONDITION: .* but it is in state 'ASSIGNING'"):
        act(desk)
    answer(desk)
    assert desk.outcome(call) == "done"


def test_a_caller_waits_no_longer_than_they_said_and_the_change_goes_on(at: At):
    desk = at("assigning=check")
    with pytest.raises(OsmiaError, match="but they still work; the change goes on") as found:
        desk.engine.runner.run(desk.calls().assign(key(desk), "ada", caller=person(), wait_ms=1))
    assert found.value.status == "DEADLINE_EXCEEDED"
    answer(desk)
    assert desk.shown("t", "assignee", "state") == ("ada", "CREATED")


# --- creation


def test_a_task_is_created_when_its_listeners_are_done_then_its_assignee_is_assigned(at: At):
    desk = at("creating=c, assigning=a, assignee=ada")
    assert desk.shown("t", "state", "assignee") == ("CREATING", "")
    assert desk.listener_jobs() == ["creating c"]
    answer(desk, priority=70)
    assert desk.shown("t", "state", "assignee", "priority") == ("ASSIGNING", "", 70)
    assert desk.listener_jobs() == ["assigning a"]
    answer(desk)
    assert desk.shown("t", "state", "assignee") == ("CREATED", "ada")


def test_an_assignee_of_the_model_is_seen_by_assigning_listeners_only(at: At):
    desk = at("assigning=a, assignee=ada")
    assert desk.listener_jobs() == ["assigning a"]
    answer(desk, denied=True)
    assert desk.shown("t", "state", "assignee") == ("CREATED", "")


def test_a_creating_listener_may_choose_the_assignee(at: At):
    desk = at("creating=c")
    answer(desk, assignee="ben")
    assert desk.shown("t", "state", "assignee") == ("CREATED", "ben")


@pytest.mark.parametrize("of_the_model", ["", ', assignee="=string join([])"', ", groups=cooks"])
def test_a_second_creating_listener_may_choose_another_assignee(at: At, of_the_model: str):
    desk = at(f'creating="c d"{of_the_model}')
    answer(desk, assignee="ben")
    answer(desk, assignee="cleo")
    assert desk.shown("t", "state", "assignee") == ("CREATED", "cleo")


# --- correcting and denying


def test_later_corrections_win_and_all_are_seen_by_the_next_listener(at: At):
    desk = at('assigning="a b"')
    call = desk.begin(lambda calls: calls.assign(key(desk), "ada", caller=person("boss")))
    answer(desk, assignee="ben", priority=10, candidateGroups=["it"])
    [job] = [job for job in desk.engine.living(Job, desk.instance) if job.kind == "TASK_LISTENER"]
    headers = desk.engine.jobs(desk.instance)[0].headers
    assert headers["io.camunda.zeebe:assignee"] == "ben"
    assert headers["io.camunda.zeebe:candidateGroups"] == '["it"]'
    assert headers["io.camunda.zeebe:changedAttributes"] == '["assignee","candidateGroups","priority"]'
    assert headers["io.camunda.zeebe:action"] == "assign"
    assert headers["io.camunda.zeebe:userTaskKey"] == str(key(desk))
    assert job.listener_event == "ASSIGNING"
    answer(desk, priority=20)
    assert desk.outcome(call) == "done"
    assert desk.shown("t", "assignee", "priority") == ("ben", 20)
    assert desk.candidates("t") == ["group it"]
    changes = {"assignee": ["", "ben"], "priority": [50, 20], "candidateGroups": [["hr"], ["it"]]}
    assert desk.history("t") == [("ASSIGN", "assign", "boss", changes)]


def test_corrections_that_make_the_task_too_large_are_refused(at: At):
    desk = at('updating="u v"')
    call = desk.begin(lambda calls: calls.update(key(desk), {"candidateUsers": ["x" * 4_000] * 200}, caller=person()))
    with pytest.raises(Refused, match=r"INVALID_ARGUMENT: Expected the texts of a user task, .* at most 1000000 bytes"):
        answer(desk, candidateGroups=["y" * 4_000] * 100)
    assert desk.listener_jobs() == ["updating u"]
    answer(desk)
    answer(desk)
    assert desk.outcome(call) == "done"


def test_an_empty_correction_clears(at: At):
    desk = at('updating=u, due="2030-01-01T00:00:00Z"')
    call = desk.begin(lambda calls: calls.update(key(desk), {"priority": 3}, caller=person()))
    answer(desk, dueDate="", candidateGroups=[])
    assert desk.outcome(call) == "done"
    assert desk.shown("t", "due_date", "due_ms", "candidate_groups", "priority") == ("", 0, "[]", 3)


@pytest.mark.parametrize(
    ("event", "word", "act"),
    [
        ("assigning", "Assignment", lambda calls, key: calls.assign(key, "ada", caller=person())),
        ("updating", "Update", lambda calls, key: calls.update(key, {"priority": 9}, caller=person())),
        ("completing", "Completion", lambda calls, key: calls.complete(key, '{"x":1}', caller=person())),
    ],
)
@pytest.mark.parametrize(("reason", "ending"), [("", ""), ("too early", ". Reason to deny: 'too early'")])
def test_a_denied_change_leaves_the_task_as_it_was(at: At, event: str, word: str, act: Any, reason: str, ending: str):
    desk = at(f'{event}="a b"')
    before = desk.task("t")
    call = desk.begin(lambda calls: act(calls, before.key))
    answer(desk, denied=True, reason=reason)
    text = f"{word} of the User Task with key '{before.key}' was denied by Task Listener{ending}"
    assert desk.outcome(call) == f"FAILED_PRECONDITION: {text}"
    assert desk.task("t") == before
    assert desk.listener_jobs() == desk.history("t") == []
    [(operation, _, _, changes, refusal)] = desk.denied("t")
    wanted = {"ASSIGN": {"assignee": ["", "ada"]}, "UPDATE": {"priority": [50, 9]}, "COMPLETE": {}}
    assert (changes, refusal) == (wanted[operation], text)
    again = desk.begin(lambda calls: act(calls, before.key))
    assert desk.outcome(again) == "waits"
    answer(desk)
    answer(desk)
    assert desk.outcome(again) == "done"


@pytest.mark.parametrize(
    ("listeners", "begin", "result"),
    [
        ("creating=c", None, {"denied": True}),
        ("creating=c, assigning=a, assignee=ada", None, {"assignee": "ben"}),
        ("creating=c, assignee=ada", None, {"assignee": "", "priority": 5}),
        ("assigning=a", "assign", {"denied": True, "priority": 5}),
    ],
)
def test_a_result_that_cannot_be(at: At, listeners: str, begin: str | None, result: dict[str, Any]):
    desk = at(listeners)
    if begin:
        desk.begin(lambda calls: calls.assign(key(desk), "ada", caller=person()))
    before = desk.task("t"), desk.listener_jobs()
    with pytest.raises(Refused, match="INVALID_ARGUMENT"):
        answer(desk, **result)
    assert (desk.task("t"), desk.listener_jobs()) == before


# --- failing


def test_a_listener_without_retries_stops_at_an_incident_until_it_is_repaired(at: At):
    desk = at("completing=check")
    call = desk.begin(lambda calls: calls.complete(key(desk), caller=person()))
    desk.engine.fail(desk.listener_key(), 0, "broken", 0, "{}")
    desk.play("incident t TASK_LISTENER_NO_RETRIES broken")
    with pytest.raises(AssertionError, match="no retries left"):
        desk.play("resolve t")
    desk.engine.update_retries(desk.listener_key(), 1)
    desk.play("resolve t")
    answer(desk)
    assert desk.outcome(call) == "done"
    desk.play("at b")


@pytest.mark.parametrize("event", ["assigning", "completing"])
def test_a_listener_that_cannot_be_evaluated_refuses_the_call(at: At, event: str):
    desk = at(f'{event}="=missing"')
    act = (lambda: desk.assign("t", "ada")) if event == "assigning" else (lambda: desk.finish("t"))
    with pytest.raises(
        Refused, match=r"FAILED_PRECONDITION: Expected the task listeners .* to be evaluated, but found"
    ):
        act()
    assert desk.shown("t", "state", "assignee") == ("CREATED", "")


def test_a_creating_listener_that_cannot_be_evaluated_is_an_incident(at: At):
    desk = at('creating="=type"')
    desk.play("incident t EXTRACT_VALUE_ERROR type")
    assert desk.tasks() == []
    desk.play("set type=c; resolve t")
    assert desk.listener_jobs() == ["creating c"]


# --- cancelling


def test_a_canceled_task_refuses_those_who_wait(at: At):
    desk = at("completing=check")
    call = desk.begin(lambda calls: calls.complete(key(desk), caller=person()))
    desk.engine.do(CancelProcessInstance(desk.instance))
    assert desk.outcome(call).startswith("NOT_FOUND: Expected user task")
    assert desk.shown("t", "state") == "CANCELED"
    assert desk.listener_jobs() == []


@pytest.mark.parametrize("act", ["cancel", "modify -t +b"])
def test_canceling_listeners_hold_up_the_end_of_the_task(at: At, act: str):
    desk = at('canceling="a b"')
    desk.play(act)
    assert desk.shown("t", "state") == "CANCELING"
    assert desk.listener_jobs() == ["canceling a"]
    with pytest.raises(Refused, match="NOT_FOUND"):
        desk.finish("t")
    [job] = desk.engine.activate("a", 5, 60_000)
    assert job.element_id == "t"
    answer(desk)
    assert desk.shown("t", "state") == "CANCELING"
    answer(desk, priority=1)
    assert desk.shown("t", "state", "priority") == ("CANCELED", 1)
    assert desk.history("t") == [("CANCEL", "", "", {"priority": [50, 1]})]
    desk.play("completed" if act == "cancel" else "at b")


def test_a_boundary_event_goes_on_while_canceling_listeners_work(at: At):
    line = "start > t:user(native=yes, canceling=a) > end & late:boundary(on=t, timer=PT1H) > b:job > end2"
    desk = at(line=line)
    desk.play("advance 3600000; waits b")
    assert desk.shown("t", "state") == "CANCELING"
    desk.play("complete b; running")
    answer(desk)
    assert desk.shown("t", "state") == "CANCELED"
    desk.play("completed")


def test_canceling_listeners_of_several_tasks_work_side_by_side(at: At):
    desk = at(line='start > t:user(native=yes, canceling=a, items="=[1,2,3]", item=i) > end')
    desk.play("cancel")
    assert desk.listener_jobs() == ["canceling a"] * 3
    for job in [job for job in desk.engine.living(Job, desk.instance) if job.kind == "TASK_LISTENER"]:
        desk.play("running")
        desk.engine.do(CompleteJob(job.key, {}))
    desk.play("completed")
    assert {str(task.state) for task in desk.tasks()} == {"CANCELED"}


def test_canceling_takes_the_place_of_a_change_that_waits(at: At):
    desk = at("assigning=a, canceling=c")
    call = desk.begin(lambda calls: calls.assign(key(desk), "ada", caller=person()))
    desk.play("cancel")
    assert desk.outcome(call).startswith("NOT_FOUND")
    assert desk.listener_jobs() == ["canceling c"]
    answer(desk)
    assert desk.shown("t", "state", "assignee") == ("CANCELED", "")


def test_a_canceling_listener_without_retries_may_be_repaired(at: At):
    desk = at("canceling=c")
    desk.play("cancel")
    desk.engine.fail(desk.listener_key(), 0, "broken", 0, "{}")
    desk.engine.update_retries(desk.listener_key(), 1)
    desk.play("resolve t")
    answer(desk)
    desk.play("completed")


# --- global listeners


def test_global_listeners_work_around_those_of_the_model(at: At):
    desk = at("assigning=m")
    for name, after, priority in [("x", False, 10), ("y", False, 90), ("z", True, 50)]:
        given = {"type": name, "event_types": ["all"], "after_model": after, "priority": priority}
        desk.keep(lambda calls, name=name, given=given: calls.create_task_listener(name, **given))
    call = desk.begin(lambda calls: calls.assign(key(desk), "ada", caller=person()))
    seen = []
    while jobs := desk.listener_jobs():
        seen += jobs
        answer(desk)
    assert seen == ["assigning y", "assigning x", "assigning m", "assigning z"]
    assert desk.outcome(call) == "done"


def test_a_global_listener_sees_only_its_events_and_no_job_based_task(at: At):
    desk = at(line="start > fork:parallel [t:user(native=yes) > e1:end | u:user > e2:end]")
    desk.keep(lambda calls: calls.create_task_listener("x", type="x", event_types=["updating"]))
    desk.assign("t", "ada")
    desk.update("u", {"priority": 3})
    assert desk.listener_jobs() == []
    desk.begin(lambda calls: calls.update(key(desk), {"priority": 3}, caller=person()))
    assert desk.listener_jobs() == ["updating x"]


def test_a_global_listener_is_changed_and_deleted(at: At):
    desk = at()
    made = desk.keep(lambda calls: calls.create_task_listener("x", type="x", event_types=["Updating", "ASSIGNING"]))
    assert (made.event_types, made.retries, made.after_model) == ('["assigning","updating"]', 3, 0)
    changed = desk.keep(lambda calls: calls.update_task_listener("x", type="y", retries=1))
    assert (changed.type, changed.retries, changed.event_types) == ("y", 1, '["assigning","updating"]')
    desk.keep(lambda calls: calls.delete_task_listener("x"))
    desk.assign("t", "ada")
    assert desk.shown("t", "assignee") == "ada"


@pytest.mark.parametrize(
    ("status", "act"),
    [
        ("ALREADY_EXISTS", lambda calls: calls.create_task_listener("x", type="t", event_types=["all"])),
        ("NOT_FOUND", lambda calls: calls.update_task_listener("y", type="t")),
        ("NOT_FOUND", lambda calls: calls.delete_task_listener("y")),
        ("INVALID_ARGUMENT", lambda calls: calls.create_task_listener("", type="t", event_types=["all"])),
        ("INVALID_ARGUMENT", lambda calls: calls.create_task_listener("z" * 257, type="t", event_types=["all"])),
        ("INVALID_ARGUMENT", lambda calls: calls.create_task_listener("z", type=" ", event_types=["all"])),
        ("INVALID_ARGUMENT", lambda calls: calls.create_task_listener("z", type="t", event_types=[])),
        ("INVALID_ARGUMENT", lambda calls: calls.create_task_listener("z", type="t", event_types=["start"])),
        ("INVALID_ARGUMENT", lambda calls: calls.create_task_listener("z", type="t", event_types=["all"], retries=0)),
        ("INVALID_ARGUMENT", lambda calls: calls.update_task_listener("x", priority=101)),
    ],
)
def test_what_is_no_global_listener(at: At, status: str, act: Any):
    desk = at()
    desk.keep(lambda calls: calls.create_task_listener("x", type="x", event_types=["all"]))
    with pytest.raises(Refused) as found:
        desk.keep(act)
    assert found.value.status == status


# --- variables that are set at the task (8.8, read in the tests of the reference)


def set_variables(desk: Desk, *, local: bool = True) -> Any:
    element_key = desk.task("t").element_instance_key
    return desk.begin(lambda calls: calls.done(lambda ticket: SetVariables(element_key, {"x": "1"}, local, ticket)))


@pytest.mark.parametrize(("local", "in_process"), [(True, {}), (False, {"x": 1})])
def test_variables_that_are_set_at_the_task_wait_for_listeners_of_updates(at: At, local: bool, in_process: Any):
    desk = at("updating=l")
    call = set_variables(desk, local=local)
    assert desk.outcome(call) == "waits"
    assert desk.shown("t", "state") == "UPDATING"
    answer(desk)
    assert desk.outcome(call) == "done"
    assert desk.shown("t", "state") == "CREATED"
    assert desk.engine.variables(desk.instance) == in_process


def test_the_listener_sees_the_variables_to_come_and_that_they_change(at: At):
    desk = at("updating=l")
    set_variables(desk)
    [job] = desk.engine.do(ActivateJobs("l", "w", 1_000, 1))
    assert job.variables == '{"x":1}'
    assert msgspec.json.decode(job.headers)["io.camunda.zeebe:changedAttributes"] == '["variables"]'


def test_a_listener_may_deny_variables(at: At):
    desk = at("updating=l")
    call = set_variables(desk)
    answer(desk, denied=True, reason="no")
    assert "denied by Task Listener. Reason to deny: 'no'" in desk.outcome(call)
    assert desk.shown("t", "state") == "CREATED"


def test_no_variables_are_set_while_a_change_is_under_way(at: At):
    desk = at("completing=l")
    desk.begin(lambda calls: calls.complete(key(desk), "{}", caller=person()))
    assert "is in state 'COMPLETING'" in desk.outcome(set_variables(desk))
