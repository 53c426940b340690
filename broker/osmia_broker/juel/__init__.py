"""JUEL: the `${…}` expressions of the activiti dialect, compiled once and evaluated often.

    >>> order = compile("Order ${n + 1} for ${who.name}")
    >>> sorted(order.names)
    ['n', 'who']
    >>> order.evaluate({"n": 1, "who": {"name": "Ada"}}).value
    'Order 2 for Ada'

A pure package: no I/O, no clock, no knowledge of the engine. Values are JSON values with `decimal.Decimal` for numbers
that are not whole. Method calls are refused when compiled, so an expression can reach nothing but its variables.
"""

from osmia_broker.juel.errors import ParseError
from osmia_broker.juel.expression import Expression, Result, compile  # noqa: A004  # juel.compile, as re.compile
from osmia_broker.juel.values import Scope, Value, describe, to_text

__all__ = ["Expression", "ParseError", "Result", "Scope", "Value", "compile", "describe", "to_text"]
