"""The demo with two brokers: one is killed under load, and the demo itself counts what was lost."""

import asyncio
import re
from pathlib import Path
from typing import Any, Self

import pytest

from osmia_broker.base import embedded_postgres
from osmia_broker.cli.demo import database as demo_database
from osmia_broker.cli.demo.cluster import PARTITIONS, Books, ClusterDemo, brokers_on
from osmia_broker.cli.failures import Failure
from tests import postgres
from tests.process.program import osmia

pytestmark = pytest.mark.process


def test_one_of_two_brokers_dies_and_nothing_is_lost():
    with postgres.database(partitions=PARTITIONS) as url:  # its tables are there, and empty
        played = osmia("demo", "--cluster", "--database-url", url)
    assert played.returncode == 0, played.stdout + played.stderr
    text = played.stdout
    before, after = text.split("Who leads before")[1].split("Who leads after")
    assert sorted(re.findall(r"(?:one|two) +\d+ +(\d, \d)$", before, re.MULTILINE)) == ["1, 3", "2, 4"]
    assert re.search(r"one +- +dead", after)
    assert re.search(r"two +\d+ +1, 2, 3, 4$", after, re.MULTILINE)
    acknowledged, completed = re.search(r"(\d+) instances were acknowledged, (\d+) have completed", text).groups()
    assert int(acknowledged) == int(completed) >= 200
    known, tasks = map(
        int, re.search(r"(\d+) of their (\d+) tasks were acknowledged as completed, 0 of", text).groups()
    )
    assert tasks == 2 * int(completed)
    assert tasks - 10 < known <= tasks  # those of instances whose creation was not acknowledged do not count
    assert ("lost with the broker" in text) == (known < tasks)
    assert "Lost: 0. Done twice: 0." in text


def test_a_database_of_its_own_goes_with_the_demo():
    if embedded_postgres.programs() is None:
        pytest.skip("embedded-postgres is not installed")
    with demo_database.database() as url:
        assert re.fullmatch(r"postgresql://osmia@127\.0\.0\.1:\d+/postgres", url)
        port = int(url.split(":")[-1].split("/")[0])
        assert asyncio.run(answers(port))
    assert not asyncio.run(answers(port))


async def answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def test_without_a_database_the_demo_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(embedded_postgres, "PACKAGE", "no_such_package")
    with pytest.raises(Failure, match="Expected PostgreSQL for two brokers, but found none") as refusal:
        demo_database.database().__enter__()
    assert ".[cluster]" in refusal.value.mend


def test_a_server_that_does_not_start_says_why_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch):
    if embedded_postgres.programs() is None:
        pytest.skip("embedded-postgres is not installed")
    made: list[Path] = []

    class Misled(embedded_postgres.EmbeddedPostgres):
        def __init__(self, folder: Path) -> None:
            super().__init__(folder, ("no_such_setting=1",))
            made.append(self.base)

    monkeypatch.setattr(demo_database, "EmbeddedPostgres", Misled)
    with pytest.raises(Failure, match="PostgreSQL did not start") as refusal:
        demo_database.database().__enter__()
    assert "no_such_setting" in refusal.value.why
    assert not made[0].exists()


def test_a_server_that_cannot_start_is_reported(tmp_path: Path):
    played = osmia("demo", "--cluster", "--database-url", "postgresql://nobody@127.0.0.1:1/nothing")
    assert played.returncode != 0
    assert "127.0.0.1" in played.stderr


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker in which all instances have completed but that with the key 2."""

    class Found:
        def __init__(self, state: str) -> None:
            self.state, self.open_process_instances = state, 0

    class Client:
        def __init__(self, _address: str) -> None:
            pass

        async def __aenter__(self) -> Self:
            return self

        async def __aexit__(self, *_: object) -> None:
            pass

        async def status(self) -> Found:
            return Found("")

        async def get_instance(self, key: int) -> Found:
            return Found("COMPLETED" if key != 2 else "ACTIVE")

    monkeypatch.setattr("osmia.Client", Client)


@pytest.mark.usefixtures("answering")
async def test_the_demo_fails_if_an_instance_is_lost(tmp_path: Path):
    books = Books(created={1, 2, 3})
    with pytest.raises(Failure, match="found 1 lost and 0 twice"):
        await ClusterDemo(brokers_on("", tmp_path))._check("two", books)
    books = Books(created={1, 3})
    books.completed[1, 7] = 2
    with pytest.raises(Failure, match="found 0 lost and 1 twice"):
        await ClusterDemo(brokers_on("", tmp_path))._check("two", books)


@pytest.mark.usefixtures("answering")
async def test_tasks_of_an_instance_whose_creation_was_not_acknowledged_do_not_count(tmp_path: Path, capsys: Any):
    books = Books(created={1, 3})
    books.completed.update([(1, 7), (1, 8), (3, 9), (5, 10), (5, 11)])
    await ClusterDemo(brokers_on("", tmp_path))._check("two", books)
    shown = capsys.readouterr().out
    assert "2 instances were acknowledged, 2 have completed" in shown
    assert "3 of their 4 tasks were acknowledged as completed, 0 of them twice" in shown
    assert "(of 1, the acknowledgement was lost with the broker)" in shown
