"""One task as a person sees it: its variables and form with what was typed so far, its history, its comments."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from osmia_broker.base.errors import NotFound
from osmia_broker.http.document_references import CAMUNDA, TYPE
from osmia_broker.http.web.task_list import seen, suspended_instances
from osmia_broker.http.web.visit import Visit
from osmia_broker.state.rows.tasks import Channel, ProposalState, TaskProposal
from osmia_broker.store.read.deployed import files
from osmia_broker.store.read.entities.variables import EFFECTIVE_VARIABLES, SCOPES, WHOLE_EFFECTIVE_VARIABLES
from osmia_broker.store.read.search.entity import Item
from osmia_broker.store.read.search.search import Found, Search, search
from osmia_broker.store.read.search.values import moment
from osmia_broker.store.read.sql import dialect
from osmia_broker.store.read.tasks import task_views, user_task_notes
from osmia_broker.store.read.tasks.task_proposals import Held, held_completion, last_refusal, proposals_for

VARIABLES_SHOWN = 200  # at once; with more, the person looks for one by name
FOLDED_CHARACTERS = 2_000  # a longer value is folded
DIRECTED_CHARACTERS = 50_000  # of a longer value, a browser would look for half a minute which way it is written
FORM_VARIABLES_MAX = 1_000  # that a form may show
_OPERATIONS = {"CREATE": "Created", "UPDATE": "Updated", "COMPLETE": "Completed", "CANCEL": "Canceled"}
_ACTIONS = {
    "propose": "Proposed values",
    "accept proposal": "Accepted a proposal",
    "edit proposal": "Took over a proposal",
    "answer proposal": "Answered a proposal",
    "ignore proposal": "Ignored a proposal",
    "undo": "Took the last step back",
}
_CHANNELS: dict[str, str] = {
    Channel.PAGE: "on the page",
    Channel.REST: "over REST",
    Channel.GRPC: "over gRPC",
    Channel.CLI: "with the command line",
    Channel.MCP: "over MCP",
    Channel.RULE: "by the process",
}
_DENIED = {"COMPLETE": "Completion denied", "UPDATE": "Update denied"}  #: words for a step that a task listener denied
_ATTRIBUTES = {
    "assignee": "Assignee",
    "candidateGroups": "Candidate groups",
    "candidateUsers": "Candidate users",
    "dueDate": "Due date",
    "followUpDate": "Follow-up date",
    "priority": "Priority",
}
HOLDS = "osmia_hold"  #: the cookie of a person who wants their completions held
TABS = {"task": "Task", "process": "Process", "history": "History"}


class Draft(msgspec.Struct, frozen=True):
    """The input that a person has typed and not sent yet."""

    values: dict[str, str] = {}  # changed texts by name of the variable
    added: list[tuple[str, str]] = []  # names and texts of new variables
    form: dict[str, Any] = {}  # values of the form

    @property
    def is_empty(self) -> bool:
        """Whether nothing was typed."""
        return not (self.values or self.added or self.form)


class FileMetadata(msgspec.Struct, rename="camel"):
    """The description of a document in its reference."""

    file_name: str | None = None


class File(msgspec.Struct, rename="camel", tag_field=TYPE, tag=CAMUNDA):
    """A reference to a document, as it stands in a variable."""

    document_id: str
    metadata: FileMetadata | None = None

    @property
    def name(self) -> str:
        """The name of the document for people."""
        return (self.metadata.file_name if self.metadata else None) or self.document_id


@dataclass(slots=True)
class Row:
    """A variable in the editor."""

    name: str
    text: str  # what the field shows
    was: str  # a digest of the value that it had when it was shown
    is_cut: bool = False  # only the beginning of the value is shown
    problem: str = ""
    is_changed: bool = False  # the text is not the value any more
    files: list["File"] = field(default_factory=list)  # that the value refers to

    @property
    def is_long(self) -> bool:
        """Whether the value is folded."""
        return len(self.text) > FOLDED_CHARACTERS

    @property
    def is_huge(self) -> bool:
        """Whether the value is shown from left to right without a look at its words."""
        return len(self.text) > DIRECTED_CHARACTERS


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the history."""

    words: str
    user: str
    at: str
    changed: tuple[str, ...] = ()
    channel: str = ""  # words for where it came from; empty if unknown


@dataclass(frozen=True, slots=True)
class Difference:
    """A proposed value beside the value that the task has."""

    name: str
    now: str  # empty if there is none
    proposed: str

    @property
    def kind(self) -> str:
        """The effect on the variable of accepting it."""
        return "new" if not self.now else "same" if self.now == self.proposed else "changed"


@dataclass(frozen=True, slots=True)
class ProposalView:
    """A proposal as the difference that it would make."""

    row: TaskProposal
    differences: list[Difference]

    @property
    def is_open(self) -> bool:
        """Whether nobody has answered it."""
        return self.row.state == ProposalState.OPEN


@dataclass(slots=True)
class TaskView:
    """All that the screen of one task shows."""

    item: Item
    tab: str
    rows: list[Row] = field(default_factory=list)
    added: list[tuple[str, str, str]] = field(default_factory=list)  # name, text, problem
    variables_total: int = 0
    looked_for: str = ""
    has_form: bool = False
    form_schema: Any = None
    form_values: dict[str, Any] = field(default_factory=dict)
    missing_form: str = ""  # the id of a form that is not there
    form_link: str = ""  # an address of a form that is kept elsewhere
    has_draft: bool = False
    is_typed: bool = False  # the fields show what was typed rather than what is there
    comments: list[user_task_notes.Comment] = field(default_factory=list)
    history: list[Entry] = field(default_factory=list)
    completed_by: str = ""
    proposals: list[ProposalView] = field(default_factory=list)  # the open ones first, then the newest
    held: Held | None = None  # the completion that the broker holds
    refusal: str = ""  # why the last step that the person wanted was denied
    holds: bool = False  # whether the person had their last completion held
    unsent: str = ""  # what was typed and can be sent no more

    @property
    def tokens(self) -> list[Item]:
        """The tokens that the diagram shows at the element of the task."""
        is_open, state = self.item["is_open"], self.item["state"]
        counts = {"active": int(is_open), "incident": 0, "completed": int(state == "COMPLETED"), "canceled": 0}
        return [{"elementId": self.item["elementId"], **counts, "canceled": int(state == "CANCELED")}]

    @property
    def is_editable(self) -> bool:
        """Whether the person may change variables: the task is open and theirs."""
        return bool(self.item["is_open"] and self.item["is_mine"] and self.held is None)


async def read_task(visit: Visit, key: int, *, typed: Draft | None = None) -> TaskView:
    """Read a task. *typed* is what the person has just sent, which is shown instead of their draft.

    Raises:
        NotFound: there is no task with this key.
        Forbidden: the person may not read it.

    """
    snoozed = {one.user_task_key: one for one in await visit.lists.snoozed()}
    item = await visit.tasks.item(key)
    item = seen(visit, item, snoozed, await suspended_instances(visit, [item]))
    tab = visit.asked("tab")
    view = TaskView(item, tab if tab in TABS else "task", looked_for=visit.asked("named"))
    draft = typed
    if draft is None and view.is_editable:
        draft = await read_draft(visit, key)
        view.has_draft = not draft.is_empty
    draft = draft or Draft()
    view.is_typed = view.is_editable and not draft.is_empty
    await _add_form(visit, view, draft)
    await _add_variables(visit, view, draft)
    await _add_decisions(visit, view)
    view.comments = (await user_task_notes.comments_of(visit.reader, key)).items
    if not item["is_open"] or view.tab == "history":
        view.history = await _history(visit, item)
        view.completed_by = next((one.user for one in view.history if one.words == "Completed"), "")
    if typed is not None and not view.is_editable and not typed.is_empty:
        view.unsent = msgspec.json.format(msgspec.json.encode(_as_one(typed)), indent=2).decode()
    return view


async def _add_decisions(visit: Visit, view: TaskView) -> None:
    """Add what the person may decide: the proposals, and the completion that is held."""
    item, key = view.item, int(view.item["userTaskKey"])
    view.holds = visit.request.cookies.get(HOLDS) == "yes"
    if item["state"] == "COMPLETING":
        view.held = await held_completion(visit.reader, int(item["processInstanceKey"]), key)
    if item["is_open"]:
        view.refusal = await last_refusal(visit.reader, key, visit.person.user)
    rows = await proposals_for(visit.reader, key)
    names = sorted({name for row in rows for name in proposed_values(row)})
    if not rows:
        return
    found = await effective(visit, key, {"name": {"$in": names}}, limit=FORM_VARIABLES_MAX, whole=True)
    now = {one["name"]: one["value"] for one in found.items} if names else {}
    made = [
        ProposalView(row, [Difference(name, now.get(name, ""), text) for name, text in proposed_values(row).items()])
        for row in reversed(rows)
    ]
    view.proposals = sorted(made, key=lambda one: not one.is_open)


def proposed_values(row: TaskProposal) -> dict[str, str]:
    """Return the proposed values as JSON texts by name."""
    values = msgspec.json.decode(row.variables, type=dict[str, msgspec.Raw])
    return {name: bytes(value).decode() for name, value in values.items()}


def _as_one(typed: Draft) -> dict[str, Any]:
    return typed.form | typed.values | dict(typed.added)


async def read_draft(visit: Visit, key: int) -> Draft:
    """Read what the person has typed for a task and not sent; one that another client wrote in its own way is empty."""
    text = await user_task_notes.draft_of(visit.reader, key, visit.person.user)
    try:
        return msgspec.json.decode(text, type=Draft) if text else Draft()
    except msgspec.MsgspecError:
        return Draft()


# --- variables


def digest(text: str) -> str:
    """Return a short digest of a value, by which a change is noticed."""
    return hashlib.blake2s(text.replace("\r\n", "\n").encode(errors="replace"), digest_size=8).hexdigest()


async def effective(visit: Visit, key: int, filter: dict[str, Any], *, limit: int, whole: bool = False) -> Found:
    """Search the variables that a task sees."""
    scopes = await task_views.scopes_seen(visit.reader, key)
    asked = Search(filter, [{"field": "name"}], {"limit": limit})
    entity = WHOLE_EFFECTIVE_VARIABLES if whole else EFFECTIVE_VARIABLES
    return await search(visit.reader, entity, asked, given={SCOPES: dialect.array(scopes)})


async def whole_value(visit: Visit, key: int, name: str) -> str:
    """Return the whole value of a variable that a task sees.

    Raises:
        NotFound: it sees none with this name.
        Forbidden: the person may not read the task.

    """
    await visit.tasks.require(key, "read the variables of")
    found = await effective(visit, key, {"name": name}, limit=1, whole=True)
    if not found.items:
        raise NotFound(f"Expected the task with key '{key}' to see a variable '{name}', but found none")
    return str(found.items[0]["value"])


async def _add_variables(visit: Visit, view: TaskView, draft: Draft) -> None:
    key = int(view.item["userTaskKey"])
    filter = {"name": {"$contains": view.looked_for}} if view.looked_for else {}
    found = await effective(visit, key, filter, limit=VARIABLES_SHOWN)
    view.variables_total = found.total
    whole = visit.asked("whole")
    for one in found.items:
        name: str = one["name"]
        value: str = one["value"]
        is_cut = one["isTruncated"]
        if is_cut and name == whole:
            value, is_cut = await whole_value(visit, key, name), False
        text = draft.values.get(name, value)
        is_typed = name in draft.values
        row = Row(name, text, digest(value), is_cut=is_cut and not is_typed, is_changed=is_typed)
        row.files = files_in(value)
        view.rows.append(row)
    view.added = [(name, text, "") for name, text in draft.added]
    shown = {row.name for row in view.rows}
    view.added += [(name, text, "") for name, text in draft.values.items() if name not in shown]


# --- documents


def files_in(value: str) -> list[File]:
    """Return the documents that a value refers to: it is a reference, or a list of them."""
    if TYPE not in value:
        return []
    try:
        found = msgspec.json.decode(value, type=list[File] | File)
    except msgspec.MsgspecError:  # of another form, or only the beginning of a long value
        return []
    return found if isinstance(found, list) else [found]


async def refers_to(visit: Visit, key: int, id: str) -> bool:
    """Whether a variable that a task sees refers to the document *id*, in a list or in an object too: a form may show what is in there."""
    variables = await effective(visit, key, {}, limit=FORM_VARIABLES_MAX, whole=True)
    return any(_holds(variable["value"], id) for variable in variables.items)


def _holds(text: str, id: str) -> bool:
    """Whether a reference to the document *id* is anywhere in a JSON text."""
    if TYPE not in text or id not in text:
        return False
    left = [msgspec.json.decode(text)]
    while left:
        value = left.pop()
        if isinstance(value, list):
            left += value
        elif isinstance(value, dict):
            if value.get(TYPE) == CAMUNDA and value.get("documentId") == id:
                return True
            left += value.values()
    return False


# --- the form


async def _add_form(visit: Visit, view: TaskView, draft: Draft) -> None:
    item = view.item
    form = await files.form_of_task(visit.reader, int(item["userTaskKey"]))
    external = item["externalFormReference"] or ""
    if form is None and external.startswith(("http://", "https://")):
        view.form_link = external
        return
    view.form_schema = None if form is None else _schema_of(form["schema"])
    if view.form_schema is None:
        view.missing_form = external or (item["formKey"] or "")
        return
    view.has_form = True
    variables = await effective(visit, int(item["userTaskKey"]), {}, limit=FORM_VARIABLES_MAX, whole=True)
    values = {one["name"]: msgspec.json.decode(one["value"]) for one in variables.items}
    view.form_values = values | draft.form


def _schema_of(text: str) -> dict[str, Any] | None:
    """Read a form; None if it is no form of form-js."""
    try:
        found = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError:
        return None
    return found if isinstance(found.get("components"), list) else None


# --- history


async def _history(visit: Visit, item: Item) -> list[Entry]:
    """Return the history, newest first, with the creation and the end of the task, whoever did them."""
    steps = await user_task_notes.steps_of(visit.reader, int(item["userTaskKey"]))
    entries = [
        Entry(
            _words(step),
            step.user,
            moment(step.at_ms) or "",
            tuple(_changes(step)),
            _CHANNELS.get(step.channel, ""),
        )
        for step in steps
    ]
    done = {step.operation for step in steps if not step.refusal}
    if not item["is_open"] and not done & {"COMPLETE", "CANCEL"}:
        words = "Completed" if item["state"] == "COMPLETED" else "Canceled"
        entries.insert(0, Entry(words, "", item["completionDate"] or item["creationDate"]))
    if "CREATE" not in done:
        entries.append(Entry("Created", "", item["creationDate"], channel=_CHANNELS[Channel.RULE]))
    return entries


def _words(step: user_task_notes.Step) -> str:
    """Say what was done, or was wanted and denied."""
    if step.refusal:
        return _DENIED.get(step.operation, "Assignment denied")
    assignee = step.changes.get("assignee", ("", ""))[1]
    if step.action in _ACTIONS:
        return _ACTIONS[step.action]
    if step.operation == "ASSIGN" and step.action == "claim":
        return "Claimed"
    if step.operation == "ASSIGN":
        return f"Assigned to {assignee}" if assignee else "Assigned"
    if step.operation == "UNASSIGN":
        return "Handed back" if step.action == "hand back" else "Unclaimed"
    return _OPERATIONS.get(step.operation, step.operation.capitalize())


def _changes(step: user_task_notes.Step) -> Iterator[str]:
    for name, (old, new) in step.changes.items():
        if name != "assignee" or step.refusal:
            yield f"{_ATTRIBUTES.get(name, name)}: {_shown(old)} → {_shown(new)}"
    if step.refusal:
        yield step.refusal


def _shown(value: Any) -> str:
    text = ", ".join(value) if isinstance(value, list) else str(value)
    return text or "none"
