"""What the two ways to make batches larger save a broker on SQLite: a cycle with both, with one and with none of them, by turns in one run.

    python -m bench spacing [--seconds 8] [--in-flight 64 4 1] [--rounds 3] [--ways neither linger pause both]

A batch lingers while every round of the event loop brings more commands; and after a large batch the next one waits for the callers who were
answered (`partition/pace.py`). A broker for each way runs for the whole time; the load goes to one of them at a time, ROUNDS times each, and the
first turn of each is not counted. What is told are medians.
"""

import argparse
import statistics
import tempfile
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from bench.databases import measured
from osmia_broker.loadtest.run import Report
from osmia_broker.running.child import ChildBroker

NO_LINGER, NO_PAUSE = "pace.LINGER_S = 0.0; ", "pace.MANY = 10**9; "
WAYS = {"neither": NO_LINGER + NO_PAUSE, "linger": NO_PAUSE, "pause": NO_LINGER, "both": ""}


class Paced(ChildBroker):
    """A broker that makes its batches in one of the ways."""

    def __init__(self, directory: Path, way: str) -> None:
        super().__init__(directory)
        self._way = way

    def _command(self) -> list[str]:
        python, flag, program, *words = super()._command()
        return [python, flag, f"from osmia_broker.partition import pace; {WAYS[self._way]}{program}", *words]

    def commits(self) -> tuple[float, float]:
        """Return how many commands and commits there were so far."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports.management}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        commands, commits = (
            sum(float(line.split()[-1]) for line in lines if line.startswith(f"osmia_commit_batch_commands_{name}"))
            for name in ("sum", "count")
        )
        return commands, commits


def compare(brokers: dict[str, Paced], seconds: float, in_flight: int, rounds: int) -> None:
    reports: dict[str, list[tuple[Report, float]]] = {name: [] for name in brokers}
    for turn in range(rounds + 1):
        for name, broker in brokers.items():
            before = broker.commits()
            report = measured(broker, seconds, in_flight)
            commands, commits = (now - then for now, then in zip(broker.commits(), before, strict=True))
            if turn:
                reports[name].append((report, commands / max(commits, 1)))
    alone = 0.0
    for name, several in reports.items():
        cpu, rate, p50, p99 = (
            statistics.median(getattr(one, field) for one, _ in several)
            for field in ("broker_cpu_ms_per_instance", "instances_per_s", "p50_ms", "p99_ms")
        )
        alone = alone or cpu
        size = statistics.median(commands for _, commands in several)
        print(
            f"{in_flight:>9}  {name:<8}{cpu:>13.3f}{cpu / alone:>9.2f}{size:>16.1f}{rate:>10.0f}{p50:>8.1f}{p99:>8.1f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--in-flight", type=int, nargs="+", default=[64, 4, 1])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ways", choices=WAYS, nargs="+", default=[*WAYS])
    options = parser.parse_args()
    with ExitStack() as opened:
        brokers: dict[str, Paced] = {}
        for way in options.ways:
            directory = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="osmia-")))
            brokers[way] = Paced(directory, way)
            brokers[way].start()
            opened.callback(brokers[way].stop)
        print(
            f"in flight  way     {'broker ms':>13}{'ratio':>9}{'commands/commit':>16}{'cycles/s':>10}{'p50 ms':>8}{'p99 ms':>8}"
        )
        for in_flight in options.in_flight:
            compare(brokers, options.seconds, in_flight, options.rounds)


if __name__ == "__main__":
    main()
