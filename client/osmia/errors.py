"""Every way a call can fail, by what the caller can do about it, and the gRPC status it came from.

    OsmiaError
    ├── Refused              the broker understood the call and did nothing; the same call fails again
    │   ├── NotFound         NOT_FOUND
    │   ├── AlreadyExists    ALREADY_EXISTS
    │   ├── InvalidArgument  INVALID_ARGUMENT, OUT_OF_RANGE
    │   ├── InvalidState     FAILED_PRECONDITION
    │   ├── NotAllowed       PERMISSION_DENIED, UNAUTHENTICATED
    │   └── Unimplemented    UNIMPLEMENTED: this gateway has no such call
    ├── Overloaded           RESOURCE_EXHAUSTED: nothing was done, try again later; or a message is too large
    ├── Unavailable          UNAVAILABLE, CANCELLED, ABORTED: the broker is away; whether the call took effect is unknown
    ├── Timeout              DEADLINE_EXCEEDED: no answer in time; the call may still take effect
    └── BrokerFailed         INTERNAL, UNKNOWN, DATA_LOSS: the broker has a fault

A mistake that can be seen before anything is sent is a ValueError or TypeError instead.
"""

import grpc
from grpc import StatusCode


class OsmiaError(Exception):
    """A call failed. *code* is its gRPC status, *details* what the broker said."""

    def __init__(self, code: StatusCode, details: str) -> None:
        super().__init__(f"{code.name}: {details}")
        self.code = code
        self.details = details


class Refused(OsmiaError):
    """The broker understood the call and did nothing; the same call fails again."""


class NotFound(Refused):
    """There is nothing with that key, id or name, or not any more."""


class AlreadyExists(Refused):
    """A message with the same name, correlation key and message id is still kept."""


class InvalidArgument(Refused):
    """A value of the call cannot be right."""


class InvalidState(Refused):
    """What the call is about is in a state that does not allow it."""


class NotAllowed(Refused):
    """The caller is unknown, or may not do this."""


class Unimplemented(Refused):
    """The gateway has no such call."""


class Overloaded(OsmiaError):
    """The broker turned the call away and did nothing: repeat it after a pause. Or a message is too large: do not."""


class Unavailable(OsmiaError):
    """The broker cannot be reached, or went away. Whether the call took effect is unknown."""


class Timeout(OsmiaError):
    """No answer came in time. The call may still take effect."""


class BrokerFailed(OsmiaError):
    """The broker has a fault, and says so instead of an answer."""


_BY_CODE = {
    StatusCode.NOT_FOUND: NotFound,
    StatusCode.ALREADY_EXISTS: AlreadyExists,
    StatusCode.INVALID_ARGUMENT: InvalidArgument,
    StatusCode.OUT_OF_RANGE: InvalidArgument,
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


def from_rpc(error: grpc.RpcError) -> OsmiaError:
    """The error a caller sees for what gRPC raised."""
    return _BY_CODE.get(error.code(), BrokerFailed)(error.code(), error.details() or "")
