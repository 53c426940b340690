"""What a browser loads for a first view: bytes over the line, which are the same on every machine."""

from typing import Any

import httpx
import pytest

from tests.web.forms import DINNER, GUESTS, form

WITHOUT_VIEWERS, WITH_VIEWERS = 60_000, 400_000  # bytes of bodies, as they come over the line
TASKS = 60  # more than a page shows


@pytest.fixture
def loaded(browse: Any) -> Any:
    """Open an address in a browser that has nothing yet; return the bytes that it has loaded."""

    def bytes_of(address: str, *shown: str) -> int:
        page = browse(anew=True)
        requests: list[Any] = []
        page.on("requestfinished", lambda one: requests.append(one))  # noqa: PLW0108 - Playwright marks the function, which a built-in one does not let it
        page.goto(address)
        page.wait_for_function("window.htmx !== undefined")
        for viewer in shown:
            page.locator(viewer).first.wait_for()
        return sum(one.sizes()["responseBodySize"] for one in requests if "/events" not in one.url)

    return bytes_of


def test_a_first_view_is_small(loaded: Any, work: Any, unique: str):
    work.deploy('start > ask:user(name="Decide about the case") > end', unique)
    for _ in range(TASKS):
        work.create(unique)
    total = loaded(f"/tasks?process={unique}")
    assert 20_000 < total <= WITHOUT_VIEWERS


def test_a_form_and_a_diagram_are_no_burden_either(loaded: Any, work: Any, unique: str):
    work.broker.client.deploy((f"{unique}.form", form(unique, DINNER, GUESTS)))
    work.deploy(f"start > ask:user(assignee=demo, form_id={unique}) > end", unique)
    instance = work.create(unique)
    [task] = work.broker.client.user_tasks.search({"processInstanceKey": str(instance)}).items
    assert WITHOUT_VIEWERS < loaded(f"/tasks/{task.key}", "osmia-form input") <= WITH_VIEWERS
    assert WITHOUT_VIEWERS < loaded(f"/instances/{instance}", "osmia-diagram svg") <= WITH_VIEWERS


def test_a_page_is_compressed_only_for_those_who_can_read_that(site: str):
    plain = httpx.get(f"{site}/tasks", headers={"accept-encoding": "identity"})
    compressed = httpx.get(f"{site}/tasks", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert compressed.headers["content-encoding"] == "gzip"
    assert plain.headers["vary"] == compressed.headers["vary"] == "accept-encoding"
    assert int(compressed.headers["content-length"]) < int(plain.headers["content-length"]) / 2
