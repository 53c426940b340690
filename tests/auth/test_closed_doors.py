"""A broker with sign-in: who gets through its doors, as whom, and who does not."""

import stat
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

import osmia
from osmia_broker.auth.users_file import UsersFileError
from tests.auth.conftest import ANNA, BEN, store
from tests.bpmn import bpmn
from tests.process.program import osmia as osmia_program
from tests.running_broker import RunningBroker, running_broker

FORGED = {"osmia-user": "boss", "osmia-groups": "admins"}


def basic(name: str, password: str) -> str:
    return f"Basic {b64encode(f'{name}:{password}'.encode()).decode()}"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    data_dir = tmp_path_factory.mktemp("closed")
    store(data_dir / "osmia.users.json", anna=(ANNA, ["family", "a, b"]), ben=(BEN, []))
    with running_broker(data_dir, auth="basic") as broker:
        yield broker


@pytest.fixture
def http(broker: RunningBroker) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{broker.broker.http_port}/v2") as http:
        yield http


@pytest.fixture
def anna(broker: RunningBroker) -> Iterator[osmia.SyncClient]:
    with osmia.SyncClient(broker.address, metadata=[("authorization", basic("anna", ANNA)), *FORGED.items()]) as client:
        yield client


def test_a_signed_in_caller_works_over_grpc_as_that_user(anna):
    anna.deploy(("dinner.bpmn", bpmn("start > decide:user(native=yes) > end", id="dinner")))
    instance = anna.create_instance("dinner")
    [task] = anna.user_tasks.search({"processInstanceKey": str(instance.key)}).items
    anna.user_tasks.claim(task.key)
    assert anna.user_tasks.get(task.key).assignee == "anna"  # and not the boss of the metadata


def test_a_signed_in_caller_is_that_user_over_http(http):
    me = http.get("/authentication/me", headers={"authorization": basic("anna", ANNA), **FORGED}).json()
    assert (me["username"], me["groups"], me["canLogout"]) == ("anna", ["family", "a, b"], True)


def test_what_a_signed_in_caller_says_about_themselves_is_not_even_read(http):
    twice = [("osmia-user", "boss"), ("osmia-user", "ben"), ("osmia-groups", "x" * 300)]
    me = http.get("/authentication/me", headers=[("authorization", basic("anna", ANNA)), *twice]).json()
    assert (me["username"], me["groups"]) == ("anna", ["family", "a, b"])


TWICE = [("authorization", basic("anna", ANNA)), ("authorization", basic("ben", BEN))]
ONCE = "Expected 'authorization' to be given once, but found it 2 times"


def test_two_credentials_are_none(broker, http):
    refused = http.get("/authentication/me", headers=TWICE)
    assert (refused.status_code, refused.json()["detail"]) == (401, ONCE)
    with osmia.SyncClient(broker.address, metadata=TWICE) as client, pytest.raises(osmia.NotAllowed) as forbidden:
        client.topology()
    assert forbidden.value.details == ONCE


def test_a_token_is_not_said_to_be_nothing(http):
    refused = http.get("/authentication/me", headers={"authorization": "Bearer abc"})
    assert refused.status_code == 401
    assert refused.json()["detail"].endswith("with 'Basic' and user:password in base64, but found 'Bearer'")


def test_headers_alone_name_nobody(http):
    refused = http.get("/authentication/me", headers=FORGED)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == 'Basic realm="osmia", charset="UTF-8"'
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json() == {
        "type": "about:blank",
        "title": "UNAUTHENTICATED",
        "status": 401,
        "detail": "Expected the metadata or header 'authorization' with 'Basic' and user:password in base64, but found none",
        "instance": "/v2/authentication/me",
    }


@pytest.mark.parametrize(
    "metadata",
    [
        [],
        [*FORGED.items()],
        [("authorization", "")],  # as a published Node client sends it without sign-in
        [("authorization", basic("anna", BEN))],
        [("authorization", basic("boss", ANNA))],
        [("authorization", "Bearer abc")],
    ],
)
@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.topology(),
        lambda client: client.create_instance("dinner"),
        lambda client: client.search_incidents(),
        lambda client: client.activate_jobs("x", wait_ms=-1),
        lambda client: client.user_tasks.claim(1),
        lambda client: next(iter(client.stream_jobs("x"))),
    ],
)
def test_a_stranger_is_refused_over_grpc(broker, metadata, call):
    with osmia.SyncClient(broker.address, metadata=metadata) as client, pytest.raises(osmia.NotAllowed) as refused:
        call(client)
    assert refused.value.code is grpc.StatusCode.UNAUTHENTICATED
    assert refused.value.details.startswith("Expected ")
    assert BEN not in refused.value.details


@pytest.mark.parametrize("path", ["/topology", "/system/configuration", "/process-instances/1"])
def test_a_stranger_is_refused_over_http(http, path):
    assert http.get(path).status_code == 401


def test_a_stranger_is_refused_before_the_body_is_read(http):
    refused = http.post("/deployments", content=b"x" * 3_000_000, headers={"content-type": "multipart/form-data"})
    assert refused.status_code == 401


def test_a_path_that_does_not_exist_is_none_for_strangers_too(http):
    assert http.get("/nowhere").status_code == 404


@pytest.mark.parametrize(
    ("path", "status"), [("/openapi.json", 200), ("/docs", 200), ("/license", 200), ("/status", 204)]
)
def test_what_tells_nothing_about_processes_is_open(http, path, status):
    assert http.get(path).status_code == status


def test_health_and_reflection_are_open(broker):
    with grpc.insecure_channel(broker.address) as channel:
        health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        assert "gateway_protocol.Gateway" in ProtoReflectionDescriptorDatabase(channel).get_services()
    management = f"http://127.0.0.1:{broker.broker.management_port}"
    assert httpx.get(f"{management}/ready").status_code == 200


def test_the_settings_say_that_people_can_sign_out(http):
    configuration = http.get("/system/configuration", headers={"authorization": basic("ben", BEN)}).json()
    assert configuration["authentication"] == {"canLogout": True, "isLoginDelegated": False}


def test_a_user_who_is_removed_is_refused_at_the_next_call(tmp_path):
    path = store(tmp_path / "osmia.users.json", anna=(ANNA, []))
    with (
        running_broker(tmp_path, auth="basic") as broker,
        osmia.SyncClient(broker.address, metadata=[("authorization", basic("anna", ANNA))]) as client,
    ):
        client.topology()
        path.write_text('{"users": []}')
        with pytest.raises(osmia.NotAllowed):
            client.topology()


def test_no_password_is_written_to_the_data_directory(broker):
    for file in Path(broker.broker.settings.data_dir).iterdir():
        assert file.is_dir() or ANNA.encode() not in file.read_bytes()
    key = Path(broker.broker.settings.data_dir) / "osmia.session-key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_broker_does_not_start_with_users_that_it_cannot_read(tmp_path):
    (tmp_path / "osmia.users.json").write_text("{")
    with pytest.raises(UsersFileError), running_broker(tmp_path, auth="basic"):
        pass


def test_the_command_line_says_that_it_is_not_known_and_how_to_be(broker):
    refused = osmia_program("tasks", address=broker.address)
    assert refused.returncode == 7
    assert f"Error: The broker at {broker.address} does not know you." in refused.stderr
    mend = (
        f"try: osmia login --user NAME --address {broker.address}   (or --issuer URL of a provider; or OSMIA_USER and"
    )
    assert mend in refused.stderr
    assert osmia_program("tasks", address=broker.address, OSMIA_USER="anna", OSMIA_PASSWORD=ANNA).returncode == 0
    assert osmia_program("tasks", "--token", "abc", address=broker.address).returncode == 7


def test_a_broker_without_a_provider_does_not_load_the_library_of_tokens():
    code = "import sys, osmia_broker.running.broker, osmia_broker.http.server; print({'jwt', 'cryptography'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_without_sign_in_the_headers_say_who_calls(tmp_path):
    with (
        running_broker(tmp_path) as broker,
        httpx.Client(base_url=f"http://127.0.0.1:{broker.broker.http_port}/v2") as http,
    ):
        me = http.get("/authentication/me", headers={**FORGED, "authorization": "Bearer anything"}).json()
        assert (me["username"], me["groups"], me["canLogout"]) == ("boss", ["admins"], False)
        assert not (tmp_path / "osmia.session-key").exists()


def test_a_document_is_for_callers_who_signed_in_and_for_those_who_have_a_link(http):
    anna = {"authorization": basic("anna", ANNA)}
    stored = http.post("/documents", files={"file": ("a.txt", b"hello")}, headers=anna).json()
    path = f"/documents/{stored['documentId']}"
    assert http.get(path, headers=anna).content == b"hello"
    assert http.get(path).status_code == 401
    assert http.get(path, params={"contentHash": stored["contentHash"]}).status_code == 401
    link = http.post(f"{path}/links", headers=anna).json()["url"]
    assert http.get(link).content == b"hello"
    for forged in (f"{link}0", link.replace("expires=", "expires=9"), f"{link}&signature=", f"{link}&expires=0"):
        assert http.get(forged).status_code == 403
    assert http.get(f"{path}?signature=").status_code == 403
    assert http.post(f"{path}/links").status_code == 401
    assert http.delete(path).status_code == 401


def test_a_broker_with_sign_in_answers_to_every_name(http):
    assert http.get("/status", headers={"host": "osmia.example.org"}).status_code == 204


def status_of(ask, *arguments, **options) -> int:
    """The status of the answer. A door that has closed before all was sent has refused the rest, and its answer may be lost on the way."""
    try:
        return int(ask(*arguments, **options).status_code)
    except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
        return 413


def test_a_stranger_may_send_little(http, broker):
    much = b"x" * 70_000
    assert status_of(http.request, "GET", "/status", content=much) == 413
    assert status_of(http.request, "GET", "/status", content=iter([much])) == 413
    page = f"http://127.0.0.1:{broker.broker.http_port}"
    form = {"user": "anna", "password": "x" * 70_000}
    for path in ("/login", "/tasks/selected", "/logout"):
        assert status_of(httpx.post, page + path, data=form) in (303, 413), path  # sent to sign in, or refused
    assert status_of(httpx.post, f"{page}/login", data=form) == 413


def test_signing_out_lets_the_browser_forget_what_was_used_last(broker):
    answer = httpx.post(f"http://127.0.0.1:{broker.broker.http_port}/logout")
    assert any(
        one.startswith('osmia_last=""; ') and "Max-Age=0" in one for one in answer.headers.get_list("set-cookie")
    )
