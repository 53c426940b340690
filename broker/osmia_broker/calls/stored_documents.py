"""Documents, as every door serves them: files that processes refer to, and addresses that can be given to others."""

import hmac

import msgspec

from osmia_broker.base.errors import Forbidden, InvalidArgument, NotFound
from osmia_broker.calls.checks import int64, quoted
from osmia_broker.store.documents import STORE_ID, Document, Documents
from osmia_broker.store.read.search.values import LATEST_MS

BINARY = "application/octet-stream"
PATH = "/v2/documents/"  #: of a document at the HTTP door
LINK_MS = 60 * 60 * 1000  # how long a link is good, unless the request says so
LINK_MS_MAX = 7 * 24 * 60 * 60 * 1000


class Link(msgspec.Struct, frozen=True):
    """The address of a document, for somebody without the right to read documents."""

    path: str  #: below the address of the HTTP door
    expires_ms: int


class StoredDocuments:
    """The documents of a broker, and the rules of the requests for them."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def create(self, document: Document, content: bytes) -> Document:
        """Store a document; an empty id is replaced by a new one.

        Raises:
            InvalidArgument: the id is none, or the document is to be kept beyond the calendar.
            AlreadyExists: there is a document with the id.
            StoreFull: all documents together would be too large, or the disk is full.
            Unavailable: it cannot be written.

        """
        if not 0 <= document.expires_ms <= LATEST_MS:
            raise InvalidArgument("The value for expiresAt must be before the year 10000 in UTC.")
        int64("processInstanceKey", document.process_instance_key)
        document.content_type = document.content_type or BINARY
        return await self._documents.create(document, content)

    async def get(self, id: str, content_hash: str | None = None) -> tuple[Document, bytes]:
        """Return a document with its content.

        Raises:
            NotFound: there is none with this id, or its time is over.
            InvalidArgument: it has another content than *content_hash* says.

        """
        document, content = await self._documents.get(id)
        _require_hash(document, content_hash)
        return document, content

    async def delete(self, id: str) -> None:
        """Delete a document. Raises as `get`."""
        await self._documents.delete(id)

    async def link(self, id: str, lifetime_ms: int | None = None, content_hash: str | None = None) -> Link:
        """Make an address under which a document can be read for some time. Raises as `get`."""
        lifetime_ms = LINK_MS if lifetime_ms is None else lifetime_ms
        if not 0 < lifetime_ms <= LINK_MS_MAX:
            raise InvalidArgument(
                f"The value for timeToLive is '{lifetime_ms}' but must be within the [1,{LINK_MS_MAX}] range."
            )
        document = await self._documents.find(id)
        _require_hash(document, content_hash)
        expires_ms = self._documents.now_ms() + lifetime_ms
        signature = await self._documents.signature(id, expires_ms)
        query = f"contentHash={document.content_hash}&expires={expires_ms}&signature={signature}"
        return Link(f"{PATH}{document.id}?{query}", expires_ms)

    async def check_link(self, id: str, expires: str, signature: str) -> None:
        """Refuse an address that was not given out, or whose time is over.

        Raises:
            Forbidden: the signature is wrong.
            NotFound: its time is over.

        """
        is_good = expires.isascii() and expires.isdigit() and len(expires) <= 18
        if is_good:
            expected = await self._documents.signature(id, int(expires))
            is_good = hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace"))
        if not is_good:
            raise Forbidden("Expected the signature of a link that was given out, but found another")
        if int(expires) <= self._documents.now_ms():
            raise NotFound("Expected a link that is still good, but its time is over")


def require_store(name: str) -> None:
    """Refuse another store of documents than the one that there is.

    Raises:
        InvalidArgument: *name* is another.

    """
    if name != STORE_ID:
        raise InvalidArgument(f"Expected the document store '{STORE_ID}', but found '{quoted(name)}'")


def _require_hash(document: Document, content_hash: str | None) -> None:
    if content_hash is not None and content_hash != document.content_hash:
        raise InvalidArgument(
            f"Expected document '{document.id}' to have the content hash of the request, but found another"
        )
