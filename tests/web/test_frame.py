"""The frame of every page: who I am, the look, safety, what cannot be found."""

import httpx
import pytest
from playwright.sync_api import expect

from tests.bpmn import bpmn
from tests.running_broker import running_broker


def test_an_unknown_address_says_so_and_leads_back(page):
    answer = page.goto("/instances/1/nothing")
    assert answer.status == 404
    expect(page.get_by_role("heading", level=1)).to_have_text("Not found")
    expect(page.get_by_role("main").get_by_role("link", name="Instances")).to_have_attribute("href", "/instances")


def test_the_navigation_names_all_lists(page):
    page.goto("/nothing")
    names = page.get_by_role("navigation", name="Main").get_by_role("link").all_inner_texts()
    assert [name.split()[0] for name in names] == [
        "Tasks",
        "Processes",
        "Instances",
        "Incidents",
        "Decisions",
        "Deploy",
    ]


def test_a_person_becomes_another_one(page):
    page.goto("/nothing")
    page.get_by_role("button", name="Signed in as demo").click()
    dialog = page.get_by_role("dialog", name="Switch user")
    dialog.get_by_role("textbox", name="User name").fill("ada")
    dialog.get_by_role("textbox", name="Groups").fill("cooks, waiters")
    dialog.get_by_role("button", name="Switch").click()
    expect(page.get_by_role("button", name="Signed in as ada")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("You are ada now.")
    page.reload()
    expect(page.get_by_role("button", name="Signed in as ada")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("")


def test_escape_leaves_the_person_as_they_were_and_gives_the_focus_back(page):
    page.goto("/nothing")
    opener = page.get_by_role("button", name="Signed in as demo")
    opener.click()
    page.get_by_role("textbox", name="User name").fill("ada")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(opener).to_be_focused()
    opener.click()
    expect(page.get_by_role("textbox", name="User name")).to_have_value("demo")


@pytest.mark.parametrize("name", ["<b>ada</b>", 'O\'Brien & "Sons"', "أحمد", "🐝" * 20])
def test_a_name_is_shown_as_it_was_typed(page, name):
    page.goto("/nothing")
    page.get_by_role("button", name="Signed in as").click()
    page.get_by_role("textbox", name="User name").fill(name)
    page.get_by_role("button", name="Switch").click()
    expect(page.get_by_role("status")).to_have_text(f"You are {name} now.")


def test_a_name_that_turns_the_direction_of_writing_is_refused(page):
    page.goto("/nothing")
    page.get_by_role("button", name="Signed in as").click()
    dialog = page.get_by_role("dialog", name="Switch user")
    name, groups = (dialog.get_by_role("textbox", name=one) for one in ("User name", "Groups"))
    name.fill("ada\u202eevil")
    groups.fill("cooks, waiters")
    page.get_by_role("button", name="Switch").click()
    expect(dialog.get_by_role("alert")).to_have_text("Expected names of printable characters, but found others.")
    expect(name).to_have_value("ada\u202eevil")
    expect(groups).to_have_value("cooks, waiters")
    name.fill("ada")
    page.get_by_role("button", name="Switch").click()
    expect(page.get_by_role("status")).to_have_text("You are ada now.")
    expect(dialog).to_be_hidden()


def test_a_refused_person_who_is_cancelled_is_not_asked_for_again(page):
    page.goto("/status")
    opener = page.get_by_role("button", name="Signed in as")
    opener.click()
    page.get_by_role("textbox", name="User name").fill("ada\u202eevil")
    page.get_by_role("button", name="Switch").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(opener).to_be_focused()
    page.reload()
    expect(page.get_by_role("heading", name="Status")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    opener.click()
    expect(page.get_by_role("textbox", name="User name")).to_have_value("demo")


def test_a_blank_name_is_refused(site):
    answer = httpx.post(f"{site}/switch-user", data={"user": "  ", "back": "/nothing"}, follow_redirects=False)
    assert answer.status_code == 303
    assert "osmia_person" not in answer.cookies


@pytest.mark.parametrize("cookie", ["%%%", "e30", "W10", "bm90IGpzb24", "A" * 3000])
def test_a_cookie_that_cannot_be_read_stands_for_nobody_in_particular(site, cookie):
    answer = httpx.get(f"{site}/nothing", cookies={"osmia_person": cookie, "osmia_said": cookie, "osmia_theme": cookie})
    assert answer.status_code == 404
    assert "Signed in as demo" in answer.text


def test_the_look_goes_round(page):
    page.goto("/nothing")
    root = page.locator("html")
    expect(root).to_have_attribute("data-theme", "system")
    for look in ("light", "dark", "system", "light"):
        page.get_by_role("button", name="Theme").click()
        expect(root).to_have_attribute("data-theme", look)
    page.reload()
    expect(root).to_have_attribute("data-theme", "light")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "null"},
    ],
)
def test_a_change_that_another_site_asks_for_is_refused(site, headers):
    answer = httpx.post(f"{site}/switch-user", data={"user": "eve"}, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_change_of_this_site_is_taken(site):
    headers = {"origin": site, "sec-fetch-site": "same-origin"}
    assert httpx.post(f"{site}/switch-user", data={"user": "eve"}, headers=headers).status_code == 303


@pytest.mark.parametrize("back", ["http://evil.example/", "//evil.example", "/\\evil.example", "evil", "/ok\r\nx: y"])
def test_no_answer_leads_to_another_site(site, back):
    answer = httpx.post(f"{site}/theme", data={"back": back})
    assert answer.headers["location"] == "/"


def test_every_answer_has_the_safe_headers(site):
    for path in ("/nothing", "/theme"):
        headers = httpx.get(site + path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "unsafe-eval" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"


def test_scripts_and_styles_are_kept_for_ever_and_compressed(site, page):
    page.goto("/nothing")
    address = page.locator("link[rel=stylesheet]").first.get_attribute("href")
    answer = httpx.get(site + address)
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-encoding"] == "gzip"
    plain = httpx.get(site + address, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.text == answer.text


@pytest.mark.parametrize("name", ["static/nothing.js", "../site.py", "static/../site.py", "%2e%2e/site.py", ""])
def test_only_the_files_of_the_page_are_served(site, page, name):
    page.goto("/nothing")
    folder = page.locator("link[rel=stylesheet]").first.get_attribute("href").rpartition("/static/")[0]
    with httpx.Client(base_url=site) as http:
        assert http.get(f"{folder}/{name}").status_code == 404


def test_a_body_that_is_too_large_is_refused(site):
    answer = httpx.post(
        f"{site}/switch-user",
        content=b"x" * (5 * 1024 * 1024),
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 413
    assert "Too large" in answer.text


def test_the_shortcuts_are_listed(page):
    page.goto("/nothing")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()


def test_the_first_tab_leads_to_the_content(page):
    page.goto("/nothing")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()


def test_brokers_in_one_process_keep_their_models_apart(tmp_path):
    """The first definition has the same key in every new broker."""
    for name in ("Ask them", "Ask us"):
        with running_broker(tmp_path / name) as broker:
            xml = bpmn("start > ask:user > end").replace(b'id="ask"', f'id="ask" name="{name}"'.encode(), 1)
            broker.client.deploy(("process.bpmn", xml))
            key = broker.client.create_instance("process").key
            page = httpx.get(f"http://127.0.0.1:{broker.broker.http_port}/instances/{key}").text
        assert f">{name}</bdi></a>: 1 active" in page


def test_the_foot_of_every_page_leads_to_the_status_and_to_the_keys(page):
    page.goto("/processes")
    foot = page.get_by_role("contentinfo")
    foot.get_by_role("button", name="Keyboard shortcuts").click()
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    foot.get_by_role("link", name="Status").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Status")


@pytest.mark.parametrize("width", [1024, 1100, 1200, 1280])
def test_the_header_is_one_row_at_a_desk(browse, width):
    page = browse("a-person-of-" + "some" * 40, viewport={"width": width, "height": 780})
    page.goto("/processes")
    header = page.get_by_role("banner")
    assert header.bounding_box()["height"] < 70
    button = header.get_by_role("button", name="Signed in as a-person-of-")
    assert button.bounding_box()["x"] + button.bounding_box()["width"] <= width
    assert header.get_by_role("searchbox").bounding_box()["width"] >= 80


def test_the_header_of_a_tablet_has_the_navigation_below(browse):
    page = browse(viewport={"width": 800, "height": 780})
    page.goto("/processes")
    header = page.get_by_role("banner")
    brand, user = (header.get_by_text(name).bounding_box() for name in ("Osmia", "Signed in as demo"))
    assert abs(brand["y"] + brand["height"] / 2 - user["y"] - user["height"] / 2) < 4
    assert header.get_by_role("navigation").bounding_box()["y"] >= user["y"] + user["height"]
