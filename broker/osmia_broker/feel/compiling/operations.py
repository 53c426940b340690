"""Compile operators and `if`."""

from collections.abc import Callable, Mapping

from osmia_broker.feel import numbers, operators, syntax
from osmia_broker.feel.bindings import Local
from osmia_broker.feel.compiling.compiler import Compiler, Evaluator, Names, compiles
from osmia_broker.feel.run import Run
from osmia_broker.feel.types import type_test
from osmia_broker.feel.values import Value

_ARITHMETIC = {
    "+": operators.add,
    "-": operators.subtract,
    "*": operators.multiply,
    "/": operators.divide,
    "**": operators.power,
}


@compiles(syntax.Negation)
def negation(compiler: Compiler, node: syntax.Negation, names: Names) -> Evaluator:
    """Compile `-x`."""
    operand = compiler.compile(node.operand, names)
    if isinstance(node.operand, syntax.NumberLiteral):
        value = numbers.negate(node.operand.value)
        return lambda _run, _local: value
    return lambda run, local: operators.negate(run, operand(run, local))


@compiles(syntax.Arithmetic)
def arithmetic(compiler: Compiler, node: syntax.Arithmetic, names: Names) -> Evaluator:
    """Compile a chain of operators of one precedence."""
    return arithmetic_of(compiler, node, names, _ARITHMETIC)


def arithmetic_of(
    compiler: Compiler,
    node: syntax.Arithmetic,
    names: Names,
    operations: Mapping[str, Callable[[Run, Value, Value], Value]],
) -> Evaluator:
    """Compile a chain of operators, each of which means its operation among *operations*."""
    first = compiler.compile(node.first, names)
    rest = [(operations[operator], compiler.compile(operand, names)) for operator, operand in node.rest]
    if len(rest) == 1:
        operate, operand = rest[0]
        return lambda run, local: operate(run, first(run, local), operand(run, local))

    def arithmetic(run: Run, local: Local | None) -> Value:
        value = first(run, local)
        for operate, operand in rest:
            value = operate(run, value, operand(run, local))
        return value

    return arithmetic


@compiles(syntax.Logic)
def logic(compiler: Compiler, node: syntax.Logic, names: Names) -> Evaluator:
    """Compile `and`, `or`: everything but a boolean counts as null; the first operand that decides ends it."""
    operands = [compiler.compile(operand, names) for operand in node.operands]
    decisive = node.operator == "or"

    def logic(run: Run, local: Local | None) -> Value:
        unknown = False
        for operand in operands:
            value = operand(run, local)
            if value is decisive:
                return decisive
            if value is not True and value is not False:
                unknown = True
                run.warn("INVALID_TYPE", "Expected boolean but found '{}'", value)
        return None if unknown else not decisive

    return logic


@compiles(syntax.Comparison)
def comparison(compiler: Compiler, node: syntax.Comparison, names: Names) -> Evaluator:
    """Compile `=`, `<` and the like; two ints take the short way."""
    left, right = compiler.compile(node.left, names), compiler.compile(node.right, names)
    compare, decide = operators.INTEGER_COMPARISONS[node.operator], operators.COMPARISONS[node.operator]

    def comparison(run: Run, local: Local | None) -> bool | None:
        one, other = left(run, local), right(run, local)
        if type(one) is int and type(other) is int:
            return compare(one, other)
        return decide(run, one, other)

    return comparison


@compiles(syntax.Between)
def between(compiler: Compiler, node: syntax.Between, names: Names) -> Evaluator:
    """Compile `x between a and b`."""
    operand, low, high = (compiler.compile(part, names) for part in (node.operand, node.low, node.high))
    return lambda run, local: operators.between(run, operand(run, local), low(run, local), high(run, local))


@compiles(syntax.InstanceOf)
def instance_of(compiler: Compiler, node: syntax.InstanceOf, names: Names) -> Evaluator:
    """Compile `x instance of type`."""
    operand, test = compiler.compile(node.operand, names), type_test(node.type, compiler.types)
    return lambda run, local: test(operand(run, local))


@compiles(syntax.If)
def branch(compiler: Compiler, node: syntax.If, names: Names) -> Evaluator:
    """Compile `if`: only exactly true takes a branch."""
    branches = [
        (compiler.compile(condition, names), compiler.compile(then, names)) for condition, then in node.branches
    ]
    otherwise = compiler.compile(node.otherwise, names)

    def branch(run: Run, local: Local | None) -> Value:
        for condition, then in branches:
            answer = condition(run, local)
            if answer is True:
                return then(run, local)
            if answer is not False:
                run.warn("INVALID_TYPE", "Expected boolean but found '{}'", answer)
        return otherwise(run, local)

    return branch
