"""A desk: people who work on the user tasks of a partition in memory, by the calls that every door offers.

desk = Desk("start > decide:user(groups=family) > end")
desk.task("decide").state
desk.claim("decide", by="anna")
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from osmia_broker.calls.caller import Caller
from osmia_broker.calls.processes.results import Results
from osmia_broker.calls.tasks.global_listeners import GlobalTaskListenerCalls
from osmia_broker.calls.tasks.user_tasks import UserTaskCalls
from osmia_broker.engine.commands.tasks import TaskPolicy
from osmia_broker.partition import Partition
from osmia_broker.state.rows import Job
from osmia_broker.state.rows.tasks import STANDS, TaskCandidate, TaskComment, TaskDraft, TaskEvent, UserTask
from tests.bpmn import bpmn
from tests.doors import EngineDoor, RestartsDoor
from tests.harness import Scenario
from tests.patience import settle


class Desk(Scenario):
    """A process with user tasks, started, and the people who work on them. With a *path* the partition restarts after every call."""

    def __init__(
        self,
        line: str,
        variables: str = "",
        *,
        policy: TaskPolicy = TaskPolicy.OPEN,
        path: Path | None = None,
        dialect: str = "zeebe",
    ) -> None:
        self.engine = EngineDoor() if path is None else RestartsDoor(path)
        super().__init__(self.engine)
        self._policy = policy
        self._calls: tuple[Partition, UserTaskCalls] | None = None
        try:
            self.engine.deploy(("process.bpmn", bpmn(line, dialect=dialect)))
            self.play(f"create {variables}")
        except BaseException:
            self.engine.close()
            raise

    # --- what people see

    def tasks(self) -> list[UserTask]:
        """All tasks of the instance, ended ones too, as they are stored."""
        return [row for row in self.engine.rows(UserTask) if row.process_instance_key == self.instance]

    def task(self, element: str) -> UserTask:
        """The newest task of an element."""
        found = [task for task in self.tasks() if task.element_id == element]
        assert found, f"expected a task at {element}, but found {self.tasks()}"
        return found[-1]

    def shown(self, element: str, *columns: str) -> Any:
        values = [getattr(self.task(element), column) for column in columns]
        return values[0] if len(values) == 1 else tuple(values)

    def candidates(self, element: str, *, ended: bool = False) -> list[str]:
        key = self.task(element).key
        return [
            f"{str(row.kind).lower()} {row.name}"
            for row in self._noted(TaskCandidate)
            if row.user_task_key == key and (row.standing != STANDS) == ended
        ]

    def history(self, element: str) -> list[tuple[str, str, str, dict[str, Any]]]:
        key = self.task(element).key
        return [
            (str(row.operation), row.action, row.user, msgspec.json.decode(row.changes))
            for row in self._noted(TaskEvent)
            if row.user_task_key == key and not row.refusal
        ]

    def denied(self, element: str) -> list[tuple[str, str, str, dict[str, Any], str]]:
        """The steps that a listener has denied: operation, action, who wanted them, the values that they would have changed, and why."""
        key = self.task(element).key
        return [
            (str(row.operation), row.action, row.user, msgspec.json.decode(row.changes), row.refusal)
            for row in self._noted(TaskEvent)
            if row.user_task_key == key and row.refusal
        ]

    def comments(self) -> list[tuple[str, str]]:
        return [(row.user, row.text) for row in self._noted(TaskComment)]

    def drafts(self) -> dict[str, str]:
        return {row.user: row.content for row in self._noted(TaskDraft)}

    def _noted(self, row_type: type) -> list[Any]:
        return sorted(self.engine.rows(row_type), key=lambda row: getattr(row, "key", 0))

    # --- what people do

    def claim(self, element: str, *, by: str = "", groups: str = "", assignee: str = "") -> None:
        caller = person(by, groups)
        self.do(lambda calls: calls.assign(self._key(element), assignee or by, caller=caller, allow_override=False))

    def assign(self, element: str, assignee: str, *, by: str = "", groups: str = "", action: str = "") -> None:
        caller = person(by, groups)
        self.do(lambda calls: calls.assign(self._key(element), assignee, caller=caller, action=action))

    def unassign(self, element: str, *, by: str = "", groups: str = "") -> None:
        self.do(lambda calls: calls.unassign(self._key(element), caller=person(by, groups)))

    def update(self, element: str, changeset: dict[str, Any] | None = None, *, by: str = "", action: str = "") -> None:
        self.do(lambda calls: calls.update(self._key(element), changeset, caller=person(by), action=action))

    def finish(self, element: str, variables: str = "", *, by: str = "", action: str = "") -> None:
        self.do(lambda calls: calls.complete(self._key(element), variables, caller=person(by), action=action))

    def claim_next(self, *elements: str, by: str, groups: str = "") -> str:
        keys = [self._key(element) for element in elements]
        found = self.do(lambda calls: calls.claim_next(keys, caller=person(by, groups)))
        return next((task.element_id for task in self.tasks() if task.key == found), "")

    def do(self, call: Callable[[UserTaskCalls], Awaitable[Any]]) -> Any:
        """Make a call and wait for its answer."""
        return self.engine.answered(lambda: call(self.calls()))

    def keep(self, call: Callable[[GlobalTaskListenerCalls], Awaitable[Any]]) -> Any:
        """Make a call of global task listeners and wait for its answer."""
        return self.engine.answered(lambda: call(GlobalTaskListenerCalls(self.engine.partition)))

    def begin(self, call: Callable[[UserTaskCalls], Coroutine[Any, Any, Any]]) -> "asyncio.Task[Any]":
        """Make a call whose answer has to wait; it goes on while other calls are made."""

        async def begun() -> "asyncio.Task[Any]":
            task = asyncio.ensure_future(call(self.calls()))
            await asyncio.sleep(0)
            await settle(self.engine.partition)
            return task

        return self.engine.runner.run(begun())

    def outcome(self, task: "asyncio.Task[Any]") -> str:
        """The outcome of a call that was begun: `waits`, `done`, or the refusal."""

        async def look() -> str:
            await settle(self.engine.partition)
            await asyncio.sleep(0)
            if not task.done():
                return "waits"
            failure = task.exception()
            return "done" if failure is None else f"{getattr(failure, 'status', failure)}: {failure}"

        return self.engine.runner.run(look())

    def calls(self) -> UserTaskCalls:
        partition = self.engine.partition
        if self._calls is None or self._calls[0] is not partition:
            self._calls = partition, UserTaskCalls(partition, Results(partition), self._policy)
        return self._calls[1]

    # --- listeners

    def listener_jobs(self) -> list[str]:
        """The open jobs of task listeners: event and type."""
        jobs = [job for job in self.engine.living(Job, self.instance) if job.kind == "TASK_LISTENER"]
        return [f"{job.listener_event.lower()} {job.type}" for job in jobs]

    def listener_key(self) -> int:
        [job] = [job for job in self.engine.living(Job, self.instance) if job.kind == "TASK_LISTENER"]
        return int(job.key)

    def _key(self, element: str) -> int:
        return int(element) if element.lstrip("-").isdigit() else self.task(element).key


def person(name: str = "", groups: str = "") -> Caller:
    """A caller who acts as this person, with groups separated by commas."""
    return Caller({"osmia-user": name, "osmia-groups": groups})
