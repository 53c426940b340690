"""Calls for user tasks: claim, assign, unassign, update, complete (user-tasks.md, sections 6 and 7)."""

import asyncio
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from osmia_broker.calls import checks
from osmia_broker.calls.base import PartitionCalls
from osmia_broker.calls.caller import Caller
from osmia_broker.calls.documents import parse_variables
from osmia_broker.calls.results import Results
from osmia_broker.engine.commands import (
    AssignUserTask,
    CompleteUserTask,
    TaskChanges,
    UnassignUserTask,
    UpdateUserTask,
)
from osmia_broker.errors import InvalidArgument, InvalidState, NotFound, TimedOut
from osmia_broker.partition import Partition

LISTENERS_WAIT_S = 30.0  # for task listeners, without a time; the change goes on after it
PRIORITIES = range(101)
NAME_CHARACTERS = 1_024  # of a person or a group
CANDIDATES_MAX = 1_000

_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)

TaskCommand = AssignUserTask | UnassignUserTask | UpdateUserTask | CompleteUserTask


class TaskUpdate(msgspec.Struct, frozen=True):
    """New values for a task; None keeps a value, an empty one resets it. Dates are RFC 3339."""

    candidate_users: Sequence[str] | None = None
    candidate_groups: Sequence[str] | None = None
    due_date: str | None = None
    follow_up_date: str | None = None
    priority: int | None = None


class UserTaskCalls(PartitionCalls):
    """Change user tasks. A change with task listeners is answered when they are done."""

    def __init__(self, partition: Partition) -> None:
        super().__init__(partition)
        self._results = Results(partition)

    async def assign_task(
        self, user_task_key: int, assignee: str, *, caller: Caller, overrides: bool = True, action: str = ""
    ) -> None:
        """Assign a task. Without *overrides* it is claimed: it must be free, or assigned to the same person.

        Raises:
            NotFound, InvalidState, Forbidden, InvalidArgument: it cannot be.

        """
        if not assignee.strip():
            raise InvalidArgument("No assignee provided")
        name = checks.at_most("assignee", assignee, NAME_CHARACTERS)
        command = AssignUserTask(checks.int64("userTaskKey", user_task_key), name, overrides, _action(action))
        await self._change(command, caller)

    async def unassign_task(self, user_task_key: int, *, caller: Caller, action: str = "") -> None:
        """Take a task from its assignee; a task without one stays so. Raises as `assign_task`."""
        command = UnassignUserTask(checks.int64("userTaskKey", user_task_key), _action(action))
        await self._change(command, caller)

    async def update_task(self, user_task_key: int, update: TaskUpdate, *, caller: Caller, action: str = "") -> None:
        """Change attributes of a task. Raises as `assign_task`."""
        command = UpdateUserTask(checks.int64("userTaskKey", user_task_key), task_changes(update), _action(action))
        await self._change(command, caller)

    async def complete_task(self, user_task_key: int, variables: str, *, caller: Caller, action: str = "") -> None:
        """Complete a task with variables. Raises as `assign_task`."""
        key = checks.int64("userTaskKey", user_task_key)
        await self._change(CompleteUserTask(key, parse_variables(variables), _action(action)), caller)

    async def _change(self, command: TaskCommand, caller: Caller) -> None:
        """Submit a change, and wait for its task listeners.

        Raises:
            TimedOut: the listeners take longer; the change goes on.
            InvalidState: one of them has denied it.
            NotFound: the task has been canceled meanwhile.

        """
        result = self._results.expect()
        submitted: asyncio.Future[Any] | None = None
        try:
            whole = replace(command, user=caller.user, groups=caller.groups, ticket=result.ticket)
            submitted = self._partition.submit(whole)
            if await asyncio.shield(submitted):
                _check_outcome(command, await result.within(LISTENERS_WAIT_S))
        except TimeoutError:
            raise TimedOut(
                f"Expected the task listeners of user task with key '{command.user_task_key}' to be done within"
                f" {LISTENERS_WAIT_S:g} s, but they are still at work"
            ) from None
        finally:
            result.forget(submitted)


def task_changes(update: TaskUpdate) -> TaskChanges:
    """Check new values.

    Raises:
        InvalidArgument: some break a rule; the text names all of them.

    """
    faults: list[str] = []
    for name, date in (("due date", update.due_date), ("follow-up date", update.follow_up_date)):
        if date and not _is_date(date):
            faults.append(
                f"The provided {name} '{checks.quoted(date)}' cannot be parsed as a date according to RFC 3339, section 5.6."
            )
    if update.priority is not None and update.priority not in PRIORITIES:
        faults.append(f"The value for priority is '{update.priority}' but must be within the [0,100] range.")
    if faults:
        raise InvalidArgument(" ".join(faults))
    return TaskChanges(
        candidate_users=_names("candidateUsers", update.candidate_users),
        candidate_groups=_names("candidateGroups", update.candidate_groups),
        due_date=update.due_date,
        follow_up_date=update.follow_up_date,
        priority=update.priority,
    )


def _names(field: str, names: Sequence[str] | None) -> tuple[str, ...] | None:
    if names is None:
        return None
    if len(names) > CANDIDATES_MAX:
        raise InvalidArgument(f"Expected at most {CANDIDATES_MAX} {field}, but found {len(names)}")
    return tuple(dict.fromkeys(checks.at_most(field, name, NAME_CHARACTERS) for name in names))


def _is_date(text: str) -> bool:
    """Whether *text* is a date-time with an offset, within the years that readers can hold."""
    if not _RFC_3339.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text.upper()).timestamp()
    except (ValueError, OverflowError):
        return False
    return True


def _action(text: str) -> str:
    return checks.at_most("action", text, NAME_CHARACTERS)


def _check_outcome(command: TaskCommand, outcome: str) -> None:
    """Raise the refusal that task listeners led to, if any."""
    decoded = msgspec.json.decode(outcome, type=dict[str, Any])
    refusal: InvalidState | NotFound | None = None
    if "denied" in decoded:
        reason = f" Reason to deny: '{decoded['denied']}'" if decoded["denied"] else ""
        refusal = InvalidState(
            f"Expected to {command.intent.lower()} user task with key '{command.user_task_key}',"
            f" but a task listener denied it.{reason}"
        )
    elif "canceled" in decoded:
        refusal = NotFound(
            f"Expected to {command.intent.lower()} user task with key '{command.user_task_key}', but it was canceled meanwhile"
        )
    if refusal is not None:
        refusal.intent = command.intent
        raise refusal
