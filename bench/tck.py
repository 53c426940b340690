"""The DMN TCK: how many of its cases pass with the files as they are.

    python -m bench tck FOLDER [DIRECTORY ...] [-v]

FOLDER is a checkout of github.com/dmn-tck/tck, which is no part of this repository. DIRECTORY is a part of a path, to run
only some cases; -v lists each failure. A case passes if all its result nodes do: numbers to 1e-8, dates and times with
their clock and offset. A failed evaluation passes only where the case allows an error.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from lxml import etree

from osmia_broker import dmn, feel
from osmia_broker.feel import temporal_text

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TOLERANCE = Decimal("1e-8")  # of a number
WHOLE_DIGITS_MAX = 34  # of a number that FEEL holds as an int
_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
_NUMBERS = frozenset({"decimal", "integer", "double", "float", "int", "long"})
_TEMPORAL = {
    "date": temporal_text.read_date,
    "time": temporal_text.read_time,
    "dateTime": temporal_text.read_date_time,
    "duration": temporal_text.read_duration,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """A case that does not pass. *cause* is a short word, *detail* the values."""

    directory: str
    case: str
    cause: str
    detail: str


def main() -> None:
    """Print the failures by directory and by cause, and the count of passed cases."""
    options = _arguments()
    cases = options.folder / "TestCases"
    if not cases.is_dir():
        sys.exit(f"Expected a checkout of the DMN TCK with a folder 'TestCases', but found none in '{options.folder}'")
    total = 0
    failures: list[Failure] = []
    for file in sorted(cases.rglob("*-test-*.xml")):
        if options.directories and not any(part in str(file) for part in options.directories):
            continue
        for failure in run_file(file):
            total += 1
            failures.extend([] if failure is None else [failure])
    _report(failures, total, options.verbose)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench tck")
    parser.add_argument("folder", type=Path)
    parser.add_argument("directories", nargs="*")
    parser.add_argument("-v", "--verbose", action="store_true")
    return parser.parse_args()


def _report(failures: list[Failure], total: int, verbose: bool) -> None:
    for failure in failures if verbose else []:
        print(f"{failure.directory} {failure.case}: {failure.cause}: {failure.detail}")
    for title, counts in (
        ("directory", Counter(failure.directory for failure in failures)),
        ("cause", Counter(failure.cause for failure in failures)),
    ):
        print(f"\nfailed  {title}")
        for name, count in counts.most_common():
            print(f"{count:>6}  {name}")
    print(f"\n{total - len(failures)} of {total} cases passed")


def run_file(file: Path) -> Iterator[Failure | None]:
    """Play each case of a test file; None for one that passes."""
    tests = etree.parse(file).getroot()
    model = file.parent / next(tests.iter("{*}modelName")).text.strip()
    try:
        graph = dmn.parse(model.name, model.read_bytes())
    except dmn.InvalidModel as error:
        graph = error
    for case in tests.iterchildren("{*}testCase"):
        wrong = next(_wrong(graph, case), None)
        yield None if wrong is None else Failure(file.parent.name, f"{file.stem}/{case.get('id')}", *wrong)


def _wrong(graph: "dmn.DecisionGraph | dmn.InvalidModel", case: etree._Element) -> Iterator[tuple[str, str]]:
    """The cause and the detail of each result node that is not as it should be."""
    if isinstance(graph, dmn.InvalidModel):
        yield "refused", "; ".join(fault.reason for fault in graph.faults)
        return
    if case.get("type") == "decisionService":
        yield "asks for a decision service", case.get("invocableName") or ""
        return
    inputs = {node.get("name"): _value(node) for node in case.iterchildren("{*}inputNode")}
    for node in case.iterchildren("{*}resultNode"):
        decision = next((each for each in graph.decisions if each.name == node.get("name")), None)
        if decision is None:
            yield "no such decision", node.get("name")
            continue
        evaluation = graph.evaluate(decision.id, inputs, NOW)
        expected = node.find("{*}expected")
        wanted = None if expected is None else _value(expected)
        may_fail = node.get("errorResult") == "true"
        if evaluation.failure_message:
            if not may_fail:
                yield "failure", f"{node.get('name')}: {evaluation.failure_message}, expected {wanted!r}"
        elif not _same(evaluation.value, wanted):
            yield "wrong value", f"{node.get('name')}: {evaluation.value!r}, expected {wanted!r}"


def _value(node: etree._Element) -> feel.Value:
    """The FEEL value that a node of a case writes."""
    parts = list(node.iterchildren("{*}value", "{*}list", "{*}component"))
    if node.get(f"{_XSI}nil") == "true" or not parts:
        return None
    first = parts[0]
    match etree.QName(first).localname:
        case "component":
            return feel.Context({part.get("name"): _value(part) for part in parts})
        case "list":
            is_null = first.get(f"{_XSI}nil") == "true"
            return None if is_null else [_value(item) for item in first.iterchildren("{*}item")]
        case _:
            return _scalar(first)


def _scalar(node: etree._Element) -> feel.Value:
    if node.get(f"{_XSI}nil") == "true":
        return None
    kind = (node.get(f"{_XSI}type") or "string").rpartition(":")[2]
    text = node.text or ""
    if kind == "boolean":
        return text.strip() == "true"
    if kind in _NUMBERS:
        return _number(text.strip())
    if kind in _TEMPORAL:
        return _TEMPORAL[kind](text.strip())
    return text


def _number(text: str) -> feel.Value:
    """The number, or the text of one that is none (some cases have such inputs)."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return int(number) if number == number.to_integral_value() and number.adjusted() < WHOLE_DIGITS_MAX else number


def _same(found: feel.Value, wanted: feel.Value) -> bool:
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    if isinstance(found, int | Decimal) and isinstance(wanted, int | Decimal):
        return abs(Decimal(found) - Decimal(wanted)) <= TOLERANCE
    if isinstance(found, list) and isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(_same, found, wanted))
    if isinstance(found, dict) and isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(_same(found[name], wanted[name]) for name in found)
    return type(found) is type(wanted) and bool(found == wanted)


if __name__ == "__main__":
    main()
