"""The task lists of a person: saved filters, snoozed tasks and proposals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class UserTaskFilter:
    """A saved filter, with the number of tasks that pass it now (at least, if *has_more_total*). *problem*: why it cannot be read any more."""

    name: str
    query: str
    total: int
    has_more_total: bool
    problem: str


@dataclass(frozen=True, slots=True)
class UserTaskSnooze:
    """A task that is out of a person's lists until a time (epoch milliseconds; 0 for none), or until it changes."""

    key: int
    until_ms: int
    until_change: bool


@dataclass(frozen=True, slots=True)
class UserTaskProposal:
    """Values that somebody proposes for a task. *state*: OPEN, ACCEPTED, EDITED, ANSWERED or IGNORED."""

    key: int
    user_task_key: int
    user: str
    variables: Mapping[str, Any]
    outcome: str
    text: str
    at_ms: int
    state: str
    answered_by: str
    answered_ms: int
    answer: str
