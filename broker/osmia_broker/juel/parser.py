"""Parse tokens into closures, by the grammar of JUEL without method and function calls.

    expression  = or [ "?" expression ":" expression ]
    or          = and  { ("||" | "or")  and }
    and         = level0 { ("&&" | "and") level0 }
    level n     = level n+1 { operator of LEVELS[n]  level n+1 }
    unary       = { "-" | "!" | "not" | "empty" } path
    path        = primary { "." name | "[" expression "]" }
    primary     = number | text | "true" | "false" | "null" | name | "(" expression ")"

The operators of one level form a flat chain that a loop evaluates. So only nesting adds depth, and nesting is bounded.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from osmia_broker.juel.errors import EvaluationFailed, ParseError
from osmia_broker.juel.operations import LEVELS, Operation, is_empty, negate, property_of
from osmia_broker.juel.tokens import WORDS, Token
from osmia_broker.juel.values import Scope, Value, parse_number, read_variable, to_boolean

Evaluate: TypeAlias = Callable[[Scope], Value]

# Brackets, unary operators and conditions inside each other. Each takes about nine Python frames while parsing.
NESTING_MAX = 32

_CONSTANTS = {"true": True, "false": False, "null": None}
_UNARY: dict[str, Callable[[Value], Value]] = {
    "-": negate,
    "!": lambda value: not to_boolean(value),
    "not": lambda value: not to_boolean(value),
    "empty": is_empty,
}


class Parser:
    """A parser of one expression of *text* from its *tokens*. `names` collects the variables that it reads."""

    def __init__(self, text: str, tokens: Sequence[Token]) -> None:
        self.names: set[str] = set()
        self._text = text
        self._tokens = tokens
        self._index = 0
        self._nesting = 0

    def parse(self) -> Evaluate:
        """Parse the whole expression; raise ParseError at the first token that does not fit."""
        evaluate = self._expression()
        if self._token.kind != "end":
            raise self._unexpected("an operator or '}'")
        return evaluate

    @property
    def _token(self) -> Token:
        return self._tokens[self._index]

    def _advance(self) -> Token:
        token = self._token
        self._index += 1
        return token

    def _accept(self, *signs: str) -> str | None:
        """Take the next token and return its sign, if that is one of *signs*."""
        token = self._token
        if token.kind != "sign" or token.text not in signs:
            return None
        self._index += 1
        return token.text

    def _expect(self, sign: str) -> None:
        if self._accept(sign) is None:
            raise self._unexpected(f"'{sign}'")

    def _unexpected(self, expected: str) -> ParseError:
        return ParseError(self._text, self._token.position, expected, f"'{self._token.text}'")

    def _expression(self) -> Evaluate:
        self._nest()
        condition = self._or()
        if self._accept("?"):
            condition = self._ternary(condition)
        self._nesting -= 1
        return condition

    def _nest(self) -> None:
        self._nesting += 1
        if self._nesting > NESTING_MAX:
            raise self._unexpected(f"at most {NESTING_MAX} levels of nesting")

    def _ternary(self, condition: Evaluate) -> Evaluate:
        then = self._expression()
        self._expect(":")
        otherwise = self._expression()
        return lambda scope: then(scope) if to_boolean(condition(scope)) else otherwise(scope)

    def _or(self) -> Evaluate:
        operands = [self._and()]
        while self._accept("||", "or"):
            operands.append(self._and())
        return operands[0] if len(operands) == 1 else lambda scope: any(to_boolean(each(scope)) for each in operands)

    def _and(self) -> Evaluate:
        operands = [self._chain(0)]
        while self._accept("&&", "and"):
            operands.append(self._chain(0))
        return operands[0] if len(operands) == 1 else lambda scope: all(to_boolean(each(scope)) for each in operands)

    def _chain(self, level: int) -> Evaluate:
        """Parse operands joined by the operators of *level*, evaluated from the left."""
        if level == len(LEVELS):
            return self._unary()
        first = self._chain(level + 1)
        rest: list[tuple[Operation, Evaluate]] = []
        while sign := self._accept(*LEVELS[level]):
            rest.append((LEVELS[level][sign], self._chain(level + 1)))
        return _fold(first, rest) if rest else first

    def _unary(self) -> Evaluate:
        sign = self._accept(*_UNARY)
        if sign is None:
            return self._path()
        self._nest()
        apply, operand = _UNARY[sign], self._unary()
        self._nesting -= 1
        return lambda scope: apply(operand(scope))

    def _path(self) -> Evaluate:
        base = self._primary()
        keys: list[Evaluate] = []
        while sign := self._accept(".", "["):
            keys.append(self._property() if sign == "." else self._index_key())
        self._refuse_call("a property or a variable")
        return _walk(base, keys) if keys else base

    def _property(self) -> Evaluate:
        """Parse the name after a dot. The words of the language are names here."""
        if self._token.kind != "name" and self._token.text not in WORDS:
            raise self._unexpected("the name of a property")
        name = self._advance().text
        self._refuse_call(f"the property '{name}'")
        return lambda _scope: name

    def _index_key(self) -> Evaluate:
        key = self._expression()
        self._expect("]")
        return key

    def _primary(self) -> Evaluate:
        token = self._token
        if token.kind == "name":
            return self._variable()
        if token.kind in ("number", "text") or token.text in _CONSTANTS:
            self._advance()
            return self._constant(token)
        if self._accept("("):
            inside = self._expression()
            self._expect(")")
            return inside
        raise self._unexpected("a value")

    def _variable(self) -> Evaluate:
        name = self._advance().text
        self._refuse_call(f"the variable '{name}'")
        self.names.add(name)
        return lambda scope: read_variable(scope, name)

    def _constant(self, token: Token) -> Evaluate:
        value = token.text if token.kind == "text" else self._number(token)
        return lambda _scope: value

    def _number(self, token: Token) -> Value:
        if token.kind != "number":
            return _CONSTANTS[token.text]
        try:
            return parse_number(token.text)
        except EvaluationFailed:
            raise ParseError(self._text, token.position, "a number within 10^6144", f"'{token.text}'") from None

    def _refuse_call(self, expected: str) -> None:
        """Refuse a bracket after a name or a path: a call could reach more than the variables."""
        if self._token.text == "(" and self._token.kind == "sign":
            raise ParseError(
                self._text, self._token.position, expected, "a call; methods and functions cannot be called here"
            )


def _fold(first: Evaluate, rest: list[tuple[Operation, Evaluate]]) -> Evaluate:
    if len(rest) == 1:
        [(apply, operand)] = rest
        return lambda scope: apply(first(scope), operand(scope))

    def evaluate(scope: Scope) -> Value:
        value = first(scope)
        for apply, operand in rest:
            value = apply(value, operand(scope))
        return value

    return evaluate


def _walk(base: Evaluate, keys: list[Evaluate]) -> Evaluate:
    def evaluate(scope: Scope) -> Value:
        value = base(scope)
        for key in keys:
            value = property_of(value, key(scope))
        return value

    return evaluate
