"""Copies of a data directory, as `osmia backup`, `osmia restore` and `osmia check` share them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from osmia_broker.base.counted import counted
from osmia_broker.cli.failures import Exit, Failure, usage
from osmia_broker.cli.progress import progress_bar
from osmia_broker.cli.session import Session
from osmia_broker.settings import config, sources

if TYPE_CHECKING:
    from osmia_broker.store.backup import Backup, Progress

DataDir = Annotated[
    Path | None, typer.Option(metavar="DIR", help="The data directory of the broker; else OSMIA_DATA_DIR, osmia-data.")
]

MEGABYTE = 1_000_000


def data_dir_of(given: Path | None) -> Path:
    """Return the data directory that the option, the environment or osmia.toml names."""
    try:
        return sources.load({"data_dir": given}).data_dir
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
