"""What a killed broker costs the callers of the other: their p99 before and after, and the time until its partitions are led again.

    python -m bench failover [--seconds 5] [--in-flight 16] [--rounds 3] [--stop]

Two brokers lead two of four partitions each on one server of PostgreSQL with its usual settings. Callers set a variable of instances, each through the broker that
leads them, as many on each side. Then one broker is killed (`--stop`: stopped, so that only its silence shows it), and the callers of the other go on.
"""

import argparse
import asyncio
import os
import signal
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import osmia
from bench._postgres import newest
from osmia_broker.running.child import ChildBroker
from osmia_broker.state.partitioning import partition_of_key
from tests.bpmn import bpmn

PARTITIONS = 4
INSTANCES = 64
SHARED_S = 60.0  # the time within which the two brokers have shared the partitions
AGAIN_S = 60.0


@dataclass
class Side:
    """A broker, the instances that it leads, and how long the calls about them took."""

    broker: ChildBroker
    keys: list[int] = field(default_factory=list)
    taken: list[tuple[float, float]] = field(default_factory=list)  #: when a call ended, and its seconds

    def p99_ms(self, since: float, until: float) -> float:
        """The time that 99 of 100 calls took at most, of those that ended within these moments."""
        times = [seconds * 1000 for ended, seconds in self.taken if since <= ended < until]
        return statistics.quantiles(times, n=100)[98]


async def led(broker: ChildBroker) -> dict[int, set[int]]:
    """The partitions that each broker leads, by the port of its gRPC door."""
    async with osmia.Client(broker.address) as client:
        topology = await client.topology()
    return {
        int(one.address.rpartition(":")[2]): {number for number, role in one.roles.items() if role == "LEADER"}
        for one in topology.brokers
    }


async def shared(sides: list[Side]) -> None:
    """Wait until each broker leads its half, make the instances, and give each to the side that leads it."""
    begun = time.monotonic()
    found = await led(sides[0].broker)
    while [len(one) for one in found.values()] != [PARTITIONS // 2] * 2:
        assert time.monotonic() - begun < SHARED_S, found
        await asyncio.sleep(0.1)
        found = await led(sides[0].broker)
    async with osmia.Client(sides[0].broker.address) as client:
        await client.deploy(("p.bpmn", bpmn("start > ask:job > end")))
        made = [await client.create_instance("process", idempotency_key=f"{n}") for n in range(INSTANCES)]
    for side in sides:
        side.keys = [one.key for one in made if partition_of_key(one.key) in found[side.broker.ports.grpc]]
        assert side.keys, found


async def lane(side: Side, client: osmia.Client, number: int) -> None:
    """Set a variable again and again until the broker is gone."""
    with suppress(osmia.Unavailable, osmia.BrokerFailed):
        for turn in range(1_000_000):
            begun = time.monotonic()
            await client.set_variables(side.keys[(number + turn) % len(side.keys)], {"n": turn})
            ended = time.monotonic()
            side.taken.append((ended, ended - begun))


@asynccontextmanager
async def load(sides: list[Side], in_flight: int) -> AsyncIterator[None]:
    clients = [osmia.Client(side.broker.address) for side in sides]
    lanes = [
        asyncio.ensure_future(lane(side, client, number))
        for side, client in zip(sides, clients, strict=True)
        for number in range(in_flight)
    ]
    try:
        yield
    finally:
        for one in lanes:
            one.cancel()
        await asyncio.gather(*lanes, return_exceptions=True)
        for client in clients:
            with suppress(osmia.OsmiaError):
                await client.close()


async def led_again(other: Side, lost: Side, since: float) -> float:
    """Return the seconds until every partition of the *lost* side has answered through the *other* broker."""
    of_each = {partition_of_key(key): key for key in lost.keys}
    async with osmia.Client(other.broker.address) as client:
        for key in of_each.values():
            while True:
                assert time.monotonic() - since < AGAIN_S, "not led again"
                try:
                    await client.set_variables(key, {"again": True})
                    break
                except (osmia.Unavailable, osmia.BrokerFailed):
                    await asyncio.sleep(0.02)
    return time.monotonic() - since


async def one_round(
    sides: list[Side], seconds: float, in_flight: int, end: signal.Signals
) -> tuple[float, float, float]:
    """Return the p99 of the callers of the other broker before and after the death (ms), and the seconds until all is led again."""
    lost, other = sides
    await shared(sides)
    async with load(sides, in_flight):
        await asyncio.sleep(seconds)  # warm
        before = time.monotonic()
        await asyncio.sleep(seconds)
        died = time.monotonic()
        os.kill(lost.broker.pid, end)
        again_s = await led_again(other, lost, died)
        await asyncio.sleep(max(0.0, died + seconds - time.monotonic()))
    return other.p99_ms(before, died), other.p99_ms(died, died + seconds), again_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--in-flight", type=int, default=16, help="callers of each broker")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stop", action="store_true", help="stop the broker (SIGSTOP) instead of killing it")
    given = parser.parse_args()
    end = signal.SIGSTOP if given.stop else signal.SIGKILL
    found = []
    with ExitStack() as opened:
        server = newest()
        opened.callback(server.stop)
        for _ in range(given.rounds):
            folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="osmia-")))
            secret = folder / "secret"
            secret.write_text("a secret of brokers")
            flags = ("--database-url", server.new_database(), "--partitions", str(PARTITIONS))
            sides = [
                Side(ChildBroker(folder / name, flags=(*flags, "--links-secret-file", str(secret)))) for name in "ab"
            ]
            for side in sides:
                side.broker.start()
                opened.callback(side.broker.kill)
            row = asyncio.run(one_round(sides, given.seconds, given.in_flight, end))
            print("p99 of the others {:.1f} -> {:.1f} ms   led again after {:.2f} s".format(*row), flush=True)
            found.append(row)
            for side in sides:
                side.broker.kill()
    before, after, again = (statistics.median(column) for column in zip(*found, strict=True))
    print(f"medians: p99 {before:.1f} -> {after:.1f} ms, {after / before:.2f} x; led again after {again:.2f} s")


if __name__ == "__main__":
    main()
