"""Global task listeners."""

from sqlalchemy import and_, literal_column

from osmia_broker.model import TASK_LISTENER_EVENTS
from osmia_broker.state.rows.tasks import GlobalTaskListener
from osmia_broker.store import schema
from osmia_broker.store.read.entities.beside import texts
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.fields import Condition, choice, flag, integer, named, text

_listener = schema.TABLES[GlobalTaskListener].alias("listener")
_has: dict[str, Condition] = {one: _listener.c.event_types.contains(f'"{one}"') for one in TASK_LISTENER_EVENTS}
_events: dict[str, Condition] = _has | {"all": and_(*_has.values())}

GLOBAL_TASK_LISTENERS = Entity(
    "global task listeners",
    _listener,
    (_listener.c.id,),
    (
        text("id", _listener.c.id, sorts=True),
        text("type", _listener.c.type, sorts=True),
        named("eventTypes", _listener.c.event_types, _events, several=True, show=texts),
        integer("retries", _listener.c.retries),
        flag("afterNonGlobal", _listener.c.after_model == 1, sorts=True),
        integer("priority", _listener.c.priority, sorts=True),
        choice("source", literal_column("'API'"), ("API", "CONFIGURATION"), sorts=True),
    ),
    where=_listener.c.deleted_ms == 0,
    key_types=(str,),
    is_of_cluster=True,
)
