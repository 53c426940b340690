"""What the page costs: the CPU of the broker for each list over many tasks and instances, for pages that are open, and bytes to load.

    python -m bench page [--tasks 100000] [--repeats 20] [--pages 200] [--idle-s 30]

Builds a database with so many open tasks, each of an instance of its own, starts a broker on it, and asks as a browser does. Shown are the
milliseconds of CPU of the broker's process for a request (the mean of the repeats after a first one), the share of one CPU that open pages
take while nothing happens, the compressed bytes of a first view, and the CPU of `osmia --help`.
"""

import argparse
import asyncio
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from bench.search import build

START_S = 60
TICKS = os.sysconf("SC_CLK_TCK")
LISTS = {
    "task list": "/tasks",
    "task list, unassigned": "/tasks?filter=unassigned",
    "task list, by due date": "/tasks?sort=due",
    "task list, query": "/tasks?q=group:group-7+priority:>50",
    "task list, variable": "/tasks?q=amount:>900",
    "instance list": "/instances",
    "instance list, process": "/instances?process=process-3",
    "instance list, own variable": "/instances?variable=orderId%3Dorder-5000",
    "instance list, shared variable": "/instances?variable=amount%3D5",
    "processes": "/processes",
    "incidents": "/incidents",
}
IMPORTS = re.compile(rb"""(?:from|import)\s*['"](\./[\w-]+\.js)['"]""")
LOADS = re.compile(rb"""(?:src|href)="(/assets/[^"]+)\"""")


def cpu_s(pid: int) -> float:
    """The CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def broker(data_dir: Path) -> Iterator[tuple[int, str]]:
    """A broker on the data: its process id, and the address of its page."""
    ports = data_dir / "osmia.ports.json"
    ports.unlink(missing_ok=True)
    doors = [f"--{door}-port=0" for door in ("grpc", "http", "management")]
    command = [
        sys.executable,
        "-m",
        "osmia_broker",
        "broker",
        "--data-dir",
        str(data_dir),
        *doors,
        "--log-level",
        "error",
    ]
    process = subprocess.Popen(command)
    try:
        until = time.monotonic() + START_S
        while not ports.exists():
            if time.monotonic() > until or process.poll() is not None:
                sys.exit("Expected the broker to start, but it did not")
            time.sleep(0.1)
        yield process.pid, f"http://127.0.0.1:{json.loads(ports.read_text())['http']}"
    finally:
        process.terminate()
        process.wait(30)


def get(address: str) -> bytes:
    """Ask as a browser does; return the bytes that came over the line."""
    with urlopen(Request(address, headers={"accept-encoding": "gzip"})) as answer:
        return bytes(answer.read())


def plain(content: bytes) -> bytes:
    import gzip

    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def first_view(site: str, path: str) -> int:
    """The compressed bytes of a page with its scripts and styles, without the viewers that only some screens load."""
    html = get(site + path)
    total, waiting, seen = len(html), set(LOADS.findall(plain(html))), set()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        content = get(site + name.decode())
        total += len(content)
        if name.endswith(b".js") and b"/static/" in name:
            folder = name.rpartition(b"/")[0]
            waiting |= {folder + one[1:] for one in IMPORTS.findall(plain(content))} - seen
    return total


async def open_pages(site: str, count: int) -> list[asyncio.StreamWriter]:
    """Open so many streams of live updates, as open pages do."""
    host, port = site.removeprefix("http://").split(":")
    writers = []
    for _ in range(count):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /events?topics=tasks,incidents HTTP/1.1\r\nhost: " + host.encode() + b"\r\n\r\n")
        await writer.drain()
        await reader.readline()
        writers.append(writer)
    return writers


async def idle(pid: int, site: str, pages: int, idle_s: float) -> float:
    """The share of one CPU that open pages take while nothing happens."""
    writers = await open_pages(site, pages)
    before, began = cpu_s(pid), time.monotonic()
    await asyncio.sleep(idle_s)
    share = (cpu_s(pid) - before) / (time.monotonic() - began)
    for writer in writers:
        writer.close()
    return share


def help_ms() -> float:
    """The CPU of `osmia --help` in milliseconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "osmia_broker", "--help"], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, kind, default in (
        ("tasks", int, 100_000),
        ("repeats", int, 20),
        ("pages", int, 200),
        ("idle-s", float, 30.0),
    ):
        parser.add_argument(f"--{name}", type=kind, default=default)
    given: Any = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        asyncio.run(build([data_dir / "partition-1.db"], given.tasks, 0))
        with broker(data_dir) as (pid, site):
            for name, path in LISTS.items():
                get(site + path)
                before = cpu_s(pid)
                for _ in range(given.repeats):
                    get(site + path)
                print(f"{name:<32} {(cpu_s(pid) - before) / given.repeats * 1000:8.1f} ms of CPU")
            print(f"{'first view, without viewers':<32} {first_view(site, '/tasks') / 1000:8.1f} kB compressed")
            share = asyncio.run(idle(pid, site, given.pages, given.idle_s))
            print(f"{f'{given.pages} open pages, idle':<32} {share:8.1%} of a CPU")
    print(f"{'osmia --help':<32} {help_ms():8.1f} ms of CPU")


if __name__ == "__main__":
    main()
