"""Where a call belongs, against the contract itself."""

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from osmia_broker.links.routes import ROUTES, Key, To, int64, partition_of
from osmia_proto.methods import EVENTS, GATEWAY, JOB_FLOW, QUERIES, USER_TASKS

METHODS = {one.full_name: one for table in (GATEWAY, QUERIES, EVENTS, USER_TASKS, JOB_FLOW) for one in table.values()}
KEYED = [path for path, route in ROUTES.items() if isinstance(route, Key)]


def test_every_call_of_the_contract_has_a_route_and_none_is_left_over():
    assert ROUTES.keys() == METHODS.keys()


@pytest.mark.parametrize("path", KEYED)
def test_the_key_is_the_field_of_that_name(path):
    route = ROUTES[path]
    assert isinstance(route, Key)
    found = METHODS[path].request.DESCRIPTOR.fields_by_name[route.name]
    assert (found.number, found.type) == (route.number, FieldDescriptor.TYPE_INT64)
    assert not METHODS[path].server_streaming


@pytest.mark.parametrize("path", [path for path, route in ROUTES.items() if isinstance(route, To)])
def test_no_call_whose_first_field_is_a_key_of_something_stored_is_left_without_a_route(path):
    """A call without a key route has no key first, except those that are known: their key names a definition, or only narrows a list."""
    first = METHODS[path].request.DESCRIPTOR.fields_by_number.get(1)
    if first is not None and first.name.lower().endswith("key"):
        assert ROUTES[path] is not To.ANY or first.name in ("processDefinitionKey", "decisionKey")


@pytest.mark.parametrize("path", KEYED)
@pytest.mark.parametrize("partition", [1, 2, 64, 4095])
def test_the_partition_is_read_from_every_request_with_a_key(path, partition):
    route, request = ROUTES[path], METHODS[path].request
    assert isinstance(route, Key)
    message = filled(request)
    setattr(message, route.name, partition << 51 | 4711)
    read = partition_of(path, 4095)
    assert read is not None
    assert read(message.SerializeToString()) == partition


def filled(request):
    """A message whose fields all have a value, so that the reader has to pass over each kind."""
    message = request()
    for one in message.DESCRIPTOR.fields:
        if one.type == FieldDescriptor.TYPE_MESSAGE:
            continue
        value = {FieldDescriptor.TYPE_STRING: "x" * 300, FieldDescriptor.TYPE_BOOL: True}.get(one.type, 7)
        if one.is_repeated:
            getattr(message, one.name).append(value)
        else:
            setattr(message, one.name, value)
    return message


@pytest.mark.parametrize("key", [0, 1, -1, 5 << 51, 2**63 - 1, -(2**63)])
def test_a_key_of_no_partition_belongs_nowhere(key):
    read = partition_of("/gateway_protocol.Gateway/CompleteJob", 4)
    assert read is not None
    assert read(GATEWAY["CompleteJob"].request(jobKey=key).SerializeToString()) == 0
    assert read(b"") == 0


def test_a_call_without_a_key_has_no_reader():
    assert partition_of("/gateway_protocol.Gateway/CreateProcessInstance", 4) is None
    assert partition_of("/grpc.health.v1.Health/Check", 4) is None


def encoded(value: int) -> bytes:
    found = b""
    while value >= 0x80:
        found += bytes([value & 0x7F | 0x80])
        value >>= 7
    return found + bytes([value])


VARINT = st.integers(0, 2**64 - 1).map(encoded)


def tag(number: int, kind: int) -> bytes:
    return encoded(number << 3 | kind)


NUMBERS = st.integers(1, 6) | st.integers(1, 2**29 - 1)
FIELDS = st.one_of(
    st.tuples(NUMBERS, VARINT).map(lambda f: tag(f[0], 0) + f[1]),
    st.tuples(NUMBERS, st.binary(min_size=8, max_size=8)).map(lambda f: tag(f[0], 1) + f[1]),
    st.tuples(NUMBERS, st.binary(max_size=200)).map(lambda f: tag(f[0], 2) + encoded(len(f[1])) + f[1]),
    st.tuples(NUMBERS, st.binary(min_size=4, max_size=4)).map(lambda f: tag(f[0], 5) + f[1]),
    VARINT.map(lambda value: tag(1, 0) + value),
)
GROUPS = st.tuples(NUMBERS, st.lists(FIELDS, max_size=3)).map(lambda f: tag(f[0], 3) + b"".join(f[1]) + tag(f[0], 4))


@given(st.lists(FIELDS | GROUPS, max_size=6).map(b"".join) | st.binary(max_size=40))
@example(b"\x08\x05\x08\x07")  # twice: the last one counts
@example(b"\x0a\x02\x08\x05")  # the right number in another wire type
@example(b"\x0b\x08\x05\x0c")  # in a group
@example(b"\x88\x80\x00\x05")  # a tag that is longer than it need be
@example(b"\x08\x85\x80\x80\x80\x80\x80\x80\x80\x80\x00")
@example(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f")
@settings(max_examples=250, deadline=None)
def test_the_reader_finds_what_protobuf_finds(message):
    request = GATEWAY["UpdateJobRetries"].request
    try:
        parsed = request.FromString(message)
    except DecodeError:
        int64(message, 1)  # any answer will do: each process refuses it in the same words
        return
    assert int64(message, 1) == parsed.jobKey
    assert int64(message, 2) & 0xFFFF_FFFF == parsed.retries & 0xFFFF_FFFF
