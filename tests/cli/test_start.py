"""How quickly the command line starts, and what it must not load for that."""

import os
import subprocess
import sys

import pytest

SERVERS = "{'grpc', 'sqlalchemy', 'lxml', 'starlette', 'uvicorn', 'prometheus_client', 'osmia', 'uvloop', 'asyncio'}"


def python(code, **environ):
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environ}, check=False
    )
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return done, spent


@pytest.mark.parametrize("arguments", [["--help"], ["broker", "--help"], ["bench", "--help"], ["completion", "bash"]])
def test_help_loads_no_server(arguments):
    done, _ = python(
        f"import sys\nfrom osmia_broker.cli.app import run\nrun({arguments})\n"
        f"sys.stderr.write(' '.join({SERVERS} & set(sys.modules)))"
    )
    assert done.stderr == ""
    assert done.returncode == 0


@pytest.mark.parametrize(("arguments", "limit_s"), [(["--version"], 0.1), (["--help"], 0.25)])
def test_it_starts_quickly(arguments, limit_s):
    code = f"import sys\nsys.argv = ['osmia', *{arguments}]\nfrom osmia_broker.cli import main\nmain()"
    assert min(python(code)[1] for _ in range(3)) < limit_s


def test_help_fits_one_screen_and_every_command_has_an_example():
    done, _ = python("from osmia_broker.cli.app import run\nrun(['--help'])", COLUMNS="120")
    assert len(done.stdout.splitlines()) <= 45


def test_the_thin_sdk_says_what_to_install():
    code = (
        "import sys\nsys.modules['typer'] = None\nsys.argv = ['osmia', 'tasks']\n"
        "from osmia_broker.cli import main\nmain()"
    )
    done, _ = python(code)
    assert done.returncode == 2
    assert 'try: pip install "osmia[broker]"' in done.stderr
