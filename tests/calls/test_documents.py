"""Variables as they travel: which documents are taken, and what a refusal says (gateway-rpc.md, section 1)."""

import pytest

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.calls.documents import DEPTH_MAX, DOCUMENT_BYTES_MAX, VARIABLES_MAX, parse_variables


@pytest.mark.parametrize("text", ["", "  \n", "null", " null ", "{}", " { } "])
def test_nothing_means_no_variables(text: str):
    assert parse_variables(text) == {}


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ('{"a":1,"b":[1,{"c":null}]}', {"a": "1", "b": '[1,{"c":null}]'}),
        (' { "a" : [ 1 , 2 ] , "b" : "x  y" } ', {"a": "[1,2]", "b": '"x  y"'}),
        ('{"a":1,"a":2}', {"a": "2"}),
        ('{"é":"ü"}', {"é": '"ü"'}),
        (r'{"a":"\ud83d\ude00"}', {"a": '"😀"'}),
        (r'{"\ud83d\ude00":1}', {"😀": "1"}),
        (r'{"a":"x\u0000y"}', {"a": r'"x\u0000y"'}),  # an escape is text that every store keeps
        (r'{"a":{"\u0000":1}}', {"a": r'{"\u0000":1}'}),
        ('{"a":18446744073709551615,"b":-9223372036854775808}', {"a": "18446744073709551615", "b": "-9223372036854775808"}),
        ('{"a":"1234567890123456789012345","b":1.0}', {"a": '"1234567890123456789012345"', "b": "1.0"}),
    ],
)  # fmt: skip
def test_a_document_is_split_at_its_top_level(text: str, variables: dict[str, str]):
    assert parse_variables(text) == variables


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "Invalid JSON value: {"),
        ("{'a':1}", "Invalid JSON value"),
        ('{"a":NaN}', "Invalid JSON value"),
        ('{"a":1} x', "Invalid JSON value"),
        ('{"a":"x\0y"}', "Invalid JSON value"),
        ("[]", "to be a root level object, but was 'ARRAY'"),
        ('"a"', "but was 'STRING'"),
        ("1", "but was 'INTEGER'"),
        ("1.5", "but was 'FLOAT'"),
        ("true", "but was 'BOOLEAN'"),
        ("nullx", "Invalid JSON value: nullx"),
        ("null null", "Invalid JSON value: null null"),
        ("truely", "Invalid JSON value: truely"),
        ("[1", "Invalid JSON value: [1"),
        ('"a', 'Invalid JSON value: "a'),
        (r'{"\u0000":1}', "variable names without NUL characters"),
        ('{"a":18446744073709551616}', "an integer of 64 bits"),
        ('{"a":-9223372036854775809}', "an integer of 64 bits"),
        ('{"a":' + "9" * 5_000 + "}", "an integer of 64 bits"),
        ('{"a":1e999}', "within a double's range"),
        ('{"a":1,"big":[{"n":18446744073709551616}]}', "in the variable 'big'"),
        ('{"big":1e999,"a":1}', "in the variable 'big'"),
        ('{"a":1,"' + "n" * 5_000 + '":' + "9" * 5_000 + "}", "in the variable 'nnn"),
        ('{"a":"\ud800"}', "half of a surrogate pair at character 6"),
        ('{"\udfff":1}', "half of a surrogate pair at character 2"),
        (r'{"a":"\ud800"}', "needs its other half"),
        (r'{"a":["\udc00\ud800"]}', "needs its other half"),
        (r'{"\ud800":1}', "needs its other half"),
        ('{"a":' + "[" * DEPTH_MAX + "]" * DEPTH_MAX + "}", f"at most {DEPTH_MAX} levels, but found {DEPTH_MAX + 1}"),
        ('{"a":"' + "x" * DOCUMENT_BYTES_MAX + '"}', f"at most {DOCUMENT_BYTES_MAX} bytes, but found"),
    ],
    ids=range(30),
)
def test_what_is_no_document_is_refused(text: str, words: str):
    with pytest.raises(InvalidArgument) as refused:
        parse_variables(text)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    "text", ['"' + "[" * 1_000 + '\\"{"', '["\\\\",' + '"[",' * 1_000 + '"]"]', "[" + "[1]," * 1_000 + "{}]"]
)
def test_many_brackets_beside_each_other_or_in_strings_are_no_levels(text: str):
    assert len(parse_variables('{"a":' + text + "}")) == 1


@pytest.mark.parametrize("before", ['"\\\\"', '"]]]]"', '"a\\"]"', "[[[]]]"])
def test_levels_behind_other_values_are_counted(before: str):
    deep = "[" * DEPTH_MAX + "]" * DEPTH_MAX
    with pytest.raises(InvalidArgument, match=f"but found {DEPTH_MAX + 1}"):
        parse_variables(f'{{"a":{before},"b":{deep}}}')


@pytest.mark.parametrize("character", ["x", "é", "字", "😀"])
def test_the_bound_counts_bytes_of_utf_8(character: str):
    frame = len('{"a":""}')
    characters, rest = divmod(DOCUMENT_BYTES_MAX - frame, len(character.encode()))
    largest = '{"a":"' + character * characters + "x" * rest + '"}'
    assert len(parse_variables(largest)) == 1
    with pytest.raises(InvalidArgument, match=f"but found {DOCUMENT_BYTES_MAX + 1}"):
        parse_variables(largest.replace('":"', '":"x'))


def test_a_document_has_a_bounded_number_of_variables():
    """A command is decided in one go, and everybody waits for it."""
    names = [f'"v{number}":1' for number in range(VARIABLES_MAX + 1)]
    assert len(parse_variables("{" + ",".join(names[1:]) + "}")) == VARIABLES_MAX
    with pytest.raises(InvalidArgument, match=r"Expected at most 20000 variables, but found 20001"):
        parse_variables("{" + ",".join(names) + "}")


def test_a_refusal_repeats_a_part_of_a_long_input():
    with pytest.raises(InvalidArgument) as refused:
        parse_variables("{" + "x" * 10_000)
    assert len(str(refused.value)) < 400
