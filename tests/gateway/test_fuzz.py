"""Any request that the contract can carry is answered or refused with a documented status, and the broker goes on.

Hypothesis draws the fields of every call: the keys of what lives here and of what does not, texts and documents of all kinds, and the bounds
of the numbers. A failing request is printed as small as it gets.
"""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from osmia_proto import gateway
from osmia_proto.methods import GATEWAY
from tests.bpmn import bpmn
from tests.doors import RunningBroker, running_broker

OK_ANSWERS = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}
NOT_BUILT = {
    "UpdateJobPriority",
    "withLease",
    "jobLeaseToken",
    "denied",
    "deniedReason",
    "corrections",
}  # answered as UNIMPLEMENTED
MODEL = (
    'start > a:job(type=work) > s:sub { start > b:job(type="=kind", items="=xs", item=x) > end } > wait:receive(message=go, key="=k") > end'
    " & late:boundary(on=a, timer=PT1H, cancel=false) > c:user > end2"
    " & h:eventsub { hs:start(signal=go, interrupting=false) > d:job(type=work) > end3 }"
    " & called:call(process=process) > end4"
)
NUMBERS = [0, 1, -1, 2, 7, 1_000, 2**31 - 1, -(2**31), 2**31, 2**53, 2**63 - 1, -(2**63), 2251799813685248]
TEXTS = [
    *("", " ", "process", "start", "a", "s", "b", "wait", "late", "h", "called", "work", "go", "nowhere", "E"),
    *(
        "<default>",
        "other",
        "é😀\u202e",
        "\x00",
        "a\nb",
        "a" * 257,
        "x" * 40_000,
        "' OR 1=1 --",
        "=1",
        "${x}",
        "../../x.bpmn",
    ),
]
DOCUMENTS = [
    *(
        "",
        "{}",
        '{"k": "1"}',
        '{"kind": "work", "xs": [1, 2]}',
        '{"xs": 5, "k": true}',
        "[]",
        "null",
        "1",
        '"text"',
        "{",
        '{"a": }',
    ),
    *(
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": 123456789012345678901234567890}',
        '{"a": "\\ud800"}',
        "[" * 3_000,
        '{"a":' * 3_000,
    ),
    *('{"": 1}', '{"a.b": 1, "loopCounter": "x"}', '{"a": 1, "a": 2}', '{"big": "' + "x" * 100_000 + '"}', "\x00", "é"),
]
FILES = [
    b"",
    b"\x00",
    b"<",
    b"<a/>",
    b"{}",
    b'{"id": "form"}',
    bpmn(MODEL, id="process"),
    bpmn("start > end", id="other")[:-9],
]
NAMES = ["process.bpmn", "form.form", "table.dmn", "", "x.txt", "process"]


class Fuzzed:
    """A broker with something of everything in it, and calls by name."""

    def __init__(self, broker: RunningBroker) -> None:
        self._channel = grpc.insecure_channel(broker.address)
        self.renew()

    def renew(self) -> None:
        """Start an instance, so that there is always something alive; collect keys that name something."""
        resource = gateway.Resource(name="process.bpmn", content=bpmn(MODEL, id="process"))
        self.call("DeployResource", resources=[resource])
        created = self.call(
            "CreateProcessInstance",
            bpmnProcessId="process",
            version=-1,
            variables='{"k": "1", "kind": "work", "xs": [1]}',
        )
        jobs = self.call("ActivateJobs", type="work", worker="w", timeout=1, maxJobsToActivate=1, requestTimeout=-1)
        self.keys = [created.processDefinitionKey, *range(created.processInstanceKey, created.processInstanceKey + 6)]
        self.keys += [key for answer in jobs for job in answer.jobs for key in (job.key, job.elementInstanceKey)]

    def call(self, name: str, /, **fields: Any) -> Any:
        method = GATEWAY[name]
        kind = self._channel.unary_stream if method.server_streaming else self._channel.unary_unary
        stub = kind(method.full_name, method.request.SerializeToString, method.response.FromString)
        return stub(method.request(**fields), timeout=0.2 if name == "StreamActivatedJobs" else 30)

    def status_of(self, name: str, fields: dict[str, Any]) -> grpc.StatusCode:
        try:
            answer = self.call(name, **fields)
            if GATEWAY[name].server_streaming:
                list(answer)
        except grpc.RpcError as refused:
            return refused.code() if refused.details() else grpc.StatusCode.UNKNOWN  # a refusal says why
        return grpc.StatusCode.OK

    def close(self) -> None:
        self._channel.close()


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    with running_broker(tmp_path_factory.mktemp("fuzz")) as broker:
        fuzzed = Fuzzed(broker)
        yield fuzzed
        fuzzed.close()


def message(kind: Descriptor, keys: list[int]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw the fields of a message, each of them or not; the time that a caller would wait is always given, and short."""
    fields = {one.name: _field(one, keys) for one in kind.fields if one.name not in NOT_BUILT}
    always = {name: fields.pop(name) for name in ("requestTimeout",) if name in fields}
    return st.fixed_dictionaries(always, optional=fields)


def _field(one: FieldDescriptor, keys: list[int]) -> st.SearchStrategy[Any]:
    value = _value(one, keys)
    return st.lists(value, max_size=3) if one.is_repeated else value


def _value(one: FieldDescriptor, keys: list[int]) -> st.SearchStrategy[Any]:
    if one.message_type is not None:
        return message(one.message_type, keys).map(lambda fields, kind=one.message_type: _message(kind, fields))
    if one.name == "requestTimeout":
        return st.sampled_from([-1, -(2**63), 1, 20])
    if one.cpp_type in (one.CPPTYPE_INT32, one.CPPTYPE_INT64, one.CPPTYPE_UINT64):
        low, high = {one.CPPTYPE_INT32: (-(2**31), 2**31 - 1), one.CPPTYPE_UINT64: (0, 2**64 - 1)}.get(
            one.cpp_type, (-(2**63), 2**63 - 1)
        )
        known = keys if one.name.endswith("Key") else []
        return st.sampled_from([number for number in [*known, *NUMBERS] if low <= number <= high])
    if one.cpp_type == one.CPPTYPE_BOOL:
        return st.booleans()
    if one.cpp_type == one.CPPTYPE_ENUM:
        return st.sampled_from([0, 1, 2, 99])
    if one.type == one.TYPE_BYTES:
        return st.sampled_from(FILES)
    if one.name == "variables":
        return st.sampled_from(DOCUMENTS)
    return st.sampled_from(NAMES + TEXTS) if one.name == "name" else st.sampled_from(TEXTS)


def _message(kind: Descriptor, fields: dict[str, Any]) -> Any:
    return message_factory.GetMessageClass(kind)(**fields)


@pytest.mark.parametrize("name", sorted(GATEWAY.keys() - NOT_BUILT))
def test_any_request_gets_a_documented_answer(fuzzed: Fuzzed, name: str):
    request = GATEWAY[name].request.DESCRIPTOR

    phases = (Phase.generate, Phase.shrink)

    @settings(
        max_examples=15 if name == "StreamActivatedJobs" else 60,
        deadline=None,
        database=None,
        phases=phases,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def play(data: st.DataObject) -> None:
        fields = data.draw(message(request, fuzzed.keys))
        status = fuzzed.status_of(name, fields)
        assert status in OK_ANSWERS, status
        fuzzed.renew()

    play()
