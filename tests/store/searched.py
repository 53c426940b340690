"""User tasks to search, and a plain Python reading of filters and orders, to compare the database with."""

import random
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from osmia_broker.state.rows import BusinessId, ElementInstance, ElementState, InstanceOrigin, Variable
from osmia_broker.state.rows.tasks import ENDED, REMOVED, STANDS, CandidateKind, TaskCandidate, UserTask, UserTaskState
from osmia_broker.store.read.search import statements
from osmia_broker.store.read.search import way as searching
from osmia_broker.store.read.search.values import moment
from tests.store.rows import BASE

TASKS = 60
DAY = 86_400_000
Facts = dict[str, Any]  #: what a task is, by the names of the API; None where it has no value
NAMES = ["Approve order", "Approve [x] *?", "approve order", "Decide", "Größe prüfen", "", "back\\slash"]
STATEMENTS = (
    *(statements.leads_to_keys, statements.counted, statements.few, statements.begun, statements.page_keys),
    *(statements.led, statements.values_fitting, statements.needs_keys_only, statements.nearest),
    *(statements.is_counted_fast, statements.keys_of_alternatives),
)
WAYS = ("as usual", "no short way", "every long way", "counted less far")
PEOPLE, GROUPS = ["", "", "ada", "bob", "eve"], ["hr", "it", "sales"]


@contextmanager
def taking(way: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take this *way* to a page: with small bounds, few rows are many. The statements are built anew, because they hold the bounds."""
    if way == "as usual":
        yield
        return
    monkeypatch.setattr(searching, "WALKS", (0,) if way == "no short way" else (1, 3))
    monkeypatch.setattr(searching, "FEW_MAX", 0)
    for module in (statements, searching):
        monkeypatch.setattr(module, "TOTAL_MAX", {"no short way": 10_000, "every long way": 3}.get(way, 6))
    monkeypatch.setattr(searching, "LED_MAX", 0 if way == "no short way" else 5)
    monkeypatch.setattr(searching, "NAMED_MAX", 1)
    if way == "counted less far":
        monkeypatch.setattr(searching, "CHECKED_MAX", 2)
    forget()
    yield
    forget()


def forget() -> None:
    """Let the statements be built anew."""
    for statement in STATEMENTS:
        statement.cache_clear()


def tasks(seed: int) -> tuple[list[Any], list[Facts]]:
    """Rows of tasks, open and ended, and the facts about each."""
    chance = random.Random(seed)
    rows, facts = [], []
    for number in range(TASKS):
        made, fact = _task(chance, number)
        rows += made
        facts.append(fact)
    return rows, facts


def _task(chance: random.Random, number: int) -> tuple[list[Any], Facts]:
    instance, element, key = (BASE + 10_000 + 10 * number + n for n in range(3))
    is_open = chance.random() < 0.7
    ended_ms = 0 if is_open else chance.randrange(1, 5) * DAY
    state = chance.choice([UserTaskState.CREATED, UserTaskState.CREATED, UserTaskState.ASSIGNING])
    if not is_open:
        state = chance.choice([UserTaskState.COMPLETED, UserTaskState.CANCELED])
    definition = chance.randrange(1, 4)
    groups = chance.sample(GROUPS, chance.randrange(3))
    due_ms, follow_up_ms = (chance.choice([0, chance.randrange(1, 6) * DAY]) for _ in range(2))
    row = UserTask(
        key=key,
        process_instance_key=instance,
        process_definition_key=BASE + definition,
        element_instance_key=element,
        element_id=chance.choice(["ask", "check"]),
        job_key=0,
        name=chance.choice(NAMES),
        documentation="",
        category="",
        state=state,
        assignee=chance.choice(PEOPLE),
        candidate_groups="[" + ",".join(f'"{one}"' for one in groups) + "]",
        due_date=moment(due_ms) or "",
        follow_up_date=moment(follow_up_ms) or "",
        due_ms=due_ms,
        follow_up_ms=follow_up_ms,
        priority=chance.choice([0, 50, 50, 99]),
        created_ms=(1 + number // 12) * DAY,  # in the order of the keys, many at a time
        ended_ms=ended_ms,
    )
    rows: list[Any] = [
        row,
        *(TaskCandidate(key, CandidateKind.GROUP, one, instance, STANDS if is_open else ENDED) for one in groups),
    ]
    removed = next((one for one in GROUPS if one not in groups), "")
    rows.append(TaskCandidate(key, CandidateKind.GROUP, removed, instance, REMOVED))
    place = (row.process_definition_key, row.element_id, "USER_TASK")
    ended = ElementState.ACTIVATED if is_open else ElementState.COMPLETED
    rows.append(ElementInstance(element, instance, *place, ended, instance, "", row.created_ms, ended_ms))
    process = (row.process_definition_key, {1: "p", 2: "p", 3: "q"}[definition], "PROCESS")
    rows.append(ElementInstance(instance, instance, *process, ended, 0, "", row.created_ms, ended_ms))
    amount = chance.randrange(4)
    rows.append(Variable(instance, "amount", str(amount), instance))
    business_id, tags = chance.choice(["", "b-1", "b-2"]), chance.sample(["vip", "late"], chance.randrange(3))
    if business_id:
        rows.append(BusinessId(key + 3, instance, instance, "p", business_id))
    if tags:
        text = "[" + ",".join(f'"{one}"' for one in tags) + "]"
        rows.append(InstanceOrigin(key + 4, instance, instance, "p", tags=text))
    fact: Facts = {
        "userTaskKey": key,
        "name": row.name or None,
        "state": str(row.state),
        "assignee": row.assignee or None,
        "elementId": row.element_id,
        "priority": row.priority,
        "creationDate": row.created_ms,
        "completionDate": ended_ms or None,
        "dueDate": due_ms or None,
        "followUpDate": follow_up_ms or None,
        "processInstanceKey": instance,
        "elementInstanceKey": element,
        "processDefinitionKey": row.process_definition_key,
        "processDefinitionId": process[1],
        "candidateGroup": groups,
        "businessId": business_id or None,
        "tags": tags,
        "processInstanceVariables": {"amount": str(amount)},
    }
    return rows, fact


# --- the plain reading


def passes(fact: Facts, filter: Mapping[str, Any]) -> bool:
    """Whether a task passes a filter."""
    for name, asked in filter.items():
        if name == "$or":
            if not any(passes(fact, one) for one in asked):
                return False
        elif name == "tags":
            if not {*asked} <= {*fact["tags"]}:
                return False
        elif name == "processInstanceVariables":
            if not all(_holds(fact[name].get(one["name"]), one["value"]) for one in asked):
                return False
        elif not _holds(fact[name], asked.upper() if name == "state" and isinstance(asked, str) else asked):
            return False
    return True


def _holds(value: Any, asked: Any) -> bool:
    operators = asked if isinstance(asked, dict) else {"$eq": asked}
    return all(_operator(value, name, operand) for name, operand in operators.items())


def _operator(value: Any, name: str, operand: Any) -> bool:
    if name in ("$neq", "$notIn"):
        return not _operator(value, {"$neq": "$eq", "$notIn": "$in"}[name], operand)
    values = value if isinstance(value, list) else [] if value is None else [value]
    if name == "$exists":
        return bool(values) is operand
    if name == "$in":
        return any(one in _plain(operand) for one in values)
    if name == "$like":
        pattern = re.sub(r"\\(.)|([*])|([?])|(.)", _regex, operand, flags=re.DOTALL)
        return any(re.fullmatch(pattern, one, re.DOTALL) for one in values)
    wanted = _plain(operand)
    compared = {"$eq": "__eq__", "$gt": "__gt__", "$gte": "__ge__", "$lt": "__lt__", "$lte": "__le__"}[name]
    if isinstance(operand, int):
        values = [float(one) if isinstance(one, str) else one for one in values]  # the JSON text of a variable
    return any(getattr(one, compared)(wanted) is True for one in values)


def _regex(found: re.Match[str]) -> str:
    return ".*" if found[2] else "." if found[3] else re.escape(found[1] or found[4])


def _plain(operand: Any) -> Any:
    """The stored form of a value: keys are numbers, dates are milliseconds."""
    if isinstance(operand, list):
        return [_plain(one) for one in operand]
    if isinstance(operand, str) and operand.isdigit() and len(operand) > 10:
        return int(operand)
    if isinstance(operand, str) and re.match(r"19\d\d-\d\d-\d\dT", operand):
        return int(operand[8:10]) * DAY - DAY
    return operand


def ordered(facts: list[Facts], sort: list[tuple[str, str]]) -> list[int]:
    """The keys of tasks in an order. Absent values come last; equal ones go by key, in the direction of the last field."""
    found = sorted(facts, key=lambda fact: fact["userTaskKey"], reverse=bool(sort) and sort[-1][1] == "DESC")
    for name, direction in reversed(sort):
        present = [fact for fact in found if fact[name] is not None]
        present.sort(key=lambda fact: fact[name], reverse=direction == "DESC")
        found = present + [fact for fact in found if fact[name] is None]
    return [fact["userTaskKey"] for fact in found]
