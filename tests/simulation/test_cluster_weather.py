"""Whatever the weather: what brokers of one cluster have acknowledged is there, exactly once; and in fair weather all goes on.

The brokers are real from the router down to the leases: only their machines, their network, their clocks and their database are imagined. A run comes from
its seed alone. More seeds, or another size:

    OSMIA_WEATHER="seeds=1000-1200 partitions=100 brokers=30 orders=400" pytest tests/simulation/test_cluster_weather.py -k chosen
"""

import gc
import logging
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import pytest

from osmia_broker.links import Links
from osmia_broker.partition import OutboxDelivery
from tests.partition.opened import steps_only
from tests.simulation.brokers import Cluster
from tests.simulation.history import History
from tests.simulation.virtual import VirtualLoop
from tests.simulation.weather import Weather

START_S, FAIR_S = 60.0, 120.0  # in which all has to be as it should be
RAGE_S = 40.0
SAID = 60  # of the last events that a failing run prints


@dataclass(frozen=True)
class Size:
    """How large a run is."""

    partitions: int = 9
    brokers: int = 4
    orders: int = 40
    rage_s: float = RAGE_S


class Run:
    """One run from its seed."""

    def __init__(self, seed: int, size: Size) -> None:
        self.size = size
        self.said = [f"seed {seed}, {size}"]
        self.loop = VirtualLoop()
        chances = random.Random(seed)
        self.cluster = Cluster(
            self.loop, random.Random(chances.random()), self.say, partitions=size.partitions, brokers=size.brokers
        )
        self.weather = Weather(self.cluster, random.Random(chances.random()), self.say)
        self.history = History(self.cluster, random.Random(chances.random()), self.say)

    def say(self, text: str) -> None:
        self.said.append(f"{self.loop.time():9.3f} {text}")

    async def play(self) -> None:
        size, cluster = self.size, self.cluster
        for name in cluster.names:
            cluster.start(name)
        await cluster.settled(START_S)
        if size.orders:
            await self.history.deploy()
        self.history.begin(size.orders, workers=max(3, size.partitions // 5), for_s=size.rage_s)
        await self.weather.rage(size.rage_s)
        await cluster.settled(FAIR_S)
        if size.orders:
            await self.history.end(FAIR_S)
            await cluster.settled(1)
        assert not cluster.database.faults, str(cluster.database.faults)
        assert not self.loop.faults, str(self.loop.faults)


class Defects(logging.Handler):
    """Keeps what the broker logs with a trace: a defect that it has survived."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.found.append(self.format(record))


@contextmanager
def _judged(run: Run, seed: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave nothing to chance but what the seed decides; print the last events of a run that fails."""
    monkeypatch.setattr("osmia_broker.running.partitions.contents_of", run.cluster.contents)
    monkeypatch.setattr("osmia_broker.running.partitions.Links", partial(Links, now_s=run.loop.time))
    monkeypatch.setattr("osmia_broker.running.partitions.budget_of", lambda _: steps_only())
    monkeypatch.setattr("osmia_broker.partition.due_work.perf_counter", lambda: 0.0)
    random.seed(seed)
    log, defects = logging.getLogger("osmia_broker"), Defects()
    log.addHandler(defects)
    was, log.propagate = log.propagate, False
    gc.disable()
    try:
        yield
        assert defects.found == []
    except BaseException:
        print("\n".join([run.said[0], *run.said[-SAID:], *defects.found[:3]]))
        raise
    finally:
        gc.enable()
        log.removeHandler(defects)
        log.propagate = was
        run.loop.end()


def play(seed: int, size: Size, monkeypatch: pytest.MonkeyPatch) -> Run:
    run = Run(seed, size)
    with _judged(run, seed, monkeypatch):
        run.loop.run_until_complete(run.play())
    return run


@pytest.mark.parametrize("seed", range(3))
def test_what_is_acknowledged_is_there_once(seed: int, monkeypatch: pytest.MonkeyPatch):
    run = play(seed, Size(), monkeypatch)
    assert run.history.jobs


@pytest.mark.parametrize("seed", [12, 24])
def test_a_job_that_timed_out_by_the_clock_of_one_leader_is_given_out_by_another(
    seed: int, monkeypatch: pytest.MonkeyPatch
):
    """The clocks differ by half a minute, and leaders take turns: who gives the job out again may be far behind its deadline."""
    play(seed, Size(), monkeypatch)


def test_a_hundred_partitions_are_shared_by_thirty_brokers_in_any_weather(monkeypatch: pytest.MonkeyPatch):
    """Leases, balance and moves alone: no orders, and no routes for messages, which are most of the memory."""
    monkeypatch.setattr(
        "osmia_broker.running.partitions.OutboxDelivery",
        lambda _, parts, following: OutboxDelivery((), parts, following),
    )
    play(1, Size(partitions=100, brokers=30, orders=0, rage_s=8), monkeypatch)


def _chosen() -> tuple[range, Size]:
    """Read which runs the environment asks for."""
    given = dict(one.split("=") for one in os.environ["OSMIA_WEATHER"].split())
    first, _, last = given.pop("seeds", "0-0").partition("-")
    return range(int(first), int(last or first) + 1), Size(**{name: int(value) for name, value in given.items()})


if "OSMIA_WEATHER" in os.environ:

    @pytest.mark.timeout(0)
    def test_chosen_weather(monkeypatch: pytest.MonkeyPatch):
        seeds, size = _chosen()
        for seed in seeds:
            play(seed, size, monkeypatch)
