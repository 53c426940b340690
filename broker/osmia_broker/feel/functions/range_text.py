"""Define the built-in function `range`, which reads a range from its text (DMN 1.5, 10.3.4.1)."""

from collections.abc import Callable

from osmia_broker.feel import numbers, operators, syntax, temporal_text
from osmia_broker.feel.dialect import Dialect
from osmia_broker.feel.errors import ParseError
from osmia_broker.feel.functions.registry import Edition, builtin
from osmia_broker.feel.parser import parse
from osmia_broker.feel.run import Run
from osmia_broker.feel.values import Range, Value

_TEXT_MAX = 1_000  # characters; two literals need no more
_READERS: dict[str, Callable[[str], Value]] = {
    "date": temporal_text.read_date,
    "time": temporal_text.read_time,
    "date and time": temporal_text.read_date_time,
    "duration": temporal_text.read_duration,
}


@builtin("range(from: string)", edition=Edition.LATER)
def range_of(run: Run, text: str) -> Range | None:
    """Return the range that *text* shows, such as "[1..3)"; null unless its ends are literals in ascending order."""
    try:
        node = parse(text, run.limits, Dialect.STANDARD) if len(text) <= _TEXT_MAX else None
    except ParseError:
        return None
    if not isinstance(node, syntax.Interval):
        return None
    start, end = _literal(node.start), _literal(node.end)
    order = None if start is None or end is None else operators.order(run, start, end)
    if order is None or order > 0:
        return None
    return Range(start, node.start_included, end, node.end_included)


def _literal(node: syntax.Node) -> Value:
    """Return the value of a literal, or of a call that makes a temporal value of a string; None for anything else."""
    match node:
        case syntax.NumberLiteral() | syntax.StringLiteral():
            return node.value
        case syntax.Negation(operand=syntax.NumberLiteral() as number):
            return numbers.negate(number.value)
        case syntax.Temporal():
            return temporal_text.read_temporal(node.text)
        case syntax.Call(owner=(), arguments=(syntax.StringLiteral() as text,), names=()):
            read = _READERS.get(node.name)
            return None if read is None else read(text.value)
        case _:
            return None
