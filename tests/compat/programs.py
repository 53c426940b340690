"""Run the programs of `clients/`: which there are, what each of them saw, and the answers to what it asks."""

import json
import subprocess
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from tests.compat import builds
from tests.patience import PROGRAM_S
from tests.process.program import environ

PROGRAMS: dict[str, Callable[[], list[str]]] = {
    "go": builds.go_program,
    "zeebe-rs": builds.rust_program,
    "zeebe-node": lambda: builds.node_program("zeebe-node"),
    "camunda8-sdk": lambda: builds.node_program("@camunda8/sdk"),
    "zeebe-client-java": lambda: builds.java_program("zeebe-client-java"),
    "camunda-client-java": lambda: builds.java_program("camunda-client-java"),
}
REST_PROGRAMS: dict[str, Callable[[], list[str]]] = {
    "camunda-orchestration-sdk": builds.python_rest_program,
    "orchestration-cluster-api": lambda: builds.node_rest_program("@camunda8/orchestration-cluster-api"),
    "camunda-client-java-rest": builds.java_rest_program,
    "camunda8-sdk-rest": lambda: builds.node_rest_program("@camunda8/sdk"),
}


def play(
    client: str,
    address: str,
    models: Path,
    scenarios: Collection[str],
    answers: Mapping[str, Callable[[str], object]],
    **environment: str,
) -> dict[str, Any]:
    """Play *scenarios* with *client*, and return what it saw in each, or the text of the failure.

    A program may ask: it prints `{"ask": name, "of": words}`, and the answer of `answers[name](words)` is a line of its input.
    """
    said: dict[str, Any] = {}
    program = subprocess.Popen(
        [*(PROGRAMS | REST_PROGRAMS)[client](), address, str(models), *scenarios],
        env=environ(**environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert program.stdin is not None
        assert program.stdout is not None
        for line in program.stdout:
            found = json.loads(line) if line.startswith("{") else {}
            if "ask" in found:
                program.stdin.write(f"{answers[found['ask']](str(found['of']))}\n")
                program.stdin.flush()
            elif found:
                said[found["scenario"]] = found.get("saw", found.get("failed"))
        program.wait(PROGRAM_S)
        if program.returncode:
            said["end"] = program.stderr.read() if program.stderr else ""
    except AssertionError as failure:
        program.kill()
        failure.add_note(f"{client} printed: {program.communicate()[1][-2_000:]}")
        raise
    finally:
        program.kill()
        program.communicate()
    return said
