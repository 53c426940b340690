import json

import pytest
from grpc import StatusCode

from osmia.errors import _BY_CODE, BrokerFailed
from osmia_broker.cli.app import run
from osmia_broker.cli.failures import Exit, Failure, from_call


def called(status, details="why"):
    return from_call(_BY_CODE.get(status, BrokerFailed)(status, details), "127.0.0.1:26500")


@pytest.mark.parametrize(
    ("status", "exit"),
    [
        (StatusCode.INVALID_ARGUMENT, 1),
        (StatusCode.UNAVAILABLE, 3),
        (StatusCode.RESOURCE_EXHAUSTED, 3),
        (StatusCode.NOT_FOUND, 4),
        (StatusCode.FAILED_PRECONDITION, 5),
        (StatusCode.ALREADY_EXISTS, 5),
        (StatusCode.DEADLINE_EXCEEDED, 6),
        (StatusCode.PERMISSION_DENIED, 7),
        (StatusCode.UNAUTHENTICATED, 7),
        (StatusCode.INTERNAL, 70),
        (StatusCode.UNKNOWN, 70),
    ],
)
def test_the_exit_code_tells_the_kind_of_failure(status, exit):
    failure = called(status)
    assert failure.exit == exit
    assert failure.why == "why"


def test_nobody_there_reads_like_the_contract():
    failure = called(StatusCode.UNAVAILABLE, "failed to connect to all addresses; last error: …")
    assert failure.text() == ("Error: No broker answers at 127.0.0.1:26500.\n  try: osmia demo   (starts one here)")


def test_a_failure_is_three_lines_at_most_whatever_is_quoted():
    failure = Failure(Exit.REFUSED, "No.", why="line\nline\x1b[31m", mend="this")
    assert len(failure.text().splitlines()) == 3
    assert "\x1b" not in failure.text()


def test_a_program_gets_an_object():
    error = json.loads(called(StatusCode.NOT_FOUND).json())["error"]
    assert error == {"code": "NOT_FOUND", "message": "The broker refused. why", "hint": ""}


@pytest.mark.parametrize(
    ("line", "mend"),
    [
        ("tsk", "osmia task"),
        ("instnces", "osmia instances"),
        ("xyzzy", "osmia --help"),
        ("tasks --nosuch", "osmia tasks --help"),
        ("task complete notakey", "osmia task complete --help"),
        ("task complete 0", "osmia task complete --help"),
        ("start", "osmia start --help"),
        ("start p --var x", "--var amount=12"),
        ("deploy /no/such/file.bpmn", "osmia deploy my-process.bpmn"),
        ("tasks --timeout soon", "osmia tasks --help"),
        ("tasks --address ftp://x", "--address 127.0.0.1:26500"),
        ("jobs --state lost", "--state activatable"),
        ("instance cancel 1", "the same with --yes"),
        ("completion tcsh", "osmia completion --help"),
        ("broker --grpc-port 70000", ""),
        ("broker --host 0.0.0.0", "set --insecure"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_the_mend(line, mend, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert run(line.split()) == 2
    told = capsys.readouterr().err
    assert told.startswith("Error: ")
    assert mend in told


def test_a_program_is_told_of_a_wrong_command_line_as_json(capsys):
    assert run(["jobs", "--state", "lost", "-o", "json"]) == 2
    assert json.loads(capsys.readouterr().err)["error"]["code"] == "USAGE"


@pytest.mark.parametrize("options", [["--address", "127.0.0.1:1", "status"], ["status", "--address", "127.0.0.1:1"]])
def test_options_of_every_command_stand_before_or_behind_it(options, capsys):
    assert run(options) == 3
    assert "No broker answers at 127.0.0.1:1." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "out"),
    [
        (["1 + 2"], "3\n"),
        (["= 1 + 2"], "3\n"),
        (["a + 1", "--var", "a=2"], "3\n"),
        (["a.b", "--vars", '{"a": {"b": [1]}}'], "[1]\n"),
        (["nobody"], "null\n"),
        (["1 + 2", "-o", "json"], '{"result":3,"warnings":[]}\n'),
    ],
)
def test_feel_prints_the_value(line, out, capsys):
    assert run(["feel", *line]) == 0
    assert capsys.readouterr().out == out


def test_feel_puts_a_caret_under_the_fault(capsys):
    assert run(["feel", "1 + )"]) == 1
    drawn = capsys.readouterr().err.splitlines()
    assert drawn[1:3] == ["  1 + )", "      ^"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell, capsys):
    assert run(["completion", shell]) == 0
    assert "_OSMIA_COMPLETE" in capsys.readouterr().out
