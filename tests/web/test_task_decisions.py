"""What a person decides at a task: a proposal to accept, edit, answer or ignore, and a step to take back."""

import pytest
from playwright.sync_api import expect

LINE = "start > ask:user(name=Ask, assignee={who}) > end"


@pytest.fixture
def task(browse, work, unique):
    """A page of a person with their own task, its key, and the desk of an agent."""
    work.deploy(LINE.format(who=f"u{unique}"), unique)
    instance = work.create(unique, amount=500)
    desk = work.broker.client.user_tasks
    [found] = desk.search({"processInstanceKey": str(instance)}).items
    page = browse(f"u{unique}")
    page.goto(f"/tasks/{found.key}?process={unique}")
    return page, found.key, desk


def propose(desk, key):
    return desk.propose(
        key, {"amount": 450, "ok": True}, outcome="approve", text="<b>below</b> the limit", user="agent"
    )


def test_a_proposal_is_a_difference_and_accepting_it_completes_the_task(task):
    page, key, desk = task
    made = propose(desk, key)
    proposals = page.get_by_role("region", name="Proposals")
    expect(proposals).to_contain_text("agent proposes approve")  # it came by itself
    expect(proposals).to_contain_text("<b>below</b> the limit")
    expect(proposals.get_by_role("row").filter(has_text="amount")).to_contain_text("500450")
    expect(proposals.get_by_role("row").filter(has_text="ok")).to_contain_text("nothingtrue")
    proposals.get_by_role("button", name="Accept").click()
    expect(page.get_by_role("status")).to_have_text("Proposal accepted. Task completed.")
    assert [one.state for one in desk.proposals(key)] == ["ACCEPTED"]
    assert desk.get(key).state == "COMPLETED"
    assert made
    page.get_by_role("tab", name="History").click()
    expect(page.get_by_role("list", name="History")).to_contain_text("Accepted a proposal")


def test_proposed_values_are_taken_over_and_changed(task):
    page, key, desk = task
    propose(desk, key)
    proposals = page.get_by_role("region", name="Proposals")
    proposals.get_by_role("button", name="Edit").click()
    expect(page.get_by_role("status")).to_contain_text("in the fields")
    field = page.get_by_role("textbox", name="Value of amount")
    expect(field).to_have_value("450")
    expect(page.get_by_role("textbox", name="Variable name")).to_have_value("ok")
    field.fill("460")
    page.get_by_role("button", name="Complete task").click()
    expect(page.get_by_role("status")).to_have_text("Task completed.")
    assert [one.state for one in desk.proposals(key)] == ["EDITED"]


def test_a_proposal_is_answered_with_a_text(task):
    page, key, desk = task
    propose(desk, key)
    page.get_by_role("region", name="Proposals").get_by_role("button", name="Respond…").click()
    dialog = page.get_by_role("dialog", name="Respond")
    dialog.get_by_role("textbox", name="Answer").fill("not above 400")
    dialog.get_by_role("button", name="Respond").click()
    expect(page.get_by_role("status")).to_have_text("Answer sent.")
    assert [(one.state, one.answer) for one in desk.proposals(key)] == [("ANSWERED", "not above 400")]


def test_a_proposal_that_somebody_else_has_answered_is_not_answered_again(task):
    page, key, desk = task
    made = propose(desk, key)
    accept = page.get_by_role("region", name="Proposals").get_by_role("button", name="Accept")
    expect(accept).to_be_visible()
    desk.answer_proposal(made, "IGNORED", user="boss")
    expect(accept).to_have_count(0)
    expect(page.get_by_role("region", name="Proposals")).to_contain_text("Ignored by boss")
    assert desk.get(key).state == "CREATED"


def test_a_proposal_waits_for_whoever_claims_the_task(browse, task):
    _, key, desk = task
    propose(desk, key)
    other = browse("somebody")
    other.goto(f"/tasks/{key}")
    expect(other.get_by_role("region", name="Proposals")).to_contain_text("Claim the task")
    expect(other.get_by_role("button", name="Accept")).to_have_count(0)


def test_an_answer_that_is_being_typed_is_left_alone_while_others_write(task):
    page, key, desk = task
    propose(desk, key)
    page.get_by_role("button", name="Respond…").click()
    dialog = page.get_by_role("dialog", name="Respond")
    dialog.get_by_role("textbox", name="Answer").fill("Why so many?")
    desk.propose(key, {"amount": 7}, user="other", text="Or seven.")
    desk.comment(key, "Hurry up.", user="ada")
    expect(page.get_by_text("Hurry up.")).to_be_attached()
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("textbox", name="Answer")).to_have_value("Why so many?")
    page.keyboard.press("Escape")
    expect(page.get_by_text("Or seven.")).to_be_visible()  # what had waited meanwhile


def test_a_held_completion_is_undone(task, work):
    page, key, desk = task
    page.get_by_role("textbox", name="Value of amount").fill("7")
    page.get_by_role("checkbox", name="Let me undo for 10 s").check()
    page.get_by_role("button", name="Complete task").click()
    expect(page.get_by_role("status")).to_contain_text("The task will be completed in 10 seconds unless you undo it.")
    assert desk.get(key).state == "COMPLETING"
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("status")).to_contain_text("Undone.")
    assert desk.get(key).state == "CREATED"
    assert desk.variables(key) == {"amount": 500}
    expect(page.get_by_role("checkbox", name="Let me undo for 10 s")).to_be_checked()  # the choice is kept


def test_a_held_completion_can_be_undone_after_a_reload(task):
    page, key, desk = task
    desk.complete(key, user=desk.get(key).assignee, hold_ms=10_000)
    page.reload()
    expect(page.get_by_role("region", name="Task")).to_contain_text("You complete this task")
    expect(page.get_by_role("button", name="Complete task")).to_have_count(0)
    page.get_by_role("button", name="Undo completion").click()
    expect(page.get_by_role("button", name="Complete task")).to_be_visible()
    assert desk.get(key).state == "CREATED"


def test_a_held_completion_that_a_listener_denies_says_why(browse, work, unique):
    who = f"u{unique}"
    work.deploy(f"start > ask:user(native=yes, completing={unique}, assignee={who}) > end", unique)
    instance = work.create(unique)
    client = work.broker.client
    [found] = client.user_tasks.search({"processInstanceKey": str(instance)}).items
    page = browse(who)
    page.goto(f"/tasks/{found.key}?process={unique}")
    client.user_tasks.complete(found.key, user=who, hold_ms=1)
    work.broker.clock.ms += 1
    work.broker.look_at_clock()
    work.deny(unique, "too early")
    expect(page.get_by_role("region", name="Task")).to_contain_text("Reason to deny: 'too early'")  # it came by itself
    expect(page.get_by_role("button", name="Complete task")).to_be_visible()
    page.get_by_role("tab", name="History").click()
    expect(page.get_by_role("list", name="History")).to_contain_text("Completion denied")
    other = browse("somebody")
    other.goto(f"/tasks/{found.key}")
    expect(other.get_by_role("region", name="Task")).not_to_contain_text("too early")


def test_an_assignment_is_undone(task):
    page, key, desk = task
    page.get_by_role("button", name="Assign…").click()
    page.get_by_role("textbox", name="User name").fill("bob")
    page.get_by_role("dialog", name="Assign task").get_by_role("button", name="Assign").click()
    expect(page.get_by_role("status")).to_have_text("Task assigned to bob.")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("status")).to_contain_text("Undone.")
    assert desk.get(key).assignee.startswith("u")


def test_what_somebody_has_changed_since_is_not_undone(task):
    page, key, desk = task
    page.get_by_role("button", name="Unclaim").click()
    expect(page.get_by_role("status")).to_have_text("Task unclaimed.")
    desk.claim(key, user="bob")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("alert")).to_have_text("It is too late to undo this.")
    assert desk.get(key).assignee == "bob"
