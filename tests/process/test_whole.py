"""The real program: started, asked, killed, stopped."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from osmia_broker.running.child import ChildBroker, NotStarted, ready_status
from tests.bpmn import bpmn
from tests.patience import ANSWER_S
from tests.process.program import environ, osmia, port_base

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with ChildBroker(tmp_path_factory.mktemp("data")) as one:
        yield one


def test_the_demo_plays_itself_and_ends_with_0(tmp_path):
    done = osmia("demo", "--keep", str(tmp_path / "kept"))
    assert done.returncode == 0, done.stdout + done.stderr
    for step in (
        'waits at "Decide what\'s for dinner"',
        'dinner = "pizza"',
        'moved to "Eat dinner"',
        "ready again in",
        'still waits at "Eat dinner"',
        "Done: instance ",
        "Try next:",
    ):
        assert step in done.stdout
    again = osmia("demo", "--keep", str(tmp_path / "kept"))
    assert again.returncode == 0, again.stdout + again.stderr


def test_the_demo_says_which_port_is_taken(tmp_path):
    with socket.socket() as taken:
        port = port_base()
        taken.bind(("127.0.0.1", int(port)))
        taken.listen()
        done = osmia("demo", "--port-base", port)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Port {port} is in use; the demo takes " in done.stderr


def test_a_day_at_the_command_line(broker):
    def ask(*arguments):
        done = osmia(*arguments, address=broker.address)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "Deployed process dinner (version 1)" in ask("deploy", "examples/dinner.bpmn")
    assert json.loads(ask("processes", "-o", "json"))[0]["processDefinitionId"] == "dinner"
    key = ask("start", "dinner", "--var", "guests=4", "-q").strip()
    task = ask("tasks", "-p", "dinner", "-o", "key").split()[0]
    assert json.loads(ask("instances", "-o", "json"))[0]["elements"] == ["decide"]
    assert ask("task", "complete", task, "--var", "dinner=pizza") == f"Completed {task}\n"
    assert "Eat dinner: ACTIVATED" in ask("instance", "show", key)
    variables = {row["name"]: row["value"] for row in json.loads(ask("instance", "variables", key, "-o", "json"))}
    assert variables == {"guests": 4, "dinner": "pizza"}
    assert json.loads(ask("jobs", "--instance", key, "-o", "json"))[0]["state"] == "ACTIVATABLE"
    assert ask("incidents", "-q") == ""
    assert json.loads(ask("status", "-o", "json"))["isHealthy"] is True
    assert ask("instance", "cancel", key, "--yes") == f"Canceled {key}\n"
    assert json.loads(ask("instances", "--state", "canceled", "-o", "json"))[0]["processInstanceKey"] == key


@pytest.mark.parametrize(
    ("arguments", "exit", "printed"),
    [
        (["task", "complete", "4711"], 4, "There is no task with key 4711."),
        (["instance", "show", "4711"], 4, "There is no process instance with key 4711."),
        (["instance", "cancel", "4711", "--yes"], 4, "There is no process instance with key 4711."),
        (["start", "nosuch"], 4, "There is no such process 'nosuch'."),
        (["incident", "resolve", "4711"], 4, "There is no open incident with key 4711."),
        (["deploy", "README.md"], 1, "Nothing was deployed: README.md: unknown resource type"),
        (["job", "fail", "4711"], 4, "There is no job with key 4711."),
    ],
)
def test_refusals_at_the_command_line(broker, arguments, exit, printed):
    done = osmia(*arguments, address=broker.address)
    assert (done.returncode, printed in done.stderr) == (exit, True), done.stderr


def test_a_short_load_balances_its_books(broker):
    done = osmia("bench", "--for", "1s", "--in-flight", "8", "-o", "json", address=broker.address)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["holds"]
    assert report["instances"] > 8
    assert 0 < report["p50_ms"] <= report["p95_ms"] <= report["p99_ms"] <= report["max_ms"]


def test_a_short_open_loop_with_streams(broker):
    done = osmia("bench", "--for", "1s", "--rate", "40", "--stream", "-o", "json", address=broker.address)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["holds"]


def test_the_broker_ends_cleanly_on_sigterm_and_frees_its_ports(tmp_path):
    broker = ChildBroker(tmp_path)
    broker.start()
    assert ready_status(broker.ports.management) == 200
    assert broker.stop() == 0
    assert ready_status(broker.ports.management) == 0
    broker.start()
    assert broker.stop() == 0


def test_a_taken_port_is_refused_by_name(broker, tmp_path):
    port = broker.ports.grpc
    done = osmia("broker", "--data-dir", str(tmp_path), "--grpc-port", str(port))
    assert done.returncode == 2
    assert done.stderr.startswith(f"Error: Port {port} is in use (by process {broker.pid}, ")


def test_a_broker_that_cannot_start_says_why(tmp_path):
    (tmp_path / "file").write_text("no directory")
    with pytest.raises((NotStarted, OSError)):
        ChildBroker(tmp_path / "file").start()


def test_the_broker_dies_with_its_parent(tmp_path):
    code = (
        "import sys, os, pathlib\nfrom osmia_broker.running.child import ChildBroker\n"
        f"broker = ChildBroker(pathlib.Path({str(tmp_path)!r}))\nbroker.start()\n"
        "print(broker.pid, flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        watch = os.pidfd_open(pid)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    import select

    assert select.select([watch], [], [], 15)[0], "the broker outlived its parent"
    os.close(watch)


def test_a_program_works_on_jobs_until_ctrl_c(broker, tmp_path):
    model = tmp_path / "work.bpmn"
    model.write_bytes(bpmn("start > charge:job(type=charge-card) > end", id="work"))
    program = tmp_path / "charge.py"
    program.write_text("import json, sys; print(json.dumps({'charged': json.load(sys.stdin)['amount'] * 2}))")
    here = ("--address", broker.address)
    assert osmia("deploy", str(model), *here).returncode == 0
    command = [sys.executable, "-m", "osmia_broker", "work", "charge-card", *here, "--", sys.executable, str(program)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environ()) as worker:
        try:
            done = osmia("start", "work", "--var", "amount=21", "--await", "-o", "json", *here)
            assert done.returncode == 0, done.stdout + done.stderr
            assert json.loads(done.stdout)["variables"]["charged"] == 42
            worker.send_signal(signal.SIGINT)
            assert worker.wait(ANSWER_S) in (0, 130), worker.stderr.read()
        finally:
            worker.kill()
