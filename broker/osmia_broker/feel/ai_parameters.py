"""Find what an expression asks a language model for: its calls of `fromAi`."""

from osmia_broker.feel import syntax
from osmia_broker.feel.expression import Expression
from osmia_broker.feel.syntax_search import calls
from osmia_broker.feel.values import Context, Value

_ARGUMENTS = ("value", "description", "type", "schema", "options")


def ai_parameters(expression: Expression) -> list[Context]:
    """Return a context for each call of `fromAi`, in the order of the text: `name`, and what is given of `description`, `type`, `schema`, `options`.

    The name is the reference that the call gives as its value (`toolCall.order`); a call without one is left out. So is a description that is
    no constant.
    """
    found: list[Context] = []
    for call in calls(expression.tree, "fromAi"):
        given = dict(zip(call.names or _ARGUMENTS, call.arguments, strict=False))
        name = _reference(given.pop("value", None))
        described = {argument: _constant(given[argument]) for argument in _ARGUMENTS if argument in given}
        if name:
            found.append(Context({"name": name} | {argument: value for argument, value in described.items() if value}))
    return found


def _reference(node: syntax.Node | None) -> str:
    if isinstance(node, syntax.Path) and isinstance(node.source, syntax.Name):
        return ".".join((node.source.name, *node.names))
    return node.name if isinstance(node, syntax.Name) else ""


def _constant(node: syntax.Node) -> Value:
    """Return the value of a literal, its items included; null for any other expression."""
    if isinstance(node, syntax.StringLiteral | syntax.NumberLiteral | syntax.Boolean):
        return node.value
    if isinstance(node, syntax.ListLiteral):
        return [_constant(item) for item in node.items]
    if isinstance(node, syntax.ContextLiteral):
        return Context({key: _constant(value) for key, value in node.entries})
    return None
