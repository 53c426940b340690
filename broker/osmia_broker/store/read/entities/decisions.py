"""Deployed decisions and the graphs that they stand in, in all versions."""

from sqlalchemy import and_, func, select

from osmia_broker.state.rows import Decision, DecisionRequirements
from osmia_broker.store import schema
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.fields import SORTED_TENANT, Join, flag, integer, key, text

_decision = schema.TABLES[Decision].alias("decision")
_newer = schema.TABLES[Decision].alias("newer")
_requirements = schema.TABLES[DecisionRequirements].alias("requirements")
_graph = Join(_requirements, _requirements.c.key == _decision.c.decision_requirements_key)
_is_latest = _decision.c.version == (
    select(func.max(_newer.c.version))
    .where(_newer.c.decision_id == _decision.c.decision_id, _newer.c.deleted_ms == 0)
    .scalar_subquery()
)

DECISION_DEFINITIONS = Entity(
    "decision definitions",
    _decision,
    (_decision.c.key,),
    (
        key("decisionDefinitionKey", _decision.c.key, sorts=True),
        text("decisionDefinitionId", _decision.c.decision_id, sorts=True),
        text("name", _decision.c.name, sorts=True),
        integer("version", _decision.c.version, sorts=True),
        text("decisionRequirementsId", _decision.c.decision_requirements_id, sorts=True),
        key("decisionRequirementsKey", _decision.c.decision_requirements_key, sorts=True),
        text("decisionRequirementsName", _requirements.c.name, joins=(_graph,), sorts=True),
        integer("decisionRequirementsVersion", _requirements.c.version, joins=(_graph,), sorts=True),
        SORTED_TENANT,
        flag("isLatestVersion", _is_latest, shows=False),
    ),
    where=_decision.c.deleted_ms == 0,
    is_of_cluster=True,
)

_drg = schema.TABLES[DecisionRequirements].alias("drg")

DECISION_REQUIREMENTS = Entity(
    "decision requirements",
    _drg,
    (_drg.c.key,),
    (
        key("decisionRequirementsKey", _drg.c.key, sorts=True),
        text("decisionRequirementsId", _drg.c.decision_requirements_id, sorts=True),
        text("decisionRequirementsName", _drg.c.name, sorts=True),
        integer("version", _drg.c.version, sorts=True),
        text("resourceName", _drg.c.resource_name),
        SORTED_TENANT,
    ),
    where=and_(_drg.c.deleted_ms == 0),
    is_of_cluster=True,
)
