"""Sign a person in at their provider: the authorization code flow of OpenID Connect, with PKCE (RFC 7636).

`start` sends the browser to the provider and gives it a ticket, a signed cookie. `finish` takes what the browser brings back, once, and only from the
browser that has the ticket.
"""

import hashlib
import hmac
import logging
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from urllib.parse import urlencode, urlsplit

import msgspec

from osmia_broker.auth.provider import Client, Provider
from osmia_broker.auth.sessions import TICKET_S
from osmia_broker.auth.signing import Signer
from osmia_broker.auth.spent import SpentIds
from osmia_broker.auth.tokens import Tokens
from osmia_broker.auth.user import User
from osmia_broker.base.addresses import local_path
from osmia_broker.base.errors import Unauthenticated

USED_FILE = "osmia.used-sign-ins.json"  # in the data directory: tickets that somebody has signed in with
PURPOSE = "sign-in"
SCOPE = "openid profile email"
RETRY = "Expected the sign-in that this browser has begun, but found another; begin again"

log = logging.getLogger(__name__)


class _Ticket(msgspec.Struct, frozen=True):
    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    return_to: str
    expires_s: int


@dataclass(frozen=True, slots=True)
class Begun:
    """The address to send the browser to, and the ticket that it must bring back as a cookie."""

    url: str
    ticket: str


@dataclass(frozen=True, slots=True)
class Finished:
    """A person who has signed in, and the page that they wanted."""

    user: User
    return_to: str


class CodeFlow:
    """Signs people in for *client*, the broker's page at *provider*."""

    def __init__(
        self,
        provider: Provider,
        tokens: Tokens,
        client: Client,
        signer: Signer,
        used: Path,
        *,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._provider = provider
        self._tokens = tokens
        self._client = client
        self._signer = signer
        self._now_s = now_s
        self._used = SpentIds(used, now_s)

    async def start(self, redirect_uri: str, return_to: str) -> Begun:
        """Begin a sign-in. The provider sends the browser to *redirect_uri*, and it shall end at the page *return_to*.

        Raises:
            Unavailable: the provider does not answer.
        """
        url = await self._provider.sign_in_page()
        expires_s = int(self._now_s()) + TICKET_S
        ticket = _Ticket(
            token_urlsafe(24), token_urlsafe(24), token_urlsafe(48), redirect_uri, local_path(return_to), expires_s
        )
        challenge = urlsafe_b64encode(hashlib.sha256(ticket.verifier.encode()).digest()).rstrip(b"=").decode()
        question = {
            "response_type": "code",
            "client_id": self._client.id,
            "redirect_uri": redirect_uri,
            "scope": SCOPE,
            "state": ticket.state,
            "nonce": ticket.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        separator = "&" if urlsplit(url).query else "?"
        return Begun(f"{url}{separator}{urlencode(question)}", self._signer.sign(PURPOSE, msgspec.json.encode(ticket)))

    async def finish(self, query: Mapping[str, str], ticket: str) -> Finished:
        """Return who has signed in. *query* is what the provider gave the browser, *ticket* its cookie.

        Raises:
            Unauthenticated: the person or the provider refused, or this is not the sign-in that the browser has begun.
            Unavailable: the provider does not answer.
        """
        begun = self._opened(ticket)
        if begun is None or not hmac.compare_digest(query.get("state", "").encode(), begun.state.encode()):
            raise Unauthenticated(RETRY)
        if begun.state in self._used:
            raise Unauthenticated(RETRY)
        if query.get("iss", self._provider.issuer) != self._provider.issuer:  # RFC 9207
            raise Unauthenticated(RETRY)
        if not query.get("code"):
            reason = query.get("error_description") or query.get("error") or "no code"
            raise Unauthenticated(f"Expected the provider to sign you in, but it answered: {reason[:200]}")
        form = {
            "grant_type": "authorization_code",
            "code": query["code"],
            "redirect_uri": begun.redirect_uri,
            "code_verifier": begun.verifier,
        }
        claims = await self._tokens.claims(await self._provider.redeem(form, self._client), (self._client.id,))
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), begun.nonce.encode()):
            raise Unauthenticated(RETRY)
        self._use_once(begun)
        return Finished(self._tokens.person(claims), begun.return_to)

    def _opened(self, ticket: str) -> _Ticket | None:
        content = self._signer.open(PURPOSE, ticket)
        if content is None:
            return None
        try:
            begun = msgspec.json.decode(content, type=_Ticket)
        except msgspec.DecodeError:  # of another version
            return None
        return begun if self._now_s() < begun.expires_s else None

    def _use_once(self, ticket: _Ticket) -> None:
        """Refuse a ticket that somebody has signed in with, in this process or another. Only a person who has signed in costs a write."""
        try:
            is_first = self._used.add(ticket.state, ticket.expires_s)
        except OSError as error:
            log.warning("a used sign-in cannot be stored", extra={"error": str(error)})
            return
        if not is_first:
            raise Unauthenticated(RETRY)
