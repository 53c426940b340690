"""The wheel and the source package as users get them, built once for all workers of a test run, and an empty environment with the wheel."""

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD_S = 400
BUNDLES = "broker/osmia_broker/http/web/bundles"
OFFLINE = (
    "Could not find a version",
    "No matching distribution",
    "Failed to establish a new connection",
    "npm to fetch",
)


def run(*command: object, cwd: Path | None = None, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end, without the import path of this one."""
    environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env=environ | variables,
        capture_output=True,
        text=True,
        timeout=BUILD_S,
        check=False,
    )


def copied_sources(target: Path) -> Path:
    """Copy what git knows to *target*, as a clean checkout has it; with the bundles that were fetched here, so that npm is not asked twice."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "bench/")):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    if (ROOT / BUNDLES).is_dir():
        shutil.copytree(ROOT / BUNDLES, target / BUNDLES)
    return target


def offline(done: "subprocess.CompletedProcess[str]") -> str:
    """Return why a step could not get what it needs from a registry; empty if it failed for another reason, or in CI."""
    said = done.stdout + done.stderr
    if os.environ.get("CI") or not any(text in said for text in OFFLINE):
        return ""
    return said.strip().splitlines()[-1]


@contextmanager
def once(folder: Path, make: Callable[[], str]) -> Iterator[str]:
    """Let one worker call *make*, the others wait for it. Its result is the reason to skip; empty when all went well."""
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = folder.with_suffix(".done")
        if not result.exists():
            result.write_text(make())
        yield result.read_text()


@dataclass
class Built:
    """What the build made."""

    wheel: Path
    sources: Path


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The wheel, made from the source package, which is made from a clean checkout: `make dist`."""
    if importlib.util.find_spec("build") is None:
        pytest.skip("the package `build` is not installed; `make setup` brings it")
    folder = shared(tmp_path_factory) / "built"

    def make() -> str:
        checkout = copied_sources(folder / "checkout")
        done = run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", checkout)
        if reason := offline(done):
            return reason
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
        return ""

    with once(folder, make) as reason:
        if reason:
            pytest.skip(f"the bundles cannot be fetched: {reason}")
    return Built(*(folder / "dist").glob("*.whl"), *(folder / "dist").glob("*.tar.gz"))


@pytest.fixture(scope="session")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an empty environment in which `pip install "osmia[broker]"` took the wheel."""
    folder = shared(tmp_path_factory) / "installed"

    def make() -> str:
        assert run(sys.executable, "-m", "venv", "--without-pip", folder).returncode == 0
        pip = [sys.executable, "-m", "pip", "--python", folder / "bin/python", "install", "--quiet"]
        done = run(*pip, f"osmia[broker] @ {built.wheel.as_uri()}")
        if reason := offline(done):
            return reason
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
        return ""

    with once(folder, make) as reason:
        if reason:
            pytest.skip(f"the packages that Osmia needs cannot be had: {reason}")
    return folder / "bin"


def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this test run that all its workers see."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
