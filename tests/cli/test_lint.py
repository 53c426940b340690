"""`osmia lint`, the warnings of `osmia deploy`, and what else a deployment says."""

import json
import re
import zipfile
from pathlib import Path

import pytest

from osmia_broker.cli.app import run
from osmia_broker.model import warnings
from tests.bpmn import bpmn


def model(folder: Path, expression: str, id: str = "p") -> Path:
    path = folder / f"{id}.bpmn"
    path.write_bytes(bpmn(f'start > a:job(in.at="={expression}") > end', id=id))
    return path


@pytest.mark.parametrize(
    ("expression", "warning"),
    [
        ("nwo()", "There is no FEEL function 'nwo'; this call gives null; did you mean 'now'?"),
        ("for x in [1] return frobnicate(x)", "There is no FEEL function 'frobnicate'"),
        ("now(1, 2, 3)", "No FEEL function 'now' takes 3 arguments"),
        ("if true then 1 else sqroot(4)", "did you mean 'sqrt'?"),
    ],
)
def test_a_function_that_does_not_exist_is_warned_of(capsys, tmp_path, expression, warning):
    path = model(tmp_path, expression)
    assert run(["lint", str(path)]) == 0
    told = capsys.readouterr().err
    assert f"Warning: {path.name}:" in told
    assert " a: " in told
    assert warning in told
    assert run(["lint", "--strict", str(path)]) == 1


@pytest.mark.parametrize(
    "expression",
    [
        "now()",
        "unknownVariable + 1",
        "{f: function(x) x + 1, r: f(1)}.r",
        "sum([1, 2])",
        "date and time(now(), order.zone)",
    ],
)
def test_what_may_be_meant_is_not_warned_of(capsys, tmp_path, expression):
    assert run(["lint", "--strict", str(model(tmp_path, expression))]) == 0
    assert "Warning" not in capsys.readouterr().err


def test_conditions_and_listeners_are_looked_at_too(capsys, tmp_path):
    path = tmp_path / "p.bpmn"
    path.write_bytes(bpmn("start > pick:exclusive [nwo() > 1 -> a:end | else -> b:end]", id="p"))
    assert run(["lint", str(path)]) == 0
    assert "'nwo'" in capsys.readouterr().err


def test_a_misspelt_element_of_the_dialect_is_answered_with_the_one_that_was_meant(capsys, tmp_path):
    path = tmp_path / "p.bpmn"
    content = bpmn('start > a:job(in.at="=1") > end', id="p")
    path.write_bytes(content.replace(b"zeebe:ioMapping", b"zeebe:iomapping"))
    assert run(["lint", str(path)]) == 0
    told = capsys.readouterr().err
    assert "The element 'zeebe:iomapping' is not known, and has no effect; did you mean 'zeebe:ioMapping'?" in told
    path.write_bytes(content.replace(b"zeebe:input", b"zeebe:inptu"))
    assert run(["lint", str(path)]) == 0
    told = capsys.readouterr().err
    assert "The element 'zeebe:inptu' is not known, and has no effect; did you mean 'zeebe:input'?" in told


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("<zeebe:ioMapping>", "<zeebe:future/><zeebe:ioMapping>", "The element 'zeebe:future' is not known, and has"),
        (
            "<zeebe:ioMapping>",
            '<zeebe:input source="=1"/><zeebe:ioMapping>',
            "'zeebe:input' stands outside of the element",
        ),
        (
            "<zeebe:ioMapping>",
            "<zeebe:linkedResources/><zeebe:ioMapping>",
            "'zeebe:linkedResources' is not carried out here",
        ),
        (
            '<bpmn:serviceTask id="a"',
            '<bpmn:serviceTask startQuantity="2" id="a"',
            "'startQuantity=\"2\"' is not carried out",
        ),
        (
            '<bpmn:serviceTask id="a"',
            '<bpmn:serviceTask default="a_to_end" id="a"',
            "A default flow is read at exclusive",
        ),
    ],
)
def test_what_has_no_effect_is_warned_of(capsys, tmp_path, right, wrong, told):
    path = tmp_path / "p.bpmn"
    content = bpmn('start > a > end & a:job(in.at="=1") > b:task > end2', id="p").decode()
    assert right in content
    path.write_text(content)
    assert run(["lint", "--strict", str(path)]) == 0
    path.write_text(content.replace(right, wrong, 1))
    assert run(["lint", str(path)]) == 0
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    ['start > a:throw(in.x="=1") > end', "start > a > end & a:job > b:job > end2", "start > a:throw > b:task > end"],
)
def test_blanks_around_ids_are_nothing_to_the_warnings(capsys, tmp_path, line):
    path = tmp_path / "p.bpmn"
    plain = bpmn(line, id="p").replace(b'<bpmn:serviceTask id="a"', b'<bpmn:serviceTask default="a_to_end" id="a"')
    path.write_bytes(plain)
    assert run(["lint", str(path)]) == 0
    told = capsys.readouterr().err
    path.write_bytes(re.sub(rb' (id|default)="(\w+)"', rb' \1=" \2 "', plain))
    assert b'id=" start "' in path.read_bytes()
    assert run(["lint", str(path)]) == 0
    assert capsys.readouterr().err == told


def test_input_mappings_of_events_without_a_trigger_are_told(capsys, tmp_path):
    path = tmp_path / "p.bpmn"
    path.write_bytes(bpmn('start > a:task(in.x="=1") > b:throw(signal=go, in.x="=1") > end', id="p"))
    assert run(["lint", "--strict", str(path)]) == 0
    path.write_bytes(bpmn('start > a:throw(in.x="=1", out.y="=2") > end', id="p"))
    assert run(["lint", str(path)]) == 0
    assert "An input mapping of an event without a trigger is not applied; it has no effect" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("candidateGroups=", "candidateGroup=", "'candidateGroup' of 'zeebe:assignmentDefinition'"),
        ("candidateGroups=", "candidategroups=", "'candidategroups' of 'zeebe:assignmentDefinition'"),
    ],
)
def test_a_misspelt_attribute_of_the_dialect_is_answered_with_the_one_that_was_meant(
    capsys, tmp_path, right, wrong, told
):
    path = tmp_path / "p.bpmn"
    content = bpmn('start > a:user(groups="y") > end', id="p").decode()
    assert right in content
    path.write_text(content.replace(right, wrong))
    assert run(["lint", str(path)]) == 0
    meant = right.removesuffix("=")
    assert f"The attribute {told} is not known, and has no effect; did you mean '{meant}'?" in capsys.readouterr().err
    assert run(["lint", "--strict", str(path)]) == 1


@pytest.mark.parametrize("more", ['resultBinding="x"', 'xmlns:o="o" o:candidateGroup="x"', 'id="x"'])
def test_an_attribute_that_is_near_none_or_of_another_namespace_is_not_warned_of(capsys, tmp_path, more):
    path = tmp_path / "p.bpmn"
    content = bpmn('start > a:user(groups="y") > end', id="p").decode()
    path.write_text(content.replace("candidateGroups=", f"{more} candidateGroups="))
    assert run(["lint", "--strict", str(path)]) == 0
    assert "Warning" not in capsys.readouterr().err


def test_few_of_many_unknown_attributes_are_compared_with_the_known_ones(capsys, tmp_path, monkeypatch):
    compared = []
    monkeypatch.setattr(warnings, "meant", lambda _prefix, name, _known: compared.append(name) or "; did you mean it?")
    path = tmp_path / "p.bpmn"
    many = " ".join(f'group{number}="x"' for number in range(1_000))
    content = bpmn('start > a:user(groups="y") > end', id="p").decode()
    path.write_text(content.replace("candidateGroups=", f"{many} candidateGroups="))
    assert run(["lint", str(path)]) == 0
    assert compared == [f"group{number}" for number in range(warnings.NAMES_COMPARED_MAX)]
    assert capsys.readouterr().err.count("did you mean it?") == warnings.WARNINGS_MAX


def test_few_of_many_unknown_elements_are_compared_with_the_known_ones(capsys, tmp_path, monkeypatch):
    compared = []
    monkeypatch.setattr(warnings, "meant", lambda _prefix, name, _known: compared.append(name) or "; did you mean it?")
    path = tmp_path / "p.bpmn"
    unknown = b"".join(b"<zeebe:inptu%d/><zeebe:inptu0/>" % number for number in range(1_000))
    path.write_bytes(
        bpmn('start > a:job(in.at="=1") > end', id="p").replace(b"<zeebe:ioMapping>", b"<zeebe:ioMapping>" + unknown)
    )
    assert run(["lint", str(path)]) == 0
    assert compared == [f"inptu{number}" for number in range(warnings.NAMES_COMPARED_MAX)]
    assert capsys.readouterr().err.count("did you mean it?") == warnings.WARNINGS_MAX


def test_a_fault_is_reported_as_by_deploy(capsys, tmp_path):
    assert run(["lint", str(model(tmp_path, "1 +"))]) == 1
    told = capsys.readouterr().err
    assert told.startswith("Error: The file cannot be deployed: p.bpmn:")
    assert told.count("failed to parse expression") == 1


def test_deploy_warns_and_says_what_is_unchanged(osmia, unique, tmp_path):
    path = model(tmp_path, "nwo()", unique)
    assert osmia.done("deploy", path) == f"Deployed process {unique} (version 1) from {path.name}\n"
    assert f"Warning: {path.name}:" in osmia.err
    assert osmia.done("deploy", path) == f"Unchanged process {unique} (version 1) from {path.name}\n"
    assert osmia.json("deploy", path)[0]["isNew"] is False


def test_a_file_that_is_not_there_is_answered_with_one_nearby(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("models").mkdir()
    tmp_path.joinpath("models", "dinner.bpmn").write_bytes(b"")
    for name, mend in (("diner.bpmn", "models/dinner.bpmn"), ("nope.dmn", "FILE   (nearby: models/dinner.bpmn)")):
        assert run(["lint", name]) == 2
        assert f"try: osmia lint {mend}\n" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path / "models")
    tmp_path.joinpath("models", "dinner.bpmn").unlink()
    assert run(["lint", "nope.bpmn"]) == 2
    assert "no model in this folder" in capsys.readouterr().err


def test_all_examples_can_be_deployed_together(osmia):
    osmia.done("deploy", "examples")
    assert "Warning" not in osmia.err


# --- archives


def archive(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return path


def test_an_archive_stands_for_the_models_in_it(osmia, tmp_path, unique):
    path = archive(
        tmp_path / "all.zip",
        {
            "models/one.bpmn": bpmn("start > end", id=f"{unique}-1"),
            "two.bpmn": bpmn("start > end", id=f"{unique}-2"),
            "__MACOSX/._two.bpmn": b"rubbish",
            "package.json": b"{}",
            "readme.txt": b"no model",
        },
    )
    (tmp_path / "two.bpmn").write_bytes(bpmn("start > end", id=f"{unique}-2"))  # a copy
    assert osmia("lint", path, tmp_path / "two.bpmn") == 0
    assert "2 files can be deployed." in osmia.err
    told = osmia.done("deploy", path, tmp_path / "two.bpmn")
    assert told.splitlines() == [
        f"Deployed process {unique}-1 (version 1) from one.bpmn",
        f"Deployed process {unique}-2 (version 1) from two.bpmn",
    ]


@pytest.mark.parametrize(
    ("files", "compression", "reason", "mend"),
    [
        (
            {"readme.txt": b"x", "package.json": b"{}"},
            zipfile.ZIP_STORED,
            "Expected models in the archive",
            "with .bpmn",
        ),
        (
            {"a.bpmn": b" " * (51 * 1024 * 1024)},
            zipfile.ZIP_DEFLATED,
            "at most 500 models of 52,428,800 bytes",
            "a smaller",
        ),
        ({f"{n}.bpmn": b"" for n in range(501)}, zipfile.ZIP_STORED, "at most 500 models of", "a smaller archive"),
        ({"a.bpmn": b"<a/>"}, zipfile.ZIP_LZMA, "that are deflated or stored, but found others", "of the usual kind"),
        ({"a/b.bpmn": b"<html/>"}, zipfile.ZIP_DEFLATED, "b.bpmn: Expected 'definitions' of BPMN", "no BPMN"),
    ],
)
def test_an_archive_that_holds_something_else_is_refused(capsys, tmp_path, files, compression, reason, mend):
    assert run(["lint", str(archive(tmp_path / "a.zip", files, compression))]) == 1
    said = capsys.readouterr().err
    assert said.startswith(("Error: The file cannot be deployed: ", "Error: The files cannot be deployed: "))
    assert reason in said
    assert mend in said.splitlines()[1]


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04" + bytes(40)])
def test_a_damaged_archive_is_refused(capsys, tmp_path, content):
    (tmp_path / "a.ZIP").write_bytes(content)
    assert run(["lint", str(tmp_path / "a.ZIP")]) == 1
    said = capsys.readouterr().err
    assert "a.ZIP: Expected a zip archive, but found another file, or a damaged one" in said
    assert "or the files that are in it" in said


@pytest.mark.parametrize(
    ("part", "id", "told"),
    [
        ("mappings", "approve", ""),
        ("mappings", "p", ""),
        ("constants", "approve", ""),
        (
            "mappings",
            "aprove",
            "mappings.aprove: The process has no element 'aprove', so this has no effect; did you mean 'approve'?",
        ),
        ("constants", "far", "constants.far: The process has no element 'far', so this has no effect"),
    ],
)
def test_an_extension_file_is_counted_and_warned_of(capsys, tmp_path, part, id, told):
    model = tmp_path / "p.bpmn"
    model.write_bytes(bpmn("start > approve:user > end", id="p", dialect="activiti"))
    content = {"extensions": {"p": {part: {id: {"_limit": {"value": 3}} if part == "constants" else {}}}}}
    (tmp_path / "p-extensions.json").write_text(json.dumps(content))
    assert run(["lint", str(model), "--strict"]) == (1 if told else 0)
    warned = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Warning: ")]
    assert warned == ([f"Warning: p-extensions.json extensions.p.{told}"] if told else [])
    assert run(["lint", str(model)]) == 0
    assert capsys.readouterr().err.endswith("2 files can be deployed.\n")


def test_names_of_activiti_at_an_element_of_camunda_are_told(capsys, tmp_path):
    path = tmp_path / "p.bpmn"
    declared = bpmn("start > a:job > end", id="p").replace(
        b"<bpmn:definitions", b'<bpmn:definitions xmlns:activiti="http://activiti.org/bpmn"'
    )
    path.write_bytes(declared)
    assert run(["lint", "--strict", str(path)]) == 0
    foreign = b"<bpmn:extensionElements><activiti:field><activiti:string/></activiti:field>"
    path.write_bytes(
        declared.replace(b"<bpmn:extensionElements>", foreign).replace(
            b"<bpmn:serviceTask", b'<bpmn:serviceTask activiti:class="x.Y"'
        )
    )
    assert run(["lint", str(path)]) == 0
    told = capsys.readouterr().err
    for name in ("class", "field"):
        assert f"'activiti:{name}' stands at an element of the 'zeebe:' dialect, and has no effect" in told
    assert "'activiti:string'" not in told
