"""The actions of a person on several tasks at once. Each is done for itself; the answer gives the outcome for each, and sums it up."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.responses import Response

from osmia_broker.base.counted import counted
from osmia_broker.calls.tasks.many import TASKS_MAX, Doing, Outcome, do_with_many
from osmia_broker.http.web.numbers import numbers_in
from osmia_broker.http.web.refusals import in_words
from osmia_broker.http.web.screen import action, screen
from osmia_broker.http.web.screens.tasks import tasks_page
from osmia_broker.http.web.task_list import read_list
from osmia_broker.http.web.visit import Visit

NAMED_MAX = 3  # tasks that are named for each reason
DONE = {"claim": "Claimed", "unclaim": "Unclaimed", "assign": "Assigned", "complete": "Completed"}


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome for one task."""

    key: int
    title: str
    is_done: bool
    text: str  # what was done, or why not


@action("/tasks/selected")
async def do_with_selected(visit: Visit) -> Response:
    """Claim, unclaim, assign or complete the tasks that are selected."""
    what, user = await visit.field("do"), (await visit.field("user")).strip()
    keys = numbers_in(await visit.fields("key"))
    back = visit.with_query()
    if what not in DONE or not keys:
        return visit.go(back, alert="Nothing was done, because no task was selected.")
    if what == "assign" and not user:
        return visit.go(back, alert="Nobody was assigned, because no user name was given.")
    if len(keys) > TASKS_MAX:
        return visit.go(back, alert=f"Expected at most {TASKS_MAX} tasks at once, but found {len(keys)}.")
    tasks = visit.calls.user_tasks
    assignee = user if what == "assign" else ""
    outcomes = await do_with_many(
        tasks, visit.reader, keys, Doing(what.upper()), caller=visit.caller, assignee=assignee
    )
    results = _results(outcomes, f"{DONE[what]} to {user}" if assignee else DONE[what])
    refused = [(one.title, one.text) for one in results if not one.is_done]
    done = f"{DONE[what]} {len(keys) - len(refused):,} of {counted(len(keys), 'task')}."
    said = (
        {"alert": f"{done} {_reasons(refused)}"} if refused else {"done": f"{DONE[what]} {counted(len(keys), 'task')}."}
    )
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
    return visit.go(visit.with_query())


def _results(outcomes: Iterable[Outcome], done: str) -> list[Result]:
    return [
        Result(one.key, one.name or str(one.key), one.is_done, in_words(one.reason).rstrip(".") if one.reason else done)
        for one in outcomes
    ]


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
