"""Read single values: literals, names, calls, paths, filters, and everything in brackets.

The class below knows no operators; the parser of expressions completes it.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from osmia_broker.feel import syntax
from osmia_broker.feel.syntax import Node
from osmia_broker.feel.tokens import BLANK, is_name, one_blank, starts_value, token_at, trimmed, unquote
from osmia_broker.feel.type_parser import TypeParser

# Names of functions with reserved words in them, which no other name may have.
_RESERVED_CALL = re.compile(rf"(date and time|years and months duration|get or else|and|or){BLANK}*\(")
_RESERVED_CALL_WIDE = re.compile(_RESERVED_CALL.pattern.replace(" ", rf"{BLANK}+"))
_CONTEXT_KEY = re.compile(r"[^{}\[\]():\",`]+")

_EXPONENT = re.compile(r"[eE]([+-]?[0-9]{1,5})(?![\w$])")

ORDERS = frozenset({"<", "<=", ">", ">="})
COMPARISONS = frozenset({"=", "!=", *ORDERS})
_INT_DIGITS = 34  # beyond them a whole number is held as a decimal, which keeps all its digits


class ValueParser(TypeParser):
    """Read values, one method per rule of the grammar; each leaves the cursor behind the text it read."""

    def expression(self) -> Node:
        """Read any expression."""
        raise NotImplementedError

    def arithmetic(self) -> Node:
        """Read operands with arithmetic operators between them."""
        raise NotImplementedError

    def postfix(self, node: Node) -> Node:
        """Read the paths and filters that follow *node*."""
        while True:
            if self.at("."):
                node = self._path(self.value(node))
            elif self.at("[") and not (self.ends_interval and not starts_value(self.next())):
                self.value(node)
                self.deeper()  # a chain of filters nests to the left; `_operand` takes the levels off again
                self.advance()
                node = syntax.Filter(node, self.expression())
                self.expect("]")
            elif self.standard and self.at("("):
                self.deeper()  # as a chain of filters
                node = syntax.Invocation(node, *self._arguments())
            else:
                return node

    def _path(self, source: Node) -> Node:
        """Read `source.a.b`, or the call of a function that stands in a context, `a.b.f()`."""
        names: list[str] = []
        while self.accept("."):
            if self.standard:
                names.append(self._called_property() or self.property_name())
                continue
            if isinstance(source, syntax.Name) and self.token.kind == "name" and (call := self._call_name()):
                return self._call((source.name, *names), call)
            names.append(self.property_name())
        return syntax.Path(source, tuple(names))

    def _called_property(self) -> str:
        """Read the name, maybe with blanks, of an entry that is called; "" if none is called here."""
        return "" if self.known_name() or self.token.kind != "name" else self._call_name()

    # --------------------------------------------------------------------------------------------------- values

    def at_comparison(self) -> bool:
        """Tell whether a comparison without its left side stands here, as in a unary test."""
        return self.token.kind == "operator" and self.token.text in (COMPARISONS if self.standard else ORDERS)

    def primary(self) -> Node:
        """Read one value, without the paths, filters and calls behind it."""
        match self.token.kind:
            case "number":
                return self._number()
            case "string":
                return syntax.StringLiteral(unquote(self.advance().text))
            case "quoted":
                name = self.advance().text[1:-1]
                return self._call((), name) if self.at("(") else syntax.Name(name)
            case "name":
                return self._word()
            case "operator" if self.token.text in _BRACKETS:
                return _BRACKETS[self.token.text](self)
        return self.fail("a value")

    def _number(self) -> Node:
        if len(self.token.text) > self.limits.digits:
            self.fail(f"at most {self.limits.digits} digits")
        text = self.advance().text
        exponent = _EXPONENT.match(self.text, self.token.start) if self.standard else None
        if exponent is not None and self.text[self.token.start - 1] in "0123456789":
            return self._scaled(text, exponent)
        return syntax.NumberLiteral(int(text) if text.isdigit() and len(text) <= _INT_DIGITS else Decimal(text))

    def _scaled(self, text: str, exponent: re.Match[str]) -> Node:
        """Read a number with an exponent, `1.2e3`; *text* is the part before it."""
        if abs(int(exponent[1])) > self.limits.exponent:
            self.fail(f"an exponent up to {self.limits.exponent}")
        self.jump(exponent.end())
        number = Decimal(text + exponent.group())
        whole = number.adjusted() < _INT_DIGITS and number == number.to_integral_value()
        return syntax.NumberLiteral(int(number) if whole else number)

    def _word(self) -> Node:
        """Read a known name, a constant, a call or a variable."""
        known = self.known_name()
        if known is not None:
            self.jump(known[1])
            return self._call((), known[0]) if self.at("(") else syntax.Name(known[0])
        constant = _CONSTANTS.get(self.token.text)
        if constant is not None:
            self.advance()
            return constant
        call = self._call_name()
        if call:
            return self._call((), call)
        return syntax.Name(self.name("a value"))

    def _call_name(self) -> str:
        """Return the name of the function called here and step past it; "" if this is no call."""
        found = (_RESERVED_CALL_WIDE if self.standard else _RESERVED_CALL).match(self.text, self.token.start)
        if found is not None:
            self.jump(found.end(1))
            return one_blank(found[1])
        last, following = self.token, self.token
        while is_name(following) and following.text not in {"between", "instance"}:
            last, following = following, token_at(self.text, following.end)
        if following.text != "(" or following.kind != "operator" or not is_name(last):
            return ""
        name = self.text[self.token.start : last.end]
        self.jump(last.end)
        return one_blank(name) if self.standard else name

    def _call(self, owner: tuple[str, ...], name: str) -> Node:
        return syntax.Call(owner, name, *self._arguments())

    def _arguments(self) -> tuple[tuple[Node, ...], tuple[str, ...]]:
        """Read the arguments of a call with their brackets; the names are empty for positional arguments."""
        self.expect("(")
        named = self.at_parameter_name()
        arguments: list[Node] = []
        names: list[str] = []
        while not (self.at(")") and not arguments):
            if named:
                names.append(self.parameter_name())
            arguments.append(self.expression())
            if not self.accept(","):
                break
        self.expect(")")
        return tuple(arguments), tuple(names)

    def input(self) -> Node:
        """Read `?`."""
        self.advance()
        return syntax.Input()

    def temporal(self) -> Node:
        """Read `@"2020-01-01"`."""
        self.advance()
        if self.token.kind != "string":
            self.fail("a string after '@'")
        return syntax.Temporal(unquote(self.advance().text))

    def parenthesis(self) -> Node:
        """Read `(expression)`, an interval with an open start, or in a cell `(> 3)`, which means `? > 3`."""
        self.advance()
        if self.at_comparison() and (self.in_cell or self.standard):
            operator = self.advance().text
            operand = self.value(self.arithmetic())
            self.expect(")")
            if self.in_cell:
                return syntax.Comparison(operator, syntax.Input(), operand)
            return syntax.OpenRange(operator, operand)
        node = self.expression()
        if self.at(".."):
            return self.interval_end(node, included=False)
        self.expect(")")
        return node

    def open_interval(self) -> Node:
        """Read `]a..b]`."""
        self.advance()
        return self.interval_end(self.arithmetic(), included=False)

    def list_or_interval(self) -> Node:
        """Read `[a, b]`, or an interval with a closed start."""
        self.advance()
        items: list[Node] = []
        while not (self.at("]") and not items):
            items.append(self.expression())
            if len(items) == 1 and self.at(".."):
                return self.interval_end(items[0], included=True)
            if not self.accept(","):
                break
        self.expect("]")
        return syntax.ListLiteral(tuple(items))

    def interval_end(self, start: Node, *, included: bool) -> Node:
        """Read the rest of an interval whose *start* has been read."""
        self.value(start)
        self.expect("..")
        ends_interval, self.ends_interval = self.ends_interval, True
        end = self.value(self.arithmetic())
        self.ends_interval = ends_interval
        if self.token.kind != "operator" or self.token.text not in {"]", ")", "["}:
            self.fail("the end of an interval")
        return syntax.Interval(start, included, end, self.advance().text == "]")

    def context(self) -> Node:
        """Read `{key: value}`."""
        self.advance()
        entries: list[tuple[str, Node]] = []
        while not (self.at("}") and not entries):
            key = self._context_key()
            self.learn(key)
            self.expect(":")
            entries.append((key, self.expression()))
            if not self.accept(","):
                break
        self.expect("}")
        return syntax.ContextLiteral(tuple(entries))

    def _context_key(self) -> str:
        """Read a name, a string, or nearly anything else before the colon: `{a+b: 1}` has the key "a+b" (measured)."""
        if self.token.kind == "string":
            return unquote(self.advance().text)
        if self.token.kind == "quoted":
            return self.advance().text[1:-1]
        found = _CONTEXT_KEY.match(self.text, self.token.start)
        if found is None:
            self.fail("a key")
        self.jump(found.end())
        return one_blank(found.group()) if self.standard else trimmed(found.group())

    def value(self, node: Node) -> Node:
        """Return *node*; an interval cannot be an operand in the reference dialect."""
        if isinstance(node, syntax.Interval) and not self.standard:
            self.fail("no operator on an interval")
        return node


_BRACKETS: dict[str, Callable[[Any], Node]] = {
    "(": ValueParser.parenthesis,
    "[": ValueParser.list_or_interval,
    "]": ValueParser.open_interval,
    "{": ValueParser.context,
    "?": ValueParser.input,
    "@": ValueParser.temporal,
}
_CONSTANTS: dict[str, Node] = {
    "null": syntax.Null(),
    "true": syntax.Boolean(value=True),
    "false": syntax.Boolean(value=False),
}
