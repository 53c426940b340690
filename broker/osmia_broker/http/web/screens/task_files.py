"""Files of a task: those that a person chooses in its form, and those that its variables refer to.

A chosen file is stored as a document before the task is completed, one request for each; the form then sends the reference. A document that
no completion follows stays: the person may try again, and need not send it twice.
"""

import msgspec
from starlette.responses import PlainTextResponse, Response

from osmia_broker.errors import NotFound, OsmiaError
from osmia_broker.http.document_references import BINARY, disposition, media_type_of, reference_to
from osmia_broker.http.problem import status_and_title
from osmia_broker.http.web.screen import action, screen
from osmia_broker.http.web.screens.task_actions import TASK, ended, whose
from osmia_broker.http.web.task_list import is_open
from osmia_broker.http.web.task_view import refers_to
from osmia_broker.http.web.visit import Visit
from osmia_broker.store.documents import Document

FILE_NAME_CHARACTERS = 255  # of most file systems


@action(TASK + "/documents")
async def store_file(visit: Visit, key: int) -> Response:
    """Store the body of the request as a document of a task that the person may complete; answer with its reference, or why not."""
    name = visit.asked("name")
    if not 0 < len(name) <= FILE_NAME_CHARACTERS:
        text = f"Expected a file name of 1 to {FILE_NAME_CHARACTERS} characters, but found {len(name)}"
        return PlainTextResponse(text, 400)
    try:
        item = await visit.tasks.item(key, "complete")
        if not is_open(item):
            return PlainTextResponse(ended(item), 409)
        if item["state"] == "COMPLETING":
            return PlainTextResponse("This task is being completed already.", 409)
        if item["assignee"] != visit.person.user:  # before the body: nobody else may fill the memory or the disk
            return PlainTextResponse(f"Nothing was sent: {whose(item)}.", 403)
        document = Document(
            id="",
            content_hash="",
            content_type=visit.request.headers.get("content-type", "") or BINARY,
            file_name=name,
            size=0,
            process_definition_id=item["processDefinitionId"],
            process_instance_key=int(item["processInstanceKey"]),
        )
        stored = await visit.site.services.documents.create(document, await visit.request.body())
    except OsmiaError as refusal:
        return PlainTextResponse(f"{refusal} (Request {visit.id})", status_and_title(refusal)[0])
    return Response(msgspec.json.encode(reference_to(stored)), 201, media_type="application/json")


@screen(TASK + "/documents/{id}")
async def download_file(visit: Visit, key: int, id: str) -> Response:
    """Return a document that a variable of the task refers to."""
    await visit.tasks.require(key, "read the documents of")
    if not await refers_to(visit, key, id):
        raise NotFound("Expected a document that a variable of this task refers to, but found another")
    document, content = await visit.site.services.documents.get(id)
    headers = {"content-disposition": disposition(document), "cache-control": "no-store"}
    return Response(content, headers=headers, media_type=media_type_of(document))
