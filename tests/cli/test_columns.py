"""`--columns` chooses the fields of a list, in every form of it."""

import csv
import io
import json

import pytest


@pytest.fixture
def task(osmia, unique):
    osmia.deploy("start > a:user(name=Ask) > end", unique)
    osmia.create(unique)
    return osmia.done("tasks", "-p", unique, "-o", "key").strip()


@pytest.mark.parametrize("names", ["priority,userTaskKey", "PRIORITY,KEY", " priority , usertaskkey "])
def test_a_table_has_the_wanted_columns_in_their_order(osmia, unique, task, names):
    titles, line = osmia.done("tasks", "-p", unique, "--columns", names).splitlines()
    assert (titles.split(), line.split()) == (["PRIORITY", "KEY"], ["50", task])


def test_a_field_that_no_table_shows_can_be_wanted(osmia, unique, task):
    assert osmia.done("tasks", "-p", unique, "--columns", "elementId").split() == ["elementId", "a"]


def test_json_and_csv_hold_these_fields_only(osmia, unique, task):
    words = ("tasks", "-p", unique, "--columns", "userTaskKey,name", "-o")
    assert json.loads(osmia.done(*words, "json")) == [{"userTaskKey": task, "name": "Ask"}]
    assert list(csv.reader(io.StringIO(osmia.done(*words, "csv")))) == [["userTaskKey", "name"], [task, "Ask"]]
    assert osmia.done(*words, "yaml").split() == ["-", "userTaskKey:", f'"{task}"', "name:", '"Ask"']


def test_keys_stay_keys(osmia, unique, task):
    assert osmia.done("tasks", "-p", unique, "--columns", "priority", "-o", "key").strip() == task


@pytest.mark.parametrize(
    ("names", "told"),
    [("nosuch", "no field 'nosuch'"), ("priority,nosuch", "no field 'nosuch'"), (",", "but found none")],
)
def test_what_is_no_field_is_refused_with_those_there_are(osmia, unique, task, names, told):
    err = osmia.refused(2, "tasks", "-p", unique, "--columns", names)
    assert told in err
    assert "userTaskKey" in err


def test_an_empty_list_says_why_as_ever(osmia, unique):
    osmia.deploy("start > a:user > end", unique)
    assert osmia("tasks", "-p", unique, "--columns", "name") == 0
    assert (osmia.out, bool(osmia.err)) == ("", True)
