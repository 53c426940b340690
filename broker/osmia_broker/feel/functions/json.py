"""Define the built-in functions from and to JSON text, and `fromAi`; the reference has them since 8.8 and 8.9."""

from osmia_broker.feel import json_text
from osmia_broker.feel.contents import CONTAINERS, check_contents
from osmia_broker.feel.functions.registry import Edition, builtin
from osmia_broker.feel.run import Run
from osmia_broker.feel.values import Value


@builtin("to json(value: any)", edition=Edition.LATER)
def to_json(run: Run, value: Value) -> str:
    """Return the JSON text of the value; functions are left out of contexts, and null elsewhere."""
    if type(value) in CONTAINERS:
        check_contents(value, run.limits)
    text = json_text.to_decision_json(value)
    run.made_string(len(text))
    return text


@builtin("from json(json: string)", edition=Edition.LATER)
def from_json(run: Run, text: str) -> Value:
    """Return the value of a JSON text; null if it is none."""
    run.spend(len(text))
    try:
        return json_text.from_json(text)
    except ValueError as error:
        run.warn("FUNCTION_INVOCATION_FAILURE", "{reason}", reason=str(error))
        return None


@builtin(
    "fromAi(value: any)",
    "fromAi(value: any, description: string?)",
    "fromAi(value: any, description: string?, type: string?)",
    "fromAi(value: any, description: string?, type: string?, schema: context?)",
    "fromAi(value: any, description: string?, type: string?, schema: context?, options: context?)",
    edition=Edition.LATER,
)
def from_ai(run: Run, value: Value, *described: Value) -> Value:
    """Return *value*; the other arguments describe it to the tools that read the model."""
    del run, described
    return value
