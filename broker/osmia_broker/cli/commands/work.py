"""`osmia work`: a worker that runs a command for each job."""

import logging
import os
import shlex
import shutil
import signal
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from osmia_broker.base import text_files
from osmia_broker.base.system_errors import in_words
from osmia_broker.base.whole_numbers import INT32_MAX
from osmia_broker.cli import streams, variables
from osmia_broker.cli.failures import usage
from osmia_broker.cli.options import JobType
from osmia_broker.cli.session import Session, with_session
from osmia_broker.cli.times import duration_option, milliseconds

if TYPE_CHECKING:
    from osmia import Job

app = typer.Typer(add_completion=False)

LEASE = timedelta(minutes=5)
ERROR_CHARACTERS = 1_000  # of what a command wrote to standard error, as the message of its failure


@app.command(context_settings={"ignore_unknown_options": True})
@with_session
def work(
    session: Session,
    type: JobType,
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="The program and its arguments.")],
    at_a_time: Annotated[int, typer.Option("--max", min=1, max=INT32_MAX, help="Jobs at a time.")] = 1,
    lock: Annotated[
        timedelta, duration_option(help="How long to hold a job; it is extended while it runs", default=LEASE)
    ] = LEASE,
) -> None:
    """Run a command for each job of a type until Ctrl-C: variables as JSON on its stdin, the result from its stdout.

    Exit code 0 completes the job, any other fails it with the last words of stderr.

    Example: osmia work charge-card -- python charge.py
    """
    from osmia import Job, SyncWorker

    for word in (type, command[0]):
        _expect_no_option(word)
    expect_program(command[0])
    logging.basicConfig(format="%(message)s", level=logging.WARNING if session.is_quiet else logging.INFO)
    logging.getLogger("osmia.worker").addFilter(without_our_frames)
    with session.client() as client:
        client.topology()  # a wrong address is said at once; later outages are waited for
        worker = SyncWorker(client, max_jobs=at_a_time, timeout_ms=milliseconds(lock), heartbeat=True)

        @worker.job(type, fetch_variables=False)
        async def run(job: Job) -> dict[str, Any] | None:
            return await outcome(command, job)

        worker.run()


def _expect_no_option(word: str) -> None:
    """Expect a type or a program. Unknown options are let through for those of the program, which stand behind it.

    Raises:
        Failure: USAGE; it is a misspelt option of this command.
    """
    if word.startswith("-"):
        raise usage(f"There is no option '{word.partition('=')[0]}'.", "osmia work --help")


def expect_program(name: str) -> None:
    """Expect a program that can be started. Without it each job that waits would lose its retries, one after the other.

    Raises:
        Failure: USAGE; there is none, or it may not be executed.
    """
    if shutil.which(name) is not None:
        return
    if name and Path(name).is_dir():  # the path of no letters is the folder at hand
        raise usage(f"Expected a program to run, but found the directory '{name}'.", "osmia work TYPE -- PROGRAM")
    if Path(name).is_file():
        # A word without a slash is searched for in PATH only, and a file that is there is not found.
        own = name if os.sep in name else f"./{name}"
        if os.access(own, os.X_OK):
            raise usage(f"There is no program '{name}' in PATH.", f"osmia work TYPE -- {shlex.quote(own)}")
        raise usage(f"Expected a program to run, but '{name}' is not executable.", f"chmod +x {shlex.quote(own)}")
    raise usage(f"There is no program '{name}'.", "osmia work TYPE -- PROGRAM   (its path, or a name that is in PATH)")


def without_our_frames(record: logging.LogRecord) -> bool:
    """Take the traceback out of *record* if the command has failed: its frames are ours, and say nothing of the command. Keep the record."""
    from osmia import JobFailure

    if record.exc_info and isinstance(record.exc_info[1], JobFailure):
        record.exc_info = None
    return True


async def outcome(command: list[str], job: "Job") -> dict[str, Any] | None:
    """Run *command* for *job*, and return the variables that it wrote.

    Raises:
        JobFailure: it cannot be started, its exit code is not 0, or it wrote something that is no JSON object.
    """
    import asyncio

    from osmia import JobFailure

    pipe = asyncio.subprocess.PIPE
    try:
        # In a group of its own: a Ctrl-C at the terminal is for the worker, which lets the command end its job.
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe, process_group=0)
    except OSError as error:
        raise JobFailure(f"Expected to run {command[0]}, but found: {in_words(error)}") from error
    try:
        out, err = await process.communicate(job.variables_json.encode())
    finally:
        if process.returncode is None:  # this worker stops
            os.killpg(process.pid, signal.SIGKILL)
    words = err.decode(errors="replace").strip()
    if words:
        streams.say(words)
    if process.returncode:
        how = f"exit code {process.returncode}" if process.returncode > 0 else f"signal {-process.returncode}"
        raise JobFailure(f"The program {command[0]} ended with {how}: {words[-ERROR_CHARACTERS:]}".rstrip(": "))
    if not out.strip():
        return None
    try:
        text = text_files.decoded(out)
    except UnicodeDecodeError as error:
        raise JobFailure(f"Expected a JSON object from {command[0]}, but found {in_words(error)}", retries=0) from error
    try:
        found: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        what = variables.fault(text, error)
        raise JobFailure(f"Expected a JSON object from {command[0]}, but found {what}", retries=0) from error
    return found
