"""Signing in at a provider with a browser: there, back, and what must not work."""

import errno
from base64 import b64encode
from urllib.parse import quote

import pytest

from osmia_broker.auth.code_flow import CodeFlow
from osmia_broker.auth.provider import PAUSE_S, Client, Provider
from osmia_broker.auth.sessions import TICKET_S
from osmia_broker.auth.signing import Signer
from osmia_broker.auth.tokens import ClaimNames, Tokens
from osmia_broker.base.errors import Unauthenticated, Unavailable
from tests.auth.provider import CLIENT, SECRET

BACK = "http://127.0.0.1:8080/login/callback"


def flow_of(provider, time, directory, secret: str = SECRET) -> CodeFlow:
    asked = Provider(provider.issuer, now_s=time)
    tokens = Tokens(asked, ClaimNames("preferred_username", "groups"), now_s=time)
    return CodeFlow(asked, tokens, Client(CLIENT, secret), Signer(b"k" * 32), directory / "used.json", now_s=time)


@pytest.fixture
def flow(provider, time, tmp_path) -> CodeFlow:
    return flow_of(provider, time, tmp_path)


async def test_a_person_signs_in_at_the_provider(flow, provider, time):
    begun = await flow.start(BACK, "/tasks?filter=mine")
    assert begun.url.startswith(f"{provider.issuer}/authorize?")
    finished = await flow.finish(provider.agree(begun.url, time(), groups=["family"]), begun.ticket)
    assert (finished.user.name, finished.user.groups, finished.return_to) == ("anna", ("family",), "/tasks?filter=mine")


async def test_the_secret_is_sent_to_the_provider_as_it_asks(flow, provider, time):
    begun = await flow.start(BACK, "/")
    await flow.finish(provider.agree(begun.url, time()), begun.ticket)
    [sent] = provider.redeemed
    pair = f"{quote(CLIENT, safe='')}:{quote(SECRET, safe='')}"
    assert sent["authorization"] == f"Basic {b64encode(pair.encode()).decode()}"
    assert sent["grant_type"] == "authorization_code"
    assert SECRET not in sent.values()


async def test_a_client_without_a_secret_proves_itself_by_pkce_alone(provider, time, tmp_path):
    flow = flow_of(provider, time, tmp_path, secret="")
    begun = await flow.start(BACK, "/")
    assert await flow.finish(provider.agree(begun.url, time()), begun.ticket)
    assert provider.redeemed[0]["authorization"] == ""


async def test_each_sign_in_has_secrets_of_its_own(flow):
    first, second = await flow.start(BACK, "/"), await flow.start(BACK, "/")
    assert not {one for one in first.url.split("&") if "=" in one and one.split("=")[0] in ("state", "nonce")} & set(
        second.url.split("&")
    )


async def test_what_the_provider_sent_back_works_once(flow, provider, time):
    begun = await flow.start(BACK, "/")
    back = provider.agree(begun.url, time())
    await flow.finish(back, begun.ticket)
    with pytest.raises(Unauthenticated, match="begin again"):
        await flow.finish(back, begun.ticket)
    assert len(provider.redeemed) == 1


async def test_what_works_once_works_in_no_other_process_again(flow, provider, time, tmp_path):
    other = flow_of(provider, time, tmp_path)
    begun = await other.start(BACK, "/")
    await flow.finish(provider.agree(begun.url, time()), begun.ticket)
    with pytest.raises(Unauthenticated, match="begin again"):
        await other.finish(provider.agree(begun.url, time()), begun.ticket)
    assert len(provider.redeemed) == 1


async def test_a_ticket_of_a_sign_in_that_failed_costs_no_write(flow, provider, time, tmp_path):
    begun = await flow.start(BACK, "/")
    with pytest.raises(Unauthenticated):
        await flow.finish(provider.agree(begun.url, time(), nonce="another"), begun.ticket)
    assert not (tmp_path / "used.json").exists()


async def test_a_person_signs_in_although_the_disk_is_full_and_once(flow, provider, time, monkeypatch, caplog):
    def full(_file, _content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("osmia_broker.base.private_files.replace", full)
    begun = await flow.start(BACK, "/")
    back = provider.agree(begun.url, time())
    assert await flow.finish(back, begun.ticket)
    assert "a used sign-in cannot be stored" in caplog.text
    with pytest.raises(Unauthenticated, match="begin again"):
        await flow.finish(back, begun.ticket)


async def test_a_browser_cannot_finish_what_another_one_has_begun(flow, provider, time):
    mine, other = await flow.start(BACK, "/"), await flow.start(BACK, "/")
    back = provider.agree(other.url, time())
    for ticket in (mine.ticket, "", "x", other.ticket[:-1]):
        with pytest.raises(Unauthenticated, match="begin again"):
            await flow.finish(back, ticket)
    assert provider.redeemed == []


@pytest.mark.parametrize(
    "changed", [{"state": ""}, {"state": "x"}, {"state": "é"}, {"iss": "https://evil.example.org"}]
)
async def test_what_comes_back_with_another_state_or_issuer_is_refused(flow, provider, time, changed):
    begun = await flow.start(BACK, "/")
    with pytest.raises(Unauthenticated, match="begin again"):
        await flow.finish({**provider.agree(begun.url, time()), **changed}, begun.ticket)


async def test_a_ticket_expires(flow, provider, time):
    begun = await flow.start(BACK, "/")
    time.s += TICKET_S
    with pytest.raises(Unauthenticated, match="begin again"):
        await flow.finish(provider.agree(begun.url, time()), begun.ticket)


@pytest.mark.parametrize(
    ("claims", "refusal"),
    [
        ({"nonce": "another"}, "begin again"),
        ({"nonce": None}, "begin again"),
        (
            {"aud": "osmia"},
            f"Expected a token for the audience {CLIENT}",
        ),  # a token for the API is no proof of a sign-in here
        ({"exp": 1}, "Expected a token that has not expired"),
        ({"preferred_username": None, "sub": "x"}, "Expected an id token with the claim 'preferred_username'"),
        ({"key": "stolen", "_kid": "first"}, "Expected the signature"),
    ],
)
async def test_an_id_token_that_is_not_valid_is_refused(flow, provider, time, claims, refusal):
    begun = await flow.start(BACK, "/")
    with pytest.raises(Unauthenticated, match=refusal):
        await flow.finish(provider.agree(begun.url, time(), **claims), begun.ticket)


@pytest.mark.parametrize(
    ("back", "refusal"),
    [
        ({"error": "access_denied"}, "it answered: access_denied"),
        ({"error": "x", "error_description": "You may not."}, "it answered: You may not."),
        ({}, "it answered: no code"),
        ({"code": "made-up"}, "but found: this code is not valid"),
    ],
)
async def test_a_refusal_of_the_provider_is_shown(flow, provider, time, back, refusal):
    begun = await flow.start(BACK, "/")
    state = provider.agree(begun.url, time())["state"]
    with pytest.raises(Unauthenticated, match=refusal):
        await flow.finish({**back, "state": state}, begun.ticket)


async def test_while_the_provider_is_away_nobody_signs_in(flow, provider, time):
    provider.status = 503
    with pytest.raises(Unavailable):
        await flow.start(BACK, "/")
    provider.status, provider.document = 200, {"token_endpoint": "http://other.example.org/token"}
    time.s += PAUSE_S
    begun = await flow.start(BACK, "/")
    with pytest.raises(Unavailable, match="has no token_endpoint that begins with https://"):
        await flow.finish(provider.agree(begun.url, time()), begun.ticket)


async def test_a_provider_that_signs_no_people_in_is_named(flow, provider):
    provider.document = {"authorization_endpoint": ""}
    with pytest.raises(Unavailable, match="but its document has no authorization_endpoint that begins with https://"):
        await flow.start(BACK, "/")


async def test_after_the_sign_in_the_browser_stays_here(flow, provider, time):
    begun = await flow.start(BACK, "//evil.example.org")
    assert (await flow.finish(provider.agree(begun.url, time()), begun.ticket)).return_to == "/"
