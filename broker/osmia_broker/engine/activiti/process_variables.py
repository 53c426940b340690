"""The variables that an Activiti process starts with: given ones, defaults of its extension file, the user who starts it.

The refusals and the types are those of Activiti.
"""

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from osmia_broker import feel
from osmia_broker.base.errors import InvalidArgument
from osmia_broker.engine.activiti.element_mappings import collected, start_variables
from osmia_broker.engine.activiti.implied_variables import INITIATOR
from osmia_broker.engine.commands import Variables
from osmia_broker.engine.incidents import IncidentRaised
from osmia_broker.engine.turn import Turn
from osmia_broker.feel.json_text import from_json
from osmia_broker.model.dates import full_date_time
from osmia_broker.model.extension_files import ProcessExtensions, ProcessVariable
from osmia_broker.model.graph import Element, Process
from osmia_broker.model.text import trimmed
from osmia_broker.state.rows import ProcessDefinition

_INTEGERS = range(-(2**31), 2**31)  # a Java int, as Activiti keeps one


def initial_variables(turn: Turn, definition: ProcessDefinition, variables: Variables) -> Variables:
    """Return the variables that a new instance of *definition* has: *variables*, with the defaults for those that are not given.

    Raises:
        InvalidArgument: a required variable is missing or null, or one has a wrong type.
    """
    extensions = turn.definitions.extensions(definition.key)
    if extensions is None:
        return _with_data_objects(turn, definition, variables)
    start = turn.definitions.process(definition.key).root.start
    if start is not None:
        variables = start_variables(extensions, start.id, variables)
    variables = _with_data_objects(turn, definition, variables)
    try:
        complete = {**variables, **_defaults(extensions, variables)}
    except (ValueError, IncidentRaised) as fault:
        raise InvalidArgument(str(fault)) from fault
    _check(definition, extensions, complete)
    return complete


def triggered_variables(turn: Turn, definition: ProcessDefinition, start_id: str, variables: Variables) -> Variables:
    """Return the variables of an instance that an event starts. Nobody is there to be refused, so nothing is checked."""
    extensions = turn.definitions.extensions(definition.key)
    if extensions is None:
        return _with_data_objects(turn, definition, variables)
    with suppress(InvalidArgument):
        variables = start_variables(extensions, start_id, variables)
    variables = _with_data_objects(turn, definition, variables)
    with suppress(ValueError, IncidentRaised):
        return {**variables, **_defaults(extensions, variables)}
    return variables


def _with_data_objects(turn: Turn, definition: ProcessDefinition, variables: Variables) -> Variables:
    values = turn.definitions.process(definition.key).variables
    return {**{name: feel.to_json(value) for name, value in values.items()}, **variables} if values else variables


def given_initiator(process: Process, variables: Variables, caller: str) -> str:
    """Return the user who starts an instance: the *caller*, else the text that an Activiti process is given as `initiator`; empty for none."""
    if caller or not process.is_extensible or INITIATOR not in variables:
        return caller
    given = msgspec.json.decode(variables[INITIATOR])
    return given if isinstance(given, str) else ""


def with_initiator(process: Process, start: Element | None, variables: Variables, initiator: str) -> Variables:
    """Return *variables* with the variable that the start event *start* names for the user who starts the process.

    A variable `initiator` that is given beside a known caller gets the name of the caller: nobody starts a process for another.
    """
    if not process.is_extensible:
        return variables
    value = msgspec.json.encode(initiator or None).decode()
    names = {INITIATOR} if initiator and INITIATOR in variables else set()
    if start is not None and start.initiator_variable:
        names.add(start.initiator_variable)
    return {**variables, **dict.fromkeys(names, value)} if names else variables


def _defaults(extensions: ProcessExtensions, variables: Variables) -> Variables:
    """Return the values of the declared variables that are not given. Expressions read the given ones and the plain values."""
    left = [one for one in extensions.variables.values() if one.default is not None and one.name not in variables]
    plain = {one.name: _default(one, {}) for one in left if one.default is not None and not one.default.has_expressions}
    known = {name: msgspec.Raw(value.encode()) for name, value in {**variables, **plain}.items()}
    return collected((one.name, plain[one.name] if one.name in plain else _default(one, known)) for one in left)


def _default(variable: ProcessVariable, known: dict[str, msgspec.Raw]) -> str:
    assert variable.default is not None, "asked only for a default"
    value = variable.default.evaluate(known)
    if variable.type == "bigdecimal" and isinstance(value, str):
        value = _number(value)
    return feel.to_json(value)


def _number(text: str) -> Any:
    """Return the number that *text* means, or the text itself."""
    try:
        number = from_json(text)
    except ValueError:
        return text
    return number if _is_number(number) else text


def _check(definition: ProcessDefinition, extensions: ProcessExtensions, variables: Variables) -> None:
    declared = extensions.variables.values()
    missing = [one.name for one in declared if one.is_required and variables.get(one.name, "null") == "null"]
    if missing:
        raise InvalidArgument(
            f"Can't start process '{definition.bpmn_process_id}' without required variables - {', '.join(missing)}"
        )
    wrong = [one for one in declared if one.name in variables and not _fits(one, variables[one.name])]
    if wrong:
        names = ", ".join(one.name for one in wrong)
        expected = ", ".join(f"'{one.name}' to be {_TYPES[one.type].words}" for one in wrong)
        found = ", ".join(_kind(variables[one.name]) for one in wrong)
        raise InvalidArgument(
            f"Can't start process '{definition.bpmn_process_id}' as variables fail type validation - {names}. "
            f"Expected {expected}, but found {found}"
        )


def _fits(variable: ProcessVariable, text: str) -> bool:
    if text == "null" or variable.type not in _TYPES:  # an unknown type is JSON, as in Activiti
        return True
    return _TYPES[variable.type].takes(from_json(text))


def _kind(text: str) -> str:
    """Return what kind of JSON value *text* is, in words. The value itself is nobody's business but the caller's."""
    value = from_json(text)
    return next(words for kind, words in _KINDS.items() if isinstance(value, kind))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _is_date(value: Any) -> bool:
    return isinstance(value, str) and full_date_time(trimmed(value)) is not None


def _is_structure(value: Any) -> bool:
    return isinstance(value, dict | list)


class _Type(NamedTuple):
    words: str
    takes: Callable[[Any], bool]  # whether a value that is not null is of this type


_DATE = _Type("a date such as 2030-01-31 or 2030-01-31T10:00:00Z", _is_date)
_STRUCTURE = _Type("a JSON object or array", _is_structure)
#: By their names in an extension file. `json` takes every value.
_TYPES = {
    "string": _Type("a text", lambda value: isinstance(value, str)),
    "integer": _Type(
        f"a whole number from {_INTEGERS[0]} to {_INTEGERS[-1]}",
        lambda value: type(value) is int and value in _INTEGERS,
    ),
    "boolean": _Type("true or false", lambda value: isinstance(value, bool)),
    "bigdecimal": _Type("a number", _is_number),
    "date": _DATE,
    "datetime": _DATE,
    "array": _Type("a JSON array", lambda value: isinstance(value, list)),
    "file": _STRUCTURE,
    "folder": _STRUCTURE,
    "content": _STRUCTURE,
}
#: `bool` before `int`, of which it is one.
_KINDS = {
    str: "a text",
    bool: "a boolean",
    int: "a whole number",
    Decimal: "a decimal number",
    list: "an array",
    dict: "an object",
}
