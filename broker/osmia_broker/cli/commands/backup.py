"""`osmia backup`: copy the data of a broker, also while it runs."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from osmia_broker.base.cluster_id import BROKER_FILE
from osmia_broker.cli.copies import DataDir, bar, data_dir_of, failing, report
from osmia_broker.cli.failures import usage
from osmia_broker.cli.session import Session, with_session
from osmia_broker.settings import config, sources

app = typer.Typer(add_completion=False)


@app.command()
@with_session
def backup(
    session: Session,
    target: Annotated[
        Path | None,
        typer.Argument(
            metavar="TARGET", help="The new directory for the copy; else one in backup_dir, named by the time."
        ),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Copy the data directory of a broker to a new directory, and check the copy. The broker may run meanwhile.

    The files are read on this machine; no broker is called. Rows in PostgreSQL are copied with pg_dump instead.

    The copy has the state of one moment, the documents, the users and the id of the cluster. `osmia restore` puts it back.

    Example: osmia backup /var/backups/osmia-monday
    """
    from osmia_broker.store import backup as copies

    source = data_dir_of(data_dir)
    target = target or _new_directory()
    with (
        failing(_elsewhere(source), "osmia backup TARGET   (a new directory; nothing is overwritten)"),
        bar(session, "Copying") as progress,
    ):
        made = copies.back_up(source, target, progress)
    report(session, made, target, f"Copied '{source}' to '{target}'")


def _elsewhere(source: Path) -> str:
    """Return what to try if *source* has no database: a broker on PostgreSQL keeps all but its rows there."""
    if any((*source.glob(BROKER_FILE), *source.glob(f"*/{BROKER_FILE}"))):  # each process of a broker has one
        return "pg_dump URL > FILE   (its rows are in PostgreSQL; or another --data-dir DIR)"
    return "osmia backup TARGET --data-dir DIR   (the data directory of the broker)"


def _new_directory() -> Path:
    """Return a directory in the one that the setting `backup_dir` names."""
    try:
        place = sources.load({}).backup_dir
    except config.ConfigError as error:
        raise usage(f"{error}.", error.hint) from error
    if place is None:
        raise usage("Expected a directory for the copy, but found none.", "osmia backup TARGET   (or OSMIA_BACKUP_DIR)")
    return place / f"osmia-{datetime.now(UTC):%Y-%m-%dT%H-%M-%S}"
