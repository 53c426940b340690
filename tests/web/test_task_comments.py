"""Comments that are being typed: they stay until they are sent."""

from typing import Any

import pytest
from playwright.sync_api import expect


@pytest.fixture
def two_tasks(browse: Any, work: Any, unique: str) -> Any:
    """Open the first of two tasks."""
    work.deploy("start > fork:parallel [one:user > e1:end | two:user > e2:end]", unique)
    work.create(unique)
    page = browse()
    page.goto(f"/tasks?process={unique}")
    go(page, "one")
    return page


def go(page: Any, task: str) -> None:
    page.get_by_role("list", name="Tasks").get_by_role("link", name=task).click()
    expect(page.get_by_role("heading", name=task, level=2)).to_be_visible()


def comment(page: Any) -> Any:
    return page.get_by_role("textbox", name="Comment")


def test_a_comment_that_was_not_sent_is_there_again(two_tasks: Any):
    page = two_tasks
    comment(page).fill("no more <b>flour</b>")
    go(page, "two")
    expect(comment(page)).to_have_value("")  # it is of the other task
    go(page, "one")
    expect(comment(page)).to_have_value("no more <b>flour</b>")
    page.reload()
    expect(comment(page)).to_have_value("no more <b>flour</b>")


def test_a_comment_that_was_sent_or_taken_back_does_not_come_again(two_tasks: Any):
    page = two_tasks
    comment(page).fill("on it")
    page.get_by_role("button", name="Add comment").click()
    expect(page.get_by_role("status")).to_have_text("Comment added.")
    expect(comment(page)).to_have_value("")
    page.reload()
    expect(comment(page)).to_have_value("")
    comment(page).fill("or not")
    comment(page).fill("")
    page.reload()
    expect(comment(page)).to_have_value("")


def test_what_is_typed_after_a_refusal_is_kept(two_tasks: Any):
    page = two_tasks
    comment(page).fill(" ")
    page.get_by_role("button", name="Add comment").click()
    expect(page.get_by_role("alert")).to_be_visible()
    comment(page).fill("later")
    page.reload()
    expect(comment(page)).to_have_value("later")


def test_a_comment_that_the_broker_did_not_hear_is_kept(chromium: Any, site: str, two_tasks: Any):
    with chromium.new_context(base_url=site) as context:  # htmx complains in the console
        page = context.new_page()
        page.goto(two_tasks.url)
        comment(page).fill("on it")
        page.route("**/comment**", lambda route: route.abort())
        page.get_by_role("button", name="Add comment").click()
        expect(page.get_by_role("alert")).to_contain_text("The broker did not answer.")
        page.reload()
        expect(comment(page)).to_have_value("on it")


def test_another_person_at_the_same_browser_does_not_see_the_comment(two_tasks: Any):
    page = two_tasks
    comment(page).fill("bob is late again")
    page.request.post("/switch-user", form={"user": "bob", "back": "/status"})
    page.reload()
    expect(page.get_by_role("button", name="Signed in as bob")).to_be_visible()
    expect(comment(page)).to_have_value("")


def test_a_task_is_not_completed_over_a_comment_that_was_not_added(page: Any, work: Any, unique: str):
    work.deploy("start > one:user(assignee=demo) > end", unique)
    work.create(unique)
    page.goto(f"/tasks?process={unique}")
    go(page, "one")
    comment(page).fill("no more flour")
    page.get_by_role("button", name="Complete task").click()
    alert = page.get_by_role("alert")
    expect(alert).to_have_text("Nothing was sent: your comment is not added yet. Add it, or empty its field.")
    expect(comment(page)).to_be_focused()
    expect(comment(page)).to_have_value("no more flour")
    page.get_by_role("button", name="Add comment").click()
    expect(page.get_by_role("article")).to_contain_text("no more flour")
    comment(page).fill(" ")  # no text
    page.get_by_role("button", name="Complete task").click()
    expect(page.get_by_role("status")).to_have_text("Task completed.")
