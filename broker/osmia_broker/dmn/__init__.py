"""Compile decision models when they are deployed, and evaluate their decisions, without I/O or a clock.

    graph = parse("discount.dmn", content)           # or InvalidModel, with all faults at once
    evaluation = graph.evaluate("discount", {"customer": "gold"})
    evaluation.output                                # JSON text, "" if a decision failed
    evaluation.evaluated_decisions                   # each with its inputs and the rules that matched

Source of the rules: DMN 1.5 and what was measured on the reference broker. Expressions are those of the package `feel`.
"""

from osmia_broker.dmn.errors import Fault, InvalidModel
from osmia_broker.dmn.graph import Decision, DecisionGraph, Evaluation
from osmia_broker.dmn.parser import parse
from osmia_broker.dmn.run import EvaluatedDecision, EvaluatedInput, EvaluatedOutput, MatchedRule

__all__ = [
    "Decision",
    "DecisionGraph",
    "EvaluatedDecision",
    "EvaluatedInput",
    "EvaluatedOutput",
    "Evaluation",
    "Fault",
    "InvalidModel",
    "MatchedRule",
    "parse",
]
