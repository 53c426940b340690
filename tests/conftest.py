"""What every test may ask for: the doors of a broker, and scenarios played at all of them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests import postgres
from tests.doors import Door, EngineDoor, GrpcDoor, RunningBroker, running_broker
from tests.harness import Scenario

Play = Callable[..., Scenario]


@pytest.fixture(scope="session")
def shared_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    """One broker for all scenarios of a test process; each looks only at its own instance."""
    with running_broker(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@contextmanager
def engine_door(name: str, tmp_path: Path) -> Iterator[Door]:
    """A partition of its own, with the store of this name."""
    with ExitStack() as held:
        url = held.enter_context(postgres.database()) if name == "postgresql" else ""
        door = EngineDoor(tmp_path / "partition-1.db" if name == "restarts" else None, url)
        held.callback(door.close)
        yield door


@pytest.fixture(params=["engine", "restarts", "postgresql", "grpc"])
def door(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    """A partition in memory, one restarted after every command, one that keeps all in PostgreSQL, or a broker over gRPC."""
    if request.param != "grpc":
        with engine_door(request.param, tmp_path) as door:
            yield door
        return
    over_grpc = GrpcDoor(request.getfixturevalue("shared_broker"))
    try:
        yield over_grpc
    finally:
        over_grpc.close()


@pytest.fixture(params=["engine", "restarts", "postgresql"])
def alone_door(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    """A partition of its own. At a shared broker, messages and signals would reach the instances of other tests."""
    with engine_door(request.param, tmp_path) as door:
        yield door


@pytest.fixture
def play(door: Door) -> Play:
    """Play a scenario at this door."""

    def play(text: str, refused: str | None = None) -> Scenario:
        scenario = Scenario(door)
        scenario.play(text, refused)
        return scenario

    return play
