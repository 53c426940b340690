"""The face between gRPC servers and what they serve. Everything here is bytes and plain values; no server's type passes through.

A server takes a table of `Rpc`. It carries each call to `Rpc.answer` and its messages back, and cancels the answer when the caller leaves
or the call's deadline passes.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

STATUSES = {
    name: number
    for number, name in enumerate(
        (
            *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
            *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE"),
            *("UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
        )
    )
}
"""The number of each status on the wire, by its name (gRPC, statuscodes.md)."""

Metadata = tuple[tuple[str, str | bytes], ...]
"""Names in lower case and values in order; a value is bytes where the name ends in `-bin`."""


class Call(Protocol):
    """A call as its answer sees it."""

    def invocation_metadata(self) -> Sequence[tuple[str, str | bytes]] | None:
        """Return what the caller sent beside the message."""

    def time_remaining(self) -> float | None:
        """Return the seconds until the deadline of the call; None if it has none."""


class Shape(Enum):
    """The number of messages that travel each way. It decides the type of `Rpc.answer`."""

    UNARY = "one message each way"  #: async (bytes, Call) -> bytes
    STREAM = "one message, many answers"  #: (bytes, Call) -> async generator of bytes
    DIALOGUE = "many messages each way"  #: (async iterator of bytes, Call) -> async generator of bytes


@dataclass(frozen=True, slots=True)
class Rpc:
    """One call as a server carries it. *path* is `/package.Service/Method`.

    *admit* takes the call when its head has arrived, and returns the call that *answer* is given. Until then the server takes no more
    content than a window holds, and unpacks nothing. None admits every call.
    """

    path: str
    shape: Shape
    answer: Callable[[Any, Call], Any]
    admit: Callable[[Call], Awaitable[Call]] | None = None


class Refusal(Exception):
    """An answer that is a status other than OK. *trailers* travel beside it."""

    def __init__(self, status: str, details: str, trailers: Metadata = ()) -> None:
        super().__init__(details)
        self.status, self.details, self.trailers = status, details, trailers


class RpcServer(Protocol):
    """A gRPC server. What it serves was given when it was made."""

    async def start(self, host: str, port: int) -> int:
        """Listen at *host* and *port* (0 for a free one), and return the real port.

        Raises:
            OSError: the port cannot be had.
        """

    async def stop(self, grace_s: float | None) -> None:
        """Take no new calls. Return when the open ones have ended, at the latest after *grace_s*: then they are cut off.

        None cuts them off now. A second call shortens the grace of the first.
        """
