"""Signing in and out in a browser, with a password and at a provider."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from time import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import expect

from osmia_broker.settings.config import Settings
from tests.auth.conftest import ANNA, store
from tests.auth.provider import CLIENT, SECRET, FakeProvider
from tests.bpmn import bpmn
from tests.running_broker import RunningBroker, running_broker

REQUEST = re.compile("Request [0-9a-f]{8}")


@pytest.fixture(scope="module")
def closed_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker that asks people for passwords."""
    folder: Path = tmp_path_factory.mktemp("closed")
    store(folder / "osmia.users.json", anna=(ANNA, ["family"]))
    with running_broker(folder, auth="basic") as broker:
        yield f"http://127.0.0.1:{broker.broker.http_port}"


@pytest.fixture
def closed_page(chromium: Any, closed_site: str) -> Iterator[Any]:
    context = chromium.new_context(base_url=closed_site)
    yield context.new_page()
    context.close()


def test_a_person_signs_in_and_out(closed_page):
    closed_page.goto("/status?from=here")
    expect(closed_page.get_by_role("heading", level=1)).to_have_text("Sign in")
    closed_page.get_by_role("textbox", name="User name").fill("anna")
    closed_page.get_by_label("Password").fill("wrong")
    closed_page.get_by_role("button", name="Sign in").click()
    alert = closed_page.get_by_role("alert")
    expect(alert).to_contain_text("The user name or the password is wrong.")
    expect(closed_page.locator("form[action='/login']").get_by_role("alert")).to_contain_text(REQUEST)
    assert alert.bounding_box()["y"] < closed_page.get_by_label("Password").bounding_box()["y"]
    expect(closed_page.get_by_label("Password")).to_be_focused()
    expect(closed_page.get_by_role("textbox", name="User name")).to_have_value("anna")
    closed_page.get_by_label("Password").fill(ANNA)
    closed_page.get_by_role("button", name="Sign in").click()
    expect(closed_page.get_by_role("heading", level=1)).to_have_text("Status")
    assert closed_page.url.endswith("/status?from=here")
    closed_page.get_by_role("button", name="Signed in as anna").click()
    closed_page.get_by_role("menuitem", name="Sign out").click()
    expect(closed_page.get_by_role("status")).to_have_text("You have signed out.")
    closed_page.goto("/status")
    expect(closed_page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_without_scripts_a_refused_sign_in_is_said_in_the_form_too(closed_site):
    answer = httpx.post(f"{closed_site}/login", data={"user": "<b>anna</b>", "password": "secret-word"})
    assert answer.status_code == 401
    (form,) = re.findall(r'<form method="post" action="/login".*?</form>', answer.text, re.DOTALL)
    assert answer.text.count('role="alert"') == form.count('role="alert"') == 1
    assert REQUEST.search(form)
    assert 'value="&lt;b&gt;anna&lt;/b&gt;"' in form
    assert "secret-word" not in answer.text


def sign_in(page: Any) -> None:
    page.get_by_role("textbox", name="User name").fill("anna")
    page.get_by_label("Password").fill(ANNA)
    page.get_by_role("button", name="Sign in").click()


@pytest.fixture
def start_page(closed_page: Any, unique: str) -> Any:
    """The screen that starts a process, open for somebody who has signed in."""
    closed_page.goto("/deploy")
    sign_in(closed_page)
    model = bpmn("start > ask:user(assignee=anna) > end", id=unique)
    closed_page.get_by_label("Files").set_input_files([{"name": "a.bpmn", "mimeType": "text/xml", "buffer": model}])
    closed_page.get_by_role("button", name="Deploy").click()
    closed_page.get_by_role("link", name="Start instance").click()
    return closed_page


def test_a_session_that_has_ended_takes_nothing_that_was_typed(start_page, unique):
    field = start_page.get_by_role("textbox", name="Variables (JSON)")
    field.fill('{"amount": 12}')
    start_page.context.clear_cookies()
    start_page.get_by_role("button", name="Start instance").click()
    expect(start_page.get_by_role("alert")).to_contain_text("you are not signed in any more")
    expect(field).to_have_value('{"amount": 12}')
    assert start_page.url.endswith(f"/start/{unique}")
    other = start_page.context.new_page()
    other.goto("/status")
    sign_in(other)
    expect(other.get_by_role("heading", level=1)).to_have_text("Status")
    start_page.get_by_role("button", name="Start instance").click()
    expect(start_page.get_by_role("status")).to_contain_text("started.")


def test_who_signs_out_leaves_nothing_behind_that_was_typed(start_page, unique):
    page = start_page
    field = page.get_by_role("textbox", name="Variables (JSON)")
    field.fill('{"amount": 12}')
    page.reload()
    expect(field).to_have_value('{"amount": 12}')
    page.get_by_role("button", name="Signed in as anna").click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_role("status")).to_have_text("You have signed out.")
    assert page.evaluate("Object.values(sessionStorage).filter((text) => text.includes('amount'))") == []
    sign_in(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Tasks")
    page.goto(f"/start/{unique}")
    expect(field).to_have_value("{}")


def test_a_draft_that_was_not_kept_is_not_called_kept(start_page, unique):
    start_page.get_by_role("button", name="Start instance").click()
    expect(start_page.get_by_role("status")).to_contain_text("started.")
    start_page.goto(f"/tasks?process={unique}")
    start_page.get_by_role("list", name="Tasks").get_by_role("link").click()
    start_page.get_by_role("button", name="Add variable").click()
    start_page.context.clear_cookies()
    with start_page.expect_response("**/draft"):
        start_page.get_by_role("textbox", name="Variable name").fill("amount")
    with start_page.expect_response("**/draft"):  # the answer to the first one has been heard
        start_page.get_by_role("textbox", name="Variable value").fill("12")
    expect(start_page.get_by_text("Draft kept")).to_be_hidden()


@pytest.mark.parametrize("path", ["/", "/tasks", "/processes", "/nothing", "/search?q=1", "/decisions/1/xml"])
def test_a_stranger_sees_only_the_sign_in(closed_site, path):
    answer = httpx.get(closed_site + path, cookies={"osmia_person": "WyJldmUiLFtdXQ", "osmia-session": "forged"})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login")


@pytest.mark.parametrize("path", ["/switch-user", "/deploy", "/start", "/theme", "/tasks/1/documents"])
def test_a_stranger_changes_nothing(closed_site, path):
    answer = httpx.post(closed_site + path, data={"user": "eve", "back": "/tasks"}, headers={"osmia-user": "anna"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


def test_a_stranger_hears_of_no_changes(closed_site):
    assert httpx.get(f"{closed_site}/events?topics=tasks").status_code == 401


def test_the_name_in_the_cookie_of_an_open_broker_counts_for_nothing(closed_site):
    with httpx.Client(base_url=closed_site) as http:
        http.post("/login", data={"user": "anna", "password": ANNA})
        http.cookies.set("osmia_person", "WyJldmUiLFtdXQ")
        assert "Signed in as anna" in http.get("/status").text


def test_a_sign_in_leads_to_no_other_site(closed_site):
    data = {"user": "anna", "password": ANNA, "back": "//evil.example/"}
    assert httpx.post(f"{closed_site}/login", data=data).headers["location"] == "/"


def test_an_open_broker_has_no_sign_in(site):
    for answer in (httpx.get(f"{site}/login"), httpx.post(f"{site}/logout"), httpx.get(f"{site}/login/provider")):
        assert answer.status_code == 303


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as started:
        yield started


@pytest.fixture(scope="module")
def delegating(tmp_path_factory: pytest.TempPathFactory, provider: FakeProvider) -> Iterator[RunningBroker]:
    """A broker that lets a provider ask for passwords."""
    settings = {
        "auth": "oidc",
        "oidc_issuer": provider.issuer,
        "oidc_audience": "osmia",
        "oidc_client_id": CLIENT,
        "oidc_client_secret": SECRET,
    }
    with running_broker(tmp_path_factory.mktemp("delegating"), **settings) as broker:
        yield broker


@pytest.fixture
def delegating_page(chromium: Any, delegating: RunningBroker) -> Iterator[Any]:
    with chromium.new_context(base_url=f"http://127.0.0.1:{delegating.broker.http_port}") as context:
        yield context.new_page()


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_a_person_signs_in_at_a_provider(delegating_page: Any, provider: FakeProvider, key: str):
    page = delegating_page
    provider.brings_back = lambda url: provider.agree(url, time())
    page.goto("/status?from=here")
    page.get_by_role("button", name="Sign in with 127.0.0.1").press(key)
    expect(page.get_by_role("heading", level=1)).to_have_text("Status")
    assert page.url.endswith("/status?from=here")
    page.get_by_role("button", name="Signed in as anna").click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_role("status")).to_have_text("You have signed out.")
    page.goto("/tasks")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def refuses(_url: str) -> dict[str, str]:
    return {"error": "access_denied", "error_description": "<b>not</b> today"}


def invents(url: str) -> dict[str, str]:
    return {"code": "never agreed to", "state": parse_qs(urlsplit(url).query)["state"][0]}


@pytest.mark.parametrize("answer", [refuses, invents])
def test_what_a_provider_refuses_is_said_at_the_sign_in(
    delegating_page: Any, provider: FakeProvider, answer: Callable[[str], dict[str, str]]
):
    page = delegating_page
    provider.brings_back = answer
    page.goto("/status")
    page.get_by_role("button", name="Sign in with 127.0.0.1").click()
    expect(page.get_by_role("alert")).to_contain_text("Sign in again.")
    expect(page.locator(".login").get_by_role("alert")).to_contain_text(REQUEST)
    expect(page.get_by_role("button", name="Sign in with 127.0.0.1")).to_be_visible()


def test_settings_name_the_fields_used_here():
    assert {"auth", "oidc_issuer", "oidc_audience", "oidc_client_id", "oidc_client_secret"} <= set(
        Settings.__dataclass_fields__
    )
