"""A refusal stands at the field or form that it is about, with the id of its request, and what was typed stays."""

import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.activiti import deployed, properties
from tests.bpmn import bpmn
from tests.web.conftest import Work

VARIABLES, BEFORE = "Variables (JSON)", "Start before element (optional)"
NEEDS = {"guests": {"type": "integer", "required": True}}


def field(page: Any, name: str) -> Any:
    return page.get_by_role("textbox", name=name)


def refused_at(page: Any, name: str) -> Any:
    """Return the refusal that stands at a field: right under it, and read with it."""
    alert = page.get_by_role("alert")
    expect(alert).to_have_count(1)
    expect(field(page, name)).to_have_attribute("aria-describedby", re.compile(rf"\b{alert.get_attribute('id')}\b"))
    expect(field(page, name)).to_have_attribute("aria-invalid", "true")
    expect(field(page, name)).to_be_focused()
    expect(alert).to_contain_text(re.compile("Request [0-9a-f]{8}"))
    above, below = field(page, name).bounding_box(), alert.bounding_box()
    assert 0 <= below["y"] - above["y"] - above["height"] < 12
    return alert


def start(page: Any, process: str, *, variables: str = "{}", before: str = "") -> None:
    page.goto(f"/start/{process}")
    field(page, VARIABLES).fill(variables)
    field(page, BEFORE).fill(before)
    page.get_by_role("button", name="Start instance").click()


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ('{"night": "<b>late</b>"}', "This process needs a value for guests."),
        (
            '{"guests": "many"}',
            "Expected 'guests' to be a whole number from -2147483648 to 2147483647, but found a text.",
        ),
    ],
)
def test_a_start_without_what_the_process_declares_says_so_at_the_variables(
    page: Any, work: Work, unique: str, variables: str, reason: str
):
    deployed(work.broker.client, "start > ask:user > end", id=unique, properties=properties(**NEEDS))
    start(page, unique, variables=variables)
    expect(refused_at(page, VARIABLES)).to_contain_text(reason)
    expect(field(page, VARIABLES)).to_have_value(variables)
    field(page, VARIABLES).fill('{"guests": 4}')
    page.get_by_role("button", name="Start instance").click()
    expect(page.get_by_role("status")).to_contain_text("started.")


@pytest.mark.parametrize(
    ("element", "reason"),
    [
        ("<b>nope</b>", "No element found with id '<b>nope</b>'."),
        ("start", "The element with id 'start' targets unsupported element type 'START_EVENT'."),
    ],
)
def test_a_start_before_no_element_says_so_there(page: Any, work: Work, unique: str, element: str, reason: str):
    work.deploy("start > ask:user > end", unique)
    start(page, unique, variables='{"a": 1}', before=element)
    alert = refused_at(page, BEFORE)
    expect(alert).to_contain_text(f"{reason} Use the id of another element, or leave this empty.")
    expect(field(page, BEFORE)).to_have_value(element)
    expect(field(page, VARIABLES)).to_have_value('{"a": 1}')
    expect(page).to_have_url(re.compile(f"/start/{unique}$"))
    page.reload()
    expect(field(page, VARIABLES)).to_have_value('{"a": 1}')


def test_a_start_that_no_field_can_mend_says_so_in_the_form(page: Any, work: Work, unique: str):
    work.deploy("start(message=go) > ask:user > end", unique)
    start(page, unique)
    form = page.locator("#start")
    expect(form.get_by_role("alert")).to_contain_text("no such event")
    expect(page.locator("[aria-invalid=true]")).to_have_count(0)


def alerts_in(form: str, text: str) -> list[str]:
    """Return the alerts in the form that posts to *form*, read without scripts."""
    found = re.search(rf'<form method="post" action="{form}".*?</form>', text, re.DOTALL)
    assert found is not None
    alerts = re.findall(r'role="alert".*?</div>', found[0], re.DOTALL)
    assert text.count('role="alert"') == len(alerts)  # and nowhere else
    return alerts


def test_without_scripts_a_refused_start_stands_in_its_form(site: str, work: Work, unique: str):
    work.broker.client.deploy((f"{unique}.bpmn", bpmn("start > ask:user > end", id=unique)))
    answer = httpx.post(f"{site}/start", data={"process": unique, "variables": '{"kept": 1}', "before": "nope"})
    (alert,) = alerts_in("/start", answer.text)
    assert "No element found with id &#39;nope&#39;." in alert
    assert re.search("Request [0-9a-f]{8}", alert)
    assert "kept" in answer.text
