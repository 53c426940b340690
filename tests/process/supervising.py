"""A supervisor as a program, for tests of signals: `python -m tests.process.supervising FOLDER GRACE_S WORDS-OF-1 WORDS-OF-2 …`."""

import asyncio
import os
import sys
from pathlib import Path

from osmia_broker.running.supervisor import Program, Supervisor, bound_to, run_until_signalled


def programs(folder: Path, *words: str) -> list[Program]:
    """A process for each of *words*, which say what it does."""

    def made(number: int, does: str) -> Program:
        arguments = [str(folder), str(number), *does.split()]
        command = bound_to(os.getpid(), "tests.process.supervised", arguments)
        return Program(number, command, lambda pid: is_ready(folder, number, pid))

    return [made(number, does) for number, does in enumerate(words, 1)]


def is_ready(folder: Path, number: int, pid: int) -> bool:
    file = folder / f"{number}.ready"
    return file.exists() and file.read_text() == str(pid)


if __name__ == "__main__":
    asyncio.run(run_until_signalled(Supervisor(programs(Path(sys.argv[1]), *sys.argv[3:]), grace_s=float(sys.argv[2]))))
