"""Take the screenshots of the documentation: `python docs/shots.py FOLDER` runs those browser tests that make them.

Without a Chromium, or without what drives it, nothing is made, and the site says so at each place. With OSMIA_SHOTS set, they are there already.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
)  # as tests/web/conftest.py finds one
TEST = "tests/web/test_screens.py::test_a_screen_can_be_used_by_everybody[{width}-{screen}]"
WIDTHS = {
    "light": "desk",
    "dark": "desk",
    "phone": "phone",
}  # the looks of the pictures that a test of each width keeps
PICTURE = re.compile(r"\(shots/(?P<name>[\w-]+)\.png\)")


def wanted() -> list[str]:
    """Return the names of the screenshots that the pages show."""
    pages = sorted((ROOT / "docs").rglob("*.md"))
    return sorted({found["name"] for page in pages for found in PICTURE.finditer(page.read_text())})


def test_of(name: str) -> str:
    """Return the browser test that makes a screenshot."""
    screen, _, look = name.rpartition("-")
    return TEST.format(screen=screen, width=WIDTHS[look])


def obstacle() -> str:
    """Return why no screenshot can be taken; empty if they can."""
    if not any(shutil.which(one) for one in BROWSERS):
        return f"none of {', '.join(BROWSERS)} is installed"
    missing = [
        one for one in ("playwright", "pytest", "axe_playwright_python") if importlib.util.find_spec(one) is None
    ]
    return f"{missing[0]} is not installed" if missing else ""


def main(folder: Path) -> int:
    """Take the screenshots into *folder*; return the exit code."""
    if os.environ.get("OSMIA_SHOTS"):
        return 0
    shutil.rmtree(folder, ignore_errors=True)
    reason = obstacle()
    if reason:
        sys.stderr.write(f"The site is built without screenshots: {reason}.\n")
        return 0
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *sorted({test_of(one) for one in wanted()}),
    ]
    environ = os.environ | {"OSMIA_SHOTS": str(folder.resolve())}
    return subprocess.run(command, cwd=ROOT, env=environ, check=False).returncode  # noqa: S603 - our own tests


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
