"""Documents over gRPC: stored, read in parts, linked and deleted, by the rules of the HTTP door."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

import osmia
from osmia_broker.gateway.documents_service import PART_BYTES_MAX
from osmia_broker.store.read.search.values import LATEST_MS
from tests.running_broker import RunningBroker, running_broker

MIB = 1024 * 1024


@pytest.fixture
def documents(gateway_broker: RunningBroker) -> Any:
    return gateway_broker.client.documents


def http(broker: RunningBroker) -> str:
    return f"http://127.0.0.1:{broker.broker.http_port}"


def test_a_document_is_read_as_it_was_stored(documents: Any):
    content = bytes(range(256)) * 3
    stored = documents.create(content, file_name="naïve.bin", process_instance_key=7, custom_properties={"n": 1})
    assert (stored.size, stored.content_hash) == (768, hashlib.sha256(content).hexdigest())
    assert (stored.file_name, stored.content_type) == ("naïve.bin", "application/octet-stream")
    assert (stored.process_instance_key, stored.custom_properties, stored.expires_ms) == (7, {"n": 1}, 0)
    assert documents.read(stored.id) == documents.read(stored.id, content_hash=stored.content_hash) == content


@pytest.mark.parametrize("properties", [{"price": 1.5}, {"a": [1.0, {"b": -2e-3}]}, {"exact": 9007199254740993}])
def test_a_property_may_be_any_number(gateway_broker: RunningBroker, documents: Any, properties: dict[str, Any]):
    stored = documents.create(b"x", custom_properties=properties)
    assert stored.custom_properties == properties
    part = next(documents.stream(stored.id))
    assert part == b"x"
    metadata = {"customProperties": properties}
    with httpx.Client(base_url=f"{http(gateway_broker)}/v2") as rest:
        files = {"file": ("a", b"x"), "metadata": (None, json.dumps(metadata), "application/json")}
        assert rest.post("/documents", files=files).json()["metadata"]["customProperties"] == properties


@pytest.mark.parametrize("size", [0, 1, PART_BYTES_MAX, PART_BYTES_MAX + 1, 3 * PART_BYTES_MAX])
def test_a_content_comes_in_bounded_parts(documents: Any, size: int):
    content = b"x" * size
    parts = list(documents.stream(documents.create(content).id))
    assert b"".join(parts) == content
    assert len(parts) == max(1, -(-size // PART_BYTES_MAX))
    assert max(map(len, parts)) <= PART_BYTES_MAX


def test_a_document_is_as_large_as_the_broker_takes(tmp_path: Path):
    with running_broker(tmp_path, max_message_size=6 * MIB) as broker:
        content = b"x" * (5 * MIB)
        stored = broker.client.documents.create(content)
        assert broker.client.documents.read(stored.id) == content
        with pytest.raises(osmia.InvalidArgument, match=f"{6 * MIB}"):
            broker.client.documents.create(b"x" * (6 * MIB))


def test_a_document_is_the_same_at_both_doors(gateway_broker: RunningBroker, documents: Any):
    by_grpc = documents.create(b"1", file_name="a.txt", content_type="text/plain")
    with httpx.Client(base_url=f"{http(gateway_broker)}/v2") as rest:
        assert rest.get(f"/documents/{by_grpc.id}").content == b"1"
        by_rest = rest.post("/documents", files={"file": ("b.txt", b"22", "text/plain")}).json()
        assert documents.read(by_rest["documentId"]) == b"22"
        documents.delete(by_rest["documentId"])
        assert rest.get(f"/documents/{by_rest['documentId']}").status_code == 404
        again = rest.post("/documents", files={"file": ("a.txt", b"1", "text/plain")}).json()
    assert {**by_grpc.reference, "documentId": ""} == {
        **again,
        "documentId": "",
        "metadata": {k: again["metadata"][k] for k in by_grpc.reference["metadata"]},
    }


def test_a_reference_is_a_variable(gateway_broker: RunningBroker, documents: Any):
    stored = documents.create(b"1", file_name="a.txt")
    found = gateway_broker.client.evaluate_expression("=bill.documentId", {"bill": stored.reference})
    assert found.value == stored.id


def test_a_link_leads_to_the_document_until_its_time_is_over(gateway_broker: RunningBroker, documents: Any):
    stored = documents.create(b"hello")
    link = documents.link(stored.id, time_to_live_ms=1_000)
    assert link.expires_ms == gateway_broker.clock.ms + 1_000
    assert httpx.get(http(gateway_broker) + link.path).content == b"hello"
    forged = link.path.replace("expires=", "expires=9")
    assert httpx.get(http(gateway_broker) + forged).status_code == 403
    gateway_broker.clock.ms += 2_000
    assert httpx.get(http(gateway_broker) + link.path).status_code == 404
    hour = documents.link(stored.id)
    assert hour.expires_ms == gateway_broker.clock.ms + 3_600_000
    assert parse_qs(urlsplit(hour.path).query)["contentHash"] == [stored.content_hash]


def test_a_document_whose_time_is_over_is_gone(gateway_broker: RunningBroker, documents: Any):
    stored = documents.create(b"1", expires_ms=gateway_broker.clock.ms + 1_000)
    assert documents.read(stored.id) == b"1"
    gateway_broker.clock.ms += 1_000
    with pytest.raises(osmia.NotFound, match=f"document '{stored.id}'"):
        documents.read(stored.id)


Asked = Callable[[Any], Any]


@pytest.mark.parametrize(
    ("asked", "kind", "text"),
    [
        (lambda it: it.create(b"1", id="../x"), osmia.InvalidArgument, "Expected a document id"),
        (lambda it: it.create(b"1", id="x" * 101), osmia.InvalidArgument, "at most 100"),
        (lambda it: it.create(b"1", expires_ms=-1), osmia.InvalidArgument, "expiresAt"),
        (lambda it: it.create(b"1", expires_ms=LATEST_MS + 1), osmia.InvalidArgument, "year 10000"),
        (lambda it: it.create(b"1", custom_properties="[1]"), osmia.InvalidArgument, "custom_properties to be a JSON"),
        (lambda it: it.create(b"1", custom_properties='{"a":1e400}'), osmia.InvalidArgument, "out of range"),
        (lambda it: it.link(it.create(b"1").id, time_to_live_ms=0), osmia.InvalidArgument, "timeToLive is '0'"),
        (lambda it: [it.create(b"1", id="twice"), it.create(b"2", id="twice")], osmia.AlreadyExists, "'twice'"),
        (lambda it: it.create(b"x" * 5_000_000), osmia.InvalidArgument, "larger than max|exceeds maximum size"),
        (lambda it: it.read("none"), osmia.NotFound, "document 'none'"),
        (lambda it: it.read(""), osmia.NotFound, "document ''"),
        (lambda it: it.read("../../etc/passwd"), osmia.NotFound, "no such document"),
        (lambda it: it.read(it.create(b"1").id, content_hash="0"), osmia.InvalidArgument, "content hash"),
        (lambda it: it.delete("none"), osmia.NotFound, "document 'none'"),
        (lambda it: it.link("none"), osmia.NotFound, "document 'none'"),
        (lambda it: it.link(it.create(b"1").id, time_to_live_ms=-1), osmia.InvalidArgument, "timeToLive is '-1'"),
        (lambda it: it.link(it.create(b"1").id, time_to_live_ms=10**12), osmia.InvalidArgument, r"\[1,604800000\]"),
        (lambda it: it.link(it.create(b"1").id, content_hash="0"), osmia.InvalidArgument, "content hash"),
    ],
)
def test_what_is_refused(documents: Any, asked: Asked, kind: type[Exception], text: str):
    with pytest.raises(kind, match=text):
        asked(documents)
