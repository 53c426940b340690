"""The rules of forms: what a form on the page would not send is found in the broker too."""

import json
from typing import Any

import pytest

from osmia_broker import feel
from osmia_broker.calls.tasks.form_rules import FIELDS_MAX, faults_of, in_words


def faults(values: dict[str, Any], *fields: dict[str, Any]) -> list[str]:
    return faults_of(json.dumps({"components": list(fields)}), values)


def field(type: str = "textfield", key: str = "a", **given: Any) -> dict[str, Any]:
    rules = {name: given.pop(name) for name in [*given] if name in RULES}
    return {"type": type, "key": key, "label": "Dinner", **given, **({"validate": rules} if rules else {})}


RULES = ("required", "minLength", "maxLength", "pattern", "min", "max", "validationType")
CHOICE = [{"value": "pizza"}, {"value": "soup"}]
REQUIRED = field(required=True)


@pytest.mark.parametrize(
    ("one", "value"),
    [
        (field(), ""),
        (REQUIRED, "x"),
        (field(minLength=2, maxLength=3), "abc"),
        (field(minLength=2), ""),  # what is not there breaks no rule but `required`
        (field(pattern="^[a-c]+$"), "abc"),
        (field(pattern="(?<!a)b"), "zzz"),  # a rule that cannot be checked here is passed over
        (field(validationType="email"), "ada@example.org"),
        (field(validationType="phone"), "+49 (30) 123-456"),
        (field("number", min=1, max=3), 3),
        (field("number", required=True), 0),
        (field("number", decimalDigits=2), 1.25),
        (field("number", increment="0.1"), 0.3),
        (field("number", decimalDigits=2), 1.5000),
        (field("number", decimalDigits=2), "1.50"),
        (field("number", decimalDigits=0), "0.00"),
        (field("number", decimalDigits=2), "1E+9999999"),  # more than decimal arithmetic takes
        (field("number", increment="0.1"), "1E+9999999"),
        (field("number", increment="0.1"), 1e30),
        (field("number", increment="1E-999999"), 5),
        (field("number"), "12345678901234567890"),
        (field("checkbox", required=True), True),
        (field("select", values=CHOICE), "soup"),
        (field("checklist", values=CHOICE, required=True), ["soup", "pizza"]),
        (field("select", valuesKey="list"), "whatever"),
        (field("number", max="=limit"), 5),
        (field(required="=limit > 9"), ""),
        (field(required="=nonsense("), ""),
    ],
)
def test_values_that_pass(one: dict[str, Any], value: Any):
    assert faults({"a": value, "limit": 5}, one) == []


@pytest.mark.parametrize(
    ("one", "value", "fault"),
    [
        (REQUIRED, "", "is required"),
        (REQUIRED, None, "is required"),
        (field("checkbox", required=True), False, "is required"),
        (field("checklist", values=CHOICE, required=True), [], "is required"),
        (field(minLength=2), " a ", "is shorter than 2 characters"),
        (field(maxLength=1), "ab", "is longer than 1 character"),
        (field(maxLength=2), "abc", "is longer than 2 characters"),
        (field(pattern="^[a-c]+$"), "abd", "does not match its pattern"),
        (field(validationType="email"), "ada", "is no e-mail address"),
        (field(validationType="phone"), "030 123", "is no phone number with its country code"),
        (field("number", min=1), 0, "is below 1"),
        (field("number", max=3), 3.5, "is above 3"),
        (field("number"), "many", "is no number"),
        (field("number"), True, "is no number"),
        (field("number"), [1], "is no number"),
        (field("number", decimalDigits=0), 1.5, "has more than 0 decimal digits"),
        (field("number", decimalDigits=2), "1E-9999999", "has more than 2 decimal digits"),
        (field("number", increment=2), 3, "is no multiple of 2"),
        (field("radio", values=CHOICE), "cake", "is none of its choices"),
        (field("taglist", values=CHOICE), ["soup", "cake"], "has a value that is none of its choices"),
        (field("taglist", values=CHOICE), "soup", "is no list"),
        (field("number", max="=limit"), 6, "is above 5"),
        (field(required="=limit < 9"), "", "is required"),
    ],
)
def test_values_that_do_not_pass(one: dict[str, Any], value: Any, fault: str):
    assert faults({"a": value, "limit": 5}, one) == [f"'Dinner' {fault}"]


@pytest.mark.parametrize(
    "one",
    [
        {**REQUIRED, "disabled": True},
        {**REQUIRED, "readonly": True},
        {**REQUIRED, "readonly": "=limit = 5"},
        {**REQUIRED, "conditional": {"hide": "=limit = 5"}},
        {"type": "group", "conditional": {"hide": "=limit = 5"}, "components": [REQUIRED]},
    ],
)
def test_a_field_that_nobody_can_fill_in_has_no_rules(one: dict[str, Any]):
    assert faults({"limit": 5}, one) == []
    assert faults({"limit": 6}, one) == ([] if True in one.values() else ["'Dinner' is required"])


def test_groups_and_repeated_rows_have_places_of_their_own():
    group = {"type": "group", "path": "meal", "components": [field(key="main.dish", required=True)]}
    rows = {"type": "dynamiclist", "path": "guests", "components": [field(key="name", required=True)]}
    assert faults({"meal": {"main": {"dish": "soup"}}, "guests": [{"name": "ada"}]}, group, rows) == []
    assert (
        faults({"meal": {"main": 7}, "guests": [{"name": "ada"}, {}, 7]}, group, rows) == ["'Dinner' is required"] * 3
    )


@pytest.mark.parametrize(
    "schema", ["", "no JSON", "[]", "{}", '{"components": 7}', '{"components": [7, {"type": "group"}]}']
)
def test_a_form_that_cannot_be_shown_has_no_rules(schema: str):
    assert faults_of(schema, {}) == []


def test_a_form_without_end_is_bounded():
    nested: dict[str, Any] = REQUIRED
    for _ in range(100):
        nested = {"type": "group", "components": [nested]}
    assert faults({}, nested) == []
    assert len(faults({}, *[REQUIRED] * (FIELDS_MAX + 10))) == FIELDS_MAX


def test_a_sentence_names_some_faults():
    assert in_words(["'a' is required"]) == "'a' is required"
    assert in_words(["x"] * 7) == "x, x, x, x, x, and 2 more"


def test_the_rules_of_a_form_use_up_no_time_of_later_expressions():
    faults_of(json.dumps({"components": [{"type": "textfield", "key": "a", "conditional": {"hide": "=1 > 2"}}]}), {})
    assert feel.present_allowance() is None
