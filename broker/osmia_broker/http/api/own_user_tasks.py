"""Osmia's own operations on user tasks: the query language, the next task, many at once, snoozes, drafts, comments, and taking back."""

from typing import Any

from msgspec import Raw, field

from osmia_broker.calls.checks import int64
from osmia_broker.calls.tasks.many import Doing, do_with_many
from osmia_broker.calls.tasks.next_task import claim_next
from osmia_broker.calls.tasks.own_lists import TaskLists
from osmia_broker.calls.tasks.proposals import HOLD_MS, Undecided
from osmia_broker.calls.tasks.until import until_ms
from osmia_broker.http.described import GivenVariables, SeenVariables
from osmia_broker.http.operation import OWN, Asked, Call, operation
from osmia_broker.http.searching import item_type, question_type, results, serve
from osmia_broker.http.types import Body, Item, Key, Text, json_text, variables_text
from osmia_broker.store.read.entities import USER_TASKS
from osmia_broker.store.read.search.search import Search
from osmia_broker.store.read.search.values import moment
from osmia_broker.store.read.tasks.user_task_notes import comments_of, draft_of

TAG = "User task"
TASK = "/user-tasks/{userTaskKey}"


def lists(call: Call) -> TaskLists:
    """Return the lists of the person who calls, as they are now."""
    return TaskLists(call.reader, call.calls.user_tasks.actor(call.caller), call.calls.clock.now_ms())


# --- finding


class ListedUserTasksQuery(question_type(USER_TASKS, "list_user_tasks")):  # type: ignore[misc]  # made at run time
    """A query of task lists, and what narrows it further."""

    query: Text = Text("")


async def _list(call: Call, body: Any = None) -> Any:
    given = body or ListedUserTasksQuery()
    return results(await lists(call).search(given.query, Search(given.filter, given.sort, given.page)))


serve(
    _list,
    USER_TASKS,
    "/user-tasks/search",
    name="list_user_tasks",
    tag=TAG,
    summary="Search the user tasks by a query such as `group:finance due:<2d amount:>1000`, as the page does.",
    base=OWN,
    body=ListedUserTasksQuery,
)


class NextUserTask(Body):
    """The tasks among which to choose; without a member, all."""

    process_definition_id: Text = Text("")
    element_id: Text = Text("")
    action: Text = Text("")


class ClaimedUserTask(Item):
    """The task that was claimed; null if no task is free for the person."""

    user_task: item_type(USER_TASKS, "claim_next_user_task") | None  # type: ignore[valid-type]  # made at run time


@operation("POST", "/user-tasks/claim-next", tag=TAG, waits=True, base=OWN)
async def claim_next_user_task(call: Call, body: NextUserTask | None = None) -> ClaimedUserTask:
    """Claim the best free task for the person who calls: by due date, then priority, then age."""
    given = body or NextUserTask()
    key = await claim_next(
        call.calls.user_tasks,
        call.reader,
        caller=call.caller,
        now_ms=call.calls.clock.now_ms(),
        bpmn_process_id=given.process_definition_id,
        element_id=given.element_id,
        action=given.action,
    )
    return ClaimedUserTask(user_task=await call.readable.item(key) if key else None)


# --- many at once


class ManyUserTasks(Body):
    """Tasks, and what to do with each of them."""

    operation: Doing
    user_task_keys: list[Key]
    assignee: Text | None = None  # of ASSIGN
    variables: GivenVariables = field(default_factory=Raw)  # of COMPLETE


class UserTaskOutcome(Item):
    """The outcome for one task."""

    user_task_key: str
    name: str | None
    is_done: bool
    reason: str | None  # why it was not done


class UserTaskOutcomes(Item):
    """The outcome for each task, in their order."""

    done: int
    refused: int
    items: list[UserTaskOutcome]


@operation("POST", "/user-tasks/many", tag=TAG, waits=True, base=OWN)
async def change_user_tasks(call: Call, body: ManyUserTasks) -> UserTaskOutcomes:
    """Claim, unclaim, assign or complete many user tasks; the answer says of each whether it was done, and why not."""
    found = await do_with_many(
        call.calls.user_tasks,
        call.reader,
        body.user_task_keys,
        body.operation,
        caller=call.caller,
        assignee=body.assignee or "",
        variables=variables_text(body.variables),
    )
    items = [
        UserTaskOutcome(
            user_task_key=str(one.key), name=one.name or None, is_done=one.is_done, reason=one.reason or None
        )
        for one in found
    ]
    done = sum(one.is_done for one in items)
    return UserTaskOutcomes(done=done, refused=len(items) - done, items=items)


# --- taking back


class HeldCompletion(Body):
    """The variables of a completion that is held for a while."""

    variables: GivenVariables = field(default_factory=Raw)
    hold_ms: int = HOLD_MS
    action: Text | None = None


class Held(Item):
    """When a completion that is held is carried out."""

    completion_date: str | None


@operation("POST", TASK + "/held-completion", tag=TAG, status=202, base=OWN)
async def hold_user_task_completion(call: Call, user_task_key: Key, body: HeldCompletion | None = None) -> Held:
    """Complete a user task in a while (ten seconds, if nothing is said), unless the person takes it back before."""
    given = body or HeldCompletion()
    due_ms = await _undecided(call).hold(
        user_task_key,
        variables_text(given.variables),
        hold_ms=given.hold_ms,
        caller=call.caller,
        action=given.action or "",
    )
    return Held(completion_date=moment(due_ms))


@operation("POST", TASK + "/undo", tag=TAG, status=204, waits=True, base=OWN)
async def undo_user_task(call: Call, user_task_key: Key) -> None:
    """Take back the person's last step: a completion that is held, or an assignment of the last ten seconds."""
    await _undecided(call).undo(user_task_key, now_ms=call.calls.clock.now_ms(), caller=call.caller)


def _undecided(call: Call) -> Undecided:
    return Undecided(call.calls.user_tasks, call.reader)


# --- snoozes


class Snooze(Body):
    """Until when a task stays out of the person's lists: a time such as `2h`, `tomorrow` or a date, or until it changes."""

    until: Text | None = None
    until_change: bool = False


class SnoozedUserTask(Item):
    """A task that is out of the person's lists."""

    user_task_key: str
    until: str | None
    until_change: bool


class SnoozedUserTasks(Item):
    """All of them, the newest first."""

    items: list[SnoozedUserTask]


@operation("PUT", TASK + "/snooze", tag=TAG, status=204, base=OWN)
async def snooze_user_task(call: Call, user_task_key: Key, body: Snooze) -> None:
    """Leave a user task out of the person's lists until a time, until it changes, or the earlier of both."""
    then_ms = until_ms(body.until or "", call.calls.clock.now_ms()) if body.until or not body.until_change else 0
    await call.calls.user_tasks.snooze(
        user_task_key, until_ms=then_ms, until_change=body.until_change, caller=call.caller
    )


@operation("DELETE", TASK + "/snooze", tag=TAG, status=204, base=OWN)
async def wake_user_task(call: Call, user_task_key: Key) -> None:
    """Call a user task back into the person's lists."""
    await call.calls.user_tasks.snooze(user_task_key, caller=call.caller)


@operation("GET", "/user-task-snoozes", tag=TAG, base=OWN)
async def get_user_task_snoozes(call: Call) -> SnoozedUserTasks:
    """List the user tasks that the person has snoozed."""
    items = [
        SnoozedUserTask(user_task_key=str(one.user_task_key), until=moment(one.until_ms), until_change=one.until_change)
        for one in await lists(call).snoozed()
    ]
    return SnoozedUserTasks(items=items)


# --- drafts and comments


class UserTaskDraft(Item):
    """The person's unfinished input; null if there is none."""

    content: SeenVariables | None


class SavedDraft(Body):
    """The input to keep, a JSON object."""

    content: SeenVariables


@operation("GET", TASK + "/draft", tag=TAG, base=OWN)
async def get_user_task_draft(call: Call, user_task_key: Key) -> UserTaskDraft:
    """Return what the person has typed into an open user task so far."""
    await call.readable.item(user_task_key, "read a draft of")
    text = await draft_of(call.reader, user_task_key, call.caller.user)
    return UserTaskDraft(content=Raw(text.encode()) if text else None)


@operation("PUT", TASK + "/draft", tag=TAG, status=204, base=OWN)
async def save_user_task_draft(call: Call, user_task_key: Key, body: SavedDraft) -> None:
    """Keep the person's unfinished input to an open user task; nobody else sees it."""
    await call.calls.user_tasks.save_draft(user_task_key, json_text(body.content), caller=call.caller)


@operation("DELETE", TASK + "/draft", tag=TAG, status=204, base=OWN)
async def discard_user_task_draft(call: Call, user_task_key: Key) -> None:
    """Forget the person's unfinished input."""
    await call.calls.user_tasks.save_draft(user_task_key, "", caller=call.caller)


class Comment(Body):
    """A comment to write."""

    text: Text


class WrittenComment(Item):
    """The key of a comment."""

    comment_key: str


class UserTaskComment(Item):
    """A comment on a task."""

    comment_key: str
    user: str | None
    text: str
    creation_date: str | None


class UserTaskComments(Item):
    """A page of comments, oldest first; *after* leads to the next one."""

    items: list[UserTaskComment]
    after: str | None


@operation("POST", TASK + "/comments", tag=TAG, status=201, base=OWN)
async def comment_user_task(call: Call, user_task_key: Key, body: Comment) -> WrittenComment:
    """Comment on an open user task."""
    return WrittenComment(
        comment_key=str(await call.calls.user_tasks.comment(user_task_key, body.text, caller=call.caller))
    )


@operation("GET", TASK + "/comments", tag=TAG, base=OWN, query=(Asked("after"),))
async def get_user_task_comments(call: Call, user_task_key: Key) -> UserTaskComments:
    """List the comments on a user task, oldest first; `?after=` goes on."""
    await call.readable.item(int64("userTaskKey", user_task_key), "read the comments on")
    found = await comments_of(call.reader, user_task_key, after=call.query.get("after", [""])[-1])
    items = [
        UserTaskComment(comment_key=str(one.key), user=one.user or None, text=one.text, creation_date=moment(one.at_ms))
        for one in found.items
    ]
    return UserTaskComments(items=items, after=found.next or None)
