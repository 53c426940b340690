"""How the command line ends when its output cannot be delivered. Each case runs the real program with and without buffers."""

import os
import subprocess
import sys

import pytest

LONG = "'string join(for i in 1..30000 return \"abcdefgh\")'"  # more than a pipe holds


@pytest.fixture(params=["buffered", "unbuffered"])
def shell(request):
    """Run a line of shell; `osmia` is this interpreter's."""

    def run(line):
        environ = {**os.environ, "PYTHONUNBUFFERED": "1" if request.param == "unbuffered" else ""}
        script = f'set -o pipefail\nosmia() {{ "{sys.executable}" -m osmia_broker "$@"; }}\n{line}'
        return subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, env=environ, check=False, timeout=60
        )

    return run


@pytest.mark.parametrize("command", ["feel 1", f"feel {LONG}", "--version", "--help", "completion bash", "feel --help"])
@pytest.mark.parametrize(
    ("to", "why"), [("> /dev/full", "No space left on device"), (">&-", "standard output is closed")]
)
def test_output_that_cannot_be_written_ends_with_1_and_the_reason(shell, command, to, why):
    done = shell(f"osmia {command} {to}")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"Error: The output cannot be written.\n  why: {why}\n"


def test_a_program_reads_why_the_output_is_missing(shell):
    done = shell("osmia feel 1 -o json > /dev/full")
    assert done.returncode == 1
    assert done.stderr.startswith('{"error":{"code":"OUTPUT",')


@pytest.mark.parametrize("command", ["feel 1", f"feel {LONG}", "--version", "--help", "completion bash"])
@pytest.mark.parametrize("reader", ["head -c1", "true"])
def test_a_reader_that_leaves_is_no_failure(shell, command, reader):
    done = shell(f"osmia {command} | {reader}")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("to", ["> /dev/full", ">&-", "2> /dev/full", "2>&-", "2>&1 | true"])
def test_a_refusal_keeps_its_exit_code_even_if_its_text_is_lost(shell, to):
    assert shell(f"osmia feel '1 +' {to}").returncode == 1
    assert shell(f"osmia tasks --nosuch {to}").returncode == 2


def test_closed_streams_that_are_not_needed_are_no_failure(shell):
    assert shell("osmia feel 1 <&- 2>&-").stdout == "1\n"


def test_a_character_that_the_encoding_lacks_is_written_as_an_escape(shell):
    done = shell("""PYTHONIOENCODING=ascii osmia feel '"é"'""")
    assert (done.returncode, done.stdout) == (0, '"\\xe9"\n')


def test_variables_from_a_closed_standard_input_are_refused(shell):
    done = shell("osmia start p --vars - <&-")
    assert done.returncode == 2
    assert done.stderr.startswith("Error: Expected standard input to hold a JSON object")


def test_an_argument_that_is_no_utf_8_is_refused(shell):
    done = shell("osmia start $'\\xff'")
    assert done.returncode == 2
    assert done.stderr.startswith("Error: Expected arguments in UTF-8")
