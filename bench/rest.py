"""Job cycles over REST beside the same over gRPC: cycles per second, and the CPU of the broker for each.

    python -m bench rest [--cycles 1920] [--rounds 5] [--in-flight 64]

One broker, a process of its own. A cycle creates an instance, hands its job out, and completes it; its three calls are `POST
/process-instances`, `/jobs/activation` (many jobs in one) and `/jobs/{key}/completion`, or those of the gateway. The doors take turns, so
their ratio can be trusted on a busy machine too; the medians of the rounds are shown. The client is bare: it takes little from the
broker's cores. The limits are 600 cycles per second, and three times the CPU of gRPC (on an idle machine of two cores).
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import msgspec

from osmia import Client
from osmia_broker.loadtest.machine import usage
from osmia_broker.running.child import ChildBroker
from tests.bpmn import bpmn

PROCESS = "cycle"
LOCK_MS = 300_000
RATIO_MAX, CYCLES_MIN = 3.0, 600


class Door(Protocol):
    """A way into the broker."""

    async def create(self) -> None:
        """Create an instance."""

    async def activate(self, jobs: int, type: str) -> list[int]:
        """Hand out up to so many jobs; return their keys."""

    async def complete(self, key: int) -> None:
        """Complete a job."""


class Grpc:
    """The gateway, through the SDK."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def create(self) -> None:
        """Create an instance."""
        await self._client.create_instance(PROCESS, {"n": 1})

    async def activate(self, jobs: int, type: str) -> list[int]:
        """Hand out up to so many jobs; return their keys."""
        found = await self._client.activate_jobs(type, worker="bench", max_jobs=jobs, timeout_ms=LOCK_MS)
        return [job.key for job in found]

    async def complete(self, key: int) -> None:
        """Complete a job."""
        await self._client.complete_job(key, {"m": 2})


class Rest:
    """The REST door, over connections that stay open."""

    def __init__(self, port: int, connections: int) -> None:
        self._port, self._number = port, connections
        self._free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        for _ in range(self._number):
            self._free.put_nowait(await asyncio.open_connection("127.0.0.1", self._port))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while not self._free.empty():
            self._free.get_nowait()[1].close()

    async def create(self) -> None:
        """Create an instance."""
        await self._ask("/process-instances", {"processDefinitionId": PROCESS, "variables": {"n": 1}})

    async def activate(self, jobs: int, type: str) -> list[int]:
        """Hand out up to so many jobs; return their keys."""
        body = {"type": type, "worker": "bench", "maxJobsToActivate": jobs, "timeout": LOCK_MS, "requestTimeout": -1}
        found = msgspec.json.decode(await self._ask("/jobs/activation", body))
        return [int(job["jobKey"]) for job in found["jobs"]]

    async def complete(self, key: int) -> None:
        """Complete a job."""
        await self._ask(f"/jobs/{key}/completion", {"variables": {"m": 2}})

    async def _ask(self, path: str, body: Any) -> bytes:
        content = msgspec.json.encode(body)
        head = (
            f"POST /v2{path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            f"content-length: {len(content)}\r\n\r\n"
        )
        connection = reader, writer = await self._free.get()
        writer.write(head.encode() + content)
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        size = answer.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        text = await reader.readexactly(int(size)) if size else b""
        self._free.put_nowait(connection)
        status = answer.split(b" ", 2)[1]
        assert status in (b"200", b"204"), f"{path}: {status!r} {text[:500]!r}"
        return text


async def cycles(door: Door, number: int, in_flight: int) -> None:
    """Carry out so many cycles, some at a time."""
    for _ in range(number // in_flight):
        await asyncio.gather(*(door.create() for _ in range(in_flight)))
        held: list[int] = []
        while len(held) < in_flight:
            held += await door.activate(in_flight - len(held), PROCESS)
        await asyncio.gather(*map(door.complete, held))


async def measured(door: Door, broker: ChildBroker, given: argparse.Namespace) -> tuple[float, float]:
    """Return the cycles per second, and the milliseconds of the broker's CPU for one."""
    number = given.cycles // given.in_flight * given.in_flight
    cpu_s, begun = usage(broker.pid).cpu_s, time.perf_counter()
    await cycles(door, number, given.in_flight)
    took_s = time.perf_counter() - begun
    return number / took_s, (usage(broker.pid).cpu_s - cpu_s) / number * 1_000


async def compare(broker: ChildBroker, given: argparse.Namespace) -> None:
    rounds: dict[str, list[tuple[float, float]]] = {"gRPC": [], "REST": []}
    async with Client(broker.address) as client:
        await client.deploy((f"{PROCESS}.bpmn", bpmn(f"start > a:job(type={PROCESS}) > end", id=PROCESS)))
        for turn in range(-1, given.rounds):
            for name in sorted(rounds, reverse=turn % 2 == 1):
                async with Rest(broker.ports.http, given.in_flight) as rest:  # anew, as an idle one is closed
                    figures = await measured(Grpc(client) if name == "gRPC" else rest, broker, given)
                if turn >= 0:  # the first turn warms up
                    rounds[name].append(figures)
    show(rounds)


def show(rounds: dict[str, list[tuple[float, float]]]) -> None:
    middle = {
        name: [statistics.median(column) for column in zip(*found, strict=True)] for name, found in rounds.items()
    }
    print(f"{'':<6}{'cycles/s':>10}{'CPU of the broker, ms':>24}")
    for name, (per_s, cpu_ms) in middle.items():
        print(f"{name:<6}{per_s:>10.0f}{cpu_ms:>24.3f}")
    ratios: Sequence[float] = [
        rest[1] / grpc[1] for rest, grpc in zip(rounds["REST"], rounds["gRPC"], strict=True) if grpc[1]
    ]
    ratio = statistics.median(ratios)
    marks = "!" if ratio > RATIO_MAX else "", "!" if middle["REST"][0] < CYCLES_MIN else ""
    print(f"REST needs {ratio:.2f}{marks[0]} times the CPU of gRPC (at most {RATIO_MAX:g})", end="; ")
    print(f"{middle['REST'][0]:.0f}{marks[1]} cycles/s (at least {CYCLES_MIN} on an idle machine)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=1_920)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--in-flight", type=int, default=64)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ChildBroker(Path(folder)) as broker:
        asyncio.run(compare(broker, given))


if __name__ == "__main__":
    main()
