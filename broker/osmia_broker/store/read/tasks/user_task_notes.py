"""The drafts, the comments and the steps of user tasks: few of each task, steps have no pages."""

from typing import Any

import msgspec
from sqlalchemy import bindparam, select

from osmia_broker.state.rows.tasks import TaskComment, TaskDraft, TaskEvent, UserTask
from osmia_broker.store import schema
from osmia_broker.store.read.lists import pages
from osmia_broker.store.read.lists.pages import Page
from osmia_broker.store.read.search import cursors
from osmia_broker.store.read.sources import Sources, of_key, question

STEPS_MAX = 500
LIST, OLDEST_FIRST = "comments", "key"  #: the name of the list and of its order in its cursors

_task, _draft, _comment, _event = (schema.TABLES[one] for one in (UserTask, TaskDraft, TaskComment, TaskEvent))


class Comment(msgspec.Struct, frozen=True):
    """A person's comment."""

    key: int
    user: str
    text: str
    at_ms: int


class Step(msgspec.Struct, frozen=True):
    """A step in the history of a task: who did what, and which values changed."""

    operation: str
    action: str
    user: str  # empty if unknown
    changes: dict[str, tuple[Any, Any]]  # old and new value by attribute
    at_ms: int
    refusal: str = ""  # why it was denied; empty if it took effect
    channel: str = ""  # a `Channel`


_STEPS = (
    select(*(_event.c[name] for name in ("operation", "action", "user", "changes", "at_ms", "refusal", "channel")))
    .where(_event.c.user_task_key == bindparam("key"))
    .order_by(_event.c.key.desc())
    .limit(STEPS_MAX)
)
_DRAFT = (
    select(_draft.c.content)
    .join_from(_draft, _task, _task.c.key == _draft.c.user_task_key)
    .where(
        _draft.c.user_task_key == bindparam("key"),
        _draft.c.user == bindparam("user"),
        _task.c.ended_ms == schema.NOT_ENDED,
    )
)
_COMMENTS = (
    select(_comment.c.key, _comment.c.user, _comment.c.text, _comment.c.at_ms)
    .where(_comment.c.user_task_key == bindparam("key"), _comment.c.key > bindparam("after"))
    .order_by(_comment.c.key)
    .limit(bindparam("size"))
)


@question(of_key("key"))
async def draft_of(sources: Sources, key: int, user: str) -> str:
    """Return the draft of one person for an open task, a JSON object as text; empty if there is none."""
    async with sources.database.snapshot() as snapshot:
        found: list[Any] = await snapshot.values(_DRAFT, {"key": key, "user": user})
    return str(found[0][0]) if found else ""


@question(of_key("key"))
async def comments_of(sources: Sources, key: int, *, limit: int = 0, after: str = "") -> Page[Comment]:
    """Return a page of the comments on a task, oldest first.

    Raises:
        InvalidArgument: *limit* is out of range, or *after* is not a cursor of this list.

    """
    size = pages.limit_of(limit, pages.ITEMS_MAX)
    (place,) = cursors.read(LIST, OLDEST_FIRST, [int], after, "after") if after else (0,)
    values = {"key": key, "after": place, "size": size + 1}
    async with sources.database.snapshot() as snapshot:
        found = [Comment(*row) for row in await snapshot.values(_COMMENTS, values)]
    return pages.cut(found, size, _bytes_of, lambda comment: cursors.write(LIST, OLDEST_FIRST, [comment.key]))


def _bytes_of(comment: Comment) -> int:
    return pages.NUMBERS_BYTES + len(comment.user.encode()) + len(comment.text.encode())


@question(of_key("key"))
async def steps_of(sources: Sources, key: int) -> list[Step]:
    """Return the steps that people took with a task, newest first, at most STEPS_MAX.

    The creation and the end are among them only if somebody is known to have done it. A corrupt step is left out.
    """
    async with sources.database.snapshot() as snapshot:
        found = await snapshot.values(_STEPS, {"key": key})
    return [step for row in found if (step := _step(*row)) is not None]


def _step(operation: str, action: str, user: str, changes: str, *more: Any) -> Step | None:
    try:
        values = msgspec.json.decode(changes, type=dict[str, tuple[Any, Any]])
        return Step(operation, action, user, values, *more)
    except (msgspec.MsgspecError, TypeError):
        return None
