"""The turn of one command: everything that its handlers use while it is decided, and that ends with it.

The tables outlive the turn (`state`). The turn adds the time, the agenda of steps to take, the budget, the domain events, and the
results for callers who wait. Steps walk in slices: when the budget is used up, the rest of the agenda is left as a follow-up.
"""

from collections import deque
from collections.abc import Callable
from math import inf
from secrets import token_urlsafe
from time import perf_counter, thread_time

from osmia_broker import feel
from osmia_broker.engine.commands import Command
from osmia_broker.engine.domain_events import DomainEvent
from osmia_broker.engine.slow import SLOW_STEP_S, SlowDefinitions
from osmia_broker.state.rows import ElementInstance
from osmia_broker.state.state import State

STEPS_PER_TURN = 1_000  # about 10 ms; a longer walk goes on after others had their turn
CPU_READ_S = SLOW_STEP_S / 10  # a reading of the processor's time serves all walks that begin within it
TURN_S = 0.005  # after it, a walk goes on later; the step that uses it up is finished
PATH_STEPS_MAX = 10_000  # steps of one path without a wait state
PATHS = 10  # times as many steps may a walk take in all: by default more than a fork of 20,000 tasks takes


#: An element instance to move on, and how many steps led to it without a wait state.
Planned = tuple[ElementInstance, int]


#: a command that another one leaves to be carried out in the same turn: the process instance it works on, the command, the depth
Inner = tuple[int, Command, int]

#: a moment of a turn: the length of its journal, of its agenda and of its inner commands
Savepoint = tuple[int, int, int]


class Budget:
    """The bounds of a walk: the steps and the time of one turn, and the steps of the whole walk without a wait state.

    The first *seconds* are of the wall, which is cheap to ask for; then the thread may use as much processor time, so that a busy machine
    does not cut off a short walk. *expression_s* is the processor time that the expressions of one step may take.
    """

    __slots__ = (
        "_begun_cpu",
        "_cpu",
        "_cpu_by",
        "_cpu_read",
        "_last",
        "_steps",
        "_time",
        "_time_by",
        "expression_s",
        "path_steps_max",
        "seconds",
        "steps_max",
        "walk_steps_max",
        "was_slow",
    )

    def __init__(
        self,
        steps_max: int = STEPS_PER_TURN,
        seconds: float = TURN_S,
        time: Callable[[], float] = perf_counter,
        cpu: Callable[[], float] = thread_time,
        *,
        path_steps_max: int = PATH_STEPS_MAX,
        walk_steps_max: int = 0,
        expression_s: float = feel.DEFAULT_LIMITS.seconds,
    ) -> None:
        self.steps_max = steps_max
        self.path_steps_max = path_steps_max
        self.walk_steps_max = walk_steps_max or PATHS * path_steps_max
        self.expression_s = expression_s
        self.seconds = seconds
        self._time, self._cpu = time, cpu
        self._steps = 0
        self._time_by = self._cpu_by = self._begun_cpu = self._last = 0.0
        self._cpu_read = -inf  # when the processor time was read last
        self.was_slow = False  #: whether the last step was slow by itself, and did not only wait for a processor

    def begin(self) -> None:
        """Begin a walk."""
        self._steps = self.steps_max
        self._last = now = self._time()
        self._time_by = now + self.seconds
        self._cpu_by = 0.0
        if now > self._cpu_read + CPU_READ_S:
            self._begun_cpu, self._cpu_read = self._cpu(), now

    def allows_step(self) -> bool:
        """Count one step; return False when the turn has to end."""
        self._steps -= 1
        now = self._time()
        self.was_slow = now - self._last > SLOW_STEP_S and self._has_worked()
        self._last = now
        return self._steps >= 0 and (now < self._time_by or self._allows_cpu())

    def step_ends(self) -> None:
        """Measure the step that has just been taken."""
        now = self._time()
        self.was_slow = now - self._last > SLOW_STEP_S and self._has_worked()
        self._last = now

    def _has_worked(self) -> bool:
        """Return whether the thread has used the processor since the walk began for as long as a slow step takes."""
        return self._cpu() - self._begun_cpu > SLOW_STEP_S

    def _allows_cpu(self) -> bool:
        now = self._cpu()
        if not self._cpu_by:
            self._cpu_by = now + self.seconds
        return now < self._cpu_by


class Turn:
    """The command being decided. One object serves all commands of a partition, one after the other."""

    __slots__ = (
        "_moment",
        "_moment_ms",
        "_notes",
        "ad_hoc_completions",
        "agenda",
        "allowance",
        "awaited",
        "batch_items",
        "batches",
        "budget",
        "business_ids",
        "called",
        "cluster_variables",
        "command",
        "compensations",
        "created_once",
        "decision_evaluations",
        "definitions",
        "depth",
        "elements",
        "event_log",
        "events",
        "find_element",
        "find_incident",
        "find_job",
        "find_jobs",
        "follow_ups",
        "global_listeners",
        "incidents",
        "inner",
        "jobs",
        "journal",
        "loop_results",
        "loops",
        "messages",
        "new_token",
        "next_key",
        "notes",
        "now_ms",
        "origins",
        "partitions",
        "received",
        "remote_subscriptions",
        "results",
        "slow",
        "start_subscriptions",
        "state",
        "steps",
        "steps_before",
        "subscriptions",
        "task_transitions",
        "timers",
        "tokens",
        "unique_business_ids",
        "user_tasks",
        "variables",
    )

    def __init__(
        self,
        state: State,
        budget: Budget | None = None,
        *,
        unique_business_ids: bool = False,
        partitions: int = 1,
    ) -> None:
        self.state = state
        self.journal = state.journal
        self._notes = state.journal.notes()  # always the same list; a savepoint is made for every step
        self.elements, self.tokens, self.jobs = state.elements, state.tokens, state.jobs
        self.incidents, self.follow_ups, self.variables = state.incidents, state.follow_ups, state.variables
        self.timers, self.subscriptions, self.messages = state.timers, state.subscriptions, state.messages
        self.origins, self.business_ids, self.created_once = state.origins, state.business_ids, state.created_once
        self.called, self.compensations = state.called, state.compensations
        self.remote_subscriptions, self.received = state.remote_subscriptions, state.received
        self.loops, self.loop_results = state.loops, state.loop_results
        self.ad_hoc_completions, self.decision_evaluations = state.ad_hoc_completions, state.decision_evaluations
        self.user_tasks, self.task_transitions = state.user_tasks, state.task_transitions
        self.notes, self.global_listeners = state.notes, state.global_listeners
        self.definitions, self.awaited = state.definitions, state.awaited
        self.start_subscriptions, self.event_log = state.start_subscriptions, state.event_log
        self.batches, self.batch_items, self.cluster_variables = (
            state.batches,
            state.batch_items,
            state.cluster_variables,
        )
        self.next_key = state.next_key
        self.new_token: Callable[[], str] = token_urlsafe  # of a lease: nobody can guess it
        self.find_element, self.find_job, self.find_jobs = state.find_element, state.find_job, state.find_jobs
        self.find_incident = state.find_incident
        self.budget = budget or Budget()
        self.slow = SlowDefinitions()
        self.allowance = feel.Allowance(self.budget.expression_s)  # for the expressions of one step
        self.partitions = partitions  # of the whole cluster
        self.unique_business_ids = unique_business_ids  # of each process, among living root instances
        self.now_ms = 0  # epoch; the time of the command
        self.command = Command()  #: the one being decided
        self._moment_ms, self._moment = 0, feel.Instant(0)  # the time that `now` has returned last
        self.agenda: deque[Planned] = deque()
        self.inner: deque[Inner] = deque()  # commands to carry out when the agenda is empty
        self.depth = 0  # of the step being taken
        self.steps = 0  # taken by this walk so far, in earlier turns too
        self.steps_before = 0  # those of earlier turns
        self.events: list[DomainEvent] = []  # published after the commit
        self.results: list[tuple[int, str]] = []  # (ticket of the caller, variables as a JSON object)

    @property
    def now(self) -> feel.Instant:
        """The time of the command in the zone of the broker, as the expression languages take it."""
        if self._moment_ms != self.now_ms:
            self._moment_ms, self._moment = self.now_ms, feel.Instant(self.now_ms * 1_000_000)
        return self._moment

    def savepoint(self) -> Savepoint:
        """Return this moment, for `take_back`."""
        return len(self._notes), len(self.agenda), len(self.inner)

    def take_back(self, savepoint: Savepoint) -> None:
        """Undo all changes since *savepoint*, and forget the steps and commands that were planned since."""
        changes, planned, inner = savepoint
        self.journal.roll_back(changes)
        while len(self.agenda) > planned:
            self.agenda.pop()
        while len(self.inner) > inner:
            self.inner.pop()

    def plan(self, element: ElementInstance) -> None:
        """Put the next step of *element* on the agenda; its state says which step that is."""
        self.agenda.append((element, self.depth + 1))

    def follow(self, process_instance_key: int, command: Command) -> None:
        """Carry *command* out after the steps that are planned: in this turn, or as a follow-up if the turn has to end before.

        *process_instance_key* is the instance that it works on; 0 if it works on none.
        """
        self.inner.append((process_instance_key, command, self.depth))

    def note(
        self, kind: str, intent: str, name: str, key: int, process_instance_key: int, *, since_ms: int = 0
    ) -> None:
        """Record that something happened; listeners learn of it after the commit."""
        self.events.append(DomainEvent(kind, intent, name, key, process_instance_key, self.now_ms, since_ms))
        self.journal.append((self.events.pop, ()))

    def answer_ticket(self, ticket: int, variables: str) -> None:
        """Give the caller with this *ticket* the *variables* that it waits for, after the commit."""
        self.results.append((ticket, variables))
        self.journal.note(self.results.pop)

    def take_events(self) -> list[DomainEvent]:
        """Return the domain events since the last call."""
        events, self.events = self.events, []
        return events

    def take_results(self) -> list[tuple[int, str]]:
        """Return the results for waiting callers since the last call."""
        results, self.results = self.results, []
        return results
