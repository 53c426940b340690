"""No error repeats more than 200 characters of a text of its request, in whichever field it came (reliability.md, section 5)."""

from collections.abc import Awaitable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from osmia_proto.methods import GATEWAY
from tests.bpmn import bpmn
from tests.gateway.conftest import Wire

LONG = "x" * 201
#: What a request needs to get further than its first check.
BODY = {
    "DeployResource": {"resources": [{"content": b"<x/>"}]},
    "DeployProcess": {"processes": [{"definition": b"<x/>"}]},
    "CreateProcessInstance": {"bpmnProcessId": "long", "version": -1},
    "CreateProcessInstanceWithResult": {"request": {"bpmnProcessId": "long", "version": -1}, "requestTimeout": 1},
    "ActivateJobs": {"type": "t", "timeout": 1, "maxJobsToActivate": 1, "requestTimeout": -1},
    "StreamActivatedJobs": {"type": "t", "timeout": 1},
}


def text_fields(message: Descriptor, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths to all text fields of a message and of the messages in it."""
    for field in message.fields:
        if field.type == FieldDescriptor.TYPE_STRING:
            yield (*before, field.name)
        elif field.message_type is not None:
            yield from text_fields(field.message_type, (*before, field.name))


def filled(message: Any, path: tuple[str, ...]) -> None:
    """Put a long text at the end of *path*."""
    name, *rest = path
    if rest:
        inner = getattr(message, name)
        part = inner if hasattr(inner, "DESCRIPTOR") else inner[0] if len(inner) else inner.add()
        part.SetInParent() if part is inner else None
        filled(part, tuple(rest))
    elif hasattr(getattr(message, name), "append"):
        getattr(message, name).append(LONG)
    else:
        setattr(message, name, LONG)


@pytest.mark.parametrize(
    ("call", "path"),
    [
        pytest.param(name, path, id=f"{name}-{'.'.join(path)}")
        for name, method in GATEWAY.items()
        for path in text_fields(method.request.DESCRIPTOR)
    ],
)
async def test_a_long_text_is_cut_in_errors(wire: Wire, call: str, path: tuple[str, ...]):
    await wire.deploy("start > a:job > end", id="long")
    method = GATEWAY[call]
    request = method.request(**BODY.get(call, {}))
    filled(request, path)
    kind = wire._channel.unary_stream if method.server_streaming else wire._channel.unary_unary
    answer = kind(method.full_name, method.request.SerializeToString, method.response.FromString)(
        request, timeout=0.5 if method.server_streaming else 30
    )
    refusal = await refusal_of(answer.read() if method.server_streaming else answer)
    assert refusal is None or refusal.code() not in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL)
    assert refusal is None or LONG not in (refusal.details() or "")


async def refusal_of(answer: Awaitable[Any]) -> grpc.aio.AioRpcError | None:
    try:
        await answer
    except grpc.aio.AioRpcError as refused:
        return refused
    return None


async def test_the_beginning_of_a_long_text_stays(wire: Wire):
    refusal = await wire.refusal("CreateProcessInstance", bpmnProcessId="p" + "x" * 300, version=-1)
    assert f"process ID 'p{'x' * 199}…', but none found" in (refusal.details() or "")


async def test_a_long_name_of_a_file_is_cut_wherever_the_fault_is(wire: Wire):
    name = "x" * 300 + ".bpmn"
    for content in (b"<x/>", b"", bpmn('start > a:job(type="=1 +") > end')):
        refusal = await wire.refusal("DeployResource", resources=[{"name": name, "content": content}])
        assert f"'{'x' * 200}…': " in (refusal.details() or "")
