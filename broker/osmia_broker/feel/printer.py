"""Write a syntax tree as text again, so that parsing the text gives the same tree.

Brackets are put where the grammar needs them, none elsewhere but around single operands that are whole expressions.
"""

import re
from collections.abc import Callable
from decimal import Decimal

from osmia_broker.feel import syntax
from osmia_broker.feel.syntax import Node
from osmia_broker.feel.tokens import NAME, RESERVED, WIDE_PROPERTIES, WIDE_TYPES, quote


def to_source(node: Node) -> str:
    """Return the text of *node*; for `Tests`, the text of a cell."""
    return _PRINT[type(node)](node)


_PLAIN_NAME = re.compile(NAME)

# How tightly each node holds together; anything looser than its place asks for is put in parentheses.
_EXPRESSION, _OR, _AND, _COMPARISON, _SUM, _PRODUCT, _POWER, _NEGATION, _VALUE = range(9)
_LEVELS: dict[type[Node], int] = {
    syntax.If: _EXPRESSION,
    syntax.For: _EXPRESSION,
    syntax.Quantified: _EXPRESSION,
    syntax.FunctionLiteral: _EXPRESSION,
    syntax.Comparison: _COMPARISON,
    syntax.Between: _COMPARISON,
    syntax.In: _COMPARISON,
    syntax.InstanceOf: _COMPARISON,
    syntax.Negation: _NEGATION,
}
_OPERATOR_LEVELS = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT, "**": _POWER}


def _level(node: Node) -> int:
    if isinstance(node, syntax.Logic):
        return _OR if node.operator == "or" else _AND
    if isinstance(node, syntax.Arithmetic):
        return _OPERATOR_LEVELS[node.rest[0][0]]
    return _LEVELS.get(type(node), _VALUE)


def _at(node: Node, level: int) -> str:
    """Return the text of *node* for a place that takes nodes that hold at least as tightly as *level*."""
    text = to_source(node)
    return text if _level(node) >= level else f"({text})"


def _name_text(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) and name not in RESERVED else f"`{name}`"


def _name(node: syntax.Name) -> str:
    # A bare `if` or `date` may be read together with the word after it; backticks always stand for themselves.
    return _name_text(node.name) if node.name not in _AMBIGUOUS else f"`{node.name}`"


_AMBIGUOUS = frozenset({"if", "for", "some", "every", "not", "between", "instance", "date", "years", "get"})


def _number(node: syntax.NumberLiteral) -> str:
    return format(node.value, "f") if isinstance(node.value, Decimal) else str(node.value)


def _boolean(node: syntax.Boolean) -> str:
    return "true" if node.value else "false"


def _list(node: syntax.ListLiteral) -> str:
    return "[" + ", ".join(map(to_source, node.items)) + "]"


def _context(node: syntax.ContextLiteral) -> str:
    return "{" + ", ".join(f"{quote(key)}: {to_source(value)}" for key, value in node.entries) + "}"


def _interval(node: syntax.Interval) -> str:
    opening, closing = "[" if node.start_included else "(", "]" if node.end_included else ")"
    end = to_source(node.end)  # in parentheses, a bracket in it cannot be taken for the one that closes the interval
    return f"{opening}{_at(node.start, _SUM)}..{end if type(node.end) in _ATOMS else f'({end})'}{closing}"


_ATOMS = frozenset(
    {syntax.Null, syntax.Boolean, syntax.NumberLiteral, syntax.StringLiteral, syntax.Temporal, syntax.Name}
)


def _negation(node: syntax.Negation) -> str:
    inner = to_source(node.operand)
    if isinstance(node.operand, syntax.Negation) and not isinstance(node.operand.operand, syntax.Negation):
        return "-" + inner
    return "-" + (inner if _level(node.operand) == _VALUE else f"({inner})")


def _arithmetic(node: syntax.Arithmetic) -> str:
    level = _level(node) + 1
    rest = "".join(f" {operator} {_at(operand, level)}" for operator, operand in node.rest)
    return _at(node.first, level) + rest


def _logic(node: syntax.Logic) -> str:
    return f" {node.operator} ".join(_at(operand, _level(node) + 1) for operand in node.operands)


def _comparison(node: syntax.Comparison) -> str:
    return f"{_at(node.left, _SUM)} {node.operator} {_at(node.right, _SUM)}"


def _between(node: syntax.Between) -> str:
    return f"{_at(node.operand, _SUM)} between {_at(node.low, _SUM)} and {_at(node.high, _SUM)}"


def _instance(node: syntax.InstanceOf) -> str:
    return f"{_at(node.operand, _SUM)} instance of {_type(node.type)}"


def _type(node: syntax.Type) -> str:
    if not node.arguments and not node.name.startswith("function"):
        return node.name if node.name in WIDE_TYPES else _name_text(node.name)
    arguments = [_type(argument) for argument in node.arguments]
    if node.name == "function":
        return f"function<{', '.join(arguments[:-1])}> -> {arguments[-1]}" if arguments else "function"
    if node.names:
        arguments = [f"{name}: {text}" for name, text in zip(node.names, arguments, strict=True)]
    return f"{node.name}<{', '.join(arguments)}>"


def _in(node: syntax.In) -> str:
    return f"{_at(node.operand, _SUM)} in ({', '.join(map(to_source, node.tests))})"


def _compare_input(node: syntax.CompareInput) -> str:
    return f"{node.operator} {_at(node.operand, _SUM)}"


def _path(node: syntax.Path) -> str:
    return ".".join([_at(node.source, _VALUE), *map(_property, node.names)])


def _property(name: str) -> str:
    return name if name in WIDE_PROPERTIES else _name_text(name)


def _filter(node: syntax.Filter) -> str:
    return f"{_at(node.source, _VALUE)}[{to_source(node.condition)}]"


def _call(node: syntax.Call) -> str:
    return ".".join([*map(_name_text, node.owner), node.name]) + _arguments(node)


def _arguments(node: syntax.Call | syntax.Invocation) -> str:
    texts = [to_source(argument) for argument in node.arguments]
    if node.names:
        texts = [f"{parameter}: {text}" for parameter, text in zip(node.names, texts, strict=True)]
    return f"({', '.join(texts)})"


def _invocation(node: syntax.Invocation) -> str:
    return _at(node.function, _VALUE) + _arguments(node)


def _open_range(node: syntax.OpenRange) -> str:
    return f"({node.operator} {_at(node.operand, _SUM)})"


def _function(node: syntax.FunctionLiteral) -> str:
    types = node.types or (None,) * len(node.parameters)
    parameters = [
        _name_text(name) + ("" if type is None else f": {_type(type)}")
        for name, type in zip(node.parameters, types, strict=True)
    ]
    return f"function({', '.join(parameters)}) {to_source(node.body)}"


def _if(node: syntax.If) -> str:
    branches = "".join(f"if {to_source(condition)} then {to_source(then)} else " for condition, then in node.branches)
    return branches + _bracketed(node.otherwise, syntax.If)


def _bracketed(node: Node, kind: type[Node]) -> str:
    """Return the last `else`; an `if` in it stands in parentheses, or it would be read as one more branch."""
    return f"({to_source(node)})" if isinstance(node, kind) else to_source(node)


def _iterators(iterators: tuple[syntax.Iterator, ...]) -> str:
    return ", ".join(
        f"{_name_text(iterator.name)} in {_at(iterator.source, _SUM)}"
        + ("" if iterator.end is None else f"..{_at(iterator.end, _SUM)}")
        for iterator in iterators
    )


def _for(node: syntax.For) -> str:
    return f"for {_iterators(node.iterators)} return {to_source(node.body)}"


def _quantified(node: syntax.Quantified) -> str:
    return f"{node.quantifier} {_iterators(node.iterators)} satisfies {to_source(node.condition)}"


def _tests(node: syntax.Tests) -> str:
    if not node.tests:
        return "-"
    text = ", ".join(map(to_source, node.tests))
    return f"not({text})" if node.negated else text


_PRINT: dict[type[Node], Callable[..., str]] = {
    syntax.Null: lambda _node: "null",
    syntax.Boolean: _boolean,
    syntax.NumberLiteral: _number,
    syntax.StringLiteral: lambda node: quote(node.value),
    syntax.Temporal: lambda node: "@" + quote(node.text),
    syntax.Name: _name,
    syntax.Input: lambda _node: "?",
    syntax.ListLiteral: _list,
    syntax.ContextLiteral: _context,
    syntax.Interval: _interval,
    syntax.Negation: _negation,
    syntax.Arithmetic: _arithmetic,
    syntax.Logic: _logic,
    syntax.Comparison: _comparison,
    syntax.Between: _between,
    syntax.InstanceOf: _instance,
    syntax.In: _in,
    syntax.CompareInput: _compare_input,
    syntax.Path: _path,
    syntax.Filter: _filter,
    syntax.Call: _call,
    syntax.Invocation: _invocation,
    syntax.OpenRange: _open_range,
    syntax.FunctionLiteral: _function,
    syntax.If: _if,
    syntax.For: _for,
    syntax.Quantified: _quantified,
    syntax.Tests: _tests,
}
