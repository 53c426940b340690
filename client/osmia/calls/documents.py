"""Documents, which are files that processes refer to: `client.documents` (`osmia.v1.Documents`).

    bill = await client.documents.create(Path("bill.pdf").read_bytes(), file_name="bill.pdf", content_type="application/pdf")
    await client.create_instance("invoice", {"bill": bill.reference})

Only Osmia answers; a Zeebe gateway raises `Unimplemented`.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from osmia import variables as variables_json
from osmia.arguments import calls_of
from osmia.calls.call import Calls
from osmia.calls.fields import fields_of
from osmia_proto import queries

STORE_ID = "local"  # of Osmia's own store in references


@dataclass(frozen=True, slots=True)
class Document:
    """A document without its content. *expires_ms* 0: it is kept for ever."""

    id: str
    content_hash: str  # SHA-256, hexadecimal
    content_type: str
    file_name: str
    size: int  # bytes
    expires_ms: int
    process_definition_id: str
    process_instance_key: int
    custom_properties: Mapping[str, Any]

    @property
    def reference(self) -> dict[str, Any]:
        """The value with which a variable refers to this document."""
        return {
            "camunda.document.type": "camunda",
            "storeId": STORE_ID,
            "documentId": self.id,
            "contentHash": self.content_hash,
            "metadata": {
                "contentType": self.content_type,
                "fileName": self.file_name,
                "size": self.size,
                "customProperties": dict(self.custom_properties),
            },
        }


@dataclass(frozen=True, slots=True)
class DocumentLink:
    """The address of a document, for somebody without the right to read documents. *path* stands below the broker's HTTP address."""

    path: str
    expires_ms: int


@calls_of("Client.documents")
class DocumentCalls(Calls):
    """Store, read, delete and link documents."""

    async def create(
        self,
        content: bytes,
        *,
        file_name: str = "",
        content_type: str = "",
        id: str = "",
        expires_ms: int = 0,
        process_definition_id: str = "",
        process_instance_key: int = 0,
        custom_properties: Mapping[str, Any] | None = None,
    ) -> Document:
        """Store a document. An empty *id* is replaced by a new one; *expires_ms* is epoch, 0 for never.

        Raises:
            AlreadyExists: there is a document with this id.
            InvalidArgument: the id has other characters than letters, digits, `-` and `_`, the time is none, or the document is larger than
                the broker takes: `max_message_size`, which is 4 MiB unless set.
            Overloaded: all documents together would be too large.
        """
        request = queries.CreateDocumentRequest(
            id=id,
            content=content,
            content_type=content_type,
            file_name=file_name,
            expires_ms=expires_ms,
            process_definition_id=process_definition_id,
            process_instance_key=process_instance_key,
            custom_properties=variables_json.encode(custom_properties),
        )
        return _document(await self._call("CreateDocument", request))

    async def read(self, id: str, *, content_hash: str = "") -> bytes:
        """Return the content of a document. Raises as `stream`."""
        return b"".join([part async for part in self.stream(id, content_hash=content_hash)])

    async def stream(self, id: str, *, content_hash: str = "") -> AsyncIterator[bytes]:
        """Iterate over the content of a document, in parts of at most 1 MiB.

        Raises:
            NotFound: there is none with this id, or its time is over.
            InvalidArgument: it has another content than *content_hash* says.
        """
        request = queries.ReadDocumentRequest(id=id, content_hash=content_hash)
        async for part in self._stream("ReadDocument", request, None):
            yield part.content

    async def delete(self, id: str) -> None:
        """Delete a document.

        Raises:
            NotFound: there is none with this id, or its time is over.
        """
        await self._call("DeleteDocument", queries.DeleteDocumentRequest(id=id))

    async def link(self, id: str, *, time_to_live_ms: int | None = None, content_hash: str = "") -> DocumentLink:
        """Make an address under which a document can be read for *time_to_live_ms*: an hour by default, and 7 days at most.

        Raises:
            NotFound: there is none with this id, or its time is over.
            InvalidArgument: the time is out of range, or the document has another content.
        """
        request = queries.LinkDocumentRequest(id=id, content_hash=content_hash, time_to_live_ms=time_to_live_ms)
        answer = await self._call("LinkDocument", request)
        return DocumentLink(answer.path, answer.expires_ms)


def _document(message: queries.Document) -> Document:
    return Document(**fields_of(message, custom_properties=variables_json.decode(message.custom_properties)))
