"""Activities with a loop: multi-instance, in parallel or one after the other, and BPMN's standard loop.

The body is an element instance of its own. It holds the boundary events, and the instances of the activity live in it. A parallel body
creates its instances in slices, so that 20,000 of them stall nobody.
"""

from typing import Any

import msgspec

from osmia_broker import feel
from osmia_broker.base.errors import InvalidState
from osmia_broker.base.whole_numbers import whole_number
from osmia_broker.engine.activiti.extensions import sees_only_own
from osmia_broker.engine.commands import CompleteJob
from osmia_broker.engine.commands.inner import ContinueLoop
from osmia_broker.engine.commands.tasks import AnswerTaskProposal, CompleteUserTask
from osmia_broker.engine.expressions import VariableScope, evaluate, evaluate_boolean, wrong_type
from osmia_broker.engine.follow_ups import carries_out
from osmia_broker.engine.incidents import IncidentRaised
from osmia_broker.engine.lifecycle import (
    Processor,
    empty,
    insert,
    is_empty,
    is_ending,
    model_of,
    plan_completion,
    processes,
    terminate_inside,
)
from osmia_broker.engine.turn import Turn
from osmia_broker.engine.variables import collected_inside, merge, put_local, visible
from osmia_broker.model.expressions import Expression
from osmia_broker.model.graph import LOOP_INSTANCES_MAX, Element, ElementType, MultiInstance, StandardLoop
from osmia_broker.state.json_text import document
from osmia_broker.state.rows import ElementInstance, ElementState, ErrorType, Loop, LoopResult

INSTANCES_PER_SLICE = 100  # about 5 ms
RESULTS_PER_ROW = 64  # a result rewrites one row, and a finished loop ends few
LIVE_RESULTS_MAX = 1_000  # up to so many, the output collection is visible while the loop runs; rewriting it each time costs its square
UNKNOWN_SIZE = -1  # of a standard loop, until its last instance has completed

_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


@processes(ElementType.MULTI_INSTANCE_BODY)
class LoopBody(Processor):
    """Creates the instances of an activity, collects their results, and completes with the last of them."""

    def activate(self, turn: Turn, instance: ElementInstance, element: Element) -> None:
        """Evaluate the collection and create the first instances; without any, complete at once."""
        loop = element.loop
        if isinstance(loop, StandardLoop):
            row = _add(turn, instance, "", UNKNOWN_SIZE)
            if loop.is_tested_before and not _holds(turn, loop.condition, VariableScope(turn, instance.key)):
                _finish(turn, instance, row, element)
            else:
                _create(turn, instance, row, element, None)
            return
        assert loop is not None, f"'{element.id}' has no loop"
        items, size = _size_of(turn, instance, loop)
        row = _add(turn, instance, items, size)
        _show_counters(turn, instance, loop, row)
        if loop.output_collection:
            put_local(turn, instance, {loop.output_collection: _collected(turn, instance, size)})
        if size == 0:
            _finish(turn, instance, row, element)
        else:
            turn.follow(instance.process_instance_key, ContinueLoop(instance.key))

    def child_completes(self, turn: Turn, scope: ElementInstance, child: ElementInstance, element: Element) -> None:
        """Keep the result of an instance, and look whether the loop has to go on."""
        loop, row = element.loop, _row(turn, scope)
        turn.loops.update(row, completed=row.completed + 1)
        if isinstance(loop, StandardLoop):
            goes_on = _goes_on(turn, loop, row, child)
            turn.loops.update(row, size=row.started + goes_on)
            return
        assert loop is not None, f"'{element.id}' has no loop"
        _show_counters(turn, scope, loop, row)
        if loop.output_element is not None or (loop.collects_locals and loop.output_collection):
            _keep_result(turn, scope, child, loop, row)
        if loop.completion_condition is not None and _is_complete(turn, child, loop, row):
            turn.loops.update(row, size=row.started, terminated=row.started - row.completed)
            terminate_inside(turn, scope, spared=child)

    def child_terminated(self, turn: Turn, scope: ElementInstance) -> None:
        """Count the instances that were terminated by themselves."""
        row = _row(turn, scope)
        turn.loops.update(row, terminated=row.terminated + 1)

    def has_more(self, turn: Turn, scope: ElementInstance) -> bool:
        """Return whether there are results, or further instances to create."""
        row = _row(turn, scope)
        return row.completed > 0 or row.size != row.started

    def child_left(self, turn: Turn, scope: ElementInstance) -> None:
        """Create the next instance of a sequential loop, or complete the body with its last instance."""
        if scope.state is not ElementState.ACTIVATED or not is_empty(turn, scope):
            return
        element, row = model_of(turn, scope), _row(turn, scope)
        if row.size in (row.started, 0):
            _finish(turn, scope, row, element)
        else:
            turn.follow(scope.process_instance_key, ContinueLoop(scope.key))


def has_size(turn: Turn, body: ElementInstance) -> bool:
    """Whether a body is that of a multi-instance, and not of a standard loop."""
    return isinstance(model_of(turn, body).loop, MultiInstance)


def end_loop(turn: Turn, body: ElementInstance) -> None:
    """End all instances of a multi-instance that are left, and create no more. The loop is finished then."""
    row = _row(turn, body)
    turn.loops.update(row, size=row.started, terminated=row.started - row.completed)
    empty(turn, body)


@carries_out(ContinueLoop)
def continue_loop(turn: Turn, command: ContinueLoop) -> None:
    """Create the next instances: one of a sequential loop, a slice of a parallel one."""
    body = turn.elements.get(command.body_key)
    if body is None or body.state is not ElementState.ACTIVATED or is_ending(turn, body):
        return
    element, row = model_of(turn, body), _row(turn, body)
    loop = element.loop
    if isinstance(loop, StandardLoop):
        # After an instance that was terminated, nobody has asked yet.
        if row.size != UNKNOWN_SIZE or _goes_on(turn, loop, row, body):
            _create(turn, body, row, element, None)
            turn.loops.update(row, size=UNKNOWN_SIZE)
        else:
            _finish(turn, body, row, element)
        return
    assert loop is not None, f"'{element.id}' has no loop"
    if loop.is_sequential and not is_empty(turn, body):
        return
    items = _items(row.items) if row.items else None
    slice_size = 1 if loop.is_sequential else INSTANCES_PER_SLICE
    for index in range(row.started, min(row.started + slice_size, row.size)):
        _create(turn, body, row, element, items[index] if items is not None else None)
    if not loop.is_sequential and row.started < row.size:
        turn.follow(body.process_instance_key, command)


# --- instances


def _size_of(turn: Turn, body: ElementInstance, loop: MultiInstance) -> tuple[str, int]:
    """Return the items as a JSON array (empty without a collection), and how many instances there will be."""
    size = None if loop.cardinality is None else _cardinality(turn, loop.cardinality, body)
    if loop.collection is None or size == 0:
        assert size is not None, "a multi-instance has a collection or a cardinality"
        items = ""
    else:
        values = _collection(turn, loop.collection, body, size)
        items, size = feel.to_json(values), len(values)
    if size > LOOP_INSTANCES_MAX:
        raise IncidentRaised(
            ErrorType.EXTRACT_VALUE_ERROR,
            f"Expected a loop to have at most {LOOP_INSTANCES_MAX} instances, but found {size}",
        )
    return items, size


def _collection(turn: Turn, expression: Expression, body: ElementInstance, size: int | None) -> list[Any]:
    """Return the items of a loop: all of the collection, or as many as *size* says."""
    result = evaluate(turn, expression, body.key)
    if not isinstance(result.value, list | tuple):
        raise wrong_type(expression, result, "'ARRAY'")
    if size is not None and size > len(result.value):
        raise IncidentRaised(
            ErrorType.EXTRACT_VALUE_ERROR,
            f"Expected '{expression.text}' to give an item for each of {size} instances, but found {len(result.value)}",
        )
    return list(result.value[:size])


def _cardinality(turn: Turn, expression: Expression, body: ElementInstance) -> int:
    """Return how often a loop of the Activiti dialect runs. Of a number, the fraction does not count, as in Activiti: half of 5 people are 2."""
    result = evaluate(turn, expression, body.key)
    value = result.value
    if isinstance(value, str):
        value = whole_number(value.strip())
    if value is None or isinstance(value, bool) or feel.type_name(value) != "NUMBER" or value <= -1:
        raise wrong_type(expression, result, "a number from 0")
    return int(value)


def _add(turn: Turn, body: ElementInstance, items: str, size: int) -> Loop:
    row = Loop(turn.next_key(), body.process_instance_key, body.key, items, size)
    turn.loops.insert(row)
    return row


def _row(turn: Turn, body: ElementInstance) -> Loop:
    [row] = turn.loops.by("element_instance_key", body.key)
    return row


def _counters(row: Loop, loop: MultiInstance) -> dict[str, int]:
    """Return the counters of a loop by the names of its dialect."""
    names = loop.names
    created = row.started if loop.is_sequential else row.size
    counters = {
        names.instances: len(_items(row.items)) if row.items else row.size,
        names.active: created - row.completed - row.terminated,
        names.completed: row.completed,
    }
    if names.terminated:
        counters[names.terminated] = row.terminated
    if names.are_variables and loop.is_sequential:
        counters[names.active] = 1  # as Activiti, which does not count it down
    return counters


def _show_counters(turn: Turn, body: ElementInstance, loop: MultiInstance, row: Loop) -> None:
    """Set the counters as variables of the body, where the dialect has them."""
    if loop.names.are_variables:
        put_local(turn, body, {name: str(count) for name, count in _counters(row, loop).items()})


def _create(turn: Turn, body: ElementInstance, row: Loop, element: Element, item: msgspec.Raw | None) -> None:
    number = row.started + 1
    turn.loops.update(row, started=number)
    instance = insert(turn, element, body, loop_counter=number)
    loop = element.loop
    variables = {"loopCounter": str(number)}
    if isinstance(loop, MultiInstance):
        variables = {loop.names.counter: str(number - 1 + loop.names.counts_from)}
        if loop.result_variable:
            variables[loop.result_variable] = "null"
        if loop.element_variable and item is not None:
            variables[loop.element_variable] = bytes(item).decode()
    if not sees_only_own(turn, instance):  # else an expression still reads them (`implied_variables`)
        put_local(turn, instance, variables)
    turn.plan(instance)


def _finish(turn: Turn, body: ElementInstance, row: Loop, element: Element) -> None:
    loop = element.loop
    if isinstance(loop, MultiInstance) and loop.output_collection:
        size = len(_items(row.items)) if row.items else row.size
        size = row.completed if loop.collects_locals else size
        results = _collected(turn, body, size)
        merge(turn, turn.elements[body.scope_key], {loop.output_collection: results})
    for result in turn.loop_results.by("element_instance_key", body.key):
        turn.loop_results.end(result, turn.now_ms)
    turn.loops.end(row, turn.now_ms)
    plan_completion(turn, body)


# --- conditions

#: The commands whose callers can complete an element with other values. Activiti refuses them if a completion condition fails.
_COMPLETIONS = (CompleteJob, CompleteUserTask, AnswerTaskProposal)


class _Counted:
    """The variables of an instance, with the counters of its loop over them."""

    def __init__(self, scope: VariableScope, counters: dict[str, int]) -> None:
        self._scope = scope
        self._counters = counters

    def __getitem__(self, name: str) -> Any:
        return self._counters[name] if name in self._counters else self._scope[name]


def _is_complete(turn: Turn, child: ElementInstance, loop: MultiInstance, row: Loop) -> bool:
    assert loop.completion_condition is not None, "asked only with a condition"
    if loop.names.are_variables and row.completed >= row.size:
        return False  # Activiti does not ask after the last instance
    scope = _Counted(VariableScope(turn, child.key), _counters(row, loop))
    try:
        return evaluate_boolean(turn, loop.completion_condition, scope)
    except IncidentRaised as fault:
        if loop.names.are_variables and isinstance(turn.command.inner, _COMPLETIONS):
            raise InvalidState(
                f"Expected the completion of '{child.element_id}' to be followed by its completion condition, but: {fault}"
            ) from fault
        raise


def _goes_on(turn: Turn, loop: StandardLoop, row: Loop, asked: ElementInstance) -> bool:
    """Return whether a standard loop has another instance: by its maximum, and by its condition with the variables of *asked*."""
    is_over = loop.maximum is not None and row.started >= loop.maximum
    return not is_over and _holds(turn, loop.condition, VariableScope(turn, asked.key))


def _holds(turn: Turn, condition: Expression | None, scope: VariableScope) -> bool:
    """Return whether a standard loop goes on by its condition; without one, only its maximum ends it."""
    return condition is None or evaluate_boolean(turn, condition, scope)


# --- results


def _keep_result(turn: Turn, body: ElementInstance, child: ElementInstance, loop: MultiInstance, row: Loop) -> None:
    """Keep the result of one instance: at the place of its item, or (Activiti) behind those that completed before."""
    if loop.collects_locals:
        _keep(turn, body, row, row.completed, _local_result(turn, child, loop))
        size = row.completed
    else:
        assert loop.output_element is not None, "a collection has an expression for its results"
        _keep(turn, body, row, child.loop_counter, feel.to_json(evaluate(turn, loop.output_element, child.key).value))
        size = row.size
    if row.size <= LIVE_RESULTS_MAX:
        put_local(turn, body, {loop.output_collection: _collected(turn, body, size)})


def _local_result(turn: Turn, child: ElementInstance, loop: MultiInstance) -> str:
    """Return the local variable that the loop collects, or an object of all of them without the loop's own."""
    own = turn.variables.of_scope(child.key)
    if collected := loop.output_variable:
        if collected_inside(model_of(turn, child)):
            return visible(turn, child, [collected]).get(collected, "null")
        return own[collected].value if collected in own else "null"
    hidden = {loop.names.counter, loop.output_collection}
    return document({name: row.value for name, row in own.items() if name not in hidden})


def _keep(turn: Turn, body: ElementInstance, row: Loop, loop_counter: int, value: str) -> None:
    """Write the result of one instance to the row of its place."""
    chunk, place = divmod(loop_counter - 1, RESULTS_PER_ROW)
    rows = {one.chunk: one for one in turn.loop_results.by("element_instance_key", body.key)}
    found = rows.get(chunk)
    values = _items(found.results) if found is not None else [msgspec.Raw(b"null")] * RESULTS_PER_ROW
    values[place] = msgspec.Raw(value.encode())
    text = msgspec.json.encode(values).decode()
    if found is None:
        turn.loop_results.insert(LoopResult(turn.next_key(), row.process_instance_key, body.key, chunk, text))
    else:
        turn.loop_results.update(found, results=text)


def _collected(turn: Turn, body: ElementInstance, size: int) -> str:
    """Return the results as a JSON array in the order of the items, null where there is none."""
    values = [msgspec.Raw(b"null")] * size
    for row in turn.loop_results.by("element_instance_key", body.key):
        first = row.chunk * RESULTS_PER_ROW
        found = _items(row.results)
        values[first : first + RESULTS_PER_ROW] = found[: max(size - first, 0)]
    return msgspec.json.encode(values).decode()
