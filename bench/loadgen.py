"""Osmia and the floor of transport and durability under the independent Go load generator, in one run, as ratios.

    python -m bench loadgen [--seconds 8] [--source ../shared/loadgen]
        [--only cycle,create,open,pollers,two-task,withresult,message,timer,backlog,start]

The floor (`floor/floor.py` there) is gRPC, protobuf and one durable row per instance in one Python process: no engine at all.
Needs Go for building the generator. Every load runs on loopback, bounded, against processes that this script starts and ends.
"""

import argparse
import compileall
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import osmia_broker
from bench._generator import SOURCE, Target, built, load, told
from osmia_broker.loadtest.machine import usage
from osmia_broker.running.child import ChildBroker

FLOOR_PORT = 28800
SCENARIOS: dict[str, list[list[str]]] = {
    "cycle": [
        ["--scenario", "cycle", "--concurrency", "16"],  # as two-task and withresult, which are measured by it
        ["--scenario", "cycle", "--concurrency", "64"],
        ["--scenario", "cycle", "--concurrency", "128"],
        ["--scenario", "cycle", "--worker-mode", "stream", "--concurrency", "64"],
    ],
    "create": [["--scenario", "create", "--concurrency", "16"]],
    "open": [
        ["--scenario", "cycle", "--rate", "100"],
        ["--scenario", "cycle", "--rate", "100", "--worker-mode", "stream"],
    ],
    "pollers": [["--scenario", "pollers", "--n", "500"]],
    "two-task": [["--scenario", "two-task", "--concurrency", "16"]],
    "withresult": [["--scenario", "withresult", "--concurrency", "1,16"]],
    "message": [["--scenario", "message", "--n", "5000"]],
    "timer": [["--scenario", "timer", "--n", "5000", "--seconds", "20"]],  # its latency is lateness
    "backlog": [["--scenario", "backlog", "--n", "100000", "--seconds", "240"]],  # as long as that many take
}
ALSO_ON_THE_FLOOR = ("cycle", "create", "open", "pollers")


@contextmanager
def the_floor(source: Path, folder: Path) -> Iterator[Target]:
    data = folder / "floor"
    data.mkdir()
    program = [
        sys.executable,
        str(source / "floor" / "floor.py"),
        "--port",
        str(FLOOR_PORT),
        "--db",
        str(data / "floor.db"),
    ]
    process = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(2)
        yield Target("floor", f"127.0.0.1:{FLOOR_PORT}", process.pid, data)
    finally:
        process.terminate()
        process.wait(10)


def starts(folder: Path) -> None:
    """Time to ready of an empty broker, and of one with many waiting after kill -9: of compiled modules, as an installed broker has them."""
    compileall.compile_dir(Path(osmia_broker.__file__).parent, quiet=1)
    for name in ("empty", "osmia"):
        broker = ChildBroker(folder / name)
        seconds = broker.start()
        time.sleep(1)
        print(
            f"{'start, ' + name + ' data directory':<44}osmia  ready in {seconds:.2f} s, {usage(broker.pid).rss_bytes / 1e6:.0f} MB"
        )
        broker.kill()


def compare(program: Path, source: Path, folder: Path, chosen: list[str], seconds: float) -> None:
    broker = ChildBroker(folder / "osmia")
    broker.start()
    osmia = Target("osmia", broker.address, broker.pid, folder / "osmia")
    with the_floor(source, folder) as floor:
        for name in (one for one in chosen if one in SCENARIOS):
            for arguments in SCENARIOS[name]:
                cost = {}
                for target in (floor, osmia) if name in ALSO_ON_THE_FLOOR and "stream" not in arguments else (osmia,):
                    for row in load(program, target, arguments, seconds):
                        print(told(target, row), flush=True)
                        cost.setdefault(target.name, row.get("broker_cpu_ms_per_op") or 0)
                if len(cost) == 2 and cost["floor"]:
                    print(f"{'':<44}CPU {cost['osmia'] / cost['floor']:.2f} x the floor")
    broker.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--only", default=",".join([*SCENARIOS, "start"]))
    parser.add_argument("--source", type=Path, default=SOURCE)
    given = parser.parse_args()
    chosen = given.only.split(",")
    with built(given.source) as (program, folder):
        compare(program, given.source, folder, chosen, given.seconds)
        if "start" in chosen:
            starts(folder)


if __name__ == "__main__":
    main()
