"""What every test may ask for: the doors of a broker, and scenarios played at all of them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from osmia_broker.store.sqlite import SqliteStore
from tests.doors import Door, EngineDoor, GrpcDoor, RunningBroker, running_broker
from tests.harness import Scenario

Play = Callable[..., Scenario]


@pytest.fixture(scope="session")
def shared_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    """One broker for all scenarios of a test process; each looks only at its own instance."""
    with running_broker(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.fixture(params=["engine", "restarts", "grpc"])
def door(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    """The engine in memory, the engine restarted after every command, or a broker over gRPC."""
    if request.param == "engine":
        yield EngineDoor()
    elif request.param == "restarts":
        store = SqliteStore(tmp_path / "partition-1.db")
        try:
            yield EngineDoor(store)
        finally:
            store.close()
    else:
        yield GrpcDoor(request.getfixturevalue("shared_broker"))


@pytest.fixture
def play(door: Door) -> Play:
    """Play a scenario at this door."""

    def play(text: str, refused: str | None = None) -> Scenario:
        scenario = Scenario(door)
        scenario.play(text, refused)
        return scenario

    return play
