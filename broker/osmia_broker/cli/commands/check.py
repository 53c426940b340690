"""`osmia check`: check the database of a data directory, or a backup."""

from pathlib import Path
from typing import Annotated

import typer

from osmia_broker.cli.copies import data_dir_of, failing
from osmia_broker.cli.failures import Exit, Failure, usage
from osmia_broker.cli.session import Session, with_session

app = typer.Typer(add_completion=False)


@app.command()
@with_session
def check(
    session: Session,
    directory: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="A data directory or a backup; else the data directory of a broker here."),
    ] = None,
) -> None:
    """Check whether a data directory or a backup is whole. The broker may run meanwhile.

    Exit 0: whole; 1: damaged, with one line for each damage.

    Example: osmia check /var/backups/osmia-monday
    """
    from osmia_broker.store import backup as copies

    place = directory or data_dir_of(None)
    if place.exists() and not place.is_dir():
        raise usage(
            f"Expected a directory, but '{place}' is a file.", "osmia check DIR   (a data directory or a backup)"
        )
    with failing("osmia check DIR   (a data directory or a backup)"):
        problems = copies.check(place)
    if problems:
        what = f"'{place}' is damaged."
        raise Failure(Exit.REFUSED, what, details=problems, mend="osmia restore of an older backup", code="DAMAGED")
    session.say(f"{place} is whole.")
