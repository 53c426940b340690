"""Hold the names that an expression itself binds: iteration variables, parameters, context entries, the item of a filter.

The bindings at a place are a chain of `Local`, innermost first; below its end lies the scope of the run.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from osmia_broker.feel.errors import EvaluationFailed
from osmia_broker.feel.run import Run
from osmia_broker.feel.values import CONTEXTS, Function, Value

INPUT = object()  # the key under which the input of a unary test is bound; no expression can write it


class Local(msgspec.Struct):
    """Names bound inside the expression. Functions among them can be called only if *callable* (measured)."""

    names: Mapping[Any, Value]
    outer: "Local | None"
    callable: bool = True
    parameters: bool = False  # of a user function, which the functions defined in its body do not see (measured)


def input_value(_run: Run, local: Local | None) -> Value:
    """Return the innermost input of a unary test; raise `EvaluationFailed` outside of one."""
    while local is not None:
        if INPUT in local.names:
            return local.names[INPUT]
        local = local.outer
    raise EvaluationFailed("Expected an input for '?', but found none: it has a value only in unary tests")


def element(item: Value, local: Local | None) -> Local:
    """Return the bindings inside a filter: `item`, and before it the entries of an item that is a context."""
    inner = Local({"item": item}, local, callable=False)
    return Local(item, inner) if type(item) in CONTEXTS else inner


def without_parameters(local: Local | None) -> Local | None:
    """Return the chain without the parameters of user functions."""
    if local is None:
        return None
    outer = without_parameters(local.outer)
    if local.parameters:
        return outer
    return local if outer is local.outer else Local(local.names, outer, local.callable)


def bound_function(local: Local | None, name: str) -> Function | None:
    """Return the function that a context around the call has under *name*, or None."""
    while local is not None:
        if name in local.names:
            value = local.names[name]
            return value if local.callable and type(value) is Function else None
        local = local.outer
    return None
