"""One task: claim, unclaim, assign, complete, its variables, its history, and what happens when two people are at it."""

import re

import httpx
import pytest
from playwright.sync_api import expect


def region(page):
    return page.get_by_role("region", name="Task")


def open_task(page, unique, name="ask"):
    page.goto(f"/tasks?process={unique}")
    page.get_by_role("list", name="Tasks").get_by_role("link", name=name).click()
    expect(region(page).get_by_role("heading", level=2)).to_have_text(name)
    return region(page)


def waiting(work, unique, line="start > ask:user > end", **variables):
    work.deploy(line, unique)
    return work.create(unique, **variables)


def test_a_task_is_claimed_filled_in_and_completed(page, work, unique):
    key = waiting(work, unique, "start > ask:user > eat:user > end")
    task = open_task(page, unique)
    expect(task.get_by_text("Unassigned")).to_be_visible()
    expect(task.get_by_role("link", name=f"Instance {key}")).to_have_attribute("href", f"/instances/{key}")
    expect(task.get_by_role("button", name="Complete task")).to_have_count(0)
    task.get_by_role("button", name="Claim").click()
    expect(task.get_by_text("Assignee: demo")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("Task claimed.")
    task.get_by_role("button", name="Add variable").click()
    task.get_by_role("textbox", name="Variable name").fill("dinner")
    task.get_by_role("textbox", name="Variable value").fill('"pizza"')
    task.get_by_role("button", name="Complete task").click()
    expect(page.get_by_role("status")).to_have_text("Task completed.")
    expect(page.get_by_role("list", name="Tasks").get_by_role("link")).to_have_text(["eat"])
    task = open_task(page, unique, "eat")
    task.get_by_role("button", name="Claim").click()
    expect(task.get_by_role("textbox", name="Value of dinner")).to_have_value('"pizza"')


def test_who_completes_the_last_task_of_a_list_goes_on_at_the_list(page, work, unique):
    waiting(work, unique, "start > ask:user(assignee=demo) > end")
    open_task(page, unique).get_by_role("button", name="Complete task").click()
    expect(page.get_by_text("No task passes this filter.")).to_be_visible()
    expect(page.get_by_role("main")).to_be_focused()


def test_a_completed_task_is_shown_as_it_was(page, work, unique):
    waiting(work, unique, amount=12)
    task = open_task(page, unique)
    task.get_by_role("button", name="Claim").click()
    task.get_by_role("textbox", name="Value of amount").fill("13")
    task.get_by_role("button", name="Complete task").click()
    expect(page.get_by_role("status")).to_have_text("Task completed.")
    page.get_by_role("combobox", name="Filter").select_option("Completed")
    page.get_by_role("list", name="Tasks").get_by_role("link", name="ask").click()
    task = region(page)
    expect(task.get_by_text("Completed by demo")).to_be_visible()
    expect(task.get_by_role("region", name="Variables")).to_contain_text("13")
    expect(task.get_by_role("textbox")).to_have_count(0)
    expect(task.get_by_role("button", name="Complete task")).to_have_count(0)


def test_a_task_of_somebody_else_is_only_assigned(page, work, unique):
    waiting(work, unique, "start > ask:user(assignee=ada) > end", amount=12)
    task = open_task(page, unique)
    expect(task.get_by_text("Assigned to ada")).to_be_visible()
    for name in ("Claim", "Unclaim", "Complete task"):
        expect(task.get_by_role("button", name=name)).to_have_count(0)
    expect(task.get_by_role("textbox", name="Value of amount")).to_have_count(0)
    task.get_by_role("button", name="Assign…").click()
    dialog = page.get_by_role("dialog", name="Assign task")
    dialog.get_by_role("textbox", name="User name").fill("demo")
    dialog.get_by_role("button", name="Assign").click()
    expect(task.get_by_text("Assignee: demo")).to_be_visible()
    expect(task.get_by_role("button", name="Complete task")).to_be_visible()


def test_a_task_is_given_back(page, work, unique):
    waiting(work, unique, "start > ask:user(assignee=demo) > end")
    task = open_task(page, unique)
    task.get_by_role("button", name="Unclaim").click()
    expect(task.get_by_text("Unassigned")).to_be_visible()
    expect(task.get_by_role("button", name="Claim")).to_be_visible()


def test_a_task_is_handed_back_with_a_reason(page, work, unique):
    waiting(work, unique, "start > ask:user(assignee=demo) > end")
    task = open_task(page, unique)
    task.get_by_role("button", name="Hand back…").click()
    dialog = page.get_by_role("dialog", name="Hand back")
    dialog.get_by_role("textbox", name="Reason").fill("Not enough <b>flour</b>")
    dialog.get_by_role("button", name="Hand back").click()
    expect(page.get_by_role("status")).to_have_text("Task handed back.")
    expect(task.get_by_text("Unassigned")).to_be_visible()
    expect(task.get_by_role("region", name="Comments")).to_contain_text("Handed back: Not enough <b>flour</b>")


def test_a_task_of_a_suspended_instance_says_so_and_how_to_go_on(page, work, unique):
    key = waiting(work, unique, "start > ask:user(assignee=demo) > end", amount=12)
    task = open_task(page, unique)
    shown = page.get_by_role("list", name="Tasks").get_by_text("Suspended", exact=True)
    expect(shown).to_have_count(0)
    task.get_by_role("textbox", name="Value of amount").fill("13")
    work.broker.client.suspend_instance(key)
    note = task.get_by_text("The instance of this task is suspended.")
    expect(note).to_be_visible()
    expect(shown).to_have_count(1)
    for name in ("Unclaim", "Assign…", "Hand back…"):
        expect(task.get_by_role("button", name=name)).to_be_disabled()
    task.get_by_role("button", name="Complete task").click()
    refused = task.get_by_role("alert")
    expect(refused).to_contain_text(f"Instance {key} is suspended. Resume it first. Nothing was sent.")
    expect(refused.get_by_role("link", name="Open the instance")).to_have_attribute("href", f"/instances/{key}")
    expect(task.get_by_role("textbox", name="Value of amount")).to_have_value("13")
    work.broker.client.resume_instance(key)
    expect(note).to_have_count(0)
    expect(shown).to_have_count(0)
    task.get_by_role("button", name="Complete task").click()
    expect(page.get_by_role("status")).to_have_text("Task completed.")


def test_two_people_see_each_others_claim(browse, work, unique):
    waiting(work, unique)
    ada, bob = browse("ada"), browse("bob")
    of_ada, of_bob = open_task(ada, unique), open_task(bob, unique)
    of_ada.get_by_role("button", name="Claim").click()
    expect(of_bob.get_by_text("Assigned to ada")).to_be_visible()
    expect(of_bob.get_by_role("button", name="Claim")).to_have_count(0)
    expect(bob.get_by_role("list", name="Tasks").get_by_role("listitem")).to_contain_text("ada")


def test_who_comes_second_is_told_who_was_first(browse, work, unique):
    waiting(work, unique)
    bob = browse("bob")
    bob.route("**/events**", lambda route: route.abort())  # nobody tells this page what others do
    task = open_task(bob, unique)
    key = bob.url.split("/tasks/")[1].split("?")[0]
    browse("ada").context.request.post(f"/tasks/{key}/claim")
    task.get_by_role("button", name="Claim").click()
    expect(bob.get_by_role("alert")).to_have_text("Already claimed by ada.")
    expect(task.get_by_text("Assigned to ada")).to_be_visible()


def test_a_value_that_is_no_json_is_not_sent(page, work, unique):
    waiting(work, unique, "start > ask:user(assignee=demo) > end", dinner="pizza")
    task = open_task(page, unique)
    field = task.get_by_role("textbox", name="Value of dinner")
    field.fill("chicken")
    task.get_by_role("button", name="Complete task").click()
    expect(task.get_by_text(re.compile("^Not valid JSON: .+\\. "))).to_be_visible()
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    task.get_by_role("button", name="Use as text").click()
    expect(field).to_have_value('"chicken"')
    task.get_by_role("button", name="Complete task").click()
    expect(page.get_by_role("status")).to_have_text("Task completed.")


def test_the_keyboard_leaves_a_value_that_is_no_json_with_a_message_under_it(page, work, unique):
    waiting(work, unique, "start > ask:user(assignee=demo) > end", dinner="pizza")
    task = open_task(page, unique)
    field = task.get_by_role("textbox", name="Value of dinner")
    field.fill("chicken")
    field.press("Tab")
    expect(task.get_by_text(re.compile("^Not valid JSON: .+\\. "))).to_be_visible()
    field.press("Tab")
    expect(task.get_by_role("button", name="Use as text")).to_be_focused()
    page.keyboard.press("Enter")
    expect(field).to_have_value('"chicken"')


def test_without_scripts_a_value_that_is_no_json_comes_back_with_a_reason(site, work, unique):
    waiting(work, unique, "start > ask:user(assignee=demo) > end", dinner="pizza")
    key = the_key(site, unique)
    answer = httpx.post(f"{site}/tasks/{key}/complete", data={"value:dinner": "chicken", "was:dinner": "x"})
    assert answer.status_code == 400
    assert "Not valid JSON: expected a value, but found &#39;c&#39; (line 1, column 1). " in answer.text
    assert ">chicken</textarea>" in answer.text


def the_key(site, unique):
    page = httpx.get(f"{site}/tasks", params={"process": unique}).text
    return re.findall(r'data-row="(\d+)"', page)[0]


def test_only_what_was_changed_is_sent(page, work, unique):
    waiting(work, unique, "start > ask:user(assignee=demo) > end", amount=12, dinner="pizza")
    task = open_task(page, unique)
    task.get_by_role("textbox", name="Value of amount").fill("13")
    with page.expect_request("**/complete**") as sent:
        task.get_by_role("button", name="Complete task").click()
    assert "amount" in sent.value.post_data
    assert "dinner" not in sent.value.post_data


def test_a_task_completed_elsewhere_leaves_what_was_typed(browse, work, unique):
    waiting(work, unique, "start > ask:user(assignee=demo) > end", dinner="pizza")
    page = browse()
    task = open_task(page, unique)
    field = task.get_by_role("textbox", name="Value of dinner")
    field.fill('"soup"')
    key = page.url.split("/tasks/")[1].split("?")[0]
    assert browse().context.request.post(f"/tasks/{key}/complete", form={"form-values": ""}).ok
    expect(page.get_by_role("alert")).to_have_text(
        "This task is no longer yours (Completed by demo). What you typed is still here, but it cannot be sent."
    )
    expect(field).to_have_value('"soup"')
    expect(task.get_by_text("Completed by demo")).to_be_visible()


def test_a_task_that_goes_and_comes_back_says_so_each_time(browse, work, unique):
    waiting(work, unique, "start > ask:user(assignee=demo, groups=cooks) > end", dinner="pizza")
    page = browse(groups="cooks")
    task = open_task(page, unique)
    field = task.get_by_role("textbox", name="Value of dinner")
    field.fill('"soup"')
    complete = task.get_by_role("button", name="Complete task")
    key = page.url.split("/tasks/")[1].split("?")[0]
    lost = "This task is no longer yours (Assignee: {}). What you typed is still here, but it cannot be sent."
    for somebody in ("bob", "ida"):
        assert page.request.post(f"/tasks/{key}/assign", form={"user": somebody}).ok
        expect(page.get_by_role("alert")).to_have_text(lost.format(somebody))
        expect(complete).to_be_disabled()
    assert page.request.post(f"/tasks/{key}/assign", form={"user": "demo"}).ok
    expect(page.get_by_role("status")).to_have_text("This task is yours again. What you typed is still here.")
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(field).to_have_value('"soup"')
    complete.click()
    expect(page.get_by_role("status")).to_have_text("Task completed.")


def test_a_completion_that_comes_too_late_gives_back_what_was_typed(browse, work, unique):
    waiting(work, unique, "start > ask:user(assignee=demo) > end", dinner="pizza")
    page = browse()
    page.route("**/events**", lambda route: route.abort())
    task = open_task(page, unique)
    task.get_by_role("textbox", name="Value of dinner").fill('"soup"')
    key = page.url.split("/tasks/")[1].split("?")[0]
    assert browse().context.request.post(f"/tasks/{key}/complete", form={"form-values": ""}).ok
    task.get_by_role("button", name="Complete task").click()
    expect(page.get_by_role("alert")).to_have_text("This task was completed by demo meanwhile. Nothing was sent.")
    expect(task.get_by_role("group", name="What you typed")).to_contain_text("soup")


def test_a_draft_is_kept_and_discarded(browse, work, unique):
    waiting(work, unique, "start > ask:user(assignee=demo) > end", dinner="pizza")
    page = browse()
    task = open_task(page, unique)
    task.get_by_role("textbox", name="Value of dinner").fill('"so')
    expect(task.get_by_role("button", name="Discard draft")).to_be_visible()
    other = browse()
    other_task = open_task(other, unique)
    expect(other_task.get_by_role("textbox", name="Value of dinner")).to_have_value('"so')
    other_task.get_by_role("button", name="Discard draft").click()
    expect(other_task.get_by_role("textbox", name="Value of dinner")).to_have_value('"pizza"')
    expect(other_task.get_by_role("button", name="Discard draft")).to_have_count(0)


def test_what_was_typed_survives_a_comment_and_the_tabs(page, work, unique):
    waiting(work, unique, "start > ask:user(assignee=demo) > end", dinner="pizza")
    task = open_task(page, unique)
    field = task.get_by_role("textbox", name="Value of dinner")
    field.fill('"soup"')
    task.get_by_role("textbox", name="Comment").fill("on it")
    task.get_by_role("button", name="Add comment").click()
    expect(page.get_by_role("status")).to_have_text("Comment added.")
    expect(field).to_have_value('"soup"')
    task.get_by_role("tab", name="History").click()
    expect(field).to_be_hidden()
    task.get_by_role("tab", name="Task").click()
    expect(field).to_have_value('"soup"')


def test_the_history_says_who_did_what(page, work, unique):
    waiting(work, unique)
    task = open_task(page, unique)
    task.get_by_role("button", name="Claim").click()
    expect(page.get_by_role("status")).to_have_text(
        "Task claimed."
    )  # the live update may come before, and this answer takes a new tab away
    task.get_by_role("tab", name="History").click()
    entries = task.get_by_role("list", name="History").get_by_role("listitem")
    expect(entries).to_have_count(2)
    expect(entries.first).to_contain_text("Claimed")
    expect(entries.first).to_contain_text("by demo on the page")
    expect(entries.last).to_contain_text("by the process")
    page.reload()
    expect(task.get_by_role("tab", name="History")).to_have_attribute("aria-selected", "true")
    expect(entries).to_have_count(2)


def test_a_task_is_done_by_keyboard_only(page, work, unique):
    waiting(work, unique, "start > ask:user > end")
    work.create(unique)
    page.goto(f"/tasks?process={unique}")
    links = page.get_by_role("list", name="Tasks").get_by_role("link")
    expect(links).to_have_count(2)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(links.first).to_be_focused()
    page.keyboard.press("Enter")
    task = region(page)
    expect(task.get_by_role("heading", level=2)).to_be_focused()
    page.keyboard.press("c")
    expect(task.get_by_text("Assignee: demo")).to_be_visible()
    page.keyboard.press("u")
    expect(task.get_by_text("Unassigned")).to_be_visible()
    page.keyboard.press("c")
    expect(task.get_by_text("Assignee: demo")).to_be_visible()
    task.get_by_role("button", name="Add variable").press("Enter")
    page.keyboard.type("dinner")
    page.keyboard.press("Tab")
    page.keyboard.type("1")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("status")).to_have_text("Task completed.")
    expect(page.get_by_role("list", name="Tasks").get_by_role("link")).to_be_focused()


def test_an_unknown_task_is_not_found(page):
    answer = page.goto("/tasks/1")
    assert answer.status == 404
    expect(page.get_by_role("heading", level=1)).to_have_text("Not found")
    expect(page.get_by_role("main").get_by_role("link", name="Tasks")).to_have_attribute("href", "/tasks")


def test_on_a_phone_a_task_takes_the_place_of_the_list(browse, work, unique):
    waiting(work, unique, "start > ask:user(assignee=demo) > end", dinner="pizza")
    page = browse(viewport={"width": 360, "height": 740})
    task = open_task(page, unique)
    expect(page.get_by_role("list", name="Tasks")).to_be_hidden()
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 360
    task.get_by_role("link", name="Back to tasks").click()
    expect(page.get_by_role("list", name="Tasks")).to_be_visible()
    expect(task).to_have_count(0)


@pytest.mark.parametrize("name", ["<b>bold</b><script>alert(1)</script>", "x" * 1000, "مهمة 🐝", "a & b \"c\" 'd'"])
def test_names_are_data(page, work, unique, name):
    from xml.sax.saxutils import escape

    work.deploy_xml(
        b"".join(
            [
                b'<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="t" id="d">',
                f'<process id="{unique}" isExecutable="true"><startEvent id="s"/>'.encode(),
                f'<userTask id="ask" name="{escape(name, {chr(34): "&quot;"})}"/>'.encode(),
                b'<sequenceFlow id="f" sourceRef="s" targetRef="ask"/></process></definitions>',
            ]
        ),
        unique,
    )
    work.create(unique, **{name[:100]: name})
    page.goto(f"/tasks?process={unique}")
    page.get_by_role("list", name="Tasks").get_by_role("link").click()
    expect(region(page).get_by_role("heading", level=2)).to_have_text(name)
    region(page).get_by_role("button", name="Claim").click()
    expect(region(page).get_by_role("textbox", name=f"Value of {name[:100]}", exact=True)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_j_goes_on_from_the_task_that_is_open(page, work, unique):
    waiting(work, unique)
    work.create(unique)
    page.goto(f"/tasks?process={unique}")
    links = page.get_by_role("list", name="Tasks").get_by_role("link")
    links.first.click()
    expect(region(page).get_by_role("heading", level=2)).to_be_focused()
    page.keyboard.press("j")
    expect(links.nth(1)).to_be_focused()


def test_a_value_that_is_too_large_stays_in_its_field(page, work, unique):
    waiting(work, unique, "start > ask:user(assignee=demo) > end", note="x")
    task = open_task(page, unique)
    field = task.get_by_role("textbox", name="Value of note")
    field.fill(f'"{"y" * 5_000_000}"')
    task.get_by_role("button", name="Complete task").click()
    expect(page.get_by_role("alert")).to_contain_text("what you typed is still here")
    assert field.evaluate("field => [field.value.length, field.dir]") == [5_000_002, "ltr"]


def test_very_many_variables_are_found_by_name(page, work, unique):
    work.deploy("start > ask:user(assignee=demo) > end", unique)
    work.create(unique, **{f"v{number:05}": number for number in range(10_000)})
    task = open_task(page, unique)
    expect(task.get_by_role("textbox", name=re.compile("^Value of"))).to_have_count(200)
    task.get_by_role("searchbox", name="Find variable").fill("v09999")
    task.get_by_role("button", name="Find").click()
    expect(task.get_by_role("textbox", name="Value of v09999")).to_have_value("9999")
