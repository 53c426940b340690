"""A gateway for tests of the client: real gRPC over loopback, jobs in memory, and every refusal that a test asks for.

It knows jobs and nothing of BPMN: `CreateProcessInstance` makes one job whose type is the process id. What it is asked is
kept in `requests`; a call it has no rules for gets the response a test put into `answers`.
"""

import argparse
import asyncio
import collections
import contextlib
import itertools
import json
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message

from osmia_proto import gateway
from osmia_proto.methods import GATEWAY, GATEWAY_SERVICE, JOB_FLOW, JOB_FLOW_SERVICE, QUERIES, QUERIES_SERVICE, Method
from tests.patience import ANSWER_S

FIRST_KEY = 1 << 51


class ScriptedGateway:
    def __init__(self) -> None:
        self.requests: list[tuple[str, Message]] = []
        self._metadata: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Message] = {}
        self.refusals: dict[str, collections.deque[grpc.StatusCode]] = collections.defaultdict(collections.deque)
        self.jobs: dict[int, gateway.ActivatedJob] = {}
        self.activatable: dict[str, collections.OrderedDict[int, None]] = collections.defaultdict(
            collections.OrderedDict
        )
        self.ended: dict[int, Message] = {}  # how each job ended, by its key
        self.held: dict[str, asyncio.Event] = {}  # calls that get no answer until they are let go
        self.open_polls = 0
        self.address = ""
        self._keys = itertools.count(FIRST_KEY + 1)
        self._changed = asyncio.Condition()
        self._streams: list[tuple[gateway.StreamActivatedJobsRequest, asyncio.Queue[gateway.ActivatedJob]]] = []
        self._server: grpc.aio.Server | None = None

    async def start(self, port: int = 0) -> None:
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        for service, methods in ((GATEWAY_SERVICE, GATEWAY), (QUERIES_SERVICE, QUERIES), (JOB_FLOW_SERVICE, JOB_FLOW)):
            handlers = {name: self._handler(method) for name, method in methods.items()}
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        bound = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self.address = f"127.0.0.1:{bound}"
        await self._server.start()

    async def stop(self) -> None:
        if self._server:
            await self._server.stop(grace=None)
            self._server = None

    async def serve(self) -> None:
        await self._server.wait_for_termination()

    # ---- what a test does and looks at

    async def add_job(self, type: str, *, variables: dict[str, Any] | None = None, **fields: Any) -> int:
        """Make a job; its key comes back."""
        key = next(self._keys)
        texts = {"variables": json.dumps(variables or {}), "customHeaders": "{}"}
        self.jobs[key] = gateway.ActivatedJob(key=key, type=type, **{"retries": 3, **texts, **fields})
        await self._offer(key)
        return key

    async def expire(self, key: int) -> None:
        """Let the time of a job run out."""
        await self._offer(key)

    def hold(self, name: str) -> None:
        """Answer no call of this name from now on."""
        self.held[name] = asyncio.Event()

    def let_go(self, name: str) -> None:
        """Answer those that waited, and those to come."""
        self.held.pop(name).set()

    def asked(self, name: str) -> list[Message]:
        return [request for called, request in self.requests if called == name]

    def metadata(self, name: str, key: str) -> list[Any]:
        """The value of *key* in the metadata of each call of this name."""
        return [given.get(key) for called, given in self._metadata if called == name]

    async def until(self, holds: Any) -> None:
        """Wait until *holds()* is true; looked at whenever a call came in or a job changed."""
        async with asyncio.timeout(ANSWER_S), self._changed:
            await self._changed.wait_for(holds)

    # ---- the calls

    def _handler(self, method: Method) -> Any:
        behaviour = getattr(self, f"_{method.name}", None)

        async def unary(request: Message, context: grpc.aio.ServicerContext) -> Message:
            await self._note(method.name, request, context)
            if behaviour:
                return await behaviour(request, context)
            if method.name not in self.answers:
                await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{method.name} is not scripted")
            return self.answers[method.name]

        async def stream(request: Message, context: grpc.aio.ServicerContext) -> Any:
            await self._note(method.name, request, context)
            async with contextlib.aclosing(behaviour(request, context)) as responses:
                async for response in responses:
                    yield response

        codec = {
            "request_deserializer": method.request.FromString,
            "response_serializer": method.response.SerializeToString,
        }
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(stream, **codec)
        return grpc.unary_unary_rpc_method_handler(unary, **codec)

    async def _note(self, name: str, request: Message, context: grpc.aio.ServicerContext) -> None:
        copy = type(request)()
        copy.CopyFrom(request)
        self.requests.append((name, copy))
        self._metadata.append((name, dict(context.invocation_metadata() or ())))
        await self._announce()
        if name in self.held:
            await self.held[name].wait()
        if self.refusals[name]:
            await context.abort(self.refusals[name].popleft(), "scripted refusal")

    async def _announce(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _offer(self, key: int) -> None:
        job = self.jobs[key]
        for request, queue in self._streams:
            if request.type == job.type:
                queue.put_nowait(self._leased(key, request))
                break
        else:
            self.activatable[job.type][key] = None
        await self._announce()

    def _leased(self, key: int, request: Any) -> gateway.ActivatedJob:
        job = self.jobs[key]
        job.worker = request.worker
        return job

    async def _ActivateJobs(self, request: gateway.ActivateJobsRequest, context: Any) -> Any:  # noqa: N802
        waiting = self.activatable[request.type]
        if not waiting and request.requestTimeout >= 0:
            self.open_polls += 1
            try:
                async with asyncio.timeout((request.requestTimeout or 10_000) / 1000), self._changed:
                    await self._changed.wait_for(lambda: waiting)
            except TimeoutError:
                return
            finally:
                self.open_polls -= 1
                self._announcing = asyncio.create_task(self._announce())  # apart: this call may be cancelled
        keys = [waiting.popitem(last=False)[0] for _ in range(min(len(waiting), request.maxJobsToActivate))]
        if keys:
            yield gateway.ActivateJobsResponse(jobs=[self._leased(key, request) for key in keys])

    async def _StreamActivatedJobs(self, request: gateway.StreamActivatedJobsRequest, context: Any) -> Any:  # noqa: N802
        entry = (request, asyncio.Queue())
        self._streams.append(entry)
        await self._announce()
        try:
            while True:
                yield await entry[1].get()
        finally:
            self._streams.remove(entry)

    async def _CompleteJob(self, request: gateway.CompleteJobRequest, context: Any) -> Message:  # noqa: N802
        await self._end(request.jobKey, request, context)
        return gateway.CompleteJobResponse()

    async def _ThrowError(self, request: gateway.ThrowErrorRequest, context: Any) -> Message:  # noqa: N802
        await self._end(request.jobKey, request, context)
        return gateway.ThrowErrorResponse()

    async def _FailJob(self, request: gateway.FailJobRequest, context: Any) -> Message:  # noqa: N802
        await self._expect(request.jobKey, context)
        self.jobs[request.jobKey].retries = request.retries
        if request.retries <= 0:
            await self._end(request.jobKey, request, context)
        return gateway.FailJobResponse()

    async def _UpdateJobTimeout(self, request: gateway.UpdateJobTimeoutRequest, context: Any) -> Message:  # noqa: N802
        await self._expect(request.jobKey, context)
        if request.timeout <= 0:
            await self._offer(request.jobKey)
        return gateway.UpdateJobTimeoutResponse()

    async def _Topology(self, request: gateway.TopologyRequest, context: Any) -> Message:  # noqa: N802
        return self.answers.get("Topology", gateway.TopologyResponse())

    async def _DeployResource(self, request: gateway.DeployResourceRequest, context: Any) -> Message:  # noqa: N802
        return self.answers.get("DeployResource", gateway.DeployResourceResponse(key=next(self._keys)))

    async def _CreateProcessInstance(  # noqa: N802
        self, request: gateway.CreateProcessInstanceRequest, context: Any
    ) -> Message:
        key = await self.add_job(request.bpmnProcessId, variables=json.loads(request.variables or "{}"))
        return gateway.CreateProcessInstanceResponse(
            processInstanceKey=key, bpmnProcessId=request.bpmnProcessId, version=1, processDefinitionKey=FIRST_KEY
        )

    async def _expect(self, key: int, context: Any) -> None:
        if key not in self.jobs:
            text = f"Command 'COMPLETE' rejected with code 'NOT_FOUND': Expected a job with key '{key}', but found none"
            await context.abort(grpc.StatusCode.NOT_FOUND, text)

    async def _end(self, key: int, request: Message, context: Any) -> None:
        await self._expect(key, context)
        del self.jobs[key]
        self.ended[key] = request
        await self._announce()


async def main() -> None:
    """Serve on a port until killed, forgetting what was asked: something to measure clients with."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    scripted = ScriptedGateway()
    scripted.requests = collections.deque(maxlen=1)
    scripted.ended = collections.OrderedDict()
    await scripted.start(parser.parse_args().port)
    print(scripted.address, flush=True)
    await scripted.serve()


if __name__ == "__main__":
    asyncio.run(main())
