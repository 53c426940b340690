"""Random requests of every call: each gets a documented status, and a refused request changes nothing.

The values of a field are drawn from those that its name suggests (keys of things that exist, ids of elements, documents), and from all
that a client could send by mistake. FUZZ_EXAMPLES=5000 looks longer than CI does; a failure prints the request.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from osmia_broker.engine.jobs import MAY_END
from osmia_broker.gateway.door import DETAILS_CHARACTERS_MAX
from osmia_broker.state.rows import ElementInstance, Incident, Job
from osmia_broker.state.rows.kinds import KINDS
from osmia_broker.state.rows.tasks import UserTask
from osmia_proto.methods import METHODS, Method
from tests.bpmn import bpmn
from tests.running_broker import RunningBroker, running_broker

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "40"))
LONGEST_S = 0.05  # a poll, a stream or an awaited result is left after this; leaving is an answer too
DOCUMENTED = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.OUT_OF_RANGE,  # a position of the events that is not kept
    grpc.StatusCode.UNIMPLEMENTED,  # leases, priorities, results of task listeners
}

PROCESS = """
    start > f:parallel [ a:job(type=t) > b:job(type=t) > j:parallel
                       | m:catch(message=n, key="=id") > j
                       | w:catch(timer=PT1H) > j
                       | u:user(assignee=ada) > j
                       | v:receive(message=n, key="=id") > j
                       | s:sub { start > c:job(type=t) > end } > k:job(type=t, items="=[1,2]") > j
                       | h:adhoc(type=t) { x:task & y:job(type=t) } > j
                       | g:exclusive [ missing > 1 -> d:task > j | missing > 2 -> e:task > j ] ] > end
    & late:boundary(on=a, signal=n, cancel=false) > l:task > end2
    & i:eventsub { go:start(signal=n, interrupting=false) > r:job(type=t) > end4 }
    & bad:boundary(on=b, error=n) > o:task > end3
"""
FILES = [
    ("p.bpmn", bpmn(PROCESS, id="p")),
    ("q.bpmn", bpmn("start > a:job(type=t) > end", id="q")),
    ("c.bpmn", bpmn('go:start(condition="=x > 5") > z:job(type=t) > end', id="conditional")),
]

INT64 = st.sampled_from([0, 1, -1, 2, 7, 1 << 51, (1 << 51) + (1 << 40), (1 << 63) - 1, -(1 << 63)]) | st.integers(
    -(1 << 63), (1 << 63) - 1
)
TIMES = st.sampled_from([-1, 0, 1, 60_000])
LONG = ("x" * 300, "ü" * 40_000)
UGLY = st.sampled_from(["", " ", "\0", "a\0b", "=", "=1 +", "'", *LONG, "\n", "<b>", "null", "%s", "\ud7ff"])
TEXT = UGLY | st.text(st.characters(codec="utf-8"), max_size=8)
DOCUMENTS = st.sampled_from(
    ["", "null", "{}", '{"x":1}', '{"id":7,"y":[1,{"a":null}]}', '{"x":9,"missing":2}', '{"nr of":1}']
)
NO_DOCUMENTS = st.sampled_from(
    ["[]", "1", '"a"', "{", "{'a':1}", '{"a":NaN}', '{"a":1e999}', '{"a":18446744073709551616}', '{"a":"\\ud800"}',
     '{"a\\u0000":1}', '{"a":1}x', "\ufeff{}", "[" * 300, '{"a":' * 250 + "1" + "}" * 250, '{"x":"%s"}' % ("y" * 100_000)]
) | TEXT  # fmt: skip
MODELS = st.sampled_from([bpmn(f"start > {id}:job(type=t) > end", id="q") for id in "abc"])
ELEMENTS = st.sampled_from([*"abcdefghijklmnorsuvwxyz", "start", "end", "late", "bad", "p"])
#: A likely value of a field, by its name; a key's and an element id's are found by the rest of their names.
NAMES: dict[str, st.SearchStrategy[Any]] = {
    "variables": DOCUMENTS,
    "bpmnProcessId": st.sampled_from(["p", "q", "conditional"]),
    "version": st.sampled_from([-1, 1]),
    "name": st.sampled_from(["n", "q.bpmn", "f.form", "d.dmn"]),
    "type": st.just("t"),
    "signalName": st.just("n"),
    "errorCode": st.just("n"),
    "correlationKey": st.sampled_from(["7", "8"]),
    "messageId": st.sampled_from(["1", "2", ""]),
    "tenantId": st.sampled_from(["", "<default>"]),
    "tenantIds": st.sampled_from(["", "<default>"]),
    "tags": st.sampled_from(["vip", "a:b"]),
    "businessId": st.sampled_from(["b", "c"]),
    "decisionId": st.just("nothing"),
    "jobLeaseToken": st.just(""),
    "withLease": st.just(False),
    "denied": st.just(False),
    "timeout": TIMES,
    "timeToLive": TIMES,
    "retryBackOff": TIMES,
    "requestTimeout": st.sampled_from([-1, 1]),
    "retries": st.sampled_from([0, 1, 3]),
    "limit": st.sampled_from([1, 1_000]),
    "states": st.just(1),
    "content": MODELS,
    "definition": MODELS,
    "maxJobsToActivate": st.sampled_from([1, 100]),
    "filter": st.sampled_from(
        ["", '{"processDefinitionId":"p"}', '{"type":"t"}', '{"state":"ACTIVE"}', '{"decisionEvaluationKey":"1"}']
    ),
    "value": st.sampled_from(["1", '"a"', "null", '{"x":[1.50]}', "1,2", '1,"more":2']),
    "metadata": st.sampled_from(["", "null", '{"owner":"ada","rank":7.50}', '{"x":[1]}', "[]"]),
    "eventTypes": st.just("sleeping"),  # no listener is created: it would hold the tasks of all other requests
    "nameLike": st.sampled_from(["n", "*", "?", "\\*"]),
}
#: The same for fields that are a text in one request and a number in another.
TEXTS: dict[str, st.SearchStrategy[str]] = {"after": st.just("")}
SELDOM = ("corrections",)  # refused by name: a request with it would get no further


class Keys:
    """The keys that there are now. What is drawn to choose one does not depend on how many there are."""

    def __init__(self, named: dict[str, list[int]], definitions: list[int], batches: Callable[[], list[int]]) -> None:
        self._named = named
        self._definitions = definitions
        self._batches = batches  # asked only for a field that names one

    def of(self, field: str) -> st.SearchStrategy[int]:
        named = self._batches() if field == "batchOperationKey" else self._named.get(field, self._definitions)
        found = named or [0]
        return st.integers(0, 63).map(lambda place: found[place % len(found)])


class World:
    """A broker with a process instance that holds an element of every kind, and the keys of all that there is."""

    def __init__(self, broker: RunningBroker, database: sqlite3.Connection) -> None:
        self._broker = broker
        self._database = database
        self._rows: dict[str, list[Any]] = {}
        self._rows_of = self._renewed_at = (0, 0)  # the version of the database, and the instance
        self.channel = grpc.insecure_channel(broker.address)
        self._client = broker.client
        self.definitions = self._deploy()
        self.instance = self._created()

    def _deploy(self) -> list[int]:
        return [one.key for one in self._client.deploy(*FILES).processes]

    def _created(self) -> int:
        return self._client.create_instance("p", {"id": 7, "missing": 0}, tags=["vip"], business_id="b").key

    def renew(self, *, definitions: bool = True) -> None:
        """Make what earlier requests have ended again; also the *definitions*, where they may be deleted or replaced."""
        if definitions:
            self.definitions = self._deploy()
        has_work = any(row[KINDS[Job].columns.index("state")] in MAY_END for row in self.rows()["Job"])
        if self._rows_of == self._renewed_at:
            return
        found = self._client.get_instance(self.instance)
        if not has_work or not found.is_running:
            self.instance = self._created()
        elif found.suspended_ms:
            self._client.resume_instance(self.instance)
        self.rows()
        self._renewed_at = self._rows_of

    def keys(self) -> "Keys":
        rows = self.rows()
        elements, jobs, incidents, tasks = (_living(rows, kind) for kind in (ElementInstance, Job, Incident, UserTask))
        named = {
            "jobKey": jobs,
            "userTaskKey": tasks,
            "incidentKey": incidents,
            "elementInstanceKey": elements,
            "sourceElementInstanceKey": elements,
            "ancestorElementInstanceKey": [0, -1, *elements],
            "processInstanceKey": [self.instance],
            "key": [self.instance],
            "scopeKey": [self.instance, *elements],
        }
        return Keys(named, self.definitions, self._batches)

    def _batches(self) -> list[int]:
        return [one.key for one in self._client.batches.search(limit=5).items]

    def rows(self) -> dict[str, list[Any]]:
        """All stored rows of the instance, by the name of their class; read again only if something was committed since."""
        self._broker.run(self._quiet())
        of = self._database.execute("PRAGMA data_version").fetchone()[0], self.instance
        if of != self._rows_of:
            self._rows_of, self._rows = of, self._read()
        return self._rows

    def _read(self) -> dict[str, list[Any]]:
        return {
            kind.row_type.__name__: self._database.execute(
                f"SELECT * FROM {kind.table} WHERE process_instance_key = ? ORDER BY 1, 2", (self.instance,)
            ).fetchall()
            for kind in KINDS.values()
            if kind.of_instance
        }

    async def _quiet(self) -> None:
        """Wait until the broker has noticed that earlier callers left, and has nothing to do."""
        broker = self._broker.broker
        while any(broker.metrics.gateway.streams_open.values()) or not broker.partitions.is_at_rest:
            await asyncio.sleep(0)

    def answer(self, method: Method, request: Message) -> grpc.StatusCode:
        """The status of the answer; details that are too long, or repeat too much of the request, count as UNKNOWN."""
        kind = self.channel.unary_stream if method.server_streaming else self.channel.unary_unary
        call = kind(method.full_name, method.request.SerializeToString, method.response.FromString)
        try:
            answers = call(request, timeout=LONGEST_S if _may_wait(method) else 30)
            if method.server_streaming:
                next(answers, None)
                answers.cancel()
        except grpc.RpcError as refusal:
            details = refusal.details() or ""
            note(f"{refusal.code()}: {details}")
            is_readable = 0 < len(details) <= DETAILS_CHARACTERS_MAX and not any(text[:201] in details for text in LONG)
            return refusal.code() if is_readable else grpc.StatusCode.UNKNOWN
        return grpc.StatusCode.OK


def _living(rows: dict[str, list[Any]], kind: type) -> list[int]:
    """The keys of rows that have not ended; of all, if there are none."""
    found, ended = rows[kind.__name__], KINDS[kind].columns.index("ended_ms")
    return [row[0] for row in found if not row[ended]] or [row[0] for row in found]


def _may_wait(method: Method) -> bool:
    return method.server_streaming or method.name == "CreateProcessInstanceWithResult"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("fuzz")
    with running_broker(directory) as broker, closing(_read_only(directory / "partition-1.db")) as database:
        world = World(broker, database)
        yield world
        world.channel.close()


def _read_only(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{database}?mode=ro", uri=True)


@pytest.mark.parametrize("name", METHODS)
def test_every_request_has_a_documented_answer_and_a_refused_one_changes_nothing(world: World, name: str):
    method, touches_definitions = METHODS[name], name.startswith(("Deploy", "Delete"))
    world.renew()

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        world.renew(definitions=touches_definitions)
        request = data.draw(_messages(method.request.DESCRIPTOR, method.request, world.keys()))
        note(f"{name} {request}")
        before = world.rows()
        status = world.answer(method, request)
        assert status in DOCUMENTED
        if status not in (grpc.StatusCode.OK, grpc.StatusCode.DEADLINE_EXCEEDED):
            assert world.rows() == before, f"{status} changed the instance"

    check()


def _messages(descriptor: Descriptor, message: type[Message], keys: Keys) -> st.SearchStrategy[Message]:
    """Messages in which most fields hold something likely, and some nothing or anything."""
    if not descriptor.fields:
        return st.builds(message)

    @st.composite
    def drawn(draw: st.DrawFn) -> Message:
        made = message()
        for field in descriptor.fields:
            mood = draw(st.integers(0, 15))  # simple values are drawn more often: the likely ones
            if mood > 13 or (mood < 13 and field.name in SELDOM):
                continue
            values = _anything(field, keys) if mood == 13 else _likely(field, keys)
            _put(made, field, draw(st.lists(values, max_size=3) if field.is_repeated else values))
        return made

    return drawn()


def _put(message: Message, field: FieldDescriptor, value: Any) -> None:
    if field.is_repeated:
        getattr(message, field.name).extend(value)
    elif field.type == FieldDescriptor.TYPE_MESSAGE:
        getattr(message, field.name).CopyFrom(value)
    else:
        setattr(message, field.name, value)


def _likely(field: FieldDescriptor, keys: Keys) -> st.SearchStrategy[Any]:
    name = field.camelcase_name  # the fields of osmia.v1 have underscores
    if field.type == FieldDescriptor.TYPE_ENUM and name in ("type", "types"):
        return st.sampled_from([one.number for one in field.enum_type.values])
    if name in NAMES:
        return NAMES[name]
    if field.type == FieldDescriptor.TYPE_STRING and name in TEXTS:
        return TEXTS[name]
    if field.type == FieldDescriptor.TYPE_INT64 and name.lower().endswith("key"):
        return keys.of(name)
    return ELEMENTS if field.type == FieldDescriptor.TYPE_STRING else _anything(field, keys)


def _anything(field: FieldDescriptor, keys: Keys) -> st.SearchStrategy[Any]:
    match field.type:
        case FieldDescriptor.TYPE_MESSAGE:
            return _messages(field.message_type, message_factory.GetMessageClass(field.message_type), keys)
        case FieldDescriptor.TYPE_STRING:
            return NO_DOCUMENTS if field.name == "variables" else TEXT
        case FieldDescriptor.TYPE_INT64:
            return INT64
        case FieldDescriptor.TYPE_INT32:
            return st.sampled_from([0, 1, -1, 3, 2**31 - 1, -(2**31)])
        case FieldDescriptor.TYPE_UINT64:
            return st.sampled_from([0, 1, 2**64 - 1])
        case FieldDescriptor.TYPE_BOOL:
            return st.booleans()
        case FieldDescriptor.TYPE_BYTES:
            return st.sampled_from(
                [b"", b"\0", b"<", b"<x/>", b"{}", b'{"id":"f"}', b"\xff", bpmn("start > end", id="q")[:-9]]
            )
        case FieldDescriptor.TYPE_ENUM:
            return st.sampled_from([0, 1, 99, -1])
        case _:
            raise AssertionError(f"Expected a type of field that is drawn here, but found {field.full_name}")
