"""Read a text by the grammar of FEEL and return its syntax tree.

A hand-written descent, one method per rule, decided by looking at most a few tokens ahead; the only text read twice is
`not(...)` at the head of unary tests. Nesting is counted, so that no text can exhaust Python's stack.

Precedence from low to high: `if for some every function`; `or`; `and`; one comparison; `+ -`; `* /`; `**`; `-x`; path and
filter. All operators group from the left and comparisons do not chain (measured on the reference broker).
"""

from collections.abc import Callable

from osmia_broker.feel import syntax
from osmia_broker.feel.dialect import Dialect
from osmia_broker.feel.errors import ParseError
from osmia_broker.feel.limits import DEFAULT_LIMITS, Limits
from osmia_broker.feel.syntax import Node
from osmia_broker.feel.tokens import is_name, starts_value, trimmed
from osmia_broker.feel.value_parser import COMPARISONS, ValueParser


def parse(
    text: str,
    limits: Limits = DEFAULT_LIMITS,
    dialect: Dialect = Dialect.REFERENCE,
    names: frozenset[str] = frozenset(),
) -> Node:
    """Return the tree of the expression *text*; raises `ParseError`. *names* may hold blanks and signs."""
    parser = _Parser(text, limits, dialect, names)
    node = parser.expression()
    parser.end()
    return node


def parse_unary_tests(
    text: str,
    limits: Limits = DEFAULT_LIMITS,
    dialect: Dialect = Dialect.REFERENCE,
    names: frozenset[str] = frozenset(),
) -> syntax.Tests:
    """Return the tree of the unary tests *text* as a cell of a decision table holds them; raises `ParseError`."""
    parser = _Parser(text, limits, dialect, names)
    parser.in_cell = True
    return parser.unary_tests()


class _Parser(ValueParser):
    """Read operators, keywords and unary tests around the values."""

    # ---------------------------------------------------------------------------------------------- expressions

    def expression(self) -> Node:
        """Read any expression."""
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
        """Tell whether `if`, `for`, `some` or `every` is meant as a keyword; alone they are names."""
        following = self.next()
        if self.token.text == "if":
            return starts_value(following) or following.text in {"and", "or"}
        return self.token.text == "function" or following.kind == "quoted" or is_name(following)

    def branches(self) -> Node:
        """Read `if c then a else if d then b else e`."""
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
        """Read `for i in list return body`."""
        self.expect("for")
        iterators = self._iterators()
        self.expect("return")
        return syntax.For(iterators, self.expression())

    def quantified(self) -> Node:
        """Read `some i in list satisfies condition`, or `every`."""
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
        name = self.new_name("the name of an iteration variable")
        self.expect("in")
        source = self.value(self.expression())
        end = self.value(self.arithmetic()) if self.accept("..") else None
        return syntax.Iterator(name, source, end)

    def function(self) -> Node:
        """Read `function(a, b) body`."""
        self.expect("function")
        self.expect("(")
        parameters: list[str] = []
        types: list[syntax.Type | None] = []
        while not self.at(")"):
            if parameters:
                self.expect(",")
            parameters.append(self.new_parameter())
            types.append(self.type() if self.standard and self.accept(":") else None)
        self.expect(")")
        known = tuple(types) if any(types) else ()
        return syntax.FunctionLiteral(tuple(parameters), self.expression(), known)

    def _logic(self) -> Node:
        """Read `or` over `and` over comparisons."""
        alternatives = [self._conjunction()]
        while self.at("or"):
            self.value(alternatives[-1])
            self.advance()
            alternatives.append(self.value(self._conjunction()))
        return alternatives[0] if len(alternatives) == 1 else syntax.Logic("or", tuple(alternatives))

    def _conjunction(self) -> Node:
        conditions = [self._comparison()]
        while self.at("and"):
            self.value(conditions[-1])
            self.advance()
            conditions.append(self.value(self._comparison()))
        return conditions[0] if len(conditions) == 1 else syntax.Logic("and", tuple(conditions))

    def _comparison(self) -> Node:
        if self.in_cell and self.at_comparison():  # behind `and`, `or`, `if` ...: `? > 1 and < 9` (measured)
            operator = self.advance().text
            return syntax.Comparison(operator, syntax.Input(), self.value(self.arithmetic()))
        left = self.arithmetic()
        if self.token.kind == "operator" and self.token.text in COMPARISONS:
            self.value(left)
            operator = self.advance().text
            return syntax.Comparison(operator, left, self.value(self.arithmetic()))
        if self.token.kind != "name" or self.token.text not in {"in", "between", "instance"}:
            return left
        self.value(left)
        match self.advance().text:
            case "in":
                return syntax.In(left, self._in_tests())
            case "between":
                low = self.value(self.arithmetic())
                self.expect("and")
                return syntax.Between(left, low, self.value(self.arithmetic()))
            case _:
                self.expect("of")
                return syntax.InstanceOf(left, self.type())

    def arithmetic(self) -> Node:
        """Read a flat run of operands and operators, and group it by precedence, tightest first."""
        operands, operators = [self._operand()], []
        while self.token.kind == "operator" and self.token.text[0] in "+-*/":
            self.value(operands[-1])
            operators.append(self._arithmetic_operator())
            operands.append(self.value(self._operand()))
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
        """Read a value with its paths and filters, or the negation of one."""
        outside = self.depth
        self.deeper()
        signs = 0
        if self.token.text.startswith("-") and self.token.kind == "operator":
            signs = len(self.advance().text)
            if self.token.text.startswith("-"):
                self.fail("a value")
        node = self.postfix(self.primary())
        for _ in range(2 - signs % 2 if signs else 0):
            node = syntax.Negation(self.value(node))
        self.depth = outside
        return node

    # ---------------------------------------------------------------------------------------------- unary tests

    def unary_tests(self) -> syntax.Tests:
        """Read the content of a cell: nothing or `-`, tests with commas, or `not(tests)`."""
        if not trimmed(self.text) or (self.at("-") and self.next().kind == "end"):
            return syntax.Tests((), negated=False)
        if self.at("not") and self.next().text == "(":
            return self._negated_tests()
        tests = self._tests()
        self.end()
        return syntax.Tests(tests, negated=False)

    def _negated_tests(self) -> syntax.Tests:
        """Read `not(tests)`; or an expression that only begins so, as `not(a) and b`."""
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
        if self.at_comparison():
            operator = self.advance().text
            return syntax.CompareInput(operator, self.value(self.arithmetic()))
        return self.expression()

    def _in_tests(self) -> tuple[Node, ...]:
        """Read the tests behind `in`: one, or several in parentheses."""
        if not self.at("("):
            if self.at_comparison():
                return (self._test(),)
            if self.token.kind == "name" and self.token.text in _KEYWORDS and self._opens_keyword():
                return (self.expression(),)
            return (self.arithmetic(),)
        self.advance()
        tests = [self._test()]
        if self.at(".."):
            return (self.interval_end(tests[0], included=False),)
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
_LEVELS = (frozenset({"**"}), frozenset({"*", "/"}), frozenset({"+", "-"}))


def _group(operands: list[Node], operators: list[str], level: frozenset[str]) -> tuple[list[Node], list[str]]:
    """Join all operands that an operator of *level* stands between; return the rest of both lists."""
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
