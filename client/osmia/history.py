"""The history of process instances: decisions that were evaluated, and sequence flows that were taken."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from osmia.results import MatchedRule


class DecisionEvaluationState(StrEnum):
    """The state of an evaluated decision."""

    EVALUATED = "EVALUATED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class DecisionEvaluation:
    """One decision of an evaluation. Those that it required have the same *key* and a lower *place*."""

    key: int
    place: int  # in the evaluation, from 1
    state: DecisionEvaluationState
    decision_id: str
    decision_name: str
    decision_key: int
    decision_version: int
    decision_type: str  # DECISION_TABLE, LITERAL_EXPRESSION ...
    root_decision_key: int  # what was asked for
    decision_requirements_key: int
    output: Any  # as JSON gives it; None if it failed
    failure: str
    inputs: dict[str, Any]  # by the input's name
    rules: list[MatchedRule]
    process_instance_key: int  # 0, as the next three, if a caller asked
    process_definition_key: int
    element_instance_key: int
    element_id: str
    evaluated_ms: int


@dataclass(frozen=True, slots=True)
class TakenFlow:
    """A sequence flow that tokens have taken, and the elements at its ends; these are empty after a migration."""

    id: str
    source_element_id: str
    target_element_id: str
    source_element_name: str
    target_element_name: str
