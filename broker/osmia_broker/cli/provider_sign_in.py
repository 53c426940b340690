"""Sign a person in at an OpenID Connect provider from a terminal: by a code that is typed in a browser anywhere (RFC 8628), or in a browser here.

A browser here comes back to an address of this machine (RFC 8252), with PKCE (RFC 7636). Which way is taken is up to the provider: a code, if it
offers that.
"""

import hashlib
import http.client
import time
import urllib.error
import urllib.request
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from secrets import token_urlsafe
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec

from osmia_broker.base.addresses import is_safe_url
from osmia_broker.base.discovery import Document, document_url
from osmia_broker.cli.failures import Exit, Failure

SCOPE = "openid profile email offline_access"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
TIMEOUT_S, SIGN_IN_S = 20.0, 300.0  # of one answer; of a person
ANSWER_BYTES_MAX = 1024**2
POLL_S = 5.0  # between two questions, if the provider does not say it
THANKS = (
    b"<!doctype html><title>Osmia</title><p>You are signed in. You can close this window, and go on in the terminal."
)
SORRY = b"<!doctype html><title>Osmia</title><p>This is not the sign-in that the terminal waits for."
T = TypeVar("T")


class _Device(msgspec.Struct):
    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str = ""
    expires_in: float = SIGN_IN_S
    interval: float = POLL_S


class _Answer(msgspec.Struct):
    access_token: str = ""
    id_token: str = ""
    refresh_token: str = ""
    expires_in: float = 0.0
    error: str = ""
    error_description: str = ""


@dataclass(frozen=True, slots=True)
class Granted:
    """The tokens of a person. *expires_s* is epoch; 0 if the provider does not say it."""

    access_token: str = field(repr=False)
    id_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_s: float

    @property
    def tokens(self) -> list[str]:
        """Those that a broker may take: the access token first; it is no use if only the provider can read it."""
        return [one for one in (self.access_token, self.id_token) if one.count(".") == 2]


def discover(issuer: str) -> Document:
    """Return the addresses of a provider.

    Raises:
        Failure: USAGE, the address is not safe; UNREACHABLE, the provider does not answer as it must.
    """
    if not is_safe_url(issuer):
        raise Failure(
            Exit.USAGE, f"Expected an issuer that begins with https://, but found '{issuer[:200]}'.", code="USAGE"
        )
    document = _asked(document_url(issuer), None, Document)
    try:
        document.check(issuer, "token_endpoint")
    except ValueError as wrong:
        raise _unusable(issuer, str(wrong)) from wrong
    return document


def sign_in(document: Document, client_id: str, *, show: Callable[[str], None], opens: Callable[[str], Any]) -> Granted:
    """Sign a person in. *show* writes to them; *opens* opens an address in a browser here.

    Raises:
        Failure: NOT_ALLOWED, they or the provider refused; TIMED_OUT; UNREACHABLE, the provider does not answer as it must.
    """
    if document.device_authorization_endpoint:
        return _by_code(document, client_id, show, opens)
    if document.authorization_endpoint:
        return _by_browser(document, client_id, show, opens)
    raise _unusable(document.issuer, "it offers no way to sign in from a terminal")


def renew(token_url: str, client_id: str, refresh_token: str) -> Granted:
    """Return new tokens for a refresh token.

    Raises:
        Failure: NOT_ALLOWED, the provider refuses; UNREACHABLE, it does not answer as it must.
    """
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": client_id}
    answer = _asked(token_url, form, _Answer)
    granted = _granted(answer)
    return (
        granted
        if granted.refresh_token
        else Granted(granted.access_token, granted.id_token, refresh_token, granted.expires_s)
    )


# --- a code that is typed anywhere


def _by_code(document: Document, client_id: str, show: Callable[[str], None], opens: Callable[[str], Any]) -> Granted:
    device = _asked(document.device_authorization_endpoint, {"client_id": client_id, "scope": SCOPE}, _Device)
    show(f"Open {device.verification_uri} in a browser, on any machine, and enter the code {device.user_code}")
    opens(device.verification_uri_complete or device.verification_uri)
    form = {"grant_type": DEVICE, "device_code": device.device_code, "client_id": client_id}
    end_s, pause_s = time.monotonic() + min(device.expires_in, SIGN_IN_S), device.interval
    while time.monotonic() < end_s:
        time.sleep(pause_s)
        answer = _asked(document.token_endpoint, form, _Answer)
        if answer.error == "slow_down":
            pause_s += POLL_S
        elif answer.error != "authorization_pending":
            return _granted(answer)
    raise Failure(Exit.TIMED_OUT, "Nobody entered the code in time.", code="TIMED_OUT")


# --- a browser on this machine


class _Callback(HTTPServer):
    """Waits for the browser at an address of this machine."""

    def __init__(self, state: str) -> None:
        super().__init__(("127.0.0.1", 0), _CallbackHandler)
        self.state = state
        self.query: dict[str, str] | None = None
        self.timeout = 1.0


class _CallbackHandler(BaseHTTPRequestHandler):
    server: _Callback
    # For the request of a connection: browsers open some that they do not use, and this server has one thread.
    timeout = 2.0

    def do_GET(self) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        is_ours = query.get("state") == self.server.state
        if is_ours:
            self.server.query = query
        content = THANKS if is_ours else SORRY
        self.send_response(200 if is_ours else 404)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Log nothing: the address has the code."""


def _by_browser(
    document: Document, client_id: str, show: Callable[[str], None], opens: Callable[[str], Any]
) -> Granted:
    state, verifier = token_urlsafe(24), token_urlsafe(48)
    with _Callback(state) as callback:
        redirect_uri = f"http://127.0.0.1:{callback.server_address[1]}/"
        question = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "scope": SCOPE,
            "state": state,
            "code_challenge": urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        separator = "&" if urlsplit(document.authorization_endpoint).query else "?"
        url = f"{document.authorization_endpoint}{separator}{urlencode(question)}"
        show(f"Sign in with a browser on this machine: {url}")
        opens(url)
        end_s = time.monotonic() + SIGN_IN_S
        while callback.query is None and time.monotonic() < end_s:
            callback.handle_request()
    query = callback.query
    if query is None:
        raise Failure(Exit.TIMED_OUT, "Nobody signed in in time.", code="TIMED_OUT")
    if query.get("iss", document.issuer) != document.issuer:  # RFC 9207
        raise _refused("the answer came from another provider")
    if not query.get("code"):
        raise _refused(query.get("error_description") or query.get("error") or "no code")
    form = {
        "grant_type": "authorization_code",
        "code": query["code"],
        "redirect_uri": redirect_uri,
        "client_id": client_id,
        "code_verifier": verifier,
    }
    return _granted(_asked(document.token_endpoint, form, _Answer))


# --- the provider's answers


def _granted(answer: _Answer) -> Granted:
    if not answer.access_token:
        raise _refused(answer.error_description or answer.error or "no token")
    expires_s = time.time() + answer.expires_in if answer.expires_in else 0.0
    return Granted(answer.access_token, answer.id_token, answer.refresh_token, expires_s)


def _refused(reason: str) -> Failure:
    return Failure(
        Exit.NOT_ALLOWED,
        "The provider did not sign you in.",
        why=reason[:200],
        mend="osmia login",
        code="UNAUTHENTICATED",
    )


def _unusable(place: str, reason: str) -> Failure:
    return Failure(
        Exit.UNREACHABLE,
        f"The provider at {place} cannot be used.",
        why=reason[:300],
        mend="osmia login --issuer URL",
        code="UNAVAILABLE",
    )


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: it could lead secrets to another host."""

    def redirect_request(self, *_args: Any) -> None:
        return None


def _asked(url: str, form: Mapping[str, str] | None, type: type[T]) -> T:
    """Return the answer at *url*, that to *form* also when it is a refusal."""
    if not is_safe_url(url):
        raise _unusable(url[:200], "the address does not begin with https://")
    headers = {"accept": "application/json", "user-agent": "osmia"}
    data = urlencode(form).encode() if form is not None else None
    request = urllib.request.Request(url, data=data, headers=headers)  # noqa: S310 - the scheme is checked by is_safe_url
    try:
        content = _content(request, takes_refusals=form is not None)
        return msgspec.json.decode(content[:ANSWER_BYTES_MAX], type=type)
    except (OSError, ValueError, http.client.HTTPException, msgspec.DecodeError) as error:
        raise _unusable(url, str(getattr(error, "reason", None) or error)) from None


def _content(request: urllib.request.Request, *, takes_refusals: bool) -> bytes:
    try:
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=TIMEOUT_S) as answer:
            return bytes(answer.read(ANSWER_BYTES_MAX + 1))
    except urllib.error.HTTPError as refusal:
        with refusal:
            if not takes_refusals or refusal.code not in (400, 401, 403, 428, 429):
                raise
            return refusal.read(ANSWER_BYTES_MAX + 1)
