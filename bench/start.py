"""A fresh broker: CPU and time until its doors are open, and its memory a second later; beside that of another checkout.

    python -m bench start [--turns 7] [--against ../osmia-before]

The brokers take turns. Time and CPU are the least of all turns, because other work only adds to them; the memory is the median. The modules are compiled
first, as those of an installed broker are.
"""

import argparse
import compileall
import os
import statistics
import tempfile
import time
from pathlib import Path

from osmia_broker.loadtest.machine import usage
from osmia_broker.running.child import ChildBroker

PARTS = ("client", "broker", "proto")
CALM_S = 1.0


def turn(checkout: Path) -> tuple[float, float, float]:
    """Start a broker of *checkout*; return its seconds to ready, its CPU seconds until then, and its MB."""
    os.environ["PYTHONPATH"] = os.pathsep.join(str(checkout / one) for one in PARTS)
    with tempfile.TemporaryDirectory() as folder:
        broker = ChildBroker(Path(folder) / "data")
        try:
            seconds = broker.start()
            cpu_s = usage(broker.pid).cpu_s
            time.sleep(CALM_S)
            return seconds, cpu_s, usage(broker.pid).rss_bytes / 1e6
        finally:
            broker.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--against", type=Path)
    given = parser.parse_args()
    checkouts = {"this": Path(__file__).parent.parent}
    if given.against is not None:
        checkouts["other"] = given.against.resolve()
    for checkout in checkouts.values():
        for one in PARTS:
            compileall.compile_dir(checkout / one, quiet=1)
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in checkouts}
    for _ in range(given.turns):
        for name, checkout in checkouts.items():
            found[name].append(turn(checkout))
    for name, turns in found.items():
        seconds, cpu_s, memory_mb = zip(*turns, strict=True)
        print(
            f"{name:<6} ready in {min(seconds):.2f} s, {min(cpu_s):.2f} s CPU; then {statistics.median(memory_mb):.1f} MB"
        )


if __name__ == "__main__":
    main()
