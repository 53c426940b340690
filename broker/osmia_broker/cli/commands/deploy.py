"""`osmia deploy`: send BPMN, DMN, form and extension files to the broker, all of them or none."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from osmia_broker.cli.deploy_faults import refused, undeployable
from osmia_broker.cli.deploying import check, deploy_files, deployed_rows, done_with
from osmia_broker.cli.failures import Failure, from_call, report, until_interrupted
from osmia_broker.cli.model_files import resources_of, saved
from osmia_broker.cli.output import Column, Output
from osmia_broker.cli.session import Session, with_session

if TYPE_CHECKING:
    from osmia import SyncClient

app = typer.Typer(add_completion=False)

COLUMNS = (
    Column("key", "KEY"),
    Column("kind", "KIND"),
    Column("id", "ID"),
    Column("version", "VERSION"),
    Column("resourceName", "FILE"),
)

PLANNED_COLUMNS = (
    Column("resourceName", "FILE"),
    Column("kind", "KIND"),
    Column("id", "ID"),
    Column("version", "VERSION"),
    Column("isNew", "NEW"),
)


@app.command()
@with_session
def deploy(
    session: Session,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help=(
                "Files, patterns, or directories: all .bpmn, .dmn, .form and -extensions.json files below, without hidden directories. "
                "A .zip stands for the models in it."
            ),
        ),
    ],
    is_dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Deploy nothing: let the broker check the files, and say what it would do."),
    ] = False,
    is_watching: Annotated[
        bool, typer.Option("--watch", help="Deploy them again when one is saved, until Ctrl-C.")
    ] = False,
) -> None:
    """Deploy BPMN, DMN and form files, with the extension files that lie beside their processes: all of them or none.

    Example: osmia deploy examples/dinner.bpmn
    """
    with session.client() as client:
        if is_dry_run:
            _plan(session, client, files)
            return
        try:
            _deploy(session, client, files)
        except KeyboardInterrupt:
            session.say("Interrupted. Whether the files were deployed: osmia processes")
            raise
        if is_watching:
            _watch(session, client, files)


def _watch(session: Session, client: "SyncClient", files: list[str]) -> None:
    session.say("Watching. Ctrl-C ends it.")
    with until_interrupted():
        for _ in saved(files):
            _deploy_again(session, client, files)


def _deploy(session: Session, client: "SyncClient", files: list[str]) -> None:
    rows = deployed_rows(deploy_files(client, files, say=session.say))
    if session.output is Output.TABLE:
        for row in rows:
            typer.echo(
                f"{done_with(row)} {row['kind']} {row['id']} (version {row['version']}) from {row['resourceName']}"
            )
    else:
        session.list(rows, COLUMNS, empty="")
    sys.stdout.flush()  # who watches sees it at once


def _plan(session: Session, client: "SyncClient", files: list[str]) -> None:
    """Let the broker check the files, and say what a deployment would do. A broker that is not Osmia has no such call; they are checked here then."""
    from osmia.errors import InvalidArgument, Unimplemented

    resources = resources_of(files, "osmia deploy --dry-run", session.say)
    try:
        plan = client.check_deployment(*resources)
    except Unimplemented:
        session.say("This broker does not check files without deploying them, so they are checked here.")
        check(session, files, "osmia deploy --dry-run")
        return
    except InvalidArgument as error:
        raise undeployable(refused(error.details, resources), len(resources)) from error
    for warning in plan.warnings:
        session.say(f"Warning: {warning}")
    rows = [
        {"resourceName": one.resource_name, "kind": one.kind, "id": one.id, "version": one.version, "isNew": one.is_new}
        for one in plan.definitions
    ]
    if session.output is Output.TABLE:
        for row in rows:
            verb = "Would deploy" if row["isNew"] else "Unchanged"
            typer.echo(f"{verb} {row['kind']} {row['id']} (version {row['version']}) from {row['resourceName']}")
    else:
        session.list(rows, PLANNED_COLUMNS, empty="")


def _deploy_again(session: Session, client: "SyncClient", files: list[str]) -> None:
    """Deploy after a change. A fault is reported, and the next change may mend it."""
    from osmia.errors import OsmiaError

    try:
        _deploy(session, client, files)
    except Failure as failure:
        report(failure, [])
    except OsmiaError as error:
        report(from_call(error, client.address), [])
