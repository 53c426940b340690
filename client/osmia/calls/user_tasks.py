"""Work for people: `client.user_tasks` (`osmia.v1.UserTasks`). Only Osmia answers these calls; a Zeebe gateway raises `Unimplemented`.

    desk = client.user_tasks
    task = await desk.claim_next(user="anna", groups=["family"])
    if task:
        await desk.complete(task.key, {"dinner": "chicken"}, user="anna")

*user* and *groups* name the acting person while the broker asks for no sign-in.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from osmia import variables as variables_json
from osmia._channel import Channel
from osmia.arguments import calls_of
from osmia.calls.call import ANSWER_SLACK_MS, json_text, who
from osmia.calls.task_lists import UserTaskFilter, UserTaskProposal, UserTaskSnooze
from osmia_proto import queries


@dataclass(frozen=True, slots=True)
class UserTask:
    """A user task. Dates are RFC 3339 texts; a text that is empty is not set, and neither is a key of 0."""

    key: int
    state: str
    element_id: str
    name: str
    documentation: str
    category: str
    assignee: str
    candidate_users: tuple[str, ...]
    candidate_groups: tuple[str, ...]
    due_date: str
    follow_up_date: str
    priority: int
    form_key: int
    external_form: str
    headers: Mapping[str, str]
    creation_date: str
    completion_date: str
    element_instance_key: int
    process_instance_key: int
    root_process_instance_key: int
    process_definition_key: int
    bpmn_process_id: str
    process_version: int
    process_name: str
    business_id: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UserTaskPage:
    """A page of tasks, the number of all that pass the filter (at least, if *has_more_total*), and the cursors of its ends."""

    items: list[UserTask]
    total: int
    has_more_total: bool
    start_cursor: str
    end_cursor: str


@dataclass(frozen=True, slots=True)
class UserTaskForm:
    """The form of a task. *key* 0: it stands inside the model."""

    key: int
    form_id: str
    version: int
    schema: str


@dataclass(frozen=True, slots=True)
class UserTaskComment:
    """A person's comment on a task."""

    key: int
    user: str
    text: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class UserTaskStep:
    """A step in the history of a task. *changes* has (old, new) by attribute; *refusal* says why it was denied and changed nothing.

    *channel* is the way by which it came: PAGE, REST, GRPC, CLI or MCP; RULE if the process or a task listener did it; empty if unknown.
    """

    operation: str
    action: str
    user: str
    at: str
    changes: Mapping[str, Any]
    refusal: str = ""
    channel: str = ""


@dataclass(frozen=True, slots=True)
class UserTaskChange:
    """A change of a task, as it happens. *task* has its values now, named as in the REST API. Follow on after *position*."""

    position: int
    intent: str
    user_task_key: int
    process_instance_key: int
    element_id: str
    at_ms: int
    task: Mapping[str, Any]


@calls_of("Client.user_tasks")
class UserTaskCalls:
    """The calls on user tasks."""

    def __init__(self, channel: Channel, timeout_s: float | None) -> None:
        self._channel = channel
        self._timeout_s = timeout_s

    # --- finding

    async def search(
        self,
        filter: Mapping[str, Any] | None = None,
        *,
        query: str = "",
        sort: Iterable[Mapping[str, str]] = (),
        limit: int = 0,
        start: int = 0,
        after: str = "",
        before: str = "",
        user: str = "",
        groups: Iterable[str] = (),
    ) -> UserTaskPage:
        """Find user tasks. *filter* and *sort* are those of POST /v2/user-tasks/search, such as `{"assignee": "anna", "state": "CREATED"}`.

        *query* is a query of the task list, as on the page: `group:finance due:<2d amount:>1000 is:unassigned sort:due`. Without `is:` it means the
        open tasks that *user* has not snoozed; *filter* narrows it further.

        *limit* 0 leaves the size of a page to the broker. *after* and *before* are cursors of another page; *start* skips items.

        Raises:
            InvalidArgument: the filter, the order or the page is wrong.
        """
        page = {"limit": limit, "from": start, "after": after, "before": before}
        request = queries.SearchUserTasksRequest(
            filter=json_text(filter),
            sort=json_text(list(sort)),
            page=json_text({k: v for k, v in page.items() if v}),
            query=query,
        )
        answer = await self._call("SearchUserTasks", request, user, groups)
        items = [_task(one) for one in answer.items]
        return UserTaskPage(items, answer.total, answer.has_more_total, answer.start_cursor, answer.end_cursor)

    async def get(self, key: int, *, user: str = "", groups: Iterable[str] = ()) -> UserTask:
        """Return a task, open or ended.

        Raises:
            NotFound: there is none.
            NotAllowed: the policy of the broker forbids it to *user*.
        """
        return _task(await self._call("GetUserTask", queries.GetUserTaskRequest(key=key), user, groups))

    async def filters(self, *, user: str = "", groups: Iterable[str] = ()) -> list[UserTaskFilter]:
        """Return the filters that *user* has saved, by name, with the number of tasks in each."""
        answer = await self._call("ListUserTaskFilters", queries.ListUserTaskFiltersRequest(), user, groups)
        return [UserTaskFilter(one.name, one.query, one.total, one.has_more_total, one.problem) for one in answer.items]

    async def save_filter(self, name: str, query: str, *, user: str = "", groups: Iterable[str] = ()) -> None:
        """Save a filter of *user* under a name, in place of an earlier one.

        Raises:
            InvalidArgument: the query cannot be read, or the name is blank, or *user* has too many filters.
        """
        request = queries.SaveUserTaskFilterRequest(name=name, query=query)
        await self._call("SaveUserTaskFilter", request, user, groups)

    async def delete_filter(self, name: str, *, user: str = "", groups: Iterable[str] = ()) -> None:
        """Delete a saved filter; no mistake if there is none."""
        await self._call("SaveUserTaskFilter", queries.SaveUserTaskFilterRequest(name=name), user, groups)

    # --- changing

    async def claim(
        self, key: int, *, user: str = "", groups: Iterable[str] = (), action: str = "", wait_ms: int = 0
    ) -> None:
        """Take a free task for *user*; no mistake if they have it already.

        Raises:
            NotFound: there is no open task with this key.
            InvalidState: somebody else has it (the text says who), or task listeners work at it.
            NotAllowed: the policy of the broker forbids it.
        """
        request = queries.ClaimUserTaskRequest(key=key, action=action, wait_ms=wait_ms)
        await self._call("ClaimUserTask", request, user, groups, wait_ms)

    async def claim_next(
        self,
        *,
        user: str = "",
        groups: Iterable[str] = (),
        bpmn_process_id: str = "",
        element_id: str = "",
        action: str = "",
        wait_ms: int = 0,
    ) -> UserTask | None:
        """Take the best free task of *user* and their *groups*: due first, then by priority, then the oldest. None if there is none."""
        request = queries.ClaimNextUserTaskRequest(
            bpmn_process_id=bpmn_process_id, element_id=element_id, action=action, wait_ms=wait_ms
        )
        answer = await self._call("ClaimNextUserTask", request, user, groups, wait_ms)
        return _task(answer.task) if answer.HasField("task") else None

    async def unclaim(
        self, key: int, *, user: str = "", groups: Iterable[str] = (), action: str = "", wait_ms: int = 0
    ) -> None:
        """Give a task back; no mistake if nobody has it. Raises as `claim`."""
        request = queries.UnclaimUserTaskRequest(key=key, action=action, wait_ms=wait_ms)
        await self._call("UnclaimUserTask", request, user, groups, wait_ms)

    async def assign(
        self, key: int, assignee: str, *, user: str = "", groups: Iterable[str] = (), action: str = "", wait_ms: int = 0
    ) -> None:
        """Give a task to *assignee*, whoever has it. Raises as `claim`."""
        request = queries.AssignUserTaskRequest(key=key, assignee=assignee, action=action, wait_ms=wait_ms)
        await self._call("AssignUserTask", request, user, groups, wait_ms)

    async def update(
        self,
        key: int,
        changeset: Mapping[str, Any],
        *,
        user: str = "",
        groups: Iterable[str] = (),
        action: str = "",
        wait_ms: int = 0,
    ) -> None:
        """Change candidateGroups, candidateUsers, dueDate, followUpDate or priority; an empty value resets, an absent one is kept.

        Raises as `claim`, and InvalidArgument with all mistakes in one text.
        """
        request = queries.UpdateUserTaskRequest(key=key, changeset=json_text(changeset), action=action, wait_ms=wait_ms)
        await self._call("UpdateUserTask", request, user, groups, wait_ms)

    async def complete(
        self,
        key: int,
        variables: object = None,
        *,
        user: str = "",
        groups: Iterable[str] = (),
        action: str = "",
        wait_ms: int = 0,
        hold_ms: int = 0,
    ) -> None:
        """Complete a task with *variables*, and the job of a job-based one. Raises as `claim`.

        With *hold_ms* (at most 60,000) the broker keeps the completion and carries it out by itself after that time; until then `undo` takes it back.
        """
        request = queries.CompleteUserTaskRequest(
            key=key, variables=variables_json.encode(variables), action=action, wait_ms=wait_ms, hold_ms=hold_ms
        )
        await self._call("CompleteUserTask", request, user, groups, wait_ms)

    async def undo(self, key: int, *, user: str = "", groups: Iterable[str] = ()) -> None:
        """Take back what *user* did last with a task: a completion that is held, or an assignment of the last ten seconds.

        Raises:
            InvalidState: there is nothing to take back.
            NotFound: there is no such task.
        """
        await self._call("UndoUserTask", queries.UndoUserTaskRequest(key=key), user, groups)

    # --- proposals

    async def propose(
        self,
        key: int,
        variables: object = None,
        *,
        outcome: str = "",
        text: str = "",
        user: str = "",
        groups: Iterable[str] = (),
    ) -> int:
        """Propose values (and a word for the outcome) for an open task, and say why; return the key of the proposal.

        They change nothing until a person accepts them.

        Raises:
            InvalidArgument: there are neither variables nor an outcome.
            NotFound: there is no open task with this key.
        """
        request = queries.ProposeForUserTaskRequest(
            key=key, variables=variables_json.encode(variables), outcome=outcome, text=text
        )
        return int((await self._call("ProposeForUserTask", request, user, groups)).proposal_key)

    async def proposals(self, key: int, *, user: str = "", groups: Iterable[str] = ()) -> list[UserTaskProposal]:
        """Return the proposals for a task, oldest first."""
        request = queries.ListUserTaskProposalsRequest(key=key)
        return [_proposal(one) for one in (await self._call("ListUserTaskProposals", request, user, groups)).items]

    async def answer_proposal(
        self,
        proposal_key: int,
        state: str,
        *,
        answer: str = "",
        user: str = "",
        groups: Iterable[str] = (),
        wait_ms: int = 0,
    ) -> None:
        """Answer an open proposal: ACCEPTED completes its task with its values, EDITED says that they are worked on, ANSWERED has a text, IGNORED.

        Raises:
            NotFound: there is no such proposal, or its task has ended.
            InvalidState: it has been answered.
        """
        request = queries.AnswerUserTaskProposalRequest(
            proposal_key=proposal_key, state=state, answer=answer, wait_ms=wait_ms
        )
        await self._call("AnswerUserTaskProposal", request, user, groups, wait_ms)

    # --- out of sight for a while

    async def snooze(
        self,
        key: int,
        *,
        until: str = "",
        until_change: bool = False,
        user: str = "",
        groups: Iterable[str] = (),
    ) -> None:
        """Leave a task out of the lists of *user* until a time, until it changes, or the earlier of both.

        *until* is a time from now (`90m`, `3h`, `2d`, `1w`), `tomorrow`, a date, or a date-time with its offset.

        Raises:
            ValueError: neither is given.
            InvalidArgument: *until* is no time to come.
            NotFound: there is no open task with this key.
        """
        if not until and not until_change:
            raise ValueError("Expected until or until_change, but found neither")
        request = queries.SnoozeUserTaskRequest(key=key, until=until, until_change=until_change)
        await self._call("SnoozeUserTask", request, user, groups)

    async def wake(self, key: int, *, user: str = "", groups: Iterable[str] = ()) -> None:
        """Call a snoozed task back; no mistake if it is not snoozed."""
        await self._call("SnoozeUserTask", queries.SnoozeUserTaskRequest(key=key), user, groups)

    async def snoozed(self, *, user: str = "", groups: Iterable[str] = ()) -> list[UserTaskSnooze]:
        """Return what *user* has snoozed and what has not come back, the newest first."""
        answer = await self._call("ListUserTaskSnoozes", queries.ListUserTaskSnoozesRequest(), user, groups)
        return [UserTaskSnooze(one.key, one.until_ms, one.until_change) for one in answer.items]

    # --- what belongs to a task

    async def form(self, key: int, *, user: str = "", groups: Iterable[str] = ()) -> UserTaskForm | None:
        """Return the form of a task; None if it has none, or one that is kept elsewhere (`external_form` of the task)."""
        answer = await self._call("GetUserTaskForm", queries.GetUserTaskRequest(key=key), user, groups)
        return UserTaskForm(answer.key, answer.form_id, answer.version, answer.schema) if answer.schema else None

    async def variables(self, key: int, *, user: str = "", groups: Iterable[str] = ()) -> dict[str, Any]:
        """Return the variables that a task sees."""
        answer = await self._call("GetUserTaskVariables", queries.GetUserTaskRequest(key=key), user, groups)
        return variables_json.decode(answer.variables)

    async def save_draft(
        self, key: int, content: Mapping[str, Any] | None, *, user: str = "", groups: Iterable[str] = ()
    ) -> None:
        """Keep what *user* has entered so far, privately; None discards it."""
        text = "" if content is None else variables_json.encode(content)
        request = queries.SaveUserTaskDraftRequest(key=key, content=text)
        await self._call("SaveUserTaskDraft", request, user, groups)

    async def draft(self, key: int, *, user: str = "", groups: Iterable[str] = ()) -> dict[str, Any] | None:
        """Return the draft of *user*; None if there is none, or the task has ended."""
        answer = await self._call("GetUserTaskDraft", queries.GetUserTaskRequest(key=key), user, groups)
        return variables_json.decode(answer.variables) if answer.variables else None

    async def comment(self, key: int, text: str, *, user: str = "", groups: Iterable[str] = ()) -> int:
        """Comment on an open task, and return the key of the comment."""
        answer = await self._call("CommentUserTask", queries.CommentUserTaskRequest(key=key, text=text), user, groups)
        return int(answer.comment_key)

    async def comments(self, key: int, *, user: str = "", groups: Iterable[str] = ()) -> list[UserTaskComment]:
        """Return the comments on a task, oldest first."""
        items = await self._pages("ListUserTaskComments", queries.ListUserTaskCommentsRequest(key=key), user, groups)
        return [UserTaskComment(one.key, one.user, one.text, one.at_ms) for one in items]

    async def history(self, key: int, *, user: str = "", groups: Iterable[str] = ()) -> list[UserTaskStep]:
        """Return what happened to a task, oldest first."""
        items = await self._pages("GetUserTaskHistory", queries.GetUserTaskHistoryRequest(key=key), user, groups)
        return [
            UserTaskStep(
                one.operation,
                one.action,
                one.user,
                one.at,
                variables_json.decode(one.changes),
                one.refusal,
                one.channel,
            )
            for one in items
        ]

    async def _pages(self, call: str, request: Any, user: str, groups: Iterable[str]) -> list[Any]:
        """Return the items of all pages of a list."""
        items: list[Any] = []
        while True:
            answer = await self._call(call, request, user, groups)
            items += answer.items
            if not answer.next:
                return items
            request.after = answer.next

    async def follow(
        self,
        *,
        after: int | None = None,
        bpmn_process_id: str = "",
        process_instance_key: int = 0,
        user: str = "",
        groups: Iterable[str] = (),
    ) -> AsyncIterator[UserTaskChange]:
        """Iterate over the changes of tasks from now on, or after the position *after*; each comes after its commit, at least once."""
        request = queries.FollowUserTasksRequest(
            after=after, bpmn_process_id=bpmn_process_id, process_instance_key=process_instance_key
        )
        async for one in self._channel.stream(
            "FollowUserTasks", request, timeout_s=None, extra_metadata=who(user, groups)
        ):
            if one.intent:
                yield UserTaskChange(
                    position=one.position,
                    intent=one.intent,
                    user_task_key=one.user_task_key,
                    process_instance_key=one.process_instance_key,
                    element_id=one.element_id,
                    at_ms=one.at_ms,
                    task=variables_json.decode(one.task),
                )

    async def _call(self, name: str, request: Any, user: str = "", groups: Iterable[str] = (), wait_ms: int = 0) -> Any:
        waits_longer = self._timeout_s is not None and wait_ms > 0
        timeout_s = (wait_ms + ANSWER_SLACK_MS) / 1000 if waits_longer else self._timeout_s
        return await self._channel.unary(name, request, timeout_s=timeout_s, extra_metadata=who(user, groups))


def _proposal(message: queries.UserTaskProposal) -> UserTaskProposal:
    values = {name: getattr(message, name) for name in UserTaskProposal.__slots__}
    values["variables"] = variables_json.decode(message.variables)
    return UserTaskProposal(**values)


def _task(message: queries.UserTask) -> UserTask:
    values = {name: getattr(message, name) for name in UserTask.__slots__}
    for name in ("candidate_users", "candidate_groups", "tags"):
        values[name] = tuple(values[name])
    values["headers"] = dict(values["headers"])
    return UserTask(**values)
