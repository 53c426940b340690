"""Process instances: element instances of the type PROCESS."""

from dataclasses import replace
from typing import Any

from sqlalchemy import (
    CompoundSelect,
    FromClause,
    Select,
    and_,
    bindparam,
    case,
    literal_column,
    not_,
    select,
    true,
    union_all,
)

from osmia_broker.state.rows import RUNNING, ElementState, InstanceOrigin
from osmia_broker.state.rows.batches import BatchItem
from osmia_broker.store import schema
from osmia_broker.store.read.entities import beside
from osmia_broker.store.read.instances.instance_conditions import definitions_with_instances
from osmia_broker.store.read.search.entity import Entity, Head, Runs
from osmia_broker.store.read.search.fields import (
    SORTED_TENANT,
    Condition,
    Field,
    Nested,
    choice,
    date,
    flag,
    integer,
    key,
    maybe,
    named,
    own_key,
    text,
)
from osmia_broker.store.read.search.filters import Group, Leaf, Node
from osmia_broker.store.read.search.terms import Order
from osmia_broker.store.read.search.variable_values import compared
from osmia_broker.store.read.sql import dialect

_process = schema.element_instances.alias("process")
_definition, _origin = beside.Definition(_process.c.process_definition_key), beside.Origin(_process.c.key)
_inner = schema.element_instances.alias("inner_element")
_incident, _job = schema.incidents.alias("stop"), schema.jobs.alias("job")

_is_open = _process.c.ended_ms == schema.NOT_ENDED
_is_suspended = beside.is_suspended(_process.c.key)
#: The states of an instance that runs. With the definition, they are all that an index needs; without one, only `ended_ms` keeps the history out.
_is_running = _process.c.state.in_(RUNNING)
STATES: dict[str, Condition] = {
    "ACTIVE": and_(_is_open, not_(_is_suspended)),
    "SUSPENDED": and_(_is_open, _is_suspended),
    "COMPLETED": and_(_process.c.ended_ms > 0, _process.c.state == "COMPLETED"),
    "TERMINATED": and_(_process.c.ended_ms > 0, _process.c.state == "TERMINATED"),
}
_STATES_OF_DEFINITION = STATES | {
    "ACTIVE": and_(_is_running, not_(_is_suspended)),
    "SUSPENDED": and_(_is_running, _is_suspended),
}
_state = case((_process.c.ended_ms > 0, _process.c.state), (_is_suspended, "SUSPENDED"), else_="ACTIVE")

_elements = Nested(_inner, _inner.c.process_instance_key, _process.c.key, _inner.c.type != schema.PROCESS)
_stops = Nested(_incident, _incident.c.process_instance_key, _process.c.key, _incident.c.ended_ms == schema.NOT_ENDED)
#: A job that has failed and may be tried again.
_failed_jobs = Nested(
    _job,
    _job.c.process_instance_key,
    _process.c.key,
    and_(
        _job.c.ended_ms == schema.NOT_ENDED,
        _job.c.retries > 0,
        _job.c.error_message != "",
        _job.c.state != "ERROR_THROWN",  # whose message is that of the error
    ),
)
_item = schema.TABLES[BatchItem].alias("batch_item")
_batches = Nested(_item, _item.c.target_instance_key, _process.c.key)
_INNER_STATES: dict[str, Condition] = {
    "ACTIVE": _inner.c.ended_ms == schema.NOT_ENDED,
    "COMPLETED": _inner.c.state == "COMPLETED",
    "TERMINATED": _inner.c.state == "TERMINATED",
}


def _fields(states: dict[str, Condition], is_running: Condition) -> tuple[Field, ...]:
    def together(names: frozenset[str]) -> Condition | None:
        return is_running if names == {"ACTIVE", "SUSPENDED"} else None

    return (
        own_key("processInstanceKey", _process.c.key),
        _definition.process_id,
        maybe("processDefinitionName", _definition.c.name, **_definition.of("name")),
        integer("processDefinitionVersion", _definition.c.version, **_definition.of("version")),
        maybe("processDefinitionVersionTag", _definition.c.version_tag, **_definition.of("version_tag")),
        key("processDefinitionKey", _process.c.process_definition_key, sorts=True),
        date("startDate", _process.c.started_ms, sorts=True, sorted_by=_process.c.key, optional=False),
        date("endDate", _process.c.ended_ms, sorts=True),
        named("state", _state, states, sorts=True, together=together),
        date("suspendedDate", _origin.c.suspended_ms, **_origin.of("suspended_ms")),
        flag("hasIncident", _process.c.key.in_(beside.stopped("process_instance_key")), sorts=True),
        key(
            "parentProcessInstanceKey",
            _origin.c.parent_process_instance_key,
            **_origin.of("parent_process_instance_key"),
        ),
        key(
            "parentElementInstanceKey",
            _origin.c.parent_element_instance_key,
            **_origin.of("parent_element_instance_key"),
        ),
        _origin.root_field(),
        beside.tags(_process.c.key, _origin),
        beside.business_id(_process.c.key, sorts=True),
        SORTED_TENANT,
        # --- for filters
        beside.variables("variables", _process.c.key, of_instance=True),
        text("elementId", _inner.c.element_id, nested=_elements, shows=False),
        named("elementInstanceState", _inner.c.state, _INNER_STATES, nested=_elements, shows=False),
        flag(
            "hasElementInstanceIncident",
            _inner.c.key.in_(beside.stopped("element_instance_key")),
            nested=_elements,
            shows=False,
        ),
        text("errorMessage", _incident.c.message, nested=_stops, shows=False),
        integer("incidentErrorHashCode", dialect.error_hash(_incident.c.message), nested=_stops, shows=False),
        *(
            text(name, dialect.as_text(_item.c.batch_key), nested=_batches, shows=False)
            for name in ("batchOperationKey", "batchOperationId")  # the second is the older name
        ),
        choice("storedState", _process.c.state, ElementState, filters=False, shows=False),
        flag("hasRetriesLeft", _job.c.retries > 0, nested=_failed_jobs, shows=False),
    )


def _heads(shape: Group) -> list[Head]:
    """Return the parts of the list of one instance, of those that one has called, of stopped ones, or of some definitions and states."""
    if shape.leaf("processInstanceKey", "$eq"):
        return [Head(true())]
    if parent := shape.leaf("parentProcessInstanceKey", "$eq"):
        return [Head(_process.c.key.in_(_called_by(parent)))]
    if shape.leaf("hasIncident", "$eq"):
        return [Head(_process.c.key.in_(beside.stopped("process_instance_key")))]
    stored = shape.leaf("storedState", "$in")
    states = stored.names if stored else _ALL_STATES
    named = _naming_definitions(shape)
    if named:
        return _of_states(states, _definitions_of(named))
    if stored is None:
        return []
    running = [Head(_is_open, "process_instances_by_end", has_order=True)] if states & _RUNNING else []
    return [*running, *_of_states(states - _RUNNING, definitions_with_instances())]


def _naming_definitions(shape: Group) -> list[Leaf]:
    return [leaf for name in _OF_DEFINITION_FIELDS if (leaf := shape.leaf(name, "$eq", "$in"))]


def _called_by(parent: Leaf) -> Select[Any]:
    """Select the instances that an instance has called."""
    origin = schema.TABLES[InstanceOrigin].alias("called").c
    caller = origin.parent_process_instance_key
    return select(origin.process_instance_key).where(compared(caller, parent), caller != literal_column("0"))


def _definitions_of(named: list[Leaf]) -> Select[Any]:
    """Select the definitions that pass these conditions. One that is named by its key may be deleted."""
    for one in named:
        if one.field == "processDefinitionKey":
            if one.operator == "$eq":
                return select(bindparam(one.parameter, type_=schema.Int64).label("key"))
            return select(dialect.items(one.parameter, "named").c.value.label("key"))
    definition = schema.process_definitions.alias("named").c
    return select(definition.key).where(*(compared(definition[_OF_DEFINITION_FIELDS[one.field]], one) for one in named))


def _of_states(states: frozenset[str], definitions: Select[Any]) -> list[Head]:
    """Return a part for each state, through the index by definition and state."""
    each = definitions.subquery("definitions")
    is_its = _process.c.process_definition_key == each.c.key
    return [
        Head(
            and_(is_its, _process.c.state == literal_column(f"'{state}'")),
            "process_instances",
            has_order=True,
            of_each=(each,),
        )
        for state in sorted(states)
    ]


_RUNNING = frozenset(RUNNING)
_ALL_STATES = _RUNNING | {"COMPLETED", "TERMINATED"}
#: The columns of a definition that filters name.
_OF_DEFINITION_FIELDS = {
    "processDefinitionKey": "key",
    "processDefinitionId": "bpmn_process_id",
    "processDefinitionVersion": "version",
}


def _runs_of(shape: Group) -> Select[Any]:
    """Select the definitions and the states that instances may have which pass a filter."""
    named, asked = _naming_definitions(shape), shape.leaf("state", "$in")
    definitions = (_definitions_of(named) if named else definitions_with_instances()).subquery("definitions")
    names = asked.names if asked else _ALL_STATES
    possible = _RUNNING | names if names & {"ACTIVE", "SUSPENDED"} else names
    each: CompoundSelect[Any] = union_all(
        *(select(literal_column(f"'{name}'").label("state")) for name in sorted(possible & _ALL_STATES))
    )
    states = each.subquery("of_state")
    of_each = definitions.join(states, true())
    return select(definitions.c.key.label("process_definition_key"), states.c.state).select_from(of_each).distinct()


_DEFINITION_FIELDS = frozenset(
    (
        *("processDefinitionKey", "processDefinitionId", "processDefinitionName"),
        *("processDefinitionVersion", "processDefinitionVersionTag"),
    )
)
_BY_DEFINITION = Runs(
    schema.element_instances.alias("in_run"),
    "process_instances",
    lambda instance: instance.c.type == schema.PROCESS,
    {"process_definition_key": True, "state": False},
    _DEFINITION_FIELDS,
    _runs_of,
)
_BY_END = {"endDate": "process_instances_by_end"}


def _of_variables(variable: FromClause) -> Select[Any]:
    """Select the instances that have one of these variables, in whatever scope."""
    return select(variable.c.process_instance_key.label("key")).distinct()


def _entity(fields: tuple[Field, ...], **more: Any) -> Entity:
    of_process = _process.c.type == schema.PROCESS
    return Entity("process instances", _process, (_process.c.key,), fields, where=of_process, heads=_heads, **more)


def _by_variables(entity: Entity) -> Entity:
    """Return the same for filters by variables: either few pass, and lead to their instances, or the next instances of a list are enough."""
    return replace(
        entity,
        drivers={"variables": ("$eq",)},
        of_variables={"variables": _of_variables},
        walks={"": dialect.BY_KEY, "startDate": dialect.BY_KEY, **_BY_END},
        runs=_BY_DEFINITION,
    )


#: The states of these are read from the index by definition.
_OF_DEFINITION = _entity(_fields(_STATES_OF_DEFINITION, _is_running))
_OF_ANY = _entity(_fields(STATES, _is_open), walks=_BY_END)
_NARROWED = {False: (_OF_ANY, _by_variables(_OF_ANY)), True: (_OF_DEFINITION, _by_variables(_OF_DEFINITION))}
_NAMES = ("processDefinitionKey", "processDefinitionId")
_SORTED_BY_DEFINITION = replace(_OF_DEFINITION, index="process_instances", runs=_BY_DEFINITION)


def _is_of_running(node: Node) -> bool:
    """Whether a condition is that an instance runs, or is suspended."""
    return (
        isinstance(node, Leaf) and node.field == "state" and not node.negated and node.names <= {"ACTIVE", "SUSPENDED"}
    )


def _narrowed(shape: Group, order: Order) -> Entity:
    """Return the entity for filters that name definitions, or variables, or both, or neither.

    A list of all or of running ones that is sorted by definitions is read through the index that has definition and state: no row is looked up.
    """
    if order and order[0][0] in _DEFINITION_FIELDS and all(map(_is_of_running, shape.nodes)):
        return _SORTED_BY_DEFINITION
    leaves = [node for node in shape.nodes if isinstance(node, Leaf) and not node.negated and shape.needs_all]
    is_named = any(one.field in _NAMES and one.operator in ("$eq", "$in") for one in leaves)
    return _NARROWED[is_named][any(one.field == "variables" for one in leaves)]


PROCESS_INSTANCES = replace(_OF_ANY, narrowed=_narrowed)
