"""Users with cheap passwords, a clock that tests move, and a provider of tokens on this machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from osmia_broker.auth.passwords import Cost, hashed
from osmia_broker.auth.users_file import StoredUser, changing
from tests.auth.provider import FakeProvider

CHEAP = Cost(2, 1, 1)
ANNA, BEN = "correct horse", "battery staple"  # their passwords


class FakeTime:
    """Seconds that stand until a test moves them."""

    def __init__(self) -> None:
        self.s = 1_800_000_000.0

    def __call__(self) -> float:
        return self.s


def store(path: Path, **users: tuple[str, list[str]]) -> Path:
    """Write a file of users: by name, the password and the groups."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with changing(path) as stored:
        for name, (password, groups) in users.items():
            stored[name] = StoredUser(name, hashed(password, CHEAP), tuple(groups))
    return path


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def users_path(tmp_path: Path) -> Path:
    return store(tmp_path / "data" / "osmia.users.json", anna=(ANNA, ["family", "a, b"]), ben=(BEN, []))


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider
