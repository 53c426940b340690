"""What is done to a random model at random. Much of it is refused."""

from collections.abc import Awaitable, Callable
from typing import Any

from osmia_broker.base.errors import StoreFailed
from osmia_broker.engine import commands
from osmia_broker.engine.commands.tasks import Actor, AssignUserTask, ClaimUserTask, CompleteUserTask, UpdateUserTask
from osmia_broker.engine.resources import compile_resources
from osmia_broker.state.rows import ElementInstance, Incident, InstanceOrigin, Job, ProcessDefinition
from osmia_broker.state.rows.tasks import UserTask
from tests.simulation.model_files import CALLED, called, files_of, of_twin, own_id
from tests.simulation.played import Played, is_process, told

BAD = [{"x": '"text"'}, {"x": "null"}, {"k": "null"}, {"items": "7"}, {"items": "[]"}, {"o": "[]"}, {"i": "9"}]
ADA = Actor("ada")

Act = Callable[[Played], Awaitable[None]]
ACTS: list[Act] = []


def act(often: int = 1) -> Callable[[Act], Act]:
    """Enter the decorated act, which comes *often* times as often as others."""

    def enter(one: Act) -> Act:
        ACTS.extend([one] * often)
        return one

    return enter


async def step(played: Played) -> None:
    """Do something. The next commit may fail."""
    if played.maybe(0.1):
        store = played.chance.choice(played.stage.stores)
        store.fails, store.fails_after = StoreFailed("simulated"), played.maybe(0.5)
    await played.chance.choice(ACTS)(played)
    await played.judged()


# --- instances


@act()
async def create(played: Played) -> None:
    variables = {**played.good, **played.number()}
    if played.maybe(0.2):
        variables |= played.chance.choice(BAD)
    id = played.chance.choice(["process", "process", "twin"])
    more: dict[str, Any] = {"business_id": played.chance.choice(["", "", "one", "two"])}
    if played.maybe(0.1):
        more["start_elements"] = (ids_of(played, id, 1)[0],)
    await played.do(
        f"create {id} {told(variables)} {more}", commands.CreateProcessInstance(id, -1, 0, variables, **more)
    )


def ids_of(played: Played, id: str, number: int) -> list[str]:
    """So many ids of elements of the model, or of its twin."""
    some = played.chance.choices(played.ids, k=number)
    return [of_twin(one) for one in some] if id == "twin" else some


@act()
async def cancel(played: Played) -> None:
    process = played.some(ElementInstance, is_process)
    if process is not None and played.maybe(0.3):
        await played.do(f"cancel {process.element_id}", commands.CancelProcessInstance(process.key))


@act()
async def suspend(played: Played) -> None:
    """Suspend an instance. It goes on much later, unless somebody wants it soon."""
    process = played.some(ElementInstance, is_process)
    if process is not None:
        await played.do(f"suspend {process.element_id}", commands.SuspendProcessInstance(process.key))
        if played.maybe(0.5):
            await advance(played)
            await played.do("resume", commands.ResumeProcessInstance(process.key))


@act()
async def resume(played: Played) -> None:
    origin = played.some(InstanceOrigin, lambda one: one.suspended_ms)
    if origin is not None:
        await played.do("resume", commands.ResumeProcessInstance(origin.process_instance_key))


@act()
async def mark(played: Played) -> None:
    process = played.some(ElementInstance, is_process)
    if process is not None:
        await played.do(f"mark {process.element_id} one", commands.AssignBusinessId(process.key, "one"))


@act()
async def activate_ad_hoc(played: Played) -> None:
    element = played.some(ElementInstance, lambda one: one.type == "AD_HOC_SUB_PROCESS")
    if element is not None:
        await played.activate_in(element, played.number(), cancels=played.maybe(0.3))


@act()
async def modify(played: Played) -> None:
    """Activate, terminate and move anything."""
    living = played.stage.living(ElementInstance)
    if not living or played.maybe(0.5):
        return
    key, choice = played.chance.choice(living).process_instance_key, played.chance.choice
    own = [row for row in living if row.process_instance_key == key]
    id = next(row.element_id for row in own if is_process(row))
    activate = tuple(
        commands.ActivateInstruction(one, choice([0, -1, choice(own).key]), _variables_at(played, own))
        for one in ids_of(played, id, choice([0, 1, 1, 2]))
    )
    terminate = tuple(
        commands.TerminateInstruction(choice(own).key)
        if played.maybe(0.7)
        else commands.TerminateInstruction(element_id=choice(own).element_id)
        for _ in range(choice([0, 0, 1, 2]))
    )
    move = tuple(_move(played, one, own) for one in ids_of(played, id, choice([0, 0, 1])))
    names = {row.key: row.element_id for row in own}
    lines = [f"+{one.element_id}@{names.get(one.ancestor_key, one.ancestor_key)} {one.variables}" for one in activate]
    lines += [f"-{one.element_id or names[one.element_instance_key]}" for one in terminate]
    lines += [f"{one.source_element_id or names[one.source_element_instance_key]}>{one}" for one in move]
    await played.do(f"modify {' '.join(lines)}", commands.ModifyProcessInstance(key, activate, terminate, move))


def _variables_at(played: Played, own: list[ElementInstance]) -> tuple[tuple[str, dict[str, str]], ...]:
    scopes = ["", *(row.element_id for row in own)]
    return ((played.chance.choice(scopes), played.number()),) if played.maybe(0.2) else ()


def _move(played: Played, target: str, own: list[ElementInstance]) -> commands.MoveInstruction:
    """An instruction that names its source in one of two ways, and the scope of its target in one of four."""
    source, choice = played.chance.choice(own), played.chance.choice
    named = choice([{"source_element_id": source.element_id}, {"source_element_instance_key": source.key}])
    ways: list[dict[str, Any]] = [{}, {"infers_ancestor": True}, {"infers_ancestor": True}]
    ways += [{"uses_source_parent": True}, {"ancestor_key": choice(own).key}]
    return commands.MoveInstruction(target, **named, **choice(ways), variables=_variables_at(played, own))


@act()
async def migrate(played: Played) -> None:
    """Migrate an instance to its twin, or back, or one that was called to its latest version."""
    process = played.some(ElementInstance, is_process)
    if process is None:
        return
    other = {"process": "twin", "twin": "process"}.get(process.element_id, process.element_id)
    target = played.stage.definitions.processes.latest(other)
    if target is None or _would_be_second(played, process, other):
        return
    mappings = _mappings(played, process, other)
    await played.do(
        f"migrate {other} {mappings}", commands.MigrateProcessInstance(process.key, target.key, tuple(mappings.items()))
    )


def _mappings(played: Played, process: ElementInstance, other: str) -> dict[str, str]:
    """Each element to the same one of the twin; sometimes one of them to another of its kind."""
    if other not in ("process", "twin"):
        return {id: id for id in ("start", "w", "up", "c", "end")}
    living = [one for one in played.stage.living(ElementInstance) if one.process_instance_key == process.key]
    ids = sorted({own_id(one.element_id) for one in living} - {process.element_id})
    if played.maybe(0.5):
        ids = played.ids
    targets = {id: id for id in ids}
    if ids and played.maybe(0.2):
        id = played.chance.choice(ids)
        type = played.elements[id].type
        targets[id] = played.chance.choice([one for one in played.ids if played.elements[one].type == type])
    if other == "twin":
        return {id: of_twin(target) for id, target in targets.items()}
    return {of_twin(id): target for id, target in targets.items()}


def _would_be_second(played: Played, process: ElementInstance, other: str) -> bool:
    """Whether a message has started another instance with the same key there: migration does not look for that."""
    origins = played.stage.living(InstanceOrigin)
    keys = {one.correlation_key for one in origins if one.process_instance_key == process.key} - {""}
    return any(one.correlation_key in keys and one.bpmn_process_id == other for one in origins)


# --- jobs, tasks, variables, incidents


@act(often=5)
async def complete(played: Played) -> None:
    job = played.some(Job)
    if job is not None:
        await played.complete_job(job, played.number())


@act()
async def throw(played: Played) -> None:
    job, code = played.some(Job), played.chance.choice("EEF")
    if job is not None:
        await played.do(f"throw {job.element_id} code={code}", commands.ThrowError(job.key, code, "", played.number()))


@act()
async def fail(played: Played) -> None:
    job, retries = played.some(Job), played.chance.choice([0, 0, 2])
    if job is not None:
        back_off_ms = played.chance.choice([0, 500])
        await played.do(
            f"fail {job.element_id} retries={retries} back_off={back_off_ms}",
            commands.FailJob(job.key, retries, "", back_off_ms, {}),
        )


@act()
async def take(played: Played) -> None:
    timeout_ms, number = played.chance.choice([1, 4_000]), played.chance.randint(1, 3)
    await played.do("activate t", commands.ActivateJobs("t", "w", timeout_ms, number))


@act(often=2)
async def task(played: Played) -> None:
    """A person does something with a user task."""
    task = played.some(UserTask)
    if task is not None:
        command = played.chance.choice(
            [
                AssignUserTask(task.key, played.chance.choice(["", "ben"]), actor=ADA),
                ClaimUserTask(task.key, "ada", actor=ADA),
                UpdateUserTask(task.key, {"priority": 80}, actor=ADA),
                CompleteUserTask(task.key, played.number(), actor=ADA),
                CompleteUserTask(task.key, played.number(), actor=ADA),
            ]
        )
        await played.do(f"task {task.element_id} {command.intent}", command)


@act(often=2)
async def set_variables(played: Played) -> None:
    """Set variables in any scope."""
    element, is_local = played.some(ElementInstance), played.maybe(0.3)
    if element is not None:
        variables = played.chance.choice([{"x": "7"}, {"x": "7"}, {"x": "5"}, {"y": "7"}, *BAD])
        await played.do(
            f"set {element.element_id}{' local' if is_local else ''} {told(variables)}",
            commands.SetVariables(element.key, variables, is_local),
        )


@act(often=2)
async def resolve(played: Played) -> None:
    incident = played.some(Incident)
    if incident is not None:
        await played.resolve(incident)


# --- events from outside, and the clock


@act(often=2)
async def publish(played: Played) -> None:
    name, key = played.chance.choice(["m", "b", "q", "st"]), played.chance.choice(["1", "1", ""])
    await played.publish(name, key, played.chance.choice([0, 10_000]))


@act()
async def signal(played: Played) -> None:
    await played.signal(played.chance.choice(["s", "q", "st"]))


@act()
async def evaluate(played: Played) -> None:
    await played.do("evaluate z=7", commands.EvaluateConditional(0, {**played.good, "z": "7"}))


@act(often=2)
async def advance(played: Played) -> None:
    await played.advance(played.chance.choice([1_000, 5_000, 20_000]))


# --- definitions


@act()
async def deploy(played: Played) -> None:
    """Deploy another version of something that is called, or of the model itself."""
    id, model = played.chance.choice([*CALLED, "process"]), played.model
    if id == "process":
        version = played.stage.definitions.processes.latest(id)
        if version is not None and version.version > 2:
            return
        files = [called("child", 0, model.dialect), *files_of(model, "process", name=f"{played.chance.random()}")]
    else:
        files = [called(id, played.chance.randrange(len(CALLED[id])), model.dialect)]
    await played.do(f"deploy {id}", commands.DeployResources(compile_resources(files)))


@act()
async def delete(played: Played) -> None:
    definition = played.chance.choice(played.stage.rows(ProcessDefinition))
    if not definition.deleted_ms and definition.bpmn_process_id not in ("child", "twin"):
        name = f"{definition.bpmn_process_id} {definition.version}"
        await played.do(f"delete {name}", commands.DeleteResource(definition.key))
