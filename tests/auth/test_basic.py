"""The guard that knows callers by user and password."""

import asyncio
from base64 import b64encode
from collections.abc import Iterator

import pytest

from osmia_broker.auth import User, passwords
from osmia_broker.auth.basic import CHECKS_MAX, PasswordGuard
from osmia_broker.auth.users_file import UsersFile
from osmia_broker.base.errors import Overloaded, Unauthenticated
from tests.auth.conftest import ANNA, BEN, store


def basic(name: str, password: str, scheme: str = "Basic") -> str:
    return f"{scheme} {b64encode(f'{name}:{password}'.encode()).decode()}"


@pytest.fixture
def hashes(monkeypatch) -> list[str]:
    """The passwords that were hashed."""
    made: list[str] = []
    matches = passwords.matches

    def counted(password: str, stored: str) -> bool:
        made.append(password)
        return stored != passwords.DECOY and matches(password, stored)

    monkeypatch.setattr(passwords, "matches", counted)
    return made


@pytest.fixture
def guard(users_path, hashes) -> Iterator[PasswordGuard]:
    users = UsersFile(users_path)
    users.load()
    guard = PasswordGuard(users)
    yield guard
    guard.close()


async def test_a_user_with_the_right_password_is_known(guard):
    assert await guard.identify(basic("anna", ANNA)) == User("anna", ("family", "a, b"))
    assert await guard.identify(basic("ben", BEN, "BASIC")) == User("ben")


async def test_a_password_is_hashed_once(guard, hashes):
    for _ in range(3):
        await guard.identify(basic("anna", ANNA))
    assert hashes == [ANNA]


async def test_callers_who_come_at_the_same_time_share_a_hash(guard, hashes):
    users = await asyncio.gather(*(guard.identify(basic("anna", ANNA)) for _ in range(200)))
    assert {user.name for user in users} == {"anna"}
    assert hashes == [ANNA]


async def test_a_wrong_password_is_hashed_once_too(guard, hashes):
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            await guard.identify(basic("anna", "wrong"))
    assert hashes == ["wrong"]


@pytest.mark.parametrize(
    ("name", "password"),
    [("anna", BEN), ("anna", ""), ("Anna", ANNA), ("nobody", ANNA), ("", ""), ("anna", ANNA + " ")],
)
async def test_a_refusal_does_not_say_what_is_wrong(guard, hashes, name, password):
    with pytest.raises(Unauthenticated, match=r"^Expected the name and the password of a user, but found others$"):
        await guard.identify(basic(name, password))
    assert hashes == [password]  # as long for an unknown user as for a known one


@pytest.mark.parametrize(
    "authorization",
    ["", " ", "Basic", "Basic ", "Bearer abc", "Basic !!!", "Basic YW5uYQ==", "Basic /w==", "Negotiate YWJj", "anna:x"],
)
async def test_what_holds_no_password_is_refused(guard, hashes, authorization):
    with pytest.raises(Unauthenticated, match=r"^Expected .*'?Basic'?"):
        await guard.identify(authorization)
    assert hashes == []


async def test_a_new_password_counts_at_once(guard, users_path):
    await guard.identify(basic("anna", ANNA))
    with pytest.raises(Unauthenticated):
        await guard.identify(basic("anna", "brand new one"))
    store(users_path, anna=("brand new one", []))
    with pytest.raises(Unauthenticated):
        await guard.identify(basic("anna", ANNA))
    assert (await guard.identify(basic("anna", "brand new one"))).groups == ()


async def test_a_caller_who_leaves_does_not_end_the_check_of_others(guard):
    first = asyncio.ensure_future(guard.identify(basic("anna", ANNA)))
    second = asyncio.ensure_future(guard.identify(basic("anna", ANNA)))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).name == "anna"


async def test_guessers_are_turned_away_while_many_passwords_wait(guard):
    guesses = [asyncio.ensure_future(guard.identify(basic("anna", str(number)))) for number in range(CHECKS_MAX)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match=f"Expected at most {CHECKS_MAX} passwords to check at a time"):
        await guard.identify(basic("anna", "one more"))
    assert all(isinstance(one, Unauthenticated) for one in await asyncio.gather(*guesses, return_exceptions=True))


async def test_the_page_checks_a_name_and_a_password(guard, users_path):
    assert (await guard.check("anna", ANNA)).name == "anna"
    assert await guard.check("anna", "wrong") is None
    store(users_path, anna=("wrong", []))
    assert (await guard.check("anna", "wrong")).name == "anna"
