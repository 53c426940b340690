"""One run of an imagined cluster in bad weather, from its seed alone; and many of them, from the command line:

    python -m tests.simulation.run seeds=1000-1200 partitions=100 brokers=30 orders=400
    python -m tests.simulation.run seeds=7 log=1

With `log=1` a run prints all that was said, and for each second a checksum over its steps, so that two runs of one seed can be compared.
"""

import gc
import logging
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from osmia_broker.links import Links
from tests.partition.opened import steps_only
from tests.simulation.brokers import Cluster
from tests.simulation.clients import Clients
from tests.simulation.defects import Defects
from tests.simulation.history import History
from tests.simulation.registers import Registers
from tests.simulation.virtual import VirtualLoop, machine_here, passing
from tests.simulation.weather import Weather

START_S, FAIR_S = 60.0, 120.0  # in which all has to be as it should be
RAGE_S = 40.0
SAID = 60  # of the last events that a failing run prints


@dataclass(frozen=True)
class Size:
    """How large a run is, and which weather it has: the names of deeds, of which it makes some if none are given."""

    partitions: int = 9
    brokers: int = 4
    orders: int = 40
    rage_s: float = RAGE_S
    registers: int = 0  # 1: each partition has one
    deeds: tuple[str, ...] = ()


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
        self.weather = Weather(self.cluster, random.Random(chances.random()), self.say, size.deeds)
        self.history = History(Clients(self.cluster, random.Random(chances.random()), self.say))
        self.registers = Registers(Clients(self.cluster, random.Random(chances.random()), self.say))

    def say(self, text: str) -> None:
        self.said.append(f"{self.loop.time():9.3f} {text}")

    async def play(self) -> None:
        size, cluster = self.size, self.cluster
        for name in cluster.names:
            cluster.start(name)
        await cluster.settled(START_S)
        if size.orders:
            await self.history.deploy()
        if size.registers:
            await self.registers.begin(size.partitions)
        self.history.begin(size.orders, workers=max(3, size.partitions // 5), for_s=size.rage_s)
        await self.weather.rage(size.rage_s)
        await cluster.settled(FAIR_S)
        if size.registers:
            await self.registers.end()
        if size.orders:
            await self.history.end(FAIR_S)
            await cluster.settled(1)
        assert not cluster.database.faults, str(cluster.database.faults)
        assert not self.loop.faults, str(self.loop.faults)

    async def grow(self) -> None:
        """Begin with one broker, and let the others join while clients are there: partitions move."""
        first, *others = self.cluster.names
        self.cluster.start(first)
        await self.cluster.settled(START_S)
        await self.history.deploy()
        self.history.begin(self.size.orders, workers=5, for_s=self.size.rage_s)
        for name in others:
            await passing(1.0)
            self.cluster.start(name)
            await self.cluster.settled(FAIR_S)
        await self.history.end(FAIR_S)


@contextmanager
def _judged(run: Run, seed: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave nothing to chance but what the seed decides; print the last events of a run that fails."""
    nonces = random.Random(seed)
    monkeypatch.setattr("osmia_broker.links.greeting.secrets.token_bytes", nonces.randbytes)
    monkeypatch.setattr("osmia_broker.running.partitions.time.time_ns", lambda: _time_ns(run.cluster))
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


def _time_ns(cluster: Cluster) -> int:
    machine = machine_here()
    assert machine is not None, "a broker asks for the time"
    return cluster.walls[machine.name].now_ms() * 1_000_000


def play(seed: int, size: Size, monkeypatch: pytest.MonkeyPatch, how: Callable[[Run], Any] = Run.play) -> Run:
    """Play one run, and judge it."""
    run = Run(seed, size)
    with monkeypatch.context() as patched, _judged(run, seed, patched):
        run.loop.run_until_complete(how(run))
    return run


def log_of(run: Run) -> list[str]:
    """Return all that was said, and how many steps each second had, with a checksum over all before."""
    steps = [f"{second} s: {count} steps, {checksum:08x}" for second, (count, checksum) in run.loop.steps.items()]
    return [*run.said, *steps]


def main(words: list[str]) -> int:
    """Play the runs that *words* name; return how many have failed."""
    given = dict(one.split("=") for one in words)
    first, _, last = given.pop("seeds", "0").partition("-")
    is_logged = bool(given.pop("log", ""))
    deeds = tuple(given.pop("deeds", "").split(",")) if "deeds" in given else ()
    size = Size(deeds=deeds, **{name: int(value) for name, value in given.items()})
    logging.getLogger("osmia_broker").addHandler(logging.NullHandler())
    failed = 0
    for seed in range(int(first), int(last or first) + 1):
        try:
            run = play(seed, size, pytest.MonkeyPatch())
        except Exception as fault:  # noqa: BLE001 - a client that is refused for no reason, too
            failed += 1
            print(f"seed {seed} failed: {type(fault).__name__}: {fault}", flush=True)
        else:
            print("\n".join(log_of(run)) if is_logged else f"seed {seed} is good", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 100))
