"""Documents: files that processes refer to."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec

from osmia_broker.base.counted import counted
from osmia_broker.base.errors import OsmiaError
from osmia_broker.calls.stored_documents import LINK_MS_MAX, require_store
from osmia_broker.http.described import KEY, MOMENT, NUMBER, TEXT, FreeObject, properties, schema
from osmia_broker.http.document_references import Reference, disposition, media_type_of, reference_to
from osmia_broker.http.operation import FILE, MULTIPART, Asked, Call, Reply, Upload, operation
from osmia_broker.http.problem import bad_request, invalid, status_and_title
from osmia_broker.http.types import Body, Item, Key, Long, Text, convert
from osmia_broker.store.documents import STORE_ID, Document
from osmia_broker.store.read.search.values import moment

TAG = "Document"
DOCUMENT = "/documents/{documentId}"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Metadata(Body):
    """The metadata that a caller gives to a document."""

    content_type: Text | None = None
    file_name: Text | None = None
    expires_at: datetime | None = None
    process_definition_id: Text | None = None
    process_instance_key: Key | None = None
    custom_properties: FreeObject | None = None


class Failed(Item):
    """A file of a request that was not stored."""

    file_name: str
    status: int
    title: str
    detail: str


class Stored(Item):
    """The documents that were stored, and the files that were not."""

    created_documents: list[Reference]
    failed_documents: list[Failed]


class LinkRequest(Body):
    """The time for which a link is to be good, in milliseconds."""

    time_to_live: Annotated[Long, schema(minimum=1, maximum=LINK_MS_MAX)] | None = None


class Link(Item):
    """The address of a document, for somebody without the right to read documents."""

    url: str
    expires_at: str


_STORE = Asked("storeId", {"type": "string", "enum": [STORE_ID]})
_HASH = Asked("contentHash")
_METADATA = properties(
    contentType=TEXT,
    fileName=TEXT,
    expiresAt=MOMENT,
    size={**NUMBER, "description": "Taken and not kept: the broker counts."},
    processDefinitionId=TEXT,
    processInstanceKey=KEY,
    customProperties={"type": "object", "additionalProperties": True},
)
_ONE_FILE = (Asked("file", FILE, is_required=True), Asked("metadata", _METADATA))
_FILES = (
    Asked("files", {"type": "array", "items": FILE}, is_required=True),
    Asked("metadataList", {"type": "array", "items": _METADATA}),
)

_read_metadata = msgspec.json.Decoder(Metadata, dec_hook=convert).decode
_read_all_metadata = msgspec.json.Decoder(list[Metadata], dec_hook=convert).decode


@operation(
    "POST",
    "/documents",
    tag=TAG,
    takes=MULTIPART,
    status=201,
    query=(_STORE, Asked("documentId")),
    parts=_ONE_FILE,
)
async def create_document(call: Call) -> Reference:
    """Store a file as a document."""
    _check_store(call.query)
    files = [one for one in call.uploads if one.name == "file"]
    if len(files) != 1:
        raise invalid(f"Expected one part 'file', but found {len(files)}.")
    given = next((one.content for one in call.uploads if one.name == "metadata"), b"{}")
    return await _create(call, files[0], _decoded(_read_metadata, given), call.query.get("documentId", [""])[-1])


@operation("POST", "/documents/batch", tag=TAG, takes=MULTIPART, status=201, also=(207,), query=(_STORE,), parts=_FILES)
async def create_documents(call: Call) -> Stored | Reply:
    """Store files as documents, each on its own."""
    _check_store(call.query)
    files = [one for one in call.uploads if one.name == "files"]
    texts = [one.content for one in call.uploads if one.name == "metadataList"]
    given = [one for text in texts for one in _listed(text)]
    if not files:
        raise invalid("No files provided.")
    if given and len(given) != len(files):
        raise invalid(f"Expected metadata for each of {counted(len(files), 'file')}, but found {len(given)}.")
    stored = Stored(created_documents=[], failed_documents=[])
    for file, metadata in zip(files, given or [Metadata() for _ in files], strict=True):
        try:
            stored.created_documents.append(await _create(call, file, metadata, ""))
        except OsmiaError as refusal:
            status, title = status_and_title(refusal)
            stored.failed_documents.append(
                Failed(file_name=file.file_name, status=status, title=title, detail=str(refusal))
            )
    if stored.failed_documents:
        return Reply(207, msgspec.json.encode(stored))
    return stored


@operation(
    "GET", DOCUMENT, tag=TAG, gives="*/*", is_open=True, query=(_STORE, _HASH, Asked("expires"), Asked("signature"))
)
async def get_document(call: Call, document_id: str) -> Reply:
    """Return the content of a document, to a caller who has signed in or has a link to it."""
    query = call.query
    if "signature" in query:
        expires = query.get("expires", [""])[-1]
        await call.services.documents.check_link(document_id, expires, query["signature"][-1])
    else:
        await call.require_caller()
    _check_store(query)
    document, content = await call.services.documents.get(document_id, _hash_in(query))
    headers = (("content-disposition", disposition(document)), ("x-content-type-options", "nosniff"))
    return Reply(body=content, media_type=media_type_of(document), headers=headers)


@operation("DELETE", DOCUMENT, tag=TAG, status=204, query=(_STORE,))
async def delete_document(call: Call, document_id: str) -> None:
    """Delete a document."""
    _check_store(call.query)
    await call.services.documents.delete(document_id)


@operation("POST", DOCUMENT + "/links", tag=TAG, status=201, query=(_STORE, _HASH))
async def create_document_link(call: Call, document_id: str, body: LinkRequest | None = None) -> Link:
    """Make an address under which a document can be read for some time."""
    _check_store(call.query)
    lifetime_ms = None if body is None else body.time_to_live
    link = await call.services.documents.link(document_id, lifetime_ms, _hash_in(call.query))
    host = call.caller.metadata.get("host", "localhost")
    return Link(url=f"{call.scheme}://{host}{link.path}", expires_at=moment(link.expires_ms) or "")


async def _create(call: Call, file: Upload, given: Metadata, id: str) -> Reference:
    document = Document(
        id=id,
        content_hash="",
        content_type=given.content_type or file.media_type,
        file_name=given.file_name or file.file_name,
        size=0,
        expires_ms=_expiry(given.expires_at),
        process_definition_id=given.process_definition_id or "",
        process_instance_key=given.process_instance_key or 0,
        custom_properties=given.custom_properties or {},
    )
    return reference_to(await call.services.documents.create(document, file.content))


def _decoded(decode: Any, text: bytes) -> Any:
    try:
        return decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as fault:
        raise bad_request(f"Failed to read request: expected metadata as JSON, but found a fault: {fault}") from None


def _listed(text: bytes) -> list[Metadata]:
    """Read the metadata of several files: an array, or one object of several parts."""
    found: list[Metadata] = (
        _decoded(_read_all_metadata, text) if text.lstrip().startswith(b"[") else [_decoded(_read_metadata, text)]
    )
    return found


def _expiry(at: datetime | None) -> int:
    if at is None:
        return 0
    if at.tzinfo is None:
        raise invalid("The value for expiresAt must be a date-time with an offset.")
    return max((at - _EPOCH) // timedelta(milliseconds=1), 1)


def _check_store(query: Mapping[str, list[str]]) -> None:
    require_store(query.get("storeId", [STORE_ID])[-1])


def _hash_in(query: Mapping[str, list[str]]) -> str | None:
    return query["contentHash"][-1] if "contentHash" in query else None
