"""What people do with user tasks, and what is refused (user-tasks.md, sections 6 and 7)."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from osmia_broker.base.errors import OsmiaError
from osmia_broker.engine.commands.tasks import TaskPolicy
from tests.desk import Desk, person
from tests.doors import Refused

At = Callable[..., Desk]


@pytest.fixture
def at() -> Iterator[At]:
    desks: list[Desk] = []

    def at(line: str = "start > t:user(native=yes, groups=hr) > end", variables: str = "", **more: Any) -> Desk:
        desks.append(Desk(line, variables, **more))
        return desks[-1]

    yield at
    for desk in desks:
        desk.engine.close()


def refused(desk: Desk, status: str, words: str, act: Callable[[], Any]) -> None:
    """Demand that *act* is refused, and that it changed nothing."""
    before = desk.tasks(), desk.candidates("t"), desk.history("t")
    with pytest.raises(Refused) as found:
        act()
    assert found.value.status == status
    assert words in found.value.text
    assert (desk.tasks(), desk.candidates("t"), desk.history("t")) == before


# --- assignment


def test_a_claimed_task_is_refused_to_others_and_says_who_has_it(at: At):
    desk = at()
    desk.claim("t", by="anna")
    desk.claim("t", by="anna")  # again: no mistake
    key = desk.task("t").key
    text = f"Expected to claim user task with key '{key}', but it has already been assigned to 'anna'"
    refused(desk, "FAILED_PRECONDITION", text, lambda: desk.claim("t", by="demo"))
    assert desk.shown("t", "assignee", "state") == ("anna", "CREATED")


def test_an_assignment_replaces_any_assignee(at: At):
    desk = at("start > t:user(native=yes, assignee=ada) > end")
    desk.assign("t", "ben", by="boss")
    assert desk.shown("t", "assignee") == "ben"
    assert desk.history("t") == [("ASSIGN", "assign", "boss", {"assignee": ["ada", "ben"]})]


def test_a_task_is_unassigned_any_number_of_times(at: At):
    desk = at("start > t:user(assignee=ada) > end")
    desk.unassign("t", by="ada")
    desk.unassign("t", by="ada")
    assert desk.shown("t", "assignee") == ""
    assert desk.history("t")[0] == ("UNASSIGN", "unassign", "ada", {"assignee": ["ada", ""]})


@pytest.mark.parametrize("assignee", ["", "  ", None])
def test_nobody_is_no_assignee(at: At, assignee: Any):
    desk = at()
    refused(desk, "INVALID_ARGUMENT", "No assignee provided", lambda: desk.assign("t", assignee))


def test_of_those_who_claim_at_the_same_moment_one_wins(at: At):
    desk = at()
    key = desk.task("t").key

    async def claimed(name: str) -> str:
        try:
            await desk.calls().assign(key, name, caller=person(name), allow_override=False)
        except OsmiaError as refusal:
            return refusal.status
        return "won"

    names = [f"person {number}" for number in range(6)]
    outcomes = desk.do(lambda _: asyncio.gather(*map(claimed, names)))
    assert sorted(outcomes) == ["FAILED_PRECONDITION"] * 5 + ["won"]
    assert desk.shown("t", "assignee") == names[outcomes.index("won")]


def test_of_those_who_complete_at_the_same_moment_one_wins(at: At):
    desk = at("start > t:user(native=yes) > b:job > end")
    key = desk.task("t").key

    async def completed(number: int) -> str:
        try:
            await desk.calls().complete(key, f'{{"by":{number}}}', caller=person())
        except OsmiaError as refusal:
            return refusal.status
        return "won"

    outcomes = desk.do(lambda _: asyncio.gather(*map(completed, range(5))))
    assert sorted(outcomes) == ["NOT_FOUND"] * 4 + ["won"]
    desk.play(f"variables by={outcomes.index('won')}")


# --- unknown tasks


@pytest.mark.parametrize("key", ["1", "-5", str(2**62), "2251799813689999"])
@pytest.mark.parametrize(
    ("verb", "act"),
    [
        ("assign", lambda desk, key: desk.assign(key, "ada")),
        ("claim", lambda desk, key: desk.claim(key, by="ada")),
        ("assign", lambda desk, key: desk.unassign(key)),
        ("update", lambda desk, key: desk.update(key, {"priority": 3})),
        ("complete", lambda desk, key: desk.finish(key)),
        ("comment on", lambda desk, key: desk.do(lambda calls: calls.comment(int(key), "x", caller=person("ada")))),
        ("save a draft of", lambda desk, key: desk.do(lambda c: c.save_draft(int(key), "{}", caller=person("ada")))),
    ],
)
def test_an_unknown_task_is_not_found(at: At, verb: str, act: Any, key: str):
    desk = at()
    text = f"Expected to {verb} user task with key '{key}', but no such user task was found"
    refused(desk, "NOT_FOUND", text, lambda: act(desk, key))


def test_the_key_of_an_element_or_of_a_job_is_no_task(at: At):
    desk = at("start > t:user > end")
    task = desk.task("t")
    for key in (task.element_instance_key, task.job_key, task.process_instance_key):
        refused(desk, "NOT_FOUND", "no such user task", lambda key=key: desk.finish(str(key)))


def test_a_finished_task_takes_nothing_more(at: At):
    desk = at()
    desk.finish("t")
    for act in (
        lambda: desk.finish("t"),
        lambda: desk.claim("t", by="ada"),
        lambda: desk.unassign("t"),
        lambda: desk.update("t", {"priority": 1}),
    ):
        refused(desk, "NOT_FOUND", "no such user task was found", act)


# --- update


def test_an_update_changes_what_it_names_and_keeps_the_rest(at: At):
    desk = at('start > t:user(native=yes, groups="a,b", users=x, due="2030-01-01T00:00:00Z", priority=9) > end')
    desk.update("t", {"candidateGroups": ["b", "c"], "dueDate": None, "assignee": "ada", "unknown": 5}, by="boss")
    assert desk.candidates("t") == ["group b", "group c", "user x"]
    assert desk.candidates("t", ended=True) == ["group a"]
    assert desk.shown("t", "assignee", "due_date", "priority") == ("", "2030-01-01T00:00:00Z", 9)
    assert desk.history("t") == [("UPDATE", "update", "boss", {"candidateGroups": [["a", "b"], ["b", "c"]]})]


def test_empty_values_reset(at: At):
    desk = at('start > t:user(groups=a, users=x, due="2030-01-01T00:00:00Z", follow_up="2029-01-01T00:00:00Z") > end')
    desk.update("t", {"candidateGroups": [], "candidateUsers": [], "dueDate": "", "followUpDate": ""})
    assert desk.candidates("t") == []
    assert desk.shown("t", "due_date", "due_ms", "follow_up_date", "follow_up_ms") == ("", 0, "", 0)


def test_a_candidate_who_was_removed_may_come_back(at: At):
    desk = at()
    desk.update("t", {"candidateGroups": []})
    desk.update("t", {"candidateGroups": ["hr", "hr"]})
    assert desk.candidates("t") == ["group hr"]


@pytest.mark.parametrize(
    ("given", "stored", "ms"),
    [
        ("2031-01-01T00:00:00Z", "2031-01-01T00:00:00Z", 1_924_992_000_000),
        ("2031-01-01T01:00:00.500+01:00", "2031-01-01T01:00:00.500+01:00", 1_924_992_000_500),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", 1),
        ("2031-01-01T00:00Z", "2031-01-01T00:00:00Z", 1_924_992_000_000),
        ("2031-10-26T02:30:00+02:00[Europe/Berlin]", "2031-10-26T02:30:00+02:00[Europe/Berlin]", 1_950_741_000_000),
        ("2031-10-26T02:30:00+01:00[Europe/Berlin]", "2031-10-26T02:30:00+01:00[Europe/Berlin]", 1_950_744_600_000),
        ("2031-01-01T01:00:00+01:00[Europe/Berlin]", "2031-01-01T01:00:00+01:00[Europe/Berlin]", 1_924_992_000_000),
    ],
)
def test_a_date_keeps_its_offset(at: At, given: str, stored: str, ms: int):
    desk = at()
    desk.update("t", {"dueDate": given})
    assert desk.shown("t", "due_date", "due_ms") == (stored, ms)


@pytest.mark.parametrize(
    ("changeset", "words"),
    [
        ({}, "No update data provided"),
        (None, "No update data provided"),
        ({"assignee": "ada", "name": "x"}, "No update data provided"),
        ({"priority": None}, "No update data provided"),
        ({"priority": 101}, "The value for priority is '101' but must be within the [0,100] range."),
        ({"priority": -1}, "The value for priority is '-1' but must be within"),
        ({"priority": True}, "The value for priority is 'true'"),
        ({"priority": 5.5}, "The value for priority is '5.5'"),
        ({"dueDate": "soon"}, "The provided due date 'soon' cannot be parsed as a date according to RFC 3339, section 5.6."),
        ({"dueDate": "2030-01-01"}, "The provided due date '2030-01-01' cannot"),
        ({"dueDate": "2030-01-01T00:00:00"}, "cannot be parsed"),
        ({"dueDate": "2030-02-30T00:00:00Z"}, "cannot be parsed"),
        ({"dueDate": "2031-01-01T00:00:00Z[Europe/Berlin]"}, "cannot be parsed"),  # Berlin is an hour ahead
        ({"dueDate": "2031-07-01T00:00:00+01:00[Europe/Berlin]"}, "cannot be parsed"),
        ({"dueDate": "2031-01-01T00:00:00Z[Nowhere]"}, "cannot be parsed"),
        ({"followUpDate": 5}, "The provided follow-up date '5' cannot"),
        ({"candidateUsers": "ada"}, "Expected candidateUsers to be a list of text, but found ada."),
        ({"candidateGroups": [1]}, "Expected candidateGroups to be a list of text"),
        ({"candidateGroups": ["g"] * 1001}, "at most 1000 items, but found 1001"),
        ({"candidateGroups": ["g", " "]}, "Expected candidateGroups to be names, but found a blank one."),
        ({"candidateUsers": [""]}, "Expected candidateUsers to be names, but found a blank one."),
        ({"candidateGroups": ["a\0"]}, "without NUL characters"),
        ({"dueDate": "soon", "priority": 101}, "section 5.6. The value for priority is '101'"),
    ],
)  # fmt: skip
def test_a_wrong_update_is_refused_with_all_its_mistakes(at: At, changeset: Any, words: str):
    desk = at()
    refused(desk, "INVALID_ARGUMENT", words, lambda: desk.update("t", changeset))


def test_the_candidates_of_a_task_have_a_bound_together(at: At):
    """Its history and its events would fit no message else."""
    desk = at()
    names = [f"{number:03}" + "ä" * 248 for number in range(999)]  # half a megabyte
    desk.update("t", {"candidateGroups": names})
    words = "its candidates among them, to have at most 1000000 bytes together, but found 100"
    refused(desk, "INVALID_ARGUMENT", words, lambda: desk.update("t", {"candidateUsers": names}))
    desk.update("t", {"candidateGroups": [], "candidateUsers": names})
    desk.update("t", {"priority": 1})


def test_an_action_alone_is_an_update(at: At):
    desk = at()
    desk.update("t", None, action="escalate")
    assert desk.history("t") == [("UPDATE", "escalate", "", {})]


# --- completion, comments, drafts


def test_a_completion_is_noted_with_the_person(at: At):
    desk = at()
    desk.finish("t", '{"ok":true}', by="demo", action="approve")
    assert desk.history("t") == [("COMPLETE", "approve", "demo", {})]


def test_a_completion_by_nobody_known_needs_no_note(at: At):
    desk = at()
    desk.finish("t")
    assert desk.history("t") == []


@pytest.mark.parametrize("variables", ["[1]", "5", "{", '"x"'])
def test_variables_of_a_completion_are_an_object(at: At, variables: str):
    desk = at()
    refused(desk, "INVALID_ARGUMENT", "", lambda: desk.finish("t", variables))


def test_comments_stay_with_the_task(at: At):
    desk = at()
    key = desk.task("t").key
    desk.do(lambda calls: calls.comment(key, "why not fish?", caller=person("anna")))
    assert desk.comments() == [("anna", "why not fish?")]


@pytest.mark.parametrize("text", ["", "  ", "a\0", "x" * 32_769])
def test_a_comment_has_a_text(at: At, text: str):
    desk = at()
    key = desk.task("t").key
    with pytest.raises(Refused, match="INVALID_ARGUMENT"):
        desk.do(lambda calls: calls.comment(key, text, caller=person("anna")))


def test_a_draft_is_kept_for_each_person_and_is_no_variable(at: At):
    desk = at()
    key = desk.task("t").key
    for name, content in [("anna", '{"dish":"stew"}'), ("demo", "{}"), ("anna", '{"dish":"fish"}'), ("demo", "")]:
        desk.do(lambda calls, n=name, c=content: calls.save_draft(key, c, caller=person(n)))
    assert desk.drafts() == {"anna": '{"dish":"fish"}', "demo": ""}
    desk.play("variables")


@pytest.mark.parametrize(("name", "content"), [("", "{}"), ("anna", "[1]"), ("anna", "{")])
def test_a_draft_belongs_to_a_person_and_is_an_object(at: At, name: str, content: str):
    desk = at()
    key = desk.task("t").key
    with pytest.raises(Refused, match="INVALID_ARGUMENT"):
        desk.do(lambda calls: calls.save_draft(key, content, caller=person(name)))


def test_a_task_of_a_suspended_instance_takes_no_comment_and_no_draft(at: At):
    desk = at()
    key = desk.task("t").key
    desk.play("suspend")
    refused(
        desk,
        "FAILED_PRECONDITION",
        f"Expected to comment on user task with key '{key}', but process instance",
        lambda: desk.do(lambda calls: calls.comment(key, "x", caller=person("anna"))),
    )
    refused(
        desk,
        "FAILED_PRECONDITION",
        "suspended",
        lambda: desk.do(lambda calls: calls.save_draft(key, "{}", caller=person("anna"))),
    )
    desk.play("resume")
    desk.do(lambda calls: calls.comment(key, "x", caller=person("anna")))
    assert desk.comments() == [("anna", "x")]


# --- the best task for a person

PAIR = "start > fork:parallel [t:user(native=yes, groups=hr) > e1:end | u:user(groups=it) > e2:end]"


def test_the_next_task_is_the_first_that_is_free(at: At):
    desk = at(PAIR)
    assert desk.claim_next("t", "u", by="ada") == "t"
    assert desk.claim_next("t", "u", by="ben") == "u"
    assert desk.claim_next("t", "u", by="cleo") == ""
    assert desk.shown("t", "assignee") == "ada"
    assert desk.shown("u", "assignee") == "ben"


def test_a_task_that_a_person_may_not_claim_is_passed_over(at: At):
    desk = at(PAIR, policy=TaskPolicy.CANDIDATES)
    assert desk.claim_next("t", "u", by="ada", groups="it, x") == "u"
    assert desk.claim_next("t", "u", by="ada", groups="it") == ""


def test_a_task_of_a_suspended_instance_is_passed_over(at: At):
    desk = at(PAIR)
    desk.play("suspend")
    assert desk.claim_next("t", "u", by="ada") == ""


def test_nobody_claims_nothing_next(at: At):
    desk = at(PAIR)
    with pytest.raises(Refused, match="No assignee provided"):
        desk.claim_next("t", by=" ")


# --- the policy

HR = "start > t:user(native=yes, groups=hr, users=ben) > end"


@pytest.mark.parametrize(
    ("policy", "name", "groups", "may"),
    [
        (TaskPolicy.OPEN, "", "", True),
        (TaskPolicy.STRICT, "ada", "hr", True),
        (TaskPolicy.STRICT, "ben", "", True),
        (TaskPolicy.STRICT, "ada", "it", False),
        (TaskPolicy.STRICT, "", "hr", False),
        (TaskPolicy.CANDIDATES, "ada", "hr", True),
        (TaskPolicy.CANDIDATES, "ada", "it,hr", True),
        (TaskPolicy.CANDIDATES, "ben", "", True),
        (TaskPolicy.CANDIDATES, "ada", "", False),
        (TaskPolicy.CANDIDATES, "ada", "it", False),
        (TaskPolicy.CANDIDATES, "", "hr", False),
        (TaskPolicy.ASSIGNEE, "ben", "hr", False),
    ],
)
def test_who_may_take_a_task(at: At, policy: TaskPolicy, name: str, groups: str, may: bool):
    desk = at(HR, policy=policy)
    take = lambda: desk.assign("t", name or "somebody", by=name, groups=groups)  # noqa: E731
    if may:
        take()
    else:
        refused(desk, "PERMISSION_DENIED", "Expected to assign user task", take)


@pytest.mark.parametrize(
    ("policy", "name", "expected"),
    [
        (TaskPolicy.OPEN, "eve", ""),
        (TaskPolicy.STRICT, "ada", ""),
        (TaskPolicy.STRICT, "ben", ""),
        (TaskPolicy.STRICT, "eve", "as a candidate for it, but 'eve' is not"),
        (TaskPolicy.STRICT, "", "as a candidate for it, but nobody is named"),
        (TaskPolicy.CANDIDATES, "ada", ""),
        (TaskPolicy.CANDIDATES, "ben", "as its assignee, but 'ben' is not"),
        (TaskPolicy.CANDIDATES, "", "as its assignee, but nobody is named"),
        (TaskPolicy.ASSIGNEE, "ada", ""),
        (TaskPolicy.ASSIGNEE, "ben", "as its assignee, but 'ben' is not"),
    ],
)
def test_who_may_update_and_complete_a_task(at: At, policy: TaskPolicy, name: str, expected: str):
    desk = at("start > t:user(native=yes, assignee=ada, users=ben) > end", policy=policy)
    for act in (lambda: desk.update("t", {"priority": 1}, by=name), lambda: desk.finish("t", by=name)):
        if expected:
            refused(desk, "PERMISSION_DENIED", expected, act)
        else:
            act()


@pytest.mark.parametrize(
    ("policy", "name", "may"),
    [
        (TaskPolicy.STRICT, "ben", True),
        (TaskPolicy.CANDIDATES, "ben", True),
        (TaskPolicy.CANDIDATES, "eve", False),
        (TaskPolicy.ASSIGNEE, "ada", True),
        (TaskPolicy.ASSIGNEE, "ben", False),
    ],
)
def test_who_may_comment_a_task_and_keep_a_draft_of_it(at: At, policy: TaskPolicy, name: str, may: bool):
    desk = at("start > t:user(native=yes, assignee=ada, users=ben) > end", policy=policy)
    key, caller = desk.task("t").key, person(name)
    for act in (
        lambda: desk.do(lambda calls: calls.comment(key, "why?", caller=caller)),
        lambda: desk.do(lambda calls: calls.save_draft(key, "{}", caller=caller)),
    ):
        if may:
            act()
        else:
            refused(desk, "PERMISSION_DENIED", f"user task with key '{key}'", act)


@pytest.mark.parametrize("policy", [TaskPolicy.STRICT, TaskPolicy.CANDIDATES])
def test_a_task_without_candidates_is_its_assignees_alone(at: At, policy: TaskPolicy):
    desk = at("start > t:user(native=yes) > end", policy=policy)
    desk.claim("t", by="ada")
    for act in (lambda: desk.assign("t", "ben", by="ben"), lambda: desk.unassign("t", by="ben")):
        refused(desk, "PERMISSION_DENIED", "'ben' is not", act)
    desk.unassign("t", by="ada")
    desk.claim("t", by="ben")


def test_a_task_without_candidates_is_for_everybody(at: At):
    desk = at("start > t:user(native=yes) > end", policy=TaskPolicy.CANDIDATES)
    desk.claim("t", by="ada")
    desk.finish("t", by="ada")


def test_a_worker_completes_a_job_under_any_policy(at: At):
    desk = at("start > t:user(assignee=ada) > end", policy=TaskPolicy.ASSIGNEE)
    desk.play("complete t; completed")


def test_a_claim_survives_a_restart(tmp_path: Path):
    desk = Desk("start > t:user(native=yes) > end", path=tmp_path / "x.db")
    desk.claim("t", by="demo")
    assert desk.shown("t", "assignee") == "demo"
    with pytest.raises(Refused, match="already been assigned to 'demo'"):
        desk.claim("t", by="anna")
    desk.engine.close()
