"""Two processes beside one when each may use a part of a core only: the rate that a second process brings, on a machine of two cores.

    python -m bench quota [--core 0.3] [--seconds 8] [--rounds 3] [--source ../shared/loadgen]

Each process of a broker is put into a control group of its own with a quota of CPU, so the load generator and the system have the rest. Needs root and control groups
(version 1 or 2) that can be written. "a port each" is what a system without SO_REUSEPORT does; there each client is given all the ports. There are 32 cycles in
flight and 16 connections for each process.
"""

import argparse
import os
import shutil
import statistics
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench._generator import SOURCE, Target, built, load, told
from osmia_broker.base.embedded_postgres import free_port
from osmia_broker.running.child import ChildBroker

VERSION_1 = Path("/sys/fs/cgroup/cpu")
VERSION_2 = Path("/sys/fs/cgroup")
PERIOD_US = 10_000  # short, so that a process that has used its part up does not stand still for long
IN_FLIGHT = 32  # for each process
KINDS = ("one", "two, a port each", "two, one port")


class PortEach(ChildBroker):
    """A broker whose processes take the port of the first and the next one, as on a system where they cannot share one."""

    def _command(self) -> list[str]:
        program, flag, code, *words = super()._command()
        return [program, flag, f"from osmia_broker.base import ports; ports.SHARED_PORTS = False; {code}", *words]


@contextmanager
def limited(pids: list[int], core: float) -> Iterator[None]:
    """Let each of these processes use *core* of one core."""
    is_old = (VERSION_1 / "cpu.cfs_quota_us").exists()
    with ExitStack() as made:
        for pid in pids:
            group = (VERSION_1 if is_old else VERSION_2) / f"osmia-bench-{pid}"
            group.mkdir()
            made.callback(group.rmdir)
            quota = int(core * PERIOD_US)
            limits = (
                {"cpu.cfs_period_us": f"{PERIOD_US}", "cpu.cfs_quota_us": f"{quota}"}
                if is_old
                else {"cpu.max": f"{quota} {PERIOD_US}"}
            )
            for name, value in limits.items():
                (group / name).write_text(value)
            made.callback((group.parent / "cgroup.procs").write_text, f"{pid}")
            (group / "cgroup.procs").write_text(f"{pid}")
        yield


def workers_of(broker: ChildBroker) -> list[int]:
    """The processes that do the broker's work: its children where it has several, else itself."""
    children = Path(f"/proc/{broker.pid}/task/{broker.pid}/children").read_text().split()
    workers = [int(child) for child in children if "osmia_broker.running.processes" in _words_of(child)]
    return workers or [broker.pid]


def _words_of(pid: str) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")


def turn(program: Path, folder: Path, kind: str, core: float, seconds: float) -> dict[str, Any]:
    """One fresh broker of this kind, one load; print and return its row."""
    data = folder / "broker"
    flags = () if kind == "one" else ("--partitions", "2", "--processes", "2")
    each = kind == "two, a port each"
    broker = PortEach(data, grpc_port=free_port(), flags=flags) if each else ChildBroker(data, flags=flags)
    broker.start()
    try:
        workers = workers_of(broker)
        assert len(workers) == (1 if kind == "one" else 2), workers
        port = broker.ports.grpc
        addresses = [f"127.0.0.1:{port + number}" for number in range(2 if each else 1)]
        target = Target(kind, ",".join(addresses), broker.pid, data)
        scenario = ["--scenario", "cycle", "--concurrency", str(IN_FLIGHT * len(workers)), "--conns", "16"]
        with limited(workers, core):
            row = load(program, target, scenario, seconds)[-1]
        print(told(target, row), flush=True)
        return row
    finally:
        broker.stop()
        shutil.rmtree(data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--core", type=float, default=0.3)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--source", type=Path, default=SOURCE)
    given = parser.parse_args()
    if not any(os.access(place, os.W_OK) for place in (VERSION_1, VERSION_2)):
        sys.exit("Expected control groups that can be written, but found none (Linux, as root)")
    with built(given.source) as (program, folder):
        rates: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for _ in range(given.rounds):
            for kind in KINDS:
                rates[kind].append(float(turn(program, folder, kind, given.core, given.seconds)["ops_per_s"]))
    one = statistics.median(rates["one"])
    for kind in KINDS:
        print(
            f"{kind:<18}{statistics.median(rates[kind]):>8.0f} a second{statistics.median(rates[kind]) / one:>8.2f} x one"
        )


if __name__ == "__main__":
    main()
