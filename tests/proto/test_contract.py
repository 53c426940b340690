"""The contract modules: same wire as always, generated from the .proto files, and alone in their descriptor pool."""

import importlib.util
import itertools
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from osmia_proto import POOL, gateway, methods, queries
from tests.patience import ANSWER_S

PROTO_DIR = Path(__file__).parents[2] / "proto"
SCALARS = {
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_UINT64: "uint64",
}


def wire_table() -> tuple[dict[str, str], list[str]]:
    """The fields of each message or enum, and the calls, as wire.txt says them."""
    lines = [line for line in Path(__file__).with_name("wire.txt").read_text().splitlines() if not line.startswith("#")]
    shapes: dict[str, str] = {}
    calls = []
    name = ""
    for line in filter(None, lines):
        if line.startswith(" "):
            shapes[name] = f"{shapes[name]} {line.strip()}".strip()
        elif "->" in line:
            calls.append(line)
        else:
            name = line
            shapes[name] = ""
    return shapes, calls


SHAPES, CALLS = wire_table()


def told(field: FieldDescriptor) -> str:
    """A field in the words of wire.txt."""
    kind = field.message_type or field.enum_type
    words = [str(field.number), field.name, kind.name if kind else SCALARS[field.type]]
    oneof = field.containing_oneof
    if field.is_repeated:
        words.insert(2, "repeated")
    elif oneof and oneof.name == f"_{field.name}":  # how protoc spells `optional`
        words.insert(2, "optional")
    elif oneof:
        words.append(f"(oneof {oneof.name})")
    return " ".join(words)


def shape(name: str) -> str:
    if name.startswith("enum "):
        enum = POOL.FindEnumTypeByName(f"gateway_protocol.{name.removeprefix('enum ')}")
        return ", ".join(f"{value.number} {value.name}" for value in enum.values)
    message = POOL.FindMessageTypeByName(f"gateway_protocol.{name}")
    return ", ".join(told(field) for field in sorted(message.fields, key=lambda field: field.number))


def names(message: Descriptor) -> list[str]:
    """The message and every message and enum in it, named from the package."""
    name = message.full_name.removeprefix("gateway_protocol.")
    return [name, *itertools.chain(*map(names, message.nested_types)), *map(enum_name, message.enum_types)]


def enum_name(enum: EnumDescriptor) -> str:
    return f"enum {enum.full_name.removeprefix('gateway_protocol.')}"


@pytest.mark.parametrize("name", SHAPES)
def test_every_message_has_the_fields_of_the_wire(name: str) -> None:
    assert shape(name) == SHAPES[name]


def test_there_is_no_message_beyond_the_wire() -> None:
    top = gateway.DESCRIPTOR.message_types_by_name.values()
    enums = (f"enum {name}" for name in gateway.DESCRIPTOR.enum_types_by_name)
    assert sorted([*itertools.chain(*map(names, top)), *enums]) == sorted(SHAPES)


def test_every_call_is_there_with_its_messages() -> None:
    told_calls = [
        f"{method.name} {method.request.DESCRIPTOR.name} -> "
        f"{'stream ' if method.server_streaming else ''}{method.response.DESCRIPTOR.name}"
        for method in methods.GATEWAY.values()
    ]
    assert sorted(told_calls) == sorted(CALLS)
    assert len(CALLS) == 24


def test_a_method_names_its_place_on_the_wire() -> None:
    assert methods.GATEWAY["CompleteJob"].full_name == "/gateway_protocol.Gateway/CompleteJob"
    assert methods.GATEWAY["CompleteJob"].request is gateway.CompleteJobRequest
    assert methods.QUERIES["Status"].full_name == "/osmia.v1.Queries/Status"


def test_presence_tells_absent_from_zero() -> None:
    request = gateway.CancelProcessInstanceRequest(processInstanceKey=1)
    assert not request.HasField("operationReference")
    request.operationReference = 0
    assert gateway.CancelProcessInstanceRequest.FromString(request.SerializeToString()).HasField("operationReference")


def test_an_unknown_field_is_carried_not_refused() -> None:
    job = gateway.ActivatedJob.FromString(b"\xfa\x7f\x03new" + gateway.ActivatedJob(key=7).SerializeToString())
    assert job.key == 7


def test_every_list_is_paged() -> None:
    for method in methods.QUERIES.values():
        if method.name == "SearchItems":  # its sort and its page are those of the REST API
            assert {"sort", "page"} <= set(method.request.DESCRIPTOR.fields_by_name)
            assert {"items", "total", "end_cursor"} <= set(method.response.DESCRIPTOR.fields_by_name)
        elif method.name.startswith("Search"):
            assert {"limit", "after"} <= set(method.request.DESCRIPTOR.fields_by_name), method.name
            assert set(method.response.DESCRIPTOR.fields_by_name) == {"items", "next"}, method.name


def test_top_level_enums_are_as_generated_code_has_them() -> None:
    assert queries.JobState.Name(queries.JOB_STATE_FAILED) == "JOB_STATE_FAILED"
    assert gateway.Partition.PartitionBrokerRole.Name(gateway.Partition.LEADER) == "LEADER"


def test_nothing_of_ours_is_in_the_default_pool() -> None:
    program = """
import osmia_proto.methods
from google.protobuf import descriptor_pool
for name in ("gateway_protocol.ActivatedJob", "osmia.v1.Job"):
    try:
        descriptor_pool.Default().FindMessageTypeByName(name)
    except KeyError:
        continue
    raise SystemExit(f"Expected {name} to be in the private pool only, but found it in the default one")
"""
    run(program)


@pytest.mark.parametrize("order", [("pyzeebe", "osmia_proto.methods"), ("osmia_proto.methods", "pyzeebe")])
def test_pyzeebe_lives_in_the_same_process(order: tuple[str, str]) -> None:
    pytest.importorskip("pyzeebe")
    run(f"import warnings; warnings.simplefilter('ignore'); import {order[0]}, {order[1]}")


def test_pyzeebe_has_no_field_that_differs() -> None:
    """Its stubs are those of 8.6; what they know must be the same here."""
    stubs = pytest.importorskip("pyzeebe.proto.gateway_pb2")
    assert descriptor_pool.Default().FindFileByName(stubs.DESCRIPTOR.name)
    for name, theirs in stubs.DESCRIPTOR.message_types_by_name.items():
        ours = gateway.DESCRIPTOR.message_types_by_name[name]
        fields = {field.number: told(field) for field in ours.fields}
        for field in theirs.fields:
            assert fields[field.number] == told(field), name


def test_the_committed_modules_are_what_the_contracts_make() -> None:
    pytest.importorskip("grpc_tools", reason="grpcio-tools is not installed: cannot tell whether `make proto` is due")
    spec = importlib.util.spec_from_file_location("generate", PROTO_DIR / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    for path, text in generate.generate().items():
        assert (PROTO_DIR / path).read_text(encoding="utf-8") == text, f"{path} is stale: run `make proto`"


def run(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=ANSWER_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
