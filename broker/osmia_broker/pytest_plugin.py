"""The pytest plugin: a broker as a fixture, and the coverage of the processes.

pytest loads this module in every run where Osmia is installed, so it imports nothing of the broker before a test asks for it.
An async test that asks for a broker runs without any other plugin: see `pytest_pyfunc_call`.
"""

import asyncio
import inspect
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from osmia_broker.testing.broker import Broker
    from osmia_broker.testing.coverage import Coverage
    from osmia_broker.testing.sync import SyncBroker

COVERAGE = pytest.StashKey["Coverage"]()
OUTPUT = "osmia_coverage"  # by this name a process of pytest-xdist hands its part to the one that reports

HINT = "install Osmia with its extra `broker`: pip install '.[broker]' in a checkout"
FIXTURES = frozenset({"broker", "make_broker", "sync_broker"})  # a test that uses one of them is ours to run
LOOPS = ("asyncio", "anyio", "trio")  # the marks of plugins that run a test in an event loop


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("osmia", "processes under test")
    group.addoption(
        "--osmia-coverage", action="store_true", help="Report which elements and flows of the processes were visited."
    )
    group.addoption("--osmia-coverage-json", metavar="FILE", type=Path, help="Write this report as JSON.")
    group.addoption(
        "--osmia-coverage-min", metavar="PERCENT", type=float, help="Fail if a process is covered by less than this."
    )


def _is_covering(config: pytest.Config) -> bool:
    options = ("--osmia-coverage", "--osmia-coverage-json", "--osmia-coverage-min")
    return any(config.getoption(option) is not None and config.getoption(option) is not False for option in options)


def _keep(config: pytest.Config, broker: "Broker") -> None:
    """Add what has happened at *broker* to the coverage, if it is asked for."""
    if _is_covering(config):
        from osmia_broker.testing.coverage import Coverage

        config.stash.setdefault(COVERAGE, Coverage()).add(broker.view)


@pytest.fixture
def make_broker(request: pytest.FixtureRequest) -> "Iterator[Callable[..., Broker]]":
    """Make brokers with options, such as `make_broker(data_dir=tmp_path)`; all are closed after the test."""
    made: list[Broker] = []
    broker_class = _imported("Broker")

    def make(**options: Any) -> "Broker":
        made.append(broker_class(**options))
        return made[-1]

    yield make
    for one in made:
        _end(request.config, one)


@pytest.fixture
def broker(request: pytest.FixtureRequest, make_broker: "Callable[..., Broker]") -> "Broker":
    """A broker in memory, for async tests."""
    if isinstance(request.node, pytest.Function) and not _is_async(request.node):
        pytest.fail(
            f"Expected an async test for the fixture 'broker', but found '{request.node.name}', which is not: "
            "write `async def`, or use the fixture 'sync_broker'",
            pytrace=False,
        )
    return make_broker()


def _is_async(test: pytest.Function) -> bool:
    """Return whether *test* runs in an event loop, its own or that of another plugin."""
    if any(test.get_closest_marker(mark) for mark in LOOPS):
        return True
    return inspect.iscoroutinefunction(inspect.unwrap(test.function))


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an async test that uses a fixture of this plugin. One that another plugin runs does not come here as a coroutine."""
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test) or FIXTURES.isdisjoint(pyfuncitem.fixturenames):
        return None
    if any(pyfuncitem.get_closest_marker(mark) for mark in LOOPS):
        return None  # another plugin is asked for
    names = pyfuncitem._fixtureinfo.argnames  # noqa: SLF001 - pytest's own runner reads it, and there is no other way
    asyncio.run(test(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture
def sync_broker(request: pytest.FixtureRequest) -> "Iterator[SyncBroker]":
    """A broker in memory, for tests that are not async."""
    broker = _imported("SyncBroker")()
    yield broker
    try:
        _keep(request.config, broker.asynchronous)
    finally:
        broker.close()


def _end(config: pytest.Config, broker: "Broker") -> None:
    try:
        if broker.is_running:
            _keep(config, broker)
    finally:
        broker.close()


def _imported(name: str) -> Any:
    try:
        from osmia_broker import testing
    except ModuleNotFoundError as missing:
        pytest.fail(f"Expected the broker for this fixture, but found no {missing.name}; {HINT}", pytrace=False)
    return getattr(testing, name)


# --- the report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the coverage over in a process of pytest-xdist; elsewhere write the file, and fail a run that covers too little."""
    config = session.config
    coverage = config.stash.get(COVERAGE, None)
    if coverage is None:
        return
    if (output := getattr(config, "workeroutput", None)) is not None:
        output[OUTPUT] = coverage.as_data()
        return
    if path := config.getoption("--osmia-coverage-json"):
        path.write_text(json.dumps(coverage.as_json(), indent=2) + "\n", encoding="utf-8")
    if _too_little(config, coverage) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the part of a process of pytest-xdist."""
    data = getattr(node, "workeroutput", {}).get(OUTPUT)
    if data:
        from osmia_broker.testing.coverage import Coverage

        node.config.stash.setdefault(COVERAGE, Coverage()).merge(data)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the report."""
    coverage = config.stash.get(COVERAGE, None)
    if coverage is None:
        return
    terminalreporter.section("coverage of the processes")
    for line in coverage.report():
        terminalreporter.line(line)
    for name, share in _too_little(config, coverage):
        least = config.getoption("--osmia-coverage-min")
        terminalreporter.line(f"Expected {name} to be covered by {least:g} %, but found {share:.0%}", red=True)


def _too_little(config: pytest.Config, coverage: "Coverage") -> list[tuple[str, float]]:
    least = config.getoption("--osmia-coverage-min")
    if least is None:
        return []
    return [(name, one.share) for name, one in coverage.processes().items() if one.share * 100 < least]
