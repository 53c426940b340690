"""One random model in one partition: whatever is done to it at random, its rows fit together, and in the end no instance is left.

A failing seed prints its model and what was done, as lines of a scenario where the scenarios have such a line. Many seeds, from the command line:

    python -m tests.simulation.played_models seeds=0-2000 dialect=activiti
"""

import asyncio
import re
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from unittest import mock

from osmia_broker.base.errors import OsmiaError, Rejection, StoreFailed
from osmia_broker.engine import commands
from osmia_broker.engine.commands import AdHocResult, ElementToActivate, NewResource
from osmia_broker.engine.commands.tasks import Actor, AssignUserTask, ClaimUserTask, CompleteUserTask, UpdateUserTask
from osmia_broker.engine.lifecycle import scopes
from osmia_broker.engine.resources import compile_resources
from osmia_broker.engine.tasks.listener_results import TaskListenerResult
from osmia_broker.model.graph import Process
from osmia_broker.state.rows import (
    INSTANCE_KINDS,
    ElementInstance,
    Incident,
    InstanceOrigin,
    Job,
    JobKind,
    JobState,
    ProcessDefinition,
    Variable,
    WaitingToken,
)
from osmia_broker.state.rows.tasks import UserTask
from tests.activiti import extension_file
from tests.bpmn import bpmn
from tests.partition.opened import Opened, WatchedStore, opened, steps_only
from tests.simulation.invariants import check_memory, check_rows
from tests.simulation.parts import Model, random_model

STEPS = 25
PASSES_TO_END = 200
TRIES = 3  # to resolve the incidents of one element instance, before somebody ends it
LONG_MS = 3_600_000
MEMORY = [1, 20_000, 1 << 40]

#: The processes that models call. They throw escalations and errors, call each other in a circle, and have several versions.
CALLED = {
    "child": [
        "start > w:job(type=t) > up:throw(escalation=U) > c:{grandchild} > end",
        "start > w:job(type=t) > c:{grandchild} > end(escalation=U)",
        "start > w:user > up:throw(signal=r) > end",
    ],
    "grandchild": ["start > w:job(type=t) > up:throw(escalation=U) > w2:job(type=t) > end"],
    "failing": ["start > w:job(type=t) > p:exclusive [ x > 3 -> e:end(error=E) | else -> f:end ]"],
    "circle": ["start > w:job(type=t) > p:exclusive [ x > 3 -> c:{circle} > e:end | else -> f:end ]"],
}
DECISION = b"""<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="g" name="g" namespace="urn:test">
<decision id="d" name="d"><literalExpression><text>x + 1</text></literalExpression></decision></definitions>"""
TAG = '<bpmn:extensionElements><zeebe:versionTag value="one"/></bpmn:extensionElements>'
#: What nothing has to wait for: a person who repairs an instance sets these.
GOOD = {"k": '"1"', "x": "1", "items": "[1,2]"}
BAD = [{"x": '"text"'}, {"x": "null"}, {"k": "null"}, {"items": "7"}, {"items": "[]"}, {"o": "[]"}, {"i": "9"}]


def called(id: str, version: int, dialect: str) -> tuple[str, bytes]:
    """The file of a process that is called."""
    line = re.sub(r"\{(\w+)\}", r"call(process=\1)" if dialect == "zeebe" else r"call(called=\1)", CALLED[id][version])
    return f"{id}.bpmn", bpmn(line, id=id, dialect=dialect, extra=TAG if dialect == "zeebe" else "")


def files_of(model: Model, id: str) -> list[tuple[str, bytes]]:
    """The file of the model under one of its ids, with its extension file if it has one."""
    files = [(f"{id}.bpmn", bpmn(model.line, id=id, dialect=model.dialect))]
    if model.mappings:
        files.append((f"{id}-extensions.json", extension_file(id, mappings=model.mappings)))
    return files


def deployed(model: Model) -> tuple[NewResource, ...]:
    """All that a run deploys at first."""
    files = [called(id, 0, model.dialect) for id in CALLED]
    files += [*files_of(model, "process"), *files_of(model, "twin"), ("d.dmn", DECISION)]
    return compile_resources(files)


def compiled(model: Model) -> Process:
    """The model in the form that the engine runs."""
    files = [called("child", 0, model.dialect), *files_of(model, "process")]
    process: Process = compile_resources(files)[1].compiled.processes["process"]
    return process


class Played:
    """One model in one partition, with what was done to it."""

    def __init__(self, it: Opened, model: Model, files: tuple[NewResource, ...], said: list[str]) -> None:
        self.it, self.model, self.files, self.said, self.chance = it, model, files, said, model.chance
        self.good = {**GOOD, **{id: f'"{id}"' for pair in model.ad_hoc.values() for id in pair}}
        self.ids = [id for id in compiled(model).elements if id != "process"]
        self.tried = Counter[int]()

    async def do(self, line: str, command: commands.Command) -> bool:
        """Send a command; return whether it was done. It may be refused, and the store may fail; anything else is a fault."""
        self.said.append(line)
        try:
            await self.it.do(command)
        except (Rejection, StoreFailed) as refusal:
            self.said.append(f"    {refusal}"[:300])
            return False
        except OsmiaError as fault:
            raise AssertionError(f"a defect: {fault!r}") from fault
        return True

    async def step(self) -> None:
        if self.chance.random() < 0.1:
            self.it.store.fails, self.it.store.fails_after = StoreFailed("simulated"), self.chance.random() < 0.5
        await self.chance.choice(ACTS)(self)
        await self.judged()

    async def judged(self) -> None:
        await self.it.wait_open()
        await self.it.settled()
        check_rows(self.it.store, self.model.idle)
        check_memory(self.it.partition, self.it.store)

    def some(self, row_type: type, which: Callable[[Any], bool] = lambda _: True) -> Any:
        """A living row, or None."""
        rows = [row for row in self.it.store.living(row_type) if which(row)]
        return self.chance.choice(rows) if rows else None

    def number(self) -> dict[str, str]:
        return {"x": str(self.chance.choice([1, 5, 7]))}

    # --- what is done at random

    async def create(self) -> None:
        variables = {**self.good, **self.number()}
        if self.chance.random() < 0.2:
            variables |= self.chance.choice(BAD)
        more: dict[str, Any] = {"business_id": self.chance.choice(["", "", "one", "two"])}
        if self.chance.random() < 0.1:
            more["start_elements"] = (self.chance.choice(self.ids),)
        command = commands.CreateProcessInstance(
            self.chance.choice(["process", "process", "twin"]), -1, 0, variables, **more
        )
        await self.do(f"create {told(variables)} {more}", command)

    async def complete(self) -> None:
        job = self.some(Job)
        if job is not None:
            await self.complete_job(job, self.number())

    async def complete_job(self, job: Job, variables: dict[str, str], *, is_last: bool = False) -> None:
        """Complete a job of any kind. The worker of an ad-hoc subprocess activates elements, unless this *is_last*."""
        result = task_result = None
        if job.kind is JobKind.AD_HOC_SUB_PROCESS and (is_last or self.chance.random() < 0.4):
            result = AdHocResult(is_completion_condition_fulfilled=True, cancels_remaining_instances=is_last)
        elif job.kind is JobKind.AD_HOC_SUB_PROCESS:
            ids = self.chance.choices(self.model.ad_hoc.get(job.element_id, ("nothing",)), k=self.chance.randint(1, 2))
            result = AdHocResult(
                tuple(ElementToActivate(id, {}) for id in ids), cancels_remaining_instances=self.chance.random() < 0.2
            )
        elif job.kind is JobKind.TASK_LISTENER and not is_last:
            is_denied = self.chance.random() < 0.3
            task_result = TaskListenerResult(
                denied=is_denied, denied_reason="no", corrections={} if is_denied else {"priority": 9}
            )
        if job.kind is JobKind.TASK_LISTENER:
            variables = {}
        more = f" {result or task_result}" if result or task_result else ""
        await self.do(
            f"complete {job.element_id} {told(variables)}{more}",
            commands.CompleteJob(job.key, variables, result=result, task_result=task_result),
        )

    async def throw(self) -> None:
        job, code = self.some(Job), self.chance.choice("EEF")
        if job is not None:
            await self.do(f"throw {job.element_id} code={code}", commands.ThrowError(job.key, code, "", self.number()))

    async def fail(self) -> None:
        job, retries = self.some(Job), self.chance.choice([0, 0, 2])
        if job is not None:
            back_off_ms = self.chance.choice([0, 500])
            await self.do(
                f"fail {job.element_id} retries={retries} back_off={back_off_ms}",
                commands.FailJob(job.key, retries, "", back_off_ms, {}),
            )

    async def take(self) -> None:
        await self.do(
            "activate t", commands.ActivateJobs("t", "w", self.chance.choice([1, 4_000]), self.chance.randint(1, 3))
        )

    async def task(self) -> None:
        """A person does something with a user task."""
        task, ada = self.some(UserTask), Actor("ada")
        if task is not None:
            command = self.chance.choice(
                [
                    AssignUserTask(task.key, self.chance.choice(["", "ben"]), actor=ada),
                    ClaimUserTask(task.key, "ada", actor=ada),
                    UpdateUserTask(task.key, {"priority": 80}, actor=ada),
                    CompleteUserTask(task.key, self.number(), actor=ada),
                    CompleteUserTask(task.key, self.number(), actor=ada),
                ]
            )
            await self.do(f"task {task.element_id} {command.intent}", command)

    async def publish(self) -> None:
        name, key = self.chance.choice(["m", "b", "q", "st"]), self.chance.choice(["1", "1", ""])
        await self.do_publish(name, key, self.chance.choice([0, 10_000]))

    async def do_publish(self, name: str, key: str = "1", ttl_ms: int = 0) -> None:
        await self.do(
            f"publish {name} key={key} ttl={ttl_ms}", commands.PublishMessage(name, key, ttl_ms, "", {"p": "1"})
        )

    async def signal(self, names: str = "") -> None:
        name = self.chance.choice([names] if names else ["s", "q", "st"])
        await self.do(f"signal {name}", commands.BroadcastSignal(name, {}))

    async def evaluate(self) -> None:
        await self.do("evaluate z=7", commands.EvaluateConditional(0, {**self.good, "z": "7"}))

    async def advance(self, ms: int = 0) -> None:
        ms = ms or self.chance.choice([1_000, 5_000, 20_000])
        self.said.append(f"advance {ms}")
        await self.it.advance(ms)

    async def set_variables(self) -> None:
        """Set variables in any scope."""
        element, is_local = self.some(ElementInstance), self.chance.random() < 0.3
        if element is not None:
            variables = self.chance.choice([{"x": "7"}, {"x": "7"}, {"x": "5"}, {"y": "7"}, *BAD])
            await self.do(
                f"set {element.element_id}{' local' if is_local else ''} {told(variables)}",
                commands.SetVariables(element.key, variables, is_local),
            )

    async def resolve(self) -> None:
        incident = self.some(Incident)
        if incident is not None:
            await self.do_resolve(incident)

    async def do_resolve(self, incident: Incident) -> None:
        element = self.it.store.row(ElementInstance, incident.element_instance_key)
        await self.do(
            f"set {element.element_id} {told(self.good)}", commands.SetVariables(element.key, self.good, False)
        )
        if incident.job_key:
            await self.do(f"retries {element.element_id} 1", commands.UpdateJobRetries(incident.job_key, 1))
        await self.do(f"resolve {element.element_id}", commands.ResolveIncident(incident.key))

    async def cancel(self) -> None:
        process = self.some(ElementInstance, is_process)
        if process is not None and self.chance.random() < 0.3:
            await self.do(f"cancel {process.element_id}", commands.CancelProcessInstance(process.key))

    async def suspend(self) -> None:
        """Suspend an instance. It goes on much later, unless somebody wants it soon."""
        process = self.some(ElementInstance, is_process)
        if process is not None:
            await self.do(f"suspend {process.element_id}", commands.SuspendProcessInstance(process.key))
            if self.chance.random() < 0.5:
                await self.advance()
                await self.do("resume", commands.ResumeProcessInstance(process.key))

    async def resume(self) -> None:
        origin = self.some(InstanceOrigin, lambda one: one.suspended_ms)
        if origin is not None:
            await self.do("resume", commands.ResumeProcessInstance(origin.process_instance_key))

    async def mark(self) -> None:
        process = self.some(ElementInstance, is_process)
        if process is not None:
            await self.do(f"mark {process.element_id} one", commands.AssignBusinessId(process.key, "one"))

    async def activate_ad_hoc(self) -> None:
        element = self.some(ElementInstance, lambda one: one.type == "AD_HOC_SUB_PROCESS")
        if element is not None:
            await self.do_activate(element, self.number(), cancels=self.chance.random() < 0.3)

    async def do_activate(self, element: ElementInstance, variables: dict[str, str], *, cancels: bool) -> None:
        ids = self.model.ad_hoc[element.element_id][: self.chance.randint(1, 2)]
        wanted = tuple(ElementToActivate(id, variables) for id in ids)
        await self.do(
            f"activate in {element.element_id}: {ids}", commands.ActivateAdHocElements(element.key, wanted, cancels)
        )

    async def modify(self) -> None:
        """Activate, terminate and move anything; much of it is refused."""
        living = self.it.store.living(ElementInstance)
        if not living or self.chance.random() < 0.5:
            return
        key = self.chance.choice(living).process_instance_key
        own, choice = [row for row in living if row.process_instance_key == key], self.chance.choice
        activate = tuple(
            commands.ActivateInstruction(choice(self.ids), choice([0, -1, choice(own).key]))
            for _ in range(choice([0, 1, 1, 2]))
        )
        terminate = tuple(commands.TerminateInstruction(choice(own).key) for _ in range(choice([0, 0, 1, 2])))
        move = tuple(
            commands.MoveInstruction(
                choice(self.ids), source_element_id=choice(own).element_id, infers_ancestor=self.chance.random() < 0.5
            )
            for _ in range(choice([0, 0, 1]))
        )
        ids = {row.key: row.element_id for row in own}
        lines = [f"+{one.element_id}@{ids.get(one.ancestor_key, one.ancestor_key)}" for one in activate]
        lines += [f"-{ids[one.element_instance_key]}" for one in terminate]
        lines += [f"{one.source_element_id}>{one.target_element_id}" for one in move]
        await self.do(f"modify {' '.join(lines)}", commands.ModifyProcessInstance(key, activate, terminate, move))

    async def migrate(self) -> None:
        """Migrate an instance to the same model under another process id, or back, or a called one to its latest version."""
        process = self.some(ElementInstance, is_process)
        if process is not None:
            other = {"process": "twin", "twin": "process"}.get(process.element_id, process.element_id)
            target = self.it.partition.state.definitions.processes.latest(other)
            if target is None or self._would_be_second(process, other):
                return
            living = [one for one in self.it.store.living(ElementInstance) if one.process_instance_key == process.key]
            ids = sorted({one.element_id for one in living} - {process.element_id})
            if self.chance.random() < 0.5:
                ids = self.ids if other in ("process", "twin") else ["start", "w", "up", "c", "end"]
            await self.do(
                f"migrate {other}",
                commands.MigrateProcessInstance(process.key, target.key, tuple((id, id) for id in ids)),
            )

    def _would_be_second(self, process: ElementInstance, other: str) -> bool:
        """Whether a message has started another instance with the same key there: migration does not look for that."""
        origins = self.it.store.living(InstanceOrigin)
        keys = {one.correlation_key for one in origins if one.process_instance_key == process.key} - {""}
        return any(one.correlation_key in keys and one.bpmn_process_id == other for one in origins)

    async def deploy(self) -> None:
        """Deploy another version of something that is called, or of the model itself."""
        id = self.chance.choice([*CALLED, "process"])
        if id == "process":
            version = self.it.partition.state.definitions.processes.latest(id)
            resources = tuple(one for one in self.files if one.name.startswith("process"))
            if version is not None and version.version > 2:
                return
            changed = bpmn(self.model.line, id="process", name=f"{self.chance.random()}", dialect=self.model.dialect)
            files = [("process.bpmn", changed), *files_of(self.model, "process")[1:]]
            resources = compile_resources([called("child", 0, self.model.dialect), *files])
        else:
            resources = compile_resources([called(id, self.chance.randrange(len(CALLED[id])), self.model.dialect)])
        await self.do(f"deploy {id}", commands.DeployResources(resources))

    async def delete(self) -> None:
        definition = self.chance.choice(self.it.store.rows(ProcessDefinition))
        if not definition.deleted_ms and definition.bpmn_process_id not in ("child", "twin"):
            name = f"{definition.bpmn_process_id} {definition.version}"
            await self.do(f"delete {name}", commands.DeleteResource(definition.key))

    # --- the end

    async def to_the_end(self) -> None:
        """Do all that is waited for until no instance lives: what stands in a way at first, then what happens beside."""
        for definition in self.it.store.rows(ProcessDefinition):
            if not definition.deleted_ms and definition.bpmn_process_id in ("process", "twin"):
                await self.do("delete", commands.DeleteResource(definition.key))
        for _ in range(PASSES_TO_END):
            if not self._moving():
                break
            before = self._keys()
            await self._quiet()
            if self._keys() == before or self.chance.random() < 0.1:
                await self._loud()
            await self.judged()
        else:
            raise AssertionError("\n".join(["these never end:", *self._left()]))
        for process in self.it.store.living(ElementInstance):
            if is_process(process):
                await self.do("cancel", commands.CancelProcessInstance(process.key))
        await self.advance(LONG_MS)
        await self.judged()
        left = self._left()
        assert not left, "\n".join(["these are left:", *left])

    def _keys(self) -> set[int]:
        return {row.key for kind in (ElementInstance, Job, Incident) for row in self.it.store.living(kind)}

    def _left(self) -> list[str]:
        kinds = [kind.row_type for kind in INSTANCE_KINDS if kind.row_type is not Variable]
        left = [str(row) for kind in kinds for row in self.it.store.living(kind)]
        definitions = self.it.store.rows(ProcessDefinition)
        undeleted = [one for one in definitions if one.bpmn_process_id == "process" and one.deleted_ms <= 0]
        return [*left, *map(str, undeleted)]

    def _moving(self) -> bool:
        """Whether an instance lives that does not wait at a parallel join for a token which an event has taken away."""
        joined = {
            token.process_instance_key
            for token in self.it.store.living(WaitingToken)
            if f"{token.element_id}:parallel" in self.model.line
        }
        return any(row.process_instance_key not in joined for row in self.it.store.living(ElementInstance))

    async def _quiet(self) -> None:
        """Do what sequences wait for, but throw nothing that begins anew each time."""
        for origin in self.it.store.living(InstanceOrigin):
            if origin.suspended_ms:
                await self.do("resume", commands.ResumeProcessInstance(origin.process_instance_key))
        for incident in self.it.store.living(Incident):
            await self._repair(incident)
        await self._work()
        await self._wake_idle()
        for y in ("0", "7"):
            for process in filter(is_process, self.it.store.living(ElementInstance)):
                await self.do(f"set y={y}", commands.SetVariables(process.key, {"y": y}, False))
        for name in ("q", "m"):
            for key in ("1", ""):
                await self.do_publish(name, key)
        await self.signal("q")
        await self.advance(LONG_MS)

    async def _work(self) -> None:
        for task in self.it.store.living(UserTask):
            await self.do(f"complete task {task.element_id}", CompleteUserTask(task.key, {"x": "1"}))
        for job in self.it.store.living(Job):
            if job.state is not JobState.ERROR_THROWN:
                await self.complete_job(job, {"x": "1"}, is_last=True)

    async def _wake_idle(self) -> None:
        """Activate something in the ad-hoc subprocesses whose condition does not hold yet."""
        living = self.it.store.living(ElementInstance)
        scopes = {one.scope_key for one in living}
        for element in living:
            if (
                element.key not in scopes
                and element.type == "AD_HOC_SUB_PROCESS"
                and element.element_id in self.model.idle
            ):
                await self.do("set x=1", commands.SetVariables(element.key, {"x": "1"}, False))
                await self.do_activate(element, {}, cancels=False)

    async def _repair(self, incident: Incident) -> None:
        """Resolve an incident, or end what will never do."""
        key = incident.element_instance_key
        self.tried[key] += 1
        if self.tried[key] <= TRIES:
            await self.do_resolve(incident)
        elif not await self.do(
            f"modify -{incident.element_id}",
            commands.ModifyProcessInstance(incident.process_instance_key, (), (commands.TerminateInstruction(key),)),
        ):
            await self.do("cancel", commands.CancelProcessInstance(self._root_of(incident.process_instance_key)))

    def _root_of(self, key: int) -> int:
        """The instance that was called by none, which called *key*, or an instance that did."""
        callers = {
            one.process_instance_key: one.parent_process_instance_key for one in self.it.store.living(InstanceOrigin)
        }
        while callers.get(key):
            key = callers[key]
        return key

    async def _loud(self) -> None:
        await self.signal("s")
        await self.do_publish("b")


def is_process(row: ElementInstance) -> bool:
    return row.type == "PROCESS"


def told(variables: dict[str, str]) -> str:
    """Variables as a scenario has them; the ids of ad-hoc elements are left out."""
    return " ".join(f"{name}={value}" for name, value in variables.items() if f'"{name}"' != value)


Act = Callable[[Played], Awaitable[None]]
ACTS: list[Act] = [
    Played.create,
    *([Played.complete] * 5),
    Played.throw,
    Played.fail,
    Played.take,
    *([Played.task] * 2),
    *([Played.publish] * 2),
    Played.signal,
    Played.evaluate,
    Played.advance,
    Played.advance,
    *([Played.set_variables] * 2),
    *([Played.resolve] * 2),
    Played.cancel,
    Played.suspend,
    Played.resume,
    Played.mark,
    Played.activate_ad_hoc,
    Played.modify,
    Played.migrate,
    Played.deploy,
    Played.delete,
]


async def play(seed: int, dialect: str, steps: int = STEPS) -> None:
    """Play the model of a seed. With every second one, large scopes end in slices."""
    if seed % 2:
        with mock.patch.multiple(scopes, TERMINATED_AT_ONCE=1, TERMINATED_PER_SLICE=1):
            await _play(seed, dialect, steps)
    else:
        await _play(seed, dialect, steps)


async def _play(seed: int, dialect: str, steps: int) -> None:
    model, said = random_model(seed, dialect), list[str]()
    chance, files, store = model.chance, deployed(model), WatchedStore()
    options = {"memory_bytes": chance.choice(MEMORY), "budget": steps_only(chance.choice([3, 1_000]))}
    try:
        async with opened(store, **options) as it:
            played = Played(it, model, files, said)
            await played.do("deploy", commands.DeployResources(files))
            await played.create()
            for _ in range(steps):
                await played.step()
        store.is_open, store.fails = False, None
        async with opened(store, **options) as it:  # a restart
            await it.settled()
            await Played(it, model, files, said).to_the_end()
    except AssertionError as wrong:
        raise AssertionError("\n".join([f"seed {seed} {dialect}", model.line, *said[-60:], str(wrong)])) from wrong


def main(words: list[str]) -> int:
    """Play the seeds that *words* name; return how many have failed."""
    given = dict(one.split("=") for one in words)
    first, _, last = given.get("seeds", "0").partition("-")
    dialects = given.get("dialect", "zeebe,activiti").split(",")
    failed = 0
    for seed in range(int(first), int(last or first) + 1):
        for dialect in dialects:
            try:
                asyncio.run(play(seed, dialect, int(given.get("steps", STEPS))))
            except Exception as fault:  # noqa: BLE001 - a model that is refused, too
                failed += 1
                print(f"--- {type(fault).__name__}: {fault}", flush=True)
    print(f"{failed} have failed")
    return failed


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 100))
