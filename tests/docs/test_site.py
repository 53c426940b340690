"""The documentation site builds without a warning, has a page for everything, and asks no other host."""

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from osmia_broker.cli.app import COMMANDS
from osmia_broker.http import api
from osmia_broker.http.operation import OPERATIONS
from osmia_broker.settings import config, sources
from tests.metric_names import NAME, families
from tests.patience import PROGRAM_S

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

specification = importlib.util.spec_from_file_location("reference", DOCS / "reference.py")
assert specification is not None
assert specification.loader is not None
reference = importlib.util.module_from_spec(specification)
specification.loader.exec_module(reference)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("material", reason="mkdocs-material is not installed; `make setup` brings it")
    folder = tmp_path_factory.mktemp("docs")
    shots = folder / "shots"
    shots.mkdir()
    (shots / "tasks-light.png").write_bytes(b"a picture")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder / "site")]
    environ = os.environ | {"OSMIA_SHOTS": str(shots), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=PROGRAM_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


class Loaded(HTMLParser):
    """The addresses that a browser loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "link" and found.get("rel") not in ("canonical", "next", "prev"):
            self.addresses.append(found.get("href") or "")
        elif tag != "a":
            self.addresses += [value for name, value in attrs if name in ("src", "srcset", "data") and value]


def test_the_site_loads_nothing_from_another_host(site: Path):
    pages = [*site.rglob("*.html")]
    assert len(pages) > 40
    for page in pages:
        loaded = Loaded()
        loaded.feed(page.read_text())
        foreign = [address for address in loaded.addresses if urlsplit(address).netloc]
        assert not foreign, f"{page.name}: {foreign}"
    for style in site.rglob("*.css"):
        assert not re.findall(r"url\([\"']?(?:https?:)?//", style.read_text()), style.name
        assert "@import" not in style.read_text()


def test_screenshots_are_there_when_the_browser_tests_made_them_and_else_said_to_be_missing(site: Path):
    assert (site / "shots/tasks-light.png").exists()
    assert 'src="shots/tasks-light.png"' in (site / "page.html").read_text()
    assert "incidents-light" not in (site / "page.html").read_text()
    assert "Incidents: the picture is missing" in (site / "page.html").read_text()
    assert "Tasks: the picture is missing" not in (site / "page.html").read_text()


def test_notes_for_tests_are_not_shown(site: Path):
    assert not [page.name for page in site.rglob("*.html") if "<!-- not run" in page.read_text()]


# --- the reference has everything


def headings(page: str) -> list[str]:
    return re.findall(r"^#+ (.*)$", reference.pages()[page], re.MULTILINE)


def test_every_command_is_in_the_reference():
    found = headings("reference/cli.md")
    assert not [name for name in COMMANDS if f"osmia {name}" not in found]
    assert "osmia task claim" in found


def test_every_setting_is_in_the_reference():
    text = reference.settings()
    assert not [name for name in config.GIVEN if f"| `{name}` |" not in text]


def test_every_metric_is_in_the_reference():
    found = set(NAME.findall(reference.metrics()))
    assert {name for name in families() if not name.endswith(("_bucket", "_count", "_sum"))} <= found


def test_every_operation_of_rest_is_in_the_reference():
    api.load()
    text = reference.rest()
    assert not [one.path for one in OPERATIONS if f"`{one.method} {one.base}{one.path}`" not in text]


@pytest.mark.parametrize("name", ["gateway", "osmia"])
def test_every_call_and_message_of_a_contract_is_in_the_reference(name: str):
    text = (ROOT / f"proto/{name}.proto").read_text()
    page = reference.pages()[f"reference/{name}.md"]
    assert page.count("`rpc ") == len(re.findall(r"^\s*rpc ", text, re.MULTILINE))
    names = re.findall(r"^\s*(?:service|message|enum) (\w+)", text, re.MULTILINE)
    titles = {title.split(".")[-1] for title in headings(f"reference/{name}.md")}
    assert set(names) <= titles


def test_every_decision_is_in_the_list():
    assert len(reference.decisions()) == len([*(DOCS / "decisions").glob("0*.md")])


# --- what the pages name exists


def code(page: Path, *languages: str) -> Iterator[str]:
    for language, block in re.findall(r"^ *```(\w+)\n(.*?)^ *```", page.read_text(), re.MULTILINE | re.DOTALL):
        if language in languages:
            yield block


PAGES = sorted(DOCS.glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_metrics_files_and_settings_that_exist(page: Path):
    text = page.read_text()
    known = {*families(), *(name.rsplit("_", 1)[0] for name in families())}
    packages = {"osmia_broker", "osmia_proto"}
    unknown = {name for name in NAME.findall(text) if name not in known | packages and not name.endswith("_")}
    assert not unknown
    for path in re.findall(r"`((?:deploy|tests|examples|proto|bench|docs)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path
    variables = {name.removeprefix("OSMIA_").lower() for name in re.findall(r"\bOSMIA_[A-Z_]+\b", text)}
    others = {name.removeprefix("OSMIA_").lower() for name in sources.OTHERS} | {"insecure", "shots", "grpc", "rest"}
    assert variables <= set(config.GIVEN) | others


@pytest.mark.parametrize(
    ("page", "language", "source", "names"),
    [
        ("workers-go.md", "go", "tests/compat/clients/scenarios.go", r"\b(?:New\w+|JobType|Handler|Open|VariablesFromMap|Send)\b"),
        ("workers-java.md", "java", "tests/compat/clients/*.java", r"\b(?:new[A-Z]\w+|jobType|handler|open|send|join)\b"),
    ],
)  # fmt: skip
def test_a_guide_uses_calls_of_the_client_that_the_compatibility_tests_use_too(page, language, source, names):
    used = {name for block in code(DOCS / page, language) for name in re.findall(names, block)}
    known = "".join(path.read_text() for path in ROOT.glob(source))
    assert len(used) > 4
    assert not {name for name in used if not re.search(rf"\b{name}\b", known)}


def test_the_guide_for_rust_uses_names_of_the_contract():
    contract = (ROOT / "proto/gateway.proto").read_text()
    (block,) = code(DOCS / "workers-rust.md", "rust")
    messages = set(re.findall(r"\b(\w+Request)\b", block))
    assert messages
    assert not {name for name in messages if f"message {name} " not in contract}
    for message, body in re.findall(r"(\w+Request) \{(.*?)\.\.Default", block, re.DOTALL):
        fields = {
            name.lower()
            for name in re.findall(r"(\w+) = \d+", contract.split(f"message {message} ")[1].split("\n}")[0])
        }
        for name in re.findall(r"^\s*(?:r#)?(\w+):", body, re.MULTILINE):
            assert name.replace("_", "") in fields, f"{message}.{name}"


# --- the screenshots


def shots_module() -> Any:
    found = importlib.util.spec_from_file_location("shots", ROOT / "docs/shots.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_each_picture_of_the_site_is_a_screen_that_a_browser_test_looks_at():
    source = (ROOT / "tests/web/test_screens.py").read_text()
    screens = set(re.findall(r'^    "([\w-]+)": "/', source, re.MULTILINE))
    widths = set(re.findall(r'^    "(\w+)": \{"viewport"', source, re.MULTILINE))
    shots = shots_module()
    wanted = shots.wanted()
    assert len(wanted) >= 3
    assert {name.rpartition("-")[0] for name in wanted} <= screens
    assert {shots.test_of(name).rpartition("[")[2].partition("-")[0] for name in wanted} <= widths


def test_without_a_browser_nothing_is_made_and_it_is_said(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("OSMIA_SHOTS", raising=False)
    (tmp_path / "shots").mkdir()
    (tmp_path / "shots" / "old.png").write_bytes(b"of another time")
    assert shots_module().main(tmp_path / "shots") == 0
    assert "without screenshots: none of chromium" in capsys.readouterr().err
    assert not (tmp_path / "shots").exists()


def test_pictures_that_are_there_already_are_left_alone(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setenv("OSMIA_SHOTS", str(tmp_path))
    assert shots_module().main(tmp_path) == 0
    assert tmp_path.exists()
    assert capsys.readouterr().err == ""


def test_the_browsers_of_the_screenshots_are_those_of_the_tests():
    source = (ROOT / "tests/web/conftest.py").read_text()
    assert str(shots_module().BROWSERS).replace("'", '"') in source
