"""Documents: files that processes refer to, in a directory of the data directory.

A document is two files: its content, and its metadata, whose arrival makes the document exist. Both are on disk before the caller hears of
it. What a crash leaves behind without metadata is replaced by the next document with the id, and never seen.

Several processes may share the directory. They change it one at a time, under its lock file. Each keeps the count of all bytes until it sees
from the time of the last change of the directory that another one has changed it; to make the time unmistakable, a change sets it.
"""

import asyncio
import errno
import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from osmia_broker.base import private_files
from osmia_broker.base.errors import AlreadyExists, InvalidArgument, NotFound, StoreFull, Unavailable
from osmia_broker.base.system_errors import in_words
from osmia_broker.base.threads import to_the_end

STORE_ID = "local"  #: the name of this store in references
DOCUMENTS_BYTES_MAX = 1024**3  # of all documents together
_CONTENT, _METADATA, _SECRET, _LOCK = ".content", ".json", "links.secret", "changes.lock"
_ID_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
_ID_LENGTH = 100
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # reasons of which a person says that the disk is full

T = TypeVar("T")


class Document(msgspec.Struct):
    """The metadata of a document. *expires_ms* is epoch; 0 for never."""

    id: str
    content_hash: str  # SHA-256, hexadecimal
    content_type: str
    file_name: str
    size: int
    expires_ms: int = 0
    process_definition_id: str = ""
    process_instance_key: int = 0
    custom_properties: dict[str, Any] = msgspec.field(default_factory=dict)


class Documents:
    """The documents in *directory*, which is made when the first one is stored. *now_ms* gives the time."""

    def __init__(self, directory: Path, now_ms: Callable[[], int]) -> None:
        self._directory = directory
        self.now_ms = now_ms
        self._turn = asyncio.Lock()  # one change at a time
        self._bytes: int | None = None  # of all contents; None until they were counted
        self._counted_ns = 0  # the time of the last change of the directory that the count includes

    async def create(self, document: Document, content: bytes) -> Document:
        """Store a document; an empty id is replaced by a new one. Size and hash are those of *content*.

        Raises:
            InvalidArgument: the id has other characters than letters, digits, `-` and `_`, or is too long.
            AlreadyExists: there is a document with the id.
            StoreFull: all documents together would be too large, or the disk is full.
            Unavailable: it cannot be written.

        """
        document.id = document.id or secrets.token_hex(16)
        _check_id(document.id)
        document.size, document.content_hash = len(content), hashlib.sha256(content).hexdigest()
        async with self._turn:
            await _in_thread(self._create, document, content)
        return document

    async def get(self, id: str) -> tuple[Document, bytes]:
        """Return a document with its content.

        Raises:
            NotFound: there is none with this id, or it has expired.

        """
        return await _in_thread(self._get, id)

    async def find(self, id: str) -> Document:
        """Return the metadata of a document. Raises as `get`."""
        return await _in_thread(self._metadata, id)

    async def delete(self, id: str) -> None:
        """Delete a document. Raises as `get`."""
        async with self._turn:
            await _in_thread(self._delete, id)

    async def signature(self, id: str, expires_ms: int) -> str:
        """Return the text that proves that a link to a document was given out until *expires_ms*."""
        async with self._turn:
            secret = await _in_thread(self._secret)
        return hmac.new(secret, f"{id} {expires_ms}".encode(), "sha256").hexdigest()

    # --- in a thread

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Make the directory, and change it alone. The count of bytes is right inside, or None."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with private_files.locked(self._directory / _LOCK):
            if self._directory.stat().st_mtime_ns != self._counted_ns:
                self._bytes = None
            try:
                yield
            finally:
                now_ns = time.time_ns()
                os.utime(self._directory, ns=(now_ns, now_ns))
                self._counted_ns = self._directory.stat().st_mtime_ns

    def _create(self, document: Document, content: bytes) -> None:
        with self._changing():
            if self._path(document.id, _METADATA).exists():
                with suppress(NotFound):  # unless it has expired
                    self._metadata(document.id)
                    raise AlreadyExists(
                        f"Expected to create document '{document.id}', but a document with that id exists already"
                    )
            size = self._counted() + len(content)
            if size > DOCUMENTS_BYTES_MAX:  # some may have expired since they were counted
                self._bytes = None
                size = self._counted() + len(content)
            if size > DOCUMENTS_BYTES_MAX:
                raise StoreFull(f"Expected documents of at most {DOCUMENTS_BYTES_MAX} bytes together, but found {size}")
            private_files.replace(self._path(document.id, _CONTENT), content)
            try:
                private_files.replace(self._path(document.id, _METADATA), msgspec.json.encode(document))
            except OSError:
                self._path(document.id, _CONTENT).unlink(missing_ok=True)  # it must not fill a full disk further
                raise
            _sync_directory(self._directory)
            self._bytes = size

    def _counted(self) -> int:
        if self._bytes is None:
            self._bytes = sum(map(self._kept, self._directory.glob(f"*{_CONTENT}")))
        return self._bytes

    def _kept(self, content: Path) -> int:
        """Return the bytes of a content; remove one that has expired, or that a crash left behind without metadata."""
        metadata = self._path(content.name.removesuffix(_CONTENT), _METADATA)
        if metadata.exists() and not self._has_expired(metadata):
            return content.stat().st_size
        metadata.unlink(missing_ok=True)
        content.unlink(missing_ok=True)
        return 0

    def _has_expired(self, metadata: Path) -> bool:
        try:
            expires_ms = msgspec.json.decode(metadata.read_bytes(), type=Document).expires_ms
        except msgspec.DecodeError:  # damaged; a person may mend it
            return False
        return 0 < expires_ms <= self.now_ms()

    def _get(self, id: str) -> tuple[Document, bytes]:
        document = self._metadata(id)
        try:
            return document, self._path(id, _CONTENT).read_bytes()
        except FileNotFoundError:
            raise _no_such(id) from None

    def _metadata(self, id: str) -> Document:
        if not _is_id(id):
            raise _no_such(id)
        try:
            document = msgspec.json.decode(self._path(id, _METADATA).read_bytes(), type=Document)
        except (FileNotFoundError, msgspec.DecodeError):
            raise _no_such(id) from None
        if 0 < document.expires_ms <= self.now_ms():
            raise _no_such(id)
        return document

    def _delete(self, id: str) -> None:
        self._metadata(id)  # so that nothing is made for a document that there never was
        with self._changing():
            document = self._metadata(id)
            counted = self._counted()
            self._path(id, _METADATA).unlink()
            self._path(id, _CONTENT).unlink(missing_ok=True)
            _sync_directory(self._directory)
            self._bytes = counted - document.size

    def _secret(self) -> bytes:
        path = self._directory / _SECRET
        if not path.exists():
            with self._changing():
                if not path.exists():  # still: all processes must sign with the same secret
                    private_files.replace(path, secrets.token_bytes(32))
        return path.read_bytes()

    def _path(self, id: str, ending: str) -> Path:
        return self._directory / f"{id}{ending}"


async def _in_thread(work: Callable[..., T], *arguments: Any) -> T:
    """Do *work* beside the event loop.

    Raises:
        StoreFull: the disk is full.
        Unavailable: it cannot be read or written for another reason.

    """
    try:
        return await to_the_end(work, *arguments)
    except OSError as fault:
        kind = StoreFull if fault.errno in FULL else Unavailable
        raise kind(f"Expected to use the directory of documents, but found: {in_words(fault)}") from fault


def _is_id(id: str) -> bool:
    return 0 < len(id) <= _ID_LENGTH and _ID_CHARACTERS.issuperset(id)


def _check_id(id: str) -> None:
    if not _is_id(id):
        raise InvalidArgument(
            f"Expected a document id of at most {_ID_LENGTH} letters, digits, '-' and '_', but found '{id[:_ID_LENGTH]}'"
        )


def _no_such(id: str) -> NotFound:
    return NotFound(f"Expected to find document '{id[:_ID_LENGTH]}', but no such document was found")


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
