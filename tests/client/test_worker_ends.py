"""How a worker as a process behaves when a handler fails, exits or hangs."""

import asyncio
import os
import signal
import subprocess
import sys
from asyncio.subprocess import Process

import pytest
from scripted_gateway import ScriptedGateway

from osmia import SyncClient, SyncWorker, errors, testing

PROGRAM = """
import asyncio, json, sys, threading
from osmia import {kind}Client, {kind}Worker
client = {kind}Client('{address}')
worker = {kind}Worker(client, grace_ms={grace_ms}, wait_ms=60_000)

@worker.job("t")
{prefix}def work():
    {body}

{run}
print("stopped in order", flush=True)
"""
KINDS = {
    "asyncio": {"kind": "", "prefix": "async ", "run": "asyncio.run(worker.run())"},
    "asyncio-thread": {"kind": "", "prefix": "", "run": "asyncio.run(worker.run())"},
    "blocking": {"kind": "Sync", "prefix": "", "run": "worker.run()"},
    "blocking-async": {"kind": "Sync", "prefix": "async ", "run": "worker.run()"},
}


async def program(gateway: ScriptedGateway, kind: str, body: str, grace_ms: int = 5_000) -> Process:
    text = PROGRAM.format(address=gateway.address, body=body, grace_ms=grace_ms, **KINDS[kind])
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ
    )


async def stopped(process: Process) -> tuple[int, str, str]:
    """End the program with the one SIGTERM that an orchestrator sends."""
    process.send_signal(signal.SIGTERM)
    out, err = await asyncio.wait_for(process.communicate(), 20)
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize("body", ["sys.exit(3)", "raise KeyboardInterrupt"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_handler_that_exits_fails_its_job_and_ends_nothing(
    gateway: ScriptedGateway, kind: str, body: str
) -> None:
    process = await program(gateway, kind, body)
    first = await gateway.add_job("t")
    await gateway.until(lambda: [each.jobKey for each in gateway.asked("FailJob")] == [first])
    second = await gateway.add_job("t")
    await gateway.until(lambda: [each.jobKey for each in gateway.asked("FailJob")] == [first, second])
    assert gateway.asked("FailJob")[0].retries == 2
    code, out, err = await stopped(process)
    assert (code, out) == (0, "stopped in order\n"), err
    assert (
        f"job {first} (t) failed, 2 retries left: {'SystemExit: 3' if 'exit' in body else 'KeyboardInterrupt'}" in err
    )


@pytest.mark.parametrize("kind", ["asyncio", "blocking"])
async def test_a_failure_is_seen_without_any_logging_set_up(gateway: ScriptedGateway, kind: str) -> None:
    process = await program(gateway, kind, 'json.loads("{bad")')
    key = await gateway.add_job("t")
    await gateway.until(lambda: gateway.asked("FailJob"))
    code, _, err = await stopped(process)
    assert code == 0
    assert f"job {key} (t) failed, 2 retries left: JSONDecodeError" in err
    assert "(<string>:9 in work)" in err
    assert "Traceback" in err
    assert "(<string>:9 in work)" in gateway.asked("FailJob")[0].errorMessage


@pytest.mark.parametrize("kind", ["asyncio-thread", "blocking"])
async def test_a_thread_that_hangs_does_not_keep_a_stopped_worker_alive(gateway: ScriptedGateway, kind: str) -> None:
    process = await program(gateway, kind, 'print("begun", flush=True); threading.Event().wait()', grace_ms=1)
    key = await gateway.add_job("t")
    assert await process.stdout.readline() == b"begun\n"
    code, out, err = await stopped(process)
    assert (code, out) == (0, "stopped in order\n"), err
    assert gateway.asked("FailJob")[0].jobKey == key
    assert gateway.jobs[key].retries == 3
    assert f"job {key} (t) is not done after the grace time of 0.0 s" in err


async def test_a_signal_that_does_not_wake_the_main_thread_ends_the_worker(gateway: ScriptedGateway) -> None:
    """The system may give a signal to any thread; so it happens, too, if it comes a moment before the main thread begins to wait."""
    body = "import signal; signal.pthread_kill(threading.get_ident(), signal.SIGTERM)"
    process = await program(gateway, "blocking", body)
    await gateway.add_job("t")
    out, err = await asyncio.wait_for(process.communicate(), 20)
    assert (process.returncode, out.decode()) == (0, "stopped in order\n"), err


async def test_a_handler_that_exits_is_a_failure_in_a_test_too() -> None:
    worker = SyncWorker(SyncClient("127.0.0.1:1"))

    @worker.job("t")
    def leave() -> None:
        sys.exit(3)

    @worker.job("u")
    async def leave_soon() -> None:
        await asyncio.create_task(asyncio.sleep(0))
        sys.exit(3)

    for type in ("t", "u"):
        outcome = await asyncio.to_thread(testing.handle, worker, testing.job(type))
        assert outcome.message.startswith("SystemExit: 3")


async def test_a_task_beside_a_handler_that_exits_does_not_stop_the_blocking_client() -> None:
    client = SyncClient("127.0.0.1:1")
    worker = SyncWorker(client)
    tasks = []

    async def leave() -> None:
        sys.exit(3)

    @worker.job("t")
    async def spawn() -> None:
        tasks.append(asyncio.create_task(leave()))

    outcome = await asyncio.to_thread(testing.handle, worker, testing.job("t"))
    assert outcome.variables == {}
    with pytest.raises(errors.Unavailable):
        await asyncio.to_thread(client.topology)
    assert isinstance(tasks[0].exception(), SystemExit)
    await asyncio.to_thread(client.close)
