"""Documents: files that processes refer to."""

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec

from osmia_broker.base.errors import InvalidArgument, NotFound, OsmiaError
from osmia_broker.http.described import KEY, MOMENT, NUMBER, TEXT, FreeObject, properties, schema
from osmia_broker.http.document_references import BINARY, Reference, disposition, media_type_of, reference_to
from osmia_broker.http.operation import BASE, FILE, MULTIPART, Asked, Call, Reply, Upload, operation
from osmia_broker.http.problem import HttpRefusal, bad_request, invalid, status_and_title
from osmia_broker.http.types import Body, Item, Key, Long, Text, convert
from osmia_broker.store.documents import STORE_ID, Document
from osmia_broker.store.read.search.values import LATEST_MS, moment

TAG = "Document"
DOCUMENT = "/documents/{documentId}"
LINK_MS = 60 * 60 * 1000  # how long a link is good, unless the request says so
LINK_MS_MAX = 7 * 24 * 60 * 60 * 1000
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
        raise invalid(f"Expected metadata for each of {len(files)} files, but found {len(given)}.")
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
        await _check_signature(call, document_id, query)
    else:
        await call.require_caller()
    _check_store(query)
    document, content = await call.services.documents.get(document_id)
    _check_hash(document, query)
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
    lifetime_ms = LINK_MS if body is None or body.time_to_live is None else body.time_to_live
    if not 0 < lifetime_ms <= LINK_MS_MAX:
        raise invalid(f"The value for timeToLive is '{lifetime_ms}' but must be within the [1,{LINK_MS_MAX}] range.")
    documents = call.services.documents
    document = await documents.find(document_id)
    _check_hash(document, call.query)
    expires_ms = documents.now_ms() + lifetime_ms
    signature = await documents.signature(document_id, expires_ms)
    host = call.caller.metadata.get("host", "localhost")
    url = f"{call.scheme}://{host}{BASE}/documents/{document.id}?contentHash={document.content_hash}&expires={expires_ms}&signature={signature}"
    return Link(url=url, expires_at=moment(expires_ms) or "")


async def _create(call: Call, file: Upload, given: Metadata, id: str) -> Reference:
    document = Document(
        id=id,
        content_hash="",
        content_type=given.content_type or file.media_type or BINARY,
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
    expires_ms = (at - _EPOCH) // timedelta(milliseconds=1)
    if expires_ms > LATEST_MS:
        raise invalid("The value for expiresAt must be before the year 10000 in UTC.")
    return max(expires_ms, 1)


def _check_store(query: Mapping[str, list[str]]) -> None:
    wanted = query.get("storeId", [STORE_ID])[-1]
    if wanted != STORE_ID:
        raise InvalidArgument(f"Expected the document store '{STORE_ID}', but found '{wanted[:100]}'")


def _check_hash(document: Document, query: Mapping[str, list[str]]) -> None:
    wanted = query.get("contentHash", [document.content_hash])[-1]
    if wanted != document.content_hash:
        raise InvalidArgument(
            f"Expected document '{document.id}' to have the content hash of the request, but found another"
        )


async def _check_signature(call: Call, id: str, query: Mapping[str, list[str]]) -> None:
    documents = call.services.documents
    expires = query.get("expires", [""])[-1]
    is_good = expires.isascii() and expires.isdigit() and len(expires) <= 18
    if is_good:
        expected = await documents.signature(id, int(expires))
        is_good = hmac.compare_digest(expected.encode(), query["signature"][-1].encode("utf-8", "replace"))
    if not is_good:
        raise HttpRefusal(403, "FORBIDDEN", "Expected the signature of a link that was given out, but found another")
    if int(expires) <= documents.now_ms():
        raise NotFound("Expected a link that is still good, but its time is over")
