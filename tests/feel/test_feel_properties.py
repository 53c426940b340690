"""Laws that hold for every expression: of the parser, the printer, the values, and of what they compute."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from math import isfinite

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osmia_broker import feel
from osmia_broker.feel import syntax
from osmia_broker.feel.calendar import make_date
from osmia_broker.feel.parser import parse, parse_unary_tests
from osmia_broker.feel.printer import to_source

# Hypothesis describes a strategy of trees at length when it draws a rare one; that is no fault of the engine.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

settings.register_profile("feel", deadline=None, max_examples=150)
settings.load_profile("feel")

WIDE_NAMES = frozenset({"x y", "x-y", "item + 1", "list of (x)", "o.a b"})
NOW = datetime(2026, 11, 22, tzinfo=UTC)
TINY = feel.Limits(steps=50_000, seconds=0.5, items=10_000, string=100_000)

PIECES = [
    *["null", "true", "false", "if", "then", "else", "for", "in", "return", "some", "every", "satisfies", "and", "or", "not", "between", "instance", "of", "function", "item"],
    *["partial", "x", "y", "list", "o.a", "1", "2.5", "0", "-1", ".5", "1e3", '"a"', '"\\d+"', '""', "`", "`a", "b`", "?", "@", '@"P1D"', "(", ")", "[", "]", "{", "}", ",", ":", ".", "..", "+", "-", "*", "/", "**"],
    *["=", "!=", "<", "<=", ">", ">=", "count(", "sum(", "string(", "date(", "duration(", "sort(", "split(", "//", "/*", "*/", "'", "\\", "\n", "\x00", "😀"],
    *("date and time(", "get or else(", "string length(", "time offset", " "),
]  # fmt: skip

# ------------------------------------------------------------------------------------------------ trees and values

NAMES = st.sampled_from(["x", "y", "list", "o", "item", "über", "a b", "in", "if", "$v"])
CONSTANTS = st.one_of(
    st.just(syntax.Null()),
    st.booleans().map(syntax.Boolean),
    st.integers(0, 10**34 - 1).map(syntax.NumberLiteral),
    st.decimals(0, 1000, places=3, allow_nan=False).map(abs).map(syntax.NumberLiteral),
    st.text(max_size=8).map(syntax.StringLiteral),
    st.sampled_from(["2020-01-01", "P1D", "10:00:00", "no time"]).map(syntax.Temporal),
    NAMES.map(syntax.Name),
)


PLAIN_TYPES = st.sampled_from(["number", "date and time", "Any", "no type", "function"]).map(syntax.Type)
TYPES = st.recursive(
    PLAIN_TYPES,
    lambda types: st.one_of(
        st.builds(syntax.Type, st.sampled_from(["list", "range"]), st.tuples(types)),
        st.builds(syntax.Type, st.just("function"), st.lists(types, min_size=1, max_size=3).map(tuple)),
        st.builds(syntax.Type, st.just("context"), st.tuples(types, types), st.just(("a", "b"))),
    ),
    max_leaves=4,
)


def _pairs(keys, nodes):
    return st.lists(st.tuples(keys, nodes), min_size=1, max_size=3).map(tuple)


def _some(nodes, low=0):
    return st.lists(nodes, min_size=low, max_size=3).map(tuple)


def _arithmetic(nodes):
    levels = st.sampled_from([["+", "-"], ["*", "/"], ["**"]])
    return levels.flatmap(lambda level: st.builds(syntax.Arithmetic, nodes, _pairs(st.sampled_from(level), nodes)))


def _calls(nodes):
    names = st.sampled_from(["count", "sum", "string", "is defined", "date and time", "sort", "my own", "and"])
    positional = st.builds(syntax.Call, st.just(()), names, _some(nodes), st.just(()))
    named = st.builds(syntax.Call, st.just(("o",)), st.just("f"), st.tuples(nodes), st.just(("start position",)))
    return positional | named


def _intervals(nodes):
    return st.builds(syntax.Interval, nodes, st.booleans(), nodes, st.booleans())


def _larger(nodes):
    iterators = _some(st.builds(syntax.Iterator, NAMES, nodes, st.none() | nodes), 1)
    orders = st.builds(syntax.CompareInput, st.sampled_from(["<", "<=", ">", ">="]), nodes)
    return st.one_of(
        st.builds(syntax.ListLiteral, _some(nodes)),
        st.builds(syntax.ContextLiteral, _pairs(st.text(max_size=4), nodes)),
        st.builds(syntax.Negation, nodes),
        _arithmetic(nodes),
        st.builds(syntax.Logic, st.sampled_from(["and", "or"]), _some(nodes, 2)).filter(
            lambda node: len(node.operands) > 1
        ),
        st.builds(syntax.Comparison, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), nodes, nodes),
        st.builds(syntax.Between, nodes, nodes, nodes),
        st.builds(syntax.InstanceOf, nodes, PLAIN_TYPES),
        st.builds(syntax.In, nodes, _some(st.one_of(nodes, orders, _intervals(nodes)), 1)),
        st.builds(syntax.Path, nodes.filter(lambda node: not isinstance(node, syntax.Path)), _some(NAMES, 1)),
        st.builds(syntax.Filter, nodes, nodes),
        _calls(nodes),
        st.builds(syntax.FunctionLiteral, _some(NAMES), nodes),
        st.builds(syntax.If, _pairs(nodes, nodes), nodes),
        st.builds(syntax.For, iterators, nodes),
        st.builds(syntax.Quantified, st.sampled_from(["some", "every"]), iterators, nodes),
    )


def _larger_standard(nodes):
    orders = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
    typed = st.builds(syntax.FunctionLiteral, st.just(("x", "y")), nodes, st.tuples(TYPES, st.none() | TYPES))
    return st.one_of(
        _larger(nodes),
        _intervals(nodes),
        st.builds(syntax.OpenRange, orders, nodes),
        st.builds(syntax.In, nodes, st.builds(syntax.CompareInput, orders, nodes).map(lambda test: (test,))),
        st.builds(syntax.Invocation, nodes.filter(lambda node: not isinstance(node, syntax.Name | syntax.Path)), _some(nodes), st.just(())),
        st.builds(syntax.InstanceOf, nodes, TYPES),
        typed,
    )  # fmt: skip


TREES = st.recursive(CONSTANTS, _larger, max_leaves=12)
STANDARD_TREES = st.recursive(CONSTANTS, _larger_standard, max_leaves=12)
STANDARD = feel.Vocabulary(feel.Dialect.STANDARD)
TESTS = st.builds(syntax.Tests, _some(TREES, 1), negated=st.booleans())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(-1e9, 1e9) | st.text(max_size=6),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(max_size=4), values, max_size=4),
    max_leaves=10,
)
SCOPES = st.dictionaries(st.sampled_from(["x", "y", "list", "o", "item"]), JSON)
TEXTS = st.text(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=25).map(" ".join)


# ------------------------------------------------------------------------------------------------------------- laws


@given(TEXTS)
def test_the_parser_raises_nothing_but_its_own_error(text):
    standard = {"functions": feel.STANDARD_FUNCTIONS, "vocabulary": feel.Vocabulary(feel.Dialect.STANDARD, WIDE_NAMES)}
    compilers = [feel.compile, feel.compile_unary_tests]
    for compile in (*compilers, *(partial(each, **standard) for each in compilers)):
        error = _refusal(compile, text)
        if error is not None:
            lines = text.split("\n")
            assert 1 <= error.line <= len(lines)
            assert 1 <= error.column <= len(lines[error.line - 1]) + 1
            assert feel.explain(error)


def _refusal(compile, text):
    try:
        compile(text)
    except feel.ParseError as error:
        return error
    return None


@given(TREES)
def test_what_is_printed_is_read_back(tree):
    assert parse(to_source(tree)) == tree


@given(STANDARD_TREES)
def test_what_is_printed_is_read_back_in_the_standard_dialect(tree):
    printed = to_source(tree)
    again = parse(printed, dialect=feel.Dialect.STANDARD)
    assert to_source(again) == printed


@given(STANDARD_TREES, SCOPES)
def test_evaluation_in_the_standard_dialect_never_raises(tree, scope):
    expression = feel.compile(to_source(tree), functions=feel.STANDARD_FUNCTIONS, vocabulary=STANDARD, limits=TINY)
    result = expression.evaluate(scope | {"y": Decimal("1.50")}, NOW)
    assert result.failure is None or result.value is None
    assert feel.to_json(result.value)


@given(TESTS)
def test_printed_cells_are_read_back(tree):
    assert parse_unary_tests(to_source(tree)) == tree


@given(TREES, SCOPES)
def test_evaluation_never_raises(tree, scope):
    expression = feel.compile(to_source(tree), limits=TINY)
    result = expression.evaluate(scope | {"y": Decimal("1.50")}, NOW)
    assert result.failure is None or result.value is None
    for text in (feel.to_json(result.value), feel.to_decision_json(result.value)):
        assert _unreadable(json.loads(text, parse_constant=str)) == [], text


def _unreadable(value):
    """List the numbers that neither 64 bits nor a double hold, and the texts that are no Unicode."""
    if isinstance(value, dict):
        return [bad for item in (*value, *value.values()) for bad in _unreadable(item)]
    if isinstance(value, list):
        return [bad for item in value for bad in _unreadable(item)]
    if isinstance(value, str):
        return [value] if any("\ud800" <= character <= "\udfff" for character in value) else []
    if isinstance(value, int):
        return [] if -(2**63) <= value < 2**64 else [value]
    return [value] if isinstance(value, float) and not isfinite(value) else []


@given(TESTS, SCOPES, JSON)
def test_testing_never_raises_and_says_yes_no_or_null(tree, scope, input_value):
    result = feel.compile_unary_tests(to_source(tree), limits=TINY).evaluate(scope, input_value, NOW)
    assert result.value in (True, False, None)


@given(TREES)
def test_an_expression_reads_only_the_names_that_it_tells(tree):
    class Watched:
        def __init__(self):
            self.read = set()

        def __getitem__(self, name):
            self.read.add(name)
            raise KeyError(name)

    scope, expression = Watched(), feel.compile(to_source(tree), limits=TINY)
    expression.evaluate(scope, NOW)
    assert scope.read <= expression.names


@given(JSON)
def test_a_document_survives_unchanged(document):
    assert json.loads(feel.to_json(feel.from_json(json.dumps(document)))) == document


@given(st.decimals(-(10**20), 10**20, allow_nan=False, allow_infinity=False))
def test_a_number_survives_its_text(number):
    text = feel.compile("string(n)").evaluate({"n": number}).value
    assert feel.compile("number(t) = n").evaluate({"t": text, "n": number}).value is True


THREE = st.sampled_from([True, False, None])


@pytest.mark.parametrize(
    "law",
    [
        "not(a and b) , not(a) or not(b)",
        "a and b , b and a",
        "a or b , b or a",
        "(a and b) and c , a and (b and c)",
        "(a or b) or c , a or (b or c)",
        "a and (b or c) , (a and b) or (a and c)",
        "not(not(a)) , a",
        "and([a, b, c]) , a and b and c",
        "or([a, b, c]) , a or b or c",
        "some v in [a, b, c] satisfies v , a or b or c",
        "every v in [a, b, c] satisfies v , a and b and c",
    ],
)
@given(a=THREE, b=THREE, c=THREE)
def test_three_valued_logic_obeys(law, a, b, c):
    _assert_law(law, a=a, b=b, c=c)


WHOLES = st.integers(-(10**12), 10**12)


@pytest.mark.parametrize(
    "law",
    [
        "(m + n) + k , m + (n + k)",
        "string(m * n) , string(n * m)",
        "string(m * (n + k)) , string(m * n + m * k)",
        "m - n , -(n - m)",
        "modulo(m, 7) , modulo(modulo(m, 7) + 7, 7)",
        "m - 7 * floor(m / 7) , modulo(m, 7)",
        "m < n , n > m",
        "not(m < n) , m >= n",
        "m between n and k , m >= n and m <= k",
        "m in [n..k] , m between n and k",
        "m in (n..k] , m > n and m <= k",
    ],
)
@given(m=WHOLES, n=WHOLES, k=WHOLES)
def test_numbers_obey(law, m, n, k):
    _assert_law(law, m=m, n=n, k=k)


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)


@pytest.mark.parametrize(
    "law",
    [
        "string length(s + t) , string length(s) + string length(t)",
        "contains(s + t, t) , true",
        "starts with(s + t, s) , true",
        "substring(s + t, string length(s) + 1) , t",
        'substring before(s + "|", "|") , if contains(s, "|") then substring before(s, "|") else s',
        'string join([s, t], "|") , s + "|" + t',
        "s < t , t > s",
        "s = t , t = s",
        'count(split(s + "," + t, ",")) , count(split(s, ",")) + count(split(t, ","))',
    ],
)  # fmt: skip
@given(s=WORDS, t=WORDS)
def test_strings_obey(law, s, t):
    _assert_law(law, s=s, t=t)


LISTS = st.lists(st.integers(-3, 3) | st.none() | st.sampled_from(["a", "b"]), max_size=6)


@pytest.mark.parametrize(
    "law",
    [
        "reverse(reverse(l)) , l",
        "count(concatenate(l, k)) , count(l) + count(k)",
        "reverse(concatenate(l, k)) , concatenate(reverse(k), reverse(l))",
        "distinct values(concatenate(l, k)) , union(l, k)",
        "distinct values(distinct values(l)) , distinct values(l)",
        "for v in l return v , l",
        "l[true] , l",
        "l[false] , []",
        "flatten([l, [k]]) , concatenate(l, k)",
        "is empty(l) , count(l) = 0",
        "every v in l satisfies list contains(l, v) , true",
        "sublist(append(l, 1), 1, count(l)) , l",
        "count(duplicate values(l)) <= count(l) / 2 , true",
    ],
)
@given(l=LISTS, k=LISTS)
def test_lists_obey(law, l, k):  # noqa: E741  # the law's own name
    _assert_law(law, l=l, k=k)


NEAR_DATES = st.dates(date(1000, 1, 1), date(3000, 1, 1))
FAR_DATES = st.builds(
    make_date, st.integers(-300_000, 0) | st.integers(10_000, 300_000), st.integers(1, 12), st.integers(1, 28)
)
DATES = NEAR_DATES | FAR_DATES | st.sampled_from([date.min, date.max])


@pytest.mark.parametrize(
    "law",
    [
        "(d + duration(p)) - duration(p) , d",
        "d + (e - d) , e",
        "date(string(d)) , d",
        '(d < e) , (e - d) > duration("PT0S")',
        "duration(string(duration(p))) , duration(p)",
        "day of year(d) , (d - date(d.year, 1, 1)).days + 1",
        "last day of month(d).day >= d.day , true",
        'date and time(d, time("10:00:00")) + duration(p) - duration(p) , date and time(d, time("10:00:00"))',
        'date and time(string(date and time(d, time("10:00:00@Europe/Paris")))) , date and time(d, time("10:00:00@Europe/Paris"))',
    ],
)  # fmt: skip
@given(d=DATES, e=DATES, days=st.integers(-1000, 1000))
def test_dates_obey(law, d, e, days):
    _assert_law(law, d=d, e=e, p=f"{'-' if days < 0 else ''}P{abs(days)}D")


def _assert_law(law: str, **variables: object) -> None:
    """Both sides, parted by " , ", give the same JSON."""
    left, right = (feel.compile(side).evaluate(variables) for side in law.split(" , "))
    assert (left.failure, right.failure) == (None, None)
    assert feel.to_json(left.value) == feel.to_json(right.value)
