"""Files of other engines, other standards and other namespaces: the refusal says what they are; and faults that people find in a diagram."""

import pytest
from bpmn_fragments import definitions, faults, process

from osmia_broker import model

BPMN = "http://www.omg.org/spec/BPMN/20100524/MODEL"
ZEEBE = "http://camunda.org/schema/zeebe/1.0"
JOB = '<bpmn:serviceTask id="it"/>'


def file(namespaces: str, content: str = JOB) -> bytes:
    """A file with these namespaces and one executable process."""
    inside = f'<bpmn:process id="p" isExecutable="true"><bpmn:startEvent id="start"/>{content}</bpmn:process>'
    return (
        f'<bpmn:definitions targetNamespace="t" xmlns:bpmn="{BPMN}" {namespaces}>{inside}</bpmn:definitions>'.encode()
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/"/>', "this is a DMN decision"),
        (b'<definitions xmlns="http://www.omg.org/spec/CMMN/20151109/MODEL"/>', "this is a CMMN case"),
        (b'<definitions xmlns="http://www.omg.org/bpmn20"/>', f"the namespace must be '{BPMN}'"),
        (b"<definitions/>", f"the namespace must be '{BPMN}'"),
        (b"<html/>", "but found 'html'"),
        (definitions(""), "but found no process"),
        (definitions('<bpmn:process id="p" name="Dinner"/>'), "make 'Dinner' executable in the modeler"),
        (definitions('<bpmn:process id="p" isExecutable="false"/>'), "make 'p' executable in the modeler"),
        (file('xmlns:camunda="http://camunda.org/schema/1.0/bpmn"'), "This is a model for Camunda 7"),
        (file('xmlns:zeebe="http://camunda.org/schema/zeebe"'), f"expected '{ZEEBE}'"),
    ],
)
def test_a_refusal_says_what_a_file_is(content: bytes, words: str) -> None:
    with pytest.raises(model.InvalidModel) as refused:
        model.parse("it.bpmn", content)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value).splitlines()[0]


@pytest.mark.parametrize(
    "namespaces",
    [
        f'xmlns:camunda="http://camunda.org/schema/1.0/bpmn" xmlns:zeebe="{ZEEBE}"',  # the Camunda 8 modeler leaves it behind
        f'xmlns:zeebe="{ZEEBE}" xmlns:other="urn:other"',
        f'xmlns:z="{ZEEBE}"',
    ],
)
def test_a_file_of_camunda_8_gets_no_hint(namespaces: str) -> None:
    assert [fault.element_id for fault in faults(file(namespaces))] == ["it"]


def test_a_model_of_camunda_7_that_needs_nothing_of_it_can_be_deployed() -> None:
    assert faults(file('xmlns:camunda="http://camunda.org/schema/1.0/bpmn"', "<bpmn:endEvent id='e'/>")) == []


@pytest.mark.parametrize(
    ("fragment", "where"),
    [
        ('<bpmn:serviceTask id="it" name="Cook dinner"/>', "(line 7, 'Cook dinner')"),
        ('<bpmn:serviceTask id="it" name=" "/>', "(line 7)"),
        ('<bpmn:subProcess id="it" name="Dinner"/>', "(line 7, 'Dinner')"),  # found when all is read
    ],
)
def test_a_fault_names_the_line_and_the_name_in_the_diagram(fragment: str, where: str) -> None:
    with pytest.raises(model.InvalidModel) as refused:
        model.parse("test.bpmn", process(fragment))
    element, error = str(refused.value).splitlines()
    assert element == "- Element: it"
    assert error.endswith(where)


def test_a_fault_without_any_id_around_it_names_its_line_once() -> None:
    with pytest.raises(model.InvalidModel) as refused:
        model.parse("test.bpmn", f'<definitions xmlns="{BPMN}"><process/></definitions>'.encode())
    element, error = str(refused.value).splitlines()
    assert element == "- Element: definitions"
    assert error.endswith('; make the process executable in the modeler (isExecutable="true") (line 1)')
