"""The rows of user tasks: work for people.

A user task lives in memory with its process instance. Its candidates, its history, its comments, drafts, proposals and snoozes are only ever written
(`notes`), and so are the filters that people save: the engine never reads them, so they cost neither memory nor a load.
"""

import re
from datetime import UTC, datetime
from enum import StrEnum

from osmia_broker.base.whole_numbers import INT64_MAX
from osmia_broker.state.rows.kinds import MIGRATED, Changing, StoredRow, stored


class UserTaskState(StrEnum):
    """The states of a user task. Those that end in ING last while task listeners work."""

    CREATING = "CREATING"
    CREATED = "CREATED"  # with or without an assignee
    ASSIGNING = "ASSIGNING"
    UPDATING = "UPDATING"
    COMPLETING = "COMPLETING"
    COMPLETED = "COMPLETED"
    CANCELING = "CANCELING"
    CANCELED = "CANCELED"


_OFFSET_WITH_SECONDS = re.compile(r"[+-]\d\d:\d\d:\d\d$", re.ASCII)


def rfc3339(stored_date: str) -> str | None:
    """Return a date of a user task as answers show it: with an offset of hours and minutes, without the name of a zone. None for none.

    Zones had offsets with seconds before their standard time. Such a date is given in UTC.
    """
    text = stored_date.partition("[")[0]
    if not _OFFSET_WITH_SECONDS.search(text):
        return text or None
    try:
        return datetime.fromisoformat(text).astimezone(UTC).isoformat().replace("+00:00", "Z")
    except OverflowError:  # in UTC it is still the year before the first one
        return "0001-01-01T00:00:00Z"


class CandidateKind(StrEnum):
    """The kinds of candidates of a user task."""

    USER = "USER"
    GROUP = "GROUP"


class Channel(StrEnum):
    """The ways by which a step reaches a user task: a door of the broker, or the client that a person used at it."""

    UNKNOWN = ""  # the caller did not come through a door, or the step is older than these notes
    PAGE = "PAGE"
    REST = "REST"
    GRPC = "GRPC"
    CLI = "CLI"
    MCP = "MCP"
    RULE = "RULE"  # nobody asked for it: the process, or a task listener, made it


class TaskOperation(StrEnum):
    """The operations of people on user tasks."""

    CREATE = "CREATE"
    ASSIGN = "ASSIGN"
    UNASSIGN = "UNASSIGN"
    UPDATE = "UPDATE"
    COMPLETE = "COMPLETE"
    CANCEL = "CANCEL"


@stored(
    "user_tasks",
    of_instance=True,
    lookups=("element_instance_key",),
    sized=("documentation", "candidate_users", "candidate_groups", "headers"),
    migrated=MIGRATED,
)
class UserTask(StoredRow):
    """Work for a person, of either kind and dialect."""

    key: int
    process_instance_key: int
    process_definition_key: int
    element_instance_key: int
    element_id: str
    job_key: int  # of the job with which it begins and ends; 0 of a native task
    name: str
    documentation: str
    category: str
    state: Changing[UserTaskState]
    assignee: Changing[str] = ""  # empty while nobody is
    candidate_users: Changing[str] = "[]"  # JSON array of text
    candidate_groups: Changing[str] = "[]"  # JSON array of text
    due_date: Changing[str] = ""  # date-time with an offset, as the job's header has it; empty for none
    follow_up_date: Changing[str] = ""  # as due_date
    due_ms: Changing[int] = 0  # the same moment, for lists; 0 for none
    follow_up_ms: Changing[int] = 0
    priority: Changing[int] = 50
    form_key: int = 0  # of a deployed form; 0 for none
    external_form: str = ""  # a form that is kept elsewhere: an external reference, or a form key that is text
    headers: str = "{}"  # JSON object of strings: those of the model
    created_ms: int = 0
    ended_ms: Changing[int] = 0
    sees_only_own: Changing[int] = 0  # 1 if an Activiti mapping chose its variables, so that it sees no others


@stored(
    "task_transitions",
    of_instance=True,
    lookups=("user_task_key",),
    sized=("changes", "variables", "listeners", "proposal"),
)
class TaskTransition(StoredRow):
    """A change of a user task that waits for task listeners. It ends when the last of them is done, or one of them denies it."""

    key: int
    process_instance_key: int
    element_instance_key: int
    user_task_key: int
    event: str  # creating, assigning, updating, completing or canceling
    operation: TaskOperation
    action: str
    user: str  # who asked for it; empty if unknown
    changes: Changing[str] = "{}"  # JSON object: the new values by attribute, with the corrections of listeners so far
    variables: str = "{}"  # JSON object, of a completion; of an update of variables their `document`, and `is_local`
    listeners: str = "[]"  # JSON array of [type, retries, headers]
    listeners_done: Changing[int] = 0
    ended_ms: Changing[int] = 0
    proposal: str = ""  # JSON object: the row of the proposal that is accepted with the completion; empty for none
    channel: Channel = Channel.UNKNOWN  # by which it was asked for


STANDS, ENDED, REMOVED = range(3)  #: of a candidate: of an open task; of one that ended with it; taken away before


@stored("task_candidates", primary_key=("user_task_key", "kind", "name"), is_history=True)
class TaskCandidate(StoredRow):
    """A person or a group that may claim a user task, for lists by name."""

    user_task_key: int
    kind: CandidateKind
    name: str
    process_instance_key: int
    standing: Changing[int] = 0  # STANDS, ENDED or REMOVED


@stored("task_events", is_history=True)
class TaskEvent(StoredRow):
    """A step in the history of a user task: who did what, and which values changed.

    The creation and the end of a task are seen in its own row; they have an event only if somebody is known to have done it.
    """

    key: int
    process_instance_key: int
    user_task_key: int
    operation: TaskOperation
    action: str  # a free text of the caller
    user: str  # empty if unknown
    changes: str  # JSON object: [old, new] by attribute
    at_ms: int
    refusal: str = ""  # why a task listener has denied it, as its caller was told; empty if it took effect
    channel: Channel = Channel.UNKNOWN


@stored("task_comments", is_history=True)
class TaskComment(StoredRow):
    """A person's comment on a user task."""

    key: int
    process_instance_key: int
    user_task_key: int
    user: str
    text: str
    at_ms: int


@stored("task_drafts", primary_key=("user_task_key", "user"), is_history=True)
class TaskDraft(StoredRow):
    """A person's unfinished input to a user task. It is private to both, and never a process variable."""

    user_task_key: int
    user: str
    process_instance_key: int
    content: Changing[str]  # JSON object; empty when it was discarded
    saved_ms: Changing[int] = 0


NO_TIME_MS = INT64_MAX  #: the end of a snooze that has no time


@stored("task_snoozes", primary_key=("user", "user_task_key"), is_history=True)
class TaskSnooze(StoredRow):
    """A person's wish to have a user task out of their own lists for a while. Nobody else notices it, and the task itself does not change.

    It ends by itself: at its time, or with the first step, comment or proposal of the task whose key is above *since_key*.
    """

    user: str
    user_task_key: int
    process_instance_key: int
    until_ms: Changing[int]  # when the task comes back; 0 if it has been called back
    until_change: Changing[int] = 0  # 1: it comes back when somebody changes it
    since_key: Changing[int] = 0  # a key that was given out when the person snoozed it
    at_ms: Changing[int] = 0


class ProposalState(StrEnum):
    """The states of a proposal."""

    OPEN = "OPEN"
    ACCEPTED = "ACCEPTED"  # the task was completed with its values
    EDITED = "EDITED"  # a person took its values over and works on them
    ANSWERED = "ANSWERED"  # a person wrote back
    IGNORED = "IGNORED"


@stored("task_proposals", is_history=True)
class TaskProposal(StoredRow):
    """Values that a worker, an agent or a person proposes for a user task. They are no process variables before somebody accepts them."""

    key: int
    process_instance_key: int
    user_task_key: int
    user: str  # who proposes
    variables: str  # JSON object
    outcome: str  # a word for the decision; empty for none
    text: str  # why
    at_ms: int
    state: Changing[ProposalState] = ProposalState.OPEN
    answered_by: Changing[str] = ""
    answered_ms: Changing[int] = 0
    answer: Changing[str] = ""


@stored("saved_task_filters", primary_key=("user", "name"))
class SavedTaskFilter(StoredRow):
    """A person's own question to the task list, under a name of theirs."""

    user: str
    name: str
    query: Changing[str]  # in the query language of task lists; empty when it was deleted
    saved_ms: Changing[int] = 0


@stored("global_task_listeners")
class GlobalTaskListener(StoredRow):
    """A task listener of all native user tasks, kept by the broker."""

    key: int
    id: str
    type: Changing[str]  # of its jobs
    event_types: Changing[str] = "[]"  # JSON array of creating, assigning, updating, completing, canceling
    retries: Changing[int] = 3
    after_model: Changing[int] = 0  # 1: it works after the listeners of the model; 0: before them
    priority: Changing[int] = 50  # the higher works first
    created_ms: int = 0
    deleted_ms: Changing[int] = 0
