"""A browser is used by one test after the other: the next one finds nothing of the one before."""

from typing import Any

import pytest

from tests.web.conftest import EMPTY, Browser

KEPT = "() => [sessionStorage.length, localStorage.length, document.cookie, document.querySelector(':hover') === null]"


@pytest.fixture
def browser(chromium: Any, site: str) -> Any:
    context = chromium.new_context(base_url=site)
    yield Browser(context, site)
    context.close()


def test_a_browser_forgets_who_used_it_and_what_was_typed_and_pointed_at(browser: Browser):
    browser.page.goto(EMPTY)
    browser.page.evaluate("() => { sessionStorage.a = localStorage.b = 1; document.cookie = 'c=1'; }")
    browser.page.evaluate("() => window.addEventListener('pagehide', () => { sessionStorage.late = 1; })")
    browser.page.mouse.move(20, 20)
    assert browser.page.evaluate(KEPT) == [1, 1, "c=1", False]
    assert browser.may_stay
    browser.forget()
    browser.page.goto(EMPTY)
    assert browser.page.evaluate(KEPT) == [0, 0, "", True]


@pytest.mark.parametrize(
    "alter",
    [
        lambda page: page.route("**/nothing", lambda route: route.abort()),
        lambda page: page.on("request", lambda request: None),
        lambda page: page.clock,
        lambda page: page.context,
        lambda page: page.set_viewport_size({"width": 360, "height": 780}),
        lambda page: page.evaluate("() => { open('/nothing'); }"),
    ],
)
def test_a_browser_that_a_test_has_altered_is_used_by_no_other(browser: Browser, alter: Any):
    alter(browser.page)
    assert not browser.may_stay
