"""The list of buffered messages, newest first: published, and kept until their time to live is over."""

from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, select

from osmia_broker.state.rows import Message
from osmia_broker.store import schema
from osmia_broker.store.read import pages
from osmia_broker.store.read.pages import Page, merged, row_key
from osmia_broker.store.read.sources import Sources, of_all, question
from osmia_broker.store.read.tables import columns_of

LIST = "messages"  #: the name in its cursors

_message = schema.messages
_FILTERS = {
    "name": _message.c.name == bindparam("name"),
    "correlation_key": _message.c.correlation_key == bindparam("correlation_key"),
    "message_id": _message.c.message_id == bindparam("message_id"),
}


@question(of_all(merged(LIST, row_key)))
async def search(
    sources: Sources,
    *,
    name: str = "",
    correlation_key: str = "",
    message_id: str = "",
    limit: int = 0,
    after: str = "",
) -> Page[Message]:
    """List the messages that are buffered now and pass every filter. An empty filter lets all pass."""
    asked = {"name": name, "correlation_key": correlation_key, "message_id": message_id}
    given = {name: value for name, value in asked.items() if value}
    values = pages.values_of(LIST, limit, after) | given
    async with sources.database.snapshot() as snapshot:
        return await pages.read(snapshot, LIST, Message, _statement(frozenset(given)), values)


@cache
def _statement(given: frozenset[str]) -> Select[Any]:
    """Build the statement with these filters, once. Without a name, the index of messages that expire finds all that are buffered."""
    is_buffered = (_message.c.expires_ms > schema.NO_DEADLINE) & (_message.c.ended_ms == schema.NOT_ENDED)
    buffered = select(_message.c.key).where(is_buffered, *(_FILTERS[name] for name in sorted(given)))
    keys = pages.newest_open(buffered, Message)
    return pages.newest_first(columns_of(Message).where(pages.among_all(_message.c.key, [keys])), Message)
