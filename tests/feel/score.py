"""Counts how many of the cases measured on the reference broker the engine answers alike, by group.

    python -m tests.feel.score [--all]      # exit code 1 below the demanded figures

The cases stand beside the checkout; `OSMIA_FEEL_CASES` names another file. `expr` cases are evaluated as a decision does,
`script` cases as a script task does, `unary` ones as a cell of a decision table.
"""

import json
import math
import os
import re
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from osmia_broker import feel

CASES = Path(
    os.environ.get("OSMIA_FEEL_CASES")
    or Path(__file__).resolve().parents[3] / "shared" / "reference" / "feel-cases.jsonl"
)
DEMANDED = 0.99  # of all cases
WHOLE = frozenset({"human_tasks", "boolean", "if", "unary", "process"})  # groups of which every case is demanded
# Cases that Osmia answers differently on purpose, each listed with its reason in docs/differences.md.
DIFFERENT = frozenset(
    ["feel-0027", "feel-0844", "feel-1507", "feel-1581", "feel-1584", "feel-1590", "feel-1807", "feel-2136"]
)
# Cases measured on 8.6.0, which leaves out seconds that are zero (`10:00Z`). Its later patches and Osmia write them.
ZERO_SECONDS = frozenset(
    f"feel-{number}"
    for number in (1386, 1404, 1405, 1406, 1407, 1409, 1411, 1415, 1418, 1480, 1509, 1511, 1513, 1517, 1621, 2075, 2178)
)
_SHORT_CLOCK = re.compile(r"((?:^|T)\d\d:\d\d)(?=$|Z|\[|[+-]\d\d:\d\d)")
NOW = datetime(2026, 11, 22, 1, 50, 6, tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    """One line of the file and what came out here."""

    line: dict[str, Any]
    got: str  # JSON text, or "!parse", "!eval"

    @property
    def passed(self) -> bool:
        expect = self.line["expect"]
        if "error" in expect:
            return self.got == "!" + expect["error"] or (self.got == "null" and bool(self.line.get("lenient_null")))
        if self.got.startswith("!"):
            return False
        expected = expect["result"]
        if self.line["id"] in ZERO_SECONDS:
            expected = with_zero_seconds(expected)
        return same(json.loads(self.got), expected, approx=bool(self.line.get("approx")))

    def __str__(self) -> str:
        line = self.line
        wanted = line["expect"].get("error") or json.dumps(line["expect"]["result"])
        return f"{line['id']} {line['group']}: {line['expr']} with {json.dumps(line['context'])}: Expected {wanted}, but found {self.got}"


def with_zero_seconds(expected: Any) -> Any:
    """Write the moments in *expected* with their seconds: `10:00Z` as `10:00:00Z`."""
    if isinstance(expected, dict):
        return {key: with_zero_seconds(value) for key, value in expected.items()}
    return _SHORT_CLOCK.sub(r"\1:00", expected) if isinstance(expected, str) else expected


def same(got: Any, expected: Any, *, approx: bool = False) -> bool:
    """Equal values of equal types; whole numbers and others are told apart. With *approx*, last digits may differ."""
    if isinstance(expected, dict) and isinstance(got, dict):
        return got.keys() == expected.keys() and all(same(got[key], expected[key], approx=approx) for key in got)
    if isinstance(expected, list) and isinstance(got, list):
        return len(got) == len(expected) and all(
            same(one, other, approx=approx) for one, other in zip(got, expected, strict=True)
        )
    if approx and isinstance(expected, float) and isinstance(got, float):
        return math.isclose(got, expected, rel_tol=1e-14)
    return type(got) is type(expected) and got == expected


def answer(line: dict[str, Any]) -> str:
    """What the engine says to one case."""
    scope = {name: msgspec.Raw(json.dumps(value).encode()) for name, value in line["context"].items()}
    try:
        match line["kind"]:
            case "expr":
                result = feel.compile(line["expr"], functions=feel.DECISION_FUNCTIONS).evaluate(scope, NOW)
                return "!eval" if result.failure else feel.to_decision_json(result.value)
            case "unary":
                return unary_answer(line, scope)
            case _:
                return script_answer(line, scope)
    except feel.ParseError:
        return "!parse"


def unary_answer(line: dict[str, Any], scope: dict[str, msgspec.Raw]) -> str:
    """A rule with the output true: null unless it matches."""
    tests = feel.compile_unary_tests(line["expr"], functions=feel.DECISION_FUNCTIONS)
    given = feel.compile(line["input"], functions=feel.DECISION_FUNCTIONS).evaluate(scope, NOW)
    result = tests.evaluate(scope, given.value, NOW)
    if given.failure or result.failure:
        return "!eval"
    return "true" if result.value is True else "null"


def script_answer(line: dict[str, Any], scope: dict[str, msgspec.Raw]) -> str:
    """A script task's attribute: without a leading `=` it is a static value, which is refused."""
    attribute = line["expr"] if line.get("raw") else "=" + line["expr"]
    if not attribute.startswith("="):
        return "!parse"
    result = feel.compile(attribute[1:]).evaluate(scope, NOW)
    return "!eval" if result.failure else feel.to_json(result.value)


def run() -> list[Case]:
    """All cases of the file, answered."""
    with CASES.open(encoding="utf-8") as lines:
        return [Case(line, answer(line)) for line in map(json.loads, lines)]


def shortfalls(cases: list[Case]) -> list[str]:
    """In words, which of the demanded figures are missed."""
    missed = [case for case in cases if not case.passed]
    share = 1 - len(missed) / len(cases)
    found = [f"Expected {DEMANDED:.0%} of all cases, but found {share:.2%}"] if share < DEMANDED else []
    return found + [
        f"Expected every case of a group, but missed {case}"
        for case in missed
        if case.line["group"] in WHOLE and case.line["id"] not in DIFFERENT
    ]


def main() -> int:
    """Print the score by group and every missed case."""
    if not CASES.exists():
        print(
            f"Expected the measured cases in {CASES}, but found no such file; name it in OSMIA_FEEL_CASES",
            file=sys.stderr,
        )
        return 2
    cases = run()
    total = Counter(case.line["group"] for case in cases)
    passed = Counter(case.line["group"] for case in cases if case.passed)
    for group in total:
        print(f"{group:24} {passed[group]:5} of {total[group]:5}")
    print(f"{'all':24} {passed.total():5} of {total.total():5}  {passed.total() / total.total():.2%}")
    for case in cases:
        if not case.passed:
            print("missed", case)
    faults = shortfalls(cases)
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
