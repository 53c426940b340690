"""Reading extension files: the forms that are taken, and every fault that refuses one (user-tasks.md, section 5)."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from osmia_broker.model import extension_files
from osmia_broker.model.extension_files import InvalidExtensions


def file(**process: Any) -> bytes:
    return msgspec.json.encode({"extensions": {"p": process}})


def mapped(source: Any, way: str = "outputs") -> bytes:
    return file(mappings={"t": {way: {"x": source}}})


@pytest.mark.parametrize(
    "content",
    [b"{}", b'{"extensions":{}}', b'{"id":"m","name":"x","type":"PROCESS"}', b"\xef\xbb\xbf{}", "{}".encode("utf-16")],
)
def test_a_file_may_say_nothing(content: bytes) -> None:
    assert extension_files.parse(content) == {}


@pytest.mark.parametrize("nothing", [None, {}])
@pytest.mark.parametrize("part", ["properties", "mappings", "constants", "assignments", "templates", "own"])
def test_every_part_may_be_missing_or_empty(part: str, nothing: Any) -> None:
    found = extension_files.parse(file(**{part: nothing}))["p"]
    assert (found.variables, found.mappings) == ({}, {})


@pytest.mark.parametrize("ignored", [{"t": {"id": "t", "assignment": "assignee"}}, [1], "x"])
@pytest.mark.parametrize("part", ["assignments", "templates"])
def test_the_story_of_the_modeller_is_not_read(part: str, ignored: Any) -> None:
    assert extension_files.parse(file(**{part: ignored}))["p"].mappings == {}


@pytest.mark.parametrize("kind", ["variable", "VARIABLE", "Variable"])
def test_a_kind_of_source_may_be_written_in_capitals(kind: str) -> None:
    outputs = extension_files.parse(mapped({"type": kind, "value": "a"}))["p"].mappings["t"].outputs
    assert outputs is not None
    assert outputs["x"].name == "a"


@pytest.mark.parametrize(
    ("content", "where", "reason"),
    [
        (b'{"extensions":[]}', "", "Expected a JSON object with an object 'extensions'"),
        (b'{"extensions":{"p":[]}}', "extensions.p", "Expected a JSON object"),
        (file(mappings=[]), "extensions.p.mappings", "Expected a JSON object"),
        (file(mappings={"t": []}), "extensions.p.mappings.t", "Expected a JSON object"),
        (file(mappings={"t": {"inputs": []}}), "extensions.p.mappings.t.inputs", "Expected a JSON object"),
        (file(constants={"t": {"c": 1}}), "extensions.p.constants.t.c", "Expected a JSON object"),
        (file(mappings={"t": {"mappingType": "MAP_SOME"}}), "extensions.p.mappings.t", "Expected 'mappingType' to be one of MAP_ALL, MAP_ALL_INPUTS, MAP_ALL_OUTPUTS, but found 'MAP_SOME'"),
        (file(mappings={"t": {"mappingType": "map_all"}}), "extensions.p.mappings.t", "but found 'map_all'"),
        (mapped({"type": "script", "value": "a"}), "extensions.p.mappings.t.outputs.x", "Expected a 'type' of variable, value or jsonpatch, but found 'script'"),
        (mapped({"type": "script", "value": "a"}, "inputs"), "extensions.p.mappings.t.inputs.x", "but found 'script'"),
        (mapped({"value": "a"}), "extensions.p.mappings.t.outputs.x", "but found none"),
        (mapped("a"), "extensions.p.mappings.t.outputs.x", "Expected a JSON object"),
        (mapped({"type": "variable", "value": 5}), "extensions.p.mappings.t.outputs.x", "Expected 'value' to be the name of a variable"),
        (mapped({"type": "variable"}), "extensions.p.mappings.t.outputs.x", "Expected 'value' to be the name of a variable"),
        (mapped({"type": "value", "value": "${a"}), "extensions.p.mappings.t.outputs.x", "failed to parse expression '${a'"),
        (mapped({"type": "value", "value": {"deep": ["${a.b()}"]}}), "extensions.p.mappings.t.outputs.x", "methods and functions cannot be called"),
        (mapped({"type": "jsonpatch", "value": {"op": "add"}}), "extensions.p.mappings.t.outputs.x", "Expected a JSON patch, a list of operations"),
        (mapped({"type": "jsonpatch", "value": [{"path": "/a", "value": 1}]}), "extensions.p.mappings.t.outputs.x", "Expected operation 1 of the JSON patch to have an 'op' of add, remove"),
        (mapped({"type": "jsonpatch", "value": [{"op": "merge", "path": "/a"}]}), "extensions.p.mappings.t.outputs.x", "but found 'merge'"),
        (mapped({"type": "jsonpatch", "value": [{"op": "add", "path": "/a"}]}), "extensions.p.mappings.t.outputs.x", "to have a 'value', but found none"),
        (mapped({"type": "jsonpatch", "value": [{"op": "remove"}]}), "extensions.p.mappings.t.outputs.x", "a 'path' that starts with '/', but found none"),
        (mapped({"type": "jsonpatch", "value": [{"op": "remove", "path": "a"}]}), "extensions.p.mappings.t.outputs.x", "but found 'a'"),
        (mapped({"type": "jsonpatch", "value": [{"op": "move", "path": "/a"}]}), "extensions.p.mappings.t.outputs.x", "a 'from' that starts with '/'"),
        (mapped({"type": "jsonpatch", "value": [{"op": "add", "path": "/a" * 101, "value": 1}]}), "extensions.p.mappings.t.outputs.x", "at most 100 names"),
        (mapped({"type": "jsonpatch", "value": [{"op": "add", "path": "/a", "value": "${x()}"}]}), "extensions.p.mappings.t.outputs.x", "failed to parse expression"),
        (file(properties={"v": {"type": "string"}}), "extensions.p.properties.v", "Expected a variable to have a 'name', but found none"),
        (file(properties={"v": {"name": ""}}), "extensions.p.properties.v", "Expected a variable to have a 'name'"),
        (file(properties={"v": {"name": "a", "type": 5}}), "extensions.p.properties.v", "Expected the 'type' of variable 'a' to be a text"),
        (file(properties={"v": {"name": "a", "required": "yes"}}), "extensions.p.properties.v", "Expected 'required' of variable 'a' to be true or false"),
        (file(properties={"v": {"name": "a"}, "w": {"name": "a"}}), "extensions.p.properties.w", "Expected one variable with the name 'a', but found two"),
        (file(properties={"v": {"name": "a", "value": "${b"}}), "extensions.p.properties.v", "failed to parse expression '${b'"),
        (mapped({"type": "value", "value": msgspec.Raw(b"[" * 60 + b"]" * 60)}), "extensions.p.mappings.t.outputs.x", "at most 50 levels"),
        (file(mappings={"t": {"inputs": {"a\0": {"type": "value", "value": 1}}}}), "extensions.p.mappings.t.inputs", "Expected the name of a variable"),
        (file(mappings={"t": {"outputs": {"": {"type": "value", "value": 1}}}}), "extensions.p.mappings.t.outputs", "Expected the name of a variable"),
        (file(constants={"t": {"\0": {"value": 1}}}), "extensions.p.constants.t", "Expected the name of a variable"),
        (file(properties={"v": {"name": "\0"}}), "extensions.p.properties.v", "Expected the name of a variable"),
        (b"\xff", "", "Expected JSON"),
        (b"[" * 100_000, "", "Expected JSON"),
    ],
)  # fmt: skip
def test_a_faulty_file_is_refused_with_the_place(content: bytes, where: str, reason: str) -> None:
    with pytest.raises(InvalidExtensions) as refused:
        extension_files.parse(content)
    assert where in str(refused.value)
    assert reason in str(refused.value)


def test_all_faults_are_reported_together() -> None:
    with pytest.raises(InvalidExtensions) as refused:
        extension_files.parse(file(mappings={"t": {"mappingType": "x", "outputs": {"a": {}, "b": {}}}}))
    assert str(refused.value).count("- Element: extensions.p.mappings.t") == 3


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.bpmn", "a"),
        ("a.bpmn20.xml", "a"),
        ("a.b.xml", "a.b"),
        ("a-extensions.json", "a"),
        ("dir/a-extensions.json", "dir/a"),
        ("a.form", "a.form"),
    ],
)
def test_a_bpmn_file_and_its_extension_file_have_one_stem(name: str, stem: str) -> None:
    assert extension_files.stem_of(name) == stem


WORDS = st.sampled_from(
    [
        "extensions",
        "p",
        "properties",
        "mappings",
        "constants",
        "inputs",
        "outputs",
        "type",
        "value",
        "name",
        "op",
        "path",
        "mappingType",
    ]
)
TEXTS = (
    WORDS
    | st.sampled_from(["variable", "jsonpatch", "MAP_ALL", "string", "${a}", "${", "/a/b", "add", ""])
    | st.text(max_size=3)
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.sampled_from([[], ["extensions"], ["extensions", "p"], ["extensions", "p", "mappings", "t", "inputs"]]))
def test_a_file_of_any_content_is_read_or_refused(content: Any, path: list[str]) -> None:
    for name in reversed(path):
        content = {name: content}
    with suppress(InvalidExtensions):
        extension_files.parse(msgspec.json.encode(content))


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with suppress(InvalidExtensions):
        extension_files.parse(content)


@pytest.mark.parametrize(
    ("type", "meant"), [("integr", "integer"), ("Stirng", "string"), ("booleen", "boolean"), ("dat", "date")]
)
def test_a_misspelt_type_of_a_variable_is_refused_with_the_one_that_was_meant(type: str, meant: str) -> None:
    with pytest.raises(InvalidExtensions, match=rf"found '{type}'; did you mean '{meant}'\?"):
        extension_files.parse(file(properties={"v": {"name": "v", "type": type}}))


@pytest.mark.parametrize("type", ["integer", "STRING", "json", "order", "com.example.Order", ""])
def test_a_type_that_is_not_known_is_json(type: str) -> None:
    assert (
        extension_files.parse(file(properties={"v": {"name": "v", "type": type}}))["p"].variables["v"].type
        == type.lower()
    )


FORMER = {"mappings": {"t": {"outputs": {"x": {"type": "variable", "value": "a"}}}}, "properties": {"v": {"name": "a"}}}


def test_the_former_form_names_its_process_beside_the_extensions() -> None:
    [(id, found)] = extension_files.parse(msgspec.json.encode({"id": "p", "extensions": FORMER})).items()
    assert (id, [*found.variables], [*found.mappings]) == ("p", ["a"], ["t"])


@pytest.mark.parametrize(("id", "process"), [("", "mappings"), (None, "mappings"), (5, "mappings"), ("m", "p")])
def test_the_form_of_today_names_the_processes_in_the_extensions(id: Any, process: str) -> None:
    content = {"id": id, "extensions": {process: FORMER if process == "p" else {}}}
    assert [*extension_files.parse(msgspec.json.encode(content))] == [process]


def test_a_fault_of_the_former_form_names_its_place() -> None:
    content = msgspec.json.encode({"id": "p", "extensions": {"mappings": {"t": {"outputs": {"x": {"type": "no"}}}}}})
    with pytest.raises(InvalidExtensions, match=r"extensions\.mappings\.t\.outputs\.x"):
        extension_files.parse(content)
