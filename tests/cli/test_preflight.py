import errno
import fcntl
import os
import socket
from dataclasses import replace
from types import SimpleNamespace

import pytest

from osmia_broker.base.errors import OtherPartitions, StoreFailed
from osmia_broker.base.ports import Ports
from osmia_broker.cli import app, foreground, preflight
from osmia_broker.cli.failures import Failure
from osmia_broker.settings.config import Settings


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path / "data", grpc_port=0, http_port=0, management_port=0)


def refused_at(port, number):
    """A machine on which no door can listen at *port*, for the reason with this errno."""
    return lambda _host, asked: OSError(number, os.strerror(number)) if asked == port else None


@pytest.mark.parametrize(
    ("number", "what", "code"),
    [
        (errno.EACCES, "This user may not listen on port 80.", "PORT_NOT_ALLOWED"),
        (errno.EPERM, "This user may not listen on port 80.", "PORT_NOT_ALLOWED"),
        (errno.EADDRINUSE, "Port 80 is in use.", "PORT_IN_USE"),
        (errno.EADDRNOTAVAIL, "No door can listen at '127.0.0.1'.", "HOST_NOT_HERE"),
    ],
)
def test_a_port_that_cannot_be_had_is_refused_with_the_true_reason(settings, monkeypatch, number, what, code):
    monkeypatch.setattr(preflight.ports, "obstacle", refused_at(80, number))
    monkeypatch.setattr(preflight.ports, "holder", lambda _: "")
    with pytest.raises(Failure) as refused:
        preflight.refuse_mistakes(replace(settings, grpc_port=80))
    assert (refused.value.exit, refused.value.what, refused.value.code) == (2, what, code)
    assert refused.value.mend


@pytest.mark.parametrize(("port", "offered"), [(80, 1024), (26500, 26510), (65530, 65535)])
def test_the_port_that_is_offered_can_be_had_by_anybody(settings, monkeypatch, port, offered):
    monkeypatch.setattr(preflight.ports, "obstacle", refused_at(port, errno.EADDRINUSE))
    monkeypatch.setattr(preflight.ports, "holder", lambda _: "")
    with pytest.raises(Failure) as refused:
        preflight.refuse_mistakes(replace(settings, management_port=port))
    assert refused.value.mend == f"osmia broker --management-port {offered}"


@pytest.mark.parametrize(
    ("busy", "offered"),
    [
        ({26500, 26510, 26520}, "--grpc-port 26530 --http-port 26540"),
        ({26500, 26510}, "--grpc-port 26530"),  # 26520 is for the page
        ({26500, 26520}, "--grpc-port 26510 --http-port 26530"),
        (set(range(1024, 65_536)), "--grpc-port 0 --http-port 0"),
    ],
)
def test_the_port_that_is_offered_is_free_and_for_no_other_door(settings, monkeypatch, busy, offered):
    taken = OSError(errno.EADDRINUSE, "taken")
    monkeypatch.setattr(preflight.ports, "obstacle", lambda _, port: taken if port in busy else None)
    monkeypatch.setattr(preflight.ports, "holder", lambda _: "")
    with pytest.raises(Failure) as refused:
        preflight.refuse_mistakes(replace(settings, grpc_port=26500, http_port=26520))
    assert refused.value.mend == f"osmia broker {offered}"


def test_a_free_port_and_a_new_directory_are_no_mistakes(settings):
    preflight.refuse_mistakes(settings)
    assert settings.data_dir.stat().st_mode & 0o777 == 0o700
    assert list(settings.data_dir.iterdir()) == []


@pytest.mark.parametrize(("number", "is_refused"), [(errno.ENOSPC, False), (errno.EDQUOT, False), (errno.EROFS, True)])
def test_a_full_disk_does_not_keep_a_broker_from_being_read(tmp_path, monkeypatch, number, is_refused):
    def fail(**_):
        raise OSError(number, "no")

    monkeypatch.setattr(preflight.tempfile, "TemporaryFile", fail)
    if is_refused:
        with pytest.raises(Failure, match=f"Expected to write in the directory '{tmp_path}', but found: no"):
            preflight.prepare_data_dir(tmp_path, mend="")
    else:
        preflight.prepare_data_dir(tmp_path, mend="")


@pytest.mark.parametrize(
    ("error", "what", "why"),
    [
        (StoreFailed("it is older"), "The database in '", "it is older"),
        (OSError(errno.EMFILE, "Too many open files"), "The broker cannot start.", "Too many open files"),
        (OSError("Failed to bind"), "The broker cannot start.", "Failed to bind"),
    ],
)
def test_a_start_that_fails_is_a_refusal(settings, error, what, why):
    failure = preflight.start_failed(error, settings)
    assert (failure.exit, failure.why) == (1, why)
    assert failure.what.startswith(what)


@pytest.mark.parametrize(
    ("pid", "who"),
    [(os.getpid(), f"Another broker (process {os.getpid()}, "), (2**22 + 1, "Another broker uses ")],
    ids=["it lives", "it has gone"],
)
def test_a_second_broker_names_the_first_if_it_lives(settings, pid, who):
    preflight.refuse_mistakes(settings)
    Ports(1, 2, 3, pid).write(settings.data_dir)
    with (settings.data_dir / "partition-1.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        failure = preflight.start_failed(StoreFailed("another one"), settings)
    assert (failure.exit, failure.code) == (5, "DATA_IN_USE")
    assert failure.what.startswith(who)


def test_a_lock_that_nobody_holds_is_no_second_broker(settings):
    preflight.refuse_mistakes(settings)
    (settings.data_dir / "partition-1.lock").touch()
    assert preflight.start_failed(StoreFailed("it is older"), settings).exit == 1


def test_a_port_that_was_taken_during_the_start_is_refused_as_such(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = Settings(data_dir=tmp_path, grpc_port=taken.getsockname()[1], http_port=0, management_port=0)
        with pytest.raises(Failure, match="is in use"):
            preflight.start_failed(OSError("Failed to bind"), settings)


@pytest.mark.parametrize(("limit", "is_warned"), [("24", True), ("1023KiB", True), ("1MiB", False), ("24 MiB", False)])
def test_a_memory_limit_without_its_unit_is_warned_of_and_taken(tmp_path, monkeypatch, caplog, limit, is_warned):
    taken = []
    monkeypatch.setattr(foreground, "_serve", taken.append)
    monkeypatch.setattr(foreground.logs, "set_up", lambda *_: None)  # it would write to a stream of this test for ever
    ports = ("--grpc-port", "0", "--management-port", "0", "--http-port", "0")
    assert app.run(["broker", "--data-dir", str(tmp_path), *ports, "--memory-limit", limit]) == 0
    assert ("a number without a unit is bytes" in caplog.text) is is_warned
    assert len(taken) == 1


def listening(count):
    """Sockets that listen on free ports."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
        one.listen()
    return sockets


def test_all_taken_ports_are_refused_at_once_and_the_advice_keeps_the_other_options(tmp_path, capsys):
    taken = listening(2)
    try:
        one, two = (each.getsockname()[1] for each in taken)
        words = ["--data-dir", str(tmp_path / "my data"), "--grpc-port", str(one), "--http-port", str(two)]
        assert app.run(["broker", *words, "--management-port", "0", "--insecure"]) == 2
    finally:
        for each in taken:
            each.close()
    first, last = capsys.readouterr().err.splitlines()
    assert f"Port {one} is in use" in first
    assert f"Port {two} is in use" in first
    assert last.startswith("  try: osmia broker ")
    for option in (f"--data-dir '{tmp_path}/my data'", "--insecure", "--management-port 0", f"--grpc-port {one + 10}"):
        assert option in last
    assert f"--http-port {two + 10}" in last
    assert f"--grpc-port {one} " not in last


OIDC = {"auth": "oidc", "oidc_issuer": "https://id.example.org", "oidc_audience": "osmia"}


@pytest.mark.parametrize(
    "given",
    [
        {"database_url": "postgresql://u:geheim@127.0.0.1/x"},
        {**OIDC, "oidc_client_id": "page", "oidc_client_secret": "geheim"},
    ],
)
def test_advice_repeats_no_secret(tmp_path, given):
    [taken] = listening(1)
    port = str(taken.getsockname()[1])
    with taken, pytest.raises(Failure) as refused:
        foreground.run({"data_dir": str(tmp_path), "grpc_port": port, "insecure": True, **given})
    assert (refused.value.exit, refused.value.code) == (2, "PORT_IN_USE")
    assert "geheim" not in refused.value.mend
    for option in (f"--{next(reversed(given)).replace('_', '-')} SECRET", f"--data-dir {tmp_path}", "--insecure"):
        assert option in refused.value.mend


def test_a_second_broker_with_the_same_ports_is_a_second_broker(tmp_path, capsys):
    [taken] = listening(1)
    with taken, (tmp_path / "partition-1.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        words = ["--data-dir", str(tmp_path), "--grpc-port", str(taken.getsockname()[1]), "--management-port", "0"]
        assert app.run(["broker", *words]) == 5
    assert f"uses the data directory '{tmp_path}'" in capsys.readouterr().err


@pytest.mark.parametrize(("free", "code"), [(0, "DISK_FULL"), (200_000, "DISK_FULL"), (1_000_000, "DATABASE")])
def test_a_start_on_a_full_disk_says_that_room_is_needed(settings, monkeypatch, free, code):
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    failure = preflight.start_failed(StoreFailed("Expected to use the database, but found: disk I/O error"), settings)
    assert (failure.exit, failure.code, failure.why[-14:]) == (1, code, "disk I/O error")
    if code == "DISK_FULL":
        assert failure.what == f"The disk with '{settings.data_dir}' is full."
        assert failure.mend == f"df -h {settings.data_dir}   (make room there, then start again)"


@pytest.mark.parametrize(
    ("why", "mend"),
    [
        ("Expected to use the database partition-1.db, but found: database disk image is malformed", "osmia restore"),
        ("Expected to use the database partition-1.db, but found: file is not a database", "osmia restore BACKUP"),
        ("Expected partition-1.db with the data of an earlier start in d, but found none", "osmia restore BACKUP"),
        ("Expected a database of this version, but found a newer one", "osmia broker --data-dir DIR"),
    ],
)
def test_a_database_that_is_lost_is_to_be_restored(settings, why, mend):
    failure = preflight.start_failed(StoreFailed(why), settings)
    assert (failure.exit, failure.code, failure.why) == (1, "DATABASE", why)
    assert failure.mend.startswith(mend)


@pytest.mark.parametrize(("made_with", "set_to"), [(2, 1), (2, 4), (1, 2)])
def test_a_directory_of_another_number_of_partitions_names_the_one_that_starts_it(settings, made_with, set_to):
    settings.data_dir.mkdir()
    settings.data_dir.joinpath("partition-1.db").touch()
    if made_with > 1:
        settings.data_dir.joinpath("osmia.partitions").write_text(f"{made_with}\n")
    failure = preflight.start_failed(StoreFailed("Expected another number"), replace(settings, partitions=set_to))
    assert failure.exit == 2
    assert f"was made with partitions {made_with}, but partitions is set to {set_to}." in failure.what
    assert failure.mend == f"--partitions {made_with}"


def test_the_advice_about_partitions_keeps_the_rest_of_the_command(tmp_path, capsys):
    (tmp_path / "osmia.partitions").write_text("2\n")
    (tmp_path / "partition-1.db").touch()
    words = f"--data-dir {tmp_path} --grpc-port 0 --http-port 0 --management-port 0"
    assert app.run(["broker", *words.split()]) == 2
    assert f"try: osmia broker {words} --partitions 2\n" in capsys.readouterr().err


def test_a_database_of_postgresql_with_other_partitions_is_a_wrong_setting(settings):
    error = OtherPartitions("Expected 2 partitions", 4)
    failure = preflight.start_failed(error, replace(settings, database_url="postgresql://u@127.0.0.1/x"))
    assert (failure.exit, failure.code, failure.why) == (2, "PARTITIONS", str(error))
    assert failure.mend == "--partitions 4   (with the same URL)"


@pytest.mark.parametrize(
    ("error", "code", "mend"),
    [
        (
            StoreFailed('found: database "d b" does not exist'),
            "DATABASE",
            "createdb --encoding UTF8 'd b'   (on that server)",
        ),
        (StoreFailed('found: role "x" does not exist'), "DATABASE", "psql URL   (with the same URL)"),
    ],
)
def test_a_database_of_postgresql_that_cannot_be_used_says_what_to_try(settings, error, code, mend):
    failure = preflight.start_failed(error, replace(settings, database_url="postgresql://u@127.0.0.1/x"))
    assert (failure.exit, failure.code, failure.why, failure.mend) == (1, code, str(error), mend)


@pytest.mark.parametrize("content", ["2\n", "many", ""])
def test_a_database_of_that_number_or_of_none_that_can_be_read_has_the_reason_of_its_store(settings, content):
    settings.data_dir.mkdir()
    settings.data_dir.joinpath("osmia.partitions").write_text(content)
    failure = preflight.start_failed(StoreFailed("Expected a database"), replace(settings, partitions=2))
    assert (failure.code, failure.why) == ("DATABASE", "Expected a database")
