"""All refusals of the broker, each with the gRPC status that it travels as.

    OsmiaError
    ├── Rejection              a command was understood and refused; nothing changed
    │   ├── NotFound           NOT_FOUND
    │   ├── AlreadyExists      ALREADY_EXISTS
    │   ├── InvalidArgument    INVALID_ARGUMENT
    │   ├── InvalidState       FAILED_PRECONDITION
    │   └── Forbidden          PERMISSION_DENIED; the acting person may not do it
    ├── Unauthenticated        UNAUTHENTICATED; the caller has not proved who they are
    ├── Overloaded             RESOURCE_EXHAUSTED; the queue is full, try again with a growing pause
    ├── Unavailable            UNAVAILABLE; the partition stops, starts or reloads, try again
    │   └── NotLed             the same, because nobody who leads it could be asked; the command was certainly not carried out
    ├── TimedOut               DEADLINE_EXCEEDED; the wait ran out. A command goes on, a question is stopped
    ├── OutOfRange             OUT_OF_RANGE; events after the given position are not kept any more
    ├── Unsupported            UNIMPLEMENTED
    ├── Defect                 INTERNAL; a fault of the broker itself
    └── StoreFailed            a commit or a load did not happen; the partition drops its memory and reads it again
        ├── StoreFull          the same, because the disk is full
        ├── ValueRefused       the same, because one value cannot be stored
        └── LeaseHeld          another broker leads the partition

The doors add the wire's frame, `Command 'COMPLETE' rejected with code 'NOT_FOUND': …`, to a rejection (`framed`).
"""

from typing import ClassVar


class OsmiaError(Exception):
    """The root of all answers that are no result."""

    status: ClassVar[str] = "INTERNAL"  #: the gRPC status by name


class Rejection(OsmiaError):
    """A command was understood and refused. *code* is its rejection type in the error texts of the wire."""

    code: ClassVar[str] = "PROCESSING_ERROR"
    intent: str = ""  #: of the refused command; set by the partition, for the wire's frame


class NotFound(Rejection):
    """The subject of a command does not exist, or has ended."""

    status = code = "NOT_FOUND"


class AlreadyExists(Rejection):
    """A command would make something that is there already."""

    status = code = "ALREADY_EXISTS"


class InvalidArgument(Rejection):
    """A command is wrong in itself, whatever the state."""

    status = code = "INVALID_ARGUMENT"


class InvalidState(Rejection):
    """The subject of a command exists, but its state does not allow the command now."""

    status = "FAILED_PRECONDITION"
    code = "INVALID_STATE"


class Forbidden(Rejection):
    """The policy does not let the acting person do this."""

    status = "PERMISSION_DENIED"
    code = "FORBIDDEN"


class Unauthenticated(OsmiaError):
    """The caller has not proved who they are."""

    status = "UNAUTHENTICATED"


class Overloaded(OsmiaError):
    """The queue is full."""

    status = "RESOURCE_EXHAUSTED"


class Unavailable(OsmiaError):
    """No partition can answer just now."""

    status = "UNAVAILABLE"


class NotLed(Unavailable):
    """No process that leads the partition could be asked just now. The command was not carried out."""


class TimedOut(OsmiaError):
    """The wait ran out. A command goes on; a question is stopped."""

    status = "DEADLINE_EXCEEDED"


class OutOfRange(OsmiaError):
    """Events after the given position are not kept any more."""

    status = "OUT_OF_RANGE"


class Unsupported(OsmiaError):
    """A call that the contract knows and this broker does not carry out yet."""

    status = "UNIMPLEMENTED"


class Defect(OsmiaError):
    """A fault of the broker itself; the command that met it changed nothing."""

    def __init__(self, doing: str, found: BaseException) -> None:
        super().__init__(f"Expected {doing} to succeed, but found a defect: {found!r}")


class StoreFailed(OsmiaError):
    """A commit or a load did not happen; the store must be opened again."""

    status = "UNAVAILABLE"


class StoreFull(StoreFailed):
    """There is no room on the disk for a commit."""

    status = "RESOURCE_EXHAUSTED"


class ValueRefused(StoreFailed):
    """A commit held a value that the store cannot keep; nothing of it was written."""


class OtherPartitions(StoreFailed):
    """The state was made with *found* partitions, another number than was asked for; 0 if the number is not known."""

    def __init__(self, text: str, found: int = 0) -> None:
        super().__init__(text)
        self.found = found


class LeaseHeld(StoreFailed):
    """Another broker leads the partition. This one watches, and takes over when the other is gone."""


def framed(error: OsmiaError) -> str:
    """Put a refused command into the wire's frame; leave other errors as they are."""
    if isinstance(error, Rejection) and error.intent:
        return f"Command '{error.intent}' rejected with code '{error.code}': {error}"
    return str(error)
