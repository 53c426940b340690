"""Check the tokens of an OpenID Connect provider: signed JWTs (RFC 7519, RFC 9068). Also the guard of calls that bring them.

Refused are tokens of another issuer or for another audience, expired ones and those that are not valid yet, and every algorithm that
is not signed with a key of the provider.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from osmia_broker.auth.guard import Remembered, credentials, found_instead
from osmia_broker.auth.provider import ALGORITHMS, Provider
from osmia_broker.auth.user import GROUPS_MAX, User, is_name
from osmia_broker.base.errors import Unauthenticated

LEEWAY_S = 60  # by which the clocks of broker and provider may differ
REMEMBERED_MAX = 10_000
REMEMBERED_S = 300  # then a token is checked again, perhaps with other keys
TOKEN_CHARACTERS_MAX = 16_384
CLIENT_PREFIX = "client:"  #: begins the name of a program that signs in for no user; no user may have such a name

NO_TOKEN = "Expected the metadata or header 'authorization' with 'Bearer' and a token, but found "  # noqa: S105 - a text
NO_JWT = "Expected a signed token (JWT), but found another text"

Claims = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ClaimNames:
    """The claims that hold the user's name and groups."""

    user: str
    groups: str


class Tokens:
    """Checks the tokens of *provider*. *now_s* is the time since the epoch."""

    def __init__(self, provider: Provider, names: ClaimNames, *, now_s: Callable[[], float] = time.time) -> None:
        self.provider = provider
        self._names = names
        self._now_s = now_s

    async def claims(self, token: str, audiences: tuple[str, ...]) -> Claims:
        """Return the claims of a valid token for one of *audiences*.

        Raises:
            Unauthenticated: it is not valid; the text says why.
            Unavailable: the keys of the provider cannot be read.
        """
        import jwt

        if len(token) > TOKEN_CHARACTERS_MAX:
            raise Unauthenticated(f"Expected a token of at most {TOKEN_CHARACTERS_MAX} characters, but found more")
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise Unauthenticated(NO_JWT) from None
        algorithm = str(header.get("alg"))
        if not any(algorithm in allowed for allowed in ALGORITHMS.values()):
            raise Unauthenticated(f"Expected a token signed by its issuer, but found the algorithm '{algorithm[:20]}'")
        key = await self.provider.key(str(header.get("kid") or ""))
        if algorithm not in key.algorithms:
            raise Unauthenticated(f"Expected the algorithm of the key that signed the token, but found '{algorithm}'")
        try:
            claims: Claims = jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                audience=audiences,
                issuer=self.provider.issuer,
                # The times are checked below, by the clock that tests set.
                options={
                    "require": ["exp", "iss", "aud"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.PyJWTError as fault:
            raise Unauthenticated(_words(fault, audiences, self.provider.issuer)) from None
        self._expect_in_time(claims)
        return claims

    def user(self, claims: Claims) -> User:
        """Return the user that *claims* name. A token without the claim of the name is one of a program.

        Raises:
            Unauthenticated: the name is none.
        """
        name = _claim(claims, self._names.user)
        if name is None:
            program = claims.get("sub") or claims.get("client_id") or claims.get("azp")
            name = CLIENT_PREFIX + program if isinstance(program, str) else None
        elif isinstance(name, str) and name.startswith(CLIENT_PREFIX):
            name = None
        if not isinstance(name, str) or not is_name(name):
            raise Unauthenticated(
                f"Expected the claim '{self._names.user}' to be the name of a user, but found another value"
            )
        return User(name, _groups(_claim(claims, self._names.groups)), _text(claims, "name"), _text(claims, "email"))

    def person(self, claims: Claims) -> User:
        """Return the person that the *claims* of an id token name.

        Raises:
            Unauthenticated: there is no name: people must not share one, and a program does not sign in with a browser.
        """
        if _claim(claims, self._names.user) is None:
            raise Unauthenticated(f"Expected an id token with the claim '{self._names.user}', but found none")
        return self.user(claims)

    def expires_s(self, claims: Claims) -> float:
        """Return when the token is no longer taken."""
        return float(claims["exp"]) + LEEWAY_S

    def _expect_in_time(self, claims: Claims) -> None:
        now_s = self._now_s()
        if not _is_time(claims["exp"]) or now_s >= self.expires_s(claims):
            raise Unauthenticated("Expected a token that has not expired, but found one that has")
        begins = claims.get("nbf")
        if begins is not None and (not _is_time(begins) or begins > now_s + LEEWAY_S):
            raise Unauthenticated("Expected a token that is valid now, but found one that is not valid yet")


class TokenGuard:
    """Knows callers by tokens for one of *audiences*."""

    challenge = 'Bearer realm="osmia"'

    def __init__(self, tokens: Tokens, audiences: tuple[str, ...], *, now_s: Callable[[], float] = time.time) -> None:
        self._tokens = tokens
        self._audiences = audiences
        self._now_s = now_s
        self._known = Remembered[tuple[User, float]](REMEMBERED_MAX)

    async def identify(self, authorization: str) -> User:
        """See `Guard.identify`."""
        digest = self._known.digest(authorization)
        known = self._known.get(digest)
        now_s = self._now_s()
        if known is not None and now_s < known[1]:
            return known[0]
        token = credentials(authorization, "bearer")
        if not token:
            raise Unauthenticated(f"{NO_TOKEN}{found_instead(authorization)}")
        claims = await self._tokens.claims(token, self._audiences)
        user = self._tokens.user(claims)
        self._known.put(digest, (user, min(self._tokens.expires_s(claims), now_s + REMEMBERED_S)))
        return user

    def close(self) -> None:
        """See `Guard.close`."""


def _claim(claims: Claims, name: str) -> Any:
    """Return the claim *name*. If there is none of this name, dots lead into objects: `realm_access.roles`."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def _groups(value: Any) -> tuple[str, ...]:
    """Return the groups in a claim: a text, or a list of texts. Other values name none."""
    values = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return tuple(dict.fromkeys(one for one in values[:GROUPS_MAX] if is_name(one)))


def _text(claims: Claims, name: str) -> str:
    value = claims.get(name)
    return str(value) if is_name(value) else ""


def _is_time(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2**53


def _words(fault: Exception, audiences: tuple[str, ...], issuer: str) -> str:
    """Say what is wrong with a token, without its content."""
    import jwt

    if isinstance(fault, jwt.InvalidAudienceError):
        return f"Expected a token for the audience {' or '.join(audiences)}, but found one for another"
    if isinstance(fault, jwt.InvalidIssuerError):
        return f"Expected a token of the issuer {issuer}, but found one of another"
    if isinstance(fault, jwt.MissingRequiredClaimError):
        return f"Expected a token with the claim '{fault.claim}', but found none"
    if isinstance(fault, jwt.InvalidSignatureError):
        return f"Expected the signature of the issuer {issuer}, but found another"
    return NO_JWT
