"""The built-in functions, by family; importing a family registers it.

To add one: declare it in the file of its family with `@builtin("name(parameter: type)")`.
"""

from collections.abc import Mapping
from types import MappingProxyType

from osmia_broker.feel.functions import (
    booleans,
    contexts,
    conversion,
    lists,
    numeric,
    ranges,
    statistics_of_lists,
    strings,
    temporal,
)
from osmia_broker.feel.functions.registry import BUILTINS, Builtin

__all__ = [
    "DECISION_FUNCTIONS",
    "PROCESS_FUNCTIONS",
    "booleans",
    "contexts",
    "conversion",
    "lists",
    "numeric",
    "ranges",
    "statistics_of_lists",
    "strings",
    "temporal",
]

PROCESS_FUNCTIONS: Mapping[str, tuple[Builtin, ...]] = BUILTINS
# `cycle` exists only in processes (measured).
DECISION_FUNCTIONS: Mapping[str, tuple[Builtin, ...]] = MappingProxyType(
    {name: functions for name, functions in BUILTINS.items() if name != "cycle"}
)
