"""`osmia lint`: check files that are to be deployed, without a broker."""

from typing import Annotated

import typer

from osmia_broker.cli.deploying import check
from osmia_broker.cli.session import Session, with_session

app = typer.Typer(add_completion=False)


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

    Warnings: a FEEL function that does not exist (its call gives null), and a misspelt element or attribute of the `zeebe:` dialect.

    Example: osmia lint examples/dinner.bpmn
    """
    check(session, files, "osmia lint", is_strict=is_strict)
