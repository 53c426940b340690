"""A broker under load for minutes: whether its memory, its file descriptors and its books stay right.

    python -m bench soak [--minutes 10] [--round-seconds 20] [--rate CYCLES] [--server python] [--source ../shared/loadgen]

Each round plays user-task cycles by polls, then by job streams, then leaves the broker alone for a moment and looks at it. With --rate so
many cycles begin each second, so that a soak of hours can run beside other work; without it, 32 are always in flight. The first rounds warm it
up; the exit status is 1 if a check of the generator fails, if memory grows from round to round, or if descriptors do.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import NamedTuple

from bench._generator import SOURCE, Target, built, load
from osmia_broker.running.child import ChildBroker

LOADS = (["--scenario", "cycle"], ["--scenario", "cycle", "--worker-mode", "stream"])
REST_S = 2.0  # connections of the generator are closed by then
WARM_ROUNDS = 3
DESCRIPTORS_MORE_MAX = 5
GROWTH_SHARE_MAX = 0.10  # of memory over all rounds: finished instances stay in the file, not in memory


class Look(NamedTuple):
    """What is seen of the broker between two rounds."""

    memory_mb: float
    descriptors: int
    threads: int


def look(pid: int) -> Look:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return Look(int(status["VmRSS"].split()[0]) / 1e3, descriptors, int(status["Threads"]))


def rounds(program: Path, target: Target, pace: list[str], minutes: float, seconds: float) -> tuple[list[Look], int]:
    """Play until the time is over; return what was seen after each round, and how many checks of books failed."""
    looks: list[Look] = []
    failed = 0
    until = time.monotonic() + minutes * 60
    while time.monotonic() < until or len(looks) <= WARM_ROUNDS:
        rows = [row for arguments in LOADS for row in load(program, target, [*arguments, *pace], seconds)]
        failed += sum(not row.get("verify", {}).get("ok", True) for row in rows)
        time.sleep(REST_S)
        looks.append(look(target.pid))
        cost = "  ".join(f"{row.get('broker_cpu_ms_per_op') or 0:.3f} ms CPU" for row in rows)
        seen = looks[-1]
        print(
            f"round {len(looks):>4}  {seen.memory_mb:>6.0f} MB  {seen.descriptors:>4} descriptors  {seen.threads} threads"
            f"  {cost}{f'  {failed} CHECKS FAILED' if failed else ''}",
            flush=True,
        )
    return looks, failed


def faults(looks: list[Look], failed: int) -> list[str]:
    """What is wrong with a run: its first half after the warm-up compared with its second."""
    steady = looks[WARM_ROUNDS:]
    half = max(len(steady) // 2, 1)
    before, after = (statistics.median(one.memory_mb for one in part) for part in (steady[:half], steady[-half:]))
    found = [f"{failed} checks of books failed"] if failed else []
    if after > before * (1 + GROWTH_SHARE_MAX):
        found.append(f"memory grew from {before:.0f} to {after:.0f} MB")
    if steady[-1].descriptors > steady[0].descriptors + DESCRIPTORS_MORE_MAX:
        found.append(f"descriptors grew from {steady[0].descriptors} to {steady[-1].descriptors}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--round-seconds", type=float, default=20)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--server", choices=["python", "grpcio"], default="python")
    parser.add_argument("--source", type=Path, default=SOURCE)
    given = parser.parse_args()
    pace = ["--rate", str(given.rate)] if given.rate else ["--concurrency", "32"]
    with built(given.source) as (program, folder):
        broker = ChildBroker(folder / "osmia", flags=["--grpc-server", given.server])
        broker.start()
        try:
            target = Target("osmia", broker.address, broker.pid, folder / "osmia")
            looks, failed = rounds(program, target, pace, given.minutes, given.round_seconds)
        finally:
            broker.stop()
    found = faults(looks, failed)
    print("\n".join(found) or f"{len(looks)} rounds: memory, descriptors and books stayed right")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
