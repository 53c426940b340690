"""The engine answers as the reference broker did, case by case."""

from pathlib import Path

import pytest
import score


@pytest.mark.skipif(not score.CASES.exists(), reason=f"the measured cases are not at {score.CASES}")
def test_the_measured_cases_come_out_alike():
    cases = score.run()
    missed = [str(case) for case in cases if not case.passed and case.line["id"] not in score.DIFFERENT]
    assert missed == []
    assert score.shortfalls(cases) == []


def test_every_difference_is_listed_in_the_documentation():
    page = (Path(__file__).parents[2] / "docs" / "differences.md").read_text(encoding="utf-8")
    assert [case for case in score.DIFFERENT | score.ZERO_SECONDS if case not in page] == []


def line(expr: str, expect: dict, **more: object) -> dict:
    return {"id": "x", "group": "if", "kind": "expr", "expr": expr, "context": {}, "expect": expect, **more}


@pytest.mark.parametrize(
    ("case", "passed"),
    [
        (line("1", {"result": 1}), True),
        (line("1", {"result": 1.0}), False),  # whole numbers are integers in JSON
        (line("1", {"result": True}), False),
        (line("1 +", {"error": "parse"}), True),
        (line("1 +", {"error": "eval"}), False),
        (line("null", {"error": "eval"}), False),
        (line("null", {"error": "eval"}, lenient_null=True), True),
        (line("assert(1, false)", {"result": None}), False),
        (line("{b: 1, a: 2}", {"result": {"a": 2, "b": 1}}), True),  # the order of keys is free
        (line("a", {"error": "parse"}, kind="script", raw=True), True),  # a static value
        (line("5", {"result": True}, kind="unary", input="2 + 3"), True),
        (line("6", {"result": None}, kind="unary", input="2 + 3"), True),
    ],
)
def test_the_score_tells_right_from_wrong(case, passed):
    assert score.Case(case, score.answer(case)).passed is passed


def test_a_missed_case_of_a_whole_group_is_a_shortfall():
    right, wrong = line("1", {"result": 1}), line("1", {"result": 2})
    answered = [score.Case(case, score.answer(case)) for case in (*[right] * 999, wrong)]
    assert len(score.shortfalls(answered)) == 1  # 99.9 % of all, but the group `if` must be whole
