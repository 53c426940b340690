"""What every test may ask for: the doors of a broker, and scenarios played at all of them."""

import gc
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

# Read when gRPC is imported. Its handlers break some of the programs that tests start.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

from tests import postgres
from tests.doors import Door, EngineDoor, GrpcDoor, ProcessesDoor, RunningBroker, SeveralDoor, running_broker
from tests.harness import Scenario

Play = Callable[..., Scenario]
DOORS = ("door", "alone_door")  # fixtures with these names play a test at several doors
IN_MEMORY = "engine"  # the cheapest door
EVERY_DOOR = bool(os.environ.get("OSMIA_EVERY_DOOR"))  # plays every case at every door: twice the work


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Play the first case of a test at every door, and each further case at one door: every second one in memory, the others in turn.

    A door adds the way of a command through it, and of the rows that the command leaves. One case shows that; the others show the rule,
    which is the same everywhere. OSMIA_EVERY_DOOR=1 plays all cases at all doors.
    """
    if EVERY_DOOR:
        return
    tests: dict[str, dict[tuple[tuple[str, int], ...], dict[str, pytest.Item]]] = defaultdict(lambda: defaultdict(dict))
    for item in items:
        played_at = getattr(item, "callspec", None)
        name = next((one for one in DOORS if played_at is not None and one in played_at.params), None)
        if played_at is not None and name is not None:
            case = tuple((one, id(value)) for one, value in played_at.params.items() if one != name)
            tests[item.nodeid.partition("[")[0]][case][str(played_at.params[name])] = item
    left_out = {item for cases in tests.values() for item in _out_of_turn(list(cases.values()))}
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


def pytest_collection_finish() -> None:
    """Take what was imported and collected out of the garbage collector's rounds: it stays, and looking through it took a tenth of all time."""
    gc.collect()
    gc.freeze()


def _out_of_turn(cases: list[dict[str, pytest.Item]]) -> Iterator[pytest.Item]:
    """Yield what is not played: of each case but the first, all doors but the one whose turn it is."""
    for number, doors in enumerate(cases[1:]):
        others = [door for door in doors if door != IN_MEMORY]
        is_in_memory = IN_MEMORY in doors and (number % 2 == 0 or not others)
        turn = IN_MEMORY if is_in_memory else others[number // 2 % len(others)]
        yield from (item for door, item in doors.items() if door != turn)


@pytest.fixture(scope="session")
def shared_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    """One broker for all scenarios of a test process; each looks only at its own instance."""
    with running_broker(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@contextmanager
def engine_door(name: str, tmp_path: Path) -> Iterator[Door]:
    """A partition of its own, with the store of this name."""
    with ExitStack() as held:
        if name in {"partitions", "processes"}:
            several = SeveralDoor(3) if name == "partitions" else ProcessesDoor(tmp_path)
            held.callback(several.close)
            yield several
            return
        url = held.enter_context(postgres.database()) if name == "postgresql" else ""
        door = EngineDoor(tmp_path / "partition-1.db" if name == "restarts" else None, url)
        held.callback(door.close)
        yield door


@pytest.fixture(params=["engine", "restarts", "postgresql", "partitions", "processes", "grpc"])
def door(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    """A partition in memory, one restarted after every command, one that keeps all in PostgreSQL, three behind a router, in one process
    or in two, or a broker over gRPC.
    """
    if request.param != "grpc":
        with engine_door(request.param, tmp_path) as door:
            yield door
        return
    over_grpc = GrpcDoor(request.getfixturevalue("shared_broker"))
    try:
        yield over_grpc
    finally:
        over_grpc.close()


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
