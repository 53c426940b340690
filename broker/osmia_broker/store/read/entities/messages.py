"""Buffered messages: published, and kept until their time to live is over."""

from sqlalchemy import and_, true

from osmia_broker.store import schema
from osmia_broker.store.read.search.entity import Entity, Head
from osmia_broker.store.read.search.fields import date, maybe, own_key, text
from osmia_broker.store.read.search.filters import Group

_message = schema.messages.alias("message")
_BY_NAME = Head(true(), "messages_by_name_correlation_key")
_ALL = Head(true(), "messages_due")


def _heads(shape: Group) -> list[Head]:
    """Return the part of the list that an index has: the messages of a name, or all that are buffered."""
    return [_BY_NAME if shape.leaf("name", "$eq") else _ALL]


MESSAGES = Entity(
    "messages",
    _message,
    (_message.c.key,),
    (
        own_key("messageKey", _message.c.key),
        text("name", _message.c.name),
        text("correlationKey", _message.c.correlation_key),
        maybe("messageId", _message.c.message_id),
        maybe("businessId", _message.c.business_id),
        date("publicationDate", _message.c.published_ms, sorts=True, sorted_by=_message.c.key, optional=False),
        date("expirationDate", _message.c.expires_ms),
    ),
    where=and_(_message.c.expires_ms > schema.NO_DEADLINE, _message.c.ended_ms == schema.NOT_ENDED),
    heads=_heads,
)
