"""What compiles, what is refused and where the fault is said to be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osmia_broker import juel

SIGNS = [
    "${",
    "#{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "{",
    "!",
    "-",
    "+",
    "*",
    "/",
    "%",
    "==",
    "<",
    "?",
    ":",
    ".",
    ",",
    "\\",
    "$",
    "1",
    "2.5",
    "1e9",
    "'x'",
    "a",
    "b.c",
    "and",
    "or",
    "not",
    "div",
    "mod",
    "eq",
    "ge",
    "empty",
    "true",
    "null",
]
TOKENS = st.sampled_from([*SIGNS, " "])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "c", "x"]), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("text", "line", "column", "expected"),
    [
        ("${a", 1, 4, "'}'"),  # measured: an error
        ("${", 1, 3, "'}'"),
        ("${}", 1, 3, "a value"),
        ("${a b}", 1, 5, "an operator or '}'"),
        ("${a +}", 1, 6, "a value"),
        ("${1 ? 2}", 1, 8, "':'"),
        ("${(a}", 1, 5, "')'"),
        ("${a[0}", 1, 6, "']'"),
        ("${a.}", 1, 5, "the name of a property"),
        ("${a.1}", 1, 4, "an operator or '}'"),
        ("${'open}", 1, 3, "a name, a value or an operator"),
        ("${a; b}", 1, 4, "a name, a value or an operator"),
        ("${a = b}", 1, 5, "a name, a value or an operator"),
        (r"${'\n'}", 1, 4, r"one of the escapes \\, \' and \""),
        ("text\nand ${\n  a +\n  }", 4, 3, "a value"),
        ("${and}", 1, 3, "a value"),
        ("${[1]}", 1, 3, "a value"),
        ("${1e7000}", 1, 3, "a number within 10^6144"),
        ("${ok} ${", 1, 9, "'}'"),
        ("${a ? b : }", 1, 11, "a value"),
        ("${{a}}", 1, 3, "a value"),
    ],
)
def test_a_fault_is_reported_with_its_place(text: str, line: int, column: int, expected: str) -> None:
    with pytest.raises(juel.ParseError) as refused:
        juel.compile(text)
    error = refused.value
    assert (error.line, error.column, error.expected) == (line, column, expected)
    assert str(error).startswith(f"failed to parse expression '{text}': Expected {expected}, but found ")


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("${who.toUpperCase()}", 18),
        ("${who.name.substring(1)}", 21),
        ("${exit(1)}", 7),
        ("${who['getClass']()}", 18),
        ("${fn:length(x)}", 5),
        ("${who.getClass().forName('x')}", 15),
        ("${(a)(1)}", 6),
    ],
)
def test_a_call_is_refused_when_compiled(text: str, column: int) -> None:
    with pytest.raises(juel.ParseError) as refused:
        juel.compile(text)
    assert refused.value.column == column
    if ":" not in text:
        assert "methods and functions cannot be called" in str(refused.value)


def test_depth_is_bounded_but_length_is_not_depth() -> None:
    assert juel.compile("${" + "(" * 30 + "1" + ")" * 30 + "}").evaluate({}).value == 1
    assert juel.compile("${1" + " + 1" * 10_000 + "}").evaluate({}).value == 10_001
    assert juel.compile("${true" + " and true" * 5_000 + "}").evaluate({}).value is True
    assert juel.compile("${a" + ".a" * 10_000 + "}").evaluate({"a": None}).value is None
    for deep in (
        "(" * 40 + "1" + ")" * 40,
        "-" * 40 + "1",
        "a[" * 40 + "1" + "]" * 40,
        "true ? " * 40 + "1" + " : 0" * 40,
    ):
        with pytest.raises(juel.ParseError, match="at most 32 levels of nesting"):
            juel.compile("${" + deep + "}")


def test_a_text_over_64_ki_is_refused_and_not_repeated() -> None:
    with pytest.raises(juel.ParseError, match="at most 65536 characters") as refused:
        juel.compile("x" * 65_537)
    assert len(str(refused.value)) < 500


def test_names_are_the_variables_that_may_be_read() -> None:
    expression = juel.compile("${a.b[c] ? d : 'e'} and f ${not g}")
    assert expression.names == {"a", "c", "d", "g"}
    assert not expression.constant
    assert expression.text == "${a.b[c] ? d : 'e'} and f ${not g}"


@pytest.mark.parametrize(("text", "value"), [("ada", "ada"), ("${1 + 1}", 2), (r"\${a}", "${a}"), ("", "")])
def test_a_text_without_variables_is_constant(text: str, value: object) -> None:
    expression = juel.compile(text)
    assert expression.constant
    assert expression.evaluate({}).value == value


@given(
    st.text()
    | st.lists(TOKENS, max_size=14).map("".join)
    | st.lists(TOKENS, max_size=12).map(lambda t: "${" + " ".join(t) + "}")
)
def test_compiling_raises_only_its_own_error(text: str) -> None:
    error = refusal_of(text)
    if error is not None:
        assert error.line >= 1
        assert 1 <= error.column <= len(text) + 1


def refusal_of(text: str) -> juel.ParseError | None:
    try:
        juel.compile(text)
    except juel.ParseError as error:
        return error
    return None


@given(
    st.lists(TOKENS, min_size=1, max_size=9).map(lambda t: "${" + " ".join(t) + "}")
    | st.sampled_from(["${a + b}", "x${a.c[b]}", "${a <= b}"]),
    st.dictionaries(st.sampled_from(["a", "b"]), VALUES),
)
def test_evaluation_never_raises(text: str, scope: dict[str, object]) -> None:
    try:
        expression = juel.compile(text)
    except juel.ParseError:
        return
    result = expression.evaluate(scope)
    assert result.failure is None or result.value is None


@given(a=VALUES, b=VALUES)
def test_operators_agree_with_each_other(a: object, b: object) -> None:
    scope = {"a": a, "b": b}

    def outcome(text: str) -> object:
        result = juel.compile(f"${{{text}}}").evaluate(scope)
        return "failed" if result.failure else result.value

    assert outcome("a == b") == outcome("b eq a")
    assert outcome("a == b") == outcome("not (a != b)")
    assert outcome("a < b") == outcome("b gt a")
    assert outcome("a <= b") == outcome("b ge a")
    assert outcome("a + b") == outcome("b + a")
    assert outcome("a - b") == outcome("a + -b")


@given(st.text(alphabet="ab\\${}#' \n", max_size=20))
def test_an_escaped_text_is_itself(text: str) -> None:
    escaped = text.replace("${", "\\${").replace("#{", "\\#{")
    value = juel.compile(escaped).evaluate({}).value
    assert value == text
