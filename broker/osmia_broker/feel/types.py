"""Test types: for `instance of`, for typed parameters, and for an expression before it runs."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from osmia_broker.feel import syntax
from osmia_broker.feel.temporal import DateTime, DayTimeDuration, Time, YearMonthDuration
from osmia_broker.feel.values import CONTEXTS, DATES, NUMBERS, Function, Range, Value, type_name

TypeTest: TypeAlias = Callable[[Value], bool]  # of a value that is not null

#: The types of FEEL that have a name alone, and the values of each.
TYPES: dict[str, frozenset[type]] = {
    "boolean": frozenset({bool}),
    "number": NUMBERS,
    "string": frozenset({str}),
    "list": frozenset({list}),
    "context": CONTEXTS,
    "function": frozenset({Function}),
    "range": frozenset({Range}),
    "date": DATES,
    "time": frozenset({Time}),
    "date and time": frozenset({DateTime}),
    "days and time duration": frozenset({DayTimeDuration}),
    "years and months duration": frozenset({YearMonthDuration}),
}


def type_test(wanted: syntax.Type, known: Mapping[str, TypeTest]) -> TypeTest:
    """Return the test whether a value is of the type *wanted*; *known* are the types of the model by name.

    Null is of no type, but it may stand for an item or an entry of any type. No value is of an unknown type.
    """
    if wanted.arguments:
        return _FORMS[wanted.name](wanted, [type_test(argument, known) for argument in wanted.arguments])
    if wanted.name == "Any":
        return lambda value: value is not None
    of_model = known.get(wanted.name)
    if of_model is not None:
        return lambda value: value is not None and of_model(value)
    kinds = TYPES.get(wanted.name, frozenset())
    return lambda value: type(value) in kinds


def _fits(value: Value, test: TypeTest) -> bool:
    return value is None or test(value)


def _list_test(_wanted: syntax.Type, tests: list[TypeTest]) -> TypeTest:
    item = tests[0]
    return lambda value: type(value) is list and all(_fits(each, item) for each in value)


def _range_test(_wanted: syntax.Type, tests: list[TypeTest]) -> TypeTest:
    end = tests[0]
    return lambda value: type(value) is Range and _fits(value.start, end) and _fits(value.end, end)


def _context_test(wanted: syntax.Type, tests: list[TypeTest]) -> TypeTest:
    entries = tuple(zip(wanted.names, tests, strict=True))
    return lambda value: (
        type(value) in CONTEXTS and all(name in value and _fits(value[name], test) for name, test in entries)
    )


def _function_test(wanted: syntax.Type, _tests: list[TypeTest]) -> TypeTest:
    """Compare the number of parameters; FEEL does not know their types, nor that of a result."""
    count = len(wanted.arguments) - 1
    return lambda value: type(value) is Function and len(value.parameters) == count


_FORMS: dict[str, Callable[[syntax.Type, list[TypeTest]], TypeTest]] = {
    "list": _list_test,
    "range": _range_test,
    "context": _context_test,
    "function": _function_test,
}


class Misfit(Exception):
    """A value is not of the type of a parameter, and cannot be made so."""


def coerced(value: Value, test: TypeTest) -> Value:
    """Return *value*, the item of a list of one, or a list of *value*, whichever passes *test* (DMN 1.5, 10.3.2.9.4).

    Raises:
        Misfit: none of them does. Null passes.
    """
    if _fits(value, test):
        return value
    if type(value) is list and len(value) == 1 and _fits(value[0], test):
        return value[0]
    if test([value]):
        return [value]
    raise Misfit


def static_type(node: syntax.Node) -> str | None:
    """Return the type that *node* gives whenever it does not give null, as `type_name` names it; None if it depends."""
    if isinstance(node, syntax.If):
        kinds = {static_type(then) for _, then in node.branches} | {static_type(node.otherwise)}
        kinds -= {"NULL"} if len(kinds) > 1 else set()
        return kinds.pop() if len(kinds) == 1 else None
    if isinstance(node, syntax.NumberLiteral | syntax.StringLiteral | syntax.Boolean):
        return type_name(node.value)
    return _NODE_TYPES.get(type(node))


_NODE_TYPES: dict[type[syntax.Node], str] = {
    syntax.Null: "NULL",
    syntax.ListLiteral: "ARRAY",
    syntax.For: "ARRAY",
    syntax.ContextLiteral: "OBJECT",
    syntax.Interval: "RANGE",
    syntax.OpenRange: "RANGE",
    syntax.FunctionLiteral: "FUNCTION",
    syntax.Negation: "NUMBER",
    syntax.Comparison: "BOOLEAN",
    syntax.Between: "BOOLEAN",
    syntax.InstanceOf: "BOOLEAN",
    syntax.In: "BOOLEAN",
    syntax.Logic: "BOOLEAN",
    syntax.Quantified: "BOOLEAN",
}
