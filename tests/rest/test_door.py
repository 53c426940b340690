"""The form of requests and answers at the HTTP door, whatever the operation (user-tasks.md, section 7)."""

import gzip
import json
import re
import socket
from codecs import BOM_UTF8

import msgspec
import pytest

from osmia_broker.http.types import Body, Key, Text, convert
from osmia_broker.running.exposition import exposition
from tests.bpmn import bpmn
from tests.patience import ANSWER_S
from tests.rest.conftest import Rest

CANCEL = "/process-instances/{}/cancellation"


def test_a_key_leaves_as_text_and_is_taken_as_text_or_number(rest: Rest, unique: str):
    definition = rest.deploy("start > b:user > end", unique)
    for key in (definition, str(definition)):
        created = rest.post("/process-instances", {"processDefinitionKey": key})
        assert created["processDefinitionKey"] == str(definition)
        assert created["processInstanceKey"].isdigit()


def test_what_a_request_brings_is_of_plain_types():
    class Question(Body):
        key: Key
        text: Text | None = None

    found = msgspec.json.decode(b'{"key": "7", "text": 1.5}', type=Question, dec_hook=convert)
    assert (type(found.key), found.key, type(found.text), found.text) == (int, 7, str, "1.5")
    assert (type(Key(7)), type(Text("a"))) == (int, str)


def test_an_answer_without_content_is_204_and_empty(rest: Rest, unique: str):
    rest.deploy("start > b:user > end", unique)
    response = rest.ask("POST", CANCEL.format(rest.create(unique)))
    assert (response.status_code, response.content) == (204, b"")


@pytest.mark.parametrize(
    ("content", "status"), [(b"null", 204), (b" ", 204), (b"{}", 204), (b"[]", 400), (b"nul", 400)]
)
def test_a_body_that_may_be_absent_may_be_null(rest: Rest, unique: str, content: bytes, status: int):
    rest.deploy("start > b:user > end", unique)
    headers = {"content-type": "application/json"}
    assert rest.ask("POST", CANCEL.format(rest.create(unique)), content=content, headers=headers).status_code == status


def test_members_that_the_operation_does_not_know_are_passed_over(rest: Rest, unique: str):
    rest.deploy("start > end", unique)
    assert rest.post("/process-instances", {"processDefinitionId": unique, "colour": "green"})


def test_numbers_keep_their_digits(rest: Rest, unique: str):
    rest.deploy("start > end", unique)
    body = f'{{"processDefinitionId": "{unique}", "awaitCompletion": true, "variables": {{"n": 9007199254740993, "d": 1.10}}}}'
    response = rest.ask("POST", "/process-instances", content=body, headers={"content-type": "application/json"})
    assert '"n":9007199254740993' in response.text
    assert '"d":1.10' in response.text


def test_a_refused_command_is_framed_as_on_the_other_door(rest: Rest):
    problem = rest.refusal("POST", CANCEL.format(99))
    assert problem == {
        "type": "about:blank",
        "title": "NOT_FOUND",
        "status": 404,
        "detail": "Command 'CANCEL' rejected with code 'NOT_FOUND': "
        "Expected to cancel a process instance with key '99', but no such process was found",
        "instance": "/v2/process-instances/99/cancellation",
    }


@pytest.mark.parametrize("key", ["abc", "1.5", "-", "9223372036854775808", "1" * 400, "%00", "1%2F2"])
def test_a_key_in_the_path_is_an_integer_of_64_bits(rest: Rest, key: str):
    problem = rest.refusal("POST", CANCEL.format(key))
    assert (problem["status"], problem["title"]) == (400, "Bad Request")
    assert problem["detail"].startswith("Failed to convert 'processInstanceKey' with value: '")
    assert len(problem["detail"]) < 300


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "expected JSON"),
        ("{", "expected JSON"),
        ("[]", "expected an object, but found an array"),
        ('"text"', "expected an object, but found a text"),
        ('{"processDefinitionKey": "abc"}', "processDefinitionKey: expected a key"),
        ('{"processDefinitionKey": 99999999999999999999}', "processDefinitionKey: expected a key"),
        ('{"processDefinitionKey": true}', "processDefinitionKey: expected a key"),
        (
            '{"processDefinitionKey": 1.5}',
            "processDefinitionKey: expected a key, as text or as a number, but found a number",
        ),
        (
            '{"processDefinitionVersion": "1"}',
            "processDefinitionVersion: expected an integer or null, but found a text",
        ),
        (
            '{"processDefinitionVersion": 1.5}',
            "processDefinitionVersion: expected an integer or null, but found a number",
        ),
        ('{"awaitCompletion": "true"}', "awaitCompletion: expected a boolean or null, but found a text"),
        ('{"requestTimeout": "soon"}', "requestTimeout: expected an integer, but found a text"),
        ('{"requestTimeout": true}', "requestTimeout: expected an integer, but found a boolean"),
        ('{"awaitCompletion": 1}', "awaitCompletion: expected a boolean or null, but found an integer"),
        ('{"startInstructions": "null"}', "startInstructions: expected an array"),
        ('{"processDefinitionId": ["a"]}', "processDefinitionId: expected a text, but found an array"),
        ('{"processDefinitionId": "\\ud800"}', "Failed to read request"),
        ('{"variables": ' + "[" * 100_000 + "}", "expected JSON"),
    ],
)
def test_a_body_that_cannot_be_read_says_where(rest: Rest, body: str, words: str):
    problem = rest.refusal(
        "POST", "/process-instances", content=body.encode(), headers={"content-type": "application/json"}
    )
    assert (problem["status"], problem["title"]) == (400, "Bad Request")
    assert problem["detail"].startswith("Failed to read request")
    assert words in problem["detail"]


@pytest.mark.parametrize(
    "body", [b'{"assi\xffgnee": 1}', b'{"assignee": "a", "x\xed\xa0\x80": {}}', b"\xff", b'{"\xc0\x80": []}']
)
def test_a_body_that_is_no_utf_8_is_refused(rest: Rest, body: bytes):
    answer = rest.http.post("/user-tasks/1/assignment", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("Failed to read request: expected JSON, but found a fault")


def test_variables_are_checked_as_on_the_other_door(rest: Rest, unique: str):
    rest.deploy("start > end", unique)
    deep = "[" * 201 + "]" * 201
    body = f'{{"processDefinitionId": "{unique}", "variables": {{"deep": {deep}}}}}'
    problem = rest.refusal("POST", "/process-instances", content=body, headers={"content-type": "application/json"})
    assert "at most 200 levels" in problem["detail"]


@pytest.mark.parametrize("media_type", [None, "text/plain", "application/xml", "application/jsonp"])
def test_a_body_must_say_that_it_is_json(rest: Rest, media_type: str | None):
    headers = {"content-type": media_type} if media_type else {}
    problem = rest.refusal("POST", "/process-instances", content=b"{}", headers=headers)
    assert (problem["status"], problem["title"]) == (415, "Unsupported Media Type")
    assert "'application/json'" in problem["detail"]


@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip"])
def test_a_compressed_body_is_refused_as_one(rest: Rest, unique: str, coding: str):
    rest.deploy("start > end", unique)
    headers = {"content-type": "application/json", "content-encoding": coding}
    content = gzip.compress(json.dumps({"processDefinitionId": unique}).encode())
    problem = rest.refusal("POST", "/process-instances", content=content, headers=headers)
    assert (problem["status"], problem["title"]) == (415, "Unsupported Media Type")
    assert problem["detail"] == f"Expected a body without a content encoding, but found '{coding}'"


@pytest.mark.parametrize("coding", ["", "identity", "Identity"])
def test_a_content_encoding_may_say_that_there_is_none(rest: Rest, unique: str, coding: str):
    rest.deploy("start > end", unique)
    headers = {"content-type": "application/json", "content-encoding": coding}
    content = json.dumps({"processDefinitionId": unique})
    assert rest.ask("POST", "/process-instances", content=content, headers=headers).status_code == 200


def test_a_body_may_begin_with_a_byte_order_mark(rest: Rest, unique: str):
    rest.deploy("start > end", unique)
    headers = {"content-type": "application/json"}
    content = BOM_UTF8 + json.dumps({"processDefinitionId": unique}).encode()
    assert rest.ask("POST", "/process-instances", content=content, headers=headers).status_code == 200
    for bad in (BOM_UTF8, BOM_UTF8 + content, content + BOM_UTF8):
        assert rest.refusal("POST", "/process-instances", content=bad, headers=headers)["status"] == 400


def test_the_media_type_may_have_a_charset(rest: Rest):
    problem = rest.refusal(
        "POST", "/process-instances", content=b"{}", headers={"content-type": "Application/JSON; charset=utf-8"}
    )
    assert problem["status"] == 400


@pytest.mark.parametrize("path", ["/nothing", "/process-instances/1/2/3/4", "/"])
def test_an_unknown_path_is_not_found(rest: Rest, path: str):
    assert rest.refusal("GET", path)["status"] == 404


def test_a_wrong_method_names_the_right_ones(rest: Rest):
    response = rest.ask("DELETE", "/topology")
    assert (response.status_code, response.headers["allow"]) == (405, "GET")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/user-tasks/search", "POST"),
        ("PATCH", "/user-tasks/search", "POST"),
        ("GET", "/process-instances/cancellation", "POST"),
        ("PATCH", "/jobs/activation", "POST"),
        ("PATCH", "/documents/batch", "DELETE, GET, POST"),
    ],
)
def test_a_word_in_the_place_of_a_key_is_no_key(rest: Rest, method: str, path: str, allow: str):
    response = rest.ask(method, path)
    assert (response.status_code, response.headers["allow"]) == (405, allow)


def test_a_document_may_have_the_id_of_an_operation(rest: Rest):
    file = {"file": ("a.txt", b"tea", "text/plain")}
    assert rest.http.post("/documents", params={"documentId": "batch"}, files=file).status_code == 201
    assert rest.ask("GET", "/documents/batch").content == b"tea"


def test_a_body_has_a_bound_announced_or_not(rest: Rest):
    large = b'{"variables": "' + b"x" * (5 * 1024 * 1024) + b'"}'
    headers = {"content-type": "application/json"}
    assert rest.refusal("POST", "/process-instances", content=large, headers=headers)["status"] == 413
    assert rest.refusal("POST", "/process-instances", content=iter([large]), headers=headers)["status"] == 413
    assert rest.get("/topology"), "the door goes on"


def test_head_is_get_without_the_body(rest: Rest):
    response = rest.ask("HEAD", "/topology")
    assert (response.status_code, response.content) == (200, b"")


def test_garbage_instead_of_http_harms_nobody(rest: Rest):
    with socket.create_connection(("127.0.0.1", rest.broker.broker.http_port), timeout=ANSWER_S) as raw:
        raw.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
        assert b"400" in raw.recv(1_000)
    assert rest.get("/topology")


def test_the_license_is_that_of_a_broker_without_a_key(rest: Rest):
    answer = rest.get("/license")
    assert (answer["validLicense"], answer["licenseType"]) == (False, "unknown")


def test_the_topology_names_the_grpc_door(rest: Rest):
    topology = rest.get("/topology")
    (broker,) = topology["brokers"]
    assert (broker["port"], broker["partitions"][0]["role"]) == (rest.broker.broker.grpc_port, "leader")
    assert topology["gatewayVersion"] == "8.10.0"


def test_the_description_names_every_operation_with_its_types(rest: Rest):
    document = rest.get("/openapi.json")
    creation = document["paths"]["/process-instances"]["post"]
    assert creation["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/Creation")
    assert "processDefinitionId" in document["components"]["schemas"]["Creation"]["properties"]
    page = rest.ask("GET", "/docs").text
    assert "/process-instances/{processInstanceKey}/cancellation" in page
    assert '<link rel="icon" href="data:,">' in page, "else a browser asks for a file that is not there"
    json.dumps(document)


DOCUMENT = "/documents/{documentId}"
IN_THE_ADDRESS = {
    ("post", "/cluster-variables/search"): ["truncateValues"],
    ("get", "/jobs/statistics/global"): ["from!", "to!", "jobType"],
    ("post", "/documents"): ["storeId", "documentId"],
    ("post", "/documents/batch"): ["storeId"],
    ("get", DOCUMENT): ["storeId", "contentHash", "expires", "signature"],
    ("delete", DOCUMENT): ["storeId"],
    ("post", DOCUMENT + "/links"): ["storeId", "contentHash"],
    ("post", "/variables/search"): ["truncateValues"],
    ("post", "/user-tasks/{userTaskKey}/variables/search"): ["truncateValues"],
    ("post", "/user-tasks/{userTaskKey}/effective-variables/search"): ["truncateValues"],
}


def test_the_description_names_what_may_stand_in_the_address(rest: Rest):
    document = rest.get("/openapi.json")
    found = {}
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            asked = [one for one in described.get("parameters", []) if one["in"] == "query"]
            found[method, path] = [one["name"] + "!" * one["required"] for one in asked]
    assert {place: names for place, names in found.items() if names} == IN_THE_ADDRESS


@pytest.mark.parametrize(
    ("path", "parts", "required"),
    [
        ("/deployments", {"resources": "array", "tenantId": "string"}, ["resources"]),
        ("/documents", {"file": "string", "metadata": "object"}, ["file"]),
        ("/documents/batch", {"files": "array", "metadataList": "array"}, ["files"]),
    ],
)
def test_the_description_names_the_parts_of_a_form(rest: Rest, path: str, parts: dict[str, str], required: list[str]):
    [form] = rest.get("/openapi.json")["paths"][path]["post"]["requestBody"]["content"].items()
    assert form[0] == "multipart/form-data"
    assert {name: part["type"] for name, part in form[1]["schema"]["properties"].items()} == parts
    assert form[1]["schema"]["required"] == required


def test_requests_are_counted_by_route_not_by_address(rest: Rest):
    rest.ask("POST", CANCEL.format(12345))
    metrics, _ = exposition(rest.broker.broker.metrics)
    line = 'osmia_http_requests_total{method="POST",route="/v2/process-instances/{processInstanceKey}/cancellation",status="404"}'
    assert line in metrics.decode()
    assert "12345" not in metrics.decode()


def test_every_reference_of_the_description_leads_to_a_type_of_its_own(rest: Rest):
    text = rest.ask("GET", "/openapi.json").text
    names = json.loads(text)["components"]["schemas"].keys()
    assert set(re.findall(r"#/components/schemas/([^\"]+)", text)) == set(names)
    assert {"JobsUpdate", "UserTasksUpdate"} <= names


OTHER_SITES = [
    {"origin": "http://evil.example"},
    {"origin": "null"},
    {"origin": "http://["},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site", "origin": "http://evil.localhost"},
]


@pytest.mark.parametrize("headers", OTHER_SITES)
def test_a_page_of_another_site_changes_nothing(rest: Rest, unique: str, headers: dict[str, str]):
    rest.deploy("start > ask:user(native=yes) > end", unique)
    key = rest.create(unique)
    for path in (f"/process-instances/{key}/cancellation", f"/user-tasks/{key}/completion", "/messages/publication"):
        assert rest.refusal("POST", path, headers=headers)["title"] == "FORBIDDEN"
    model = {"resources": ("evil.bpmn", bpmn("start > end", id=f"{unique}-evil"))}
    assert rest.http.post("/deployments", files=model, headers=headers).status_code == 403
    assert rest.get(f"/process-instances/{key}", headers=headers)["state"] == "ACTIVE"


def test_a_page_of_this_site_and_a_program_may_change_things(rest: Rest, unique: str):
    rest.deploy("start > ask:user(native=yes) > end", unique)
    own = {"origin": str(rest.http.base_url).removesuffix("/v2/"), "sec-fetch-site": "same-origin"}
    for headers in ({}, own, {"sec-fetch-site": "none"}):
        assert rest.ask("POST", f"/process-instances/{rest.create(unique)}/cancellation", headers=headers).is_success


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8080",
        "localhost.",
        "app.localhost:1",
        "127.0.0.1:8080",
        "127.9.9.9",
        "[::1]:8080",
        "10.0.0.1",
    ],
)
def test_an_open_broker_answers_to_the_names_of_this_machine(rest: Rest, host: str):
    assert rest.ask("GET", "/status", headers={"host": host}).status_code == 204


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "notlocalhost",
        "[::1",
        "a b",
    ],
)
@pytest.mark.parametrize("path", ["/v2/topology", "/tasks", "/events?topics=tasks"])
def test_an_open_broker_does_not_answer_to_the_name_of_another_site(rest: Rest, host: str, path: str):
    address = f"http://127.0.0.1:{rest.broker.broker.http_port}{path}"
    refused = rest.http.get(
        address, headers={"host": host, "origin": f"http://{host}", "sec-fetch-site": "same-origin"}
    )
    assert refused.status_code == 421
    assert "Expected the host localhost or 127.0.0.1, but found another name" in refused.text
    assert refused.headers["content-type"] == "text/plain; charset=utf-8"


def test_a_browser_that_comes_by_another_name_gets_a_page(rest: Rest):
    address = f"http://127.0.0.1:{rest.broker.broker.http_port}/tasks"
    refused = rest.http.get(address, headers={"host": "evil.example", "accept": "text/html,*/*;q=0.8"})
    assert (refused.status_code, refused.headers["content-type"]) == (421, "text/html; charset=utf-8")
    assert "<h1>Wrong host</h1><p>Expected the host localhost or 127.0.0.1" in refused.text
