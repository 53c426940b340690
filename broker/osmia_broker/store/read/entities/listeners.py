"""Global task listeners."""

import msgspec
from sqlalchemy import literal_column

from osmia_broker.state.task_rows import GlobalTaskListener
from osmia_broker.store import schema
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.fields import choice, flag, integer, json, text

_listener = schema.TABLES[GlobalTaskListener].alias("listener")

GLOBAL_TASK_LISTENERS = Entity(
    "global task listeners",
    _listener,
    (_listener.c.id,),
    (
        text("id", _listener.c.id, sorts=True),
        text("type", _listener.c.type, sorts=True),
        json("eventTypes", _listener.c.event_types, msgspec.json.decode),
        integer("retries", _listener.c.retries),
        flag("afterNonGlobal", _listener.c.after_model == 1, sorts=True),
        integer("priority", _listener.c.priority, sorts=True),
        choice("source", literal_column("'API'"), ("API", "CONFIGURATION"), sorts=True),
    ),
    where=_listener.c.deleted_ms == 0,
    key_types=(str,),
    is_of_cluster=True,
)
