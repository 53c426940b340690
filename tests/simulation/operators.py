"""What operators and people do to a random model at random, beside its own course: batches, flow of jobs, global rows, and what a task may be given."""

from typing import Any

from osmia_broker.engine import commands
from osmia_broker.engine.commands import batches, tasks
from osmia_broker.engine.commands import job_flow as flow
from osmia_broker.state.rows import ElementInstance, Incident, Job
from osmia_broker.state.rows.batches import BatchOperation, BatchType
from osmia_broker.state.rows.tasks import UserTask
from tests.simulation.acts import ADA, act, ids_of
from tests.simulation.played import Played, is_process


@act()
async def batch(played: Played) -> None:
    """Begin a batch operation over some instances, incidents or jobs."""
    types = [
        "CANCEL_PROCESS_INSTANCE",
        "SUSPEND_PROCESS_INSTANCE",
        "RESUME_PROCESS_INSTANCE",
        "MODIFY_PROCESS_INSTANCE",
    ]
    type = BatchType(played.chance.choice([*types, "RESOLVE_INCIDENT", "UPDATE_JOB", "DELETE_PROCESS_INSTANCE"]))
    row_type = {BatchType.RESOLVE_INCIDENT: Incident, BatchType.UPDATE_JOB: Job}.get(type, ElementInstance)
    rows = [row for row in played.stage.living(row_type) if row_type is not ElementInstance or is_process(row)]
    some = played.chance.sample(rows, min(len(rows), played.chance.randint(0, 2)))
    source, target = ids_of(played, "process", 2)
    plan = batches.BatchPlan(moves=((source, target),), retries=2)
    key = await played.ask(f"batch {type}", batches.CreateBatch(type, plan))
    if isinstance(key, int):
        items = tuple((row.key, row.process_instance_key) for row in some)
        await played.do(f"add {len(items)} items", batches.AddBatchItems(key, items))
        if played.maybe(0.8):  # whoever begins one may be gone before it starts
            await played.do("start the batch", batches.StartBatch(key))


@act()
async def steer_batch(played: Played) -> None:
    row = played.some(BatchOperation, lambda one: not one.whole_key)
    if row is not None:
        kind = played.chance.choice(
            [batches.SuspendBatch, batches.ResumeBatch, batches.ResumeBatch, batches.CancelBatch]
        )
        await played.do(kind.__name__, kind(row.key))


@act()
async def steer_jobs(played: Played) -> None:
    """Hand out no more jobs, or fewer, or all again."""
    choices: list[commands.Command] = [
        flow.PauseJobs("t"),
        flow.ResumeJobs("t"),
        flow.LimitJobs("t", 1),
        flow.LimitJobs("t"),
    ]
    command = played.chance.choice(choices)
    await played.do(f"{command}", command)


@act()
async def change_job(played: Played) -> None:
    job, choice = played.some(Job), played.chance.choice
    if job is not None:
        values: dict[str, Any] = choice([{"priority": 9}, {"retries": 3}, {"timeout_ms": 5_000}, {"timeout_ms": 0}])
        await played.do(f"update {job.element_id} {values}", commands.UpdateJob(job.key, **values))


@act()
async def lease(played: Played) -> None:
    """Take jobs with leases; the worker gives them back, or completes them with their tokens, or is gone."""
    answer = await played.ask("lease t", commands.ActivateJobs("t", "w", 4_000, 2, leases=True))
    for job in getattr(answer, "jobs", ()):
        if played.maybe(0.3):
            await played.do("give back", commands.GiveBackJobs(((job.key, job.deadline_ms),)))
        elif played.maybe(0.5):
            token = job.lease_token if played.maybe(0.8) else "another"
            await played.do(f"complete leased {token}", commands.CompleteJob(job.key, {"x": "1"}, lease_token=token))


@act()
async def change_cluster(played: Played) -> None:
    """Create, change or delete a cluster variable or a global task listener."""
    events = tuple(played.chance.sample(["creating", "assigning", "updating", "completing", "canceling"], 2))
    command = played.chance.choice(
        [
            commands.CreateClusterVariable("shared", "1"),
            commands.UpdateClusterVariable("shared", "2"),
            commands.DeleteClusterVariable("shared"),
            tasks.CreateGlobalTaskListener("g", "t", events, retries=1),
            tasks.UpdateGlobalTaskListener("g", event_types=events),
            tasks.DeleteGlobalTaskListener("g"),
        ]
    )
    await played.do(f"{command}", command)


@act(often=2)
async def keep_at_task(played: Played) -> None:
    """Hold a completion and take it back, snooze, comment, propose."""
    task = played.some(UserTask)
    if task is not None:
        command = played.chance.choice(
            [
                tasks.HoldUserTask(task.key, played.number(), 5_000, actor=ADA),
                tasks.UndoUserTask(task.key, actor=ADA),
                tasks.SnoozeUserTask(task.key, until_change=True, actor=ADA),
                tasks.SnoozeUserTask(task.key, until_ms=played.stage.now_ms() + 5_000, actor=ADA),
                tasks.CommentUserTask(task.key, "hm", actor=ADA),
                tasks.SaveTaskDraft(task.key, '{"x": 1}', actor=ADA),
                tasks.ProposeForUserTask(task.key, '{"x": 1}', actor=ADA),
            ]
        )
        await played.do(f"task {task.element_id} {type(command).__name__}", command)


@act()
async def delete_ended(played: Played) -> None:
    """Delete the history of an instance; one that lives is refused."""
    rows = [row for row in played.stage.rows(ElementInstance) if is_process(row)]
    if rows:
        row = played.chance.choice(rows)
        await played.do(f"delete history of {row.element_id}", batches.DeleteEndedInstance(row.key))


@act()
async def create_marked(played: Played) -> None:
    """Create an instance with marks of its caller, who may repeat it, or wait for its result."""
    more: dict[str, Any] = played.chance.choice(
        [
            {"tags": ("a", "b")},
            {"idempotency_key": "once"},
            {"result_ticket": played.chance.randint(1, 1 << 40)},
            {"start_elements": ids_of(played, "process", 1), "terminate_after": ids_of(played, "process", 1)},
        ]
    )
    more = {name: tuple(value) if isinstance(value, list) else value for name, value in more.items()}
    command = commands.CreateProcessInstance("process", -1, 0, {**played.good, **played.number()}, **more)
    await played.do(f"create process {more}", command)


@act()
async def correlate(played: Played) -> None:
    name, key = played.chance.choice(["m", "b", "q", "st"]), played.chance.choice(["1", ""])
    business_id = played.chance.choice(["", "", "one"])
    await played.do(f"correlate {name}", commands.CorrelateAtOnce(name, key, {"p": "1"}, business_id=business_id))
