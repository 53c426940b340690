"""Evaluate expressions of the model in the scope of an element instance, and check the type of the result.

A failed evaluation, or a result of another type, stops the step with an incident. Its text is that of the reference broker.
"""

import msgspec

from osmia_broker import feel
from osmia_broker.engine.activiti.implied_variables import implied_variable, loop_variable
from osmia_broker.engine.incidents import IncidentRaised
from osmia_broker.engine.new_instances import business_id_of
from osmia_broker.engine.turn import Turn
from osmia_broker.model.expressions import Expression, Result, Scope, Static
from osmia_broker.state.rows import ErrorType
from osmia_broker.state.storable import is_storable

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
GLOBAL_NAME = "camunda"  # what the broker itself gives to expressions
QUOTED_CHARACTERS = 100  # of a value that an incident repeats


class VariableScope:
    """The variables that are visible from an element instance; inner ones hide outer ones."""

    __slots__ = ("_key", "_turn")

    def __init__(self, turn: Turn, element_instance_key: int) -> None:
        self._turn = turn
        self._key = element_instance_key

    def stored(self, name: str) -> str | None:
        """Return the JSON text of the variable *name*; None if there is none, or the name may mean another thing than a variable."""
        scopes, elements, key = self._turn.variables.scopes, self._turn.elements, self._key
        while key:
            own = scopes.get(key)
            if own is not None and name in own:
                return own[name].value
            element = elements.get(key)
            if element is None or element.loop_counter:
                return None
            key = element.scope_key
        return None

    def __getitem__(self, name: str) -> msgspec.Raw:
        turn, key = self._turn, self._key
        scopes = turn.variables.scopes
        element = None
        while key:
            own = scopes.get(key)
            if own is not None and name in own:
                return msgspec.Raw(own[name].value)
            element = turn.elements.get(key)
            if element is None:
                break
            if element.loop_counter and (implied := loop_variable(turn, element, name)) is not None:
                return implied
            key = element.scope_key
        if element is not None and (found := implied_variable(turn, element, name, self._key)) is not None:
            return found
        return global_value(turn, name, self._key)


class GlobalScope:
    """The names that every expression can read, also before there is a process instance."""

    __slots__ = ("_turn",)

    def __init__(self, turn: Turn) -> None:
        self._turn = turn

    def __getitem__(self, name: str) -> msgspec.Raw:
        return global_value(self._turn, name)


def global_value(turn: Turn, name: str, element_instance_key: int = 0) -> msgspec.Raw:
    """Return the value of a name that the broker itself defines; a variable with this name hides it.

    Raises:
        KeyError: it defines no such name.

    """
    if name != GLOBAL_NAME:
        raise KeyError(name)
    variables = turn.cluster_variables.text
    business_id = _business_id(turn, element_instance_key)
    return msgspec.Raw(
        f'{{"vars":{{"cluster":{variables},"env":{variables},"tenant":{{}}}},'
        f'"processInstance":{{"businessId":{business_id}}}}}'.encode()
    )


def _business_id(turn: Turn, element_instance_key: int) -> str:
    """Return the business id of the process instance that an element instance belongs to, as JSON."""
    element = turn.elements.get(element_instance_key)
    business_id = "" if element is None else business_id_of(turn, element.process_instance_key)
    return msgspec.json.encode(business_id or None).decode()


def evaluate(
    turn: Turn, expression: Expression, scope_key: int, error_type: ErrorType = ErrorType.EXTRACT_VALUE_ERROR
) -> Result:
    """Evaluate *expression* with the variables visible from the element instance *scope_key*.

    Raises:
        IncidentRaised: the evaluation failed.

    """
    if type(expression) is Static:
        return expression
    return _evaluate_in(turn, expression, VariableScope(turn, scope_key), error_type)


def _evaluate_in(turn: Turn, expression: Expression, scope: Scope, error_type: ErrorType) -> Result:
    result = expression.evaluate(scope, turn.now)
    if result.failure is not None:
        raise failed(result, error_type)
    return result


def evaluate_text(turn: Turn, expression: Expression, scope_key: int) -> str:
    """Evaluate *expression* to a text that can be stored."""
    result = evaluate(turn, expression, scope_key)
    if not isinstance(result.value, str):
        raise wrong_type(expression, result, "'STRING'")
    return _storable(expression, result.value)


def _storable(expression: Expression, text: str) -> str:
    if not is_storable(text):
        raise IncidentRaised(
            ErrorType.EXTRACT_VALUE_ERROR,
            f"Expected result of the expression '{expression.text}' to be a text that can be stored, but it holds a NUL character or half a surrogate pair.",
        )
    return text


def evaluate_boolean(turn: Turn, expression: Expression, scope: Scope) -> bool:
    """Evaluate *expression* with the variables of *scope* to true or false; null is neither."""
    result = _evaluate_in(turn, expression, scope, ErrorType.EXTRACT_VALUE_ERROR)
    if not isinstance(result.value, bool):
        raise wrong_type(expression, result, "'BOOLEAN'")
    return result.value


def evaluate_int32(turn: Turn, expression: Expression, scope_key: int) -> int:
    """Evaluate *expression* to a number of 32 bits, the size that it has on the wire. A fraction is cut off."""
    result = evaluate(turn, expression, scope_key)
    if feel.type_name(result.value) != "NUMBER":
        raise wrong_type(expression, result, "'NUMBER'")
    if not INT32_MIN - 1 < result.value < INT32_MAX + 1:
        raise IncidentRaised(
            ErrorType.EXTRACT_VALUE_ERROR,
            f"Expected result of the expression '{expression.text}' to be a number from {INT32_MIN} to {INT32_MAX},"
            f" but was '{str(result.value)[:QUOTED_CHARACTERS]}'.",
        )
    return int(result.value)


def evaluate_priority(turn: Turn, expression: Expression, scope_key: int) -> int:
    """Evaluate *expression* to the priority of a job, a whole number of 32 bits."""
    result = evaluate(turn, expression, scope_key)
    if feel.type_name(result.value) != "NUMBER":
        raise wrong_type(expression, result, "'NUMBER'", "for the job priority ")
    if result.value % 1 or not INT32_MIN <= result.value <= INT32_MAX:
        raise IncidentRaised(
            ErrorType.EXTRACT_VALUE_ERROR,
            f"Expected result of the expression '{expression.text}' for the job priority to be an integer within the 32-bit signed range,"
            f" but was '{str(result.value)[:QUOTED_CHARACTERS]}'.",
        )
    return int(result.value)


def evaluate_text_list(turn: Turn, expression: Expression, scope_key: int) -> list[str]:
    """Evaluate *expression* to a list of texts that can be stored."""
    result = evaluate(turn, expression, scope_key)
    if not isinstance(result.value, list | tuple):
        raise wrong_type(expression, result, "'ARRAY'")
    if not all(isinstance(item, str) for item in result.value):
        raise IncidentRaised(
            ErrorType.EXTRACT_VALUE_ERROR,
            f"Expected result of the expression '{expression.text}' to be 'ARRAY' containing 'STRING' items,"
            " but was 'ARRAY' containing at least one non-'STRING' item.",
        )
    return [_storable(expression, item) for item in result.value]


def failed(result: Result, error_type: ErrorType) -> IncidentRaised:
    """Return the incident for an evaluation that failed, with its warnings."""
    return IncidentRaised(error_type, f"{result.failure}{feel.warnings_text(result.warnings)}")


def wrong_type(expression: Expression, result: Result, expected: str, purpose: str = "") -> IncidentRaised:
    """Return the incident for a result of a wrong type, with the warnings of the evaluation. A *purpose* ends with a blank."""
    found = feel.type_name(result.value)
    text = f"Expected result of the expression '{expression.text}' {purpose}to be {expected}, but was '{found}'."
    return IncidentRaised(ErrorType.EXTRACT_VALUE_ERROR, text + feel.warnings_text(result.warnings))
