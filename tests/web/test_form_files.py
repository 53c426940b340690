"""Files that a person chooses in a form: stored as documents, and sent as references."""

import base64
import errno
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from osmia_broker.base.errors import Forbidden
from osmia_broker.calls.tasks.user_tasks import UserTaskCalls
from osmia_broker.http.web.person import COOKIE, Person
from osmia_broker.store.documents import Documents
from tests.running_broker import running_broker
from tests.web.conftest import Work
from tests.web.forms import (
    DOT,
    FILES,
    MENU,
    NAME,
    REQUEST_BYTES_MAX,
    arrived,
    choose_files,
    complete,
    file_names,
    fill,
    form,
    problem_of_files,
    region,
    sent_files,
)

PLAN = {"name": 'naïve "plan" & co.bin', "mimeType": "", "buffer": bytes(range(256))}


def completed(page: Any) -> None:
    complete(page)
    expect(page.get_by_role("status")).to_have_text("Task completed.")


def task_of(work: Any, process_id: str) -> Any:
    (task,) = work.broker.client.user_tasks.search({"processDefinitionId": process_id, "state": "CREATED"}).items
    return task


def post(
    site: str, key: int, *, user: str = "demo", content: bytes = b"soup", name: str = "a.txt", **headers: str
) -> Any:
    """Send a file without a browser."""
    address, cookies = f"{site}/tasks/{key}/documents", {COOKIE: Person(user).cookie()}
    return httpx.post(address, params={"name": name}, content=content, cookies=cookies, headers=headers)


def test_chosen_files_are_stored_and_the_variable_has_their_references(
    open_form: Any, work: Any, site: str, unique: str
):
    page = open_form(NAME, FILES)
    instance = task_of(work, unique).process_instance_key
    fill(region(page, "Form"), "Name", "Zoë")
    choose_files(page, MENU, PLAN)
    completed(page)
    variables = arrived(work, unique)
    assert variables.keys() == {"name", "files"}
    assert variables["name"] == "Zoë"
    kinds = ("text/plain", "application/octet-stream")
    for one, file, kind in zip(variables["files"], (MENU, PLAN), kinds, strict=True):
        answer = httpx.get(f"{site}/v2/documents/{one['documentId']}", params={"contentHash": one["contentHash"]})
        assert answer.content == file["buffer"]
        assert one == {
            "camunda.document.type": "camunda",
            "storeId": "local",
            "documentId": one["documentId"],
            "contentHash": one["contentHash"],
            "metadata": {
                "contentType": kind,
                "fileName": file["name"],
                "expiresAt": None,
                "size": len(file["buffer"]),
                "processDefinitionId": unique,
                "processInstanceKey": str(instance),
                "customProperties": {},
            },
        }


def test_files_of_a_list_that_grows_are_sent_too(open_form: Any, work: Any, unique: str):
    child = {"type": "filepicker", "id": "paper", "label": "Paper", "key": "paper"}
    children = {"type": "dynamiclist", "label": "Children", "path": "children", "allowAddRemove": True}
    page = open_form({**children, "defaultRepetitions": 2, "components": [child]})
    pickers = region(page, "Form").locator("input[type=file]")
    expect(pickers).to_have_count(2)
    pickers.nth(1).set_input_files([MENU])
    completed(page)
    first, second = arrived(work, unique)["children"]
    assert first == {"paper": None}
    assert file_names(second["paper"]) == ["menu.txt"]


def test_a_file_that_is_required_is_asked_for(open_form: Any):
    page = open_form(FILES | {"validate": {"required": True}})
    files = sent_files(page)
    expect(region(page, "Form").get_by_role("button", name="Browse")).to_be_visible()
    complete(page)
    expect(problem_of_files(page)).to_have_text("Field is required.")
    expect(region(page, "Form").get_by_role("button", name="Browse")).to_be_focused()
    assert not files
    choose_files(page, MENU)
    completed(page)
    assert files == ["menu.txt"]


def test_a_file_that_is_too_large_is_refused_at_its_field(open_form: Any, work: Any, unique: str):
    page = open_form(NAME, FILES)
    files = sent_files(page)
    fill(region(page, "Form"), "Name", "Zoë")
    choose_files(page, MENU, PLAN | {"name": "film", "buffer": bytes(REQUEST_BYTES_MAX + 100_000)})
    complete(page)
    expect(problem_of_files(page)).to_have_text(
        "film is too large: it has 4.1 MiB, and at most 4.0 MiB can be sent at once. Choose another file."
    )
    expect(region(page, "Form").get_by_role("textbox", name="Name")).to_have_value("Zoë")
    assert not files
    choose_files(page, PLAN | {"name": "film", "buffer": bytes(REQUEST_BYTES_MAX)})
    completed(page)
    variables = arrived(work, unique)
    assert (variables["name"], file_names(variables["files"])) == ("Zoë", ["film"])


def test_more_files_than_a_person_means_are_refused(open_form: Any):
    page = open_form(FILES)
    files = sent_files(page)
    choose_files(page, *(MENU | {"name": f"{number}.txt"} for number in range(101)))
    complete(page)
    expect(problem_of_files(page)).to_have_text("At most 100 files can be sent with a form. Choose fewer.")
    assert not files


def test_a_full_disk_is_said_at_the_field_and_what_is_stored_is_not_sent_again(
    open_form: Any, work: Any, unique: str, monkeypatch: pytest.MonkeyPatch
):
    page = open_form(NAME, FILES)
    files = sent_files(page)
    fill(region(page, "Form"), "Name", "Zoë")
    choose_files(page, MENU, PLAN)
    create = Documents._create

    def create_small(self: Documents, document: Any, content: bytes) -> None:
        if len(content) > 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        create(self, document, content)

    with monkeypatch.context() as patched:
        patched.setattr(Documents, "_create", create_small)
        complete(page)
        expect(problem_of_files(page)).to_contain_text(
            f"{PLAN['name']} was not stored. Expected to use the directory of documents, but found: No space left on device"
        )
    assert task_of(work, unique).element_id == "ask"
    expect(region(page, "Form").get_by_role("textbox", name="Name")).to_have_value("Zoë")
    completed(page)
    assert files == ["menu.txt", PLAN["name"], PLAN["name"]]
    assert file_names(arrived(work, unique)["files"]) == ["menu.txt", PLAN["name"]]


def test_a_broker_that_is_away_is_said_at_the_field(open_form: Any, work: Any, unique: str):
    page = open_form(NAME, FILES)
    fill(region(page, "Form"), "Name", "Zoë")
    choose_files(page, MENU)
    page.route("**/documents?*", lambda route: route.abort())
    complete(page)
    expect(problem_of_files(page)).to_contain_text("menu.txt was not sent: the broker did not answer")
    expect(page.get_by_role("status")).to_have_text("")
    page.unroute("**/documents?*")
    completed(page)
    variables = arrived(work, unique)
    assert (variables["name"], file_names(variables["files"])) == ("Zoë", ["menu.txt"])


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (
            {"status": 303, "headers": {"location": "/login"}},
            "was not sent: sign in again in another tab, then try again here.",
        ),
        (
            {"status": 500, "body": "<h1>Oh</h1>", "content_type": "text/html"},
            "was not stored. The broker answered 500.",
        ),
        (
            {"status": 413, "body": "<h1>No</h1>", "content_type": "text/html"},
            "is too large: it has 0.0 MiB, and at most",
        ),
    ],
    ids=["signed out", "defect", "too large"],
)
def test_another_answer_is_said_at_the_field(open_form: Any, answer: dict[str, Any], text: str):
    page = open_form(FILES)
    choose_files(page, MENU)
    page.route("**/documents?*", lambda route: route.fulfill(**answer))
    complete(page)
    expect(problem_of_files(page)).to_contain_text(f"menu.txt {text}")


def test_a_person_who_has_lost_the_task_sends_no_file(open_form: Any, work: Any, unique: str):
    page = open_form(NAME, FILES)
    key = task_of(work, unique).key
    choose_files(page, MENU | {"buffer": bytes(REQUEST_BYTES_MAX)})  # the answer comes before the whole file is sent

    def lost(route: Any) -> None:
        work.broker.client.user_tasks.assign(key, "ada")
        route.continue_()

    page.route("**/documents?*", lost)
    complete(page)
    expect(problem_of_files(page)).to_have_text(
        "menu.txt was not stored. Nothing was sent: this task is assigned to ada now."
    )


def test_a_completion_that_is_refused_keeps_the_files_and_sends_none_again(
    open_form: Any, work: Any, unique: str, monkeypatch: pytest.MonkeyPatch
):
    page = open_form(NAME, FILES)
    files = sent_files(page)
    fill(region(page, "Form"), "Name", "Zoë")
    choose_files(page, MENU)

    async def refuse(*_: Any, **__: Any) -> None:
        raise Forbidden("Expected another day, but found this one")

    with monkeypatch.context() as patched:
        patched.setattr(UserTaskCalls, "complete", refuse)
        complete(page)
        expect(page.get_by_role("alert")).to_contain_text("Expected another day")
    expect(region(page, "Form").get_by_text("menu.txt")).to_be_visible()
    expect(region(page, "Form").get_by_role("textbox", name="Name")).to_have_value("Zoë")
    completed(page)
    assert files == ["menu.txt"]
    assert file_names(arrived(work, unique)["files"]) == ["menu.txt"]


def test_pressing_twice_sends_a_file_once(open_form: Any, work: Any, unique: str):
    page = open_form(FILES)
    choose_files(page, MENU)
    files, completions, held = sent_files(page), [], []
    page.on("request", lambda one: completions.append(one.url) if one.url.endswith("/complete") else None)
    page.route("**/documents?*", lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks what it is given
    with page.expect_request("**/documents?*"):
        complete(page)
    complete(page)
    expect(page.get_by_role("status")).to_have_text("Sending menu.txt …")
    for route in held:
        route.continue_()
    expect(page.get_by_role("status")).to_have_text("Task completed.")
    assert files == ["menu.txt"]
    assert len(arrived(work, unique)["files"]) == 1


def test_a_draft_says_that_it_has_no_files(open_form: Any):
    page = open_form(NAME, FILES)
    fill(region(page, "Form"), "Name", "Zoë")
    note = page.locator("[data-draft-note]")
    expect(note).to_have_text("Draft kept. Only you see it.", use_inner_text=True)
    choose_files(page, MENU)
    expect(note).to_have_text("Draft kept, without the files that you chose. Only you see it.", use_inner_text=True)
    page.reload()
    expect(region(page, "Form").get_by_role("textbox", name="Name")).to_have_value("Zoë")
    expect(region(page, "Form").get_by_text("No files selected")).to_be_visible()


def test_documents_of_an_earlier_step_are_offered_and_stay_until_others_are_chosen(
    browse: Any, work: Any, site: str, unique: str
):
    work.broker.client.deploy((f"{unique}.form", form(unique, NAME, FILES)))
    tasks = " > ".join(f"{id}:user(assignee=demo, form_id={unique})" for id in ("ask", "again", "last"))
    work.deploy(f"start > {tasks} > end", unique)
    work.create(unique)
    page = browse()
    page.goto(f"/tasks/{task_of(work, unique).key}?process={unique}")
    expect(region(page, "Form").get_by_text("No files selected")).to_be_visible()
    choose_files(page, PLAN)
    completed(page)
    page.get_by_role("list", name="Tasks").get_by_role("link", name="again").click()
    expect(region(page, "Form").get_by_text(PLAN["name"])).to_be_visible()
    region(page, "Variables").get_by_role("heading").click()
    with page.expect_download() as download:
        region(page, "Variables").get_by_role("link", name=PLAN["name"]).click()
    assert download.value.path().read_bytes() == PLAN["buffer"]
    fill(region(page, "Form"), "Name", "Zoë")
    completed(page)
    assert file_names(arrived(work, unique)["files"]) == [PLAN["name"]]
    page.get_by_role("list", name="Tasks").get_by_role("link", name="last").click()
    expect(region(page, "Form").get_by_text(PLAN["name"])).to_be_visible()
    choose_files(page, MENU)
    completed(page)
    assert file_names(arrived(work, unique)["files"]) == ["menu.txt"]


# --- the route


@pytest.fixture
def key(work: Work, unique: str) -> int:
    """A task of the user demo."""
    work.deploy("start > ask:user(assignee=demo) > end", unique)
    work.create(unique)
    return int(task_of(work, unique).key)


@pytest.mark.parametrize(
    ("given", "status", "text"),
    [
        ({"user": "ada"}, 403, "Nothing was sent: this task is assigned to demo now."),
        ({"name": ""}, 400, "Expected a file name of 1 to 255 characters, but found 0"),
        ({"name": "n" * 256}, 400, "Expected a file name of 1 to 255 characters, but found 256"),
        ({"content": bytes(REQUEST_BYTES_MAX + 1)}, 413, "Too large"),
        ({"origin": "http://evil.example"}, 403, "This request came from another site"),
        ({"sec-fetch-site": "cross-site"}, 403, "This request came from another site"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_a_file_is_refused(
    site: str, work: Work, key: int, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], status: int, text: str
):
    def never(*_: Any) -> None:
        raise AssertionError("nothing may be stored")

    monkeypatch.setattr(Documents, "_create", never)
    answer = post(site, key, **given)
    assert (answer.status_code, text in answer.text) == (status, True), answer.text


def test_a_file_of_a_task_that_has_ended_or_never_was_is_refused(site: str, work: Work, key: int):
    work.broker.client.user_tasks.complete(key)
    ended, unknown = post(site, key), post(site, 1)
    assert (ended.status_code, ended.text) == (409, "This task was completed by demo meanwhile.")
    assert unknown.status_code == 404


def test_a_file_of_a_task_that_is_being_completed_is_refused(site: str, work: Work, key: int):
    work.broker.client.user_tasks.complete(key, user="demo", hold_ms=10_000)
    answer = post(site, key)
    assert (answer.status_code, answer.text) == (409, "This task is being completed already.")


def test_a_document_is_shown_through_tasks_that_refer_to_it_alone(site: str, work: Work, key: int):
    reference = post(site, key, name="é.html", content=b"<b>", **{"content-type": "text/html"}).json()
    address = f"{site}/tasks/{key}/documents/{reference['documentId']}"
    assert httpx.get(address).status_code == 404
    work.broker.client.set_variables(task_instance(work, key), {"papers": reference})
    answer = httpx.get(address)
    assert (answer.status_code, answer.content) == (200, b"<b>")
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''%C3%A9.html"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "text/javascript", "application/xhtml+xml", "a"])
def test_a_browser_gets_no_page_and_no_program_of_a_document(site: str, work: Work, key: int, kind: str):
    reference = post(site, key, **{"content-type": kind}).json()
    work.broker.client.set_variables(task_instance(work, key), {"papers": reference})
    answer = httpx.get(f"{site}/tasks/{key}/documents/{reference['documentId']}")
    assert answer.headers["content-type"] == "application/octet-stream"


PICTURE = base64.b64decode(DOT.partition(",")[2])
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>"


def test_documents_are_previewed_in_the_form_of_a_task(browse: Any, work: Work, site: str, unique: str):
    preview = {"type": "documentPreview", "label": "Papers", "dataSource": "=papers"}
    work.broker.client.deploy((f"{unique}.form", form(unique, preview)))
    work.deploy(f"start > ask:user(assignee=demo, form_id={unique}) > end", unique)
    instance = work.create(unique)
    key = task_of(work, unique).key
    files = {"dot.png": ("image/png", PICTURE), "plan.pdf": ("application/pdf", PDF), "a.txt": ("text/plain", b"soup")}
    papers = [
        post(site, key, name=name, content=content, **{"content-type": kind}).json()
        for name, (kind, content) in files.items()
    ]
    work.broker.client.set_variables(instance, {"papers": papers})
    page = browse()
    page.goto(f"/tasks/{key}")
    fields = region(page, "Form")
    picture = fields.get_by_role("img", name="dot.png")
    expect(picture).to_be_visible()
    page.wait_for_function("image => image.complete && image.naturalWidth === 1", arg=picture.element_handle())
    expect(fields.locator("embed[type='application/pdf']")).to_be_visible()
    with page.expect_download() as download:
        fields.get_by_role("button", name="Download a.txt").click()
    assert download.value.path().read_bytes() == b"soup"


def test_a_document_that_is_gone_is_said_in_its_place(browse: Any, work: Work, site: str, unique: str):
    preview = {"type": "documentPreview", "label": "Papers", "dataSource": "=papers"}
    work.broker.client.deploy((f"{unique}.form", form(unique, preview)))
    work.deploy(f"start > ask:user(assignee=demo, form_id={unique}) > end", unique)
    instance = work.create(unique)
    key = task_of(work, unique).key
    paper = post(site, key, name="dot.png", **{"content-type": "image/png"}).json()
    work.broker.client.set_variables(instance, {"papers": [paper]})
    httpx.delete(f"{site}/v2/documents/{paper['documentId']}").raise_for_status()
    page = browse()
    page.goto(f"/tasks/{key}")
    expect(region(page, "Form").get_by_text("Unable to download document")).to_be_visible()


def test_a_person_who_may_not_read_a_task_gets_none_of_its_documents(tmp_path: Any):
    with running_broker(tmp_path, task_policy="assignee") as broker:
        site, work = f"http://127.0.0.1:{broker.broker.http_port}", Work(broker)
        work.deploy("start > ask:user(assignee=demo) > end", "p")
        instance = work.create("p")
        asked_by = {"Osmia-User": "demo"}
        found = httpx.post(f"{site}/v2/user-tasks/search", json={}, headers=asked_by).json()["items"]
        key = int(found[0]["userTaskKey"])
        reference = post(site, key).json()
        work.broker.client.set_variables(instance, {"papers": [reference]})
        address = f"{site}/tasks/{key}/documents/{reference['documentId']}"
        asked = {user: httpx.get(address, cookies={COOKIE: Person(user).cookie()}) for user in ("demo", "ada")}
        assert asked["demo"].content == b"soup"
        assert asked["ada"].status_code == 403
        assert post(site, key, user="ada").status_code == 403


def task_instance(work: Work, key: int) -> int:
    return int(work.broker.client.user_tasks.get(key).process_instance_key)


@pytest.mark.parametrize("id", ["..", ".", "", {"toString": 1}, 7, ["a"]], ids=str)
def test_a_value_that_names_no_document_shows_nothing_and_asks_for_nothing(
    browse: Any, work: Work, site: str, unique: str, id: Any
):
    """The viewer knows values with an address of their own, which could be anywhere on this site."""
    previews = [{"type": "documentPreview", "label": one, "dataSource": f"={one}"} for one in ("elsewhere", "here")]
    work.broker.client.deploy((f"{unique}.form", form(unique, *previews)))
    work.deploy(f"start > ask:user(assignee=demo, form_id={unique}) > end", unique)
    instance = work.create(unique)
    key = task_of(work, unique).key
    real = post(site, key, name="dot.png", content=PICTURE, **{"content-type": "image/png"}).json()
    metadata = {"fileName": "a.pdf", "contentType": "application/pdf"}
    elsewhere = {"documentId": id, "endpoint": f"{site}/status", "metadata": metadata}
    work.broker.client.set_variables(instance, {"elsewhere": [elsewhere], "here": [real]})
    page = browse()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.resource_type == "fetch" else None)
    page.goto(f"/tasks/{key}")
    expect(region(page, "Form").get_by_role("img", name="dot.png")).to_be_visible()
    assert asked == [f"{site}/tasks/{key}/documents/{real['documentId']}"]
    expect(region(page, "Form").locator("embed")).to_have_count(0)


@pytest.mark.parametrize(
    ("value", "is_there"),
    [
        (lambda one: one, True),
        (lambda one: ["no reference", one], True),
        (lambda one: {"order": {"papers": [[one]]}}, True),
        (lambda one: {**one, "camunda.document.type": "other"}, False),
        (lambda one: {"documentId": one["documentId"]}, False),
        (lambda one: [one["documentId"], "camunda.document.type"], False),
        (lambda one: {**one, "documentId": one["documentId"] + "x"}, False),
    ],
)
def test_a_task_has_the_documents_that_its_variables_refer_to_anywhere(
    work: Work, site: str, unique: str, value: Any, is_there: bool
):
    """A file picker whose key has a dot writes into an object."""
    work.deploy("start > ask:user(assignee=demo) > end", unique)
    instance = work.create(unique)
    key = task_of(work, unique).key
    reference = post(site, key).json()
    work.broker.client.set_variables(instance, {"value": value(reference)})
    answer = httpx.get(
        f"{site}/tasks/{key}/documents/{reference['documentId']}", cookies={COOKIE: Person("demo").cookie()}
    )
    assert answer.status_code == (200 if is_there else 404)
