"""`osmia bench`: measure the load that a broker carries, and check that no instance was lost or completed twice."""

import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from osmia_broker.base.counted import counted
from osmia_broker.base.whole_numbers import INT32_MAX
from osmia_broker.cli.failures import Exit, Failure, from_call, from_child
from osmia_broker.cli.output import Output
from osmia_broker.cli.progress import progress_bar
from osmia_broker.cli.session import Session, with_session
from osmia_broker.cli.times import duration_option

if TYPE_CHECKING:
    from osmia_broker.loadtest.plan import Plan
    from osmia_broker.loadtest.run import Progress, Report

app = typer.Typer(add_completion=False)

SECONDS = timedelta(seconds=10)


@app.command()
@with_session
def bench(
    session: Session,
    seconds: Annotated[timedelta, duration_option("--for", help="How long", default=SECONDS)] = SECONDS,
    in_flight: Annotated[
        int, typer.Option(min=1, max=100_000, help="Closed loop: this many unfinished at any time.")
    ] = 64,
    rate: Annotated[
        float,
        typer.Option(min=0, max=1_000_000, help="Open loop: this many a second, even if the broker falls behind."),
    ] = 0,
    clients: Annotated[int, typer.Option(min=1, max=64, help="Client processes.")] = 2,
    workers: Annotated[int, typer.Option(min=1, max=10_000, help="Polls or streams open at a time.")] = 4,
    batch: Annotated[int, typer.Option(min=1, max=INT32_MAX, help="Jobs that a poll asks for.")] = 32,
    is_streaming: Annotated[
        bool, typer.Option("--stream", help="Workers stream their jobs instead of polling.")
    ] = False,
    pid: Annotated[
        int, typer.Option(min=0, help="The broker's process id, to measure it.", metavar="PID", show_default=False)
    ] = 0,
    data_dir: Annotated[Path | None, typer.Option(metavar="DIR", help="The broker's data, to measure it.")] = None,
    seed: Annotated[int, typer.Option(help="For the arrivals of the open loop.")] = 1,
) -> None:
    """Create, work off and check process instances, on a broker of its own unless --address is given.

    Example: osmia bench --for 10s --in-flight 64
    """
    from osmia_broker.loadtest.plan import Plan, WorkerMode

    with _target(session, pid, data_dir) as target:
        plan = Plan(
            address=target.address,
            run=secrets.token_hex(4),
            seconds=seconds.total_seconds(),
            lanes=min(clients, in_flight),
            in_flight=in_flight,
            rate=rate,
            mode=WorkerMode.STREAM if is_streaming else WorkerMode.POLL,
            workers=workers,
            batch=batch,
            seed=seed,
        )
        report = _run(session, plan, target)
    _print(session, plan, report)
    if not report.holds:
        raise Failure(Exit.DEFECT, "The books do not balance.", why="; ".join(report.faults), code="BOOKS")


@dataclass(frozen=True, slots=True)
class Target:
    """The broker under load."""

    address: str
    pid: int
    data_dir: Path | None


@contextmanager
def _target(session: Session, pid: int, data_dir: Path | None) -> Iterator[Target]:
    """Use the broker that `--address` names; without it, run one that ends with the test."""
    from osmia_broker.running.child import ChildBroker, NotStarted

    if session.address:
        yield Target(session.address, pid, data_dir)
        return
    with tempfile.TemporaryDirectory(prefix="osmia-bench-", ignore_cleanup_errors=True) as directory:
        broker = ChildBroker(Path(directory))
        try:
            took = broker.start()
        except NotStarted as error:
            raise from_child(error.exit_code, str(error)) from error
        session.say(f"A broker of its own, ready in {took:.1f} s: gRPC {broker.address}, data {directory}")
        try:
            yield Target(broker.address, broker.pid, Path(directory))
        finally:
            broker.stop()


def _run(session: Session, plan: "Plan", target: Target) -> "Report":
    from osmia.errors import OsmiaError
    from osmia_broker.loadtest.run import LaneFailed, run

    with _bar(session, plan.seconds) as progress:
        try:
            return run(plan, pid=target.pid, data_dir=target.data_dir, progress=progress)
        except OsmiaError as error:
            raise from_call(error, target.address) from error
        except LaneFailed as error:
            raise Failure(Exit.DEFECT, f"{error}.", mend="osmia status") from error


@contextmanager
def _bar(session: Session, seconds: float) -> "Iterator[Progress]":
    """Show the seconds, the completed instances and their rate on a terminal; elsewhere nothing."""
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("load"),
        BarColumn(),
        TextColumn("{task.fields[done]} done, {task.fields[rate]:.0f}/s"),
        TimeRemainingColumn(),
    )
    with progress_bar(session, *columns) as bar:
        task = bar.add_task("load", total=seconds, done=0, rate=0.0)
        yield lambda passed, done: bar.update(
            task, completed=min(passed, seconds), done=done, rate=done / max(passed, 0.001)
        )


def _print(session: Session, plan: "Plan", report: "Report") -> None:
    if session.output not in (Output.TABLE, Output.WIDE):
        document = {"plan": msgspec.to_builtins(plan), **msgspec.to_builtins(report)}
        sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
        return
    load = f"{plan.rate:g}/s open loop" if plan.rate else f"{plan.in_flight} in flight"
    lines = {
        "load": f"{load}, {counted(plan.lanes, 'client')}, {counted(plan.workers, 'worker')} ({plan.mode}), {plan.seconds:g} s",
        "instances": f"{report.instances}, {report.instances_per_s:g}/s",
        "latency ms": f"p50 {report.p50_ms}  p95 {report.p95_ms}  p99 {report.p99_ms}  max {report.max_ms}",
        "broker CPU": f"{report.broker_cpu_ms_per_instance} ms an instance"
        if report.broker_cpu_ms_per_instance
        else "?",
        "memory": f"{report.broker_rss_mb} MB" if report.broker_rss_mb else "?",
        "disk": f"{report.bytes_per_instance} bytes an instance" if report.bytes_per_instance else "?",
        "turned away": f"{report.busy} calls, {report.shed} arrivals",
        "check": "every acknowledged instance ended exactly once" if report.holds else "FAILED",
        **{f"error x{count}": text for text, count in report.errors.items()},
    }
    for name, value in lines.items():
        sys.stdout.write(f"  {name:<12} {value}\n")
