"""`make lint` looks at our own files: what a user has saved in the checkout is theirs."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FAULTY = "import os,sys\nprint( 'mine' )\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small checkout: our Makefile and settings, one file in each of our folders, and ruff."""
    for tool in ("git", "make"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    for folder in ("client", "broker", "proto", "tests", "bench", "examples"):
        tmp_path.joinpath(folder).mkdir()
        tmp_path.joinpath(folder, "ours.py").write_text('"""Ours."""\n')
    tools = tmp_path / ".venv" / "bin"
    tools.mkdir(parents=True)
    tools.joinpath("ruff").symlink_to(Path(sys.executable).parent / "ruff")
    tools.joinpath("mypy").symlink_to(shutil.which("true") or "/bin/true")
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "examples", "Makefile"], cwd=tmp_path, check=True)
    tmp_path.joinpath(".venv", ".set-up").touch()
    return tmp_path


def lint(checkout: Path) -> int:
    return subprocess.run(["make", "-s", "lint"], cwd=checkout, capture_output=True, check=False).returncode


@pytest.mark.parametrize("name", ["worker.py", "examples/worker.py", "mine/deep/worker.py"])
def test_a_file_of_the_user_does_not_break_the_lint(checkout: Path, name: str):
    checkout.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
    checkout.joinpath(name).write_text(FAULTY)
    assert lint(checkout) == 0


@pytest.mark.parametrize("name", ["client/new.py", "tests/new.py", "examples/ours.py"])
def test_a_faulty_file_of_ours_does(checkout: Path, name: str):
    checkout.joinpath(name).write_text(FAULTY)
    assert lint(checkout) != 0


def test_a_checkout_without_git_is_linted_with_its_examples(checkout: Path):
    shutil.rmtree(checkout / ".git")
    assert lint(checkout) == 0
    checkout.joinpath("examples/ours.py").write_text(FAULTY)
    assert lint(checkout) != 0
