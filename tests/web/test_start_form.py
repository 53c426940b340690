"""The form of a start: what was typed and chosen arrives, or stays when the start is refused."""

import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from osmia_broker.store.documents import Documents
from tests.bpmn import bpmn
from tests.web.conftest import Work
from tests.web.forms import (
    FILES,
    GUESTS,
    MENU,
    NAME,
    REQUEST_BYTES_MAX,
    arrived,
    choose_files,
    file_names,
    fill,
    form,
    problem_of_files,
    sent_files,
)


def region(page: Any) -> Any:
    return page.get_by_role("region", name="Form")


def start(page: Any) -> None:
    page.get_by_role("button", name="Start instance").click()


def before(page: Any) -> Any:
    return page.get_by_role("textbox", name="Start before element (optional)")


@pytest.fixture
def start_form(page: Any, work: Work, unique: str) -> Any:
    """The form of a process that asks for a name, for files and for a number."""
    work.broker.client.deploy((f"{unique}.form", form(unique, NAME, FILES, GUESTS)))
    shown = f'<bpmn:extensionElements><zeebe:formDefinition formId="{unique}"/></bpmn:extensionElements>'
    xml = re.sub(r"(<bpmn:startEvent [^>]*>)", rf"\1{shown}", bpmn("start > ask:user > end", id=unique).decode())
    work.deploy_xml(xml.encode(), unique)
    page.goto(f"/start/{unique}")
    return page


def test_chosen_files_are_stored_and_the_instance_has_their_references(start_form: Any, work: Work, unique: str):
    fill(region(start_form), "Name", "Zoë")
    choose_files(start_form, MENU)
    start(start_form)
    expect(start_form.get_by_role("status")).to_contain_text("started.")
    variables = arrived(work, unique)
    assert (variables["name"], file_names(variables["files"])) == ("Zoë", ["menu.txt"])
    (file,) = variables["files"]
    content = httpx.get(f"http://127.0.0.1:{work.broker.broker.http_port}/v2/documents/{file['documentId']}").content
    assert content == MENU["buffer"]
    assert file["metadata"]["processDefinitionId"] == unique


def test_a_start_that_is_refused_keeps_what_was_typed_and_chosen(start_form: Any, work: Work, unique: str):
    files = sent_files(start_form)
    fill(region(start_form), "Name", "<b>Zoë</b>")
    choose_files(start_form, MENU)
    before(start_form).fill("nowhere")
    start(start_form)
    expect(start_form.get_by_role("alert")).to_contain_text("nowhere")
    expect(region(start_form).get_by_role("textbox", name="Name")).to_have_value("<b>Zoë</b>")
    expect(region(start_form).get_by_text("menu.txt")).to_be_visible()
    before(start_form).fill("")
    start(start_form)
    expect(start_form.get_by_role("status")).to_contain_text("started.")
    variables = arrived(work, unique)
    assert (variables["name"], file_names(variables["files"]), files) == ("<b>Zoë</b>", ["menu.txt"], ["menu.txt"])


def test_a_number_that_is_too_large_is_refused_before_a_start(start_form: Any, work: Work, unique: str):
    fill(region(start_form), "Guests", "1e400")
    start(start_form)
    expect(region(start_form).get_by_text("Field must be a number, and not larger than 1.7e308.")).to_be_visible()
    expect(region(start_form).get_by_role("textbox", name="Guests")).to_have_value("1e400")
    fill(region(start_form), "Guests", "1e308")
    start(start_form)
    expect(start_form.get_by_role("status")).to_contain_text("started.")
    assert arrived(work, unique)["guests"] == 1e308


def test_what_is_typed_survives_a_reload_until_it_is_sent(start_form: Any, unique: str):
    fill(region(start_form), "Name", "<b>Zoë</b>")
    start_form.reload()
    name = region(start_form).get_by_role("textbox", name="Name")
    expect(name).to_have_value("<b>Zoë</b>")
    start(start_form)
    expect(start_form.get_by_role("status")).to_contain_text("started.")
    start_form.goto(f"/start/{unique}")
    expect(name).to_have_value("")


def test_a_file_that_is_too_large_is_refused_at_its_field(start_form: Any):
    files = sent_files(start_form)
    fill(region(start_form), "Name", "Zoë")
    choose_files(start_form, MENU | {"buffer": bytes(REQUEST_BYTES_MAX + 1)})
    start(start_form)
    expect(problem_of_files(start_form)).to_contain_text(
        "menu.txt is too large: it has 4.0 MiB, and at most 4.0 MiB can be sent at once."
    )
    expect(region(start_form).get_by_role("textbox", name="Name")).to_have_value("Zoë")
    assert not files


@pytest.mark.parametrize(
    ("given", "status", "text"),
    [
        ({"process": "nosuch"}, 404, "There is no process 'nosuch' any more."),
        ({"name": ""}, 400, "Expected a file name of 1 to 255 characters, but found 0"),
        ({"name": "n" * 256}, 400, "Expected a file name of 1 to 255 characters, but found 256"),
        ({"content": bytes(REQUEST_BYTES_MAX + 1)}, 413, "Too large"),
        ({"origin": "http://evil.example"}, 403, "This request came from another site"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_a_file_is_refused(
    site: str,
    work: Work,
    unique: str,
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, Any],
    status: int,
    text: str,
):
    def never(*_: Any) -> None:
        raise AssertionError("nothing may be stored")

    monkeypatch.setattr(Documents, "_create", never)
    work.deploy("start > end", unique)
    answer = httpx.post(
        f"{site}/start/{given.get('process', unique)}/documents",
        params={"name": given.get("name", "a.txt")},
        content=given.get("content", b"soup"),
        headers={"origin": given["origin"]} if "origin" in given else {},
    )
    assert (answer.status_code, text in answer.text) == (status, True), answer.text


def test_what_is_typed_and_taken_out_again_does_not_come_again(start_form: Any):
    name = region(start_form).get_by_role("textbox", name="Name")
    name.press_sequentially("Zoë")
    for _ in "Zoë":
        name.press("Backspace")
    start_form.reload()
    expect(name).to_have_value("")
