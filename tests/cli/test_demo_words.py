"""What the demo tells a person to type works in the shell that they type it into."""

import sys

import pytest

from osmia_broker.cli.demo_live import python


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder with an environment `.venv`, whose Python runs the demo."""
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("python", "python3"):
        programs.joinpath(name).symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(programs / "python3"))
    monkeypatch.chdir(tmp_path)
    return programs


def test_an_environment_that_is_not_activated_is_named(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert python() == ".venv/bin/python3"


def test_an_activated_environment_needs_no_path(checkout, monkeypatch):
    monkeypatch.setenv("PATH", str(checkout))
    assert python() == "python"


def test_an_environment_elsewhere_is_named_in_full(checkout, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert python() == str(checkout / "python3")
