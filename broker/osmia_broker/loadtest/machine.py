"""Measure a process tree: CPU time and memory from `/proc`, bytes of its data directory. Zeros on systems but Linux."""

import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Usage:
    """The resources that a process and all its descendants have used."""

    cpu_s: float = 0.0  #: user and system time since they started
    rss_bytes: int = 0


def usage(pid: int) -> Usage:
    """Return the usage of *pid* and its descendants. Zeros when there is no such process, or no `/proc`."""
    tree = _tree(pid)
    tick, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    found = [fields for one in tree if (fields := _stat(one))]
    return Usage(
        cpu_s=sum(int(fields[11]) + int(fields[12]) for fields in found) / tick,
        rss_bytes=sum(int(fields[21]) for fields in found) * page,
    )


def bytes_on_disk(directory: Path) -> int:
    """Return the size of all files below *directory*. A file that vanishes meanwhile counts as nothing."""
    total = 0
    for file in directory.rglob("*"):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except OSError:
            continue
    return total


def _tree(pid: int) -> list[int]:
    """Return *pid* and its descendants."""
    children: dict[int, list[int]] = {}
    for directory in PROC.glob("[0-9]*"):
        if fields := _stat(int(directory.name)):
            children.setdefault(int(fields[1]), []).append(int(directory.name))
    tree = [pid]
    for one in tree:  # grows while it is walked
        tree += children.get(one, [])
    return tree


def _stat(pid: int) -> list[str]:
    """Return the fields of `/proc/PID/stat` behind the command name. The name may hold any character, blanks too."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
