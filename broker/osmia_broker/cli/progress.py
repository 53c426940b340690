"""A progress bar beside the output of a command."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from osmia_broker.cli.session import Session

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn


@contextmanager
def progress_bar(session: Session, *columns: "ProgressColumn") -> "Iterator[Progress]":
    """Show a bar on standard error while the command works; nothing if that is no terminal, or with `--quiet`.

    Without *columns* it has those of rich.
    """
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True, no_color=None if session.has_color else True)
    with Progress(
        *columns, console=console, disable=session.is_quiet or not sys.stderr.isatty(), transient=True
    ) as shown:
        yield shown
