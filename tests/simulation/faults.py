"""Known faults, which a test puts into the real code one at a time: the judge of the imagined cluster has to find each.

Each function takes one safeguard away. Its first line says what is wrong then.
"""

from dataclasses import replace
from typing import Any

import pytest

from osmia_broker.engine.commands import GiveBackJobs
from osmia_broker.engine.engine import HANDLERS
from osmia_broker.engine.events import signals
from osmia_broker.partition import news
from osmia_broker.partition.committing import Committing
from osmia_broker.partition.outbox_delivery import Route
from osmia_broker.partition.partition import Partition
from osmia_broker.partition.remote import RemotePartition
from osmia_broker.partition.router import Router
from osmia_broker.partition.serving import Serving
from osmia_broker.state.rows import JobState
from osmia_broker.store.postgres.lease import CLAIM, Lease
from osmia_broker.store.postgres.store import PostgresStore
from tests.simulation.database import _STATEMENTS, _text
from tests.simulation.run import Size

Patch = pytest.MonkeyPatch


# --- commits and leases


def lost_commit_is_sent_again(patch: Patch) -> None:
    """A commit whose answer was lost is sent again, whether it was written or not."""
    resolve = PostgresStore._resolve

    async def guessed(self: Any) -> bool:
        await resolve(self)
        return False

    patch.setattr(PostgresStore, "_resolve", guessed)


def lease_is_taken_in_the_same_epoch(patch: Patch) -> None:
    """A broker that takes a lease begins no new epoch, so the one before it commits on."""

    def claim(self: Any, partition: int, id: str, incarnation: int, _epoch: int) -> Any:
        row = self.leases[partition]
        return self._led(partition, replace(row, owner=id, incarnation=incarnation))

    patch.setitem(_STATEMENTS, _text(CLAIM), claim)


def leader_never_gives_up(patch: Patch) -> None:
    """A leader that nothing has confirmed for long answers on. Its commits fail at the fence, so only its reads are out of date."""
    patch.setattr(Lease, "leads", lambda self: self.epoch != 0)


# --- partitions


def answers_before_the_commit(patch: Patch) -> None:
    """Callers are answered when a batch is closed, not when it is written."""
    close = Committing._close_batch

    def close_batch(self: Any) -> None:
        close(self)
        if self._in_flight is not None:
            self._publisher.publish(self._in_flight)

    patch.setattr(Committing, "_close_batch", close_batch)


def later_leader_is_not_heard(patch: Patch) -> None:
    """A leader that was replaced answers on until its next beat, although it knows better."""
    patch.setattr(Partition, "note_epoch", lambda *_: None)


def news_of_a_former_leader_are_believed(patch: Patch) -> None:
    """Whoever says last that it leads a partition is asked, although another one has led it later."""
    opened = RemotePartition.opened

    def opened_by_any(self: Any, process: int, epoch: int = 0) -> None:
        self.epoch = 0
        opened(self, process, epoch)

    patch.setattr(RemotePartition, "opened", opened_by_any)


# --- between partitions


def nobody_is_said_to_lag(patch: Patch) -> None:
    """Other brokers do not hear which partitions have not taken over all definitions."""
    patch.setattr(Serving, "_lagging", lambda _: news.Lagging(()))


def messages_are_sent_without_those_before(patch: Patch) -> None:
    """A partition that opens sends what it commits from then on, not what was left."""

    async def _read(self: Any) -> None:
        self._messages.extend(self._meanwhile)
        self._meanwhile.clear()
        self._is_read = True

    patch.setattr(Route, "_read", _read)


def once_is_anywhere(patch: Patch) -> None:
    """A creation with a key of its own goes to any partition."""
    patch.setattr(Router, "_of_text", lambda self, _text: self._anywhere(self))


def signal_stays_in_its_partition(patch: Patch) -> None:
    """Other partitions do not hear of a signal."""
    patch.setattr(signals, "send", lambda *_: None)


def signal_is_sent_twice(patch: Patch) -> None:
    """Each signal goes to other partitions in two messages."""
    send = signals.send

    def twice(turn: Any, partition: int, command: Any) -> None:
        send(turn, partition, command)
        send(turn, partition, command)

    patch.setattr(signals, "send", twice)


# --- jobs


def news_of_jobs_are_not_heard(patch: Patch) -> None:
    """A partition elsewhere that had no jobs is never asked again."""
    patch.setattr(RemotePartition, "jobs_wait", lambda *_: None)
    patch.setattr(Serving, "offer_types", lambda *_: None)


def jobs_of_others_are_given_back(patch: Patch) -> None:
    """A job that did not reach its caller becomes activatable again although another worker has it by now."""

    def give_back(turn: Any, command: Any) -> None:
        for job in turn.find_jobs(dict(command.jobs)):
            if job.state is JobState.ACTIVATED:
                turn.jobs.update(job, state=JobState.ACTIVATABLE, deadline_ms=0)

    patch.setitem(HANDLERS, GiveBackJobs, give_back)


#: Each fault, and a run in whose weather it shows.
FAULTS = {
    lost_commit_is_sent_again: Size(deeds=("lose_answers", "kill")),
    lease_is_taken_in_the_same_epoch: Size(deeds=("steal",)),
    leader_never_gives_up: Size(deeds=("isolate",), orders=0, registers=1),
    answers_before_the_commit: Size(deeds=("lose_answers", "database_away", "kill")),
    later_leader_is_not_heard: Size(deeds=("isolate", "steal")),
    messages_are_sent_without_those_before: Size(deeds=("kill", "steal")),
    once_is_anywhere: Size(deeds=("lose_answers", "kill", "break_links")),
    signal_stays_in_its_partition: Size(deeds=("kill", "steal")),
    signal_is_sent_twice: Size(deeds=("kill", "steal")),
    news_of_jobs_are_not_heard: Size(deeds=("leave", "steal")),
    news_of_a_former_leader_are_believed: Size(deeds=("steal", "slow")),
    nobody_is_said_to_lag: Size(deeds=("break_links", "cut")),
    jobs_of_others_are_given_back: Size(deeds=("slow", "cut")),
}
