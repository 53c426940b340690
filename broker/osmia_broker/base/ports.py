"""Publish the ports of a broker's doors in its data directory, and find out who holds a taken port."""

import os
import socket
import sys
from pathlib import Path

import msgspec

FILE = "osmia.ports.json"
PORT_MAX = 65535
TRIED_MAX = 100  # ports that are tried one after the other before the search for a free one ends


class Ports(msgspec.Struct, frozen=True):
    """The ports of the broker on a data directory, and its process id."""

    grpc: int
    http: int
    management: int
    pid: int

    def write(self, data_dir: Path) -> None:
        """Write the ports to *data_dir* for scripts. A reader never sees half of them."""
        draft = data_dir / (FILE + ".new")
        draft.write_bytes(msgspec.json.encode(self) + b"\n")
        draft.replace(data_dir / FILE)


def read(data_dir: Path) -> Ports | None:
    """Return the ports that the last broker on *data_dir* wrote; `None` when the file is missing or damaged."""
    try:
        return msgspec.json.decode((data_dir / FILE).read_bytes(), type=Ports)
    except (OSError, msgspec.DecodeError):
        return None


def obstacle(host: str, port: int) -> OSError | None:
    """Return the error that a door would meet if it listened at *port* of *host* now; `None` when it could listen."""
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            probe.listen()
    except OSError as error:
        return error
    return None


def is_free(host: str, port: int) -> bool:
    """Return whether a door could listen at *port* of *host* now."""
    return obstacle(host, port) is None


SHARED_PORTS = sys.platform == "linux"  # where the system spreads connections over all that listen at one port
CAN_HOLD = sys.platform == "linux"  # where two sockets may have one port as long as at most one of them listens


def reserve(host: str, port: int) -> tuple[socket.socket, int]:
    """Keep *port* of *host* (0 for a free one) for processes that will share it, and return a socket to be held and the real port.

    The socket takes no connections itself. While it is held, nobody gets the port who does not share it.

    Raises:
        OSError: somebody listens there already, whether he would share it or not; or the system cannot share ports.
    """
    if not SHARED_PORTS:
        raise OSError(
            "Expected a system that spreads the connections of one port over several processes, but found another"
        )
    found = obstacle(host, port)
    if found is not None:
        raise found
    host = host.strip("[]")
    held = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # As in `obstacle`: earlier connections may still be closing.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((host, port))
        # Otherwise a stranger with the same option could listen there.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    except OSError:
        held.close()
        raise
    return held, int(held.getsockname()[1])


def hold(host: str) -> tuple[socket.socket, int]:
    """Keep a free port of *host* for one broker that may stop and start again, and return a socket to be held and the port.

    The socket takes no connections. While it is held, the system gives the port to nobody who asks for any, and only who
    asks for just this one may listen there.

    Raises:
        OSError: the host is not one of this machine, or none of its ports is free.
    """
    host = host.strip("[]")
    held = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        held.bind((host, 0))
        # Only now, so that nobody else had the port when it was bound; and a broker may have it beside this socket.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    except OSError:
        held.close()
        raise
    return held, int(held.getsockname()[1])


def next_free(host: str, port: int) -> int:
    """Return the first free port from *port* upwards.

    Raises:
        OSError: none of the next `TRIED_MAX` ports is free.
    """
    for candidate in range(port, min(port + TRIED_MAX, PORT_MAX + 1)):
        if is_free(host, candidate):
            return candidate
    raise OSError(f"Expected a free port from {port} upwards, but found none among {TRIED_MAX}")


def holder(port: int) -> str:
    """Return the process that listens on *port*, such as `process 4711, java`; empty where `/proc` does not show it."""
    inodes = {f"socket:[{inode}]" for inode in _listening(port)}
    for descriptor in Path("/proc").glob("[0-9]*/fd/*") if inodes else ():
        try:
            if str(descriptor.readlink()) in inodes:
                return process(int(descriptor.parent.parent.name))
        except OSError:  # the process has ended meanwhile, or belongs to another user
            continue
    return ""


def process(pid: int) -> str:
    """Return the process *pid* in words, such as `process 4711, java`; empty when there is no such process."""
    try:
        return f"process {pid}, {Path(f'/proc/{pid}/comm').read_text().strip()}"
    except OSError:
        return f"process {pid}" if _exists(pid) else ""


def _exists(pid: int) -> bool:
    """Return whether the process runs, on systems without `/proc` too."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


LISTEN = "0A"  # the number of this socket state in /proc/net/tcp


def _listening(port: int) -> set[str]:
    """Return the inodes of the sockets that listen on *port*."""
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        try:
            rows = [line.split() for line in table.read_text().splitlines()[1:]]
        except OSError:
            continue
        found |= {row[9] for row in rows if row[3] == LISTEN and int(row[1].rsplit(":", 1)[1], 16) == port}
    return found
