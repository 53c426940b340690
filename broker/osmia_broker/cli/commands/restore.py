"""`osmia restore`: put a backup back, into a data directory that is new or empty."""

from pathlib import Path
from typing import Annotated

import typer

from osmia_broker.cli.copies import DataDir, bar, data_dir_of, failing, report
from osmia_broker.cli.preflight import starting
from osmia_broker.cli.session import Session, with_session

OF_BACKUP = "osmia restore BACKUP   (a directory that osmia backup has made)"
NEW = "--data-dir NEW   (one that is missing or empty; nothing is overwritten)"

app = typer.Typer(add_completion=False)


@app.command()
@with_session
def restore(
    session: Session,
    backup: Annotated[Path, typer.Argument(metavar="BACKUP", help="The directory that osmia backup has made.")],
    data_dir: DataDir = None,
) -> None:
    """Put a backup into a data directory that is missing or empty. Every file is checked before; nothing is overwritten.

    What happened after the backup is not there any more: jobs that were completed since then are handed out again, and
    people who were signed in sign in again.

    Example: osmia restore /var/backups/osmia-monday --data-dir /var/lib/osmia
    """
    from osmia_broker.store import backup as copies

    target = data_dir_of(data_dir)
    with failing(OF_BACKUP, NEW), bar(session, "Copying") as progress:
        made = copies.restore(backup, target, progress)
    report(session, made, target, f"Restored the state of {made.made} to '{target}'")
    session.say(f"Start a broker on it: {starting(target)}")
