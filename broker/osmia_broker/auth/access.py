"""Open the kind of sign-in that the settings ask for."""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from osmia_broker.auth.basic import PasswordGuard
from osmia_broker.auth.guard import Guard
from osmia_broker.auth.sessions import ENDED_FILE, Sessions
from osmia_broker.auth.signing import Signer, read_or_make_key
from osmia_broker.auth.users_file import UsersFile
from osmia_broker.base.errors import OsmiaError
from osmia_broker.settings.config import Settings

if TYPE_CHECKING:
    from osmia_broker.auth.code_flow import CodeFlow
    from osmia_broker.auth.provider import Provider

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Access:
    """The sign-in of a broker: the guard of its doors, and what its page needs. One of *passwords* and *provider* is there."""

    guard: Guard
    sessions: Sessions
    passwords: PasswordGuard | None = None
    provider: "Provider | None" = None
    flow: "CodeFlow | None" = None  #: with a provider that knows the page

    async def warm_up(self) -> None:
        """Ask the provider for its keys before the first caller comes. Without an answer, callers ask again."""
        if self.provider is not None:
            try:
                await self.provider.document()
            except OsmiaError as error:
                log.warning("the provider does not answer yet", extra={"error": str(error)})

    def close(self) -> None:
        """Give back what the guard holds."""
        self.guard.close()


def open_access(settings: Settings) -> Access | None:
    """Return the sign-in; None if callers say themselves who they are.

    Raises:
        UsersFileError: the file of the users cannot be used.
        OSError: a key cannot be read or written.
    """
    if settings.auth == "none":
        return None
    signer = Signer(read_or_make_key(settings.data_dir))
    ended = settings.data_dir / ENDED_FILE
    if settings.auth == "basic":
        users = UsersFile(settings.users_path)
        users.load()
        guard = PasswordGuard(users)
        return Access(guard, Sessions(signer, users, ended), passwords=guard)
    return _with_provider(settings, signer, Sessions(signer, None, ended))


def _with_provider(settings: Settings, signer: Signer, sessions: Sessions) -> Access:
    # Only brokers with a provider load these: urllib and the library of the tokens.
    from osmia_broker.auth.code_flow import USED_FILE, CodeFlow
    from osmia_broker.auth.provider import Client, Provider
    from osmia_broker.auth.tokens import ClaimNames, TokenGuard, Tokens

    provider = Provider(settings.oidc_issuer)
    tokens = Tokens(provider, ClaimNames(settings.oidc_username_claim, settings.oidc_groups_claim))
    audiences = tuple(one.strip() for one in settings.oidc_audience.split(",") if one.strip())
    flow = None
    if settings.oidc_client_id:
        client = Client(settings.oidc_client_id, settings.oidc_client_secret)
        flow = CodeFlow(provider, tokens, client, signer, settings.data_dir / USED_FILE)
    return Access(TokenGuard(tokens, audiences), sessions, provider=provider, flow=flow)
