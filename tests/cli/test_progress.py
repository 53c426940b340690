"""The progress bar: at a terminal only, and only for what takes longer than a second."""

import io
import sys

import pytest

from osmia_broker.cli import progress
from osmia_broker.cli.session import session_of


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class AtOnce:
    """A timer whose time is over when it is started."""

    def __init__(self, _seconds: float, act) -> None:
        self._act = act

    def start(self) -> None:
        self._act()

    def cancel(self) -> None: ...

    def join(self) -> None: ...


def drawn(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, **options: object) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    with progress.progress_bar(session_of(options)) as bar:
        step = bar.add_task("Copying", total=2)
        bar.update(step, completed=1, refresh=True)
    return stream.getvalue()


def test_what_is_quick_draws_nothing(monkeypatch):
    assert drawn(monkeypatch, Terminal()) == ""


def test_what_takes_longer_has_a_bar(monkeypatch):
    monkeypatch.setattr(progress.threading, "Timer", AtOnce)
    assert "Copying" in drawn(monkeypatch, Terminal())


@pytest.mark.parametrize(("stream", "options"), [(io.StringIO, {}), (Terminal, {"quiet": True})])
def test_nobody_at_the_terminal_sees_none(monkeypatch, stream, options):
    monkeypatch.setattr(progress.threading, "Timer", AtOnce)
    assert drawn(monkeypatch, stream(), **options) == ""
