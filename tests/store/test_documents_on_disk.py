"""Documents on a disk that takes no more: the caller hears why, and nothing half stays."""

import errno
from pathlib import Path

import pytest

from osmia_broker import private_files
from osmia_broker.errors import NotFound, OsmiaError, StoreFull, Unavailable
from osmia_broker.store.documents import Document, Documents

REASONS = [(errno.ENOSPC, StoreFull), (errno.EDQUOT, StoreFull), (errno.EROFS, Unavailable), (errno.EIO, Unavailable)]


def document(id: str = "a") -> Document:
    return Document(id=id, content_hash="", content_type="text/plain", file_name="a.txt", size=0)


@pytest.fixture
def documents(tmp_path: Path) -> Documents:
    return Documents(tmp_path / "documents", lambda: 0)


@pytest.mark.parametrize("ending", [".content", ".json"])
@pytest.mark.parametrize(("number", "refusal"), REASONS)
async def test_a_document_that_cannot_be_written_is_refused(
    documents: Documents,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ending: str,
    number: int,
    refusal: type[OsmiaError],
):
    replace = private_files.replace

    def failing(file: Path, content: bytes) -> None:
        if file.name.endswith(ending):
            raise OSError(number, "the reason")
        replace(file, content)

    with monkeypatch.context() as patch:
        patch.setattr(private_files, "replace", failing)
        with pytest.raises(refusal, match="Expected to use the directory of documents, but found: the reason"):
            await documents.create(document(), b"content")
    assert [*(tmp_path / "documents").iterdir()] == []
    with pytest.raises(NotFound):
        await documents.get("a")
    await documents.create(document(), b"content")
    assert (await documents.get("a"))[1] == b"content"


async def test_a_link_that_cannot_be_signed_is_refused(documents: Documents, monkeypatch: pytest.MonkeyPatch):
    await documents.create(document(), b"content")
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(private_files, "replace", lambda *_: (_ for _ in ()).throw(full))
    with pytest.raises(StoreFull, match="No space left on device"):
        await documents.signature("a", 1)


async def test_what_has_expired_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("osmia_broker.store.documents.DOCUMENTS_BYTES_MAX", 20)
    now_ms = [0]
    documents = Documents(tmp_path, lambda: now_ms[0])
    short = document("short")
    short.expires_ms = 1_000
    await documents.create(short, b"x" * 10)
    await documents.create(document("long"), b"x" * 10)
    with pytest.raises(StoreFull):
        await documents.create(document("more"), b"x")
    now_ms[0] = 1_000
    await documents.create(document("more"), b"x" * 10)
    assert {one.stem for one in tmp_path.iterdir()} == {"long", "more"}


async def test_what_a_crash_left_behind_takes_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("osmia_broker.store.documents.DOCUMENTS_BYTES_MAX", 20)
    (tmp_path / "half.content").write_bytes(b"x" * 20)
    (tmp_path / "damaged.content").write_bytes(b"x" * 10)
    (tmp_path / "damaged.json").write_bytes(b"{")
    documents = Documents(tmp_path, lambda: 0)
    await documents.create(document("a"), b"x" * 10)
    assert not (tmp_path / "half.content").exists()
    assert (tmp_path / "damaged.content").exists()
    with pytest.raises(StoreFull):
        await documents.create(document("b"), b"x")
