"""Do one operation on many user tasks, each for itself; the answer has the outcome for each."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from osmia_broker.base.errors import Forbidden, InvalidArgument, InvalidState, NotFound, OsmiaError
from osmia_broker.calls import checks
from osmia_broker.calls.caller import Caller
from osmia_broker.calls.documents import parse_variables
from osmia_broker.calls.tasks.readable import ReadableTasks
from osmia_broker.calls.tasks.user_tasks import UserTaskCalls
from osmia_broker.store.read import Reader
from osmia_broker.store.read.deployed import files
from osmia_broker.store.read.search.entity import Item

TASKS_MAX = 500  # at once: each is a commit's worth of work, and the caller waits for all


class Doing(StrEnum):
    """The operations on many tasks."""

    CLAIM = "CLAIM"
    UNCLAIM = "UNCLAIM"  # only of the caller's own
    ASSIGN = "ASSIGN"
    COMPLETE = "COMPLETE"  # only the caller's own, and none with a form: that is filled in one by one


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome for one task."""

    key: int
    name: str  # of the task, or of its element; empty if the caller may not read it
    is_done: bool
    reason: str = ""  # why it was not done


async def do_with_many(
    tasks: UserTaskCalls,
    reader: Reader,
    keys: Sequence[int],
    doing: Doing,
    *,
    caller: Caller,
    assignee: str = "",
    variables: str = "",
) -> list[Outcome]:
    """Do the same with each of the tasks, one after the other; return what became of each, in their order.

    Raises:
        InvalidArgument: there are no tasks, too many or one twice; ASSIGN names nobody; a value does not belong to what is done.

    """
    if not 1 <= len(keys) <= TASKS_MAX:
        raise InvalidArgument(f"Expected 1 to {TASKS_MAX} user tasks at once, but found {len(keys)}")
    if len(set(keys)) < len(keys):
        raise InvalidArgument("Expected each user task once, but found one of them twice")
    if (doing is Doing.ASSIGN) != bool(assignee.strip()):
        found = "found none" if doing is Doing.ASSIGN else f"found '{checks.quoted(assignee)}' with {doing}"
        raise InvalidArgument(f"Expected an assignee for ASSIGN alone, but {found}")
    if variables and doing is not Doing.COMPLETE:
        raise InvalidArgument(f"Expected variables for COMPLETE alone, but found some with {doing}")
    parse_variables(variables)
    for key in keys:
        checks.int64("userTaskKey", key)
    many = _Many(tasks, reader, doing, caller=caller, assignee=assignee, variables=variables)
    return [await many.one(key) for key in keys]


class _Many:
    """One operation on many tasks, in the name of *caller*."""

    def __init__(
        self, tasks: UserTaskCalls, reader: Reader, doing: Doing, *, caller: Caller, assignee: str, variables: str
    ) -> None:
        self._tasks, self._reader, self._caller, self._variables = tasks, reader, caller, variables
        self._readable = ReadableTasks(reader, tasks.actor(caller))
        ways: dict[Doing, Callable[[int], Awaitable[None]]] = {
            Doing.CLAIM: lambda key: tasks.claim(key, caller=caller),
            Doing.UNCLAIM: self._unclaim,
            Doing.ASSIGN: lambda key: tasks.assign(key, assignee, caller=caller),
            Doing.COMPLETE: self._complete,
        }
        self._way = ways[doing]

    async def one(self, key: int) -> Outcome:
        """Do it with one task; return what became of it."""
        try:
            await self._way(key)
        except OsmiaError as error:
            name, reason = await self._why_not(key, error)
            return Outcome(key, name, False, reason)
        return Outcome(key, await self._name(key), True)

    async def _name(self, key: int) -> str:
        try:
            return _name_of(await self._readable.item(key))
        except (NotFound, Forbidden):  # since it was assigned to somebody else, say
            return ""

    async def _unclaim(self, key: int) -> None:
        item = await self._readable.item(key)
        if _is_open(item) and item["assignee"] != self._caller.user:
            raise InvalidArgument(f"it is assigned to {item['assignee']}" if item["assignee"] else "it is not assigned")
        await self._tasks.unassign(key, caller=self._caller)

    async def _complete(self, key: int) -> None:
        item = await self._readable.item(key)
        if _is_open(item) and item["assignee"] != self._caller.user:
            raise InvalidArgument("it is not yours")
        if await files.form_of_task(self._reader, key) is not None:
            raise InvalidArgument("it has a form to fill in")
        await self._tasks.complete(key, self._variables, caller=self._caller)

    async def _why_not(self, key: int, error: OsmiaError) -> tuple[str, str]:
        try:
            item = await self._readable.item(key)
        except NotFound:
            return "", "it does not exist"
        except Forbidden:
            return "", "it is not for you to see"
        if not _is_open(item):
            return _name_of(item), f"it is {item['state'].lower()}"
        if isinstance(error, InvalidState) and item["assignee"]:
            return _name_of(item), f"already claimed by {item['assignee']}"
        return _name_of(item), str(error).rstrip(".")


def _name_of(item: Item) -> str:
    return str(item["name"] or item["elementId"])


def _is_open(item: Item) -> bool:
    return item["completionDate"] is None
