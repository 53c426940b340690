"""Compile the rules of the standard dialect: functions as values, coercion, and ranges of one bound.

A function here sees all names around it, its own among them, and may be called wherever it comes from.
"""

from collections.abc import Callable, Mapping, Sequence

from osmia_broker.feel import numbers, operators, syntax
from osmia_broker.feel.bindings import Local
from osmia_broker.feel.compiling.calls import VOLATILE, builtin_value, call_builtin, invoke, unknown_call
from osmia_broker.feel.compiling.compiler import Compiler, Evaluator, Names, compiles, compiles_standard
from osmia_broker.feel.compiling.literals import context, name
from osmia_broker.feel.compiling.operations import arithmetic_of
from osmia_broker.feel.functions.registry import choose
from osmia_broker.feel.run import Run
from osmia_broker.feel.types import Misfit, coerced, type_test
from osmia_broker.feel.values import Function, Range, Value


@compiles_standard(syntax.FunctionLiteral)
def function(compiler: Compiler, node: syntax.FunctionLiteral, names: Names) -> Evaluator:
    """Compile `function(a, b: number) body`; arguments are made to fit the types, or the call gives null."""
    parameters = node.parameters
    body, weight = compiler.weighed(node.body, names.with_bound(*parameters))
    tests = [None if each is None else type_test(each, compiler.types) for each in node.types]

    def define(run: Run, local: Local | None) -> Function:
        def call(*arguments: Value) -> Value:
            run.spend(weight + 1)
            fitting: Sequence[Value] = arguments
            if tests:
                try:
                    fitting = [
                        value if test is None else coerced(value, test)
                        for value, test in zip(arguments, tests, strict=True)
                    ]
                except Misfit:
                    run.warn(
                        "INVALID_TYPE", "Expected arguments of the types of the parameters, but found {}", [*arguments]
                    )
                    return None
            return body(run, Local(dict(zip(parameters, fitting, strict=True)), local))

        return Function(parameters, call)

    return define


@compiles_standard(syntax.Call)
def call(compiler: Compiler, node: syntax.Call, names: Names) -> Evaluator:
    """Compile a call by name: of a value bound inside the expression, else a built-in function, else a variable."""
    arguments = [compiler.compile(argument, names) for argument in node.arguments]
    compiler.volatile |= node.name in VOLATILE
    candidates = compiler.functions.get(node.name)
    if candidates is None:
        return _call_of(compiler.compile(syntax.Name(node.name), names), node, arguments)
    chosen = choose(candidates, len(arguments), node.names)
    builtin = call_builtin(node, chosen, arguments, coerces=True) if chosen else unknown_call(node)
    wanted = node.name

    def call(run: Run, local: Local | None) -> Value:
        found = _bound(run, local, wanted)
        if found is None:
            return builtin(run, local)
        return invoke(run, found, node, [argument(run, local) for argument in arguments])

    return call


def _bound(run: Run, local: Local | None, name: str) -> Function | None:
    """Return the function that hides the built-in function *name*; a value of another type does not hide it."""
    while local is not None:
        found = local.names.get(name)
        if type(found) is Function:
            return found
        local = local.outer
    hidden: Mapping[str, Function] = getattr(run.scope, "functions", {})
    return hidden.get(name)


@compiles(syntax.Invocation)
def invocation(compiler: Compiler, node: syntax.Invocation, names: Names) -> Evaluator:
    """Compile `value(a, b)`."""
    arguments = [compiler.compile(argument, names) for argument in node.arguments]
    call = syntax.Call((), "?", node.arguments, node.names)
    return _call_of(compiler.compile(node.function, names), call, arguments)


def _call_of(function: Evaluator, node: syntax.Call, arguments: Sequence[Evaluator]) -> Evaluator:
    return lambda run, local: _invoke(run, function(run, local), node, [each(run, local) for each in arguments])


def _invoke(run: Run, found: Value, node: syntax.Call, arguments: list[Value]) -> Value:
    if type(found) is Function:
        return invoke(run, found, node, arguments)
    run.warn("NO_FUNCTION_FOUND", "Expected a function to call, but found '{}'", found)
    return None


@compiles_standard(syntax.Name)
def name_or_function(compiler: Compiler, node: syntax.Name, names: Names) -> Evaluator:
    """Compile a variable; the name of a built-in function stands for the function unless a variable has it."""
    read = name(compiler, node, names)
    candidates = compiler.functions.get(node.name)
    if candidates is None or node.name in names.bound:
        return read
    wanted = node.name

    def read_or_function(run: Run, local: Local | None) -> Value:
        inner = local if names.open else None
        while inner is not None:
            if wanted in inner.names:
                return inner.names[wanted]
            inner = inner.outer
        try:
            run.scope[wanted]
        except KeyError:
            return builtin_value(run, wanted, candidates)
        return read(run, local)

    return read_or_function


@compiles_standard(syntax.ContextLiteral)
def context_of_unique_keys(compiler: Compiler, node: syntax.ContextLiteral, names: Names) -> Evaluator:
    """Compile a context; two entries of one name make it null, and a function in it may call itself."""
    keys = [key for key, _ in node.entries]
    functions = [key for key, value in node.entries if isinstance(value, syntax.FunctionLiteral)]
    made = context(compiler, node, names.with_bound(*functions))
    if len(set(keys)) == len(keys):
        return made

    def refused(run: Run, _local: Local | None) -> None:
        run.warn("INVALID_TYPE", "Expected a context with different keys, but found {}", list(keys))

    return refused


@compiles(syntax.OpenRange)
def open_range(compiler: Compiler, node: syntax.OpenRange, names: Names) -> Evaluator:
    """Compile `(< 5)` as a value."""
    operand, operator = compiler.compile(node.operand, names), node.operator
    included = operator in {"<=", ">=", "="}

    def made(run: Run, local: Local | None) -> Range:
        bound = operand(run, local)
        if operator[0] == "<":
            return Range(None, False, bound, included, operator)  # no start belongs to it
        if operator[0] == ">":
            return Range(bound, included, None, False, operator)  # no end belongs to it
        return Range(bound, included, bound, included, operator)

    return made


@compiles_standard(syntax.Negation)
def negation(compiler: Compiler, node: syntax.Negation, names: Names) -> Evaluator:
    """Compile `-x`, of durations too."""
    operand = compiler.compile(node.operand, names)
    if isinstance(node.operand, syntax.NumberLiteral):
        value = numbers.negate(node.operand.value)
        return lambda _run, _local: value
    return lambda run, local: operators.negate_any(run, operand(run, local))


_ARITHMETIC: dict[str, Callable[[Run, Value, Value], Value]] = {
    "+": operators.add,
    "-": operators.subtract_any,
    "*": operators.multiply_exactly,
    "/": operators.divide,
    "**": operators.power,
}


@compiles_standard(syntax.Arithmetic)
def arithmetic(compiler: Compiler, node: syntax.Arithmetic, names: Names) -> Evaluator:
    """Compile a chain of operators; a duration may be multiplied by a fraction, a date taken from a zoned moment."""
    return arithmetic_of(compiler, node, names, _ARITHMETIC)
