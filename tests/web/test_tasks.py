"""The task list: what it shows, finds and sorts, and what two people see of each other."""

import re

import pytest
from playwright.sync_api import expect


def rows(page):
    return page.get_by_role("list", name="Tasks").get_by_role("listitem")


def find(page, unique, query=""):
    """Open the list of one test's own tasks: the broker is shared."""
    page.goto(f"/tasks?process={unique}{query}")


def test_a_task_is_in_the_list_with_what_matters(page, work, unique):
    work.deploy(
        'start > ask:user(name="Decide what is for dinner", groups=family, native=yes, priority=80) > end',
        unique,
        name="Prepare dinner",
    )
    work.create(unique)
    find(page, unique)
    expect(page.get_by_role("heading", level=1)).to_have_text("Tasks")
    row = rows(page)
    expect(row).to_have_count(1)
    expect(row.get_by_role("link", name=re.compile("^Decide what is for dinner"))).to_be_visible()
    for text in ("Prepare dinner", "Unassigned", "Created", "Priority 80"):
        expect(row).to_contain_text(text)


@pytest.mark.parametrize(
    ("name", "titles"),
    [
        ("All open", {"mine", "hers", "free"}),
        ("Assigned to me", {"mine"}),
        ("Unassigned", {"free"}),
        ("Completed", set()),
    ],
)
def test_the_filter_chooses_a_list(page, work, unique, name, titles):
    line = "start > fork:parallel [mine:user(assignee=demo) > join:parallel | hers:user(assignee=ada) > join | free:user > join] > end"
    work.deploy(line, unique)
    work.create(unique)
    find(page, unique)
    expect(rows(page)).to_have_count(3)
    page.get_by_role("combobox", name="Filter").select_option(name)
    expect(rows(page)).to_have_count(len(titles))
    assert set(rows(page).get_by_role("link").all_inner_texts()) == titles
    page.reload()
    expect(page.get_by_role("combobox", name="Filter")).to_have_value(
        {"All open": "open", "Assigned to me": "mine", "Unassigned": "unassigned", "Completed": "completed"}[name]
    )
    assert set(rows(page).get_by_role("link").all_inner_texts()) == titles
