"""Sessions of people in a browser: a signed cookie says who they are, until they sign out or it expires.

The cookie holds no secret. With passwords it names the user and the stored password it was begun with: a new password, other groups and a removed
user count at once. With a provider it holds what the provider said.
"""

import hashlib
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from secrets import token_urlsafe

import msgspec

from osmia_broker.auth.signing import Signer
from osmia_broker.auth.spent import SpentIds
from osmia_broker.auth.user import User
from osmia_broker.auth.users_file import StoredUser, UsersFile
from osmia_broker.base.counted import counted
from osmia_broker.base.errors import Unauthenticated

SESSION_S = 12 * 3600  # a working day
TICKET_S = 600  # of a sign-in at a provider, for the person to type a password there
COOKIE_CHARACTERS_MAX = 3_800  # browsers drop a cookie of more than 4,096, with its name and attributes
ENDED_FILE = "osmia.ended-sessions.json"  # in the data directory: sessions that were ended before they expired
PURPOSE = "session"
PROVIDER_PURPOSE = "session of a provider"  # one of a user with a password is none of these, though the key is the same


class _Session(msgspec.Struct, frozen=True):
    id: str
    expires_s: int
    name: str
    password: str  # a digest of the stored one; empty with a provider
    groups: tuple[str, ...] = ()
    display_name: str = ""
    email: str = ""


class Sessions:
    """Makes and checks the content of session cookies. *users* are those of a file; None with a provider."""

    def __init__(
        self, signer: Signer, users: UsersFile | None, ended: Path, *, now_s: Callable[[], float] = time.time
    ) -> None:
        self._signer = signer
        self._users = users
        self._purpose = PROVIDER_PURPOSE if users is None else PURPOSE
        self._now_s = now_s
        self._ended = SpentIds(ended, now_s)

    def begin(self, user: User) -> str:
        """Return the cookie of a new session of *user*, who has just proved to be that.

        Raises:
            Unauthenticated: it would be too large for a browser, because the user has so many groups.
        """
        said = () if self._users is not None else (user.groups, user.display_name, user.email)
        session = _Session(
            token_urlsafe(12), int(self._now_s()) + SESSION_S, user.name, self._password_of(user.name), *said
        )
        cookie = self._signer.sign(self._purpose, zlib.compress(msgspec.json.encode(session)))
        if len(cookie) > COOKIE_CHARACTERS_MAX:
            raise Unauthenticated(
                f"Expected a user whose groups fit into a cookie, but found {counted(len(user.groups), 'group')}; "
                "another oidc_groups_claim may name fewer"
            )
        return cookie

    def user(self, cookie: str) -> User | None:
        """Return the user of a session; None if it has ended or never was."""
        session = self._session(cookie)
        if session is None:
            return None
        if self._users is None:
            return User(session.name, session.groups, session.display_name, session.email)
        stored = self._users.current().get(session.name)
        return stored.as_user() if stored and session.password == _digest(stored) else None

    def end(self, cookie: str) -> None:
        """End a session before it expires. An unknown one is passed over.

        Raises:
            OSError: the end cannot be stored; the session has ended for this process until the next start.
        """
        session = self._session(cookie)
        if session is not None:
            self._ended.add(session.id, session.expires_s)

    def _session(self, cookie: str) -> _Session | None:
        content = self._signer.open(self._purpose, cookie)
        if content is None:
            return None
        try:
            session = msgspec.json.decode(zlib.decompress(content), type=_Session)
        except (msgspec.DecodeError, zlib.error):  # of another version
            return None
        return session if self._now_s() < session.expires_s and session.id not in self._ended else None

    def _password_of(self, name: str) -> str:
        stored = self._users.current().get(name) if self._users is not None else None
        return _digest(stored) if stored else ""


def _digest(stored: StoredUser) -> str:
    """Return a digest of the password's hash: a session ends with the password that it was begun with."""
    return hashlib.sha256(stored.password.encode()).hexdigest()[:32]
