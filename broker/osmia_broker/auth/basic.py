"""Sign-in with user and password (RFC 7617): each password is hashed once, later calls find the result.

A hash costs a tenth of a second on purpose. One is made at a time, in a thread, so that guessers neither fill the memory nor slow
the broker by more than a core.
"""

import asyncio
import binascii
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor

from osmia_broker.auth import passwords
from osmia_broker.auth.guard import Remembered, credentials, found_instead
from osmia_broker.auth.user import User
from osmia_broker.auth.users_file import StoredUser, Users, UsersFile
from osmia_broker.base.errors import Overloaded, Unauthenticated

REMEMBERED_MAX = 10_000  # users and programs; about 200 bytes each
CHECKS_MAX = 64  # that wait at a time; more are refused at once

NO_CREDENTIALS = "Expected the metadata or header 'authorization' with 'Basic' and user:password in base64, but found "
WRONG = "Expected the name and the password of a user, but found others"


class PasswordGuard:
    """Knows callers by the users of a file."""

    challenge = 'Basic realm="osmia", charset="UTF-8"'

    def __init__(self, users: UsersFile) -> None:
        self._users = users
        self._known = Remembered[User](REMEMBERED_MAX)
        self._refused = Remembered[bool](REMEMBERED_MAX)  # apart, so that guesses push out nobody
        self._generation = users.generation
        self._checks: dict[bytes, asyncio.Future[User | None]] = {}
        self._hashing = ThreadPoolExecutor(1, thread_name_prefix="osmia-passwords")

    async def identify(self, authorization: str) -> User:
        """See `Guard.identify`."""
        users = self._current_users()
        digest = self._known.digest(authorization)
        if user := self._known.get(digest):
            return user
        name, password = _read(authorization)
        user = await self._check_once(digest, users.get(name), password)
        if user is None:
            raise Unauthenticated(WRONG)
        return user

    async def check(self, name: str, password: str) -> User | None:
        """Return the user with this name and password; None if there is none.

        Raises:
            Overloaded: too many others are being checked.
        """
        stored = self._current_users().get(name)
        return await self._check_once(self._known.digest(f"\x00{name}\x00{password}"), stored, password)

    def close(self) -> None:
        """See `Guard.close`."""
        self._hashing.shutdown(wait=False, cancel_futures=True)

    def _current_users(self) -> Users:
        """Return the users; forget the results about former ones."""
        users = self._users.current()
        if self._generation != self._users.generation:
            self._generation = self._users.generation
            self._known.clear()
            self._refused.clear()
        return users

    async def _check_once(self, digest: bytes, stored: StoredUser | None, password: str) -> User | None:
        """Check the password, or wait for the check of the same one that another call has begun."""
        if self._refused.get(digest):
            return None
        check = self._checks.get(digest)
        if check is None:
            if len(self._checks) >= CHECKS_MAX:
                raise Overloaded(f"Expected at most {CHECKS_MAX} passwords to check at a time, but found more")
            check = asyncio.ensure_future(self._check(digest, stored, password))
            self._checks[digest] = check
            check.add_done_callback(lambda _: self._checks.pop(digest, None))
        return await asyncio.shield(check)  # a caller who leaves must not end the check for the others

    async def _check(self, digest: bytes, stored: StoredUser | None, password: str) -> User | None:
        generation = self._generation
        loop = asyncio.get_running_loop()
        hashed = stored.password if stored else passwords.DECOY
        is_right = await loop.run_in_executor(self._hashing, passwords.matches, password, hashed)
        found = stored.as_user() if stored and is_right else None
        if generation == self._generation:  # else the result is of users who may have changed
            if found is not None:
                self._known.put(digest, found)
            else:
                self._refused.put(digest, True)
        return found


def _read(authorization: str) -> tuple[str, str]:
    """Return name and password.

    Raises:
        Unauthenticated: *authorization* has none.
    """
    encoded = credentials(authorization, "basic")
    if not encoded:
        raise Unauthenticated(f"{NO_CREDENTIALS}{found_instead(authorization)}")
    try:
        name, colon, password = b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        name = colon = password = ""
    if not colon:
        raise Unauthenticated("Expected 'user:password' in base64 behind 'Basic', but found another text")
    return name, password
