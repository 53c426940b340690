"""Published clients, unmodified, play the same scenarios against a fresh broker process and must see the same."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import osmia
from tests.compat import builds
from tests.compat.scenarios import SEEN, write_models
from tests.doors import running_broker

PLAY_S = 120
WITHOUT = {  # calls that a client does not have
    "go": {"modify", "migrate"},
    "zeebe-node": {"stream", "migrate", "delete"},
}
PROGRAMS: dict[str, Callable[[], list[str]]] = {
    "go": builds.go_program,
    "zeebe-node": lambda: builds.node_program("zeebe-node"),
    "camunda8-sdk": lambda: builds.node_program("@camunda8/sdk"),
    "zeebe-client-java": lambda: builds.java_program("zeebe-client-java"),
    "camunda-client-java": lambda: builds.java_program("camunda-client-java"),
}


@pytest.mark.parametrize("client", PROGRAMS)
def test_a_published_client_sees_what_it_should(client: str, tmp_path: Path):
    command = PROGRAMS[client]()
    write_models(tmp_path)
    with running_broker(tmp_path / "data") as broker:
        said = _play([*command, broker.address, str(tmp_path)], broker.address)
    assert said == {scenario: seen for scenario, seen in SEEN.items() if scenario not in WITHOUT.get(client, ())}


def _play(command: list[str], address: str) -> dict[str, Any]:
    said: dict[str, Any] = {}
    program = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert program.stdin is not None
        assert program.stdout is not None
        for line in program.stdout:
            found = json.loads(line) if line.startswith("{") else {}
            if "ask" in found:
                program.stdin.write(f"{_incident_of(address, int(found['of']))}\n")
                program.stdin.flush()
            elif found:
                said[found["scenario"]] = found.get("saw", found.get("failed"))
        program.wait(PLAY_S)
        if program.returncode:
            said["end"] = program.stderr.read() if program.stderr else ""
    finally:
        program.kill()
        program.communicate()
    return said


def _incident_of(address: str, process_instance_key: int) -> int:
    with osmia.SyncClient(address) as client:
        [incident] = client.search_incidents(process_instance_key=process_instance_key).items
        return int(incident.key)
