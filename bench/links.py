"""A call that is forwarded over a link beside one that is answered here: CPU of both processes, by turns in one run.

    python -m bench links [--calls 20000] [--rounds 3] [--in-flight 64] [--bytes 100] [--tcp]

The processes are real: a front with the gRPC server of the broker, an owner behind a unix socket (or a port, with a secret), and the client. A call does nothing but come back, so the difference of the two is what lies between the processes.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from pathlib import Path
from time import process_time

from osmia_broker.links import Identity, Links, Place, TcpPlace, UnixPlace, forwarding
from osmia_broker.rpc import Call, Rpc, Shape
from osmia_broker.rpc.python_server import PythonServer

PATH = "/gateway_protocol.Gateway/CompleteJob"
MB = 1024**2
SECRET = b"a secret of the bench alone"


def rpcs() -> list[Rpc]:
    async def answer(_message: bytes, _call: Call) -> bytes:
        return b""

    async def cpu(_message: bytes, _call: Call) -> bytes:
        return b"%d" % round(process_time() * 1e6)

    return [Rpc(PATH, Shape.UNARY, answer), Rpc("/bench/Cpu", Shape.UNARY, cpu)]


def process(number: int) -> Identity:
    return Identity("bench", number, 1, 2)


def place_of(text: str) -> Place:
    host, colon, port = text.rpartition(":")
    return TcpPlace(host, int(port)) if colon else UnixPlace(Path(text))


async def owner(text: str) -> None:
    links = Links(process(2), rpcs(), secret=SECRET)
    print(await links.listen(place_of(text)), flush=True)
    await asyncio.Event().wait()


async def front(text: str) -> None:
    place = place_of(text)
    links = Links(process(1), rpcs(), secret=SECRET)
    links.dial(2, place)
    await links.wait_for([2])

    async def cpu_of_both(_message: bytes, _call: Call) -> bytes:
        return b"%d %s" % (round(process_time() * 1e6), await links.call(2, "/bench/Cpu", b""))

    served = [*forwarding(rpcs(), links, 2, lambda partition: partition), Rpc("/bench/Both", Shape.UNARY, cpu_of_both)]
    server = PythonServer(served, message_bytes_max=4 * MB)
    print(await server.start("127.0.0.1", 0), flush=True)
    await asyncio.Event().wait()


async def client(port: int, given: argparse.Namespace) -> None:
    import grpc

    from osmia_proto.methods import GATEWAY

    complete = GATEWAY["CompleteJob"].request
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        ask, both = channel.unary_unary(PATH), channel.unary_unary("/bench/Both")
        costs: dict[str, list[tuple[float, float]]] = {"local": [], "forwarded": []}

        async def lane(message: bytes, count: int) -> None:
            for _ in range(count):
                await ask(message)

        for turn in range(given.rounds + 1):
            for name, partition in (("local", 1), ("forwarded", 2)):
                message = complete(jobKey=partition << 51 | 4711, variables="x" * given.bytes).SerializeToString()
                before = [int(one) for one in (await both(b"")).split()]
                each = given.calls // given.in_flight
                await asyncio.gather(*(lane(message, each) for _ in range(given.in_flight)))
                after = [int(one) for one in (await both(b"")).split()]
                used = [(b - a) / (each * given.in_flight) for a, b in zip(before, after, strict=True)]
                if turn:  # the first one warms up
                    costs[name].append((used[0], used[1]))
                    print(f"{name:<10} front {used[0]:6.1f}  owner {used[1]:6.1f} µs CPU a call", flush=True)
    sums = {name: statistics.median(map(sum, found)) for name, found in costs.items()}
    print(
        f"local {sums['local']:.1f}, forwarded {sums['forwarded']:.1f}: {sums['forwarded'] - sums['local']:.1f} µs more a call"
    )


async def compare(given: argparse.Namespace, folder: Path) -> None:
    place = "127.0.0.1:0" if given.tcp else str(folder / "2.sock")
    command = (sys.executable, "-m", "bench.links")
    behind = await asyncio.create_subprocess_exec(*command, "--owner", place, stdout=asyncio.subprocess.PIPE)
    assert behind.stdout is not None
    place = (await behind.stdout.readline()).decode().strip()
    before = await asyncio.create_subprocess_exec(*command, "--front", place, stdout=asyncio.subprocess.PIPE)
    try:
        assert before.stdout is not None
        await client(int(await before.stdout.readline()), given)
    finally:
        for one in (before, behind):
            one.kill()
            await one.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--bytes", type=int, default=100)
    parser.add_argument("--tcp", action="store_true")
    parser.add_argument("--owner", help=argparse.SUPPRESS)
    parser.add_argument("--front", help=argparse.SUPPRESS)
    given = parser.parse_args()
    try:
        import uvloop
    except ModuleNotFoundError:
        make = None
    else:
        make = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=make if given.owner or given.front else None) as running:
        if given.owner:
            running.run(owner(given.owner))
        elif given.front:
            running.run(front(given.front))
        else:
            with tempfile.TemporaryDirectory() as folder:
                running.run(compare(given, Path(folder)))


if __name__ == "__main__":
    assert os.name == "posix", "unix sockets"
    main()
