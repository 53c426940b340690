"""A member that is probably misspelt is refused; any other that is unknown is passed over, as by the reference."""

import json

import pytest

from osmia_broker.http.misspelt import NAMES_MAX, refuse_misspelt
from tests.rest.conftest import Rest


@pytest.mark.parametrize(
    ("given", "meant"),
    [("variabels", "variables"), ("variable", "variables"), ("processDefinitonId", "processDefinitionId")],
)
def test_a_misspelt_member_is_refused_with_the_one_that_was_meant(rest: Rest, unique: str, given: str, meant: str):
    rest.deploy("start > end", unique)
    body = {"processDefinitionId": unique, "variables": {}}
    body[given] = body.pop(meant)
    detail = rest.refusal("POST", "/process-instances", body)["detail"]
    assert detail == f"Failed to read request: expected '{meant}', but found '{given}'"


@pytest.mark.parametrize(
    "more",
    [
        {"variabels": {}, "variables": {}},  # the right one is there, too
        {"colour": "green"},
        {"aFieldOfTheNextVersion": 1},
        {"tagss": []},  # a newer client may send several of what is one today
        {"x" * 10_000: 1},
    ],
)
def test_what_a_newer_client_may_send_is_passed_over(rest: Rest, unique: str, more: dict[str, object]):
    rest.deploy("start > end", unique)
    assert rest.post("/process-instances", {"processDefinitionId": unique, **more})


def test_only_the_first_unknown_members_are_compared(monkeypatch: pytest.MonkeyPatch):
    compared = []
    monkeypatch.setattr("osmia_broker.http.misspelt.edits", lambda *pair: compared.append(pair) or 9)
    names = [f"variab{number:02}" for number in range(60)]
    refuse_misspelt(json.dumps(dict.fromkeys(names)).encode(), frozenset({"variables"}))
    assert [one for one, _ in compared] == names[:NAMES_MAX]


@pytest.mark.parametrize("body", [b"", b"  "])
def test_an_empty_body_is_called_so(rest: Rest, body: bytes):
    headers = {"content-type": "application/json"}
    problem = rest.refusal("POST", "/process-instances", content=body, headers=headers)
    assert problem["status"] == 400
    assert "found an empty body" in problem["detail"]


def test_an_unknown_path_names_the_list_of_all(rest: Rest):
    for path in ("", "/nosuch"):
        assert "/v2/docs lists all" in rest.refusal("GET", path)["detail"]
