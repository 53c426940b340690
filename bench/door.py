"""CPU of a call at the gRPC door alone: real frames, services and checks, but no socket and a partition that answers without an engine.

    python -m bench door [--rounds 30]

To compare with another version, run it by turns with PYTHONPATH at each. The least of all rounds counts: others on the machine only add.
"""

import argparse
import asyncio
import gc
from time import process_time
from typing import Any

from osmia_broker.base.event_loops import loop_factory
from osmia_broker.calls.broker_identity import BrokerIdentity
from osmia_broker.calls.calls import Calls
from osmia_broker.calls.jobs.handout import JobHandout
from osmia_broker.engine.answers import ActivatedJob, Created
from osmia_broker.engine.commands import ActivateJobs, CreateProcessInstance
from osmia_broker.gateway.door import Door
from osmia_broker.gateway.gateway_service import Gateway
from osmia_broker.h2 import Connection, Limits, Site, frames
from osmia_broker.h2.frames import END_HEADERS, END_STREAM, frame
from osmia_broker.h2.hpack import FIRST_DYNAMIC
from osmia_broker.metrics import GatewayCounters
from osmia_broker.rpc.exchange import Exchange, Service
from osmia_proto import gateway
from osmia_proto.methods import GATEWAY

CONNECTIONS, CALLS = 4, 16  # of each connection, in one piece
JOBS = 16  # of a poll, and of a push to a stream
TURNS = 12  # in a round
KEY = 2**51 + 7
VARIABLES = '{"orderId":"o-1","amount":17.5,"customer":"c-1"}'
CREATED = Created(KEY, "order", 1, KEY + 1)
JOB = ActivatedJob(KEY, "pay", KEY, "order", 1, KEY, "task", KEY, "{}", "worker", 3, KEY, VARIABLES)
KNOWN = bytes((*(0x80 | FIRST_DYNAMIC + place for place in range(7, 0, -1)), 0x0F, FIRST_DYNAMIC - 0x0F))
# The table's fields of a call, oldest first, and the name of the newest, whose value follows.
REQUESTS = {
    "CreateProcessInstance": gateway.CreateProcessInstanceRequest(
        bpmnProcessId="order", version=-1, variables=VARIABLES
    ),
    "CompleteJob": gateway.CompleteJobRequest(jobKey=KEY, variables=VARIABLES),
    "ActivateJobs": gateway.ActivateJobsRequest(type="pay", worker="worker", timeout=60_000, maxJobsToActivate=JOBS),
    "StreamActivatedJobs": gateway.StreamActivatedJobsRequest(type="pay", worker="worker", timeout=60_000),
}


class Partition:
    """Answers all commands of a turn in the next one, as one commit would."""

    id, is_open = 1, True

    def __init__(self) -> None:
        self.parts = (self,)
        self.counter: Any = None
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[Any, Any]] = []

    def add_listener(self, listener: Any) -> None:
        """Keep the one that hands out jobs."""
        if isinstance(listener, JobHandout):
            self.counter = listener

    def report_jobs(self, type: str) -> None:
        """Do nothing: the measurement itself reports jobs."""

    def has_activatable(self, _type: str, *, leases: bool = False, waits: bool = False) -> bool:
        """Return True."""
        return True

    def submit(self, command: Any) -> "asyncio.Future[Any]":
        """Return the future that holds the answer."""
        answer: asyncio.Future[Any] = self._loop.create_future()
        self.decide(command, answer)
        return answer

    def decide(self, command: Any, waiter: Any) -> None:
        """Answer *waiter* in the next turn."""
        if not self._waiting:
            self._loop.call_later(0, self._commit)
        self._waiting.append((command, waiter))

    decide_own = decide

    def _commit(self) -> None:
        waiting, self._waiting = self._waiting, []
        for command, waiter in waiting:
            answer: Any = CREATED if isinstance(command, CreateProcessInstance) else None
            if isinstance(command, ActivateJobs):
                answer = [JOB] * len(command.keys or range(JOBS))
            waiter.set_result(answer)


class Wire:
    """A transport without another end."""

    def __init__(self) -> None:
        self.octets = 0

    def write(self, data: bytes) -> None:
        """Count *data*."""
        self.octets += len(data)

    def set_write_buffer_limits(self, high: int) -> None:
        """Do nothing: there is no buffer."""


class Client:
    """A connection with windows that never end, and its calls as bytes."""

    def __init__(self, site: Site) -> None:
        self.wire, self.connection = Wire(), Connection(site)
        self.connection.connection_made(self.wire)  # type: ignore[arg-type]
        greeting = frames.settings({frames.INITIAL_WINDOW_SIZE: 2**30}) + frames.window_update(0, 2**30)
        self.connection.data_received(frames.PREFACE + greeting)
        self._id = -1

    def call(self, method: str) -> bytes:
        """Return a call as clients send it: the table of headers knows all its fields from the first call on, but the deadline's value."""
        self._id += 2
        timeout = b"%du" % (29_000_000 + self._id % 1_000)
        if self._id == 1:
            fields = [
                *((b":method", b"POST"), (b":scheme", b"http"), (b":path", GATEWAY[method].full_name.encode())),
                *((b":authority", b"127.0.0.1:26500"), (b"content-type", b"application/grpc")),
                *((b"user-agent", b"grpc-go/1.71.0"), (b"te", b"trailers"), (b"grpc-timeout", timeout)),
            ]
            block = b"".join(b"\x40%c%s%c%s" % (len(name), name, len(value), value) for name, value in fields)
        else:
            block = KNOWN + b"%c%s" % (len(timeout), timeout)
        message = REQUESTS[method].SerializeToString()
        content = b"\0" + len(message).to_bytes(4, "big") + message
        head = frame(frames.HEADERS, END_HEADERS, self._id, block)
        return head + frame(frames.DATA, END_STREAM, self._id, content)


async def calls_us(clients: list[Client], method: str) -> float:
    """Let every client make its calls at once, `TURNS` times; return the CPU of one call in µs."""
    number = 1 if method == "ActivateJobs" else CALLS
    pieces = [[b"".join(client.call(method) for _ in range(number)) for client in clients] for _ in range(TURNS)]
    begun = process_time()
    for turn in pieces:
        for client, piece in zip(clients, turn, strict=True):
            client.connection.data_received(piece)
        while any(client.connection.streams for client in clients):  # noqa: ASYNC110 - the turns are what is measured
            await asyncio.sleep(0)
    return (process_time() - begun) / (TURNS * len(clients) * number) * 1e6


async def pushes_us(clients: list[Client], partition: Partition) -> float:
    """Push jobs to the open streams of *clients*; return the CPU of one job in µs."""
    begun = process_time()
    for _ in range(TURNS):
        sent = [client.wire.octets for client in clients]
        partition.counter.jobs_activatable({"pay": list(range(JOBS * len(clients)))})
        while any(client.wire.octets == octets for client, octets in zip(clients, sent, strict=True)):  # noqa: ASYNC110
            await asyncio.sleep(0)
    return (process_time() - begun) / (TURNS * JOBS * len(clients)) * 1e6


async def measure(rounds: int) -> None:
    partition = Partition()
    door = Door(GatewayCounters())
    servicer = Gateway(Calls(partition), BrokerIdentity("8.10.0", "bench"), ("", 0))  # type: ignore[arg-type]
    service = Service({rpc.path: rpc for rpc in door.rpcs(GATEWAY, servicer)}, 4 * 1024**2)
    site = Site(lambda *stream: Exchange(*stream, service), asyncio.get_running_loop().time, Limits())
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)  # as the broker has it
    for method in REQUESTS:
        clients = [Client(site) for _ in range(CONNECTIONS)]
        if method == "StreamActivatedJobs":
            for client in clients:
                client.connection.data_received(client.call(method))
            await asyncio.sleep(0.1)
            least = min([await pushes_us(clients, partition) for _ in range(rounds)])
        else:
            least = min([await calls_us(clients, method) for _ in range(rounds)])
        of = f", {JOBS} jobs" if method == "ActivateJobs" else ", a job" if method == "StreamActivatedJobs" else ""
        print(f"{method + of:<32}{least:>8.1f} µs", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(measure(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
