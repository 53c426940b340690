"""The other side is a real process, which is killed, or stopped and continued."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from osmia_broker.links import Limits, Links, UnixPlace
from tests.links.wire import identity, refused
from tests.patience import ANSWER_S

pytestmark = pytest.mark.process


class Other:
    """Process 2 as a program."""

    def __init__(self, path: Path) -> None:
        self.place = UnixPlace(path / "2.sock")
        self.taken = path / "2.taken"
        self.program = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([sys.executable, "-m", "tests.links.other_process", str(self.place.path)])

    def again(self) -> None:
        self.end()
        self.program = self._start()

    def signal(self, how: signal.Signals) -> None:
        os.kill(self.program.pid, how)

    def end(self) -> None:
        self.program.kill()
        self.program.wait()

    @property
    def has_taken(self) -> list[str]:
        return self.taken.read_text().split() if self.taken.exists() else []


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Other]:
    it = Other(tmp_path)
    yield it
    it.end()


async def within(awaited):
    async with asyncio.timeout(ANSWER_S):
        return await awaited


async def held(links: Links, other: Other, word: bytes) -> "asyncio.Future[bytes]":
    """Ask a call that the other process has taken and does not answer."""
    call = asyncio.ensure_future(links.call(2, "/t.T/Hold", word))
    async with asyncio.timeout(ANSWER_S):
        while word.decode() not in other.has_taken:
            await asyncio.sleep(0)
    return call


async def test_a_process_that_is_killed_answers_nothing_twice_and_its_next_life_is_met(other: Other):
    links = Links(identity(1), [])
    links.dial(2, other.place)
    await within(links.wait_for([2]))
    call = await held(links, other, b"first")
    other.signal(signal.SIGKILL)
    status, details = await refused(call)
    assert status == "UNAVAILABLE"
    assert "whether the call took effect is unknown" in details
    other.again()
    await within(links.wait_for([2]))
    assert await within(links.call(2, "/t.T/Echo", b"second")) == b"second"
    assert other.has_taken == ["first", "second"]
    await links.stop(0)


async def test_a_process_that_is_stopped_is_given_up_and_met_again_when_it_goes_on(other: Other):
    now = [1_000.0]
    links = Links(identity(1), [], limits=Limits(), now_s=lambda: now[0])
    links.dial(2, other.place)
    await within(links.wait_for([2]))
    other.signal(signal.SIGSTOP)
    call = asyncio.ensure_future(links.call(2, "/t.T/Hold", b"late"))
    await asyncio.sleep(0)
    for _ in range(2):  # a ping, and no answer
        now[0] += 3
        links.look()
    assert (await refused(call))[0] == "UNAVAILABLE"
    assert links.processes == set()
    other.signal(signal.SIGCONT)
    await within(links.wait_for([2]))
    assert await within(links.call(2, "/t.T/Echo", b"after")) == b"after"
    assert other.has_taken.count("late") <= 1  # it may have been taken after all; its asker heard that this is unknown
    await links.stop(0)
