"""The tokens of a provider: which are taken, which are refused, and how keys change."""

import asyncio
import json
import threading
from base64 import urlsafe_b64encode

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from osmia_broker.auth import User
from osmia_broker.auth.provider import KEYS_FRESH_S, PAUSE_S, TIMEOUT_S, Provider
from osmia_broker.auth.tokens import REMEMBERED_S, ClaimNames, TokenGuard, Tokens
from osmia_broker.base.errors import Unauthenticated, Unavailable
from tests.auth.conftest import FakeTime
from tests.auth.provider import FakeProvider, published, rsa_key


class Door:
    """A guard, and the clock and provider that it sees."""

    def __init__(
        self, provider: FakeProvider, time: FakeTime, user: str = "preferred_username", groups: str = "groups"
    ):
        self.provider, self.time = provider, time
        self.tokens = Tokens(Provider(provider.issuer, now_s=time), ClaimNames(user, groups), now_s=time)
        self.guard = TokenGuard(self.tokens, ("osmia", "zeebe-api"), now_s=time)

    async def knock(self, token: str | None = None, **claims: object) -> User:
        return await self.guard.identify(f"Bearer {token or self.provider.token(self.time(), **claims)}")

    async def refusal(self, token: str | None = None, **claims: object) -> str:
        with pytest.raises(Unauthenticated) as refused:
            await self.knock(token, **claims)
        return str(refused.value)


@pytest.fixture
def door(provider, time) -> Door:
    return Door(provider, time)


async def test_a_token_of_the_provider_names_the_user(door):
    user = await door.knock(groups=["family", "office"], name="Anna Abel", email="anna@example.org")
    assert user == User("anna", ("family", "office"), "Anna Abel", "anna@example.org")


async def test_a_token_may_be_for_one_of_several_audiences(door):
    assert await door.knock(aud=["other", "zeebe-api"]) == User("anna")


async def test_the_scheme_counts_in_any_case(door):
    assert (await door.guard.identify(f"bearer {door.provider.token(door.time())}")).name == "anna"


async def test_a_token_is_checked_once_and_the_keys_are_read_once(door):
    token = door.provider.token(door.time())
    for _ in range(3):
        await door.knock(token)
    assert door.provider.asked == ["/realm/.well-known/openid-configuration", "/realm/keys"]


@pytest.mark.parametrize(
    ("claims", "refusal"),
    [
        ({"exp": 1_700_000_000}, "Expected a token that has not expired, but found one that has"),
        ({"exp": None}, "Expected a token with the claim 'exp', but found none"),
        ({"exp": "tomorrow"}, "Expected a token that has not expired, but found one that has"),
        ({"exp": True}, "Expected a token that has not expired, but found one that has"),
        ({"exp": 1e400}, "Expected a token that has not expired, but found one that has"),
        ({"nbf": 1_900_000_000}, "Expected a token that is valid now, but found one that is not valid yet"),
        ({"aud": "other"}, "Expected a token for the audience osmia or zeebe-api, but found one for another"),
        ({"aud": ["osmia2", ""]}, "Expected a token for the audience osmia or zeebe-api, but found one for another"),
        ({"aud": None}, "Expected a token with the claim 'aud', but found none"),
        ({"iss": "https://evil.example.org"}, "Expected a token of the issuer {issuer}, but found one of another"),
        ({"iss": None}, "Expected a token with the claim 'iss', but found none"),
        ({"preferred_username": ""}, "Expected the claim 'preferred_username' to be the name of a user"),
        ({"preferred_username": 7}, "Expected the claim 'preferred_username' to be the name of a user"),
        ({"preferred_username": "a\nb"}, "Expected the claim 'preferred_username' to be the name of a user"),
        ({"preferred_username": "x" * 257}, "Expected the claim 'preferred_username' to be the name of a user"),
        ({"preferred_username": "client:worker"}, "Expected the claim 'preferred_username' to be the name of a user"),
        ({"preferred_username": None}, "Expected the claim 'preferred_username' to be the name of a user"),
        ({"_kid": "unknown"}, "Expected a token signed with a key of the issuer {issuer}, but found another"),
        ({"key": "stolen", "_kid": "first"}, "Expected the signature of the issuer {issuer}, but found another"),
    ],
)
async def test_a_token_that_is_not_valid_is_refused(door, claims, refusal):
    assert refusal.format(issuer=door.provider.issuer) in await door.refusal(**claims)


async def test_a_token_without_signature_is_refused(door):
    claims = {"iss": door.provider.issuer, "aud": "osmia", "exp": door.time() + 99, "preferred_username": "anna"}
    unsigned = jwt.encode(claims, None, "none", headers={"kid": "first"})
    assert "found the algorithm 'none'" in await door.refusal(unsigned)


async def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(door):
    # Everybody has it; a checker that lets the token choose HS256 would take it.
    pem = (
        rsa_key("first")
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    head, body = (
        urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256", "kid": "first"}, {"iss": door.provider.issuer, "aud": "osmia", "exp": 2e9})
    )
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(head + b"." + body, pem)
    forged = b".".join((head, body, urlsafe_b64encode(signature).rstrip(b"="))).decode()
    assert "found the algorithm 'HS256'" in await door.refusal(forged)


async def test_a_changed_token_is_refused(door):
    head, body, signature = door.provider.token(door.time()).split(".")
    claims = json.loads(jwt.utils.base64url_decode(body))
    changed = urlsafe_b64encode(json.dumps({**claims, "preferred_username": "boss"}).encode()).rstrip(b"=").decode()
    assert "Expected the signature" in await door.refusal(f"{head}.{changed}.{signature}")


@pytest.mark.parametrize("text", ["x", "a.b.c", "..", "é.é.é", "x" * 20_000])
async def test_what_is_no_token_is_refused(door, text):
    assert "Expected a" in await door.refusal(text)
    assert door.provider.asked == []


@pytest.mark.parametrize(
    ("authorization", "found"),
    [
        ("", "none"),
        ("Bearer", "'Bearer' alone"),
        ("Bearer  ", "'Bearer' alone"),
        ("basic YTpi", "'Basic'"),
        ("s3cret", "another text"),
    ],
)
async def test_a_call_without_a_token_is_refused(door, authorization, found):
    with pytest.raises(Unauthenticated, match=f"with 'Bearer' and a token, but found {found}$"):
        await door.guard.identify(authorization)


async def test_the_clocks_may_differ_by_a_minute(door):
    assert await door.knock(exp=door.time() - 59)
    assert await door.knock(nbf=door.time() + 59)
    assert "not expired" in await door.refusal(exp=door.time() - 60)
    assert "not valid yet" in await door.refusal(nbf=door.time() + 61)


async def test_a_token_that_was_taken_expires(door):
    token = door.provider.token(door.time(), exp=door.time() + 100)
    await door.knock(token)
    door.time.s += 159
    await door.knock(token)
    door.time.s += 1
    assert "not expired" in await door.refusal(token)


async def test_a_new_key_is_found_at_once(door):
    await door.knock()
    door.time.s += PAUSE_S
    door.provider.keys = ["first", "second"]
    assert await door.knock(key="second") == User("anna")


async def test_a_key_that_is_withdrawn_is_refused_after_a_while(door):
    token = door.provider.token(door.time(), exp=door.time() + 7_200)
    await door.knock(token)
    door.provider.keys = ["second"]
    await door.knock(token)
    door.time.s += max(KEYS_FRESH_S, REMEMBERED_S)
    assert "Expected a token signed with a key of the issuer" in await door.refusal(token)


async def test_made_up_keys_do_not_make_the_broker_ask_the_provider_again_and_again(door):
    await door.knock()
    door.time.s += PAUSE_S
    for number in range(20):
        await door.refusal(_kid=f"made-up-{number}")
    assert door.provider.asked.count("/realm/keys") == 2


async def test_a_token_without_the_id_of_its_key_is_taken_if_there_is_one_key(door):
    assert await door.knock(_kid=None)


async def test_a_token_without_the_id_of_its_key_is_refused_if_there_are_several(door):
    door.provider.keys = ["first", "second"]
    assert "with the id of one of several keys" in await door.refusal(_kid=None)


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(ec.generate_private_key(ec.SECP256R1()), "ES256"), (ed25519.Ed25519PrivateKey.generate(), "EdDSA")],
)
async def test_keys_of_other_kinds_sign_too(door, key, algorithm):
    kind = jwt.algorithms.ECAlgorithm if algorithm == "ES256" else jwt.algorithms.OKPAlgorithm
    door.provider.published = [{**kind.to_jwk(key.public_key(), as_dict=True), "kid": "other"}]
    claims = {"iss": door.provider.issuer, "aud": "osmia", "exp": door.time() + 9, "preferred_username": "eva"}
    assert (await door.knock(jwt.encode(claims, key, algorithm, headers={"kid": "other"}))).name == "eva"


async def test_keys_that_the_broker_cannot_use_are_passed_over(door):
    secret = {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"}
    door.provider.published = [secret, {"kty": "RSA", "kid": "half"}, {"kty": "new"}, {}]
    assert await door.knock()


@pytest.mark.parametrize("described", [{"use": "enc"}, {"alg": "RSA-OAEP"}, {"alg": "RS512"}])
async def test_a_key_signs_only_what_it_is_published_for(door, described):
    door.provider.keys, door.provider.published = [], [{**published("first"), **described}]
    assert "Expected" in await door.refusal()


@pytest.mark.parametrize(
    ("document", "status", "reason"),
    [
        ({}, 500, "Internal Server Error"),
        ({}, 302, "Found"),
        (
            {"issuer": "https://other.example.org"},
            200,
            "its document names another issuer, 'https://other.example.org'",
        ),
        ({"jwks_uri": "http://other.example.org/keys"}, 200, "its document has no jwks_uri that begins with https://"),
        ({"jwks_uri": "file:///etc/passwd"}, 200, "its document has no jwks_uri that begins with https://"),
        ({"jwks_uri": 7}, 200, "Expected `str`, got `int`"),
    ],
)
async def test_while_the_provider_does_not_answer_callers_may_try_again(door, document, status, reason):
    door.provider.document, door.provider.status = document, status
    with pytest.raises(Unavailable, match=r"Expected the keys of the issuer .*, but they cannot be read: ") as refused:
        await door.knock()
    assert reason in str(refused.value)
    door.provider.document, door.provider.status = {}, 200
    with pytest.raises(Unavailable):
        await door.knock()
    door.time.s += PAUSE_S
    assert await door.knock()


async def test_keys_stay_while_the_provider_is_away(door):
    await door.knock()
    door.provider.status = 503
    door.time.s += KEYS_FRESH_S
    assert await door.knock()


async def test_a_token_without_the_claim_of_the_name_is_one_of_a_program(door):
    assert (await door.knock(preferred_username=None, client_id="worker")).name == "client:worker"
    assert (
        await door.knock(preferred_username=None, azp="page", sub="x")
    ).name == "client:x"  # others come from the page, too


async def test_claims_may_have_other_names_and_lie_in_objects(provider, time):
    door = Door(provider, time, user="https://example.org/user", groups="realm_access.roles")
    claims = {"https://example.org/user": "eva", "realm_access": {"roles": ["boss", 7, "", "boss"]}}
    assert await door.knock(**claims) == User("eva", ("boss",))
    assert await door.knock(**{**claims, "realm_access": "boss"}) == User("eva")


async def test_all_callers_wait_for_the_same_answer_of_a_provider_that_hangs(door):
    def hang() -> None:
        door.time.s += TIMEOUT_S
        door.provider.status = 503

    door.provider.before_answer = hang
    callers = [door.knock(number=number) for number in range(50)]
    assert {type(one) for one in await asyncio.gather(*callers, return_exceptions=True)} == {Unavailable}
    assert len(door.provider.asked) == 1
    with pytest.raises(Unavailable):
        await door.knock()
    assert len(door.provider.asked) == 1  # the pause begins with the answer


async def test_a_provider_that_hangs_holds_up_nobody_whose_key_is_kept(door, monkeypatch):
    monkeypatch.setattr("osmia_broker.auth.provider.PATIENCE_S", 0.01)
    await door.knock()
    may_answer = threading.Event()
    door.provider.before_answer = may_answer.wait
    door.time.s += KEYS_FRESH_S
    stranger = asyncio.ensure_future(door.refusal(_kid="made-up"))
    known = [await door.knock(number=number) for number in range(3)]
    assert {one.name for one in known} == {"anna"}
    assert not stranger.done()
    may_answer.set()
    assert "Expected a token signed with a key of the issuer" in await stranger
    assert door.provider.asked.count("/realm/keys") == 2


async def test_a_caller_who_leaves_does_not_end_the_question_of_the_others(door):
    may_answer = threading.Event()
    door.provider.before_answer = may_answer.wait
    first, second = asyncio.ensure_future(door.knock()), asyncio.ensure_future(door.knock())
    while not door.provider.asked:
        await asyncio.sleep(0)
    first.cancel()
    may_answer.set()
    assert await second == User("anna")
    assert door.provider.asked.count("/realm/keys") == 1
