"""The BPMN file of a definition, for diagrams."""

import asyncio
from collections import OrderedDict

from starlette.responses import Response

from osmia_broker.base.untrusted_xml import Unreadable, in_utf8
from osmia_broker.http.web.screen import screen
from osmia_broker.http.web.visit import Visit
from osmia_broker.model.diagrams import with_diagram
from osmia_broker.store.read.deployed import files
from osmia_broker.store.read.entities import PROCESS_DEFINITIONS
from osmia_broker.store.read.search.search import get

DRAWN_MAX = 16  # files in memory, with the layout that they were given; most are below 100 kB
HEADERS = {
    "cache-control": "no-cache",  # another data directory has other files under the same keys
    "content-security-policy": "sandbox",  # a file is shown as text, whatever stands in it
}

_drawn: "OrderedDict[tuple[int, str], bytes]" = OrderedDict()  # by the hash of the content, and the process id


@screen("/processes/{key:int}/xml")
async def show_xml(visit: Visit, key: int) -> Response:
    """Answer with the file of a definition. A process without diagram data gets a layout."""
    definition = await get(visit.reader, PROCESS_DEFINITIONS, key, "process definition")
    found = await files.content_of(visit.reader, "process definition", key)
    content = await _with_diagram(in_utf8(found.content), definition["processDefinitionId"])
    return Response(content, media_type="application/xml", headers=HEADERS)


async def _with_diagram(content: bytes, process_id: str) -> bytes:
    place = (hash(content), process_id)
    if place not in _drawn:
        try:
            _drawn[place] = await asyncio.to_thread(with_diagram, content, process_id)
        except Unreadable:  # an older Osmia took it
            return content
        while len(_drawn) > DRAWN_MAX:
            _drawn.popitem(last=False)
    _drawn.move_to_end(place)
    return _drawn[place]
