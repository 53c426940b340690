"""Ask an OpenID Connect provider for its addresses, for the keys that its tokens are signed with, and for the token of a sign-in.

Keys are kept for ten minutes, so a key that the provider has withdrawn is soon refused. A token with a key that is not there makes
the broker ask again, but not sooner than ten seconds after the last answer: tokens can be made up. All callers share one question, and
those whose key is kept do not wait long for it: a provider that hangs holds up nobody who is known.
"""

import asyncio
import http.client
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from osmia_broker import __version__
from osmia_broker.base.addresses import is_safe_url
from osmia_broker.base.discovery import Document, document_url
from osmia_broker.base.errors import Unauthenticated, Unavailable
from osmia_broker.base.system_errors import in_words

KEYS_FRESH_S = 600
PAUSE_S = 10  # between two questions that a caller can cause
TIMEOUT_S = 10
PATIENCE_S = 1.0  # with a question, of a caller whose key is kept but no longer fresh
ANSWER_BYTES_MAX = 1024**2

#: The algorithms that a key of each type may have signed with. There is no "none", and none with a shared secret: a public key
#: would be taken for the secret.
ALGORITHMS = {
    "RSA": frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    "EC": frozenset({"ES256", "ES384", "ES512"}),
    "OKP": frozenset({"EdDSA"}),
}


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


class _Redeemed(msgspec.Struct):
    id_token: str = ""
    error: str = ""
    error_description: str = ""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key, and the algorithms that it may have signed with."""

    key: Any
    algorithms: frozenset[str]


@dataclass(frozen=True, slots=True)
class Client:
    """The broker's page as the provider knows it."""

    id: str
    secret: str


class Provider:
    """The provider at *issuer*. *now_s* is a clock that never goes back."""

    def __init__(self, issuer: str, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self.issuer = issuer
        self._now_s = now_s
        self._document: Document | None = None
        self._keys: dict[str, Key] = {}
        self._answered_s = float("-inf")  # when the last question ended, whatever its outcome
        self._is_fresh_until_s = float("-inf")
        self._failure = ""
        self._question: asyncio.Task[None] | None = None  # that has no answer yet
        self._begun_s = 0.0  # when it was asked, by the clock of the loop

    async def document(self) -> Document:
        """Return the addresses.

        Raises:
            Unavailable: the provider does not answer as it must.
        """
        if self._document is None:
            await self._refreshed()
        assert self._document is not None, "a refresh that returns has read it"
        return self._document

    async def sign_in_page(self) -> str:
        """Return the address at which people sign in.

        Raises:
            Unavailable: the provider does not answer as it must.
        """
        try:
            return self._safe((await self.document()).authorization_endpoint, "authorization_endpoint")
        except ValueError as error:
            raise Unavailable(f"Expected the issuer {self.issuer} to sign people in, but {error}") from None

    async def key(self, id: str) -> Key:
        """Return the key *id*; if it is empty, the only key that there is.

        Raises:
            Unauthenticated: there is no such key.
            Unavailable: the provider does not answer as it must.
        """
        found = self._found(id)
        if found is None or self._now_s() >= self._is_fresh_until_s:
            await self._refreshed(None if found is None else PATIENCE_S)
            found = self._found(id)
        if found is None:
            named = (
                "a token with the id of one of several keys" if not id else "a token signed with a key of the issuer"
            )
            raise Unauthenticated(f"Expected {named} {self.issuer}, but found another")
        return found

    async def redeem(self, form: Mapping[str, str], client: Client) -> str:
        """Return the id token for the code in *form*.

        Raises:
            Unauthenticated: the provider refuses.
            Unavailable: it does not answer as it must.
        """
        document = await self.document()
        headers = {}
        if client.secret:  # both parts are form-encoded first (RFC 6749, section 2.3.1)
            pair = f"{quote(client.id, safe='')}:{quote(client.secret, safe='')}"
            headers["authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        try:
            url = self._safe(document.token_endpoint, "token_endpoint")
            content = await asyncio.to_thread(_fetch, url, {**form, "client_id": client.id}, headers)
            answer = msgspec.json.decode(content, type=_Redeemed)
        except (OSError, ValueError, http.client.HTTPException, msgspec.DecodeError) as error:
            raise Unavailable(f"Expected a token from the issuer {self.issuer}, but found: {_words(error)}") from None
        if not answer.id_token:
            reason = answer.error_description or answer.error or "none"
            raise Unauthenticated(f"Expected an id token from the issuer {self.issuer}, but found: {reason[:200]}")
        return answer.id_token

    def _found(self, id: str) -> Key | None:
        if id:
            return self._keys.get(id)
        return next(iter(self._keys.values())) if len(self._keys) == 1 else None

    async def _refreshed(self, patience_s: float | None = None) -> None:
        """Wait until the addresses and the keys are read, at most until *patience_s* after they were asked for.

        Raises:
            Unavailable: there are none, and the provider does not answer, or has not within the last ten seconds.
        """
        if self._question is None and self._now_s() >= self._answered_s + PAUSE_S:
            loop = asyncio.get_running_loop()
            self._begun_s = loop.time()
            self._question = loop.create_task(self._ask())
        question = self._question
        if question is not None:
            waited_s = asyncio.get_running_loop().time() - self._begun_s
            left_s = None if patience_s is None else max(patience_s - waited_s, 0)
            await asyncio.wait({question}, timeout=left_s)  # a caller who leaves does not end it for the others
            if question.done():
                question.result()
        if self._failure and not self._keys:
            raise Unavailable(
                f"Expected the keys of the issuer {self.issuer}, but they cannot be read: {self._failure}"
            )

    async def _ask(self) -> None:
        """Read the addresses and the keys. If that fails, keys that were read before stay."""
        try:
            self._document, self._keys = await asyncio.to_thread(self._read)
        except (OSError, ValueError, http.client.HTTPException, msgspec.DecodeError) as error:
            self._failure = _words(error)
        else:
            self._failure = ""
            self._is_fresh_until_s = self._now_s() + KEYS_FRESH_S
        finally:
            self._answered_s = self._now_s()
            self._question = None

    def _read(self) -> tuple[Document, dict[str, Key]]:
        """Ask for the document, then for the keys. Runs in a thread, and loads the library of the tokens there."""
        document = msgspec.json.decode(_fetch(document_url(self.issuer)), type=Document)
        document.check(self.issuer, "jwks_uri")
        content = _fetch(self._safe(document.jwks_uri, "jwks_uri"))
        return document, _keys(msgspec.json.decode(content, type=_KeySet).keys)

    @staticmethod
    def _safe(url: str, name: str) -> str:
        if not is_safe_url(url):
            raise ValueError(f"its document has no {name} that begins with https://")
        return url


def _keys(described: list[dict[str, Any]]) -> dict[str, Key]:
    """Return the keys that sign tokens, by their ids. What this broker cannot use is passed over: providers add new kinds."""
    import jwt

    keys = {}
    for number, one in enumerate(described):
        algorithms = ALGORITHMS.get(str(one.get("kty")), frozenset())
        if "alg" in one:
            algorithms &= {str(one["alg"])}
        if algorithms and one.get("use", "sig") == "sig":
            try:
                key = jwt.PyJWK.from_dict({name: value for name, value in one.items() if name != "alg"}).key
            except (jwt.PyJWTError, ValueError):
                continue
            keys[str(one.get("kid") or f"\x00{number}")] = Key(key, algorithms)
    return keys


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: it could lead secrets to another host."""

    def redirect_request(self, *_args: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirects)


def _fetch(url: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None) -> bytes:
    """Return what is at *url*; the answer to *form*, if there is one, also when it is a refusal."""
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked by is_safe_url
        url,
        data=urlencode(form).encode() if form is not None else None,
        headers={"accept": "application/json", "user-agent": f"osmia/{__version__}", **(headers or {})},
    )
    try:
        with _opener.open(request, timeout=TIMEOUT_S) as answer:
            content: bytes = answer.read(ANSWER_BYTES_MAX + 1)
    except urllib.error.HTTPError as refusal:
        with refusal:
            if form is None or refusal.code not in (400, 401):
                raise
            content = refusal.read(ANSWER_BYTES_MAX + 1)
    if len(content) > ANSWER_BYTES_MAX:
        raise ValueError(f"an answer of more than {ANSWER_BYTES_MAX} bytes")
    return content


def _words(error: Exception) -> str:
    """Describe *error* without what was sent."""
    reason = getattr(error, "reason", None)
    return in_words(reason if isinstance(reason, OSError) else error)[:300]
