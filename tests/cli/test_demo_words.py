"""What the demo tells a person to type works in the shell that they type it into."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from osmia.results import Event
from osmia_broker.cli.demo_broker import next_steps
from osmia_broker.cli.demo_live import LiveDemo, python


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder with an environment `.venv`, whose Python runs the demo."""
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("python", "python3"):
        programs.joinpath(name).symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(programs / "python3"))
    monkeypatch.chdir(tmp_path)
    return programs


def test_an_environment_that_is_not_activated_is_named(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert python() == ".venv/bin/python3"


def test_an_activated_environment_needs_no_path(checkout, monkeypatch):
    monkeypatch.setenv("PATH", str(checkout))
    assert python() == "python"


def test_an_environment_elsewhere_is_named_in_full(checkout, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert python() == str(checkout / "python3")


def step(operation: str, user: str) -> Any:
    return SimpleNamespace(operation=operation, user=user)


@pytest.mark.parametrize(
    ("intent", "assignee", "steps", "told"),
    [
        ("assigned", "ada", [step("ASSIGN", "ada")], 'ada claimed "Eat"'),
        ("assigned", "ada", [step("ASSIGN", "bob")], 'bob assigned "Eat" to ada'),
        ("assigned", "ada", [], 'ada claimed "Eat"'),
        ("unassigned", "", [step("UNASSIGN", "ada"), step("ASSIGN", "bob")], 'ada gave "Eat" back'),
        ("unassigned", "", [step("UNASSIGN", "")], 'somebody gave "Eat" back'),
    ],
)
def test_the_demo_names_who_did_it(capsys, intent, assignee, steps, told):
    client: Any = SimpleNamespace(user_tasks=SimpleNamespace(history=lambda _key: steps))
    nothing: Any = None
    details = {"name": "Eat", "assignee": assignee}
    given: dict[str, Any] = dict.fromkeys(Event.__dataclass_fields__, 0)
    event = Event(**(given | {"kind": "USER_TASK", "intent": intent, "details": details}))
    LiveDemo(client, nothing, nothing, "", is_colored=False)._tell(event)
    assert told in capsys.readouterr().out


def test_what_to_try_next_stands_in_two_columns():
    told = next_steps(("osmia tasks", "what waits"), ("osmia start dinner --address x:1", "another dinner"))
    head, *lines = told.splitlines()
    assert head == "  Try next:"
    assert {line.index(about) for line, about in zip(lines, ("what waits", "another dinner"), strict=True)} == {39}
