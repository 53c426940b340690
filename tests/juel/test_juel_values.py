"""What an expression means: one line per rule. "Measured" refers to the reference engine, the rest is EL 2.2."""

from decimal import Decimal

import msgspec
import pytest

from osmia_broker import juel

VARIABLES = {
    "n": 7,
    "f": Decimal("2.50"),
    "who": {"name": "Ada", "key with space": 1, "7": "seven", "nothing": None, "empty": "kept"},
    "list": ["a", {"b": True}, 3.5],
    "null_value": None,
    "yes": True,
    "blank": "",
    "ten": "10",
    "word": "abc",
    "nobody": [],
    "raw": msgspec.Raw(b'{"price": 9.90, "tags": ["x"]}'),
    "float": 0.1,
    "big": 10**40,
}


def value_of(text: str) -> object:
    result = juel.compile(text).evaluate(VARIABLES)
    assert result.failure is None, result.failure
    return result.value


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("who.name", "Ada"),
        ("who.missing", None),  # measured
        ("who.missing.deeper.still", None),  # measured
        ("who['key with space']", 1),  # measured
        ('who["name"]', "Ada"),
        ("who[n]", "seven"),  # a number as a key is its text
        ("who.nothing", None),
        ("who.empty", "kept"),  # a word of the language is a name behind a dot
        ("who[null]", None),
        ("list[0]", "a"),  # measured
        ("list['0']", "a"),
        ("list[1].b", True),
        ("list[2]", Decimal("3.5")),  # no binary floats
        ("list[3]", None),
        ("list[-1]", None),
        ("list[0.5]", None),
        ("null_value.a", None),
        ("raw.price", Decimal("9.90")),  # JSON text is parsed when it is read
        ("raw.tags[0]", "x"),
        ("float", Decimal("0.1")),
        ("n", 7),
        ("f", Decimal("2.50")),
        ("list", VARIABLES["list"]),
        ("42", 42),
        ("007", 7),
        ("1.5", Decimal("1.5")),
        (".5", Decimal("0.5")),
        ("1e3", 1000),
        ("true", True),
        ("false", False),
        ("null", None),
        (r"'it\'s'", "it's"),
        (r'"a\\b\""', 'a\\b"'),
        ("'}'", "}"),  # a quoted brace does not end the expression
        ("  n\n", 7),
    ],
)
def test_paths_and_literals(expression: str, value: object) -> None:
    assert value_of(f"${{{expression}}}") == value
    assert value_of(f"#{{{expression}}}") == value


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("7 / 2", Decimal("3.5")),  # measured
        ("7 div 2", Decimal("3.5")),
        ("6 / 2", 3),
        ("1 / 3", Decimal("0.3333333333333333333333333333333333")),
        ("7 % 3", 1),
        ("7 mod 3", 1),
        ("-7 % 3", -1),  # the sign of the dividend
        ("7.5 % 2", Decimal("1.5")),
        ("'1' + '2'", 3),  # measured
        ("ten + 1", 11),
        ("'1.5' + 1", Decimal("2.5")),
        ("0.1 + 0.2", Decimal("0.3")),
        ("null_value + 1", 1),
        ("null + null", 0),
        ("blank + 1", 1),
        ("2 - 3", -1),
        ("2 - 3 - 4", -5),
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("2 * 3 % 4", 2),
        ("-n", -7),
        ("--n", 7),
        ("-f * 2", -5),
        ("-ten", -10),
        ("1000000000000000000 * 1000000000000000000 * 10 / 10", Decimal("1E+36")),
        ("big - big", 0),
    ],
)
def test_arithmetic_is_exact(expression: str, value: object) -> None:
    assert value_of(f"${{{expression}}}") == value


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 == 1.0", True),
        ("1 eq 1", True),
        ("1 ne 1", False),
        ("1 != 2", True),
        ("'10' == n + 3", True),
        ("word == 'abc'", True),
        ("'true' == yes", True),
        ("yes == true", True),
        ("null_value == null", True),
        ("blank == null", False),
        ("n == null", False),
        ("null != who", True),
        ("list == list", True),
        ("who == list", False),
        ("who.nothing == who.missing", True),
        ("1 < 2", True),
        ("2 lt 1", False),
        ("'9' < '10'", False),  # two texts compare as texts
        ("'9' < 10", True),  # with a number they compare as numbers
        ("'B' < 'a'", True),
        ("2 > 1", True),
        ("2 gt 2", False),
        ("2 <= 2", True),
        ("2 le 1", False),
        ("2 >= 3", False),
        ("2 ge 2", True),
        ("null < 1", False),
        ("null >= 1", False),
        ("null <= null_value", True),
        ("1 < 2 == true", True),  # relations bind tighter than equality
        ("big > n", True),
    ],
)
def test_values_are_compared_after_they_are_converted(expression: str, value: bool) -> None:
    assert value_of(f"${{{expression}}}") is value


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("yes and true", True),
        ("yes && false", False),
        ("false or yes", True),
        ("false || false", False),
        ("true or false and false", True),  # `and` binds tighter
        ("not yes", False),
        ("!yes", False),
        ("!!yes", True),
        ("not (n > 5 and n < 9)", False),
        ("'TRUE' and 'true'", True),
        ("null or word", False),  # null and other texts are false
        ("false and unknown", False),  # the right side is not read
        ("true or unknown", True),
        ("empty null", True),
        ("empty blank", True),
        ("empty nobody", True),
        ("empty who.missing", True),
        ("empty list", False),
        ("empty 0", False),
        ("not empty word", True),
        ("empty blank ? 1 : 2", 1),
        ("n > 5 ? 'big' : 'small'", "big"),
        ("false ? 1 : false ? 2 : 3", 3),
        ("true ? true ? 1 : 2 : 3", 1),
        ("null ? 1 : 2", 2),
        ("yes ? n : unknown", 7),  # the other branch is not read
    ],
)
def test_logic_reads_no_operand_that_does_not_matter(expression: str, value: object) -> None:
    assert value_of(f"${{{expression}}}") == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Order ${n} for ${who.name}", "Order 7 for Ada"),  # measured
        ("${n}${n}", "77"),
        ("${n} ", "7 "),
        ("", ""),
        ("plain", "plain"),
        ("[${null_value}]", "[]"),  # measured
        ("[${who.missing}]", "[]"),
        ("is ${yes}, not #{!yes}", "is true, not false"),  # measured
        ("${f} m", "2.5 m"),
        ("${6 / 2} m", "3 m"),
        ("${big} m", "1" + 40 * "0" + " m"),
        ("${big * 10} m", "1E+41 m"),
        ("tags: ${raw.tags}", 'tags: ["x"]'),
        ("${list} ", '["a",{"b":true},3.5] '),
        (r"\${n}", "${n}"),  # measured
        (r"\#{n} is ${n}", "#{n} is 7"),
        (r"C:\dir\$5 #1 $ { }", r"C:\dir\$5 #1 $ { }"),
        ("50% ${'a'}'s", "50% a's"),
    ],
)
def test_text_around_expressions(text: str, value: str) -> None:
    assert value_of(text) == value


@pytest.mark.parametrize(
    ("text", "part_of_the_failure"),
    [
        ("${unknown}", "Expected a variable with name 'unknown', but found none"),  # measured: an error
        ("Hello ${unknown.name}", "'unknown'"),
        ("${empty unknown}", "'unknown'"),
        ("${word + 1}", "Expected a number, but found the text 'abc'"),
        ("${'1_0' + 1}", "'1_0'"),
        ("${yes + 1}", "Expected a number, but found the boolean true"),
        ("${list * 2}", "Expected a number, but found a list"),
        ("${-who}", "Expected a number, but found an object"),
        ("${word == 1}", "Expected a number, but found the text 'abc'"),
        ("${n / 0}", "Expected a divisor other than 0"),
        ("${n % null}", "Expected a divisor other than 0"),
        ("${not n}", "Expected a boolean, but found the number 7"),
        ("${list ? 1 : 2}", "Expected a boolean, but found a list"),
        ("${list < who}", "Expected two numbers or texts to compare"),
        ("${word.length}", "Expected an object or a list with property 'length', but found the text 'abc'"),
        ("${n.a}", "but found the number 7"),
        ("${list.first}", "Expected a number, but found the text 'first'"),
        ("${1e6000 * 1e6000}", "Expected a result within 34 digits and 10^6144"),
        ("${'1e7000' + 1}", "Expected a number within 10^6144"),
    ],
)
def test_an_expression_that_fails_has_no_value_and_says_why(text: str, part_of_the_failure: str) -> None:
    result = juel.compile(text).evaluate(VARIABLES)
    assert result.value is None
    assert part_of_the_failure in (result.failure or "")


@pytest.mark.parametrize(
    "broken",
    [
        msgspec.Raw(b"{"),
        msgspec.Raw(b""),
        msgspec.Raw(b"[" * 100_000),
        float("nan"),
        float("-inf"),
        object(),
        {1: object()},
    ],
)
def test_a_variable_that_is_no_json_fails_by_itself(broken: object) -> None:
    assert juel.compile("x ${x} ${y}").evaluate({"x": broken, "y": 1}).failure


def test_a_text_beyond_the_bound_fails() -> None:
    result = juel.compile("${a}${a}${a}${a}${a}").evaluate({"a": "x" * 1_000_000})
    assert "Expected a text of at most 4194304 characters" in (result.failure or "")


def test_only_names_on_the_taken_way_are_asked_for() -> None:
    asked: list[str] = []

    class Asked:
        def __getitem__(self, name: str, /) -> object:
            asked.append(name)
            return msgspec.Raw(b"true")

    assert juel.compile("${a ? b : c}").evaluate(Asked()).value is True
    assert asked == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${a}", 1),
        ("${b}", "${b}"),  # it fails: it stays as it is written
        ("${ b . c }", "${ b . c }"),
        ("x ${a} ${b} #{1 / 0} ${a + 1}", "x 1 ${b} #{1 / 0} 2"),
        (r"\${b} ${b}", "${b} ${b}"),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_a_lenient_evaluation_leaves_what_fails(text: str, value: object) -> None:
    assert juel.compile(text).evaluate_leniently({"a": 1}) == value


@pytest.mark.parametrize("end", ["x", ".x", ".1.", "e", "e+"])
def test_a_long_text_that_is_no_number_is_refused_at_once(end: str):
    """A pattern that tries every way to part the digits would take hours."""
    assert juel.compile("${long + 1}").evaluate({"long": "1" * 300_000 + end}).failure is not None
