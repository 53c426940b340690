"""The acceptance scenario at the command line, once in each dialect (user-tasks.md, section 8)."""

import pytest

from tests.bpmn import bpmn

DIALECTS = {
    "job": ("zeebe", "groups=family", "assignee=demo"),
    "native": ("zeebe", "native=yes, groups=family", "native=yes, assignee=demo"),
    "activiti": ("activiti", "groups=family", 'assignee="${initiator}"'),
}


def keys(osmia, *words) -> list[str]:
    return osmia.done("tasks", *words, "-o", "key").split()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_for_dinner(osmia, unique, dialect, tmp_path, monkeypatch):
    monkeypatch.setenv("OSMIA_USER", "demo")
    name, decide, eat = DIALECTS[dialect]
    line = f'start > decide:user(name="Decide what is for dinner", {decide}) > eat:user(name="Eat dinner", {eat}) > end'
    file = tmp_path / "dinner.bpmn"
    file.write_bytes(bpmn(line, id=unique, dialect=name))
    deployed = [osmia.json("deploy", file)[0] for _ in range(2)]
    assert [(one["version"], one["isNew"]) for one in deployed] == [(1, True), (1, False)], "1"

    instance = osmia.done("start", unique, "-o", "key").strip()
    shown = osmia.done("instance", "show", instance)
    assert "Decide what is for dinner: ACTIVATED" in shown, "2"
    assert "Eat dinner" not in shown

    [task] = keys(osmia, "-p", unique, "--group", "family", "--unassigned")
    [row] = osmia.json("tasks", "-p", unique)
    assert (row["name"], row["processName"], row["priority"]) == ("Decide what is for dinner", unique, 50), "3"
    assert (row["processDefinitionVersion"], row["rootProcessInstanceKey"]) == (1, instance)
    assert keys(osmia, "-p", unique, "--assignee", "anna") == keys(osmia, "-p", unique, "--completed") == [], "3"

    osmia.done("task", "claim", task, "--user", "anna")
    assert "already claimed by anna" in osmia.refused(5, "task", "claim", task), "4"
    osmia.done("task", "unclaim", task, "--user", "anna")
    osmia.done("task", "claim", task)
    assert keys(osmia, "-p", unique, "--assignee", "demo") == [task], "5"

    osmia.done("task", "complete", task, "--var", "dinner=chicken")
    osmia.refused(5, "task", "complete", task)
    [done] = osmia.json("tasks", "-p", unique, "--completed")
    assert (done["userTaskKey"], done["assignee"], bool(done["completionDate"])) == (task, "demo", True), "7"
    variables = {one["name"]: one["value"] for one in osmia.json("instance", "variables", instance)}
    assert variables["dinner"] == "chicken", "8"

    [meal] = osmia.json("tasks", "-p", unique)
    assert (meal["elementId"], meal["assignee"]) == ("eat", "demo"), "9"
    osmia.done("task", "complete", meal["userTaskKey"])
    assert keys(osmia, "-p", unique) == [], "10"
    assert {*keys(osmia, "-p", unique, "--completed")} == {task, meal["userTaskKey"]}
    assert osmia.json("instance", "show", instance)["state"] == "COMPLETED"

    second = osmia.done("start", unique, "-o", "key").strip()
    [task] = keys(osmia, "-p", unique)
    osmia.done("instance", "cancel", second, "--yes")
    assert keys(osmia, "-p", unique) == [], "11"
    assert osmia.json("task", "show", task)["state"] == "CANCELED"
    osmia.refused(5, "task", "complete", task)
