"""An instance that is erased leaves nothing of it behind, nor of its user tasks: what people wrote is gone with it."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from osmia_broker.state.rows.event_log import LoggedEvent
from osmia_broker.state.rows.history import AuditEntry, MessageCorrelation
from osmia_broker.state.rows.kinds import KINDS
from osmia_broker.state.rows.tasks import (
    REMOVED,
    CandidateKind,
    TaskCandidate,
    TaskComment,
    TaskDraft,
    TaskEvent,
    TaskOperation,
    TaskProposal,
    TaskSnooze,
)
from osmia_broker.state.store_protocol import Changes
from osmia_broker.store.sqlite import SqliteStore
from tests.store import rows
from tests.store.rows import BASE, PROCESS, TEXT, changes

KEPT = {  # with the reason
    AuditEntry,  # says that the instance was deleted, and by whom
    LoggedEvent,  # leaves by its own bound, with the stream of events
}
TASK_KEY = rows.user_task.key
NOTES: tuple[Any, ...] = (
    TaskCandidate(TASK_KEY, CandidateKind.GROUP, "family", PROCESS),
    TaskCandidate(TASK_KEY, CandidateKind.USER, "ben", PROCESS, standing=REMOVED),
    TaskEvent(BASE + 40, PROCESS, TASK_KEY, TaskOperation.ASSIGN, "claim", "ada", '{"assignee":["","ada"]}', 14),
    TaskComment(BASE + 41, PROCESS, TASK_KEY, "ada", TEXT, 15),
    TaskDraft(TASK_KEY, "ada", PROCESS, '{"salary":1}', 16),
    TaskSnooze("ada", TASK_KEY, PROCESS, 99),
    TaskProposal(BASE + 43, PROCESS, TASK_KEY, "agent", '{"salary":1}', "approve", TEXT, 18),
    MessageCorrelation(BASE + 42, PROCESS, BASE + 1, "p", "wait", rows.TASK, BASE + 17, BASE + 24, "paid", TEXT, 17),
)
OTHER = 1_000  # how much higher the keys of another instance lie


def of_another(row: Any) -> Any:
    """The same row of another process instance."""
    moved = {"process_instance_key": PROCESS + OTHER} | {
        name: getattr(row, name) + OTHER for name in ("key", "user_task_key") if hasattr(row, name)
    }
    return replace(row, **moved)


def left_of(path: Path, process_instance_key: int) -> dict[str, int]:
    """How many rows each table has of an instance."""
    tables = [kind.table for kind in KINDS.values() if "process_instance_key" in kind.columns]
    with closing(sqlite3.connect(path)) as db:
        counts = {
            table: db.execute(
                f"SELECT count(*) FROM {table} WHERE process_instance_key = ?",
                (process_instance_key,),
            ).fetchone()[0]
            for table in tables
        }
    return {table: count for table, count in counts.items() if count}


async def test_nothing_that_is_known_of_an_erased_instance_stays(tmp_path: Path):
    path = tmp_path / "partition-1.db"
    store = SqliteStore(path)
    await store.open()
    others = [of_another(row) for row in (rows.process, rows.user_task, *NOTES)]
    await store.write(changes(*rows.INSTANCE, *NOTES, *others), None)
    kept_of_other = left_of(path, PROCESS + OTHER)
    await store.write(Changes(next_key=BASE + 200, erased=[PROCESS]), None)
    await store.close()
    assert left_of(path, PROCESS) == {}
    assert left_of(path, PROCESS + OTHER) == kept_of_other
    assert kept_of_other == {
        "element_instances": 1, "user_tasks": 1, "task_candidates": 2, "task_events": 1, "task_comments": 1,
        "task_drafts": 1, "task_snoozes": 1, "task_proposals": 1, "message_correlations": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    "kind", [one for one in KINDS.values() if "process_instance_key" in one.columns], ids=lambda one: one.table
)
def test_each_table_that_names_an_instance_is_erased_with_it_or_says_why_not(kind: Any):
    assert (kind.of_instance or kind.is_history) != (kind.row_type in KEPT)
