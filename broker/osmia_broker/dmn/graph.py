"""A decision requirements graph and the evaluation of one of its decisions with everything it requires."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from osmia_broker import feel
from osmia_broker.dmn.errors import EvaluationFailed
from osmia_broker.dmn.logic import KnowledgeModel, Logic, functions
from osmia_broker.dmn.run import EvaluatedDecision, Layer, Run, Trace, Value, one_allowance


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision. *variable* is the name its result is bound to for the decisions that require it.

    *requires* are ids of decisions of the same graph, *knowledge* the models its logic may call by name.
    """

    id: str
    name: str
    variable: str
    logic: Logic
    requires: tuple[str, ...] = ()
    knowledge: tuple[KnowledgeModel, ...] = ()
    version_tag: str = ""  # `zeebe:versionTag`, by which a process may choose a version


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The answer to an evaluation, in the terms of the EvaluateDecision call.

    *value* is the FEEL value and *output* its JSON text; on failure they are None and "", *failed_decision_id* is the decision that
    failed, maybe a required one, and *failure_message* says why. *evaluated_decisions* lists, in the order in which they
    were finished, all that was evaluated: the one asked for, or the one that failed, is the last.
    """

    decision_id: str
    decision_name: str
    value: Value
    output: str
    evaluated_decisions: tuple[EvaluatedDecision, ...]
    failed_decision_id: str = ""
    failure_message: str = ""


class DecisionGraph:
    """The decisions of one resource; *id* and *name* are those of its `definitions`. Holds no state of an evaluation."""

    __slots__ = ("_by_id", "decisions", "id", "name", "resource_name")

    def __init__(self, resource_name: str, id: str, name: str, decisions: Sequence[Decision]) -> None:
        self.resource_name = resource_name
        self.id = id
        self.name = name
        self.decisions = tuple(decisions)  #: in the order of the file
        self._by_id = {decision.id: decision for decision in decisions}

    def decision(self, decision_id: str) -> Decision | None:
        """The decision with *decision_id*, or None."""
        return self._by_id.get(decision_id)

    def evaluate(self, decision_id: str, scope: feel.Scope, now: datetime | None = None) -> Evaluation:
        """Evaluate a decision after those it requires, each once, with the variables of *scope* visible to all of them.

        *now* is the time that `now()` and `today()` give in FEEL. What fails inside is told in the result; the evaluation is
        bounded by a second and 4 MiB of JSON.

        Raises:
            KeyError: the graph has no decision *decision_id*.
        """
        with one_allowance():
            return self._evaluate(self._by_id[decision_id], Run(scope, now))

    def _evaluate(self, target: Decision, run: Run) -> Evaluation:
        results: dict[str, Value] = {}
        for decision in self._in_order(target):
            try:
                results[decision.id] = self._evaluate_one(decision, results, run)
            except EvaluationFailed as failed:
                return _failed(target, decision, str(failed), run)
            except RecursionError:
                return _failed(target, decision, "Expected fewer expressions and functions inside one another", run)
        output = run.evaluated[-1].output
        return Evaluation(target.id, target.name, results[target.id], output, tuple(run.evaluated))

    def _in_order(self, target: Decision) -> list[Decision]:
        """*target* and all it requires, each after its own requirements; without recursion, for graphs may be deep."""
        order: dict[str, Decision] = {}
        pending = [target]
        while pending:
            decision = pending[-1]
            missing = [self._by_id[id] for id in decision.requires if id not in order]
            if missing:
                pending.extend(reversed(missing))
            else:
                order.setdefault(decision.id, pending.pop())
        return list(order.values())

    def _evaluate_one(self, decision: Decision, results: dict[str, Value], run: Run) -> Value:
        """The value of *decision*; it is noted among the evaluated ones whether it fails or not."""
        trace = Trace()
        output = "null"
        try:
            bound = {self._by_id[id].variable: results[id] for id in decision.requires}
            scope = Layer(bound, run.variables, functions(decision.knowledge, run))
            value = decision.logic.evaluate(scope, run, trace)
            output = run.json(value)
        finally:
            run.note(_evaluated(decision, output, trace))
        return value


def _evaluated(decision: Decision, output: str, trace: Trace) -> EvaluatedDecision:
    return EvaluatedDecision(
        decision.id, decision.name, decision.logic.type, output, tuple(trace.matched), tuple(trace.inputs)
    )


def _failed(target: Decision, decision: Decision, reason: str, run: Run) -> Evaluation:
    message = f"Expected to evaluate decision '{target.id}', but {reason}"
    return Evaluation(target.id, target.name, None, "", tuple(run.evaluated), decision.id, message)
