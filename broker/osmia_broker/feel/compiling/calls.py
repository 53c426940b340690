"""Compile function literals and calls: of built-in functions, and of those that an expression or a scope defines."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from osmia_broker.feel import syntax
from osmia_broker.feel.bindings import Local, bound_function, without_parameters
from osmia_broker.feel.compiling.compiler import Compiler, Evaluator, Names, compiles
from osmia_broker.feel.errors import EvaluationFailed
from osmia_broker.feel.functions.registry import Builtin, choose
from osmia_broker.feel.run import Run
from osmia_broker.feel.values import CONTEXTS, Function, Value

VOLATILE = frozenset({"now", "today", "uuid", "random number"})


@compiles(syntax.FunctionLiteral)
def function(compiler: Compiler, node: syntax.FunctionLiteral, names: Names) -> Evaluator:
    """Compile `function(a) body`; it sees the names around it, but not the parameters of an enclosing function."""
    parameters = node.parameters
    body, weight = compiler.weighed(node.body, names.with_bound(*parameters))

    def define(run: Run, local: Local | None) -> Function:
        outer = without_parameters(local)

        def call(*arguments: Value) -> Value:
            run.spend(weight + 1)
            bound: dict[str, Value] = dict(zip(parameters, arguments, strict=True))
            return body(run, Local(bound, outer, callable=False, parameters=True))

        return Function(parameters, call)

    return define


@compiles(syntax.Call)
def call(compiler: Compiler, node: syntax.Call, names: Names) -> Evaluator:
    """Compile a call by name: of a function bound inside the expression, else a built-in one, else one of the scope."""
    arguments = [compiler.compile(argument, names) for argument in node.arguments]
    if node.owner:
        return call_of_context(compiler, node, arguments, names)
    if node.name in VOLATILE:
        compiler.volatile = True
    general = builtin_call(compiler, node, arguments) or scope_call(compiler, node, arguments)
    if not names.may_bind(node.name):
        if node.name not in compiler.functions:
            compiler.unknown.add((node.name, len(arguments)))
        return general
    name = node.name

    def call(run: Run, local: Local | None) -> Value:
        function = bound_function(local, name)
        if function is None:
            return general(run, local)
        return invoke(run, function, node, [argument(run, local) for argument in arguments])

    return call


def call_of_context(compiler: Compiler, node: syntax.Call, arguments: Sequence[Evaluator], names: Names) -> Evaluator:
    """Compile `a.b.f(x)`: it fails if `a.b` is no context, and gives null if that has no such function (measured)."""
    source: syntax.Node = syntax.Name(node.owner[0])
    owner = compiler.compile(syntax.Path(source, node.owner[1:]) if node.owner[1:] else source, names)
    name, unknown = node.name, unknown_call(node)

    def call(run: Run, local: Local | None) -> Value:
        context = owner(run, local)
        if type(context) not in CONTEXTS:
            raise EvaluationFailed(f"Expected a context to call '{name}' of, but found no context")
        function = context.get(name)
        if type(function) is not Function:
            return unknown(run, local)
        return invoke(run, function, node, [argument(run, local) for argument in arguments])

    return call


def builtin_call(compiler: Compiler, node: syntax.Call, arguments: Sequence[Evaluator]) -> Evaluator | None:
    """Compile the call of a built-in function; return None if none has this name."""
    candidates = compiler.functions.get(node.name)
    if candidates is None:
        return None
    chosen = choose(candidates, len(arguments), node.names)
    if not chosen:
        compiler.unknown.add((node.name, len(arguments)))
    body = call_builtin(node, chosen, arguments) if chosen else unknown_call(node)
    name = node.name

    def call(run: Run, local: Local | None) -> Value:
        hidden = getattr(run.scope, "functions", None)
        if hidden is not None and name in hidden:
            return invoke(run, hidden[name], node, [argument(run, local) for argument in arguments])
        return body(run, local)

    return call


def scope_call(compiler: Compiler, node: syntax.Call, arguments: Sequence[Evaluator]) -> Evaluator:
    """Compile the call of a function that only the scope can have."""
    compiler.read.add(node.name)
    name, unknown = node.name, unknown_call(node)

    def call(run: Run, local: Local | None) -> Value:
        function = run.function(name)
        if function is None:
            return unknown(run, local)
        return invoke(run, function, node, [argument(run, local) for argument in arguments])

    return call


def call_builtin(
    node: syntax.Call, functions: list[Builtin], arguments: Sequence[Evaluator], *, coerces: bool = False
) -> Evaluator:
    """Compile the call of the first of *functions* that takes the types of the arguments; its result is accounted for.

    If none does and *coerces* is set, a list of one item may stand for the item, and a value for a list of it.
    """
    attempts = _attempts(functions, node.names, coerces=coerces)
    name = node.name

    def call(run: Run, local: Local | None) -> Value:
        values = [argument(run, local) for argument in arguments]
        for attempt in attempts:
            result = attempt(run, values)
            if result is not _MISFIT:
                return _accounted(run, result)
        run.warn_of_arguments(name, values)
        return None

    return call


def builtin_value(run: Run, name: str, candidates: tuple[Builtin, ...]) -> Function:
    """Return the built-in function *name* as a value of the standard dialect."""

    def dispatch(arguments: list[Value], names: tuple[str, ...]) -> Value:
        for attempt in _attempts(choose(candidates, len(arguments), names), names, coerces=True):
            result = attempt(run, arguments)
            if result is not _MISFIT:
                return _accounted(run, result)
        run.warn_of_arguments(name, arguments)
        return None

    return Function(candidates[0].parameters, lambda *arguments: dispatch([*arguments], ()), dispatch)


def _attempts(functions: list[Builtin], names: tuple[str, ...], *, coerces: bool) -> "list[_Attempt]":
    """Return the calls to try in turn, first without coercion."""
    attempts = [_attempt(function, _places(function, names)) for function in functions]
    if coerces:
        attempts += [_coercing(function, _places(function, names)) for function in functions]
    return attempts


def _coercing(function: Builtin, places: list[int] | None) -> "_Attempt":
    """Return a call of *function* with coerced arguments, which gives `_MISFIT` if they cannot be made to fit."""

    def attempt(run: Run, values: list[Value]) -> Value:
        if places is not None:
            values = [values[place] for place in places]
        fitting = function.coerced(function.collect(values, named=places is not None))
        return _MISFIT if fitting is None else function.body(run, *fitting)

    return attempt


def _accounted(run: Run, result: Value) -> Value:
    if type(result) is str:
        run.made_string(len(result))
    elif type(result) is list:
        run.made_list(len(result))
    return result


def _places(function: Builtin, names: tuple[str, ...]) -> list[int] | None:
    """Return the place of each parameter's argument in the call; None if they stand in order."""
    return [names.index(parameter) for parameter in function.parameters] if names else None


def _attempt(function: Builtin, places: list[int] | None) -> "_Attempt":
    """Return a call of *function* that gives `_MISFIT` if the arguments do not fit."""
    body, variadic = function.body, function.variadic

    def attempt(run: Run, values: list[Value]) -> Value:
        if places is not None:
            values = [values[place] for place in places]
        if variadic:
            if places is not None and type(values[-1]) is not list:
                return _MISFIT  # by name, only a list stands for the arguments (measured)
            values = function.collect(values, named=places is not None)
        return body(run, *values) if function.accepts(values) else _MISFIT

    return attempt


_Attempt: TypeAlias = Callable[[Run, list[Value]], Value]
_MISFIT = object()


def invoke(run: Run, function: Function, node: syntax.Call, arguments: list[Value]) -> Value:
    """Call *function*; null for the wrong number or names of arguments."""
    if function.dispatch is not None:
        return function.dispatch(arguments, node.names)
    if len(arguments) != len(function.parameters) or (node.names and set(node.names) != set(function.parameters)):
        return unknown_call(node)(run, None)
    if node.names:
        by_name = dict(zip(node.names, arguments, strict=True))
        arguments = [by_name[parameter] for parameter in function.parameters]
    return function.callable(*arguments)


def unknown_call(node: syntax.Call) -> Evaluator:
    """Compile a call for which there is no function: null and a warning."""
    name, count, names = node.name, len(node.arguments), ", ".join(node.names)

    def unknown(run: Run, _local: Local | None) -> Value:
        if names:
            run.warn(
                "NO_FUNCTION_FOUND",
                "No function found with name '{name}' and parameters: {names}",
                name=name,
                names=names,
            )
        else:
            run.warn("NO_FUNCTION_FOUND", "No function found with name '{name}' and {} parameters", count, name=name)
        return None

    return unknown
