"""Who may act on a user task (`--task-policy`). With the policy `open`, everybody may."""

from osmia_broker.engine.new_user_tasks import texts_of
from osmia_broker.engine.task_commands import Actor, TaskPolicy
from osmia_broker.errors import Forbidden
from osmia_broker.state.task_rows import UserTask


def refuse_claim(task: UserTask, actor: Actor, verb: str) -> None:
    """Refuse a person who may not take the task, or give it to somebody: they are neither its assignee nor one of its candidates.

    A task without any candidate may be taken by everybody, unless the policy is `assignee`.

    Raises:
        Forbidden: the policy does not allow it.

    """
    if actor.policy is TaskPolicy.OPEN or _is_assignee(task, actor):
        return
    if actor.policy is TaskPolicy.CANDIDATES and actor.user and _is_candidate(task, actor):
        return
    raise _forbidden(task, actor, verb, "its assignee" if actor.policy is TaskPolicy.ASSIGNEE else "a candidate for it")


def refuse_other(task: UserTask, actor: Actor, verb: str) -> None:
    """Refuse everybody but the assignee.

    Raises:
        Forbidden: the policy does not allow it.

    """
    if actor.policy is not TaskPolicy.OPEN and not _is_assignee(task, actor):
        raise _forbidden(task, actor, verb, "its assignee")


def _is_assignee(task: UserTask, actor: Actor) -> bool:
    return bool(actor.user) and actor.user == task.assignee


def _is_candidate(task: UserTask, actor: Actor) -> bool:
    users, groups = texts_of(task.candidate_users), texts_of(task.candidate_groups)
    return not (users or groups) or actor.user in users or not {*groups}.isdisjoint(actor.groups)


def _forbidden(task: UserTask, actor: Actor, verb: str, expected: str) -> Forbidden:
    found = f"'{actor.user}' is not" if actor.user else "nobody is named as the acting person"
    return Forbidden(f"Expected to {verb} user task with key '{task.key}' as {expected}, but {found}")
