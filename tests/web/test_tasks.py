"""The task list: what it shows, finds and sorts, and what two people see of each other."""

import re
from urllib.parse import urlencode

import httpx
import pytest
from playwright.sync_api import expect

from tests.running_broker import running_broker


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


def test_an_empty_list_says_what_to_do(page, unique):
    page.goto("/tasks?filter=mine")
    find(page, unique)
    expect(page.get_by_text("No task passes this filter.")).to_be_visible()
    expect(page.get_by_role("main").get_by_role("link", name="All open tasks")).to_have_attribute("href", "/tasks")


def test_a_broker_without_work_leads_to_the_start(browse, tmp_path):
    with running_broker(tmp_path) as broker:
        text = httpx.get(f"http://127.0.0.1:{broker.broker.http_port}/tasks").text
    assert "No open tasks" in text
    assert '<a href="/start">Start an instance</a>' in text


def test_a_new_task_appears_without_reload(page, work, unique):
    work.deploy("start > ask:user > end", unique)
    find(page, unique)
    expect(rows(page)).to_have_count(0)
    work.create(unique)
    expect(rows(page)).to_have_count(1)


def test_a_list_under_the_pointer_offers_new_tasks(page, work, unique):
    work.deploy("start > ask:user > end", unique)
    work.create(unique)
    find(page, unique)
    rows(page).hover()
    work.create(unique)
    expect(page.get_by_text("1 new task", exact=True)).to_be_visible()
    expect(rows(page)).to_have_count(1)
    page.get_by_role("button", name="Show").click()
    expect(rows(page)).to_have_count(2)


def test_a_search_that_cannot_be_read_says_why(page, unique):
    page.goto("/tasks")
    page.get_by_role("searchbox", name="Search tasks").fill("due:soon")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Expected 'due:' to be a time")).to_be_visible()
    expect(page.get_by_role("searchbox", name="Search tasks")).to_have_value("due:soon")


def test_a_search_by_variable_finds_its_tasks(page, work, unique):
    work.deploy("start > ask:user > end", unique)
    work.create(unique, dinner="pizza", amount=5)
    work.create(unique, dinner="soup", amount=50)
    find(page, unique)
    for words, count in (
        ("dinner=pizza", 1),
        ("amount:>10", 1),
        ("amount=5", 1),
        ("amount:>1", 2),
        ("ASK", 2),
        ("nothing", 0),
    ):
        page.get_by_role("searchbox", name="Search tasks").fill(words)
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile(re.escape(urlencode({"q": words})) + "(&|$)"))
        expect(rows(page)).to_have_count(count)


def test_selected_tasks_are_claimed_and_the_others_are_explained(page, work, unique):
    work.deploy(
        "start > fork:parallel [mine:user(name=Bake) > join:parallel | hers:user(name=Taste, assignee=ada) > join] > end",
        unique,
    )
    work.create(unique)
    find(page, unique)
    page.get_by_role("checkbox", name="Select Bake").check()
    page.get_by_role("button", name="Claim selected", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("Claimed 1 task.")
    page.get_by_role("checkbox", name="Select Taste").check()
    page.get_by_role("button", name="Unclaim selected").click()
    expect(page.get_by_role("alert")).to_have_text("Unclaimed 0 of 1 task. Not done: “Taste”: it is assigned to ada.")
    page.get_by_role("checkbox", name="Select Bake").check()
    page.get_by_role("checkbox", name="Select Taste").check()
    page.get_by_role("button", name="Unclaim selected").click()
    expect(page.get_by_role("alert")).to_have_text("Unclaimed 1 of 2 tasks. Not done: “Taste”: it is assigned to ada.")
    page.get_by_role("checkbox", name="Select Bake").check()
    page.get_by_role("button", name="Assign selected…").click()
    dialog = page.get_by_role("dialog", name="Assign selected")
    dialog.get_by_role("textbox", name="User name").fill("bob")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Assigned 1 task.")
    expect(rows(page).filter(has_text="Bake")).to_contain_text("bob")


def test_selected_tasks_are_completed_unless_they_have_a_form(page, work, unique):
    work.deploy("start > ask:user(assignee=demo) > end", unique)
    work.create(unique)
    work.create(unique)
    find(page, unique)
    for number in range(2):
        rows(page).nth(number).get_by_role("checkbox").check()
    page.get_by_role("button", name="Complete selected…").click()
    page.get_by_role("dialog", name="Complete selected").get_by_role("button", name="Complete selected").click()
    expect(page.get_by_role("status")).to_have_text("Completed 2 tasks.")


def test_each_selected_task_says_what_became_of_it(page, work, unique):
    line = "start > fork:parallel [mine:user(name=Bake, assignee=demo) > join:parallel | hers:user(name=Taste, assignee=ada) > join] > end"
    work.deploy(line, unique)
    work.create(unique)
    find(page, unique)
    page.get_by_role("checkbox", name="Select Bake").check()
    page.get_by_role("checkbox", name="Select Taste").check()
    page.get_by_role("button", name="Complete selected…").click()
    page.get_by_role("dialog", name="Complete selected").get_by_role("button", name="Complete selected").click()
    result = page.get_by_role("region", name="Result")
    expect(result.get_by_role("listitem")).to_have_count(2)
    expect(result.get_by_role("listitem").filter(has_text="Bake")).to_contain_text("Completed")
    expect(result.get_by_role("listitem").filter(has_text="Taste")).to_contain_text("it is not yours")
    expect(page).to_have_url(re.compile(rf"/tasks\?process={unique}$"))
    page.reload()
    expect(page.get_by_role("region", name="Result")).to_have_count(0)
    expect(rows(page)).to_have_count(1)


def test_a_snoozed_task_leaves_my_list_and_comes_back(browse, work, unique):
    work.deploy("start > fork:parallel [ask:user(name=Ask) > join:parallel | pay:user(name=Pay) > join] > end", unique)
    work.create(unique)
    page, other = browse(f"u{unique}"), browse(f"v{unique}")
    find(page, unique)
    rows(page).get_by_role("link", name="Ask").click()
    page.get_by_role("button", name="Snooze…").click()
    dialog = page.get_by_role("dialog", name="Snooze")
    dialog.get_by_role("combobox", name="Until").fill("2d")
    dialog.get_by_role("button", name="Snooze").click()
    expect(page.get_by_role("status")).to_contain_text("Task snoozed until")
    expect(rows(page)).to_have_count(1)
    find(other, unique)
    expect(rows(other)).to_have_count(2)
    page.get_by_role("combobox", name="Filter").select_option("Snoozed")
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("Snoozed until")
    rows(page).get_by_role("link", name="Ask").click()
    page.get_by_role("button", name="Wake").click()
    expect(page.get_by_role("status")).to_have_text("The task is back.")
    find(page, unique)
    expect(rows(page)).to_have_count(2)


def test_a_task_that_was_snoozed_until_it_changes_comes_back_by_itself(browse, work, unique):
    work.deploy("start > ask:user(name=Ask) > end", unique)
    work.create(unique)
    page, boss = browse(f"u{unique}"), browse(f"v{unique}")
    find(page, unique)
    rows(page).get_by_role("link", name="Ask").click()
    page.get_by_role("button", name="Snooze…").click()
    page.get_by_role("checkbox", name="Until something changes").check()
    page.get_by_role("dialog", name="Snooze").get_by_role("button", name="Snooze").click()
    expect(rows(page)).to_have_count(0)
    find(boss, unique)
    rows(boss).get_by_role("link", name="Ask").click()
    boss.get_by_role("button", name="Claim").click()
    expect(rows(page)).to_have_count(1)


@pytest.mark.parametrize(
    ("until", "told"), [("", "no time was given"), ("soon", "Expected a time such as"), ("2020-01-01", "which is over")]
)
def test_a_snooze_without_a_time_to_come_is_refused(page, work, unique, until, told):
    work.deploy("start > ask:user(name=Ask) > end", unique)
    work.create(unique)
    find(page, unique)
    rows(page).get_by_role("link", name="Ask").click()
    page.get_by_role("button", name="Snooze…").click()
    dialog = page.get_by_role("dialog", name="Snooze")
    dialog.get_by_role("combobox", name="Until").fill(until)
    dialog.get_by_role("button", name="Snooze").click()
    expect(page.get_by_role("alert")).to_contain_text(told)
    expect(rows(page)).to_have_count(1)


def test_a_live_update_leaves_the_message_for_the_next_page(site, work, unique):
    work.deploy("start > ask:user > end", unique)
    work.create(unique)
    with httpx.Client(base_url=site, headers={"origin": site}) as client:
        assert client.post("/tasks/selected", data={"do": "claim"}).status_code == 303
        nobody_asked = client.get("/tasks", headers={"osmia-live": "true"})
        assert "no task was selected" not in nobody_asked.text
        assert "no task was selected" in client.get("/tasks").text
        assert "no task was selected" not in client.get("/tasks").text


def test_a_filter_is_saved_counted_and_deleted(browse, work, unique):
    work.deploy("start > ask:user > end", unique)
    work.create(unique)
    page = browse(f"u{unique}")
    page.goto("/tasks")
    page.get_by_role("button", name="More filters").click()
    page.get_by_role("textbox", name="Process").fill(unique)
    page.get_by_role("textbox", name="Name").fill("Kitchen")
    page.get_by_role("button", name="Save filter").click()
    expect(page.get_by_role("status")).to_have_text("Filter saved: Kitchen")
    view = page.get_by_role("navigation", name="Saved filters").get_by_role("link", name=re.compile("^Kitchen"))
    expect(view).to_have_text("Kitchen 1")
    work.create(unique)
    expect(view).to_have_text("Kitchen 2")
    page.goto("/tasks?filter=completed")
    view.click()
    expect(rows(page)).to_have_count(2)
    page.get_by_role("button", name="Delete filter Kitchen").click()
    expect(view).to_have_count(0)


def test_the_exported_file_has_exactly_the_filtered_rows(site, work, unique):
    work.deploy('start > ask:user(name="=1+1") > end', unique)
    for amount in (1, 2, 3):
        work.create(unique, amount=amount)
    text = httpx.get(f"{site}/tasks.csv", params={"process": unique, "q": "amount:>1"}).text
    lines = text.removeprefix("\ufeff").splitlines()
    assert lines[0].startswith("key,name,state,assignee")
    assert len(lines) == 3
    assert "'=1+1" in lines[1]  # a spreadsheet must not run it


def test_the_best_task_is_taken_with_one_key(browse, work, unique):
    work.deploy(f'start > ask:user(groups="{unique}") > end', unique)
    work.create(unique)
    page = browse("ada", groups=unique)
    page.goto("/tasks")
    page.keyboard.press("n")
    task = page.get_by_role("region", name="Task")
    expect(task.get_by_text("Assignee: ada")).to_be_visible()
    page.goto("/tasks")
    page.get_by_role("button", name="Take next").click()
    expect(page.get_by_role("status")).to_have_text("No unassigned task has you or one of your groups as a candidate.")


def test_a_chip_says_why_a_task_is_in_my_list(browse, work, unique):
    work.deploy('start > ask:user(groups="cooks, waiters") > mine:user(users=ada) > end', unique)
    work.create(unique)
    page = browse("ada", groups="waiters")
    find(page, unique)
    expect(rows(page)).to_contain_text("Your group waiters")


def test_a_long_list_has_pages(page, work, unique):
    work.deploy('start > ask:user(items="=for i in 1..51 return i") > end', unique)
    work.create(unique)
    find(page, unique)
    expect(rows(page)).to_have_count(50)
    page.get_by_role("link", name="Next page").click()
    expect(rows(page)).to_have_count(1)
    page.get_by_role("link", name="First page").click()
    expect(rows(page)).to_have_count(50)
