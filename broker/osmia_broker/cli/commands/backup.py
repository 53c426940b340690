"""`osmia backup`: copy the data of a broker, also while it runs. What all three commands about copies share is here, too."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from osmia_broker.base.cluster_id import BROKER_FILE
from osmia_broker.base.counted import counted
from osmia_broker.cli.failures import Exit, Failure, usage
from osmia_broker.cli.progress import progress_bar
from osmia_broker.cli.session import Session, with_session
from osmia_broker.settings import config

if TYPE_CHECKING:
    from osmia_broker.store.backup import Backup, Progress

app = typer.Typer(add_completion=False)

DataDir = Annotated[
    Path | None, typer.Option(metavar="DIR", help="The data directory of the broker; else OSMIA_DATA_DIR, osmia-data.")
]
MEGABYTE = 1_000_000


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
        place = config.load({}).backup_dir
    except config.ConfigError as error:
        raise usage(f"{error}.", error.hint) from error
    if place is None:
        raise usage("Expected a directory for the copy, but found none.", "osmia backup TARGET   (or OSMIA_BACKUP_DIR)")
    return place / f"osmia-{datetime.now(UTC):%Y-%m-%dT%H-%M-%S}"


def data_dir_of(given: Path | None) -> Path:
    """Return the data directory that the option, the environment or osmia.toml names."""
    try:
        return config.load({"data_dir": given}).data_dir
    except config.ConfigError as error:
        raise usage(f"{error}.", error.hint) from error


def report(session: Session, made: "Backup", place: Path, done: str) -> None:
    """Print what was *done*, which put a copy at *place*."""
    size = f"{made.bytes / MEGABYTE:.1f} MB"
    row = {
        "directory": str(place),
        "made": made.made,
        "osmia": made.osmia,
        "files": len(made.files),
        "bytes": made.bytes,
    }
    session.one(row, key="directory", text=f"{done}: {counted(len(made.files), 'file')}, {size}")


@contextmanager
def failing(mend: str, occupied: str = "") -> Iterator[None]:
    """Turn what is wrong with a copy into a `Failure`.

    *mend* is what to try where there is nothing to copy, *occupied* where there is no room for the copy.
    """
    from osmia_broker.store.backup import BackupFailed, NoData, Occupied

    try:
        yield
    except NoData as error:
        raise Failure(Exit.NOT_FOUND, f"{error}.", mend=mend) from error
    except Occupied as error:
        raise Failure(Exit.CONFLICT, f"{error}.", mend=occupied) from error
    except BackupFailed as error:
        raise Failure(Exit.REFUSED, f"{error}.", code="BACKUP") from error


@contextmanager
def bar(session: Session, what: str) -> "Iterator[Progress]":
    """Give a function that shows how far a copy is, on a terminal."""
    with progress_bar(session) as shown:
        task = shown.add_task(what, total=None)
        yield lambda done, whole: shown.update(task, completed=done, total=whole)
