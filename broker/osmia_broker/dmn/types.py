"""Check values against the types that a model declares.

The reference checks the result of a decision and the arguments of a knowledge model against eight basic types, and ignores all
others (measured on its engine, 1.10.0). DMN 1.4 and 1.5 have more: the types of the model itself, and the step from a value to a list
of one and back (10.3.2.9.4).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from lxml import etree

from osmia_broker import feel
from osmia_broker.dmn.document import attribute, child, children, text_of
from osmia_broker.dmn.errors import EvaluationFailed, shorten
from osmia_broker.dmn.expressions import Expressions
from osmia_broker.dmn.run import Value
from osmia_broker.feel.syntax import Type
from osmia_broker.feel.types import Misfit, TypeTest, coerced, type_test

_REFERENCE = {
    "string": "string",
    "number": "number",
    "boolean": "boolean",
    "date": "date",
    "time": "time",
    "dateTime": "date and time",
    "dayTimeDuration": "days and time duration",
    "yearMonthDuration": "years and months duration",
}
_STANDARD = _REFERENCE | {
    name: name
    for name in (
        "date and time",
        "days and time duration",
        "years and months duration",
        "list",
        "context",
        "function",
        "range",
        "Any",
    )
}
_SHOWN = feel.compile("string(value)")
_QUOTED = feel.compile("string([value])")


@dataclass(frozen=True, slots=True)
class DeclaredType:
    """A type that a model gives a value. If it *coerces*, the item of a list of one fits too, and the other way round."""

    name: str
    test: TypeTest
    coerces: bool

    def fit(self, value: Value) -> Value:
        """Return *value*, coerced if need be. Null is of any type.

        Raises:
            EvaluationFailed: it is of another type.
        """
        if value is None or (not self.coerces and self.test(value)):
            return value
        if self.coerces:
            try:
                return coerced(value, self.test)
            except Misfit:
                pass
        raise EvaluationFailed(f"expected '{self.name}' but found '{_text(value)}'")


def _text(value: Value) -> str:
    """Return *value* as FEEL writes it, a string in quotes."""
    if isinstance(value, str):
        return shorten(str(_QUOTED.evaluate({"value": value}).value)[1:-1])
    return shorten(str(_SHOWN.evaluate({"value": value}).value or feel.type_name(value).lower()))


class Types:
    """The types of one model.

    *of_model* holds the tests of its item definitions by name, for FEEL. There the allowed values do not count: `300 instance
    of tAge` is true for any number (DMN TCK 0070). They count for a value that is declared to be of the type.
    """

    def __init__(self) -> None:
        self.of_model: dict[str, TypeTest] = {}
        self._declared: dict[str, TypeTest] = {}
        self._basic: Mapping[str, TypeTest] = {}
        self._is_standard = False

    def define(self, root: etree._Element, expressions: Expressions) -> None:
        """Read the item definitions of *root*; the reference's dialect has none."""
        self._is_standard = expressions.is_standard
        names = _STANDARD if self._is_standard else _REFERENCE
        self._basic = {name: type_test(Type(feel_name), {}) for name, feel_name in names.items()}
        if not self._is_standard:
            return
        plain = _Definitions({**self._basic}, lambda _element, _tag: ())
        declared = _Definitions({**self._basic}, partial(_constraints, expressions))
        for element in children(root, "itemDefinition"):
            name = _name(element)
            self.of_model[name] = plain.define(name, element)
            self._declared[name] = declared.define(name, element)

    def declared(self, element: etree._Element | None) -> DeclaredType | None:
        """Return the type in the `typeRef` of *element*; None if there is none, or an unknown one."""
        name = " ".join(attribute(element, "typeRef").split()) if element is not None else ""
        short = name.removeprefix("feel:")
        test = self._declared.get(name) or self._basic.get(short)
        return None if test is None else DeclaredType(short, test, self._is_standard)

    def declared_logic(self, element: etree._Element) -> DeclaredType | None:
        """Return the type of a boxed expression, which the reference ignores."""
        return self.declared(element) if self._is_standard else None


class _Definitions:
    """Build the tests of item definitions. *known* are types by name, *constraints* the tests that a child with a tag adds."""

    def __init__(
        self, known: dict[str, TypeTest], constraints: Callable[[etree._Element, str], Sequence[TypeTest]]
    ) -> None:
        self._known = known
        self._constraints = constraints

    def define(self, name: str, element: etree._Element) -> TypeTest:
        """Return the test of an item definition, which others may refer to by *name*."""
        self._known[name] = self._item(element)
        return self._known[name]

    def _item(self, element: etree._Element) -> TypeTest:
        """Return the test of an item definition, or of a component of one."""
        item, allowed = self._content(element), self._constraints(element, "allowedValues")
        whole = self._constraints(element, "typeConstraint")

        def one(value: Value) -> bool:
            return item(value) and all(test(value) for test in allowed)

        def several(value: Value) -> bool:
            return type(value) is list and all(each is None or one(each) for each in value)

        test = several if attribute(element, "isCollection") == "true" else one
        return lambda value: test(value) and all(each(value) for each in whole)

    def _content(self, element: etree._Element) -> TypeTest:
        """Return the test of the type, the components or the function that *element* names; true if it names none."""
        if (function := child(element, "functionItem")) is not None:
            return _function(len(list(children(function, "parameters"))))
        components = {_name(each): self._item(each) for each in children(element, "itemComponent")}
        if components:
            return _context(components)
        type_ref = child(element, "typeRef")
        name = "" if type_ref is None else " ".join((type_ref.text or "").split())

        def named(value: Value) -> bool:  # looked up when it is needed: definitions stand in any order, and in circles
            test = self._known.get(name) or self._known.get(name.removeprefix("feel:"))
            return test is None or test(value)

        return named


def _name(element: etree._Element) -> str:
    return " ".join(attribute(element, "name").split())


def _constraints(expressions: Expressions, element: etree._Element, tag: str) -> Sequence[TypeTest]:
    found = child(element, tag)
    if found is None or not text_of(found):
        return ()
    tests = expressions.test(found, text_of(found))
    return (lambda value: tests.evaluate({}, value).value is True,)


def _function(parameters: int) -> TypeTest:
    """Return the test of a function; a built-in one takes a number of parameters that varies."""
    return lambda value: (
        isinstance(value, feel.Function) and (value.dispatch is not None or len(value.parameters) == parameters)
    )


def _context(components: Mapping[str, Callable[[Value], bool]]) -> TypeTest:
    """Return the test of a context that has at least the *components*."""
    return lambda value: (
        isinstance(value, dict)
        and all(name in value and (value[name] is None or test(value[name])) for name, test in components.items())
    )
