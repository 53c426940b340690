import json
import subprocess
import sys
from unittest.mock import AsyncMock

import pytest
from grpc import StatusCode
from grpc.aio import AioRpcError, Metadata

from osmia import errors
from osmia_broker.cli.app import run
from osmia_broker.cli.failures import Exit, Failure, from_call, from_child
from tests.bpmn import bpmn


def called(status, details="why"):
    failure = AioRpcError(status, Metadata(), Metadata(), details)
    return from_call(errors.from_rpc(failure), "127.0.0.1:26500")


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
    failure = called(status, "so be it")
    assert failure.exit == exit
    assert "so be it" in failure.text()


@pytest.mark.parametrize("status", ["NOT_FOUND", "FAILED_PRECONDITION", "INVALID_ARGUMENT", "PERMISSION_DENIED"])
def test_the_first_line_of_a_refusal_is_its_reason(status):
    framed = f"Command 'COMPLETE' rejected with code '{status}': Expected a job, but found none"
    assert called(StatusCode[status], framed).text() == "Error: Expected a job, but found none."
    assert called(StatusCode[status], "").text() == "Error: The broker refused."


REFUSED = "failed to connect to all addresses; last error: UNKNOWN: Failed to connect: Connection refused"
HTTP1 = "failed to connect to all addresses; last error: Failed parsing HTTP/2 (Trying to connect an http1.x server)"


def test_a_missing_broker_is_reported_in_the_words_of_the_contract():
    failure = called(StatusCode.UNAVAILABLE, REFUSED)
    assert failure.text() == ("Error: No broker answers at 127.0.0.1:26500.\n  try: osmia demo   (starts one here)")


@pytest.mark.parametrize(
    ("status", "details"),
    [(StatusCode.UNAVAILABLE, HTTP1), (StatusCode.UNIMPLEMENTED, "Received http2 header with status: 404")],
)
def test_an_address_of_another_program_is_called_so(status, details):
    failure = called(status, details)
    assert (failure.exit, failure.why) == (3, ""), "not in the words of a library"
    assert "does not speak gRPC" in failure.what
    assert failure.mend.startswith("--address 127.0.0.1:26500   (the gRPC port")


def test_an_address_with_tls_of_a_broker_in_plain_text_is_mended_by_leaving_it_out():
    error = errors.Unavailable(StatusCode.UNAVAILABLE, "last error: SSL_ERROR_SSL: WRONG_VERSION_NUMBER")
    failure = from_call(error, "https://127.0.0.1:26500")
    assert "use http:// or no scheme" in failure.what
    assert failure.why == ""
    assert failure.mend == "--address 127.0.0.1:26500"


def test_a_name_that_leads_nowhere_is_no_broker_that_is_not_ready():
    failure = called(StatusCode.UNAVAILABLE, "errors resolving nohost: Domain name not found")
    assert failure.what == "No broker answers at 127.0.0.1:26500: no machine of this name is known."
    assert failure.why == ""


@pytest.mark.parametrize(
    ("address", "mend", "has_why"),
    [
        ("127.0.0.1:26500", "osmia demo", False),
        ("localhost:1", "osmia broker --grpc-port 1", False),
        ("[::1]:26500", "osmia broker --host ::1", False),
        ("broker.example.org:26500", "--address HOST:PORT   (where one runs; or OSMIA_ADDRESS)", True),
        ("10.0.0.1:26500", "--address HOST:PORT", True),
    ],
)
def test_only_a_broker_on_this_machine_can_be_started_here(address, mend, has_why):
    error = errors.Unavailable(StatusCode.UNAVAILABLE, REFUSED)
    failure = from_call(error, address)
    assert mend in failure.mend
    assert bool(failure.why) is has_why


@pytest.mark.parametrize(
    ("environ", "what", "mend"),
    [
        ({"OSMIA_USER": "anna"}, "wants a password for 'anna'", "osmia login --user anna"),
        ({"OSMIA_USER": "a b"}, "wants a password for 'a b'", "osmia login --user 'a b'"),
        ({"OSMIA_USER": "anna", "OSMIA_TOKEN": "x"}, "does not know you", "osmia login --user NAME"),
        ({"OSMIA_USER": "anna", "OSMIA_PASSWORD_FILE": "x"}, "does not know you", "osmia login --user NAME"),
        ({}, "does not know you", "osmia login --user NAME"),
    ],
)
def test_a_name_without_a_password_is_no_sign_in(monkeypatch, environ, what, mend):
    for name in ("OSMIA_USER", "OSMIA_PASSWORD", "OSMIA_PASSWORD_FILE", "OSMIA_TOKEN", "OSMIA_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    failure = called(StatusCode.UNAUTHENTICATED, "Expected the metadata or header 'authorization' …, but found none")
    assert what in failure.what
    assert failure.mend.startswith(f"{mend}   (")
    assert failure.exit == 7


def test_a_missing_thing_is_looked_for_in_its_list():
    framed = "Command 'COMPLETE' rejected with code 'NOT_FOUND': Expected a job"
    failure = from_call(errors.NotFound(StatusCode.NOT_FOUND, framed), "x:1", "osmia jobs")
    assert (failure.what, failure.mend) == ("Expected a job.", "osmia jobs")
    assert called(StatusCode.INVALID_ARGUMENT).mend == ""


def test_a_failure_has_three_lines_even_if_it_quotes_more():
    failure = Failure(Exit.REFUSED, "No.", why="line\nline\x1b[31m", mend="this")
    assert len(failure.text().splitlines()) == 3
    assert "\x1b" not in failure.text()


def test_a_program_gets_an_object():
    error = json.loads(called(StatusCode.NOT_FOUND).json())["error"]
    assert error == {"code": "NOT_FOUND", "message": "why.", "hint": "", "requestId": ""}


@pytest.mark.parametrize(
    ("details", "exit", "what", "mend"),
    [
        ("CLIENT: Sent message larger than max (5000128 vs. 4194304)", 1, "message is too large", "--max-message-size"),
        ("SERVER: Received message larger than max (10485812 vs. 4194304)", 1, "message is too large", "fewer files"),
        ("gRPC message exceeds maximum size 4194304: 5000128", 1, "message is too large", "fewer files"),
        (
            "Expected the database to answer, but found: database or disk is full",
            3,
            "disk of the broker",
            "room on its disk",
        ),
        ("Expected at most 1000 commands to wait, but found more", 3, "turned the call away", "the same again"),
    ],
)
def test_only_a_busy_broker_is_to_be_asked_the_same_again(details, exit, what, mend):
    failure = called(StatusCode.RESOURCE_EXHAUSTED, details)
    assert (failure.exit, failure.why) == (exit, details)
    assert what in failure.what
    assert mend in failure.mend
    assert ("the same again" in failure.mend) == (mend == "the same again")


def test_the_failure_of_a_child_broker_is_its_own():
    told = Failure(Exit.CONFLICT, "Another broker uses 'd'.", why="it does", mend="another one")
    failure = from_child(5, f'{{"level":"info"}}\nError: an older one\n{told.text()}\n')
    assert (failure.exit, failure.text()) == (5, told.text())


@pytest.mark.parametrize(
    ("exit_code", "words", "why"),
    [
        (-9, "starting\nkilled", "killed"),
        (None, "Error: slow", "Error: slow"),
        (1, "", "it wrote no log"),
        (99, "x", "x"),
    ],
)
def test_a_child_broker_that_says_nothing_has_not_started(exit_code, words, why):
    failure = from_child(exit_code, words)
    assert (failure.exit, failure.what, failure.why) == (3, "The broker did not start.", why)


@pytest.mark.parametrize(
    ("line", "mend"),
    [
        ("tsk", "osmia task"),
        ("instnces", "osmia instances"),
        ("xyzzy", "osmia --help"),
        ("help", "osmia --help"),
        ("version", "osmia --version"),
        ("task list", "osmia tasks"),
        ("process list", "osmia processes"),
        ("instance list", "osmia instances"),
        ("decision list", "osmia decision --help"),
        ("tasks --nosuch", "osmia tasks --help"),
        ("task complete notakey", "osmia tasks   (it lists the keys)"),
        ("task complete 0", "osmia tasks   (it lists the keys)"),
        *(
            (f"{command} {key}", f"osmia {command.split()[0]}s   (it lists the keys)")
            for command in ("task complete", "job complete", "instance show", "incident resolve")
            for key in (2**63, 10**30, "1.5", "1e3")
        ),
        ("jobs --instance 9223372036854775808", "osmia jobs list --help"),
        ("incidents --instance 99999999999999999999", "osmia incidents --help"),
        ("job retries 1 2147483648", "osmia job retries --help"),
        ("job fail 1 --retries 2147483648", "osmia job fail --help"),
        ("job activate t --max 2147483648", "osmia job activate --help"),
        ("incident resolve 1 --retries 2147483648", "osmia incident resolve --help"),
        ("start p --version 2147483648", "osmia start --help"),
        ("start p --version -2", "osmia start --help"),
        ("tasks --limit 99999999999999999999", "osmia tasks --help"),
        ("bench --in-flight 1000001", "osmia bench --help"),
        ("bench --rate inf", "osmia bench --help"),
        ("bench --rate nan", "osmia bench --help"),
        ("demo --port-base 65534", "osmia demo --help"),
        ("demo --port-base -5", "osmia demo --help"),
        ("start", "osmia start --help"),
        ("message publish", "osmia message publish --help"),
        ("message publish m --ttl soon", "osmia message publish m --ttl 500ms"),
        ("timers --state lost", "osmia timers --state waiting"),
        ("subscriptions --type timer", "osmia subscriptions --type message"),
        ("incident resolve", "osmia incidents"),
        ("instance migrate 1", "osmia instance migrate --help"),
        ("start p --var x", "osmia start p --var NAME=VALUE"),
        ("deploy /no/such/file.bpmn", "osmia deploy my-process.bpmn"),
        ("tasks --timeout soon", "osmia tasks --timeout 500ms"),
        ("tasks --timeout 5", "Expected --timeout to be a duration such as 5s, but found '5'"),
        ("tasks --timeout 0", "Expected --timeout to be a duration above 0, such as 10s, but found '0'"),
        ("tasks --timeout 0ms", "Expected --timeout to be a duration above 0, such as 10s, but found '0ms'"),
        ("tasks --timeout 999999999d", "Expected --timeout to be a duration of at most 36500d"),
        ("instances --state lost", "one of active, incident, suspended, completed, canceled, all, but found 'lost'."),
        ("tasks -o xml", "Expected --output to be one of table, wide, json, yaml, csv, key, but found 'xml'."),
        ("job activate t --max 0", "Expected --max to be greater than or equal to 1, but found '0'."),
        ("task complete x", "Expected KEY to be a whole number, but found 'x'."),
        ("tasks --address ftp://x", "--address 127.0.0.1:26500"),
        ("jobs --state lost", "--state activatable"),
        ("instance cancel 1", "osmia instance cancel 1 --yes"),
        ("completion tcsh", "osmia completion bash"),
        ("completion", "osmia completion "),
        ("broker --grpc-port 70000", ""),
        ("broker --host 0.0.0.0", "--auth basic   (or --insecure"),
        ("broker --memory-limit 0", "such as '24 MiB'"),
        ("broker --advertised-address foo", "such as broker.example.org:26500"),
        ("broker --grpc-port 4711 --management-port 4711", "--management-port 4712"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_the_mend(line, mend, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert run(line.split()) == 2
    told = capsys.readouterr().err
    assert told.startswith("Error: ")
    assert mend in told


@pytest.mark.parametrize("command", ["task", "signal", "instance", "message", "incident"])
def test_a_command_without_its_verb_prints_its_help(command, capsys):
    assert run([command]) == 2
    streams = capsys.readouterr()
    assert f"osmia {command} [OPTIONS] COMMAND" in streams.out + streams.err
    assert "Error:" not in streams.err


def test_a_program_reads_of_a_wrong_command_line_as_json(capsys):
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


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ('@"2026-02-30"', "Failed to parse a date, a time or a duration from '2026-02-30'"),
        ('date("2026-02-30")', "Failed to invoke function 'date': Failed to parse date from '2026-02-30'"),
        ("date(2026, 2, 30)", "Failed to invoke function 'date': There is no date of year 2026, month 2 and day 30"),
        ('time("25:00:00")', "Failed to invoke function 'time': Failed to parse time from '25:00:00'"),
        ("time(25, 0, 0)", "Failed to invoke function 'time': There is no time of hour 25, minute 0 and second 0"),
        (
            'date and time("tomorrow {}")',
            "Failed to invoke function 'date and time': Failed to parse date and time from 'tomorrow {}'",
        ),
        ('duration("7d")', "Failed to invoke function 'duration': Failed to parse duration from '7d'"),
        ('date("2026-02-28") = null', ""),
    ],
)
def test_a_date_that_there_is_not_says_why_the_value_is_null(
    expression: str, why: str, capsys: pytest.CaptureFixture[str]
):
    assert run(["feel", expression]) == 0
    out, err = capsys.readouterr()
    kind = "INVALID_TYPE" if expression.startswith("@") else "FUNCTION_INVOCATION_FAILURE"
    assert (out, err) == (("null\n", f"{kind}: {why}\n") if why else ("false\n", ""))


def test_feel_puts_a_caret_under_the_fault(capsys):
    assert run(["feel", "1 + )"]) == 1
    drawn = capsys.readouterr().err.splitlines()
    assert drawn[0] == "Error: This is no FEEL expression: expected a value, but found ')'."
    assert drawn[1:] == ["  1 + )", "      ^"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell, capsys):
    assert run(["completion", shell]) == 0
    assert "_OSMIA_COMPLETE" in capsys.readouterr().out


# --- Ctrl-C


@pytest.mark.parametrize("module", ["streams", "app", "session", "failures", "commands.feel"])
def test_ctrl_c_during_an_import_shows_no_traceback(module):
    code = f"""
import sys
class CtrlC:
    def find_spec(self, name, *_):
        if name == 'osmia_broker.cli.{module}':
            raise KeyboardInterrupt
sys.meta_path.insert(0, CtrlC())
sys.argv = ['osmia', 'feel', '1']
from osmia_broker.cli import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def interrupted(*_arguments, **_options):
    yield from ()
    raise KeyboardInterrupt


@pytest.fixture
def ctrl_c(monkeypatch):
    """Press Ctrl-C where commands wait."""
    monkeypatch.setattr("osmia.SyncClient.events", interrupted)
    monkeypatch.setattr("osmia_broker.cli.commands.deploy.saved", interrupted)
    monkeypatch.setattr("osmia_broker.cli.commands.mcp._serve", AsyncMock(side_effect=KeyboardInterrupt))
    monkeypatch.setattr("osmia.SyncClient.get_instance", lambda *_: next(interrupted()))


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("words", ["events --follow", "events -f --kind job --json", "deploy FILE --watch", "mcp"])
def test_ctrl_c_is_the_usual_end_of_what_has_no_other(osmia, tmp_path, words):
    if words == "mcp":
        pytest.importorskip("mcp", reason="the extra is not installed")
    model = tmp_path / "model.bpmn"
    model.write_bytes(bpmn("start > end", id="usual"))
    osmia.done(*words.replace("FILE", str(model)).split())
    assert "Error" not in osmia.err


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("words", ["events", "start usual --await", "instance show KEY --follow"])
def test_ctrl_c_cuts_short_what_has_an_end(osmia, words):
    osmia.deploy("start > ask:user > end", "usual")
    key = osmia.create("usual")
    assert "Traceback" not in osmia.refused(130, *words.replace("KEY", str(key)).split())
