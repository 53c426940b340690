"""The log of a real broker tells an operator where it runs, what was deployed, and why it stopped."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from osmia import SyncClient
from tests.bpmn import bpmn
from tests.process.program import environ

pytestmark = pytest.mark.process

PORTS = ("--grpc-port", "0", "--http-port", "0", "--management-port", "0")


def test_the_log_says_where_it_runs_what_was_deployed_and_why_it_stopped(tmp_path: Path):
    command = [sys.executable, "-m", "osmia_broker", "broker", "--data-dir", "data", *PORTS]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environ()) as broker:
        assert broker.stderr is not None
        ready = json.loads(broker.stderr.readline())
        with SyncClient(f"127.0.0.1:{ready['grpc']}") as client:
            client.deploy(("secret.bpmn", bpmn("start > end", id="p")))
            client.create_instance("p", {"password": "hunter2"})
        broker.terminate()
        rest = broker.stderr.read()
    assert broker.returncode == 0
    assert (ready["message"], ready["host"], ready["data_dir"]) == ("broker ready", "127.0.0.1", str(tmp_path / "data"))
    lines = [json.loads(line) for line in rest.splitlines()]
    assert [line["message"] for line in lines] == ["deployed", "broker stops", "broker stopped"]
    assert (lines[0]["names"], lines[1]["reason"]) == ("secret.bpmn", "SIGTERM")
    assert "hunter2" not in rest
