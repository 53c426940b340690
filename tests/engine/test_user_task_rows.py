"""The row of a user task: when it is made, what it shows, and how it ends (user-tasks.md, sections 1, 3 and 6)."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bpmn import bpmn
from tests.desk import Desk
from tests.doors import Refused

At = Callable[..., Desk]
KINDS = {"job": "", "native": ", native=yes"}


@pytest.fixture(params=["engine", "restarts"])
def at(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[At]:
    """A desk in memory, or one whose partition restarts after every call."""
    desks: list[Desk] = []

    def at(line: str, variables: str = "", **more: Any) -> Desk:
        path = tmp_path / "partition-1.db" if request.param == "restarts" else None
        desks.append(Desk(line, variables, path=path, **more))
        return desks[-1]

    yield at
    for desk in desks:
        desk.engine.close()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return KINDS[request.param]


def test_every_user_task_has_a_row_with_its_attributes(at: At, kind: str):
    desk = at(
        f'start > t:user(name="Decide", doc="what", assignee=ada, groups="hr, it", users=ben, header.tone=loud,'
        f' due="2030-01-01T01:00:00+01:00", follow_up="2029-12-31T00:00:00Z"{kind}) > end'
    )
    assert desk.shown("t", "name", "documentation", "state", "assignee") == ("Decide", "what", "CREATED", "ada")
    assert desk.shown("t", "candidate_groups", "candidate_users") == ('["hr","it"]', '["ben"]')
    assert desk.candidates("t") == ["group hr", "group it", "user ben"]
    assert desk.shown("t", "due_date", "due_ms") == ("2030-01-01T01:00:00+01:00", 1_893_456_000_000)
    assert desk.shown("t", "follow_up_date", "follow_up_ms") == ("2029-12-31T00:00:00Z", 1_893_369_600_000)
    assert desk.shown("t", "priority", "headers") == (50, '{"tone":"loud"}')


def test_a_task_that_says_nothing_has_empty_attributes(at: At, kind: str):
    desk = at(f"start > t:user({kind.lstrip(', ')}) > end")
    assert desk.shown("t", "name", "assignee", "due_date", "due_ms", "priority") == ("", "", "", 0, 50)
    assert desk.candidates("t") == []


def test_the_key_of_a_task_is_neither_that_of_its_element_nor_of_its_job(at: At, kind: str):
    task = at(f"start > t:user(assignee=ada{kind}) > end").task("t")
    assert len({task.key, task.element_instance_key, task.job_key, task.process_instance_key}) == 4
    assert bool(task.job_key) == (not kind)


@pytest.mark.parametrize(
    ("priority", "variables", "shown"),
    [("0", "", 0), ("100", "", 100), ("=p", "p=7", 7), ("=p", "p=7.0", 7), ("", "", 50)],
)
def test_the_priority_of_a_native_task(at: At, priority: str, variables: str, shown: int):
    assert at(f'start > t:user(native=yes, priority="{priority}") > end', variables).shown("t", "priority") == shown


def test_the_priority_of_a_job_based_task_is_ignored(at: At):
    assert at('start > t:user(priority="=nothing") > end').shown("t", "priority") == 50


@pytest.mark.parametrize(
    ("attribute", "variables", "words"),
    [
        ('priority="=p"', "p=high", "to be 'NUMBER', but was 'STRING'"),
        ('priority="=p"', "", "to be 'NUMBER', but was 'NULL'"),
        ('priority="=p"', "p=5.5", "to be an integer, but was a decimal."),
        ('priority="=p"', "p=200", "Expected priority to be in the range [0,100] but was '200'."),
        ('priority="=p"', "p=-1", "Expected priority to be in the range [0,100] but was '-1'."),
        ('assignee="=who"', "who=5", "to be 'STRING', but was 'NUMBER'"),
        ('groups="=g"', "g=[1]", "non-'STRING' item"),
        ('due="=d"', "d=foo", "Invalid date-time format 'foo' for expression 'd'."),
        ('reference="=r"', "r=5", "to be 'STRING', but was 'NUMBER'"),
    ],
)
def test_an_attribute_that_cannot_be_evaluated_leaves_no_task(at: At, attribute: str, variables: str, words: str):
    desk = at(f"start > t:user(native=yes, {attribute}) > end", variables)
    desk.play(f"incident t EXTRACT_VALUE_ERROR {words}")
    assert desk.tasks() == []


def test_a_repaired_attribute_makes_the_task(at: At):
    desk = at('start > t:user(native=yes, assignee="=who") > end')
    assert desk.tasks() == []
    desk.play("set who=ada; resolve t")
    assert desk.shown("t", "assignee") == "ada"


def test_a_missing_form_leaves_no_task_until_it_is_deployed(at: At):
    desk = at("start > t:user(native=yes, form_id=order) > end")
    desk.play("incident t FORM_NOT_FOUND order")
    assert desk.tasks() == []
    form = desk.engine.deploy(("order.form", b'{"id":"order"}')).forms[0]
    desk.play("resolve t")
    assert desk.shown("t", "form_key", "external_form") == (form.key, "")


def test_an_external_form_is_a_text(at: At):
    desk = at('start > t:user(native=yes, reference="=r") > end', 'r="https://forms/1"')
    assert desk.shown("t", "form_key", "external_form") == (0, "https://forms/1")


def test_the_form_key_of_a_job_based_task_is_a_text_too(at: At):
    assert at("start > t:user(form=order-form) > end").shown("t", "form_key", "external_form") == (0, "order-form")


def test_a_native_task_has_no_job_and_comes_after_the_start_listeners(at: At):
    desk = at("start > t:user(native=yes, on_start=check) > end")
    assert desk.tasks() == []
    desk.play("complete t")
    assert desk.shown("t", "state") == "CREATED"
    desk.play("none t")


def test_completing_the_job_completes_the_task(at: At):
    desk = at("start > t:user(groups=hr) > end")
    desk.play("complete t ok=true; completed")
    assert desk.shown("t", "state") == "COMPLETED"
    assert desk.task("t").ended_ms
    assert desk.candidates("t") == []
    with pytest.raises(Refused, match=r"NOT_FOUND: Expected to complete user task .* but no such user task was found"):
        desk.finish("t")


def test_completing_the_task_completes_the_job(at: At):
    desk = at("start > t:user > end")
    desk.play("waits t")
    job = desk.key("t")
    desk.finish("t", '{"ok":true}')
    desk.play("completed")
    with pytest.raises(AssertionError, match="NOT_FOUND"):
        desk.play(f"complete {job}")


@pytest.mark.parametrize("before", ["fail t retries=0", "throw t nobody-catches", "activate io.camunda.zeebe:userTask"])
def test_a_person_may_complete_a_task_whose_job_is_stopped_or_held(at: At, before: str):
    desk = at("start > t:user > b:user > end")
    desk.play(before)
    desk.finish("t")
    desk.play("at b")
    assert desk.engine.incidents(desk.instance) == []


def test_a_job_that_failed_stays_a_task(at: At):
    desk = at("start > t:user > end")
    desk.play("fail t retries=0")
    assert desk.shown("t", "state") == "CREATED"


@pytest.mark.parametrize(
    ("line", "act"),
    [
        ("start > t:user(KIND) > end", "cancel"),
        ("start > s:sub { start2 > t:user(KIND) > end2 } > end & late:boundary(on=s, timer=PT1H) > end3", "advance 3600000"),
        ("start > t:user(KIND) > end & late:boundary(on=t, timer=PT1H) > end3", "advance 3600000"),
        ("start > t:user(KIND) > b:job > end", "modify -t +b"),
        ("start > fork:parallel [t:user(KIND) > e1:end | b:job > e2:end(terminate=yes)]", "complete b"),
    ],
)  # fmt: skip
def test_a_task_is_canceled_with_its_element(at: At, kind: str, line: str, act: str):
    desk = at(line.replace("KIND", f"groups=hr{kind}"))
    assert desk.shown("t", "state") == "CREATED"
    desk.play(act)
    assert desk.shown("t", "state") == "CANCELED"
    assert desk.candidates("t") == []
    assert desk.candidates("t", ended=True) == ["group hr"]
    with pytest.raises(Refused, match="NOT_FOUND"):
        desk.finish("t")


def test_a_boundary_event_that_does_not_interrupt_leaves_the_task(at: At, kind: str):
    line = f"start > t:user(assignee=ada{kind}) > end & late:boundary(on=t, timer=PT1H, cancel=false) > b:job > end3"
    desk = at(line)
    desk.play("advance 3600000; at t b")
    desk.finish("t")
    desk.play("at b")


def test_an_error_that_a_boundary_event_catches_cancels_the_task(at: At):
    desk = at("start > t:user > end & no:boundary(on=t, error=no) > b:job > end3")
    desk.play("throw t no; at b")
    assert desk.shown("t", "state") == "CANCELED"


def test_output_mappings_that_fail_leave_the_task_completed(at: At, kind: str):
    desk = at(f'start > t:user(out.x="=assert(y, y != null)"{kind}) > end')
    desk.finish("t")
    desk.play("incident t IO_MAPPING_ERROR; running")
    assert desk.shown("t", "state") == "COMPLETED"
    desk.play("set y=1; resolve t; completed")


def test_variables_go_through_output_mappings_only(at: At, kind: str):
    desk = at(f'start > t:user(out.b="=a + 1"{kind}) > wait:job > end')
    desk.finish("t", '{"a":1,"c":2}')
    desk.play("variables b=2")


def test_every_instance_of_a_loop_has_its_task(at: At, kind: str):
    desk = at(f'start > t:user(items="=people", item=who, assignee="=who"{kind}) > end', 'people=["ada","ben"]')
    assert [task.assignee for task in desk.tasks()] == ["ada", "ben"]
    for task in desk.tasks():
        desk.finish(str(task.key))
    desk.play("completed")


def test_a_migrated_task_goes_on_with_its_key(at: At, kind: str):
    desk = at(f"start > t:user(groups=hr{kind}) > end")
    desk.engine.deploy(("other.bpmn", bpmn(f"start > u:user(groups=it{kind}) > end", id="other")))
    key = desk.task("t").key
    desk.play("migrate other t>u")
    assert desk.shown("u", "key", "candidate_groups") == (key, '["hr"]')
    assert desk.task("u").process_definition_key == desk.engine.definition("other")
    desk.finish("u")
    desk.play("completed")


def test_a_task_does_not_become_one_of_the_other_kind_by_migration(at: At):
    desk = at("start > t:user > end")
    desk.engine.deploy(("other.bpmn", bpmn("start > u:user(native=yes) > end", id="other")))
    desk.play("migrate other t>u", refused="FAILED_PRECONDITION")


def test_nobody_works_on_a_task_of_a_suspended_instance(at: At, kind: str):
    desk = at(f"start > t:user(groups=hr{kind}) > end")
    desk.play("suspend")
    for act in (lambda: desk.claim("t", by="ada"), lambda: desk.finish("t"), lambda: desk.unassign("t")):
        with pytest.raises(Refused, match=r"FAILED_PRECONDITION: .* is suspended"):
            act()
    desk.play("resume")
    desk.finish("t")


def test_a_task_of_the_activiti_dialect_shows_its_own_attributes(at: At):
    desk = at(
        'start > t:user(name="For ${who}", doc="${who}", category=food, priority=900, groups="${g}", form=order) > end',
        'who="ada" g="hr,it"',
        dialect="activiti",
    )
    assert desk.shown("t", "name", "documentation", "category", "priority") == ("For ada", "ada", "food", 900)
    assert desk.shown("t", "external_form") == "order"
    assert desk.candidates("t") == ["group hr", "group it"]


def test_a_model_that_makes_a_task_too_large_is_an_incident(at: At, kind: str):
    desk = at(f'start > t:user(groups="=for i in 1..1000 return string(i) + who"{kind}) > end', f"who={'x' * 1_000}")
    desk.play("incident t EXTRACT_VALUE_ERROR bytes")
    assert desk.tasks() == []
    desk.play("set who=x; resolve t")
    assert len(desk.tasks()) == 1
