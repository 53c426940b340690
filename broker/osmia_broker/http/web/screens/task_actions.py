"""The actions of a person on one task: claim it, give it back, assign it, complete it."""

from collections.abc import Awaitable

import msgspec
from starlette.responses import Response

from osmia_broker.base.errors import Forbidden, InvalidArgument, InvalidState, NotFound, OsmiaError
from osmia_broker.calls.tasks.next_task import claim_next
from osmia_broker.calls.tasks.proposals import HOLD_MS
from osmia_broker.calls.tasks.until import until_ms
from osmia_broker.http.web.refusals import in_words
from osmia_broker.http.web.screen import action, screen
from osmia_broker.http.web.screens.task import task_page
from osmia_broker.http.web.task_input import Input, read_input
from osmia_broker.http.web.task_list import is_open, read_list
from osmia_broker.http.web.task_view import HOLDS
from osmia_broker.http.web.visit import Visit
from osmia_broker.store.read.search.entity import Item
from osmia_broker.store.read.search.values import moment

TASK = "/tasks/{key:int}"
TASKS = "/tasks"
YEAR_S = 365 * 86_400
NOT_YOURS = "This task is not for you to see."


@action(TASK + "/claim")
async def claim(visit: Visit, key: int) -> Response:
    """Claim a task."""
    return await done_with(visit, key, visit.calls.user_tasks.claim(key, caller=visit.caller), "Task claimed.")


@action(TASK + "/unclaim")
async def unclaim(visit: Visit, key: int) -> Response:
    """Give a task back."""
    return await done_with(
        visit, key, visit.calls.user_tasks.unassign(key, caller=visit.caller), "Task unclaimed.", undo=True
    )


@action(TASK + "/hand-back")
async def hand_back(visit: Visit, key: int) -> Response:
    """Give a task back with a reason, which becomes a comment."""
    reason = (await visit.field("reason")).strip()
    if not reason:
        return visit.go(
            back_to(visit, key), alert="Nothing was handed back, because no reason was given. Write one and try again."
        )
    doing = visit.calls.user_tasks.hand_back(key, reason, caller=visit.caller)
    return await done_with(visit, key, doing, "Task handed back.", reason=reason, undo=True)


@action(TASK + "/assign")
async def assign(visit: Visit, key: int) -> Response:
    """Assign a task to somebody."""
    user = (await visit.field("user")).strip()
    if not user:
        return visit.go(back_to(visit, key), alert="Nobody was assigned, because no user name was given.")
    doing = visit.calls.user_tasks.assign(key, user, caller=visit.caller)
    return await done_with(visit, key, doing, f"Task assigned to {user}.", undo=True)


@action(TASK + "/undo")
async def undo(visit: Visit, key: int) -> Response:
    """Take back what the person did last with a task, as long as the broker allows it."""
    doing = visit.undecided.undo(key, now_ms=visit.now_ms, caller=visit.caller)
    try:
        await doing
    except OsmiaError as error:
        text = "It is too late to undo this." if isinstance(error, InvalidState) else await why_not(visit, key, error)
        return visit.go(await _place(visit, key), alert=text)
    return visit.go(await _place(visit, key), status="Undone. The task is as it was before.")


@action(TASK + "/comment")
async def comment(visit: Visit, key: int) -> Response:
    """Comment on a task."""
    text = await visit.field("text")
    if not text.strip():
        return visit.go(back_to(visit, key), alert="No comment was added, because it had no text.")
    doing = visit.calls.user_tasks.comment(key, text, caller=visit.caller)
    return await done_with(visit, key, doing, "Comment added.", comment=text)


@action("/tasks/take-next")
async def take_next(visit: Visit) -> Response:
    """Claim the best open task for the person and open it."""
    claimed = await claim_next(visit.calls.user_tasks, visit.reader, caller=visit.caller, now_ms=visit.now_ms)
    if not claimed:
        text = "No unassigned task has you or one of your groups as a candidate."
        if not visit.person.groups and not visit.person.signed_in:
            text += f" You have no groups yet: enter them at “Signed in as {visit.person.user}”."
        return visit.go(await visit.field("back", visit.with_query()), status=text)
    return visit.go(f"/tasks/{claimed}", status="Task claimed.")


@action(TASK + "/snooze")
async def snooze(visit: Visit, key: int) -> Response:
    """Leave a task out of the person's lists until a time, or until it changes."""
    text, on_change = (await visit.field("until")).strip(), bool(await visit.field("until-change"))
    try:
        then_ms = until_ms(text, visit.now_ms) if text else 0
    except InvalidArgument as fault:
        return visit.go(back_to(visit, key), alert=f"The task was not snoozed. {fault}.")
    if not then_ms and not on_change:
        return visit.go(back_to(visit, key), alert="The task was not snoozed, because no time was given.")
    tasks = visit.calls.user_tasks
    try:
        await tasks.snooze(key, until_ms=then_ms, until_change=on_change, caller=visit.caller)
    except OsmiaError as error:
        return visit.go(await _place(visit, key), alert=await why_not(visit, key, error))
    times = [moment(then_ms)] if then_ms else []
    ways = [f"until {one}" for one in times if one] + (["until it changes"] if on_change else [])
    return visit.go(visit.with_query(), status=f"Task snoozed {', or '.join(ways)}.")


@action(TASK + "/wake")
async def wake(visit: Visit, key: int) -> Response:
    """Call a snoozed task back."""
    return await done_with(visit, key, visit.calls.user_tasks.snooze(key, caller=visit.caller), "The task is back.")


# --- completing


@action(TASK + "/complete")
async def complete(visit: Visit, key: int) -> Response:
    """Complete a task with what was typed. If that does not work, the page shows it again with all that was typed."""
    typed = await read_input(visit)
    if typed.has_problems:
        return await task_page(
            visit, key, typed=typed, status=400, alert="Nothing was sent: a value is not valid JSON."
        )
    item = await visit.tasks.item(key)
    if is_open(item) and item["assignee"] != visit.person.user:
        return await _not_completed(visit, key, typed, f"Nothing was sent: {whose(item)}.")
    listed = await read_list(visit)
    hold = bool(await visit.field("hold"))
    try:
        if hold:
            await visit.undecided.hold(key, typed.document, hold_ms=HOLD_MS, caller=visit.caller)
        else:
            await visit.calls.user_tasks.complete(key, typed.document, caller=visit.caller)
    except (Forbidden, InvalidState, NotFound, InvalidArgument) as error:
        return await _not_completed(visit, key, typed, f"{await why_not(visit, key, error)} Nothing was sent.")
    keys = [one["userTaskKey"] for one in listed.items]
    address = listed.address(**{**listed.page, **_next(keys, str(key))})
    text = f"The task will be completed in {HOLD_MS // 1000} seconds unless you undo it." if hold else "Task completed."
    response = visit.go(address, status=text, undo=f"{TASKS}/{key}/undo" if hold else "")
    response.set_cookie(HOLDS, "yes" if hold else "", max_age=YEAR_S if hold else 0, httponly=True, samesite="lax")
    return response


def _next(keys: list[str], key: str) -> dict[str, str]:
    """Return the parameter that names the task whose link gets the focus: the one after *key*, else the one before."""
    if key not in keys or len(keys) == 1:
        return {}
    place = keys.index(key)
    return {"at": keys[place + 1] if place + 1 < len(keys) else keys[place - 1]}


async def _not_completed(visit: Visit, key: int, typed: Input, text: str) -> Response:
    return await task_page(visit, key, typed=typed, status=409, alert=text)


# --- drafts


@action(TASK + "/draft")
async def save_draft(visit: Visit, key: int) -> Response:
    """Keep what was typed so far."""
    typed = await read_input(visit)
    content = "" if typed.draft.is_empty else msgspec.json.encode(typed.draft).decode()
    try:
        await visit.calls.user_tasks.save_draft(key, content, caller=visit.caller)
    except OsmiaError as error:
        return Response(str(error), 409, media_type="text/plain")
    return Response(status_code=204)


@action(TASK + "/draft/discard")
async def discard_draft(visit: Visit, key: int) -> Response:
    """Forget what was typed."""
    return await done_with(
        visit, key, visit.calls.user_tasks.save_draft(key, "", caller=visit.caller), "Draft discarded."
    )


# --- after a POST that answered itself, the address bar has its address: a reload leads back to the task


@screen(TASK + "/{action}")
async def show_again(visit: Visit, key: int, **_action: str) -> Response:
    """Lead back to the task."""
    return visit.go(back_to(visit, key))


# ---


async def done_with(
    visit: Visit,
    key: int,
    doing: Awaitable[object],
    status: str,
    *,
    comment: str = "",
    reason: str = "",
    undo: bool = False,
) -> Response:
    """Wait for a change of a task and lead back to it, with what has happened or why not, and perhaps a way back.

    A *comment* or a *reason* that was refused is shown again, also when the task has ended.
    """
    try:
        await doing
    except OsmiaError as error:
        text = await why_not(visit, key, error)
        if (comment or reason) and text != NOT_YOURS:
            return await task_page(visit, key, status=409, alert=text, comment=comment, reason=reason)
        return visit.go(await _place(visit, key), alert=text)
    return visit.go(await _place(visit, key), status=status, undo=f"{TASKS}/{key}/undo" if undo else "")


async def why_not(visit: Visit, key: int, error: OsmiaError) -> str:
    """Say in a person's words why a change was refused."""
    try:
        item = await visit.tasks.item(key)
    except NotFound:
        return "This task does not exist."
    except Forbidden:
        return NOT_YOURS
    if not is_open(item):
        return ended(item)
    if isinstance(error, InvalidState) and item["assignee"] and item["assignee"] != visit.person.user:
        return f"Already claimed by {item['assignee']}."
    return in_words(str(error))


def whose(item: Item) -> str:
    """Say that a task is not the person's any more."""
    return f"this task is assigned to {item['assignee'] or 'nobody'} now"


def ended(item: Item) -> str:
    """Say that a task has ended meanwhile."""
    if item["state"] == "COMPLETED":
        who = f" by {item['assignee']}" if item["assignee"] else ""
        return f"This task was completed{who} meanwhile."
    return "This task was canceled meanwhile."


async def _place(visit: Visit, key: int) -> str:
    """Return where the person goes on: at the task, or at the list if they may see the task no more, or never might."""
    try:
        await visit.tasks.require(key)
    except Forbidden:
        return visit.with_query()
    return back_to(visit, key)


def back_to(visit: Visit, key: int) -> str:
    """Return the address of the task, with the list that it was opened from."""
    return visit.with_query(f"/tasks/{key}")
