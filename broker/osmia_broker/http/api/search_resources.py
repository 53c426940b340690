"""Searches for deployed resources, their content, and forms."""

import mimetypes

from osmia_broker.base import text_files
from osmia_broker.base.untrusted_xml import in_utf8
from osmia_broker.http.operation import JSON, XML, Call, Reply, operation
from osmia_broker.http.searching import serve_get, serve_search
from osmia_broker.http.seen import FormItem
from osmia_broker.http.types import Key
from osmia_broker.store.read.deployed import files

TAG, FORM_TAG = "Resource", "Form"
RESOURCE = "/resources/{resourceKey}"
TEXT, BINARY = "text/plain", "application/octet-stream"
MEDIA_TYPES = {"bpmn": XML, "dmn": XML, "xml": XML, "form": JSON}

serve_search(
    "/resources/search",
    name="search_resources",
    tag=TAG,
    summary="Search deployed resources, in all versions.",
)
serve_get(RESOURCE, name="get_resource", tag=TAG)


@operation("GET", RESOURCE + "/content", tag=TAG, gives="*/*")
async def get_resource_content(call: Call, resource_key: Key) -> Reply:
    """Return the deployed file."""
    found = await files.content_of(call.reader, "resource", resource_key)
    ending = found.name.rpartition(".")[2].lower()
    media_type = MEDIA_TYPES.get(ending) or mimetypes.guess_type(found.name)[0] or TEXT
    content = found.content
    if media_type == XML:
        content = in_utf8(content)
    elif media_type == JSON:  # it travels in UTF-8, without a byte order mark (RFC 8259, 8.1)
        content = text_files.decoded(content, errors="replace").encode()
    return Reply(body=content, media_type=media_type)


@operation("GET", RESOURCE + "/content/binary", tag=TAG, gives=BINARY)
async def get_resource_content_binary(call: Call, resource_key: Key) -> Reply:
    """Return the deployed file as bytes."""
    found = await files.content_of(call.reader, "resource", resource_key)
    return Reply(body=found.content, media_type=BINARY)


@operation("GET", "/forms/{formKey}", tag=FORM_TAG)
async def get_form_by_key(call: Call, form_key: Key) -> FormItem | None:
    """Return a deployed form."""
    return FormItem.of(await files.form(call.reader, form_key))
