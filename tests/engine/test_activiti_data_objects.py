"""Data objects are the variables that a scope begins with (measured on Activiti 7.1.0.M6)."""

import re

import pytest

from tests.activiti import deployed, played, properties
from tests.bpmn import bpmn
from tests.doors import Door, Refused
from tests.harness import Scenario

VALUE = "<bpmn:extensionElements><activiti:value>{}</activiti:value></bpmn:extensionElements>"


@pytest.fixture
def door(alone_door: Door) -> Door:
    return alone_door


def data(value: str | None, type: str = "xsd:string", name: str = "d") -> str:
    """A data object of the process."""
    inside = "" if value is None else VALUE.format(value)
    return f'<bpmn:dataObject id="data_{name}" name="{name}" itemSubjectRef="{type}">{inside}</bpmn:dataObject>'


@pytest.mark.parametrize(
    ("type", "value", "seen"),
    [
        ("xsd:string", "hello", '"hello"'),
        ("xsd:string", " 5 ", '"5"'),
        ("xsd:string", "${x}", '"${x}"'),  # not evaluated
        ("xsd:string", "", "null"),
        ("xsd:string", None, "null"),
        ("xsd:int", "-7", "-7"),
        ("xsd:long", "12345678901", "12345678901"),
        ("xsd:double", "1.5", "1.5"),
        ("xsd:double", "-.5e3", "-500"),
        ("xsd:double", "3.", "3"),
        ("xsd:double", "0.1" + "0" * 5_000, "0.1"),
        ("xsd:double", "1" + "0" * 29, "1e+29"),
        ("xsd:double", "0e9999999999999999999", "0"),
        ("xsd:double", "1e-9999999999999999999", "0"),
        ("xsd:boolean", "TRUE", "true"),
        ("xsd:boolean", "yes", "false"),
        ("xsd:datetime", "2030-01-31T10:00:00Z", '"2030-01-31T10:00:00Z"'),
    ],
)
def test_the_process_begins_with_it(door: Door, type: str, value: str | None, seen: str):
    played(door, "start > a:user > end", f"create x=1; variables x=1 d={seen}", extra=data(value, type))


@pytest.mark.parametrize("type", ["xsd:anyURI", "string", ""])
def test_one_of_another_type_is_a_drawing(door: Door, type: str):
    played(door, "start > a:user > end", "create; variables", extra=data("hello", type))


def test_a_given_value_counts_before(door: Door):
    played(door, "start > a:user > end", "create d=9; variables d=9", extra=data("7", "xsd:int"))


def test_so_does_that_of_a_message(door: Door):
    deployed(door, "start(message=go) > a:user > end", extra=data("7", "xsd:int") + data("8", "xsd:int", "e"))
    Scenario(door).play("publish go d=9; instance process; variables d=9 e=8")


def test_a_called_process_has_its_own(door: Door):
    deployed(door, "start > a:user > end", id="inner", extra=data("7", "xsd:int"))
    played(door, "start > k:call(called=inner) > end", "create x=1; instance inner; variables x=1 d=7")


def test_a_default_of_an_extension_file_does_not_replace_it(door: Door):
    given = properties(d={"type": "integer", "value": 5}, e={"type": "integer", "value": 6})
    played(door, "start > a:user > end", "create; variables d=7 e=6", extra=data("7", "xsd:int"), properties=given)


def test_that_of_a_subprocess_is_its_own(door: Door):
    inner = data("in", name="d").replace("data_d", "data_inner")
    line = 'start > in:sub { start > a:user(assignee="${d}") > end } > b:user(assignee="${d}") > end'
    files = [("process.bpmn", _inside(line, inner, data("out")))]
    door.deploy(*files)
    Scenario(door).play("create; waits a assignee=in; complete a d=changed; waits b assignee=out; variables d=out")


def _inside(line: str, inner: str, outer: str) -> bytes:
    text = bpmn(line, dialect="activiti", extra=outer).decode()
    opening = '<bpmn:subProcess id="in">'
    assert opening in text
    return text.replace(opening, opening + inner).encode()


@pytest.mark.parametrize(
    ("type", "value"),
    [
        ("xsd:int", "abc"),
        ("xsd:int", "2147483648"),
        ("xsd:long", "1.5"),
        ("xsd:double", "NaN"),
        ("xsd:double", "1e400"),
        ("xsd:double", "1_000"),
        ("xsd:double", "١٢"),
        ("xsd:double", "-1E+999999999999"),
        ("xsd:datetime", "soon"),
    ],
)
def test_a_value_of_another_type_is_refused(door: Door, type: str, value: str):
    with pytest.raises(Refused, match=re.escape(f"to be of the type '{type}', but found '{value}'")):
        deployed(door, "start > a:user > end", extra=data(value, type))
