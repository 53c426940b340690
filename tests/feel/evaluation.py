"""What the tests of FEEL say in a word: evaluate a text and show what came out as JSON."""

from datetime import UTC, datetime

import msgspec

from osmia_broker import feel

NOW = datetime(2026, 11, 22, 1, 50, 6, tzinfo=UTC)


def evaluated(text: str, variables: str = "{}", now: datetime | None = NOW) -> feel.Result:
    """The result of *text* over *variables*, a JSON object whose values are still JSON text."""
    return feel.compile(text).evaluate(msgspec.json.decode(variables.encode(), type=dict[str, msgspec.Raw]), now)


def shown(text: str, variables: str = "{}") -> str:
    """The value of *text* as JSON; the failure in angle brackets if it failed."""
    result = evaluated(text, variables)
    return f"<{result.failure}>" if result.failure else feel.to_json(result.value)


def refusal(text: str) -> feel.ParseError:
    """The error with which *text* is refused."""
    try:
        feel.compile(text)
    except feel.ParseError as error:
        return error
    raise AssertionError(f"Expected a refusal, but found an expression: {text}")


def cell_says(cell: str, input_json: str, variables: str = "{}") -> str:
    """What the unary tests *cell* say to an input: "true", "false", "null"."""
    scope = msgspec.json.decode(variables.encode(), type=dict[str, msgspec.Raw])
    result = feel.compile_unary_tests(cell).evaluate(scope, feel.from_json(input_json), NOW)
    return f"<{result.failure}>" if result.failure else feel.to_json(result.value)
