"""Documents on a disk that takes no more: the caller hears why, and nothing half stays."""

import asyncio
import errno
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from osmia_broker.base import private_files
from osmia_broker.base.errors import AlreadyExists, NotFound, OsmiaError, StoreFull, Unavailable
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
    assert [one.name for one in (tmp_path / "documents").iterdir()] == ["changes.lock"]
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
    assert {one.stem for one in tmp_path.glob("*.*[nt]")} == {"long", "more"}


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


# --- several processes share the directory; here two objects, since a lock holds between them as between processes


@pytest.fixture
def shared(tmp_path: Path) -> tuple[Documents, Documents]:
    return Documents(tmp_path / "documents", lambda: 0), Documents(tmp_path / "documents", lambda: 0)


async def test_of_two_who_create_an_id_at_a_time_one_is_refused(
    shared: tuple[Documents, Documents], monkeypatch: pytest.MonkeyPatch
):
    here, there = shared
    replace, meet = private_files.replace, threading.Barrier(2)

    def at_a_time(file: Path, content: bytes) -> None:
        with suppress(threading.BrokenBarrierError):  # whoever comes to the lock second never gets here
            meet.wait(0.2)
        replace(file, content)

    monkeypatch.setattr(private_files, "replace", at_a_time)
    outcomes = await asyncio.gather(
        here.create(document(), b"here"), there.create(document(), b"there"), return_exceptions=True
    )
    assert any(isinstance(one, AlreadyExists) for one in outcomes)
    (taken,) = [one for one in outcomes if isinstance(one, Document)]
    assert (await here.get("a"))[0].content_hash == (await there.get("a"))[0].content_hash == taken.content_hash


async def test_the_bound_holds_for_all_processes_together(
    shared: tuple[Documents, Documents], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("osmia_broker.store.documents.DOCUMENTS_BYTES_MAX", 20)
    here, there = shared
    await here.create(document("a"), b"x" * 10)
    await there.create(document("b"), b"x" * 10)
    with pytest.raises(StoreFull, match="at most 20 bytes together, but found 21"):
        await here.create(document("c"), b"x")
    await there.delete("a")
    await here.create(document("c"), b"x" * 10)
    with pytest.raises(StoreFull, match="found 21"):
        await there.create(document("d"), b"x")


async def test_bytes_are_counted_anew_only_after_a_change_of_another_process(
    shared: tuple[Documents, Documents], monkeypatch: pytest.MonkeyPatch
):
    here, there = shared
    counted: list[Path] = []
    kept = Documents._kept
    monkeypatch.setattr(Documents, "_kept", lambda self, path: counted.append(path) or kept(self, path))
    for id in "abc":
        await here.create(document(id), b"x")
    assert counted == []
    await there.delete("b")
    assert len(counted) == 3
    await here.create(document("d"), b"x")
    await here.create(document("e"), b"x")
    assert len(counted) == 3 + 2


async def test_all_processes_sign_links_with_one_secret(
    shared: tuple[Documents, Documents], monkeypatch: pytest.MonkeyPatch
):
    here, there = shared
    replace, meet = private_files.replace, threading.Barrier(2)

    def at_a_time(file: Path, content: bytes) -> None:
        with suppress(threading.BrokenBarrierError):
            meet.wait(0.2)
        replace(file, content)

    monkeypatch.setattr(private_files, "replace", at_a_time)
    first, second = await asyncio.gather(here.signature("a", 1), there.signature("a", 1))
    assert first == second
    written: list[str] = []
    monkeypatch.setattr(private_files, "replace", lambda file, _: written.append(file.name))
    await here.signature("b", 2)
    assert written == []


async def test_deleting_what_never_was_makes_no_directory(documents: Documents, tmp_path: Path):
    with pytest.raises(NotFound):
        await documents.delete("a")
    assert not (tmp_path / "documents").exists()
