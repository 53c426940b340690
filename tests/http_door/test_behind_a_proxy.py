"""A proxy speaks TLS for the broker, and asks it by another name: links, cookies and checks are about what the browser asked for."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from osmia_broker.settings.config import ConfigError, Settings
from tests.auth.conftest import ANNA, store
from tests.auth.provider import CLIENT, SECRET, FakeProvider
from tests.running_broker import running_broker

PUBLIC = "https://osmia.example.org"
NAMES = [None, "osmia.example.org", "OSMIA.example.org"]  # a proxy keeps the name, or asks by that of the machine


def at(port: int, host: str | None, **headers: str) -> httpx.Client:
    """What a proxy before the door sends."""
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers | ({"host": host} if host else {}))


@pytest.fixture(scope="module")
def open_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with running_broker(tmp_path_factory.mktemp("open"), public_url=PUBLIC) as broker:
        yield broker.broker.http_port


@pytest.fixture(scope="module")
def closed_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder: Path = tmp_path_factory.mktemp("closed")
    store(folder / "osmia.users.json", anna=(ANNA, ["family"]))
    with running_broker(folder, auth="basic", public_url=PUBLIC) as broker:
        yield broker.broker.http_port


@pytest.mark.parametrize("host", NAMES)
def test_a_link_to_a_document_leads_through_the_proxy(open_port: int, host: str | None):
    with at(open_port, host) as proxy:
        made = proxy.post("/v2/documents", files={"file": ("a.txt", b"abc", "text/plain")}).json()
        link = f"/v2/documents/{made['documentId']}/links?contentHash={made['contentHash']}"
        url = proxy.post(link, json={}).json()["url"]
        assert url.startswith(f"{PUBLIC}/v2/documents/")
        assert proxy.get(url.removeprefix(PUBLIC)).text == "abc"


@pytest.mark.parametrize("host", NAMES)
def test_a_browser_sends_the_cookie_of_a_session_over_tls_alone(closed_port: int, host: str | None):
    with at(closed_port, host, origin=PUBLIC) as proxy:
        begun = proxy.post("/login", data={"user": "anna", "password": ANNA, "back": "/tasks"})
        cookie = begun.headers["set-cookie"]
        assert (begun.status_code, cookie.partition("=")[0]) == (303, "__Host-osmia-session")
        assert cookie.endswith("; Secure")
        assert begun.headers["location"] == "/tasks"
        ended = proxy.post("/logout", headers={"cookie": cookie.partition(";")[0]})
        assert any(one.startswith("__Host-osmia-session=;") for one in ended.headers.get_list("set-cookie"))


@pytest.mark.parametrize("host", NAMES)
def test_a_provider_sends_people_back_through_the_proxy(tmp_path: Path, host: str | None):
    with FakeProvider() as provider:
        settings = {
            "auth": "oidc",
            "oidc_issuer": provider.issuer,
            "oidc_audience": "osmia",
            "oidc_client_id": CLIENT,
            "oidc_client_secret": SECRET,
        }
        with (
            running_broker(tmp_path, public_url=PUBLIC, **settings) as broker,
            at(broker.broker.http_port, host) as proxy,
        ):
            sent = proxy.get("/login/provider")
            assert parse_qs(urlsplit(sent.headers["location"]).query)["redirect_uri"] == [f"{PUBLIC}/login/callback"]
            assert sent.headers["set-cookie"].endswith("; Secure")


@pytest.mark.parametrize("host", NAMES)
def test_the_page_at_the_public_address_is_of_this_site(open_port: int, host: str | None):
    own = {"origin": PUBLIC, "sec-fetch-site": "same-origin"}
    with at(open_port, host, **own) as proxy:
        assert proxy.post("/theme", data={"back": "/"}).status_code == 303
        assert proxy.post("/v2/messages/publication", json={"name": "a", "correlationKey": "1"}).is_success


@pytest.mark.parametrize("origin", ["http://127.0.0.1", "https://evil.example", f"{PUBLIC}.evil.example", "null"])
@pytest.mark.parametrize("host", NAMES)
def test_another_site_is_another_one_behind_a_proxy_too(open_port: int, host: str | None, origin: str):
    with at(open_port, host, origin=origin) as proxy:
        assert proxy.post("/theme", data={"back": "/"}).status_code == 403
        assert proxy.post("/v2/messages/publication", json={"name": "a", "correlationKey": "1"}).status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "osmia.example.org.evil.example", "osmia.example.org:8443"])
def test_an_open_broker_answers_to_no_third_name(open_port: int, host: str):
    with at(open_port, host) as proxy:
        assert proxy.get("/tasks").status_code == 421
        assert proxy.get("/v2/topology").status_code == 421


def test_what_a_caller_says_about_the_proxy_counts_for_nothing(tmp_path: Path):
    with running_broker(tmp_path) as broker:
        said = {"x-forwarded-proto": "https", "x-forwarded-host": "evil.example", "forwarded": "proto=https;host=evil"}
        with at(broker.broker.http_port, None, **said) as stranger:
            made = stranger.post("/v2/documents", files={"file": ("a.txt", b"abc", "text/plain")}).json()
            link = f"/v2/documents/{made['documentId']}/links?contentHash={made['contentHash']}"
            assert stranger.post(link, json={}).json()["url"].startswith("http://127.0.0.1:")


def test_a_proxy_may_not_hold_news_for_the_page_back(open_port: int):
    with at(open_port, None) as proxy, proxy.stream("GET", "/events?topics=tasks") as news:
        assert news.headers["x-accel-buffering"] == "no"
        assert news.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("", ""),
        ("https://Osmia.Example.org/", PUBLIC),
        ("HTTPS://osmia.example.org:443", PUBLIC),
        ("http://osmia.example.org:80", "http://osmia.example.org"),
        ("http://osmia.example.org:443", "http://osmia.example.org:443"),
        (" https://[2001:DB8::1]:8443 ", "https://[2001:db8::1]:8443"),
    ],
)
def test_a_public_address_is_kept_as_browsers_write_it(text: str, read: str):
    assert Settings(public_url=text).public_url == read


@pytest.mark.parametrize(
    "text",
    [
        "osmia.example.org",
        "//osmia.example.org",
        "ftp://osmia.example.org",
        "https://",
        "https://osmia.example.org/osmia",
        "https://osmia.example.org?a",
        "https://anna@osmia.example.org",
        "https://osmia.example.org:0",
        "https://osmia.example.org:65536",
        "https://größe.example",
        "https://a b",
    ],
)
def test_an_address_that_is_no_site_is_refused(text: str):
    with pytest.raises(ConfigError, match=r"an address without a path, such as https://osmia\.example\.org"):
        Settings(public_url=text)
