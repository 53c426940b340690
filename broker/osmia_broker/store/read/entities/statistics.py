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
    cast,
    func,
    literal_column,
    select,
    true,
)

from osmia_broker.state.rows import Subscription
from osmia_broker.store import schema
from osmia_broker.store.read import dialect
from osmia_broker.store.read.element_conditions import number_of
from osmia_broker.store.read.entities import beside
from osmia_broker.store.read.entities.subscriptions import MESSAGE_SUBSCRIPTIONS
from osmia_broker.store.read.instance_conditions import running_of
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
from osmia_broker.store.read.search.statements import Sight
from osmia_broker.store.read.search.values import moment

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
_by_version = (
    select(
        _running.c.key.label("process_definition_key"),
        _with_incident.label("with_incident"),
        (_running.c.number - _with_incident).label("without_incident"),
    )
    .select_from(_running.outerjoin(_stopped, _stopped.c.process_definition_key == _running.c.key))
    .where(_running.c.number > 0)
    .subquery("by_version")
)
_newer = _definition.alias("newer")
_latest_name = (
    select(_newer.c.name)
    .where(_newer.c.bpmn_process_id == _definition.c.bpmn_process_id)
    .order_by(_newer.c.version.desc())
    .limit(1)
    .scalar_subquery()
)
_by_process = (
    select(
        _definition.c.bpmn_process_id.label("process_id"),
        func.max(_latest_name).label("name"),
        (func.count() > 1).label("has_versions"),
        *(cast(func.sum(_by_version.c[one]), schema.Int64).label(one) for one in ("with_incident", "without_incident")),
    )
    .select_from(_by_version.join(_definition, _definition.c.key == _by_version.c.process_definition_key))
    .group_by(_definition.c.bpmn_process_id)
    .subquery("by_process")
)


def _with_and_without(table: FromClause) -> tuple[Field, Field]:
    return (
        integer("activeInstancesWithIncidentCount", table.c.with_incident, sorts=True),
        integer("activeInstancesWithoutIncidentCount", table.c.without_incident, sorts=True),
    )


INSTANCES_BY_PROCESS = Entity(
    "process instance statistics",
    _by_process,
    (_by_process.c.process_id,),
    (
        text("processDefinitionId", _by_process.c.process_id, sorts=True),
        maybe("latestProcessDefinitionName", _by_process.c.name),
        json("hasMultipleVersions", _by_process.c.has_versions, bool, {"type": "boolean"}),
        *_with_and_without(_by_process),
        TENANT,
    ),
    key_types=(str,),
    is_grouped=True,
)
INSTANCES_BY_VERSION = Entity(
    "process instance statistics by version",
    _by_version.join(_definition, _definition.c.key == _by_version.c.process_definition_key),
    (_definition.c.key,),
    (
        key("processDefinitionKey", _definition.c.key, sorts=True),
        text("processDefinitionId", _definition.c.bpmn_process_id, sorts=True),
        maybe("processDefinitionName", _definition.c.name, sorts=True),
        integer("processDefinitionVersion", _definition.c.version, sorts=True),
        *_with_and_without(_by_version),
        TENANT,
    ),
    is_grouped=True,
)

# --- active process instances with incidents, by error and by definition

ERROR_HASH = "error_hash"  #: the parameter of INSTANCES_BY_DEFINITION
_by_error = (
    select(
        _incident.c.message,
        func.count(_incident.c.process_instance_key.distinct()).label("instances"),
    )
    .where(_incident_is_open)
    .group_by(_incident.c.message)
    .subquery("by_error")
)
INSTANCES_BY_ERROR = Entity(
    "incident statistics by error",
    _by_error,
    (_by_error.c.message,),
    (
        integer("errorHashCode", dialect.error_hash(_by_error.c.message)),
        text("errorMessage", _by_error.c.message, sorts=True),
        integer("activeInstancesWithErrorCount", _by_error.c.instances, sorts=True),
    ),
    key_types=(str,),
    is_grouped=True,
)
_with_error = (
    select(
        _incident.c.process_definition_key,
        func.count(_incident.c.process_instance_key.distinct()).label("instances"),
    )
    .where(_incident_is_open, dialect.error_hash(_incident.c.message) == bindparam(ERROR_HASH))
    .group_by(_incident.c.process_definition_key)
    .subquery("with_error")
)
INSTANCES_BY_DEFINITION = Entity(
    "incident statistics by definition",
    _with_error.join(_definition, _definition.c.key == _with_error.c.process_definition_key),
    (_definition.c.key,),
    (
        key("processDefinitionKey", _definition.c.key, sorts=True),
        text("processDefinitionId", _definition.c.bpmn_process_id),
        text(
            "processDefinitionName", func.coalesce(func.nullif(_definition.c.name, ""), _definition.c.bpmn_process_id)
        ),
        integer("processDefinitionVersion", _definition.c.version),
        integer("activeInstancesWithErrorCount", _with_error.c.instances, sorts=True),
        SORTED_TENANT,
    ),
    is_grouped=True,
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
        .subquery("waiting")
    )
    return Entity(
        "message subscription statistics",
        waiting.join(_definition, _definition.c.key == waiting.c.process_definition_key),
        (_definition.c.key,),
        (
            key("processDefinitionKey", _definition.c.key, filters=False),
            text("processDefinitionId", _definition.c.bpmn_process_id, filters=False),
            integer("processInstancesWithActiveSubscriptions", waiting.c.instances, filters=False),
            integer("activeSubscriptions", waiting.c.subscriptions, filters=False),
            TENANT,
        ),
        is_grouped=True,
    )


# --- names of variables by definition

DEFINITION_KEY = "of_definition"  #: the parameter of VARIABLE_NAMES
_variable = schema.variables
_of_definition = select(_process.c.key).where(
    _process.c.type == schema.PROCESS, _process.c.process_definition_key == bindparam(DEFINITION_KEY)
)
_names = select(_variable.c.name).where(_variable.c.scope_key.in_(_of_definition)).distinct().subquery("names")
VARIABLE_NAMES = Entity(
    "variable names", _names, (_names.c.name,), (text("name", _names.c.name),), key_types=(str,), is_grouped=True
)

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
_workers = func.count(func.nullif(_job.c.worker, "").distinct()).label("workers")


def _jobs_by(*columns: Column, where: ColumnElement[bool]) -> Select[Any]:
    return select(*columns, *_measured(), _workers).where(_ANY, where).group_by(*columns)


_all = select(literal_column("0", schema.Int64).label("all"), *_measured(), _workers).where(_ANY).subquery("all_jobs")
_by_type = _jobs_by(_job.c.type, where=true()).subquery("by_type")
_by_worker = _jobs_by(_job.c.type, _job.c.worker, where=_job.c.worker != "").subquery("by_worker")
_by_error_of_job = _jobs_by(_job.c.type, _job.c.error_code, _job.c.error_message, where=_has_failed).subquery(
    "by_job_error"
)

JOBS_BY_TYPE = Entity(
    "job statistics by type",
    _by_type,
    (_by_type.c.type,),
    (text("jobType", _by_type.c.type), *_metrics(_by_type), integer("workers", _by_type.c.workers, filters=False)),
    key_types=(str,),
    is_grouped=True,
)
JOBS_BY_WORKER = Entity(
    "job statistics by worker",
    _by_worker,
    (_by_worker.c.worker, _by_worker.c.type),
    (text("worker", _by_worker.c.worker), text("jobType", _by_worker.c.type, shows=False), *_metrics(_by_worker)),
    key_types=(str, str),
    is_grouped=True,
)
JOBS_BY_ERROR = Entity(
    "job statistics by error",
    _by_error_of_job,
    (_by_error_of_job.c.error_code, _by_error_of_job.c.error_message, _by_error_of_job.c.type),
    (
        text("errorCode", _by_error_of_job.c.error_code),
        text("errorMessage", _by_error_of_job.c.error_message),
        text("jobType", _by_error_of_job.c.type, shows=False),
        integer("workers", _by_error_of_job.c.workers, filters=False),
    ),
    key_types=(str, str, str),
    is_grouped=True,
)

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
_by_time = (
    select(
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
    )
    .group_by(_events.c.type, _events.c.bucket)
    .subquery("by_time")
)
JOBS_BY_TIME = Entity(
    "job statistics by time",
    _by_time,
    (_by_time.c.bucket, _by_time.c.type),
    (
        json("time", _by_time.c.bucket, moment, MAYBE_MOMENT),
        text("jobType", _by_time.c.type, shows=False),
        *_metrics(_by_time),
    ),
    key_types=(int, str),
    is_grouped=True,
)
ALL_JOBS = Entity("job statistics", _all, (_all.c.all,), _metrics(_all), key_types=(int,), is_grouped=True)
