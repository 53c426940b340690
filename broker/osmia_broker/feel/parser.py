"""Reads a text by the grammar of FEEL and gives its syntax tree.

A hand-written descent, one method per rule, decided by looking at most a few tokens ahead; the only text read twice is
`not(...)` at the head of unary tests. Nesting is counted, so that no text can exhaust Python's stack.

Precedence from low to high: `if for some every function`; `or`; `and`; one comparison; `+ -`; `* /`; `**`; `-x`; path and
filter. All operators group from the left and comparisons do not chain (measured on the reference broker).
"""

import re
from collections.abc import Callable
from decimal import Decimal

from osmia_broker.feel import syntax
from osmia_broker.feel.cursor import Cursor
from osmia_broker.feel.errors import ParseError
from osmia_broker.feel.limits import DEFAULT_LIMITS, Limits
from osmia_broker.feel.syntax import Node
from osmia_broker.feel.tokens import (
    BLANK,
    NAME,
    WIDE_PROPERTIES,
    WIDE_TYPES,
    is_name,
    starts_value,
    token_at,
    trimmed,
    unquote,
)


def parse(text: str, limits: Limits = DEFAULT_LIMITS) -> Node:
    """The tree of the expression *text*; raises `ParseError`."""
    parser = _Parser(text, limits)
    node = parser.expression()
    parser.end()
    return node


def parse_unary_tests(text: str, limits: Limits = DEFAULT_LIMITS) -> syntax.Tests:
    """The tree of the unary tests *text* as a cell of a decision table holds them; raises `ParseError`."""
    return _Parser(text, limits).unary_tests()


_COMPARISONS = frozenset({"=", "!=", "<", "<=", ">", ">="})
_ORDERS = frozenset({"<", "<=", ">", ">="})

# Function names with reserved words in them, which no other name may have.
_RESERVED_CALL = re.compile(rf"(date and time|years and months duration|get or else|and|or){BLANK}*\(")
_WIDE_PROPERTY = re.compile(rf"(?:{'|'.join(WIDE_PROPERTIES)})(?![\w$])")
_WIDE_TYPE = re.compile(rf"(?:{'|'.join(WIDE_TYPES)})(?![\w$])")
_PARAMETER_NAME = re.compile(rf"({NAME}(?:\s+{NAME})*){BLANK}*:")
_CONTEXT_KEY = re.compile(r"[^{}\[\]():\",`]+")

_INT_DIGITS = 34  # beyond them a whole number is held as a decimal, which keeps all its digits


class _Parser(Cursor):
    """One method per rule of the grammar; each leaves the cursor behind what it read."""

    # ---------------------------------------------------------------------------------------------- expressions

    def expression(self) -> Node:
        """Any expression."""
        ends_interval, self.ends_interval = self.ends_interval, False
        if self.token.kind == "name" and self.token.text in _KEYWORDS and self._opens_keyword():
            self.deeper()
            node = _KEYWORDS[self.token.text](self)
            self.depth -= 1
        else:
            node = self._logic()
        self.ends_interval = ends_interval
        return node

    def _opens_keyword(self) -> bool:
        """Whether `if`, `for`, `some` or `every` is meant as a keyword; alone they are names."""
        following = self.next()
        if self.token.text == "if":
            return starts_value(following) or following.text in {"and", "or"}
        return self.token.text == "function" or following.kind == "quoted" or is_name(following)

    def branches(self) -> Node:
        """`if c then a else if d then b else e`."""
        branches = []
        while True:
            self.expect("if")
            condition = self.expression()
            self.expect("then")
            branches.append((condition, self.expression()))
            self.expect("else")
            if not (self.at("if") and self._opens_keyword()):
                return syntax.If(tuple(branches), self.expression())

    def loop(self) -> Node:
        """`for i in list return body`."""
        self.expect("for")
        iterators = self._iterators()
        self.expect("return")
        return syntax.For(iterators, self.expression())

    def quantified(self) -> Node:
        """`some i in list satisfies condition`, or `every`."""
        quantifier = self.advance().text
        iterators = self._iterators()
        self.expect("satisfies")
        return syntax.Quantified(quantifier, iterators, self.expression())

    def _iterators(self) -> tuple[syntax.Iterator, ...]:
        iterators = [self._iterator()]
        while self.accept(","):
            iterators.append(self._iterator())
        return tuple(iterators)

    def _iterator(self) -> syntax.Iterator:
        name = self._name("the name of an iteration variable")
        self.expect("in")
        source = self._value(self.expression())
        end = self._value(self._arithmetic()) if self.accept("..") else None
        return syntax.Iterator(name, source, end)

    def function(self) -> Node:
        """`function(a, b) body`."""
        self.expect("function")
        self.expect("(")
        parameters: list[str] = []
        while not self.at(")"):
            if parameters:
                self.expect(",")
            parameters.append(self._name("the name of a parameter"))
        self.expect(")")
        return syntax.FunctionLiteral(tuple(parameters), self.expression())

    def _logic(self) -> Node:
        """`or` over `and` over comparisons."""
        alternatives = [self._conjunction()]
        while self.at("or"):
            self._value(alternatives[-1])
            self.advance()
            alternatives.append(self._value(self._conjunction()))
        return alternatives[0] if len(alternatives) == 1 else syntax.Logic("or", tuple(alternatives))

    def _conjunction(self) -> Node:
        conditions = [self._comparison()]
        while self.at("and"):
            self._value(conditions[-1])
            self.advance()
            conditions.append(self._value(self._comparison()))
        return conditions[0] if len(conditions) == 1 else syntax.Logic("and", tuple(conditions))

    def _comparison(self) -> Node:
        left = self._arithmetic()
        if self.token.kind == "operator" and self.token.text in _COMPARISONS:
            self._value(left)
            operator = self.advance().text
            return syntax.Comparison(operator, left, self._value(self._arithmetic()))
        if self.token.kind != "name" or self.token.text not in {"in", "between", "instance"}:
            return left
        self._value(left)
        match self.advance().text:
            case "in":
                return syntax.In(left, self._in_tests())
            case "between":
                low = self._value(self._arithmetic())
                self.expect("and")
                return syntax.Between(left, low, self._value(self._arithmetic()))
            case _:
                self.expect("of")
                return syntax.InstanceOf(left, self._type())

    def _type(self) -> str:
        found = _WIDE_TYPE.match(self.text, self.token.start)
        if found is not None:
            self.jump(found.end())
            return found.group()
        return self._name("the name of a type")

    def _arithmetic(self) -> Node:
        """A flat run of operands and operators, grouped by precedence afterwards, tightest first."""
        operands, operators = [self._operand()], []
        while self.token.kind == "operator" and self.token.text[0] in "+-*/":
            self._value(operands[-1])
            operators.append(self._arithmetic_operator())
            operands.append(self._value(self._operand()))
        for level in _LEVELS if operators else ():
            operands, operators = _group(operands, operators, level)
        return operands[0]

    def _arithmetic_operator(self) -> str:
        text = self.token.text
        if text[0] != "-":
            return self.advance().text
        self.jump(self.token.start + 1)  # in `2--3` the second sign belongs to the number
        return "-"

    def _operand(self) -> Node:
        """A value with its paths and filters, or the negation of one."""
        outside = self.depth
        self.deeper()
        signs = 0
        if self.token.text.startswith("-") and self.token.kind == "operator":
            signs = len(self.advance().text)
            if self.token.text.startswith("-"):
                self.fail("a value")
        node = self._postfix(self._primary())
        for _ in range(2 - signs % 2 if signs else 0):
            node = syntax.Negation(self._value(node))
        self.depth = outside
        return node

    def _postfix(self, node: Node) -> Node:
        while True:
            if self.at("."):
                node = self._path(self._value(node))
            elif self.at("[") and not (self.ends_interval and not starts_value(self.next())):
                self._value(node)
                self.deeper()  # a chain of filters nests to the left; `_operand` takes the levels off again
                self.advance()
                node = syntax.Filter(node, self.expression())
                self.expect("]")
            else:
                return node

    def _path(self, source: Node) -> Node:
        """`source.a.b`, or the call of a function that stands in a context, `a.b.f()`."""
        names: list[str] = []
        while self.accept("."):
            if isinstance(source, syntax.Name) and self.token.kind == "name" and (call := self._call_name()):
                return self._call((source.name, *names), call)
            names.append(self._property())
        return syntax.Path(source, tuple(names))

    def _property(self) -> str:
        found = _WIDE_PROPERTY.match(self.text, self.token.start)
        if found is None:
            return self._name("the name of a property")
        self.jump(found.end())
        return found.group()

    # --------------------------------------------------------------------------------------------------- values

    def _primary(self) -> Node:
        match self.token.kind:
            case "number":
                return self._number()
            case "string":
                return syntax.StringLiteral(unquote(self.advance().text))
            case "quoted":
                return syntax.Name(self.advance().text[1:-1])
            case "name":
                return self._word()
            case "operator" if self.token.text in _BRACKETS:
                return _BRACKETS[self.token.text](self)
        return self.fail("a value")

    def _number(self) -> Node:
        if len(self.token.text) > self.limits.digits:
            self.fail(f"at most {self.limits.digits} digits")
        text = self.advance().text
        return syntax.NumberLiteral(int(text) if text.isdigit() and len(text) <= _INT_DIGITS else Decimal(text))

    def _word(self) -> Node:
        """A constant, a call or a variable."""
        constant = _CONSTANTS.get(self.token.text)
        if constant is not None:
            self.advance()
            return constant
        call = self._call_name()
        if call:
            return self._call((), call)
        return syntax.Name(self._name("a value"))

    def _call_name(self) -> str:
        """The name of the function called here, blanks as written, and step past it; "" if this is no call."""
        found = _RESERVED_CALL.match(self.text, self.token.start)
        if found is not None:
            self.jump(found.end(1))
            return found[1]
        last, following = self.token, self.token
        while is_name(following) and following.text not in {"between", "instance"}:
            last, following = following, token_at(self.text, following.end)
        if following.text != "(" or following.kind != "operator" or not is_name(last):
            return ""
        name = self.text[self.token.start : last.end]
        self.jump(last.end)
        return name

    def _call(self, owner: tuple[str, ...], name: str) -> Node:
        self.expect("(")
        named = _PARAMETER_NAME.match(self.text, self.token.start) is not None
        arguments: list[Node] = []
        names: list[str] = []
        while not (self.at(")") and not arguments):
            if named:
                names.append(self._parameter_name())
            arguments.append(self.expression())
            if not self.accept(","):
                break
        self.expect(")")
        return syntax.Call(owner, name, tuple(arguments), tuple(names))

    def _parameter_name(self) -> str:
        found = _PARAMETER_NAME.match(self.text, self.token.start)
        if found is None:
            self.fail("the name of a parameter and ':'")
        self.jump(found.end())
        return found[1]

    def _name(self, expected: str) -> str:
        if self.token.kind == "quoted":
            return self.advance().text[1:-1]
        if not is_name(self.token):
            self.fail(expected)
        return self.advance().text

    def input(self) -> Node:
        """`?`."""
        self.advance()
        return syntax.Input()

    def temporal(self) -> Node:
        """`@"2020-01-01"`."""
        self.advance()
        if self.token.kind != "string":
            self.fail("a string after '@'")
        return syntax.Temporal(unquote(self.advance().text))

    def parenthesis(self) -> Node:
        """`(expression)`, or an interval with an open start."""
        self.advance()
        node = self.expression()
        if self.at(".."):
            return self._interval_end(node, included=False)
        self.expect(")")
        return node

    def open_interval(self) -> Node:
        """`]a..b]`."""
        self.advance()
        return self._interval_end(self._arithmetic(), included=False)

    def list_or_interval(self) -> Node:
        """`[a, b]`, or an interval with a closed start."""
        self.advance()
        items: list[Node] = []
        while not (self.at("]") and not items):
            items.append(self.expression())
            if len(items) == 1 and self.at(".."):
                return self._interval_end(items[0], included=True)
            if not self.accept(","):
                break
        self.expect("]")
        return syntax.ListLiteral(tuple(items))

    def _interval_end(self, start: Node, *, included: bool) -> Node:
        self._value(start)
        self.expect("..")
        ends_interval, self.ends_interval = self.ends_interval, True
        end = self._value(self._arithmetic())
        self.ends_interval = ends_interval
        if self.token.kind != "operator" or self.token.text not in {"]", ")", "["}:
            self.fail("the end of an interval")
        return syntax.Interval(start, included, end, self.advance().text == "]")

    def context(self) -> Node:
        """`{key: value}`."""
        self.advance()
        entries: list[tuple[str, Node]] = []
        while not (self.at("}") and not entries):
            key = self._context_key()
            self.expect(":")
            entries.append((key, self.expression()))
            if not self.accept(","):
                break
        self.expect("}")
        return syntax.ContextLiteral(tuple(entries))

    def _context_key(self) -> str:
        """A name, a string, or nearly anything else before the colon: `{a+b: 1}` has the key "a+b" (measured)."""
        if self.token.kind == "string":
            return unquote(self.advance().text)
        if self.token.kind == "quoted":
            return self.advance().text[1:-1]
        found = _CONTEXT_KEY.match(self.text, self.token.start)
        if found is None:
            self.fail("a key")
        self.jump(found.end())
        return trimmed(found.group())

    def _value(self, node: Node) -> Node:
        """*node*, unless it is an interval: those cannot be operands."""
        if isinstance(node, syntax.Interval):
            self.fail("no operator on an interval")
        return node

    # ---------------------------------------------------------------------------------------------- unary tests

    def unary_tests(self) -> syntax.Tests:
        """Everything a cell may hold: nothing or `-`, tests with commas, or `not(tests)`."""
        if self.token.kind == "end" or (self.at("-") and self.next().kind == "end"):
            return syntax.Tests((), negated=False)
        if self.at("not") and self.next().text == "(":
            return self._negated_tests()
        tests = self._tests()
        self.end()
        return syntax.Tests(tests, negated=False)

    def _negated_tests(self) -> syntax.Tests:
        """`not(tests)`; or an expression that only begins so, as `not(a) and b`."""
        start = self.token.start
        try:
            self.advance()
            self.expect("(")
            tests = self._tests()
            self.expect(")")
            self.end()
        except ParseError as error:
            return self._tests_instead(start, error)
        return syntax.Tests(tests, negated=True)

    def _tests_instead(self, start: int, error: ParseError) -> syntax.Tests:
        self.depth, self.ends_interval = 0, False
        self.jump(start)
        try:
            tests = self._tests()
            self.end()
        except ParseError as other:
            raise (other if other.position > error.position else error) from None
        return syntax.Tests(tests, negated=False)

    def _tests(self) -> tuple[Node, ...]:
        tests = [self._test()]
        while self.accept(","):
            tests.append(self._test())
        return tuple(tests)

    def _test(self) -> Node:
        if self.token.kind == "operator" and self.token.text in _ORDERS:
            operator = self.advance().text
            return syntax.CompareInput(operator, self._value(self._arithmetic()))
        return self.expression()

    def _in_tests(self) -> tuple[Node, ...]:
        """What follows `in`: one test, or several in parentheses."""
        if not self.at("("):
            if self.token.kind == "operator" and self.token.text in _ORDERS:
                return (self._test(),)
            return (self._arithmetic(),)
        self.advance()
        tests = [self._test()]
        if self.at(".."):
            return (self._interval_end(tests[0], included=False),)
        while self.accept(","):
            tests.append(self._test())
        self.expect(")")
        return tuple(tests)


_KEYWORDS: dict[str, Callable[[_Parser], Node]] = {
    "if": _Parser.branches,
    "for": _Parser.loop,
    "some": _Parser.quantified,
    "every": _Parser.quantified,
    "function": _Parser.function,
}
_BRACKETS: dict[str, Callable[[_Parser], Node]] = {
    "(": _Parser.parenthesis,
    "[": _Parser.list_or_interval,
    "]": _Parser.open_interval,
    "{": _Parser.context,
    "?": _Parser.input,
    "@": _Parser.temporal,
}
_CONSTANTS: dict[str, Node] = {
    "null": syntax.Null(),
    "true": syntax.Boolean(value=True),
    "false": syntax.Boolean(value=False),
}
_LEVELS = (frozenset({"**"}), frozenset({"*", "/"}), frozenset({"+", "-"}))


def _group(operands: list[Node], operators: list[str], level: frozenset[str]) -> tuple[list[Node], list[str]]:
    """Join all operands that an operator of *level* stands between; give what is left of both lists."""
    joined, left = [], []
    first, rest = operands[0], []
    for operator, operand in zip(operators, operands[1:], strict=True):
        if operator in level:
            rest.append((operator, operand))
            continue
        joined.append(syntax.Arithmetic(first, tuple(rest)) if rest else first)
        left.append(operator)
        first, rest = operand, []
    joined.append(syntax.Arithmetic(first, tuple(rest)) if rest else first)
    return joined, left
