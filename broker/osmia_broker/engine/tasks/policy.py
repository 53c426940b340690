"""Decide who may see a user task and act on it (`--task-policy`). With the policy `open`, everybody may.

Three kinds of people have rights, by the properties of the task: its assignee has all of them; its candidates (users and groups) have those
of the table below; a task without any candidate is for everybody as long as it is open and nobody has it, or nobody could ever take it.
Somebody whose name is unknown has none.
"""

from collections.abc import Collection
from enum import StrEnum

from osmia_broker.base.errors import Forbidden
from osmia_broker.engine.commands.tasks import Actor, TaskPolicy
from osmia_broker.engine.tasks.rows import texts_of
from osmia_broker.state.rows.tasks import UserTask


class Right(StrEnum):
    """The things that a person may be allowed to do with a user task."""

    READ = "read"  # it, its form, variables, comments and history; comment it, and keep a draft
    CLAIM = "claim"  # or give it to somebody, or take it back
    UPDATE = "update"
    COMPLETE = "complete"


CANDIDATES_MAY: dict[TaskPolicy, frozenset[Right]] = {
    TaskPolicy.OPEN: frozenset(Right),
    TaskPolicy.STRICT: frozenset(Right),
    TaskPolicy.CANDIDATES: frozenset({Right.READ, Right.CLAIM}),
    TaskPolicy.ASSIGNEE: frozenset(),
}


def refuse_stranger(task: UserTask, actor: Actor, right: Right, verb: str) -> None:
    """Refuse a person who has no *right* to the open *task*.

    Raises:
        Forbidden: the policy does not allow it.

    """
    if actor.policy is TaskPolicy.OPEN:
        return
    users, groups = texts_of(task.candidate_users), texts_of(task.candidate_groups)
    if not is_allowed(actor, right, task.assignee, users, groups, is_open=True):
        raise forbidden(task.key, actor, right, verb)


def is_allowed(
    actor: Actor, right: Right, assignee: str, users: Collection[str], groups: Collection[str], *, is_open: bool
) -> bool:
    """Whether a person has *right* to a task with this assignee and these candidates."""
    if actor.policy is TaskPolicy.OPEN:
        return True
    if not actor.user or actor.user == assignee:
        return bool(actor.user)
    if right not in CANDIDATES_MAY[actor.policy]:
        return False
    is_for_everybody = is_open and not (assignee or users or groups)
    return is_for_everybody or actor.user in users or not {*groups}.isdisjoint(actor.groups)


def forbidden(key: int, actor: Actor, right: Right, verb: str) -> Forbidden:
    """Make the refusal of a person without *right*."""
    expected = "a candidate for it" if right in CANDIDATES_MAY[actor.policy] else "its assignee"
    found = f"'{actor.user}' is not" if actor.user else "nobody is named as the acting person"
    return Forbidden(f"Expected to {verb} user task with key '{key}' as {expected}, but {found}")
