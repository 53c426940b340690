"""pgbouncer before a server of the tests, in one of its three modes; Debian's package has the program."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from osmia_broker.base.embedded_postgres import NOBODY, free_port

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


class Pooler:
    """A pgbouncer before the server at *port*; skips the test if the program is not installed."""

    def __init__(self, port: int, mode: str, *options: str) -> None:
        if PROGRAM is None:
            pytest.skip("pgbouncer is not installed")
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="osmia-pooler-"))
        user = NOBODY if os.getuid() == 0 else None
        if user is not None:
            shutil.chown(self._folder, user)
        file, users = self._folder / "pgbouncer.ini", self._folder / "users"
        users.write_text('"osmia" ""\n')
        settings = (
            f"listen_port={self.port}",
            "listen_addr=127.0.0.1",
            "unix_socket_dir=",
            "auth_type=trust",
            f"auth_file={users}",
            f"pool_mode={mode}",
            *options,
        )
        file.write_text("\n".join((f"[databases]\n* = host=127.0.0.1 port={port}\n[pgbouncer]", *settings)) + "\n")
        self._command, self._user = [PROGRAM, "-q", str(file)], user
        self.start()

    def start(self) -> None:
        """Start it; on return it listens."""
        self._process = subprocess.Popen(self._command, user=self._user, stderr=subprocess.DEVNULL)
        while self._process.poll() is None:
            with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", self.port)):
                return
        raise AssertionError(f"pgbouncer has ended with {self._process.returncode}")

    def kill(self) -> None:
        """End it as a machine ends that loses its power."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        self.kill()
        shutil.rmtree(self._folder)

    def url(self, database: str) -> str:
        """The URL of a database behind it."""
        return f"postgresql://osmia@127.0.0.1:{self.port}/{database}"
