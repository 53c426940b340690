"""Sessions of a browser: how long they hold, what ends them, and cookies that nobody may change."""

import errno
from concurrent.futures import ThreadPoolExecutor
from http.cookies import SimpleCookie

import pytest

from osmia_broker.auth import User
from osmia_broker.auth.access import Access
from osmia_broker.auth.basic import PasswordGuard
from osmia_broker.auth.sessions import SESSION_S, Sessions
from osmia_broker.auth.signing import KEY_FILE, Signer, read_or_make_key
from osmia_broker.auth.users_file import UsersFile, changing
from osmia_broker.base.errors import Unauthenticated
from osmia_broker.http.browser_sign_in import SignIn
from tests.auth.conftest import ANNA, BEN, store

OSCAR = User("oscar", ("CN=a,OU=b", "office"), "Oscar", "oscar@example.org")


def sessions(tmp_path, users_path, time, key: bytes = b"k" * 32) -> Sessions:
    users = UsersFile(users_path) if users_path is not None else None
    if users is not None:
        users.load()
    return Sessions(Signer(key), users, tmp_path / "ended.json", now_s=time)


@pytest.fixture
def kept(tmp_path, users_path, time) -> Sessions:
    return sessions(tmp_path, users_path, time)


def test_a_session_names_its_user_with_the_groups_of_now(kept, users_path):
    cookie = kept.begin(User("anna"))
    assert kept.user(cookie) == User("anna", ("family", "a, b"))
    with changing(users_path) as users:
        users["anna"] = type(users["anna"])("anna", users["anna"].password, ("office",))
    assert kept.user(cookie) == User("anna", ("office",))


def test_with_a_provider_a_session_holds_what_the_provider_said(tmp_path, time):
    kept = sessions(tmp_path, None, time)
    assert kept.user(kept.begin(OSCAR)) == OSCAR


def test_a_session_of_a_password_is_none_of_a_provider(tmp_path, users_path, time):
    with_passwords, with_provider = sessions(tmp_path, users_path, time), sessions(tmp_path, None, time)
    assert with_provider.user(with_passwords.begin(User("anna"))) is None
    assert with_passwords.user(with_provider.begin(User("anna"))) is None


def test_a_session_expires(kept, time):
    cookie = kept.begin(User("anna"))
    time.s += SESSION_S - 1
    assert kept.user(cookie)
    time.s += 1
    assert kept.user(cookie) is None


def test_signing_out_ends_one_session_also_after_a_restart(kept, tmp_path, users_path, time):
    first, second = kept.begin(User("anna")), kept.begin(User("anna"))
    kept.end(first)
    for one in (kept, sessions(tmp_path, users_path, time)):
        assert one.user(first) is None
        assert one.user(second)


def test_signing_out_in_one_process_ends_the_session_in_all(kept, tmp_path, users_path, time):
    other = sessions(tmp_path, users_path, time)
    first, second, third = (kept.begin(User("anna")) for _ in range(3))
    kept.end(first)
    other.end(second)  # and does not lose the first
    for one in (kept, other, sessions(tmp_path, users_path, time)):
        assert [bool(one.user(cookie)) for cookie in (first, second, third)] == [False, False, True]


def test_a_damaged_file_of_ended_sessions_brings_none_back(kept, tmp_path):
    cookie = kept.begin(User("anna"))
    kept.end(cookie)
    (tmp_path / "ended.json").write_text("{")
    assert kept.user(cookie) is None


def test_ended_sessions_are_forgotten_when_they_would_have_expired(kept, tmp_path, time):
    kept.end(kept.begin(User("anna")))
    time.s += SESSION_S
    kept.end(kept.begin(User("anna")))
    assert (tmp_path / "ended.json").read_text().count(":") == 1


def test_a_new_password_ends_the_sessions(kept, users_path):
    cookie, other = kept.begin(User("anna")), kept.begin(User("ben"))
    store(users_path, anna=(ANNA, []))
    assert kept.user(cookie) is None  # also when it is the same one: it is stored with another salt
    assert kept.user(other)


def test_a_user_who_is_removed_has_no_session(kept, users_path):
    cookie = kept.begin(User("anna"))
    with changing(users_path) as users:
        del users["anna"]
    assert kept.user(cookie) is None


def test_a_changed_cookie_is_none(kept):
    cookie = kept.begin(User("anna"))
    for position in range(len(cookie)):
        for letter in "Ab.":
            if cookie[position] != letter:
                assert kept.user(cookie[:position] + letter + cookie[position + 1 :]) is None


@pytest.mark.parametrize("cookie", ["", ".", "a.b", "é", "x" * 5_000, "AAAA.", ".AAAA", "AA==.AA=="])
def test_what_is_no_cookie_of_ours_is_none(kept, cookie):
    assert kept.user(cookie) is None
    kept.end(cookie)


def test_a_cookie_of_another_broker_is_none(kept, tmp_path, users_path, time):
    assert kept.user(sessions(tmp_path, users_path, time, b"x" * 32).begin(User("anna"))) is None


def test_what_was_signed_for_another_purpose_is_no_session(kept, tmp_path, time):
    content = Signer(b"k" * 32).open("session", kept.begin(User("anna")))
    assert content
    assert kept.user(Signer(b"k" * 32).sign("sign-in", content)) is None


def test_many_groups_fit_into_a_cookie_and_too_many_are_refused(tmp_path, time):
    kept = sessions(tmp_path, None, time)
    many = User("oscar", tuple(f"/departments/division-{number}/members" for number in range(200)))
    assert kept.user(kept.begin(many)) == many
    with pytest.raises(Unauthenticated, match="groups fit into a cookie, but found 2 groups"):
        kept.begin(User("oscar", ("".join(chr(0x4E00 + (n * 7919) % 20_000) for n in range(2_000)), "b")))


def test_the_key_stays_and_is_for_its_owner_alone(tmp_path):
    key = read_or_make_key(tmp_path)
    assert read_or_make_key(tmp_path) == key
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_processes_that_start_together_have_the_same_key(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(read_or_make_key, [tmp_path] * 8))) == 1


@pytest.mark.parametrize(
    ("mode", "content", "refusal"),
    [
        (0o640, b"k" * 32, "only the owner may read .* but found mode 640"),
        (0o600, b"short", "a key of 32 bytes, but found 5"),
    ],
)
def test_a_key_that_protects_nothing_is_refused(tmp_path, mode, content, refusal):
    (tmp_path / KEY_FILE).write_bytes(content)
    (tmp_path / KEY_FILE).chmod(mode)
    with pytest.raises(OSError, match=refusal):
        read_or_make_key(tmp_path)


@pytest.fixture
def sign_in(kept, users_path):
    users = UsersFile(users_path)
    users.load()
    guard = PasswordGuard(users)
    yield SignIn(Access(guard, kept, passwords=guard))
    guard.close()


async def test_a_person_signs_in_and_out(sign_in):
    user = await sign_in.with_password("anna", ANNA)
    name, value = sign_in.begin(user, is_secure=False)
    assert name == "set-cookie"
    cookie = SimpleCookie(value)["osmia-session"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["secure"]) == (True, "Lax", "/", "")
    cookies = f"theme=dark; osmia-session={cookie.value}; other=1"
    assert sign_in.user_of(cookies).name == "anna"
    _, removed = sign_in.end(cookies, is_secure=False)
    assert SimpleCookie(removed)["osmia-session"]["max-age"] == "0"
    assert sign_in.user_of(cookies) is None


async def test_a_person_signs_out_although_the_disk_is_full(sign_in, monkeypatch):
    user = await sign_in.with_password("anna", ANNA)
    cookies = SimpleCookie(sign_in.begin(user, is_secure=False)[1]).output(attrs=[], header="").strip()

    def full(_file, _content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("osmia_broker.base.private_files.replace", full)
    _, removed = sign_in.end(cookies, is_secure=False)
    assert SimpleCookie(removed)["osmia-session"]["max-age"] == "0"
    assert sign_in.user_of(cookies) is None


async def test_a_wrong_password_begins_nothing(sign_in):
    assert await sign_in.with_password("anna", BEN) is None
    assert await sign_in.with_password("nobody", ANNA) is None


def test_over_tls_the_cookie_is_for_tls_alone(sign_in):
    _, value = sign_in.begin(User("anna"), is_secure=True)
    assert value.startswith("__Host-osmia-session=")
    assert value.endswith("; Secure")
    weak = sign_in.begin(User("ben"), is_secure=False)[1].partition(";")[0]
    assert sign_in.user_of(f"{weak}; {value.partition(';')[0]}").name == "anna"


@pytest.mark.parametrize("cookies", ["", "osmia-session", "osmia-session=; x", "osmia-session=abc", ";;=;"])
def test_a_request_without_a_session_has_no_user(sign_in, cookies):
    assert sign_in.user_of(cookies) is None
