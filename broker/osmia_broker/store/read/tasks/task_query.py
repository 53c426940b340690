"""The query language of task lists: one text that means the same on the page, on the command line, in the SDK and in an address.

    group:finance due:<2d amount:>1000 assignee:me is:mine sort:due "words of a name"

| term | passes |
|---|---|
| `is:open`, `is:mine`, `is:unassigned`, `is:completed`, `is:snoozed` | one of the views; `is:open` if none is named |
| `sort:newest`, `sort:oldest`, `sort:due`, `sort:priority` | everything; it is the order |
| `assignee:ada`, `assignee:me`, `assignee:none` | tasks of a person, or of nobody |
| `group:finance`, `group:mine`, `user:ada` | tasks with this candidate |
| `process:dinner` | tasks of processes with this id, or with these words in their name |
| `priority:80`, `priority:>=50` | by number |
| `due:<2d`, `due:overdue`, `due:today`, `due:none`, `due:2026-12-24`, `due:>=2026-12-01`, also `followup:` | from now on, or by date (UTC) |
| `created:<2d`, `completed:>1w`, also with dates | younger or older than a time, or by date |
| `element:decide`, `key:…`, `instance:…`, `state:canceled`, `business:…`, `tag:…` | as they are called |
| `amount:>1000`, `amount=12`, `dinner:pizza` | tasks whose instance has such a variable |
| `var.group:>2`, `group=2` | … also one that is called as a term above, or nearly so |
| anything else | words in the name or element id of the task, or in the name of its process, or a key |

Tasks that the person has snoozed are in `is:snoozed` only, unless the query names the key of a task.

A name that is nearly one of the table, such as `asignee:ada`, is refused, because a mistake would find nothing. `var.` says that a variable is meant.
A value that the field does not take says so too: `insurance:full` is about a variable, because the value of `instance:` is a key.

A term that stands twice passes either value. Quotes keep blanks: `group:"night shift"`.
"""

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any, NoReturn

import msgspec
from sqlalchemy import bindparam, or_, select

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.base.whole_numbers import whole_number
from osmia_broker.store import schema
from osmia_broker.store.read.search.values import EARLIEST_MS, LATEST_MS, moment
from osmia_broker.store.read.sources import Sources, of_cluster, question
from osmia_broker.store.read.sql import dialect
from osmia_broker.store.read.tasks.task_snoozes import snoozes_of
from osmia_broker.store.read.tasks.task_terms import SURE, TERMS, Term, near_miss, terms_of

CHARACTERS_MAX = 2_000  # of a query
PROCESSES_MAX = 1_000  # definitions whose names pass; each is a value of the filter

VIEWS = ("open", "mine", "unassigned", "completed", "snoozed")
ORDERS: dict[str, tuple[str, ...]] = {
    "newest": ("-creationDate",),
    "oldest": ("creationDate",),
    "due": ("dueDate",),  # one field each: an index has its order
    "priority": ("-priority",),
}
COMPLETED_ORDERS = ORDERS | {"newest": ("-completionDate",), "oldest": ("completionDate",)}
OPEN_STATES = ("CREATING", "CREATED", "ASSIGNING", "UPDATING", "COMPLETING", "CANCELING")
CHOICES = {"is": VIEWS, "sort": tuple(ORDERS)}  #: of the two terms that are not of the filter
STATES = {"open": OPEN_STATES, "completed": ("COMPLETED",), "canceled": ("CANCELED",)}

_COMPARED = re.compile(r"(?P<operator>>=|<=|>|<|=)?(?P<operand>.*)", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_SPAN = re.compile(r"(\d{1,6})(m|h|d|w)")
_UNIT_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
_OPERATORS = {">": "$gt", ">=": "$gte", "<": "$lt", "<=": "$lte", "=": "$eq", "": "$eq"}
_TURNED = {"$gt": "$lt", "$gte": "$lte", "$lt": "$gt", "$lte": "$gte"}
_EXAMPLE = f"such as 2d, 2026-12-24, today or none; units are {', '.join(_UNIT_MS)}"


class Asker(msgspec.Struct, frozen=True):
    """The person who asks, and when: `me`, `mine` and times from now mean something different for each."""

    user: str
    groups: tuple[str, ...]
    now_ms: int


class TaskQuery(msgspec.Struct, frozen=True):
    """A query that was read."""

    view: str  # one of VIEWS
    order: str  # one of ORDERS
    filter: dict[str, Any]  # as a search for user tasks takes it
    text: str  # the query without `is:` and `sort:`


async def read(sources: Sources, text: str, asker: Asker, *, view: str = "", order: str = "") -> TaskQuery:
    """Read a query. *view* and *order* hold if the text has no `is:` and no `sort:`.

    Raises:
        InvalidArgument: it is too long, or a term cannot be read. The text says which.

    """
    if len(text) > CHARACTERS_MAX:
        raise InvalidArgument(f"Expected a query of at most {CHARACTERS_MAX} characters, but found {len(text)}")
    terms = terms_of(text)
    chosen = {"is": view or "open", "sort": order or "newest"}
    rest = []
    for term in terms:
        if term.name in CHOICES and term.mark == ":":
            if term.value not in CHOICES[term.name]:
                _refuse(term, f"one of {', '.join(CHOICES[term.name])}")
            chosen[term.name] = term.value
        else:
            rest.append(term)
    filter = await _Reading(sources, asker).read(rest)
    _narrow(filter, chosen["is"], asker)
    if chosen["is"] != "completed" and "userTaskKey" not in filter:
        await _part_snoozed(sources, filter, chosen["is"], asker)
    return TaskQuery(chosen["is"], chosen["sort"], filter, " ".join(one.text for one in rest))


def order_of(query: TaskQuery) -> tuple[str, ...]:
    """Return the order of a query as `Visit.search` takes it."""
    return (COMPLETED_ORDERS if query.view == "completed" else ORDERS)[query.order]


def _narrow(filter: dict[str, Any], view: str, asker: Asker) -> None:
    """Add what the view itself asks for, unless the query asks for other states itself."""
    if "state" not in filter:
        filter["state"] = {"$in": [*STATES["completed" if view == "completed" else "open"]]}
    if view == "mine":
        filter["assignee"] = asker.user
    elif view == "unassigned":
        filter["assignee"] = {"$exists": False}


async def _part_snoozed(sources: Sources, filter: dict[str, Any], view: str, asker: Asker) -> None:
    """Keep the tasks that the person has snoozed, or all others."""
    keys = [str(one.user_task_key) for one in await snoozes_of(sources, asker.user, asker.now_ms)]
    if view == "snoozed":
        filter["userTaskKey"] = {"$in": keys}
    elif keys:
        filter["userTaskKey"] = {"$notIn": keys}


class _Reading:
    """The reading of one query into a filter."""

    def __init__(self, sources: Sources, asker: Asker) -> None:
        self._sources = sources
        self._asker = asker
        self._values: dict[str, list[str]] = {}  # of fields that must have one of several values
        self._filter: dict[str, Any] = {}
        self._processes: set[str] | None = None
        self._words: list[str] = []

    async def read(self, terms: Sequence[Term]) -> dict[str, Any]:
        for term in terms:
            known = _KNOWN.get(term.name) if term.mark == ":" else None
            if known is not None:
                known(self, term)
            elif term.name == "process" and term.mark == ":":
                named = await definitions_named(self._sources, term.value)
                self._processes = (self._processes or set()) | set(named)
            elif term.name and not term.text.startswith(("http:", "https:")):
                self._variable(self._of_variable(term))
            else:
                self._words.append(term.value)
        for field, values in self._values.items():
            self._filter[field] = values[0] if len(values) == 1 else {"$in": values}
        if self._processes is not None:
            self._filter["processDefinitionKey"] = {"$in": sorted(self._processes)}
        if self._words:
            await self._add_words(" ".join(self._words))
        return self._filter

    async def _add_words(self, words: str) -> None:
        ways: list[dict[str, Any]] = [{"name": {"$contains": words}}]
        named = await definitions_named(self._sources, words)
        if named:
            ways.append({"processDefinitionKey": {"$in": named}})
        if whole_number(words) is not None:
            ways += [{"userTaskKey": words}, {"processInstanceKey": words}]
        self._filter["$or"] = [*ways, {"elementId": {"$contains": words}}]

    # --- terms

    def one_of(self, field: str, value: str) -> None:
        self._values.setdefault(field, []).append(value)

    def assignee(self, term: Term) -> None:
        if term.value in ("none", "nobody"):
            self._filter["assignee"] = {"$exists": False}
        else:
            self.one_of("assignee", self._asker.user if term.value == "me" else term.value)

    def group(self, term: Term) -> None:
        for name in self._asker.groups if term.value == "mine" else (term.value,):
            self.one_of("candidateGroup", name)
        if term.value == "mine" and not self._asker.groups:
            self._filter["candidateGroup"] = {"$in": []}

    def state(self, term: Term) -> None:
        if term.value not in STATES:
            _refuse(term, f"one of {', '.join(STATES)}")
        for name in STATES[term.value]:
            self.one_of("state", name)

    def key(self, term: Term) -> None:
        if whole_number(term.value) is None:
            _refuse(term, "a key")
        self.one_of("userTaskKey" if term.name == "key" else "processInstanceKey", term.value)

    def tag(self, term: Term) -> None:
        self._filter.setdefault("tags", []).append(term.value)

    def priority(self, term: Term) -> None:
        operator, operand = _compared(term.value)
        if not re.fullmatch(r"-?\d{1,9}", operand):
            _refuse(term, "a whole number, such as priority:>=50")
        self._compare("priority", operator, int(operand), term)

    def moment(self, term: Term) -> None:
        """Read a time: a span counts from now, into the future for what is to come and into the past for what has happened."""
        field, is_past = _MOMENTS[term.name]
        now_ms = self._asker.now_ms
        operator, operand = _compared(term.value)
        if term.value in ("none", "any"):
            self._filter[field] = {"$exists": term.value == "any"}
        elif term.value == "overdue":
            self._compare(field, "$lt", moment(now_ms), term)
        elif span := _SPAN.fullmatch(operand):
            ms = int(span[1]) * _UNIT_MS[span[2]]
            operator = "$lte" if operator == "$eq" else operator
            then_ms = now_ms + (-ms if is_past else ms)
            if not EARLIEST_MS <= then_ms <= LATEST_MS:
                _refuse(term, "a time that a calendar has")
            self._compare(field, _TURNED[operator] if is_past else operator, moment(then_ms), term)
        else:
            self._day(field, operator, operand, term)

    def _day(self, field: str, operator: str, operand: str, term: Term) -> None:
        try:
            today = datetime.fromtimestamp(self._asker.now_ms / 1000, UTC).date()
            day = today if operand == "today" else datetime.strptime(operand, "%Y-%m-%d").replace(tzinfo=UTC).date()
            after = day + timedelta(days=1)
        except (ValueError, OverflowError):
            _refuse(term, f"a time ({_EXAMPLE})")
        begins, ends = f"{day}T00:00:00Z", f"{after}T00:00:00Z"
        if operator in ("$eq", "$gte"):
            self._compare(field, "$gte", begins, term)
        if operator in ("$eq", "$lte"):
            self._compare(field, "$lt", ends, term)
        if operator == "$gt":
            self._compare(field, "$gte", ends, term)
        if operator == "$lt":
            self._compare(field, "$lt", begins, term)

    def _compare(self, field: str, operator: str, value: Any, term: Term) -> None:
        conditions = self._filter.setdefault(field, {})
        if operator in conditions or "$eq" in conditions:
            _refuse(term, f"said once, or as a range such as {term.name}:>=… {term.name}:<…")
        conditions[operator] = value

    def _of_variable(self, term: Term) -> Term:
        """Return the term with the name of the variable that it means.

        Raises:
            InvalidArgument: the name is nearly that of another term, which may be meant.

        """
        if term.mark == "=":
            return term
        if term.name.startswith(_OF_VARIABLE) and term.name != _OF_VARIABLE:
            return Term(term.name.removeprefix(_OF_VARIABLE), term.mark, term.value, term.text)
        near = near_miss(term.name)
        if near and (term.name.lower() in SURE or self._takes(near, term)):
            raise InvalidArgument(
                f"Expected '{term.name}:' to be a field or a variable, but found a name that is nearly the field '{near}:';"
                f" write {near}:{term.value[:100]} for the field, or {_OF_VARIABLE}{term.name}:{term.value[:100]} for a variable of that name"
            )
        return term

    def _takes(self, name: str, term: Term) -> bool:
        """Return whether the field *name* takes the value of *term*. A comparison is not for a field whose values are texts."""
        if name in CHOICES:
            return term.value in CHOICES[name]
        if name not in _COMPARABLE and _COMPARED.fullmatch(term.value)["operator"]:  # type: ignore[index]  # it takes every text
            return False
        try:
            _KNOWN.get(name, _anything)(_Reading(self._sources, self._asker), Term(name, ":", term.value, term.text))
        except InvalidArgument:
            return False
        return True

    def _variable(self, term: Term) -> None:
        operator, operand = ("$eq", term.value) if term.mark == "=" else _compared(term.value)
        if operator != "$eq":
            if not _NUMBER.fullmatch(operand) or not isfinite(float(operand)):
                _refuse(term, "a number after a comparison, such as amount:>1000")
            value: Any = float(operand)
        else:
            value = _as_json(operand)
        wanted = {"name": term.name, "value": {operator: value}}
        self._filter.setdefault("processInstanceVariables", []).append(wanted)


_MOMENTS = {
    "due": ("dueDate", False),
    "followup": ("followUpDate", False),
    "created": ("creationDate", True),
    "completed": ("completionDate", True),
}


def _anything(_reading: _Reading, _term: Term) -> None:
    """Take every value, as `process:` does."""


_KNOWN: dict[str, Callable[[_Reading, Term], None]] = {
    "assignee": _Reading.assignee,
    "group": _Reading.group,
    "user": lambda reading, term: reading.one_of("candidateUser", term.value),
    "priority": _Reading.priority,
    "element": lambda reading, term: reading.one_of("elementId", term.value),
    "state": _Reading.state,
    "key": _Reading.key,
    "instance": _Reading.key,
    "business": lambda reading, term: reading.one_of("businessId", term.value),
    "tag": _Reading.tag,
    **dict.fromkeys(_MOMENTS, _Reading.moment),
}


assert {*_KNOWN, "process", *CHOICES} == {*TERMS}, "each term has a meaning"
_COMPARABLE = frozenset(("priority", *_MOMENTS))
_OF_VARIABLE = "var."  #: begins the name of a term that means a variable, whatever that is called


def _compared(value: str) -> tuple[str, str]:
    match = _COMPARED.fullmatch(value)
    assert match is not None, "the pattern takes every text"
    return _OPERATORS[match["operator"] or ""], match["operand"]


def _as_json(text: str) -> str:
    """Return the JSON text of a value: the text itself if it is JSON, else the text in quotes."""
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        return msgspec.json.encode(text).decode()
    return text


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _refuse(term: Term, expected: str) -> NoReturn:
    raise InvalidArgument(f"Expected '{term.name}:' to be {expected}, but found '{term.value[:100]}'")


_definition = schema.process_definitions.c
_NAMED = (
    select(_definition.key)
    .where(
        or_(
            _definition.bpmn_process_id == bindparam("id"),
            dialect.like(_definition.name, "pattern"),
            dialect.like(_definition.bpmn_process_id, "pattern"),
        )
    )
    .order_by(_definition.key.desc())
    .limit(PROCESSES_MAX)
)


@question(of_cluster)
async def definitions_named(sources: Sources, words: str) -> list[str]:
    """Return the keys of the process definitions with these words in their name or their id, newest first, at most `PROCESSES_MAX`."""
    async with sources.database.snapshot() as snapshot:
        values = {"id": words, "pattern": dialect.pattern_in_any_case(words)}
        return [str(key) for (key,) in await snapshot.values(_NAMED, values)]
