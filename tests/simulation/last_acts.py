"""What brings every instance of a random model to its end, and the judgement that nothing is left."""

from collections import Counter

from osmia_broker.engine import commands
from osmia_broker.engine.commands.batches import CancelBatch
from osmia_broker.engine.commands.tasks import CompleteUserTask
from osmia_broker.state.rows import (
    INSTANCE_KINDS,
    ElementInstance,
    Incident,
    InstanceOrigin,
    Job,
    JobState,
    ProcessDefinition,
    Variable,
    WaitingToken,
)
from osmia_broker.state.rows.batches import BatchOperation
from osmia_broker.state.rows.tasks import UserTask
from tests.simulation.model_files import own_id
from tests.simulation.played import Played, is_process

PASSES_TO_END = 200
TRIES = 3  # to resolve the incidents of one element instance, before somebody ends it
LONG_MS = 3_600_000
KEPT_MS = 30 * 86_400_000  # longer than anything is kept, as an idempotency key


async def to_the_end(played: Played) -> None:
    """Do all that is waited for until no instance lives: what stands in a way at first, then what happens beside."""
    for definition in played.stage.rows(ProcessDefinition):
        if not definition.deleted_ms and definition.bpmn_process_id in ("process", "twin"):
            await played.do("delete", commands.DeleteResource(definition.key))
    tried = Counter[int]()
    for _ in range(PASSES_TO_END):
        if not _moving(played):
            break
        before = _keys(played)
        await _quiet(played, tried)
        if _keys(played) == before or played.maybe(0.1):
            await _loud(played)
        await played.judged()
    else:
        raise AssertionError("\n".join(["these never end:", *_left(played)]))
    await _cancel_all(played)
    await played.judged()
    left = _left(played)
    assert not left, "\n".join(["these are left:", *left])


async def _cancel_all(played: Played) -> None:
    """Cancel the instances that are left, and batch operations that nobody started."""
    for process in played.stage.living(ElementInstance):
        if is_process(process):
            await played.do("cancel", commands.CancelProcessInstance(process.key))
    for batch in played.stage.living(BatchOperation):
        if not batch.whole_key:
            await played.do("cancel batch", CancelBatch(batch.key))
    await played.advance(KEPT_MS)
    passes = 0
    while played.stage.living(Job) and passes < PASSES_TO_END:  # task listeners hold the end of their tasks
        passes += 1
        await _work(played)
        await played.stage.settled()


def _keys(played: Played) -> set[int]:
    return {row.key for kind in (ElementInstance, Job, Incident) for row in played.stage.living(kind)}


def _left(played: Played) -> list[str]:
    kinds = [kind.row_type for kind in INSTANCE_KINDS if kind.row_type is not Variable]
    left = [str(row) for kind in kinds for row in played.stage.living(kind)]
    definitions = played.stage.rows(ProcessDefinition)
    undeleted = [one for one in definitions if one.bpmn_process_id == "process" and one.deleted_ms <= 0]
    return [*left, *map(str, undeleted)]


def _moving(played: Played) -> bool:
    """Whether an instance lives that does not wait at a parallel join for a token which an event has taken away."""
    joined = {
        token.process_instance_key
        for token in played.stage.living(WaitingToken)
        if f"{own_id(token.element_id)}:parallel(" in played.model.line
    }
    return any(row.process_instance_key not in joined for row in played.stage.living(ElementInstance))


async def _quiet(played: Played, tried: Counter[int]) -> None:
    """Do what sequences wait for, but throw nothing that begins anew each time."""
    for origin in played.stage.living(InstanceOrigin):
        if origin.suspended_ms:
            await played.do("resume", commands.ResumeProcessInstance(origin.process_instance_key))
    for incident in played.stage.living(Incident):
        await _repair(played, incident, tried)
    await _work(played)
    await _wake_idle(played)
    for y in ("0", "7"):
        for process in filter(is_process, played.stage.living(ElementInstance)):
            await played.do(f"set y={y}", commands.SetVariables(process.key, {"y": y}, False))
    for name in ("q", "m"):
        for key in ("1", ""):
            await played.publish(name, key)
    await played.signal("q")
    await played.advance(LONG_MS)


async def _work(played: Played) -> None:
    for task in played.stage.living(UserTask):
        await played.do(f"complete task {task.element_id}", CompleteUserTask(task.key, {"x": "1"}))
    for job in played.stage.living(Job):
        if job.state is not JobState.ERROR_THROWN:
            await played.complete_job(job, {"x": "1"}, is_last=True)


async def _wake_idle(played: Played) -> None:
    """Activate something in the ad-hoc subprocesses whose condition does not hold yet."""
    living = played.stage.living(ElementInstance)
    scopes = {one.scope_key for one in living}
    for element in living:
        if element.key not in scopes and element.type == "AD_HOC_SUB_PROCESS" and element.element_id in played.idle:
            await played.do("set x=1", commands.SetVariables(element.key, {"x": "1"}, False))
            await played.activate_in(element, {}, cancels=False)


async def _repair(played: Played, incident: Incident, tried: Counter[int]) -> None:
    """Resolve an incident, or end what will never do."""
    key, instance = incident.element_instance_key, incident.process_instance_key
    tried[key] += 1
    if tried[key] <= TRIES:
        await played.resolve(incident)
    elif not await played.do(
        f"modify -{incident.element_id}",
        commands.ModifyProcessInstance(instance, (), (commands.TerminateInstruction(key),)),
    ):
        await played.do("cancel", commands.CancelProcessInstance(_root_of(played, instance)))


def _root_of(played: Played, key: int) -> int:
    """The instance that was called by none, which called *key*, or an instance that did."""
    callers = {one.process_instance_key: one.parent_process_instance_key for one in played.stage.living(InstanceOrigin)}
    while callers.get(key):
        key = callers[key]
    return key


async def _loud(played: Played) -> None:
    await played.signal("s")
    await played.publish("b")
