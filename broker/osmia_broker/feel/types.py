"""`instance of`, and what is known of an expression's type before it runs."""

from datetime import date

from osmia_broker.feel import syntax
from osmia_broker.feel.temporal import DateTime, DayTimeDuration, Time, YearMonthDuration
from osmia_broker.feel.values import CONTEXTS, NUMBERS, Function, Value, type_name

_INSTANCES: dict[str, frozenset[type]] = {
    "boolean": frozenset({bool}),
    "number": NUMBERS,
    "string": frozenset({str}),
    "list": frozenset({list}),
    "context": CONTEXTS,
    "function": frozenset({Function}),
    "date": frozenset({date}),
    "time": frozenset({Time}),
    "date and time": frozenset({DateTime}),
    "days and time duration": frozenset({DayTimeDuration}),
    "years and months duration": frozenset({YearMonthDuration}),
}


def is_instance(value: Value, name: str) -> bool:
    """Whether *value* is of the type called *name*; null is of none, and no value is of an unknown type."""
    if name == "Any":
        return value is not None
    return type(value) in _INSTANCES.get(name, frozenset())


def static_type(node: syntax.Node) -> str | None:
    """The type that *node* gives whenever it does not give null, as `type_name` names it; None if it depends."""
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
    syntax.FunctionLiteral: "FUNCTION",
    syntax.Negation: "NUMBER",
    syntax.Comparison: "BOOLEAN",
    syntax.Between: "BOOLEAN",
    syntax.InstanceOf: "BOOLEAN",
    syntax.In: "BOOLEAN",
    syntax.Logic: "BOOLEAN",
    syntax.Quantified: "BOOLEAN",
}
