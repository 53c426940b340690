"""People, workers, listeners, crashes: whoever does what in whatever order, a task is what its people were told, and every refusal is right.

A schedule comes from its seed alone, as in `test_schedules`. A failing one prints its last lines as a scenario.
"""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from osmia_broker.base.errors import OsmiaError, Rejection, StoreFailed
from osmia_broker.calls.tasks.readable import ReadableTasks
from osmia_broker.engine import Budget, commands
from osmia_broker.engine.commands.tasks import (
    Actor,
    AssignUserTask,
    ClaimNextUserTask,
    ClaimUserTask,
    CommentUserTask,
    CompleteUserTask,
    SaveTaskDraft,
    TaskPolicy,
    UpdateUserTask,
)
from osmia_broker.engine.resources import compile_resources
from osmia_broker.engine.tasks.listener_results import TaskListenerResult
from osmia_broker.state.rows import Job, JobKind
from osmia_broker.state.rows.tasks import STANDS, TaskCandidate, TaskTransition, UserTask
from osmia_broker.store.read import Reader
from osmia_broker.store.read.entities import USER_TASKS
from osmia_broker.store.read.search.search import Search, search
from osmia_broker.store.sqlite import SqliteStore
from tests.bpmn import bpmn
from tests.partition.opened import ONE_INSTANCE, Opened, WatchedStore, opened
from tests.simulation.invariants import check
from tests.simulation.task_books import ENDED, KnownTask, events_of, known
from tests.store.rows import changes

MODELS = {
    "job": "start > job:user(groups=hr) > end",
    "native": "start > native:user(native=yes, users=ben, priority=30) > end",
    "free": "start > free:user(native=yes) > end",
    "listened": "start > listened:user(native=yes, groups=hr, assigning=l, updating=l, completing=l) > end",
    "activiti": "start > activiti:user(users=ada, groups=it) > end",
}
FILES = [
    (f"{id}.bpmn", bpmn(line, id=f"{id}-process", dialect="activiti" if id == "activiti" else "zeebe"))
    for id, line in MODELS.items()
]
DEPLOY = commands.DeployResources(compile_resources(FILES))
PEOPLE = {"ada": ("hr",), "ben": (), "cleo": ("it", "hr"), "eve": ("other",), "": ("hr",)}
CHANGES: list[dict[str, Any]] = [
    {"priority": 77},
    {"candidateGroups": ["it"]},
    {"candidateGroups": ["hr", "it"], "candidateUsers": []},
    {"candidateUsers": ["eve"], "candidateGroups": []},
    {"candidateUsers": [], "candidateGroups": []},
]
CORRECTIONS: list[dict[str, Any]] = [{}, {"priority": 5}, {"assignee": "cleo"}, {"candidateUsers": ["ada", "eve"]}]
BOUNDS = [1, ONE_INSTANCE, 2 * ONE_INSTANCE, 3 * ONE_INSTANCE, 10 * ONE_INSTANCE, 1 << 40]
STEPS, ROUNDS = 30, 3


class People:
    """People and workers who act at random, and judge every answer by their books."""

    def __init__(self, it: Opened, tasks: dict[int, KnownTask], policy: TaskPolicy, chance: random.Random) -> None:
        self.it, self.tasks, self.policy, self.chance = it, tasks, policy, chance
        self.said: list[str] = []
        self.is_unknown = False
        self.busy: set[int] = set()  # tasks that something of this burst is about: two calls at a time have no order

    async def step(self) -> None:
        """Do a few things at once, then compare the books with the rows."""
        self.is_unknown = self.chance.random() < 0.12
        if self.is_unknown:
            self.it.store.fails, self.it.store.fails_after = StoreFailed("simulated"), self.chance.random() < 0.5
            self.said.append("(the store fails)")
        self.busy.clear()
        acts = [self.chance.choice(ACTS)(self) for _ in range(self.chance.randint(1, 5))]
        await asyncio.gather(*acts)
        await self.it.wait_open()
        await self.it.settled()
        await self.it.advance(self.chance.choice([0, 1, 1000]))
        self.it.store.fails = None
        self.meet_new_tasks()
        if self.is_unknown:
            self.learn()
        self.compare()

    # --- acts

    async def create(self) -> None:
        id = self.chance.choice([*MODELS])
        await self.told(f"create {id}", commands.CreateProcessInstance(f"{id}-process", -1, 0, {}), "OK")

    async def claim(self) -> None:
        actor = self.person()
        if actor.user and (task := self.some_task()):
            await self.told(
                f"claim {task.element} by={actor.user}",
                ClaimUserTask(task.key, actor.user, actor=actor),
                self.decide_claim(task, actor),
            )

    def decide_claim(self, task: KnownTask, actor: Actor) -> str:
        refusal = task.refusal(actor, "claim")
        if not refusal and task.assignee not in ("", actor.user):
            refusal = "InvalidState"
        if not refusal:
            task.begin("ASSIGNING", "ASSIGN", "claim", actor.user, {"assignee": actor.user})
        return refusal or "OK"

    async def race(self) -> None:
        """All people claim one task at the same moment: at most one of them gets it."""
        if task := self.some_task():
            actors = [Actor(name, groups, self.policy) for name, groups in PEOPLE.items() if name]
            self.chance.shuffle(actors)
            before = {actor.user: task.refusal(actor, "claim") for actor in actors}
            found = await asyncio.gather(
                *(self.outcome(ClaimUserTask(task.key, one.user, actor=one)) for one in actors)
            )
            outcomes = {actor.user: one for actor, (one, _) in zip(actors, found, strict=True)}
            self.said.append(f"race for {task.element} -> {outcomes}")
            if self.is_unknown:
                return
            winners = [actor for actor in actors if outcomes[actor.user] == "OK"]
            may_win = [one for one in actors if not before[one.user] and task.assignee in ("", one.user)]
            assert len(winners) == min(len(may_win), 1), f"expected one of {may_win} to win, but found {winners}"
            for winner in winners:
                assert winner in may_win
                self.decide_claim(task, winner)
            for actor in actors:
                right = {before[actor.user]} if before[actor.user] else {task.refusal(actor, "claim"), "InvalidState"}
                assert actor in winners or outcomes[actor.user] in right, f"{actor.user}: {outcomes[actor.user]}"

    async def claim_next(self) -> None:
        actor = self.person()
        if actor.user and self.tasks:
            keys = tuple(
                key for key in self.chance.sample([*self.tasks], min(3, len(self.tasks))) if key not in self.busy
            )
            self.busy |= {*keys}
            tasks = [self.tasks[key] for key in dict.fromkeys(keys)]
            free = [one for one in tasks if not one.refusal(actor, "claim") and not one.assignee]
            if free:
                free[0].begin("ASSIGNING", "ASSIGN", "claim", actor.user, {"assignee": actor.user})
            answer = await self.told(
                f"claim next {keys} by={actor.user}", ClaimNextUserTask(keys, actor.user, actor=actor), "OK"
            )
            if answer is not None and not self.is_unknown:
                assert answer[0] == (free[0].key if free else 0), f"claimed {answer[0]}, not the first of {free}"

    async def assign(self) -> None:
        actor, to = self.person(), self.chance.choice([*PEOPLE])
        if task := self.some_task():
            refusal = task.refusal(actor, "claim")
            operation = "ASSIGN" if to else "UNASSIGN"
            if not refusal:
                task.begin("ASSIGNING", operation, operation.lower(), actor.user, {"assignee": to})
            command = AssignUserTask(task.key, to, actor=actor)
            await self.told(f"assign {task.element} '{to}' by={actor.user}", command, refusal or "OK")

    async def update(self) -> None:
        actor, changed = self.person(), dict(self.chance.choice(CHANGES))
        if task := self.some_task():
            refusal = task.refusal(actor, "update")
            if not refusal:
                task.begin("UPDATING", "UPDATE", "update", actor.user, dict(changed))
            command = UpdateUserTask(task.key, changed, actor=actor)
            await self.told(f"update {task.element} {changed} by={actor.user}", command, refusal or "OK")

    async def complete(self) -> None:
        actor = self.person()
        if (task := self.some_task()) and self.chance.random() < 0.6:
            refusal = task.refusal(actor, "complete")
            if not refusal:
                task.begin("COMPLETING", "COMPLETE", "complete", actor.user, {})
            command = CompleteUserTask(task.key, {}, actor=actor)
            await self.told(f"complete {task.element} by={actor.user}", command, refusal or "OK")

    async def note(self) -> None:
        """Comment a task, or keep a draft: for its readers, as long as it is open."""
        actor = self.person()
        if task := self.some_task():
            refusal = "NotFound" if task.state in ENDED else "" if task.lets(actor, "read") else "Forbidden"
            command: Any = CommentUserTask(task.key, "well", actor)
            if self.chance.random() < 0.5:
                command = SaveTaskDraft(task.key, "{}", actor)
            await self.told(f"note {task.element} by={actor.user}", command, refusal or "OK")

    async def work(self) -> None:
        """A worker completes the job of a job-based task, whatever the policy."""
        rows = {row.key: row for row in self.it.store.rows(UserTask)}
        tasks = [one for one in self.tasks.values() if rows[one.key].job_key and one.key not in self.busy]
        if tasks and self.chance.random() < 0.5:
            task = self.take(self.chance.choice(tasks))
            expected = "NotFound" if task.state in ENDED else "OK"
            if expected == "OK":
                task.complete_job()
            await self.told(f"work {task.element}", commands.CompleteJob(rows[task.key].job_key, {}), expected)

    async def listen(self) -> None:
        """A task listener decides: it lets the change pass, corrects it, or denies it."""
        jobs = [job for job in self.it.store.living(Job) if job.kind is JobKind.TASK_LISTENER]
        free = [one for one in self.tasks.values() if one.pending is not None and one.key not in self.busy]
        by_instance = {one.process_instance_key: one for one in free}
        jobs = [job for job in jobs if job.process_instance_key in by_instance]
        if not jobs:
            return
        job = self.chance.choice(jobs)
        task = self.take(by_instance[job.process_instance_key])
        if self.chance.random() < 0.4:
            task.deny()
            result = TaskListenerResult(denied=True, denied_reason="no")
        else:
            corrections = self.chance.choice(CORRECTIONS)
            task.agree(dict(corrections))
            result = TaskListenerResult(corrections=corrections)
        command = commands.CompleteJob(job.key, {}, task_result=result)
        await self.told(f"listen {job.listener_event} {result}", command, "OK")

    async def cancel(self) -> None:
        if (task := self.some_task()) and self.chance.random() < 0.3:
            expected = "NotFound" if task.state in ENDED else "OK"
            task.cancel()
            await self.told(
                f"cancel {task.element}", commands.CancelProcessInstance(task.process_instance_key), expected
            )

    async def ask_for_nothing(self) -> None:
        key = (1 << 51) + 40_000_000
        await self.told("claim nothing", ClaimUserTask(key, "ada", actor=Actor("ada", (), self.policy)), "NotFound")

    # --- judging

    def person(self) -> Actor:
        name = self.chance.choice([*PEOPLE])
        return Actor(name, PEOPLE[name], self.policy)

    def some_task(self) -> KnownTask | None:
        tasks = [one for one in self.tasks.values() if one.key not in self.busy]
        open_ones = [one for one in tasks if one.state not in ENDED]
        if open_ones and self.chance.random() < 0.9:
            tasks = open_ones
        return self.take(self.chance.choice(tasks)) if tasks else None

    def take(self, task: KnownTask) -> KnownTask:
        self.busy.add(task.key)
        return task

    async def told(self, line: str, command: commands.Command, expected: str) -> Any:
        """The answer of a command, which must be the right one; None after a refusal."""
        found, answer = await self.outcome(command)
        self.said.append(f"{line} -> {found}")
        assert found == expected or self.is_unknown, f"expected {expected} of '{line}', but found {found}"
        return answer

    async def outcome(self, command: commands.Command) -> tuple[str, Any]:
        """OK with the answer, or the name of the refusal; `unknown` if the store failed."""
        try:
            return "OK", await self.it.do(command)
        except Rejection as refusal:
            return type(refusal).__name__, None
        except OsmiaError:
            return "unknown", None

    def meet_new_tasks(self) -> None:
        for row in self.it.store.rows(UserTask):
            if row.key not in self.tasks:
                self.tasks[row.key] = known(row)

    def learn(self) -> None:
        waiting = {row.user_task_key: row for row in self.it.store.living(TaskTransition)}
        events = events_of(self.it.store)
        for row in self.it.store.rows(UserTask):
            self.tasks[row.key].learn(row, events.get(row.key, []), waiting.get(row.key))

    def compare(self) -> None:
        """Demand that rows, candidates and history say what the books say."""
        rows = {row.key: row for row in self.it.store.rows(UserTask)}
        assert rows.keys() == self.tasks.keys(), "a task is lost"
        events = events_of(self.it.store)
        for task in self.tasks.values():
            found = task.differences(rows[task.key], events.get(task.key, []))
            assert not found, f"{task.element}: the rows say {'; '.join(found)}"
            assert bool(rows[task.key].ended_ms) == (task.state in ENDED)
        living = {
            (row.user_task_key, str(row.kind), row.name)
            for row in self.it.store.rows(TaskCandidate)
            if row.standing == STANDS
        }
        assert living == {
            (one.key, kind, name)
            for one in self.tasks.values()
            if one.state not in ENDED
            for kind, names in (("USER", one.users), ("GROUP", one.groups))
            for name in names
        }


ACTS = [
    People.create,
    People.claim,
    People.claim,
    People.race,
    People.claim_next,
    People.assign,
    People.assign,
    People.update,
    People.update,
    People.complete,
    People.note,
    People.work,
    People.listen,
    People.listen,
    People.listen,
    People.cancel,
    People.ask_for_nothing,
]


@pytest.mark.parametrize("seed", range(24))
async def test_people_are_told_the_truth(seed: int, tmp_path: Path):
    chance, store, tasks = random.Random(seed), WatchedStore(), dict[int, KnownTask]()
    policy = [*TaskPolicy][seed % len(TaskPolicy)]
    said = [f"seed {seed}, policy {policy}"]
    try:
        for number in range(ROUNDS):
            bound = BOUNDS[(seed + number) % len(BOUNDS)]
            said.append(f"--- starts with {bound} bytes of memory")
            async with opened(store, memory_bytes=bound, budget=Budget(chance.choice([1, 10, 1000]), 60)) as it:
                it.clock.ms += number * 10_000_000
                if not number:
                    await it.do(DEPLOY)
                people = People(it, tasks, policy, chance)
                people.said = said
                for _ in range(STEPS):
                    await people.step()
                    check(it.partition, store, bound)
        await lists_say_the_same(store, tasks, policy, tmp_path / "lists.db")
    except BaseException:
        print("\n".join(said[-60:]))
        raise


async def lists_say_the_same(store: WatchedStore, tasks: dict[int, KnownTask], policy: TaskPolicy, path: Path) -> None:
    """Demand that the lists over these rows show every person what the books let them read, open and ended, and nothing else."""
    database = SqliteStore(path)
    await database.open()
    await database.write(changes(*store.rows(UserTask), *store.rows(TaskCandidate)), None)
    reader = Reader(path)
    try:
        for name, groups in PEOPLE.items():
            readable = ReadableTasks(reader, Actor(name, groups, policy))
            mine = {key for key, task in tasks.items() if task.lets(Actor(name, groups, policy), "read")}
            for filter in ({}, {"state": "CREATED"}, {"state": "COMPLETED"}):
                found = await search(reader, USER_TASKS, Search(filter, page={"limit": 10_000}), scope=readable.scope)
                expected = {key for key in mine if filter.get("state", tasks[key].state) == tasks[key].state}
                assert {int(one["userTaskKey"]) for one in found.items} == expected, f"{name} {filter}"
                assert found.total == len(expected)
    finally:
        await reader.close()
        await database.close()
