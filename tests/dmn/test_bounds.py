"""The time that an evaluation may take, with a clock that the test moves."""

from contextvars import copy_context
from itertools import count

import pytest

from osmia_broker import dmn, feel
from tests.dmn.models import decision, definitions, literal, table

SLOW = "count(for i in 1..6000 return i)"  # looks at the clock at least once
CELLS = "\n".join(f"{SLOW} > 0 => 1" for _ in range(25))


@pytest.fixture
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let 0.3 s pass whenever an expression looks at the clock."""
    ticks = count()
    monkeypatch.setattr("osmia_broker.feel.run.thread_time", lambda: 1 + 0.3 * next(ticks))


def graph(*decisions: str) -> dmn.DecisionGraph:
    return dmn.parse("a.dmn", definitions(*decisions))


@pytest.mark.usefixtures("_clock")
def test_slow_cells_share_one_second() -> None:
    evaluation = graph(decision("a", table(f"COLLECT: true => out\n{CELLS}"))).evaluate("a", {})
    assert evaluation.failed_decision_id == "a"
    assert "Expected to finish within 1 s" in evaluation.failure_message


@pytest.mark.usefixtures("_clock")
def test_required_decisions_share_the_second_of_the_one_asked_for() -> None:
    chain = [decision(f"d{n}", literal(SLOW), requires=f"d{n + 1}") for n in range(9)]
    evaluation = graph(*chain, decision("d9", literal(SLOW))).evaluate("d0", {})
    assert evaluation.failed_decision_id not in {"", "d9", "d0"}  # neither the first nor the last that was evaluated


@pytest.mark.usefixtures("_clock")
def test_the_next_evaluation_has_a_second_of_its_own() -> None:
    found = graph(decision("a", literal(SLOW)))
    assert [found.evaluate("a", {}).value for _ in range(9)] == [6000] * 9


@pytest.mark.usefixtures("_clock")
def test_an_evaluation_uses_up_the_allowance_of_its_caller() -> None:
    found = graph(decision("a", literal(SLOW)))

    def evaluate_often() -> list[str]:
        feel.with_allowance(feel.Allowance())
        return [found.evaluate("a", {}).failure_message for _ in range(9)]

    *_, last = copy_context().run(evaluate_often)
    assert "Expected to finish within 1 s" in last
