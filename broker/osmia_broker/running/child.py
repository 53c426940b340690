"""Run a broker as a child of this process: start it on a data directory, wait until it is ready, stop or kill it.

The demo, the load test and the process tests use the program `osmia broker` itself, through its flags and doors alone.
"""

import http.client
import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from osmia_broker.base import ports
from osmia_broker.base.ports import Ports

START_S = 60.0  # for a loaded machine, and several processes; a start takes under one second
STOP_S = 15.0  # more than the default grace of the broker
LOOK_S = 0.01
LOG = "broker.log"
HOST = "127.0.0.1"
PROGRAM = (
    "from osmia_broker.running.orphans import end_with; end_with({parent:d}); from osmia_broker.cli import main; main()"
)
# This `osmia` ends when its parent dies in any way, so a killed demo leaves no port taken. The child asks for that
# itself: a function that runs before exec would need a fork, and gRPC's threads in the parent do not survive a fork.


class NotStarted(Exception):
    """The broker ended before it was ready, or was not ready in time.

    The text holds the last lines of its log; *exit_code* is `None` when it had to be killed.
    """

    def __init__(self, words: str, exit_code: int | None = None) -> None:
        super().__init__(words)
        self.exit_code = exit_code


class ChildBroker:
    """A broker process on *data_dir*. It takes free ports unless they are given, and logs to `broker.log` in *data_dir*.

    When it starts again, clients find it at the ports that it had. They are its own also while it does not run.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        grpc_port: int = 0,
        http_port: int = 0,
        management_port: int = 0,
        flags: Sequence[str] = (),
    ) -> None:
        self.data_dir = data_dir
        self._management_port = management_port  # not held: of several processes, each has the next one
        self.ports = Ports(self._own(grpc_port), self._own(http_port), management_port, 0)
        self._flags = flags
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """The address of its gRPC door."""
        return f"{HOST}:{self.ports.grpc}"

    @property
    def pid(self) -> int:
        """The process id; 0 while it does not run."""
        return self._process.pid if self._process else 0

    def start(self) -> float:
        """Start the broker, and return the seconds until it was ready.

        Raises:
            NotStarted: it ended before it was ready, or took longer than `START_S`.
            OSError: *data_dir* cannot be made, or its log cannot be written.
        """
        begun = time.monotonic()
        self.launch()
        self.wait_until(self._is_ready)
        return time.monotonic() - begun

    def launch(self) -> None:
        """Start the broker without waiting for anything.

        Raises:
            OSError: as `start`.
        """
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.data_dir / LOG).open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds of the broker.

        Raises:
            NotStarted: it ended before that, or took longer than `START_S`.
        """
        assert self._process is not None, "it is launched"
        begun = time.monotonic()
        while not holds():
            exit_code = self._process.poll()
            if exit_code is not None or time.monotonic() - begun > START_S:
                self.kill()
                raise NotStarted(self._last_words(), exit_code)
            time.sleep(LOOK_S)

    def wait_until_it_ends(self) -> None:
        """Wait, as long as it takes, until the process has ended; not at all if there is none."""
        if self._process is not None:
            self._process.wait()

    def stop(self) -> int:
        """Ask the broker to end (SIGTERM), wait up to `STOP_S`, and return its exit code.

        The code is negative when the broker had to be killed, and 0 when it did not run.
        """
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the broker at once, as a power cut would (SIGKILL)."""
        self._end(signal.SIGKILL)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _own(self, port: int) -> int:
        """Return a given *port*, or one that is held for this broker; 0 where the system cannot hold it."""
        if port or not ports.CAN_HOLD:
            return port
        held, found = ports.hold(HOST)
        weakref.finalize(self, os.close, held.detach())
        return found

    def _command(self) -> list[str]:
        options = {
            "--data-dir": self.data_dir,
            "--host": HOST,
            "--grpc-port": self.ports.grpc,
            "--http-port": self.ports.http,
            "--management-port": self._management_port,
        }
        flags = [str(word) for pair in options.items() for word in pair]
        return [sys.executable, "-c", PROGRAM.format(parent=os.getpid()), "broker", *flags, *self._flags]

    def has_doors(self) -> bool:
        """Return whether its doors are open; `ports` are theirs then. A broker that waits for its turn to lead has open doors, too."""
        written = ports.read(self.data_dir)
        if written is None or written.pid != self.pid:
            return False
        self.ports = written
        return True

    def _is_ready(self) -> bool:
        """Return whether its doors are open and `/ready` says so."""
        return self.has_doors() and ready_status(self.ports.management) == http.client.OK

    def _end(self, how: signal.Signals) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        if process.poll() is None:
            process.send_signal(how)
        try:
            return process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def _last_words(self) -> str:
        lines = (self.data_dir / LOG).read_text(errors="replace").splitlines()
        return "\n".join(lines[-15:]) or "Expected the broker to become ready, but its log is empty"


def ready_status(management_port: int) -> int:
    """Return the HTTP status of `/ready`; 0 while the door is closed."""
    return status_of(http.client.HTTPConnection(HOST, management_port, timeout=2), "/ready")


def status_of(connection: http.client.HTTPConnection, path: str) -> int:
    """Return the HTTP status of *path*; 0 while nobody answers, or what answers is no HTTP. The connection is closed."""
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):  # a process that is killed may leave half an answer
        return 0
    finally:
        connection.close()
