"""Every command with every option, as the tree of commands has them, so that none is left out."""

import json
import re
import shlex
from dataclasses import dataclass, field
from typing import Any

import pytest
import typer

from osmia_broker.cli.app import app, run

#: Words for arguments, by the name that the help gives them.
WORDS = {
    "KEY": "1",
    "KEY...": "1",
    "KEY|ID": "1",
    "[LIST]": "jobs",
    "RETRIES": "3",
    "SHELL": "bash",
    "DURATION": "1s",
    "-- COMMAND...": "true",
}
#: Commands that run until somebody ends them, or that need no broker: their ends are in tests of their own.
ON_THEIR_OWN = {"demo", "broker", "mcp", "bench", "config", "completion", "feel", "lint", "profile", "user", "logout"}
ON_THEIR_OWN |= {"backup", "restore", "check"}


@dataclass
class Command:
    """A command of `osmia`: its words, its parameters, and those words that it cannot do without."""

    path: tuple[str, ...]
    params: list[Any]
    help: str
    words: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return " ".join(self.path)


def commands() -> list[Command]:
    root = typer.main.get_command(app)
    found = []
    for name in root.list_commands(None):
        one = root.get_command(None, name)
        below = getattr(one, "commands", {})
        default = not below or getattr(one, "invoke_without_command", False)
        found += [made((name,), one)] if default else []
        found += [made((name, verb), each) for verb, each in below.items()]
    return found


def made(path: tuple[str, ...], command: Any) -> Command:
    needed = []
    for one in command.params:
        if one.param_type_name == "argument" and (one.required or one.metavar in WORDS):
            word = str(one.metavar or one.name.upper()).strip("[]")
            needed += (
                ["--", "true"] if word.startswith("--") else [WORDS.get(one.metavar or "") or WORDS.get(word, "x")]
            )
        elif one.param_type_name != "argument" and one.required:
            needed = [one.opts[0], "x", *needed]
    return Command(path, command.params, command.help or "", needed)


EVERY = commands()
CALLING = [one for one in EVERY if one.path[0] not in ON_THEIR_OWN and one.path != ("login",)]


def test_the_table_has_all_commands():
    names = {str(one) for one in EVERY}
    assert {"task claim", "tasks", "instance migrate", "message publish", "work", "events", "signal broadcast"} <= names
    assert len(EVERY) > 80
    assert sum(len(one.params) for one in EVERY) > 800


@pytest.mark.parametrize("columns", ["80", "40"])
def test_the_help_of_every_command_has_an_example_and_fits_the_terminal(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    for one in EVERY:
        assert run([*one.path, "--help"]) == 0
        text = capsys.readouterr().out
        assert f"Example: osmia {one.path[0]}" in text, one
        long = [
            line for line in text.splitlines() if len(line) > int(columns) and not line.startswith(("Example", "  "))
        ]
        assert [line for line in long if not line.startswith("Usage")] == [], one


@pytest.mark.parametrize("command", CALLING, ids=str)
def test_without_a_broker_every_command_says_so(command, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").write_text("")
    words = [*command.path, *command.words]
    words = [*words[: words.index("--")], "--yes", *words[words.index("--") :]] if "--" in words else [*words, "--yes"]
    code = run(words)
    out, err = capsys.readouterr()
    assert (code, out) in ((3, ""), (2, "")), (words, code, out, err)
    assert "Traceback" not in err
    if code == 3:
        assert err.splitlines()[0] == "Error: No broker answers at 127.0.0.1:9."
        assert "try: osmia broker --grpc-port 9   (starts one there)" in err
    assert len(err.splitlines()) <= 3
    end = words.index("--") if "--" in words else len(words)
    assert run([*words[:end], "-o", "json", *words[end:]]) == code
    assert set(json.loads(capsys.readouterr().err)["error"]) >= {"code", "message", "hint", "requestId"}


WITH_KEY = [one for one in CALLING if one.words and one.words[0] == "1" and "--" not in one.words]


@pytest.mark.parametrize("command", WITH_KEY, ids=str)
def test_a_key_of_nothing_is_not_found_in_every_form(command, osmia):
    for form in ("table", "json", "key"):
        code = osmia(*command.path, *command.words, "--yes", "-o", form)
        told = f"{command} {code} {osmia.out!r} {osmia.err}"
        assert code in (1, 2, 4), told  # 1 and 2: more was wrong than the key
        assert (osmia.out, "Traceback" in osmia.err) == ("", False), told
        if form == "json":
            assert json.loads(osmia.err)["error"]["message"], told
        else:
            assert osmia.err.startswith("Error: "), told


def narrowing(command: Command) -> str | None:
    """The option that lets a list be of something that there is not."""
    names = {name for option in command.params for name in option.opts}
    return next((name for name in ("--process", "--type", "--name") if name in names), None)


LISTS = [one for one in CALLING if len(one.path) == 1 and any(option.name == "limit" for option in one.params)]


@pytest.mark.parametrize("command", [one for one in LISTS if narrowing(one)], ids=str)
def test_an_empty_list_is_empty_in_every_form_and_says_so_to_a_person(command, osmia, unique):
    words = [*command.path, *([narrowing(command), unique] if command.path != ("subscriptions",) else [])]
    for form, out in (("table", ""), ("json", "[]\n"), ("yaml", "[]\n"), ("key", "")):
        assert osmia(*words, "-o", form) == 0, osmia.err
        if command.path != ("subscriptions",) and command.path != ("events",):
            assert osmia.out == out, (words, form)
    assert "Traceback" not in osmia.err


def options() -> list[tuple[Command, Any]]:
    """Every option with a value, of every command that calls a broker."""
    return [
        (command, option)
        for command in CALLING
        for option in command.params
        if option.param_type_name == "option" and not option.is_flag and not getattr(option, "count", False)
    ]


def test_every_option_without_its_value_is_answered_with_the_help_of_its_command(capsys):
    for command, option in options():
        name = max(option.opts, key=len)
        assert run([*command.path, name]) == 2, (str(command), name)
        lines = capsys.readouterr().err.splitlines()
        assert lines == [
            f"Error: Expected a value behind {name}, but found none.",
            f"  try: osmia {command} --help",
        ], (str(command), name)


def test_every_number_that_is_none_is_called_so(capsys):
    numbers = [(command, option) for command, option in options() if isinstance(option.default, int)]
    assert len(numbers) > 15
    for command, option in numbers:
        name = max(option.opts, key=len)
        words = [*command.path, name, "few", *command.words]
        assert run(words) == 2, words
        told = capsys.readouterr().err.splitlines()[0]
        assert re.fullmatch(rf"Error: Expected {name} to be a whole number, but found 'few'\.", told), words


@pytest.mark.parametrize("word", ["--nosuch", "--nosuch=1"])
def test_every_command_refuses_an_option_that_it_has_not(capsys, word):
    for command in EVERY:
        words = [*command.path, word, *command.words]
        assert run(words) == 2, words
        told = capsys.readouterr().err.splitlines()
        assert told[0] == "Error: There is no option '--nosuch'.", words
        assert shlex.split(told[1])[:2] == ["try:", "osmia"], words
