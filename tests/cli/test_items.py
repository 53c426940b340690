"""`osmia items`, `audit`, `document`, `feel` at a broker, and `instance activate`."""

import json
from typing import Any

import pytest

import osmia as sdk

AD_HOC = "start > pick:adhoc { a:job(type=none) & b:job(type=none) } > end"


@pytest.fixture
def picking(osmia: Any, unique: str) -> tuple[int, int]:
    """An instance at an ad-hoc subprocess, and the key of that."""
    osmia.deploy(AD_HOC, unique)
    key = osmia.create(unique, {"x": 3})
    (pick,) = osmia.client.get_instance(key).elements
    return key, pick.key


def test_any_list_is_printed_by_its_name(osmia: Any, picking: tuple[int, int]):
    key, pick = picking
    (row,) = osmia.json("items", "element-instances", "--filter", json.dumps({"elementInstanceKey": str(pick)}))
    assert (row["elementId"], row["processInstanceKey"]) == ("pick", str(key))
    rows = osmia.json("items", "process-instances/statistics/element-instances", "--of", str(key))
    assert {one["elementId"]: one["active"] for one in rows} == {"pick": 1, "start": 0}
    starts = osmia.json("items", "process-instances", "--sort", "-startDate", "--limit", "1")
    assert starts[0]["processInstanceKey"] == str(key)
    table = osmia.done("items", "element-instances", "--filter", json.dumps({"processInstanceKey": str(key)}))
    assert table.splitlines()[0].startswith("elementInstanceKey")
    assert len(table.splitlines()) == 3


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["nope"], 1, "resources, user-tasks, variables, and lists about these.\n  try: osmia items   (all lists)\n"),
        (["audit-log"], 1, "but found 'audit-log'; did you mean 'audit-logs'?\n  try: osmia items audit-logs\n"),
        (["jobs", "--of", "1"], 1, "belongs to nothing"),
        (
            ["jobs/statistics/by-workers"],
            1,
            "Expected filter.from and filter.to and filter.jobType to be given, but found none",
        ),
        (["user-tasks/audit-logs"], 1, "Expected the key of the user task"),
        (["user-tasks/audit-logs", "--of", "1"], 4, "There is no task with key 1"),
        (["jobs", "--filter", "[1]"], 2, "Expected --filter to hold a JSON object, but found a list"),
        (["jobs", "--filter", "{"], 2, "Expected --filter to hold a JSON object"),
        (["jobs", "--filter", '{"nope": 1}'], 1, "nope"),
        (["jobs", "--sort", "nope"], 1, "nope"),
    ],
)
def test_what_is_no_list(osmia: Any, words: list[str], code: int, told: str):
    assert osmia("items", *words) == code, osmia.err
    assert told in osmia.err
    assert osmia.out == ""


def test_without_a_name_the_names_of_all_lists_are_told(osmia: Any):
    told = osmia.done("items")
    assert told.splitlines()[:2] == ["LIST", "audit-logs"]
    assert "jobs/statistics/by-types" in told.splitlines()
    assert osmia.json("items")[0] == {"name": "audit-logs"}


def test_the_audit_log_says_who_did_what_and_takes_every_filter(osmia: Any, picking: tuple[int, int], unique: str):
    key, _ = picking
    with sdk.SyncClient(osmia.client.address, metadata=[("osmia-user", unique)]) as client:
        client.suspend_instance(key)
        client.resume_instance(key)
    done = [(one["operationType"], one["processInstanceKey"]) for one in osmia.json("audit", "--who", unique)]
    assert done == [("RESUME", str(key)), ("SUSPEND", str(key))], "newest first"
    assert len(osmia.json("audit", "--who", unique, "--did", "suspend")) == 1
    assert len(osmia.json("audit", "--instance", str(key), "--to", "process_instance", "--limit", "1")) == 1
    assert osmia.json("audit", "--who", unique, "--refused") == []
    narrowed = json.dumps({"operationType": {"$in": ["SUSPEND"]}})
    assert len(osmia.json("audit", "--who", unique, "--filter", narrowed)) == 1
    twice = ["--did", "CREATE", "--filter", '{"operationType": "CANCEL"}']
    assert "Expected 'operationType' in --filter or by its own option" in osmia.refused(2, "audit", *twice)
    assert "RESUME  PROCESS_INSTANCE" in osmia.done("audit", "--who", unique).replace("RESUME   ", "RESUME  ")
    assert osmia("audit", "--did", "nope") == 1
    assert "nope".upper() in osmia.err


def test_elements_of_an_ad_hoc_subprocess_are_activated(osmia: Any, picking: tuple[int, int]):
    key, pick = picking
    assert osmia.done("instance", "activate", pick, "a", "b", "--var", "y=1") == f"Activated a, b in {pick}\n"
    assert {one.element_id for one in osmia.client.get_instance(key).elements} >= {"a", "b"}
    assert "[nope] do not exist" in osmia.refused(4, "instance", "activate", pick, "nope")
    assert osmia("instance", "activate", pick) == 2


def test_an_expression_is_evaluated_at_the_broker(osmia: Any, picking: tuple[int, int], unique: str):
    key, _ = picking
    osmia.client.cluster_variables.create(unique, 7)
    assert osmia.done("feel", "x + 1", "--scope", key) == "4\n"
    assert osmia.done("feel", "x + y", "--scope", key, "--var", "y=1", "--var", "x=10") == "11\n"
    assert osmia.done("feel", f"camunda.vars.cluster.{unique}", "--at-broker") == "7\n"
    assert osmia.done("feel", "=x + 1", "--var", "x=1") == "2\n", "without a scope it needs no broker"
    found = osmia.json("feel", "missing", "--at-broker")
    assert (found["result"], [one["type"] for one in found["warnings"]]) == (None, ["NO_VARIABLE_FOUND"])
    assert "failed to parse" in osmia.refused(1, "feel", "x +", "--at-broker")
    osmia.refused(4, "feel", "x", "--scope", "99")


def test_a_document_is_uploaded_downloaded_linked_and_deleted(osmia: Any, tmp_path: Any):
    file, copy = tmp_path / "bill.txt", tmp_path / "copy.txt"
    file.write_bytes(b"12 euro")
    stored = osmia.json("document", "upload", file)
    assert (stored["metadata"]["fileName"], stored["metadata"]["contentType"]) == ("bill.txt", "text/plain")
    assert stored["expiresAt"] is None
    id = stored["documentId"]
    assert osmia.done("document", "download", id, copy) == f"Wrote 7 bytes to {copy}\n"
    assert copy.read_bytes() == b"12 euro"
    assert "File exists" in osmia.refused(1, "document", "download", id, copy), "nothing is overwritten"
    link = osmia.json("document", "link", id, "--ttl", "5m", "--http", "http://127.0.0.1:8080/")
    assert link["url"].startswith(f"http://127.0.0.1:8080/v2/documents/{id}?contentHash=")
    assert osmia.done("document", "delete", id, "--yes") == f"Deleted {id}\n"
    assert "try: osmia document upload FILE" in osmia.refused(4, "document", "download", id, tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["upload", "no/such/file"], 2, "Expected to read 'no/such/file'"),
        (["upload", __file__, "--id", "a b"], 1, "Expected a document id"),
        (["upload", __file__, "--keep", "x"], 2, "--keep"),
        (["link", "none"], 4, "document 'none'"),
        (["link", "none", "--ttl", "0s"], 1, "timeToLive is '0'"),
        (["link", "none", "--ttl", "8d"], 1, "timeToLive is '691200000'"),
        (["link", "none", "--ttl", "0.4ms"], 4, "document 'none'"),
        (["delete", "none", "--yes"], 4, "document 'none'"),
    ],
)
def test_what_is_no_document(osmia: Any, words: list[str], code: int, told: str):
    assert told in osmia.refused(code, "document", *words)


@pytest.mark.parametrize("by_option", [True, False])
def test_who_starts_an_instance_and_activates_an_element_is_in_the_audit_log(
    osmia: Any, unique: str, monkeypatch: pytest.MonkeyPatch, by_option: bool
):
    who = f"é{by_option}"
    osmia.deploy(AD_HOC, unique)
    if not by_option:
        monkeypatch.setenv("OSMIA_USER", who)
    key = osmia.json("start", unique, *(["--user", who] if by_option else []))["processInstanceKey"]
    monkeypatch.setenv("OSMIA_USER", who)
    (pick,) = osmia.client.get_instance(int(key)).elements
    osmia.done("instance", "activate", pick.key, "a", "b")
    osmia.done("instance", "cancel", key, "--yes")
    done = [
        (one["operationType"], one["actorId"], one["entityDescription"], one["elementInstanceKey"])
        for one in osmia.json("audit", "--instance", key)
    ]
    assert done == [("CANCEL", who, None, None), ("MODIFY", who, "a, b", str(pick.key)), ("CREATE", who, None, None)]
    monkeypatch.delenv("OSMIA_USER")
    osmia.done("start", unique)
    assert len(osmia.json("audit", "--process", unique)) == 3, "nobody is named"
