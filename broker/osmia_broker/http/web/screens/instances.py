"""The list of process instances: filters, what can be done to the chosen ones, and the export of all that were filtered."""

from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.responses import Response

from osmia_broker.base.counted import counted
from osmia_broker.base.errors import InvalidArgument, NotFound, OsmiaError
from osmia_broker.http.web.choices import told_apart
from osmia_broker.http.web.exports import csv_file, csv_lines
from osmia_broker.http.web.instance_filter import STATES, InstanceFilter, filter_of
from osmia_broker.http.web.numbers import numbers_in
from osmia_broker.http.web.resolving import failed_again, resolve
from osmia_broker.http.web.screen import action, screen
from osmia_broker.http.web.states import state_of
from osmia_broker.http.web.visit import Visit
from osmia_broker.store.read.entities import INCIDENTS, PROCESS_INSTANCES
from osmia_broker.store.read.instances import incident_groups
from osmia_broker.store.read.search.entity import Item
from osmia_broker.store.read.search.search import Found

NEWEST = ("-startDate",)
EXPORTED_AT_ONCE = 1_000
CHOSEN_MAX = 1_000  # rows that one action takes
REASONS_SHOWN = 3
NOTHING = Found([], 0, has_more_total=False, start=None, end=None, goes_on=False)
COLUMNS = (
    ("key", "processInstanceKey"),
    ("process", "processDefinitionId"),
    ("process name", "processDefinitionName"),
    ("version", "processDefinitionVersion"),
    ("state", ""),
    ("started", "startDate"),
    ("ended", "endDate"),
    ("parent", "parentProcessInstanceKey"),
    ("business id", "businessId"),
)


@screen("/instances")
async def list_instances(visit: Visit) -> Response:
    """Show a page of the process instances that pass the filter, newest first."""
    wanted = await filter_of(visit)
    found = NOTHING
    if not wanted.problem:
        found = await visit.search(
            PROCESS_INSTANCES, wanted.conditions, sort=NEWEST, after=visit.asked("after"), before=visit.asked("before")
        )
    is_paged = bool(visit.asked("after") or visit.asked("before"))
    return await visit.page(
        "instances.html",
        wanted=wanted,
        found=found,
        states=STATES,
        state_of=state_of,
        processes=told_apart((one.id, one.name) for one in await incident_groups.processes(visit.reader)),
        next=wanted.address("/instances", after=found.end) if visit.asked("before") or found.goes_on else "",
        previous=wanted.address("/instances", before=found.start) if is_paged and found.items else "",
        first=wanted.address("/instances") if is_paged else "",
    )


# --- what can be done to the chosen ones


@action("/instances/cancel")
async def cancel_chosen(visit: Visit) -> Response:
    """Cancel the chosen instances, and say how many did and did not end."""
    return await _each(visit, "canceled", visit.calls.cancel_instance)


@action("/instances/retry")
async def retry_chosen(visit: Visit) -> Response:
    """Resolve the incidents of the chosen instances; a job among their causes gets a try."""

    async def retry(key: int) -> None:
        wanted = {"processInstanceKey": str(key), "state": "ACTIVE"}
        found = await visit.search(INCIDENTS, wanted, sort=("incidentKey",), limit=CHOSEN_MAX)
        if not found.items:
            raise NotFound("it has no open incident")
        again = await resolve(visit, [int(one["incidentKey"]) for one in found.items])
        if again:
            raise InvalidArgument(failed_again(again))

    return await _each(visit, "retried", retry)


async def _each(visit: Visit, done: str, act: Callable[[int], Awaitable[object]]) -> Response:
    keys = numbers_in(await visit.fields("key"))
    back = _list_of(visit)
    if not keys:
        return visit.go(back, alert="No instance was chosen. Choose at least one row first.")
    if len(keys) > CHOSEN_MAX:
        return visit.go(back, alert=f"At most {CHOSEN_MAX} rows can be chosen, but found {len(keys)}.")
    refused: list[str] = []
    for key in keys:
        try:
            await act(key)
        except OsmiaError as error:
            refused.append(f"{key}: {_reason(error)}")
    number = len(keys) - len(refused)
    text = f"{number:,} of {counted(len(keys), 'instance')} {done}."
    if not refused:
        return visit.go(back, status=text)
    more = f" and {len(refused) - REASONS_SHOWN} more" if len(refused) > REASONS_SHOWN else ""
    return visit.go(back, alert=f"{text} Not {done}: {'; '.join(refused[:REASONS_SHOWN])}{more}.")


def _reason(error: OsmiaError) -> str:
    """Return why an instance was left alone, in words for a list of them."""
    text = str(error).rstrip(".")
    return "it has ended already" if isinstance(error, NotFound) and "no such process" in text else text


def _list_of(visit: Visit) -> str:
    query = visit.request.headers.get("referer", "").partition("/instances?")[2]
    return f"/instances?{query}" if query else "/instances"


# --- the export


@screen("/instances/export")
async def export(visit: Visit) -> Response:
    """Answer with exactly the filtered rows as CSV, written while they are read."""
    wanted = await filter_of(visit)
    if wanted.problem:
        raise InvalidArgument(wanted.problem)
    first = await _exported(visit, wanted, "")  # a wrong filter is refused before anything was sent
    return csv_file("instances.csv", _lines(visit, wanted, first))


async def _lines(visit: Visit, wanted: InstanceFilter, found: Found) -> AsyncIterator[str]:
    yield csv_lines([[name for name, _ in COLUMNS]])
    yield csv_lines(map(_row, found.items))
    while found.next:
        found = await _exported(visit, wanted, found.next)
        yield csv_lines(map(_row, found.items))


async def _exported(visit: Visit, wanted: InstanceFilter, after: str) -> Found:
    return await visit.search(PROCESS_INSTANCES, wanted.conditions, sort=NEWEST, limit=EXPORTED_AT_ONCE, after=after)


def _row(instance: Item) -> list[object]:
    return [state_of(instance)[0] if not field else instance[field] for _, field in COLUMNS]
