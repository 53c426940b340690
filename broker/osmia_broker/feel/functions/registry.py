"""Declare built-in functions, and find the one that a call means.

    @builtin("substring(string: string, start position: number)")
    def substring(run: Run, text: str, start: Number) -> str: ...

The types in a declaration are checked before the function runs: an argument that does not fit gives null and a warning.
`T?` also takes null, `T|U` either, `any` everything. `any...` at the end collects the remaining arguments, or takes the
items of a single list; for `item...` a list is one item, unless the argument is given by name.
One name may have several declarations; the number or the names of the arguments decide between them.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from osmia_broker.feel.types import TYPES
from osmia_broker.feel.values import Value

#: The types of declarations: those of FEEL, and short names for the longest.
_TYPES = TYPES | {
    "moment": TYPES["date and time"],
    "days": TYPES["days and time duration"],
    "months": TYPES["years and months duration"],
}


class Edition(Enum):
    """The places where a built-in function exists.

    REFERENCE: everywhere, as in the reference broker 8.6. LATER: in process expressions and in the standard dialect; the
    reference has it since a later version. STANDARD: in the standard dialect only, where it goes before others of its name.
    NOT_STANDARD: everywhere but there, such as names of parameters that DMN does not have.
    """

    REFERENCE = 0
    LATER = 1
    STANDARD = 2
    NOT_STANDARD = 3


class Builtin(msgspec.Struct, frozen=True):
    """One declaration: parameter names, the types each takes (None: all), and the body to call."""

    name: str
    parameters: tuple[str, ...]
    types: tuple[frozenset[type] | None, ...]
    variadic: bool
    keeps_list: bool  # of a variadic one: whether a single list is one item
    body: Callable[..., Value]
    edition: Edition

    def takes(self, count: int) -> bool:
        """Tell whether it can be called with *count* arguments in order."""
        return count >= len(self.parameters) if self.variadic else count == len(self.parameters)

    def accepts(self, arguments: list[Value]) -> bool:
        """Tell whether the types of the collected *arguments* fit."""
        for argument, allowed in zip(arguments, self.types, strict=True):
            if allowed is not None and type(argument) not in allowed:
                return False
        return True

    def coerced(self, arguments: list[Value]) -> list[Value] | None:
        """Return *arguments* with the item of a list of one for the list, or the reverse, where the types ask for it."""
        fitting = []
        for argument, allowed in zip(arguments, self.types, strict=True):
            if allowed is None or type(argument) in allowed:
                fitting.append(argument)
            elif type(argument) is list and len(argument) == 1 and type(argument[0]) in allowed:
                fitting.append(argument[0])
            elif argument is not None and list in allowed:
                fitting.append([argument])
            else:
                return None
        return fitting

    def collect(self, arguments: list[Value], *, named: bool) -> list[Value]:
        """Return the arguments as the body takes them: those that a variadic parameter collects as one list."""
        last = len(self.parameters) - 1
        spread = named or not self.keeps_list
        if not self.variadic or (spread and len(arguments) == last + 1 and type(arguments[last]) is list):
            return arguments
        return [*arguments[:last], arguments[last:]]


_REGISTRY: dict[str, tuple[Builtin, ...]] = {}  # by name, all declarations of that name

_Body = TypeVar("_Body", bound=Callable[..., Any])


def builtin(*declarations: str, edition: Edition = Edition.REFERENCE) -> Callable[[_Body], _Body]:
    """Declare a function under each of *declarations*; its body gets the run and then the checked arguments."""

    def declare(body: _Body) -> _Body:
        for declaration in declarations:
            function = _read(declaration, body, edition)
            _REGISTRY[function.name] = (*_REGISTRY.get(function.name, ()), function)
        return body

    return declare


def functions_of(*editions: Edition) -> Mapping[str, tuple[Builtin, ...]]:
    """Return the functions of *editions* by name; those of an earlier one of *editions* go first."""
    found = {
        name: tuple(function for edition in editions for function in functions if function.edition is edition)
        for name, functions in _REGISTRY.items()
    }
    return MappingProxyType({name: functions for name, functions in found.items() if functions})


def _read(declaration: str, body: Callable[..., Value], edition: Edition) -> Builtin:
    name, _, rest = declaration.removesuffix(")").partition("(")
    parameters, types, variadic, keeps_list = [], [], False, False
    for parameter in rest.split(", ") if rest else ():
        parameter_name, _, words = parameter.partition(": ")
        variadic, keeps_list = words.endswith("..."), words == "item..."
        parameters.append(parameter_name)
        types.append(None if variadic else _types(words))
    return Builtin(name, tuple(parameters), tuple(types), variadic, keeps_list, body, edition)


def _types(words: str) -> frozenset[type] | None:
    if words == "any":
        return None
    found = frozenset[type]().union(*(_TYPES[word] for word in words.removesuffix("?").split("|")))
    return found | {type(None)} if words.endswith("?") else found


def choose(candidates: tuple[Builtin, ...], count: int, names: tuple[str, ...]) -> list[Builtin]:
    """Return the declarations that a call with *count* arguments, or with these argument *names*, may mean, best first."""
    if not names:
        return [candidate for candidate in candidates if candidate.takes(count)]
    fitting = [candidate for candidate in candidates if set(candidate.parameters) == set(names)]
    return sorted(fitting, key=lambda candidate: candidate.parameters != names)
