"""Sign people in who use a browser: the cookies of their sessions, and the way to their provider and back.

For the page. Its forms and redirects are its own; this module says who somebody is, and which cookies the answer sets.

    user = await sign_in.with_password(name, password)          # or None
    headers = [sign_in.begin(user, is_secure=...)]              # after a sign-in
    user = sign_in.user_of(cookies)                             # for every request; None: show the sign-in
    headers = [sign_in.end(cookies, is_secure=...)]             # sign out
    url, header = await sign_in.to_provider(...)                # 303 to url
    user, page, header = await sign_in.from_provider(...)       # then `begin`, 303 to page

A call that the page makes for a person has a `Caller` whose `signed_in` is the user.

*cookies* is the value of the header `cookie`; *is_secure* says whether the request came over TLS. A header is a name and a value.
"""

import logging
from collections.abc import Mapping
from urllib.parse import urlsplit

from osmia_broker.auth import User
from osmia_broker.auth.access import Access
from osmia_broker.auth.sessions import SESSION_S, TICKET_S

SESSION = "osmia-session"
TICKET = "osmia-sign-in"
HOST_PREFIX = "__Host-"  # browsers take such a cookie only over TLS, and from this host alone

Header = tuple[str, str]

log = logging.getLogger(__name__)


class SignIn:
    """The sign-in of people in a browser, of the kind that *access* has."""

    def __init__(self, access: Access) -> None:
        self._access = access

    @property
    def is_delegated(self) -> bool:
        """Whether a provider asks for passwords, and not this broker."""
        return self._access.provider is not None

    @property
    def provider_name(self) -> str:
        """The name of the provider for people: its host. Empty if people cannot sign in there."""
        provider = self._access.provider
        return str(urlsplit(provider.issuer).hostname) if provider is not None and self._access.flow is not None else ""

    async def with_password(self, name: str, password: str) -> User | None:
        """Return the user with this name and password; None if there is none, or if a provider has the passwords.

        Raises:
            Overloaded: too many others sign in at this moment.
        """
        passwords = self._access.passwords
        return await passwords.check(name, password) if passwords is not None else None

    def begin(self, user: User, *, is_secure: bool) -> Header:
        """Return the header that begins a session of *user*, who has signed in.

        Raises:
            Unauthenticated: the user has more groups than a cookie holds.
        """
        return _cookie(SESSION, self._access.sessions.begin(user), SESSION_S, is_secure=is_secure)

    def user_of(self, cookies: str) -> User | None:
        """Return the user whose session the request belongs to; None if there is none."""
        return self._access.sessions.user(_value(SESSION, cookies))

    def end(self, cookies: str, *, is_secure: bool) -> Header:
        """End the session of the request, and return the header that removes its cookie, in any case."""
        try:
            self._access.sessions.end(_value(SESSION, cookies))
        except OSError as error:
            log.warning("a session has ended until the next start only", extra={"error": str(error)})
        return _cookie(SESSION, "", 0, is_secure=is_secure)

    async def to_provider(self, redirect_uri: str, return_to: str, *, is_secure: bool) -> tuple[str, Header]:
        """Return the provider's address for the browser, and the header with the ticket that it must bring back to *redirect_uri*.

        Raises:
            Unavailable: the provider does not answer.
        """
        assert self._access.flow is not None, "provider_name says whether there is one"
        begun = await self._access.flow.start(redirect_uri, return_to)
        return begun.url, _cookie(TICKET, begun.ticket, TICKET_S, is_secure=is_secure)

    async def from_provider(
        self, query: Mapping[str, str], cookies: str, *, is_secure: bool
    ) -> tuple[User, str, Header]:
        """Return who has signed in, the page that they wanted, and the header that removes the ticket.

        Raises:
            Unauthenticated: nobody has, or this is not the sign-in that the browser has begun.
            Unavailable: the provider does not answer.
        """
        assert self._access.flow is not None, "provider_name says whether there is one"
        finished = await self._access.flow.finish(query, _value(TICKET, cookies))
        return finished.user, finished.return_to, _cookie(TICKET, "", 0, is_secure=is_secure)


def _cookie(name: str, value: str, max_age_s: int, *, is_secure: bool) -> Header:
    name, secure = (HOST_PREFIX + name, "; Secure") if is_secure else (name, "")
    return "set-cookie", f"{name}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}"


def _value(name: str, cookies: str) -> str:
    """Return the value of the cookie *name*; empty if there is none. The one that only TLS can have set goes before the other."""
    found = dict(reversed([_pair(one) for one in cookies.split(";")]))
    return found.get(HOST_PREFIX + name) or found.get(name, "")


def _pair(cookie: str) -> tuple[str, str]:
    name, _, value = cookie.partition("=")
    return name.strip(), value.strip()
