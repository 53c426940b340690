"""User tasks: what their jobs' headers tell, in both dialects, and what stops at an incident (user-tasks.md, sections 2 to 4)."""

import pytest

from tests.bpmn import bpmn
from tests.conftest import Play
from tests.doors import Door
from tests.harness import RESERVED, Scenario


def headers_of(scenario: Scenario) -> dict[str, str]:
    return {name.removeprefix(RESERVED): value for name, value in scenario.job("t").headers.items()}


@pytest.mark.parametrize(
    ("task", "variables", "expected"),
    [
        ("t:user", "", {}),
        ("t:user(assignee=ada)", "", {"assignee": "ada"}),
        ('t:user(assignee="=who")', "who=bob", {"assignee": "bob"}),
        ('t:user(groups="a, b ,c")', "", {"candidateGroups": '["a","b","c"]'}),
        ('t:user(groups="=g", users="=u")', 'g=["x"] u=[]', {"candidateGroups": '["x"]', "candidateUsers": "[]"}),
        ('t:user(due="2030-01-01T01:00:00Z")', "", {"dueDate": "2030-01-01T01:00:00Z"}),
        ('t:user(follow_up="2029-01-01T01:00:05+02:00")', "", {"followUpDate": "2029-01-01T01:00:05+02:00"}),
        ('t:user(due="=d")', 'd="2030-01-01T01:00:00+01:00[Europe/Berlin]"', {"dueDate": "2030-01-01T01:00:00+01:00[Europe/Berlin]"}),
        ('t:user(due="2030-01-01t01:00:00z")', "", {"dueDate": "2030-01-01T01:00:00Z"}),
        # A zone that contradicts the offset: the moment counts, as with Java's ZonedDateTime.parse (tried).
        ('t:user(due="2030-01-01T10:00:00Z[Europe/Berlin]")', "", {"dueDate": "2030-01-01T11:00:00+01:00[Europe/Berlin]"}),
        ('t:user(due="=d")', 'd="2030-07-01T10:00:00+01:00[Europe/Berlin]"', {"dueDate": "2030-07-01T11:00:00+02:00[Europe/Berlin]"}),
        ('t:user(due="=d")', 'd="2031-10-26T02:30:00+01:00[Europe/Berlin]"', {"dueDate": "2031-10-26T02:30:00+01:00[Europe/Berlin]"}),
        ('t:user(due="2030-01-01T01:00+02:00[GMT+02:00]")', "", {"dueDate": "2030-01-01T01:00:00+02:00[GMT+02:00]"}),
        ('t:user(due="=d")', 'd="2030-01-01T01:00:00+01"', {"dueDate": "2030-01-01T01:00:00+01:00"}),
        ('t:user(due="=date and time(d)")', 'd="2030-01-01T01:00:00"', {"dueDate": "2030-01-01T01:00:00Z[Etc/UTC]"}),
        ('t:user(due="=d")', "d=null", {}),
        ('t:user(due="=d")', 'd=""', {}),
        ('t:user(due="=missing")', "", {}),
        ('t:user(form="=as it stands")', "", {"formKey": "=as it stands"}),
        ("t:user(header.tone=loud, assignee=ada)", "", {"tone": "loud", "assignee": "ada"}),
    ],
)  # fmt: skip
def test_headers_of_a_zeebe_task(play: Play, task: str, variables: str, expected: dict[str, str]):
    assert headers_of(play(f"deploy start > {task} > end; create {variables}")) == expected


@pytest.mark.parametrize(
    ("task", "variables", "words"),
    [
        ('t:user(assignee="=who")', "who=null", "to be 'STRING', but was 'NULL'"),
        ('t:user(assignee="=who")', "who=5", "to be 'STRING', but was 'NUMBER'"),
        ('t:user(assignee="=who")', "", "[NO_VARIABLE_FOUND]"),
        ('t:user(groups="=g")', "g=abc", "to be 'ARRAY', but was 'STRING'"),
        ('t:user(users="=u")', "u=[1]", "containing at least one non-'STRING' item"),
        ('t:user(due="=d")', "d=foo", "Invalid date-time format 'foo' for expression 'd'."),
        ('t:user(due="=d")', "d=5", "to be one of '[NULL, DATE_TIME, STRING]', but was 'NUMBER'"),
        ('t:user(due="=d")', 'd="2030-01-01"', "Invalid date-time format"),
        # The text of an expression takes what a model takes, and nothing that is FEEL's alone.
        ('t:user(due="=d")', 'd="2030-01-01T10:00:00@Europe/Berlin"', "Invalid date-time format"),
        ('t:user(due="=d")', 'd="2030-01-01T24:00:00Z"', "Invalid date-time format"),
        ('t:user(due="=d")', 'd="2030-01-01T10:00:00+01:00:30"', "Invalid date-time format"),
        ('t:user(due="=d")', 'd="2030-01-01T10:00:00[Europe/Berlin]"', "Invalid date-time format"),
        ('t:user(due="=date and time(d)")', 'd="10000-01-01T00:00:00Z"', "Invalid date-time format '10000-01-01T00:00"),
        ('t:user(follow_up="=date and time(d)")', 'd="-0001-01-01T00:00:00Z"', "Invalid date-time format '-0001-01-01"),
    ],
)
def test_an_assignment_that_cannot_be_told_is_an_incident(play: Play, task: str, variables: str, words: str):
    play(f"deploy start > {task} > end; create {variables}; none t; incident t EXTRACT_VALUE_ERROR {words}")


def test_a_repaired_assignment_makes_the_task(play: Play):
    play('deploy start > t:user(assignee="=who") > end; create; none t; set who=ada; resolve t; waits t assignee=ada')


def test_a_missing_form_is_an_incident(play: Play):
    play("deploy start > t:user(form_id=nowhere) > end; create; none t; incident t FORM_NOT_FOUND nowhere")


@pytest.fixture
def play_activiti(door: Door):
    def play(task: str, variables: str) -> Scenario:
        door.deploy(("process.bpmn", bpmn(f"start > {task} > end", dialect="activiti")))
        scenario = Scenario(door)
        scenario.play(f"create {variables}")
        return scenario

    return play


@pytest.mark.parametrize(
    ("task", "variables", "expected"),
    [
        ("t:user(assignee=ada)", "", {"assignee": "ada"}),
        ("t:user(assignee=who)", "who=bob", {"assignee": "who"}),
        ('t:user(assignee="${who}")', "who=bob", {"assignee": "bob"}),
        ('t:user(assignee="${who}")', "who=null", {}),
        ('t:user(groups="a,${g}")', 'g=["b","c"]', {"candidateGroups": '["a","b","c"]'}),
        ('t:user(due="2030-01-01T01:00:00")', "", {"dueDate": "2030-01-01T01:00:00Z"}),
        ('t:user(due="2030-01-01")', "", {"dueDate": "2030-01-01T00:00:00Z"}),
        ('t:user(due="${d}")', 'd="2030-01-01T01:00:00.500+02:00"', {"dueDate": "2030-01-01T01:00:00.500+02:00"}),
        ('t:user(due="${d}")', "d=null", {}),
    ],
)
def test_headers_of_an_activiti_task(play_activiti, task: str, variables: str, expected: dict[str, str]):
    assert headers_of(play_activiti(task, variables)) == expected


def test_a_duration_is_due_from_now(play_activiti):
    scenario = play_activiti("t:user(due=P1DT1H)", "")
    assert headers_of(scenario)["dueDate"].startswith("2027-01-16T")


@pytest.mark.parametrize(
    ("task", "variables", "words"),
    [
        ('t:user(assignee="${who}")', "", "who"),
        ('t:user(due="${d}")', "d=5", "NUMBER"),
        ('t:user(due="${d}")', 'd="R3/PT5M"', "Invalid date-time format"),
    ],
)
def test_an_activiti_assignment_that_cannot_be_told_is_an_incident(
    play_activiti, task: str, variables: str, words: str
):
    play_activiti(task, variables).play(f"none t; incident t EXTRACT_VALUE_ERROR {words}")


def test_a_condition_in_juel_sends_the_token(door: Door):
    line = "start > ask:user > pick:exclusive [amount > 10 -> big:user > e1:end | else -> small:user > e2:end]"
    door.deploy(("process.bpmn", bpmn(line, dialect="activiti")))
    Scenario(door).play("create; complete ask amount=11; waits big; complete big; completed")
