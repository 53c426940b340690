import csv
import io
import json
import sys

import pytest

from osmia_broker.cli.output import Column, Output, moment, write, write_one
from osmia_broker.cli.rows import first
from osmia_broker.cli.session import Session

COLUMNS = (Column("jobKey", "KEY"), Column("name", "NAME"), Column("groups", "GROUPS", is_wide=True))
ROWS = [
    {"jobKey": "2251799813685251", "name": "Décide\n\x1b[31m", "groups": ["a", "b"]},
    {"jobKey": "2251799813685252", "name": "x" * 300, "groups": []},
]


def printed(capsys, rows, output):
    write(rows, COLUMNS, output, color=False)
    return capsys.readouterr().out


def test_a_table_has_a_title_line_and_a_line_a_row_and_cuts_nothing_without_a_terminal(capsys):
    lines = printed(capsys, ROWS, Output.TABLE).splitlines()
    assert lines[0].split() == ["KEY", "NAME"]
    assert len(lines) == 3
    assert lines[1].startswith("2251799813685251  Décide")
    assert "x" * 300 in lines[2]


@pytest.mark.parametrize(
    ("color", "environ", "has_escapes"),
    [(True, {}, True), (False, {}, False), (True, {"NO_COLOR": "1"}, False)],
)
def test_without_colours_a_terminal_gets_plain_text(capsys, monkeypatch, color, environ, has_escapes):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    write(ROWS[:1], COLUMNS, Output.TABLE, color=color)
    assert ("\x1b[" in capsys.readouterr().out) is has_escapes


@pytest.mark.parametrize(("limit", "listed", "is_cut"), [(2, 2, True), (3, 3, False), (4, 3, False), (0, 3, False)])
def test_a_list_that_is_cut_says_so(capsys, limit, listed, is_cut):
    session = Session(None, Output.TABLE, None, is_quiet=False, says_yes=False, has_color=True)
    assert len(first(session, iter("abc"), limit)) == listed
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err == (f"Only the first {limit} are listed; --limit 0 lists all.\n" if is_cut else "")


def test_data_cannot_steer_the_terminal(capsys):
    assert "\x1b" not in printed(capsys, ROWS, Output.TABLE)


def test_wide_has_every_column(capsys):
    assert "a, b" in printed(capsys, ROWS, Output.WIDE)


def test_json_is_one_array_with_the_field_names(capsys):
    assert json.loads(printed(capsys, ROWS, Output.JSON)) == ROWS


def test_csv_has_a_header_and_survives_line_ends(capsys):
    rows = list(csv.reader(io.StringIO(printed(capsys, ROWS, Output.CSV))))
    assert rows[0] == ["jobKey", "name", "groups"]
    assert len(rows) == 3


def test_yaml_holds_json_values(capsys):
    assert printed(capsys, ROWS[:1], Output.YAML).splitlines()[0] == '- jobKey: "2251799813685251"'


def test_key_prints_keys_alone(capsys):
    assert printed(capsys, ROWS, Output.KEY) == "2251799813685251\n2251799813685252\n"


@pytest.mark.parametrize(
    ("output", "text"), [(Output.TABLE, ""), (Output.JSON, "[]\n"), (Output.YAML, "[]\n"), (Output.KEY, "")]
)
def test_an_empty_list_is_still_a_document_for_programs(capsys, output, text):
    assert printed(capsys, [], output) == text


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (Output.TABLE, "Done 1\n"),
        (Output.JSON, '{"key":"1","n":2}\n'),
        (Output.KEY, "1\n"),
        (Output.CSV, "key,n\n1,2\n"),
    ],
)
def test_one_record_in_each_form(capsys, output, text):
    write_one({"key": "1", "n": 2}, "key", "Done 1", output)
    assert capsys.readouterr().out == text


def test_never_is_no_moment():
    assert moment(0) is None
    assert moment(1_795_314_828_120) == "2026-11-22T02:33:48.120Z"
