"""`osmia broker --processes 2` as people run it: real processes that are killed, stopped and started again."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import osmia
from osmia_broker.base.embedded_postgres import free_port
from osmia_broker.running import processes
from osmia_broker.running.child import ChildBroker, NotStarted
from osmia_broker.running.supervisor import Program
from osmia_broker.settings.config import Settings
from tests.bpmn import bpmn
from tests.process.books import Books, deploy, load
from tests.process.processes import FLAGS, all_lead, ended, pid_of, watched
from tests.process.program import osmia as program

pytestmark = pytest.mark.process


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[ChildBroker]:
    with ChildBroker(tmp_path / "data", flags=FLAGS) as broker:
        yield broker


@pytest.fixture
def client(broker: ChildBroker) -> Iterator[osmia.SyncClient]:
    with osmia.SyncClient(broker.address) as client:
        yield client


# --- what a process is told


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


@pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="this system does not show the environment of a process"
)
def test_a_secret_of_a_file_is_in_the_environment_of_no_process(tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("geheim")
    signing_in = ("--auth", "oidc", "--oidc-issuer", "https://127.0.0.1:1", "--oidc-audience", "osmia")
    page = ("--oidc-client-id", "page", "--oidc-client-secret-file", str(secret))
    with ChildBroker(tmp_path / "data", flags=(*FLAGS, *signing_in, *page)) as broker:
        for pid in (broker.pid, pid_of(broker, 1), pid_of(broker, 2)):
            assert b"PATH=" in environment_of(pid)
            assert b"geheim" not in environment_of(pid)


# --- a process that dies


async def test_a_process_that_is_killed_under_load_loses_nothing_and_comes_back(broker: ChildBroker):
    books = Books()
    await deploy(broker)
    async with load([broker], books):
        for process in (2, 1):
            await books.more(60)
            killed = watched(pid := pid_of(broker, process))
            os.kill(pid, signal.SIGKILL)
            await ended(killed)
            await books.more(60)
            await all_lead(broker)
        await books.more(60)
    await books.check(broker, partitions=3)


async def test_the_processes_end_with_the_one_that_watches_them(tmp_path: Path):
    broker = ChildBroker(tmp_path / "data", flags=FLAGS)
    await asyncio.to_thread(broker.start)
    processes = [watched(pid_of(broker, number)) for number in (1, 2)]
    await asyncio.to_thread(broker.kill)
    for one in processes:
        await ended(one)
    await asyncio.to_thread(broker.start)  # and leave nothing behind that keeps others out
    assert await asyncio.to_thread(broker.stop) == 0


async def test_a_stop_ends_all_of_them(broker: ChildBroker):
    processes = [watched(pid_of(broker, number)) for number in (1, 2)]
    assert await asyncio.to_thread(broker.stop) == 0
    for one in processes:
        await ended(one)


# --- what people see


def test_the_command_line_sees_one_broker(broker: ChildBroker, client: osmia.SyncClient):
    client.deploy(("p.bpmn", bpmn("start > ask:job > end")))
    for number in range(8):
        client.create_instance("process", idempotency_key=str(number))
    listed = program("instances", "-o", "key", address=broker.address)
    assert len(listed.stdout.split()) == 8
    status = program("status", address=broker.address)
    assert status.returncode == 0, status.stderr
    assert client.topology().brokers[0].roles == {1: "LEADER", 2: "LEADER", 3: "LEADER"}


def test_a_copy_of_a_running_broker_has_everything(broker: ChildBroker, client: osmia.SyncClient, tmp_path: Path):
    client.deploy(("p.bpmn", bpmn("start > ask:job > end")))
    keys = {client.create_instance("process", idempotency_key=str(number)).key for number in range(8)}
    made = program("backup", tmp_path / "copy", "--data-dir", broker.data_dir)
    assert made.returncode == 0, made.stderr
    broker.stop()
    restored = program("restore", tmp_path / "copy", "--data-dir", tmp_path / "again")
    assert restored.returncode == 0, restored.stderr
    with ChildBroker(tmp_path / "again", flags=("--partitions", "3")) as again, osmia.SyncClient(again.address) as read:
        assert {one.key for one in read.search_instances().items} == keys


# --- what is refused


def test_a_second_broker_on_the_same_data_is_refused(broker: ChildBroker):
    second = program(
        *("broker", "--data-dir", broker.data_dir, "--grpc-port", 0, "--http-port", 0, "--management-port", 0),
        *FLAGS,
    )
    assert second.returncode == 5, second.stderr
    assert "uses the data directory" in second.stderr


def test_the_number_of_processes_may_change_and_that_of_partitions_may_not(tmp_path: Path):
    keys = set()
    for number in ("3", "1", "2"):
        flags = ("--partitions", "3", "--processes", number)
        with ChildBroker(tmp_path / "data", flags=flags) as broker, osmia.SyncClient(broker.address) as client:
            client.deploy(("p.bpmn", bpmn("start > ask:job > end")))
            keys.add(client.create_instance("process").key)
            assert {one.key for one in client.search_instances().items} == keys
    with pytest.raises(NotStarted, match="was made with partitions 3, but partitions is set to 4"):
        ChildBroker(tmp_path / "data", flags=("--partitions", "4", "--processes", "2")).start()


@contextmanager
def listening_behind_a_free_port() -> Iterator[int]:
    """A free port whose next one is taken. Both are below those that the system gives to whoever asks for any."""
    with socket.socket() as listening:
        is_bound = False
        while not is_bound:
            port = free_port()
            with suppress(OSError):
                listening.bind(("127.0.0.1", port + 1))
                is_bound = True
        listening.listen()
        yield port


def test_a_process_that_cannot_start_is_reported_with_its_last_words(tmp_path: Path):
    with listening_behind_a_free_port() as port:  # the second process would have the next port
        broker = ChildBroker(tmp_path / "data", management_port=port, flags=FLAGS)
        with pytest.raises(NotStarted, match=r"process 2 did not start: .*address already in use"):
            broker.start()


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (("--processes", "2"), "Expected processes to be at most 1, the number of partitions, but found 2"),
        (("--processes", "0"), "from 1 to 64, but found '0'"),
        (("--processes", "many"), "from 1 to 64, but found 'many'"),
        (("--partitions", "2", "--processes", "2", "--management-port", "65535"), "Expected ports up to 65535"),
    ],
)
def test_a_number_that_makes_no_sense_is_refused(tmp_path: Path, flags: tuple[str, ...], text: str):
    refused = program("broker", "--data-dir", tmp_path / "data", *flags)
    assert refused.returncode == 2
    assert text in " ".join(refused.stderr.split())
    assert not (tmp_path / "data").exists()


class Seen(Exception):
    """The programs that a supervisor is to run."""


@pytest.mark.parametrize(
    ("format", "is_terminal", "form"),
    [("auto", True, "text"), ("auto", False, "json"), ("json", True, "json"), ("text", False, "text")],
)
async def test_all_processes_log_in_the_form_of_the_one_that_passes_their_lines_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str, is_terminal: bool, form: str
):
    def see(programs: list[Program], **_: Any) -> None:
        raise Seen(*(json.loads(one.input)["settings"]["log_format"] for one in programs))

    monkeypatch.setattr(processes, "Supervisor", see)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal, raising=False)
    settings = Settings(data_dir=tmp_path, partitions=2, processes=2, log_format=format, grpc_port=0, http_port=0)
    with pytest.raises(Seen) as seen:
        await processes.run(replace(settings, management_port=0))
    assert seen.value.args == (form, form)
