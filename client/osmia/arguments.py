"""Check the arguments of calls by their annotations, so that a mistake is named before anything is sent.

gRPC would say `bad argument type for built-in operation`. Here the same says `Expected job_key to be an integer, but found 'abc'`.
"""

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

Class = TypeVar("Class", bound=type)
Check = Callable[[object], bool]


def _is_integer(value: object) -> bool:
    """Return whether *value* is a whole number; those of other libraries say so by `__index__`."""
    return hasattr(type(value), "__index__") and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _are_bytes(value: object) -> bool:
    return isinstance(value, bytes)


def _are_names(value: object) -> bool:
    return not isinstance(value, str | bytes)


class _Rule(NamedTuple):
    """The rule of one argument: the usual type, a check of any other value, and the words that complete "Expected NAME to be"."""

    usual: type
    check: Check
    expected: str
    may_be_none: bool = False


#: By annotation.
_RULES: dict[Any, _Rule] = {
    int: _Rule(int, _is_integer, "an integer"),
    str: _Rule(str, _is_text, "a text"),
    bytes: _Rule(bytes, _are_bytes, "bytes"),
    Sequence[str]: _Rule(tuple, _are_names, "a list of names"),
    Iterable[str]: _Rule(tuple, _are_names, "a list of names"),
}


_WORDS = _Rule(tuple, _are_names, "a list")  #: of words that have a type of their own: `Iterable[JobState | str]`


def calls_of(place: str) -> Callable[[Class], Class]:
    """Return a decorator for a class of calls that people reach at *place*, such as `Client.user_tasks`.

    Each public method checks its arguments that are texts, bytes, integers and lists of names. None passes where it is allowed.
    Python's own errors name the method by its place too: whoever calls it does not know the class.
    """

    def dress(calls: Class) -> Class:
        for name, method in list(vars(calls).items()):
            if inspect.isfunction(method) and not name.startswith("_"):
                method.__qualname__ = f"{place}.{name}"
                rules = _rules_of(method)
                if rules:
                    setattr(calls, name, _checking(method, rules))
        return calls

    return dress


def _rules_of(method: Callable[..., Any]) -> dict[str, _Rule]:
    hints = get_type_hints(method)
    rules = {}
    for name in list(inspect.signature(method).parameters)[1:]:
        hint = hints.get(name)
        kinds = [one for one in get_args(hint) if one is not type(None)]
        may_be_none = len(kinds) < len(get_args(hint))
        kind = kinds[0] if may_be_none and len(kinds) == 1 else hint
        rule = _RULES.get(kind) or (
            _WORDS if get_origin(kind) is Iterable and str in get_args(get_args(kind)[0]) else None
        )
        if rule is not None:
            rules[name] = rule._replace(may_be_none=may_be_none)
    return rules


def _checking(method: Callable[..., Any], rules: dict[str, _Rule]) -> Callable[..., Any]:
    check = _check(method, rules)
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


def _check(method: Callable[..., Any], rules: dict[str, _Rule]) -> Callable[[tuple[Any, ...], dict[str, Any]], None]:
    """Return the check of the arguments of *method*, given by place and by name."""
    parameters = list(inspect.signature(method).parameters.values())[1:]
    places = [one.name for one in parameters if one.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    by_place = [rules.get(name) for name in places]

    def check(arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        for place, value in enumerate(arguments[: len(places)]):
            rule = by_place[place]
            if rule is not None and type(value) is not rule.usual:
                _refuse(places[place], rule, value)
        for name, value in named.items():
            rule = rules.get(name)
            if rule is not None and type(value) is not rule.usual:
                _refuse(name, rule, value)

    return check


def _refuse(name: str, rule: _Rule, value: object) -> None:
    if not (value is None and rule.may_be_none) and not rule.check(value):
        raise TypeError(f"Expected {name} to be {rule.expected}, but found {value!r}")
