"""Numbers over many rows, each group an item: process instances, incidents, subscriptions and jobs.

The groups are entities like all others, so they are sorted and paged in the same way. What a group is taken from is decided by
parameters of the entity, which each declares.
"""

from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    select,
    true,
)

from osmia_broker.state.rows import Subscription
from osmia_broker.store import schema
from osmia_broker.store.read.entities import beside
from osmia_broker.store.read.entities.subscriptions import MESSAGE_SUBSCRIPTIONS
from osmia_broker.store.read.instances.element_conditions import number_of
from osmia_broker.store.read.instances.instance_conditions import running_of
from osmia_broker.store.read.search import statements
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.fields import (
    MAYBE_MOMENT,
    SORTED_TENANT,
    TENANT,
    Column,
    Field,
    integer,
    json,
    key,
    maybe,
    object_of,
    text,
)
from osmia_broker.store.read.search.filters import Group
from osmia_broker.store.read.search.groups import grouped, total
from osmia_broker.store.read.search.statements import Sight
from osmia_broker.store.read.search.values import moment
from osmia_broker.store.read.sql import dialect

SHAPES_MAX = 200  # of filters for which statements are kept

_process, _incident, _job = schema.element_instances, schema.incidents, schema.jobs
_definition = schema.process_definitions
_is_active = and_(_process.c.type == schema.PROCESS, _process.c.ended_ms == schema.NOT_ENDED)
_incident_is_open = _incident.c.ended_ms == schema.NOT_ENDED


# --- active process instances, by process and by version

_stopped = (
    select(_process.c.process_definition_key, func.count().label("number"))
    .where(_is_active, _process.c.key.in_(beside.stopped("process_instance_key")))
    .group_by(_process.c.process_definition_key)
    .subquery("stopped")
)
_running = select(_definition.c.key, running_of(_definition.c.key).label("number")).subquery("running")
_with_incident: ColumnElement[int] = func.coalesce(_stopped.c.number, 0)
_active = (
    select(
        _running.c.key.label("process_definition_key"),
        _with_incident.label("with_incident"),
        (_running.c.number - _with_incident).label("without_incident"),
    )
    .select_from(_running.outerjoin(_stopped, _stopped.c.process_definition_key == _running.c.key))
    .where(_running.c.number > 0)
)
_newer = _definition.alias("newer")
_latest_name = (
    select(_newer.c.name)
    .where(_newer.c.bpmn_process_id == _definition.c.bpmn_process_id)
    .order_by(_newer.c.version.desc())
    .limit(1)
    .scalar_subquery()
)


def _with_and_without(table: FromClause) -> tuple[Field, Field]:
    return (
        integer("activeInstancesWithIncidentCount", table.c.with_incident, sorts=True),
        integer("activeInstancesWithoutIncidentCount", table.c.without_incident, sorts=True),
    )


def _by_version(active: FromClause) -> Entity:
    key_of_version = active.c.process_definition_key
    numbers = (
        select(key_of_version, *(total(active.c[one]).label(one) for one in ("with_incident", "without_incident")))
        .group_by(key_of_version)
        .subquery("by_version")
    )
    return Entity(
        "process instance statistics by version",
        numbers.join(_definition, _definition.c.key == numbers.c.process_definition_key),
        (_definition.c.key,),
        (
            key("processDefinitionKey", _definition.c.key, sorts=True),
            text("processDefinitionId", _definition.c.bpmn_process_id, sorts=True),
            maybe("processDefinitionName", _definition.c.name, sorts=True),
            integer("processDefinitionVersion", _definition.c.version, sorts=True),
            *_with_and_without(numbers),
            TENANT,
        ),
    )


def _by_process(active: FromClause) -> Entity:
    numbers = (
        select(
            _definition.c.bpmn_process_id.label("process_id"),
            func.max(_latest_name).label("name"),
            (func.count(_definition.c.key.distinct()) > 1).label("has_versions"),
            *(total(active.c[one]).label(one) for one in ("with_incident", "without_incident")),
        )
        .select_from(active.join(_definition, _definition.c.key == active.c.process_definition_key))
        .group_by(_definition.c.bpmn_process_id)
        .subquery("by_process")
    )
    return Entity(
        "process instance statistics",
        numbers,
        (numbers.c.process_id,),
        (
            text("processDefinitionId", numbers.c.process_id, sorts=True),
            maybe("latestProcessDefinitionName", numbers.c.name),
            json("hasMultipleVersions", numbers.c.has_versions, bool, {"type": "boolean"}),
            *_with_and_without(numbers),
            TENANT,
        ),
        key_types=(str,),
    )


INSTANCES_BY_PROCESS = grouped(_active, _by_process)
INSTANCES_BY_VERSION = grouped(_active, _by_version)

# --- active process instances with incidents, by error and by definition

ERROR_HASH = "error_hash"  #: the parameter of INSTANCES_BY_DEFINITION
# An instance is in one partition, so numbers of different instances add up.
_instances: ColumnElement[int] = func.count(_incident.c.process_instance_key.distinct()).label("instances")


def _by_error(counted: FromClause) -> Entity:
    numbers = (
        select(counted.c.message, total(counted.c.instances).label("instances"))
        .group_by(counted.c.message)
        .subquery("by_error")
    )
    return Entity(
        "incident statistics by error",
        numbers,
        (numbers.c.message,),
        (
            integer("errorHashCode", dialect.error_hash(numbers.c.message)),
            text("errorMessage", numbers.c.message, sorts=True),
            integer("activeInstancesWithErrorCount", numbers.c.instances, sorts=True),
        ),
        key_types=(str,),
    )


def _by_definition(counted: FromClause) -> Entity:
    numbers = (
        select(counted.c.process_definition_key, total(counted.c.instances).label("instances"))
        .group_by(counted.c.process_definition_key)
        .subquery("with_error")
    )
    name = func.coalesce(func.nullif(_definition.c.name, ""), _definition.c.bpmn_process_id)
    return Entity(
        "incident statistics by definition",
        numbers.join(_definition, _definition.c.key == numbers.c.process_definition_key),
        (_definition.c.key,),
        (
            key("processDefinitionKey", _definition.c.key, sorts=True),
            text("processDefinitionId", _definition.c.bpmn_process_id),
            text("processDefinitionName", name),
            integer("processDefinitionVersion", _definition.c.version),
            integer("activeInstancesWithErrorCount", numbers.c.instances, sorts=True),
            SORTED_TENANT,
        ),
    )


INSTANCES_BY_ERROR = grouped(
    select(_incident.c.message, _instances).where(_incident_is_open).group_by(_incident.c.message), _by_error
)
INSTANCES_BY_DEFINITION = grouped(
    select(_incident.c.process_definition_key, _instances)
    .where(_incident_is_open, dialect.error_hash(_incident.c.message) == bindparam(ERROR_HASH))
    .group_by(_incident.c.process_definition_key),
    _by_definition,
)

# --- open message subscriptions by definition


@lru_cache(SHAPES_MAX)
def subscriptions_by_definition(shape: Group) -> Entity:
    """Return the numbers of the open subscriptions of process instances that pass a filter over MESSAGE_SUBSCRIPTIONS."""
    found = schema.TABLES[Subscription].alias("counted")
    selected = statements.selected(Sight(MESSAGE_SUBSCRIPTIONS), shape)
    waiting = (
        select(
            found.c.process_definition_key,
            func.count(found.c.process_instance_key.distinct()).label("instances"),
            func.count().label("subscriptions"),
        )
        .where(
            found.c.kind == literal_column("'MESSAGE'"), found.c.ended_ms == schema.NOT_ENDED, found.c.key.in_(selected)
        )
        .group_by(found.c.process_definition_key)
    )
    return grouped(waiting, _subscriptions)


def _subscriptions(waiting: FromClause) -> Entity:
    numbers = (
        select(
            waiting.c.process_definition_key,
            *(total(waiting.c[one]).label(one) for one in ("instances", "subscriptions")),
        )
        .group_by(waiting.c.process_definition_key)
        .subquery("waiting")
    )
    return Entity(
        "message subscription statistics",
        numbers.join(_definition, _definition.c.key == numbers.c.process_definition_key),
        (_definition.c.key,),
        (
            key("processDefinitionKey", _definition.c.key, filters=False),
            text("processDefinitionId", _definition.c.bpmn_process_id, filters=False),
            integer("processInstancesWithActiveSubscriptions", numbers.c.instances, filters=False),
            integer("activeSubscriptions", numbers.c.subscriptions, filters=False),
            TENANT,
        ),
    )


# --- names of variables by definition

DEFINITION_KEY = "of_definition"  #: the parameter of VARIABLE_NAMES
_variable = schema.variables
_of_definition = select(_process.c.key).where(
    _process.c.type == schema.PROCESS, _process.c.process_definition_key == bindparam(DEFINITION_KEY)
)
_names = select(_variable.c.name).where(_variable.c.scope_key.in_(_of_definition)).distinct()


def _different(counted: FromClause) -> Entity:
    names = select(counted.c.name).distinct().subquery("names")
    return Entity("variable names", names, (names.c.name,), (text("name", names.c.name),), key_types=(str,))


VARIABLE_NAMES = grouped(_names, _different)

# --- jobs by type, worker, error and time

FROM, TO, BUCKET = "from_ms", "to_ms", "bucket_ms"  #: parameters: a period, and the length of its parts
_from: Column = bindparam(FROM)
_to: Column = bindparam(TO)
_failed_ms = case((_job.c.ended_ms > 0, _job.c.ended_ms), else_=_job.c.created_ms)
_has_failed = (_job.c.error_message != "") | _job.c.state.in_(("FAILED", "ERROR_THROWN"))


def _in_period(column: Column) -> ColumnElement[bool]:
    return and_(column >= _from, column < _to)


_MEASURES: dict[str, tuple[Column, ColumnElement[bool]]] = {
    "created": (_job.c.created_ms, _in_period(_job.c.created_ms)),
    "completed": (_job.c.ended_ms, and_(_job.c.state == "COMPLETED", _in_period(_job.c.ended_ms))),
    "failed": (_failed_ms, and_(_has_failed, _in_period(_failed_ms))),
}


def _measured() -> list[ColumnElement[Any]]:
    """Return the number of jobs of each measure, and the latest time of one."""
    columns: list[ColumnElement[Any]] = []
    for name, (time, condition) in _MEASURES.items():
        columns += [
            number_of(condition).label(name),
            func.coalesce(func.max(case((condition, time))), 0).label(f"{name}_ms"),
        ]
    return columns


def _added_up(counted: FromClause) -> list[ColumnElement[Any]]:
    """Return the same of some jobs that were counted apart."""
    columns: list[ColumnElement[Any]] = []
    for name in _MEASURES:
        latest = func.coalesce(func.max(counted.c[f"{name}_ms"]), 0)
        columns += [total(counted.c[name]).label(name), latest.label(f"{name}_ms")]
    return columns


METRIC = object_of(count={"type": "integer", "format": "int64"}, lastUpdatedAt=MAYBE_MOMENT)


def _metric(stored: Any) -> dict[str, Any]:
    count, _, at_ms = str(stored).partition(" ")
    return {"count": int(count), "lastUpdatedAt": moment(int(at_ms))}


def _metrics(table: FromClause) -> tuple[Field, ...]:
    return tuple(
        json(
            name,
            dialect.as_text(table.c[name]).concat(" ").concat(dialect.as_text(table.c[f"{name}_ms"])),
            _metric,
            METRIC,
        )
        for name in _MEASURES
    )


_ANY = and_(_job.c.created_ms < _to, case((_job.c.ended_ms == 0, 1), (_job.c.ended_ms >= _from, 1), else_=0) == 1)


def _counted_by(*columns: Column, where: ColumnElement[bool]) -> Select[Any]:
    """Count the jobs of each worker apart, so that different workers can be counted over several partitions."""
    apart = dict.fromkeys((*columns, _job.c.worker))
    return select(*apart, *_measured()).where(_ANY, where).group_by(*apart)


def _groups_by(counted: FromClause, *names: str) -> FromClause:
    """Add up the numbers of all that have the same values in these columns."""
    workers = func.count(func.nullif(counted.c.worker, "").distinct()).label("workers")
    columns = [counted.c[name] for name in names]
    return select(*columns, *_added_up(counted), workers).group_by(*columns).subquery("job_numbers")


def _by_type(counted: FromClause) -> Entity:
    numbers = _groups_by(counted, "type")
    workers = integer("workers", numbers.c.workers, filters=False)
    return Entity(
        "job statistics by type",
        numbers,
        (numbers.c.type,),
        (text("jobType", numbers.c.type), *_metrics(numbers), workers),
        key_types=(str,),
    )


def _by_worker(counted: FromClause) -> Entity:
    numbers = _groups_by(counted, "type", "worker")
    return Entity(
        "job statistics by worker",
        numbers,
        (numbers.c.worker, numbers.c.type),
        (text("worker", numbers.c.worker), text("jobType", numbers.c.type, shows=False), *_metrics(numbers)),
        key_types=(str, str),
    )


def _by_job_error(counted: FromClause) -> Entity:
    numbers = _groups_by(counted, "type", "error_code", "error_message")
    return Entity(
        "job statistics by error",
        numbers,
        (numbers.c.error_code, numbers.c.error_message, numbers.c.type),
        (
            text("errorCode", numbers.c.error_code),
            text("errorMessage", numbers.c.error_message),
            text("jobType", numbers.c.type, shows=False),
            integer("workers", numbers.c.workers, filters=False),
        ),
        key_types=(str, str, str),
    )


def _all(counted: FromClause) -> Entity:
    one = literal_column("0", schema.Int64).label("one")
    numbers = select(one, *_added_up(counted)).subquery("all_jobs")
    return Entity("job statistics", numbers, (numbers.c.one,), _metrics(numbers))


JOBS_BY_TYPE = grouped(_counted_by(_job.c.type, where=true()), _by_type)
JOBS_BY_WORKER = grouped(_counted_by(_job.c.type, where=_job.c.worker != ""), _by_worker)
JOBS_BY_ERROR = grouped(
    _counted_by(_job.c.type, _job.c.error_code, _job.c.error_message, where=_has_failed), _by_job_error
)
ALL_JOBS = grouped(select(*_measured()).where(_ANY), _all)

# A job counts in the part of the period in which each thing happened, so each measure has rows of its own.
_happened = [
    select(
        _job.c.type,
        (time - time.op("%")(bindparam(BUCKET))).label("bucket"),
        *(case((literal_column(f"'{name}'") == one, 1), else_=0).label(one) for one in _MEASURES),
        time.label("at_ms"),
    ).where(condition)
    for name, (time, condition) in _MEASURES.items()
]
_events = _happened[0].union_all(*_happened[1:]).subquery("job_events")
_counted_by_time = select(
    _events.c.type,
    _events.c.bucket,
    *(
        column
        for name in _MEASURES
        for column in (
            number_of(_events.c[name] == 1).label(name),
            func.coalesce(func.max(case((_events.c[name] == 1, _events.c.at_ms))), 0).label(f"{name}_ms"),
        )
    ),
).group_by(_events.c.type, _events.c.bucket)


def _by_time(counted: FromClause) -> Entity:
    columns = (counted.c.type, counted.c.bucket)
    numbers = select(*columns, *_added_up(counted)).group_by(*columns).subquery("by_time")
    return Entity(
        "job statistics by time",
        numbers,
        (numbers.c.bucket, numbers.c.type),
        (
            json("time", numbers.c.bucket, moment, MAYBE_MOMENT),
            text("jobType", numbers.c.type, shows=False),
            *_metrics(numbers),
        ),
        key_types=(int, str),
    )


JOBS_BY_TIME = grouped(_counted_by_time, _by_time)
