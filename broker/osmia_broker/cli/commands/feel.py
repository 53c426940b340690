"""`osmia feel`: evaluate an expression here as the broker would, and point a caret at a fault; or at the broker."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer

from osmia_broker.base.whole_numbers import INT64_MAX
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
    scope: Annotated[
        int,
        typer.Option(
            metavar="KEY", min=0, max=INT64_MAX, help="At the broker, with what this instance or element sees."
        ),
    ] = 0,
    is_there: Annotated[bool, typer.Option("--at-broker", help="At the broker, with cluster variables.")] = False,
) -> None:
    """Evaluate a FEEL expression here, or at a broker with its variables; the value is printed as JSON.

    With --scope it sees the variables of a process instance, or of an element instance, and with --at-broker cluster variables, as
    camunda.vars.cluster.NAME. What --var gives goes before both.

    Example: osmia feel 'sum(prices) > limit' --vars '{"prices": [1, 2], "limit": 2}'
    """
    from osmia_broker import feel as language

    variables = typed.read(var, vars)
    if scope or is_there:
        _at_broker(session, expression, variables, scope)
        return
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


def _at_broker(session: Session, expression: str, variables: typed.Variables, scope: int) -> None:
    with session.client(found_by="osmia instances") as client:
        found = client.evaluate_expression("=" + expression.removeprefix("="), variables, scope_key=scope)
    for warning in found.warnings:
        session.say(warning)
    warnings = [{"type": text[1:].partition("] ")[0], "message": text.partition("] ")[2]} for text in found.warnings]
    value = msgspec.json.encode(found.value)
    session.one({"result": msgspec.Raw(value), "warnings": warnings}, key="result", text=value.decode())


def _fault(session: Session, drawing: str, message: str) -> Failure:
    """Return the failure. A person gets a drawing with it; a program finds the reason in the message."""
    reason, *lines = drawing.splitlines()
    if session.output is Output.JSON:
        return Failure(Exit.REFUSED, "This is no FEEL expression.", why=message, code="PARSE_ERROR")
    what = f"This is no FEEL expression: {reason[0].lower()}{reason[1:].removesuffix('.')}."
    return Failure(Exit.REFUSED, what, code="PARSE_ERROR", details=[line.removeprefix("  ") for line in lines])
