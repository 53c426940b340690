"""Every command survives its way to another process, and so does every answer and every refusal."""

import dataclasses
import types
from contextlib import suppress
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osmia_broker import feel
from osmia_broker.base import errors
from osmia_broker.base.errors import Defect, NotFound, OsmiaError, Overloaded, TimedOut, Unavailable, Unsupported
from osmia_broker.engine import commands
from osmia_broker.engine.answers import SeenScope
from osmia_broker.engine.audit import ByPerson
from osmia_broker.engine.cluster_rows import FollowCluster
from osmia_broker.engine.commands import ReadScope
from osmia_broker.engine.engine import HANDLERS
from osmia_broker.partition import command_bytes as it
from osmia_broker.rpc import Refusal
from osmia_broker.state.cluster_tables import CLUSTER_TYPES

TRAVELLING = [
    kind
    for kind in HANDLERS
    if it.can_travel(kind)
    and kind not in it._FORMS
    and kind.__module__.startswith("osmia_broker")  # tests have some of their own
]
PLAIN = {
    int: st.integers(-(2**63), 2**63 - 1),
    str: st.text(max_size=8),
    bytes: st.binary(max_size=8),
    bool: st.booleans(),
    float: st.floats(allow_nan=False),
    type(None): st.none(),
    Any: st.none()
    | st.integers(0, 100)
    | st.text(max_size=5)
    | st.lists(st.text(max_size=5), max_size=2),  # as JSON has it
}


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of the type *hint*."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in PLAIN:
        return PLAIN[hint]
    if origin in (Union, types.UnionType):
        return st.one_of(*map(values, arguments))
    if origin is tuple and arguments[-1:] != (...,):
        return st.tuples(*map(values, arguments))
    if origin in (tuple, list, frozenset, set):
        return st.lists(values(arguments[0]), max_size=2).map(origin)
    if origin is dict:
        return st.dictionaries(*map(values, arguments), max_size=2)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(hint)
    if isinstance(hint, type) and issubclass(hint, tuple):  # a NamedTuple
        return st.tuples(*map(values, get_type_hints(hint).values())).map(lambda parts: hint(*parts))
    hints = get_type_hints(hint)
    fields = [
        one.name
        for one in (dataclasses.fields(hint) if dataclasses.is_dataclass(hint) else msgspec.structs.fields(hint))
    ]
    return st.builds(hint, **{name: values(hints[name]) for name in fields})


@pytest.mark.parametrize("kind", TRAVELLING, ids=lambda kind: kind.__name__)
@given(st.data())
@settings(max_examples=8, deadline=None)
def test_a_command_arrives_as_it_was_sent(kind, data):
    command = data.draw(values(kind))
    person = data.draw(st.none() | st.text(max_size=5))
    if person is not None:
        command = ByPerson(command, person)
    is_own = data.draw(st.booleans())
    found = it.unpack(it.pack(command, 7, asker=2, is_own=is_own))
    assert (found.partition, found.is_own, found.command) == (7, is_own, command)
    assert type(found.command) is type(command)


@pytest.mark.parametrize("kind", TRAVELLING, ids=lambda kind: kind.__name__)
@given(st.data())
@settings(max_examples=8, deadline=None)
def test_an_answer_arrives_as_it_was_given(kind, data):
    command = data.draw(values(kind))
    answer = data.draw(values(it._answer_type(kind)))
    assert it.unpack_answer(command, it.pack_answer(answer)) == answer


@pytest.mark.parametrize("kind", CLUSTER_TYPES, ids=lambda kind: kind.__name__)
@given(st.data())
@settings(max_examples=8, deadline=None)
def test_a_row_of_the_cluster_arrives_as_it_was_sent(kind, data):
    row = data.draw(values(kind))
    change = FollowCluster((row,), (("checksum", b"content"),))
    assert it.unpack(it.pack(change, 3, asker=1, is_own=True)).command == change
    assert it.unpack_rows(it.pack_rows([row, row])) == [row, row]


@pytest.mark.parametrize("message", [b"", b"\xc1", b"\x91\x92\xa4Nope\x80", b"\x91\x92\xafClusterVariable\x80"])
def test_bytes_that_are_no_rows_are_refused(message):
    with pytest.raises(Unavailable, match="Expected rows of the cluster"):
        it.unpack_rows(message)


def test_a_deployment_travels_as_its_files_and_extensions_once():
    extensions = commands.NewResource("a-extensions.json", "extensions", b"{}", "3", None)
    one = commands.NewResource("a.bpmn", "bpmn", b"<a/>", "1", object(), extensions=extensions)
    two = commands.NewResource("b.form", "form", b"{}", "2", None, "f")
    sent = it.pack(ByPerson(commands.DeployResources((one, two)), "ada"), 1, asker=2, is_own=False)
    files = (("a.bpmn", b"<a/>"), ("a-extensions.json", b"{}"), ("b.form", b"{}"))
    assert it.unpack(sent).command == ByPerson(it.DeployFiles(files), "ada")


@given(
    st.dictionaries(
        st.text(max_size=5), st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5), max_size=3
    )
)
@settings(max_examples=20, deadline=None)
def test_the_values_of_a_scope_arrive_as_json(given_values):
    raw = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in given_values.items()}
    answer = SeenScope(raw, feel.Instant(1_767_312_000_000_000_001), 0.5)
    found = it.unpack_answer(ReadScope(0, frozenset()), it.pack_answer(answer))
    assert {name: bytes(value) for name, value in found.values.items()} == {n: bytes(v) for n, v in raw.items()}
    assert (found.now, found.expression_s) == (answer.now, 0.5)


def test_a_command_without_a_form_in_bytes_is_refused_before_it_is_sent():
    with pytest.raises(
        Unsupported, match="Expected a command that can be sent to another process, but found EvaluateDecision"
    ):
        it.pack(commands.EvaluateDecision("d", 0, {}), 1, asker=2, is_own=False)


def test_a_command_travels_unless_a_part_of_it_may_be_anything():
    class OfRows(commands.Command, frozen=True):
        rows: tuple[Any, ...]

    assert it._may_be_anything(OfRows)
    assert it._may_be_anything(dict[str, list[Any]])
    assert not it._may_be_anything(tuple[int, ...] | None)
    stay = {kind.__name__ for kind in HANDLERS if not it.can_travel(kind)}
    assert stay == {"ByPerson", "EvaluateDecision"}


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xc1",
        b"\x90",
        it._encoder.encode([1, False, "CompleteJob", {}, 2]),
        it._encoder.encode([1, False, "CompleteJob", {"job_key": "x", "variables": {}}, 2]),
        it._encoder.encode([1, False, "DeployResources", {"resources": []}, 2]),
        it._encoder.encode([1, False, "DeployResources", [["a.bpmn"]], 2]),
        it._encoder.encode([1, False, "FollowCluster", [[["NoSuchRow", {}]], []], 2]),
        it._encoder.encode([1, False, "FollowCluster", [[["ClusterVariable", {}]], []], 2]),
    ],
)
def test_bytes_that_are_no_command_are_refused(message):
    with pytest.raises(Refusal, match="Expected a command of a partition, but found other bytes"):
        it.unpack(message)


@pytest.mark.parametrize("name", ["NoSuchCommand", "Command", "ByPerson", ""])
def test_a_command_that_this_version_does_not_know_is_named(name):
    message = it._encoder.encode([1, False, name, {"command": {}, "user": ""}, 2])
    with pytest.raises(Refusal, match=f"found '{name}' of another version; update all brokers"):
        it.unpack(message)


@given(st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_command_or_refused(message):
    with suppress(Refusal):
        it.unpack(message)


def test_a_field_of_a_later_version_is_passed_over():
    later = it._encoder.encode(
        [1, False, "CompleteJob", {"job_key": 5, "variables": {}, "later": [1, 2]}, 2, None, "more"]
    )
    assert it.unpack(later).command == commands.CompleteJob(5, {})


def all_errors(root: type[OsmiaError] = OsmiaError) -> list[type[OsmiaError]]:
    return [root, *(found for kind in root.__subclasses__() for found in all_errors(kind))]


@pytest.mark.parametrize("kind", [kind for kind in all_errors() if kind.__module__ == errors.__name__])
def test_a_refusal_arrives_with_its_class_its_text_and_its_frame(kind):
    error = (
        Defect("CompleteJob", ValueError("x")) if kind is Defect else kind("Expected one thing, but found “another”")
    )
    if isinstance(error, errors.Rejection):
        error.intent = "COMPLETE"
    found = it.error_of(it.refusal_of(error))
    assert (type(found), str(found), found.status) == (kind, str(error), kind.status)
    assert errors.framed(found) == errors.framed(error)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("UNAVAILABLE", Unavailable),
        ("RESOURCE_EXHAUSTED", Overloaded),
        ("DEADLINE_EXCEEDED", TimedOut),
        ("UNKNOWN", Unavailable),
        ("INVALID_ARGUMENT", Unavailable),
    ],
)
def test_a_refusal_of_the_link_itself_is_one_that_callers_know(status, kind):
    assert type(it.error_of(Refusal(status, "words"))) is kind


@pytest.mark.parametrize("named", ["framed", "ClassVar", "NoSuch", "__name__", ""])
def test_a_class_that_is_no_refusal_is_not_made(named):
    assert type(it.error_of(Refusal("NOT_FOUND", "words", ((it.CLASS, named),)))) is Unavailable


def test_a_rejection_knows_its_kind():
    assert it.refusal_of(NotFound("x")).trailers == ((it.CLASS, "NotFound"),)
