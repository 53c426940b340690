"""The list of buffered messages, newest first: the search of `entities/messages.py` with rows."""

from osmia_broker.state.rows import Message
from osmia_broker.store.read.entities.messages import MESSAGES
from osmia_broker.store.read.lists.pages import Page
from osmia_broker.store.read.lists.stored import Rows, page_of
from osmia_broker.store.read.sources import Sources, by_itself, question

NEWEST_FIRST = (("publicationDate", True),)


@question(by_itself)
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
    asked = {"name": name, "correlationKey": correlation_key, "messageId": message_id}
    return await page_of(sources, MESSAGES, Rows(Message), NEWEST_FIRST, asked, limit=limit, after=after)
