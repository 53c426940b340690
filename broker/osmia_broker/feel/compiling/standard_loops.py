"""Compile filters and iterations of the standard dialect.

A later iterator sees the earlier ones, a range is walked through, and a value that is no list is filtered as a list of it.
"""

from collections.abc import Iterator
from itertools import product

from osmia_broker.feel import operators, syntax
from osmia_broker.feel.bindings import Local
from osmia_broker.feel.compiling.compiler import Compiler, Evaluator, Names, compiles_standard
from osmia_broker.feel.compiling.loops import Rows, filter_of, loop_of, quantified_of
from osmia_broker.feel.run import Run
from osmia_broker.feel.syntax_search import mentions
from osmia_broker.feel.values import Range, Value


@compiles_standard(syntax.Filter)
def filter(compiler: Compiler, node: syntax.Filter, names: Names) -> Evaluator:
    """Compile `value[condition]`; a value that is neither a list nor null counts as a list of it."""
    return filter_of(compiler, node, names, _as_list)


def _as_list(value: Value) -> Value:
    return value if type(value) is list or value is None else [value]


@compiles_standard(syntax.For)
def loop(compiler: Compiler, node: syntax.For, names: Names) -> Evaluator:
    """Compile `for`."""
    return loop_of(compiler, node, names, _rows(compiler, node, names))


@compiles_standard(syntax.Quantified)
def quantified(compiler: Compiler, node: syntax.Quantified, names: Names) -> Evaluator:
    """Compile `some` and `every`."""
    return quantified_of(compiler, node, names, _rows(compiler, node, names))


def _rows(compiler: Compiler, node: syntax.For | syntax.Quantified, names: Names) -> Rows:
    """Return the source of the rows to walk through: one value of each iterator."""
    sources: list[tuple[Evaluator, Evaluator | None]] = []
    keys: list[str] = []
    dependent = False
    for iterator in node.iterators:
        inner = names.with_bound(*keys)
        end = None if iterator.end is None else compiler.compile(iterator.end, inner)
        sources.append((compiler.compile(iterator.source, inner), end))
        dependent = dependent or any(mentions((iterator.source, iterator.end), key) for key in keys)
        keys.append(iterator.name)
    return _dependent(sources, keys) if dependent else _independent(sources)


_Sources = list[tuple[Evaluator, Evaluator | None]]


def _independent(sources: _Sources) -> Rows:
    def rows(run: Run, local: Local | None) -> tuple[Iterator[tuple[Value, ...]], int] | None:
        values, size = [], 1
        for source, end in sources:
            items = _items(run, local, source, end)
            if items is None:
                return None
            values.append(items)
            size *= len(items)
        return product(*values), size

    return rows


def _dependent(sources: _Sources, keys: list[str]) -> Rows:
    def rows(run: Run, local: Local | None) -> tuple[Iterator[tuple[Value, ...]], int] | None:
        found: list[tuple[Value, ...]] = [()]
        for source, end in sources:
            longer: list[tuple[Value, ...]] = []
            for row in found:
                items = _items(run, Local(dict(zip(keys, row, strict=False)), local), source, end)
                if items is None:
                    return None
                run.made_list(len(longer) + len(items))
                longer += [(*row, item) for item in items]
            found = longer
        return iter(found), len(found)

    return rows


def _items(run: Run, local: Local | None, source: Evaluator, end: Evaluator | None) -> list[Value] | None:
    value = source(run, local)
    if end is not None:
        value = operators.steps_of_any(run, value, end(run, local))
    elif type(value) is Range:
        value = operators.items_of_range(run, value)
    if type(value) is list:
        return value
    run.warn("INVALID_TYPE", "Expected list but found '{}'", value)
    return None
