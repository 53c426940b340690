"""The two gRPC servers of the broker under the load generator, by turns in one run, as ratios of CPU and rate.

    python -m bench servers [--seconds 8] [--rounds 3] [--only cycle,cycle-128,stream,create,open,pollers] [--source ../shared/loadgen]

Each turn is a fresh broker on an empty directory. Ratios survive a busy machine; rates do not: see "others", the cores that others kept busy.
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

from bench._generator import SOURCE, built, turn

SERVERS = ("grpcio", "python")
SCENARIOS = {
    "cycle": ["--scenario", "cycle", "--concurrency", "64"],
    "cycle-128": ["--scenario", "cycle", "--concurrency", "128"],
    "stream": ["--scenario", "cycle", "--worker-mode", "stream", "--concurrency", "64"],
    "create": ["--scenario", "create", "--concurrency", "16"],
    "open": ["--scenario", "cycle", "--rate", "100"],
    "pollers": ["--scenario", "pollers", "--n", "500"],
}


def cost(row: dict[str, Any]) -> float:
    """CPU of the broker in ms: of one operation, or of a second where the load is only waiting."""
    extra = row.get("extra") or {}
    return float(extra.get("broker_cpu_ms_per_s") or row.get("broker_cpu_ms_per_op") or 0)


def compare(program: Path, folder: Path, scenario: str, seconds: float, rounds: int) -> None:
    rows: dict[str, list[dict[str, Any]]] = {server: [] for server in SERVERS}
    for _ in range(rounds):
        for server in SERVERS:
            rows[server].append(turn(program, folder, server, ["--grpc-server", server], SCENARIOS[scenario], seconds))
    costs = {server: statistics.median(map(cost, rows[server])) for server in SERVERS}
    rates = {server: statistics.median(float(row.get("ops_per_s") or 0) for row in rows[server]) for server in SERVERS}
    before, after = SERVERS
    print(
        f"{scenario:<12} CPU {costs[before]:.3f} -> {costs[after]:.3f} ms: {costs[after] / (costs[before] or 1):.2f} x   "
        f"rate {rates[before]:.0f} -> {rates[after]:.0f} a second: {rates[after] / (rates[before] or 1):.2f} x\n",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="cycle,cycle-128,stream,create")
    parser.add_argument("--source", type=Path, default=SOURCE)
    given = parser.parse_args()
    with built(given.source) as (program, folder):
        for scenario in given.only.split(","):
            compare(program, folder, scenario, given.seconds, given.rounds)


if __name__ == "__main__":
    main()
