"""Calls of people on user tasks: claim, assign, update, complete, comment, drafts."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn

import msgspec

from osmia_broker.base.errors import InvalidArgument, InvalidState, NotFound, Rejection, TimedOut
from osmia_broker.calls import checks
from osmia_broker.calls.base import CallGroup, seconds
from osmia_broker.calls.caller import Caller
from osmia_broker.calls.documents import parse_variables
from osmia_broker.calls.processes.results import Results
from osmia_broker.engine.commands import Command
from osmia_broker.engine.commands.tasks import (
    Actor,
    AssignUserTask,
    ClaimNextUserTask,
    ClaimUserTask,
    CommentUserTask,
    CompleteUserTask,
    SaveTaskDraft,
    SaveTaskFilter,
    SnoozeUserTask,
    TaskPolicy,
    UpdateUserTask,
)
from osmia_broker.engine.elements.dates import zoned_text
from osmia_broker.engine.elements.user_tasks import PRIORITY_MAX
from osmia_broker.partition import Submits
from osmia_broker.store.read.tasks import task_query

LISTENERS_WAIT_S = 10.0  #: for task listeners, if the caller gives no time
NAME_CHARACTERS = 4_096  # of a person, a group or an action
CANDIDATES_MAX = 1_000  # users, and groups, of a task
COMMENT_CHARACTERS = 32_768
FILTER_NAME_CHARACTERS = 100

_REFUSALS: dict[str, type[Rejection]] = {one.code: one for one in (NotFound, InvalidState)}
_DATES = {"dueDate": "due date", "followUpDate": "follow-up date"}


class UserTaskCalls(CallGroup):
    """The calls of people on user tasks. A call returns when the task listeners have agreed, or raises `TimedOut` after *wait_ms*."""

    def __init__(self, partitions: Submits, results: Results, policy: TaskPolicy = TaskPolicy.OPEN) -> None:
        super().__init__(partitions)
        self._results = results
        self.policy = policy

    async def assign(
        self,
        key: int,
        assignee: str | None,
        *,
        caller: Caller,
        allow_override: bool = True,
        action: str = "",
        wait_ms: int = 0,
    ) -> None:
        """Assign a task to *assignee*; without *allow_override* only if nobody else has it (a claim).

        Raises:
            InvalidArgument: no assignee is given.
            NotFound, InvalidState, Forbidden: the task cannot be assigned.
            TimedOut: the task listeners need longer; the assignment goes on.

        """
        if not assignee or not assignee.strip():
            raise InvalidArgument("No assignee provided")
        self._checked(key, assignee, action)
        command = AssignUserTask if allow_override else ClaimUserTask
        actor = self.actor(caller)
        await self.done(lambda ticket: command(key, assignee, action, actor, ticket), wait_ms)

    async def claim(self, key: int, *, caller: Caller, action: str = "", wait_ms: int = 0) -> None:
        """Assign a task to the caller, if nobody else has it. Raises as `assign`."""
        await self.assign(key, caller.user, caller=caller, allow_override=False, action=action, wait_ms=wait_ms)

    async def unassign(self, key: int, *, caller: Caller, action: str = "", wait_ms: int = 0) -> None:
        """Take a task back from its assignee; it is no mistake if there is none. Raises as `assign`."""
        self._checked(key, "", action)
        actor = self.actor(caller)
        await self.done(lambda ticket: AssignUserTask(key, "", action, actor, ticket), wait_ms)

    async def hand_back(self, key: int, reason: str, *, caller: Caller, wait_ms: int = 0) -> None:
        """Take a task back from its assignee for a *reason*, which becomes a comment: both or neither. Raises as `assign`.

        If task listeners delay it, the comment is written when they are done.
        """
        text = f"Handed back: {reason}"
        self._checked(key, "", "")
        checks.at_most("text", text, COMMENT_CHARACTERS)
        actor = self.actor(caller)
        is_done = await self.done(
            lambda ticket: AssignUserTask(key, "", "hand back", actor, ticket, comment=text), wait_ms
        )
        if not is_done:
            await self._partitions.submit(CommentUserTask(key, text, actor))

    async def claim_next(self, keys: Sequence[int], *, caller: Caller, action: str = "", wait_ms: int = 0) -> int:
        """Claim the first of the tasks *keys* that is free and that the caller may claim; return its key, or 0.

        If a task listener denies one, the next is tried.
        """
        if not caller.user.strip():
            raise InvalidArgument("No assignee provided")
        self._checked(0, caller.user, action)
        actor, left = self.actor(caller), tuple(keys)
        until_s = time.monotonic() + _wait_s(wait_ms)
        while left:
            command = partial(ClaimNextUserTask, left, actor.user, action, actor)
            (key, _), refusal = await _decided(
                self._partitions, self._results, command, max(until_s - time.monotonic(), 0)
            )
            if not refusal:
                return int(key)
            left = left[left.index(key) + 1 :]
        return 0

    async def update(
        self,
        key: int,
        changeset: Mapping[str, Any] | None,
        *,
        caller: Caller,
        action: str | None = None,
        wait_ms: int = 0,
    ) -> None:
        """Change candidateGroups, candidateUsers, dueDate, followUpDate or priority. Empty resets; null or absent keeps; others are ignored.

        Raises:
            InvalidArgument: a value is wrong, or nothing is given at all. All mistakes are in one text.
            NotFound, InvalidState, Forbidden: the task cannot be updated.
            TimedOut: the task listeners need longer; the update goes on.

        """
        changes = changes_of(changeset or {})
        if not changes and not action:
            raise InvalidArgument(
                'No update data provided. Provide at least an "action" or a non-null value for a supported attribute'
                ' in the "changeset".'
            )
        self._checked(key, "", action or "")
        actor = self.actor(caller)
        await self.done(lambda ticket: UpdateUserTask(key, changes, action or "", actor, ticket), wait_ms)

    async def complete(
        self, key: int, variables: str = "", *, caller: Caller, action: str = "", wait_ms: int = 0
    ) -> None:
        """Complete a task with *variables*, a JSON object as text.

        Raises:
            InvalidArgument: the variables are no JSON object.
            NotFound, InvalidState, Forbidden: the task cannot be completed.
            TimedOut: the task listeners need longer; the completion goes on.

        """
        parsed = parse_variables(variables)
        self._checked(key, "", action)
        actor = self.actor(caller)
        await self.done(lambda ticket: CompleteUserTask(key, parsed, action, actor, ticket), wait_ms)

    async def comment(self, key: int, text: str, *, caller: Caller) -> int:
        """Comment on an open task; return the key of the comment."""
        checks.int64("userTaskKey", key)
        if not text.strip():
            raise InvalidArgument("Expected a comment to have a text, but found none")
        checks.at_most("text", text, COMMENT_CHARACTERS)
        written: int = await self._partitions.submit(CommentUserTask(key, text, self.actor(caller)))
        return written

    async def save_draft(self, key: int, content: str, *, caller: Caller) -> None:
        """Save the caller's unfinished input to an open task, a JSON object as text; an empty text discards it."""
        checks.int64("userTaskKey", key)
        actor = self.actor(caller)
        if not actor.user:
            raise InvalidArgument("Expected a draft to belong to a person, but nobody is named as the acting person")
        if content:
            parse_variables(content)
        await self._partitions.submit(SaveTaskDraft(key, content, actor))

    async def save_filter(self, name: str, query: str, *, caller: Caller) -> None:
        """Save a filter of the caller's task list, in the query language of `task_query`; an empty query deletes the filter.

        Raises:
            InvalidArgument: the name is blank or too long, or nobody is named as the acting person.

        """
        actor = self.actor(caller)
        if not actor.user:
            raise InvalidArgument("Expected a filter to belong to a person, but nobody is named as the acting person")
        if not name.strip():
            raise InvalidArgument("Expected a filter to have a name, but found none")
        checks.at_most("name", name, FILTER_NAME_CHARACTERS)
        checks.at_most("query", query, task_query.CHARACTERS_MAX)
        await self._partitions.submit(SaveTaskFilter(name.strip(), query, actor))

    async def snooze(self, key: int, *, until_ms: int = 0, until_change: bool = False, caller: Caller) -> None:
        """Leave a task out of the caller's lists until a time, until it changes, or the earlier of both. With neither, call it back.

        Raises:
            InvalidArgument: the time is over, or nobody is named as the acting person.
            NotFound, Forbidden: there is no open task with this key, or it is not for the caller.

        """
        checks.int64("userTaskKey", key)
        actor = self.actor(caller)
        if not actor.user:
            raise InvalidArgument(
                "Expected a person whose lists a snooze is about, but nobody is named as the acting person"
            )
        if until_ms < 0:
            raise InvalidArgument(f"Expected until_ms to be a time in epoch milliseconds, but found {until_ms}")
        await self._partitions.submit(SnoozeUserTask(key, checks.int64("untilMs", until_ms), until_change, actor))

    # ---

    async def submit(self, command: Command) -> Any:
        """Submit a command that no listener delays; return its answer."""
        return await self._partitions.submit(command)

    def actor(self, caller: Caller) -> Actor:
        """Return the acting person with the policy."""
        return Actor(caller.user, caller.groups, self.policy, caller.channel)

    @staticmethod
    def _checked(key: int, assignee: str, action: str) -> None:
        checks.int64("userTaskKey", key)
        checks.at_most("assignee", assignee, NAME_CHARACTERS)
        checks.at_most("action", action, NAME_CHARACTERS)

    async def done(self, command: Callable[[int], Command], wait_ms: int = 0) -> Any:
        """Submit the command that is made with a ticket, and wait for the task listeners if it has to; return its answer."""
        return await done_by(self._partitions, self._results, command, wait_ms)


async def done_by(partitions: Submits, results: Results, command: Callable[[int], Command], wait_ms: int = 0) -> Any:
    """Submit the command that is made with a ticket, and wait for the task listeners if it has to; return its answer.

    Raises:
        InvalidState: a task listener has denied it.
        TimedOut: the task listeners still work; the change goes on.

    """
    answer, refusal = await _decided(partitions, results, command, _wait_s(wait_ms))
    if refusal:
        _refuse(refusal, command(0).intent)
    return answer


async def _decided(
    partitions: Submits, results: Results, command: Callable[[int], Command], wait_s: float
) -> tuple[Any, str]:
    """Submit the command as `done_by` does; return its answer, and the refusal by a task listener if there is one."""
    result = results.expect()
    submission: asyncio.Future[Any] | None = None
    try:
        submission = partitions.submit(command(result.ticket))
        answer = await asyncio.shield(submission)
        is_done = answer[1] if isinstance(answer, tuple) else answer
        return answer, "" if is_done else await result.within(wait_s)
    except TimeoutError:
        raise TimedOut(
            f"Expected the task listeners to be done within {wait_s:g} s, but they still work; the change goes on"
        ) from None
    finally:
        result.forget(submission)


def _wait_s(wait_ms: int) -> float:
    return seconds(wait_ms) if wait_ms > 0 else LISTENERS_WAIT_S


def _refuse(text: str, intent: str) -> NoReturn:
    found = msgspec.json.decode(text, type=dict[str, str])
    refusal = _REFUSALS[found["code"]](found["text"])
    refusal.intent = intent
    raise refusal


def changes_of(changeset: Mapping[str, Any]) -> dict[str, Any]:
    """Check the attributes that a person or a listener changes, named as in the REST API; null ones and unknown ones are left out.

    Raises:
        InvalidArgument: with all mistakes in one text.

    """
    changes: dict[str, Any] = {}
    faults: list[str] = []
    for name, value in changeset.items():
        read = _READ.get(name)
        if read is not None and value is not None:
            try:
                changes[name] = read(name, value)
            except InvalidArgument as fault:
                faults.append(str(fault))
    if faults:
        raise InvalidArgument(" ".join(faults))
    return changes


def _shown(value: Any) -> str:
    """Write a JSON value for a refusal: a text as it is."""
    return checks.quoted(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _names(name: str, value: Any) -> list[str]:
    if isinstance(value, list | tuple) and len(value) > CANDIDATES_MAX:
        raise InvalidArgument(f"Expected {name} to have at most {CANDIDATES_MAX} items, but found {len(value)}.")
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise InvalidArgument(f"Expected {name} to be a list of text, but found {_shown(value)}.")
    if not all(one.strip() for one in value):  # nobody could be that candidate, so the task would be for nobody
        raise InvalidArgument(f"Expected {name} to be names, but found a blank one.")
    return [checks.at_most(name, one, NAME_CHARACTERS) for one in value]


def _date(name: str, value: Any) -> str:
    if value == "":
        return ""
    text = zoned_text(value) if isinstance(value, str) else None
    if text is None:
        raise InvalidArgument(
            f"The provided {_DATES[name]} '{_shown(value)}' cannot be parsed as a date according to RFC 3339, section 5.6."
        )
    return text


def _priority(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= PRIORITY_MAX:
        raise InvalidArgument(
            f"The value for {name} is '{_shown(value)}' but must be within the [0,{PRIORITY_MAX}] range."
        )
    return value


_READ: dict[str, Callable[[str, Any], Any]] = {
    "candidateGroups": _names,
    "candidateUsers": _names,
    "dueDate": _date,
    "followUpDate": _date,
    "priority": _priority,
}


def corrections_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Check the corrections of a task listener: as `changes_of`, and the assignee."""
    changes = changes_of(given)
    assignee = given.get("assignee")
    if assignee is not None:
        changes["assignee"] = checks.at_most("assignee", str(assignee), NAME_CHARACTERS)
    return changes
