"""The demo as a person at a terminal meets it: it says what to do, prints what happens, ends by Ctrl-C or Ctrl-D, and goes on next time."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from osmia_broker.base import ports
from tests.patience import ANSWER_S
from tests.process.program import environ, osmia, port_base
from tests.process.terminal import Terminal

pytestmark = pytest.mark.process


@contextmanager
def demo(folder: Path, *options: str) -> Iterator[Terminal]:
    terminal = Terminal(folder, *options)
    try:
        yield terminal
    finally:
        terminal.end()


def test_a_person_completes_both_tasks_and_the_next_demo_goes_on(tmp_path: Path):
    with demo(tmp_path) as at:
        address = at.sees(r"ready in [\d.]+ s +gRPC (127\.0\.0\.1:\d+) .*\s+data +\./osmia-demo \(SQLite\)")[1]
        at.sees(r'deployed +dinner\.bpmn +"Prepare dinner", version 1')
        instance = at.sees(r"started +(\d+)")[1]
        at.sees(r"Somebody has to decide what's for dinner\. Complete the task")
        line = at.sees(r"in a second terminal +(\S*osmia task complete \d+ --var dinner=pizza --address \S+)")[1]
        at.sees(r"Waiting\. Ctrl-C stops the demo; your data stays in \./osmia-demo\.")
        at.types(line + "\n")  # pasted into the demo itself
        at.sees(r'\d\d:\d\d:\d\d  \S+ completed "Decide what\'s for dinner" +dinner = "pizza"')
        at.sees(r'token moved to "Eat dinner"')
        task = osmia("tasks", "-o", "key", address=address).stdout.strip()
        assert osmia("task", "claim", task, "--user", "anna", address=address).returncode == 5  # it is for demo
        at.types("nonsense\n")
        at.sees(r"Commands of osmia can be typed here")
        at.types("\x04")  # Ctrl-D
        at.sees(r"Stopped\. Your data stays in \./osmia-demo; osmia demo goes on with it\.")
        assert at.process.wait(ANSWER_S) == 0
    with demo(tmp_path) as at:
        address = at.sees(r"gRPC (127\.0\.0\.1:\d+)")[1]
        at.sees(r"unchanged +dinner\.bpmn")
        at.sees(rf"goes on +{instance}")
        at.sees(r"Waiting\.")
        assert osmia("task", "complete", task, address=address).returncode == 0
        at.sees(r'completed "Eat dinner"')
        at.sees(rf"Done: instance {instance} completed\.")
        at.sees(r"osmia deploy FILE\.bpmn")
        os.killpg(at.process.pid, signal.SIGINT)  # as a terminal does for Ctrl-C
        assert at.process.wait(ANSWER_S) == 0
    with demo(tmp_path) as at:
        assert at.sees(r"started +(\d+)")[1] != instance


def test_a_demo_whose_broker_is_killed_says_so_and_ends(tmp_path: Path):
    with demo(tmp_path) as at:
        at.sees(r"Waiting\.")
        os.kill(ports.read(tmp_path / "osmia-demo").pid, signal.SIGKILL)
        at.sees(
            r"Error: The broker of the demo has ended\.\s+why: its last words are in \./osmia-demo/broker\.log\s+try: osmia demo"
        )
        assert at.process.wait(ANSWER_S) == 3


def test_a_demo_that_is_ended_from_outside_leaves_nothing_behind(tmp_path: Path):
    variables = environ(TMPDIR=str(tmp_path), PYTHONUNBUFFERED="1")
    command = [sys.executable, "-m", "osmia_broker", "demo", "--port-base", port_base()]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=variables
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if b"ready in" in line:
                break
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        assert process.wait(ANSWER_S) != 0  # it has not shown what it is for
    assert list(tmp_path.iterdir()) == []
