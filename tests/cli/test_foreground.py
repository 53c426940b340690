"""`osmia broker` with plain words needs no framework of the command line, and means the same as with it."""

import os
import subprocess
import sys

import pytest

from osmia_broker.cli import app, foreground
from osmia_broker.cli.foreground import plain
from osmia_broker.settings import config

WITH_VALUE = sorted(option for option, name in foreground.OPTIONS.items() if name not in foreground.SWITCHES)
SWITCHES = sorted(option for option, name in foreground.OPTIONS.items() if name in foreground.SWITCHES)
EVERY_OPTION = [
    *(word for option in WITH_VALUE for word in (option, f"value of {option[2:]}")),
    *SWITCHES,
    "--config",
    "osmia.toml",
]
PLAIN = [
    [],
    EVERY_OPTION,
    [f"{option}=a=b" for option in WITH_VALUE],
    ["--grpc-port", "1", "--grpc-port=2"],
    ["--database-url="],
    ["--database-url", ""],
    ["--insecure", "--insecure"],
    ["--data-dir", "Müll, übrig"],
    ["--config=osmia.toml"],
]
FOR_TYPER = [
    ["--help"],
    ["-h"],
    ["--grpc-port"],
    ["--grpc-port", "-1"],
    ["--grpc-port", "--insecure"],
    ["--grpc-prot", "1"],
    ["--insecure=yes"],
    ["--insecure", "yes"],
    ["--no-insecure"],
    ["--oidc-client-secret", "s3cret"],  # other users of the machine would see it
    ["--clock-control"],
    ["--backup-dir", "b"],
    ["--config_file", "osmia.toml"],
    ["--", "--insecure"],
    ["data"],
    [""],
    ["--data-dir", "\udcff"],
    ["--quiet"],
]


@pytest.fixture
def begun(monkeypatch):
    """What a broker has been begun with."""
    found = []
    monkeypatch.setattr(foreground, "run", found.append)
    return found


@pytest.mark.parametrize("words", PLAIN)
def test_plain_words_mean_what_they_mean_to_typer(words, begun):
    assert app.run(["broker", *words]) == 0
    assert begun == [plain(words)]


@pytest.mark.parametrize("words", FOR_TYPER)
def test_other_words_are_left_to_typer(words):
    assert plain(words) is None


def test_every_setting_is_an_option_but_for_those_that_say_why_not():
    assert set(foreground.OPTIONS.values()) | foreground.WITHOUT_OPTION == set(config.GIVEN)
    assert set(plain(EVERY_OPTION)) == {*foreground.OPTIONS.values(), "config"}


def osmia(*words, before=""):
    """`osmia` in a process of its own, which prints its modules at its end instead of serving."""
    code = (
        f"import sys\nfrom osmia_broker.cli import foreground, main\n{before}\nsys.argv = ['osmia', *{words}]\n"
        "try:\n    main()\nfinally:\n    print(*sys.modules)"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=False)


DOORS = ("--grpc-port", "0", "--http-port", "0", "--management-port", "0")


def test_a_broker_is_begun_without_the_framework(tmp_path):
    words = ("broker", "--data-dir", str(tmp_path / "data"), *DOORS)
    done = osmia(*words, before="foreground._serve = lambda settings: print('serving', settings.data_dir)")
    assert done.returncode == 0, done.stderr
    assert f"serving {tmp_path / 'data'}" in done.stdout
    assert set(done.stdout.split()) & {"typer", "pydantic", "pydantic_core", "click", "rich"} == set()


def test_its_refusals_have_the_same_form(tmp_path):
    done = osmia("broker", "--grpc-port", "abc")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "Error: Expected --grpc-port to be a port from 0 (a free one) to 65535, but found 'abc'.",
        "  try: osmia broker --grpc-port 26500",
    ]
    (tmp_path / "data").write_text("a file")
    assert osmia("broker", "--data-dir", str(tmp_path / "data"), *DOORS).returncode == 2


def test_a_defect_is_told_with_its_trace(tmp_path):
    words = ("broker", "--data-dir", str(tmp_path), *DOORS)
    done = osmia(*words, before="foreground._serve = lambda settings: 1 / 0")
    assert done.returncode == 70
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1] == "Error: A defect in Osmia: ZeroDivisionError: division by zero"


def test_a_package_that_is_not_installed_is_named(tmp_path):
    words = ("broker", "--data-dir", str(tmp_path), *DOORS)
    done = osmia(*words, before="sys.modules['sqlalchemy'] = None")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0].endswith("packages that are not installed (sqlalchemy).")
