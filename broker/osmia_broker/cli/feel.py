"""`osmia feel`: evaluate an expression as the broker would, and point a caret at a fault."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer

from osmia_broker.cli import variables as typed
from osmia_broker.cli.failures import Exit, Failure
from osmia_broker.cli.options import Var, Vars
from osmia_broker.cli.output import Output
from osmia_broker.cli.session import Session, with_session

app = typer.Typer(add_completion=False)


@app.command()
@with_session
def feel(
    session: Session,
    expression: Annotated[str, typer.Argument(help="The expression, as in a model behind its '='.")],
    var: Var = None,
    vars: Vars = None,
) -> None:
    """Evaluate a FEEL expression here, without a broker; the value is printed as JSON.

    Example: osmia feel 'sum(prices) > limit' --vars '{"prices": [1, 2], "limit": 2}'
    """
    from osmia_broker import feel as language

    variables = typed.read(var, vars)
    try:
        compiled = language.compile(expression.removeprefix("="))
    except language.ParseError as error:
        raise _fault(session, language.explain(error), str(error)) from error
    result = compiled.evaluate(variables, datetime.now(UTC))
    if result.failure is not None:
        raise Failure(Exit.REFUSED, "The expression cannot be evaluated.", why=result.failure, code="EVALUATION_FAILED")
    for warning in result.warnings:
        session.say(f"{warning.type}: {warning.message}")
    value = language.to_json(result.value)
    warnings = [{"type": warning.type, "message": warning.message} for warning in result.warnings]
    session.one({"result": msgspec.Raw(value.encode()), "warnings": warnings}, key="result", text=value)


def _fault(session: Session, drawing: str, message: str) -> Failure:
    """Return the failure. A person gets a drawing with it; a program finds the reason in the message."""
    reason, *lines = drawing.splitlines()
    if session.output is Output.JSON:
        return Failure(Exit.REFUSED, "This is no FEEL expression.", why=message, code="PARSE_ERROR")
    what = f"This is no FEEL expression: {reason[0].lower()}{reason[1:].removesuffix('.')}."
    return Failure(Exit.REFUSED, what, code="PARSE_ERROR", details=[line.removeprefix("  ") for line in lines])
