"""A partition that a test plays by hand: it remembers what it is asked, and answers when the test says so."""

import asyncio
from typing import Any

from osmia_broker.base.errors import OsmiaError
from osmia_broker.engine.answers import ActivatedJob, Created
from osmia_broker.engine.commands import ActivateJobs, Command, CreateProcessInstance, GiveBackJobs

DEADLINE_MS = 1_800_000_060_000


def job(key: int, type: str = "ask", worker: str = "w", variables: str = "{}") -> ActivatedJob:
    return ActivatedJob(key, type, 1, "process", 1, 2, "ask", 3, "{}", worker, 3, DEADLINE_MS, variables)


class ScriptedPartition:
    """`waiting` holds the keys of activatable jobs by type. An answer hands them out; a give-back brings them back."""

    id = 1

    def __init__(self) -> None:
        self.variables = "{}"  # of every job
        self.is_open = True
        self.waiting: dict[str, list[int]] = {}
        self.leased = False  # whether jobs that were leased before wait
        self.stale: set[str] = set()  # job types with keys in the window whose jobs are gone
        self.asked: list[tuple[Command, Any]] = []
        self.commands: list[Command] = []  # all that were ever decided
        self.refusal: OsmiaError | None = None  # of `decide`, for everybody from outside
        self.forgotten: list[int] = []
        self.listeners: list[Any] = []

    @property
    def parts(self) -> "tuple[ScriptedPartition, ...]":
        return (self,)

    def add_listener(self, listener: Any) -> None:
        self.listeners.append(listener)

    def forget_result(self, ticket: int) -> None:
        self.forgotten.append(ticket)

    def has_activatable(self, type: str, *, leases: bool = False, waits: bool = False) -> bool:
        return bool(self.waiting.get(type) or (leases and self.leased)) or type in self.stale

    def report_jobs(self, type: str) -> None:
        """Listeners hear of all jobs."""

    def submit(self, command: Command) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.decide(command, future)
        return future

    def decide(self, command: Command, waiter: Any) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.decide_own(command, waiter)

    def decide_own(self, command: Command, waiter: Any = None) -> None:
        self.commands.append(command)
        if isinstance(command, GiveBackJobs):
            for key, _ in command.jobs:
                self.waiting.setdefault("ask", []).insert(0, key)
        else:
            self.asked.append((command, waiter))

    @property
    def given_back(self) -> list[int]:
        """The keys of all jobs that were given back, in that order."""
        return [key for command in self.commands if isinstance(command, GiveBackJobs) for key, _ in command.jobs]

    def offer(self, *keys: int, type: str = "ask") -> None:
        """Jobs have become activatable; the batch is about to close."""
        self.waiting.setdefault(type, []).extend(keys)
        for listener in self.listeners:
            listener.jobs_activatable({type: list(keys)})

    def answer(self, error: OsmiaError | None = None) -> None:
        """The batch is durable (or was lost): answer everybody who asked."""
        asked, self.asked = self.asked, []
        for command, waiter in asked:
            if error is not None:
                waiter.set_exception(error)
            elif isinstance(command, ActivateJobs):
                waiter.set_result(self._activate(command))
            elif isinstance(command, CreateProcessInstance):
                if not waiter.done():
                    waiter.set_result(Created(2, command.bpmn_process_id, 1, 77))
            else:
                waiter.set_result(None)

    def answer_all(self) -> None:
        """Answer until nobody asks any longer."""
        while self.asked:
            self.answer()

    def _activate(self, command: ActivateJobs) -> list[ActivatedJob]:
        waiting = self.waiting.get(command.type, [])
        keys = [key for key in waiting if command.keys is None or key in command.keys][: command.max_jobs]
        for key in keys:
            waiting.remove(key)
        return [job(key, command.type, command.worker, self.variables) for key in keys]

    def reopen(self) -> None:
        """The partition is open again after a failed commit."""
        self.is_open = True
        for listener in self.listeners:
            listener.partition_opened()
