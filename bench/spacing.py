"""What the spacing of commits saves a broker on SQLite: a cycle with and without it, by turns in one run.

    python -m bench spacing [--seconds 8] [--in-flight 64 4 1] [--rounds 3]

Two brokers run for the whole time, one of which never spaces its commits; the load goes to one of them at a time, ROUNDS times each, and the first turn of each
is not counted. What is told are medians.
"""

import argparse
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.databases import measured
from osmia_broker.loadtest.run import Report
from osmia_broker.running.child import ChildBroker

WITHOUT = "from osmia_broker.partition import pace; pace.SPACED_COMMANDS = 10**9; "


class Unspaced(ChildBroker):
    """A broker that commits as soon as it can."""

    def _command(self) -> list[str]:
        python, flag, program, *words = super()._command()
        return [python, flag, WITHOUT + program, *words]


def compare(brokers: dict[str, ChildBroker], seconds: float, in_flight: int, rounds: int) -> None:
    reports: dict[str, list[Report]] = {name: [] for name in brokers}
    for turn in range(rounds + 1):
        for name, broker in brokers.items():
            report = measured(broker, seconds, in_flight)
            if turn:
                reports[name].append(report)
    alone = statistics.median(one.broker_cpu_ms_per_instance for one in reports["without"])
    for name, several in reports.items():
        cpu, rate, p50, p99 = (
            statistics.median(getattr(one, field) for one in several)
            for field in ("broker_cpu_ms_per_instance", "instances_per_s", "p50_ms", "p99_ms")
        )
        print(
            f"{in_flight:>9}  {name:<8}{cpu:>13.3f}{cpu / alone:>9.2f}{rate:>10.0f}{p50:>8.1f}{p99:>8.1f}", flush=True
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--in-flight", type=int, nargs="+", default=[64, 4, 1])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with ExitStack() as opened:
        brokers: dict[str, ChildBroker] = {}
        for name, kind in (("without", Unspaced), ("with", ChildBroker)):
            directory = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="osmia-")))
            brokers[name] = kind(directory)
            brokers[name].start()
            opened.callback(brokers[name].stop)
        print(f"in flight  spacing {'broker ms':>13}{'ratio':>9}{'cycles/s':>10}{'p50 ms':>8}{'p99 ms':>8}")
        for in_flight in options.in_flight:
            compare(brokers, options.seconds, in_flight, options.rounds)


if __name__ == "__main__":
    main()
