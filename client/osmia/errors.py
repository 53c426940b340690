"""The errors of calls, sorted by how a caller can react, each with the gRPC status that it comes from.

    OsmiaError
    ├── Refused              the broker understood the call and did nothing; the same call fails again
    │   ├── NotFound         NOT_FOUND
    │   ├── AlreadyExists    ALREADY_EXISTS
    │   ├── InvalidArgument  INVALID_ARGUMENT; also a message or variables that are too large
    │   │   └── OutOfRange   OUT_OF_RANGE: events after the given position are not kept any more
    │   ├── InvalidState     FAILED_PRECONDITION
    │   ├── NotAllowed       PERMISSION_DENIED, UNAUTHENTICATED
    │   └── Unimplemented    UNIMPLEMENTED: this gateway has no such call
    ├── Overloaded           RESOURCE_EXHAUSTED: the broker is busy and did nothing; try again later
    ├── Unavailable          UNAVAILABLE, CANCELLED, ABORTED: the broker is away; the call may have taken effect
    ├── Timeout              DEADLINE_EXCEEDED: no answer in time; the call may still take effect
    └── BrokerFailed         INTERNAL, UNKNOWN, DATA_LOSS: the broker has a fault

A mistake in the types or the combination of arguments is a TypeError or ValueError, raised before anything is sent.
"""

import re

import grpc
from grpc import StatusCode

from osmia._reasons import Reason, reason_of

_FRAME = re.compile(r"^Command '\w+' rejected with code '\w+': ")


def unframed(details: str) -> str:
    """Return the broker's own sentence in the *details* of a refused call."""
    return _FRAME.sub("", details, count=1)


class OsmiaError(Exception):
    """A call failed. *code* is its gRPC status, *details* the text of the broker or of the connection, *text* a sentence for people.

    `sentence` is *details* without the frame of a refusal, `Command '…' rejected with code '…': `, in which the broker sends it.

    *speaks_tls* says how the broker was spoken to.
    """

    speaks_tls = False

    def __init__(self, code: StatusCode, details: str, text: str = "") -> None:
        self.sentence = unframed(details)
        super().__init__(text or f"{code.name}: {self.sentence}")
        self.code = code
        self.details = details

    @property
    def reason(self) -> Reason | None:
        """Why no broker answered; None if another thing failed."""
        return reason_of(self.details, speaks_tls=self.speaks_tls) if self.code in _NOT_REACHED else None


class Refused(OsmiaError):
    """The broker understood the call and did nothing; the same call fails again."""


class NotFound(Refused):
    """Nothing has that key, id or name, or it has ended."""


class AlreadyExists(Refused):
    """A message with the same name, correlation key and message id is still kept."""


class InvalidArgument(Refused):
    """A value of the call is not allowed, or too large. If it is too large for a message, the client refuses it itself."""


class OutOfRange(InvalidArgument):
    """Events after the given position are not kept any more. The text names the oldest position."""


class InvalidState(Refused):
    """The job, instance or resource is in a state that does not allow the call."""


class NotAllowed(Refused):
    """The caller is unknown, or lacks the right."""


class Unimplemented(Refused):
    """The gateway has no such call."""


class Overloaded(OsmiaError):
    """The broker is busy. It did nothing; repeat the call after a pause."""


class Unavailable(OsmiaError):
    """The broker cannot be reached, or the connection broke. The call may have taken effect."""


class Timeout(OsmiaError):
    """No answer came in time. The call may still take effect."""


class BrokerFailed(OsmiaError):
    """The broker reported a fault of its own instead of an answer."""


_BY_CODE = {
    StatusCode.NOT_FOUND: NotFound,
    StatusCode.ALREADY_EXISTS: AlreadyExists,
    StatusCode.INVALID_ARGUMENT: InvalidArgument,
    StatusCode.OUT_OF_RANGE: OutOfRange,
    StatusCode.FAILED_PRECONDITION: InvalidState,
    StatusCode.PERMISSION_DENIED: NotAllowed,
    StatusCode.UNAUTHENTICATED: NotAllowed,
    StatusCode.UNIMPLEMENTED: Unimplemented,
    StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    StatusCode.UNAVAILABLE: Unavailable,
    StatusCode.CANCELLED: Unavailable,
    StatusCode.ABORTED: Unavailable,
    StatusCode.DEADLINE_EXCEEDED: Timeout,
}

_NOT_REACHED = (StatusCode.UNAVAILABLE, StatusCode.UNIMPLEMENTED)  # the latter of a program that has other calls

# RESOURCE_EXHAUSTED has two meanings; a request that a gateway finds too large is refused again however often it is sent.
# The texts are those of gRPC's C core and of its Java library.
_TOO_LARGE = re.compile(
    r"^(SERVER: Received|CLIENT: Sent|Sent) message larger than max|^gRPC message exceeds maximum size"
)


def from_rpc(error: grpc.RpcError, address: str = "", *, speaks_tls: bool = False) -> OsmiaError:
    """Return the error of this module for an error that gRPC raised in a call to *address*."""
    code, details = error.code(), error.details() or ""
    if code is StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE.match(details):
        return InvalidArgument(code, details)
    reason = reason_of(details, speaks_tls=speaks_tls) if code in _NOT_REACHED else None
    text = f"{reason.sentence_about(address)} ({details})" if reason is not None else ""
    failure: OsmiaError = _BY_CODE.get(code, BrokerFailed)(code, details, text)
    failure.speaks_tls = speaks_tls
    return failure
