"""What every test may ask for: the doors of a broker, and scenarios played at all of them."""

import functools
import gc
import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import pytest
from httpx._transports import default as transport
from hypothesis import HealthCheck, settings

# Read when gRPC is imported. Its handlers break some of the programs that tests start.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
# A command of a test that has lost its address must reach nobody, least of all the broker of whoever runs the tests.
os.environ["OSMIA_ADDRESS"] = "127.0.0.1:9"

from osmia_broker.running import child
from tests import postgres
from tests.doors import Door, EngineDoor, GrpcDoor, PostgresDoor, ProcessesDoor, RestartsDoor, SeveralDoor
from tests.harness import Scenario
from tests.order import spread
from tests.patience import ANSWER_S
from tests.running_broker import RunningBroker, running_broker
from tests.turns import left_out

# A client of HTTP that is asked for nothing else waits for 5 s, which is a pace, not a bound: see `tests/patience.py`.
_waits = inspect.signature(httpx.get).parameters["timeout"].default
_waits.connect = _waits.read = _waits.write = _waits.pool = ANSWER_S

# Each client, and each call without one, would read the certificates of all authorities again: 20 ms of CPU, some two thousand times.
_trusting, _trusting_all = transport.create_ssl_context, functools.cache(transport.create_ssl_context)
transport.create_ssl_context = lambda verify=True, **named: (_trusting_all if verify is True else _trusting)(
    verify=verify, **named
)

# Hypothesis measures how long an example takes; on a busy machine that says nothing.
settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

child.START_S = child.STOP_S = ANSWER_S  # of every broker that a test starts as a process

Play = Callable[..., Scenario]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is out of turn, and put the rest into the order for the processes that play it."""
    found = left_out(items)
    config.hook.pytest_deselected(items=list(found))
    items[:] = [item for item in items if item not in found]
    if (processes := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))) > 1:
        items[:] = spread(items, processes)


def pytest_collection_finish() -> None:
    """Take what was imported and collected out of the garbage collector's rounds: it stays, and looking through it took a tenth of all time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def shared_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    """One broker for all scenarios of a test process; each looks only at its own instance."""
    with running_broker(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@contextmanager
def engine_door(name: str, tmp_path: Path) -> Iterator[Door]:
    """A partition of its own, with the store of this name."""
    with ExitStack() as held:
        door: EngineDoor
        match name:
            case "engine":
                door = EngineDoor()
            case "restarts":
                door = RestartsDoor(tmp_path / "partition-1.db")
            case "postgresql":
                door = PostgresDoor(held.enter_context(postgres.database()))
            case "partitions":
                door = SeveralDoor(3)
            case "processes":
                door = ProcessesDoor(tmp_path)
        yield held.enter_context(closing(door))


@pytest.fixture(params=["engine", "restarts", "postgresql", "partitions", "processes", "grpc"])
def door(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    """A partition in memory, one restarted after every command, one that keeps all in PostgreSQL, three behind a router, in one process
    or in two, or a broker over gRPC.
    """
    if request.param != "grpc":
        with engine_door(request.param, tmp_path) as door:
            yield door
        return
    with closing(GrpcDoor(request.getfixturevalue("shared_broker"))) as over_grpc:
        yield over_grpc


@pytest.fixture(params=["engine", "restarts", "postgresql", "partitions", "processes"])
def alone_door(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    """A partition of its own. At a shared broker, messages and signals would reach the instances of other tests."""
    with engine_door(request.param, tmp_path) as door:
        yield door


@pytest.fixture(params=["grpcio", "python"])
def grpc_server(request: pytest.FixtureRequest) -> str:
    """Every server that can carry the gRPC door."""
    return str(request.param)


@pytest.fixture
def play(door: Door) -> Play:
    """Play a scenario at this door."""

    def play(text: str, refused: str | None = None) -> Scenario:
        scenario = Scenario(door)
        scenario.play(text, refused)
        return scenario

    return play
