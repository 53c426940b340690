"""What is typed into a form that changes something stays until it is sent or taken back."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from osmia_broker.http.web import assets
from tests.web import operating
from tests.web.conftest import Work

TEMPLATES = Path(assets.__file__).parent / "templates"


def textbox(page: Any, name: str) -> Any:
    return page.get_by_role("textbox", name=name, exact=True)


def press(page: Any, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def dialog(page: Any, name: str) -> Any:
    return page.get_by_role("dialog", name=name)


@pytest.fixture
def task(page: Any, work: Work, unique: str) -> Any:
    """A task of demo."""
    work.deploy("start > ask:user(assignee=demo) > end", unique)
    work.create(unique)
    page.goto(f"/tasks?process={unique}")
    page.get_by_role("list", name="Tasks").get_by_role("link", name="ask").click()
    expect(page.get_by_role("heading", name="ask", level=2)).to_be_visible()
    return page


@pytest.fixture
def task_with_amount(page: Any, work: Work, unique: str) -> Any:
    """A task of demo, with a variable."""
    work.deploy("start > ask:user(assignee=demo) > end", unique)
    work.create(unique, amount=1)
    page.goto(f"/tasks?process={unique}")
    page.get_by_role("list", name="Tasks").get_by_role("link", name="ask").click()
    expect(textbox(page, "Value of amount")).to_have_value("1")
    return page


@pytest.fixture
def instance(page: Any, work: Work, unique: str) -> Any:
    """A running instance of the first of two versions, with a variable and a job."""
    work.deploy("start > work:job(type=w) > end", unique)
    key = work.create(unique, amount=1)
    work.deploy("start > work:job(type=w) > more:job(type=w) > end", unique)
    page.goto(f"/instances/{key}")
    return page


@pytest.fixture
def unwatched(chromium: Any, site: str) -> Iterator[Any]:
    """A page whose complaints about a broker that is away are not counted."""
    with chromium.new_context(base_url=site) as context:
        yield context.new_page()


# --- each place where something is typed: opened again after a reload


def hand_back(page: Any) -> Any:
    press(page, "Hand back…")
    return textbox(dialog(page, "Hand back"), "Reason")


def assign(page: Any) -> Any:
    press(page, "Assign…")
    return textbox(dialog(page, "Assign task"), "User name")


def snooze(page: Any) -> Any:
    press(page, "Snooze…")
    return dialog(page, "Snooze").get_by_label("Until", exact=True)


def modify(page: Any) -> Any:
    press(page, "Modify…")
    return textbox(dialog(page, "Modify"), "Variables (JSON)")


def move(page: Any) -> Any:
    press(page, "Modify…")
    return dialog(page, "Modify").get_by_label("To element")


def migrate(page: Any) -> Any:
    press(page, "Migrate…")
    return textbox(dialog(page, "Migrate"), "work goes on at")


def fail(page: Any) -> Any:
    press(page, "Fail…")
    return textbox(dialog(page, "Fail"), "Error message")


def edit(page: Any) -> Any:
    press(page, "Edit amount")
    return textbox(page, "Value of amount")


def add(page: Any) -> Any:
    press(page, "Add variable")
    return textbox(page, "Variable name")


@pytest.mark.parametrize("place", [hand_back, assign, snooze])
def test_what_is_typed_at_a_task_survives_a_reload(task: Any, place: Any):
    place(task).fill("<b>no flour</b>")
    task.reload()
    expect(place(task)).to_have_value("<b>no flour</b>")


@pytest.mark.parametrize("place", [modify, move, migrate, fail, edit, add])
def test_what_is_typed_at_an_instance_survives_a_reload_and_another_screen(instance: Any, place: Any):
    place(instance).fill("<b>no flour</b>")
    instance.reload()
    instance.get_by_role("link", name="Processes", exact=True).click()
    expect(instance.get_by_role("heading", level=1)).to_have_text("Processes")
    instance.go_back()
    expect(place(instance)).to_have_value("<b>no flour</b>")


def test_what_is_typed_before_a_start_survives_a_reload(page: Any, work: Work, unique: str):
    work.deploy("start > ask:user > end", unique)
    work.deploy("start > ask:user > end", f"{unique}-2")
    page.goto(f"/start/{unique}")
    textbox(page, "Variables (JSON)").fill('{"amount": ')
    textbox(page, "Start before element (optional)").fill("as")
    page.reload()
    expect(textbox(page, "Variables (JSON)")).to_have_value('{"amount": ')
    expect(textbox(page, "Start before element (optional)")).to_have_value("as")
    page.goto(f"/start/{unique}-2")
    expect(textbox(page, "Variables (JSON)")).to_have_value("{}")  # it is of the other process


# --- a refusal


def test_a_dialog_that_is_refused_is_open_again_with_what_was_typed(instance: Any):
    dialog_ = dialog(instance, "Modify")
    modify(instance).fill('{"a": 1}')
    dialog_.get_by_label("Activate element").fill("nope")
    dialog_.get_by_role("button", name="Modify").click()
    expect(dialog_.get_by_role("alert")).to_contain_text("nope")
    expect(dialog_).to_contain_text("Request ")
    expect(dialog_.get_by_label("Activate element")).to_have_value("nope")
    expect(textbox(dialog_, "Variables (JSON)")).to_have_value('{"a": 1}')
    dialog_.get_by_label("Activate element").fill("work")
    dialog_.get_by_role("button", name="Modify").click()
    expect(instance.get_by_role("status")).to_contain_text("modified.")
    expect(modify(instance)).to_have_value("{}")  # what was taken is not typed any more
    expect(instance.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize(
    ("element", "variables", "told"),
    [
        ("", "", "Expected an element to activate, terminate or move, but found none."),
        ("zzz", "", "has no element 'zzz'."),
        ("work", "[1]", 'expected an object such as {"amount": 12}, but found a list (line 1, column 1).'),
    ],
)
def test_a_modification_that_is_refused_says_why_in_its_dialog(instance: Any, element: str, variables: str, told: str):
    dialog_ = dialog(instance, "Modify")
    if variables:
        modify(instance).fill(variables)
    else:
        press(instance, "Modify…")
    dialog_.get_by_label("Activate element").fill(element)
    dialog_.get_by_role("button", name="Modify").click()
    expect(dialog_).to_contain_text(told)
    expect(dialog_.get_by_label("Activate element")).to_have_value(element)


def test_a_dialog_that_is_sent_empty_stays_and_says_why(task: Any):
    press(task, "Snooze…")
    dialog(task, "Snooze").get_by_role("button", name="Snooze").click()
    expect(dialog(task, "Snooze").get_by_role("alert")).to_contain_text("no time was given")
    task.keyboard.press("Escape")
    expect(task.get_by_role("button", name="Snooze…")).to_be_focused()
    press(task, "Snooze…")
    expect(dialog(task, "Snooze").get_by_role("alert")).to_have_count(0)


def test_a_reason_that_is_refused_is_there_again(task: Any):
    hand_back(task).fill("  ")
    dialog(task, "Hand back").get_by_role("button", name="Hand back").click()
    expect(dialog(task, "Hand back").get_by_role("alert")).to_contain_text("no reason was given")


def test_a_refusal_elsewhere_opens_no_dialog(task: Any):
    textbox(task, "Comment").fill(" ")
    press(task, "Add comment")
    expect(task.get_by_role("alert")).to_contain_text("it had no text")
    expect(task.get_by_role("dialog")).to_have_count(0)


# --- while a form is under way


@pytest.fixture
def delayed() -> Iterator[Callable[[Any, str], list[Any]]]:
    """Let what is sent to an address first wait, until `go_on` lets the broker hear it."""

    def delay(page: Any, address: str) -> list[Any]:
        seen: list[Any] = []
        waits: list[Any] = []

        def hear(route: Any) -> None:
            seen.append(route)
            if len(seen) == 1:
                waits.append(route)
            else:
                route.continue_()

        page.route(address, hear)
        return waits

    return delay


def go_on(page: Any, waits: list[Any]) -> None:
    """Let the broker hear what was sent."""
    waits.pop().continue_()


def test_what_is_typed_while_a_form_is_under_way_stays(task: Any, delayed: Any):
    sent = delayed(task, "**/comment*")
    comment = textbox(task, "Comment")
    comment.fill("first")
    with task.expect_request("**/comment*"):
        press(task, "Add comment")
    comment.fill("secnd")
    task.keyboard.press("ArrowLeft")
    task.keyboard.press("ArrowLeft")
    go_on(task, sent)
    expect(task.get_by_text("first", exact=True)).to_be_visible()
    expect(comment).to_be_focused()
    task.keyboard.type("o")  # and so no letter is taken for a shortcut
    expect(comment).to_have_value("second")
    task.reload()
    expect(comment).to_have_value("second")
    press(task, "Add comment")
    expect(task.get_by_text("second", exact=True)).to_be_visible()
    expect(comment).to_have_value("")


def test_what_is_typed_into_a_merged_page_while_its_form_is_under_way_stays(instance: Any, delayed: Any):
    sent = delayed(instance, "**/variables")
    add(instance).fill("one")
    textbox(instance, "Variable value").fill("1")
    with instance.expect_request("**/variables"):
        press(instance, "Save")
    textbox(instance, "Variable name").fill("two")
    go_on(instance, sent)
    expect(instance.get_by_role("status")).to_have_text("Variable one saved.")
    expect(add(instance)).to_have_value("two")
    expect(textbox(instance, "Variable value")).to_have_value("")  # that was sent


def test_what_is_sent_twice_by_mistake_is_sent_once(task: Any, delayed: Any):
    sent = delayed(task, "**/comment*")
    textbox(task, "Comment").fill("first")
    with task.expect_request("**/comment*"):
        press(task, "Add comment")
    press(task, "Add comment")
    textbox(task, "Comment").fill("second")
    press(task, "Add comment")
    go_on(task, sent)
    comments = task.locator("#comment-list article .text")
    expect(comments).to_have_text(["first", "second"])
    expect(textbox(task, "Comment")).to_have_value("")
    textbox(task, "Comment").fill("second")  # not by mistake
    press(task, "Add comment")
    expect(comments).to_have_text(["first", "second", "second"])


def test_a_second_press_starts_no_second_instance(page: Any, work: Work, unique: str):
    work.deploy("start > ask:user > end", unique)
    page.goto(f"/start/{unique}")
    page.get_by_role("button", name="Start instance").dblclick()
    expect(page.get_by_role("status")).to_contain_text("started.")
    page.goto(f"/instances?process={unique}")
    expect(page.get_by_role("table", name="Instances").get_by_role("link")).to_have_count(1)


def test_who_takes_back_what_is_under_way_finds_nothing(task: Any, delayed: Any):
    sent = delayed(task, "**/comment*")
    comment = textbox(task, "Comment")
    comment.fill("first")
    with task.expect_request("**/comment*"):
        press(task, "Add comment")
    comment.fill("second")
    comment.fill("")
    go_on(task, sent)
    expect(task.get_by_text("first", exact=True)).to_be_visible()
    task.reload()
    expect(comment).to_have_value("")


def test_a_dialog_in_which_somebody_types_stays_open_when_another_form_is_answered(task: Any, delayed: Any):
    sent = delayed(task, "**/comment*")
    textbox(task, "Comment").fill("first")
    with task.expect_request("**/comment*"):
        press(task, "Add comment")
    reason = hand_back(task)
    task.keyboard.type("no flo")
    go_on(task, sent)
    expect(task.get_by_text("first", exact=True)).to_be_visible()
    expect(reason).to_be_focused()
    task.keyboard.type("ur")
    expect(reason).to_have_value("no flour")
    expect(dialog(task, "Hand back")).to_be_visible()


def test_what_was_sent_does_not_come_again_although_another_form_was_answered_first(task: Any, delayed: Any):
    sent = delayed(task, "**/comment*")
    textbox(task, "Comment").fill("first")
    with task.expect_request("**/comment*"):
        press(task, "Add comment")
    press(task, "Unclaim")
    expect(task.get_by_role("button", name="Claim", exact=True)).to_be_visible()
    expect(textbox(task, "Comment")).to_have_value("first")  # nobody knows yet whether it is taken
    go_on(task, sent)
    expect(task.get_by_text("first", exact=True)).to_be_visible()
    expect(textbox(task, "Comment")).to_have_value("")
    task.reload()
    expect(textbox(task, "Comment")).to_have_value("")


def test_what_is_under_way_is_not_forgotten_when_another_form_is_answered(unwatched: Any, task: Any, delayed: Any):
    page = unwatched
    page.goto(task.url)
    sent = delayed(page, "**/comment*")
    textbox(page, "Comment").fill("first")
    with page.expect_request("**/comment*"):
        press(page, "Add comment")
    press(page, "Unclaim")
    expect(page.get_by_role("button", name="Claim", exact=True)).to_be_visible()
    sent.pop().abort()
    expect(page.locator("#said [role=alert]")).to_contain_text("The broker did not answer.")
    page.reload()
    expect(textbox(page, "Comment")).to_have_value("first")


def test_what_is_typed_into_a_task_while_a_form_is_under_way_stays(task_with_amount: Any, delayed: Any):
    page = task_with_amount
    sent = delayed(page, "**/comment*")
    textbox(page, "Comment").fill("first")
    with page.expect_request("**/comment*"):
        press(page, "Add comment")
    amount = textbox(page, "Value of amount")
    drafts = delayed(page, "**/draft")
    amount.fill("2")
    with page.expect_request("**/draft"):
        page.keyboard.type("2")
    go_on(page, sent)  # the page of this answer knows nothing of the draft
    expect(page.get_by_text("first", exact=True)).to_be_visible()
    expect(amount).to_have_value("22")
    expect(amount).to_be_focused()
    with page.expect_response("**/draft"):
        go_on(page, drafts)
    with page.expect_response("**/draft"):
        page.keyboard.type("2")
    page.reload()
    expect(amount).to_have_value("222")


def test_a_refused_completion_shows_its_problem_although_somebody_typed_meanwhile(task_with_amount: Any, delayed: Any):
    page = task_with_amount
    sent = delayed(page, "**/complete*")
    with page.expect_request("**/complete*"):
        press(page, "Complete task")
    textbox(page, "Value of amount").fill("2")
    sent.pop().fulfill(
        status=409,
        content_type="text/html",
        body=page.content().replace('id="task-work"', 'id="task-work" title="of the answer"'),
    )
    expect(page.locator("#task-work")).to_have_attribute("title", "of the answer")


# --- taken back, sent, or of somebody else


@pytest.mark.parametrize("leave", ["Close", "Escape"])
def test_what_is_taken_back_does_not_come_again(task: Any, leave: str):
    hand_back(task).fill("no flour")
    if leave == "Close":
        press(dialog(task, "Hand back"), "Close")
    else:
        task.keyboard.press("Escape")
    task.reload()
    expect(hand_back(task)).to_have_value("")


def test_a_value_that_is_not_edited_after_all_is_shown_as_it_is(instance: Any):
    edit(instance).fill("2")
    press(instance.get_by_role("region", name="Variables"), "Close")
    instance.reload()
    expect(edit(instance)).to_have_value("1")


def test_what_was_sent_does_not_come_again(instance: Any):
    add(instance).fill("note")
    textbox(instance, "Variable value").fill('"x"')
    press(instance, "Save")
    expect(instance.get_by_role("status")).to_have_text("Variable note saved.")
    expect(add(instance)).to_have_value("")
    instance.reload()
    expect(add(instance)).to_have_value("")


def test_what_the_broker_did_not_hear_is_there_after_a_reload(unwatched: Any, instance: Any):
    page = unwatched
    page.goto(instance.url)
    modify(page).fill('{"a": 1}')
    dialog(page, "Modify").get_by_label("Activate element").fill("work")
    page.route("**/modify", lambda route: route.abort())
    dialog(page, "Modify").get_by_role("button", name="Modify").click()
    expect(page.locator("#said [role=alert]")).to_contain_text("The broker did not answer.")
    page.reload()
    expect(modify(page)).to_have_value('{"a": 1}')


def test_what_is_typed_for_one_job_is_not_offered_for_another(page: Any, work: Work, unique: str):
    work.deploy("start > fork:parallel [a:job(type=w) > e1:end | b:job(type=w) > e2:end]", unique)
    page.goto(f"/instances/{work.create(unique)}")
    fails = page.get_by_role("button", name="Fail…")
    message = textbox(dialog(page, "Fail"), "Error message")
    fails.first.click()
    message.fill("no flour")
    page.reload()
    fails.last.click()
    expect(message).to_have_value("")
    page.keyboard.press("Escape")
    fails.first.click()
    expect(message).to_have_value("no flour")


def test_what_is_typed_for_one_scope_is_not_offered_for_another(page: Any, work: Work, unique: str):
    work.deploy("start > inner:job(type=w, in.x=1) > end", unique)
    page.goto(f"/instances/{work.create(unique)}")
    add(page).fill("of the process")
    scope = page.get_by_label("Scope")
    whole = scope.input_value()
    scope.select_option(index=1)
    page.wait_for_url("**scope=**")
    expect(add(page)).to_have_value("")
    scope.select_option(whole)
    page.wait_for_url(f"**scope={whole}**")
    expect(add(page)).to_have_value("of the process")


def test_a_target_that_is_typed_for_one_element_is_not_offered_for_another(page: Any, work: Work, unique: str):
    line = "start > fork:parallel [a:job(type={0}a) > e1:end | b:job(type={0}b) > {1}e2:end]"
    work.deploy(line.format(unique, ""), unique)
    key = work.create(unique)
    work.deploy(line.format(unique, "more:job(type=c) > "), unique)
    page.goto(f"/instances/{key}")
    press(page, "Migrate…")
    textbox(dialog(page, "Migrate"), "a goes on at").fill("more")
    work.broker.client.complete_job(operating.take(work, f"{unique}a"))
    page.reload()
    press(page, "Migrate…")
    expect(textbox(dialog(page, "Migrate"), "b goes on at")).to_have_value("b")
    expect(textbox(dialog(page, "Migrate"), "a goes on at")).to_have_count(0)


def test_a_target_that_is_typed_for_one_version_is_not_offered_for_a_newer_one(instance: Any, work: Work, unique: str):
    migrate(instance).fill("more")
    target = dialog(instance, "Migrate").get_by_label("Target version")
    chosen = target.input_value()
    work.deploy("start > work:job(type=w) > less:job(type=w) > end", unique)
    instance.reload()
    expect(migrate(instance)).to_have_value("more")
    expect(target).to_have_value(chosen)
    press(dialog(instance, "Migrate"), "Close")
    instance.reload()
    expect(migrate(instance)).to_have_value("work")
    expect(target).not_to_have_value(chosen)  # the newest


def test_a_target_that_is_typed_for_a_version_goes_with_it(instance: Any, work: Work, unique: str):
    migrate(instance).fill("more")
    gone = int(dialog(instance, "Migrate").get_by_label("Target version").input_value())
    work.deploy("start > work:job(type=w) > less:job(type=w) > end", unique)
    work.broker.client.delete_resource(gone)
    instance.reload()
    expect(migrate(instance)).to_have_value("work")


def test_a_person_that_is_typed_for_some_tasks_is_not_offered_for_others(task: Any):
    task.get_by_role("checkbox", name="Select ask").check()
    person = textbox(dialog(task, "Assign selected"), "User name")
    press(task, "Assign selected…")
    person.fill("bob")
    press(dialog(task, "Assign selected"), "Close")
    press(task, "Assign selected…")
    expect(person).to_have_value("")


def test_a_text_that_is_made_json_is_kept_so(instance: Any):
    edit(instance).fill("two")
    press(instance, "Save")
    press(instance, "Use as text")
    expect(textbox(instance, "Value of amount")).to_have_value('"two"')
    instance.reload()
    expect(edit(instance)).to_have_value('"two"')


def test_a_live_update_leaves_what_is_typed(page: Any, work: Work, unique: str):
    work.deploy(f"start > work:job(type={unique}) > end", unique)
    key = work.create(unique)
    job = operating.fail(work, unique)
    page.goto(f"/incidents/{operating.incident_of(work, key)}")
    textbox(page, "Retries").fill("5")
    page.get_by_role("heading", level=1).click()
    work.broker.client.update_job_retries(job, 3)
    work.create(unique)
    operating.fail(work, unique)  # the page hears of each incident
    expect(textbox(page, "Retries")).to_have_attribute("value", "3")
    expect(textbox(page, "Retries")).to_have_value("5")


@pytest.mark.parametrize("template", sorted(TEMPLATES.glob("*.html")), ids=lambda path: path.stem)
def test_fields_of_a_form_that_stand_once_for_each_of_many_say_for_which(template: Path):
    forms = re.findall(r'<form[^>]*method="post".*?</form>', template.read_text(), re.DOTALL)
    loops = [loop for form in forms for loop in re.findall(r"{% for .*?{% endfor %}", form, re.DOTALL)]
    fields = [field for loop in loops for field in re.findall(r"<(?:input|textarea|select) [^>]*>", loop)]
    assert not [one for one in fields if "data-keeps" not in one and 'type="hidden"' not in one]


def test_another_person_at_the_same_browser_does_not_see_it(task: Any):
    hand_back(task).fill("bob is late again")
    task.request.post("/switch-user", form={"user": "bob", "back": "/status"})
    task.reload()
    expect(task.get_by_role("button", name="Signed in as bob")).to_be_visible()
    press(task, "Assign…")
    assert "late" not in task.content()
    task.keyboard.press("Escape")
    assert task.evaluate("[...document.querySelectorAll('textarea')].every((one) => !one.value.includes('late'))")


def test_a_password_is_not_kept(instance: Any):
    keys = "Object.keys(sessionStorage).filter((key) => key.startsWith('osmia typed'))"
    edit(instance).fill("2")
    assert len(instance.evaluate(keys)) == 1
    press(instance, "Signed in as demo")
    textbox(dialog(instance, "Switch user"), "User name").fill("eve")
    assert len(instance.evaluate(keys)) == 1  # only forms of the screen
