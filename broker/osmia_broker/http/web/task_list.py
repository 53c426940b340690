"""The task list as a person sees it: what the address asks for, the tasks of one page, and why each is in the list."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.calls.tasks.own_lists import SavedFilter
from osmia_broker.http.web.refusals import in_words
from osmia_broker.http.web.rendering import moment
from osmia_broker.http.web.visit import PAGE_ITEMS, Visit, address_of
from osmia_broker.store.read.entities import USER_TASKS
from osmia_broker.store.read.instances.suspended_instances import suspended_of
from osmia_broker.store.read.search.entity import Item
from osmia_broker.store.read.tasks import task_query
from osmia_broker.store.read.tasks.task_query import TaskQuery
from osmia_broker.store.read.tasks.task_snoozes import Snooze
from osmia_broker.store.read.tasks.task_terms import quoted

FILTERS = {
    "open": "All open",
    "mine": "Assigned to me",
    "unassigned": "Unassigned",
    "completed": "Completed",
    "snoozed": "Snoozed",
}
SORTS = {"newest": "Newest", "oldest": "Oldest", "due": "Due date", "priority": "Priority"}
#: Filters that have a field of their own beside the search, and the term of the query language that each stands for.
MORE = ("process", "group", "due", "priority", "variable")
DUE = {"": "Any", "overdue": "Overdue", "today": "Today", "<7d": "Within 7 days", "none": "No due date"}
COUNTED_MAX = 10  # saved filters whose tasks are counted
KEPT = ("filter", "sort", "q", *MORE, "after")  # parameters that links of the list carry on


@dataclass(slots=True)
class TaskList:
    """A page of tasks, and the question that it answers."""

    view: str
    sort: str
    q: str
    more: dict[str, str]
    page: dict[str, str] = field(default_factory=dict)  # the cursor of this page
    problem: str = ""  # why the question cannot be read
    items: list[Item] = field(default_factory=list)
    total: int = 0
    is_more: bool = False  # than *total*
    end: str = ""  # the cursor of the next page
    wakes_ms: int = 0  # how long it is until the next snoozed task comes back; 0 if none does by itself

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of the address that ask this question, without the page."""
        given = {
            "filter": "" if self.view == "open" else self.view,
            "sort": "" if self.sort == "newest" else self.sort,
            "q": self.q,
            **self.more,
        }
        return {name: value for name, value in given.items() if value}

    @property
    def query(self) -> str:
        """The query string of this page."""
        return urlencode(self.parameters | self.page)

    def address(self, path: str = "/tasks", **page: str) -> str:
        """Return the address of this question at *path*; *page* names another page than this one."""
        text = urlencode(self.parameters | page if page else self.parameters | self.page)
        return f"{path}?{text}" if text else path

    @property
    def first(self) -> str:
        """The address of the first page."""
        text = urlencode(self.parameters)
        return f"/tasks?{text}" if text else "/tasks"

    @property
    def next(self) -> str:
        """The address of the next page; empty if this page is not full."""
        return self.address(after=self.end) if self.end else ""

    @property
    def is_narrowed(self) -> bool:
        """Whether the question asks for less than one of the views."""
        return bool(self.q or any(self.more.values()))

    @property
    def text(self) -> str:
        """The whole question in the query language."""
        terms = [f"is:{self.view}"] if self.view != "open" else []
        terms += [f"sort:{self.sort}"] if self.sort != "newest" else []
        return " ".join([*terms, *terms_of_more(self.more), *([self.q] if self.q else [])])


def terms_of_more(more: dict[str, str]) -> list[str]:
    """Write the fields beside the search as terms of the query language."""
    terms = [f"{name}:{quoted(more[name])}" for name in ("process", "group", "due", "priority") if more.get(name)]
    name, mark, value = more.get("variable", "").partition("=")
    if mark:
        terms.append(f"{name.strip()}={quoted(value.strip())}")
    elif name:
        raise InvalidArgument(f"Expected 'Variable' to be name=value, but found '{name[:100]}'")
    return terms


async def read_query(visit: Visit, asked: dict[str, str]) -> tuple[TaskList, TaskQuery | None]:
    """Read the question of an address; None if it cannot be read, which the list then says."""
    more = {name: asked.get(name, "").strip() for name in MORE}
    listed = TaskList(
        view=asked.get("filter", "") if asked.get("filter", "") in FILTERS else "open",
        sort=asked.get("sort", "") if asked.get("sort", "") in SORTS else "newest",
        q=asked.get("q", "").strip(),
        more=more,
    )
    try:
        text = " ".join([*terms_of_more(more), listed.q])
        query = await visit.lists.read(text, view=listed.view, order=listed.sort)
        own = query
        if text != listed.q:  # the fields beside the search are no part of what stands in it
            own = await visit.lists.read(listed.q, view=listed.view, order=listed.sort)
    except InvalidArgument as fault:
        listed.problem = in_words(str(fault))
        return listed, None
    listed.view, listed.sort, listed.q = query.view, query.order, own.text
    return listed, query


@dataclass(frozen=True, slots=True)
class SavedView:
    """A saved filter with the number of tasks that pass it."""

    name: str
    address: str
    query: str
    count: str  # empty if it was not counted, or cannot be read any more


async def saved_views(visit: Visit) -> list[SavedView]:
    """Return the filters that the person has saved; the first ones with their counts."""
    return [
        SavedView(one.name, address_of("/tasks", q=one.query), one.query, _count(one) if place < COUNTED_MAX else "")
        for place, one in enumerate(await visit.lists.saved(counted_max=COUNTED_MAX))
    ]


def _count(saved: SavedFilter) -> str:
    return "" if saved.problem else f"{saved.total:,}{'+' if saved.has_more_total else ''}"


async def read_list(visit: Visit) -> TaskList:
    """Read the page of tasks that the address asks for."""
    asked = {name: visit.asked(name) for name in KEPT}
    listed, query = await read_query(visit, asked)
    if query is None:
        return listed
    listed.page = {"after": asked["after"]} if asked["after"] else {}
    try:
        found = await visit.search(
            USER_TASKS, query.filter, sort=task_query.order_of(query), limit=PAGE_ITEMS, **listed.page
        )
    except InvalidArgument as fault:
        listed.problem = in_words(str(fault))
        return listed
    snoozed = {one.user_task_key: one for one in await visit.lists.snoozed()}
    suspended = await suspended_instances(visit, found.items)
    listed.items = [seen(visit, item, snoozed, suspended) for item in found.items]
    listed.wakes_ms = min((one.until_ms - visit.now_ms for one in snoozed.values() if one.until_ms), default=0)
    listed.total, listed.is_more = found.total, found.has_more_total
    listed.end = found.next
    return listed


# --- one task


async def suspended_instances(visit: Visit, items: Iterable[Item]) -> set[int]:
    """Return the suspended ones of the instances of open tasks."""
    keys = {int(item["processInstanceKey"]) for item in items if is_open(item)}
    return await suspended_of(visit.reader, sorted(keys)) if keys else set()


def seen(visit: Visit, item: Item, snoozed: Mapping[int, Snooze], suspended: Container[int]) -> Item:
    """Add to a task what a person wants to know at a glance. *snoozed* has what they have snoozed, *suspended* the suspended instances."""
    due_ms = _ms(item["dueDate"])
    return item | {
        "title": item["name"] or item["elementId"],
        "process": item["processName"] or item["processDefinitionId"] or "",
        "is_open": is_open(item),
        "is_mine": item["assignee"] == visit.person.user,
        "is_suspended": is_open(item) and int(item["processInstanceKey"]) in suspended,
        "is_overdue": is_open(item) and due_ms is not None and due_ms < visit.now_ms,
        "why": why(visit, item),
        "snooze": snoozed.get(int(item["userTaskKey"])),
    }


def is_open(item: Item) -> bool:
    """Whether a task has not ended."""
    return item["state"] not in ("COMPLETED", "CANCELED", "FAILED")


def why(visit: Visit, item: Item) -> str:
    """Say why a task is in the person's list; empty if it has nothing to do with them."""
    if not is_open(item):
        return ""
    person = visit.person
    if item["assignee"] == person.user:
        return "Assigned to you"
    if person.user in item["candidateUsers"]:
        return "You are a candidate"
    groups = [name for name in person.groups if name in item["candidateGroups"]]
    return f"Your group {groups[0]}" if groups else ""


def _ms(text: str | None) -> float | None:
    return None if text is None else moment(text).timestamp() * 1000
