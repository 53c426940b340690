"""`osmia lint`: check files that are to be deployed, without a broker."""

from typing import Annotated

import typer

from osmia_broker.cli.deploy import found, read
from osmia_broker.cli.deploy_faults import refused
from osmia_broker.cli.failures import Exit, Failure
from osmia_broker.cli.output import Column, Output, counted
from osmia_broker.cli.session import Session, with_session

app = typer.Typer(add_completion=False)

COLUMNS = (Column("resourceName", "FILE"), Column("kind", "KIND"))


@app.command()
@with_session
def lint(
    session: Session,
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Files, patterns or directories, as osmia deploy takes them.")
    ],
    is_strict: Annotated[bool, typer.Option("--strict", help="Fail with 1 for warnings, too.")] = False,
) -> None:
    """Check BPMN, DMN and form files as the broker would, without one: faults, and warnings of what would go unnoticed.

    Warnings: a FEEL function that does not exist (its call gives null), and a misspelt element of the `zeebe:` dialect.

    Example: osmia lint examples/dinner.bpmn
    """
    from osmia_broker.engine.resources import compile_resources, warnings_of
    from osmia_broker.errors import InvalidArgument

    resources = read(found(files))
    try:
        compiled = compile_resources(resources)
    except InvalidArgument as error:
        failure = refused(str(error), resources)
        failure.what = failure.what.replace("Nothing was deployed", "The files cannot be deployed")
        raise failure from error
    warnings = warnings_of(compiled)
    for warning in warnings:
        session.say(f"Warning: {warning}")
    if warnings and is_strict:
        what = f"There {'is' if len(warnings) == 1 else 'are'} {counted(len(warnings), 'warning')}."
        raise Failure(Exit.REFUSED, what, code="WARNINGS")
    rows = [{"resourceName": one.name, "kind": one.kind} for one in compiled]
    if session.output is Output.TABLE:
        session.say(f"{counted(len(rows), 'file')} can be deployed.")
    else:
        session.list(rows, COLUMNS, empty="")
