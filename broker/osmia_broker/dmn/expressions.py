"""Compile the FEEL texts of a model, each text once, and collect all faults."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from lxml import etree

from osmia_broker import feel
from osmia_broker.dmn.column_index import constants_of, is_wildcard
from osmia_broker.dmn.document import attribute, text_of
from osmia_broker.dmn.errors import Fault, shorten

Compiled = TypeVar("Compiled")

_NULL = feel.compile("null")  # stands in for an expression with a fault, so that the search for faults goes on
_ANY = feel.compile_unary_tests("-")


class Expressions:
    """The compiler of one model; *faults* grows with each text that does not compile.

    *vocabulary* is the dialect of the model's version of DMN, with the names that the model gives.
    """

    def __init__(self, default_language: str, vocabulary: feel.Vocabulary) -> None:
        self.is_standard = vocabulary.dialect is feel.Dialect.STANDARD
        functions = feel.STANDARD_FUNCTIONS if self.is_standard else feel.DECISION_FUNCTIONS
        self._compile_expression = partial(feel.compile, functions=functions, vocabulary=vocabulary)
        self._compile_tests = partial(feel.compile_unary_tests, functions=functions, vocabulary=vocabulary)
        self.faults: list[Fault] = []
        self._default_language = default_language
        self._expressions: dict[str, feel.Expression] = {}
        self._tests: dict[str, feel.UnaryTests] = {}

    def literal(self, element: etree._Element) -> feel.Expression:
        """Compile the expression in the `text` of *element*. Without one it is null, and a fault."""
        text = text_of(element)
        if not text:
            self.fault(element, "Expected an expression, but found an empty text")
            return _NULL
        return self.expression(element, text)

    def expression(self, element: etree._Element, text: str) -> feel.Expression:
        """Compile the expression *text*; *element* is the place of a fault."""
        return self._compile(
            element, text, _Kind("FEEL expression", self._compile_expression, self._expressions, _NULL)
        )

    def unary_tests(self, element: etree._Element) -> feel.UnaryTests | None:
        """Compile the test in the `text` of *element*; None if the index of its column answers for it."""
        text = text_of(element)
        if is_wildcard(text) or constants_of(text) is not None:
            return None
        return self.test(element, text)

    def test(self, element: etree._Element, text: str) -> feel.UnaryTests:
        """Compile the test *text*; *element* is the place of a fault."""
        return self._compile(element, text, _Kind("FEEL unary-tests", self._compile_tests, self._tests, _ANY))

    def fault(self, element: etree._Element, reason: str) -> None:
        """Add a fault of *element*, with its *reason*."""
        self.faults.append(Fault(nearest_id(element), reason))

    def _compile(self, element: etree._Element, text: str, kind: "_Kind[Compiled]") -> Compiled:
        language = attribute(element, "expressionLanguage") or self._default_language
        if language and "feel" not in language.lower():
            self.fault(element, f"Expected expression language 'feel', but found '{shorten(language)}'")
            return kind.instead
        if text not in kind.compiled:
            try:
                kind.compiled[text] = kind.compile(text)
            except feel.ParseError as error:
                self.fault(element, f"{kind.name}: {error}")
                return kind.instead
        return kind.compiled[text]


@dataclass(frozen=True, slots=True)
class _Kind(Generic[Compiled]):
    """Expressions or tests: their name, their compiler, the compiled ones by text, and a substitute for one with a fault."""

    name: str
    compile: Callable[[str], Compiled]
    compiled: dict[str, Compiled]
    instead: Compiled


def nearest_id(element: etree._Element) -> str:
    """Return the id of *element*, or of the closest element around it that has one."""
    around: etree._Element | None = element
    while around is not None and not around.get("id"):
        around = around.getparent()
    return "" if around is None else attribute(around, "id")
