"""The calls of `osmia.v1.UserTasks`: requests to the calls and the read side, and answers to messages."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from osmia_broker.base.errors import InvalidState
from osmia_broker.calls import Caller, Calls
from osmia_broker.calls.checks import int64
from osmia_broker.calls.events.streams import EventStreams
from osmia_broker.calls.tasks.next_task import claim_next
from osmia_broker.calls.tasks.own_lists import TaskLists
from osmia_broker.calls.tasks.proposals import Undecided
from osmia_broker.calls.tasks.readable import ReadableTasks
from osmia_broker.calls.tasks.until import until_ms
from osmia_broker.gateway.json_fields import json_of, object_of
from osmia_broker.state.rows.event_log import EventKind, LoggedEvent
from osmia_broker.state.rows.tasks import TaskProposal
from osmia_broker.store.read import EventFilter, Reader
from osmia_broker.store.read.deployed import files
from osmia_broker.store.read.entities import AUDIT_LOGS, USER_TASKS
from osmia_broker.store.read.entities.variables import SCOPES, WHOLE_EFFECTIVE_VARIABLES
from osmia_broker.store.read.lists.pages import SEARCHED_MAX, limit_of
from osmia_broker.store.read.search.asked import ITEMS_MAX
from osmia_broker.store.read.search.search import Found, Search, search
from osmia_broker.store.read.sql import dialect
from osmia_broker.store.read.tasks import task_views
from osmia_broker.store.read.tasks.task_filters import FILTERS_MAX
from osmia_broker.store.read.tasks.user_task_notes import comments_of, draft_of
from osmia_proto import queries

HISTORY_MAX = 1_000  # entries of a page
ITEM_BYTES_MAX = 3_500_000  # of a task, or an entry of its history: clients accept 4 MiB a message, and such an item is alone on its page
VARIABLES_BYTES_MAX = 4_000_000  # of one answer: clients accept messages of 4 MiB
CHANGED = queries.UserTaskChanged()


class UserTasks:
    """Answers the calls about user tasks."""

    def __init__(self, calls: Calls, reader: Reader, stream: EventStreams) -> None:
        self._calls = calls.user_tasks
        self._clock = calls.clock
        self._undecided = Undecided(calls.user_tasks, reader)
        self._reader = reader
        self._stream = stream

    # --- finding

    async def SearchUserTasks(
        self, request: queries.SearchUserTasksRequest, caller: Caller
    ) -> queries.SearchUserTasksResponse:
        """List the user tasks that the caller may read."""
        asked = Search(json_of("filter", request.filter), json_of("sort", request.sort), json_of("page", request.page))
        if request.query:
            found = await self._lists(caller).search(request.query, asked, bytes_max=SEARCHED_MAX)
            return _page(found)
        scope = self._readable(caller).scope
        found = await search(self._reader, USER_TASKS, asked, scope=scope, bytes_max=SEARCHED_MAX)
        return _page(found)

    async def GetUserTask(self, request: queries.GetUserTaskRequest, caller: Caller) -> queries.UserTask:
        """Return one user task."""
        return _task(await self._readable(caller).item(int64("key", request.key)))

    async def ListUserTaskFilters(
        self, request: queries.ListUserTaskFiltersRequest, caller: Caller
    ) -> queries.ListUserTaskFiltersResponse:
        """Return the filters that the caller has saved."""
        items = [
            queries.UserTaskFilter(
                name=one.name,
                query=one.query,
                total=one.total,
                has_more_total=one.has_more_total,
                problem=one.problem,
            )
            for one in await self._lists(caller).saved(counted_max=FILTERS_MAX)
        ]
        return queries.ListUserTaskFiltersResponse(items=items)

    async def SaveUserTaskFilter(
        self, request: queries.SaveUserTaskFilterRequest, caller: Caller
    ) -> queries.UserTaskChanged:
        """Save a filter, or delete it."""
        lists = self._lists(caller)
        if request.query:
            await lists.require_savable(request.name, request.query)
        await self._calls.save_filter(request.name, request.query, caller=caller)
        return CHANGED

    async def ListUserTaskSnoozes(
        self, request: queries.ListUserTaskSnoozesRequest, caller: Caller
    ) -> queries.ListUserTaskSnoozesResponse:
        """Return what the caller has snoozed."""
        items = [
            queries.UserTaskSnooze(key=one.user_task_key, until_ms=one.until_ms, until_change=one.until_change)
            for one in await self._lists(caller).snoozed()
        ]
        return queries.ListUserTaskSnoozesResponse(items=items)

    def _lists(self, caller: Caller) -> TaskLists:
        return TaskLists(self._reader, self._calls.actor(caller), self._clock.now_ms())

    def _readable(self, caller: Caller) -> ReadableTasks:
        return ReadableTasks(self._reader, self._calls.actor(caller))

    # --- changing

    async def ClaimUserTask(self, request: queries.ClaimUserTaskRequest, caller: Caller) -> queries.UserTaskChanged:
        """Take a free task."""
        await self._calls.claim(request.key, caller=caller, action=request.action, wait_ms=request.wait_ms)
        return CHANGED

    async def ClaimNextUserTask(
        self, request: queries.ClaimNextUserTaskRequest, caller: Caller
    ) -> queries.ClaimNextUserTaskResponse:
        """Take the best free task."""
        key = await claim_next(
            self._calls,
            self._reader,
            caller=caller,
            now_ms=self._clock.now_ms(),
            bpmn_process_id=request.bpmn_process_id,
            element_id=request.element_id,
            action=request.action,
            wait_ms=request.wait_ms,
        )
        item = await self._readable(caller).item(key) if key else None
        return queries.ClaimNextUserTaskResponse(task=None if item is None else _task(item))

    async def UnclaimUserTask(self, request: queries.UnclaimUserTaskRequest, caller: Caller) -> queries.UserTaskChanged:
        """Give a task back."""
        await self._calls.unassign(request.key, caller=caller, action=request.action, wait_ms=request.wait_ms)
        return CHANGED

    async def AssignUserTask(self, request: queries.AssignUserTaskRequest, caller: Caller) -> queries.UserTaskChanged:
        """Give a task to a person."""
        await self._calls.assign(
            request.key, request.assignee, caller=caller, action=request.action, wait_ms=request.wait_ms
        )
        return CHANGED

    async def UpdateUserTask(self, request: queries.UpdateUserTaskRequest, caller: Caller) -> queries.UserTaskChanged:
        """Change attributes of a task."""
        changeset = object_of("changeset", request.changeset)
        await self._calls.update(request.key, changeset, caller=caller, action=request.action, wait_ms=request.wait_ms)
        return CHANGED

    async def CompleteUserTask(
        self, request: queries.CompleteUserTaskRequest, caller: Caller
    ) -> queries.UserTaskChanged:
        """Complete a task, at once or in a while."""
        if request.hold_ms:
            await self._undecided.hold(
                request.key, request.variables, hold_ms=request.hold_ms, caller=caller, action=request.action
            )
            return CHANGED
        await self._calls.complete(
            request.key, request.variables, caller=caller, action=request.action, wait_ms=request.wait_ms
        )
        return CHANGED

    async def UndoUserTask(self, request: queries.UndoUserTaskRequest, caller: Caller) -> queries.UserTaskChanged:
        """Take back what the caller did last with a task."""
        await self._undecided.undo(request.key, now_ms=self._clock.now_ms(), caller=caller)
        return CHANGED

    async def ProposeForUserTask(
        self, request: queries.ProposeForUserTaskRequest, caller: Caller
    ) -> queries.ProposeForUserTaskResponse:
        """Propose values for a task."""
        key = await self._undecided.propose(
            request.key, request.variables, outcome=request.outcome, text=request.text, caller=caller
        )
        return queries.ProposeForUserTaskResponse(proposal_key=key)

    async def ListUserTaskProposals(
        self, request: queries.ListUserTaskProposalsRequest, caller: Caller
    ) -> queries.ListUserTaskProposalsResponse:
        """Return the proposals for a task."""
        found = await self._undecided.proposals(request.key, caller=caller)
        return queries.ListUserTaskProposalsResponse(items=map(_proposal, found))

    async def AnswerUserTaskProposal(
        self, request: queries.AnswerUserTaskProposalRequest, caller: Caller
    ) -> queries.UserTaskChanged:
        """Answer a proposal."""
        await self._undecided.answer(
            request.proposal_key, request.state, answer=request.answer, caller=caller, wait_ms=request.wait_ms
        )
        return CHANGED

    async def SnoozeUserTask(self, request: queries.SnoozeUserTaskRequest, caller: Caller) -> queries.UserTaskChanged:
        """Leave a task out of the caller's lists for a while, or call it back."""
        then_ms = until_ms(request.until, self._clock.now_ms()) if request.until else 0
        await self._calls.snooze(request.key, until_ms=then_ms, until_change=request.until_change, caller=caller)
        return CHANGED

    # --- what belongs to a task

    async def GetUserTaskForm(self, request: queries.GetUserTaskRequest, caller: Caller) -> queries.UserTaskForm:
        """Return the form of a task; an empty message if it has none here."""
        await self._readable(caller).require(int64("key", request.key), "read the form of")
        form = await files.form_of_task(self._reader, int64("key", request.key))
        if form is None:
            return queries.UserTaskForm()
        return queries.UserTaskForm(
            key=int(form["formKey"] or 0), form_id=form["formId"], version=int(form["version"]), schema=form["schema"]
        )

    async def GetUserTaskVariables(
        self, request: queries.GetUserTaskRequest, caller: Caller
    ) -> queries.UserTaskVariables:
        """Return the variables that a task sees."""
        await self._readable(caller).require(int64("key", request.key), "read the variables of")
        scopes = await task_views.scopes_seen(self._reader, int64("key", request.key))
        given = {SCOPES: dialect.array(scopes)}
        asked = Search(page={"limit": ITEMS_MAX})
        found = await search(self._reader, WHOLE_EFFECTIVE_VARIABLES, asked, given=given, bytes_max=VARIABLES_BYTES_MAX)
        if found.goes_on:
            raise InvalidState(
                f"Expected the variables of user task with key '{request.key}' to fit one answer, of at most {ITEMS_MAX}"
                f" variables and {VARIABLES_BYTES_MAX} bytes, but found more; list them in pages with SearchVariables"
            )
        values = {item["name"]: msgspec.Raw(item["value"].encode()) for item in found.items}
        return queries.UserTaskVariables(variables=msgspec.json.encode(values).decode())

    async def SaveUserTaskDraft(
        self, request: queries.SaveUserTaskDraftRequest, caller: Caller
    ) -> queries.UserTaskChanged:
        """Keep, or discard, the caller's draft."""
        await self._calls.save_draft(request.key, request.content, caller=caller)
        return CHANGED

    async def GetUserTaskDraft(self, request: queries.GetUserTaskRequest, caller: Caller) -> queries.UserTaskVariables:
        """Return the caller's draft."""
        await self._readable(caller).item(int64("key", request.key), "read a draft of")
        return queries.UserTaskVariables(variables=await draft_of(self._reader, request.key, caller.user))

    async def CommentUserTask(
        self, request: queries.CommentUserTaskRequest, caller: Caller
    ) -> queries.CommentUserTaskResponse:
        """Comment on an open task."""
        key = await self._calls.comment(request.key, request.text, caller=caller)
        return queries.CommentUserTaskResponse(comment_key=key)

    async def ListUserTaskComments(
        self, request: queries.ListUserTaskCommentsRequest, caller: Caller
    ) -> queries.ListUserTaskCommentsResponse:
        """Return a page of the comments on a task."""
        await self._readable(caller).item(int64("key", request.key), "read the comments on")
        page = await comments_of(self._reader, request.key, limit=request.limit, after=request.after)
        items = [
            queries.UserTaskComment(key=one.key, user=one.user, text=one.text, at_ms=one.at_ms) for one in page.items
        ]
        return queries.ListUserTaskCommentsResponse(items=items, next=page.next)

    async def GetUserTaskHistory(
        self, request: queries.GetUserTaskHistoryRequest, caller: Caller
    ) -> queries.GetUserTaskHistoryResponse:
        """Return a page of what happened to a task."""
        await self._readable(caller).item(int64("key", request.key), "read the history of")
        page = {"limit": limit_of(request.limit, HISTORY_MAX), "after": request.after or None}
        asked = Search(sort=[{"field": "timestamp"}, {"field": "auditLogKey"}], page=page)
        scope = {"userTaskKey": request.key}
        found = await search(self._reader, AUDIT_LOGS, asked, scope=scope, bytes_max=SEARCHED_MAX)
        return queries.GetUserTaskHistoryResponse(items=map(_happened, found.items), next=found.next)

    async def FollowUserTasks(
        self, request: queries.FollowUserTasksRequest, caller: Caller
    ) -> AsyncIterator[queries.UserTaskEvent]:
        """Stream the changes of tasks that the caller may read, in order, after a position."""
        wanted = EventFilter(
            frozenset({EventKind.USER_TASK}),
            request.bpmn_process_id,
            int64("process_instance_key", request.process_instance_key),
        )
        after = [int64("after", request.after)] if request.HasField("after") else []
        readable = self._readable(caller)
        slices = self._stream.follow(wanted, after=after)
        try:
            async for one in slices:
                seen = [event for event in one.events if readable.has(event)]
                for event in seen:
                    yield _changed(event)
                if not seen:
                    yield queries.UserTaskEvent(position=one.through)
        finally:
            await slices.aclose()  # its reader has left


def _page(found: Found) -> queries.SearchUserTasksResponse:
    return queries.SearchUserTasksResponse(
        items=map(_task, found.items),
        total=found.total,
        has_more_total=found.has_more_total,
        start_cursor=found.start or "",
        end_cursor=found.end or "",
    )


def _proposal(one: TaskProposal) -> queries.UserTaskProposal:
    return queries.UserTaskProposal(
        key=one.key,
        user_task_key=one.user_task_key,
        user=one.user,
        variables=one.variables,
        outcome=one.outcome,
        text=one.text,
        at_ms=one.at_ms,
        state=one.state,
        answered_by=one.answered_by,
        answered_ms=one.answered_ms,
        answer=one.answer,
    )


def _task(item: dict[str, Any]) -> queries.UserTask:
    task = _whole_task(item)
    if task.ByteSize() > ITEM_BYTES_MAX:
        for name in ("candidate_users", "candidate_groups", "headers", "documentation"):
            task.ClearField(name)
        task.is_truncated = True
    return task


def _whole_task(item: dict[str, Any]) -> queries.UserTask:
    return queries.UserTask(
        key=int(item["userTaskKey"]),
        state=item["state"],
        element_id=item["elementId"],
        name=item["name"] or "",
        documentation=item["description"] or "",
        category=item["category"] or "",
        assignee=item["assignee"] or "",
        candidate_users=item["candidateUsers"],
        candidate_groups=item["candidateGroups"],
        due_date=item["dueDate"] or "",
        follow_up_date=item["followUpDate"] or "",
        priority=item["priority"],
        form_key=int(item["formKey"] or 0),
        external_form=item["externalFormReference"] or "",
        headers=item["customHeaders"],
        creation_date=item["creationDate"] or "",
        completion_date=item["completionDate"] or "",
        element_instance_key=int(item["elementInstanceKey"]),
        process_instance_key=int(item["processInstanceKey"]),
        root_process_instance_key=int(item["rootProcessInstanceKey"] or 0),
        process_definition_key=int(item["processDefinitionKey"]),
        bpmn_process_id=item["processDefinitionId"] or "",
        process_version=item["processDefinitionVersion"] or 0,
        process_name=item["processName"] or "",
        business_id=item["businessId"] or "",
        tags=item["tags"] or (),
    )


def _happened(item: dict[str, Any]) -> queries.UserTaskHistoryItem:
    return queries.UserTaskHistoryItem(
        operation=item["operationType"],
        action=item["action"] or "",
        user=item["actorId"] or "",
        at=item["timestamp"],
        changes=_changes(item["changes"]),
        refusal=item["refusal"],
        channel=item["channel"],
    )


def _changes(changes: dict[str, Any]) -> str:
    """Write changes as JSON; those of many candidates without them if they are too large for a message."""
    text = msgspec.json.encode(changes)
    if len(text) > ITEM_BYTES_MAX:
        few = {name: values for name, values in changes.items() if name not in ("candidateUsers", "candidateGroups")}
        text = msgspec.json.encode({**few, "isTruncated": [False, True]})
    return text.decode()


def _changed(event: LoggedEvent) -> queries.UserTaskEvent:
    return queries.UserTaskEvent(
        position=event.key,
        intent=event.intent,
        user_task_key=event.subject_key,
        process_instance_key=event.process_instance_key,
        element_id=event.element_id,
        at_ms=event.at_ms,
        task=event.details,
    )
