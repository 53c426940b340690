"""The guard of the doors: find out from a call's `authorization` who calls. Each kind of sign-in has one."""

from hashlib import blake2b
from secrets import token_bytes
from typing import Generic, Protocol, TypeVar

from osmia_broker.auth.user import User

T = TypeVar("T")


class Guard(Protocol):
    """Checks the credentials of calls."""

    @property
    def challenge(self) -> str:
        """The answer of a door to a caller without credentials: the value of `WWW-Authenticate`."""

    async def identify(self, authorization: str) -> User:
        """Return the user whose credentials *authorization* holds: the value of the header or the metadata of this name.

        Raises:
            Unauthenticated: there are none, or they are wrong. The text does not repeat them.
            Unavailable: they cannot be checked now.
            Overloaded: too many others are being checked.
        """

    def close(self) -> None:
        """Give back what the guard holds."""


def credentials(authorization: str, scheme: str) -> str:
    """Return the credentials behind *scheme*, which counts in any case; empty when *authorization* has another form."""
    found, _, rest = authorization.strip().partition(" ")
    return rest.strip() if found.lower() == scheme else ""


def found_instead(authorization: str) -> str:
    """Name what a caller has sent in place of credentials of the right scheme. A secret without a scheme is not repeated."""
    scheme, _, rest = authorization.strip().partition(" ")
    if scheme.lower() in ("basic", "bearer"):
        return f"'{scheme.capitalize()}'{'' if rest else ' alone'}"
    return "another text" if scheme else "none"


class Remembered(Generic[T]):
    """The newest *most* results of checks, by the credentials. It keeps a digest of them, which nobody can turn back or predict."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._secret = token_bytes(32)
        self._by_digest: dict[bytes, T] = {}

    def digest(self, credentials: str) -> bytes:
        """Return the key of a result."""
        return blake2b(credentials.encode("utf-8", "surrogateescape"), key=self._secret, digest_size=16).digest()

    def get(self, digest: bytes) -> T | None:
        """Return the result, if it is kept."""
        return self._by_digest.get(digest)

    def put(self, digest: bytes, result: T) -> None:
        """Keep a result; the oldest one makes room."""
        if len(self._by_digest) >= self._most:
            self._by_digest.pop(next(iter(self._by_digest)))
        self._by_digest[digest] = result

    def clear(self) -> None:
        """Forget all results."""
        self._by_digest.clear()
