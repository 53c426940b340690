"""Hostile expressions fail by themselves, soon, and reach nothing outside."""

import contextvars
import itertools
from time import thread_time

import pytest
from evaluation import evaluated, refusal
from hypothesis import given, settings
from hypothesis import strategies as st

from osmia_broker import feel

DEEP = 20_000


@pytest.mark.parametrize(
    "text",
    [
        "(" * DEEP + "1" + ")" * DEEP,
        "(" * DEEP,
        "[" * DEEP,
        "{a:" * DEEP,
        "]" * DEEP,
        "f(" * DEEP,
        "if a then " * DEEP,
        "if (" * DEEP,
        "for i in " * DEEP,
        "for i in l return " * DEEP + "1",
        "function() " * DEEP + "1",
        "x" + "[1]" * DEEP,
        "a in (" * DEEP,
        "1 ** (" * DEEP,
        "-(" * DEEP,
        "1 + " * 60_000 + "1",  # too long a text
        "9" * 7000,
    ],
)
def test_a_text_beyond_the_bounds_is_refused(text):
    error = refusal(text)
    assert error.expected.startswith("at most")
    assert len(str(error)) < 400


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1" + " + 1" * 20_000, 20_001),
        ("true" + " and true" * 9_000, True),
        ("-" * 50_000 + "1", 1),
        ("if false then 1 else " * 4_000 + "2", 2),
        ("[" + "1," * 40_000 + "1][-1]", 1),
        ("o" + ".a" * 40_000, None),
        ("/*" + "*" * 90_000 + "*/1", 1),
    ],
)
def test_what_is_long_but_not_deep_is_evaluated(text, value):
    assert evaluated(text).value == value


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("for i in 1..1000000000 return i", "at most 1000000 items"),
        ("for i in 1..10 ** 30 return i", "at most 1000000 items"),
        ("for i in 1..2000, j in 1..2000 return i", "at most 1000000 items"),
        ("count(for i in 1..100000, j in 1..100000 return 1)", ""),
        ("some i in 1..100000, j in 1..100000 satisfies i + j < 0", ""),
        ("count((for i in 1..100000 return i)[count((for j in 1..100000 return j)[item = 0]) > 0])", ""),
        ("for i in 1..100000 return partial", ""),
        ("count(for i in 1..2000 return [partial[-1]])", ""),
        ("for i in 1..2000 return [partial[-1]]", "levels"),
        ("string(for i in 1..900 return [partial[-1]])", "levels of nesting"),
        (
            "{deep: for i in 1..900 return [partial[-1]], same: deep = (for i in 1..900 return [partial[-1]])}.same",
            "nesting",
        ),
        ("10 ** 7000", "1E+6144"),
        ("10 ** 6000 * 10 ** 6000", "1E+6144"),
        ("exp(1000) = 1 or 9 ** 9999999 > 1", "1E+6144"),
        ('duration("P999999999999D") * 1000000000', "a duration within"),
        ("for i in 1..1000000 return sort([i, 2, 3], function(a, b) a < b)", ""),
    ],
)
def test_an_evaluation_beyond_the_bounds_fails(text, bound):
    started = thread_time()
    failure = evaluated(text).failure
    if failure is None:
        assert text.startswith(("count(for i in 1..2000", "count((for"))
    else:
        assert bound in failure
        assert "Expected" in failure
    assert thread_time() - started < 10  # the bound is a second


def doubled(times: int, seed: str, step: str, result: str) -> str:
    """A context whose entries double the one before: the classic of a small text with a huge value."""
    entries = [f"a0: {seed}", *(f"a{i}: {step.format(f'a{i - 1}')}" for i in range(1, times))]
    return "{" + ", ".join(entries) + f", r: {result.format(f'a{times - 1}')}" + "}"


@pytest.mark.parametrize(
    "text",
    [
        doubled(40, '"xxxxxxxx"', "{0} + {0}", "{0}"),
        doubled(40, "[1, 1]", "concatenate({0}, {0})", "count({0})"),
        doubled(40, "[1, 1]", "[{0}, {0}]", "{0}"),
        doubled(40, "[1, 1]", "[{0}, {0}]", "string({0})"),
        doubled(40, "[1, 1]", "[{0}, {0}]", "flatten({0})"),
        doubled(40, "[1, 1]", "[{0}, {0}]", "{0} = [{0}[1], [{0}[2][1], {0}[2][2]]]"),
        doubled(40, "[1, 1]", "[{0}, {0}]", "list contains([{0}], 1)"),
        doubled(40, "[1, 1]", "[{0}, {0}]", "to json({0})"),
        doubled(40, '"xxxxxxxx"', "[{0}, {0}]", "to json([{0}])"),
        doubled(40, "[1, 1]", "[{0}, {0}]", "is({0}, {0})"),
        doubled(40, "[1, 1]", "[{0}, {0}]", "partition({0}, 1)"),
        doubled(24, '"[1,1]"', '"[" + {0} + "," + {0} + "]"', "from json({0})"),
        doubled(60, "function(x) x", "function(x) {0}", "1"),
        doubled(40, "10", "{0} * {0}", "{0}"),
        'replace("' + "a" * 5000 + '", "a", "' + "b" * 5000 + '")',
        'string join(for i in 1..1000000 return "' + "x" * 50 + '")',
        'count(for i in 1..1000000 return "' + "x" * 500 + '" + string(i))',
    ],
)
def test_a_small_text_cannot_make_a_huge_value(text):
    result = evaluated(text)
    assert result.failure is not None or len(feel.to_json(result.value)) < 100_000


@pytest.mark.parametrize(
    "pattern",
    [r"(a+)+$", r"(a|a)*b", r"(a*)*\1", "(" * 3000, "a{1000}{1000}{1000}", "(a{0,1000}){0,1000}", "[" * 1000, "[a" * 3000, "[" + "a-c" * 3000 + "-[b]]", "[^a-[" * 500, "x" * 20_000, "(?i)(?:a?){500}a{500}"],
)  # fmt: skip
def test_a_regular_expression_takes_linear_time(pattern):
    started = thread_time()
    scope = {"text": "a" * 20_000 + "c", "pattern": pattern}
    for text in (
        "matches(text, pattern)",
        'replace(text, pattern, "b")',
        "split(text, pattern)",
        "extract(text, pattern)",
    ):
        assert feel.compile(text).evaluate(scope).failure is None
    assert thread_time() - started < 10


@pytest.mark.parametrize(
    "text",
    [
        '"".__class__',
        "`__class__`",
        "o.__class__.__mro__",
        "o.`__dict__`",
        '__import__("os")',
        'eval("1")',
        'open("x")',
        "o.keys()",
        "[1].__len__[1]",
        'date("2020-01-01").__class__',
        'date("2020-01-01").isoformat',
        'duration("P1D").nanoseconds',
        "{f: function(x) x}.f.callable",
        "{f: function(x) x, r: f.__globals__}.r",
        'time("10:00:00").instant',
        "today().replace",
    ],
)  # fmt: skip
def test_no_python_object_is_reached(text):
    result = evaluated(text, '{"o": {}}')
    assert result.value is None


def test_braces_in_names_do_not_reach_the_formatting_of_messages():
    result = evaluated("`{0.__class__}` + `{name.__init__}`")
    assert [warning.message for warning in result.warnings[:2]] == [
        "No variable found with name '{0.__class__}'",
        "No variable found with name '{name.__init__}'",
    ]


def test_warnings_are_bounded_in_number_and_length():
    result = evaluated("for i in 1..1000 return l + i", '{"l": "' + "x" * 10_000 + '"}')
    assert len(result.warnings) == 100
    assert max(len(warning.message) for warning in result.warnings) < 500


def test_limits_can_be_narrowed():
    narrow = feel.Limits(text=40, depth=3, steps=100, items=10, string=10)
    assert feel.compile("for i in 1..11 return i", limits=narrow).evaluate({}).failure is not None
    assert feel.compile("for i in 1..10 return i", limits=narrow).evaluate({}).failure is None
    assert feel.compile('"123456" + "78901"', limits=narrow).evaluate({}).failure is not None
    assert feel.compile("every i in 1..10 satisfies i = i", limits=narrow).evaluate({}).failure is None
    with pytest.raises(feel.ParseError):
        feel.compile("((((1))))", limits=narrow)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.sampled_from(["(", "[", "{a:", "-", "if x then ", "for i in [1] return ", "f(", "x[", "not(", "1 in ("]), max_size=300),
    st.lists(st.sampled_from([")", "]", "}", " else 1", "1", "..2]"]), max_size=300),
)  # fmt: skip
def test_no_nesting_exhausts_the_stack(opening, closing):
    text = "".join(opening) + "1" + "".join(closing)
    for compile in (feel.compile, feel.compile_unary_tests):
        try:
            compile(text)
        except feel.ParseError:
            continue


def test_the_deepest_nesting_allowed_is_evaluated():
    depth = feel.DEFAULT_LIMITS.depth - 2
    for opening, closing in [
        ("(", ")"),
        ("[", "]"),
        ("{a:", "}"),
        ("count([", "])"),
        ("-(", ")"),
        ("1 + 2 * 3 ** (", ")"),
    ]:
        level = depth // 2 if "([" in opening else depth
        result = evaluated(opening * level + "1" + closing * level)
        assert result.failure is None or "1E+6144" in result.failure, opening


def test_expressions_with_one_allowance_use_it_up_together(monkeypatch: pytest.MonkeyPatch):
    """A clock that goes on by 0.2 s at every look: each expression alone takes less than a second, five of them take more."""
    looks = itertools.count()
    monkeypatch.setattr("osmia_broker.feel.run.thread_time", lambda: next(looks) * 0.2)
    expression = feel.compile("count(for i in 1..10000 return i)")
    assert all(expression.evaluate({}).value == 10_000 for _ in range(20)), "each has its own second"

    def together() -> None:
        allowance = feel.Allowance()
        feel.with_allowance(allowance)
        results = [expression.evaluate({}) for _ in range(20)]
        assert results[0].value == 10_000
        assert "Expected to finish within 1 s" in str(results[-1].failure)
        allowance.begin()
        assert expression.evaluate({}).value == 10_000

    contextvars.copy_context().run(together)
