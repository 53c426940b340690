"""Namespace names of other tools: any text names a namespace, and the reader stays as strict as before."""

import pytest
from bpmn_fragments import PROCESS, definitions, faults, read

from osmia_broker import dmn
from osmia_broker.base import untrusted_xml
from osmia_broker.base.untrusted_xml import Unreadable

NAMES = [
    "http://acme/My Process",
    "http://acme/Prüfung",
    "C:\\models\\acme",
    "urn:{acme}",
    "{}",
    " ",
    "relative/name",
    "../up",
    "a%zz",
    "http://[",
    "http://acme/#a#b",
    "\u00a0",
    "x" * 10_000,
]
DECISION = """<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" xmlns:v="{name}" id="g" name="g" namespace="{name}">
<decision id="d" name="d"><literalExpression><text>1</text></literalExpression></decision></definitions>"""


def declared(name: str) -> bytes:
    return definitions(PROCESS.replace("{content}", '<bpmn:task id="it" v:color="red" name="Frühstück"/>')).replace(
        b"xmlns:other", f'xmlns:v="{name}" xmlns:other'.encode()
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_prefix_may_be_bound_to_any_text(name: str) -> None:
    assert read(declared(name)).elements["it"].name == "Frühstück"


@pytest.mark.parametrize("name", NAMES)
def test_a_decision_model_may_bind_a_prefix_to_any_text(name: str) -> None:
    assert [decision.id for decision in dmn.parse("d.dmn", DECISION.format(name=name).encode()).decisions] == ["d"]


def test_a_default_namespace_inside_extension_elements_may_be_any_text() -> None:
    extensions = (
        '<bpmn:extensionElements><thing xmlns="acme things" id="start"><thing/></thing></bpmn:extensionElements>'
    )
    assert faults(f'<bpmn:task id="it">{extensions}</bpmn:task>') == []


@pytest.mark.parametrize("repeats", [1, 99, 100, 101, 5_000])
def test_a_tool_may_declare_its_prefix_at_every_element(repeats: int) -> None:
    tasks = "".join(f'<bpmn:task xmlns:v="My Tool" id="t{i}" v:i="{i}"/>' for i in range(repeats))
    assert len(read(tasks).elements) == repeats + 2


def test_the_lines_of_such_a_file_are_still_known() -> None:
    content = declared("My Process").replace(b"</bpmn:process>", b'\n\n<bpmn:transaction id="t"/></bpmn:process>')
    [fault] = faults(content)
    assert (fault.element_id, fault.line) == ("t", 10)


@pytest.mark.parametrize(
    ("inside", "reason"),
    [
        ("<w:x/>", "unbound prefix"),
        ('<x w:y=""/>', "unbound prefix"),
        ('<x v:y="" w:y="" xmlns:w="a b"/>', "duplicate attribute"),
        ('<x xmlns:w=""/>', "must not undeclare prefix"),
        ('<x xmlns:xml="a b"/>', "reserved prefix"),
        ('<x xmlns:xmlns="a b"/>', "reserved prefix"),
        ('<x xmlns:w="http://www.w3.org/2000/xmlns/"/>', "reserved namespace"),
        ('<x xmlns:w:x="a b"/>', "not well-formed"),
        ("<x>", "mismatched tag"),
        ('<x a="1" a="2"/>', "duplicate attribute"),
        ("<x>&y;</x>", "undefined entity"),
        ("<x>\x01</x>", "not well-formed"),
        ("<!DOCTYPE a><x/>", "not well-formed"),
    ],
)
def test_what_is_not_well_formed_is_refused_beside_such_a_name(inside: str, reason: str) -> None:
    with pytest.raises(Unreadable, match=rf"^Fatal Error at line 1, column \d+: .*{reason}"):
        untrusted_xml.read(f'<d xmlns:v="a b">{inside}</d>'.encode())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('<!DOCTYPE d><d xmlns:v="a b"/>', "DOCTYPE is disallowed"),
        ('<!DOCTYPE d [<!ENTITY b "c">]><d xmlns:v="a b">&b;</d>', "DOCTYPE is disallowed"),
        ('<?xml version="1.0" encoding="cp037"?><d xmlns:v="a b"/>', "Expected an encoding of utf-8"),
        ('<d xmlns:v="a b">' * 257 + "</d>" * 257, "Expected at most 256 levels"),
        ('<d xmlns:v="a b">' + "<e/>" * 250_000 + "</d>", "Expected at most 250000 elements"),
    ],
)
def test_the_bounds_hold_beside_such_a_name(content: str, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        untrusted_xml.read(content.encode())


@pytest.mark.parametrize("declarations", [1, 200])
def test_nothing_is_lost_where_libxml2_refuses_more_than_the_name(declarations: int) -> None:
    """Libxml2 ends a name after 50,000 characters. Its log is full by then, so the count must show the loss."""
    names = "".join(f'<e xmlns:v{i}="a b"/>' for i in range(declarations))
    with pytest.raises(Unreadable):
        untrusted_xml.read(f"<d>{names}<{'x' * 60_000}/></d>".encode())
