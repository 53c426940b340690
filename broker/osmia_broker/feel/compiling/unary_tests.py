"""Compile unary tests: those of a decision table's cell, and those after `in`."""

from collections.abc import Callable
from typing import TypeAlias

from osmia_broker.feel import operators, syntax
from osmia_broker.feel.bindings import INPUT, Local
from osmia_broker.feel.compiling.compiler import Compiler, Evaluator, Names, compiles
from osmia_broker.feel.dialect import Dialect
from osmia_broker.feel.run import Run
from osmia_broker.feel.syntax_search import reads_input
from osmia_broker.feel.values import Value

Test: TypeAlias = Callable[[Run, Local | None, Value], "bool | None"]


@compiles(syntax.In)
def is_in(compiler: Compiler, node: syntax.In, names: Names) -> Evaluator:
    """Compile `x in test`."""
    operand = compiler.compile(node.operand, names)
    holds = any_of(compiler, node.tests, names)
    return lambda run, local: holds(run, local, operand(run, local))


def any_of(compiler: Compiler, tests: tuple[syntax.Node, ...], names: Names) -> Test:
    """Compile tests of which one must hold."""
    compiled = [test(compiler, each, names) for each in tests]
    if len(compiled) == 1:
        return compiled[0]

    def any_of(run: Run, local: Local | None, value: Value) -> bool | None:
        unknown = False
        for test in compiled:
            answer = test(run, local, value)
            if answer is True:
                return True
            unknown = unknown or answer is None
        return None if unknown else False

    return any_of


def test(compiler: Compiler, node: syntax.Node, names: Names) -> Test:
    """Compile one test: a comparison, an interval, a literal, a condition over `?`, or any other expression."""
    if isinstance(node, syntax.CompareInput):
        operand, decide = compiler.compile(node.operand, names), operators.COMPARISONS[node.operator]
        return lambda run, local, value: decide(run, value, operand(run, local))
    evaluate = compiler.compile(node, names)
    if isinstance(node, syntax.Interval):
        return lambda run, local, value: operators.within(run, value, evaluate(run, local))
    if isinstance(node, syntax.Boolean):
        literal = node.value
        return lambda run, _local, value: operators.equal(run, value, literal)
    if reads_input(node):
        return lambda run, local, value: operators.holds(run, evaluate(run, Local({INPUT: value}, local)))
    matches = operators.matches_same if compiler.dialect is Dialect.STANDARD else operators.matches
    return lambda run, local, value: matches(run, value, evaluate(run, local))
