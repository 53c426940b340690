"""A progress bar beside the output of a command."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from osmia_broker.cli.session import Session

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn


SHOWN_AFTER_S = 1.0  # what is quicker needs no bar, and one that comes and goes is only a flicker


@contextmanager
def progress_bar(session: Session, *columns: "ProgressColumn") -> "Iterator[Progress]":
    """Show a bar on standard error while the command works, if that takes more than a second; nothing if that is no terminal, or with `--quiet`.

    Without *columns* it has those of rich.
    """
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True, no_color=None if session.has_color else True)
    shown = Progress(*columns, console=console, transient=True)
    if session.is_quiet or not sys.stderr.isatty():
        yield shown  # it is not drawn before it is started
        return
    late = threading.Timer(SHOWN_AFTER_S, shown.start)
    late.daemon = True
    late.start()
    try:
        yield shown
    finally:
        late.cancel()
        late.join()  # it may be starting the bar at this moment
        shown.stop()
