"""The calls of `osmia.v1.Documents`: message to call, answer to messages."""

from collections.abc import AsyncIterator

import msgspec

from osmia_broker.calls.stored_documents import StoredDocuments
from osmia_broker.gateway.json_fields import object_of
from osmia_broker.store.documents import Document
from osmia_proto import queries

# Of a content: clients accept 4 MiB a message, and a small part lets others have their turn.
PART_BYTES_MAX = 1024 * 1024


class Documents:
    """Answers the calls."""

    def __init__(self, documents: StoredDocuments) -> None:
        self._documents = documents

    async def CreateDocument(self, request: queries.CreateDocumentRequest) -> queries.Document:
        """Store a document."""
        document = Document(
            id=request.id,
            content_hash="",
            content_type=request.content_type,
            file_name=request.file_name,
            size=0,
            expires_ms=request.expires_ms,
            process_definition_id=request.process_definition_id,
            process_instance_key=request.process_instance_key,
            custom_properties=object_of("custom_properties", request.custom_properties, keeps_digits=False) or {},
        )
        return _document(await self._documents.create(document, request.content))

    async def ReadDocument(self, request: queries.ReadDocumentRequest) -> AsyncIterator[queries.DocumentPart]:
        """Stream the content of a document."""
        document, content = await self._documents.get(request.id, request.content_hash or None)
        yield queries.DocumentPart(document=_document(document), content=content[:PART_BYTES_MAX])
        for start in range(PART_BYTES_MAX, len(content), PART_BYTES_MAX):
            yield queries.DocumentPart(content=content[start : start + PART_BYTES_MAX])

    async def DeleteDocument(self, request: queries.DeleteDocumentRequest) -> queries.DeleteDocumentResponse:
        """Delete a document."""
        await self._documents.delete(request.id)
        return queries.DeleteDocumentResponse()

    async def LinkDocument(self, request: queries.LinkDocumentRequest) -> queries.LinkDocumentResponse:
        """Make an address for a document."""
        lifetime_ms = request.time_to_live_ms if request.HasField("time_to_live_ms") else None
        link = await self._documents.link(request.id, lifetime_ms, request.content_hash or None)
        return queries.LinkDocumentResponse(path=link.path, expires_ms=link.expires_ms)


def _document(document: Document) -> queries.Document:
    return queries.Document(
        id=document.id,
        content_hash=document.content_hash,
        content_type=document.content_type,
        file_name=document.file_name,
        size=document.size,
        expires_ms=document.expires_ms,
        process_definition_id=document.process_definition_id,
        process_instance_key=document.process_instance_key,
        custom_properties=msgspec.json.encode(document.custom_properties).decode(),
    )
