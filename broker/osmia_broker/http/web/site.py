"""The ASGI application of the page: finds the screen of an address, and sees to what all of them owe: safety, refusals, counts."""

import importlib
import logging
import pkgutil
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import Any

from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Match, Route

from osmia_broker.base.errors import NotFound, OsmiaError
from osmia_broker.base.whole_numbers import INT64_MAX
from osmia_broker.http.operation import Services
from osmia_broker.http.origin import SAFE_METHODS, is_foreign, split
from osmia_broker.http.problem import status_and_title
from osmia_broker.http.web import screens
from osmia_broker.http.web.assets import Asset, Assets
from osmia_broker.http.web.live import Live, read_topics
from osmia_broker.http.web.person import COOKIE, Person, person_of
from osmia_broker.http.web.refusals import in_words
from osmia_broker.http.web.rendering import environment
from osmia_broker.http.web.screen import SCREENS, Registered
from osmia_broker.http.web.visit import Site, Visit, address_of
from osmia_broker.metrics import HttpCounters

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

UNKNOWN = "unknown"
ASSETS = "/assets/"
EVENTS = "/events"
LOGIN = "/login"
NOBODY = Person("")  # at the door
FOREVER = "public, max-age=31536000, immutable"
EVENT_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}  # nginx gathers an answer, unless this says no
KEY_MAX = INT64_MAX
STRANGER_BYTES_MAX = 65_536  # of a body of somebody who has not signed in: a name and a password

#: bpmn-js and form-js set styles on elements, and form-js carries its fonts inside of its style sheet. It shows pictures and PDF files as blobs,
#: which only a script of the page can make; `task_files.SHOWN` says of what.
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "object-src blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
]

log = logging.getLogger(__name__)


class TooLarge(Exception):
    """The body of a request has more bytes than the broker takes."""


class WebApp:
    """Serves the page of a broker. Nothing of it is loaded before the first request."""

    def __init__(self, services: Services, counters: HttpCounters, live: Live, now_ms: Callable[[], int]) -> None:
        self._counters = counters
        self._site = Site(services, environment(), Assets(), live, now_ms)
        for module in pkgutil.iter_modules(screens.__path__):
            importlib.import_module(f"{screens.__name__}.{module.name}")
        self._routes = [
            (one, Route(one.path, one.handler, methods=["GET", "HEAD"] if one.method == "GET" else [one.method]))
            for one in SCREENS
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        begun, path = perf_counter(), scope["path"]
        request, route = Request(scope), UNKNOWN
        try:
            if path.startswith(ASSETS):
                route, response = ASSETS + "{name}", self._asset(request, path)
            elif path == EVENTS and request.method == "GET":
                route, response = EVENTS, self._events(request)
            else:
                person = self._person(request)
                most = self._site.services.body_bytes_max
                request = Request(scope, _bounded(receive, most if person else min(most, STRANGER_BYTES_MAX)))
                route, response = await self._answer(request, person)
        except ClientDisconnect:
            return
        except Exception:  # not even the page that reports a defect could be made
            log.exception("page failed", extra={"route": route})
            response = Response("The broker has a defect. Its log has more.", 500, media_type="text/plain")
        finally:
            await request.close()  # files that were sent
        self._counters.answered(route, request.method, str(response.status_code), perf_counter() - begun)
        await response(scope, receive, _with_headers(send))

    # --- screens

    async def _answer(self, request: Request, person: Person | None) -> tuple[str, Response]:
        visit = Visit(request, self._site, person or NOBODY, secrets.token_hex(4), self._site.live.position)
        found, values = self._find(request)
        route = found.path if found is not None else UNKNOWN
        try:
            return route, await self._shown(visit, found, values, is_known=person is not None)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - every request gets an answer
            return route, await self._refused(visit, error, route)

    @staticmethod
    async def _shown(visit: Visit, found: Registered | None, values: dict[str, Any], *, is_known: bool) -> Response:
        if is_foreign(visit.request.method, visit.request.headers):
            text = "This request came from another site, so it was refused. Open this page itself and try again."
            return await _failed(visit, 403, "Refused", text)
        if not is_known and (found is None or not found.is_open):
            if visit.is_fragment and not _reads(visit.request):  # the page that is open stays, with what was typed
                return Response("Sign in first", 401, media_type="text/plain")
            return visit.go(address_of(LOGIN, back=visit.address if _reads(visit.request) else ""))
        return await (_not_found(visit) if found is None else found.handler(visit, **values))

    async def _refused(self, visit: Visit, error: Exception, route: str) -> Response:
        """Answer a request that came to nothing. A refused action leads back to where it came from."""
        if isinstance(error, OsmiaError):
            if not _reads(visit.request):
                return _sent_back(visit, str(error))
            if isinstance(error, NotFound):
                return await _not_found(visit, in_words(str(error)))
            return await _failed(visit, status_and_title(error)[0], "That did not work", in_words(str(error)))
        if isinstance(error, TooLarge):
            most = self._site.services.body_bytes_max
            return await _failed(visit, 413, "Too large", f"At most {most:,} bytes can be sent at once.")
        if isinstance(error, MultiPartException):
            return await _failed(visit, 400, "That did not work", f"The form cannot be read: {error.message}")
        if isinstance(error, HTTPException):
            return await _failed(visit, error.status_code, "That did not work", str(error.detail))
        log.error("page failed", exc_info=error, extra={"route": route, "request_id": visit.id})
        text = f"The broker has a defect. Its log has more about the request {visit.id}."
        return await _failed(visit, 500, "Something went wrong", text)

    def _person(self, request: Request) -> Person | None:
        """Return who is at the browser; None if they have to sign in first."""
        sign_in = self._site.services.sign_in
        if sign_in is None:
            return person_of(request.cookies.get(COOKIE, ""))
        user = sign_in.user_of(request.headers.get("cookie", ""))
        return None if user is None else Person(user.name, user.groups, user)

    def _find(self, request: Request) -> tuple[Registered | None, dict[str, Any]]:
        """Return the screen, None if there is none, and the values in the address."""
        for one, route in self._routes:
            try:
                match, child = route.matches(request.scope)
            except ValueError:  # more digits than a number may have
                return None, {}
            if match is Match.FULL:
                values = child["path_params"]
                are_keys = all(value <= KEY_MAX for value in values.values() if isinstance(value, int))
                return one if are_keys else None, values
        return None, {}

    # --- what is not a screen

    def _asset(self, request: Request, path: str) -> Response:
        digest, _, name = path[len(ASSETS) :].partition("/")
        asset = self._site.assets.find(name)
        if asset is None or digest != self._site.assets.digest or request.method not in SAFE_METHODS:
            return Response("Not found", 404, media_type="text/plain")
        return _sent(asset, accepts_gzip="gzip" in request.headers.get("accept-encoding", ""))

    def _events(self, request: Request) -> Response:
        if self._person(request) is None:
            return Response("Sign in first", 401, media_type="text/plain")
        topics = read_topics(request.query_params.get("topics", ""))
        last = request.headers.get("last-event-id", request.query_params.get("after", ""))
        events = self._site.live.follow(topics, last)
        return StreamingResponse(events, media_type="text/event-stream", headers=EVENT_HEADERS)


def _sent(asset: Asset, *, accepts_gzip: bool) -> Response:
    headers = {"cache-control": FOREVER, "vary": "accept-encoding"}
    if accepts_gzip and asset.compressed is not None:
        headers["content-encoding"] = "gzip"
        return Response(asset.compressed, media_type=asset.media_type, headers=headers)
    return Response(asset.content, media_type=asset.media_type, headers=headers)


def _reads(request: Request) -> bool:
    return request.method in SAFE_METHODS


def _sent_back(visit: Visit, text: str) -> Response:
    """Send the browser back to the page on which an action was refused."""
    referrer = split(visit.request.headers.get("referer", ""))
    back = f"{referrer.path}?{referrer.query}" if referrer.query else referrer.path
    return visit.go(back or "/", alert=in_words(text))


async def _not_found(visit: Visit, text: str = "") -> Response:
    return await visit.page("not_found.html", status=404, text=text, lists=list_of(visit.request.url.path))


async def _failed(visit: Visit, status: int, heading: str, text: str) -> Response:
    return await visit.page("failed.html", status=status, heading=heading, text=text)


def list_of(path: str) -> tuple[str, str]:
    """Return the address and the name of the list that an unknown address was probably meant to be in."""
    part = path.strip("/").partition("/")[0]
    if part == "start":
        return "/start", "Start instance"
    known = ("processes", "instances", "incidents", "decisions", "deploy")
    return (f"/{part}", part.capitalize()) if part in known else ("/tasks", "Tasks")


def _with_headers(send: Send) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *HEADERS]
        await send(message)

    return sending


def _bounded(receive: Receive, bytes_max: int) -> Receive:
    taken = 0

    async def receiving() -> MutableMapping[str, Any]:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > bytes_max:
            raise TooLarge
        return message

    return receiving
