"""`osmia demo`: show a broker, a process and a person's task in a minute.

At a terminal the person answers. Without one the demo plays every part itself, and exits 0 only if each step had its effect.
"""

import errno
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from osmia_broker import __version__, ports
from osmia_broker.cli import streams
from osmia_broker.cli.failures import Exit, Failure, from_child, usage
from osmia_broker.cli.preflight import prepare_data_dir
from osmia_broker.cli.session import Session, with_session
from osmia_broker.ports import PORT_MAX

if TYPE_CHECKING:
    from osmia import Job, SyncClient
    from osmia.results import ProcessInstance
    from osmia_broker.child import ChildBroker

app = typer.Typer(add_completion=False)

PROCESS = "dinner"
DECIDE, EAT = "decide", "eat"
ANSWER = "pizza"  # the demo's own decision, when no person is there
HOLD_MS = 3_600_000  # people take their time
GRPC, HTTP, MANAGEMENT = 26500, 8080, 9600
PORTS = 3  # from --port-base upwards


@app.command()
@with_session
def demo(
    session: Session,
    port_base: Annotated[
        int,
        typer.Option(min=0, max=PORT_MAX - PORTS + 1, help="First of three ports to use; the usual ones unless given."),
    ] = 0,
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the data here; else it is thrown away.")
    ] = None,
) -> None:
    """Start a broker here, run a process with a task for a person, and show what happens.

    Example: osmia demo --keep ./osmia-demo
    """
    is_played = not sys.stdin.isatty()
    with _data_dir(keep) as data_dir:
        broker = _broker(data_dir, port_base)
        try:
            _start(broker)
            with _connected(session, broker) as client:
                Demo(client, broker, is_played=is_played).play()
            _what_next(broker, keep, has_ended=is_played)
            if not is_played:
                _wait_for_the_person(keep)
        finally:
            broker.stop()


class Demo:
    """One run of the example. Each step acts, checks the effect, and prints both."""

    def __init__(self, client: "SyncClient", broker: "ChildBroker", *, is_played: bool) -> None:
        self._client = client
        self._broker = broker
        self._is_played = is_played
        self._instance_key = 0

    def play(self) -> None:
        """Play all steps in order.

        Raises:
            Failure: a step did not have its effect.
        """
        self._deploy_and_start()
        self._expect_token(DECIDE, "waits at")
        dinner = self._decide()
        self._expect_token(EAT, "moved to")
        self._expect_variable("dinner", dinner)
        self._pull_the_plug()
        self._expect_token(EAT, "still waits at")
        self._eat()
        self._expect_completed()

    def _deploy_and_start(self) -> None:
        model = resources.files("osmia_broker.cli").joinpath("dinner.bpmn").read_bytes()
        deployed = self._client.deploy(("dinner.bpmn", model)).processes[0]
        name = self._client.search_definitions(bpmn_process_id=PROCESS, latest_only=True).items[0].name
        _print("deployed", f'dinner.bpmn, "{name or PROCESS}", version {deployed.version}')
        self._instance_key = self._client.create_instance(PROCESS).key
        _print("started", str(self._instance_key))

    def _decide(self) -> str:
        """Complete the first task with the answer to its question, and return the answer."""
        job = self._take(DECIDE)
        groups = f" (for the group {', '.join(job.candidate_groups)})" if job.candidate_groups else ""
        _print("taken", f"job {job.key}{groups}")
        dinner = self._ask("What's for dinner?", ANSWER)
        self._client.complete_job(job.key, {"dinner": dinner})
        _print("completed", f'dinner = "{dinner}"')
        return dinner

    def _eat(self) -> None:
        job = self._take(EAT)
        if not self._is_played:
            typer.prompt("  Press Enter when it is eaten", default="", show_default=False, prompt_suffix=" ")
        self._client.complete_job(job.key)
        _print("completed", f"job {job.key}")

    def _pull_the_plug(self) -> None:
        """Kill the broker and start it again: acknowledged work survives."""
        self._broker.kill()
        took = _started(self._broker)
        _print("killed", f"the broker with SIGKILL; ready again in {took:.1f} s on the same data")

    def _take(self, element_id: str) -> "Job":
        """Take the job of this instance; give back the jobs of other instances, if a kept directory holds some."""
        from osmia import USER_TASK_TYPE

        mine: Job | None = None
        while mine is None:
            jobs = self._client.activate_jobs(
                USER_TASK_TYPE, worker="demo", max_jobs=100, timeout_ms=HOLD_MS, wait_ms=5_000
            )
            _expect(bool(jobs), f"a job at '{element_id}'", "none")
            for job in jobs:
                if (job.process_instance_key, job.element_id) == (self._instance_key, element_id):
                    mine = job
                else:
                    self._client.fail_job(job.key, retries=job.retries, message="given back by the demo")
        return mine

    def _ask(self, question: str, answer: str) -> str:
        if self._is_played:
            sys.stdout.write(f"\n  {question} {answer}   (nobody is at the terminal: the demo answers)\n\n")
            return answer
        return str(typer.prompt(f"\n  {question}", default=answer, prompt_suffix=" "))

    def _expect_token(self, element_id: str, verb: str) -> None:
        instance = self._instance()
        places = [element.element_id for element in instance.elements]
        _expect(places == [element_id], f"the token at '{element_id}'", f"it at {places} ({instance.state})")
        _print("token", f'{verb} "{instance.elements[0].element_name or element_id}"')

    def _expect_variable(self, name: str, value: Any) -> None:
        found = {one.name: one.value for one in self._client.search_variables(self._instance_key).items}
        _expect(found.get(name) == value, f"variable {name} = {value!r}", f"{found.get(name)!r}")

    def _expect_completed(self) -> None:
        instance = self._instance()
        _expect(instance.state == "COMPLETED" and not instance.elements, "the instance completed", instance.state)
        sys.stdout.write(f"\n  Done: instance {self._instance_key} completed.\n")

    def _instance(self) -> "ProcessInstance":
        return self._client.get_instance(self._instance_key)


@contextmanager
def _connected(session: Session, broker: "ChildBroker") -> "Iterator[SyncClient]":
    """Connect to the demo's own broker, even if the environment names another address."""
    with session.client(broker.address) as client:
        yield client


@contextmanager
def _data_dir(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        prepare_data_dir(keep, mend="osmia demo --keep DIR   (another directory)")
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="osmia-demo-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


def _broker(data_dir: Path, port_base: int) -> "ChildBroker":
    """Make the broker on the wanted ports, or on the next free ones, and name the wanted ones that were not free."""
    from osmia_broker.child import ChildBroker

    wanted = tuple(range(port_base, port_base + PORTS)) if port_base else (GRPC, HTTP, MANAGEMENT)
    chosen: list[int] = []
    for port in wanted:
        chosen.append(_free_port(port, chosen))
    return ChildBroker(data_dir, grpc_port=chosen[0], http_port=chosen[1], management_port=chosen[2])


def _free_port(port: int, chosen: list[int]) -> int:
    """Return *port*, or the next one that is free and not *chosen* already."""
    error = ports.obstacle("127.0.0.1", port)
    free = port
    try:
        while free in chosen or not ports.is_free("127.0.0.1", free):
            free = ports.next_free("127.0.0.1", free + 1)
    except OSError as none:
        raise usage(f"{none}.", "osmia demo --port-base 27000") from none
    if free != port:
        is_refused = error is not None and error.errno in (errno.EACCES, errno.EPERM)
        why = "is not allowed for this user" if is_refused else "is in use"
        streams.say(f"Port {port} {why}; the demo takes {free}.")
    return free


def _start(broker: "ChildBroker") -> None:
    sys.stdout.write(f"Osmia {__version__} demo\n\n")
    took = _started(broker)
    _print("broker", f"ready in {took:.1f} s, gRPC {broker.address}, data {broker.data_dir} (SQLite)")


def _started(broker: "ChildBroker") -> float:
    from osmia_broker.child import NotStarted

    try:
        return broker.start()
    except NotStarted as error:
        raise from_child(error.exit_code, str(error)) from error


def _print(step: str, observed: str) -> None:
    sys.stdout.write(f"  {step:<10} {observed}\n")
    sys.stdout.flush()


def _expect(holds: bool, expected: str, found: str) -> None:
    if not holds:
        raise Failure(Exit.DEFECT, f"Expected {expected}, but found {found}.", code="UNEXPECTED")


def _what_next(broker: "ChildBroker", keep: Path | None, *, has_ended: bool) -> None:
    """Print three lines to try. A broker that *has_ended* with the demo has to be started first, and knows no process unless it was kept."""
    data_dir = keep or Path("osmia-data")
    if has_ended:
        sys.stdout.write(
            "\n  Try next:\n"
            f"    osmia broker --data-dir {data_dir}   a broker of your own; then, in a second terminal\n"
            "    osmia deploy FILE.bpmn   your own process, or examples/dinner.bpmn of the repository\n"
            "    osmia start PROCESS_ID   then osmia tasks\n"
        )
        return
    address = "" if broker.ports.grpc == GRPC else f" --address {broker.address}"
    sys.stdout.write(
        "\n  Try next:\n"
        f"    osmia broker --data-dir {data_dir}   a broker of your own\n"
        f"    osmia start {PROCESS}{address}   another dinner; then osmia tasks{address}\n"
        f"    osmia deploy FILE.bpmn{address}   your own process\n"
    )


def _wait_for_the_person(keep: Path | None) -> None:
    import signal

    kept = f"your data stays in {keep}" if keep else "its data is thrown away; keep it with --keep DIR"
    sys.stdout.write(f"\nThe broker still runs. Ctrl-C stops it; {kept}.\n")
    sys.stdout.flush()
    try:
        signal.pause()
    except KeyboardInterrupt:
        sys.stdout.write("\n")
