"""Known faults, which a test puts into the engine and its partition one at a time: the schedules of one partition have to find each.

Each function takes one safeguard away. Its first line says what is wrong then.
"""

from collections.abc import Callable
from typing import Any

import pytest

from osmia_broker.engine import commands
from osmia_broker.engine.commands.due import CarryOut, DueCommand, ExpireMessage
from osmia_broker.engine.engine import HANDLERS, execute
from osmia_broker.engine.events import delivery, messages, waiting
from osmia_broker.partition.committing import Committing
from osmia_broker.partition.due_work import DueWork
from osmia_broker.partition.recovery import Recovery
from osmia_broker.state.memory.residency import Residency
from osmia_broker.state.memory.table import Table
from osmia_broker.state.rows import FollowUp, JobState
from osmia_broker.state.state import State

Patch = pytest.MonkeyPatch
EARLY_MS = 30_000


def _after(patch: Patch, command: type, act: Callable[[Any, Any, Any], None]) -> None:
    """Let *act* change what the handler of a command has done."""
    handler = HANDLERS[command]

    def handle(turn: Any, given: Any) -> Any:
        answer = handler(turn, given)
        act(turn, given, answer)
        return answer

    patch.setitem(HANDLERS, command, handle)


# --- undo


def update_is_not_undone(patch: Patch) -> None:
    """A command that is refused, or waits for rows, leaves the fields that it has set."""
    patch.setattr(Table, "undo_update", lambda *_: None)


def insert_is_not_undone(patch: Patch) -> None:
    """A command that is refused, or waits for rows, leaves the rows that it has made."""
    patch.setattr(Table, "undo_insert", lambda *_: None)


def delete_is_not_undone(patch: Patch) -> None:
    """A command that is refused, or waits for rows, takes rows along."""
    patch.setattr(Table, "undo_delete", lambda *_: None)


# --- commits


def answers_before_the_commit(patch: Patch) -> None:
    """Callers are answered when a batch is closed, not when it is written."""
    close = Committing._close_batch

    def close_batch(self: Any) -> None:
        close(self)
        if self._in_flight is not None:
            self._publisher.publish(self._in_flight)

    patch.setattr(Committing, "_close_batch", close_batch)


def memory_survives_a_commit_that_failed(patch: Patch) -> None:
    """Callers hear that a commit has failed, and the partition goes on with what it had decided."""

    def not_committed(self: Any, batch: Any, error: Any) -> None:
        self._publisher.refuse([waiter for _, waiter in batch.commands()], error)
        self.committing.go_on()

    patch.setattr(Recovery, "not_committed", not_committed)


def cold_instances_leave_with_their_changes(patch: Patch) -> None:
    """A process instance may leave memory although a command has changed it whose batch is not written yet."""
    pick = Residency.pick_cold

    def pick_changed(self: Any, batch: int, kept: set[int]) -> list[int]:
        changed, self._open = self._open, set()
        try:
            return pick(self, batch, kept)
        finally:
            self._open = changed

    patch.setattr(Residency, "pick_cold", pick_changed)


# --- time


def due_work_is_early(patch: Patch) -> None:
    """What becomes due is worked off half a minute before."""

    class Ahead:
        def __init__(self, clock: Any) -> None:
            self._clock = clock

        def now_ms(self) -> int:
            return int(self._clock.now_ms()) + EARLY_MS

    begin = DueWork.__init__

    def begin_ahead(self: Any, clock: Any, *others: Any) -> None:
        begin(self, Ahead(clock), *others)

    def execute_ahead(turn: Any, command: Any, now_ms: int) -> Any:
        return execute(turn, command, now_ms + EARLY_MS * isinstance(command, DueCommand))

    patch.setattr(DueWork, "__init__", begin_ahead)
    patch.setattr("osmia_broker.partition.deciding.execute", execute_ahead)


def timers_outlive_their_element(patch: Patch) -> None:
    """A timer goes on when what it waits for has ended."""
    close = waiting.close_events

    def close_others(turn: Any, owner: Any, events: Any = None) -> None:
        end, turn.timers.end = turn.timers.end, lambda *_, **__: None
        try:
            close(turn, owner, events)
        finally:
            turn.timers.end = end

    for module in ("elements.scopes", "events.places", "lifecycle.steps"):
        patch.setattr(f"osmia_broker.engine.{module}.close_events", close_others)


def a_start_looks_for_nothing_that_is_due(patch: Patch) -> None:
    """After a start nothing becomes due until something new does."""
    begin = State.open

    def begin_blind(self: Any, start: Any) -> None:
        begin(self, start)
        self.deadlines.next_ms = None

    patch.setattr(State, "open", begin_blind)


def follow_ups_are_lost(patch: Patch) -> None:
    """A walk that was left for later is taken off, and not gone on with."""
    take = HANDLERS[CarryOut]

    def drop(turn: Any, command: Any) -> Any:
        row = turn.state.find(FollowUp, command.follow_up_key)
        if row is not None and row.due_ms > 0 and command.follow_up_key % 3 == 0:
            turn.follow_ups.delete(row)
            return None
        return take(turn, command)

    patch.setitem(HANDLERS, CarryOut, drop)


# --- jobs


def a_job_is_handed_out_twice(patch: Patch) -> None:
    """The last of several jobs stays activatable although a worker has it."""

    def stay(turn: Any, _command: Any, answer: Any) -> None:
        if len(answer) > 1:
            turn.jobs.update(turn.jobs[answer[-1].key], state=JobState.ACTIVATABLE, deadline_ms=0)

    _after(patch, commands.ActivateJobs, stay)


def a_back_off_is_forgotten(patch: Patch) -> None:
    """A job that has failed is activatable at once."""

    def hurry(turn: Any, command: Any, _answer: Any) -> None:
        job = turn.jobs.get(command.job_key)
        if job is not None and job.state is JobState.FAILED and job.deadline_ms > 0:
            turn.jobs.update(job, state=JobState.ACTIVATABLE, deadline_ms=0)

    _after(patch, commands.FailJob, hurry)


# --- events


def a_subscription_is_left(patch: Patch) -> None:
    """What an element waited for stays open when the element has ended."""
    patch.setattr(waiting, "end_subscription", lambda *_: None)


def a_kept_message_is_given_again(patch: Patch) -> None:
    """A message that is kept does not remember which processes have had it."""
    patch.setattr(messages, "_note_reached", lambda *_: None)


def some_events_do_not_happen(patch: Patch) -> None:
    """One of four subscriptions takes an event, and nothing happens."""
    deliver = delivery.trigger_subscription

    def skip(turn: Any, command: Any) -> None:
        if command.subscription_key % 4:
            deliver(turn, command)

    patch.setattr(delivery, "trigger_subscription", skip)


def an_event_happens_twice(patch: Patch) -> None:
    """An event that stays open happens twice for one message or signal."""
    deliver = delivery.trigger_subscription

    def twice(turn: Any, command: Any) -> None:
        deliver(turn, command)
        deliver(turn, command)

    patch.setattr(delivery, "trigger_subscription", twice)


def messages_never_expire(patch: Patch) -> None:
    """A kept message stays when its time is over."""
    patch.setitem(HANDLERS, ExpireMessage, lambda *_: None)


#: The faults that the schedules of jobs have to find.
OF_JOBS = (
    update_is_not_undone,
    delete_is_not_undone,
    answers_before_the_commit,
    memory_survives_a_commit_that_failed,
    cold_instances_leave_with_their_changes,
    due_work_is_early,
    a_start_looks_for_nothing_that_is_due,
    follow_ups_are_lost,
    a_job_is_handed_out_twice,
    a_back_off_is_forgotten,
)
#: Those that the schedules of messages and signals have to find.
OF_EVENTS = (
    insert_is_not_undone,
    timers_outlive_their_element,
    a_subscription_is_left,
    a_kept_message_is_given_again,
    some_events_do_not_happen,
    an_event_happens_twice,
    messages_never_expire,
)
