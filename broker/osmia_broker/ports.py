"""The ports that a broker's doors got, told to whoever looks into its data directory; and who holds a taken port."""

import socket
from pathlib import Path

import msgspec

FILE = "osmia.ports.json"


class Ports(msgspec.Struct, frozen=True):
    """Where the doors of the broker on a data directory listen."""

    grpc: int
    http: int
    management: int
    pid: int

    def write(self, data_dir: Path) -> None:
        """Leave them in *data_dir* for scripts; whole or not at all."""
        draft = data_dir / (FILE + ".new")
        draft.write_bytes(msgspec.json.encode(self) + b"\n")
        draft.replace(data_dir / FILE)


def read(data_dir: Path) -> Ports | None:
    """What the last broker on *data_dir* wrote; `None` when there is no (whole) file."""
    try:
        return msgspec.json.decode((data_dir / FILE).read_bytes(), type=Ports)
    except (OSError, msgspec.DecodeError):
        return None


def is_free(host: str, port: int) -> bool:
    """Whether a door could listen at *port* of *host* now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen()
        except OSError:
            return False
        return True


def next_free(host: str, port: int) -> int:
    """The first free port from *port* upwards.

    Raises:
        OSError: none of the hundred ports from there is free.
    """
    for candidate in range(port, min(port + 100, 65536)):
        if is_free(host, candidate):
            return candidate
    raise OSError(f"Expected a free port from {port} upwards, but found none in a hundred")


def holder(port: int) -> str:
    """Which process listens on *port*, as `process 4711, java`; empty where the system does not tell (`/proc`)."""
    inodes = {f"socket:[{inode}]" for inode in _listening(port)}
    for descriptor in Path("/proc").glob("[0-9]*/fd/*") if inodes else ():
        try:
            if str(descriptor.readlink()) in inodes:
                process = descriptor.parent.parent
                return f"process {process.name}, {(process / 'comm').read_text().strip()}"
        except OSError:  # it ended meanwhile, or belongs to somebody else
            continue
    return ""


LISTEN = "0A"  # the socket state's number in /proc/net/tcp


def _listening(port: int) -> set[str]:
    """Inodes of the sockets that listen on *port*."""
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        try:
            rows = [line.split() for line in table.read_text().splitlines()[1:]]
        except OSError:
            continue
        found |= {row[9] for row in rows if row[3] == LISTEN and int(row[1].rsplit(":", 1)[1], 16) == port}
    return found
