"""Messages: where they lie, how long they stay, and what they say when the broker does not answer."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

SHOWN_S = 10  # how long a message of success stays by itself


@pytest.fixture
def claimed(browse: Any, work: Any, unique: str) -> Any:
    """Open a task and claim it, in a window of some width; return the page and its task's key."""

    def open_task(width: int = 1280) -> tuple[Any, int]:
        work.deploy("start > ask:user > end", unique)
        [task] = work.broker.client.user_tasks.search({"processInstanceKey": str(work.create(unique))}).items
        page = browse(viewport={"width": width, "height": 780})
        page.clock.install()
        page.goto(f"/tasks/{task.key}")
        page.evaluate(
            "document.addEventListener('osmia:answered', () => document.documentElement.setAttribute('data-told', ''))"
        )
        page.get_by_role("button", name="Claim", exact=True).click()
        expect(page.get_by_role("status")).to_have_text("Task claimed.")
        # htmx tells it a moment later, and only then the clock of the message begins.
        expect(page.locator("html[data-told]")).to_have_count(1)
        return page, task.key

    return open_task


@pytest.mark.parametrize("width", [360, 1280])
def test_a_message_moves_nothing_and_leaves_the_header_free(claimed: Any, width: int):
    page, _ = claimed(width)
    header, message = page.get_by_role("banner").bounding_box(), page.locator("#said").bounding_box()
    assert page.evaluate("scrollY") == 0
    assert header["y"] == 0
    assert message["y"] >= header["y"] + header["height"]
    assert message["x"] + message["width"] <= width - 80  # the mark of bpmn.io is at the right


def test_a_message_of_success_goes_by_itself(claimed: Any):
    page, _ = claimed()
    page.clock.fast_forward((SHOWN_S - 1) * 1000)
    expect(page.get_by_role("status")).to_have_text("Task claimed.")
    page.clock.fast_forward(1001)
    expect(page.get_by_role("status")).to_have_text("")
    expect(page.get_by_role("button", name="Close message")).to_be_hidden()


def test_the_clock_of_a_message_does_not_take_away_that_of_the_next_page(claimed: Any):
    page, _ = claimed()
    page.evaluate("""() => {  // as when a page has come and htmx has not told it yet
        const next = document.getElementById('said').cloneNode(true);
        next.querySelector('[role=status]').textContent = 'Task completed.';
        document.getElementById('said').replaceWith(next);
    }""")
    page.clock.fast_forward((SHOWN_S + 1) * 1000)
    expect(page.get_by_role("status")).to_have_text("Task completed.")


def test_a_message_stays_while_somebody_is_at_it(claimed: Any):
    page, _ = claimed()
    page.get_by_role("button", name="Close message").focus()
    page.clock.fast_forward((SHOWN_S + 1) * 1000)
    expect(page.get_by_role("status")).to_have_text("Task claimed.")


@pytest.mark.parametrize("is_focused", [True, False])
def test_a_step_is_offered_to_be_undone_as_long_as_the_broker_allows_it(claimed: Any, is_focused: bool):
    page, _ = claimed()
    page.get_by_role("button", name="Unclaim").click()
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_be_visible()
    if is_focused:
        undo.focus()
    page.clock.fast_forward((SHOWN_S - 1) * 1000)
    expect(undo).to_be_visible()
    page.clock.fast_forward(1001)
    expect(undo).to_have_count(0)
    expect(page.get_by_role("status")).to_have_text("")
    if is_focused:
        expect(page.get_by_role("main")).to_be_focused()


def test_a_refusal_does_not_look_like_a_success(claimed: Any):
    page, key = claimed()
    color = "one => getComputedStyle(one).borderLeftColor"
    success = page.locator("#said").evaluate(color)
    page.request.post(f"/tasks/{key}/snooze", form={"until": "someday"}, max_redirects=0)
    page.reload()
    expect(page.get_by_role("alert")).to_be_visible()
    assert page.locator("#said").evaluate(color) != success
    box, text = page.locator("#said").bounding_box(), page.get_by_role("alert").bounding_box()
    assert text["x"] - box["x"] <= 20  # the border and the padding alone, as of a success


def test_a_refusal_stays_until_it_is_closed(browse: Any, claimed: Any):
    page, key = claimed()
    page.get_by_role("button", name="Close message").click()
    expect(page.get_by_role("status")).to_have_text("")
    page.request.post(f"/tasks/{key}/snooze", form={"until": "someday"}, max_redirects=0)
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("The task was not snoozed.")
    page.clock.fast_forward((SHOWN_S + 1) * 1000)
    expect(page.get_by_role("alert")).to_contain_text("The task was not snoozed.")
    page.get_by_role("button", name="Close message").click()
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.get_by_role("main")).to_be_focused()


def test_a_lost_connection_does_not_look_like_a_success_and_stays(page: Any):
    page.clock.install()
    page.route("**/events*", lambda route: route.abort())
    page.goto("/processes")
    expect(page.get_by_role("status")).to_have_text("Connection lost. Reconnecting…")
    line = "getComputedStyle(document.getElementById('said')).borderLeftColor"
    lost = page.evaluate(line)
    page.clock.fast_forward((SHOWN_S + 1) * 1000)
    expect(page.get_by_role("status")).to_have_text("Connection lost. Reconnecting…")
    page.get_by_role("button", name="Theme").click()
    expect(page.get_by_role("status")).to_have_text("Theme: light")
    assert page.evaluate(line) != lost


@pytest.fixture
def unwatched(chromium: Any, site: str) -> Iterator[Any]:
    """A page whose console nobody reads: htmx reports there that the broker is away."""
    with chromium.new_context(base_url=site) as context:
        yield context.new_page()


def test_who_typed_nothing_is_not_told_that_it_is_still_here(unwatched: Any):
    page = unwatched
    page.goto("/instances")
    page.route("**/processes", lambda route: route.abort())
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Processes").click()
    expect(page.get_by_role("alert")).to_have_text("The broker did not answer. Try again in a moment.")


def test_who_typed_something_is_told_that_it_is_still_here(unwatched: Any, work: Any, unique: str):
    page = unwatched
    work.deploy("start > ask:user > end", unique)
    page.goto(f"/start/{unique}")
    page.get_by_role("textbox", name="Variables (JSON)").fill('{"dinner": "soup"}')
    page.route("**/start**", lambda route: route.abort())
    page.get_by_role("button", name="Start instance").click()
    expect(page.get_by_role("alert")).to_have_text(
        "The broker did not answer. What you typed is still here; try again in a moment."
    )
    expect(page.get_by_role("textbox", name="Variables (JSON)")).to_have_value('{"dinner": "soup"}')


def test_that_the_broker_did_not_answer_is_not_said_any_more_when_it_is_back(unwatched: Any):
    page = unwatched
    page.clock.install()
    away = [True]
    page.route("**/events*", lambda route: route.abort() if away else route.continue_())
    page.route("**/processes", lambda route: route.abort())
    page.goto("/instances")
    expect(page.get_by_role("status")).to_have_text("Connection lost. Reconnecting…")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Processes").click()
    expect(page.get_by_role("alert")).to_have_text("The broker did not answer. Try again in a moment.")
    away.clear()
    page.clock.run_for(10_000)  # the page tries the stream again
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.get_by_role("status")).to_have_text("")
