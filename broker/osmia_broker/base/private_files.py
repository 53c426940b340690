"""Write files that only their owner may read. A reader sees the former content or the new one, also after a crash, and never half of one."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """Hold the lock of the file's directory, so that processes that read the file and then replace it wait for each other.

    Raises:
        OSError: the directory cannot be opened.
    """
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)  # gives the lock back


@contextmanager
def locked(lock: Path) -> Iterator[None]:
    """Hold the lock file *lock*, which is made if it is missing. Unlike a directory it can be locked on shared storage too.

    Raises:
        OSError: it cannot be opened or locked.
    """
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)  # gives the lock back


def replace(path: Path, content: bytes) -> None:
    """Make *content* the content of the file, with mode 600.

    Raises:
        OSError: it cannot be written; the former content stays.
    """
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)  # on a full disk it must not stay
