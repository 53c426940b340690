"""Pages of user tasks: the time of each filter and order over 100,000 open tasks of 20 groups, and of a person's pages.

    python -m bench search [--tasks 100000] [--ended 20000] [--unequal] [--repeats 7] [--only NAME] [--cpu] [--instances] [--partitions 1]

With `--instances`, the lists of their process instances instead. With `--partitions`, the rows are divided among so many.

Builds a database in a folder (or takes the one in `--folder PATH`) and asks each question, with its total, over one connection after another. Shown
are the medians of the repeats in milliseconds, of time or of CPU; a mark stands behind those beyond the limit.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec.structs import astuple

from osmia_broker.calls.tasks.readable import ReadableTasks
from osmia_broker.engine.commands.tasks import Actor, TaskPolicy
from osmia_broker.state.rows import ElementInstance, ElementState, ProcessDefinition, Variable
from osmia_broker.state.rows.tasks import ENDED, STANDS, CandidateKind, TaskCandidate, UserTask, UserTaskState
from osmia_broker.state.store_protocol import Changes
from osmia_broker.store.read import Reader
from osmia_broker.store.read.entities import PROCESS_INSTANCES, USER_TASKS
from osmia_broker.store.read.search.search import Search, search
from osmia_broker.store.sqlite import SqliteStore

BASE = 1 << 51
START_MS = 1_700_000_000_000
GROUPS, USERS, DEFINITIONS = 20, 200, 10
PAGE = {"limit": 50}
TASKS_AT_A_TIME = 500


def task_rows(number: int, *, is_open: bool, is_unequal: bool = False, partitions: int = 1) -> list[Any]:
    """The rows of one process instance that waits, or has waited, at its user task."""
    key = BASE * (1 + number % partitions) + 1_000 + number * 10
    definition = BASE + 1 + number // partitions % DEFINITIONS
    at_ms, ended_ms = START_MS + number * 7, 0 if is_open else START_MS + number * 7 + 60_000
    chance = number * 7919 % 10_007 / 10_007
    group = f"group-{int(GROUPS * chance**4) if is_unequal else number * 7 % GROUPS}"
    assignee = "" if number % 5 else f"user-{number // 5 % USERS}"
    standing = STANDS if is_open else ENDED
    state = (
        (ElementState.ACTIVATED, UserTaskState.CREATED)
        if is_open
        else (ElementState.COMPLETED, UserTaskState.COMPLETED)
    )
    due_ms = START_MS + number * 131 % 8_640_000_00 if number % 3 else 0
    return [
        ElementInstance(
            key, key, definition, f"process-{number % DEFINITIONS}", "PROCESS", state[0], 0, "", at_ms, ended_ms
        ),
        ElementInstance(key + 1, key, definition, "decide", "USER_TASK", state[0], key, "flow", at_ms, ended_ms),
        UserTask(
            key=key + 2,
            process_instance_key=key,
            process_definition_key=definition,
            element_instance_key=key + 1,
            element_id=f"decide-{number % 30}",
            job_key=0,
            name=f"Decide case {number * 31 % 9973}",
            documentation="Read the file, ask if something is missing, then decide.",
            category="",
            state=state[1],
            assignee=assignee,
            candidate_groups=f'["{group}","everybody-{number % 3}"]',
            candidate_users="[]",
            due_date="2030-01-01T00:00:00Z" if due_ms else "",
            due_ms=due_ms,
            priority=number * 13 % 101,
            headers='{"department":"sales"}',
            created_ms=at_ms,
            ended_ms=ended_ms,
        ),
        TaskCandidate(key + 2, CandidateKind.GROUP, group, key, standing),
        TaskCandidate(key + 2, CandidateKind.GROUP, f"everybody-{number % 3}", key, standing),
        Variable(key, "orderId", f'"order-{number}"', key),
        Variable(key, "amount", str(number % 1000), key),
    ]


async def build(paths: list[Path], tasks: int, ended: int, *, is_unequal: bool = False) -> None:
    """Write the rows of each partition as a broker does, many to a commit."""
    for place, path in enumerate(paths):
        store = SqliteStore(path, partition_id=place + 1)
        await store.open()
        await _fill(store, range(place, tasks + ended, len(paths)), ended, is_unequal=is_unequal)
        await store.close()


async def _fill(store: SqliteStore, numbers: range, ended: int, *, is_unequal: bool) -> None:
    definitions = [
        ProcessDefinition(BASE + 1 + n, f"process-{n}", 1, f"Process {n}", "", "p.bpmn", "c" * 64, BASE, START_MS)
        for n in range(DEFINITIONS)
    ]
    await store.write(batch(definitions, numbers.start + 1), None)
    for first in range(0, len(numbers), TASKS_AT_A_TIME):
        some = numbers[first : first + TASKS_AT_A_TIME]
        rows = [
            row
            for n in some
            for row in task_rows(n, is_open=n >= ended, is_unequal=is_unequal, partitions=numbers.step)
        ]
        await store.write(batch(rows, numbers.start + 1), None)


def batch(rows: list[Any], partition: int) -> Changes:
    changes = Changes(next_key=BASE * partition + 100_000_000, written=defaultdict(list), deleted=defaultdict(list))
    for row in rows:
        changes.written[type(row)].append(astuple(row))
    return changes


def asc(field: str) -> list[dict[str, str]]:
    return [{"field": field, "order": "ASC"}]


def desc(field: str) -> list[dict[str, str]]:
    return [{"field": field, "order": "DESC"}]


OPEN = {"state": "CREATED"}
MINE, NOBODY = OPEN | {"assignee": "user-7"}, OPEN | {"assignee": {"$exists": False}}
MY_GROUPS = OPEN | {"candidateGroup": {"$in": ["group-1", "group-2", "group-3"]}}
ORDERS = {
    "key": None,
    "creationDate v": desc("creationDate"),
    "dueDate ^": asc("dueDate"),
    "dueDate v": desc("dueDate"),
    "priority v": desc("priority"),
    "name ^": asc("name"),
    "followUpDate ^": asc("followUpDate"),
    "completionDate v": desc("completionDate"),
    "priority v, dueDate ^": [*desc("priority"), *asc("dueDate")],
}
PERSON: dict[str, dict[str, Any]] = {
    "mine": MINE,
    "unassigned": NOBODY,
    "my groups": MY_GROUPS,
    "my groups, unassigned": MY_GROUPS | NOBODY,
    "completed by me": {"state": "COMPLETED", "assignee": "user-7"},
}
FILTERS: dict[str, dict[str, Any]] = {
    "open": OPEN,
    "all": {},
    "one group": OPEN | {"candidateGroup": "group-4"},
    "a user's": OPEN | {"candidateUser": "user-7"},
    "no such group": OPEN | {"candidateGroup": "group-x"},
    "priority >= 90": OPEN | {"priority": {"$gte": 90}},
    "priority = 200": OPEN | {"priority": 200},
    "due before": OPEN | {"dueDate": {"$lt": "2023-11-15T00:00:00Z"}},
    "no follow-up": OPEN | {"followUpDate": {"$exists": False}},
    "created after": OPEN | {"creationDate": {"$gte": "2023-11-14T22:20:00Z"}},
    "name like": OPEN | {"name": {"$like": "Decide*77"}},
    "name like, none": OPEN | {"name": {"$like": "*zzz*"}},
    "name =": OPEN | {"name": "Decide case 31"},
    "element": OPEN | {"elementId": "decide-3"},
    "element, none": OPEN | {"elementId": "nowhere"},
    "process": OPEN | {"processDefinitionId": "process-4"},
    "process, none": OPEN | {"processDefinitionId": "nothing"},
    "definition": OPEN | {"processDefinitionKey": str(BASE + 3)},
    "instance": {"processInstanceKey": str(BASE + 1_000 + 500_000)},
    "element instance": {"elementInstanceKey": str(BASE + 1_001 + 500_000)},
    "variable": OPEN | {"processInstanceVariables": [{"name": "orderId", "value": '"order-50000"'}]},
    "variable of many": OPEN | {"processInstanceVariables": [{"name": "amount", "value": "7"}]},
    "variable above, few": OPEN | {"processInstanceVariables": [{"name": "amount", "value": {"$gt": 997}}]},
    "variable above, some": OPEN | {"processInstanceVariables": [{"name": "amount", "value": {"$gt": 949}}]},
    "variable above, many": OPEN | {"processInstanceVariables": [{"name": "amount", "value": {"$gt": 499}}]},
    "variable above, none": OPEN | {"processInstanceVariables": [{"name": "amount", "value": {"$gt": 5000}}]},
    "local variable": OPEN | {"localVariables": [{"name": "amount", "value": {"$gt": 5000}}]},
    "assignee like": OPEN | {"assignee": {"$like": "user-1*"}},
    "assignee not": OPEN | {"assignee": {"$neq": "user-7"}},
    "tags": OPEN | {"tags": ["vip"]},
    "business id": OPEN | {"businessId": "b-1"},
    "or": OPEN | {"$or": [{"assignee": "user-7"}, {"candidateGroup": "group-4"}]},
    "group, priority, due": OPEN
    | {"candidateGroup": "group-4", "priority": {"$gte": 50}, "dueDate": {"$exists": True}},
}


#: Lists under a task policy: what the acting person may read of them.
READERS = {
    "of a member": Actor("user-7", ("group-1", "group-2", "group-3"), TaskPolicy.STRICT),
    "of a member of all": Actor("user-7", ("everybody-0", "everybody-1", "everybody-2"), TaskPolicy.STRICT),
    "of 20 groups": Actor("user-7", tuple(f"group-{n}" for n in range(GROUPS)), TaskPolicy.CANDIDATES),
    "of a stranger": Actor("nobody", (), TaskPolicy.STRICT),
    "of an assignee": Actor("user-7", (), TaskPolicy.ASSIGNEE),
}
READ: dict[str, dict[str, Any]] = {
    "open": OPEN,
    "all": {},
    "unassigned": NOBODY,
    "completed": {"state": "COMPLETED"},
    "a process": OPEN | {"processDefinitionId": "process-4"},
}


def questions() -> Iterator[tuple[int, str, dict[str, Any], Actor]]:
    """Each filter with its limit in milliseconds, its name, and who asks."""
    everybody = Actor()
    for limit_ms, filters in ((10, PERSON), (20, FILTERS)):
        yield from ((limit_ms, name, filter, everybody) for name, filter in filters.items())
    for name, filter in READ.items():
        yield from ((20, f"{name} {whose}", filter, actor) for whose, actor in READERS.items())


#: Lists of process instances.
OF_INSTANCES: dict[str, dict[str, Any]] = {
    "all": {},
    "active": {"state": "ACTIVE"},
    "definition": {"processDefinitionKey": str(BASE + 3)},
    "process, active": {"processDefinitionId": "process-4", "state": "ACTIVE"},
    "variable": {"variables": [{"name": "amount", "value": "7"}]},
    "variable above, some": {"variables": [{"name": "amount", "value": {"$gt": 949}}]},
    "variable above, many": {"variables": [{"name": "amount", "value": {"$gt": 499}}]},
    "variable above, none": {"variables": [{"name": "amount", "value": {"$gt": 5000}}]},
}
ORDERS_OF_INSTANCES = {
    "startDate v": desc("startDate"),
    "endDate v": desc("endDate"),
    "process ^": asc("processDefinitionName"),
}


def questions_of_instances() -> Iterator[tuple[int, str, dict[str, Any], Actor]]:
    yield from ((50, name, filter, Actor()) for name, filter in OF_INSTANCES.items())


async def measure(
    reader: Reader, repeats: int, only: str, clock: Callable[[], float], *, are_of_instances: bool = False
) -> None:
    entity = PROCESS_INSTANCES if are_of_instances else USER_TASKS
    orders = ORDERS_OF_INSTANCES if are_of_instances else ORDERS
    for limit_ms, name, filter, actor in questions_of_instances() if are_of_instances else questions():
        if only not in name:
            continue
        scope = None if are_of_instances else ReadableTasks(reader, actor).scope
        cells = []
        for order, sort in orders.items():
            asked = Search(filter=filter, sort=sort, page=PAGE)
            times = []
            for _ in range(repeats):
                begun = clock()
                found = await search(reader, entity, asked, scope=scope)
                times.append((clock() - begun) * 1000)
            middle = statistics.median(times)
            mark = "!" if middle > limit_ms else " "
            cells.append(f"{order} {middle:5.1f}{mark}")
        print(f"{name:<29} {found.total:>6}{'+' if found.has_more_total else ' '} " + " | ".join(cells), flush=True)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--ended", type=int, default=20_000)
    parser.add_argument(
        "--unequal", action="store_true", help="groups of 1,300 to 47,000 open tasks instead of 5,000 each"
    )
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--partitions", type=int, default=1)
    parser.add_argument("--only", default="", help="lists with this in their name")
    parser.add_argument(
        "--cpu", action="store_true", help="CPU of the whole process instead of time; for a busy machine"
    )
    parser.add_argument("--instances", action="store_true", help="lists of process instances")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = options.folder or Path(place)
        paths = [folder / f"partition-{number}.db" for number in range(1, options.partitions + 1)]
        if not paths[-1].exists():
            begun = time.perf_counter()
            await build(paths, options.tasks, options.ended, is_unequal=options.unequal)
            size = sum(path.stat().st_size for path in paths)
            print(f"built in {time.perf_counter() - begun:.1f} s, {size / 1e6:.0f} MB")
        reader = Reader(*paths)
        clock = time.process_time if options.cpu else time.perf_counter
        await measure(reader, options.repeats, options.only, clock, are_of_instances=options.instances)
        await reader.close()


if __name__ == "__main__":
    asyncio.run(main())
