"""What is said when something is missing, misspelt or not yet over: the words, and the command that helps."""

import json

import pytest

from osmia_broker.cli import follow
from osmia_broker.cli.app import run
from tests.bpmn import bpmn
from tests.running_broker import running_broker


def test_a_file_run_again_is_unchanged_and_the_time_that_was_too_short_is_named(osmia, unique, tmp_path, monkeypatch):
    monkeypatch.setattr(follow, "LOOK_EVERY_S", 0)
    path = tmp_path / "p.bpmn"
    path.write_bytes(bpmn("start > a:user > end", id=unique))
    assert f"Deployed process {unique} (version 1)" in osmia.refused(6, "run", path, "--timeout", "1ms")
    told = osmia.refused(6, "run", path, "--timeout", "1ms")
    assert f"Unchanged process {unique} (version 1)" in told
    assert "has not ended within 1ms; it goes on." in told


def test_who_stops_to_follow_hears_that_the_instance_goes_on(osmia, unique, monkeypatch):
    osmia.deploy("start > a:user > end", unique)
    key = osmia.create(unique)

    def interrupted(_seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(follow, "sleep", interrupted)
    said = []
    with pytest.raises(KeyboardInterrupt):
        follow.follow(osmia.client, key, said.append)
    assert said[-1] == f"Instance {key} goes on: osmia instance show {key} --follow"


@pytest.mark.parametrize(("words", "command"), [("lint", "osmia lint"), ("deploy --dry-run", "osmia deploy --dry-run")])
def test_a_missing_file_is_answered_with_the_same_command(capsys, tmp_path, monkeypatch, words, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dinner.bpmn").write_bytes(b"")
    assert run([*words.split(), "diner.bpmn"]) == 2
    assert f"try: {command} dinner.bpmn" in capsys.readouterr().err
    assert run([*words.split(), "nofile.bpmn"]) == 2
    assert f"try: {command} FILE   (nearby: dinner.bpmn)" in capsys.readouterr().err


def test_a_restore_of_nothing_asks_for_a_backup(capsys, tmp_path):
    assert run(["restore", str(tmp_path / "nowhere"), "--data-dir", str(tmp_path / "new")]) == 4
    told = capsys.readouterr().err
    assert "try: osmia restore BACKUP   (a directory that osmia backup has made)" in told
    assert "--data-dir" not in told


def test_my_tasks_of_nobody_ask_who_that_is(osmia):
    assert osmia.done("tasks", "--mine") == ""
    assert "osmia tasks --mine --user anna" in osmia.err
    osmia.done("tasks", "--mine", "--user", "nobody-has-this-name")
    assert "--user anna" not in osmia.err


def test_a_query_without_hits_starts_no_instance(osmia):
    osmia.done("tasks", "assignee:nobody-has-this-name")
    assert osmia.err == "No task passes this query. Those that are open: osmia tasks\n"


@pytest.mark.parametrize(
    ("query", "meant"),
    [("asignee:ada", "assignee:ada"), ("is:mien", "group:finance"), ("due:<2y", "is:mine"), ('"dinner', "due:<2d")],
)
def test_a_query_that_is_refused_is_answered_with_one_that_is_taken(osmia, query, meant):
    tried = osmia.refused(1, "tasks", query).splitlines()[-1]
    assert tried.startswith("  try: osmia tasks ")
    assert meant in tried


def test_a_time_to_snooze_that_is_none_is_answered_with_one(osmia, unique):
    osmia.deploy("start > a:user > end", unique)
    osmia.create(unique)
    key = osmia.done("tasks", "-p", unique, "-o", "key").strip()
    told = osmia.refused(2, "task", "snooze", key, "someday", "--user", "anna")
    assert f"try: osmia task snooze {key} 2h --user anna" in told


def test_an_incident_has_one_word_for_its_state(osmia, unique):
    osmia.deploy("start > g:exclusive [nobody > 1 -> a:end | nobody > 2 -> b:end]", unique)
    osmia.create(unique)
    [row] = osmia.json("incidents", "-p", unique)
    assert osmia.done("incident", "show", row["incidentKey"]).splitlines()[0].endswith(row["state"])


def test_a_secret_whose_file_is_missing_is_said_in_plain_words(osmia, monkeypatch):
    monkeypatch.setenv("OSMIA_USER", "anna")
    monkeypatch.setenv("OSMIA_PASSWORD_FILE", "nofile")
    told = osmia.refused(2, "tasks")
    assert "to be a text file, but found 'nofile': No such file or directory." in told
    assert "try: unset OSMIA_PASSWORD_FILE" in told
    assert "Errno" not in told


def test_a_fault_in_an_expression_is_said_once(capsys):
    assert run(["feel", "1 +"]) == 1
    drawn = capsys.readouterr().err
    assert ("^" in drawn, "  why: " in drawn) == (True, False)
    assert run(["feel", "1 +", "-o", "json"]) == 1
    message = json.loads(capsys.readouterr().err)["error"]["message"]
    assert message.startswith("This is no FEEL expression. ")
    assert len(message) > len("This is no FEEL expression. ")


def test_where_nothing_waits_is_told_apart_from_what_a_filter_leaves_out(tmp_path, capsys):
    with running_broker(tmp_path) as broker:
        for words, told in (((), "No task waits for a person."), (("--unassigned",), "No such tasks.")):
            assert run(["tasks", *words, "--address", broker.address]) == 0
            said = capsys.readouterr().err  # the broker in this process may log before
            assert said.splitlines()[-1] == f"{told} Start an instance: osmia start PROCESS_ID"
