"""Every kind of field that the viewer of forms offers, filled in by a person: what arrives, and what a broken rule says."""

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.web.forms import FIELDS, GUESTS, NAME, arrived, complete, fill, form, moment, region

CHOICES = ("checklist", "radio", "select", "taglist")
DAY = moment("date", "day", dateLabel="Day")
#: The form itself; what would ask another host, which the page forbids; what shows files that are stored already (test_form_files.py).
NOT_HERE = {"default", "iframe", "documentPreview"}


def choose(fields: Any, name: str, option: str) -> None:
    fields.locator(".fjs-form-field", has_text=name).locator(".fjs-input-group, .fjs-taglist").first.click()
    fields.locator(".fjs-dropdownlist-item", has_text=option).click()


def fill_all(fields: Any) -> None:
    fill(fields, "Name", "<b>Zoë</b>")
    fill(fields, "Story", "one\ntwo")
    fill(fields, "Guests", "4")
    fill(fields, "Price", "12.50")
    for box in ("Agreed", "Cheese", "Basil"):
        fields.get_by_role("checkbox", name=box).check()
    fields.get_by_role("radio", name="Large").check()
    for name, option in (("Country", "Italy"), ("Town", "Milan"), ("Tags", "Quick"), ("Tags", "Loud")):
        choose(fields, name, option)
    times = {"Day": "02/03/2027", "Hour": "02:30 PM", "From day": "02/04/2027", "From hour": "09:15 AM"}
    for name, value in times.items():
        fill(fields, name, value)
        fields.get_by_role("textbox", name=name, exact=True).press("Enter")
    fill(fields, "Street", "Mill Lane")
    fill(fields, "Child", "Ann")
    fields.get_by_role("button", name="Add new").click()
    fill(fields, "Child", "Bob", place=1)


def test_every_kind_of_field_arrives_with_its_type(open_form: Any, work: Any, unique: str):
    page = open_form(*FIELDS, orders=[{"what": "tea"}])
    fields = region(page, "Form")
    expect(fields.get_by_role("row", name="tea")).to_be_visible()
    offered = page.evaluate(
        "() => Object.keys(document.querySelector('osmia-form').form.get('formFields')._formFields)"
    )
    assert {field["type"] for field in FIELDS} == set(offered) - NOT_HERE, "a new kind of field belongs in this test"
    for shown in ("Some words", "A heading"):
        expect(fields.get_by_text(shown)).to_be_visible()
    expect(fields.get_by_role("img", name="A dot")).to_be_visible()
    fill_all(fields)
    complete(page)
    expect(page.get_by_role("status")).to_have_text("Task completed.")
    assert arrived(work, unique) == {
        "orders": [{"what": "tea"}],
        "name": "<b>Zoë</b>",
        "story": "one\ntwo",
        "guests": 4,
        "price": "12.50",
        "agreed": True,
        "hungry": False,
        "toppings": ["cheese", "basil"],
        "size": "large",
        "country": "italy",
        "town": "milan",
        "tags": ["quick", "loud"],
        "day": "2027-02-03",
        "hour": "14:30Z",
        "moment": "2027-02-04T09:15",
        "files": None,
        "address": {"street": "Mill Lane"},
        "children": [{"child": "Ann"}, {"child": "Bob"}],
        "total": 8,
    }


def test_the_button_of_a_form_begins_again(open_form: Any):
    page = open_form({"type": "textfield", "label": "Name", "key": "name"}, FIELDS[-1], name="Ada")
    fields = region(page, "Form")
    fill(fields, "Name", "Zoë")
    fields.get_by_role("button", name="Begin again").click()
    expect(fields.get_by_role("textbox", name="Name")).to_have_value("Ada")


RULES: list[tuple[dict[str, Any], str, str, str]] = [  # the field, what is typed, what it says, what is right
    ({"type": "textfield", "validate": {"required": True}}, "", "Field is required.", "a"),
    ({"type": "textfield", "validate": {"minLength": 3}}, "ab", "Field must have minimum length of 3.", "abc"),
    ({"type": "textarea", "validate": {"maxLength": 3}}, "abcd", "Field must have maximum length of 3.", "abc"),
    ({"type": "textfield", "validate": {"pattern": "^[A-Z]+$"}}, "abc", "Field must match pattern ^[A-Z]+$.", "ABC"),
    ({"type": "number", "validate": {"min": 2}}, "1", "Field must have minimum value of 2.", "2"),
    ({"type": "number", "validate": {"max": 2}}, "3", "Field must have maximum value of 2.", "1"),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: next(iter(rule[0]["validate"])))
def test_a_broken_rule_is_said_at_its_field_and_nothing_is_lost(
    open_form: Any, work: Any, unique: str, rule: tuple[dict[str, Any], str, str, str]
):
    field, wrong, message, right = rule
    page = open_form(FIELDS[0], {**field, "label": "Checked", "key": "checked"})
    fields = region(page, "Form")
    fill(fields, "Name", "Zoë")
    fill(fields, "Checked", wrong)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/complete" in request.url else None)
    complete(page)
    checked = fields.get_by_role("textbox", name="Checked", exact=True)
    expect(
        fields.locator(".fjs-form-field", has=page.get_by_role("textbox", name="Checked", exact=True)).get_by_text(
            message
        )
    ).to_be_visible()
    expect(checked).to_be_focused()
    expect(checked).to_have_value(wrong)
    expect(fields.get_by_role("textbox", name="Name")).to_have_value("Zoë")
    assert not sent
    checked.fill(right)
    complete(page)
    expect(page.get_by_role("status")).to_have_text("Task completed.")
    typed = int(right) if field["type"] == "number" else right
    assert arrived(work, unique) == {"name": "Zoë", "checked": typed}


def test_choices_that_are_required_are_asked_for(open_form: Any, work: Any, unique: str):
    required = {"validate": {"required": True}}
    page = open_form(*({**field, **required} for field in FIELDS if field["type"] in CHOICES), DAY | required)
    fields = region(page, "Form")
    expect(fields.get_by_role("checkbox", name="Ham")).to_be_visible()
    complete(page)
    expect(fields.get_by_text("Field is required.")).to_have_count(6)
    fields.get_by_role("checkbox", name="Ham").check()
    fields.get_by_role("radio", name="Small").check()
    for name, option in (("Country", "France"), ("Town", "Rome"), ("Tags", "Cheap")):
        choose(fields, name, option)
    fill(fields, "Day", "02/03/2027")
    fields.get_by_role("textbox", name="Day").press("Enter")
    complete(page)
    expect(page.get_by_role("status")).to_have_text("Task completed.")
    assert arrived(work, unique) == {
        "toppings": ["ham"],
        "size": "small",
        "country": "france",
        "town": "rome",
        "tags": ["cheap"],
        "day": "2027-02-03",
    }


TYPED: list[tuple[dict[str, Any], str, str]] = [  # the field, what is typed, what arrives
    (DAY, "2026-12-31", "2026-12-31"),
    (DAY, "31.12.2026", "2026-12-31"),
    (moment("time", "day", timeLabel="Day", timeSerializingFormat="no_timezone"), "2:30 pm", "14:30"),
]
SENSELESS: list[tuple[dict[str, Any], str, str]] = [  # the field, what is typed, what it says
    (DAY, "12/31/2026", "Field must be a date, such as 31.12."),
    (DAY, "30.2.2026", "Field must be a date, such as 31.12."),
    (DAY, "1899-12-31", "Field must be a date that is not before 1.1.1900."),
    (moment("time", "day", timeLabel="Day"), "25:99", "Field must be a time, such as 14:30 or 02:30 PM."),
    ({"type": "number", "label": "Day", "key": "day"}, "1e400", "Field must be a number, and not larger than 1.7e308."),
    ({"type": "number", "label": "Day", "key": "day"}, "-", "Field must be a number, and not larger than 1.7e308."),
]


def test_a_moment_has_one_meaning_in_whatever_spelling(open_form: Any, work: Any, unique: str):
    fields = [{**field, "key": f"day{place}"} for place, (field, *_) in enumerate(TYPED)]
    page = open_form(*fields, locale="de-DE")
    for place, (_, typed, _) in enumerate(TYPED):
        region(page, "Form").get_by_role("textbox", name="Day").nth(place).fill(typed)
    complete(page)
    expect(page.get_by_role("status")).to_have_text("Task completed.")
    assert arrived(work, unique) == {f"day{place}": value for place, (*_, value) in enumerate(TYPED)}


def test_what_means_nothing_is_refused_at_its_field_and_stays_there(open_form: Any, work: Any, unique: str):
    fields = [{**field, "key": f"day{place}"} for place, (field, *_) in enumerate(SENSELESS)]
    page = open_form(*fields, locale="de-DE")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/complete" in request.url else None)
    boxes = region(page, "Form").get_by_role("textbox", name="Day")
    problems = region(page, "Form").locator(".fjs-form-field-error")
    for place, (_, typed, message) in enumerate(SENSELESS):
        boxes.nth(place).fill(typed)
        page.get_by_role("heading", name="Form").click()  # beside the calendar, which would read the text
        expect(problems.nth(place)).to_contain_text(message)
    complete(page)
    expect(boxes.first).to_be_focused()
    for place, (_, typed, message) in enumerate(SENSELESS):
        expect(boxes.nth(place)).to_have_value(typed)
        expect(problems.nth(place)).to_contain_text(message)
    assert not sent
    for place, right in enumerate(("2027-01-01", "2027-01-02", "2027-01-03", "10:15", "1e30", "-5")):
        boxes.nth(place).fill(right)
    complete(page)
    expect(page.get_by_role("status")).to_have_text("Task completed.")
    found = arrived(work, unique)
    assert (found["day0"], found["day2"], found["day4"], found["day5"]) == ("2027-01-01", "2027-01-03", 1e30, -5)


DRAWN_TEN_TIMES = (
    "() => [...Array(10)].reduce((before) => before.then(() => new Promise(requestAnimationFrame)), Promise.resolve())"
)
HOUR = moment("time", "hour", timeLabel="Hour", timeSerializingFormat="no_timezone")
DATE_FAULT, TIME_FAULT = "Field must be a date, such as 12/31/", "Field must be a time, such as 14:30"


@pytest.mark.parametrize(
    ("field", "name", "typed"),
    [
        (DAY, "Day", [("1/5/2027", ""), ("soon", DATE_FAULT), ("1/5/2027", ""), ("soon", DATE_FAULT), ("", "")]),
        (HOUR, "Hour", [("03:00 PM", ""), ("noon", TIME_FAULT), ("03:00 PM", ""), ("noon", TIME_FAULT), ("", "")]),
        (HOUR, "Hour", [("noon", TIME_FAULT), ("", ""), ("03:00 PM", "")]),
        (
            GUESTS,
            "Guests",
            [("3", ""), ("-", "Field must be a number"), ("3", ""), ("-", "Field must be a number"), ("", "")],
        ),
    ],
    ids=["date", "time", "emptied", "number"],
)
def test_a_field_says_what_is_wrong_with_what_stands_there_now(
    open_form: Any, field: dict[str, Any], name: str, typed: list[tuple[str, str]]
):
    page = open_form(field, NAME)
    box = region(page, "Form").get_by_role("textbox", name=name, exact=True)
    problem = region(page, "Form").locator(".fjs-form-field-error")
    for text, fault in typed:
        box.click()
        box.press("Control+A")
        box.press("Delete")
        box.press_sequentially(text)
        box.press("Tab")
        page.evaluate(DRAWN_TEN_TIMES)
        assert (box.input_value(), [one for one in problem.all_inner_texts() if not one.startswith(fault)]) == (
            text,
            [],
        )
        assert problem.count() == bool(fault)


def test_a_date_and_a_time_that_mean_nothing_are_both_said(open_form: Any):
    page = open_form(moment("datetime", "when", dateLabel="Day", timeLabel="Hour"))
    fields = region(page, "Form")
    fill(fields, "Day", "soon")
    page.get_by_role("heading", name="Form").click()
    fill(fields, "Hour", "noon")
    page.get_by_role("heading", name="Form").click()
    problem = fields.locator(".fjs-form-field-error")
    for _ in range(2):  # when the field is left, and when the task is completed
        expect(problem).to_contain_text(DATE_FAULT)
        expect(problem).to_contain_text(TIME_FAULT)
        complete(page)


@pytest.mark.parametrize(("text", "number"), [("1e30", 1e30), ("-1e21", -1e21), ("0.5", 0.5)])
def test_a_number_with_an_exponent_keeps_the_rule_of_decimal_digits(
    open_form: Any, work: Any, unique: str, text: str, number: float
):
    page = open_form({"type": "number", "label": "Amount", "key": "amount", "decimalDigits": 2})
    amount = region(page, "Form").get_by_role("textbox", name="Amount")
    for wrong, problem in (("1e999", "Field must be a number"), ("0.125", "at most 2 decimal digits")):
        amount.fill(wrong)
        complete(page)
        expect(region(page, "Form").locator(".fjs-form-field-error")).to_contain_text(problem)
    amount.fill(text)
    complete(page)
    expect(page.get_by_role("status")).to_have_text("Task completed.")
    assert arrived(work, unique) == {"amount": number}


def test_a_list_that_is_only_read_offers_no_change(open_form: Any):
    children = next(field for field in FIELDS if field["type"] == "dynamiclist")
    page = open_form(children, children=[{"child": "Ann"}, {"child": "Bob"}])
    fields = region(page, "Form")
    offers = [fields.get_by_role("button", name=name) for name in ("Remove list item 1", "Add new")]
    for one in offers:
        expect(one).to_be_visible()
    page.get_by_role("button", name="Unclaim").click()
    for one in offers:
        expect(one).to_be_hidden()


@pytest.mark.parametrize("text", ["1.200,50", "70abc", "1 000", "٣", "--5"])
@pytest.mark.parametrize("way", ["typed", "pasted"])
def test_a_text_that_is_no_number_stays_until_it_is_mended(open_form: Any, work: Any, unique: str, text: str, way: str):
    page = open_form({"type": "number", "label": "Amount", "key": "amount"})
    amount = region(page, "Form").get_by_role("textbox", name="Amount")
    amount.fill("7")
    amount.select_text()
    page.keyboard.type(text) if way == "typed" else page.keyboard.insert_text(text)
    expect(amount).to_have_value(text)
    complete(page)
    expect(region(page, "Form").locator(".fjs-form-field-error")).to_have_text(
        "Field must be a number, and not larger than 1.7e308."
    )
    expect(amount).to_have_value(text)
    amount.select_text()
    page.keyboard.type("-12,5")
    complete(page)
    expect(page.get_by_role("status")).to_have_text("Task completed.")
    assert arrived(work, unique) == {"amount": -12.5}


def test_the_arrows_of_a_number_count_from_the_last_one(open_form: Any, work: Any, unique: str):
    page = open_form({"type": "number", "label": "Amount", "key": "amount"})
    amount = region(page, "Form").get_by_role("textbox", name="Amount")
    amount.fill("7")
    amount.fill("7x")
    region(page, "Form").get_by_label("Increment").click()
    expect(amount).to_have_value("8")
    amount.fill("8x")
    amount.press("ArrowDown")
    expect(amount).to_have_value("7")
    complete(page)
    expect(page.get_by_role("status")).to_have_text("Task completed.")
    assert arrived(work, unique) == {"amount": 7}


SEND = {"type": "button", "action": "submit", "label": "Send", "key": "send"}


def test_a_button_of_the_form_itself_completes_the_task(open_form: Any, work: Any, unique: str):
    page = open_form({"type": "number", "label": "Amount", "key": "amount", "validate": {"required": True}}, SEND)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/complete" in request.url else None)
    form = region(page, "Form")
    form.get_by_role("button", name="Send").click()
    expect(form.locator(".fjs-form-field-error")).to_have_text("Field is required.")
    assert not sent
    form.get_by_role("textbox", name="Amount").fill("7")
    form.get_by_role("button", name="Send").click()
    expect(page.get_by_role("status")).to_have_text("Task completed.")
    assert arrived(work, unique) == {"amount": 7}
    assert len(sent) == 1


@pytest.mark.parametrize(
    ("assignee", "before", "after"),
    [("", "Claim", "button:text-is('Unclaim')"), ("assignee=demo, ", "Add comment", "article:has-text('For six.')")],
)
def test_a_button_of_a_form_that_was_drawn_anew_completes_the_task(
    page: Any, work: Any, unique: str, assignee: str, before: str, after: str
):
    amount = {"type": "number", "label": "Amount", "key": "amount", "validate": {"required": True}}
    work.broker.client.deploy((f"{unique}.form", form(unique, amount, SEND)))
    work.deploy(f"start > ask:user({assignee}form_id={unique}) > end", unique)
    [task] = work.broker.client.user_tasks.search({"processInstanceKey": str(work.create(unique))}).items
    sent: list[str] = []
    page.on(
        "request",
        lambda request: (
            sent.append(request.url.partition("/tasks/")[2])
            if "/complete" in request.url or "?fjs-" in request.url
            else None
        ),
    )
    page.goto(f"/tasks/{task.key}")
    fields = region(page, "Form")
    fields.get_by_role("textbox", name="Amount").wait_for()
    if before == "Add comment":
        page.get_by_label("Comment", exact=True).fill("For six.")
    page.get_by_role("button", name=before, exact=True).click()
    page.locator(after).wait_for()
    fields.get_by_role("button", name="Send").click()
    expect(fields.locator(".fjs-form-field-error")).to_have_text("Field is required.")
    assert not sent
    fields.get_by_role("textbox", name="Amount").fill("7")
    fields.get_by_role("button", name="Send").click()
    expect(page.get_by_role("status")).to_have_text("Task completed.")
    assert arrived(work, unique) == {"amount": 7}
    assert [one.partition("?")[0] for one in sent] == [f"{task.key}/complete"]
