"""Check values against the types that a model declares.

The reference checks the result of a decision and the arguments of a knowledge model against eight basic types, and ignores all
others (measured on its engine, 1.10.0). DMN 1.4 and 1.5 have more: the types of the model itself, and the step from a value to a list
of one and back (10.3.2.9.4).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

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
    """The types of one model. *of_model* holds the tests of its item definitions by name; they are built by `define`."""

    def __init__(self) -> None:
        self.of_model: dict[str, TypeTest] = {}
        self._basic: Mapping[str, TypeTest] = {}
        self._is_standard = False

    def define(self, root: etree._Element, expressions: Expressions) -> None:
        """Read the item definitions of *root*; the reference's dialect has none."""
        self._is_standard = expressions.is_standard
        names = _STANDARD if self._is_standard else _REFERENCE
        self._basic = {name: type_test(Type(feel_name), {}) for name, feel_name in names.items()}
        for element in children(root, "itemDefinition") if self._is_standard else ():
            self.of_model[" ".join(attribute(element, "name").split())] = self._item(element, expressions)

    def declared(self, element: etree._Element | None) -> DeclaredType | None:
        """Return the type in the `typeRef` of *element*; None if there is none, or an unknown one."""
        name = "" if element is None else attribute(element, "typeRef")
        short = name.removeprefix("feel:")
        test = self._find(name)
        return None if test is None else DeclaredType(short, test, self._is_standard)

    def declared_logic(self, element: etree._Element) -> DeclaredType | None:
        """Return the type of a boxed expression, which the reference ignores."""
        return self.declared(element) if self._is_standard else None

    def _find(self, name: str) -> TypeTest | None:
        name = " ".join(name.split())
        return self.of_model.get(name) or self._basic.get(name.removeprefix("feel:"))

    def _item(self, element: etree._Element, expressions: Expressions) -> TypeTest:
        """Return the test of an item definition, or of a component of one."""
        item = self._content(element, expressions)
        collection = attribute(element, "isCollection") == "true"
        allowed = list(self._constraints(element, expressions, "allowedValues"))
        whole = list(self._constraints(element, expressions, "typeConstraint"))

        def one(value: Value) -> bool:
            return item(value) and all(test(value) for test in allowed)

        def whole_value(value: Value) -> bool:
            if collection:
                fits = type(value) is list and all(each is None or one(each) for each in value)
            else:
                fits = one(value)
            return fits and all(test(value) for test in whole)

        return whole_value

    def _content(self, element: etree._Element, expressions: Expressions) -> TypeTest:
        """Return the test of the type, the components or the function that *element* names; true if it names none."""
        if (function := child(element, "functionItem")) is not None:
            return _function(len(list(children(function, "parameters"))))
        components = {
            " ".join(attribute(each, "name").split()): self._item(each, expressions)
            for each in children(element, "itemComponent")
        }
        if components:
            return _context(components)
        type_ref = child(element, "typeRef")
        name = (type_ref.text or "").strip() if type_ref is not None else ""

        def named(value: Value) -> bool:  # looked up when it is needed: definitions stand in any order, and in circles
            test = self._find(name)
            return test is None or test(value)

        return named

    def _constraints(self, element: etree._Element, expressions: Expressions, tag: str) -> Iterator[TypeTest]:
        found = child(element, tag)
        if found is not None and text_of(found):
            tests = expressions.any_unary_tests(found)
            yield lambda value: tests.evaluate({}, value).value is True


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
