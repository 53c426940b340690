"""Calls about what a person may still decide: proposals to answer, and steps to take back."""

import asyncio
from typing import Any

import msgspec

from osmia_broker.base.errors import InvalidArgument, InvalidState
from osmia_broker.calls import checks
from osmia_broker.calls.caller import Caller
from osmia_broker.calls.documents import parse_variables
from osmia_broker.calls.tasks import form_rules
from osmia_broker.calls.tasks.readable import ReadableTasks
from osmia_broker.calls.tasks.user_tasks import COMMENT_CHARACTERS, NAME_CHARACTERS, UserTaskCalls
from osmia_broker.engine.commands.tasks import (
    Actor,
    AnswerTaskProposal,
    HoldUserTask,
    ProposeForUserTask,
    RevertAssignment,
    UndoUserTask,
)
from osmia_broker.state.json_text import Digits, document
from osmia_broker.state.rows.tasks import ProposalState, TaskProposal
from osmia_broker.store.read import Reader
from osmia_broker.store.read.deployed import files
from osmia_broker.store.read.entities.variables import SCOPES, WHOLE_EFFECTIVE_VARIABLES
from osmia_broker.store.read.search.asked import ITEMS_MAX
from osmia_broker.store.read.search.search import Search, search
from osmia_broker.store.read.sql import dialect
from osmia_broker.store.read.tasks import task_views
from osmia_broker.store.read.tasks.task_proposals import held_completion, last_step, proposal, proposals_for

HOLD_MS = 10_000  #: how long the page holds a completion
HOLD_MS_MAX = 60_000
UNDO_MS = 10_000  #: in which an assignment may be taken back
_ASSIGNMENTS = ("ASSIGN", "UNASSIGN")


class Undecided:
    """The calls of one broker about proposals and held completions. They read, and then submit through *tasks*."""

    def __init__(self, tasks: UserTaskCalls, reader: Reader) -> None:
        self._tasks = tasks
        self._reader = reader

    def _readable(self, caller: Caller) -> ReadableTasks:
        return ReadableTasks(self._reader, self._tasks.actor(caller))

    # --- taking back

    async def hold(self, key: int, variables: str = "", *, hold_ms: int, caller: Caller, action: str = "") -> int:
        """Complete a task with *variables* in *hold_ms*, unless the caller takes that back; return when, in epoch milliseconds.

        Raises:
            InvalidArgument: the variables are no JSON object, or *hold_ms* is out of range.
            NotFound, InvalidState, Forbidden: the task cannot be completed.

        """
        if not 1 <= hold_ms <= HOLD_MS_MAX:
            raise InvalidArgument(f"Expected hold_ms to be within 1 and {HOLD_MS_MAX}, but found {hold_ms}")
        checks.int64("userTaskKey", key)
        checks.at_most("action", action, NAME_CHARACTERS)
        command = HoldUserTask(key, parse_variables(variables), hold_ms, action, self._tasks.actor(caller))
        due_ms: int = await self._tasks.submit(command)
        return due_ms

    async def undo(self, key: int, *, now_ms: int, caller: Caller) -> None:
        """Take back what the caller did last with a task: a completion that is held, or an assignment of the last ten seconds.

        Raises:
            NotFound, Forbidden: there is no such task, or the caller may not read it.
            InvalidState: there is nothing to take back, or somebody has changed the task since.

        """
        item = await self._readable(caller).item(checks.int64("userTaskKey", key), "take back")
        actor = self._tasks.actor(caller)
        if await held_completion(self._reader, int(item["processInstanceKey"]), key) is not None:
            await self._tasks.submit(UndoUserTask(key, actor))
            return
        step = await last_step(self._reader, key)
        is_own = step is not None and step.operation in _ASSIGNMENTS and step.user == actor.user
        if step is None or not is_own or now_ms - step.at_ms > UNDO_MS or "assignee" not in step.changes:
            whose = f"'{actor.user}'" if actor.user else "somebody without a name"
            raise InvalidState(
                f"Expected a step of {whose} at user task with key '{key}' that can be taken back, but found none"
            )
        before, now = (str(one) for one in step.changes["assignee"])
        await self._tasks.done(lambda ticket: RevertAssignment(key, now, before, actor, ticket))

    # --- proposals

    async def propose(self, key: int, variables: str, *, outcome: str = "", text: str = "", caller: Caller) -> int:
        """Propose values for an open task; return the key of the proposal.

        Raises:
            InvalidArgument: the variables are no JSON object, there are neither variables nor an outcome, or a text is too long.
            NotFound, Forbidden: the task is not open, or not for the caller.

        """
        checks.int64("userTaskKey", key)
        if not parse_variables(variables) and not outcome.strip():
            raise InvalidArgument("Expected a proposal to have variables or an outcome, but found neither")
        checks.at_most("outcome", outcome, NAME_CHARACTERS)
        checks.at_most("text", text, COMMENT_CHARACTERS)
        command = ProposeForUserTask(key, variables.strip() or "{}", outcome.strip(), text, self._tasks.actor(caller))
        made: int = await self._tasks.submit(command)
        return made

    async def proposals(self, key: int, *, caller: Caller) -> list[TaskProposal]:
        """Return the proposals for a task, oldest first. Raises NotFound and Forbidden as reading the task does."""
        await self._readable(caller).item(checks.int64("userTaskKey", key), "read the proposals for")
        return await proposals_for(self._reader, key)

    async def answer(
        self, proposal_key: int, state: str, *, answer: str = "", caller: Caller, wait_ms: int = 0
    ) -> None:
        """Answer a proposal that is open. ACCEPTED completes the task with its values.

        Raises:
            InvalidArgument: the state is none of an answer, or ANSWERED has no text.
            InvalidArgument: ACCEPTED, and the values do not pass the form of the task.
            NotFound, InvalidState, Forbidden: there is no such proposal, it has been answered, or the caller may not complete its task.
            TimedOut: the task listeners need longer; the completion goes on.

        """
        choices = [one.value for one in ProposalState if one is not ProposalState.OPEN]
        if state not in choices:
            raise InvalidArgument(f"Expected the answer to be one of {', '.join(choices)}, but found '{state[:100]}'")
        if state == ProposalState.ANSWERED and not answer.strip():
            raise InvalidArgument("Expected an answer to have a text, but found none")
        checks.at_most("answer", answer, COMMENT_CHARACTERS)
        checks.int64("proposalKey", proposal_key)
        await self._answer(proposal_key, ProposalState(state), answer, caller, wait_ms)

    async def _answer(self, proposal_key: int, to: ProposalState, answer: str, caller: Caller, wait_ms: int) -> None:
        read = await proposal(self._reader, proposal_key)
        found = read.row
        if found.state != ProposalState.OPEN:
            raise InvalidState(
                f"Expected the proposal with key '{proposal_key}' to be open, but it is {found.state.lower()}"
            )
        variables, actor = parse_variables(found.variables), self._tasks.actor(caller)
        if to is ProposalState.ACCEPTED:
            await self._require_form(found, actor)
        await self._tasks.done(
            lambda ticket: AnswerTaskProposal(found, read.read_key, to, answer, variables, actor, ticket), wait_ms
        )

    async def _require_form(self, found: TaskProposal, actor: Actor) -> None:
        """Refuse values that the form of the task would not send.

        Raises:
            InvalidArgument: with the fields and what is wrong with each.
            NotFound, Forbidden: there is no such task, or the person may not read it.

        """
        key = found.user_task_key
        await ReadableTasks(self._reader, actor).require(key, "accept a proposal for")
        form = await files.form_of_task(self._reader, key)
        if form is None:
            return
        scopes = await task_views.scopes_seen(self._reader, key)
        asked, given = Search(page={"limit": ITEMS_MAX}), {SCOPES: dialect.array(scopes)}
        seen = await search(self._reader, WHOLE_EFFECTIVE_VARIABLES, asked, given=given)
        texts = {item["name"]: item["value"] for item in seen.items}
        faults = await asyncio.to_thread(_faults, form["schema"], texts, found.variables)
        if faults:
            raise InvalidArgument(
                f"Expected the proposed values to pass the form of the task, but {form_rules.in_words(faults)};"
                " edit the proposal, and complete the task by hand"
            )


_decode = msgspec.json.Decoder(dict[str, Any], float_hook=Digits).decode


def _faults(schema: str, texts: dict[str, str], proposed: str) -> list[str]:
    return form_rules.faults_of(schema, _decode(document(texts)) | _decode(proposed))
