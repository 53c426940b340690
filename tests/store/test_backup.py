"""Backups: one moment of the data, checked, and never in the way of anything."""

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from osmia_broker.store import backup as copies
from osmia_broker.store.backup import LIST, BackupFailed, NoData, Occupied, back_up, check, restore
from osmia_broker.store.creation import bring_up_to_date
from osmia_broker.store.sqlite import connect


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with a database, documents, users and what a backup leaves out."""
    directory = tmp_path / "data"
    (directory / "documents").mkdir(parents=True)
    make_database(directory / "partition-1.db", 1)
    for name, content in {
        "documents/a.content": "bytes",
        "documents/a.json": "{}",
        "documents/b.content.1234.new": "half",
        "osmia.users.json": "[]",
        "osmia.cluster-id": "id",
        "osmia.session-key": "secret",
        "osmia.ports.json": "{}",
        "partition-1.lock": "1",
    }.items():
        (directory / name).write_text(content)
    return directory


def make_database(path: Path, partition: int) -> None:
    with closing(connect(path)) as db:
        bring_up_to_date(db, path, partition)


def rows(directory: Path) -> int:
    with closing(sqlite3.connect(directory / "partition-1.db")) as db:
        return int(db.execute("SELECT count(*) FROM resources").fetchone()[0])


def add_row(db: sqlite3.Connection, number: int) -> None:
    db.execute("INSERT INTO resources (checksum, content) VALUES (?, ?)", (f"{number:064}", b"x" * 3_000))


def contents(directory: Path) -> dict[str, bytes]:
    files = (path for path in directory.rglob("*") if path.is_file() and not path.name.startswith("partition-1.db"))
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


def test_a_backup_has_what_a_restore_needs_and_nothing_else(data: Path, tmp_path: Path):
    made = back_up(data, tmp_path / "copy")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made.made), "as all other times are written"
    assert set(made.files) == {
        "partition-1.db",
        "documents/a.content",
        "documents/a.json",
        "osmia.users.json",
        "osmia.cluster-id",
    }
    assert check(tmp_path / "copy") == []
    restore(tmp_path / "copy", tmp_path / "new")
    kept = {name: content for name, content in contents(data).items() if name in made.files}
    assert contents(tmp_path / "new") == kept
    assert not (tmp_path / "new" / LIST).exists()


def test_only_the_owner_reads_a_backup_and_what_is_restored_from_it(data: Path, tmp_path: Path):
    back_up(data, tmp_path / "copy")
    restore(tmp_path / "copy", tmp_path / "new")
    for path in (*(tmp_path / "copy").rglob("*"), *(tmp_path / "new").rglob("*"), tmp_path / "copy", tmp_path / "new"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_backup_is_one_moment_although_the_broker_writes_meanwhile(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(copies, "PAGES", 10)
    with closing(connect(data / "partition-1.db")) as writer:
        for number in range(100):
            add_row(writer, number)
        added = iter(range(100, 100_000))
        steps = []

        def write(done: int, whole: int) -> None:
            """Change the first pages and the last ones, between two steps of the copy."""
            steps.append((done, whole))
            for _ in range(20):
                add_row(writer, next(added))
            writer.execute("DELETE FROM resources WHERE rowid = (SELECT min(rowid) FROM resources)")

        back_up(data, tmp_path / "copy", write)
    assert len(steps) > 5
    assert len({whole for _, whole in steps}) == 1
    assert rows(tmp_path / "copy") == 100
    assert rows(data) > 100


def test_a_backup_is_one_file_for_each_partition(data: Path, tmp_path: Path):
    make_database(data / "partition-2.db", 2)
    made = back_up(data, tmp_path / "copy")
    assert [name for name in made.files if ".db" in name] == ["partition-1.db", "partition-2.db"]
    assert {path.name for path in (tmp_path / "copy").glob("*.db*")} == {"partition-1.db", "partition-2.db"}


def test_nothing_is_overwritten(data: Path, tmp_path: Path):
    (tmp_path / "copy").mkdir()
    with pytest.raises(Occupied, match="to be new"):
        back_up(data, tmp_path / "copy")
    back_up(data, tmp_path / "other")
    before = contents(data)
    with pytest.raises(Occupied, match=r"to be empty, but found 'documents' in it"):
        restore(tmp_path / "other", data)
    assert contents(data) == before


def test_a_file_in_place_of_the_data_directory_stays(data: Path, tmp_path: Path):
    back_up(data, tmp_path / "copy")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(Occupied, match=r"Expected '.*file' to be a directory, but found a file"):
        restore(tmp_path / "copy", tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_an_empty_directory_such_as_a_new_volume_takes_a_restore(data: Path, tmp_path: Path):
    back_up(data, tmp_path / "copy")
    volume = tmp_path / "volume"
    (volume / "lost+found").mkdir(parents=True)
    restore(tmp_path / "copy", volume)
    assert sorted(path.name for path in volume.iterdir()) == [
        "documents", "lost+found", "osmia.cluster-id", "osmia.users.json", "partition-1.db",
    ]  # fmt: skip


@pytest.mark.parametrize("missing", ["data", "nothing"])
def test_a_directory_without_a_database_is_no_data(tmp_path: Path, missing: str):
    (tmp_path / "data").mkdir()
    with pytest.raises(NoData, match="Expected a database"):
        back_up(tmp_path / missing, tmp_path / "copy")
    with pytest.raises(NoData, match="Expected a database"):
        check(tmp_path / missing)
    with pytest.raises(NoData, match="Expected a backup"):
        restore(tmp_path / missing, tmp_path / "new")
    assert not (tmp_path / "copy").exists()
    assert not (tmp_path / "new").exists()


PAGE_BYTES = 4096


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 200] = b"\xff" * 200
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda copy: damage(copy / "partition-1.db"), "'partition-1.db' is not what was copied"),
        (
            lambda copy: (copy / "documents/a.content").write_text("bytez"),
            "'documents/a.content' is not what was copied",
        ),
        (lambda copy: (copy / "documents/a.json").unlink(), "'documents/a.json' is missing"),
        (lambda copy: (copy / "partition-1.db").unlink(), "'partition-1.db' is missing"),
    ],
)
def test_a_damaged_backup_is_found_and_not_restored(data: Path, tmp_path: Path, spoil, problem):
    back_up(data, tmp_path / "copy")
    spoil(tmp_path / "copy")
    assert check(tmp_path / "copy")[0] == problem
    with pytest.raises(BackupFailed, match="to be whole"):
        restore(tmp_path / "copy", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_an_empty_file_is_no_whole_database(data: Path, tmp_path: Path):
    """SQLite takes it for a database that has no tables yet."""
    for log in data.glob("partition-1.db-*"):
        log.unlink()
    os.truncate(data / "partition-1.db", 0)
    assert check(data) == ["partition-1.db: the file is empty"]
    with pytest.raises(BackupFailed, match="one without its tables"):
        back_up(data, tmp_path / "copy")


def test_a_damaged_database_gets_no_backup(data: Path, tmp_path: Path):
    with closing(connect(data / "partition-1.db")) as db:
        for number in range(200):
            add_row(db, number)
    content = bytearray((data / "partition-1.db").read_bytes())
    for page in range(2, len(content) // PAGE_BYTES):
        content[page * PAGE_BYTES : page * PAGE_BYTES + 8] = b"\xff" * 8  # no head of a page is like this
    (data / "partition-1.db").write_bytes(content)
    assert check(data)
    with pytest.raises(BackupFailed):
        back_up(data, tmp_path / "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]  # no half of a copy


def change_list(copy: Path, **changed) -> None:
    listed = msgspec.json.decode((copy / LIST).read_bytes())
    (copy / LIST).write_bytes(msgspec.json.encode({**listed, **changed}))


def test_a_backup_of_a_newer_osmia_is_refused(data: Path, tmp_path: Path):
    back_up(data, tmp_path / "copy")
    change_list(tmp_path / "copy", osmia="9.0.0", database="9999")
    with pytest.raises(BackupFailed, match=r"found one of Osmia 9\.0\.0, whose database is newer"):
        restore(tmp_path / "copy", tmp_path / "new")


@pytest.mark.parametrize("name", ["../stolen", "/etc/passwd", "documents/../../x"])
def test_a_backup_names_only_files_of_its_own(data: Path, tmp_path: Path, name: str):
    back_up(data, tmp_path / "copy")
    change_list(tmp_path / "copy", files={name: {"bytes": 1, "sha256": ""}})
    for use in (check, lambda copy: restore(copy, tmp_path / "new")):
        with pytest.raises(BackupFailed, match="Expected the files of the backup to be in"):
            use(tmp_path / "copy")


def test_a_list_that_is_no_json_is_no_backup(data: Path, tmp_path: Path):
    back_up(data, tmp_path / "copy")
    (tmp_path / "copy" / LIST).write_text("{")
    with pytest.raises(BackupFailed, match="to be readable"):
        check(tmp_path / "copy")


def test_a_database_of_another_program_is_refused(tmp_path: Path):
    (tmp_path / "data").mkdir()
    with closing(sqlite3.connect(tmp_path / "data/partition-1.db")) as db:
        db.execute("CREATE TABLE notes (text)")
    with pytest.raises(BackupFailed, match="without its tables"):
        back_up(tmp_path / "data", tmp_path / "copy")


def test_a_place_that_cannot_be_written_is_named(data: Path, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BackupFailed, match=r"Expected to copy .* but found: (Not a directory|File exists)"):
        back_up(data, tmp_path / "file" / "copy")


# --- several partitions


@pytest.fixture
def partitions(data: Path) -> Path:
    """The same data directory with three partitions."""
    for number in (2, 3):
        make_database(data / f"partition-{number}.db", number)
    (data / "osmia.partitions").write_text("3\n")
    return data


def test_a_backup_of_several_partitions_has_them_all_and_their_number(partitions: Path, tmp_path: Path):
    made = back_up(partitions, tmp_path / "copy")
    names = {"partition-1.db", "partition-2.db", "partition-3.db", "osmia.partitions"}
    assert names <= set(made.files)
    restore(tmp_path / "copy", tmp_path / "back")
    assert names <= {path.name for path in (tmp_path / "back").iterdir()}
    assert check(tmp_path / "back") == []


def test_no_partition_is_written_while_the_copy_of_all_begins(
    partitions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A message between two partitions would be in one copy and not in the other."""
    refused: list[str] = []
    reading = copies._reading

    def watched(path: Path) -> sqlite3.Connection:
        for number in (1, 2, 3):
            with closing(sqlite3.connect(partitions / f"partition-{number}.db", timeout=0)) as db:
                with pytest.raises(sqlite3.OperationalError, match="locked"):
                    add_row(db, number)
                refused.append(path.name)
        return reading(path)

    monkeypatch.setattr(copies, "_reading", watched)
    back_up(partitions, tmp_path / "copy")
    assert len(refused) == 9
    with closing(connect(partitions / "partition-1.db")) as db:
        add_row(db, 9)  # it may be written again


def test_one_partition_is_not_held_up(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    reading = copies._reading

    def watched(path: Path) -> sqlite3.Connection:
        with closing(connect(path)) as db:
            add_row(db, 1)
        return reading(path)

    monkeypatch.setattr(copies, "_reading", watched)
    back_up(data, tmp_path / "copy")
    assert rows(tmp_path / "copy") == 1


@pytest.mark.parametrize("lost", ["partition-1.db", "partition-3.db"])
def test_a_check_misses_a_partition(partitions: Path, lost: str):
    (partitions / lost).unlink()
    assert check(partitions) == [f"'{lost}' is missing"]
