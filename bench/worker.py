"""How fast a worker takes jobs off a backlog, and what it costs: ours with a limit of 32, ours and pyzeebe without a limit.

    python bench/worker.py                              against the scripted gateway of the tests (no engine, no disk)
    python bench/worker.py --address 127.0.0.1:26500    against a broker that runs

Each contender is a process of its own that works off JOBS jobs of a backlog made before it starts, in turns, ROUNDS times;
the medians are printed. A job's handler adds one to a number. CPU is that of the worker process from the first job to the
last acknowledged completion. pyzeebe's own default, a limit of 32, sleeps 5 s whenever it is reached, so it is measured with few jobs.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

from osmia import Client, Worker

TYPE = "worker-bench"
MODEL = f"""<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"
    targetNamespace="http://osmia/bench">
  <bpmn:process id="{TYPE}" isExecutable="true">
    <bpmn:startEvent id="start"><bpmn:outgoing>go</bpmn:outgoing></bpmn:startEvent>
    <bpmn:sequenceFlow id="go" sourceRef="start" targetRef="work"/>
    <bpmn:serviceTask id="work">
      <bpmn:extensionElements><zeebe:taskDefinition type="{TYPE}"/></bpmn:extensionElements>
      <bpmn:incoming>go</bpmn:incoming><bpmn:outgoing>done</bpmn:outgoing>
    </bpmn:serviceTask>
    <bpmn:sequenceFlow id="done" sourceRef="work" targetRef="end"/>
    <bpmn:endEvent id="end"><bpmn:incoming>done</bpmn:incoming></bpmn:endEvent>
  </bpmn:process>
</bpmn:definitions>
"""
UNLIMITED = 1_000_000
CREATES_AT_A_TIME = 64
PYZEEBE_DEFAULT_JOBS = 96  # three times its limit: some 15 s


class Count:
    """Acknowledged completions. The first call of the handler starts the clocks, the last acknowledgement stops them."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self.seen = 0
        self.started = 0.0
        self.all_seen = asyncio.Event()

    def begin(self) -> None:
        """A handler was called."""
        if not self.started:
            self.started, self.cpu_started = time.perf_counter(), time.process_time()

    def watch(self, calls: Any) -> None:
        """Count the completions that come back through `calls.complete_job`."""
        complete = calls.complete_job

        async def counted(*args: Any, **options: Any) -> Any:
            answer = await complete(*args, **options)
            self.seen += 1
            if self.seen == self.jobs:
                self.ended, self.cpu_ended = time.perf_counter(), time.process_time()
                self.all_seen.set()
            return answer

        calls.complete_job = counted

    def figures(self) -> dict[str, float]:
        """What is compared."""
        return {
            "jobs_per_s": self.jobs / (self.ended - self.started),
            "cpu_ms_per_job": 1000 * (self.cpu_ended - self.cpu_started) / self.jobs,
        }


async def ours(address: str, count: Count, *, max_jobs: int, stream: bool = False) -> None:
    async with Client(address) as client:
        count.watch(client)
        worker = Worker(client, max_jobs=max_jobs, stream=stream, grace_ms=60_000)

        @worker.job(TYPE)
        async def add_one(n: int) -> dict[str, int]:
            count.begin()
            return {"m": n + 1}

        async with worker:
            await count.all_seen.wait()


async def pyzeebe(address: str, count: Count, *, max_jobs: int) -> None:
    from pyzeebe import ZeebeWorker, create_insecure_channel

    worker = ZeebeWorker(create_insecure_channel(grpc_address=address))
    count.watch(worker.zeebe_adapter)

    @worker.task(task_type=TYPE, timeout_ms=60_000, max_jobs_to_activate=32, max_running_jobs=max_jobs)
    async def add_one(n: int) -> dict[str, int]:
        count.begin()
        return {"m": n + 1}

    working = asyncio.create_task(worker.work())
    await count.all_seen.wait()
    await worker.stop()
    with contextlib.suppress(asyncio.CancelledError):
        await working


Contender = Callable[[str, Count], Coroutine[Any, Any, None]]
CONTENDERS: dict[str, Contender] = {
    "osmia-32": lambda address, count: ours(address, count, max_jobs=32),
    "osmia-unlimited": lambda address, count: ours(address, count, max_jobs=UNLIMITED),
    "osmia-32-stream": lambda address, count: ours(address, count, max_jobs=32, stream=True),
    "pyzeebe-unlimited": lambda address, count: pyzeebe(address, count, max_jobs=UNLIMITED),
    "pyzeebe-32": lambda address, count: pyzeebe(address, count, max_jobs=32),
}


async def make_backlog(address: str, jobs: int) -> None:
    """Deploy the process and start *jobs* instances of it."""
    numbers = iter(range(jobs))

    async def create(client: Client) -> None:
        for n in numbers:
            await client.create_instance(TYPE, {"n": n, "note": "x" * 64})

    async with Client(address) as client:
        await client.deploy((f"{TYPE}.bpmn", MODEL.encode()))
        await asyncio.gather(*(create(client) for _ in range(CREATES_AT_A_TIME)))


def measure(contender: str, address: str, jobs: int) -> dict[str, float]:
    """The figures of one contender on a fresh backlog, in a process of its own."""
    asyncio.run(make_backlog(address, jobs))
    command = [sys.executable, __file__, "--contender", contender, "--address", address, "--jobs", str(jobs)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise SystemExit(f"Expected {contender} to finish, but found exit {done.returncode}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


@contextlib.contextmanager
def gateway(address: str | None) -> Iterator[str]:
    """The gateway at *address*, or a scripted one for as long as this lasts."""
    if address:
        yield address
        return
    script = Path(__file__).parents[1] / "tests" / "client" / "scripted_gateway.py"
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def compare(address: str | None, jobs: int, rounds: int, names: list[str]) -> None:
    results: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    with gateway(address) as found:
        for turn in range(rounds):
            for name in names:
                if name == "pyzeebe-32" and turn:
                    continue
                results[name].append(measure(name, found, PYZEEBE_DEFAULT_JOBS if name == "pyzeebe-32" else jobs))
                print(f"round {turn + 1}  {name:18} {results[name][-1]['jobs_per_s']:7.0f} jobs/s", file=sys.stderr)
    for name, figures in results.items():
        rate = statistics.median(each["jobs_per_s"] for each in figures)
        cpu = statistics.median(each["cpu_ms_per_job"] for each in figures)
        print(f"{name:18} {rate:7.0f} jobs/s  {cpu:6.3f} ms CPU per job")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", help="of a gateway; without it a scripted one is started")
    parser.add_argument("--jobs", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        count = Count(arguments.jobs)
        asyncio.run(CONTENDERS[arguments.contender](arguments.address, count))
        print(json.dumps(count.figures()))
    else:
        compare(arguments.address, arguments.jobs, arguments.rounds, arguments.only)


if __name__ == "__main__":
    main()
