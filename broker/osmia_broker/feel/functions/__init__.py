# ruff: noqa: F401  # importing a family registers its functions
"""The built-in functions, by family; importing a family registers it.

To add one: declare it in the file of its family with `@builtin("name(parameter: type)")`.
"""

from collections.abc import Mapping
from types import MappingProxyType

import osmia_broker.feel.functions.booleans
import osmia_broker.feel.functions.contexts
import osmia_broker.feel.functions.conversion
import osmia_broker.feel.functions.lists
import osmia_broker.feel.functions.numeric
import osmia_broker.feel.functions.ranges
import osmia_broker.feel.functions.statistics_of_lists
import osmia_broker.feel.functions.strings
import osmia_broker.feel.functions.temporal
from osmia_broker.feel.functions.registry import BUILTINS, Builtin

PROCESS_FUNCTIONS: Mapping[str, tuple[Builtin, ...]] = BUILTINS
# `cycle` exists only in processes (measured).
DECISION_FUNCTIONS: Mapping[str, tuple[Builtin, ...]] = MappingProxyType(
    {name: functions for name, functions in BUILTINS.items() if name != "cycle"}
)
