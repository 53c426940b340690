"""Profiles: brokers under names, and which broker a command calls."""

import io
import json

import pytest

from osmia_broker.cli import profiles
from osmia_broker.cli.app import run
from osmia_broker.cli.failures import Failure


@pytest.fixture
def said(tmp_path, monkeypatch, capsys):
    """`osmia` for a person without settings: the exit code, and what it wrote."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("OSMIA_PROFILE", "OSMIA_ADDRESS", "ZEEBE_ADDRESS"):
        monkeypatch.delenv(name, raising=False)

    def say(*words):
        code = run([*words])
        out, err = capsys.readouterr()
        return int(code), out + err

    return say


def test_the_first_profile_is_in_use_and_another_can_be(said):
    assert said("profile", "add", "home", "127.0.0.1:1") == (0, "Added home: 127.0.0.1:1, in use\n")
    assert said("profile", "add", "work", "127.0.0.1:2") == (0, "Added work: 127.0.0.1:2\n")
    assert profiles.with_profile({}, {})["address"] == "127.0.0.1:1"
    assert said("profile", "use", "work") == (0, "Using work: 127.0.0.1:2\n")
    assert profiles.with_profile({}, {})["address"] == "127.0.0.1:2"
    code, out = said("profile", "list", "-o", "json")
    assert (code, [(one["name"], one["isInUse"]) for one in json.loads(out)]) == (0, [("home", False), ("work", True)])
    assert said("profile", "remove", "work")[0] == 0
    assert profiles.with_profile({}, {}).get("address") is None


@pytest.mark.parametrize(
    ("options", "environment", "address"),
    [
        ({"address": "a:1", "profile": "work"}, {"OSMIA_PROFILE": "home"}, "a:1"),
        ({"profile": "work"}, {"OSMIA_PROFILE": "home", "OSMIA_ADDRESS": "e:1"}, "127.0.0.1:2"),
        ({}, {"OSMIA_PROFILE": "work", "OSMIA_ADDRESS": "e:1"}, "127.0.0.1:2"),
        ({}, {"OSMIA_ADDRESS": "e:1"}, None),  # the client reads the variable itself
        ({}, {"ZEEBE_ADDRESS": "e:1"}, None),
        ({}, {}, "127.0.0.1:1"),
    ],
)
def test_which_broker_is_called(said, options, environment, address):
    said("profile", "add", "home", "127.0.0.1:1")
    said("profile", "add", "work", "127.0.0.1:2")
    assert profiles.with_profile(options, environment).get("address") == address


def test_a_token_is_read_from_stdin_kept_private_and_sent_to_its_broker_only(said, monkeypatch, tmp_path):
    monkeypatch.setattr("sys.stdin", io.StringIO("secret-token\n"))
    assert said("profile", "add", "work", "127.0.0.1:2", "--with-token")[0] == 0
    file = tmp_path / "osmia" / "profiles.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "secret-token" not in said("profile", "list", "-o", "json")[1]
    assert profiles.with_profile({}, {})["signed_in_by"] == "work"
    assert profiles.renewed("work").token == "secret-token"
    assert not profiles.with_profile({"address": "other:1"}, {})["signed_in_by"]
    assert not profiles.with_profile({}, {"OSMIA_ADDRESS": "other:1"})["signed_in_by"]


def test_a_command_calls_the_broker_of_its_profile(said, running):
    said("profile", "add", "here", running.address)
    said("profile", "add", "nowhere", "127.0.0.1:1")
    assert said("status", "-o", "key")[1].strip() == running.address
    code, told = said("--profile", "nowhere", "status", "--timeout", "1s")
    assert (code, told.splitlines()[0]) == (
        3,
        "Error: No broker answers at 127.0.0.1:1, the address of the profile 'nowhere'.",
    )
    assert "try: osmia profile list   (osmia profile use NAME takes another)" in told
    code, told = said("--profile", "nowhere", "--address", "127.0.0.1:1", "status", "--timeout", "1s")
    assert (code, "profile" in told) == (3, False)


def test_removing_a_profile_counts_those_that_are_left(said):
    for number in (1, 2, 3):
        said("profile", "add", f"p{number}", f"127.0.0.1:{number}")
    assert said("profile", "remove", "p1") == (0, "Removed p1; osmia profile list shows the 2 others\n")
    assert said("profile", "remove", "p2") == (0, "Removed p2; osmia profile list shows the 1 other\n")
    assert said("profile", "remove", "p3") == (0, "Removed p3; it was the last\n")


@pytest.mark.parametrize(
    ("code", "words", "told"),
    [
        (4, "profile use wrok", "There is no profile 'wrok'."),
        (4, "profile remove nothing", "There is no profile 'nothing'."),
        (4, "--profile wrok status", "try: osmia --profile work status"),
        (2, "profile add x not:an:address", "Expected"),
        (2, "profile add x", "but found no more words"),
    ],
)
def test_mistakes_with_profiles(said, code, words, told):
    said("profile", "add", "work", "127.0.0.1:2")
    found, text = said(*words.split())
    assert found == code, text
    assert told in text


def test_a_file_that_is_no_file_of_profiles_is_reported(said, tmp_path):
    (tmp_path / "osmia").mkdir()
    for content in ("", "[]", "{}", '{"inUse": "a", "profiles": {"a": {"port": 1}}}'):
        (tmp_path / "osmia" / "profiles.json").write_text(content)
        with pytest.raises(Failure, match="but found another text"):
            profiles.load()
