"""What a person reads of a refused deployment: one line per problem, with file, line, element and name."""

import json

import pytest

from osmia_broker.cli.app import run
from osmia_broker.cli.deploy_faults import CUT, refused

MANY = b"""<?xml version="1.0"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" id="d" targetNamespace="x">
<bpmn:process id="p" isExecutable="true">
<bpmn:startEvent id="s"/><bpmn:sequenceFlow id="f" sourceRef="s" targetRef="t"/>
<bpmn:serviceTask id="t" name="Charge"/>
</bpmn:process></bpmn:definitions>"""
HEAD = "Expected to deploy new resources, but encountered the following errors:\n"


def lines(text, files=(("many.bpmn", MANY),)):
    return refused(HEAD + text, files).text().splitlines()


def test_each_problem_has_a_line_with_its_place_and_name():
    text = (
        "'many.bpmn': - Element: t\n    - ERROR: Must have one\n    - ERROR: Must be short\n"
        "- Element: c > extensionElements > script\n    - ERROR: Must parse"
    )
    assert lines(text) == [
        "Error: Nothing was deployed, because of 3 problems:",
        '  many.bpmn:5 t "Charge": Must have one',
        '  many.bpmn:5 t "Charge": Must be short',
        "  many.bpmn c > extensionElements > script: Must parse",
    ]


def test_the_problems_of_several_files_name_their_file():
    text = "'many.bpmn': - Element: s\n    - ERROR: one\n'other.bpmn': - Element: s\n    - ERROR: two\n'c.dmn': broken"
    assert lines(text)[1:] == ["  many.bpmn:4 s: one", "  other.bpmn s: two", "  c.dmn: broken"]


def test_a_reason_may_have_several_lines():
    text = "'many.bpmn': - Element: t\n    - ERROR: failed to parse expression 'a b': Expected x\n   more"
    assert lines(text) == [
        "Error: Nothing was deployed: many.bpmn:5 t \"Charge\": failed to parse expression 'a b': Expected x more"
    ]


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        ("Must have one (line 7, 'Charge it')", 'many.bpmn:7 t "Charge it": Must have one'),
        ("Must have one (line 7)", "many.bpmn:7 t: Must have one"),
        ("Must have one ('Charge it')", 'many.bpmn:5 t "Charge": Must have one'),
        ("Must have one ()", 'many.bpmn:5 t "Charge": Must have one ()'),
        (
            "Expected a value, but found '*' (line 1, column 4) (line 6, 'Calc (x)')",
            "many.bpmn:6 t \"Calc (x)\": Expected a value, but found '*' (line 1, column 4)",
        ),
        ("Expected a value (line 1, column 4)", 'many.bpmn:5 t "Charge": Expected a value (line 1, column 4)'),
    ],
)
def test_the_place_that_the_broker_names_is_said_once(reason, line):
    assert lines(f"'many.bpmn': - Element: t\n    - ERROR: {reason}") == [f"Error: Nothing was deployed: {line}"]


def test_a_problem_of_the_file_as_a_whole_has_its_line_only():
    told = lines("'many.bpmn': Must have an id (line 9)\n'other.bpmn': broken")
    assert told[1:] == ["  many.bpmn:9: Must have an id", "  other.bpmn: broken"]


def test_an_answer_that_was_cut_says_that_there_may_be_more():
    text = "'many.bpmn': - Element: t\n" + "    - ERROR: Must have one\n" * 100
    told = refused((HEAD + text)[:1_000], [("many.bpmn", MANY)])
    assert told.details[-1].endswith("there may be more problems)")
    assert "more" not in told.details[-2]


@pytest.mark.parametrize("begun", ["- El", "- Element: t2", "    - ERR", "'other.bpmn': - Ele", "'oth", ""])
def test_a_line_that_was_only_begun_is_not_told(begun):
    text = (
        "'many.bpmn': - Element: t\n    - ERROR: Must have one\n    - ERROR: Must have two (line 5)\n".rjust(1_000)
        + begun
    )
    told = refused(HEAD + text, [("many.bpmn", MANY)])
    assert told.details == ['many.bpmn:5 t "Charge": Must have one', f"many.bpmn:5 t: Must have two{CUT}"]
    assert told.mend == "osmia lint FILE   (it names all problems)"


def test_half_of_a_reason_is_told():
    text = "'many.bpmn': - Element: t\n    - ERROR: Must have one\n    - ERROR: Must ha".rjust(1_000)
    assert refused(HEAD + text, [("many.bpmn", MANY)]).details[-1].endswith(f"Must ha{CUT}")


def test_what_was_found_here_is_never_cut():
    text = "'many.bpmn': - Element: t\n" + "    - ERROR: Must have one\n" * 100
    told = refused(HEAD + text, [("many.bpmn", MANY)], is_answer=False)
    assert len(told.details) == 100
    assert told.details[-1].endswith("Must have one")
    assert told.mend == ""


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("'t.txt': unknown resource type", "-extensions.json"),
        ("'p-extensions.json': Expected the BPMN file 'p.bpmn', or one", "with the BPMN file of its process"),
    ],
)
def test_a_file_that_is_none_is_refused_with_the_remedy(text, mend):
    told = lines(text, [("e.bpmn", b"")])
    assert told[0] == f"Error: Nothing was deployed: {text.replace(chr(39), '', 2)}"
    assert mend in told[1]


@pytest.mark.parametrize(
    ("name", "content", "what", "mend"),
    [
        ("a.bpmn", b"", "a.bpmn:1: The file is empty", "this one is empty"),
        ("a.bpmn", b"<x>\n<y", "a.bpmn:2: The file ends before its elements do", "the whole file"),
        ("a.bpmn", b"\nhello", "a.bpmn:2: This is no XML: it cannot be read here", "this one is no XML"),
        ("a.bpmn", b"\xff\xfe\x00", "a.bpmn:1: This is no XML: it cannot be read here", "this one is no XML"),
        (
            "a.form",
            b"{",
            "a.form: Expected a form as a JSON object, but found no JSON: its end is missing",
            "this one is no form",
        ),
        ("a.form", b"{}", "a.form: Expected the form id to be present, but none given", 'with an "id"'),
        ("a.bpmn", b"<a>\n<b></a>", "a.bpmn:2: This is no XML: an end tag belongs to another element", "is no XML"),
        ("a.bpmn", b"<!DOCTYPE a><a/>", "a.bpmn:1: A DOCTYPE is not allowed in a model", "without the DOCTYPE"),
        (
            "a.bpmn",
            b"<html/>",
            "a.bpmn: Expected 'definitions' of BPMN 2.0 as the outermost element, but found 'html'",
            "this one is no BPMN",
        ),
        (
            "a.bpmn",
            b'<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/"/>',
            "this is a DMN decision, whose file name must end with '.dmn'",
            "the same file with such a name",
        ),
        ("a.dmn", b"", "a.dmn:1: The file is empty", "this one is empty"),
        ("a.dmn", b"<!DOCTYPE a><a/>", "a.dmn:1: A DOCTYPE is not allowed in a model", "without the DOCTYPE"),
        ("a.dmn", b"<html/>", "but found 'html' of no namespace", "this one is no DMN"),
    ],
)
def test_what_is_no_model_is_told_in_words_for_people(capsys, tmp_path, name, content, what, mend):
    (tmp_path / name).write_bytes(content)
    assert run(["lint", str(tmp_path / name)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("Error: The file cannot be deployed: ")
    first, advice = said.splitlines()
    assert first.endswith(what)
    assert mend in advice
    assert "Fatal" not in said
    assert ("no XML" in advice) == ("no XML" in first)


@pytest.mark.parametrize("text", ["", "Something else", "- Element: x", "'a': - Element: x"])
def test_a_text_of_another_form_is_shown_as_it_is(text):
    told = refused(text, [])
    what = f"Nothing was deployed: {text}" if text else "The broker refused, and nothing was deployed."
    assert (told.details, told.what) == ([], what)


@pytest.mark.parametrize("what", ["process", "decision", "form"])
def test_an_id_of_two_files_has_one_line_and_a_remedy(what):
    text = f"Duplicated {what} id in resources 'a.bpmn' and 'b.bpmn'"
    told = lines(text)
    assert told == [
        f"Error: Nothing was deployed: {text}",
        "  try: osmia lint FILE   (one of the two, or another id in one of them)",
    ]


def test_a_program_reads_the_problems_as_a_list():
    text = "'many.bpmn': - Element: t\n    - ERROR: one\n    - ERROR: two"
    error = json.loads(refused(HEAD + text, [("many.bpmn", MANY)]).json())["error"]
    assert error["details"] == ['many.bpmn:5 t "Charge": one', 'many.bpmn:5 t "Charge": two']
    assert "one" in error["message"]


def test_a_refused_deployment_at_a_broker(osmia, tmp_path):
    (tmp_path / "many.bpmn").write_bytes(MANY)
    told = osmia.refused(1, "deploy", tmp_path / "many.bpmn")
    assert 'many.bpmn:5 t "Charge": Must have' in told
    assert "(line" not in told
    (tmp_path / "notes.txt").write_text("x")
    assert ".bpmn, .xml, .dmn, .form or -extensions.json" in osmia.refused(1, "deploy", tmp_path / "notes.txt")


@pytest.mark.parametrize("content", [b"\x1b[31m", "é".encode("latin-1"), b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"])
def test_a_file_that_cannot_be_read_has_no_lines(content):
    told = refused(HEAD + "'a.bpmn': - Element: x\n    - ERROR: one", [("a.bpmn", content)])
    assert told.what == "Nothing was deployed: a.bpmn x: one"


def test_a_fault_of_an_extension_file_has_its_path():
    text = (
        "'p-extensions.json': - Element: extensions.p.mappings.t\n    - ERROR: Expected one\n"
        "- Element: extensions.p.mappings.u\n    - ERROR: Expected two"
    )
    assert lines(text, (("p-extensions.json", b"{}"),))[1:] == [
        "  p-extensions.json extensions.p.mappings.t: Expected one",
        "  p-extensions.json extensions.p.mappings.u: Expected two",
    ]
