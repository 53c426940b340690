"""How the programs of the published clients are made: what fetches them may fail once, and what builds them may not."""

from pathlib import Path

from tests.compat.builds import TRIES, _failure

FAILS_ONCE = ["sh", "-c", "test -e x || { touch x; echo away; exit 1; }"]


def test_a_step_that_fails_once_may_be_tried_again(tmp_path: Path):
    assert _failure(FAILS_ONCE, tmp_path, TRIES) == ""


def test_a_step_that_may_not_be_tried_again_has_failed(tmp_path: Path):
    failure = _failure(FAILS_ONCE, tmp_path)
    assert "ended with 1" in failure
    assert "away" in failure


def test_a_step_that_always_fails_is_tried_three_times(tmp_path: Path):
    assert "ended with 1" in _failure(["sh", "-c", "echo x >> tries; exit 1"], tmp_path, TRIES)
    assert (tmp_path / "tries").read_text() == "x\n" * 3
