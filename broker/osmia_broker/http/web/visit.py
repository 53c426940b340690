"""One request of a browser: who it is, what it asks, and the ways to answer it."""

import asyncio
import gzip
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from jinja2 import Environment
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from osmia_broker.base.addresses import local_path
from osmia_broker.calls import Caller, Calls
from osmia_broker.calls.tasks.own_lists import COUNTED_ROWS, TaskLists
from osmia_broker.calls.tasks.proposals import Undecided
from osmia_broker.calls.tasks.readable import ReadableTasks
from osmia_broker.http.operation import Services
from osmia_broker.http.web.assets import Assets
from osmia_broker.http.web.live import Live
from osmia_broker.http.web.person import Person, Said, packed_message, unpacked
from osmia_broker.http.web.rendering import render
from osmia_broker.model.diagrams import FlowNode
from osmia_broker.store.read import Reader
from osmia_broker.store.read.entities import AUDIT_LOGS, INCIDENTS, USER_TASKS
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.search import Found, Search, orders, search

SAID = "osmia_said"  #: the cookie with the message for the next page
SAID_SECONDS = 60
NOTHING_SAID = Said()
LIVE = "osmia-live"  #: the header of a request for the regions that changed; the person did not ask for it
THEME = "osmia_theme"
THEMES = ("system", "light", "dark")
PAGE_ITEMS = 50
FIELDS_MAX = 20_000  # that one request may send
URLENCODED = "application/x-www-form-urlencoded"
LARGE_BODY_BYTES = 65_536
BAD_REQUEST = 400
COMPRESSED_FROM = 1_500  # bytes; a shorter page fits one packet
# The level of gzip: a list of 43 kB becomes 5.3 kB in 0.25 ms of CPU. Level 6 saves 0.4 kB more and takes twice the time.
COMPRESSION = 3

Filter = dict[str, Any]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Site:
    """The things that all requests share."""

    services: Services
    templates: Environment
    assets: Assets
    live: Live
    now_ms: Callable[[], int]
    #: The elements of definitions by their ids, by the definition's key. `instance_view` bounds it.
    models: "OrderedDict[int, dict[str, FlowNode]]" = field(default_factory=OrderedDict)


@dataclass(slots=True)
class Visit:
    """A request of *person*. A screen reads it and returns a response."""

    request: Request
    site: Site
    person: Person
    id: str  # of the request: alerts name it, and the log does
    position: str  # of the live updates, before anything was read
    _form: FormData | None = None  # the fields that were sent, once they are read

    # --- the question

    @property
    def calls(self) -> Calls:
        """The calls that every door offers, as those of the person: the audit log has who did what."""
        return self.site.services.calls.by(self.caller)

    @property
    def reader(self) -> Reader:
        """The read side."""
        return self.site.services.reader

    @property
    def caller(self) -> Caller:
        """The person, as the caller of a call."""
        return self.person.caller()

    @property
    def tasks(self) -> ReadableTasks:
        """The user tasks that the person may read."""
        return ReadableTasks(self.reader, self.calls.user_tasks.actor(self.caller))

    @property
    def undecided(self) -> Undecided:
        """The calls about proposals, and about what can be taken back."""
        return Undecided(self.calls.user_tasks, self.reader)

    @property
    def lists(self) -> TaskLists:
        """The task lists of the person."""
        return TaskLists(self.reader, self.calls.user_tasks.actor(self.caller), self.now_ms)

    @property
    def now_ms(self) -> int:
        """The time of the broker, in epoch milliseconds."""
        return self.site.now_ms()

    @property
    def is_secure(self) -> bool:
        """Whether the request came over TLS."""
        return self.request.url.scheme == "https"

    @property
    def address(self) -> str:
        """The path and query of this request."""
        url = self.request.url
        return f"{url.path}?{url.query}" if url.query else url.path

    @property
    def is_fragment(self) -> bool:
        """Whether htmx asks, to swap a part of the page that is open."""
        return "hx-request" in self.request.headers

    def asked(self, name: str, default: str = "") -> str:
        """Return a parameter of the address, without blanks around it."""
        return self.request.query_params.get(name, default).strip()

    async def form(self) -> FormData:
        """Read the fields that were sent: those of a large body in a thread, so that others are served meanwhile."""
        if self._form is None:
            media_type = self.request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if media_type == URLENCODED and len(await self.request.body()) > LARGE_BODY_BYTES:
                self._form = await asyncio.to_thread(_fields, await self.request.body())
            else:
                self._form = await self.request.form(
                    max_files=200, max_fields=FIELDS_MAX, max_part_size=self.site.services.body_bytes_max
                )
        return self._form

    async def field(self, name: str, default: str = "") -> str:
        """Return one field that was sent, as it was typed; *default* if it is missing or a file."""
        value = (await self.form()).get(name, default)
        return default if isinstance(value, UploadFile) else value

    async def fields(self, name: str) -> list[str]:
        """Return all values of a field that was sent."""
        return [value for value in (await self.form()).getlist(name) if isinstance(value, str)]

    async def search(
        self,
        entity: Entity,
        filter: Filter | None = None,
        *,
        sort: tuple[str, ...] = (),
        limit: int = PAGE_ITEMS,
        after: str = "",
        before: str = "",
    ) -> Found:
        """Find a page of items that the person may read. A field of *sort* that begins with `-` is in descending order.

        Raises:
            InvalidArgument: the filter or a cursor is wrong.

        """
        place = {"after": after} if after else {"before": before} if before else {}
        asked = Search(filter or {}, orders(sort), {"limit": limit, **place})
        scopes = {USER_TASKS: self.tasks.scope, AUDIT_LOGS: self.tasks.log_scope}
        return await search(self.reader, entity, asked, scope=scopes.get(entity), total_max=COUNTED_ROWS)

    # --- the answer

    async def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """Answer with a page. It shows the message of *values* (`alert` or `done`), else the one that the last answer left, once."""
        if status >= BAD_REQUEST or values.get("alert"):
            self.note_refusal()
        said = self._said(values)
        incidents = await self.search(INCIDENTS, {"state": "ACTIVE"}, limit=1) if self.person.user else None
        values |= {
            "visit": self,
            "person": self.person,
            "said": said,
            "is_refused": status >= BAD_REQUEST or said.kind == "alert",
            "theme": self.theme,
            "asset": self.site.assets.address,
            "now_ms": self.now_ms,
            "open_incidents": incidents.total if incidents else 0,
            "request_id": self.id,
        }
        response = self._html(render(self.site.templates, template, values), status)
        response.headers["cache-control"] = "no-store"
        if SAID in self.request.cookies and not self._is_live:
            response.delete_cookie(SAID)
        return response

    def _html(self, text: str, status: int) -> Response:
        """Make the response of a page, compressed if the browser takes that: lists repeat themselves, so a tenth of the bytes is left.

        A page holds no secret beside what a stranger may have typed into it, so its length tells nobody anything.
        """
        content = text.encode()
        if len(content) < COMPRESSED_FROM or "gzip" not in self.request.headers.get("accept-encoding", ""):
            return HTMLResponse(content, status, {"vary": "accept-encoding"})
        compressed = gzip.compress(content, COMPRESSION, mtime=0)
        return HTMLResponse(compressed, status, {"content-encoding": "gzip", "vary": "accept-encoding"})

    def with_query(self, path: str = "/tasks") -> str:
        """Return the address of *path* with the query of this request."""
        query = self.request.url.query
        return f"{path}?{query}" if query else path

    def go(self, address: str, *, status: str = "", alert: str = "", undo: str = "") -> Response:
        """Send the browser to *address*, with a message that the next page shows: of success (*status*) or of refusal (*alert*).

        *undo*, if given, is the address to which a button `Undo` beside the message posts.
        """
        response = RedirectResponse(local_path(address), 303)
        if alert:
            self.note_refusal()
        said = Said("alert", alert, undo, self.id) if alert else Said("status", status, undo)
        if said.text:
            response.set_cookie(SAID, packed_message(said), max_age=SAID_SECONDS, httponly=True, samesite="lax")
        return response

    @property
    def theme(self) -> str:
        """The look that was chosen."""
        chosen = self.request.cookies.get(THEME, "")
        return chosen if chosen in THEMES else THEMES[0]

    @property
    def _is_live(self) -> bool:
        """Whether the page asks for changed regions only. It shows no message then, so one that waits for the next page is left for that page."""
        return LIVE in self.request.headers

    def note_refusal(self) -> None:
        """Let the log have the request whose id the person is told."""
        log.debug("page refused", extra={"path": self.request.url.path, "request_id": self.id})

    def _said(self, values: Mapping[str, Any]) -> Said:
        """Return the message to show: one that this answer brings itself, or one that the last answer left."""
        if values.get("alert"):
            return Said("alert", str(values["alert"]), request_id=self.id)
        if values.get("done"):
            return Said("status", str(values["done"]))
        if self._is_live:
            return NOTHING_SAID
        try:
            said = unpacked(self.request.cookies.get(SAID, ""), Said)
        except ValueError:
            return NOTHING_SAID
        if said.kind not in ("alert", "status"):
            return NOTHING_SAID
        return said._replace(undo=local_path(said.undo)) if said.undo else said


def _fields(body: bytes) -> FormData:
    """Read the fields of a body as browsers write it.

    Raises:
        MultiPartException: there are too many.

    """
    if body.count(b"&") >= FIELDS_MAX:
        raise MultiPartException(f"Too many fields. Maximum number of fields is {FIELDS_MAX}.")
    found: list[tuple[str, str | UploadFile]] = []
    found += parse_qsl(body.decode("latin-1"), keep_blank_values=True, errors="replace")
    return FormData(found)


def address_of(path: str, **parameters: object) -> str:
    """Write an address with those parameters that are neither empty nor None."""
    given = {name: value for name, value in parameters.items() if value not in ("", None)}
    return f"{path}?{urlencode(given)}" if given else path
