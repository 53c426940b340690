"""A broker whose process has no file descriptor left: a question is refused as busy, and answered when there are some again."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from osmia_broker.base.errors import Overloaded
from osmia_broker.store.read.sql.database import is_out_of_files
from tests.store.conftest import Written


@contextmanager
def no_files_left() -> Iterator[None]:
    """Let this process open nothing more: every lower number is taken, and no higher one is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, _highest() + 1), hard))
    try:
        while True:
            try:
                taken.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                break
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for one in taken:
            os.close(one)


def _highest() -> int:
    return max(int(one.name) for one in Path("/dev/fd").iterdir())


async def test_a_question_without_a_descriptor_is_refused_as_busy_and_later_answered(written: Written):
    first = written.reader()
    await first.standing(0)  # its modules are loaded
    reader = written.reader()
    with no_files_left():
        with pytest.raises(Overloaded, match="a free file descriptor"):
            await reader.standing(0)
        with pytest.raises(Overloaded, match="ulimit -n"):
            await reader.process_instances()
    assert (await reader.standing(0)).jobs_waiting == {}


async def test_a_connection_that_is_open_goes_on_without_descriptors(written: Written):
    reader = written.reader()
    await reader.standing(0)
    with no_files_left():
        assert (await reader.standing(0)).jobs_waiting == {}


def test_descriptors_are_not_missing_as_a_rule():
    assert not is_out_of_files()
    with no_files_left():
        assert is_out_of_files()
