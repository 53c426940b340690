import io

import msgspec
import pytest

from osmia_broker.cli.failures import Exit, Failure
from osmia_broker.cli.variables import read


def sent(*assignments, document=None):
    """The variables as they travel."""
    return msgspec.json.encode(read(list(assignments), document)).decode()


@pytest.mark.parametrize(
    ("typed", "travels"),
    [
        ("dinner=pizza", '{"dinner":"pizza"}'),
        ("n=12", '{"n":12}'),
        ("n==12", '{"n":"12"}'),
        ("n:=12", '{"n":12}'),
        ("ok=true", '{"ok":true}'),
        ("list=[1, 2]", '{"list":[1, 2]}'),
        ("empty=", '{"empty":""}'),
        ("a=b=c", '{"a":"b=c"}'),
        ("date=2026-11-22", '{"date":"2026-11-22"}'),
        ("key=9223372036854775807", '{"key":9223372036854775807}'),
        ("exact=1.00000000000000000001", '{"exact":1.00000000000000000001}'),
        ('quoted="12"', '{"quoted":"12"}'),
    ],
)
def test_typed_text_is_sent_as_json(typed, travels):
    assert sent(typed) == travels


def test_a_later_assignment_wins_over_an_earlier_one_and_over_the_document():
    assert sent("a=2", "a=3", document='{"a": 1, "b": 1}') == '{"a":3,"b":1}'


@pytest.mark.parametrize("typed", ["novalue", "=1", ":=1", " =1", "==1"])
def test_an_assignment_needs_a_name_and_a_value(typed):
    with pytest.raises(Failure, match="Expected --var NAME=VALUE") as failure:
        read([typed], None)
    assert failure.value.exit is Exit.USAGE


def test_demanded_json_must_be_json():
    with pytest.raises(Failure, match="Expected the value of --var n to be JSON"):
        read(["n:=pizza"], None)


@pytest.mark.parametrize("document", ["[1]", "1", "null", "{", "", '{"a": }', "{'a': 1}"])
def test_a_document_must_be_an_object(document):
    with pytest.raises(Failure, match="to hold a JSON object"):
        read([], document)


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ("", "an empty text"),
        ("[1]", "a list"),
        ('"a"', "a text"),
        ("null", "null"),
        ("{a: 1}", "a name without double quotes at line 1, column 2"),
        ("{'a': 1}", "a name without double quotes at line 1, column 2"),
        ('{"a": 1,\n "b": }', "no value at line 2, column 7"),
        ("{", "the end of the text at line 1, column 2"),
        ('{"a": 1,\n "b": ', "the end of the text at line 2, column 7"),
        ('{"a" 1}', "no colon at line 1, column 6"),
        ('{"a": 1 "b"}', "no comma at line 1, column 9"),
        ('{"a": 1} x', "more text behind the end at line 1, column 10"),
        ('{"a": "x}', "a text without its closing quote at line 1, column 7"),
        ('{"a": NaN}', "a value beyond the bounds of JSON"),
    ],
)
def test_what_is_wrong_with_a_document_is_said_with_its_place(document, found):
    with pytest.raises(Failure) as failure:
        read([], document)
    assert f"but found {found}" in failure.value.what


def test_what_is_wrong_with_demanded_json_is_said_with_its_place():
    with pytest.raises(Failure, match="but found no value at line 1, column 1"):
        read(["n:=pizza"], None)
    with pytest.raises(Failure, match="but found the end of the text at line 1, column 2"):
        read(["n:={"], None)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_document_may_come_from_a_file(tmp_path, encoding):
    (tmp_path / "v.json").write_text('{"a": 1}', encoding)
    assert sent(document=f"@{tmp_path / 'v.json'}") == '{"a":1}'


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(Failure, match="No such file"):
        read([], f"@{tmp_path / 'none.json'}")


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_document_may_come_from_standard_input(monkeypatch, mark):
    monkeypatch.setattr("sys.stdin", io.StringIO(f'{mark}{{"a": 1}}'))
    assert sent(document="-") == '{"a":1}'
