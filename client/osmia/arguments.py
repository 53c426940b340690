"""Check the arguments of calls by their annotations, so that a mistake is named before anything is sent.

gRPC would say `bad argument type for built-in operation`. Here the same says `Expected job_key to be an integer, but found 'abc'`.
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, get_args, get_type_hints

Class = TypeVar("Class", bound=type)
Check = Callable[[object], bool]


def _is_integer(value: object) -> bool:
    """Return whether *value* is a whole number; those of other libraries say so by `__index__`."""
    return hasattr(type(value), "__index__") and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _are_names(value: object) -> bool:
    return not isinstance(value, str | bytes)


_CHECKS: dict[Any, tuple[Check, str]] = {
    int: (_is_integer, "an integer"),
    str: (_is_text, "a text"),
    Sequence[str]: (_are_names, "a list of names"),
}  #: by annotation: the check, and the words that complete "Expected NAME to be"


def checks_arguments(calls: Class) -> Class:
    """Let each public method of *calls* check its arguments that are texts, integers and lists of names. None passes where it is allowed."""
    for name, method in list(vars(calls).items()):
        if inspect.isfunction(method) and not name.startswith("_"):
            checks = _checks_of(method)
            if checks:
                setattr(calls, name, _checking(method, checks))
    return calls


def _checks_of(method: Callable[..., Any]) -> dict[str, tuple[Check, str, bool]]:
    hints = get_type_hints(method)
    checks = {}
    for name in list(inspect.signature(method).parameters)[1:]:
        hint = hints.get(name)
        kinds = [one for one in get_args(hint) if one is not type(None)]
        may_be_none = len(kinds) < len(get_args(hint))
        kind = kinds[0] if may_be_none and len(kinds) == 1 else hint
        if kind in _CHECKS:
            checks[name] = (*_CHECKS[kind], may_be_none)
    return checks


def _checking(method: Callable[..., Any], checks: dict[str, tuple[Check, str, bool]]) -> Callable[..., Any]:
    places = list(inspect.signature(method).parameters)[1:]
    if places and inspect.signature(method).parameters[places[0]].kind is inspect.Parameter.VAR_POSITIONAL:
        places = []

    def check(arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        for name, value in [*zip(places, arguments, strict=False), *named.items()]:
            rule = checks.get(name)
            if rule is not None and not (value is None and rule[2]) and not rule[0](value):
                raise TypeError(f"Expected {name} to be {rule[1]}, but found {value!r}")

    if inspect.iscoroutinefunction(method):

        @functools.wraps(method)
        async def call(self: Any, /, *arguments: Any, **named: Any) -> Any:
            check(arguments, named)
            return await method(self, *arguments, **named)

        return call

    @functools.wraps(method)
    def start(self: Any, /, *arguments: Any, **named: Any) -> Any:
        check(arguments, named)
        return method(self, *arguments, **named)

    return start
