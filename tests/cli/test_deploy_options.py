"""`osmia deploy --dry-run` deploys nothing, `--watch` deploys again what is saved."""

import os
from pathlib import Path

import pytest
from grpc import StatusCode

from osmia import SyncClient, Unimplemented
from osmia_broker.cli.app import run
from osmia_broker.cli.commands import deploy
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


def test_a_dry_run_says_what_would_be_done_and_deploys_nothing(osmia, unique, model):
    assert osmia.done("deploy", model, "--dry-run") == f"Would deploy process {unique} (version 1) from p.bpmn\n"
    assert osmia("processes", "-p", unique) == 0
    assert f"There is no process '{unique}'." in osmia.err
    osmia.done("deploy", model)
    assert osmia.done("deploy", model, "--dry-run") == f"Unchanged process {unique} (version 1) from p.bpmn\n"
    model.write_bytes(bpmn("start > b:user > end", id=unique))
    assert osmia.json("deploy", model, "--dry-run") == [
        {"resourceName": "p.bpmn", "kind": "process", "id": unique, "version": 2, "isNew": True}
    ]


def test_a_dry_run_asks_the_broker(model, capsys):
    assert run(["deploy", str(model), "--dry-run", "--address", "127.0.0.1:1"]) == 3
    assert "No broker answers at 127.0.0.1:1." in capsys.readouterr().err


def test_a_dry_run_at_a_broker_without_the_call_checks_here(osmia, model, monkeypatch):
    def unknown(*_given):
        raise Unimplemented(StatusCode.UNIMPLEMENTED, "no such call")

    monkeypatch.setattr(SyncClient, "check_deployment", unknown)
    assert osmia("deploy", model, "--dry-run") == 0
    assert osmia.err.splitlines()[-1] == "1 file can be deployed."
    model.write_bytes(bpmn("start > a:job(type=) > end"))
    assert "The file cannot be deployed" in osmia.refused(1, "deploy", model, "--dry-run")


def test_a_dry_run_refuses_what_the_broker_refuses(osmia, model, tmp_path):
    other = tmp_path / "q.bpmn"
    other.write_bytes(model.read_bytes())
    assert "The files cannot be deployed: Duplicated process id" in osmia.refused(1, "deploy", tmp_path, "--dry-run")
    other.write_bytes(bpmn("start > a:job(type=) > end"))
    assert "The files cannot be deployed: q.bpmn:" in osmia.refused(1, "deploy", tmp_path, "--dry-run")
    other.write_bytes(b"no model")
    assert "try: osmia lint FILE   (as the modeler saves it" in osmia.refused(1, "deploy", other)


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
