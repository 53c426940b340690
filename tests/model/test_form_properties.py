"""The form properties of the Activiti dialect: the forms that they become, and what of them is warned of."""

from typing import Any

import msgspec
import pytest

from osmia_broker.model import warnings, xml
from osmia_broker.model.form_properties import PROPERTY
from osmia_broker.store.read.deployed.form_properties import form_of_properties
from tests.bpmn import bpmn

UNKNOWN_TYPE = "The type 'string_' of form property 'it' is not known: its field takes text, and the type"


def file(properties: str, task: str = "") -> Any:
    """The outermost element of a file with a user task that has these properties."""
    text = bpmn("start > ask:user > end", dialect="activiti").decode()
    before = '<bpmn:userTask id="ask"'
    assert before in text
    extensions = f"<bpmn:extensionElements>{properties}</bpmn:extensionElements>"
    return xml.read(text.replace(f"{before}>", f"{before} {task}>{extensions}").encode())


def field(attributes: str, inside: str = "") -> dict[str, Any]:
    """The only field of the form that one property makes."""
    root = file(f'<activiti:formProperty id="it" {attributes}>{inside}</activiti:formProperty>')
    form = msgspec.json.decode(form_of_properties("ask", [*root.iter(PROPERTY)]))
    [component] = form["components"]
    return dict(component)


TWO_VALUES = '<activiti:value id="w" name="Water"/><activiti:value id="t"/>'


@pytest.mark.parametrize(
    ("attributes", "inside", "expected"),
    [
        ("", "", {"type": "textfield", "key": "it", "label": "it"}),
        ('name="What?" variable="x"', "", {"key": "x", "label": "What?"}),
        ('type="long" default="12"', "", {"type": "number", "decimalDigits": 0, "defaultValue": 12}),
        ('type="double" default="1.5"', "", {"type": "number", "defaultValue": 1.5}),
        ('type="boolean" default="false"', "", {"type": "checkbox", "defaultValue": False}),
        ('type="date" default="2030-01-31"', "", {"subtype": "date", "defaultValue": "2030-01-31"}),
        ('type="enum" default="w"', TWO_VALUES, {"type": "select", "defaultValue": "w"}),
        ('type="enum"', TWO_VALUES, {"values": [{"value": "w", "label": "Water"}, {"value": "t", "label": "t"}]}),
        ('required="true" writable="false"', "", {"validate": {"required": True}, "readonly": True}),
        ('type="long" required="true"', "", {"validate": {"required": True}}),
        (
            'type="boolean" required="true"',
            "",
            {"type": "checkbox", "validate": None},
        ),  # form-js would take "yes" alone
        ('type="color" default="red"', "", {"type": "textfield", "defaultValue": "red"}),
    ],
)
def test_a_property_becomes_a_field(attributes: str, inside: str, expected: dict[str, Any]) -> None:
    found = field(attributes, inside)
    assert {name: found.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("type", "default"),
    [
        ("long", "1.5"),
        ("long", "1_0"),
        ("double", "many"),
        ("double", "NaN"),
        ("boolean", "yes"),
        ("date", "31/01/2030"),
        ("enum", "beer"),
        ("string", "${x}"),
    ],
)
def test_a_default_that_is_none_is_left_out_and_warned_of(type: str, default: str) -> None:
    assert "defaultValue" not in field(f'type="{type}" default="{default}"', TWO_VALUES)
    root = file(
        f'<activiti:formProperty id="it" type="{type}" default="{default}">{TWO_VALUES}</activiti:formProperty>'
    )
    reason = "is an expression" if "$" in default else f"does not fit its type '{type}'"
    [warning] = warnings.of_file(root, ())
    assert warning.reason == f"The default '{default}' of form property 'it' {reason}; it has no effect"


@pytest.mark.parametrize(
    ("attributes", "task", "reasons"),
    [
        ('id="it" type="string" default="x"', "", []),
        ('name="it"', "", ["A form property without an 'id' has no field; it has no effect"]),
        (
            'id="it" type="string_"',
            "",
            [f"{UNKNOWN_TYPE} has no effect; did you mean 'string'?"],
        ),
        (
            'id="it" expression="${order.street}" variable="x"',
            "",
            [
                "The expression of form property 'it' is not carried out: its field has the variable 'x', and it has no effect"
            ],
        ),
        (
            'id="it" default="${x}"',
            'activiti:formKey="own"',
            ["The form of the task is the one that 'activiti:formKey' names: form property 'it' has no effect"],
        ),
    ],
)
def test_what_no_field_shows_is_warned_of(attributes: str, task: str, reasons: list[str]) -> None:
    found = warnings.of_file(file(f"<activiti:formProperty {attributes}/>", task), ())
    assert [(one.path, one.reason) for one in found] == [("ask", reason) for reason in reasons]
