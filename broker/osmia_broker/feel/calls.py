"""Calling functions while an expression is evaluated: built-in ones, and those that an expression or a scope defines."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from osmia_broker.feel import syntax
from osmia_broker.feel.bindings import Local
from osmia_broker.feel.functions.registry import Builtin
from osmia_broker.feel.run import Run
from osmia_broker.feel.values import Function, Value

Evaluator: TypeAlias = Callable[[Run, Local | None], Value]


def call_builtin(node: syntax.Call, functions: list[Builtin], arguments: Sequence[Evaluator]) -> Evaluator:
    """The call of the first of *functions* that takes the types of the arguments; its result is accounted for."""
    attempts = [_attempt(function, _places(function, node.names)) for function in functions]
    name = node.name

    def call(run: Run, local: Local | None) -> Value:
        values = [argument(run, local) for argument in arguments]
        for attempt in attempts:
            result = attempt(run, values)
            if result is not _MISFIT:
                return _accounted(run, result)
        run.warn(
            "FUNCTION_INVOCATION_FAILURE",
            "Failed to invoke function '{name}': Illegal arguments: {}",
            values,
            name=name,
        )
        return None

    return call


def _accounted(run: Run, result: Value) -> Value:
    if type(result) is str:
        run.made_string(len(result))
    elif type(result) is list:
        run.made_list(len(result))
    return result


def _places(function: Builtin, names: tuple[str, ...]) -> list[int] | None:
    """Where each parameter's argument stands in the call; None if in order."""
    return [names.index(parameter) for parameter in function.parameters] if names else None


def _attempt(function: Builtin, places: list[int] | None) -> "_Attempt":
    """Calls *function* if its arguments fit; `_MISFIT` if they do not."""
    body, variadic = function.body, function.variadic

    def attempt(run: Run, values: list[Value]) -> Value:
        if places is not None:
            values = [values[place] for place in places]
        if variadic:
            values = function.collect(values)
        return body(run, *values) if function.accepts(values) else _MISFIT

    return attempt


_Attempt: TypeAlias = Callable[[Run, list[Value]], Value]
_MISFIT = object()


def invoke(run: Run, function: Function, node: syntax.Call, arguments: list[Value]) -> Value:
    """Call a user function; null for the wrong number or names of arguments."""
    if len(arguments) != len(function.parameters) or (node.names and set(node.names) != set(function.parameters)):
        return unknown_call(node)(run, None)
    if node.names:
        by_name = dict(zip(node.names, arguments, strict=True))
        arguments = [by_name[parameter] for parameter in function.parameters]
    return function.callable(*arguments)


def unknown_call(node: syntax.Call) -> Evaluator:
    """What a call gives for which there is no function."""
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
