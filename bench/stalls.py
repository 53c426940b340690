"""How long one command on something with very many parts keeps others waiting.

    python -m bench stalls [--items 20000] [--only cancel resume]

Each command works on a process instance with so many element instances (or on so many process instances) in a partition without a door. While it is
carried out, and until all that it has left is done, instances of another process are created one after the other. Printed are the processor time of the
longest single command; of a creation the median and the most processor time that the whole program used until it was answered, and the same by the wall; then
the processor time and the time of everything. A large instance that is not in memory has to be loaded first, which counts, too. The noise of the
machine is in the times by the wall.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.waiting import partition
from osmia_broker.calls.documents import parse_variables
from osmia_broker.engine import commands
from osmia_broker.engine.audit import name_of
from osmia_broker.engine.resources import compile_resources
from osmia_broker.partition import Partition
from osmia_broker.partition.deciding import Deciding
from tests.bpmn import bpmn

JOBS = 'start > w:job > j:job(items="=list", item=i{extra}) > end'
INSIDE = 'start > w:job > s:sub {{ go:start > j:job(items="=list", item=i) > done:end }} > left:end & {event}'
WAITING = 'start > w:job > j:receive(items="=list", item=i, message=m, key="=k") > end'
READY_S = 600.0


class _Stage:
    """A partition with something large in it, and a probe that creates small instances."""

    def __init__(self, made: Partition, items: int) -> None:
        self.made, self.items = made, items
        self.key = self.definition = 0

    async def deploy(self, line: str, id: str = "large") -> int:
        """Deploy a process in the notation of `bpmn`, and return the key of its definition."""
        files = compile_resources([(f"{id}.bpmn", bpmn(line, id=id))])
        return int((await self.made.submit(commands.DeployResources(files))).processes[0].key)

    async def create(self, id: str, variables: str = "{}") -> int:
        """Start an instance, and return its key."""
        command = commands.CreateProcessInstance(id, -1, 0, parse_variables(variables))
        return int((await self.made.submit(command)).process_instance_key)

    async def large(self, line: str, *then: str) -> None:
        """Start an instance that stands with all its items; the jobs of *then* are completed after that."""
        self.definition = await self.deploy(line)
        items = ",".join(map(str, range(self.items)))
        self.key = await self.create("large", f'{{"list": [{items}], "k": "k", "x": 0}}')
        for type in ("w", *then):
            await self.complete_one(type)
            await self.at_rest()

    async def many(self, line: str) -> None:
        """Start so many instances."""
        self.definition = await self.deploy(line)
        for first in range(0, self.items, 500):
            made = (self.create("large", '{"k": "k", "x": 0}') for _ in range(min(500, self.items - first)))
            self.key, *_ = await asyncio.gather(*made)

    async def job_of(self, type: str) -> int:
        """Take one job of this type, and return its key."""
        (job,) = await self.made.submit(commands.ActivateJobs(type, "bench", 3_600_000, 1))
        return int(job.key)

    async def complete_one(self, type: str) -> None:
        """Complete one job of this type."""
        await self.made.submit(commands.CompleteJob(await self.job_of(type), {}))

    async def at_rest(self) -> None:
        """Wait until nothing is left to do: no command, and nothing that is due soon."""
        still, end = 0, time.perf_counter() + READY_S
        while still < 10:
            await asyncio.sleep(0.01)
            still = still + 1 if self.made.is_at_rest else 0
            assert time.perf_counter() < end, "expected the partition to come to rest"


Prepare = Callable[[_Stage], Awaitable[Any]]


async def cancel(stage: _Stage) -> Prepare:
    await stage.large(JOBS.format(extra=""))
    return lambda one: one.made.submit(commands.CancelProcessInstance(one.key))


async def suspend(stage: _Stage) -> Prepare:
    await stage.large(JOBS.format(extra=""))
    return lambda one: one.made.submit(commands.SuspendProcessInstance(one.key))


async def resume(stage: _Stage) -> Prepare:
    await stage.large(JOBS.format(extra=""))
    await stage.made.submit(commands.SuspendProcessInstance(stage.key))
    await stage.at_rest()
    return lambda one: one.made.submit(commands.ResumeProcessInstance(one.key))


async def suspend_messages(stage: _Stage) -> Prepare:
    await stage.large(WAITING)
    return lambda one: one.made.submit(commands.SuspendProcessInstance(one.key))


async def resume_messages(stage: _Stage) -> Prepare:
    await suspend_messages(stage)
    await stage.made.submit(commands.SuspendProcessInstance(stage.key))
    await stage.at_rest()
    return lambda one: one.made.submit(commands.ResumeProcessInstance(one.key))


async def terminate_one(stage: _Stage) -> Prepare:
    await stage.large(JOBS.format(extra=""))
    gone = commands.TerminateInstruction(element_id="j")
    return lambda one: one.made.submit(commands.ModifyProcessInstance(one.key, (), (gone,)))


async def move_one(stage: _Stage) -> Prepare:
    await stage.large(JOBS.format(extra=""))
    move = commands.MoveInstruction("w", source_element_id="j")
    return lambda one: one.made.submit(commands.ModifyProcessInstance(one.key, (), (), (move,)))


async def activate_beside(stage: _Stage) -> Prepare:
    await stage.large(JOBS.format(extra=""))
    more = commands.ActivateInstruction("w")
    return lambda one: one.made.submit(commands.ModifyProcessInstance(one.key, (more,)))


async def migrate(stage: _Stage) -> Prepare:
    await stage.large(JOBS.format(extra=""))
    target = await stage.deploy(JOBS.format(extra=""), "target")
    return lambda one: one.made.submit(commands.MigrateProcessInstance(one.key, target, (("j", "j"),)))


async def migrate_messages(stage: _Stage) -> Prepare:
    await stage.large(WAITING)
    target = await stage.deploy(WAITING, "target")
    return lambda one: one.made.submit(commands.MigrateProcessInstance(one.key, target, (("j", "j"),)))


async def variables(stage: _Stage) -> Prepare:
    await stage.large(JOBS.format(extra=""))
    return lambda one: one.made.submit(commands.SetVariables(one.key, {"x": "1"}, local=False))


async def conditions(stage: _Stage) -> Prepare:
    await stage.large(
        'start > w:job > s:sub(items="=list", item=i) { go:start > c:catch(condition="=x > i") > done:end } > end'
    )
    return lambda one: one.made.submit(commands.SetVariables(one.key, {"x": f"{stage.items // 2}"}, local=False))


async def boundary_timer(stage: _Stage) -> Prepare:
    await stage.large(JOBS.format(extra="") + ' & late:boundary(on=j, message=m, key="=k") > gone:end')
    return lambda one: one.made.submit(commands.PublishMessage("m", "k", 0, "", {}))


async def event_subprocess(stage: _Stage) -> Prepare:
    await stage.large(JOBS.format(extra="") + ' & stop:eventsub { help:start(message=m, key="=k") > gone:end }')
    return lambda one: one.made.submit(commands.PublishMessage("m", "k", 0, "", {}))


async def terminate_end(stage: _Stage) -> Prepare:
    await stage.large(
        'start > f:parallel [ w:job > j:job(items="=list", item=i) > end | t:job > stop:end(terminate=yes) ]'
    )

    async def act(one: _Stage) -> None:
        await one.complete_one("t")

    return act


async def error_out(stage: _Stage) -> Prepare:
    await stage.large(INSIDE.format(event="oops:boundary(on=s, error=e) > gone:end"))

    async def act(one: _Stage) -> None:
        await one.made.submit(commands.ThrowError(await one.job_of("j"), "e", "", {}))

    return act


async def completion_condition(stage: _Stage) -> Prepare:
    await stage.large(JOBS.format(extra=', done="=numberOfCompletedInstances = 1"'))

    async def act(one: _Stage) -> None:
        await one.complete_one("j")

    return act


async def create_loop(stage: _Stage) -> Prepare:
    await stage.deploy(JOBS.format(extra=', results=all, result="=i"'))
    items = ",".join(map(str, range(stage.items)))
    await stage.create("large", f'{{"list": [{items}]}}')

    async def act(one: _Stage) -> None:
        await one.complete_one("w")

    return act


async def complete_all(stage: _Stage) -> Prepare:
    await stage.large(JOBS.format(extra=', results=all, result="=i"'))

    async def act(one: _Stage) -> None:
        left = one.items
        while left:
            jobs = await one.made.submit(commands.ActivateJobs("j", "bench", 3_600_000, 32))
            await asyncio.gather(*(one.made.submit(commands.CompleteJob(job.key, {})) for job in jobs))
            left -= len(jobs)

    return act


async def resolve(stage: _Stage) -> Prepare:
    await stage.large(
        'start > f:parallel [ w:job > j:job(items="=list", item=i) > end | b:job(in.a="=assert(y, y != null)") > end2 ]'
    )
    await stage.made.submit(commands.SetVariables(stage.key, {"y": "1"}, local=False))  # brings it into memory
    (incident,) = stage.made.state.incidents.of_instance(stage.key)
    return lambda one: one.made.submit(commands.ResolveIncident(incident.key))


async def delete(stage: _Stage) -> Prepare:
    await stage.many("start > j:job > end")
    return lambda one: one.made.submit(commands.DeleteResource(one.definition))


async def broadcast(stage: _Stage) -> Prepare:
    await stage.many("start > c:catch(signal=s) > end")
    return lambda one: one.made.submit(commands.BroadcastSignal("s", {}))


async def broadcast_inside(stage: _Stage) -> Prepare:
    await stage.large('start > w:job > s:sub(items="=list", item=i) { go:start > c:catch(signal=s) > done:end } > end')
    return lambda one: one.made.submit(commands.BroadcastSignal("s", {}))


async def publish(stage: _Stage) -> Prepare:
    await stage.large(WAITING)
    return lambda one: one.made.submit(commands.PublishMessage("m", "k", 0, "", {}))


async def throw_escalation(stage: _Stage) -> Prepare:
    await stage.large(
        'start > s:sub { go:start > f:parallel [ w:job > j:job(items="=list", item=i) > done:end | t:job > up:end(escalation=e) ] }'
        " > left:end & high:boundary(on=s, escalation=e) > gone:end"
    )

    async def act(one: _Stage) -> None:
        await one.complete_one("t")

    return act


async def compensate(stage: _Stage) -> Prepare:
    await stage.large(
        'start > w:job > s:sub(items="=list", item=i) { go:start > a:task > done:end & undo:boundary(on=a, compensate=any, handler=h) & h:job(compensates=yes) }'
        " > t:job > back:end(compensate=any)"
    )

    async def act(one: _Stage) -> None:
        await one.complete_one("t")

    return act


async def cancel_called(stage: _Stage) -> Prepare:
    await stage.deploy("start > j:job > end", "child")
    await stage.large('start > w:job > c:call(process=child, items="=list", item=i, parent=false) > end')
    return lambda one: one.made.submit(commands.CancelProcessInstance(one.key))


CASES: dict[str, Callable[[_Stage], Awaitable[Prepare]]] = {
    "create": create_loop,
    "complete": complete_all,
    "cancel": cancel,
    "cancel-calls": cancel_called,
    "suspend": suspend,
    "resume": resume,
    "suspend-messages": suspend_messages,
    "resume-messages": resume_messages,
    "modify-activate": activate_beside,
    "modify-terminate": terminate_one,
    "modify-move": move_one,
    "migrate": migrate,
    "migrate-messages": migrate_messages,
    "set-variables": variables,
    "conditions": conditions,
    "boundary-event": boundary_timer,
    "event-subprocess": event_subprocess,
    "terminate-end": terminate_end,
    "error": error_out,
    "escalation": throw_escalation,
    "completion-condition": completion_condition,
    "compensate": compensate,
    "resolve": resolve,
    "publish": publish,
    "broadcast-inside": broadcast_inside,
    "broadcast-many": broadcast,
    "delete-definition": delete,
}


@contextmanager
def timed(longest: dict[str, float]) -> Iterator[None]:
    """Keep the processor time of the longest decision by the name of its command."""
    plain = Deciding.attempt

    def attempt(self: Deciding, batch: Any, command: commands.Command, *rest: Any) -> None:
        begun = time.thread_time()
        plain(self, batch, command, *rest)
        name = name_of(command)
        longest[name] = max(longest.get(name, 0.0), time.thread_time() - begun)

    Deciding.attempt = attempt  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        Deciding.attempt = plain  # type: ignore[method-assign]


async def measure(name: str, items: int, path: Path) -> None:
    """Play one case and print its line."""
    made = partition(path / "data.db")
    await made.open()
    stage = _Stage(made, items)
    await stage.deploy("start > a:job(type=other) > end", "small")
    act = await CASES[name](stage)
    await stage.at_rest()
    longest: dict[str, float] = {}
    took: list[tuple[float, float]] = []
    with timed(longest):
        begun, cpu = time.perf_counter(), time.process_time()
        work = asyncio.ensure_future(_until_rest(stage, act))
        while not work.done():
            asked, before = time.perf_counter(), time.process_time()
            await stage.create("small")
            took.append((time.perf_counter() - asked, time.process_time() - before))
            await asyncio.sleep(0.002)
        await work
        in_all, cpu = time.perf_counter() - begun, time.process_time() - cpu
    command, seconds = max(longest.items(), key=lambda one: one[1])
    walls, cpus = zip(*took, strict=True)
    columns = (seconds, statistics.median(cpus), max(cpus), statistics.median(walls), max(walls), cpu, in_all)
    print(f"{name:<20}{''.join(f'{one * 1e3:>9.0f}' for one in columns)}  {command}", flush=True)
    await made.close()


async def _until_rest(stage: _Stage, act: Prepare) -> None:
    await act(stage)
    still = 0
    while still < 3:  # creations go on, so the moments of rest are short
        await asyncio.sleep(0.02)
        still = still + 1 if stage.made.is_at_rest else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--only", nargs="*", default=list(CASES), choices=list(CASES))
    options = parser.parse_args()
    words = ("longest", "cpu p50", "cpu max", "p50", "max", "cpu", "in all")
    print(f"{'milliseconds':<20}{''.join(f'{word:>9}' for word in words)}  the longest command")
    for name in options.only:
        with tempfile.TemporaryDirectory(prefix="osmia-") as directory:
            asyncio.run(measure(name, options.items, Path(directory)))


if __name__ == "__main__":
    main()
