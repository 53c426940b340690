"""One rule for what callers say about themselves, at every door: UTF-8, blanks around it do not count, given once (docs/security.md)."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import msgspec
import pytest

import osmia
from osmia_broker.base.errors import InvalidArgument
from osmia_broker.gateway.door import GrpcCaller
from osmia_proto import queries
from tests.patience import ANSWER_S
from tests.rest.conftest import Rest
from tests.running_broker import running_broker

Given = list[tuple[str, bytes]]
#: The answer of the broker: a status, and who it takes the caller for, or why not.
Ask = Callable[[Given], tuple[str, Any]]


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rest]:
    """A broker whose gRPC server is our own."""
    with running_broker(tmp_path_factory.mktemp("own"), grpc_server="python") as broker:
        rest = Rest(broker)
        yield rest
        rest.http.close()


@pytest.fixture(params=["rest", "grpc", "own_server"])
def ask(request: pytest.FixtureRequest, rest: Rest, unique: str) -> Iterator[Ask]:
    """Say at a door who calls, and hear who the broker takes that for."""
    if request.param == "own_server":
        rest = request.getfixturevalue("own_server")
    if request.param == "rest":
        yield lambda given: over_http(rest, given)
        return
    rest.deploy("start > ask:user(native=yes) > end", unique)
    rest.create(unique)
    found = rest.post("/user-tasks/search", {"filter": {"processDefinitionId": unique}})
    key = int(found["items"][0]["userTaskKey"])
    with grpc.insecure_channel(rest.broker.address) as channel:
        yield lambda given: over_grpc(channel, key, given)


def over_http(rest: Rest, given: Given) -> tuple[str, Any]:
    """No client in between: it would refuse or mend what it sends."""
    lines = b"".join(b"%s: %s\r\n" % (name.encode(), value) for name, value in given)
    with socket.create_connection(("127.0.0.1", rest.broker.broker.http_port), timeout=ANSWER_S) as connection:
        connection.sendall(
            b"GET /v2/authentication/me HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n" + lines + b"\r\n"
        )
        head, _, body = b"".join(iter(lambda: connection.recv(65_536), b"")).partition(b"\r\n\r\n")
    answer = msgspec.json.decode(body)
    if head.startswith(b"HTTP/1.1 200"):
        return "OK", "" if answer["username"] == "anonymous" else answer["username"]
    return answer["title"], answer["detail"]


def over_grpc(channel: grpc.Channel, key: int, given: Given) -> tuple[str, Any]:
    """gRPC carries ASCII; another text goes as bytes."""
    metadata = [(name, value.decode()) if value.isascii() else (f"{name}-bin", value) for name, value in given]
    claim = channel.unary_unary(
        "/osmia.v1.UserTasks/ClaimUserTask",
        queries.ClaimUserTaskRequest.SerializeToString,
        queries.UserTaskChanged.FromString,
    )
    get = channel.unary_unary(
        "/osmia.v1.UserTasks/GetUserTask", queries.GetUserTaskRequest.SerializeToString, queries.UserTask.FromString
    )
    try:
        claim(queries.ClaimUserTaskRequest(key=key), metadata=metadata, timeout=ANSWER_S)
    except grpc.RpcError as refusal:
        if "No assignee" in refusal.details():
            return "OK", ""
        return refusal.code().name, refusal.details()
    return "OK", get(queries.GetUserTaskRequest(key=key), timeout=ANSWER_S).assignee


@pytest.mark.parametrize(
    ("given", "user"),
    [
        ([("osmia-user", b"anna")], "anna"),
        ([("osmia-user", "Jürgen Müller".encode())], "Jürgen Müller"),
        ([("osmia-user", "山田".encode())], "山田"),
        ([("osmia-user", b"anna  ")], "anna"),
        ([("osmia-user", b"  anna")], "anna"),
        ([("osmia-user", b"Smith, Ada")], "Smith, Ada"),
        ([("osmia-user", b"x" * 256)], "x" * 256),
        ([("osmia-user", b"")], ""),
        ([("osmia-user", b"   ")], ""),
        ([], ""),
        ([("osmia-users", b"anna")], ""),
        ([("osmia-groups", b"a"), ("osmia-groups", b"b"), ("osmia-user", b"anna")], "anna"),
    ],
)
def test_a_name_that_is_given_well(ask: Ask, given: Given, user: str):
    assert ask(given) == ("OK", user)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([("osmia-user", b"anna"), ("osmia-user", b"boss")], "'osmia-user' to be given once, but found it 2 times"),
        ([("osmia-user", b"anna"), ("osmia-user", b"anna")], "'osmia-user' to be given once, but found it 2 times"),
        ([("osmia-user", b"anna"), ("osmia-user", "Jürgen".encode())], "'osmia-user' to be given once"),
        ([("osmia-user", b"J\xfcrgen")], "'osmia-user' to be UTF-8, but found other bytes"),
        ([("osmia-user", b"\xed\xa0\x80")], "'osmia-user' to be UTF-8, but found other bytes"),
        (
            [("osmia-user", "a\u200bb".encode())],
            r"'osmia-user' to have printable characters only, but found 'a\u200bb'",
        ),
        ([("osmia-user", b"x" * 257)], "'osmia-user' to have at most 256 characters, but found 257"),
        ([("osmia-user", b"anna"), ("osmia-groups", b"it,\xff")], "'osmia-groups' to be UTF-8, but found other bytes"),
        ([("osmia-user", b"anna"), ("osmia-groups", b"it," + b"x" * 257)], "'osmia-groups' to have at most 256"),
    ],
)
def test_a_name_that_is_refused(ask: Ask, given: Given, reason: str):
    status, text = ask(given)
    assert status == "INVALID_ARGUMENT"
    assert f"Expected {reason}" in text


def test_bytes_under_a_name_for_texts_are_refused_if_they_are_none():
    class Call:
        def invocation_metadata(self) -> tuple[tuple[str, bytes], ...]:
            return (("osmia-user", b"J\xfcrgen"), ("user-agent", b"\xff"))

    caller = GrpcCaller(Call())
    with pytest.raises(InvalidArgument, match="'osmia-user' to be UTF-8, but found other bytes"):
        _ = caller.user
    assert caller.user_agent == ""


def test_all_lists_of_groups_count(rest: Rest):
    named = [("Osmia-User", "anna"), ("Osmia-Groups", "it, hr"), ("Osmia-Groups", "hr,,office")]
    answer = rest.http.get("/authentication/me", headers=named)
    assert answer.json()["groups"] == ["it", "hr", "office"]


def test_a_key_of_a_repeated_call_is_given_once(rest: Rest, unique: str):
    rest.deploy("start > end", unique)
    twice = [("osmia-idempotency-key", "a"), ("osmia-idempotency-key", "b")]
    body = {"processDefinitionId": unique}
    problem = rest.refusal("POST", "/process-instances", body, headers=twice)
    assert "'osmia-idempotency-key' to be given once, but found it 2 times" in problem["detail"]


def test_the_sdk_carries_any_name_over_grpc(rest: Rest, unique: str):
    rest.deploy("start > ask:user(native=yes) > end", unique)
    rest.create(unique)
    desk = rest.broker.client.user_tasks
    (task,) = desk.search({"processDefinitionId": unique}, user="Jürgen").items
    desk.claim(task.key, user="Jürgen", groups=["Küche"])
    assert desk.get(task.key).assignee == "Jürgen"
    with pytest.raises(osmia.InvalidArgument, match=r"metadata 'osmia-user' to have printable characters only"):
        desk.claim(task.key, user="a\x00b")
    with pytest.raises(osmia.InvalidArgument, match=r"metadata 'x-other' to have printable ASCII characters only"):
        osmia.SyncClient(rest.broker.address, metadata=[("x-other", "Jürgen")])
