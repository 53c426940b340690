"""A broker with two partitions in one process, and in two, beside one partition: CPU and rate under the load generator, by turns in one run.

    python -m bench processes [--seconds 8] [--rounds 3] [--only cycle,stream,create,withresult] [--source ../shared/loadgen]

The CPU is that of all processes together: what several processes cost for their ways to each other. What they gain shows only where there are more cores than the
load and one process need. The connections of the generator (16) are spread over the processes by the system, so half of the calls are for a partition elsewhere.
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

from bench._generator import SOURCE, built, turn

KINDS = {
    "1": [],
    "2in1": ["--partitions", "2"],
    "2in2": ["--partitions", "2", "--processes", "2"],
}
SCENARIOS = {
    "cycle": ["--scenario", "cycle", "--concurrency", "64"],
    "stream": ["--scenario", "cycle", "--worker-mode", "stream", "--concurrency", "64"],
    "create": ["--scenario", "create", "--concurrency", "16"],
    "withresult": ["--scenario", "withresult", "--concurrency", "16"],
}


def compare(program: Path, folder: Path, scenario: str, seconds: float, rounds: int) -> None:
    rows: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    for _ in range(rounds):
        for kind, flags in KINDS.items():
            rows[kind].append(turn(program, folder, kind, flags, [*SCENARIOS[scenario], "--conns", "16"], seconds))
    costs = {
        kind: statistics.median(float(row.get("broker_cpu_ms_per_op") or 0) for row in rows[kind]) for kind in KINDS
    }
    rates = {kind: statistics.median(float(row.get("ops_per_s") or 0) for row in rows[kind]) for kind in KINDS}
    for kind in KINDS:
        print(
            f"{scenario:<12} {kind:<5} CPU {costs[kind]:.3f} ms: {costs[kind] / (costs['1'] or 1):.2f} x one partition   "
            f"rate {rates[kind]:.0f} a second: {rates[kind] / (rates['1'] or 1):.2f} x",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="cycle,stream,create,withresult")
    parser.add_argument("--source", type=Path, default=SOURCE)
    given = parser.parse_args()
    with built(given.source) as (program, folder):
        for scenario in given.only.split(","):
            compare(program, folder, scenario, given.seconds, given.rounds)


if __name__ == "__main__":
    main()
