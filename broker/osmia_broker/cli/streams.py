"""Keep the standard streams usable when one is closed, its disk is full, its reader has left or its encoding is narrow.

A reader that has left (`osmia instances | head -1`) is no failure: the exit code is then the same as without the pipe.
"""

import errno
import io
import os
import sys
from typing import Any, TextIO


def prepare() -> None:
    """Replace closed streams. Standard output then takes every character: one that its encoding lacks becomes an escape."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 - a stream of the process
    if sys.stdout is None:
        os.open(os.devnull, os.O_WRONLY)  # keeps number 1 from a socket
        sys.stdout = ClosedOutput()
    elif isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout = Output.instead_of(sys.stdout)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - a stream of the process


class Output(io.TextIOWrapper):
    """Standard output that remembers the error of a failed write. An error without it comes from another file."""

    error: OSError | None = None

    @classmethod
    def instead_of(cls, stream: io.TextIOWrapper) -> "Output":
        """Return a stream that writes where *stream* did. *stream* itself cannot be used any more."""
        form: dict[str, Any] = {
            "encoding": stream.encoding,
            "line_buffering": stream.line_buffering,
            "write_through": stream.write_through,
        }
        return cls(stream.detach(), errors="backslashreplace", **form)

    def write(self, text: str) -> int:
        """Write *text*, or buffer it."""
        try:
            return super().write(text)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        """Write out the buffered text."""
        try:
            super().flush()
        except OSError as error:
            self.error = error
            raise


class ClosedOutput(io.StringIO):
    """Standard output that the caller has closed (`>&-`). Only text that is written to it makes it fail."""

    @property
    def error(self) -> OSError | None:
        """The error of a write; `None` while there was none."""
        return OSError(errno.EBADF, "standard output is closed") if self.getvalue() else None


def output_error() -> OSError | None:
    """Write out the buffered output, and return the error that this or an earlier write met."""
    error: OSError | None = getattr(sys.stdout, "error", None)
    if error is not None:
        return error
    try:
        sys.stdout.flush()
    except OSError as failed:
        return failed
    return None


def discard_output() -> None:
    """Drop the buffered output, so that the end of the process does not try to write it once more."""
    if not isinstance(sys.stdout, ClosedOutput):
        _discard(sys.stdout)
    sys.stdout = io.StringIO()


def harmless(text: str) -> str:
    """Return *text* without characters that command a terminal: values of others must not write over a line or set a title."""
    return "".join(one if one.isprintable() or one in "\n\t" else " " for one in text)


def say(text: str) -> None:
    """Write a line to standard error. If that fails, the line is lost and the command continues."""
    try:
        sys.stderr.write(harmless(text) + "\n")
        sys.stderr.flush()
    except OSError:
        _discard(sys.stderr)


def _discard(stream: TextIO) -> None:
    """Send the buffered and all later text of *stream* to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
    stream.flush()
