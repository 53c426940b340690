"""Every screen in three looks: light, dark, and as wide as a phone. Nothing that keeps somebody from using it, nothing that sticks out.

With OSMIA_SHOTS=folder the screenshots are kept there, for people to look at.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import axe_playwright_python
import httpx
import pytest

from tests.bpmn import bpmn
from tests.running_broker import RunningBroker, running_broker
from tests.web.conftest import Browser, sync_api
from tests.web.forms import FIELDS, form

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
EXAMPLES = Path(__file__).parent.parent.parent / "examples"
WIDTHS: dict[str, dict[str, Any]] = {
    "desk": {"viewport": {"width": 1280, "height": 860}},
    "phone": {"viewport": {"width": 360, "height": 780}},
}
OF_COLORS = (
    "color-contrast",
    "link-in-text-block",
)  # all else is the same in the dark: its style sheets change colors only
SCREENS = {
    "tasks": "/tasks",
    "tasks-completed": "/tasks?filter=completed",
    "tasks-snoozed": "/tasks?filter=snoozed",
    "task": "/tasks/{task}",
    "task-form": "/tasks/{form_task}",
    "task-proposed": "/tasks/{proposed}",
    "task-held": "/tasks/{held}",
    "processes": "/processes",
    "process": "/processes/{process}",
    "instances": "/instances",
    "instance": "/instances/{instance}",
    "instance-incident": "/instances/{stopped}",
    "incidents": "/incidents",
    "incident": "/incidents/{incident}",
    "decisions": "/decisions",
    "decision": "/decisions/{decision}",
    "deploy": "/deploy",
    "start": "/start/dinner",
    "start-form": "/start/every",
    "search": "/search?q=dinner",
    "status": "/status",
    "not-found": "/nothing",
}
GAPS = """[...document.querySelectorAll("tr")].flatMap(row => {
    const [method, path] = [...row.querySelectorAll("code")].map(one => one.getClientRects()[0]);
    return method.top === path.top ? [path.left - method.right] : [];
})"""  # between a method and its path, where both stand in one line
ASK = "start > ask:user > end"
HARMFUL = ("serious", "critical")
FORM = b"""{"id": "meal", "type": "default", "components": [
  {"type": "textfield", "key": "dinner", "label": "What is for dinner?", "validate": {"required": true}},
  {"type": "number", "key": "guests", "label": "Guests"},
  {"type": "checkbox", "key": "dessert", "label": "With dessert"}]}"""
TASK_WITH_FORM = """<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="t">
<process id="with-form" name="A meal" isExecutable="true"><startEvent id="s"/><sequenceFlow id="f1" sourceRef="s" targetRef="choose"/>
<userTask id="choose" name="Choose the meal"><extensionElements><zeebe:userTask/><zeebe:formDefinition formId="meal"/>
<zeebe:assignmentDefinition assignee="demo" candidateGroups="family"/></extensionElements></userTask>
<sequenceFlow id="f2" sourceRef="choose" targetRef="e"/><endEvent id="e"/></process></definitions>"""


@pytest.fixture(scope="module")
def full_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    """A broker with something of everything."""
    with running_broker(tmp_path_factory.mktemp("screens")) as broker:
        decision = (Path(__file__).parent / "discount.dmn").read_text().replace("DISCOUNT", "discount").encode()
        broker.client.deploy(
            EXAMPLES / "dinner.bpmn",
            ("discount.dmn", decision),
            ("meal.form", FORM),
            ("form.bpmn", TASK_WITH_FORM.encode()),
        )
        shown = '<bpmn:extensionElements><zeebe:formDefinition formId="every"/></bpmn:extensionElements>'
        asks = re.sub(r"(<bpmn:startEvent [^>]*>)", rf"\1{shown}", bpmn(ASK, id="every", name="Every field").decode())
        broker.client.deploy(("every.form", form("every", *FIELDS)), ("every.bpmn", asks.encode()))
        stops = TASK_WITH_FORM.replace('"with-form"', '"stops"').replace('"meal"', '"no-such-form"')
        broker.client.deploy(("stops.bpmn", stops.encode()))
        yield broker


@pytest.fixture(scope="module")
def keys(full_broker: RunningBroker) -> dict[str, Any]:
    client = full_broker.client
    found: dict[str, Any] = {"instance": client.create_instance("dinner", {"guests": 4, "wish": "<b>soup</b>"}).key}
    client.create_instance("with-form")
    found["stopped"] = client.create_instance("stops", {"amount": 12}).key
    base = f"http://127.0.0.1:{full_broker.broker.http_port}/v2"

    def first(path: str, key: str, **filter: Any) -> str:
        items = httpx.post(f"{base}/{path}/search", json={"filter": filter}).json()["items"]
        return str(items[0][key])

    found["task"] = first("user-tasks", "userTaskKey", processDefinitionId="dinner")
    found["form_task"] = first("user-tasks", "userTaskKey", processDefinitionId="with-form")
    _decide(client, found)
    found["process"] = first("process-definitions", "processDefinitionKey", processDefinitionId="dinner")
    found["decision"] = first("decision-definitions", "decisionDefinitionKey")
    found["incident"] = first("incidents", "incidentKey")
    return found


def _decide(client: Any, found: dict[str, Any]) -> None:
    """Make a task with proposals, one whose completion is held, and a snoozed one."""
    desk = client.user_tasks
    keys = []
    for _ in range(3):
        instance = client.create_instance("dinner", {"guests": 4}).key
        keys.append(desk.search({"processInstanceKey": str(instance)}).items[0].key)
    found["proposed"], found["held"], snoozed = keys
    desk.claim(keys[0], user="demo")
    desk.answer_proposal(
        desk.propose(keys[0], {"guests": 5}, user="agent", text="One more may come."),
        "ANSWERED",
        answer="No.",
        user="demo",
    )
    desk.propose(
        keys[0],
        {"guests": 3, "dinner": "soup", "wish": "<b>hot</b>"},
        outcome="approve",
        text="Soup is quick.",
        user="agent",
    )
    desk.claim(keys[1], user="demo")
    desk.complete(keys[1], user="demo", hold_ms=10_000)
    desk.snooze(snoozed, until="2d", until_change=True, user="demo")


@pytest.fixture(scope="module")
def browsers(chromium: Any, full_broker: RunningBroker) -> dict[str, Browser]:
    """A browser of each width."""
    site = f"http://127.0.0.1:{full_broker.broker.http_port}"
    return {
        width: Browser(chromium.new_context(base_url=site, reduced_motion="reduce", **options), site)
        for width, options in WIDTHS.items()
    }


@pytest.fixture(params=WIDTHS)
def browser(request: pytest.FixtureRequest, browsers: dict[str, Browser]) -> Iterator[Browser]:
    """One of them, in which nothing may go wrong."""
    browser = browsers[request.param]
    browser.page.emulate_media(color_scheme="light")
    yield browser
    browser.forget()
    faults = [*browser.watched.faults]
    browser.watched.faults.clear()
    assert not faults


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_can_be_used_by_everybody(browser: Browser, keys: dict[str, Any], name: str):
    page = browser.page
    answer = page.goto(SCREENS[name].format(**keys))
    page.wait_for_function("window.htmx !== undefined")
    for viewer in page.locator("osmia-diagram, osmia-form, osmia-decision").all():
        sync_api.expect(viewer).not_to_be_empty()
    width = _width(page)
    found = _violations(page, name)
    assert answer.status == (404 if name == "not-found" else 200)
    assert not found, "\n".join(found)
    assert width[0] <= width[1], f"the page is {width[0]} wide, and the window {width[1]}"
    assert page.get_by_role("heading", level=1).count() == 1


@pytest.mark.parametrize("path", ["/v2/docs", "/osmia/v1/docs"])
def test_the_list_of_operations_can_be_read_by_everybody(browser: Browser, path: str):
    page = browser.page
    page.goto(path)
    width, gaps = _width(page), page.evaluate(GAPS)
    found = _violations(page, path.strip("/").replace("/", "-"))
    assert not found, "\n".join(found)
    assert width[0] <= width[1], f"the page is {width[0]} wide, and the window {width[1]}"
    assert min(gaps) > 3, "a method and its path stand without a gap"


def _width(page: Any) -> list[int]:
    """The width of the page, and that of the window."""
    return list(page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]"))


def _violations(page: Any, name: str) -> list[str]:
    """What keeps somebody from using the page, in the light, and at a desk in the dark too."""
    is_phone = page.evaluate("innerWidth") == WIDTHS["phone"]["viewport"]["width"]
    page.evaluate(AXE)
    _keep(page, name, "phone" if is_phone else "light")
    found = _found(page, {})
    if not is_phone:
        page.emulate_media(color_scheme="dark")
        _keep(page, name, "dark")
        found += _found(page, {"runOnly": OF_COLORS})
    return found


def _found(page: Any, options: dict[str, Any]) -> list[str]:
    found = page.evaluate(
        "options => axe.run({exclude: [['.bjs-powered-by'], ['.fjs-powered-by']]}, {resultTypes: ['violations'], ...options})",
        options,
    )
    return [
        f"{one['impact']} {one['id']}: {one['help']}: {node['html'][:200]}"
        for one in found["violations"]
        if one["impact"] in HARMFUL
        for node in one["nodes"][:3]
    ]


def _keep(page: Any, name: str, look: str) -> None:
    if folder := os.environ.get("OSMIA_SHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{folder}/{name}-{look}.png", full_page=look == "phone")
