"""`osmia tasks` and `osmia task …`: people at the command line."""

import re

import pytest

from osmia import Password, SyncClient
from osmia.calls.user_tasks import UserTaskPage
from osmia_broker.calls.tasks.until import MORNING_HOUR
from osmia_broker.cli.commands import tasks
from osmia_broker.cli.session import Session
from tests.auth.conftest import ANNA, store
from tests.bpmn import bpmn
from tests.cli.conftest import Osmia
from tests.running_broker import running_broker


@pytest.fixture
def task(osmia, unique):
    osmia.deploy("start > decide:user(name=Decide, native=yes, groups=family, priority=30) > work:user > end", unique)
    instance = osmia.create(unique)
    [found] = osmia.client.user_tasks.search({"processInstanceKey": str(instance)}).items
    return found.key


def test_a_task_goes_through_the_hands_of_people(osmia, unique, task):
    assert osmia.done("task", "claim", task, "--user", "anna") == f"Claimed {task} for anna\n"
    told = osmia.refused(5, "task", "claim", task, "--user", "demo")
    assert told.startswith(f"Error: Task {task} is already claimed by anna.\n")
    assert f"try: osmia task assign {task} demo" in told
    assert f"Expected to claim user task with key '{task}', but it has already been assigned to 'anna'" in told
    assert osmia.done("task", "unclaim", task, "--user", "anna") == f"Gave {task} back\n"
    assert osmia.done("task", "assign", task, "demo", "--user", "boss") == f"Assigned {task} to demo\n"
    assert osmia.done("task", "comment", task, "fish?", "--user", "anna") == f"Commented {task}\n"
    assert osmia.done("task", "show", task).splitlines()[-1].endswith("Z  anna: fish?")
    assert osmia.done("task", "complete", task, "--var", "dinner=pizza", "--user", "demo") == f"Completed {task}\n"
    steps = osmia.json("task", "history", task)
    assert [(one["operationType"], one["actorId"]) for one in steps] == [
        ("CREATE", None), ("ASSIGN", "anna"), ("UNASSIGN", "anna"), ("ASSIGN", "boss"), ("COMPLETE", "demo"), ("COMMENT", "anna"),
    ]  # fmt: skip
    assert [one["channel"] for one in steps] == ["RULE", "CLI", "CLI", "CLI", "CLI", None]
    assert steps[1]["changes"] == "assignee: '' to 'anna'"
    created, *_, completed, _ = osmia.done("task", "history", task).splitlines()[1:]
    assert ("the process" in created, "RULE" in created, "CLI" in completed) == (True, False, True)


def test_lists_show_the_tasks_of_both_kinds(osmia, unique, task):
    assert osmia.done("tasks", "-p", unique, "-o", "key") == f"{task}\n"
    assert osmia.done("tasks", "-p", unique, "--group", "family", "--unassigned", "-o", "key") == f"{task}\n"
    osmia.done("task", "claim", task, "-u", "anna")
    assert osmia.json("tasks", "-p", unique, "--unassigned") == []
    assert [one["assignee"] for one in osmia.json("tasks", "-p", unique, "--assignee", "anna")] == ["anna"]
    osmia.done("task", "complete", task)
    assert [one["elementId"] for one in osmia.json("tasks", "-p", unique)] == ["work"]
    assert [one["state"] for one in osmia.json("tasks", "-p", unique, "--completed")] == ["COMPLETED"]


def test_the_next_task_is_claimed(osmia, unique, task):
    told = osmia.done("task", "next", "-u", "anna", "--groups", "x, family", "-p", unique)
    assert told == f"Claimed {task} for anna: Decide\n"
    assert "There is no free task for anna." in osmia.refused(4, "task", "next", "-u", "anna", "-p", unique)


def test_a_task_is_updated(osmia, task):
    given = ["--priority", 80, "--due", "2030-01-31T12:00:00Z", "--candidate-groups", "a, b", "--candidate-users", ""]
    assert osmia.done("task", "update", task, *given) == f"Updated {task}\n"
    shown = osmia.json("task", "show", task)
    assert (shown["priority"], shown["dueDate"], shown["candidateGroups"]) == (80, "2030-01-31T12:00:00Z", ["a", "b"])
    osmia.done("task", "update", task, "--due", "2030-02-01")
    assert osmia.json("task", "show", task)["dueDate"] == "2030-02-01T08:00:00Z"
    osmia.done("task", "update", task, "--due", "")
    assert osmia.json("task", "show", task)["dueDate"] is None


@pytest.mark.parametrize("command", ["update", "snooze"])
def test_the_hour_of_a_day_without_one_is_told(osmia, command):
    assert f"0{MORNING_HOUR}:00 UTC" in " ".join(osmia.done("task", command, "--help").split())


def test_a_query_lists_what_the_page_lists(osmia, unique, task):
    own = f"process:{unique}"
    assert osmia.done("tasks", f"{own} group:family priority:<50 is:unassigned", "-o", "key") == f"{task}\n"
    assert osmia.json("tasks", f"{own} group:cooks") == []
    assert osmia.done("tasks", own, "--unassigned", "--group", "family", "-o", "key") == f"{task}\n"
    assert osmia.json("tasks", own, "--completed") == []
    osmia.done("task", "complete", task)
    assert [one["state"] for one in osmia.json("tasks", own, "--completed")] == ["COMPLETED"]
    assert [one["state"] for one in osmia.json("tasks", f"{own} is:completed")] == ["COMPLETED"]


def test_filters_are_saved_counted_used_and_deleted(osmia, unique, task):
    who = ("--user", f"u_{unique}")
    assert (
        osmia.done("task", "save-filter", "Free ones", f"process:{unique} is:unassigned", *who) == "Saved Free ones\n"
    )
    assert [(one["name"], one["total"]) for one in osmia.json("task", "filters", *who)] == [("Free ones", "1")]
    assert osmia.done("tasks", "--saved", "Free ones", "-o", "key", *who) == f"{task}\n"
    assert "no saved filter 'x'" in osmia.refused(4, "tasks", "--saved", "x", *who)
    assert osmia.done("task", "delete-filter", "Free ones", *who) == "Deleted Free ones\n"
    assert osmia.json("task", "filters", *who) == []


def test_a_task_is_snoozed_and_called_back(osmia, unique, task):
    who = ("--user", f"u_{unique}")
    assert osmia.done("task", "snooze", task, "2d", *who).startswith(f"Snoozed {task} until ")
    assert osmia.json("tasks", f"process:{unique}", *who) == []
    assert [one["userTaskKey"] for one in osmia.json("tasks", f"process:{unique} is:snoozed", *who)] == [str(task)]
    [shown] = osmia.json("task", "snoozed", *who)
    assert (shown["userTaskKey"], shown["untilChange"]) == (str(task), False)
    assert osmia.done("task", "wake", task, *who) == f"Called {task} back\n"
    assert len(osmia.json("tasks", f"process:{unique}", *who)) == 1
    assert osmia.done("task", "snooze", task, "--until-change", *who) == f"Snoozed {task} until it changes\n"
    osmia.done("task", "comment", task, "hurry", "--user", "boss")
    assert osmia.json("task", "snoozed", *who) == []


def test_a_proposal_is_made_listed_and_accepted(osmia, task):
    told = osmia.done(
        "task", "propose", task, "--var", "ok=true", "--outcome", "approve", "--text", "fine", "-u", "agent"
    )
    key = told.split()[1]
    assert told == f"Proposed {key} for {task}\n"
    [seen] = osmia.json("task", "proposals", task)
    assert (seen["proposalKey"], seen["state"], seen["user"], seen["variables"]) == (key, "OPEN", "agent", {"ok": True})
    assert osmia.done("task", "accept", key, "-u", "anna") == f"Accepted {key}\n"
    assert osmia.json("task", "show", task)["state"] == "COMPLETED"
    assert "to be open" in osmia.refused(5, "task", "ignore", key, "-u", "anna")


def test_a_proposal_is_answered_or_ignored(osmia, task):
    first = osmia.done("task", "propose", task, "--var", "ok=true").split()[1]
    second = osmia.done("task", "propose", task, "--outcome", "reject").split()[1]
    assert osmia.done("task", "respond", first, "why?", "-u", "anna") == f"Answered {first}\n"
    assert osmia.done("task", "ignore", second, "-u", "anna") == f"Ignored {second}\n"
    assert [(one["state"], one["answer"]) for one in osmia.json("task", "proposals", task)] == [
        ("ANSWERED", "why?"),
        ("IGNORED", None),
    ]


def test_a_held_completion_is_undone(osmia, task):
    told = osmia.done("task", "complete", task, "--hold", "10s", "-u", "anna")
    assert told == f"Completing {task} in 10s; take it back: osmia task undo {task}\n"
    assert osmia.json("task", "show", task)["state"] == "COMPLETING"
    assert osmia.done("task", "undo", task, "-u", "anna") == f"Took it back: {task} is as before\n"
    assert osmia.json("task", "show", task)["state"] == "CREATED"


@pytest.mark.parametrize(
    ("code", "words", "told"),
    [
        (1, "propose KEY --text why", "variables or an outcome"),
        (4, "propose 5 --var a=1", "There is no task with key 5."),
        (4, "accept 5", "There is no proposal with key 5."),
        (5, "undo KEY", "can be taken back"),
        (1, "complete KEY --hold 2m", "hold_ms"),
        (2, "complete KEY --hold soon", "a duration"),
        (1, "save-filter x priority:high", "Expected 'priority:' to be a whole number"),
        (2, "save-filter x  ", "but found no more words"),
        (2, "snooze KEY --user anna", "No time is given."),
        (2, "snooze KEY soon --user anna", "Expected UNTIL to be a time such as 2h"),
        (1, "snooze KEY 2020-01-01 --user anna", "which is over"),
        (1, "snooze KEY 2d", "nobody is named"),
        (4, "snooze 5 2d --user anna", "There is no task with key 5."),
        (2, "claim KEY", "nobody is named"),
        (2, "next", "nobody is named"),
        (2, "update KEY", "There is nothing to change."),
        (2, "update KEY --priority 101", "--priority"),
        (2, "update KEY --due soon", "Expected --due to be a time such as 2h"),
        (2, "update KEY --follow-up 2030-13-01", "Expected --follow-up to be a time such as 2h"),
        (4, "claim 5 --user anna", "There is no task with key 5."),
        (4, "history 5", "There is no task with key 5."),
    ],
)
def test_mistakes_at_a_task(osmia, task, code, words, told):
    assert told in osmia.refused(code, "task", *(word.replace("KEY", str(task)) for word in words.split()))


@pytest.mark.parametrize(
    ("code", "words", "mend"),
    [
        (1, "snooze KEY 2d", "osmia task snooze KEY 2d --user NAME"),
        (1, "snooze KEY 2020-01-01 --user anna", "osmia task snooze KEY 2d"),
        (1, "wake KEY", "osmia task wake KEY --user NAME"),
        (1, "save-filter x is:open", "osmia task save-filter x is:open --user NAME"),
        (5, "undo KEY", "osmia task undo KEY --user NAME"),
        (4, "accept 5", "osmia task proposals KEY"),
        (4, "respond 5 no", "osmia task proposals KEY"),
        (4, "ignore 5", "osmia task proposals KEY"),
    ],
)
def test_a_refusal_tells_a_command_that_goes_on(osmia, task, code, words, mend):
    words, mend = (line.replace("KEY", str(task)) if code != 4 else line for line in (words, mend))
    told = re.sub(r" --address \S+", "", osmia.refused(code, "task", *words.split()))
    [tried] = [line for line in told.splitlines() if line.startswith("  try: ")]
    assert tried.startswith(f"  try: {mend}")


@pytest.mark.parametrize(
    "words", [["task", "snoozed"], ["task", "filters"], ["tasks", "is:mine"], ["tasks", "assignee:me"]]
)
def test_the_own_lists_of_nobody_ask_who_it_is(osmia, unique, words):
    osmia.done(*words)
    assert "Without a sign-in, say who you are: " in osmia.err
    osmia.done(*words, "--user", unique)
    assert "say who you are" not in osmia.err


def test_options_name_the_own_tasks_their_order_and_their_variables(osmia, unique):
    osmia.deploy(
        "start > ask:user(native=yes, assignee=anna, priority=p) > end".replace("priority=p", 'priority="=p"'), unique
    )
    for p, dish in ((10, "pizza"), (30, "soup"), (20, "1")):
        osmia.create(unique, {"p": p, "dish": dish})
    own = ("tasks", "-p", unique, "-u", "anna")
    assert [one["priority"] for one in osmia.json(*own, "--mine", "--sort", "priority")] == [30, 20, 10]
    assert [one["priority"] for one in osmia.json(*own, "--sort", "oldest")] == [10, 30, 20]
    assert osmia.json("tasks", "-p", unique, "-u", "ben", "--mine") == []
    assert [one["priority"] for one in osmia.json(*own, "--var", "dish=soup")] == [30]
    assert osmia.json(*own, "--var", "dish=1") == []  # a number is no text
    assert [one["priority"] for one in osmia.json(*own, "--var", "dish==1", "--var", "p=20")] == [20]
    [first, *_] = osmia.json(*own, "--mine", "--sort", "priority")
    osmia.done("task", "complete", first["userTaskKey"], "-u", "anna")
    assert [one["priority"] for one in osmia.json(*own, "--mine", "--completed")] == [30]
    assert [one["priority"] for one in osmia.json(*own, "--mine")] == [20, 10]


@pytest.mark.parametrize("words", [("--sort", "nosuch"), ("--var", "dish")])
def test_an_order_or_a_variable_that_is_none_is_a_mistake_of_the_call(osmia, words):
    assert "Error: Expected --" in osmia.refused(2, "tasks", *words)


IN_VAIN = "Warning: --user counts only while sign-in is off; this call signs in as anna.\n"


def test_every_command_says_that_a_user_counts_for_nothing_with_a_sign_in(tmp_path, capsys, monkeypatch):
    store(tmp_path / "osmia.users.json", anna=(ANNA, ["family"]))
    monkeypatch.setattr(Session, "sign_in", lambda _session: Password("anna", ANNA))
    with (
        running_broker(tmp_path, auth="basic", task_policy="strict") as broker,
        SyncClient(broker.address, sign_in=Password("anna", ANNA)) as client,
    ):
        osmia = Osmia(broker, capsys)
        client.deploy(("p.bpmn", bpmn("start > ask:user(native=yes, groups=family) > end", id="p")))
        for _ in range(2):
            client.create_instance("p")
        key = osmia.json("tasks")[0]["userTaskKey"]
        for words in (
            ("tasks",),
            ("task", "show", key),
            ("task", "next"),
            ("task", "assign", key, "anna"),
            ("task", "update", key, "--priority", "7"),
            ("task", "comment", key, "fish"),
            ("task", "history", key),
            ("task", "snoozed"),
        ):
            osmia.done(*words, "--user", "ben")
            assert osmia.err.startswith(IN_VAIN), words
            osmia.done(*words, "--user", "anna")
            assert IN_VAIN not in osmia.err, words
        osmia.done("task", "comment", key, "fish", "--user", "ben", "--quiet")
        assert osmia.err == ""
        osmia.done("task", "assign", key, "eve")
        osmia.done("task", "update", key, "--candidate-groups", "")
        refused = osmia.refused(7, "task", "complete", key)
        assert re.search(r"try: osmia login --user NAME --address \S+   \(who may;", refused)
        assert "OSMIA_GROUPS" not in refused


def test_who_is_signed_in_claims_for_themselves(tmp_path, capsys, monkeypatch):
    store(tmp_path / "osmia.users.json", anna=(ANNA, ["family"]))
    monkeypatch.setattr(Session, "sign_in", lambda _session: Password("anna", ANNA))
    with (
        running_broker(tmp_path, auth="basic") as broker,
        SyncClient(broker.address, sign_in=Password("anna", ANNA)) as client,
    ):
        osmia = Osmia(broker, capsys)
        client.deploy(("p.bpmn", bpmn("start > ask:user(native=yes, groups=family) > end", id="p")))
        for _ in range(3):
            client.create_instance("p")
        other, first, second = (one["userTaskKey"] for one in osmia.json("tasks"))
        assert osmia.done("task", "claim", other, "--user", "ben") == f"Claimed {other} for anna\n"
        assert osmia.err == IN_VAIN
        assert osmia.done("task", "claim", first) == f"Claimed {first} for anna\n"
        assert osmia.err == ""
        assert osmia.done("task", "next") == f"Claimed {second} for anna: ask\n"
        assert "There is no free task for you." in osmia.refused(4, "task", "next")
        assert len(osmia.json("tasks", "--mine")) == 3


class Pages:
    """A broker whose pages are cut short by their size."""

    def __init__(self, *sizes):
        self.user_tasks, self.asked = self, []
        self.sizes = [*sizes]

    def search(self, _wanted, *, after, **_):
        self.asked.append(after)
        items = [len(self.asked)] * self.sizes.pop(0)
        return UserTaskPage(items, 5, False, "", f"after {len(self.asked)}")


@pytest.mark.parametrize(
    ("sizes", "found", "asked"),
    [
        ((2, 3, 0), [1, 1, 2, 2, 2], ["", "after 1", "after 2"]),
        ((5,), [1] * 5, [""]),  # all there are
        ((0,), [], [""]),
    ],
)
def test_a_page_that_is_cut_short_is_not_the_last_one(sizes, found, asked):
    pages = Pages(*sizes)
    assert list(tasks._found(pages, {}, {}, "")) == found
    assert pages.asked == asked
