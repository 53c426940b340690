"""Define the built-in functions over points and ranges (DMN 1.3, table 78): `before`, `meets`, `overlaps` ...

A range that cannot be ordered against the other argument makes the result null, and so does a string (measured).
"""

from collections.abc import Callable

from osmia_broker.feel import operators
from osmia_broker.feel.functions.registry import builtin
from osmia_broker.feel.run import Run
from osmia_broker.feel.values import Range, Value


class _Unordered(Exception):  # never leaves this module
    """Two ends that do not compare."""


_Relation = Callable[[Run, Value, Value], bool]


def _relation(name: str, *parameters: str) -> Callable[[_Relation], _Relation]:
    """Declare a function as *name* with each pair of *parameters* ("point, range"); unordered ends give null.

    The function itself stays as it is, so that one relation can be told by another.
    """

    def declare(relation: _Relation) -> _Relation:
        kinds = [tuple(pair.split(", ")) for pair in parameters]
        wanted = {tuple(kind.startswith("range") for kind in pair) for pair in kinds}

        def related(run: Run, one: Value, other: Value) -> bool | None:
            if (isinstance(one, Range), isinstance(other, Range)) not in wanted:
                return None
            try:
                _check_order(run, one, other)
                return relation(run, one, other)
            except _Unordered:
                return None

        builtin(*(f"{name}({first}: any, {second}: any)" for first, second in kinds))(related)
        return relation

    return declare


def _check_order(run: Run, one: Value, other: Value) -> None:
    """See that all ends have an order among each other, so that no relation is decided by a part of them (measured)."""
    ends = [end for value in (one, other) for end in _ends(value)]
    for end in ends:
        _order(run, ends[0], end)


def _ends(value: Value) -> tuple[Value, ...]:
    return (value.start, value.end) if isinstance(value, Range) else (value,)


def _order(run: Run, one: Value, other: Value) -> int:
    answer = None if isinstance(one, str) else operators.order(run, one, other)
    if answer is None:
        raise _Unordered
    return answer


def _as_range(value: Value) -> Range:
    """Return a point as the range that holds only it."""
    return value if isinstance(value, Range) else Range(value, True, value, True)  # closed at both ends


@_relation("before", "point1, point2", "point, range", "range, point", "range1, range2")
def before(run: Run, one: Value, other: Value) -> bool:
    """Tell whether everything of *one* lies before everything of *other*."""
    first, second = _as_range(one), _as_range(other)
    gap = _order(run, first.end, second.start)
    return gap < 0 or (gap == 0 and not (first.end_included and second.start_included))


@_relation("after", "point1, point2", "point, range", "range, point", "range1, range2")
def after(run: Run, one: Value, other: Value) -> bool:
    """Tell whether everything of *one* lies after everything of *other*."""
    first, second = _as_range(one), _as_range(other)
    gap = _order(run, second.end, first.start)
    return gap < 0 or (gap == 0 and not (second.end_included and first.start_included))


@_relation("meets", "range1, range2")
def meets(run: Run, one: Range, other: Range) -> bool:
    """Tell whether *one* ends where *other* starts, and both hold that point."""
    return one.end_included and other.start_included and _order(run, one.end, other.start) == 0


@_relation("met by", "range1, range2")
def met_by(run: Run, one: Range, other: Range) -> bool:
    """Tell whether *one* starts where *other* ends, and both hold that point."""
    return meets(run, other, one)


@_relation("overlaps", "range1, range2")
def overlaps(run: Run, one: Range, other: Range) -> bool:
    """Tell whether they have a point in common."""
    return _reaches(run, one, other) and _reaches(run, other, one)


def _reaches(run: Run, one: Range, other: Range) -> bool:
    """Tell whether the end of *one* is not before the start of *other*."""
    gap = _order(run, one.end, other.start)
    return gap > 0 or (gap == 0 and one.end_included and other.start_included)


def _starts_earlier(run: Run, one: Range, other: Range) -> bool:
    gap = _order(run, one.start, other.start)
    return gap < 0 or (gap == 0 and one.start_included and not other.start_included)


def _ends_no_later(run: Run, one: Range, other: Range) -> bool:
    gap = _order(run, one.end, other.end)
    return gap < 0 or (gap == 0 and (not one.end_included or other.end_included))


def _starts_no_later(run: Run, one: Range, other: Range) -> bool:
    gap = _order(run, one.start, other.start)
    return gap < 0 or (gap == 0 and (one.start_included or not other.start_included))


@_relation("overlaps before", "range1, range2")
def overlaps_before(run: Run, one: Range, other: Range) -> bool:
    """Tell whether *one* starts before *other*, and ends inside it."""
    return _starts_earlier(run, one, other) and _reaches(run, one, other) and _ends_no_later(run, one, other)


@_relation("overlaps after", "range1, range2")
def overlaps_after(run: Run, one: Range, other: Range) -> bool:
    """Tell whether *one* starts inside *other*, and ends after it."""
    return _starts_earlier(run, other, one) and _reaches(run, other, one) and _ends_no_later(run, other, one)


def _same_end(run: Run, one: Range, other: Range) -> bool:
    return one.end_included == other.end_included and _order(run, one.end, other.end) == 0


def _same_start(run: Run, one: Range, other: Range) -> bool:
    return one.start_included == other.start_included and _order(run, one.start, other.start) == 0


@_relation("finishes", "point, range", "range1, range2")
def finishes(run: Run, one: Value, other: Range) -> bool:
    """Tell whether *one* ends where *other* ends, and starts no earlier."""
    if not isinstance(one, Range):
        return other.end_included and _order(run, one, other.end) == 0
    return _same_end(run, one, other) and _starts_no_later(run, other, one)


@_relation("finished by", "range, point", "range1, range2")
def finished_by(run: Run, one: Range, other: Value) -> bool:
    """Tell whether *other* finishes *one*."""
    return finishes(run, other, one)


@_relation("includes", "range, point", "range1, range2")
def includes(run: Run, one: Range, other: Value) -> bool:
    """Tell whether everything of *other* lies in *one*."""
    inner = _as_range(other)
    return _starts_no_later(run, one, inner) and _ends_no_later(run, inner, one)


@_relation("during", "point, range", "range1, range2")
def during(run: Run, one: Value, other: Range) -> bool:
    """Tell whether everything of *one* lies in *other*."""
    return includes(run, other, one)


@_relation("starts", "point, range", "range1, range2")
def starts(run: Run, one: Value, other: Range) -> bool:
    """Tell whether *one* starts where *other* starts, and ends no later."""
    if not isinstance(one, Range):
        return other.start_included and _order(run, one, other.start) == 0
    return _same_start(run, one, other) and _ends_no_later(run, one, other)


@_relation("started by", "range, point", "range1, range2")
def started_by(run: Run, one: Range, other: Value) -> bool:
    """Tell whether *other* starts *one*."""
    return starts(run, other, one)


@_relation("coincides", "point1, point2", "range1, range2")
def coincides(run: Run, one: Value, other: Value) -> bool:
    """Tell whether they are the same."""
    first, second = _as_range(one), _as_range(other)
    return _same_start(run, first, second) and _same_end(run, first, second)
