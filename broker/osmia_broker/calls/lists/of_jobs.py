"""Numbers of jobs: by type, by worker, by error and over time, in a period that stands in the filter."""

from typing import Any

import msgspec

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.calls.lists.listing import Asker, Listing, Question, short
from osmia_broker.store.read.entities.statistics import (
    ALL_JOBS,
    BUCKET,
    FROM,
    JOBS_BY_ERROR,
    JOBS_BY_TIME,
    JOBS_BY_TYPE,
    JOBS_BY_WORKER,
    TO,
)
from osmia_broker.store.read.search.entity import Entity, Item
from osmia_broker.store.read.search.periods import bucket_ms
from osmia_broker.store.read.search.search import Found, Search, search
from osmia_broker.store.read.search.values import epoch_ms, refuse

EVER_MS = 2**53  # beyond every time that a calendar has
MOMENT = {"type": "string", "format": "date-time"}
PERIOD = {"from": MOMENT, "to": MOMENT}  #: members of a filter beside those of the numbers
NO_JOBS = {"count": 0, "lastUpdatedAt": None}


class _Asked(msgspec.Struct, frozen=True):
    """A search whose period has been taken out of its filter."""

    asked: Search
    given: dict[str, int]
    resolution: Any


def _with_period(asked: Search, *, needs_type: bool = False) -> _Asked:
    """Take the period out of a filter.

    Raises:
        InvalidArgument: a date is none, or the period or the job type is missing.

    """
    filter = dict(asked.filter) if isinstance(asked.filter, dict) else {}
    missing = [
        f"filter.{name}" for name in ("from", "to", *(["jobType"] if needs_type else [])) if filter.get(name) is None
    ]
    if missing:
        raise InvalidArgument(f"Expected {' and '.join(missing)} to be given, but found none")
    given = {FROM: _moment(filter, "from"), TO: _moment(filter, "to")}
    resolution = filter.pop("resolution", None)
    return _Asked(Search(filter, asked.sort, asked.page), given, resolution)


def _moment(filter: dict[str, Any], name: str) -> int:
    value = filter.pop(name)
    # A `+` in the address of a request means a space, and clients forget to write it as %2B.
    found = epoch_ms(value.replace(" ", "+")) if isinstance(value, str) else None
    if found is None:
        raise refuse(f"filter.{name}", "a date-time such as '2030-01-31T12:00:00Z'", value)
    return found


def _counted(entity: Entity, *, needs_type: bool) -> Listing:
    async def find(asker: Asker, question: Question) -> Found:
        if question.asked.filter is None and not needs_type:
            asked = _Asked(question.asked, {FROM: 0, TO: EVER_MS}, None)
        else:
            asked = _with_period(question.asked, needs_type=needs_type)
        given: dict[str, Any] = dict(asked.given)
        if entity is JOBS_BY_TIME:
            given[BUCKET] = bucket_ms(asked.resolution, given[TO] - given[FROM])
        elif asked.resolution is not None:
            raise InvalidArgument("Expected filter to have no resolution, but found one")
        return await search(asker.reader, entity, asked.asked, given=given, bytes_max=question.bytes_max)

    more = PERIOD | ({"resolution": {"type": "string"}} if entity is JOBS_BY_TIME else {})
    return Listing(entity, find, more=more)


async def _all(asker: Asker, _of: int, filter: Any) -> list[Item]:
    """Count the jobs of a period, of all types or of one: always one item."""
    asked = _with_period(Search(filter))
    rest = dict(asked.asked.filter)
    type = rest.pop("jobType", "")
    if not isinstance(type, str):
        raise refuse("filter.jobType", "a text", type)
    if rest:
        raise InvalidArgument(f"Expected filter to have from, to and jobType, but found '{next(iter(rest))[:60]}'")
    entity, wanted = (JOBS_BY_TYPE, Search({"jobType": type})) if type else (ALL_JOBS, Search())
    found = await search(asker.reader, entity, wanted, given=asked.given)
    item = found.items[0] if found.items else {}
    return [{name: item.get(name, NO_JOBS) for name in ("created", "completed", "failed")} | {"isIncomplete": False}]


JOB_LISTS = {
    "jobs/statistics/by-types": _counted(JOBS_BY_TYPE, needs_type=False),
    "jobs/statistics/by-workers": _counted(JOBS_BY_WORKER, needs_type=True),
    "jobs/statistics/errors": _counted(JOBS_BY_ERROR, needs_type=True),
    "jobs/statistics/time-series": _counted(JOBS_BY_TIME, needs_type=True),
    "jobs/statistics/global": short(_all, filter_of=ALL_JOBS),
}
