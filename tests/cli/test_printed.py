import csv
import io
import json
import sys
import time

import pytest

from osmia_broker.cli import streams
from osmia_broker.cli.output import Column, Output, moment, write, write_one
from osmia_broker.cli.rows import (
    INCIDENT_COLUMNS,
    INSTANCE_COLUMNS,
    JOB_COLUMNS,
    MESSAGE_COLUMNS,
    PROCESS_COLUMNS,
    SUBSCRIPTION_COLUMNS,
    TASK_COLUMNS,
    TIMER_COLUMNS,
    VARIABLE_COLUMNS,
    first,
    state_of_instance,
)
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


WIDE_ROWS = [
    {
        "incidentKey": "2251799813685251",
        "errorType": "JOB_NO_RETRIES",
        "processDefinitionId": "order-fulfilment",
        "elementId": "charge-the-card",
        "processInstanceKey": "2251799813685252",
        "errorMessage": "Expected result of the expression to be a number, but found the text " * 5,
        "startDate": "2026-11-25T13:29:17.871Z",
    }
]


@pytest.fixture
def terminal(capsys, monkeypatch):
    """Print on a terminal of this width, and return the lines."""

    def lines(rows, columns, width, output=Output.TABLE, term="xterm"):
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        monkeypatch.setenv("TERM", term)
        monkeypatch.setenv("COLUMNS", str(width))
        write(rows, columns, output, color=False)
        return capsys.readouterr().out.splitlines()

    return lines


@pytest.mark.parametrize("term", ["xterm", "dumb"])
@pytest.mark.parametrize("width", [80, 100, 132])
def test_a_table_fits_the_terminal_and_cuts_long_columns_only(terminal, width, term):
    titles, line = terminal(WIDE_ROWS, INCIDENT_COLUMNS, width, term=term)
    assert len(line) <= width
    assert titles.split() == ["KEY", "TYPE", "PROCESS", "ELEMENT", "INSTANCE", "MESSAGE"]
    assert {"2251799813685251", "2251799813685252"} <= set(line.split())
    assert line.endswith("…")


@pytest.mark.parametrize(
    "columns",
    [
        INSTANCE_COLUMNS,
        JOB_COLUMNS,
        TASK_COLUMNS,
        INCIDENT_COLUMNS,
        PROCESS_COLUMNS,
        VARIABLE_COLUMNS,
        TIMER_COLUMNS,
        SUBSCRIPTION_COLUMNS,
        MESSAGE_COLUMNS,
    ],
    ids=lambda columns: columns[0].field,
)
def test_every_list_fits_80_columns(terminal, columns):
    texts = {
        "state": "ACTIVATABLE" if columns is JOB_COLUMNS else "SUSPENDED",
        "type": "CONDITION",
        "retries": 3,
        "name": "guests",
        "hasIncident": False,
    }
    row = {
        column.field: texts.get(column.field, "2251799813685251" if column.field.endswith("Key") else "long " * 40)
        for column in columns
    }
    row |= dict.fromkeys(("dueDate", "startDate", "expirationTime"), "2026-11-25T13:29:17.871Z")
    row |= {"correlationKey": "order-" + "7" * 50, "processDefinitionVersion": 1, "version": 1, "suspendedDate": None}
    for line in terminal([row], columns, 80):
        assert len(line) <= 80, line


def test_a_narrow_terminal_wraps_rather_than_cut_a_key(terminal):
    _, line = terminal(WIDE_ROWS, INCIDENT_COLUMNS, 20)
    assert {"2251799813685251", "2251799813685252"} <= set(line.split())


def test_a_terminal_shows_short_local_times_and_wide_the_exact_ones(terminal, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        columns = (Column("processInstanceKey", "KEY"), Column("startDate", "STARTED", is_moment=True))
        assert terminal(WIDE_ROWS, columns, 80)[1] == "2251799813685252  2026-11-25 22:29"
        assert terminal(WIDE_ROWS, columns, 80, Output.WIDE)[1] == "2251799813685252  2026-11-25T13:29:17.871Z"
        assert terminal([{**WIDE_ROWS[0], "startDate": "soon"}], columns, 80)[1] == "2251799813685252  soon"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_wide_characters_count_twice(terminal):
    columns = (Column("name", "NAME", is_long=True), Column("jobKey", "KEY"))
    titles, line = terminal([{"name": "夕食" * 30, "jobKey": "1"}], columns, 20)
    assert line.endswith(("…   1", "…  1"))
    assert titles.endswith("KEY")


def test_a_table_shows_an_incident_as_the_state(capsys):
    row = {"state": "ACTIVE", "hasIncident": True, "suspendedDate": None}
    assert state_of_instance(row) == "INCIDENT"
    assert state_of_instance({**row, "state": "COMPLETED"}) == "COMPLETED"
    assert state_of_instance({**row, "hasIncident": False, "state": "SUSPENDED"}) == "SUSPENDED"
    assert state_of_instance({**row, "hasIncident": False}) == "ACTIVE"


def test_one_record_in_yaml_is_a_mapping(capsys):
    write_one({"key": "1", "n": 2}, "key", "Done 1", Output.YAML)
    assert capsys.readouterr().out == 'key: "1"\nn: 2\n'


@pytest.mark.parametrize(
    ("ms", "text"),
    [(2**62, "9999-12-31T23:59:59.999Z"), (-(2**62), "0001-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z")],
)
def test_a_moment_beyond_the_calendar_is_its_end(ms, text):
    assert moment(ms) == text


def test_never_is_no_moment():
    assert moment(0) is None
    assert moment(1_795_314_828_120) == "2026-11-22T02:33:48.120Z"


TASKS = [
    {
        "userTaskKey": "2251799813685256",
        "name": "Decide what's for dinner",
        "assignee": None,
        "candidateGroups": ["family", "friends"],
        "dueDate": "2026-11-20T10:00:00Z",
        "processDefinitionId": "dinner",
        "processInstanceKey": "2251799813685252",
    }
]


def test_a_narrow_terminal_leaves_out_a_column_without_a_value_before_it_cuts(terminal):
    titles, line = terminal(TASKS, TASK_COLUMNS, 80)
    assert titles.split() == ["KEY", "TASK", "GROUPS", "DUE", "PROCESS", "INSTANCE"]
    assert "2026-11-20  dinner" in line  # a day is never cut
    assert len(line) <= 80


def test_a_column_without_a_value_stays_where_there_is_room(terminal):
    titles, line = terminal(TASKS, TASK_COLUMNS, 120)
    assert "ASSIGNEE" in titles.split()
    assert "Decide what's for dinner" in line


def test_a_script_reads_every_column_and_the_exact_moment(capsys):
    write(TASKS, TASK_COLUMNS, Output.TABLE, color=False)
    out = capsys.readouterr().out
    assert "ASSIGNEE" in out
    assert "2026-11-20T10:00:00Z" in out


def test_values_of_others_command_no_terminal(capsys):
    text = "message  boom \x1b]0;title\x07\x1b[31m\x9b31m\nnext\tline"
    write_one({"key": "1"}, "key", text, Output.TABLE)
    streams.say(text)
    shown = capsys.readouterr()
    assert shown.out == shown.err == "message  boom  ]0;title  [31m 31m\nnext\tline\n"
