"""`osmia user`: who may sign in with a password, kept in a file that a broker reads."""

import json
import stat
from pathlib import Path

import pytest

from osmia_broker.auth import passwords, users_file
from osmia_broker.cli.app import run
from tests.auth.conftest import ANNA, BEN, CHEAP, store
from tests.process.program import osmia


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    hashed = passwords.hashed
    monkeypatch.setattr(passwords, "hashed", lambda password: hashed(password, CHEAP))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def user(tmp_path, data, capsys):
    """Run `osmia user`, and return the exit code and what was said. *password* comes in a file."""

    def run_it(*words: str, password: str = "") -> tuple[int, str]:
        if password:
            (tmp_path / "password").write_text(f"{password}\n")
            words = (*words, "--password-file", str(tmp_path / "password"))
        code = run(["user", *words, "--data-dir", str(data)])
        seen = capsys.readouterr()
        return code, seen.out + seen.err

    return run_it


def stored(data: Path) -> users_file.Users:
    return users_file.read(data / "osmia.users.json")


def test_a_user_is_added_listed_and_removed(user, data):
    assert user("add", "anna", "-g", "family", "-g", "office", "--full-name", "Anna Abel", password=ANNA) == (
        0,
        "Added anna\n",
    )
    assert passwords.matches(ANNA, stored(data)["anna"].password)
    assert stat.S_IMODE((data / "osmia.users.json").stat().st_mode) == 0o600
    code, listed = user("list", "-o", "json")
    assert (code, json.loads(listed)) == (
        0,
        [{"name": "anna", "groups": ["family", "office"], "fullName": "Anna Abel", "email": ""}],
    )
    assert user("remove", "anna", "--yes") == (0, "Removed anna\n")
    assert user("list")[1] == "No users. Add one: osmia user add NAME\n"


def test_a_list_of_a_directory_that_is_missing_is_a_mistake(user, data):
    code, told = user("list")
    assert (code, told.splitlines()[0]) == (2, f"Error: There is no directory '{data}'.")
    data.mkdir()
    assert user("list") == (0, "No users. Add one: osmia user add NAME\n")


def test_a_new_password_leaves_the_rest(user, data):
    user("add", "anna", "-g", "family", "--email", "anna@example.org", password=ANNA)
    assert user("password", "anna", password=BEN) == (0, "Changed the password of anna\n")
    found = stored(data)["anna"]
    assert passwords.matches(BEN, found.password)
    assert (found.groups, found.email) == (("family",), "anna@example.org")


def test_no_list_shows_a_password(user, data):
    user("add", "anna", password=ANNA)
    for form in ("table", "wide", "json", "csv", "yaml"):
        shown = user("list", "-o", form)[1]
        assert "anna" in shown
        assert "scrypt" not in shown


@pytest.mark.parametrize(
    ("words", "password", "code", "text"),
    [
        (["add", "anna"], "short", 2, "Expected a password of 8 to 1024 characters, but found 5"),
        (["add", "longname"], "longname", 2, "Expected a password that is not the user's name"),
        (["add", "a:b"], ANNA, 2, "Expected a name of 1 to 256 printable characters without a colon, but found 'a:b'"),
        (["add", " "], ANNA, 2, "Expected a name"),
        (["add", "x" * 257], ANNA, 2, "Expected a name"),
        (["add", "eva", "-g", ""], ANNA, 2, "Expected a group's name"),
        (["add", "eva"], "", 2, "Nobody is at the terminal to type a password."),
        (["add", "eva", "--password-file", "/nowhere"], "", 2, "Expected to read the password from '/nowhere'"),
        (["add", "ben"], ANNA, 5, "There is a user 'ben' already."),
        (["password", "nobody"], ANNA, 4, "There is no user 'nobody'."),
        (["remove", "nobody", "--yes"], "", 4, "There is no user 'nobody'."),
        (["remove", "ben"], "", 2, "Remove ben? Nobody is at the terminal to answer."),
    ],
)
def test_a_mistake_changes_nothing(user, data, words, password, code, text):
    store(data / "osmia.users.json", ben=(BEN, []))
    before = (data / "osmia.users.json").read_bytes()
    found, said = user(*words, password=password)
    assert found == code, said
    assert text in said
    assert (data / "osmia.users.json").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["add", "ben", "--password-file", "-"], "osmia user password ben --data-dir '{}'"),
        (["password", "nobody"], "osmia user list --data-dir '{}'"),
        (["remove", "nobody", "--yes"], "osmia user list --data-dir '{}'"),
    ],
)
def test_the_advice_is_about_the_same_directory(tmp_path, capsys, words, advice):
    data = tmp_path / "of the broker"
    data.mkdir()
    store(data / "osmia.users.json", ben=(BEN, []))
    run(["user", *words, "--data-dir", str(data)])
    assert f"  try: {advice.format(data)}\n" in capsys.readouterr().err


def test_the_advice_is_about_the_same_file(tmp_path, capsys):
    file = tmp_path / "people.json"
    store(file, ben=(BEN, []))
    run(["user", "remove", "nobody", "--yes", "--file", str(file)])
    assert f"  try: osmia user list --file {file}\n" in capsys.readouterr().err


def test_a_damaged_file_is_not_overwritten(user, data):
    data.mkdir()
    (data / "osmia.users.json").write_text("{")
    code, said = user("add", "anna", password=ANNA)
    assert code == 1
    assert "to be the users of Osmia as JSON" in said
    assert (data / "osmia.users.json").read_text() == "{"


def test_the_password_may_come_from_a_pipe(tmp_path):
    with (tmp_path / "password").open("w+") as pipe:
        pipe.write(f"{ANNA}\n")
        pipe.seek(0)
        done = osmia("user", "add", "anna", "--password-file", "-", "--file", tmp_path / "users.json", stdin=pipe)
    assert (done.returncode, done.stderr) == (0, "Added anna\n")
    assert passwords.matches(ANNA, users_file.read(tmp_path / "users.json")["anna"].password)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            ["--auth", "basic"],
            "Nobody could sign in: '{data}/osmia.users.json' has no users.\n  try: osmia user add NAME --data-dir {data}",
        ),
        (
            ["--tls-cert", "/nowhere.pem", "--tls-key", "/nowhere.key"],
            "Expected to read '/nowhere.pem', but found: No such file or directory.\n  try: osmia broker --data-dir",
        ),
        (["--tls-cert", "x"], "Expected tls_key too, because tls_cert is set"),
        (["--auth", "oidc"], "Expected oidc_issuer, because auth is oidc"),
    ],
)
def test_a_broker_that_nobody_could_use_does_not_start(data, settings, text):
    done = osmia("broker", "--data-dir", data, "--grpc-port", 0, "--http-port", 0, "--management-port", 0, *settings)
    assert done.returncode == 2, done.stderr
    assert text.format(data=data) in done.stderr


@pytest.mark.parametrize("words", [("add", "ben"), ("password", "anna"), ("remove", "anna")])
def test_nobody_waits_while_a_person_is_asked(user, data, monkeypatch, words):
    """Who is asked does something else first: adds a user at another terminal."""
    store(data / "osmia.users.json", anna=(ANNA, []))

    def asked(*_: object, **__: object) -> str:
        store(data / "osmia.users.json", eve=(BEN, []))
        return BEN

    monkeypatch.setattr("typer.prompt", asked)
    monkeypatch.setattr("typer.confirm", lambda *_, **__: bool(asked()))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    assert user(*words)[0] == 0
    assert "eve" in stored(data)
