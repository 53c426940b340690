"""Every shell and Python block of the documentation runs, in its order, a page at a time, at a broker of its own.

A block that cannot run says why in the line before it, `<!-- not run: REASON -->`. One that is saved as a file is named there,
`<!-- file: NAME -->`. Three pages have their own tests: sdk.md, testing.md and workers-node.md.
"""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.patience import PROGRAM_S
from tests.process.program import environ
from tests.running_broker import running_broker

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TESTED_ELSEWHERE = {"sdk.md", "testing.md", "workers-node.md"}
BLOCK = re.compile(
    r"(?:^ *<!-- (?P<kind>not run|file): (?P<note>.+?) -->\n)?(?P<indent>^ *)```(?P<language>sh|python)\n(?P<code>.*?)^ *```",
    re.MULTILINE | re.DOTALL,
)
FIRST_STEPS = DOCS / "start.md"

pytestmark = pytest.mark.process


@dataclass
class Snippet:
    """A block of a page. *note* is the reason why it does not run, or the name of its file."""

    language: str
    code: str
    kind: str
    note: str


def snippets(page: Path) -> list[Snippet]:
    found = []
    for block in BLOCK.finditer(page.read_text()):
        code = re.sub(rf"^{block['indent']}", "", block["code"], flags=re.MULTILINE)
        found.append(Snippet(block["language"], code, block["kind"] or "", block["note"] or ""))
    return found


PAGES = sorted(page for page in DOCS.glob("*.md") if page.name not in TESTED_ELSEWHERE and snippets(page))
RUN = [page for page in PAGES if any(one.kind != "not run" for one in snippets(page))]


@pytest.mark.parametrize("page", [one for one in RUN if one != FIRST_STEPS], ids=lambda page: page.name)
def test_the_blocks_of_a_page_run(page: Path, tmp_path: Path):
    play(page, tmp_path)


def test_the_first_steps_run_and_can_be_done_again(tmp_path: Path):
    play(FIRST_STEPS, tmp_path, times=2)


def play(page: Path, tmp_path: Path, times: int = 1) -> None:
    """Run the blocks of *page* in their order, all of them as often as *times* says."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    tools = tmp_path / "bin"
    tools.mkdir()
    tools.joinpath("python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    tools.joinpath("python").chmod(0o755)
    tools.joinpath("osmia").write_text(f'#!/bin/sh\nexec {sys.executable} -m osmia_broker "$@"\n')
    tools.joinpath("osmia").chmod(0o755)
    folder = tmp_path / "folder"
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    with running_broker(folder / "osmia-data") as broker:
        variables = environ(OSMIA_ADDRESS=broker.address, COLUMNS="120")
        variables["PATH"] = f"{tools}:{variables['PATH']}"
        for snippet in snippets(page) * times:
            code = snippet.code.replace("localhost:8080", f"127.0.0.1:{broker.broker.http_port}")
            code = code.replace("localhost:9600", f"127.0.0.1:{broker.broker.management_port}")
            if snippet.kind == "file":
                folder.joinpath(snippet.note).write_text(code)
            elif snippet.kind != "not run":
                command = ["bash", "-e", "-c", code] if snippet.language == "sh" else [sys.executable, "-c", code]
                done = subprocess.run(
                    command, cwd=folder, env=variables, capture_output=True, text=True, timeout=PROGRAM_S, check=False
                )
                assert done.returncode == 0, f"{snippet.code}\n{done.stdout}\n{done.stderr}"


def test_a_block_that_does_not_run_says_why():
    reasons = [one.note for page in PAGES for one in snippets(page) if one.kind == "not run"]
    assert reasons
    assert all(len(reason) > 10 for reason in reasons)


def test_the_guides_are_run():
    assert {page.name for page in RUN} >= {
        "start.md", "walkthrough-camunda.md", "walkthrough-activiti.md", "workers-python.md", "operating.md",
        "moving-from-camunda.md", "moving-from-activiti.md",
    }  # fmt: skip
