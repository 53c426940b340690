"""What every test may ask for: the doors of a broker, and scenarios played at all of them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

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
    """A partition in memory, a partition restarted after every command, or a broker over gRPC."""
    if request.param == "grpc":
        door: Door = GrpcDoor(request.getfixturevalue("shared_broker"))
    else:
        door = EngineDoor(tmp_path / "partition-1.db" if request.param == "restarts" else None)
    try:
        yield door
    finally:
        door.close()


@pytest.fixture(params=["engine", "restarts"])
def alone_door(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    """A partition of its own. At a shared broker, messages and signals would reach the instances of other tests."""
    door = EngineDoor(tmp_path / "partition-1.db" if request.param == "restarts" else None)
    try:
        yield door
    finally:
        door.close()


@pytest.fixture
def play(door: Door) -> Play:
    """Play a scenario at this door."""

    def play(text: str, refused: str | None = None) -> Scenario:
        scenario = Scenario(door)
        scenario.play(text, refused)
        return scenario

    return play
