"""What a browser, or somebody who plays one, sends to the page and cannot be read: a refusal each, never a defect."""

import logging
import re

import httpx
import pytest

from osmia_broker.http.web.person import COOKIE_CHARACTERS_MAX, Said, packed, packed_message, unpacked
from tests.bpmn import bpmn
from tests.patience import ANSWER_S

MULTIPART = {"content-type": "multipart/form-data; boundary=B"}
LONG = "1" * 5_000  # more digits than a number may have


@pytest.fixture
def startable(work):
    """A process that can be started: without any, the screen for it is empty."""
    work.deploy("start > end", "startable")


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"nothing of a form", MULTIPART),
        (b"--B\r\nContent-Disposition: form-data\r\n\r\nno name\r\n--B--\r\n", MULTIPART),
        (b'--B\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\ncut o', {"content-type": "multipart/form-data"}),
        (b"&".join(b"a%d=1" % number for number in range(20_001)), {"content-type": "application/x-www-form-urlencoded"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/switch-user", "/deploy", "/tasks/1/comment"])
def test_a_form_that_cannot_be_read_is_refused(site, path, content, headers):
    answer = httpx.post(site + path, content=content, headers=headers, timeout=ANSWER_S)
    assert answer.status_code == 400
    assert "The form cannot be read" in answer.text


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_form_says_the_same_however_large_it_is(site, unique, size):
    typed = "ä & = + %41 " + "x" * size
    httpx.post(f"{site}/deploy", files={"files": ("p.bpmn", bpmn("start > ask:user > end", id=unique))})
    answer = httpx.post(f"{site}/start", data={"process": unique, "version": "1", "variables": typed, "empty": ""})
    assert answer.status_code == 400
    assert "Not valid JSON" in answer.text
    assert f"ä &amp; = + %41 {'x' * size}" in answer.text


@pytest.mark.parametrize(
    "path", [f"/tasks/{LONG}", f"/instances/{LONG}", f"/processes/{LONG}/delete", f"/tasks/{LONG}/claim"]
)
def test_a_key_of_many_digits_is_found_nowhere(site, path):
    assert httpx.get(site + path).status_code == 404
    assert httpx.post(site + path).status_code == 404


@pytest.mark.parametrize("address", ["http://[", "//[", "http://[::1"])
def test_an_address_that_is_none_leads_nowhere(site, address):
    refused = httpx.post(f"{site}/tasks/1/unknown-to-all", headers={"referer": address})
    assert refused.status_code == 404
    back = httpx.post(f"{site}/tasks/1/draft/discard", headers={"referer": address})
    assert back.status_code == 303
    assert back.headers["location"].startswith("/")
    assert httpx.post(f"{site}/switch-user", data={"user": "eve"}, headers={"origin": address}).status_code == 403


NO_NUMBERS = ["²", "٣", LONG, "9223372036854775808", "1e3", "-1", "x"]


@pytest.mark.usefixtures("startable")
@pytest.mark.parametrize("text", NO_NUMBERS)
def test_a_number_that_is_none_starts_nothing(site, text):
    answer = httpx.post(f"{site}/start", data={"process": "any", "version": text, "variables": "{}"})
    assert answer.status_code == 400
    assert "Choose a version that is a number." in answer.text


@pytest.mark.parametrize("text", NO_NUMBERS)
@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/instances/cancel", "key"),
        ("/instances/retry", "key"),
        ("/incidents/resolve", "key"),
        ("/tasks/selected", "key"),
        ("/instances/1/migrate", "target"),
        ("/instances/1/jobs/1/fail", "retries"),
        ("/instances/1/jobs/1/retries", "retries"),
    ],
)
def test_a_number_that_is_none_leads_back(site, path, field, text):
    answer = httpx.post(site + path, data={field: text, "do": "claim"})
    assert answer.status_code == 303
    assert "osmia_said" in answer.cookies


# --- what a refusal is known by

NO_MODEL = {"files": ("a.bpmn", b"no model")}


@pytest.mark.usefixtures("startable")
@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/deploy", {"files": NO_MODEL}),
        ("/deploy", {}),
        ("/instances/1/cancel", {}),
        ("/instances/1/suspend", {}),
        ("/instances/cancel", {}),
        ("/instances/retry", {"data": {"key": "1"}}),
        ("/instances/1/variables", {"data": {"name": "x", "value": "1"}}),
        ("/incidents/resolve", {}),
        ("/incidents/resolve", {"data": {"key": "1"}}),
        ("/incidents/1/resolve", {}),
        ("/start", {"data": {"version": "", "variables": "{}"}}),
        ("/start", {"data": {"process": "nowhere", "variables": "{}"}}),
        ("/switch-user", {"data": {"user": ""}}),
        ("/tasks/1/claim", {}),
        ("/tasks/1/comment", {"data": {"text": ""}}),
        ("/tasks/1/assign", {"data": {"assignee": ""}}),
        ("/tasks/1/complete", {}),
        ("/tasks/1/snooze", {"data": {"until": "someday"}}),
        ("/tasks/selected", {}),
    ],
)
def test_every_alert_has_the_request_by_which_the_log_knows_it(site, caplog, path, sent):
    caplog.set_level(logging.DEBUG, "osmia_broker.http.web")
    with httpx.Client(base_url=site, headers={"referer": f"{site}/tasks"}, timeout=ANSWER_S) as browser:
        page = browser.post(path, **sent, follow_redirects=True)
    shown = re.findall(r'role="alert"[^>]* data-request="([0-9a-f]+)"', page.text)
    assert len(shown) == 1, page.text
    logged = [one.request_id for one in caplog.records if hasattr(one, "request_id")]
    assert logged[:1] == shown
    assert f"Request {shown[0]}" in page.text
    assert "(Request" not in page.text


# --- what a browser keeps


@pytest.mark.parametrize("text", ["字" * 1_500, "x" * 1_500, '"' * 4_000, "\x01" * 2_000, "😀" * 5_000, "short"])
def test_a_message_fits_into_a_cookie_in_every_script(text):
    cookie = packed_message(Said("alert", text, "/tasks/1/undo", "abcd"))
    assert len(cookie) <= COOKIE_CHARACTERS_MAX
    kind, found, undo, request_id = unpacked(cookie, Said)
    assert (kind, undo, request_id) == ("alert", "/tasks/1/undo", "abcd")
    assert found == text if text in ("short", "x" * 1_500) else (text.startswith(found[:-1]) and len(found) > 400)


def test_a_person_who_fits_into_no_cookie_is_refused(site):
    groups = ",".join("字" * 200 + str(number) for number in range(10))
    answer = httpx.post(f"{site}/switch-user", data={"user": "ada", "groups": groups})
    assert "osmia_person" not in answer.cookies
    assert unpacked(answer.cookies["osmia_said"], Said).kind == "alert"


def test_what_a_person_used_last_is_offered_to_nobody_else(site, unique):
    httpx.post(f"{site}/deploy", files={"files": ("p.bpmn", bpmn("start > ask:user > end", id=unique))})
    ada, bob = packed(["ada", []]), packed(["bob", []])
    started = httpx.post(
        f"{site}/start", data={"process": unique, "variables": '{"salary": 1}'}, cookies={"osmia_person": ada}
    )
    last = started.cookies["osmia_last"]
    for person, is_offered in ((ada, True), (bob, False)):
        shown = httpx.get(f"{site}/start/{unique}", cookies={"osmia_person": person, "osmia_last": last})
        assert ("salary" in shown.text) == is_offered


def test_a_browser_forgets_what_was_used_last_with_the_person(site):
    answer = httpx.post(f"{site}/switch-user", data={"user": "bob"})
    assert any(
        one.startswith('osmia_last=""') and "Max-Age=0" in one and "Path=/start" in one
        for one in answer.headers.get_list("set-cookie")
    )
