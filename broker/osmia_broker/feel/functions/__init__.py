# ruff: noqa: F401  # importing a family registers its functions
"""Gather the built-in functions; importing a family registers it.

To add one: declare it in the file of its family with `@builtin("name(parameter: type)")`.
"""

from collections.abc import Mapping
from types import MappingProxyType

import osmia_broker.feel.functions.booleans
import osmia_broker.feel.functions.contexts
import osmia_broker.feel.functions.conversion
import osmia_broker.feel.functions.json
import osmia_broker.feel.functions.lists
import osmia_broker.feel.functions.numeric
import osmia_broker.feel.functions.range_text
import osmia_broker.feel.functions.ranges
import osmia_broker.feel.functions.statistics_of_lists
import osmia_broker.feel.functions.strings
import osmia_broker.feel.functions.temporal
from osmia_broker.feel.functions.registry import Builtin, Edition, functions_of

PROCESS_FUNCTIONS: Mapping[str, tuple[Builtin, ...]] = functions_of(
    Edition.REFERENCE, Edition.NOT_STANDARD, Edition.LATER
)


def _without_cycle(functions: Mapping[str, tuple[Builtin, ...]]) -> Mapping[str, tuple[Builtin, ...]]:
    """Leave `cycle` to processes (measured)."""
    return MappingProxyType({name: found for name, found in functions.items() if name != "cycle"})


# Of decisions in the reference dialect: exactly those of the reference broker 8.6, which were measured.
DECISION_FUNCTIONS = _without_cycle(functions_of(Edition.REFERENCE, Edition.NOT_STANDARD))
# Of decisions in the standard dialect.
STANDARD_FUNCTIONS = _without_cycle(functions_of(Edition.STANDARD, Edition.REFERENCE, Edition.LATER))
