"""Variables between scopes: documents, the merge outwards, input and output mappings."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

import msgspec

from osmia_broker import feel
from osmia_broker.base.errors import InvalidArgument
from osmia_broker.engine.activiti.extensions import sees_only_own
from osmia_broker.engine.commands import Variables
from osmia_broker.engine.commands.inner import CheckConditions
from osmia_broker.engine.expressions import VariableScope, failed
from osmia_broker.engine.mapped_values import Level, MappedValues
from osmia_broker.engine.models import model_of
from osmia_broker.engine.turn import Turn
from osmia_broker.model.events import CREATE
from osmia_broker.model.graph import Element, MultiInstance, VariableMapping
from osmia_broker.state.rows import ElementInstance, ErrorType

#: 3.5 MiB of names and values. A job that shows them all must fit a message.
INSTANCE_CHARACTERS_MAX = 3_670_016

# Of the values that the mappings of one element make; later ones may replace earlier ones.
MAPPED_CHARACTERS_MAX = 4 * INSTANCE_CHARACTERS_MAX
UNWEIGHED_MAPPINGS = 10  # so few cannot make more than memory holds, because each value has bounds of its own

_split = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class TooLarge(InvalidArgument):
    """The variables of one process instance take more room than an answer may have."""


def put_local(turn: Turn, scope: ElementInstance, variables: Variables) -> None:
    """Set all *variables* in exactly this scope.

    Raises:
        TooLarge: the variables of the process instance would have more than INSTANCE_CHARACTERS_MAX.

    """
    key, process_instance_key = scope.key, scope.process_instance_key
    _changed(turn, scope, turn.variables.put(key, process_instance_key, variables))


def merge(turn: Turn, scope: ElementInstance, variables: Variables) -> None:
    """Set each variable in the nearest scope from *scope* outwards that has it, else in the process. Raises as `put_local`."""
    table, process_instance_key = turn.variables, scope.process_instance_key
    changes: dict[str, str] = {}
    outermost = scope
    while scope.scope_key:
        own = _names_of(turn, scope)
        if not own.isdisjoint(variables):
            here = {name: value for name, value in variables.items() if name in own}
            changes |= table.put(scope.key, process_instance_key, here)
            variables = {name: value for name, value in variables.items() if name not in here}
            outermost = scope
        scope = turn.elements[scope.scope_key]
    if variables:
        changes |= table.put(scope.key, process_instance_key, variables)
        outermost = scope
    _changed(turn, outermost, changes)


def _changed(turn: Turn, scope: ElementInstance, changes: Mapping[str, str]) -> None:
    """Check the size of the variables after changes in *scope* and inside it, and let the conditions there be checked that wait for one.

    *changes* has the kinds by name.
    """
    process_instance_key = scope.process_instance_key
    if process_instance_key in turn.subscriptions.conditions.places and changes:
        created = tuple(name for name, change in changes.items() if change == CREATE)
        inside = scope.key if scope.scope_key else 0
        command = CheckConditions(process_instance_key, names=(*changes,), created=created, scope_key=inside)
        turn.follow(process_instance_key, command)
    size = turn.variables.text.get(process_instance_key, 0)
    if size > INSTANCE_CHARACTERS_MAX:
        raise TooLarge(
            f"Expected the variables of process instance '{process_instance_key}' to have at most {INSTANCE_CHARACTERS_MAX}"
            f" characters together, but found {size}"
        )


def _owner(turn: Turn, scope: ElementInstance, name: str) -> int:
    while scope.scope_key and name not in _names_of(turn, scope):
        scope = turn.elements[scope.scope_key]
    return scope.key


def _names_of(turn: Turn, scope: ElementInstance) -> AbstractSet[str]:
    """Return the names of the variables that stay in *scope* when they are given inside of it: its own, and the one that a loop collects from it."""
    names = turn.variables.of_scope(scope.key).keys()
    collected = collected_inside(model_of(turn, scope)) if scope.loop_counter else ""
    return names | {collected} if collected else names


def collected_inside(element: Element) -> str:
    """Return the variable that a loop of the Activiti dialect collects from what the elements inside of its instances give; empty for none.

    Such an instance is a subprocess, or a call activity with `activiti:out`. It reads the variable through the scopes, as in Activiti; a value
    that is given inside of it stays in it.
    """
    loop = element.loop
    if not isinstance(loop, MultiInstance) or not loop.collects_locals or not loop.output_collection:
        return ""
    return loop.output_variable if element.children or element.outputs else ""


def visible(turn: Turn, element: ElementInstance, names: Iterable[str] = ()) -> Variables:
    """Return the variables visible from *element*; inner ones hide outer ones. With *names*, return only those that exist.

    The work of a mapped Activiti element sees its own variables alone.
    """
    scopes = []
    key = element.key
    if sees_only_own(turn, element):
        scopes.append(turn.variables.of_scope(key))
        key = 0
    while key:
        scopes.append(turn.variables.of_scope(key))
        key = turn.elements[key].scope_key
    seen = {name: row.value for scope in reversed(scopes) for name, row in scope.items()}
    wanted = tuple(names)
    return {name: seen[name] for name in wanted if name in seen} if wanted else seen


def apply_inputs(turn: Turn, element: ElementInstance, mappings: tuple[VariableMapping, ...]) -> None:
    """Evaluate the input mappings in order into the element's own scope. Each sees the values of those before it."""
    put_local(turn, element, {name: _json(value) for name, value in _mapped(turn, element, mappings)})


def apply_outputs(turn: Turn, element: ElementInstance, mappings: tuple[VariableMapping, ...]) -> None:
    """Evaluate the output mappings in order. Only their targets leave the element, merged outwards from its scope.

    An instance of a multi-instance keeps a target that it has as a variable of its own, so that the instances do not overwrite each other's.
    """
    is_one_of_many = element.loop_counter and isinstance(model_of(turn, element).loop, MultiInstance)
    scope = element if is_one_of_many else turn.elements[element.scope_key]
    made: dict[str, str] = {}
    for name, value in _mapped(turn, element, mappings):
        existing = turn.variables.of_scope(_owner(turn, scope, name)).get(name) if type(value) is Level else None
        made[name] = _json(value, existing.value if existing else None)
    merge(turn, scope, made)


def _mapped(
    turn: Turn, element: ElementInstance, mappings: tuple[VariableMapping, ...]
) -> Iterable[tuple[str, feel.Value | msgspec.Raw]]:
    """Evaluate *mappings* before anything is written, so that every source reads the variables as they were."""
    made = MappedValues(turn, element.key)
    room, is_weighed = MAPPED_CHARACTERS_MAX, len(mappings) > UNWEIGHED_MAPPINGS
    for mapping in mappings:
        value: feel.Value | msgspec.Raw = made.passed_on(mapping.path) if mapping.path else None
        if value is None:
            scope = made if mapping.sees_earlier else VariableScope(turn, element.key)
            result = mapping.source.evaluate(scope, turn.now)
            if result.failure is not None:
                raise failed(result, ErrorType.IO_MAPPING_ERROR)
            value = result.value
        if is_weighed:
            room -= _weight(value)
            if room < 0:
                raise TooLarge(
                    f"Expected the mappings of '{element.element_id}' to make at most {MAPPED_CHARACTERS_MAX} characters, but found more"
                )
        made.put(mapping.target, value)
    return made.items()


def _weight(value: feel.Value | msgspec.Raw) -> int:
    """Return about the number of characters of *value*."""
    return len(value) if isinstance(value, str) else len(_json(value))


def _json(value: feel.Value | msgspec.Raw, existing: str | None = None) -> str:
    """Write *value* as JSON. A `Level` is merged into the object *existing*, of which everything else stays as it is."""
    if type(value) is msgspec.Raw:
        return bytes(value).decode()
    if type(value) is not Level:
        return feel.to_json(value)
    entries: dict[str, msgspec.Raw] = {}
    if existing is not None and existing.startswith("{") and not value.is_whole:
        entries = _split(existing)
    for name, inner in value.items():
        before = entries.get(name) if type(inner) is Level else None
        text = _json(inner, None if before is None else bytes(before).decode())
        entries[name] = msgspec.Raw(text.encode())
    return msgspec.json.encode(entries).decode()
