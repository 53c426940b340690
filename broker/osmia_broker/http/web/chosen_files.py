"""A file that a person chose in a form.

It is stored as a document before the form itself is sent, by a request of its own; the form then sends the reference. A document that nothing
follows stays: the person may try again, and need not send it twice.
"""

import msgspec
from starlette.responses import PlainTextResponse, Response

from osmia_broker.base.errors import OsmiaError
from osmia_broker.calls.stored_documents import BINARY
from osmia_broker.http.document_references import reference_to
from osmia_broker.http.problem import status_and_title
from osmia_broker.http.web.visit import Visit
from osmia_broker.store.documents import Document

NAME_CHARACTERS_MAX = 255  # of most file systems


async def store_chosen(visit: Visit, process_id: str, process_instance_key: int = 0) -> Response:
    """Store the body of the request as a document of a process, and perhaps of its instance; answer with the reference, or why not."""
    name = visit.asked("name")
    if not 0 < len(name) <= NAME_CHARACTERS_MAX:
        text = f"Expected a file name of 1 to {NAME_CHARACTERS_MAX} characters, but found {len(name)}"
        return PlainTextResponse(text, 400)
    document = Document(
        id="",
        content_hash="",
        content_type=visit.request.headers.get("content-type", "") or BINARY,
        file_name=name,
        size=0,
        process_definition_id=process_id,
        process_instance_key=process_instance_key,
    )
    try:
        stored = await visit.site.services.documents.create(document, await visit.request.body())
    except OsmiaError as refusal:
        return PlainTextResponse(f"{refusal} (Request {visit.id})", status_and_title(refusal)[0])
    return Response(msgspec.json.encode(reference_to(stored)), 201, media_type="application/json")
