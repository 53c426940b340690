"""The broker of the demo: its ports, its start, and the process `dinner` that it runs."""

import errno
import shutil
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from osmia_broker.base import ports
from osmia_broker.base.system_errors import in_words
from osmia_broker.cli import streams
from osmia_broker.cli.failures import from_child, usage

if TYPE_CHECKING:
    from osmia import SyncClient
    from osmia_broker.running.child import ChildBroker

PROCESS = "dinner"
GRPC, HTTP, MANAGEMENT = 26500, 8080, 9600
PORTS = 3  # from --port-base upwards


def make_broker(data_dir: Path, port_base: int) -> "ChildBroker":
    """Make the broker on the wanted ports, or on the next free ones, and name the wanted ones that were not free."""
    from osmia_broker.running.child import ChildBroker

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
        raise usage(f"{in_words(none)}.", "osmia demo --port-base 27000") from none
    if free != port:
        is_refused = error is not None and error.errno in (errno.EACCES, errno.EPERM)
        why = "is not allowed for this user" if is_refused else "is in use"
        streams.say(f"Port {port} {why}; the demo takes {free}.")
    return free


def ready_after(broker: "ChildBroker") -> float:
    """Start the broker, and return the seconds until it was ready.

    Raises:
        Failure: that of the broker; another demo on the same data is one.
    """
    from osmia_broker.running.child import NotStarted

    try:
        return broker.start()
    except NotStarted as error:
        failure = from_child(error.exit_code, str(error))
        failure.mend = failure.mend.replace("osmia broker --data-dir DIR", "osmia demo --keep DIR")
        raise failure from error


def deploy_dinner(client: "SyncClient") -> str:
    """Deploy the process, say whether it is new, and return its id."""
    model = resources.files("osmia_broker.cli.demo").joinpath("dinner.bpmn").read_bytes()
    deployment = client.deploy(("dinner.bpmn", model))
    deployed = deployment.processes[0]
    name = client.search_definitions(bpmn_process_id=PROCESS, latest_only=True).items[0].name
    is_new = deployed.key > deployment.key
    print_step(
        "deployed" if is_new else "unchanged", f'dinner.bpmn       "{name or PROCESS}", version {deployed.version}'
    )
    return deployed.bpmn_process_id


def address_option(broker: "ChildBroker") -> str:
    """Return the option with which a command reaches the broker; empty if it listens where commands look."""
    return "" if broker.ports.grpc == GRPC else f" --address {broker.address}"


def port_options(broker: "ChildBroker") -> str:
    """Return the options that give a broker the ports of this one; none for those that it takes by itself."""
    usual = {"grpc": GRPC, "http": HTTP, "management": MANAGEMENT}
    taken = {door: getattr(broker.ports, door) for door in usual}
    return "".join(f" --{door}-port {taken[door]}" for door, port in usual.items() if taken[door] != port)


def python() -> str:
    """Return the word that starts this Python: `python` if a shell finds this one by it, else its path."""
    here = Path(sys.executable)
    return "python" if _is_found("python") else _from_here(here)


def program() -> str:
    """Return the word that starts this `osmia` in another terminal, where no environment may be active: its path, unless a shell finds it."""
    here = Path(sys.executable).with_name("osmia")
    if _is_found("osmia") or not here.is_file():
        return "osmia"
    return _from_here(here)


def _is_found(name: str) -> bool:
    """Tell whether a shell that is given *name* starts the one of this environment."""
    return Path(shutil.which(name) or "").parent == Path(sys.executable).parent


def _from_here(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def next_steps(*steps: tuple[str, str]) -> str:
    """Return commands to try next, each with what it does, in two columns."""
    width = max(len(command) for command, _ in steps)
    return "\n".join(["  Try next:", *(f"    {command:<{width}}   {about}" for command, about in steps)])


def print_step(step: str, observed: str) -> None:
    """Print a step and its effect."""
    write(f"  {step:<10} {observed}")


def write(text: str) -> None:
    """Print lines at once: somebody watches."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
