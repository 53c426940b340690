"""Who may change a user task: a setting of the broker (user-tasks.md, section 6).

The acting person comes from authentication, or while that is off from the metadata of the call. It is trusted here.
"""

from enum import StrEnum
from typing import Protocol

from osmia_broker.engine.task_records import texts
from osmia_broker.engine.turn import Turn
from osmia_broker.errors import Forbidden
from osmia_broker.state.task_rows import TaskOperation, UserTask


class Policy(StrEnum):
    """Who may change a user task."""

    OPEN = "open"  # everybody
    CANDIDATES = "candidates"  # the assignee and the candidates; only the assignee completes
    ASSIGNEE = "assignee"  # the assignee; candidates may only claim what is free


class Acting(Protocol):
    """The acting person of a command."""

    @property
    def user(self) -> str:
        """Their name; empty if unknown."""

    @property
    def groups(self) -> tuple[str, ...]:
        """Their groups."""


def check_policy(turn: Turn, task: UserTask, operation: TaskOperation, acting: Acting) -> None:
    """Refuse what the policy does not let the acting person do.

    Raises:
        Forbidden: they may not do it.

    """
    if turn.task_policy == Policy.OPEN or (acting.user and acting.user == task.assignee):
        return
    candidates_may = turn.task_policy == Policy.CANDIDATES or (operation is TaskOperation.ASSIGN and not task.assignee)
    if candidates_may and operation is not TaskOperation.COMPLETE and _is_candidate(task, acting):
        return
    allowed = "its assignee" if operation is TaskOperation.COMPLETE else "its assignee or a candidate"
    person = f"'{acting.user}'" if acting.user else "an unknown person"
    raise Forbidden(f"Expected {allowed} to {operation.lower()} user task with key '{task.key}', but found {person}")


def _is_candidate(task: UserTask, acting: Acting) -> bool:
    """Whether the acting person may take the task. A task without candidates is for everybody whose name is known."""
    users, groups = texts(task.candidate_users), texts(task.candidate_groups)
    if not users and not groups:
        return bool(acting.user)
    return (bool(acting.user) and acting.user in users) or not {*groups}.isdisjoint(acting.groups)
