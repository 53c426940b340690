"""`osmia login` and `osmia logout`: passwords, providers by a code or by a browser, what is kept and for whom."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest

from osmia import NotAllowed, RenewableToken, SyncClient
from osmia_broker.cli import profiles, provider_sign_in
from osmia_broker.cli.app import run
from osmia_broker.cli.failures import Failure
from osmia_broker.cli.session import session_of
from tests.auth.conftest import ANNA, BEN, store
from tests.auth.provider import FakeProvider
from tests.running_broker import RunningBroker, running_broker

Said = Callable[..., tuple[int, str]]


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    """`osmia` for a person without settings and without a terminal: the exit code, and what it wrote."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    for name in ("OSMIA_PROFILE", "OSMIA_ADDRESS", "ZEEBE_ADDRESS", *profiles.SIGN_INS):
        monkeypatch.delenv(name, raising=False)

    def say(*words: str) -> tuple[int, str]:
        code = run([*words])
        out, err = capsys.readouterr()
        return int(code), out + err

    return say


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    with running_broker(tmp_path_factory.mktemp("open")) as broker:
        yield broker


@pytest.fixture(scope="module")
def basic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    data_dir = tmp_path_factory.mktemp("basic")
    store(data_dir / "osmia.users.json", anna=(ANNA, ["family"]), ben=(BEN, []))
    with running_broker(data_dir, auth="basic") as broker:
        yield broker


@pytest.fixture
def secret(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        file = tmp_path / "password"
        file.write_text(text + "\n")
        return str(file)

    return write


# --- passwords


def test_after_a_login_commands_sign_in_by_themselves_and_after_a_logout_they_do_not(said, basic, secret):
    said("profile", "add", "work", basic.address)
    assert said("tasks")[0] == 7
    code, text = said("login", "--user", "anna", "--password-file", secret(ANNA))
    signed_in, in_use = text.splitlines()
    assert (code, signed_in) == (0, f"Signed in at {basic.address} as anna; kept in the profile work")
    assert in_use == f"That profile is in use: commands call {basic.address} unless they are told another broker."
    assert said("tasks")[0] == 0
    assert said("tasks", "--address", basic.address)[0] == 0  # the same broker by its address
    assert ANNA not in said("profile", "list", "-o", "json")[1]
    signed_out, in_use = said("logout")[1].splitlines()
    assert signed_out == f"Signed out at {basic.address}, the profile work"
    assert in_use == "Commands still call it: the profile work is in use. osmia profile remove work ends that."
    assert said("tasks")[0] == 7
    assert said("logout")[1].splitlines()[0] == f"Nobody was signed in at {basic.address}, the profile work"


@pytest.mark.parametrize(
    ("words", "user", "password", "code", "told"),
    [
        ("login", "anna", ANNA, 0, "as anna"),
        ("login --user anna", "", ANNA, 0, "as anna"),
        ("login --user anna", "anna", ANNA, 0, "as anna"),
        ("login --user ben --password-file {ben}", "anna", ANNA, 0, "as ben"),  # what is typed counts
        ("login --user ben", "anna", ANNA, 2, "--password-file"),  # the password is that of another person
        ("login", "", ANNA, 2, "Expected OSMIA_USER, because OSMIA_PASSWORD is set"),
        ("login", "anna", "wrong", 7, "Wrong name or password"),
        ("login", "anna", "", 2, "--user NAME --password-file FILE   (or --issuer URL for a provider)"),
    ],
)
def test_a_login_takes_the_password_of_the_environment(
    said, basic, secret, monkeypatch, words, user, password, code, told
):
    monkeypatch.setenv("OSMIA_USER", user)
    monkeypatch.setenv("OSMIA_PASSWORD", password)
    found, text = said(*words.format(ben=secret(BEN)).split(), "--address", basic.address)
    assert (found, told in text) == (code, True), text
    monkeypatch.delenv("OSMIA_PASSWORD")
    assert said("tasks", "--address", basic.address)[0] == (0 if code == 0 else 7)


def test_a_login_by_address_makes_a_profile_that_is_in_use_at_once(said, basic, secret):
    assert said("login", "--user", "ben", "--password-file", secret(BEN), "--address", basic.address)[0] == 0
    assert profiles.load().in_use == basic.address
    assert said("tasks")[0] == 0
    assert said("logout")[1].splitlines()[0] == f"Signed out at {basic.address}"


def test_a_login_to_another_broker_than_that_in_use_leaves_the_one_in_use(said, basic, secret):
    said("profile", "add", "home", "127.0.0.1:1")
    text = said("login", "--user", "ben", "--password-file", secret(BEN), "--address", basic.address)[1]
    assert f"Another profile is in use; osmia profile use {basic.address} changes that." in text
    assert "in use" not in said("logout", "--address", basic.address)[1]
    assert profiles.load().in_use == "home"


def test_what_is_kept_is_private_and_goes_to_its_own_broker_only(said, basic, secret, monkeypatch):
    said("profile", "add", "work", basic.address)
    said("login", "--user", "anna", "--password-file", secret(ANNA))
    assert profiles.path().stat().st_mode & 0o777 == 0o600
    assert profiles.with_profile({"address": "other:1"}, {}).get("signed_in_by") == ""
    assert profiles.with_profile({"address": basic.address}, {})["signed_in_by"] == "work"
    assert "signed_in_by" not in profiles.with_profile({"address": basic.address}, {"OSMIA_TOKEN": "mine"})
    assert ANNA not in repr(profiles.load())
    monkeypatch.setenv("OSMIA_ADDRESS", basic.address)
    assert said("tasks")[0] == 0


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("login --user anna --password-file {wrong}", 7, "Error: Wrong name or password for the broker at 127.0.0.1:"),
        ("login --user nobody --password-file {wrong}", 7, "   (once more)"),
        ("login --user anna", 2, "--password-file"),
        ("login", 2, "try: osmia login --user NAME --password-file FILE   (or --issuer URL for a provider)"),
        ("login --user a:b --password-file {wrong}", 2, "colon"),
        ("login --user anna --password-file /no/such/file", 2, "password"),
        ("login --user anna --password-file {wrong} --profile nothing", 4, "There is no profile 'nothing'"),
        ("login --issuer http://id.example.org", 2, "https://"),
        ("logout --profile nothing", 4, "There is no profile 'nothing'"),
    ],
)
def test_a_login_that_fails_keeps_nothing(said, basic, secret, words, code, told):
    said("profile", "add", "work", basic.address)
    before = profiles.path().read_text()
    found, text = said(*words.format(wrong=secret("wrong")).split())
    assert found == code, text
    assert told in text
    assert profiles.path().read_text() == before


def test_the_advice_after_a_wrong_password_is_the_same_command(said, basic, secret):
    words = ["login", "--user", "anna", "--password-file", secret("wrong"), "--address", basic.address]
    told = said(*words)[1].splitlines()
    assert told[1] == f"  try: osmia {' '.join(map(str, words))}   (once more)"
    assert told[0] == f"Error: Wrong name or password for the broker at {basic.address}."


def test_a_broker_that_asks_nobody_needs_no_login(said, running, secret):
    code, text = said("login", "--user", "anna", "--password-file", secret(ANNA), "--address", running.address)
    assert (code, "asks nobody to sign in" in text) == (0, True)
    assert not profiles.path().exists()


def test_a_broker_that_is_not_there_is_said_so(said, secret):
    assert said("login", "--user", "a", "--password-file", secret("x"), "--address", "127.0.0.1:1")[0] == 3


# --- providers


class DeviceProvider(FakeProvider):
    """A provider at which a person enters a code. *answers* are what it says of the code, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.document = {"device_authorization_endpoint": f"{self.issuer}/device"}
        self.answers: list[dict[str, Any]] = []
        self.renewals = 0

    def _redeem(self, form: dict[str, str], authorization: str) -> tuple[int, Any]:
        self.redeemed.append(form)
        if "scope" in form:
            there = {"device_code": "d", "user_code": "ABCD-EFGH", "verification_uri": f"{self.issuer}/enter"}
            return 200, {**there, "expires_in": 60, "interval": 0}
        if form["grant_type"] == "refresh_token":
            self.renewals += 1
            return 200, self.granted(refresh_token="")
        answer = self.answers.pop(0)
        return 400 if "error" in answer else 200, answer

    def granted(self, expires_in: int = 300, **more: Any) -> dict[str, Any]:
        tokens = {"access_token": self.token(time.time()), "refresh_token": "again", "expires_in": expires_in}
        return {**tokens, **more}


@pytest.fixture(scope="module")
def device() -> Iterator[DeviceProvider]:
    with DeviceProvider() as provider:
        yield provider


@pytest.fixture(scope="module")
def oidc(device: DeviceProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    settings = {"auth": "oidc", "oidc_issuer": device.issuer, "oidc_audience": "osmia"}
    with running_broker(tmp_path_factory.mktemp("oidc"), **settings) as broker:
        yield broker


def login(said: Said, device: DeviceProvider, oidc: RunningBroker) -> tuple[int, str]:
    said("profile", "add", "work", oidc.address)
    return said("login", "--issuer", device.issuer, "--no-browser")


def test_a_person_enters_a_code_in_any_browser(said, device, oidc):
    device.answers = [{"error": "authorization_pending"}, device.granted()]
    code, text = login(said, device, oidc)
    assert code == 0, text
    assert f"Open {device.issuer}/enter in a browser, on any machine, and enter the code ABCD-EFGH" in text
    assert said("tasks")[0] == 0
    assert device.redeemed[-1] == {
        "grant_type": provider_sign_in.DEVICE, "device_code": "d", "client_id": "osmia",
    }  # fmt: skip


def test_an_access_token_that_only_the_provider_reads_gives_way_to_the_id_token(said, device, oidc):
    device.answers = [{"access_token": "opaque", "id_token": device.token(time.time()), "refresh_token": "r"}]
    assert login(said, device, oidc)[0] == 0
    kept = profiles.load().by_name["work"]
    assert kept.token.count(".") == 2
    assert kept.renewal is not None
    assert kept.renewal.shows_id


def test_a_token_that_expires_is_renewed_before_the_next_command(said, device, oidc):
    device.answers = [device.granted(expires_in=5)]
    login(said, device, oidc)
    before = device.renewals
    assert said("tasks")[0] == 0
    assert said("tasks")[0] == 0
    assert device.renewals == before + 1  # the new one is good for a while
    assert profiles.load().by_name["work"].renewal.refresh_token == "again"  # the provider has sent no other


def test_two_commands_at_a_time_renew_a_token_once(said, device, oidc):
    device.answers = [device.granted(expires_in=5)]
    login(said, device, oidc)
    before = device.renewals
    with ThreadPoolExecutor() as pool:
        found = set(pool.map(profiles.renewed, ["work"] * 8))
    assert device.renewals == before + 1
    assert found == {profiles.load().by_name["work"]}


def test_a_command_that_runs_for_long_renews_its_token(said, device, oidc):
    device.answers = [device.granted(expires_in=5)]
    login(said, device, oidc)
    before = device.renewals
    sign_in = session_of({"profile": "work"}).sign_in()
    with SyncClient(oidc.address, sign_in=sign_in) as client:
        assert client.topology()
        assert client.user_tasks.search({}).items == []
    assert isinstance(sign_in, RenewableToken)
    assert device.renewals == before + 1
    said("logout", "--profile", "work")
    with SyncClient(oidc.address, sign_in=sign_in) as client, pytest.raises(NotAllowed, match="'work' is signed out"):
        client.topology()


@pytest.mark.parametrize("expires_in", [0, 300])
def test_a_token_that_the_broker_takes_no_more_is_renewed(said, device, oidc, expires_in):
    device.answers = [device.granted(expires_in=expires_in)]
    login(said, device, oidc)
    before = device.renewals
    ask = profiles.ProfileToken("work")
    ask()
    assert device.renewals == before
    ask()  # as the client does when it is refused
    assert device.renewals == before + 1


def test_a_shell_completes_with_the_sign_in_of_the_profile(said, device, oidc, monkeypatch, capsys):
    device.answers = [device.granted()]
    login(said, device, oidc)
    with SyncClient(oidc.address, sign_in=session_of({"profile": "work"}).sign_in()) as client:
        client.deploy("examples/dinner.bpmn")
    words = "osmia --profile work start din"
    for name, value in {"_OSMIA_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": "4"}.items():
        monkeypatch.setenv(name, value)
    with suppress(SystemExit):  # Typer's way to end
        run([])
    assert "dinner" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([{"error": "access_denied", "error_description": "she said no"}], "she said no"),
        ([{"error": "expired_token"}], "expired_token"),
        ([{"id_token": "x"}], "no token"),
        ([{"access_token": "opaque"}], "JWTs"),
        ([{"access_token": "a.b.c"}], "does not know you"),
    ],
)
def test_a_provider_that_refuses(said, device, oidc, answers, told):
    device.answers = answers
    code, text = login(said, device, oidc)
    assert (code, told in text) == (7, True), text
    assert not profiles.load().by_name["work"].is_signed_in


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://other.example.org"},
        {"device_authorization_endpoint": "http://id.example.org/device"},
        {"device_authorization_endpoint": "", "authorization_endpoint": ""},
        {"token_endpoint": 7},
    ],
)
def test_a_provider_that_cannot_be_used(document, provider):
    provider.document = document
    with pytest.raises(Failure, match="cannot be used"):
        in_browser(provider)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ({"error": "access_denied"}, "osmia login --issuer {issuer} --no-browser --profile work   (once more)"),
        ({"error": 7}, "osmia login --issuer URL --no-browser --profile work"),
    ],
)
def test_the_advice_after_a_provider_refused_is_the_same_command(said, device, oidc, error, told):
    said("profile", "add", "work", oidc.address)
    said("profile", "add", "home", "127.0.0.1:1")
    device.answers = [error]
    text = said("login", "--issuer", device.issuer, "--no-browser", "--profile", "work")[1]
    assert text.splitlines()[-1] == f"  try: {told.format(issuer=device.issuer)}"


def in_browser(provider: FakeProvider, **changed: str) -> provider_sign_in.Granted:
    """Sign in with a browser here, which brings back what the provider says, with changes."""

    def opens(url: str) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        brought = (
            provider.agree(f"{url}&nonce=none", time.time()) if "code" not in changed else {"state": asked["state"]}
        )
        brought = {**brought, **changed}
        query = "&".join(f"{name}={value}" for name, value in brought.items() if value)

        def come_back() -> None:
            for path in ("favicon.ico", f"?{query}"):
                with suppress(OSError):
                    urlopen(f"{asked['redirect_uri']}{path}").read()

        threading.Thread(target=come_back, daemon=True).start()

    return provider_sign_in.sign_in(
        provider_sign_in.discover(provider.issuer), "osmia page", show=lambda _: None, opens=opens
    )


def test_without_a_code_the_browser_comes_back_to_this_machine(provider):
    assert in_browser(provider).access_token == "opaque"
    assert provider.redeemed[-1]["redirect_uri"].startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    "changed", [{"code": "", "error": "access_denied"}, {"iss": "https://other.example.org"}, {"code": "forged"}]
)
def test_what_a_browser_brings_back_may_be_no_sign_in(provider, changed):
    with pytest.raises(Failure, match="did not sign you in"):
        in_browser(provider, **changed)


def test_an_old_file_of_profiles_is_read(said, tmp_path):
    profiles.path().parent.mkdir(parents=True)
    old = {"inUse": "a", "profiles": {"a": {"address": "127.0.0.1:1", "token": "t"}}}
    profiles.path().write_text(json.dumps(old))
    assert profiles.load().by_name["a"] == profiles.Profile("127.0.0.1:1", "t")
