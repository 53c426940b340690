"""The help of each command: plain lines of 80 columns, an example that can be copied, and no words of the library that prints it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from osmia_broker.cli.app import COMMANDS, app, run

LIBRARY = re.compile(r"\[\[|<str>|<bool>|<int|<float|<path>|<list|<=x|[╭│╰]|\[required\]|\{[A-Z]")


def paths(command: Any, context: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command, of groups too."""
    yield path
    for name in command.list_commands(context) if hasattr(command, "list_commands") else ():
        yield from paths(command.get_command(context, name), context, (*path, name))


ROOT = typer.main.get_command(app)
ALL = list(paths(ROOT, ROOT.make_context("osmia", [], resilient_parsing=True)))


def help_of(path: tuple[str, ...], capsys: Any) -> str:
    assert run([*path, "--help"]) == 0
    return str(capsys.readouterr().out)


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_help_has_plain_lines_of_80_columns_in_the_words_of_osmia(path, capsys):
    text = help_of(path, capsys)
    assert not LIBRARY.search(text)
    too_long = [
        line for line in text.splitlines() if len(line) > 80 and not line.lstrip().startswith(("Example", "osmia"))
    ]
    assert not too_long


@pytest.mark.parametrize("path", [path for path in ALL if path], ids=" ".join)
def test_every_command_shows_an_example(path, capsys):
    text = help_of(path, capsys)
    assert f"Usage: osmia {' '.join(path)} " in text
    assert f"\nExample: osmia {path[0]} " in text or f"\n         osmia {path[0]} " in text


def test_the_help_of_a_noun_begins_with_what_is_done_every_day(capsys):
    text = help_of(("task",), capsys)
    assert "\nExample: osmia task show 2251799813685256\n" in text
    assert text.index("  complete ") < text.index("  snooze ")


def test_an_example_is_never_broken(capsys):
    assert 'Example: osmia job fail 2251799813685256 --retries 2 --message "bank is closed"\n' in help_of(
        ("job", "fail"), capsys
    )


def test_options_of_every_command_are_named_in_one_line(capsys):
    text = help_of(("jobs",), capsys)
    assert "--address" in text
    assert "OSMIA_ADDRESS" not in text
    assert "OSMIA_ADDRESS" in help_of((), capsys)


def test_an_option_that_means_something_else_here_is_explained(capsys):
    assert "60s with --await" in help_of(("start",), capsys)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("completion",), "SHELL  The shell. [bash|zsh|fish|powershell]"),
        (("instances",), "--state active|incident|suspended|completed|canceled|all"),
        (("tasks",), "[default: 50]"),
        (("job", "fail"), "--retries NUMBER"),
        (("incident", "resolve"), "Usage: osmia incident resolve [OPTIONS] [KEY...]"),
        (("tasks",), "Usage: osmia tasks [OPTIONS] [QUERY]"),
        (("work",), "Usage: osmia work [OPTIONS] TYPE -- COMMAND..."),
    ],
)
def test_values_are_named(path, line, capsys):
    assert line in help_of(path, capsys)


def test_the_list_of_commands_is_the_registry(capsys):
    assert {path[0] for path in ALL if path} == set(COMMANDS)
