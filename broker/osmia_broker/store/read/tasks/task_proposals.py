"""The proposals for user tasks, and what a person may take back: completions that are held, and their last assignment."""

import msgspec
from sqlalchemy import bindparam, literal_column, select

from osmia_broker.base.errors import NotFound
from osmia_broker.state.rows import FollowUp
from osmia_broker.state.rows.tasks import TaskEvent, TaskProposal
from osmia_broker.store import schema
from osmia_broker.store.read.sources import Sources, of_key, question

HELD = "CompleteHeldTask"  #: the command of such a follow-up
PROPOSALS_MAX = 100  # of a task in an answer, the newest ones

_proposal, _event, _follow_up = (schema.TABLES[one].c for one in (TaskProposal, TaskEvent, FollowUp))
_OF_TASK = (
    select(schema.TABLES[TaskProposal])
    .where(_proposal.user_task_key == bindparam("key"))
    .order_by(_proposal.key.desc())
    .limit(PROPOSALS_MAX)
)
_ONE = select(schema.TABLES[TaskProposal]).where(_proposal.key == bindparam("key"))
_NEXT_KEY = select(schema.partition.c.next_key).where(schema.partition.c.id == bindparam("partition"))
_HELD = select(_follow_up.content, _follow_up.due_ms).where(
    _follow_up.process_instance_key == bindparam("instance"), _follow_up.command == HELD
)
_LAST_STEP = (
    select(_event.operation, _event.user, _event.changes, _event.at_ms)
    .where(_event.user_task_key == bindparam("key"), _event.refusal == literal_column("''"))
    .order_by(_event.key.desc())
    .limit(1)
)
_LAST_REFUSAL = (
    select(_event.user, _event.refusal)
    .where(_event.user_task_key == bindparam("key"))
    .order_by(_event.key.desc())
    .limit(1)
)


class _Promise(msgspec.Struct, frozen=True):
    """The part of the command in a follow-up that is read."""

    user_task_key: int
    user: str


class Held(msgspec.Struct, frozen=True):
    """A completion that is held."""

    user: str
    until_ms: int


class LastStep(msgspec.Struct, frozen=True):
    """The last step of a task's history that took effect."""

    operation: str
    user: str
    changes: dict[str, tuple[object, object]]
    at_ms: int


@question(of_key("key"))
async def proposals_for(sources: Sources, key: int) -> list[TaskProposal]:
    """Return the proposals for a task, oldest first, at most `PROPOSALS_MAX`."""
    async with sources.database.snapshot() as snapshot:
        found = await snapshot.values(_OF_TASK, {"key": key})
    return [TaskProposal(*row) for row in reversed(found)]


class ReadProposal(msgspec.Struct, frozen=True):
    """A proposal, and the key up to which commits had been read before it."""

    row: TaskProposal
    read_key: int


@question(of_key("key"))
async def proposal(sources: Sources, key: int) -> ReadProposal:
    """Return one proposal, and how much had been read by then.

    Raises:
        NotFound: there is none with this key.

    """
    async with sources.leases.snapshot() as snapshot:
        ((read_key,),) = await snapshot.values(_NEXT_KEY, {"partition": sources.number})
    async with sources.database.snapshot() as snapshot:
        found = await snapshot.values(_ONE, {"key": key})
    if not found:
        raise NotFound(f"Expected a proposal with key '{key}', but no such proposal was found")
    return ReadProposal(TaskProposal(*found[0]), read_key)


@question(of_key("process_instance_key"))
async def held_completion(sources: Sources, process_instance_key: int, key: int) -> Held | None:
    """Return the completion of a task that is held."""
    async with sources.database.snapshot() as snapshot:
        found = await snapshot.values(_HELD, {"instance": process_instance_key})
    for content, due_ms in found:
        promise = msgspec.json.decode(content, type=_Promise)
        if promise.user_task_key == key:
            return Held(promise.user, due_ms)
    return None


@question(of_key("key"))
async def last_step(sources: Sources, key: int) -> LastStep | None:
    """Return the last step of a task's history that took effect; None if it has none."""
    async with sources.database.snapshot() as snapshot:
        found = await snapshot.values(_LAST_STEP, {"key": key})
    if not found:
        return None
    operation, user, changes, at_ms = found[0]
    return LastStep(operation, user, msgspec.json.decode(changes, type=dict[str, tuple[object, object]]), at_ms)


@question(of_key("key"))
async def last_refusal(sources: Sources, key: int, user: str) -> str:
    """Return why the last step that was wanted of a task was denied; empty if it was not, or if it was not the person's."""
    async with sources.database.snapshot() as snapshot:
        found = await snapshot.values(_LAST_REFUSAL, {"key": key})
    return found[0][1] if found and found[0][0] == user else ""
