"""Processes, start, deploy, decisions and the search, in a real browser."""

import io
import json
import re
import zipfile
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from osmia_broker.http.web.json_texts import json_fault, json_of, object_fault
from osmia_broker.http.web.screens.search import escaped
from tests.bpmn import bpmn
from tests.patience import ANSWER_S

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def choose(page, *files: tuple[str, bytes]):
    """Choose files for the deployment."""
    page.get_by_label("Files").set_input_files(
        [{"name": name, "mimeType": "application/octet-stream", "buffer": content} for name, content in files]
    )


# --- deploy


def test_a_process_is_deployed_started_and_shown(page, unique):
    page.goto("/deploy")
    choose(page, (f"{unique}.bpmn", bpmn("start > ask:user > end", id=unique)))
    page.get_by_role("button", name="Deploy").click()
    result = page.get_by_role("region", name="Deployment result")
    expect(result).to_contain_text(f"Deployed process {unique} (version 1)")
    result.get_by_role("link", name="Start instance").click()
    page.get_by_role("button", name="Start instance").click()
    expect(page.get_by_role("status")).to_contain_text("started.")
    page.goto("/processes")
    row = page.get_by_role("table", name="Processes").get_by_role("row").filter(has_text=unique)
    expect(row.get_by_role("cell").nth(3)).to_have_text("1")


def test_the_same_file_again_is_unchanged(page, unique):
    file = (f"{unique}.bpmn", bpmn("start > ask:user > end", id=unique))
    for expected in (f"Deployed process {unique} (version 1)", f"Unchanged process {unique} (version 1)"):
        page.goto("/deploy")
        choose(page, file)
        page.get_by_role("button", name="Deploy").click()
        expect(page.get_by_role("region", name="Deployment result")).to_contain_text(expected)


def test_files_are_named_before_they_are_sent(page, unique):
    page.goto("/deploy")
    choose(page, (f"{unique}.bpmn", bpmn("start > end", id=unique)), ("ask.form", b'{"id": "ask", "components": []}'))
    chosen = page.get_by_role("list", name="Chosen files")
    expect(chosen).to_contain_text(f"{unique}.bpmn: BPMN")
    expect(chosen).to_contain_text("ask.form: Form")
    expect(page.get_by_role("region", name="Deployment result")).to_have_count(0)


def test_what_a_model_says_in_vain_is_told_before_and_after_it_is_deployed(page, unique):
    page.goto("/deploy")
    choose(page, (f"{unique}.bpmn", bpmn('start > ask:user(assignee="=sume(1, 2)") > end', id=unique)))
    form = page.locator("#chosen")
    expect(form).to_contain_text("There is no FEEL function 'sume'")
    expect(form).not_to_contain_text("No problem was found.")
    page.get_by_role("button", name="Deploy").click()
    result = page.get_by_role("region", name="Deployment result")
    expect(result).to_contain_text(f"Deployed process {unique} (version 1)")
    expect(result).to_contain_text("There is no FEEL function 'sume'")
    choose(page, (f"{unique}.bpmn", bpmn('start > ask:user(assignee="=sum(1, 2)") > end', id=unique)))
    expect(form).to_contain_text("No problem was found.")


def test_one_bad_file_refuses_all_and_says_where(page, work, unique):
    bad = bpmn("start > ask:user > end", id=unique).replace(b"userTask", b"complexGateway")
    page.goto("/deploy")
    choose(
        page, ("good.bpmn", bpmn("start > end", id=f"{unique}-good")), ("bad.bpmn", bad), ("worse.bpmn", b"<nothing")
    )
    page.get_by_role("button", name="Deploy").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Nothing was deployed.")
    expect(alert).to_contain_text("bad.bpmn")
    expect(alert).to_contain_text("ask, line 8: Elements of type 'complexGateway' are currently not supported")
    expect(alert).to_contain_text("Draw this part with other elements.")
    expect(alert).to_contain_text("worse.bpmn")
    page.goto("/processes")
    expect(page.get_by_text(f"{unique}-good")).to_have_count(0)


def test_a_problem_that_says_its_remedy_gets_no_other_one(page, unique):
    script = (
        bpmn("start > ask:user > end", id=unique)
        .replace(
            b'<bpmn:userTask id="ask">', b'<bpmn:scriptTask id="ask" scriptFormat="groovy"><bpmn:script>1</bpmn:script>'
        )
        .replace(b"</bpmn:userTask>", b"</bpmn:scriptTask>")
        .replace(b'xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"', b'xmlns:activiti="http://activiti.org/bpmn"')
    )
    page.goto("/deploy")
    choose(page, ("bad.bpmn", script))
    page.get_by_role("button", name="Deploy").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("is currently not supported; use a service task instead")
    expect(alert).not_to_contain_text("Draw this part")


def test_a_form_is_told_from_a_process_of_its_name(page, unique):
    form = b'{"id": "%s", "components": []}' % unique.encode()
    page.goto("/deploy")
    choose(page, (f"{unique}.bpmn", bpmn("start > end", id=unique)), ("ask.form", form))
    page.get_by_role("button", name="Deploy").click()
    result = page.get_by_role("region", name="Deployment result")
    for kind in ("process", "form"):
        expect(result).to_contain_text(f"Deployed {kind} {unique} (version 1)")


def test_a_zip_stands_for_the_models_in_it(page, unique):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("models/one.bpmn", bpmn("start > end", id=f"{unique}-1"))
        archive.writestr("two.bpmn", bpmn("start > end", id=f"{unique}-2"))
        archive.writestr("__MACOSX/._two.bpmn", b"rubbish")
        archive.writestr("readme.txt", b"not a model")
    page.goto("/deploy")
    choose(page, ("all.zip", content.getvalue()))
    page.get_by_role("button", name="Deploy").click()
    result = page.get_by_role("region", name="Deployment result")
    expect(result).to_contain_text(f"Deployed process {unique}-1 (version 1)")
    expect(result).to_contain_text(f"Deployed process {unique}-2 (version 1)")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.zip", b"no zip", "Expected a zip archive"),
        ("a.zip", b"", "Expected a zip archive"),
        ("a.txt", b"text", "Unknown resource type."),
        ("<b>a</b>.bpmn", b"", "The file is empty."),
        ("a.bpmn", b"<x>", "The file ends before its elements do."),
        ("a.bpmn", b"<x", "Its end is missing;"),
        ("a.bpmn", b"hello", "Line 1: This is no XML: it cannot be read here."),
        ("a.bpmn", b"<a>\n<b></a>", "Line 2: This is no XML: an end tag belongs to another element."),
        ("a.bpmn", b"<!DOCTYPE a><a/>", "A DOCTYPE is not allowed in a model."),
        ("a.form", b"", "Expected a form as a JSON object, but found an empty file."),
        ("a.form", b'{"a"', "Expected a form as a JSON object, but found no JSON: its end is missing."),
        ("a.form", b'{"a":x}', "Expected a form as a JSON object, but found no JSON in line 1, column 6."),
        ("a.form", b'{"id":"\xe4"}', "Expected a form as a JSON object, but found bytes that are no text in UTF-8."),
        ("a.form", b"[]", "Expected a form as a JSON object, but found another JSON value."),
        ("a.form", b'{"id":7}', "Expected the id and the version tag of a form to be texts, but found another value."),
        ("a.zip", b"no zip", "Choose another archive, or the files that are in it."),
        ("a.bpmn", b"\x00\xff\xfe" * 100, "a.bpmn"),
        ("a.bpmn", b"<html/>", "Choose a BPMN file, as the modeler saves it."),
        (
            "a.bpmn",
            b'<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/"/>',
            "must end with",
        ),
        ("a.dmn", b"", "The file is empty."),
        ("a.dmn", b"<html/>", "Choose a DMN file, as the modeler saves it."),
        ("a.bpmn", b"<!DOCTYPE a><a/>", "Save it without one, as the modeler does."),
        ("p-extensions.json", b"{}", "Choose the BPMN file of its process, too."),
        ("p-extensions.json", b"[]", "Correct this extension file, and deploy all files again."),
    ],
)
def test_a_file_that_is_no_model_is_refused(site, name, content, reason):
    answer = httpx.post(f"{site}/deploy", files={"files": (name, content)})
    assert answer.status_code == 400
    assert reason in answer.text
    assert "<b>a</b>" not in answer.text
    assert "Fatal Error" not in answer.text
    assert "extensions" not in name or "in the modeler, and deploy" not in answer.text


def test_each_fault_of_a_decision_model_stands_alone(site):
    content = b'<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/"/>'
    answer = httpx.post(f"{site}/deploy", files={"files": ("a.dmn", content)})
    for reason in ("to have an id, but found none.", "Expected at least one decision, but found none."):
        assert reason in answer.text


def test_a_zip_of_a_giant_is_refused(site):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("giant.bpmn", b" " * (60 * 1024 * 1024))
    answer = httpx.post(f"{site}/deploy", files={"files": ("a.zip", content.getvalue())})
    assert answer.status_code == 400
    assert "but found more. " in answer.text
    assert "Choose a smaller archive, or the files that are in it." in answer.text


def packed(names: list[str], content: bytes, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name in names:
            archive.writestr(name, content)
    return file.getvalue()


def test_many_zips_are_no_giant_together(site):
    half = packed(["half.bpmn"], b" " * (30 * 1024 * 1024))
    files = [("files", (f"{number}.zip", half)) for number in range(2)]
    answer = httpx.post(f"{site}/deploy/check", files=files, timeout=ANSWER_S)
    assert "Expected at most 500 models of 52,428,800 bytes in all, but found more" in answer.text
    many = packed([f"{number}.bpmn" for number in range(251)], b"x")
    answer = httpx.post(f"{site}/deploy/check", files=[("files", ("a.ZIP", many)), ("files", ("b.zip", many))])
    assert "Expected at most 500 models" in answer.text


@pytest.mark.parametrize("compression", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_zip_that_is_compressed_in_another_way_is_refused(site, compression):
    answer = httpx.post(f"{site}/deploy", files={"files": ("a.zip", packed(["a.bpmn"], b"<a/>" * 99, compression))})
    assert answer.status_code == 400
    assert "Expected models that are deflated or stored, but found others" in answer.text


@pytest.mark.parametrize("place", range(0, 200, 7))
def test_a_damaged_zip_is_refused(site, place):
    content = bytearray(packed(["a.bpmn"], bytes(range(64))))
    content[min(place, len(content) - 2)] ^= 0xFF
    answer = httpx.post(f"{site}/deploy", files={"files": ("a.zip", bytes(content))})
    assert answer.status_code == 400


def test_no_file_at_all_is_refused(site):
    answer = httpx.post(f"{site}/deploy", data={"files": "text"})
    assert answer.status_code == 400
    assert "Expected at least one file" in answer.text


# --- start


def test_an_instance_starts_with_what_was_typed(page, site, work, unique):
    work.deploy("start > ask:user > end", unique)
    page.goto("/start")
    expect(page.get_by_role("heading", level=1)).to_have_text("Start instance")
    page.get_by_role("combobox", name="Process").select_option(value=unique)
    expect(page).to_have_url(f"{page.url.split('/start')[0]}/start/{unique}")
    variables = page.get_by_role("textbox", name="Variables (JSON)")
    expect(variables).to_have_value("{}")
    variables.fill('{"amount": 12, "big": 12345678901234567890}')
    page.get_by_role("button", name="Start instance").click()
    expect(page.get_by_role("status")).to_contain_text("started.")
    key = page.url.rpartition("/")[2]
    found = httpx.post(f"{site}/v2/variables/search", json={"filter": {"processInstanceKey": key}}).json()["items"]
    assert {one["name"]: one["value"] for one in found} == {"amount": "12", "big": "12345678901234567890"}


def test_the_last_variables_can_be_used_again(page, work, unique):
    work.deploy("start > ask:user > end", unique)
    page.goto(f"/start/{unique}")
    expect(page.get_by_role("button", name="Use last")).to_have_count(0)
    page.get_by_role("textbox", name="Variables (JSON)").fill('{"a": 1}')
    page.get_by_role("button", name="Start instance").click()
    expect(page.get_by_role("status")).to_contain_text("started.")
    page.goto(f"/start/{unique}")
    page.get_by_role("button", name="Use last").click()
    expect(page.get_by_role("textbox", name="Variables (JSON)")).to_have_value('{"a": 1}')


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{a: 1}", "line 1, column 2"),
        ('{"a": 1,\n "b": }', "line 2, column 7"),
        ("[1, 2]", "expected an object"),
        ("12", "expected an object"),
        ("null", "expected an object"),
        ('{"a": 1,\n "b": {"a": 2, "c": 3},\n "a": 4}', 'the name "a" stands twice in one object (line 3, column 2)'),
    ],
)
def test_wrong_json_is_not_sent(page, work, unique, text, problem):
    work.deploy("start > ask:user > end", unique)
    page.goto(f"/start/{unique}")
    field = page.get_by_role("textbox", name="Variables (JSON)")
    field.fill(text)
    page.get_by_role("button", name="Start instance").click()
    expect(page.locator("#variables-problem")).to_contain_text("Not valid JSON")
    expect(page.locator("#variables-problem")).to_contain_text(problem)
    expect(field).to_be_focused()
    expect(field).to_have_value(text)
    assert page.url.endswith(f"/start/{unique}")


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [
        ({"variables": "{"}, 400, "Not valid JSON"),
        ({"variables": "[]"}, 400, "expected an object"),
        ({"variables": '{"a": NaN}'}, 400, "NaN is no JSON number"),
        ({"variables": '{"a": 1, "a": 2}'}, 400, "stands twice in one object (line 1, column 10)"),
        ({"variables": '{"a": 1e999}'}, 400, "too large"),
        ({"before": "nothing"}, 400, "nothing"),
        ({"version": "77"}, 400, "77"),
        ({"process": "<b>nothing</b>"}, 400, "&lt;b&gt;nothing&lt;/b&gt;"),
        ({"process": ""}, 400, "Choose a process first."),
    ],
)
def test_the_broker_refuses_what_a_browser_would_not_send(site, work, unique, fields, status, text):
    work.deploy("start > ask:user > end", unique)
    answer = httpx.post(f"{site}/start", data={"process": unique, "variables": '{"kept": 1}'} | fields)
    assert answer.status_code == status
    assert text in answer.text
    if "variables" not in fields:
        assert "kept" in answer.text


def test_variables_that_are_too_large_are_not_sent_and_stay(page, work, unique):
    work.deploy("start > ask:user > end", unique)
    page.goto(f"/start/{unique}")
    field = page.get_by_role("textbox", name="Variables (JSON)")
    field.fill('{"a": "' + "y" * 5_000_000 + '"}')
    page.get_by_role("button", name="Start instance").click()
    expect(page.get_by_role("alert")).to_contain_text("at most 4.0 MiB can be sent at once. Shorten a value")
    assert field.evaluate("field => field.value.length") == 5_000_009
    field.fill('{"a": "' + "y" * 3_000_000 + '"}')  # the broker takes less in one command
    page.get_by_role("button", name="Start instance").click()
    expect(page.get_by_role("alert")).to_contain_text("2097152")
    assert field.evaluate("field => field.value.length") == 3_000_009


def test_files_that_are_too_large_together_are_not_sent(page, unique):
    page.goto("/deploy")
    choose(page, *((f"{name}.bpmn", b" " * 3_000_000) for name in "ab"))
    page.get_by_role("button", name="Deploy").click()
    expect(page.get_by_role("alert")).to_contain_text(
        "at most 4.0 MiB can be sent at once. Choose fewer or smaller files."
    )
    assert page.get_by_label("Files").evaluate("field => field.files.length") == 2


def test_an_unknown_process_is_not_found(page):
    assert page.goto("/start/no%2Fsuch process").status == 404
    expect(page.get_by_role("heading", level=1)).to_have_text("Not found")
    expect(page.get_by_role("main")).to_contain_text("no/such process")
    page.get_by_role("main").get_by_role("link", name="Start instance").click()
    expect(page).to_have_url(re.compile("/start$"))


def test_an_instance_starts_before_an_element_in_an_old_version(page, work, unique):
    work.deploy("start > ask:user > check:user > end", unique)
    work.deploy("start > ask:user > end", unique)
    page.goto(f"/start/{unique}")
    page.get_by_role("combobox", name="Version").select_option("1")
    expect(page.locator("select[name=version] option[selected]")).to_have_attribute("value", "1")  # its form has come
    page.get_by_role("textbox", name="Start before element (optional)").fill("check")
    page.get_by_role("button", name="Start instance").click()
    expect(page.get_by_role("status")).to_contain_text("started.")
    instance = work.broker.client.get_instance(int(page.url.rpartition("/")[2]))
    assert (instance.version, [one.element_id for one in instance.elements]) == (1, ["check"])


# --- one process


def test_a_version_is_deleted_after_a_question(page, work, unique):
    key = work.deploy("start > ask:user > end", unique)
    page.goto(f"/processes/{key}")
    page.get_by_role("button", name="Delete version…").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Delete version…").click()
    page.get_by_role("dialog", name="Delete version").get_by_role("button", name="Delete version").click()
    expect(page.get_by_role("status")).to_contain_text(f"Deleted {unique} (version 1)")
    page.goto(f"/processes/{key}")
    expect(page.get_by_role("main")).to_contain_text("This version was deleted")


def test_a_deleted_version_is_listed_as_long_as_instances_of_it_are_active(page, work, unique):
    key = work.deploy("start > ask:user > end", unique, name="<b>gone</b>")
    instance = work.create(unique)
    work.broker.client.delete_resource(key)
    page.goto("/processes")
    expect(page.get_by_role("table", name="Processes").get_by_role("row").filter(has_text=unique)).to_have_count(0)
    deleted = page.get_by_role("table", name="Deleted versions with active instances")
    row = deleted.get_by_role("row").filter(has_text=unique)
    expect(row.get_by_role("cell")).to_have_text(["<b>gone</b>", unique, "1", "1", "0"])
    row.get_by_role("link").click()
    expect(page.get_by_role("main")).to_contain_text("This version was deleted")
    expect(page.get_by_role("main")).to_contain_text("It takes no new instances")
    for name in ("Start instance", "Delete version…"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    expect(page.get_by_role("table", name="Instances").get_by_role("link", name=str(instance))).to_be_visible()
    expect(page.get_by_role("region", name="Diagram").get_by_role("img", name="1 active")).to_be_visible()
    page.goto("/processes")
    work.broker.client.cancel_instance(instance)
    expect(row).to_have_count(0)


def test_a_version_says_what_starts_itself_only(page, work, unique):
    old = work.deploy(f"go:start(message={unique}) > end", unique)
    new = work.deploy(f"go:start(message={unique}x) > end", unique)
    page.goto(f"/processes/{new}")
    expect(page.get_by_role("table", name="Messages and signals")).to_contain_text(f"{unique}x")
    page.goto(f"/processes/{old}")
    expect(page.get_by_role("region", name="Diagram")).to_be_visible()
    expect(page.get_by_role("table", name="Messages and signals")).to_have_count(0)


def test_versions_lead_to_each_other(page, work, unique):
    first = work.deploy("start > ask:user > end", unique)
    second = work.deploy("start > ask:user > check:user > end", unique)
    page.goto(f"/processes/{second}")
    page.get_by_role("combobox", name="Version").select_option(label="1")
    expect(page).to_have_url(f"{page.url.split('/processes')[0]}/processes/{first}")


def test_the_file_is_given_back_as_it_was(page, site, work, unique):
    xml = bpmn("start > ask:user > end", id=unique)
    key = work.deploy_xml(xml, unique)
    answer = httpx.get(f"{site}/processes/{key}/download")
    assert answer.content == xml
    assert answer.headers["content-disposition"].startswith(f'attachment; filename="{unique}.bpmn"')
    page.goto(f"/processes/{key}")
    expect(page.get_by_role("button", name="Download BPMN")).to_be_visible()


def test_the_list_follows_what_others_do(page, work, unique):
    page.goto("/processes")
    work.deploy("start > ask:user > end", unique)
    row = page.get_by_role("row").filter(has_text=unique)
    expect(row).to_be_visible()
    work.create(unique)
    expect(row.get_by_role("cell").nth(3)).to_have_text("1")


@pytest.mark.parametrize(
    "path",
    ["/processes/1", "/processes/99999999999999999999", "/decisions/1", "/decisions/1/xml", "/processes/1/download"],
)
def test_what_is_not_there_is_not_found(site, path):
    assert httpx.get(site + path).status_code == 404


@pytest.mark.parametrize("path", ["/processes?after=rubbish", "/decisions?after=rubbish"])
def test_a_cursor_that_is_none_is_refused(site, path):
    assert httpx.get(site + path).status_code == 400


# --- decisions


@pytest.fixture
def discount(work, unique) -> int:
    xml = (Path(__file__).parent / "discount.dmn").read_text().replace("DISCOUNT", unique)
    return int(work.broker.client.deploy((f"{unique}.dmn", xml.encode())).decisions[0].key)


def test_a_decision_is_drawn_and_evaluated(page, discount):
    page.goto("/decisions")
    page.goto(f"/decisions/{discount}")
    expect(page.locator("osmia-decision")).to_contain_text("gold")
    page.get_by_role("textbox", name="Variables (JSON)").fill('{"customer": "gold"}')
    page.get_by_role("button", name="Evaluate").click()
    result = page.get_by_role("region", name="Result")
    expect(result).to_contain_text("20")
    expect(result).to_contain_text("Rule 1 matched")
    expect(page.get_by_role("textbox", name="Variables (JSON)")).to_have_value('{"customer": "gold"}')
    page.get_by_role("textbox", name="Variables (JSON)").fill('{"customer": "nobody"}')
    page.get_by_role("button", name="Evaluate").click()
    expect(result).to_contain_text("No rule matched")
    page.get_by_role("textbox", name="Variables (JSON)").fill('{"customer": ')
    page.get_by_role("button", name="Evaluate").click()
    expect(page.locator("#variables-problem")).to_contain_text("Not valid JSON")
    expect(result).to_have_count(0)  # it would look like the answer


def test_an_evaluation_that_fails_says_why(page, discount):
    page.goto(f"/decisions/{discount}")
    page.get_by_role("textbox", name="Variables (JSON)").fill('{"customer": ')
    page.get_by_role("button", name="Evaluate").click()
    expect(page.locator("#variables-problem")).to_contain_text("Not valid JSON")


# --- search


def test_a_key_finds_whatever_has_it(page, work, unique):
    definition = work.deploy("start > ask:user > end", unique)
    instance = work.create(unique)
    page.goto("/tasks")
    box = page.get_by_role("searchbox", name="Search everything")
    box.fill(str(instance))
    box.press("Enter")
    expect(page.get_by_role("link", name=str(instance))).to_have_attribute("href", f"/instances/{instance}")
    page.goto(f"/search?q={definition}")
    expect(page.get_by_role("main").get_by_role("link", name=unique)).to_have_attribute(
        "href", f"/processes/{definition}"
    )


def test_a_variable_finds_its_tasks_and_instances(page, work, unique):
    work.deploy("start > ask:user > end", unique)
    instance = work.create(unique, mark=unique)
    work.create(unique, mark="other")
    page.goto(f"/search?q=mark={unique}")
    expect(page.get_by_role("link", name=str(instance))).to_be_visible()
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()


def test_what_is_found_nowhere_is_said_literally(page):
    page.goto("/search?q=%3Cscript%3Ealert(1)%3C/script%3E*%3F%5C")
    expect(page.get_by_text("Nothing found for “<script>alert(1)</script>*?\\”")).to_be_visible()


def test_a_search_text_stands_for_itself():
    assert escaped("a*b?c\\") == "a\\*b\\?c\\\\"


# --- JSON that people type


@pytest.mark.parametrize(
    ("text", "reason", "line", "column"),
    [
        ("", "expected a value, but found nothing", 1, 1),
        ("{", "expected a name in double quotes, but found the end", 1, 2),
        ("{'a': 1}", "expected a name in double quotes, but found '''", 1, 2),
        ('{"a" 1}', "expected a colon behind the name, but found '1'", 1, 6),
        ('{"a": 1 "b": 2}', "expected a comma or the end, but found '\"'", 1, 9),
        ("pizza", "expected a value, but found 'p'", 1, 1),
        ("[1, 2", "expected a comma or the end, but found the end", 1, 6),
        ("1 2", "expected the end, but found '2'", 1, 3),
        ("Infinity", "Infinity is no JSON number", 1, 1),
        ('{"a": 1,\n "a": 2}', 'the name "a" stands twice in one object', 2, 2),
        ('[{"a": "{"}, {"b": {"a": 1, "\\u0061" : 2}}]', 'the name "\\u0061" stands twice in one object', 1, 29),
        ('{"a": 1, "a": }', "expected a value, but found '}'", 1, 15),
        (f'{{"{"x" * 50}": 1, "{"x" * 50}": 1}}', f'the name "{"x" * 39}… stands twice in one object', 1, 59),
        ("[" * 100_000, "it is nested deeper than 500 levels", 1, 1),
    ],
)
def test_a_fault_of_json_names_reason_and_place(text, reason, line, column):
    fault = json_fault(text)
    assert fault is not None
    assert (fault.reason, fault.line, fault.column) == (reason, line, column)


@pytest.mark.parametrize(
    ("typed", "json"),
    [
        ("12", "12"),
        ("pizza", '"pizza"'),
        ('"12"', '"12"'),
        (" true ", "true"),
        ('a "b"', '"a \\"b\\""'),
        ("", '""'),
        ("é", '"é"'),
    ],
)
def test_a_value_is_json_if_it_can_be(typed, json):
    assert json_of(typed) == json


@pytest.mark.parametrize(
    "text", ["{}", " \n{}\t", '{"a": [1, {"a": null}, {"a": "a"}], "A": 1}', '"text"', "12", "true"]
)
def test_json_has_no_fault(text):
    assert json_fault(text) is None
    assert (object_fault(text) is None) == isinstance(json.loads(text), dict)


LARGE = "[" + ",".join(['{"a": "x"}'] * 10_000) + "]"


@pytest.mark.parametrize("text", [LARGE, f'{{"a": {LARGE}}}', f" {LARGE} ", f"[{LARGE}, 1.5e3]"])
def test_a_large_text_may_be_json(text):
    assert json_fault(text) is None
    assert (object_fault(text) is None) == isinstance(json.loads(text), dict)


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        (LARGE + "\n\n]", "trailing characters", 3),
        (LARGE[:-1], "truncated", 1),
        (LARGE[:-1] + ",\nwrong]", "invalid character", 2),
        (f"[{LARGE}, 1e999]", "the number 1e999 is too large", 1),
        (f"[{LARGE}, NaN]", "invalid", 1),
        ('["é\n' + LARGE[1:], "", 1),
        ("[" * 100_000, "it is nested deeper than 500 levels", 1),
    ],
)
def test_a_fault_of_a_large_text_names_its_place(text, reason, line):
    fault = json_fault(text)
    assert fault is not None
    assert reason in fault.reason
    assert fault.line == line
    assert object_fault(text) is not None


# --- who did it


def test_what_a_person_does_on_the_page_is_in_the_audit_log(site, unique):
    with httpx.Client(base_url=site) as http:
        http.post("/switch-user", data={"user": unique})
        http.post("/deploy", files={"files": (f"{unique}.bpmn", bpmn("start > ask:user > end", id=unique))})
        started = http.post("/start", data={"process": unique, "variables": "{}"})
        key = started.headers["location"].rpartition("/")[2]
        http.post(f"/instances/{key}/suspend")
        http.post(f"/instances/{key}/resume")
        http.post(f"/instances/{key}/cancel")
        asked = {"filter": {"actorId": unique}, "sort": [{"field": "auditLogKey"}]}
        found = http.post("/v2/audit-logs/search", json=asked).json()["items"]
    operations = [(one["entityType"], one["operationType"]) for one in found]
    assert ("PROCESS_INSTANCE", "CANCEL") in operations
    assert [name for kind, name in operations if kind == "PROCESS_INSTANCE"] == [
        "CREATE",
        "SUSPEND",
        "RESUME",
        "CANCEL",
    ]
    assert "RESOURCE" in {kind for kind, _ in operations}


def test_two_processes_of_one_name_are_told_apart_where_one_is_chosen(page, work, unique):
    for id in (f"{unique}_a", f"{unique}_b"):
        work.deploy("start > a:user > end", id, name=unique)
    for address in ("/start", "/instances"):
        page.goto(address)
        chosen = page.get_by_role("combobox", name="Process")
        chosen.select_option(label=f"{unique} ({unique}_b)")
        expect(page).to_have_url(re.compile(f"{unique}_b"))
