"""Evaluate a decision of a decision requirements graph, and all decisions that it requires."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from osmia_broker import feel
from osmia_broker.dmn.errors import EvaluationFailed
from osmia_broker.dmn.functions import DecisionService, ModelFunction, functions
from osmia_broker.dmn.logic import Logic
from osmia_broker.dmn.run import EvaluatedDecision, Layer, Run, Trace, Value
from osmia_broker.dmn.types import DeclaredType


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision. *variable* is the name its result is bound to for the decisions that require it.

    *requires* are ids of decisions of the same graph, *knowledge* the functions its logic may call by name. A value that
    is not of the *declared* type fails.
    """

    id: str
    name: str
    variable: str
    logic: Logic
    requires: tuple[str, ...] = ()
    knowledge: tuple[ModelFunction, ...] = ()
    declared: DeclaredType | None = None
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

    __slots__ = ("_by_id", "_services", "decisions", "id", "name", "resource_name")

    def __init__(
        self,
        resource_name: str,
        id: str,
        name: str,
        decisions: Sequence[Decision],
        services: Mapping[str, DecisionService],
    ) -> None:
        self.resource_name = resource_name
        self.id = id
        self.name = name
        self.decisions = tuple(decisions)  #: in the order of the file
        self._by_id = {decision.id: decision for decision in decisions}
        self._services = services

    def decision(self, decision_id: str) -> Decision | None:
        """Return the decision with *decision_id*, or None."""
        return self._by_id.get(decision_id)

    def evaluate(self, decision_id: str, scope: feel.Scope, now: feel.Instant | datetime | None = None) -> Evaluation:
        """Evaluate a decision after those it requires, each once, with the variables of *scope* visible to all of them.

        *now* is the time that `now()` and `today()` give in FEEL. A failure is part of the result. The evaluation is
        bounded by a second and 4 MiB of JSON.

        Raises:
            KeyError: the graph has no decision *decision_id*.
        """
        target = self._by_id[decision_id]
        with feel.sharing(feel.present_allowance() or feel.Allowance()):
            # That of a step of a process, which this uses up.
            return self._evaluate(target, Run(scope, now, self._serve))

    def _evaluate(self, target: Decision, run: Run) -> Evaluation:
        """Evaluate *target*. All expressions share one second of processor time: each alone may take as much."""
        results: dict[str, Value] = {}
        for decision in self._in_order([target], results) if target.requires else (target,):
            try:
                results[decision.id] = self._evaluate_one(decision, results, run)
            except EvaluationFailed as failed:
                return _failed(target, decision, str(failed), run)
            except RecursionError:
                return _failed(target, decision, "Expected fewer expressions and functions inside one another", run)
        output = run.evaluated[-1].output
        return Evaluation(target.id, target.name, results[target.id], output, tuple(run.evaluated))

    def _in_order(self, targets: Sequence[Decision], given: Mapping[str, Value]) -> list[Decision]:
        """Return *targets* and all they require but what is *given*, each after its own requirements.

        Without recursion, for graphs may be deep.
        """
        order: dict[str, Decision] = {}
        pending = list(reversed(targets))
        while pending:
            decision = pending[-1]
            missing = [self._by_id[id] for id in decision.requires if id not in order and id not in given]
            if missing:
                pending.extend(reversed(missing))
            else:
                order.setdefault(decision.id, pending.pop())
        return list(order.values())

    def _evaluate_one(
        self, decision: Decision, results: Mapping[str, Value], run: Run, inputs: Mapping[str, Value] | None = None
    ) -> Value:
        """Evaluate *decision* and note it, whether it fails or not. *inputs* are the arguments of a service around it."""
        trace = Trace()
        output = "null"
        try:
            bound = {self._by_id[id].variable: results[id] for id in decision.requires}
            variables = run.variables if inputs is None else Layer(inputs, run.variables)
            scope = Layer(bound, variables, functions(decision.knowledge, run))
            value = decision.logic.evaluate(scope, run, trace)
            if decision.declared is not None:
                value = decision.declared.fit(value)
            output = run.json(value)
        finally:
            evaluated = _evaluated(decision, output, trace)
            if inputs is None:
                run.evaluated.append(evaluated)
            else:
                run.note_repeatable(evaluated)
        return value

    def _serve(self, service_id: str, arguments: Mapping[str, Value], run: Run) -> Value:
        """Evaluate a decision service: its input decisions have the values of the arguments and are not evaluated."""
        service = self._services[service_id]
        results = {id: arguments[self._by_id[id].variable] for id in service.input_decisions}
        outputs = [self._by_id[id] for id in service.outputs]
        for decision in self._in_order(outputs, results):
            results[decision.id] = self._evaluate_one(decision, results, run, arguments)
        if len(outputs) == 1:
            return results[outputs[0].id]
        return feel.Context((each.variable, results[each.id]) for each in outputs)


def _evaluated(decision: Decision, output: str, trace: Trace) -> EvaluatedDecision:
    return EvaluatedDecision(
        decision.id, decision.name, decision.logic.type, output, tuple(trace.matched), tuple(trace.inputs)
    )


def _failed(target: Decision, decision: Decision, reason: str, run: Run) -> Evaluation:
    message = f"Expected to evaluate decision '{target.id}', but {reason}"
    return Evaluation(target.id, target.name, None, "", tuple(run.evaluated), decision.id, message)
