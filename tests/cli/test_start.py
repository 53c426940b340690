"""The command line loads only the modules that a command needs, because people wait for it at every call."""

import os
import subprocess
import sys

import pytest

SERVERS = {"grpc", "sqlalchemy", "lxml", "starlette", "uvicorn", "prometheus_client", "osmia", "uvloop", "asyncio"}
PRINTERS = {"typer", "click", "rich", "msgspec", *SERVERS}


def python(code, **environ):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environ}, check=False
    )


def loaded(arguments):
    """The modules that a call of `osmia` has imported when it ends."""
    code = (
        f"import atexit, sys\nsys.argv = ['osmia', *{arguments}]\n"
        "atexit.register(lambda: sys.stderr.write(' '.join(sys.modules)))\n"
        "from osmia_broker.cli import main\nmain()"
    )
    done = python(code)
    assert done.returncode == 0
    assert done.stdout
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [["--help"], ["broker", "--help"], ["bench", "--help"], ["completion", "bash"]])
def test_help_loads_no_server(arguments):
    assert loaded(arguments) & SERVERS == set()


def test_the_version_needs_no_library():
    assert loaded(["--version"]) & PRINTERS == set()


def test_completion_loads_no_server():
    code = "import sys\nfrom osmia_broker.cli.app import run\ntry:\n    run([])\nfinally:\n    sys.stderr.write(' '.join(sys.modules))"
    environ = {"_OSMIA_COMPLETE": "complete_bash", "COMP_WORDS": "osmia ins", "COMP_CWORD": "1"}
    assert set(python(code, **environ).stderr.split()) & SERVERS == set()


def test_help_fits_one_screen():
    done = python("from osmia_broker.cli.app import run\nrun(['--help'])", COLUMNS="120")
    assert len(done.stdout.splitlines()) <= 45


def test_the_thin_sdk_says_what_to_install():
    code = (
        "import sys\nsys.modules['typer'] = None\nsys.argv = ['osmia', 'tasks']\n"
        "from osmia_broker.cli import main\nmain()"
    )
    done = python(code)
    assert done.returncode == 2
    assert "try: pip install '.[broker]'" in done.stderr


def test_one_version_is_told_everywhere():
    import tomllib
    from pathlib import Path

    import osmia
    import osmia_broker

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert osmia.__version__ == osmia_broker.__version__ == project["version"]


@pytest.mark.parametrize("words", [["-m", "osmia", "--version"], ["-m", "osmia", "-V"], ["-m", "osmia_broker", "-V"]])
def test_the_program_is_a_module_too(words):
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "osmia 0.1.0\n")


def test_a_broker_starts_without_what_only_some_models_and_databases_need():
    code = (
        "import sys, osmia_broker.running.broker, osmia_broker.http.server\nfrom osmia_broker.http.api import load\nload()\n"
        "sys.stderr.write(' '.join(sys.modules))"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stderr.split())
    assert "osmia_broker.feel" in loaded
    unused = {"osmia_broker.dmn", "sqlalchemy.dialects.postgresql", "alembic", "aiosqlite", "re2", "lxml.etree"}
    assert loaded & unused == set()
