"""The task list of a person: their queries, their saved filters with the number of tasks in each, and what they have snoozed.

Every door asks here, so that a query means the same on the page, in the SDK and on the command line.
"""

from dataclasses import dataclass
from typing import Any

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.calls.tasks.readable import ReadableTasks
from osmia_broker.engine.commands.tasks import Actor
from osmia_broker.store.read import Reader
from osmia_broker.store.read.entities import USER_TASKS
from osmia_broker.store.read.search.search import Found, Search, orders, search
from osmia_broker.store.read.tasks import task_query
from osmia_broker.store.read.tasks.task_filters import FILTERS_MAX, filters_of, has_room_for
from osmia_broker.store.read.tasks.task_query import Asker, TaskQuery
from osmia_broker.store.read.tasks.task_snoozes import Snooze, snoozes_of

COUNTED_ROWS = 1_000  # of a list whose rows are counted one by one; beyond, people read that there are more


@dataclass(frozen=True, slots=True)
class SavedFilter:
    """A saved filter, with the number of tasks that pass it now (0 if they were not counted)."""

    name: str
    query: str
    total: int = 0
    has_more_total: bool = False
    problem: str = ""  # why the query cannot be read any more


class TaskLists:
    """The lists of *actor* at a moment."""

    def __init__(self, reader: Reader, actor: Actor, now_ms: int) -> None:
        self._reader = reader
        self._asker = Asker(actor.user, actor.groups, now_ms)
        self._scope = ReadableTasks(reader, actor).scope

    async def read(self, text: str, *, view: str = "", order: str = "") -> TaskQuery:
        """Read a query. Raises InvalidArgument if a term cannot be read."""
        return await task_query.read(self._reader, text, self._asker, view=view, order=order)

    async def search(self, text: str, narrowed: Search, **bounds: Any) -> Found:
        """Find the tasks that pass a query and the filter of *narrowed* too. The order of *narrowed* comes first, if it has one.

        The *bounds* are those of `search`.

        Raises:
            InvalidArgument: the query, the filter, the order or the page cannot be read, or the query and the filter say one thing twice.

        """
        query = await self.read(text)
        filter = dict(query.filter)
        further = narrowed.filter or {}
        if not isinstance(further, dict):
            raise InvalidArgument("Expected filter to be a JSON object, but found another value")
        for name, value in further.items():
            if name in filter and name != "state":
                raise InvalidArgument(f"Expected '{name}' in the query or in the filter, but found it in both")
            filter[name] = value
        asked = Search(filter, narrowed.sort or orders(task_query.order_of(query)), narrowed.page)
        return await search(self._reader, USER_TASKS, asked, scope=self._scope, **bounds)

    async def saved(self, *, counted_max: int) -> list[SavedFilter]:
        """Return the saved filters by name; the first *counted_max* with their numbers of tasks."""
        found = await filters_of(self._reader, self._asker.user)
        return [
            await self._counted(one.name, one.query) if place < counted_max else SavedFilter(one.name, one.query)
            for place, one in enumerate(found)
        ]

    async def require_savable(self, name: str, text: str) -> None:
        """Refuse to save a filter that cannot be read, or one more than a person may have.

        Raises:
            InvalidArgument: with the reason.

        """
        await self.read(text)
        if not has_room_for(name, await filters_of(self._reader, self._asker.user)):
            raise InvalidArgument(f"Expected at most {FILTERS_MAX} saved filters of a person, but found one more")

    async def snoozed(self) -> list[Snooze]:
        """Return what the person has snoozed."""
        return await snoozes_of(self._reader, self._asker.user, self._asker.now_ms)

    async def _counted(self, name: str, text: str) -> SavedFilter:
        try:
            found = await self.search(text, Search(page={"limit": 1}), total_max=COUNTED_ROWS)
        except InvalidArgument as fault:
            return SavedFilter(name, text, problem=str(fault))
        return SavedFilter(name, text, found.total, found.has_more_total)
