"""The commands on user tasks. `actor` is the acting person with the policy that holds for them."""

from enum import StrEnum
from typing import Any, ClassVar

import msgspec

from osmia_broker.engine.commands import Command, Variables
from osmia_broker.state.rows.tasks import Channel, ProposalState, TaskProposal


class TaskPolicy(StrEnum):
    """The rules about the people who may see a user task and act on it. `engine/tasks/policy.py` has the rights of each."""

    OPEN = "open"  # everybody
    STRICT = "strict"  # the assignee and the candidates
    CANDIDATES = "candidates"  # the same, but only the assignee may update and complete
    ASSIGNEE = "assignee"  # the assignee only


class Actor(msgspec.Struct, frozen=True, gc=False):
    """The acting person: their name (empty if unknown), their groups, the policy, and the channel by which they act."""

    user: str = ""
    groups: tuple[str, ...] = ()
    policy: TaskPolicy = TaskPolicy.OPEN
    channel: Channel = Channel.UNKNOWN


NOBODY = Actor()
RULE = Actor(channel=Channel.RULE)  #: acts where no person does: the process itself, or a task listener


class AssignUserTask(Command, frozen=True, gc=False):
    """Assign a user task to *assignee*, in place of anybody; an empty one unassigns it.

    *comment* is written beside the task if the assignment takes effect at once: with the command, or not at all.
    *ticket*, if not 0, names the caller who waits if task listeners delay it. The answer says whether it is done already.
    """

    intent: ClassVar[str] = "ASSIGN"
    user_task_key: int
    assignee: str
    action: str = ""
    actor: Actor = NOBODY
    ticket: int = 0
    comment: str = ""


class ClaimUserTask(Command, frozen=True, gc=False):
    """Assign a user task to *assignee*, if nobody else has it. *ticket* and the answer are as those of `AssignUserTask`."""

    intent: ClassVar[str] = "CLAIM"
    user_task_key: int
    assignee: str
    action: str = ""
    actor: Actor = NOBODY
    ticket: int = 0


class ClaimNextUserTask(Command, frozen=True, gc=False):
    """Claim the first of these user tasks that is free. The answer is its key (0 if none is free), and whether it is done already."""

    intent: ClassVar[str] = "CLAIM"
    user_task_keys: tuple[int, ...]
    assignee: str
    action: str = ""
    actor: Actor = NOBODY
    ticket: int = 0


class UpdateUserTask(Command, frozen=True, gc=False):
    """Give attributes of a user task new values.

    *changes* has the names of the REST API: candidateGroups, candidateUsers (lists of text), dueDate, followUpDate (date-times with an offset;
    empty for none), priority. *ticket* and the answer are as those of `AssignUserTask`.
    """

    intent: ClassVar[str] = "UPDATE"
    user_task_key: int
    changes: dict[str, Any]
    action: str = ""
    actor: Actor = NOBODY
    ticket: int = 0


class CompleteUserTask(Command, frozen=True, gc=False):
    """Complete a user task with *variables*, as a worker completes its job. *ticket* and the answer are as those of `AssignUserTask`."""

    intent: ClassVar[str] = "COMPLETE"
    user_task_key: int
    variables: Variables
    action: str = ""
    actor: Actor = NOBODY
    ticket: int = 0


class CommentUserTask(Command, frozen=True, gc=False):
    """Comment on an open user task. The answer is the key of the comment."""

    intent: ClassVar[str] = "COMMENT"
    user_task_key: int
    text: str
    actor: Actor = NOBODY


class SaveTaskDraft(Command, frozen=True, gc=False):
    """Save what the acting person has entered so far (a JSON object as text), or discard it (empty)."""

    intent: ClassVar[str] = "SAVE"
    user_task_key: int
    content: str
    actor: Actor = NOBODY


class SaveTaskFilter(Command, frozen=True, gc=False):
    """Save a filter of the acting person's task list under a name, in place of an earlier one; an empty query deletes it."""

    intent: ClassVar[str] = "SAVE"
    name: str
    query: str
    actor: Actor = NOBODY


class SnoozeUserTask(Command, frozen=True, gc=False):
    """Leave an open task out of the acting person's lists until a time (0: no time), until it changes, or the earlier of both.

    With neither, the task is called back.
    """

    intent: ClassVar[str] = "SNOOZE"
    user_task_key: int
    until_ms: int = 0
    until_change: bool = False
    actor: Actor = NOBODY


class HoldUserTask(Command, frozen=True, gc=False):
    """Complete a user task with *variables* in *hold_ms*, unless the acting person takes that back. The answer is when."""

    intent: ClassVar[str] = "COMPLETE"
    user_task_key: int
    variables: Variables
    hold_ms: int
    action: str = ""
    actor: Actor = NOBODY


class CompleteHeldTask(Command, frozen=True, gc=False):
    """Carry out a completion that was held: a follow-up only. The right of *user* was checked when it was held."""

    intent: ClassVar[str] = "COMPLETE"
    user_task_key: int
    variables: Variables
    action: str
    user: str
    channel: Channel = Channel.UNKNOWN


class UndoUserTask(Command, frozen=True, gc=False):
    """Take back a completion of the acting person that is held."""

    intent: ClassVar[str] = "UNDO"
    user_task_key: int
    actor: Actor = NOBODY


class RevertAssignment(Command, frozen=True, gc=False):
    """Give a user task back to *before* if *now* still has it. The caller knows that the acting person gave it to them a moment ago."""

    intent: ClassVar[str] = "UNDO"
    user_task_key: int
    now: str
    before: str
    actor: Actor = NOBODY
    ticket: int = 0


class ProposeForUserTask(Command, frozen=True, gc=False):
    """Propose values (a JSON object as text) for an open task. The answer is the key of the proposal."""

    intent: ClassVar[str] = "PROPOSE"
    user_task_key: int
    variables: str
    outcome: str = ""
    text: str = ""
    actor: Actor = NOBODY


class AnswerTaskProposal(Command, frozen=True, gc=False):
    """Write the answer to *proposal*; with ACCEPTED, complete its task with *variables* in the same step.

    *proposal* is the row that was read; all commits with keys below *read_key* had been read by then (`state/tables/answered.py`).
    *ticket* and the answer are as those of `AssignUserTask`.
    """

    intent: ClassVar[str] = "ANSWER"
    proposal: TaskProposal
    read_key: int
    state: ProposalState
    answer: str
    variables: Variables
    actor: Actor = NOBODY
    ticket: int = 0


class CreateGlobalTaskListener(Command, frozen=True, gc=False):
    """Create a global task listener. None: that attribute has its default."""

    intent: ClassVar[str] = "CREATE"
    id: str
    type: str
    event_types: tuple[str, ...]
    retries: int | None = None
    after_model: bool | None = None
    priority: int | None = None


class UpdateGlobalTaskListener(Command, frozen=True, gc=False):
    """Change a global task listener. None: that attribute stays as it is."""

    intent: ClassVar[str] = "UPDATE"
    id: str
    type: str | None = None
    event_types: tuple[str, ...] | None = None
    retries: int | None = None
    after_model: bool | None = None
    priority: int | None = None


class DeleteGlobalTaskListener(Command, frozen=True, gc=False):
    """Delete a global task listener."""

    intent: ClassVar[str] = "DELETE"
    id: str
