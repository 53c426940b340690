"""What a form cannot have among its values yet: a text that means nothing, and files that were chosen and not sent."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.bpmn import bpmn
from tests.web.forms import (
    FILES,
    GUESTS,
    MENU,
    NAME,
    choose_files,
    complete,
    fill,
    form,
    moment,
    problem_of_files,
    region,
)

DAY, HOUR = moment("date", "day", dateLabel="Day"), moment("time", "hour", timeLabel="Hour")
WRONG = {"Day": ("soon", "Field must be a date"), "Hour": ("noon", "Field must be a time"), "Guests": ("70abc", "Field must be a number")}  # fmt: skip

RIGHT = {"Day": "01/05/2027", "Hour": "02:30 PM", "Guests": "7"}


def field(page: Any, name: str) -> Any:
    return page.get_by_role("region", name="Form").get_by_role("textbox", name=name, exact=True)


def type_wrong(page: Any) -> None:
    for name, (text, _) in WRONG.items():
        fill(page.get_by_role("region", name="Form"), name, text)
        field(page, name).press("Tab")


def expect_wrong(page: Any) -> None:
    for name, (text, told) in WRONG.items():
        expect(field(page, name)).to_have_value(text)
        around = page.locator(".fjs-form-field", has=page.get_by_role("textbox", name=name, exact=True))
        expect(around.locator(".fjs-form-field-error")).to_contain_text(told)


@pytest.fixture(params=["task", "start"])
def opened(request: pytest.FixtureRequest, open_form: Any, browse: Any, work: Any, unique: str) -> Any:
    """A form with fields that have rules of spelling: of a task, whose draft the broker keeps, and of a start."""
    if request.param == "task":
        return open_form(DAY, HOUR, GUESTS, FILES)
    work.broker.client.deploy((f"{unique}.form", form(unique, DAY, HOUR, GUESTS, FILES)))
    shown = f'<bpmn:extensionElements><zeebe:formDefinition formId="{unique}"/></bpmn:extensionElements>'
    model = re.sub(r"(<bpmn:startEvent [^>]*>)", rf"\1{shown}", bpmn("start > ask:user > end", id=unique).decode())
    work.deploy_xml(model.encode(), unique)
    page = browse(locale="en-US")
    page.goto(f"/start/{unique}")
    return page


def test_a_text_that_means_nothing_survives_a_reload_until_it_is_mended(opened: Any):
    type_wrong(opened)
    expect_wrong(opened)
    opened.reload()
    expect_wrong(opened)
    for name, right in RIGHT.items():
        fill(opened.get_by_role("region", name="Form"), name, right)
        field(opened, name).press("Tab")
    expect(opened.locator(".fjs-form-field-error")).to_have_count(0)
    opened.wait_for_timeout(0)
    opened.reload()
    expect(field(opened, "Day")).not_to_have_value("soon")
    expect(field(opened, "Guests")).not_to_have_value("70abc")
    expect(opened.locator(".fjs-form-field-error")).to_have_count(0)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("5 000", "5 000"), ("12 EUR", "12 EUR"), ("1,234,567", "1.234,567"), ("12..5", "12..5"), ("abc", "abc")],
)
def test_a_part_of_it_that_is_a_number_does_not_take_its_place(open_form: Any, text: str, shown: str):
    page = open_form({**GUESTS, "defaultValue": 2})
    field(page, "Guests").fill("")
    field(page, "Guests").press_sequentially(text)
    field(page, "Guests").press("Tab")
    page.reload()
    expect(field(page, "Guests")).to_have_value(shown)
    expect(page.locator(".fjs-form-field-error")).to_contain_text("Field must be a number")


def test_nor_does_the_value_that_was_there_before(opened: Any):
    for name, right in RIGHT.items():
        fill(opened.get_by_role("region", name="Form"), name, right)
        field(opened, name).press("Tab")
    expect(field(opened, "Hour")).to_have_value("02:30 PM")
    type_wrong(opened)
    expect_wrong(opened)
    opened.reload()
    expect_wrong(opened)


def test_a_draft_that_is_discarded_takes_its_texts_along(open_form: Any):
    page = open_form(NAME, DAY)
    with page.expect_response(re.compile("/draft")):
        fill(region(page, "Form"), "Name", "Zoë")
    fill(region(page, "Form"), "Day", "soon")
    field(page, "Day").press("Tab")
    page.get_by_role("button", name="Discard draft").click()
    expect(field(page, "Name")).to_have_value("")
    page.reload()
    expect(field(page, "Name")).to_have_value("")
    expect(field(page, "Day")).to_have_value("")


def test_files_that_must_be_chosen_again_are_named_until_they_are(opened: Any):
    choose_files(opened, MENU)
    expect(opened.get_by_text("menu.txt")).to_be_visible()
    for _ in range(2):  # nor does the word go by itself
        opened.reload()
        told = problem_of_files(opened)
        expect(told).to_have_text(re.compile(r"^Choose menu\.txt again: "))
        fill(opened.get_by_role("region", name="Form"), "Guests", "4")
    choose_files(opened, MENU)
    expect(told).to_have_count(0)


def test_files_that_were_sent_are_not_asked_for(open_form: Any):
    page = open_form(GUESTS, FILES)
    choose_files(page, MENU)
    complete(page)
    expect(page.get_by_role("status")).to_have_text("Task completed.")
    page.go_back()
    expect(page.get_by_text(re.compile("again: a browser forgets"))).to_have_count(0)


@pytest.mark.parametrize("width", [360, 1280])
def test_the_calendar_stays_in_the_window_and_covers_no_refusal(open_form: Any, width: int):
    page = open_form(DAY)
    page.set_viewport_size({"width": width, "height": 740})
    field(page, "Day").click()
    calendar = page.locator(".flatpickr-calendar.open")
    expect(calendar).to_be_visible()
    page.wait_for_function(
        "() => { const at = document.querySelector('.flatpickr-calendar.open').getBoundingClientRect();"
        " return at.left >= 0 && at.right <= document.documentElement.clientWidth; }"
    )
    fill(region(page, "Form"), "Day", "soon")
    field(page, "Day").press("Tab")
    complete(page)
    expect(field(page, "Day")).to_be_focused()
    expect(page.locator(".flatpickr-calendar.open")).to_have_count(0)
