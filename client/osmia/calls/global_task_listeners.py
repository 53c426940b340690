"""Task listeners of all native user tasks, beside those of the models: `client.global_task_listeners` (`osmia.v1.GlobalTaskListeners`).

    await client.global_task_listeners.create("mail", "send-mail", ["creating", "assigning"])

Only Osmia answers; a Zeebe gateway raises `Unimplemented`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from osmia._channel import Channel
from osmia.arguments import calls_of
from osmia.calls.call import Calls
from osmia.calls.items import ItemCalls
from osmia.results import Page
from osmia_proto import queries

DEFAULT_LIMIT = 50
LIST = "global-task-listeners"


@dataclass(frozen=True, slots=True)
class GlobalTaskListener:
    """A task listener that the broker keeps. *type* is that of its jobs; the one with the higher *priority* works first."""

    id: str
    type: str
    event_types: list[str]
    retries: int
    after_non_global: bool  #: it works after the listeners of the model, else before them
    priority: int


@calls_of("Client.global_task_listeners")
class GlobalTaskListenerCalls(Calls):
    """Create, update, delete and find global task listeners."""

    def __init__(self, channel: Channel, call_timeout_ms: int | None) -> None:
        super().__init__(channel, call_timeout_ms)
        self._items = ItemCalls(channel, call_timeout_ms)

    async def create(
        self,
        id: str,
        type: str,
        event_types: Iterable[str],
        *,
        retries: int | None = None,
        after_non_global: bool | None = None,
        priority: int | None = None,
    ) -> GlobalTaskListener:
        """Create a listener. *event_types* are of `creating`, `assigning`, `updating`, `completing`, `canceling`; or `all`.

        Without *retries* its jobs have 3, without *priority* (0 to 100) it is 50.

        Raises:
            AlreadyExists: there is one with that id.
            InvalidArgument: a value breaks a rule.
        """
        request = queries.CreateGlobalTaskListenerRequest(
            id=id,
            type=type,
            event_types=event_types,
            retries=retries,
            after_non_global=after_non_global,
            priority=priority,
        )
        return _listener(await self._call("CreateGlobalTaskListener", request))

    async def update(
        self,
        id: str,
        *,
        type: str = "",
        event_types: Iterable[str] = (),
        retries: int | None = None,
        after_non_global: bool | None = None,
        priority: int | None = None,
    ) -> GlobalTaskListener:
        """Change what is given of a listener.

        Raises:
            NotFound: there is none with that id.
            InvalidArgument: a value breaks a rule.
        """
        request = queries.UpdateGlobalTaskListenerRequest(
            id=id,
            type=type,
            event_types=event_types,
            retries=retries,
            after_non_global=after_non_global,
            priority=priority,
        )
        return _listener(await self._call("UpdateGlobalTaskListener", request))

    async def delete(self, id: str) -> None:
        """Delete a listener. Jobs that it has already go on.

        Raises:
            NotFound: there is none with that id.
        """
        await self._call("DeleteGlobalTaskListener", queries.DeleteGlobalTaskListenerRequest(id=id))

    async def get(self, id: str) -> GlobalTaskListener:
        """Return one listener.

        Raises:
            NotFound: there is none with that id.
        """
        return _item(await self._items.get_item(LIST, id))

    async def search(
        self, id_like: str = "", *, limit: int = DEFAULT_LIMIT, after: str = ""
    ) -> Page[GlobalTaskListener]:
        """Return listeners in the order of their ids. In *id_like*, `*` is any text and `?` any character."""
        asked = {"id": {"$like": id_like}} if id_like else None
        found = await self._items.search_items(LIST, asked, limit=limit, after=after)
        return Page([_item(one) for one in found.items], found.next)


def _listener(message: queries.GlobalTaskListener) -> GlobalTaskListener:
    return GlobalTaskListener(
        message.id,
        message.type,
        list(message.event_types),
        message.retries,
        message.after_non_global,
        message.priority,
    )


def _item(found: dict[str, Any]) -> GlobalTaskListener:
    return GlobalTaskListener(
        found["id"],
        found["type"],
        found["eventTypes"],
        found["retries"],
        found["afterNonGlobal"],
        found["priority"],
    )
