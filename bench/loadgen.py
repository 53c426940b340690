"""Osmia and the floor of transport and durability under the independent Go load generator, in one run, as ratios.

    python -m bench loadgen [--seconds 8] [--only cycle,create,open,pollers,backlog,start] [--source ../shared/loadgen]

The floor (`floor/floor.py` there) is gRPC, protobuf and one durable row per instance in one Python process: no engine at all.
Needs Go for building the generator. Every load runs on loopback, bounded, against processes that this script starts and ends.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osmia_broker.child import ChildBroker

ROOT = Path(__file__).parent.parent
FLOOR_PORT = 28800
SCENARIOS: dict[str, list[list[str]]] = {
    "cycle": [
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
    "backlog": [["--scenario", "backlog", "--n", "100000", "--seconds", "240"]],  # as long as that many take
}
ALSO_ON_THE_FLOOR = ("cycle", "create", "open", "pollers")


@dataclass
class Target:
    name: str
    address: str
    pid: int
    data_dir: Path


def load(binary: Path, target: Target, arguments: list[str], seconds: float) -> list[dict[str, Any]]:
    rows = target.data_dir.parent / f"{target.name}.jsonl"
    rows.unlink(missing_ok=True)
    command = [str(binary), "--addr", target.address, "--pid", str(target.pid), "--data-dir", str(target.data_dir)]
    limits = ["--json", str(rows), "--seconds", str(seconds), "--limit", "500"]
    subprocess.run([*command, *limits, *arguments], check=False, stdout=subprocess.DEVNULL, timeout=600)
    return [json.loads(line) for line in rows.read_text().splitlines()]


def told(target: Target, row: dict[str, Any]) -> str:
    latency = row.get("latency") or {}
    quick = latency.get("e2e") or latency.get("create") or latency.get("create to job") or {}
    extra = row.get("extra") or {}
    interesting = ("broker_cpu_ms_per_s", "disk_allocated_per_instance", "rss_growth_per_instance")
    more = "  ".join(f"{name}={extra[name]}" for name in interesting if name in extra)
    wrong = "" if row.get("verify", {}).get("ok", True) else "  CHECK FAILED"
    return (
        f"{row['scenario'] + ' ' + str(row.get('variant', '')):<44}{target.name:<7}{row.get('ops_per_s') or 0:>9.1f}/s"
        f"{row.get('broker_cpu_ms_per_op') or 0:>8.3f} ms CPU{quick.get('p50_ms', 0):>8.1f}{quick.get('p99_ms', 0):>8.1f} ms"
        f"{(row.get('rss_bytes') or 0) / 1e6:>7.0f} MB  others {row.get('other_cores_busy', 0):+.2f}  {more}{wrong}"
    )


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


def memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1e3


def starts(folder: Path) -> None:
    """Time to ready of an empty broker, and of one with many waiting after kill -9."""
    for name in ("empty", "osmia"):
        broker = ChildBroker(folder / name)
        seconds = broker.start()
        time.sleep(1)
        print(
            f"{'start, ' + name + ' data directory':<44}osmia  ready in {seconds:.2f} s, {memory_mb(broker.pid):.0f} MB"
        )
        broker.kill()


def compare(binary: Path, source: Path, folder: Path, chosen: list[str], seconds: float) -> None:
    broker = ChildBroker(folder / "osmia")
    broker.start()
    osmia = Target("osmia", broker.address, broker.pid, folder / "osmia")
    with the_floor(source, folder) as floor:
        for name in (one for one in chosen if one in SCENARIOS):
            for arguments in SCENARIOS[name]:
                cost = {}
                for target in (floor, osmia) if name in ALSO_ON_THE_FLOOR and "stream" not in arguments else (osmia,):
                    for row in load(binary, target, arguments, seconds):
                        print(told(target, row), flush=True)
                        cost.setdefault(target.name, row.get("broker_cpu_ms_per_op") or 0)
                if len(cost) == 2 and cost["floor"]:
                    print(f"{'':<44}CPU {cost['osmia'] / cost['floor']:.2f} x the floor")
    broker.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--only", default=",".join([*SCENARIOS, "start"]))
    parser.add_argument("--source", type=Path, default=ROOT.parent / "shared" / "loadgen")
    given = parser.parse_args()
    if not given.source.exists() or shutil.which("go") is None:
        sys.exit(
            f"Expected the load generator's source at {given.source} and Go to build it, but found one of them missing"
        )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shutil.copytree(given.source, folder / "source")
        binary = folder / "loadgen"
        subprocess.run(["go", "build", "-o", str(binary), "."], cwd=folder / "source", check=True)
        chosen = given.only.split(",")
        compare(binary, given.source, folder, chosen, given.seconds)
        if "start" in chosen:
            starts(folder)


if __name__ == "__main__":
    main()
