"""Compile filters, `for`, `some` and `every`."""

from collections.abc import Callable, Iterable
from itertools import product
from math import prod
from typing import TypeAlias

from osmia_broker.feel import operators, syntax
from osmia_broker.feel.bindings import Local, element
from osmia_broker.feel.compiling.compiler import Compiler, Evaluator, Names, compiles
from osmia_broker.feel.paths import element_at
from osmia_broker.feel.run import Run
from osmia_broker.feel.syntax_search import mentions
from osmia_broker.feel.values import NUMBERS, Value

# Gives the rows to walk through, one value of each iterator, and how many there are; None if one is no list.
Rows: TypeAlias = Callable[[Run, Local | None], "tuple[Iterable[tuple[Value, ...]], int] | None"]


@compiles(syntax.Filter)
def filter(compiler: Compiler, node: syntax.Filter, names: Names) -> Evaluator:
    """Compile `list[condition]`."""
    return filter_of(compiler, node, names, lambda value: value)


def filter_of(compiler: Compiler, node: syntax.Filter, names: Names, as_list: Callable[[Value], Value]) -> Evaluator:
    """Compile a filter: an element if the condition is a number, else the elements for which it is true.

    *as_list* makes a list of the filtered value, if it can.
    """
    source = compiler.compile(node.source, names)
    condition, weight = compiler.weighed(node.condition, Names(names.bound | {"item"}, open=True))

    def filtered(run: Run, local: Local | None) -> Value:
        value = as_list(source(run, local))
        if type(value) is not list:
            run.warn("INVALID_TYPE", "Expected list but found '{}'", value)
            return None
        if not value:
            return None if type(condition(run, element(None, local))) in NUMBERS else []
        run.spend(weight * len(value))
        answer = condition(run, element(value[0], local))
        if type(answer) in NUMBERS:
            return element_at(run, value, answer)
        kept = [item for item in value[1:] if condition(run, element(item, local)) is True]
        return [value[0], *kept] if answer is True else kept

    return filtered


@compiles(syntax.For)
def loop(compiler: Compiler, node: syntax.For, names: Names) -> Evaluator:
    """Compile `for`: the product of the iterators, the first moving slowest."""
    return loop_of(compiler, node, names, _rows(compiler, node, names))


@compiles(syntax.Quantified)
def quantified(compiler: Compiler, node: syntax.Quantified, names: Names) -> Evaluator:
    """Compile `some` and `every`: null if a condition is null and none decides."""
    return quantified_of(compiler, node, names, _rows(compiler, node, names))


def _rows(compiler: Compiler, node: syntax.For | syntax.Quantified, names: Names) -> Rows:
    """Return the source of the rows; the values of each iterator are all computed outside of the loop."""
    sources = []
    for iterator in node.iterators:
        end = None if iterator.end is None else compiler.compile(iterator.end, names)
        sources.append((compiler.compile(iterator.source, names), end))

    def rows(run: Run, local: Local | None) -> tuple[Iterable[tuple[Value, ...]], int] | None:
        values = []
        for source, end in sources:
            value = source(run, local) if end is None else operators.steps(run, source(run, local), end(run, local))
            if type(value) is not list:
                run.warn("INVALID_TYPE", "Expected list but found '{}'", value)
                return None
            values.append(value)
        return product(*values), prod(map(len, values))

    return rows


def loop_of(compiler: Compiler, node: syntax.For, names: Names, rows: Rows) -> Evaluator:
    """Compile a `for` over *rows*."""
    keys = tuple(iterator.name for iterator in node.iterators)
    body, weight = compiler.weighed(node.body, names.with_bound("partial", *keys))
    with_partial = "partial" not in keys and mentions(node.body, "partial")

    def loop(run: Run, local: Local | None) -> Value:
        found = rows(run, local)
        if found is None:
            return None
        run.made_list(found[1])
        results: list[Value] = []
        for row in found[0]:
            run.spend(weight)
            bound: dict[str, Value] = dict(zip(keys, row, strict=True))
            if with_partial:
                run.spend(len(results))
                bound["partial"] = results.copy()
            results.append(body(run, Local(bound, local, callable=False)))
        return results

    return loop


def quantified_of(compiler: Compiler, node: syntax.Quantified, names: Names, rows: Rows) -> Evaluator:
    """Compile `some` or `every` over *rows*."""
    keys = tuple(iterator.name for iterator in node.iterators)
    condition, weight = compiler.weighed(node.condition, names.with_bound(*keys))
    decisive = node.quantifier == "some"

    def quantified(run: Run, local: Local | None) -> Value:
        found = rows(run, local)
        if found is None:
            return None
        unknown = False
        for row in found[0]:
            run.spend(weight)
            bound: dict[str, Value] = dict(zip(keys, row, strict=True))
            answer = condition(run, Local(bound, local, callable=False))
            if answer is decisive:
                return decisive
            unknown = unknown or answer is not (not decisive)
        return None if unknown else not decisive

    return quantified
