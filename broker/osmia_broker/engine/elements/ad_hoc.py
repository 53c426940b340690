"""The ad-hoc subprocess: its elements are activated by themselves, in any number, until its completion condition is true (BPMN 2.0, 13.3.5).

A collection in the model says which elements are activated first, or a worker decides: then it gets a job at the beginning and after each
element that has completed, until it decides that the subprocess completes. Every activated element lives in an inner instance of its own, with
all that follows it.
"""

from collections.abc import Sequence

from osmia_broker import feel
from osmia_broker.base.errors import InvalidArgument, NotFound
from osmia_broker.engine.commands import CompleteJob, Variables
from osmia_broker.engine.elements.ad_hoc_elements import ELEMENTS_VARIABLE, activatable, described
from osmia_broker.engine.expressions import VariableScope, evaluate, evaluate_boolean, evaluate_text_list
from osmia_broker.engine.incidents import IncidentRaised
from osmia_broker.engine.jobs import completes
from osmia_broker.engine.lifecycle import (
    Processor,
    enter,
    is_empty,
    model_of,
    open_inner,
    plan_completion,
    processes,
    terminate_inside,
)
from osmia_broker.engine.new_jobs import cancel_jobs, create_task_job
from osmia_broker.engine.turn import Turn
from osmia_broker.engine.variables import merge, put_local
from osmia_broker.model.graph import AdHocDefinition, Element, ElementType, SequenceFlow
from osmia_broker.state.rows import AdHocCompletion, ElementInstance, ElementState, ErrorType, Job, JobKind


@processes(ElementType.AD_HOC_SUB_PROCESS_INNER_INSTANCE)
class InnerInstance(Processor):
    """Holds one activated element and all that follows it."""

    def outgoing(self, turn: Turn, instance: ElementInstance, element: Element) -> list[SequenceFlow]:
        """Return no flow: the flows of the element are those of the whole subprocess."""
        return []


@processes(ElementType.AD_HOC_SUB_PROCESS)
class AdHocSubprocess(Processor):
    """Activates elements, and completes by its condition; without one, when everything that was activated has completed."""

    def prepare(self, turn: Turn, instance: ElementInstance, element: Element) -> None:
        """Describe the elements to those who choose among them, and begin the output collection (read in the sources of the reference)."""
        collection = _rules(element).output_collection
        begun = {collection: "[]"} if collection else {}
        put_local(turn, instance, {ELEMENTS_VARIABLE: described(element)} | begun)

    def activate(self, turn: Turn, instance: ElementInstance, element: Element) -> None:
        """Activate the first elements, those that were prepared from outside, or ask the worker."""
        rules = _rules(element)
        prepared = turn.elements.by("scope_key", instance.key)
        for inner in prepared:
            for child in turn.elements.by("scope_key", inner.key):
                turn.plan(child)
        if element.job is not None:
            create_task_job(turn, instance, element.job, JobKind.AD_HOC_SUB_PROCESS)
        elif rules.active_elements is not None and not prepared:
            try:
                ids = evaluate_text_list(turn, rules.active_elements, instance.key)
            except IncidentRaised as fault:
                raise IncidentRaised(fault.error_type, f"Failed to activate ad-hoc elements. {fault}") from fault
            if refusal := not_activatable(element, instance.key, ids):
                raise IncidentRaised(ErrorType.EXTRACT_VALUE_ERROR, refusal)
            for id in ids:
                activate_inside(turn, instance, element, id, {})

    def child_completes(self, turn: Turn, scope: ElementInstance, child: ElementInstance, _element: Element) -> None:
        """Collect the result of an inner instance or an event subprocess, and look whether the subprocess is complete."""
        rules = _rules(model_of(turn, scope))
        if rules.output_element is not None and rules.output_collection:
            _collect(turn, scope, rules, feel.to_json(evaluate(turn, rules.output_element, child.key).value))
        if (
            rules.completion_condition is not None
            and rules.cancels_remaining_instances
            and _is_complete(turn, scope.key, rules)
        ):
            terminate_inside(turn, scope, spared=child)

    def has_more(self, turn: Turn, scope: ElementInstance) -> bool:
        """Return whether a worker decides how to go on."""
        return model_of(turn, scope).job is not None and not _is_decided(turn, scope)

    def child_left(self, turn: Turn, scope: ElementInstance) -> None:
        """Complete the subprocess when nothing is left to do, or let the worker decide again."""
        if scope.state is not ElementState.ACTIVATED:
            return
        element = model_of(turn, scope)
        if self.has_more(turn, scope):
            _ask_again(turn, scope, element)
        elif is_empty(turn, scope):
            rules = _rules(element)
            if element.job is not None or rules.completion_condition is None or _is_complete(turn, scope.key, rules):
                _finish(turn, scope, rules)


def _rules(element: Element) -> AdHocDefinition:
    assert element.ad_hoc is not None, f"'{element.id}' has no rules"
    return element.ad_hoc


def not_activatable(element: Element, key: int, ids: Sequence[str]) -> str:
    """Return why not all *ids* name elements that the ad-hoc subprocess with this *key* can activate by themselves; empty if all do."""
    known = {one.id for one in activatable(element)}
    if unknown := [id for id in ids if id not in known]:
        choice = ", ".join(f"'{one.id}'" for one in activatable(element))
        return (
            f"Expected to activate activities for ad-hoc sub-process with key '{key}',"
            f" but the given elements [{', '.join(unknown)}] do not exist. Expected any of {choice}."
        )
    return ""


def activate_inside(turn: Turn, scope: ElementInstance, element: Element, id: str, variables: Variables) -> None:
    """Activate the element *id* of the ad-hoc subprocess *scope*, with *variables* of its own."""
    child = next(one for one in element.children if one.id == id)
    inner = open_inner(turn, scope)
    put_local(turn, inner, variables)
    enter(turn, child, inner)


def _is_complete(turn: Turn, scope_key: int, rules: AdHocDefinition) -> bool:
    condition = rules.completion_condition
    assert condition is not None, "asked only with a condition"
    try:
        return evaluate_boolean(turn, condition, VariableScope(turn, scope_key))
    except IncidentRaised as fault:
        raise IncidentRaised(fault.error_type, f"Failed to evaluate completion condition. {fault}") from fault


def _collect(turn: Turn, scope: ElementInstance, rules: AdHocDefinition, value: str) -> None:
    row = turn.variables.of_scope(scope.key).get(rules.output_collection)
    before = "null" if row is None else row.value
    if not before.startswith("["):
        raise IncidentRaised(
            ErrorType.EXTRACT_VALUE_ERROR,
            f"The output collection has the wrong type. Expected ARRAY but was {_type_of(before)}.",
        )
    text = f"[{value}]" if before == "[]" else f"{before[:-1]},{value}]"
    put_local(turn, scope, {rules.output_collection: text})


def _type_of(json: str) -> str:
    """Return the type of a JSON text as the reference names it."""
    number = "FLOAT" if {*json} & {*".eE"} else "INTEGER"
    return {"n": "NIL", '"': "STRING", "{": "MAP", "t": "BOOLEAN", "f": "BOOLEAN"}.get(json[0], number)


def _finish(turn: Turn, scope: ElementInstance, rules: AdHocDefinition) -> None:
    for row in turn.ad_hoc_completions.by("element_instance_key", scope.key):
        turn.ad_hoc_completions.end(row, turn.now_ms)
    if rules.output_collection:
        results = turn.variables.of_scope(scope.key)[rules.output_collection].value
        merge(turn, turn.elements[scope.scope_key], {rules.output_collection: results})
    plan_completion(turn, scope)


# --- decided by a worker


def _is_decided(turn: Turn, scope: ElementInstance) -> bool:
    return turn.ad_hoc_completions.has_any("element_instance_key", scope.key)


def _ask_again(turn: Turn, scope: ElementInstance, element: Element) -> None:
    """Give the worker a new job: what it has to decide on has changed."""
    assert element.job is not None, "asked only with a job"
    cancel_jobs(turn, scope.key)
    create_task_job(turn, scope, element.job, JobKind.AD_HOC_SUB_PROCESS)


@completes(JobKind.AD_HOC_SUB_PROCESS)
def decided(turn: Turn, _job: Job, scope: ElementInstance, command: CompleteJob) -> None:
    """Do what the worker has decided: activate elements, or complete the subprocess with the last that lives in it.

    Raises:
        NotFound: an element cannot be activated; the job is as it was.
        InvalidArgument: elements are to be activated in a subprocess that completes.

    """
    element = model_of(turn, scope)
    merge(turn, scope, command.variables)
    result = command.result
    if result is None:
        return
    if result.activate and result.is_completion_condition_fulfilled:
        raise InvalidArgument(
            f"No elements can be activated for ad-hoc sub-process with key '{scope.key}' because the completion condition is fulfilled."
        )
    if refusal := not_activatable(element, scope.key, [one.element_id for one in result.activate]):
        raise NotFound(refusal)
    if result.cancels_remaining_instances:
        terminate_inside(turn, scope)
    for one in result.activate:
        activate_inside(turn, scope, element, one.element_id, one.variables)
    if not result.is_completion_condition_fulfilled:
        return
    if is_empty(turn, scope):
        _finish(turn, scope, _rules(element))
    else:
        turn.ad_hoc_completions.insert(AdHocCompletion(turn.next_key(), scope.process_instance_key, scope.key))
