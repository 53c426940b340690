"""References to documents, as processes hold them, and the headers with which a document travels."""

from typing import Annotated
from urllib.parse import quote

from msgspec import field

from osmia_broker.calls.stored_documents import BINARY
from osmia_broker.http.described import FreeObject, one_of
from osmia_broker.http.types import Item, key_text
from osmia_broker.store.documents import STORE_ID, Document
from osmia_broker.store.read.search.values import moment

#: The member by which a reference is known among other values, and its value.
TYPE, CAMUNDA = ("camunda.document.type", "camunda")


class MetadataItem(Item):
    """The metadata of a document."""

    content_type: str
    file_name: str
    expires_at: str | None
    size: int
    process_definition_id: str | None
    process_instance_key: str | None
    custom_properties: FreeObject


class Reference(Item):
    """A document, as processes refer to it."""

    camunda_document_type: Annotated[str, one_of(CAMUNDA)] = field(name=TYPE, default=CAMUNDA)
    store_id: str = STORE_ID
    document_id: str = ""
    content_hash: str | None = None
    metadata: MetadataItem | None = None


def reference_to(document: Document) -> Reference:
    """Make the reference to a document that is stored."""
    metadata = MetadataItem(
        content_type=document.content_type,
        file_name=document.file_name,
        expires_at=moment(document.expires_ms),
        size=document.size,
        process_definition_id=document.process_definition_id or None,
        process_instance_key=key_text(document.process_instance_key),
        custom_properties=document.custom_properties,
    )
    return Reference(document_id=document.id, content_hash=document.content_hash, metadata=metadata)


def media_type_of(document: Document) -> str:
    """Return the type of the content if it can stand in a header."""
    text = document.content_type
    return text if text.isascii() and text.isprintable() and "/" in text else BINARY


def disposition(document: Document) -> str:
    """Return the value of the header `content-disposition`: a browser keeps the content as a file, and never shows it as a page of this site."""
    return f"attachment; filename*=UTF-8''{quote(document.file_name, safe='')}"
