"""The file with the users of basic sign-in: names, groups and hashed passwords, readable by its owner alone.

`osmia user` writes it; a running broker sees the change at the next call.
"""

import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from osmia_broker.auth import passwords
from osmia_broker.auth.user import User, is_name
from osmia_broker.base import private_files
from osmia_broker.base.system_errors import in_words

log = logging.getLogger(__name__)


class StoredUser(msgspec.Struct, frozen=True, omit_defaults=True):
    """A user in the file."""

    name: str
    password: str  # hashed
    groups: tuple[str, ...] = ()
    display_name: str = ""
    email: str = ""

    def as_user(self) -> User:
        """Return the user without the password."""
        return User(self.name, self.groups, self.display_name, self.email)


class _Document(msgspec.Struct):
    users: list[StoredUser]


Users = dict[str, StoredUser]  #: by name


class UsersFileError(ValueError):
    """The file of the users cannot be used. The text says why."""


def read(path: Path) -> Users:
    """Return the users in the file; none when there is no file.

    Raises:
        UsersFileError: it is damaged, cannot be read, or others than its owner may change it.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsersFileError(f"Expected to read the users from '{path}', but found: {in_words(error)}") from error
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UsersFileError(
            f"Expected that only the owner may change '{path}', but found mode {stat.S_IMODE(mode):o}; try chmod 600"
        )
    try:
        users = msgspec.json.decode(content, type=_Document).users
        for user in users:
            _check(user)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as fault:
        raise UsersFileError(f"Expected '{path}' to be the users of Osmia as JSON, but found: {fault}") from None
    return {user.name: user for user in users}


@contextmanager
def changing(path: Path) -> Iterator[Users]:
    """Read the users, let the block change them, and write them. Two who change them at a time wait for each other.

    Raises:
        UsersFileError: the file cannot be used.
        OSError: it cannot be written.
    """
    with private_files.changing(path):
        users = read(path)
        yield users
        _write(path, users)


def _check(user: StoredUser) -> None:
    if not _is_user_name(user.name):
        raise ValueError(f"the name {user.name[:80]!r}; it needs 1 to 256 printable characters without a colon")
    if not all(is_name(group) for group in user.groups):
        raise ValueError(f"a group of '{user.name}' that has no name")
    passwords.expect_stored(user.password)


def expect_name(name: str) -> None:
    """Check the name of a new user.

    Raises:
        ValueError: basic sign-in cannot carry it.
    """
    if not _is_user_name(name):
        raise ValueError(f"Expected a name of 1 to 256 printable characters without a colon, but found {name[:80]!r}")


def _is_user_name(name: str) -> bool:
    return is_name(name) and ":" not in name  # which separates it from the password


def _write(path: Path, users: Users) -> None:
    content = msgspec.json.format(msgspec.json.encode(_Document([users[name] for name in sorted(users)])))
    private_files.replace(path, content + b"\n")


class UsersFile:
    """The users as the file has them now. *generation* grows with each change."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.generation = 0
        self._seen: tuple[int, int, int] | None = None
        self._users: Users = {}

    def load(self) -> Users:
        """Read the file for the first time.

        Raises:
            UsersFileError: it cannot be used.
        """
        self._seen = self._state()
        self._users = read(self.path)
        return self._users

    def current(self) -> Users:
        """Return the users, read again if the file has changed. A file that has become unusable is logged, and the former users stay."""
        state = self._state()
        if state != self._seen:
            self._seen = state
            try:
                self._users = read(self.path)
            except UsersFileError as error:
                log.warning("the users stay as they were", extra={"error": str(error)})
            else:
                self.generation += 1
        return self._users

    def _state(self) -> tuple[int, int, int] | None:
        with suppress(OSError):
            found = self.path.stat()
            return found.st_mtime_ns, found.st_size, found.st_ino
        return None
