"""The books of people who work on user tasks: what each task must be, and what each command must answer.

The rules are those of user-tasks.md, section 6, and of docs/decisions/0020, written down a second time: nothing here asks the engine.
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from osmia_broker.engine.commands.tasks import Actor, TaskPolicy
from osmia_broker.state.rows.tasks import TaskEvent, TaskTransition, UserTask
from tests.memory_store import MemoryStore

ENDED = ("COMPLETED", "CANCELED")
#: Whether a candidate may do it, by policy.
CANDIDATES = {
    TaskPolicy.STRICT: {"read", "claim", "update", "complete"},
    TaskPolicy.CANDIDATES: {"read", "claim"},
    TaskPolicy.ASSIGNEE: set[str](),
}


#: Operation, action, who, the values that changed, and whether a listener denied it.
Step = tuple[str, str, str, dict[str, Any], bool]


@dataclass
class Pending:
    """A change that waits for a task listener."""

    state: str
    operation: str
    action: str
    user: str
    changes: dict[str, Any]


@dataclass
class KnownTask:
    """A task as its people know it."""

    key: int
    element: str
    process_instance_key: int
    has_listeners: bool
    assignee: str
    users: list[str]
    groups: list[str]
    priority: int
    state: str = "CREATED"
    pending: Pending | None = None
    history: list[Step] = field(default_factory=list)

    # --- what is allowed

    def lets(self, actor: Actor, right: str) -> bool:
        """Whether the policy gives a right to this person."""
        if actor.policy is TaskPolicy.OPEN:
            return True
        if not actor.user:
            return False
        if actor.user == self.assignee:
            return True
        is_free = not (self.assignee or self.users or self.groups or self.state in ENDED)
        is_candidate = actor.user in self.users or any(group in self.groups for group in actor.groups)
        return right in CANDIDATES[actor.policy] and (is_free or is_candidate)

    def refusal(self, actor: Actor, right: str) -> str:
        """The refusal of anything that changes the task; empty if it may be changed."""
        if self.state in ENDED:
            return "NotFound"
        if not self.lets(actor, right):
            return "Forbidden"
        return "" if self.state == "CREATED" else "InvalidState"

    # --- what happens

    def begin(self, state: str, operation: str, action: str, user: str, changes: dict[str, Any]) -> None:
        """Do a change, or let it wait for its listener."""
        change = Pending(state, operation, action, user, changes)
        if self.has_listeners:
            self.state, self.pending = state, change
        else:
            self._finish(change)

    def agree(self, corrections: dict[str, Any]) -> None:
        """The listener has let the change pass."""
        assert self.pending is not None
        change, self.pending = self.pending, None
        change.changes |= corrections
        self._finish(change)

    def deny(self) -> None:
        """The listener has taken the change back: nothing of it is left but a step in the history."""
        assert self.pending is not None
        change, self.pending, self.state = self.pending, None, "CREATED"
        self.history.append((change.operation, change.action, change.user, self._diff(change), True))

    def cancel(self) -> None:
        if self.state not in ENDED:
            self.state, self.pending = "CANCELED", None

    def complete_job(self) -> None:
        self.state = "COMPLETED"

    def _finish(self, change: Pending) -> None:
        diff = self._diff(change)
        for name, new in change.changes.items():
            setattr(self, NAMES[name], new)
        self.state = "COMPLETED" if change.state == "COMPLETING" else "CREATED"
        is_repeated = not diff and change.action == "claim"  # the person has it already: nothing has happened
        if (diff or change.user) and not is_repeated:
            self.history.append((change.operation, change.action, change.user, diff, False))

    def _diff(self, change: Pending) -> dict[str, Any]:
        return {name: [self.value(name), new] for name, new in change.changes.items() if self.value(name) != new}

    def value(self, name: str) -> Any:
        return getattr(self, NAMES[name])

    # --- rows

    def differences(self, row: UserTask, events: list[TaskEvent]) -> list[str]:
        """What the stored task and its history say otherwise."""
        stored: dict[str, Any] = {
            "state": str(row.state),
            "assignee": row.assignee,
            "users": msgspec.json.decode(row.candidate_users),
            "groups": msgspec.json.decode(row.candidate_groups),
            "priority": row.priority,
            "history": _history(events),
        }
        found = [f"{name}: {value!r}, not {getattr(self, name)!r}" for name, value in stored.items()]
        return [one for one, name in zip(found, stored, strict=True) if stored[name] != getattr(self, name)]

    def learn(self, row: UserTask, events: list[TaskEvent], transition: TaskTransition | None) -> None:
        """Take the truth from the rows, after a call with an unknown outcome."""
        self.state, self.assignee, self.priority = str(row.state), row.assignee, row.priority
        self.users, self.groups = (msgspec.json.decode(one) for one in (row.candidate_users, row.candidate_groups))
        self.history = _history(events)
        self.pending = None
        if transition is not None:
            changes = msgspec.json.decode(transition.changes)
            self.pending = Pending(
                self.state, str(transition.operation), transition.action, transition.user, dict(changes)
            )


NAMES = {"assignee": "assignee", "candidateUsers": "users", "candidateGroups": "groups", "priority": "priority"}


def known(row: UserTask) -> KnownTask:
    """Open the books of a new task."""
    users, groups = (msgspec.json.decode(one) for one in (row.candidate_users, row.candidate_groups))
    has_listeners = row.element_id == "listened"
    of = (row.key, row.element_id, row.process_instance_key, has_listeners)
    return KnownTask(*of, row.assignee, users, groups, row.priority)


def events_of(store: MemoryStore) -> dict[int, list[TaskEvent]]:
    """The stored history by task, oldest first."""
    found: dict[int, list[TaskEvent]] = {}
    for event in store.rows(TaskEvent):
        found.setdefault(event.user_task_key, []).append(event)
    return found


def _history(events: list[TaskEvent]) -> list[Step]:
    return [
        (str(one.operation), one.action, one.user, msgspec.json.decode(one.changes), one.refusal != "")
        for one in events
    ]
