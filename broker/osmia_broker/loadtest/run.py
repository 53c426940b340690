"""Run a load test from start to report: deploy, start the lanes together, measure, wait, check the books."""

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

import msgspec

from osmia import SyncClient
from osmia_broker.loadtest import lane, machine
from osmia_broker.loadtest.books import Balance, check
from osmia_broker.loadtest.plan import Books, Plan, model

PAGE = 1_000
READY_S = 30.0
LANE_S = 3 * lane.DRAIN_S  # beyond the load itself, until a lane must have sent its books

Progress = Callable[[float, int], None]  #: (seconds since the start, instances completed so far)


class LaneFailed(Exception):
    """A client process ended without its books."""


class Report(msgspec.Struct):
    """The figures of a load test. Milliseconds unless the name says else; 0 where it could not be measured."""

    instances: int  #: created, completed, and acknowledged
    instances_per_s: float  #: completed while the load ran, by its seconds
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    broker_cpu_ms_per_instance: float
    broker_rss_mb: float
    bytes_per_instance: float  #: growth of the data directory
    busy: int  #: answers RESOURCE_EXHAUSTED, which were repeated
    shed: int  #: arrivals that the open loop dropped
    errors: dict[str, int]
    holds: bool  #: every acknowledged instance ended exactly once
    faults: list[str]


def run(plan: Plan, *, pid: int, data_dir: Path | None, progress: Progress) -> Report:
    """Carry out *plan*. *pid* is the broker's process, *data_dir* its data directory; 0 and `None` when unknown.

    Raises:
        OsmiaError: the broker refused the deployment, or cannot be reached.
        LaneFailed: a client process died.
    """
    with SyncClient(plan.address) as client:
        client.deploy(*((f"{plan.process_id(one)}.bpmn", model(plan.process_id(one))) for one in range(plan.lanes)))
        stored = machine.bytes_on_disk(data_dir) if data_dir else 0
        before = machine.usage(pid) if pid else machine.Usage()
        books = _lanes(plan, progress)
        after = machine.usage(pid) if pid else machine.Usage()
        grown = machine.bytes_on_disk(data_dir) - stored if data_dir else 0
        balance = check(books, _states(client, plan))
    return _report(plan, books, balance, cpu_s=after.cpu_s - before.cpu_s, rss_bytes=after.rss_bytes, grown=grown)


def percentile(ascending: list[float], share: float) -> float:
    """Return the smallest value that at least *share* (0 to 1) of the values do not exceed; 0 without values."""
    if not ascending:
        return 0.0
    rank = -(-share * len(ascending) // 1)  # rounded up
    return ascending[max(int(rank), 1) - 1]


def _lanes(plan: Plan, progress: Progress) -> list[Books]:
    """Run all lanes, from the common start to the last books."""
    context = multiprocessing.get_context("spawn")  # a fork would share gRPC's threads
    pipes: list[Connection] = []
    processes: list[SpawnProcess] = []
    for number in range(plan.lanes):
        ours, theirs = context.Pipe()
        process = context.Process(target=lane.main, args=(plan, number, theirs), daemon=True)
        process.start()
        theirs.close()  # so that a lane that dies closes its pipe
        pipes.append(ours)
        processes.append(process)
    try:
        for pipe in pipes:
            _receive(pipe, READY_S)
        for pipe in pipes:
            pipe.send("go")
        return _collect(plan, pipes, progress)
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _collect(plan: Plan, pipes: list[Connection], progress: Progress) -> list[Books]:
    """Add up the progress of the lanes until each has sent its books, and return the books."""
    started = time.monotonic()
    completed = dict.fromkeys(pipes, 0)  # by the lanes that have not sent their books yet
    books: list[Books] = []
    while completed:
        passed = time.monotonic() - started
        if passed > plan.seconds + LANE_S:
            raise LaneFailed(f"Expected the books of {len(completed)} more client processes, but found none in time")
        for pipe in wait(list(completed), timeout=lane.REPORT_S):
            assert isinstance(pipe, Connection)
            message = _receive(pipe, 0)
            if isinstance(message, Books):
                books.append(message)
                del completed[pipe]
            else:
                completed[pipe] = message
        progress(passed, sum(completed.values()) + sum(len(one.completed) for one in books))
    return books


def _receive(pipe: Connection, timeout_s: float) -> "Books | int":
    if not pipe.poll(timeout_s):
        raise LaneFailed(f"Expected a client process to be ready in {timeout_s:g} s, but it was not")
    try:
        message: Books | int = pipe.recv()
    except EOFError:
        raise LaneFailed("Expected a client process to send its books, but it ended") from None
    return message


def _states(client: SyncClient, plan: Plan) -> dict[int, str]:
    """Return the state of every instance of the run, as the broker lists it."""
    states: dict[int, str] = {}
    for number in range(plan.lanes):
        after = ""
        while True:
            page = client.search_instances(bpmn_process_id=plan.process_id(number), limit=PAGE, after=after)
            states.update((one.key, str(one.state)) for one in page.items)
            after = page.next
            if not after:
                break
    return states


def _report(plan: Plan, books: list[Books], balance: Balance, *, cpu_s: float, rss_bytes: int, grown: int) -> Report:
    latencies = sorted(seconds * 1000 for one in books for seconds in one.latencies)
    done = len(latencies)
    errors: dict[str, int] = {}
    for text, count in (item for one in books for item in one.errors.items()):
        errors[text] = errors.get(text, 0) + count
    return Report(
        instances=done,
        instances_per_s=round(sum(one.in_time for one in books) / plan.seconds, 1),
        p50_ms=round(percentile(latencies, 0.50), 2),
        p95_ms=round(percentile(latencies, 0.95), 2),
        p99_ms=round(percentile(latencies, 0.99), 2),
        max_ms=round(latencies[-1], 2) if latencies else 0.0,
        broker_cpu_ms_per_instance=round(cpu_s * 1000 / done, 3) if done else 0.0,
        broker_rss_mb=round(rss_bytes / 1e6, 1),
        bytes_per_instance=round(grown / done, 1) if done else 0.0,
        busy=sum(one.busy for one in books),
        shed=sum(one.shed for one in books),
        errors=errors,
        holds=balance.holds and done > 0,
        faults=balance.faults or ([] if done else ["no instance was completed"]),
    )
