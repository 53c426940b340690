"""Passwords as they are stored, and the file with the users."""

import stat
from contextlib import suppress

import pytest

from osmia_broker.auth import passwords, users_file
from osmia_broker.auth.users_file import UsersFile, UsersFileError
from tests.auth.conftest import ANNA, CHEAP, store


def test_a_password_matches_what_was_stored_of_it():
    stored = passwords.hashed("pässword", CHEAP)
    assert passwords.matches("pässword", stored)
    assert passwords.matches("pa\u0308ssword", stored)  # the same letters from another keyboard
    assert "pässword" not in stored


def test_equal_passwords_are_stored_with_salts_of_their_own():
    assert passwords.hashed("correct horse", CHEAP) != passwords.hashed("correct horse", CHEAP)


def test_the_usual_cost_is_one_that_is_recommended():
    assert (passwords.COST.n, passwords.COST.r, passwords.COST.p) == (16_384, 8, 5)
    passwords.expect_stored(passwords.DECOY)


@pytest.mark.parametrize("password", ["", "correct hors", "correct horse ", "Correct horse"])
def test_another_password_does_not_match(password):
    assert not passwords.matches(password, passwords.hashed("correct horse", CHEAP))


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "correct horse",
        "md5$2$1$1$AA==$AA==",
        "scrypt$3$1$1$AA==$" + "A" * 43 + "=",  # n is no power of two
        "scrypt$1073741824$8$1$AA==$" + "A" * 43 + "=",  # would take a terabyte
        "scrypt$2$1$1$AA==$AA==",  # too short to protect anything
        "scrypt$2$1$1$%$" + "A" * 43 + "=",
    ],
)
def test_what_is_no_stored_password_is_refused(stored):
    with pytest.raises(ValueError, match="Expected a password as 'osmia user' stores it"):
        passwords.matches("x", stored)


@pytest.mark.parametrize(
    ("name", "password"),
    [("anna", "short"), ("anna", ""), ("annaanna", "AnnaAnna"), ("anna", "aaaaaaaaaaaa"), ("anna", "x" * 2_000)],
)
def test_a_password_that_is_easily_guessed_is_refused(name, password):
    with pytest.raises(ValueError, match="Expected a password"):
        passwords.expect_strong(name, password)


def test_the_file_is_readable_by_its_owner_alone(users_path):
    assert stat.S_IMODE(users_path.stat().st_mode) == 0o600
    assert ANNA not in users_path.read_text()


def test_no_file_means_no_users(tmp_path):
    assert users_file.read(tmp_path / "nowhere.json") == {}


def test_a_file_that_others_may_change_is_refused(users_path):
    users_path.chmod(0o620)
    with pytest.raises(UsersFileError, match=r"Expected that only the owner may change .* but found mode 620"):
        users_file.read(users_path)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"users": [{"name": "anna"}]}',
        '{"users": [{"name": "anna", "password": "correct horse"}]}',
        '{"users": [{"name": "a:b", "password": "x"}]}',
        "\xff",
    ],
)
def test_a_damaged_file_is_refused(users_path, content):
    users_path.write_text(content, "latin-1")
    with pytest.raises(UsersFileError, match=r"Expected '.*' to be the users of Osmia as JSON"):
        users_file.read(users_path)


def test_a_change_is_seen_and_a_damaged_file_changes_nothing(users_path):
    users = UsersFile(users_path)
    users.load()
    store(users_path, cleo=("another one", []))
    assert set(users.current()) == {"anna", "ben", "cleo"}
    assert users.generation == 1
    users_path.write_text("{")
    assert set(users.current()) == {"anna", "ben", "cleo"}
    assert users.generation == 1


def test_a_file_that_is_removed_has_no_users(users_path):
    users = UsersFile(users_path)
    users.load()
    users_path.unlink()
    assert users.current() == {}


def test_a_change_that_fails_leaves_the_file_as_it_was(users_path):
    before = users_path.read_bytes()
    with suppress(RuntimeError), users_file.changing(users_path) as users:
        del users["anna"]
        raise RuntimeError
    assert users_path.read_bytes() == before
