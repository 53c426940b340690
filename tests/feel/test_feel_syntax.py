"""What is an expression and what is not, and how a fault is told."""

import pytest
from evaluation import refusal, shown

from osmia_broker import feel


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 ** 3 ** 2", "64"),  # everything groups from the left
        ("-2 ** 2", "4"),  # a sign binds tighter than a power
        ("--3", "3"),
        ("2---3", "-1"),
        ("1 - 2 - 3", "-4"),
        ("1 + 2 * 3 ** 2", "19"),
        ("007 + .5", "7.5"),
        ("1 // one\n + /* two */ 2", "3"),
        ("1 +\u200b 2", "3"),  # white space without a shape, as in copied texts
        ("\ufeff1\u180e+\u00a02\u200b", "3"),
        ('upper case\u200b("a")', '"A"'),
        ('date and time\ufeff("2020-01-01").year', "2020"),
        ('substring(string\u200b: "abc", start position\ufeff: 3)', '"c"'),
        ("{\u200ba\ufeff: 1}", '{"a":1}'),
        ('"a\u200bb"', '"a\u200bb"'),  # inside a string it stays
        ("if false then 1 else if true then 2 else 3", "2"),
        ("if(1=1)then 1 else 2", "1"),
        ("(if true then 1 else 2) + 1", "2"),
        ("if", "null"),  # a variable: nothing follows that a condition could begin with
        ("for + 1", "null"),
        ("[every, some, between]", "[null,null,null]"),
        ("`my var`", "4"),
        ("{`f g`: function(x) x + 1, r: `f g`(2)}.r", "3"),
        ("`abs`(-1)", "1"),
        ("o.`a b`", "5"),
        ('{a+b: 1, if: 2, null: 3, "x y": 4, 5: 6}', '{"a+b":1,"if":2,"null":3,"x y":4,"5":6}'),
        ("{a: 1, a: 2}", '{"a":2}'),
        ("{b: a, a: 1}", '{"b":null,"a":1}'),  # earlier entries do not see later ones
        ('"a\\tb\\sc\\d\\"e"', '"a\\tb c\\\\d\\"e"'),
        ('"a\nb"', '"a\\nb"'),
        ("5 in ]1..5[", "false"),
        ("5 in ]1..5[ or true", "true"),  # the bracket after 5 closes the interval
        ("2 in ]1..l[2][", "true"),  # the first bracket is a filter, the last one closes
        ("{r: 2 in ]1..5[, s: 1}", '{"r":true,"s":1}'),
        ('date and time("2020-01-01").year', "2020"),
        ('upper  case("a")', "null"),  # two blanks name another function
        ('upper case ("a")', '"A"'),
        ("and([true, false])", "false"),
        ("true and or([true])", "true"),
        ("1 between 0 and 2 and true", "true"),
        ("{f: function() 42, r: f()}.r", "42"),
        ("{add one: function(a) a + 1, r: add one(2)}.r", "3"),
        ('[date and time("2020-01-01"), 1][2]', "1"),
    ],
)
def test_a_text_means_this(text, value):
    assert shown(text, '{"my var": 4, "o": {"a b": 5}, "l": [0, 9]}') == value


@pytest.mark.parametrize(
    "text",
    [
        "", "  ", "\ufeff\u200b", "a\u200bb", "1\u200c+ 2", "1\u2060+ 2", "// only", "1 +", "= 1", "==1", "1 == 1", "1 <> 2", "1 2", "a b", "my var", "5.", "1e3", "+3", "- - 3",
        "1 < 2 < 3", "1 = 1 = true", "true && true", "!true", "a % b", "1;2", "#", "@", "@name", "'a'", '"a', "`a", "/* a",
        "[1,2,]", "[1,,2]", "[1, 2", "{a: 1", "{a 1}", "{:1}", "{a: 1,}", "f(1,)", "f(,1)", "f(1, a: 2)", "f(a: 1, 2)",
        "(function(x) x)(2)", "{f: 1}.f(2)", "(1 + 2", "1 + 2)", "null.null", "null.in", 'x."a b"', "x.1",
        "if c then a", "if c else a", "1 + if true then 1 else 2", "1 + function(x) x", "for i in [1] i", "for i in [1..3] return i",
        "some x in [1]", "any x in [1] satisfies x", "for true in [1] return 1", "[1..5] = [1..5]", "[1..5].start", "-[1..5]", "1..5",
        "< 2", "[1, 2][> 1]", "1 > 0 and < 3", "[1..5] instance of list", "null instance of null", "[1] instance of list<number>", "function(x: number) x",
        "in", "then", "else", "return", "satisfies", "function", "AND 1", "true AND false", "]1..5", "[1..5[1]",
    ],
)  # fmt: skip
def test_a_text_is_no_expression(text):
    refusal(text)


@pytest.mark.parametrize(
    ("text", "place", "sentence"),
    [
        ("1 +", (1, 4), "Expected a value, but found the end"),
        ("a\n  + b c", (2, 7), "Expected an operator or the end, but found 'c'"),
        ("if a then b", (1, 12), "Expected 'else', but found the end"),
        ("[1, 2", (1, 6), "Expected ']', but found the end"),
        ("[1..5] = 2", (1, 8), "Expected no operator on an interval, but found '='"),
        ("{a 1}", (1, 5), "Expected ':', but found '}'"),
        ('"abc', (1, 1), "Expected a value, but found '\"abc'"),
    ],
)
def test_a_fault_is_told_with_its_place(text, place, sentence):
    error = refusal(text)
    assert (error.line, error.column) == place
    assert str(error) == f"failed to parse expression '{text}': {sentence} (line {place[0]}, column {place[1]})"


def test_a_fault_is_shown_with_a_caret():
    assert feel.explain(refusal("1 +\n 2 3")) == (
        "Expected an operator or the end, but found '3' in line 2\n"
        "   2 3\n"
        "     ^"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a + b.c", {"a", "b"}),
        ("{a: 1, b: a + c}", {"c"}),
        ("for i in list return i * factor + count(partial)", {"list", "factor"}),
        ("some x in xs, y in x satisfies x > y", {"xs", "x"}),  # a later iterator does not see an earlier one
        ("list[price > limit]", {"list", "price", "limit"}),  # `price` may be an entry or a variable
        ("function(x) x + y", {"y"}),
        ("f(x)", {"f", "x"}),  # not a built-in function: only the scope can have it
        ("abs(x)", {"x"}),
        ("1 + 2", set()),
    ],
)
def test_an_expression_tells_what_it_reads(text, names):
    assert feel.compile(text).names == names


@pytest.mark.parametrize(
    ("text", "constant"),
    [
        ("1 + 2", True),
        ('"a"', True),
        ("{a: 1}.a", True),
        ("x", False),
        ("now()", False),
        ("uuid()", False),
        ("[today()]", False),
    ],
)
def test_an_expression_tells_whether_it_is_constant(text, constant):
    assert feel.compile(text).constant is constant


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1", "NUMBER"),
        ('"a"', "STRING"),
        ("true", "BOOLEAN"),
        ("a > 1", "BOOLEAN"),
        ("a and b", "BOOLEAN"),
        ("[a]", "ARRAY"),
        ("{a: 1}", "OBJECT"),
        ("if a then 1 else 2", "NUMBER"),
        ("if a then 1 else null", "NUMBER"),
        ('if a then 1 else "b"', None),
        ("a", None),
        ("a + b", None),
    ],
)
def test_an_expression_tells_its_type_where_it_is_known(text, kind):
    assert feel.compile(text).result_type == kind
