"""How a client signs in and speaks TLS: by its arguments, by its environment, and at a real broker."""

import asyncio
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest

import osmia
from osmia._address import parse_address
from osmia._reasons import reason_of
from osmia.access import ClientCredentials, Password, Token, Tokens, access, ask_provider
from tests.auth import certificates
from tests.auth.conftest import ANNA, store
from tests.auth.provider import FakeProvider
from tests.bpmn import bpmn
from tests.running_broker import running_broker

TOKEN_URL = "https://id.example.org/token"
OAUTH = {
    "ZEEBE_CLIENT_ID": "worker",
    "ZEEBE_CLIENT_SECRET": "s3cret",
    "ZEEBE_AUTHORIZATION_SERVER_URL": TOKEN_URL,
}
REMOTE = "broker.example.org:26500"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OSMIA_TOKEN", "OSMIA_USER", "OSMIA_PASSWORD", "OSMIA_CA_CERT", *OAUTH):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    certificates.write(tmp_path)
    return tmp_path / "ours.ca.pem"


def found(address: str, sign_in: Any = None, ca_cert: Any = None, **environ: str) -> Any:
    return access(parse_address(address), sign_in=sign_in, ca_cert=ca_cert, credentials=None, environ=environ)


@pytest.mark.parametrize(
    ("environ", "sign_in"),
    [
        ({}, None),
        ({"OSMIA_TOKEN": "abc"}, Token("abc")),
        ({"OSMIA_USER": "anna", "OSMIA_PASSWORD": "x:y"}, Password("anna", "x:y")),
        ({"OSMIA_USER": "anna"}, None),  # names who acts, while sign-in is off
        (OAUTH, ClientCredentials("worker", "s3cret", TOKEN_URL)),
        (
            {**OAUTH, "ZEEBE_TOKEN_AUDIENCE": "zeebe-api", "ZEEBE_TOKEN_SCOPE": "all"},
            ClientCredentials("worker", "s3cret", TOKEN_URL, "zeebe-api", "all"),
        ),
        ({**OAUTH, "OSMIA_TOKEN": "abc"}, Token("abc")),
        ({"ZEEBE_AUTHORIZATION_SERVER_URL": TOKEN_URL}, None),
    ],
)
def test_the_environment_says_who_calls(environ, sign_in):
    assert found("127.0.0.1", **environ).sign_in == sign_in


def test_a_secret_may_be_in_a_file(tmp_path):
    (tmp_path / "token").write_text("abc\n")
    assert found("127.0.0.1", OSMIA_TOKEN_FILE=str(tmp_path / "token")).sign_in == Token("abc")


def test_an_argument_goes_before_the_environment():
    assert found("127.0.0.1", Token("mine"), OSMIA_TOKEN="theirs").sign_in == Token("mine")


def test_secrets_do_not_show():
    shown = repr([Token("abc"), Password("anna", "abc"), ClientCredentials("worker", "abc", TOKEN_URL)])
    assert "abc" not in shown


@pytest.mark.parametrize(
    ("address", "environ", "is_tls"),
    [
        ("127.0.0.1:26500", {}, False),
        (REMOTE, {}, False),
        (f"https://{REMOTE}", {}, True),
        (f"grpcs://{REMOTE}", {"OSMIA_INSECURE": "true"}, True),
        ("127.0.0.1:26500", {"OSMIA_TOKEN": "abc"}, False),  # it does not leave the machine
        ("[::1]:26500", {"OSMIA_TOKEN": "abc"}, False),
        (REMOTE, {"OSMIA_TOKEN": "abc"}, True),
        (REMOTE, OAUTH, True),
        (REMOTE, {"OSMIA_TOKEN": "abc", "OSMIA_INSECURE": "true"}, False),
        (REMOTE, {"OSMIA_TOKEN": "abc", "ZEEBE_INSECURE_CONNECTION": "true"}, False),
        (f"http://{REMOTE}", {"OSMIA_TOKEN": "abc", "OSMIA_INSECURE": "yes"}, False),
        (REMOTE, {"ZEEBE_INSECURE_CONNECTION": "false"}, True),
        ("127.0.0.1", {"OSMIA_INSECURE": "false", "ZEEBE_INSECURE_CONNECTION": "true"}, True),
    ],
)
def test_tls_is_spoken_where_it_is_asked_for_or_a_secret_leaves_the_machine(address, environ, is_tls):
    assert (found(address, **environ).credentials is not None) is is_tls


@pytest.mark.parametrize("name", ["OSMIA_CA_CERT", "ZEEBE_CA_CERTIFICATE_PATH"])
def test_a_certificate_of_an_authority_asks_for_tls(ca, name):
    assert found(REMOTE, **{name: str(ca)}).credentials
    assert found(REMOTE, ca_cert=ca).credentials
    assert found(f"http://{REMOTE}", ca_cert=ca).credentials is None


@pytest.mark.parametrize(
    ("environ", "refusal"),
    [
        ({"OSMIA_PASSWORD": "x"}, "Expected OSMIA_USER, because OSMIA_PASSWORD is set, but found none"),
        ({"OSMIA_PASSWORD": "x", "OSMIA_USER": "a:b"}, "Expected a user's name without a colon, but found 'a:b'"),
        ({"ZEEBE_CLIENT_ID": "worker"}, "Expected ZEEBE_CLIENT_SECRET too"),
        ({**OAUTH, "ZEEBE_AUTHORIZATION_SERVER_URL": ""}, "Expected ZEEBE_AUTHORIZATION_SERVER_URL too"),
        ({**OAUTH, "ZEEBE_AUTHORIZATION_SERVER_URL": "http://id.example.org"}, "a token_url that begins with https://"),
        ({"OSMIA_TOKEN_FILE": "/nowhere/token"}, "Expected OSMIA_TOKEN_FILE to be a text file, but found"),
        ({"OSMIA_INSECURE": "maybe"}, "Expected OSMIA_INSECURE to be true or false, but found 'maybe'"),
        ({"OSMIA_CA_CERT": "no.pem"}, "Expected OSMIA_CA_CERT to be a file in PEM, but found 'no.pem': No such file"),
        ({"ZEEBE_CA_CERTIFICATE_PATH": "no.pem"}, "Expected ZEEBE_CA_CERTIFICATE_PATH to be a file in PEM, but found"),
        ({"OSMIA_CLIENT_CERT": "c.pem", "OSMIA_CLIENT_KEY": "k.pem"}, "Expected OSMIA_CLIENT_KEY to be a file in PEM"),
        ({"OSMIA_CLIENT_CERT": "cert.pem"}, "Expected OSMIA_CLIENT_CERT and OSMIA_CLIENT_KEY, but found one of them"),
    ],
)
def test_half_a_sign_in_is_refused(environ, refusal):
    with pytest.raises(ValueError, match=refusal):
        found("127.0.0.1", **environ)


def test_a_secret_is_not_sent_to_another_machine_as_plain_text():
    with pytest.raises(ValueError, match=r"Expected TLS for a sign-in at 'broker\.example\.org', but found http://"):
        osmia.Client(f"http://{REMOTE}", sign_in=Token("abc"))


def test_a_file_that_is_no_certificate_is_refused(tmp_path):
    (tmp_path / "ca.pem").write_text("hello")
    with pytest.raises(
        ValueError, match=r"Expected ca_cert to be a certificate in PEM, but found another file, '.*ca\.pem'"
    ):
        osmia.Client(ca_cert=tmp_path / "ca.pem")


class TokenServer:
    """Gives tokens to programs. *answers* are its answers in turn; the last one stays."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = []
        self.asked: list[dict[str, str]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
                server.asked.append({name: values[0] for name, values in form.items()})
                status, body = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
                content = msgspec.json.encode(body)
                self.send_response(status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/token"


@pytest.fixture
def server() -> Iterator[TokenServer]:
    server = TokenServer()
    threading.Thread(target=server.http.serve_forever, args=[0.01], daemon=True).start()
    yield server
    server.http.shutdown()
    server.http.server_close()


async def test_a_token_is_asked_for_once_and_again_before_it_expires(server):
    server.answers = [(200, {"access_token": f"t{number}", "expires_in": 300}) for number in range(3)]
    now = [0.0]
    tokens = Tokens(
        partial(ask_provider, ClientCredentials("worker", "s3cret", server.url, "zeebe-api")), now_s=lambda: now[0]
    )
    assert set(await asyncio.gather(*(tokens.authorization() for _ in range(9)))) == {"Bearer t0"}
    now[0] = 269
    assert await tokens.authorization() == "Bearer t0"
    now[0] = 270
    assert await tokens.authorization() == "Bearer t1"
    assert server.asked[0] == {
        "grant_type": "client_credentials",
        "client_id": "worker",
        "client_secret": "s3cret",
        "audience": "zeebe-api",
    }


async def test_a_refused_token_is_replaced_once_for_all_who_had_it(server):
    server.answers = [(200, {"access_token": f"t{number}"}) for number in range(3)]
    tokens = Tokens(partial(ask_provider, ClientCredentials("worker", "s3cret", server.url)))
    first = await tokens.authorization()
    assert {await tokens.authorization(refused=first) for _ in range(3)} == {"Bearer t1"}


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (
            (401, {"error": "invalid_client"}),
            osmia.NotAllowed,
            "but found: 401 Unauthorized; are the id and the secret",
        ),
        ((500, {}), osmia.Unavailable, "but found: 500 Internal Server Error"),
        ((200, {}), osmia.Unavailable, "but found an answer without one"),
        ((200, []), osmia.Unavailable, "but found an answer without one"),
        ((200, {"access_token": "x", "expires_in": "soon"}), osmia.Unavailable, "but found an answer without one"),
    ],
)
async def test_a_server_that_gives_no_token_is_named(server, answer, error, text):
    server.answers = [answer]
    with pytest.raises(error, match=text) as failed:
        await Tokens(partial(ask_provider, ClientCredentials("worker", "s3cret", server.url))).authorization()
    assert "s3cret" not in str(failed.value)


def test_a_password_signs_in_at_a_broker(tmp_path, monkeypatch):
    store(tmp_path / "osmia.users.json", anna=(ANNA, []))
    with running_broker(tmp_path, auth="basic") as broker:
        with osmia.SyncClient(broker.address, sign_in=Password("anna", ANNA)) as client:
            client.deploy(("p.bpmn", bpmn("start > t:user > end", id="p")))
            client.create_instance("p")
            done = client.search_items("audit-logs", {"actorId": "anna"}).items
            assert {(one["entityType"], one["operationType"]) for one in done} == {
                ("RESOURCE", "CREATE"),
                ("PROCESS_INSTANCE", "CREATE"),
            }
        monkeypatch.setenv("OSMIA_USER", "anna")
        monkeypatch.setenv("OSMIA_PASSWORD", ANNA)
        with osmia.SyncClient(broker.address) as client:
            assert client.topology()


def test_a_client_renews_a_token_that_the_broker_does_not_take(tmp_path, server):
    import time

    with FakeProvider() as provider:
        good, late = (
            provider.token(time.time() + shift, preferred_username=None, azp="worker") for shift in (0, -9_999)
        )
        settings = {"auth": "oidc", "oidc_issuer": provider.issuer, "oidc_audience": "osmia"}
        credentials = ClientCredentials("worker", "s3cret", server.url)
        with running_broker(tmp_path, **settings) as broker:
            for calls in (lambda one: one.topology(), lambda one: one.activate_jobs("x", wait_ms=-1)):
                server.answers = [(200, {"access_token": late}), (200, {"access_token": good})]
                with osmia.SyncClient(broker.address, sign_in=credentials) as client:
                    calls(client)
            server.answers = [(200, {"access_token": late})]
            with osmia.SyncClient(broker.address, sign_in=credentials) as client:
                for calls in (lambda one: one.topology(), lambda one: one.activate_jobs("x", wait_ms=-1)):
                    asked = len(server.asked)
                    with pytest.raises(osmia.NotAllowed, match="Expected a token that has not expired"):
                        calls(client)
                    assert len(server.asked) <= asked + 2


@pytest.mark.parametrize(
    ("details", "speaks_tls", "sentence"),
    [
        (
            "x CERTIFICATE_VERIFY_FAILED: y",
            True,
            "Expected b:1 to show a certificate of a known authority, but found another",
        ),
        ("Hostname Verification Check failed.", True, "Expected b:1 to show a certificate for this host"),
        ("SSL routines:WRONG_VERSION_NUMBER", True, "Expected b:1 to speak TLS, but found plain text"),
        ("missing selected ALPN property.", True, "Expected b:1 to speak gRPC, but found another program"),
        ("failed to connect to all addresses; last error: Socket closed", False, "it may speak TLS: use https://"),
        (
            "failed to connect to all addresses; last error: Socket closed",
            True,
            "it may ask for a certificate of the client",
        ),
    ],
)
def test_a_mistake_with_tls_is_explained(details, speaks_tls, sentence):
    reason = reason_of(details, speaks_tls=speaks_tls)
    assert reason is not None
    assert sentence in reason.sentence_about("b:1")


def test_other_failures_keep_their_words():
    assert reason_of("Socket closed") is None


def test_real_mistakes_with_tls_are_explained(tmp_path, ca):
    with running_broker(tmp_path / "data", **certificates.write(tmp_path)) as broker:
        assert osmia.SyncClient(broker.address, ca_cert=ca).topology()
        for address, options, sentence in (
            (broker.address, {}, "it may speak TLS: use https://"),
            (f"https://{broker.address}", {}, "a certificate of a known authority"),
            (
                f"https://127.0.0.1:{broker.broker.http_port}",
                {"ca_cert": ca},
                "to speak gRPC, but found another program",
            ),
        ):
            with (
                osmia.SyncClient(address, call_timeout_ms=10_000, **options) as client,
                pytest.raises(osmia.Unavailable, match=sentence),
            ):
                client.topology()
    with (
        running_broker(tmp_path / "plain") as broker,
        osmia.SyncClient(f"https://{broker.address}", ca_cert=ca) as client,
        pytest.raises(osmia.Unavailable, match="to speak TLS, but found plain text"),
    ):
        client.topology()
