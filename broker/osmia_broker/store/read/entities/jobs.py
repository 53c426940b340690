"""Jobs, open and ended."""

from typing import Any

import msgspec
from sqlalchemy import and_, case, literal_column, not_, true

from osmia_broker.state.rows import JobKind, JobState
from osmia_broker.store import schema
from osmia_broker.store.read.entities import beside
from osmia_broker.store.read.search.entity import Entity, Head
from osmia_broker.store.read.search.fields import (
    SORTED_TENANT,
    TEXTS_BY_NAME,
    Column,
    Condition,
    choice,
    date,
    flag,
    integer,
    json,
    key,
    maybe,
    named,
    no_flag,
    own_key,
    text,
)
from osmia_broker.store.read.search.filters import Group
from osmia_broker.store.read.sql import dialect

_job = schema.jobs.alias("job")
_definition, _origin = beside.Definition(_job.c.process_definition_key), beside.Origin(_job.c.process_instance_key)

_was_tried = _job.c.worker != ""
_waits = _job.c.state == "ACTIVATABLE"
_failed = (_job.c.state == "FAILED") | (_waits & _was_tried & (_job.c.error_message != ""))
_timed_out = _waits & _was_tried & (_job.c.error_message == "")
#: The names of the contract are those of the job's last event. A failed job that waits for its next try is FAILED.
STATES: dict[str, Condition] = {
    "CREATED": (_waits & not_(_was_tried)) | _job.c.state.in_(("ACTIVATED", "SUSPENDED")),
    "FAILED": _failed,
    "TIMED_OUT": _timed_out,
    "ERROR_THROWN": _job.c.state == "ERROR_THROWN",
    "COMPLETED": _job.c.state == "COMPLETED",
    "CANCELED": _job.c.state == "CANCELED",
} | {name: literal_column("0") == 1 for name in ("MIGRATED", "PRIORITY_UPDATED", "RETRIES_UPDATED", "TIMEOUT_UPDATED")}
_ENDED_OR_THROWN = ("ERROR_THROWN", "COMPLETED", "CANCELED")
_state = case(
    (_job.c.state.in_(_ENDED_OR_THROWN), _job.c.state),
    (_failed, "FAILED"),
    (_timed_out, "TIMED_OUT"),
    else_="CREATED",
)
LISTENER_EVENTS = (
    "UNSPECIFIED",
    "START",
    "END",
    "CREATING",
    "ASSIGNING",
    "UPDATING",
    "COMPLETING",
    "CANCELING",
    "BEFORE_ALL",
    "CANCEL",
)
_listener_event = case((_job.c.listener_event == "", "UNSPECIFIED"), else_=_job.c.listener_event)
_deadline = case((_job.c.deadline_ms > 0, _job.c.deadline_ms), else_=literal_column("0"))
_updated: Column = case((_job.c.ended_ms > 0, _job.c.ended_ms), else_=_job.c.created_ms)
_none: Column = literal_column("''")


def headers(stored: Any) -> dict[str, str]:
    """Read the stored headers of a job or a user task."""
    return msgspec.json.decode(stored, type=dict[str, str])


_IN_NO_INDEX = frozenset({"COMPLETED", "CANCELED"})


def _heads(shape: Group) -> list[Head]:
    """Return the parts of the list of one job, of those of an instance, or of open jobs.

    All that a worker holds, that back off, have an incident or are suspended are few. Those that wait for a worker have an index by type.
    """
    if shape.leaf("jobKey", "$eq"):
        return [Head(true())]
    if shape.leaf("processInstanceKey", "$eq"):
        return [Head(true(), "jobs_of_instance")]
    stored = shape.leaf("storedState", "$in")
    states = stored.names if stored else _IN_NO_INDEX
    waits = "ACTIVATABLE" in states
    if states & _IN_NO_INDEX or (waits and not shape.leaf("type", "$eq")):
        return []
    waiting = [Head(_waits_in(lane), index, has_order=lane == schema.PLAIN) for index, lane in _LANES.items()]
    return [*(waiting if waits else []), *([_DUE, _STOPPED, _SUSPENDED] if states != {"ACTIVATABLE"} else [])]


_LANES = {"jobs_activatable": schema.PLAIN, "jobs_ranked": schema.RANKED, "jobs_leased": schema.LEASED}
_is_open = _job.c.ended_ms == schema.NOT_ENDED
_DUE = Head(and_(_job.c.deadline_ms > schema.NO_DEADLINE, _is_open), "jobs_due")
_STOPPED = Head(_job.c.key.in_(beside.stopped("job_key")))
_SUSPENDED = Head(and_(beside.is_suspended(_job.c.process_instance_key), _is_open), "jobs_of_instance")


def _waits_in(lane: str) -> Condition:
    """Whether a job is in one of the indexes of those that wait for a worker."""
    is_there: Condition = literal_column(f"({lane})")
    return is_there


JOBS = Entity(
    "jobs",
    _job,
    (_job.c.key,),
    (
        own_key("jobKey", _job.c.key),
        text("type", _job.c.type, sorts=True),
        named("state", _state, STATES, sorts=True),
        choice("kind", _job.c.kind, JobKind, sorts=True),
        named(
            "listenerEventType", _listener_event, {one: _listener_event == one for one in LISTENER_EVENTS}, sorts=True
        ),
        text("worker", _job.c.worker, sorts=True),
        integer("retries", _job.c.retries, sorts=True),
        integer("priority", _job.c.get("priority", literal_column("0")), sorts=True),
        date("deadline", _deadline, sorts=True),
        maybe("errorCode", _job.c.error_code, sorts=True),
        maybe("errorMessage", _job.c.error_message, sorts=True),
        flag(
            "hasFailedWithRetriesLeft",
            and_(_job.c.ended_ms == schema.NOT_ENDED, _failed, _job.c.retries > 0),
            sorts=True,
        ),
        no_flag("isDenied", sorts=True),
        maybe("deniedReason", _none, sorts=True),
        json("customHeaders", _job.c.headers, headers, TEXTS_BY_NAME),
        date("creationTime", _job.c.created_ms, sorts=True, sorted_by=_job.c.key, optional=False),
        date("endTime", _job.c.ended_ms, sorts=True),
        date("lastUpdateTime", _updated),
        text("elementId", _job.c.element_id, sorts=True),
        key("elementInstanceKey", _job.c.element_instance_key, sorts=True),
        key("processInstanceKey", _job.c.process_instance_key, sorts=True),
        _origin.root_field(),
        key("processDefinitionKey", _job.c.process_definition_key, sorts=True),
        _definition.process_id,
        beside.business_id(_job.c.process_instance_key, filters=False),
        SORTED_TENANT,
        # --- for the states that jobs have in the store
        choice("storedState", _job.c.state, JobState, filters=False, shows=False),
    ),
    heads=_heads,
    walks={"jobKey": dialect.BY_KEY, "creationTime": dialect.BY_KEY},
)
