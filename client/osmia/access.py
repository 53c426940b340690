"""Prove who the client is, and know the broker: sign-in and TLS, from arguments or from the environment.

    Client(sign_in=Password("anna", "…"))
    Client("https://broker.example.org", sign_in=Token("…"), ca_cert="ca.pem")
    Client(sign_in=ClientCredentials("worker", "…", token_url="https://id.example.org/token", audience="osmia"))

Without arguments: OSMIA_TOKEN; OSMIA_USER with OSMIA_PASSWORD; or ZEEBE_CLIENT_ID, ZEEBE_CLIENT_SECRET and ZEEBE_AUTHORIZATION_SERVER_URL with
ZEEBE_TOKEN_AUDIENCE and ZEEBE_TOKEN_SCOPE, as published clients read them. A secret may also be in a file: OSMIA_TOKEN_FILE, OSMIA_PASSWORD_FILE.
OSMIA_CA_CERT (or ZEEBE_CA_CERTIFICATE_PATH) names the authority of the broker's certificate, OSMIA_CLIENT_CERT and OSMIA_CLIENT_KEY the
client's own one. OSMIA_INSECURE (or ZEEBE_INSECURE_CONNECTION) says true or false to plain text.
"""

import asyncio
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import grpc
import msgspec
from grpc import StatusCode

from osmia import errors
from osmia._address import Address

RENEW_EARLY_S = 30  # a token must not expire on its way
LIFE_S = 300  # of a token whose server does not say it
TOKEN_TIMEOUT_S = 20
ANSWER_BYTES_MAX = 1024**2
_LOOPBACK = re.compile(r"127(\.[0-9]{1,3}){3}")
SWITCHES = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}

Environment = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Token:
    """A token that somebody has given to this program. It is sent as it is."""

    token: str = field(repr=False)

    @property
    def authorization(self) -> str:
        """The value of the metadata `authorization`."""
        return f"Bearer {self.token.strip()}"


@dataclass(frozen=True, slots=True)
class Password:
    """A user and a password."""

    user: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if not self.user or ":" in self.user:
            raise ValueError(f"Expected a user's name without a colon, but found '{self.user}'")

    @property
    def authorization(self) -> str:
        """The value of the metadata `authorization`."""
        from base64 import b64encode

        return f"Basic {b64encode(f'{self.user}:{self.password}'.encode()).decode()}"


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """The id and the secret of a program at a provider, which gives it tokens (OAuth 2.0, client credentials)."""

    id: str
    secret: str = field(repr=False)
    token_url: str
    audience: str = ""
    scope: str = ""

    def __post_init__(self) -> None:
        if not _is_safe(self.token_url):
            raise ValueError(f"Expected a token_url that begins with https://, but found '{self.token_url}'")


@dataclass(frozen=True, slots=True)
class RenewableToken:
    """A token that a function of this program gives, for example one that asks a provider of your own.

    *ask* runs in a thread. It returns the token and for how many seconds it is good. It is called at the first call, before the token
    expires, and when a broker does not take the token. It raises an `OsmiaError` if there is no token; the call fails with that.
    """

    ask: Callable[[], tuple[str, float]] = field(repr=False)


SignIn = Token | Password | ClientCredentials | RenewableToken


class Tokens:
    """The present token that *ask* gives, asked for when it is first needed and again before it expires."""

    def __init__(self, ask: Callable[[], tuple[str, float]], *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._now_s = now_s
        self._authorization = ""
        self._renew_s = 0.0
        self._asking: asyncio.Lock | None = None

    async def authorization(self, refused: str = "") -> str:
        """Return the value of the metadata `authorization`. *refused* is one that the broker has not taken.

        Raises:
            NotAllowed: the provider refuses.
            Unavailable: it does not answer.
        """
        if self._asking is None:
            self._asking = asyncio.Lock()  # made in the event loop of the calls
        async with self._asking:
            if not self._authorization or self._authorization == refused or self._now_s() >= self._renew_s:
                token, life_s = await asyncio.to_thread(self._ask)
                self._authorization = f"Bearer {token}"
                self._renew_s = self._now_s() + life_s - min(RENEW_EARLY_S, life_s / 2)
            return self._authorization


@dataclass(frozen=True, slots=True)
class Access:
    """The sign-in and the TLS of a connection."""

    sign_in: SignIn | None = None
    credentials: grpc.ChannelCredentials | None = None  #: None: plain text


def access(
    address: Address,
    *,
    sign_in: SignIn | None,
    ca_cert: str | Path | None,
    credentials: grpc.ChannelCredentials | None,
    environ: Environment = os.environ,
) -> Access:
    """Decide how the gateway at *address* is spoken to.

    TLS is spoken if the scheme or a certificate asks for it, and always before a secret leaves this machine, unless plain text is allowed in
    so many words.

    Raises:
        ValueError: the settings contradict each other, or a file cannot be used.
    """
    found = sign_in if sign_in is not None else sign_in_in(environ)
    if credentials is not None:
        return Access(found, credentials)
    named = ("ca_cert", ca_cert) if ca_cert else _first(environ, "OSMIA_CA_CERT", "ZEEBE_CA_CERTIFICATE_PATH")
    cert, key = (_first(environ, name) for name in ("OSMIA_CLIENT_CERT", "OSMIA_CLIENT_KEY"))
    if bool(cert) != bool(key):
        raise ValueError("Expected OSMIA_CLIENT_CERT and OSMIA_CLIENT_KEY, but found one of them")
    if not _speaks_tls(address, has_secret=found is not None, has_certificate=bool(named or cert), environ=environ):
        return Access(found)
    authority = _pem(*named, "CERTIFICATE") if named else None
    own = (_pem(*key, "PRIVATE KEY"), _pem(*cert, "CERTIFICATE")) if key and cert else (None, None)
    return Access(found, grpc.ssl_channel_credentials(authority, *own))


def _speaks_tls(address: Address, *, has_secret: bool, has_certificate: bool, environ: Environment) -> bool:
    may_be_plain = _switch(environ, "OSMIA_INSECURE", "ZEEBE_INSECURE_CONNECTION")
    stays_here = is_loopback(address.host)
    if address.is_secure:
        return True
    if address.scheme:
        if has_secret and not stays_here and may_be_plain is not True:
            raise ValueError(
                f"Expected TLS for a sign-in at '{address.host}', but found {address.scheme}://; "
                "use https://, or set OSMIA_INSECURE=true to send the secret as plain text"
            )
        return False
    if may_be_plain is not None:
        return not may_be_plain
    return has_certificate or (has_secret and not stays_here)


def sign_in_in(environ: Environment = os.environ) -> SignIn | None:
    """Return the sign-in that the environment holds; None if it holds none.

    Raises:
        ValueError: a part of it is missing, or a file cannot be read.
    """
    if token := _secret(environ, "OSMIA_TOKEN"):
        return Token(token)
    if password := password_in(environ):
        return password
    names = ("ZEEBE_CLIENT_ID", "ZEEBE_CLIENT_SECRET", "ZEEBE_AUTHORIZATION_SERVER_URL")
    id, secret, url = (environ.get(name, "") for name in names)
    if not (id or secret):
        return None
    if not (id and secret and url):
        missing = next(name for name in names if not environ.get(name))
        raise ValueError(f"Expected {missing} too, because the other settings of the sign-in are there, but found none")
    return ClientCredentials(
        id, secret, url, environ.get("ZEEBE_TOKEN_AUDIENCE", ""), environ.get("ZEEBE_TOKEN_SCOPE", "")
    )


def password_in(environ: Environment = os.environ, *, user: str = "") -> Password | None:
    """Return the name and password that the environment holds; None if it has no password. *user* counts if it has no name.

    Raises:
        ValueError: it has a password without a name, or names a file that cannot be read.
    """
    password = _secret(environ, "OSMIA_PASSWORD")
    if not password:
        return None
    name = environ.get("OSMIA_USER") or user
    if not name:
        raise ValueError("Expected OSMIA_USER, because OSMIA_PASSWORD is set, but found none")
    return Password(name, password)


def _secret(environ: Environment, name: str) -> str:
    """Return the variable *name*, or the content of the file that *name*_FILE names."""
    if environ.get(name):
        return environ[name]
    file = environ.get(f"{name}_FILE")
    if not file:
        return ""
    try:
        return Path(file).read_text(encoding="utf-8-sig").strip()
    except OSError as error:
        raise ValueError(
            f"Expected {name}_FILE to be a text file, but found '{file}': {error.strerror or error}"
        ) from None
    except UnicodeDecodeError:
        raise ValueError(f"Expected {name}_FILE to be a text file, but found '{file}', which is not UTF-8") from None


def _switch(environ: Environment, *names: str) -> bool | None:
    """Return the first of the variables *names* that is set, as true or false."""
    for name in names:
        if text := environ.get(name, "").strip():
            if text.lower() not in SWITCHES:
                raise ValueError(f"Expected {name} to be true or false, but found '{text}'")
            return SWITCHES[text.lower()]
    return None


def _first(environ: Environment, *names: str) -> tuple[str, str] | None:
    """Return the first of the variables *names* that is set, with its value."""
    return next(((name, value) for name in names if (value := environ.get(name))), None)


def _pem(name: str, path: str | Path, kind: str) -> bytes:
    """Return the content of the file that *name* names, a certificate or a key. gRPC itself would say no more than that it cannot connect."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"Expected {name} to be a file in PEM, but found '{path}': {error.strerror}") from None
    if b"-----BEGIN " not in content or kind.encode() not in content:
        raise ValueError(f"Expected {name} to be a {kind.lower()} in PEM, but found another file, '{path}'")
    return content


def is_loopback(host: str) -> bool:
    """Return whether *host* is this machine."""
    return host in ("localhost", "::1") or _LOOPBACK.fullmatch(host) is not None


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))


def ask_provider(credentials: ClientCredentials) -> tuple[str, float]:
    """Return a new token for *credentials* and the seconds that it lives.

    Raises:
        NotAllowed: the provider refuses.
        Unavailable: it does not answer.
    """
    import http.client  # these take longer to import than the rest of the client
    import urllib.error
    import urllib.request

    form = {
        "grant_type": "client_credentials",
        "client_id": credentials.id,
        "client_secret": credentials.secret,
        **({"audience": credentials.audience} if credentials.audience else {}),
        **({"scope": credentials.scope} if credentials.scope else {}),
    }
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked by ClientCredentials
        credentials.token_url, urlencode(form).encode(), {"accept": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=TOKEN_TIMEOUT_S) as answer:  # noqa: S310
            said = msgspec.json.decode(answer.read(ANSWER_BYTES_MAX))
        token, life_s = said["access_token"], float(said.get("expires_in", LIFE_S))
    except urllib.error.HTTPError as refusal:
        refusal.close()
        text = f"Expected a token from {credentials.token_url}, but found: {refusal.code} {refusal.reason}"
        if refusal.code in (400, 401, 403):
            raise errors.NotAllowed(StatusCode.UNAUTHENTICATED, f"{text}; are the id and the secret right?") from None
        raise errors.Unavailable(StatusCode.UNAVAILABLE, text) from None
    except (OSError, http.client.HTTPException) as error:
        text = f"Expected a token from {credentials.token_url}, but found: {getattr(error, 'reason', error)}"
        raise errors.Unavailable(StatusCode.UNAVAILABLE, text) from None
    except (ValueError, KeyError, TypeError, AttributeError):  # msgspec's errors are ValueErrors
        text = f"Expected a token from {credentials.token_url}, but found an answer without one"
        raise errors.Unavailable(StatusCode.UNAVAILABLE, text) from None
    return str(token), life_s
