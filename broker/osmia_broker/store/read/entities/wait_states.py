"""Wait states: what each element instance waits for now. One statement over the open rows of four tables; conditions are in the models."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Select, case, literal_column, select, union_all

from osmia_broker.model import USER_TASK_JOB_TYPE
from osmia_broker.state.rows import Job, Subscription, Timer
from osmia_broker.state.rows.tasks import UserTask
from osmia_broker.store import schema
from osmia_broker.store.read.deployed.element_names import Condition
from osmia_broker.store.read.entities import beside
from osmia_broker.store.read.entities.element_instances import TYPES
from osmia_broker.store.read.search.entity import Entity, Item
from osmia_broker.store.read.search.fields import (
    MAYBE_MOMENT,
    TENANT,
    Column,
    Join,
    integer,
    key,
    list_of,
    made,
    maybe,
    named,
    object_of,
    text,
)
from osmia_broker.store.read.search.values import moment
from osmia_broker.store.read.sources import Sources

_NONE: Column = literal_column("0")
_NOTHING: Column = literal_column("''")


def _waiting(row_type: type, type_: Column, **details: Column) -> Select[Any]:
    """Select open rows of one class in the columns of a wait state."""
    table = schema.TABLES[row_type].c
    texts = {name: details.get(name, _NOTHING) for name in ("name", "detail", "event")}
    numbers = {name: details.get(name, _NONE) for name in ("number", "moment")}
    return select(
        table.key,
        table.process_instance_key,
        table.process_definition_key,
        table.element_instance_key,
        table.element_id,
        table.created_ms,
        type_.label("type"),
        *(column.label(name) for name, column in (texts | numbers).items()),
    ).where(table.ended_ms == schema.NOT_ENDED)


_job, _timer = schema.jobs.c, schema.TABLES[Timer].c
_subscription, _task = schema.TABLES[Subscription].c, schema.TABLES[UserTask].c
_ALL = (
    _waiting(
        Job,
        literal_column("'JOB'"),
        name=_job.type,
        detail=_job.kind,
        event=_job.listener_event,
        number=_job.retries,
    ).where(_job.type != USER_TASK_JOB_TYPE),
    _waiting(UserTask, literal_column("'USER_TASK'"), moment=_task.due_ms),
    _waiting(Timer, literal_column("'TIMER'"), number=_timer.repetitions, moment=_timer.due_ms).where(
        _timer.element_instance_key != 0
    ),
    _waiting(Subscription, _subscription.kind, name=_subscription.name, detail=_subscription.correlation_key),
)
_wait = union_all(*_ALL).subquery("wait")
_definition, _origin = beside.Definition(_wait.c.process_definition_key), beside.Origin(_wait.c.process_instance_key)
_element = schema.element_instances.alias("element")
_place = Join(_element, _element.c.key == _wait.c.element_instance_key)
#: A boundary event waits at its activity, the start event of an event subprocess at its scope, events behind a gateway at the gateway.
_element_type = case(
    (
        _element.c.element_id == _wait.c.element_id,
        case((_element.c.type == "TRANSACTION", "SUB_PROCESS"), else_=_element.c.type),
    ),
    (_element.c.type == "EVENT_BASED_GATEWAY", "INTERMEDIATE_CATCH_EVENT"),
    (_element.c.type == "PROCESS", "START_EVENT"),
    else_="BOUNDARY_EVENT",
)
WAIT_TYPES = ("JOB", "MESSAGE", "USER_TASK", "TIMER", "SIGNAL", "CONDITION")


def _job_details(item: Item) -> Item:
    event = item["event"] or "UNSPECIFIED"
    return {
        "jobKey": item["key"],
        "jobType": item["name"],
        "jobKind": item["detail"],
        "listenerEventType": event,
        "retries": item["number"],
    }


_DETAILS: dict[str, Callable[[Item], Item]] = {
    "JOB": _job_details,
    "USER_TASK": lambda item: {"taskKey": item["key"], "dueDate": moment(item["moment"])},
    "TIMER": lambda item: {"dueDate": abs(item["moment"]), "repetitions": item["number"]},
    "MESSAGE": lambda item: {"messageName": item["name"], "correlationKey": item["detail"] or None},
    "SIGNAL": lambda item: {"signalName": item["name"]},
    "CONDITION": lambda item: {"expression": item["condition"].expression, "events": item["condition"].changes},
}


_TEXT, _WHOLE, _KEY = {"type": "string"}, {"type": "integer"}, {"type": "string", "pattern": "^[0-9]{1,19}$"}
_MEMBERS: dict[str, dict[str, Any]] = {
    "JOB": {"jobKey": _KEY, "jobType": _TEXT, "jobKind": _TEXT, "listenerEventType": _TEXT, "retries": _WHOLE},
    "USER_TASK": {"taskKey": _KEY, "dueDate": MAYBE_MOMENT},
    "TIMER": {"dueDate": {**_WHOLE, "description": "Epoch milliseconds."}, "repetitions": _WHOLE},
    "MESSAGE": {"messageName": _TEXT, "correlationKey": {"type": ["string", "null"]}},
    "SIGNAL": {"signalName": _TEXT},
    "CONDITION": {"expression": _TEXT, "events": list_of(_TEXT)},
}
_DESCRIBED = {
    "oneOf": [
        {**object_of(waitStateType={**_TEXT, "enum": [type_]}, **members), "required": ["waitStateType"]}
        for type_, members in _MEMBERS.items()
    ]
}
_TAKEN = frozenset(("key", "name", "detail", "event", "number", "moment", "waitStateType", "processDefinitionKey"))


async def _add_details(sources: Sources, items: list[Item]) -> None:
    """Put what is special about each kind of wait state into its details."""
    await _find_conditions(sources, [item for item in items if item["waitStateType"] == "CONDITION"])
    for item in items:
        type_ = item["waitStateType"]
        details = _DETAILS[type_](item)
        for name in _TAKEN:
            del item[name]
        item.pop("condition", None)
        item["details"] = {"waitStateType": type_, **details}


async def _find_conditions(sources: Sources, items: list[Item]) -> None:
    """Find the condition of each conditional event in its model. A file that was deleted has none."""
    if not items:
        return
    definitions = await sources.definitions.read(
        sources.database, (int(item["processDefinitionKey"]) for item in items)
    )
    drawn = {key: await sources.element_names.drawn(definition) for key, definition in definitions.items()}
    for item in items:
        conditions = drawn[int(item["processDefinitionKey"])].conditions
        item["condition"] = conditions.get(item["elementId"], Condition())


WAIT_STATES = Entity(
    "wait states",
    _wait,
    (_wait.c.key,),
    (
        key("elementInstanceKey", _wait.c.element_instance_key, sorts=True),
        text("elementId", _wait.c.element_id, sorts=True),
        named("elementType", _element_type, {name: _element_type == name for name in TYPES}, joins=(_place,)),
        key("processInstanceKey", _wait.c.process_instance_key, sorts=True),
        _origin.root_field(filters=True, sorts=True),
        maybe("bpmnProcessId", _definition.c.bpmn_process_id, joins=(_definition.join,), filters=False),
        TENANT,
        named("waitStateType", _wait.c.type, {name: _wait.c.type == name for name in WAIT_TYPES}),
        key("key", _wait.c.key, filters=False),
        key("processDefinitionKey", _wait.c.process_definition_key, filters=False),
        text("name", _wait.c.name, filters=False),
        text("detail", _wait.c.detail, filters=False),
        text("event", _wait.c.event, filters=False),
        integer("number", _wait.c.number, filters=False),
        integer("moment", _wait.c.moment, filters=False),
        made(_wait.c.created_ms, _wait.c.key),
    ),
    add=_add_details,
    taken=_TAKEN,
    added={"details": _DESCRIBED},
)
