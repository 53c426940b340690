"""The blocks of the README run as they are printed, one after the other, at a broker that other people use already."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from osmia_broker.running.child import ChildBroker
from tests.patience import PROGRAM_S
from tests.process.program import environ

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.process


def block(heading: str) -> str:
    """The first shell block of the README behind *heading*."""
    text = ROOT.joinpath("README.md").read_text()
    return text[text.index(heading) :].split("```sh\n", 1)[1].split("```", 1)[0]


def test_the_rest_block_claims_and_completes_the_task_of_its_own_dinner(tmp_path: Path):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    tools = tmp_path / "bin"
    tools.mkdir()
    tools.joinpath("python").symlink_to(sys.executable)
    tools.joinpath("osmia").write_text(f'#!/bin/sh\nexec {sys.executable} -m osmia_broker "$@"\n')
    tools.joinpath("osmia").chmod(0o755)
    with ChildBroker(tmp_path / "data") as broker:
        variables = environ(OSMIA_ADDRESS=broker.address)
        variables["PATH"] = f"{tools}:{variables['PATH']}"

        def shell(script: str) -> str:
            done = subprocess.run(
                ["sh", "-e", "-c", script],
                cwd=ROOT,
                env=variables,
                capture_output=True,
                text=True,
                timeout=PROGRAM_S,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        shell("osmia deploy examples/dinner.bpmn && osmia start dinner -q")  # somebody else's dinner, which is older
        other = shell("osmia tasks -o key")
        printed = shell(block("The same over REST").replace("localhost:8080", f"127.0.0.1:{broker.ports.http}"))
        assert printed.count("204 No Content") == 2, printed
        assert other.strip() in shell("osmia tasks -o key").split()
        assert shell("osmia tasks --completed -o key").strip() != other.strip()
