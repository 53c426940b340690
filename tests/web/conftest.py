"""A real Chromium at the page of a broker. Every test also proves that nothing went wrong in the browser: see `Watched`."""

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.bpmn import bpmn
from tests.patience import ANSWER_S, PAGE_MS
from tests.running_broker import RunningBroker, running_broker
from tests.web.forms import form

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

#: The headless shell is Chromium without its own windows and menus: it opens a page for a third of the CPU (2.2 against 6.9 s for ten).
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
FLAGS = [
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
HARMLESS = (
    "Failed to load resource",  # Chromium reports every refused request so; refusals are answers here
    "minified copy of the development build of Inferno",  # a notice that dmn-js brings along
)
HERE = Path(__file__).parent
EMPTY = "/v2/topology"  # a page of the broker without scripts


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.exit("Expected Chromium for the tests of the page, but found none: .ci/run installs it", 1)
        skip = pytest.mark.skip(reason="Chromium is not installed; the tests of the page need it")
        for item in items:
            if "/web/" in str(item.path):
                item.add_marker(skip)


class Parked:
    """The event loop of Playwright. It counts as running between its calls, which would keep the async tests of a worker from running theirs."""

    loop: asyncio.AbstractEventLoop | None = None

    @classmethod
    def take_out(cls) -> None:
        asyncio._set_running_loop(cls.loop)

    @classmethod
    def put_away(cls) -> None:
        cls.loop = asyncio._get_running_loop()
        asyncio._set_running_loop(None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Any:
    if HERE not in item.path.parents:  # pytest asks this hook about the tests of all folders
        return (yield)
    Parked.take_out()
    try:
        return (yield)
    finally:
        Parked.put_away()


@dataclass
class Watched:
    """What the browser complained about, and whom it asked."""

    origin: str
    faults: list[str] = field(default_factory=list)

    def watch(self, page: Any) -> None:
        page.on("pageerror", lambda error: self.faults.append(f"script error: {error}"))
        page.on("console", self._console)
        page.on("request", self._request)

    def _console(self, message: Any) -> None:
        if message.type == "error" and not any(text in message.text for text in HARMLESS):
            self.faults.append(f"console: {message.text}")

    def _request(self, request: Any) -> None:
        url = urlsplit(request.url)
        if url.scheme in ("http", "https", "ws", "wss") and f"{url.scheme}://{url.netloc}" != self.origin:
            self.faults.append(f"asked another host: {request.url}")


@pytest.fixture(scope="session")
def web_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    with running_broker(tmp_path_factory.mktemp("web")) as broker:
        yield broker


@pytest.fixture(scope="session")
def site(web_broker: RunningBroker) -> str:
    """The address of the page."""
    return f"http://127.0.0.1:{web_broker.broker.http_port}"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        Parked.take_out()  # the last test of the worker may be one of another folder
        browser.close()
    Parked.put_away()


class Lent(sync_api.Page):
    """A page that is lent to one test after the other, until one of them does to it what the next one would notice."""

    LEAVES_NOTHING = frozenset({
        "goto", "reload", "go_back", "go_forward", "url", "title", "content", "evaluate", "screenshot", "request", "keyboard", "mouse",
        "locator", "frame_locator", "get_by_alt_text", "get_by_label", "get_by_placeholder", "get_by_role", "get_by_text", "get_by_title",
        "wait_for_function", "wait_for_load_state", "wait_for_url", "expect_download", "expect_request", "expect_request_finished",
        "expect_response",
    })  # fmt: skip

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("_") and name not in Lent.LEAVES_NOTHING:
            self._is_altered = True
        return super().__getattribute__(name)


class Browser:
    """One that is used by one test after the other: it keeps scripts and styles, so that a page opens for half of the CPU, and nothing else."""

    def __init__(self, context: Any, origin: str) -> None:
        self.context, self.watched = context, Watched(origin)
        context.set_default_timeout(PAGE_MS)
        self.page = context.new_page()
        self.watched.watch(self.page)
        self.page.__class__ = Lent
        self.page._is_altered = False

    @property
    def may_stay(self) -> bool:
        return not self.page._is_altered and len(self.context.pages) == 1

    def forget(self) -> None:
        """Leave what the page shows, and forget who the person was and what they typed."""
        self.page.goto(EMPTY)  # a page may write what was typed when it is left
        self.page.evaluate("() => { sessionStorage.clear(); localStorage.clear(); }")
        self.page.mouse.move(-1, -1)
        self.context.clear_cookies()


@pytest.fixture(scope="session")
def kept_browsers() -> list[Browser]:
    """Browsers that no test uses now."""
    return []


@pytest.fixture
def browse(chromium: Any, site: str, kept_browsers: list[Browser]) -> Iterator[Callable[..., Any]]:
    """Open a browser of its own for a person: `browse("ada", groups="cooks")`. At the end nothing may have gone wrong in any of them.

    With *options*, it is a new one; `browse(anew=True)` has nothing in its cache.
    """
    used: list[Browser] = []

    def open_page(user: str = "demo", groups: str = "", *, anew: bool = False, **options: Any) -> Any:
        is_new = anew or options or not kept_browsers
        browser = Browser(chromium.new_context(base_url=site, **options), site) if is_new else kept_browsers.pop()
        browser.page._is_altered = bool(anew or options)
        used.append(browser)
        if user != "demo" or groups:
            browser.context.request.post("/switch-user", form={"user": user, "groups": groups, "back": "/status"})
        return browser.page

    yield open_page
    for browser in used:
        if browser.may_stay:
            browser.forget()
            kept_browsers.append(browser)
        else:
            browser.context.close()
    faults = [fault for browser in used for fault in browser.watched.faults]
    for browser in used:
        browser.watched.faults.clear()
    assert not faults, "\n".join(faults)


@pytest.fixture
def page(browse: Callable[..., Any]) -> Any:
    """A browser at the page, as the user demo."""
    return browse()


@pytest.fixture(autouse=True, scope="session")
def patient() -> None:
    sync_api.expect.set_options(timeout=PAGE_MS)


@dataclass
class Work:
    """Puts work before the page: processes and instances, by the SDK."""

    broker: RunningBroker

    def deploy(self, line: str, id: str, **model: Any) -> int:
        """Deploy a process that is written as a line, and return the key of its definition."""
        return self.deploy_xml(bpmn(line, id=id, **model), id)

    def deploy_xml(self, xml: bytes, id: str) -> int:
        return int(self.broker.client.deploy((f"{id}.bpmn", xml)).processes[0].key)

    def create(self, id: str, **variables: Any) -> int:
        return int(self.broker.client.create_instance(id, variables).key)

    def deny(self, job_type: str, reason: str) -> None:
        """Work as a task listener that denies what it is asked."""
        base = f"http://127.0.0.1:{self.broker.broker.http_port}/v2/jobs"
        asked = {"type": job_type, "timeout": 60_000, "maxJobsToActivate": 1, "requestTimeout": 20_000, "worker": "w"}
        [job] = httpx.post(f"{base}/activation", json=asked, timeout=ANSWER_S).json()["jobs"]
        denial = {"result": {"type": "userTask", "denied": True, "deniedReason": reason}}
        httpx.post(f"{base}/{job['jobKey']}/completion", json=denial).raise_for_status()


@pytest.fixture
def work(web_broker: RunningBroker) -> Work:
    return Work(web_broker)


@pytest.fixture
def unique(request: pytest.FixtureRequest) -> str:
    """A process id that no other test has: the broker is shared."""
    return "p" + format(abs(hash(request.node.nodeid)), "x")


@pytest.fixture
def open_form(browse, work, unique):
    """Deploy a task with a form and open it as its assignee."""

    def opened(*components: dict[str, Any], locale: str = "en-US", **variables: Any) -> Any:
        work.broker.client.deploy((f"{unique}.form", form(unique, *components)))
        work.deploy(f"start > ask:user(assignee=demo, form_id={unique}) > next:user(assignee=demo) > end", unique)
        work.create(unique, **variables)
        page = browse(locale=locale)
        page.goto(f"/tasks?process={unique}")
        page.get_by_role("list", name="Tasks").get_by_role("link", name="ask").click()
        return page

    return opened
