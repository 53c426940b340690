"""Documents at the HTTP door: kept on disk, read as they were, and gone when their time is over."""

from urllib.parse import quote, urlsplit

import pytest

from tests.rest.conftest import Rest


def store(rest: Rest, content: bytes = b"hello", name: str = "greeting.txt", **options: object):
    files = {"file": (name, content, "text/plain")}
    response = rest.http.post("/documents", files=files, **options)  # type: ignore[arg-type]
    assert response.status_code == 201, response.text
    return response.json()


def test_a_document_is_read_as_it_was_stored(rest: Rest):
    stored = store(rest, bytes(range(256)), 'naïve "name".bin')
    assert stored["camunda.document.type"] == "camunda"
    assert stored["metadata"]["size"] == 256
    response = rest.ask("GET", f"/documents/{stored['documentId']}", params={"contentHash": stored["contentHash"]})
    assert response.content == bytes(range(256))
    assert response.headers["content-type"] == "text/plain"


@pytest.mark.parametrize("name", ["Übersicht.pdf", "晩ご飯 💥.txt", "пример.bin"])
def test_the_name_of_a_file_is_kept_in_any_script(rest: Rest, name: str):
    stored = store(rest, name=name)
    assert stored["metadata"]["fileName"] == name
    response = rest.ask("GET", f"/documents/{stored['documentId']}")
    assert response.headers["content-disposition"] == f"attachment; filename*=UTF-8''{quote(name, safe='')}"


@pytest.mark.parametrize(
    ("told", "name"),
    [
        (b"filename*=UTF-8''%C3%84pfel.txt", "Äpfel.txt"),
        (b"filename*=utf-8'de'%C3%84", "Ä"),
        (b"filename=\"a.txt\"; filename*=UTF-8''b.txt", "a.txt"),
        (b"filename*=UTF-8''%FF", "\ufffd"),
        (b"filename*=latin1''%C4", ""),
    ],
)
def test_a_name_in_the_extended_form_counts_where_it_is_the_only_one(rest: Rest, told: bytes, name: str):
    head = b'--edge\r\ncontent-disposition: form-data; name="file"; ' + told
    stored = rest.http.post(
        "/documents",
        content=head + b"\r\n\r\n1\r\n--edge--\r\n",
        headers={"content-type": "multipart/form-data; boundary=edge"},
    )
    assert stored.status_code == 201, stored.text
    assert stored.json()["metadata"]["fileName"] == name


def test_a_name_never_leads_into_folders(rest: Rest):
    stored = store(rest, name="../../etc/x")
    response = rest.ask("GET", f"/documents/{stored['documentId']}")
    assert response.headers["content-disposition"] == "attachment; filename*=UTF-8''..%2F..%2Fetc%2Fx"


def test_metadata_of_the_caller_are_kept(rest: Rest):
    given = '{"fileName":"a.pdf","contentType":"application/pdf","processInstanceKey":"7","customProperties":{"n":1}}'
    files = {"file": ("x", b"1", "text/plain"), "metadata": (None, given, "application/json")}
    stored = rest.http.post("/documents", files=files).json()
    assert stored["metadata"] == {
        "contentType": "application/pdf",
        "fileName": "a.pdf",
        "expiresAt": None,
        "size": 1,
        "processDefinitionId": None,
        "processInstanceKey": "7",
        "customProperties": {"n": 1},
    }


def test_moments_are_written_as_in_searches(rest: Rest):
    files = {"file": ("x", b"1"), "metadata": (None, '{"expiresAt":"2999-01-01T01:00:00+01:00"}', "application/json")}
    stored = rest.http.post("/documents", files=files).json()
    assert stored["metadata"]["expiresAt"] == "2999-01-01T00:00:00.000Z"


def test_a_deleted_document_is_gone(rest: Rest):
    path = f"/documents/{store(rest)['documentId']}"
    assert rest.ask("DELETE", path).status_code == 204
    assert rest.refusal("GET", path)["status"] == 404
    assert rest.refusal("DELETE", path)["status"] == 404


def test_a_document_that_has_expired_is_not_found(rest: Rest):
    files = {"file": ("x", b"1"), "metadata": (None, '{"expiresAt":"1971-01-01T00:00:00Z"}', "application/json")}
    stored = rest.http.post("/documents", files=files).json()
    assert rest.refusal("GET", f"/documents/{stored['documentId']}")["status"] == 404


def test_an_id_is_given_once(rest: Rest, unique: str):
    assert store(rest, params={"documentId": unique})["documentId"] == unique
    again = rest.http.post("/documents", files={"file": ("x", b"2")}, params={"documentId": unique})
    assert (again.status_code, again.json()["title"]) == (409, "ALREADY_EXISTS")
    assert rest.ask("GET", f"/documents/{unique}").content == b"hello"


@pytest.mark.parametrize("id", ["../../etc/passwd", "a/b", "a.json", "ä", "x" * 101, "links.secret"])
def test_an_id_is_no_path(rest: Rest, id: str):
    refused = rest.http.post("/documents", files={"file": ("x", b"2")}, params={"documentId": id})
    assert refused.status_code == 400
    assert rest.ask("GET", "/documents/" + id.replace("/", "%2F").replace("ä", "%C3%A4")).status_code == 404


def test_several_documents_are_stored_each_on_its_own(rest: Rest):
    files = [("files", ("a", b"1")), ("files", ("b", b"22")), ("metadataList", (None, '[{"fileName":"c"},{}]'))]
    stored = rest.http.post("/documents/batch", files=files)
    assert stored.status_code == 201
    assert [one["metadata"]["fileName"] for one in stored.json()["createdDocuments"]] == ["c", "b"]
    assert stored.json()["failedDocuments"] == []


def test_a_link_leads_to_the_document_until_its_time_is_over(rest: Rest):
    id = store(rest)["documentId"]
    link = rest.post(f"/documents/{id}/links", {"timeToLive": 1_000})
    address = urlsplit(link["url"])
    assert rest.http.get(link["url"]).content == b"hello"
    forged = address.query.replace("expires=", "expires=9")
    assert rest.http.get(f"/documents/{id}?{forged}").status_code == 403
    rest.broker.clock.ms += 2_000
    assert rest.http.get(link["url"]).status_code == 404


@pytest.mark.parametrize("time", [0, -1, 10**15])
def test_a_link_has_a_time(rest: Rest, time: int):
    assert rest.refusal("POST", f"/documents/{store(rest)['documentId']}/links", {"timeToLive": time})["status"] == 400


def test_what_is_no_document(rest: Rest):
    assert rest.refusal("POST", "/documents", {"a": 1})["status"] == 415
    assert rest.http.post("/documents", files={"other": ("x", b"2")}).status_code == 400
    assert rest.http.post("/documents", files={"file": ("x", b"2")}, params={"storeId": "gcp"}).status_code == 400
    bad = {"file": ("x", b"2"), "metadata": (None, "{")}
    assert rest.http.post("/documents", files=bad).status_code == 400


@pytest.mark.parametrize(("method", "way"), [("GET", ""), ("POST", "/links")])
def test_a_document_with_another_content_than_the_request_means(rest: Rest, method: str, way: str):
    path = f"/documents/{store(rest)['documentId']}{way}"
    problem = rest.refusal(method, path, params={"contentHash": "0"})
    assert (problem["status"], problem["title"]) == (400, "INVALID_ARGUMENT")
    assert "to have the content hash of the request, but found another" in problem["detail"]


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59-10:00", "9999-12-31T23:59:59.999999-00:01"])
def test_a_document_cannot_outlive_the_calendar(rest: Rest, at: str):
    files = {"file": ("x", b"1"), "metadata": (None, f'{{"expiresAt":"{at}"}}', "application/json")}
    refused = rest.http.post("/documents", files=files, params={"documentId": "eternal"})
    assert (refused.status_code, refused.json()["title"]) == (400, "INVALID_ARGUMENT")
    assert rest.ask("GET", "/documents/eternal").status_code == 404


def test_a_document_may_live_to_the_end_of_the_calendar(rest: Rest):
    given = '{"expiresAt":"9999-12-31T23:59:59.999999Z"}'
    files = {"file": ("x", b"1"), "metadata": (None, given, "application/json")}
    assert rest.http.post("/documents", files=files).json()["metadata"]["expiresAt"] == "9999-12-31T23:59:59.999Z"
