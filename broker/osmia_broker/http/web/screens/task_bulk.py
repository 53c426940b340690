"""What a person does with several tasks at once. Each is done for itself; the answer says what became of each, and sums it up."""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.responses import Response

from osmia_broker.errors import Forbidden, InvalidArgument, InvalidState, NotFound, OsmiaError
from osmia_broker.http.web.numbers import numbers_in
from osmia_broker.http.web.screen import action, screen
from osmia_broker.http.web.screens.tasks import tasks_page
from osmia_broker.http.web.task_list import is_open, read_list
from osmia_broker.http.web.visit import Visit
from osmia_broker.store.read import files

SELECTED_MAX = 500
NAMED_MAX = 3  # tasks that are named for each reason
DONE = {"claim": "Claimed", "unclaim": "Unclaimed", "assign": "Assigned", "complete": "Completed"}


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one task."""

    key: int
    title: str
    is_done: bool
    text: str  # what was done, or why not


@action("/tasks/selected")
async def do_with_selected(visit: Visit) -> Response:
    """Claim, unclaim, assign or complete the tasks that are selected."""
    what, user = await visit.field("do"), (await visit.field("user")).strip()
    keys = numbers_in(await visit.fields("key"))
    query = visit.request.url.query
    back = f"/tasks?{query}" if query else "/tasks"
    if what not in DONE or not keys:
        return visit.go(back, alert="Nothing was done, because no task was selected.")
    if what == "assign" and not user:
        return visit.go(back, alert="Nobody was assigned, because no user name was given.")
    if len(keys) > SELECTED_MAX:
        return visit.go(back, alert=f"Expected at most {SELECTED_MAX} tasks at once, but found {len(keys)}.")
    results = await _Doing(visit, what, user).all(keys)
    refused = [(one.title, one.text) for one in results if not one.is_done]
    done = f"{DONE[what]} {len(keys) - len(refused)} of {len(keys)} tasks."
    said = {"alert": f"{done} {_reasons(refused)}"} if refused else {"done": _done(what, len(keys))}
    return await _list_with(visit, results, said, back)


async def _list_with(visit: Visit, results: list[Result], said: dict[str, str], address: str) -> Response:
    """Answer with the list as it is now, and what became of each task."""
    by_key = {str(one.key): one for one in results}
    listed = await read_list(visit)
    response = await tasks_page(visit, listed, results=by_key, **said)
    response.headers["hx-push-url"] = address  # a reload, and each live update, shows the list
    return response


@screen("/tasks/selected")
async def show_list_again(visit: Visit) -> Response:
    """Lead back to the list."""
    query = visit.request.url.query
    return visit.go(f"/tasks?{query}" if query else "/tasks")


def _done(what: str, count: int) -> str:
    return f"{DONE[what]} {count} {'task' if count == 1 else 'tasks'}."


def _reasons(refused: list[tuple[str, str]]) -> str:
    """Write the reasons, each once, with some of the tasks that it holds for."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for title, reason in refused:
        by_reason[reason].append(title)
    return " ".join(f"Not done: {_some(titles)}: {reason}." for reason, titles in by_reason.items())


def _some(titles: list[str]) -> str:
    names = ", ".join(f"“{title[:60]}”" for title in titles[:NAMED_MAX])
    more = len(titles) - NAMED_MAX
    return f"{names} and {more} more" if more > 0 else names


class _Doing:
    """One thing, done with many tasks."""

    def __init__(self, visit: Visit, what: str, user: str) -> None:
        self._visit = visit
        self._tasks = visit.calls.user_tasks
        ways: dict[str, Callable[[int], Awaitable[None]]] = {
            "claim": lambda key: self._tasks.claim(key, caller=visit.caller),
            "unclaim": self._unclaim,
            "assign": lambda key: self._tasks.assign(key, user, caller=visit.caller),
            "complete": self._complete,
        }
        self._way = ways[what]
        self._done = f"{DONE[what]} to {user}" if what == "assign" else DONE[what]

    async def all(self, keys: list[int]) -> list[Result]:
        """Do it with all, one after the other; return what became of each."""
        return [await self._one(key) for key in keys]

    async def _one(self, key: int) -> Result:
        try:
            await self._way(key)
        except OsmiaError as error:
            title, reason = await self._why_not(key, error)
            return Result(key, title, False, reason)
        return Result(key, await self._title(key), True, self._done)

    async def _title(self, key: int) -> str:
        try:
            item = await self._visit.tasks.item(key)
        except (NotFound, Forbidden):  # since it was assigned to somebody else, say
            return str(key)
        return str(item["name"] or item["elementId"])

    async def _unclaim(self, key: int) -> None:
        item = await self._visit.tasks.item(key)
        if is_open(item) and item["assignee"] != self._visit.person.user:
            raise InvalidArgument(f"it is assigned to {item['assignee']}" if item["assignee"] else "it is not assigned")
        await self._tasks.unassign(key, caller=self._visit.caller)

    async def _complete(self, key: int) -> None:
        item = await self._visit.tasks.item(key)
        if is_open(item) and item["assignee"] != self._visit.person.user:
            raise InvalidArgument("it is not yours")
        if await files.form_of_task(self._visit.reader, key) is not None:
            raise InvalidArgument("it has a form to fill in")
        await self._tasks.complete(key, caller=self._visit.caller)

    async def _why_not(self, key: int, error: OsmiaError) -> tuple[str, str]:
        try:
            item = await self._visit.tasks.item(key)
        except NotFound:
            return str(key), "it does not exist"
        except Forbidden:
            return str(key), "it is not for you to see"
        title = item["name"] or item["elementId"]
        if not is_open(item):
            return title, f"it is {item['state'].lower()}"
        if isinstance(error, InvalidState) and item["assignee"]:
            return title, f"already claimed by {item['assignee']}"
        return title, str(error).rstrip(".")
