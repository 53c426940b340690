"""Incidents: in groups of equal messages, one with all that helps to mend it, and resolving one or many."""

import re

import httpx
import pytest
from playwright.sync_api import expect

from tests.web.operating import fail, incident_of, set_variables, take


def stopped(work, unique: str, message: str = "it broke", number: int = 1) -> list[int]:
    """Instances that are stopped by a failed job."""
    work.deploy(f"start > charge:job(name=Charge, type={unique}) > end", unique, name=f"Pay {unique}")
    keys = [work.create(unique) for _ in range(number)]
    for _ in keys:
        fail(work, unique, message)
    return keys


def rows(page, text: str):
    return page.get_by_role("table", name="Incidents").get_by_role("row").filter(has_text=text)


def test_an_incident_is_listed_with_its_place(page, work, unique):
    (key,) = stopped(work, unique, f"boom {unique}")
    page.goto("/incidents")
    names = ["Select all", "Error type", "Message", "Process", "Element", "Instance", "Age"]
    expect(page.get_by_role("table", name="Incidents").get_by_role("columnheader")).to_have_text(names)
    row = rows(page, f"boom {unique}")
    expect(row).to_contain_text("JOB_NO_RETRIES")
    expect(row).to_contain_text("Charge")
    expect(row.get_by_role("link", name=f"Pay {unique}")).to_be_visible()
    row.get_by_role("link", name=str(key)).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Instance {key}")
    page.go_back()
    element = row.get_by_role("cell", name="Charge").get_by_role("link")
    element.click()
    expect(page).to_have_url(re.compile(f"/instances/{key}\\?element="))


def test_equal_messages_are_one_group_with_its_number(page, work, unique):
    stopped(work, unique, f"boom {unique}", number=7)
    page.goto("/incidents")
    group = rows(page, "7 incidents").filter(has_text=f"boom {unique}")
    expect(group).to_be_visible()
    group.get_by_role("link", name="Show all 7").click()
    expect(rows(page, f"boom {unique}")).to_have_count(7)
    page.get_by_role("link", name="All incidents").click()
    expect(group).to_be_visible()


def test_the_number_of_open_incidents_follows(page, work, unique):
    page.goto("/nothing")
    link = page.get_by_role("navigation", name="Main").get_by_role("link", name="Incidents")
    before = int([*link.text_content().split(), "0"][1])
    stopped(work, unique)
    expect(link).to_have_text(f"Incidents {before + 1}")


def test_an_incident_shows_its_whole_message_and_is_resolved_with_retries(page, work, unique):
    trace = "ValueError: <b>no money</b>\n" + "\n".join(f"  at line {n}" for n in range(50))
    (key,) = stopped(work, unique, trace)
    page.goto(f"/incidents/{incident_of(work, key)}")
    message = page.get_by_role("region", name="Message")
    expect(message).to_contain_text("<b>no money</b>")
    expect(message).to_contain_text("at line 49")
    expect(page.get_by_role("region", name="Summary")).to_contain_text("robot")
    page.get_by_role("textbox", name="Retries").fill("3")
    page.get_by_role("button", name="Resolve").click()
    expect(page.get_by_role("status")).to_have_text("Incident resolved.")
    expect(page.get_by_role("region", name="Summary")).to_contain_text("Resolved")
    expect(page.get_by_role("button", name="Resolve")).to_have_count(0)
    assert take(work, unique)


@pytest.mark.parametrize("text", ["0", "-1", "many", "9" * 30, "1.5"])
def test_retries_that_are_none_are_refused_and_kept(page, work, unique, text):
    (key,) = stopped(work, unique)
    incident = incident_of(work, key)
    page.goto(f"/incidents/{incident}")
    page.get_by_role("textbox", name="Retries").fill(text)
    page.get_by_role("button", name="Resolve").click()
    expect(page.get_by_role("alert")).to_contain_text("Expected retries to be a number from 1")
    expect(page.get_by_role("textbox", name="Retries")).to_have_value(text)
    assert incident_of(work, key) == incident


def test_an_expression_at_fault_is_shown_with_its_variables(page, work, unique):
    work.deploy('start > a:task(in.y="=assert(amount, amount > 10)") > end', unique)
    key = work.create(unique, amount=3, other=4)
    page.goto(f"/incidents/{incident_of(work, key)}")
    expect(page.get_by_role("region", name="Message")).to_contain_text("amount > 10")
    variables = page.get_by_role("region", name="Variables")
    expect(variables.get_by_role("row").filter(has_text="amount")).to_contain_text("3")
    expect(variables).not_to_contain_text("other")
    expect(page.get_by_role("textbox", name="Retries")).to_have_count(0)


def test_an_incident_that_is_resolved_elsewhere_offers_nothing_more(page, work, unique):
    work.deploy('start > a:task(in.y="=assert(amount, amount > 10)") > b:user > end', unique)
    key = work.create(unique, amount=3)
    incident = incident_of(work, key)
    page.goto(f"/incidents/{incident}")
    expect(page.get_by_role("button", name="Resolve")).to_be_visible()
    work.broker.client.set_variables(key, {"amount": 11})
    work.broker.client.resolve_incident(incident)
    expect(page.get_by_role("button", name="Resolve")).to_have_count(0)
    expect(page.get_by_role("main").get_by_text("Resolved")).to_have_count(2)  # beside the heading, and in the summary


def test_a_step_that_fails_again_says_why(page, work, unique):
    work.deploy('start > a:task(in.y="=assert(amount, amount > 10)") > end', unique)
    key = work.create(unique, amount=3)
    old = incident_of(work, key)
    page.goto(f"/incidents/{old}")
    page.get_by_role("button", name="Resolve").click()
    expect(page.get_by_role("alert")).to_contain_text("It failed again: ")
    new = incident_of(work, key)
    page.get_by_role("region", name="Newer incident").get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Incident {new}")
    set_variables(work, key, amount=11)
    page.get_by_role("button", name="Resolve").click()
    expect(page.get_by_role("status")).to_have_text("Incident resolved.")


def test_whoever_resolves_second_is_told(page, work, unique):
    (key,) = stopped(work, unique)
    incident = incident_of(work, key)
    page.route("**/events*", lambda route: route.abort())
    page.goto(f"/incidents/{incident}")
    work.broker.client.update_job_retries(work.broker.client.search_jobs(process_instance_key=key).items[0].key, 1)
    work.broker.client.resolve_incident(incident)
    page.get_by_role("button", name="Resolve").click()
    expect(page.get_by_role("alert")).to_contain_text(f"Incident {incident} is not open any more.")
    expect(page.get_by_role("region", name="Summary")).to_contain_text("Resolved")


def test_chosen_incidents_are_resolved(page, work, unique):
    keys = stopped(work, unique, f"boom {unique}", number=3)
    page.goto("/incidents")
    for key in keys[:2]:
        page.get_by_role("checkbox", name=f"Select incident {incident_of(work, key)}").check()
    page.get_by_role("button", name="Resolve selected").click()
    expect(page.get_by_role("status")).to_have_text("2 of 2 incidents resolved.")
    expect(rows(page, f"boom {unique}")).to_have_count(1)


def test_a_whole_group_is_resolved(page, work, unique):
    stopped(work, unique, f"boom {unique}", number=8)
    page.goto("/incidents")
    page.get_by_role("checkbox", name="Select all 8 incidents of this group").check()
    page.get_by_role("button", name="Resolve selected").click()
    expect(page.get_by_role("status")).to_have_text("8 of 8 incidents resolved.")
    expect(rows(page, f"boom {unique}")).to_have_count(0)


def test_those_that_fail_again_are_named(page, work, unique):
    work.deploy('start > a:task(in.y="=assert(amount, amount > 10)") > end', unique)
    key = work.create(unique, amount=3)
    page.goto(f"/incidents?process={unique}")
    page.get_by_role("checkbox", name=f"Select incident {incident_of(work, key)}").check()
    page.get_by_role("button", name="Resolve selected").click()
    expect(page.get_by_role("alert")).to_contain_text("0 of 1 incident resolved.")
    expect(page.get_by_role("alert")).to_contain_text("It failed again: ")


def test_without_a_choice_nothing_is_resolved(page, work, unique):
    stopped(work, unique)
    page.goto("/incidents")
    page.get_by_role("button", name="Resolve selected").click()
    expect(page.get_by_role("alert")).to_contain_text("No incident was chosen.")


def test_an_incident_appears_without_a_reload(page, work, unique):
    page.goto("/incidents")
    stopped(work, unique, f"boom {unique}")
    expect(rows(page, f"boom {unique}")).to_have_count(1)


@pytest.mark.parametrize("path", ["1", "0", "9" * 30])
def test_an_unknown_incident_is_not_found(page, path):
    answer = page.goto(f"/incidents/{path}")
    assert answer.status == 404
    expect(page.get_by_role("main").get_by_role("link", name="Incidents")).to_be_visible()


@pytest.mark.parametrize(
    "query", ["group=x", "skip=-1", "skip=999999999", "process=%00", "instance=x", "after=x&group=1"]
)
def test_an_address_that_was_broken_by_hand_is_answered(site, query):
    assert httpx.get(f"{site}/incidents?{query}").status_code in (200, 400)


def test_the_kind_of_an_incident_breaks_at_its_underscores_only(page, work, unique):
    stopped(work, unique, f"{'long words ' * 30}{unique}")
    page.set_viewport_size({"width": 1000, "height": 700})
    page.goto("/incidents")
    cell = rows(page, unique).get_by_role("cell", name="JOB_NO_RETRIES")
    lines = cell.get_by_role("link").evaluate(
        """link => {
            const range = document.createRange()
            return [...link.childNodes].filter(node => node.nodeType === Node.TEXT_NODE).map(node => {
                range.selectNodeContents(node)
                return new Set([...range.getClientRects()].map(one => one.top)).size
            })
        }"""
    )
    assert lines == [1, 1, 1]  # JOB_, NO_ and RETRIES stand in one line each


def test_on_a_tablet_a_message_is_read_in_lines(page, work, unique):
    stopped(work, unique, f"boom {unique} " + "a sentence of short words " * 6)
    page.set_viewport_size({"width": 768, "height": 800})
    page.goto("/incidents")
    assert rows(page, f"boom {unique}").get_by_role("cell").nth(2).bounding_box()["width"] >= 200
