"""The standard dialect: FEEL as DMN 1.5 has it, and what it makes of texts that the reference dialect refuses."""

import msgspec
import pytest
from evaluation import NOW, refusal

from osmia_broker import feel

NAMES = frozenset({"Full Name", "Pre-bureauRisk", "Pre-bureau", "days in weekend", "fn library", "Applicant's age", "Monthly.Income"})  # fmt: skip
TYPES = {"tPositive": lambda value: type(value) is int and value > 0, "t Wide": lambda value: value == "wide"}
VOCABULARY = feel.Vocabulary(feel.Dialect.STANDARD, NAMES | {"t Wide"}, TYPES)
VARIABLES = """{
    "Full Name": "Ada", "Pre-bureauRisk": 7, "Pre": 1, "bureauRisk": 2, "days in weekend": ["sat", "sun"], "x": 5,
    "Applicant's age": 36, "Monthly.Income": 10, "l": [1, 2, 3], "o": {"Full Name": "Bob", "a": 1}
}"""


def scope_of(variables: str = VARIABLES) -> dict[str, object]:
    return {
        **msgspec.json.decode(variables.encode(), type=dict[str, msgspec.Raw]),
        "fn library": feel.Context(double=feel.Function(("n",), lambda n: n * 2)),
        "adder": feel.Function(("a",), lambda a: feel.Function(("b",), lambda b: a + b)),
    }


def compiled(text: str) -> feel.Expression:
    return feel.compile(text, functions=feel.STANDARD_FUNCTIONS, vocabulary=VOCABULARY)


def shown(text: str) -> str:
    result = compiled(text).evaluate(scope_of(), NOW)
    return f"<{result.failure}>" if result.failure else feel.to_json(result.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # ranges are values
        ("10 * [1..3]", "null"),
        ("-[1..5]", "null"),
        ("[1..10] = [1..10]", "true"),
        ("[1..10) = [1..10[", "true"),
        ("[1..10] = (1..10]", "false"),
        ("[1..10] != [1..11]", "true"),
        ("[1..10] = 1", "null"),
        ("[1..3].start", "1"),
        ("(1..3].start included", "false"),
        ("(< 10) = (< 10)", "true"),
        ("(< 10) = (null..10)", "false"),  # the first has no start, the second a null for a start
        ("(=10) = [10..10]", "false"),
        ("(>= 10).start", "10"),
        ("(>= 10).end", "null"),
        ("(<= 10).end included", "true"),
        ("{r: (< 10), s: [5 in r, 10 in r, null in r]}.s", "[true,false,null]"),
        ("5 in (null..10]", "null"),
        ("1 in [[2..4], [1..3]]", "true"),
        ("5 in [[2..4], [1..3]]", "false"),
        ("10 in = 10", "true"),
        ("10 in != 10", "false"),
        ("10 in (!= 10, > 9)", "true"),
        ("10 in (= 11, < 9)", "false"),
        ("[1, 2] in = [1, 2]", "true"),
        ('range("[1..3]") = [1..3]', "true"),
        # types with arguments
        ("[1, 2] instance of list<number>", "true"),
        ("[1, null] instance of list<number>", "true"),
        ('[1, "2"] instance of list<number>', "false"),
        ("1 instance of list<number>", "false"),
        ("null instance of list<Any>", "false"),
        ("[[1]] instance of list<list<number>>", "true"),
        ("{a: 1, b: 2} instance of context<a: number>", "true"),
        ("{a: null} instance of context<a: number>", "true"),
        ("{b: 1} instance of context<a: number>", "false"),
        ("{a: {b: 1}} instance of context<a: context<b: string>>", "false"),
        ("[1..3] instance of range<number>", "true"),
        ('["a".."b"] instance of range<number>', "false"),
        ("(function(a) a) instance of function<number> -> number", "true"),
        ("(function(a) a) instance of function<>->Any", "false"),
        ("1 instance of function<>->Any", "false"),
        ("5 instance of tPositive", "true"),
        ("-5 instance of tPositive", "false"),
        ("[5, 6] instance of list<tPositive>", "true"),
        ('"wide" instance of t Wide', "true"),
        ("null instance of tPositive", "false"),
        ("5 instance of tUnknown", "false"),
        # functions are values
        ("(function(x) x + 1)(2)", "3"),
        ("{f: function(x) x + 1}.f(5)", "6"),
        ("{f: function(x) x + 1}.f(5, 6)", "null"),
        ("adder(1)(2)", "3"),
        ("fn library.double(4)", "8"),
        ("fn library.double(n: 4)", "8"),
        ("fn library.half(4)", "null"),
        ("{fact: function(n) if n <= 1 then 1 else n * fact(n - 1), r: fact(20)}.r", "2432902008176640000"),
        ("{add: function(a) function(b) a + b, r: add(1)(2)}.r", "3"),
        ("for f in [function(x) x + 1, abs] return f(-1)", "[0,1]"),
        ("{twice: function(f, x) f(f(x)), r: twice(sqrt, 16)}.r", "2"),
        ("{f: sum, r: f(1, 2, 3)}.r", "6"),
        ("{f: sqrt, r: f(1, 2)}.r", "null"),
        ("{f: abs, r: f(n: -3)}.r", "3"),
        ('[null(), true(), 123(), "abs"(-1), x()]', "[null,null,null,null,null]"),
        ("{abs: function(x) 0, r: abs(-1)}.r", "0"),
        ('{date: date("2020-01-01"), later: date("2021-01-01")}.later.year', "2021"),  # only a function hides a function
        ("{count: 5, r: count([1, 2])}.r", "2"),
        ("[{abs: 1}, {abs: 2}][abs = 2].abs", "[2]"),
        ("for sum in [1, 2] return sum + sum([1, 2])", "[4,5]"),
        ('(function(a: number) a)("x")', "null"),
        ("(function(a: number) a)([5])", "5"),  # a list of one item stands for the item
        ("(function(a: list<number>) a)(5)", "[5]"),
        ("(function(a: tPositive, b) [a, b])(-1, 2)", "null"),
        ("(function(a: tPositive, b) [a, b])(null, 2)", "[null,2]"),
        # lists of one item and single values
        ("100[1]", "100"),
        ("100[2]", "null"),
        ("true[true]", "[true]"),
        ('"foo"[false]', "[]"),
        ("{a: 1}[a = 1]", '[{"a":1}]'),
        ("null[1]", "null"),
        ('upper case(["a"])', '"A"'),
        ('upper case(["a", "b"])', "null"),
        ("count(5)", "1"),
        ("count(null)", "null"),
        ('string join("a", "X")', '"a"'),
        ("sum(list: 5)", "5"),
        ("append(list: [1], items: 2)", "[1,2]"),
        ("sublist(list: [1, 2, 3], start position: 2, length: 1)", "[2]"),
        ("floor(n: 1.55, scale: 1)", "1.5"),
        ("floor(n: 1.55, scala: 1)", "null"),
        ("list contains(1, 1)", "true"),
        # iterations
        ("for i in [1, 2], j in [i, i + 10] return j", "[1,11,2,12]"),
        ("for i in l, j in i..3 return j", "[1,2,3,2,3,3]"),
        ("for i in l, j in i return j", "null"),
        ("some i in [[1], [2]], j in i satisfies j = 2", "true"),
        ("every i in [[1], [2]], j in i satisfies j = 2", "false"),
        ("for i in [1..3] return i", "[1,2,3]"),
        ("for i in (1..4) return i", "[2,3]"),
        ("for i in (1..2) return i", "[]"),
        ("for i in (< 3) return i", "null"),
        ('for d in @"2020-02-28"..@"2020-03-01" return d.day', "[28,29,1]"),
        ('for d in @"2020-03-01"..@"2020-02-28" return d.day', "[1,29,28]"),
        ('for d in [@"2020-02-28"..@"2020-03-01"] return d.day', "[28,29,1]"),
        ("for d in days in weekend return d", '["sat","sun"]'),
        # arithmetic
        ("1.2e3", "1200"),
        ("1.23e-4 = 0.000123", "true"),
        ("1e3 + 1E+3", "2000"),
        ('-@"P1D" = @"-P1D"', "true"),
        ('-@"P1Y" = @"-P1Y"', "true"),
        ("-true", "null"),
        ('1.5 * @"P4DT1H" = @"P6DT1H30M"', "true"),
        ('-1.5 * @"P2M" = @"-P3M"', "true"),
        ('@"2021-01-02T00:00:00Z" - @"2021-01-01" = @"P1D"', "true"),
        ('@"2021-01-02" - @"2021-01-01T00:00:00@Europe/Berlin" = @"P1DT1H"', "true"),
        ('@"2021-01-01T00:00:00" - @"2021-01-02"', "null"),
        # texts
        ('string({a: "x", "b c": ["\\""]})', r'"{a: \"x\", \"b c\": [\"\\\"\"]}"'),
        ('string(@"P0D") + string(@"P0Y")', '"PT0SP0M"'),
        ('string([@"PT0.5S", @"-PT0.5S", @"P1DT0.25S", @"PT3.1S", @"PT49H"])', '"[PT0.5S, -PT0.5S, P1DT0.25S, PT3.1S, P2DT1H]"'),
        ("string(null)", "null"),
        ('time("13:20:00+02:00@Europe/Paris")', "null"),
        ('date and time("2011-12-03T10:15:30+01:00@Europe/Paris")', "null"),
        ('date and time("2011-12-03T10:15:30+01:00[Europe/Paris]").hour', "10"),  # as values are stored
        # contexts
        ("{a: 1, a: 2}", "null"),
        ('context([{key: "a", value: 1}, {key: "a", value: 2}])', "null"),
        ('context({key: "a", value: 1})', '{"a":1}'),
        ('context put({x: 1, y: {a: 0}}, ["y", "a", "b"], 2)', "null"),
        ('context put({x: 1}, ["y", "a"], 2)', '{"x":1,"y":{"a":2}}'),
        # regular expressions by XPath
        ('matches("abc", "b", null)', "true"),
        ('matches("abc", "b", "p")', "null"),
        (r'matches("hello world", "hello\\ sworld", "x")', "true"),
        ('matches("hello world", "he llo[ ]wor ld", "x")', "true"),
        (r'matches("a[b", "a \\[ b", "x")', "true"),
    ],
)  # fmt: skip
def test_an_expression_of_the_standard_gives(text, value):
    assert shown(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Full Name", '"Ada"'),
        ("Full\n  Name", '"Ada"'),
        ('"Hello " + Full Name', '"Hello Ada"'),
        ("Pre-bureauRisk", "7"),
        ("Pre-bureauRisk + 1", "8"),
        ("Pre - bureauRisk", "-1"),  # with blanks, two names and a subtraction
        ("Applicant's age >= 18", "true"),
        ("Monthly.Income * 12", "120"),
        ("o.Full Name", '"Bob"'),
        ("[o].Full Name", '["Bob"]'),
        ('[o][Full Name = "Bob"].a', "[1]"),
        ("{my key: 1, twice: my key * 2}.twice", "2"),
        ("{a-b: 3, r: a-b - 1}.r", "2"),
        ('{"x y": 1, r: x y}.r', "1"),
        ("for my item in l return my item + 1", "[2,3,4]"),
        ("(function(first value, b-c) first value)(1, 2)", "1"),
        ("{f: function(my arg: number) my arg, r: f(my arg: 4)}.r", "4"),
        ("Full Names", "<>"),  # the end of a known name is the end of a word
        ("Unknown Name", "<>"),
    ],
)
def test_names_with_blanks_and_signs_are_read_where_they_are_known(text, value):
    if value == "<>":
        with pytest.raises(feel.ParseError):
            compiled(text)
    else:
        assert shown(text) == value


@pytest.mark.parametrize(
    "text",
    ["1e", "1e+", "1 e3", "1e3x", "1e99999", "[1..3", "(< )", "(<> 1)", "[1] instance of list<", "[1] instance of list<number",
     "1 instance of function<number>", "f instance of function<number> > number", "function(a: ) a", "f(1)(", "x in =", "1 < 2 < 3",
     "for i in", "{a: 1, b}", "Full Name Name"],
)  # fmt: skip
def test_a_text_is_no_expression_of_the_standard_either(text):
    with pytest.raises(feel.ParseError):
        compiled(text)


@pytest.mark.parametrize(
    "text",
    ["10 * [1..3]", "[1..10] = [1..10]", "[1..3].start", "10 in = 10", "10 in (!= 9)", "[1] instance of list<number>", "f(1)(2)",
     "(function(x) x)(1)", "{f: 1}.f(2)", "(< 10)", "function(a: number) a", "1.2e3", "for i in [1..3] return i", "Full Name"],
)  # fmt: skip
def test_the_reference_dialect_refuses_what_the_reference_broker_refuses(text):
    refusal(text)


CELL_SCOPE = {"t": True, "x": 5}


@pytest.mark.parametrize(
    ("cell", "input_json", "answer"),
    [
        ("= 5", "5", "true"),
        ("!= 5", "5", "false"),
        ("not(= 5)", "6", "true"),
        ("(> 3)", "5", "true"),
        ("(= 5)", "5", "true"),
        ("[[1..3], [5..7]]", "6", "true"),
        ("t", "true", "true"),
        ("t", "false", "false"),  # compared with an input that is a boolean
        ("t", "5", "true"),
        ("not(t)", "true", "false"),
        ("x > 1", "9", "true"),
        ("1.0e1", "10", "true"),
    ],
)
def test_a_cell_of_the_standard_says(cell, input_json, answer):
    tests = feel.compile_unary_tests(cell, functions=feel.STANDARD_FUNCTIONS, vocabulary=VOCABULARY)
    result = tests.evaluate(CELL_SCOPE, feel.from_json(input_json), NOW)
    assert result.failure is None
    assert feel.to_json(result.value) == answer


def test_functions_of_later_versions_are_missing_from_decisions_of_the_reference():
    for text in ['is blank("")', "to json({a: 1})", "is(1, 1)", "list replace([1], 1, 2)", 'range("[1..2]").start']:
        assert feel.compile(text, functions=feel.DECISION_FUNCTIONS).evaluate({}).value is None
        assert feel.compile(text, functions=feel.PROCESS_FUNCTIONS).evaluate({}).value is not None
        assert feel.compile(text, functions=feel.STANDARD_FUNCTIONS).evaluate({}).value is not None


def test_a_parameter_has_only_the_names_of_the_standard_there():
    text = "abs(number: -1)"
    assert feel.compile(text, functions=feel.DECISION_FUNCTIONS).evaluate({}).value == 1
    assert feel.compile(text, functions=feel.STANDARD_FUNCTIONS).evaluate({}).value is None


def test_a_compiled_text_is_shared_only_without_names_and_types():
    plain = feel.Vocabulary(feel.Dialect.STANDARD)
    assert feel.compile("1 + x", vocabulary=plain) is feel.compile("1 + x", vocabulary=plain)
    assert feel.compile("1 + x", vocabulary=plain) is not feel.compile("1 + x")
    assert feel.compile("1 + x", vocabulary=VOCABULARY) is not feel.compile("1 + x", vocabulary=VOCABULARY)


@pytest.mark.parametrize(
    "text",
    [
        "{f: function(n) f(n + 1), r: f(1)}.r",  # without an end
        "{f: function(n) 1 + f(n + 1), r: f(1)}.r",
        "f" + "(1)" * 5_000,
        "list<" * 5_000,
        "1 instance of " + "list<" * 5_000,
        "for a in 1..1000000, b in [a], c in [b] return [a, b, c]",
    ],
)
def test_hostile_texts_of_the_standard_end_soon(text):
    try:
        result = compiled(text).evaluate(scope_of(), NOW)
    except feel.ParseError:
        return
    assert result.failure is not None or result.value is None
