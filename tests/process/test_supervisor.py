"""Several real processes run as one."""

import asyncio
import errno
import http.client
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from osmia_broker.running.child import NotStarted
from osmia_broker.running.supervisor import LONGEST_PAUSE_S, PROBES_MAX, Supervisor, bound_to, marked, pause_s
from tests.patience import ANSWER_S
from tests.process.supervising import is_ready, programs

pytestmark = pytest.mark.process


class Log:
    """What the supervisor passed on."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.more = asyncio.Event()

    def __call__(self, line: bytes) -> None:
        self.lines.append(line)
        self.more.set()

    async def has(self, text: str, times: int = 1) -> None:
        """Wait until *text* was said so often."""
        async with asyncio.timeout(ANSWER_S):
            while sum(text.encode() in line for line in self.lines) < times:
                self.more.clear()
                await self.more.wait()


@asynccontextmanager
async def supervised(
    folder: Path, *words: str, grace_s: float = ANSWER_S, start_s: float = ANSWER_S
) -> AsyncIterator[tuple[Supervisor, Log]]:
    """Processes that do what *words* say, all of them ready."""
    log = Log()
    it = Supervisor(programs(folder, *words), grace_s=grace_s, start_s=start_s, write=log, pause_s=lambda _: 0.0)
    running = asyncio.ensure_future(it.run())
    try:
        async with asyncio.timeout(ANSWER_S):
            await it.ready()
        yield it, log
    finally:
        it.stop()
        await asyncio.wait_for(running, ANSWER_S)


def lives(pid: int) -> bool:
    """Whether a process runs. One that has ended may stay in the table for as long as nobody asks for its exit code."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return not Path("/proc/self/stat").exists()


async def test_all_run_and_a_stop_lets_each_finish_its_work(tmp_path: Path):
    async with supervised(tmp_path, "", "", "") as (it, log):
        pids = [it.pid(number) for number in (1, 2, 3)]
        assert all(map(lives, pids))
    assert sorted(line for line in log.lines if b"drained" in line) == [
        b'{"process":%d,"message": "drained"}\n' % number for number in (1, 2, 3)
    ]
    assert not any(map(lives, pids))
    assert [it.pid(number) for number in (1, 2, 3)] == [0, 0, 0]


async def test_a_process_that_is_killed_is_started_again_and_the_others_stay(tmp_path: Path):
    async with supervised(tmp_path, "", "") as (it, log):
        first, other = it.pid(1), it.pid(2)
        for start in (2, 3):
            os.kill(it.pid(1), signal.SIGKILL)
            await log.has(f"start {start}")
        assert it.pid(1) not in (0, first)
        assert it.pid(2) == other


async def test_a_process_that_fails_while_it_is_started_again_is_tried_once_more(tmp_path: Path):
    async with supervised(tmp_path, "once", "") as (it, log):
        os.kill(it.pid(1), signal.SIGKILL)
        await log.has("the port is taken")
        await log.has("start 3")


async def test_a_process_that_the_system_cannot_start_again_now_is_tried_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    create, failures = asyncio.create_subprocess_exec, [OSError(errno.EMFILE, "Too many open files")] * 2

    async def short_of_files(*arguments, **options):
        if failures:
            raise failures.pop()
        return await create(*arguments, **options)

    async with supervised(tmp_path, "", "") as (it, log):
        other = it.pid(2)
        monkeypatch.setattr(asyncio, "create_subprocess_exec", short_of_files)
        os.kill(it.pid(1), signal.SIGKILL)
        await log.has("start 2")
        assert (failures, it.pid(2)) == ([], other)


async def test_a_process_that_cannot_start_ends_all_with_its_last_words(tmp_path: Path):
    log = Log()
    it = Supervisor(programs(tmp_path, "", "fail", ""), grace_s=ANSWER_S, write=log)
    with pytest.raises(NotStarted, match=r"process 2 did not start:\n.*start 1.*\n.*the port is taken") as failure:
        await asyncio.wait_for(it.run(), ANSWER_S)
    assert failure.value.exit_code == 3
    assert (tmp_path / "2.starts").read_text() == "1"
    assert [it.pid(number) for number in (1, 2, 3)] == [0, 0, 0]


async def test_the_question_whether_a_process_is_ready_may_block(tmp_path: Path):
    """The loop goes on meanwhile: it watches the other processes."""
    threads: set[int] = set()
    one = programs(tmp_path, "")[0]

    def ready(pid: int) -> bool:
        threads.add(threading.get_ident())
        return is_ready(tmp_path, 1, pid)

    it = Supervisor([replace(one, is_ready=ready)], grace_s=ANSWER_S, write=Log())
    running = asyncio.ensure_future(it.run())
    await asyncio.wait_for(it.ready(), ANSWER_S)
    it.stop()
    await asyncio.wait_for(running, ANSWER_S)
    assert threads
    assert threading.get_ident() not in threads


async def test_a_process_that_is_not_ready_in_time_ends_all(tmp_path: Path):
    one = programs(tmp_path, "")[0]
    never = type(one)(1, one.command, lambda _pid: False)
    with pytest.raises(NotStarted, match="process 1 did not start"):
        await asyncio.wait_for(Supervisor([never], grace_s=0, start_s=0.5, write=Log()).run(), ANSWER_S)


async def test_a_command_that_is_not_there_ends_all(tmp_path: Path):
    one = programs(tmp_path, "")[0]
    missing = type(one)(2, [str(tmp_path / "nothing")], lambda _pid: False)
    it = Supervisor([one, missing], grace_s=ANSWER_S, write=Log())
    with pytest.raises(FileNotFoundError):
        await asyncio.wait_for(it.run(), ANSWER_S)
    assert it.pid(1) == 0


async def test_a_second_stop_does_not_wait_for_the_deaf(tmp_path: Path):
    async with supervised(tmp_path, "deaf", "") as (it, log):
        pid = it.pid(1)
        it.stop()
        await log.has("deaf")
        assert lives(pid)
        it.stop()
    assert not lives(pid)


async def test_the_deaf_are_killed_when_their_grace_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("osmia_broker.running.supervisor.MARGIN_S", 0.2)
    async with supervised(tmp_path, "deaf", grace_s=0) as (it, log):
        pid = it.pid(1)
    assert not lives(pid)
    assert any(b"deaf" in line for line in log.lines)


async def test_a_process_that_hangs_is_killed_and_started_again(tmp_path: Path):
    hung: set[int] = set()

    async def is_well() -> bool:
        return it.pid(1) not in hung

    log = Log()
    program = replace(programs(tmp_path, "")[0], is_well=is_well)
    it = Supervisor([program], grace_s=ANSWER_S, write=log, pause_s=lambda _: 0.0, probe_s=0.0)
    running = asyncio.ensure_future(it.run())
    await asyncio.wait_for(it.ready(), ANSWER_S)
    first = it.pid(1)
    os.kill(first, signal.SIGSTOP)
    hung.add(first)
    await log.has("start 2")
    assert not lives(first)
    it.stop()
    await asyncio.wait_for(running, ANSWER_S)


@pytest.mark.parametrize("answer", ["no", "error", "noise", "never"])
async def test_a_process_is_given_a_few_chances_to_say_that_it_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer
):
    monkeypatch.setattr("osmia_broker.running.supervisor.ANSWER_S", 0.05)
    asked = []

    async def is_well() -> bool:
        asked.append(answer)
        if len(asked) % PROBES_MAX:  # every fourth time it is
            if answer == "error":
                raise ConnectionRefusedError
            if answer == "noise":
                raise http.client.BadStatusLine("SSH-2.0-x")
            if answer == "never":
                await asyncio.Event().wait()
            return False
        return True

    it = Supervisor([], grace_s=0, probe_s=0.0)
    probing = asyncio.ensure_future(it._probe(1, is_well, None))  # type: ignore[arg-type]  # it is never killed
    async with asyncio.timeout(ANSWER_S):
        while len(asked) < 3 * PROBES_MAX:
            await asyncio.sleep(0)
    assert not probing.done()
    probing.cancel()


def test_pauses_grow_to_a_bound():
    assert [round(pause_s(failures), 1) for failures in (0, 1, 2, 6, 7, 100_000)] == [
        0.1,
        0.2,
        0.4,
        6.4,
        10.0,
        LONGEST_PAUSE_S,
    ]


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        (b'{"time":"t"}', b'{"process":7,"time":"t"}'),
        (b"Traceback (most recent call last):", b"7 | Traceback (most recent call last):"),
        (b"{}", b"7 | {}"),
        (b"", b"7 | "),
    ],
)
def test_each_line_of_a_log_says_who_wrote_it(line, seen):
    assert marked(line, 7) == seen


# --- the supervisor is a process, too


class Program:
    """A supervisor as a process."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder, self.count = folder, len(words)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.process.supervising", str(folder), "30", *words],
            stderr=subprocess.PIPE,
        )

    def wait_until_ready(self) -> list[int]:
        """Wait until its children are, and return their process ids."""
        found: list[int] = []
        assert self.process.stderr is not None
        while len(found) < self.count:
            assert self.process.poll() is None
            files = [self.folder / f"{number}.ready" for number in range(1, self.count + 1)]
            found = [int(file.read_text()) for file in files if file.exists()]
        return found

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    it = Program(tmp_path, "", "")
    yield it
    it.end()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_all_in_order(program: Program, how):
    pids = program.wait_until_ready()
    program.process.send_signal(how)
    assert program.process.stderr is not None
    said = program.process.stderr.read()
    assert (program.process.wait(ANSWER_S), said.count(b"drained")) == (0, 2)
    assert not any(map(lives, pids))


def test_children_end_when_their_parent_is_killed(program: Program):
    pids = program.wait_until_ready()
    program.process.kill()
    program.process.wait()
    while any(map(lives, pids)):  # the kernel tells them; the test's own bound ends this
        os.sched_yield()


def test_a_child_whose_parent_has_gone_already_does_not_start(tmp_path: Path):
    command = bound_to(1, "tests.process.supervised", [str(tmp_path), "1"])
    ended = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S, check=False)
    assert ended.returncode == 1
    assert "Expected the process that has started this one to live" in ended.stderr
    assert not is_ready(tmp_path, 1, os.getpid())
