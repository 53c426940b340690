"""`osmia deploy --dry-run` deploys nothing, `--watch` deploys again what is saved."""

import os
from pathlib import Path

import pytest

from osmia_broker.cli import deploy
from osmia_broker.cli.app import run
from tests.bpmn import bpmn


@pytest.fixture
def model(tmp_path, unique) -> Path:
    file = tmp_path / "p.bpmn"
    file.write_bytes(bpmn("start > a:user > end", id=unique))
    return file


def write_later(file: Path, content: bytes) -> None:
    """Save *file*, with a moment that any file system tells from the last one."""
    moment = file.stat().st_mtime + 10
    file.write_bytes(content)
    os.utime(file, (moment, moment))


def test_a_dry_run_checks_and_deploys_nothing(osmia, unique, model):
    assert osmia("deploy", model, "--dry-run") == 0
    assert "1 file can be deployed." in osmia.err
    assert osmia("processes", "-p", unique) == 0
    assert f"There is no process '{unique}'." in osmia.err


def test_a_dry_run_needs_no_broker(model):
    assert run(["deploy", str(model), "--dry-run", "--address", "127.0.0.1:1"]) == 0


def test_a_dry_run_refuses_what_the_broker_would(capsys, model):
    model.write_bytes(bpmn("start > a:job(type=) > end"))
    assert run(["deploy", str(model), "--dry-run"]) == 1
    assert "The files cannot be deployed" in capsys.readouterr().err


def test_what_is_saved_is_deployed_again_and_a_fault_ends_nothing(osmia, unique, model, monkeypatch):
    pauses = iter(
        [
            lambda: None,  # nothing has changed
            lambda: write_later(model, b"<no model"),
            lambda: write_later(model, bpmn("start > a:user > b:user > end", id=unique)),
        ]
    )

    def look_again() -> None:
        step = next(pauses, None)
        if step is None:
            raise KeyboardInterrupt
        step()

    real = deploy.saved
    monkeypatch.setattr(deploy, "saved", lambda files: real(files, look_again))
    out = osmia.done("deploy", model, "--watch")
    assert out.splitlines() == [f"Deployed process {unique} (version {n}) from p.bpmn" for n in (1, 2)]
    assert "Nothing was deployed" in osmia.err


def test_a_new_file_of_a_watched_folder_is_a_change(tmp_path):
    new = tmp_path / "new.bpmn"
    steps = iter([lambda: new.write_bytes(b"x"), new.unlink])

    def look_again() -> None:
        next(steps)()

    changes = deploy.saved([str(tmp_path)], look_again)
    next(changes)
    next(changes)
    with pytest.raises(RuntimeError):  # the steps are over
        next(changes)
