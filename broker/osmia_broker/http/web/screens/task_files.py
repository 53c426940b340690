"""Files of a task: those that a person chooses in its form, and those that its variables refer to."""

from starlette.responses import PlainTextResponse, Response

from osmia_broker.base.errors import NotFound, OsmiaError
from osmia_broker.calls.stored_documents import BINARY
from osmia_broker.http.document_references import disposition, media_type_of
from osmia_broker.http.problem import status_and_title
from osmia_broker.http.web.chosen_files import store_chosen
from osmia_broker.http.web.screen import action, screen
from osmia_broker.http.web.screens.task_actions import TASK, ended, whose
from osmia_broker.http.web.task_list import is_open
from osmia_broker.http.web.task_view import refers_to
from osmia_broker.http.web.visit import Visit

#: What a form may show of a document. Everything else is bytes to a browser: no page, no drawing with scripts, and nothing that a page could run.
SHOWN = frozenset(("application/pdf", *(f"image/{kind}" for kind in ("avif", "bmp", "gif", "jpeg", "png", "webp"))))


@action(TASK + "/documents")
async def store_file(visit: Visit, key: int) -> Response:
    """Store the body of the request as a document of a task that the person may complete; answer with its reference, or why not."""
    try:
        item = await visit.tasks.item(key, "complete")
    except OsmiaError as refusal:
        return PlainTextResponse(f"{refusal} (Request {visit.id})", status_and_title(refusal)[0])
    if not is_open(item):
        return PlainTextResponse(ended(item), 409)
    if item["state"] == "COMPLETING":
        return PlainTextResponse("This task is being completed already.", 409)
    if item["assignee"] != visit.person.user:  # before the body: nobody else may fill the memory or the disk
        return PlainTextResponse(f"Nothing was sent: {whose(item)}.", 403)
    return await store_chosen(visit, item["processDefinitionId"], int(item["processInstanceKey"]))


@screen(TASK + "/documents/{id}")
async def download_file(visit: Visit, key: int, id: str) -> Response:
    """Return a document that a variable of the task refers to."""
    await visit.tasks.require(key, "read the documents of")
    if not await refers_to(visit, key, id):
        raise NotFound("Expected a document that a variable of this task refers to, but found another")
    document, content = await visit.site.services.documents.get(id)
    headers = {"content-disposition": disposition(document), "cache-control": "no-store"}
    kind = media_type_of(document)
    return Response(content, headers=headers, media_type=kind if kind in SHOWN else BINARY)
