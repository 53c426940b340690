"""The demo at a terminal, as a person sees it."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.patience import ANSWER_S
from tests.process.program import environ, port_base


class Terminal:
    """`osmia demo` at a terminal."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        program: Sequence[str] = (sys.executable, "-m", "osmia_broker"),
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._master, slave = pty.openpty()
        command = [*program, "demo", "--port-base", port_base(), "--no-browser", *options]
        variables = environ() if variables is None else variables
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=folder,
            env=variables,
            start_new_session=True,
            preexec_fn=_hear_ctrl_c,  # noqa: PLW1509 - the child does nothing else before its program begins
        )
        os.close(slave)
        self.text = ""

    def sees(self, pattern: str) -> "re.Match[str]":
        """Wait until *pattern* is on the screen behind what was seen before."""
        end = time.monotonic() + ANSWER_S
        while not (found := re.search(pattern, self.text)):
            left = end - time.monotonic()
            assert left > 0, f"never saw {pattern!r} in:\n{self.text}"
            if select.select([self._master], [], [], left)[0]:
                self.text += self._read().decode(errors="replace").replace("\r\n", "\n")
        self.text = self.text[found.end() :]
        return found

    def _read(self) -> bytes:
        try:
            return os.read(self._master, 4096)
        except OSError as error:  # the demo has ended, and with it the other side
            raise AssertionError(f"the demo ended after:\n{self.text}") from error

    def types(self, text: str) -> None:
        os.write(self._master, text.encode())

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(ANSWER_S)
        os.close(self._master)


def _hear_ctrl_c() -> None:
    """As at a terminal: what runs the tests in the background may ignore Ctrl-C, and its children with it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
