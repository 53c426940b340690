"""The demo with a person: the broker runs, a task waits, and each thing that happens is printed as it happens."""

import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import msgspec

from osmia_broker.cli.demo.broker import (
    PROCESS,
    address_option,
    deploy_dinner,
    next_steps,
    print_step,
    program,
    python,
    write,
)
from osmia_broker.cli.demo.picture import Picture, heading
from osmia_broker.cli.failures import Exit, Failure

if TYPE_CHECKING:
    from osmia import SyncClient, UserTask
    from osmia.results import Event
    from osmia_broker.running.child import ChildBroker

EXAMPLE = Path("examples/dinner.py")
OPEN = {"processDefinitionId": PROCESS, "state": "CREATED"}
NEWEST = [{"field": "creationDate", "order": "DESC"}]
STEPS = {"assigned": "ASSIGN", "unassigned": "UNASSIGN", "completed": "COMPLETE"}  #: in a task's history, by the event
WHAT_TO_DO = {
    "decide": "Somebody has to decide what's for dinner.",
    "eat": "Dinner is decided. Somebody has to eat it.",
}


class LiveDemo:
    """The demo of one person at a terminal. *page* is the address of the page, empty if the broker serves none."""

    def __init__(
        self, client: "SyncClient", broker: "ChildBroker", data_dir: Path, page: str, *, is_colored: bool
    ) -> None:
        self._client = client
        self._is_colored = is_colored
        self._picture = Picture(client, is_colored=is_colored)
        self._broker = broker
        self._data_dir = data_dir
        self._page = page
        self._known: dict[int, dict[str, Any]] = {}  # the variables of each instance, as they were printed last
        self._has_said_what_follows = False  # once is enough, however many dinners end

    def begin(self) -> str:
        """Deploy the process, start an instance unless one waits from the last time, say what to do, and return the address of its task."""
        process_id = deploy_dinner(self._client)
        task = self._waiting_task()
        if task is None:
            print_step("started", str(self._client.create_instance(process_id).key))
            task = self._waiting_task()
        else:
            print_step("goes on", f"{task.process_instance_key}   (from the last time)")
        if task is None:
            return ""
        self._known[task.process_instance_key] = self._variables(task.process_instance_key)
        self._picture.show(task.process_instance_key)
        self._say_what_to_do(task)
        return f"{self._page}/tasks/{task.key}" if self._page else ""

    def _waiting_task(self) -> "UserTask | None":
        found = self._client.user_tasks.search(OPEN, sort=NEWEST, limit=1).items
        return found[0] if found else None

    def _say_what_to_do(self, task: "UserTask") -> None:
        variable = " --var dinner=pizza" if task.element_id == "decide" else ""
        address = address_option(self._broker)
        ways = [("in the browser", f"{self._page}/tasks/{task.key}")] if self._page else []
        ways.append(("in a second terminal", f"{program()} task complete {task.key}{variable}{address}"))
        if EXAMPLE.is_file():
            at = f"OSMIA_ADDRESS={self._broker.address} " if address else ""
            ways.append(("in Python", f"{at}{python()} {EXAMPLE}   (starts one more dinner, works until Ctrl-C)"))
        what = f"{WHAT_TO_DO.get(task.element_id, 'A task waits.')} Complete the task"
        write(f"  {heading(what, is_colored=self._is_colored)}\n")
        for number, (where, how) in enumerate(ways):
            write(f"    {'or ' if number else ''}{where:<{23 - 3 * bool(number)}} {how}")
        write(f"\nWaiting. Ctrl-C stops the demo; your data stays in {shown(self._data_dir)}.\n")

    # --- what happens

    def follow(self) -> threading.Thread:
        """Print what happens from now on, in a thread of its own that ends with the program."""
        thread = threading.Thread(target=self._follow, name="osmia-demo", daemon=True)
        thread.start()
        return thread

    def _follow(self) -> None:
        from osmia.errors import OsmiaError
        from osmia.results import EventKind

        kinds = [EventKind.USER_TASK, EventKind.ELEMENT_INSTANCE, EventKind.PROCESS_INSTANCE, EventKind.INCIDENT]
        try:
            for event in self._client.events(kinds=kinds, bpmn_process_id=PROCESS):
                self._tell(event)
        except (OsmiaError, RuntimeError):  # the demo ends, and its connection with it
            return

    def _tell(self, event: "Event") -> None:
        match event.kind, event.intent:
            case "USER_TASK", "assigned":
                self._line(event, self._assigned(event))
            case "USER_TASK", "unassigned":
                self._line(event, f'{self._actor(event)} gave "{self._name(event)}" back')
            case "USER_TASK", "completed":
                changed = self._changed(event.process_instance_key)
                self._line(event, f'{self._actor(event)} completed "{self._name(event)}"', changed)
            case "USER_TASK", "created":
                where = f"{self._page}/tasks/{event.key}" if self._page else f"task {event.key}"
                self._line(event, f'token moved to "{self._name(event)}"', where)
                self._picture.show(event.process_instance_key)
            case "INCIDENT", "raised":
                self._line(event, f"incident at {event.element_id}", f"{program()} incident show {event.key}")
            case "PROCESS_INSTANCE", "completed":
                self._done(event.process_instance_key)

    def _line(self, event: "Event", text: str, more: str = "") -> None:
        at = datetime.fromtimestamp(event.at_ms / 1000, UTC).astimezone()
        write(f"  {at:%H:%M:%S}  {text:<44} {more}".rstrip())

    def _name(self, event: "Event") -> str:
        return str(event.details.get("name") or event.element_id)

    def _assigned(self, event: "Event") -> str:
        assignee = str(event.details.get("assignee") or "somebody")
        actor = self._actor(event)
        name = f'"{self._name(event)}"'
        return f"{assignee} claimed {name}" if actor == assignee else f"{actor} assigned {name} to {assignee}"

    def _actor(self, event: "Event") -> str:
        """Return who did it: the person of the last such step in the task's history, else its assignee."""
        steps = self._client.user_tasks.history(event.key)
        who = next((one.user for one in reversed(steps) if one.operation == STEPS[event.intent]), "")
        return who or str(event.details.get("assignee") or "somebody")

    def _variables(self, key: int) -> dict[str, Any]:
        return {one.name: one.value for one in self._client.search_variables(key).items}

    def _changed(self, key: int) -> str:
        before, now = self._known.get(key, {}), self._variables(key)
        self._known[key] = now
        changed = {name: value for name, value in now.items() if name not in before or before[name] != value}
        return ", ".join(f"{name} = {msgspec.json.encode(value).decode()}" for name, value in changed.items())

    def _done(self, key: int) -> None:
        address = address_option(self._broker)
        self._picture.show(key)
        done = heading(f"Done: instance {key} completed.", is_colored=self._is_colored)
        following = next_steps(
            (f"{program()} start {PROCESS}{address}", "another dinner"),
            (f"{program()} tasks{address}", "what waits for people"),
            (f"{program()} deploy FILE.bpmn{address}", "a process of your own"),
            (f"{program()} work TYPE{address} -- PROGRAM", "a worker for its service tasks"),
        )
        write(f"  {done}\n")
        if not self._has_said_what_follows:
            self._has_said_what_follows = True
            write(f"{following}\n")

    # --- what is typed

    def listen(self) -> None:
        """Carry out the commands of `osmia` that are typed or pasted here, until Ctrl-D or Ctrl-C.

        Raises:
            Failure: the broker has ended by itself.
        """
        with self._until_broker_ends():
            self._carry_out_lines()

    @contextmanager
    def _until_broker_ends(self) -> Iterator[None]:
        """Let a signal end the wait for a line when the broker ends: a read of the terminal hears nothing else."""
        from osmia_broker.running.child import LOG

        def fail(_number: int, _frame: FrameType | None) -> None:
            log = f"its last words are in {shown(self._data_dir / LOG)}"
            raise Failure(
                Exit.UNREACHABLE,
                "The broker of the demo has ended.",
                why=log,
                mend="osmia demo   (goes on with your data)",
            )

        def tell(thread: int) -> None:
            self._broker.wait_until_it_ends()
            signal.pthread_kill(thread, signal.SIGUSR1)

        signal.signal(signal.SIGUSR1, fail)
        threading.Thread(target=tell, args=(threading.get_ident(),), name="osmia-demo-end", daemon=True).start()
        try:
            yield
        finally:
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # from now on the demo ends the broker itself

    def _carry_out_lines(self) -> None:
        for line in sys.stdin:
            try:
                words = shlex.split(line)
            except ValueError:
                words = [line.strip()]
            if words and Path(words[0]).name == "osmia":
                own = [] if "--address" in words else ["--address", self._broker.address]
                command = [sys.executable, "-m", "osmia_broker", *words[1:], *own]
                subprocess.run(command, check=False, stdin=subprocess.DEVNULL)  # noqa: S603 - what the person has typed
            elif words:
                write("  Commands of osmia can be typed here, such as the one above. Ctrl-D or Ctrl-C stops the demo.")


def shown(path: Path) -> str:
    """Return a path as it is printed: one below this folder begins with a dot."""
    return str(path) if path.is_absolute() or str(path).startswith(".") else f"./{path}"
