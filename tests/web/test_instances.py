"""The list of instances: filters, pages, what can be done to chosen rows, and the export."""

import csv
import io

import httpx
import pytest
from playwright.sync_api import expect

from osmia_broker.http.web.exports import harmless
from osmia_broker.http.web.instance_filter import json_texts
from tests.web.operating import cancel, complete_task, fail, incident_of

ASK = "start > ask:user > end"


def rows(page):
    return page.get_by_role("table", name="Instances").locator("tbody").get_by_role("row")


def row(page, key: int):
    return rows(page).filter(has=page.get_by_role("link", name=str(key), exact=True))


def test_the_columns_say_what_runs(page, work, unique):
    work.deploy(ASK, unique, name="Dinner")
    key = work.create(unique)
    page.goto(f"/instances?process={unique}")
    table = page.get_by_role("table", name="Instances")
    names = ["Select all", "Key", "Process", "Version", "State", "Started", "Ended", "Parent"]
    expect(table.get_by_role("columnheader")).to_have_text(names)
    expect(row(page, key)).to_contain_text("Dinner")
    expect(row(page, key)).to_contain_text("Active")
    row(page, key).get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Instance {key}")


def test_states_are_filtered(page, work, unique):
    work.deploy(f"start > ask:user > {unique}job:job > end", unique)
    active, stopped, canceled = (work.create(unique) for _ in range(3))
    complete_task(work, stopped)
    fail(work, f"{unique}job")
    cancel(work, canceled)
    page.goto(f"/instances?process={unique}")
    state = page.get_by_role("combobox", name="State")
    assert state.locator("option").all_inner_texts() == [
        "Active",
        "Incidents",
        "Suspended",
        "Completed",
        "Canceled",
        "All",
    ]
    expect(rows(page)).to_have_count(2)
    for name, keys in (
        ("Incidents", [stopped]),
        ("Canceled", [canceled]),
        ("Completed", []),
        ("All", [active, stopped, canceled]),
    ):
        state.select_option(label=name)
        expect(rows(page)).to_have_count(len(keys))
        for key in keys:
            expect(row(page, key)).to_be_visible()
    page.reload()
    expect(rows(page)).to_have_count(3)
    page.go_back()
    expect(page.get_by_text("No instance passes this filter.")).to_be_visible()


def test_processes_are_filtered(page, work, unique):
    work.deploy(ASK, f"{unique}a", name=f"One {unique}")
    work.deploy(ASK, f"{unique}b")
    key = work.create(f"{unique}a")
    work.create(f"{unique}b")
    page.goto("/instances")
    page.get_by_role("combobox", name="Process").select_option(label=f"One {unique}")
    expect(rows(page)).to_have_count(1)
    expect(row(page, key)).to_be_visible()


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        (12, "12"),
        ("12", "12"),
        ("Bern", "Bern"),
        ("Bern", '"Bern"'),
        ("a=b", "a=b"),
        (True, "true"),
        (None, "null"),
        ({"a": [1, 2]}, '{"a": [1, 2]}'),
        ("", ""),
        ("<b>", "<b>"),
        ("🐝", "🐝"),
    ],
)
def test_a_variable_is_filtered(site, work, unique, given, asked):
    work.deploy(ASK, unique)
    key = work.create(unique, it=given)
    other = work.create(unique, it="something else")
    text = httpx.get(f"{site}/instances", params={"process": unique, "variable": f"it={asked}"}).text
    assert f'href="/instances/{key}"' in text
    assert f'href="/instances/{other}"' not in text


def test_a_filter_that_is_none_is_explained(page, work, unique):
    work.deploy(ASK, unique)
    work.create(unique)
    page.goto("/instances")
    page.get_by_role("textbox", name="Variable").fill("amount")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_text("Expected name=value")).to_be_visible()
    expect(page.get_by_role("textbox", name="Variable")).to_have_value("amount")
    expect(page.get_by_role("table")).to_have_count(0)
    expect(page.get_by_text("Nothing is shown, because the filter cannot be read.")).to_be_visible()
    expect(page.get_by_text("No instance passes this filter.")).to_have_count(0)


@pytest.mark.parametrize(
    "query",
    [
        "process=%00",
        "after=nonsense",
        "process=999999999999999999999999",
        "variable=%3D",
        "incident=perhaps",
    ],
)
def test_an_address_that_was_broken_by_hand_is_answered(site, query):
    assert httpx.get(f"{site}/instances?{query}").status_code in (200, 400)


@pytest.mark.parametrize(
    ("state", "chosen"),
    [("incident", "incidents"), ("Incidents", "incidents"), ("suspended", "suspended"), ("", "active")],
)
def test_a_state_is_known_by_the_word_of_the_command_line_too(site, state, chosen):
    answer = httpx.get(f"{site}/instances?state={state}")
    assert f'value="{chosen}" selected' in answer.text
    assert "There is no state" not in answer.text


def test_suspended_instances_have_a_list(site, work, unique):
    work.deploy(ASK, unique)
    running, suspended = work.create(unique), work.create(unique)
    work.broker.client.suspend_instance(suspended)
    found = httpx.get(f"{site}/instances?process={unique}&state=suspended").text
    assert (str(suspended) in found, str(running) in found) == (True, False)


def test_an_unknown_state_is_named_at_its_field(page, work, unique):
    work.deploy(ASK, unique)
    key = work.create(unique)
    page.goto(f"/instances?process={unique}&state=<b>nonsense")
    expect(page.get_by_role("combobox", name="State")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("combobox", name="State")).to_have_attribute("aria-describedby", "state-problem")
    expect(page.get_by_text("There is no state “<b>nonsense”, so the active instances are shown.")).to_be_visible()
    expect(page.get_by_role("link", name=str(key))).to_be_visible()


def test_two_faults_of_a_filter_do_not_contradict_each_other(page, work, unique):
    work.deploy(ASK, unique)
    work.create(unique)
    page.goto(f"/instances?process={unique}&state=foo&variable=abc")
    expect(page.get_by_text("There is no state “foo”.", exact=True)).to_be_visible()
    expect(page.get_by_text("Expected name=value, such as amount=12 or city=Bern.")).to_be_visible()
    expect(page.get_by_text("Nothing is shown, because the filter cannot be read.")).to_be_visible()
    expect(page.get_by_text("active instances are shown")).to_have_count(0)


@pytest.mark.parametrize("list", ["instances", "tasks"])
def test_a_place_that_a_list_does_not_have_is_told_in_words(site, list):
    answer = httpx.get(f"{site}/{list}?after=garbage")
    assert "page.after" not in answer.text
    assert "This address names a place in the list that there is not. Open the list again." in answer.text


def test_the_json_texts_of_what_was_typed():
    assert json_texts("12") == ["12", '"12"']
    assert json_texts("Bern") == ['"Bern"']
    assert json_texts('{"a": 1}') == ['{"a":1}', '"{\\"a\\": 1}"']


def test_a_list_has_pages(page, work, unique):
    work.deploy(ASK, unique)
    keys = [work.create(unique) for _ in range(53)]
    page.goto(f"/instances?process={unique}")
    expect(rows(page)).to_have_count(50)
    expect(page.get_by_text("53 instances")).to_be_visible()
    page.get_by_role("link", name="Next page").click()
    expect(rows(page)).to_have_count(3)
    expect(row(page, keys[0])).to_be_visible()
    page.get_by_role("link", name="Previous page").click()
    expect(rows(page)).to_have_count(50)
    expect(row(page, keys[-1])).to_be_visible()


def test_new_instances_appear_and_ended_ones_go(page, work, unique):
    work.deploy(ASK, unique)
    first = work.create(unique)
    page.goto(f"/instances?process={unique}")
    expect(rows(page)).to_have_count(1)
    second = work.create(unique)
    expect(row(page, second)).to_be_visible()
    complete_task(work, first)
    expect(row(page, first)).to_have_count(0)


def test_a_list_under_the_pointer_does_not_jump(page, work, unique):
    work.deploy(ASK, unique)
    key = work.create(unique)
    page.goto(f"/instances?process={unique}")
    row(page, key).hover()
    work.create(unique)
    expect(page.get_by_text("1 new instance")).to_be_visible()
    expect(rows(page)).to_have_count(1)
    page.get_by_role("button", name="Show").click()
    expect(rows(page)).to_have_count(2)


# --- chosen rows


def choose(page, *keys: int):
    for key in keys:
        page.get_by_role("checkbox", name=f"Select instance {key}").check()


def test_chosen_instances_are_canceled_with_a_result(page, work, unique):
    work.deploy(ASK, unique)
    keys = [work.create(unique) for _ in range(3)]
    page.goto(f"/instances?process={unique}&state=all")
    choose(page, *keys[:2])
    expect(page.get_by_text("2 selected")).to_be_visible()
    page.get_by_role("button", name="Cancel selected…").click()
    page.get_by_role("dialog", name="Cancel selected").get_by_role("button", name="Cancel selected").click()
    expect(page.get_by_role("status")).to_have_text("2 of 2 instances canceled.")
    expect(row(page, keys[0])).to_contain_text("Canceled")
    expect(row(page, keys[2])).to_contain_text("Active")


def test_those_that_have_ended_meanwhile_are_named(page, work, unique):
    work.deploy(ASK, unique)
    keys = [work.create(unique) for _ in range(2)]
    page.route("**/events*", lambda route: route.abort())
    page.goto(f"/instances?process={unique}")
    choose(page, *keys)
    complete_task(work, keys[0])
    page.get_by_role("button", name="Cancel selected…").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel selected").click()
    expect(page.get_by_role("alert")).to_contain_text("1 of 2 instances canceled.")
    expect(page.get_by_role("alert")).to_contain_text(f"{keys[0]}: it has ended already")


def test_chosen_instances_are_retried(page, work, unique):
    work.deploy(f"start > {unique}job:job > end", unique)
    key = work.create(unique)
    fail(work, f"{unique}job")
    page.goto(f"/instances?process={unique}&state=incidents")
    choose(page, key)
    page.get_by_role("button", name="Retry selected").click()
    expect(page.get_by_role("status")).to_have_text("1 of 1 instance retried.")
    expect(rows(page)).to_have_count(0)


def test_a_retry_of_what_has_no_incident_is_told(page, work, unique):
    work.deploy(ASK, unique)
    key = work.create(unique)
    page.goto(f"/instances?process={unique}")
    choose(page, key)
    page.get_by_role("button", name="Retry selected").click()
    expect(page.get_by_role("alert")).to_contain_text("0 of 1 instance retried.")


def test_without_a_choice_nothing_is_done(page, work, unique):
    work.deploy(ASK, unique)
    work.create(unique)
    page.goto(f"/instances?process={unique}")
    page.get_by_role("button", name="Retry selected").click()
    expect(page.get_by_role("alert")).to_contain_text("No instance was chosen.")


def test_all_rows_are_chosen_at_once(page, work, unique):
    work.deploy(ASK, unique)
    for _ in range(3):
        work.create(unique)
    page.goto(f"/instances?process={unique}")
    page.get_by_role("checkbox", name="Select all rows").check()
    expect(page.get_by_text("3 selected")).to_be_visible()


# --- the export


def exported(site: str, **query: str) -> list[dict[str, str]]:
    answer = httpx.get(f"{site}/instances/export", params=query)
    assert answer.headers["content-type"].startswith("text/csv")
    return [*csv.DictReader(io.StringIO(answer.text))]


def test_exactly_the_filtered_rows_are_exported(page, site, work, unique):
    work.deploy(ASK, unique, name='=1+1, "a"\nb')
    keys = [work.create(unique, n=n % 2) for n in range(60)]
    work.create(unique, n=5)
    page.goto(f"/instances?process={unique}&variable=n%3D1")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export CSV").click()
    assert download.value.suggested_filename == "instances.csv"
    found = exported(site, process=unique, variable="n=1")
    assert [int(one["key"]) for one in found] == sorted((key for n, key in enumerate(keys) if n % 2), reverse=True)
    assert {one["state"] for one in found} == {"Active"}
    assert {one["process name"][:2] for one in found} == {"'="}


def test_more_rows_than_one_page_of_the_store_are_exported(site, work, unique, monkeypatch):
    monkeypatch.setattr("osmia_broker.http.web.screens.instances.EXPORTED_AT_ONCE", 10)
    work.deploy(ASK, unique)
    keys = {work.create(unique) for _ in range(35)}
    assert {int(one["key"]) for one in exported(site, process=unique)} == keys


def test_a_wrong_filter_exports_nothing(site):
    assert httpx.get(f"{site}/instances/export", params={"variable": "nonsense"}).status_code == 400


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@a", "\t=1", "\r=1", " =1", '=HYPERLINK("http://evil.example")'])
def test_formulas_are_made_harmless(text):
    assert harmless(text) == "'" + text


@pytest.mark.parametrize("text", ["", "a", "1", "a=b", "2026-11-26", "'a"])
def test_other_texts_stay(text):
    assert harmless(text) == text


def test_an_incident_shows_in_the_list(page, work, unique):
    work.deploy(f"start > {unique}job:job > end", unique)
    key = work.create(unique)
    fail(work, f"{unique}job")
    assert incident_of(work, key)
    page.goto(f"/instances?process={unique}")
    expect(row(page, key)).to_contain_text("Incident")
