"""What grows with what others ask for has a bound, and nobody is forgotten because of it."""

import asyncio
from typing import Any

import pytest

from osmia_broker.base.errors import InvalidState
from osmia_broker.engine import commands
from osmia_broker.links import Links
from osmia_broker.partition import due_work, news
from osmia_broker.partition.due_work import DueWork
from osmia_broker.partition.remote import RemotePartition
from osmia_broker.partition.serving import Serving, _Recipient
from osmia_broker.state.rows import Timer
from osmia_broker.state.state import State
from osmia_broker.state.store_protocol import Due
from tests.clock import FakeClock
from tests.links.wire import SECRET, identity


async def test_interest_in_many_job_types_is_bounded_and_those_who_lose_theirs_ask_again(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(news, "TYPES_MAX", 3)
    serving = Serving()
    recipient = serving._recipients[2] = _Recipient()
    for number in range(5):
        serving._want(2, 1, f"t{number}")
    assert [type for _, type in serving._wanted] == ["t2", "t3", "t4"]
    assert await recipient.next() == [news.JobsWait(1, "t0"), news.JobsWait(1, "t1")]


async def test_job_types_that_another_process_has_none_of_are_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(news, "TYPES_MAX", 3)
    remote = RemotePartition(1, 2, Links(identity(1), [], secret=SECRET))
    remote.opened(2)
    for number in range(5):
        command = commands.ActivateJobs(f"t{number}", "w", 1_000, 1)
        question = remote._begin_question(command)
        assert question is not None
        remote._end_question(command, question, is_empty=True)
    assert [remote.has_activatable(f"t{number}") for number in range(5)] == [True, True, False, False, False]


async def test_more_corrupt_due_rows_than_are_remembered_make_a_pause(monkeypatch: pytest.MonkeyPatch):
    """They would come due again at once, in a loop that logs each of them."""
    monkeypatch.setattr(due_work, "STUCK_MAX", 2)
    monkeypatch.setattr(due_work, "perf_counter", lambda: 0.0)  # on a busy machine a round may seem too long
    clock, state = FakeClock(), State(1)
    state.deadlines.add(1)

    def refuse(_command: commands.Command, waiter: Any) -> None:
        waiter.set_exception(InvalidState("Expected readable rows, but found none"))

    def call(work: Any) -> None:
        work()

    due = DueWork(clock, state, refuse, lambda: None, call)
    assert due.is_ready
    for _ in range(2):
        due.question()
        due.take(Due([(1, Timer, key) for key in (1, 2, 3)], 1))
        due.go_on()
    assert due.passed_over == 2
    assert not due.is_ready, "row 3 is not remembered, and due"
    clock.ms += due_work.STUCK_PAUSE_MS - 1
    assert not due.is_ready
    clock.ms += 1
    assert due.is_ready
    due.stop()
    await asyncio.sleep(0)
