"""Decision instances: each decision that an evaluation has reached. They are kept as one array in the row of the evaluation."""

from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import and_, case, literal_column, not_, true

from osmia_broker.state.rows import Decision, DecisionEvaluation, ElementInstance
from osmia_broker.store import schema
from osmia_broker.store.read.entities import beside
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.fields import (
    SORTED_TENANT,
    Column,
    Condition,
    Field,
    Join,
    date,
    integer,
    json,
    key,
    list_of,
    maybe,
    named,
    object_of,
    own_key,
    text,
)
from osmia_broker.store.read.sql import dialect

_evaluation = schema.TABLES[DecisionEvaluation].alias("evaluation")
_each = dialect.array_items(_evaluation.c.evaluated, "step")
_place, _step = _each.c.key, _each.c.value


def _of_step(name: str) -> Column:
    return dialect.member(_step, name)


_root = schema.TABLES[Decision].alias("root_decision")
_decision = schema.TABLES[Decision].alias("decision")
_root_join = Join(_root, _root.c.key == _evaluation.c.decision_key)
#: The decision of a step, in the version that the same graph has.
_decision_join = Join(
    _decision,
    and_(
        _decision.c.decision_id == _of_step("decision_id"),
        _decision.c.decision_requirements_key == _root.c.decision_requirements_key,
    ),
    needs=(_root_join,),
)
_element = schema.TABLES[ElementInstance].alias("element")
_element_join = Join(_element, _element.c.key == _evaluation.c.element_instance_key)
_origin = beside.Origin(_evaluation.c.process_instance_key)

_has_failed = and_(_evaluation.c.failed_decision_id != "", _of_step("decision_id") == _evaluation.c.failed_decision_id)
STATES: dict[str, Condition] = {
    "EVALUATED": case((_has_failed, 0), else_=1) == 1,
    "FAILED": _has_failed,
    "UNKNOWN": _evaluation.c.key < 0,
    "UNSPECIFIED": _evaluation.c.key < 0,
}
_TYPES = ("DECISION_TABLE", "LITERAL_EXPRESSION", "UNKNOWN", "UNSPECIFIED")
_type = case((_of_step("decision_type").in_(_TYPES[:2]), _of_step("decision_type")), else_="UNKNOWN")
_has_instance = _evaluation.c.element_instance_key != 0
_process_instance_key = case((_has_instance, _evaluation.c.process_instance_key), else_=literal_column("0"))


_TEXT, _PLACE = {"type": "string"}, {"type": "integer", "format": "int32"}
_INPUT = object_of(inputId=_TEXT, inputName=_TEXT, inputValue=_TEXT)
_OUTPUT = object_of(outputId=_TEXT, outputName=_TEXT, outputValue=_TEXT, ruleId=_TEXT, ruleIndex=_PLACE)
_RULE = object_of(ruleId=_TEXT, ruleIndex=_PLACE, evaluatedOutputs=list_of(_OUTPUT))


def _inputs(stored: Any) -> list[dict[str, Any]]:
    return [
        {"inputId": one["input_id"], "inputName": one["input_name"], "inputValue": one["input_value"]}
        for one in msgspec.json.decode(stored, type=list[dict[str, Any]])
    ]


def _rules(stored: Any) -> list[dict[str, Any]]:
    return [
        {
            "ruleId": rule["rule_id"],
            "ruleIndex": rule["rule_index"],
            "evaluatedOutputs": [
                {
                    "outputId": one["output_id"],
                    "outputName": one["output_name"],
                    "outputValue": one["output_value"],
                    "ruleId": rule["rule_id"],
                    "ruleIndex": rule["rule_index"],
                }
                for one in rule["evaluated_outputs"]
            ],
        }
        for rule in msgspec.json.decode(stored, type=list[dict[str, Any]])
    ]


_instance_key = dialect.as_text(_evaluation.c.key).concat("-").concat(dialect.as_text(_place + literal_column("1")))
_REQUIREMENTS = key("decisionRequirementsKey", _root.c.decision_requirements_key, joins=(_root_join,), shows=False)
_OF_LIST = (
    text("decisionEvaluationInstanceKey", _instance_key, sorts=True),
    own_key("decisionEvaluationKey", _evaluation.c.key),
    named("state", case((_has_failed, "FAILED"), else_="EVALUATED"), STATES, sorts=True),
    date("evaluationDate", _evaluation.c.ended_ms, sorts=True, sorted_by=_evaluation.c.key, optional=False),
    maybe(
        "evaluationFailure", case((_has_failed, _evaluation.c.failure_message), else_=literal_column("''")), sorts=True
    ),
    text("decisionDefinitionId", _of_step("decision_id"), sorts=True),
    key("decisionDefinitionKey", _decision.c.key, joins=(_decision_join,), sorts=True),
    text("decisionDefinitionName", _of_step("decision_name"), sorts=True),
    integer("decisionDefinitionVersion", _decision.c.version, joins=(_decision_join,), sorts=True),
    named("decisionDefinitionType", _type, {one: _type == one for one in _TYPES}, sorts=True),
    key("rootDecisionDefinitionKey", _evaluation.c.decision_key, sorts=True),
    _REQUIREMENTS,
    text("result", _of_step("output"), filters=False),
    key("processInstanceKey", _process_instance_key, indexed=_evaluation.c.process_instance_key, sorts=True),
    key(
        "rootProcessInstanceKey",
        case((_has_instance, _origin.root), else_=literal_column("0")),
        joins=(_origin.join,),
        filters=False,
    ),
    key("processDefinitionKey", _element.c.process_definition_key, joins=(_element_join,), sorts=True),
    key("elementInstanceKey", _evaluation.c.element_instance_key, sorts=True),
    beside.business_id(_evaluation.c.process_instance_key, sorts=True),
    SORTED_TENANT,
)
_OF_ONE = (
    json("evaluatedInputs", _of_step("evaluated_inputs"), _inputs, list_of(_INPUT)),
    json("matchedRules", _of_step("matched_rules"), _rules, list_of(_RULE)),
)
_TABLE = _evaluation.join(_each, true())
_WHERE = not_(dialect.is_set(_step, "is_knowledge_model"))


def _entity(*fields: Field) -> Entity:
    return Entity("decision instances", _TABLE, (_evaluation.c.key, _place), fields, where=_WHERE, key_types=(int, int))


DECISION_INSTANCES = _entity(*_OF_LIST)
#: The same, with what a decision has read and which rules it has matched.
WHOLE_DECISION_INSTANCES = _entity(*_OF_LIST, *_OF_ONE)
#: The same, with what only `osmia.v1.Queries` tells.
TOLD_DECISION_INSTANCES = _entity(
    *(replace(one, shows=True) if one is _REQUIREMENTS else one for one in _OF_LIST),
    *_OF_ONE,
    integer("evaluationMs", _evaluation.c.ended_ms, filters=False),
    maybe("elementId", _element.c.element_id, joins=(_element_join,), filters=False),
)
