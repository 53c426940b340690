"""How a command ends: exit codes, and every failure as three lines that help.

    Error: <what happened>
      why: <the broker's sentence>
      try: <a command or a setting>

With `--output json` the same as `{"error": {"code", "message", "hint"}}`. Both go to stderr.
"""

from enum import IntEnum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from osmia.errors import OsmiaError


class Exit(IntEnum):
    """What a script learns from a command's end (web-and-cli.md, section 2)."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_FOUND = 4
    CONFLICT = 5
    TIMED_OUT = 6
    NOT_ALLOWED = 7
    PARTLY = 8
    DEFECT = 70
    INTERRUPTED = 130


class Failure(Exception):
    """A command could not do what it was asked. *what* is a sentence, *why* the broker's own words, *mend* what to do now."""

    def __init__(self, exit: Exit, what: str, *, why: str = "", mend: str = "", code: str = "") -> None:
        super().__init__(what)
        self.exit = exit
        self.what = what
        self.why = why
        self.mend = mend
        self.code = code or exit.name

    def text(self) -> str:
        """The lines for a person; control characters of whatever is quoted cannot reach the terminal."""
        lines = [f"Error: {self.what}"]
        lines += [f"  why: {self.why}"] if self.why else []
        lines += [f"  try: {self.mend}"] if self.mend else []
        return "\n".join(_printable(line) for line in lines)

    def json(self) -> str:
        """The object for a program."""
        error = {"code": self.code, "message": " ".join(filter(None, (self.what, self.why))), "hint": self.mend}
        return msgspec.json.encode({"error": error}).decode()


def usage(what: str, mend: str = "") -> Failure:
    """The command line itself is wrong."""
    return Failure(Exit.USAGE, what, mend=mend, code="USAGE")


EXITS = {
    "NOT_FOUND": Exit.NOT_FOUND,
    "ALREADY_EXISTS": Exit.CONFLICT,
    "FAILED_PRECONDITION": Exit.CONFLICT,
    "INVALID_ARGUMENT": Exit.REFUSED,
    "OUT_OF_RANGE": Exit.REFUSED,
    "UNIMPLEMENTED": Exit.REFUSED,
    "PERMISSION_DENIED": Exit.NOT_ALLOWED,
    "UNAUTHENTICATED": Exit.NOT_ALLOWED,
    "RESOURCE_EXHAUSTED": Exit.UNREACHABLE,
    "UNAVAILABLE": Exit.UNREACHABLE,
    "CANCELLED": Exit.UNREACHABLE,
    "ABORTED": Exit.UNREACHABLE,
    "DEADLINE_EXCEEDED": Exit.TIMED_OUT,
}  #: by the name of the gRPC status; what is not here is a fault of the broker

SENTENCES = {
    "RESOURCE_EXHAUSTED": ("The broker at {address} turned the call away.", "the same again in a moment"),
    "DEADLINE_EXCEEDED": ("No answer from {address} in time.", "a longer --timeout, such as --timeout 60s"),
    "UNAVAILABLE": ("The broker at {address} is not ready.", "osmia status"),
    "CANCELLED": ("The broker at {address} went away.", "osmia status"),
    "UNIMPLEMENTED": ("The broker at {address} does not know this call.", "osmia status   (which version answers?)"),
}


def from_call(error: "OsmiaError", address: str) -> Failure:
    """The failure that a refused or failed call to the broker at *address* is."""
    status = error.code.name
    if status == "UNAVAILABLE" and "connect" in error.details.lower():
        return Failure(
            Exit.UNREACHABLE,
            f"No broker answers at {address}.",
            mend="osmia demo   (starts one here)",
            code=status,
        )
    what, mend = SENTENCES.get(status, ("", ""))
    if not what:
        refused = status in EXITS
        what = "The broker refused." if refused else f"The broker at {address} has a fault."
    return Failure(
        EXITS.get(status, Exit.DEFECT), what.format(address=address), why=error.details, mend=mend, code=status
    )


def _printable(line: str) -> str:
    return "".join(character if character.isprintable() else " " for character in line)
