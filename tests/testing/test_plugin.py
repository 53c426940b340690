"""The pytest plugin as its users load it: fixtures, coverage, and what a failed test prints."""

import json
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.bpmn import bpmn
from tests.patience import ANSWER_S, PROGRAM_S

pytest_plugins = ["pytester"]

ASYNC = """
async def test_dinner(broker):
    await broker.deploy("p.bpmn")
    instance = await broker.start("p", {"n": 7})
    await instance.waits_at("ask").complete_task("ask")
    await broker.advance(days=2)
    instance.is_completed().passed("ask", "late")
"""
SYNC = """
def test_dinner(sync_broker):
    sync_broker.deploy("p.bpmn")
    instance = sync_broker.start("p", {"n": 1})
    instance.waits_at("no")
"""
PLUGIN = "osmia_broker.pytest_plugin"
IS_INSTALLED = any(one.value == PLUGIN for one in entry_points(group="pytest11"))  # pytest loads it by itself then
OPTIONS = (*(() if IS_INSTALLED else ("-p", PLUGIN)), "-p", "no:cacheprovider", "-p", "no:randomly", "-q")


@pytest.fixture
def run(pytester: pytest.Pytester):
    """Run a test file beside a model, with the plugin, in this process."""
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    pytester.path.joinpath("p.bpmn").write_bytes(
        bpmn("start > pick:exclusive [n > 5 -> ask:user > late:catch(timer=P1D) > end | else -> no:user > end]", id="p")
    )

    def run(*options: str, **files: str) -> pytest.RunResult:
        pytester.makepyfile(**files)
        return pytester.runpytest_inprocess(*OPTIONS, *options)

    return run


def test_a_broker_is_a_fixture_of_async_and_of_plain_tests(run):
    run(test_a=ASYNC, test_b=SYNC).assert_outcomes(passed=2)


def test_no_report_without_the_option(run):
    result = run(test_a=ASYNC)
    result.stdout.no_fnmatch_line("*coverage of the processes*")


def test_coverage_names_what_no_test_has_visited(run):
    result = run("--osmia-coverage", test_a=ASYNC)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "*coverage of the processes*",
            "process * elements * flows * cover * missed",
            "p * 5/6 * 4/6 * 75% *no, no_to_end, pick_to_no",
        ]
    )


def test_coverage_of_all_tests_is_added_up(run, tmp_path: Path):
    report = tmp_path / "coverage.json"
    more = SYNC + '    instance.complete_task("no")\n'
    result = run(f"--osmia-coverage-json={report}", test_a=ASYNC, test_b=more)
    result.stdout.fnmatch_lines(["p * 6/6 * 6/6 * 100%"])
    told = json.loads(report.read_text())["processes"]["p"]
    assert told["coverage"] == 1
    assert told["takenFlows"] == told["flows"]


@pytest.mark.parametrize(("least", "code"), [("75", 0), ("75.1", 1)])
def test_too_little_coverage_fails_the_run(run, least: str, code: int):
    result = run(f"--osmia-coverage-min={least}", test_a=ASYNC)
    assert result.ret == code
    if code:
        result.stdout.fnmatch_lines(["Expected p to be covered by 75.1 %, but found 75%"])


def test_coverage_of_several_processes_of_xdist(run):
    pytest.importorskip("xdist")
    result = run("-n2", "-p", "xdist", "--osmia-coverage", test_a=ASYNC, test_b=SYNC)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["p * 6/6 * 5/6 * 92% *no_to_end"])


def test_a_failed_test_shows_where_the_tokens_stand_and_not_our_code(run):
    result = run(test_a=ASYNC.replace('waits_at("ask")', 'waits_at("end")'))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E  *AssertionError: Expected process instance * of p to wait at 'end', but it waits at 'ask'",
            "E  *stands at   ask (USER_TASK, ACTIVATED) since *",
            "E  *variables   n = 7",
        ]
    )
    result.stdout.no_fnmatch_line("*expectations.py*")


def test_brokers_with_options_are_made_and_closed(run):
    test = """
async def test_restart(make_broker, tmp_path):
    broker = make_broker(data_dir=tmp_path)
    await broker.deploy("p.bpmn")
    instance = await broker.start("p", {"n": 7})
    await broker.restart()
    instance.waits_at("ask")
    assert make_broker().instances() == []
"""
    run(test_a=test).assert_outcomes(passed=1)


def test_a_fixture_of_the_users_own_hides_ours(run):
    test = """
import pytest

@pytest.fixture
def broker():
    return "my own"

def test_it(broker):
    assert broker == "my own"
"""
    run(test_a=test).assert_outcomes(passed=1)


def test_the_plugin_is_found_by_pytest_and_imports_no_broker():
    import subprocess
    import sys

    project = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"osmia": "osmia_broker.pytest_plugin"}
    program = (
        "import sys, osmia_broker.pytest_plugin; assert 'sqlalchemy' not in sys.modules and 'grpc' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=ANSWER_S)


def test_the_example_runs(pytester: pytest.Pytester):
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    example = Path(__file__).parents[2] / "examples"
    for name in ("dinner.bpmn", "test_dinner.py"):
        pytester.path.joinpath(name).write_bytes(example.joinpath(name).read_bytes())
    result = pytester.runpytest_inprocess(*OPTIONS, "--osmia-coverage", "test_dinner.py")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["dinner * 4/4 * 3/3 * 100%"])


def in_an_empty_project(folder: Path, name: str, test: str):
    """Run pytest as a user does in a folder of their own, without a setting and without a plugin for async tests."""
    import os
    import subprocess
    import sys

    root = Path(__file__).parents[2]
    (folder / name).write_text(test)
    folder.joinpath("dinner.bpmn").write_bytes((root / "examples/dinner.bpmn").read_bytes())
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(str(root / part) for part in ("client", "broker", "proto"))}
    environ.pop("PYTEST_ADDOPTS", None)
    alone = [*OPTIONS, "-p", "no:asyncio", "-p", "no:anyio", "-W", "error"]
    command = [sys.executable, "-m", "pytest", *alone]
    return subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=PROGRAM_S, check=False
    )


def documented(heading: str) -> str:
    """The first Python snippet of docs/testing.md behind *heading*."""
    text = Path(__file__).parents[2].joinpath("docs/testing.md").read_text()
    return text[text.index(heading) :].split("```python\n", 1)[1].split("```", 1)[0]


@pytest.mark.parametrize("heading", ["# Testing processes", "**A handler alone**"])
def test_the_documented_example_runs_in_an_empty_project(tmp_path: Path, heading: str):
    done = in_an_empty_project(tmp_path, "test_dinner.py", documented(heading))
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout + done.stderr


def test_a_test_that_fails_in_an_empty_project_is_a_failure(tmp_path: Path):
    done = in_an_empty_project(tmp_path, "test_no.py", "async def test_no(broker):\n    assert broker.now is None\n")
    assert done.returncode == 1
    assert "1 failed" in done.stdout


def test_a_test_that_is_not_async_is_told_which_fixture_it_needs(tmp_path: Path):
    test = 'def test_no(broker):\n    broker.deploy("dinner.bpmn")\n'
    done = in_an_empty_project(tmp_path, "test_no.py", test)
    assert done.returncode == 1
    assert "or use the fixture 'sync_broker'" in done.stdout
    assert "never awaited" not in done.stdout


def test_an_async_test_of_others_is_left_alone(tmp_path: Path):
    done = in_an_empty_project(tmp_path, "test_no.py", "async def test_no():\n    pass\n")
    assert done.returncode != 0
