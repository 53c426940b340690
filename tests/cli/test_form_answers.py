"""`osmia task complete` at a terminal: the form of the task is asked for, field by field."""

import io
import json

import pytest

from osmia_broker.cli.form_rules import broken_rule
from tests.cli.conftest import Terminal

FIELDS = [
    {"type": "text", "text": "# Dinner"},
    {"type": "textfield", "key": "dinner", "label": "Dinner", "validate": {"required": True}},
    {"type": "number", "key": "guests", "label": "Guests"},
    {"type": "checkbox", "key": "vegan", "label": "Vegan?"},
    {
        "type": "group",
        "components": [
            {
                "type": "select",
                "key": "where",
                "label": "Where",
                "values": [{"label": "In", "value": "in"}, {"value": 2}],
            },
        ],
    },
    {"type": "group", "path": "deep", "components": [{"type": "textfield", "key": "inner", "label": "Inner"}]},
    {"type": "taglist", "key": "with", "label": "With", "values": [{"value": "salt"}, {"value": "oil"}]},
    {"type": "textfield", "key": "known", "label": "Known", "readonly": True},
    {"type": "button", "key": "send", "label": "Send"},
]


def task_with(osmia, unique, fields, **variables):
    """The key of a task whose form has these *fields*."""
    form = {"id": unique, "type": "default", "schemaVersion": 16, "components": fields}
    osmia.client.deploy((f"{unique}.form", json.dumps(form).encode()))
    osmia.deploy(f"start > ask:user(native=yes, form_id={unique}) > after:job(type={unique}) > end", unique)
    osmia.create(unique, variables)
    return osmia.done("tasks", "-p", unique, "-o", "key").strip()


@pytest.fixture
def task(osmia, unique):
    return task_with(osmia, unique, FIELDS, guests=2, known="x")


def typing(monkeypatch, *lines):
    monkeypatch.setattr("sys.stdin", Terminal("".join(f"{line}\n" for line in lines)))


def left(osmia, unique):
    return osmia.client.activate_jobs(unique)[0].variables


def test_the_fields_are_listed_as_they_stand_on_the_form(osmia, task):
    listed = [one["key"] for one in osmia.json("task", "show", task)["formFields"]]
    assert listed == ["dinner", "guests", "vegan", "where", "deep.inner", "with", "known", "send"]


def test_a_field_of_a_list_is_listed_with_its_list(osmia, unique):
    task = task_with(osmia, unique, [ITEMS, ITEMS | {"path": "order.items", "components": [ITEMS]}])
    listed = [one["key"] for one in osmia.json("task", "show", task)["formFields"]]
    assert listed == ["items[].item", "order.items[].items[].item"]
    assert "items[].item (textfield)  Item" in osmia.done("task", "show", task)


def test_each_field_is_asked_for(osmia, unique, task, monkeypatch):
    typing(monkeypatch, "12", "7", "yes", "2", "oil, salt")
    assert osmia.done("task", "complete", task).strip() == f"Completed {task}"
    unasked, asked = osmia.err.split("\n", maxsplit=1)
    assert unasked == "Not asked for here: deep. --vars JSON gives all variables."
    assert asked == "Dinner:Guests [2]:Vegan? (yes or no):Where (in, 2):With (salt, oil):"  # a blank goes to stdout
    assert left(osmia, unique) == {
        "dinner": "12", "guests": 7, "vegan": True, "where": 2, "with": ["oil", "salt"], "known": "x",
    }  # fmt: skip


def test_an_answer_that_the_field_does_not_take_is_asked_for_again(osmia, unique, task, monkeypatch):
    typing(monkeypatch, "", "soup", "many", "", "maybe", "n", "out", "in", "pepper", "")
    assert osmia.done("task", "complete", task).strip() == f"Completed {task}"
    for told in (
        "an answer is needed here",
        "expected a number, but found 'many'",
        "expected yes or no, but found 'maybe'",
        "expected one of in, 2, but found 'out'",
        "expected one of salt, oil, but found 'pepper'",
    ):
        assert told in osmia.err
    assert left(osmia, unique) == {"dinner": "soup", "guests": 2, "vegan": False, "where": "in", "known": "x"}


ITEM = {"type": "textfield", "key": "item", "label": "Item", "validate": {"required": True}}
ITEMS = {"type": "dynamiclist", "path": "items", "label": "Items", "components": [ITEM]}
HIDDEN = {"conditional": {"hide": "=true"}}
SCAN = {"type": "filepicker", "key": "scan", "label": "Scan", "validate": {"required": True}}


@pytest.mark.parametrize(
    ("field", "variables", "needed"),
    [
        (ITEMS, {}, "Items (items)"),
        (SCAN, {}, "Scan (scan)"),
        (ITEMS | {"components": [{"type": "group", "components": [ITEM]}]}, {}, "Items (items)"),
        (ITEMS, {"items": [{"item": "x"}]}, ""),
        (ITEMS | {"path": "order.items"}, {"order": {}}, ""),
        (ITEMS | HIDDEN, {}, ""),
        (ITEMS | {"components": [ITEM | HIDDEN]}, {}, ""),
        (ITEMS | {"components": "none"}, {}, ""),
        (SCAN | {"validate": {"required": False}}, {}, ""),
    ],
)
def test_no_task_is_completed_without_a_field_that_only_the_page_asks_for(
    osmia, unique, monkeypatch, field, variables, needed
):
    task = task_with(osmia, unique, [{"type": "textfield", "key": "dinner", "label": "Dinner"}, field], **variables)
    typing(monkeypatch, "soup")
    if needed:
        said = osmia.refused(2, "task", "complete", task)
        assert f"The form needs {needed}, which only the page asks for." in said
        assert f"try: osmia task complete {task} --address {osmia.broker.address} --vars JSON   (all" in said
        assert osmia.client.user_tasks.get(int(task)).state == "CREATED"
    else:
        osmia.done("task", "complete", task)
        assert osmia.err.startswith(f"Not asked for here: {field['label']} (")
        assert left(osmia, unique)["dinner"] == "soup"


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ({"type": "textarea"}, "one\ntwo", " [one…]"),
        ({"type": "textfield"}, "x" * 100, f" [{'x' * 60}…]"),
        ({"type": "textfield"}, " x\x1b[1m ", " [x [1m…]"),
        ({"type": "taglist"}, [], ""),
        ({"type": "taglist", "values": [{"value": "oil"}, {"value": 2}]}, ["oil", 2], " (oil, 2) [oil, 2]"),
        ({"type": "number"}, 7, " [7]"),
    ],
)
def test_an_answer_that_is_there_is_shown_in_one_line_and_kept(osmia, unique, monkeypatch, field, value, shown):
    task = task_with(osmia, unique, [field | {"key": "note", "label": "Note"}], note=value)
    typing(monkeypatch, "")
    osmia.done("task", "complete", task)
    assert osmia.err == f"Note{shown}:"
    assert left(osmia, unique)["note"] == value


@pytest.mark.parametrize("field", [SCAN | {"disabled": True}, ITEMS | {"readonly": True}])
def test_what_nobody_fills_in_is_not_told(osmia, unique, monkeypatch, field):
    task = task_with(osmia, unique, [{"type": "textfield", "key": "dinner", "label": "Dinner"}, field])
    typing(monkeypatch, "soup")
    osmia.done("task", "complete", task)
    assert "Not asked" not in osmia.err


TEXT, NUMBER = {"type": "textfield"}, {"type": "number"}


@pytest.mark.parametrize(
    ("part", "answer", "expected"),
    [
        (TEXT | {"validate": {"minLength": 3}}, "Al", "expected at least 3 characters, but found 2"),
        (TEXT | {"validate": {"maxLength": 1}}, "Al", "expected at most 1 character, but found 2"),
        (TEXT | {"validate": {"minLength": 3}}, "Ali", ""),
        ({"type": "textarea", "validate": {"maxLength": 3}}, "Alim", "expected at most 3 characters, but found 4"),
        (TEXT | {"validate": {"validationType": "email"}}, "nomail", "expected an e-mail address, but found 'nomail'"),
        (TEXT | {"validate": {"validationType": "email"}}, "a.b@example.org", ""),
        (TEXT | {"validate": {"validationType": "phone"}}, "0171", "expected a phone number that begins with + or 00, but found '0171'"),
        (TEXT | {"validate": {"validationType": "phone"}}, "+49 171 1234", ""),
        (TEXT | {"validate": {"pattern": "^[A-Z]+$"}}, "abc", "expected a text that fits ^[A-Z]+$, but found 'abc'"),
        (TEXT | {"validate": {"pattern": "(?<x>["}}, "abc", ""),
        (TEXT | {"validate": {"minLength": "=n"}}, "", ""),
        (TEXT | {"validate": []}, "x", ""),
        (NUMBER | {"validate": {"max": 5000}}, "9999", "expected at most 5000, but found 9999"),
        (NUMBER | {"validate": {"min": 0.5}}, "0.4", "expected at least 0.5, but found 0.4"),
        (NUMBER | {"validate": {"min": 0.5, "max": 1}}, "0.5", ""),
        (NUMBER | {"decimalDigits": 2}, "1.234", "expected at most 2 digits behind the point, but found 1.234"),
        (NUMBER | {"decimalDigits": 0}, "1e3", ""),
        ({"type": "datetime", "subtype": "date"}, "31.12.2026", "expected a date such as 2030-01-31, but found '31.12.2026'"),
        ({"type": "datetime", "subtype": "time"}, "25:00", "expected a time such as 14:30, but found '25:00'"),
        ({"type": "datetime", "subtype": "datetime"}, "2030-01-31T14:30", ""),
    ],
)  # fmt: skip
def test_an_answer_keeps_the_rules_of_its_field(part, answer, expected):
    assert broken_rule(part | {"key": "k"}, answer) == expected


def test_an_answer_that_breaks_a_rule_is_asked_for_again(osmia, unique, monkeypatch):
    fields = [
        {"type": "datetime", "subtype": "date", "key": "when", "dateLabel": "Wanted by"},
        NUMBER | {"key": "n", "validate": {"max": 9}},
    ]
    task = task_with(osmia, unique, fields)
    typing(monkeypatch, "tomorrow", "2030-01-31", "10", "9")
    osmia.done("task", "complete", task)
    assert left(osmia, unique) == {"when": "2030-01-31", "n": 9}
    assert "Wanted by" in osmia.err
    assert "expected at most 9, but found 10" in osmia.err


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        (NUMBER, "many", "expected a number, but found 'many'"),
        (NUMBER | {"validate": {"max": 9}}, 10, "expected at most 9, but found 10"),
        ({"type": "select", "values": [{"value": 7}]}, "in", "expected one of 7, but found 'in'"),
        ({"type": "datetime", "subtype": "date"}, "7", "expected a date such as 2030-01-31, but found '7'"),
    ],
)
def test_a_value_that_breaks_a_rule_is_not_taken_by_enter(osmia, unique, monkeypatch, field, value, expected):
    task = task_with(osmia, unique, [field | {"key": "n", "label": "N"}], n=value)
    right = "2030-01-31" if field["type"] == "datetime" else "7"
    typing(monkeypatch, "", right)
    osmia.done("task", "complete", task)
    assert expected in osmia.err
    assert left(osmia, unique)["n"] in (7, right)


@pytest.mark.parametrize("words", [["--var", "dinner=soup"], ["--vars", '{"dinner": "soup"}'], ["--yes"]])
def test_nothing_is_asked_when_the_answers_are_given_or_not_wanted(osmia, unique, task, monkeypatch, words):
    typing(monkeypatch)
    osmia.done("task", "complete", task, *words)
    assert osmia.err == ""


def test_nothing_is_asked_where_nobody_is_at_the_terminal(osmia, unique, task, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("soup\n"))
    osmia.done("task", "complete", task)
    assert osmia.err == ""
    assert "dinner" not in left(osmia, unique)


def test_who_leaves_in_the_middle_completes_nothing(osmia, unique, task, monkeypatch):
    typing(monkeypatch, "soup")
    assert osmia("task", "complete", task) != 0
    assert osmia.json("task", "show", task)["state"] == "CREATED"
