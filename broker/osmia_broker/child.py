"""A broker as a child of this process: started on a data directory, awaited until it is ready, stopped or killed.

The demo, the load test and the process tests drive the very program that `osmia broker` is, by its flags and its doors alone.
"""

import http.client
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from osmia_broker import ports
from osmia_broker.ports import Ports

START_S = 30.0  # a loaded machine; a start takes under one second
STOP_S = 15.0  # more than the broker's own grace
LOOK_S = 0.01
LOG = "broker.log"
PROGRAM = """
import ctypes, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 15)  # PR_SET_PDEATHSIG, SIGTERM
from osmia_broker.cli import main
main()
"""  # `osmia`, which the kernel ends when its parent dies, however that comes: a killed demo leaves no port taken. It says so
# itself, because a function run before exec would need a fork, and gRPC's threads in the parent do not outlive a fork.


class NotStarted(Exception):
    """The broker ended, or was not ready in time; the text holds the last lines of its log."""


class ChildBroker:
    """The broker process on *data_dir*. Ports are free ones unless given; its log is `broker.log` in *data_dir*."""

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
        self.ports = Ports(grpc_port, http_port, management_port, 0)
        self._flags = flags
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where its gRPC door is."""
        return f"127.0.0.1:{self.ports.grpc}"

    @property
    def pid(self) -> int:
        """Its process id; 0 while it does not run."""
        return self._process.pid if self._process else 0

    def start(self) -> float:
        """Start it, and return the seconds until it was ready.

        Raises:
            NotStarted: it ended before, or took longer than `START_S`.
        """
        begun = time.monotonic()
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.data_dir / LOG).open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() - begun > START_S:
                self.kill()
                raise NotStarted(self._last_words())
            time.sleep(LOOK_S)
        return time.monotonic() - begun

    def stop(self) -> int:
        """Ask it to end (SIGTERM), wait, and return its exit code. 0 when it did not run."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a power cut would (SIGKILL)."""
        self._end(signal.SIGKILL)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _command(self) -> list[str]:
        told = {
            "--data-dir": self.data_dir,
            "--host": "127.0.0.1",
            "--grpc-port": self.ports.grpc,
            "--http-port": self.ports.http,
            "--management-port": self.ports.management,
        }
        flags = [str(word) for pair in told.items() for word in pair]
        return [sys.executable, "-c", PROGRAM, "broker", *flags, *self._flags]

    def _is_ready(self) -> bool:
        """Its doors are open and `/ready` says so."""
        told = ports.read(self.data_dir)
        if told is None or told.pid != self.pid:
            return False
        self.ports = told
        return ready_status(told.management) == http.client.OK

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
        return "\n".join(lines[-15:]) or "Expected the broker to become ready, but it said nothing"


def ready_status(management_port: int) -> int:
    """The HTTP status that `/ready` gives; 0 while nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", management_port, timeout=2)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()
