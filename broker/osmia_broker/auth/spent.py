"""Ids that count no longer though they have not expired: of sessions that were ended, of sign-ins that were finished.

They are in a file, for the next start and for the other processes of the broker. Each reads it again when another has changed it.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from osmia_broker.base import private_files


class SpentIds:
    """The spent ids in the file *path*, until they expire. *now_s* is the time since the epoch."""

    def __init__(self, path: Path, now_s: Callable[[], float]) -> None:
        self._path = path
        self._now_s = now_s
        self._seen: tuple[int, int, int] | None = None
        self._expires_s: dict[str, int] = {}  # by id
        self._refresh()

    def __contains__(self, id: str) -> bool:
        self._refresh()
        return id in self._expires_s

    def add(self, id: str, expires_s: int) -> bool:
        """Note that *id* is spent; return False if it was before. Two who add at a time wait for each other.

        Raises:
            OSError: it cannot be stored. It is spent for this process until the next start.
        """
        with private_files.changing(self._path):
            if id in self:
                return False
            now_s = self._now_s()
            self._expires_s = {one: until_s for one, until_s in self._expires_s.items() if until_s > now_s}
            self._expires_s[id] = expires_s
            private_files.replace(self._path, msgspec.json.encode(self._expires_s) + b"\n")
        return True

    def _refresh(self) -> None:
        """Take over what others have added."""
        state = self._state()
        if state != self._seen:
            self._seen = state
            self._expires_s |= _read(self._path)

    def _state(self) -> tuple[int, int, int] | None:
        with suppress(OSError):
            found = self._path.stat()
            return found.st_mtime_ns, found.st_size, found.st_ino
        return None


def _read(path: Path) -> dict[str, int]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, int])
    except (OSError, msgspec.DecodeError):
        return {}
