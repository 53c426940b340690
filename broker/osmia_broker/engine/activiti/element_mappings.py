"""Map the variables of elements as an Activiti extension file says.

A mapped element has its variables in its own scope: those that the mapping made, then those that its work gave. At its end, the mapping
chooses what leaves it. The values of the file may hold `${…}`; what a person or a worker submits is never evaluated.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import msgspec

from osmia_broker import feel
from osmia_broker.base.errors import InvalidArgument
from osmia_broker.engine.activiti.extensions import mapping_of, sees_only_own
from osmia_broker.engine.commands import Variables
from osmia_broker.engine.expressions import VariableScope
from osmia_broker.engine.incidents import IncidentRaised
from osmia_broker.engine.models import model_of
from osmia_broker.engine.turn import Turn
from osmia_broker.engine.variables import INSTANCE_CHARACTERS_MAX, merge, put_local, visible
from osmia_broker.feel.json_text import from_json
from osmia_broker.model import json_patch
from osmia_broker.model.extension_files import JSONPATCH, VARIABLE, ElementMapping, ProcessExtensions, Source
from osmia_broker.model.graph import Element, ElementType, MultiInstance
from osmia_broker.model.templates import Template, contains_expression
from osmia_broker.state.rows import ElementInstance, ErrorType

ASSIGNEE = "sys_task_assignee"  # the variable of a completed user task that names who had it


def put_inputs(turn: Turn, instance: ElementInstance, mapping: ElementMapping) -> None:
    """Put what goes into the element into its own scope. Every source reads the variables around it; constants come last.

    Raises:
        IncidentRaised: a value cannot be made.
    """
    around = VariableScope(turn, instance.key)
    made = collected(
        (target, _value(source, around, _text_of(around, source.name), _text_of(around, target)))
        for target, source in (mapping.inputs or {}).items()
    )
    made |= {name: feel.to_json(value) for name, value in mapping.constants.items()}
    put_local(turn, instance, made)
    if sees_only_own(turn, instance):
        for task in turn.user_tasks.by("element_instance_key", instance.key):
            turn.user_tasks.update(task, sees_only_own=1)  # for the lists, which know no mapping


def keep_result(turn: Turn, instance: ElementInstance, variables: Variables) -> None:
    """Keep what the work of *instance* gave: in its own scope if something chooses later what leaves it, else merged outwards.

    Raises:
        InvalidArgument: a person submitted an expression to a mapped element.
        TooLarge: the variables of the process instance would be too large.
    """
    mapping = mapping_of(turn, instance)
    element = model_of(turn, instance)
    if mapping is not None and instance.type == ElementType.USER_TASK:
        _refuse_expressions(mapping, variables)
        variables = {**variables, **_assignee(turn, instance, mapping)}
    stays = mapping is not None or bool(element.outputs) or _collects(instance, element)
    if stays:
        put_local(turn, instance, variables)
    else:
        merge(turn, instance, variables)


def _assignee(turn: Turn, instance: ElementInstance, mapping: ElementMapping) -> Variables:
    """Return the assignee of a user task, if an output asks for it by the name that Activiti gives it."""
    if not any(source.name == ASSIGNEE for source in (mapping.outputs or {}).values()):
        return {}
    task = turn.user_tasks.first_by("element_instance_key", instance.key)
    return {ASSIGNEE: msgspec.json.encode(task.assignee).decode()} if task is not None and task.assignee else {}


def apply_outputs(turn: Turn, instance: ElementInstance, mapping: ElementMapping) -> None:
    """Let the variables leave the element that its mapping chooses. Those of an instance in a collecting loop stay for the result.

    Raises:
        IncidentRaised: a value cannot be made.
    """
    element = model_of(turn, instance)
    leaving = _all(turn, instance, element, mapping) if mapping.outputs is None else _chosen(turn, instance, mapping)
    if not _collects(instance, element):
        merge(turn, turn.elements[instance.scope_key], leaving)
    elif mapping.outputs is not None:
        put_local(turn, instance, leaving)


def start_variables(extensions: ProcessExtensions, start_id: str, variables: Variables) -> Variables:
    """Return what goes into the process when it is started with *variables*: all, or what the mapping of its start event chooses.

    Raises:
        InvalidArgument: a variable that is mapped holds an expression, or a value cannot be made.
    """
    mapping = extensions.mappings.get(start_id)
    if mapping is None or not mapping.outputs:
        return variables
    _refuse_expressions(mapping, variables)
    try:
        return _started(extensions, mapping.outputs, variables) or variables
    except IncidentRaised as fault:
        raise InvalidArgument(str(fault)) from fault


def _started(extensions: ProcessExtensions, outputs: Mapping[str, Source], variables: Variables) -> Variables:
    given = {name: msgspec.Raw(value.encode()) for name, value in variables.items()}
    return collected(
        (target, _value(source, given, variables.get(source.name), None))
        for target, source in outputs.items()
        if target in extensions.variables
    )


def _refuse_expressions(mapping: ElementMapping, variables: Variables) -> None:
    """Refuse texts that look like expressions, as Activiti does, although nothing would evaluate them."""
    if not mapping.is_written:
        return
    for name, value in variables.items():
        may_hold_one = "{" in value or "\\u" in value
        if may_hold_one and contains_expression(msgspec.json.decode(value)):
            raise InvalidArgument(
                f"Expressions are not allowed as variable values in the output mapping, but found one in variable '{name}'"
            )


def _all(turn: Turn, instance: ElementInstance, element: Element, mapping: ElementMapping) -> Variables:
    """Return the element's own variables, without constants and those of its loop."""
    hidden = {*mapping.constants}
    if isinstance(element.loop, MultiInstance):
        hidden |= {element.loop.names.counter, element.loop.element_variable}
    own = turn.variables.of_scope(instance.key)
    return {name: row.value for name, row in own.items() if name not in hidden}


def _chosen(turn: Turn, instance: ElementInstance, mapping: ElementMapping) -> Variables:
    """Return the variables that the mapping writes: declared ones, and those that exist already."""
    extensions = turn.definitions.extensions(instance.process_definition_key)
    assert extensions is not None, "a mapping is part of an extension file"
    around, inside = VariableScope(turn, instance.scope_key), VariableScope(turn, instance.key)
    seen = visible(turn, instance)

    def values() -> Iterator[tuple[str, str | None]]:
        for target, source in (mapping.outputs or {}).items():
            current = _text_of(around, target)
            declared = extensions.variables.get(target)
            if current is None and declared is None:
                continue
            if current is None and declared is not None and declared.default is not None and source.kind == JSONPATCH:
                current = _json_of(declared.default, inside)
            yield target, _value(source, inside, seen.get(source.name), current)

    return collected(values())


def collected(values: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    """Collect the values that were made, as far as one process instance has room for them.

    Raises:
        IncidentRaised: there is not enough room.
    """
    made: dict[str, str] = {}
    room = INSTANCE_CHARACTERS_MAX
    for target, value in values:
        if value is None:
            continue
        made[target] = value
        room -= len(value)
        if room < 0:
            raise IncidentRaised(
                ErrorType.IO_MAPPING_ERROR,
                f"Expected a mapping to make at most {INSTANCE_CHARACTERS_MAX} characters, but found more at '{target}'",
            )
    return made


def _json_of(template: Template, scope: VariableScope) -> str:
    try:
        return feel.to_json(template.evaluate(scope))
    except ValueError as fault:
        raise IncidentRaised(ErrorType.IO_MAPPING_ERROR, str(fault)) from fault


def _value(
    source: Source, scope: VariableScope | Mapping[str, msgspec.Raw], variable: str | None, current: str | None
) -> str | None:
    """Return the JSON of a mapped value; None if there is nothing to map, or a variable that is null.

    *variable* is the JSON of the variable that the source names, *current* that of the target.
    """
    if source.kind == VARIABLE:
        return None if variable == "null" else variable
    try:
        assert source.value is not None, "a value or a patch has a template"
        value = source.value.evaluate(scope)
        if source.kind == JSONPATCH:
            operations = [replace(one, value=new) for one, new in zip(source.patch, value, strict=True)]
            value = json_patch.apply(None if current is None else from_json(current), operations)
        return feel.to_json(value)
    except ValueError as fault:
        raise IncidentRaised(ErrorType.IO_MAPPING_ERROR, str(fault)) from fault


def _text_of(scope: VariableScope, name: str) -> str | None:
    """Return the JSON of a variable; None if it does not exist or is null, which Activiti does not tell apart."""
    try:
        text = bytes(scope[name]).decode() if name else "null"
    except KeyError:
        return None
    return None if text == "null" else text


def _collects(instance: ElementInstance, element: Element) -> bool:
    """Whether *instance* is one of a loop that collects local variables."""
    loop = element.loop
    return bool(
        instance.loop_counter and isinstance(loop, MultiInstance) and loop.collects_locals and loop.output_collection
    )
