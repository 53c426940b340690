"""`osmia run`, `osmia instance show --follow` and `osmia work`: what they say and how they end."""

import asyncio
import json
import logging
import re
import sys
from pathlib import Path

import pytest

from osmia import JobFailure, testing
from osmia_broker.cli import follow
from osmia_broker.cli.commands import work
from osmia_broker.cli.model_files import saved
from tests.bpmn import bpmn

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def file(tmp_path, unique):
    """Write a model to a file and return its path."""

    def write(line, content=b""):
        path = tmp_path / f"{unique}.bpmn"
        path.write_bytes(content or bpmn(line, id=unique))
        return path

    return write


def test_a_process_runs_to_its_end(osmia, file):
    row = osmia.json("run", file('start > s:script(expression="=guests + 1", result=x) > end'), "--var", "guests=4")
    assert row["state"] == "COMPLETED"
    assert osmia.client.search_variables(int(row["processInstanceKey"])).items[0].name == "guests"


def test_an_incident_ends_the_run_with_its_reason(osmia, file):
    told = osmia.refused(
        1, "run", file("start > g:exclusive [ nobody > 1 -> a:user > e1:end | nobody > 2 -> b:user > e2:end ]")
    )
    assert "is stopped at 'g'" in told
    assert "osmia incident show" in told


def test_a_run_that_waits_ends_with_its_time(osmia, file, monkeypatch):
    monkeypatch.setattr(follow, "LOOK_EVERY_S", 0)
    told = osmia.refused(6, "run", file("start > eat:user(name=Eat dinner) > end"), "--timeout", "1ms")
    assert "  at Eat dinner" in told
    assert "goes on" in told


def test_a_file_without_a_process_is_not_run_and_not_deployed(osmia, unique, tmp_path):
    (tmp_path / "f.form").write_text(f'{{"id": "{unique}", "components": [], "type": "default"}}')
    assert "There is no process in" in osmia.refused(2, "run", tmp_path / "f.form")
    assert not osmia.client.search_items("resources", {"resourceName": "f.form", "resourceId": unique}).items


def extensions_beside(path, id):
    """Write the extension file of a process: one variable with a value."""
    properties = {"v": {"id": "v", "name": "n", "type": "integer", "value": 7}}
    content = {"extensions": {id: {"properties": properties}}}
    beside = path.with_name(f"{path.stem}-extensions.json")
    beside.write_text(json.dumps(content))
    return beside


def test_the_extension_file_beside_a_process_is_deployed_with_it(osmia, file, unique):
    path = file("", bpmn("start > end", id=unique, dialect="activiti"))
    extensions = extensions_beside(path, unique)
    row = osmia.json("run", path)
    assert [(one.name, one.value) for one in osmia.client.search_variables(int(row["processInstanceKey"])).items] == [
        ("n", 7)
    ]
    assert f"With it: {extensions}" in osmia.err
    osmia.done("run", path, extensions)
    assert "With it" not in osmia.err, "it was named"
    assert osmia.client.search_definitions(bpmn_process_id=unique).items[0].version == 1


def test_a_deployment_takes_the_extension_file_beside_a_process_too(osmia, file, unique):
    path = file("", bpmn("start > end", id=unique, dialect="activiti"))
    osmia.done("deploy", path)
    extensions = extensions_beside(path, unique)
    for words in (["lint", path], ["deploy", "--dry-run", path], ["deploy", path]):
        osmia.done(*words)
        assert f"With it: {extensions}" in osmia.err
    osmia.done("deploy", path.parent)
    assert "With it" not in osmia.err, "it is one of the directory"
    assert osmia.client.search_definitions(bpmn_process_id=unique).items[0].version == 2


def test_a_deployment_watches_the_extension_file_beside_a_process(file, unique):
    path = file("", bpmn("start > end", id=unique, dialect="activiti"))
    changes = saved([str(path)], pause=lambda: extensions_beside(path, unique))
    assert next(changes) is None


def test_what_a_process_needs_is_deployed_with_it(osmia, file, tmp_path, unique):
    (tmp_path / "f.form").write_text(json.dumps({"id": unique, "components": [], "type": "default"}))
    osmia.json("run", file("start > end"), tmp_path / "f.form")
    assert "Deployed process" in osmia.err


def test_an_ended_instance_is_followed_to_its_end(osmia, unique):
    osmia.deploy("start > end", unique)
    key = osmia.create(unique)
    assert "COMPLETED" in osmia.done("instance", "show", key, "--follow")
    assert osmia.err == f"{key} COMPLETED\n"
    assert "try: osmia instances" in osmia.refused(4, "instance", "show", "4711", "--follow")


def worked(code, **variables):
    """What a job with *variables* ends with when its command is this Python code."""
    return asyncio.run(work.outcome([sys.executable, "-c", code], testing.job("t", variables=variables)))


def test_a_command_gets_the_variables_and_gives_a_result():
    code = "import json, sys; print(json.dumps({'sum': sum(json.load(sys.stdin)['prices'])}))"
    assert worked(code, prices=[1, 2]) == {"sum": 3}
    assert worked("pass") is None


def test_a_command_has_a_process_group_of_its_own():
    """A Ctrl-C at the terminal reaches the worker alone; the command may end its job."""
    assert worked("import os; print('{\"isLeader\": ' + str(os.getpgrp() == os.getpid()).lower() + '}')") == {
        "isLeader": True
    }


@pytest.mark.parametrize(
    ("code", "text", "retries"),
    [
        ("raise SystemExit('bank is closed')", "ended with exit code 1: bank is closed", None),
        ("import os; os.kill(os.getpid(), 9)", "ended with signal 9", None),
        ("raise SystemExit(7)", "ended with exit code 7", None),
        ("print('hello')", "Expected a JSON object from .*, but found no value at line 1, column 1", 0),
        ("print([1])", "Expected a JSON object from .*, but found a list", 0),
        ("print('{}{}')", "Expected a JSON object from .*, but found more text behind the end at line 1, column 3", 0),
        ("import os; os.write(1, b'\\xe4')", "Expected a JSON object from .*, but found bytes that are no text in", 0),
    ],
)
def test_a_command_that_fails_fails_its_job(code, text, retries):
    with pytest.raises(JobFailure, match=text) as failure:
        worked(code)
    assert failure.value.retries == retries


def test_a_command_that_is_not_there_fails_its_job():
    with pytest.raises(JobFailure, match="Expected to run no-such-program, but found: No such file"):
        asyncio.run(work.outcome(["no-such-program"], testing.job("t")))


@pytest.mark.parametrize("words", [["work"], ["work", "t"]])
def test_a_worker_needs_a_type_and_a_command(osmia, words):
    assert "but found no more words" in osmia.refused(2, *words)


def test_a_worker_without_a_broker_ends(capsys):
    from osmia_broker.cli.app import run

    assert run(["work", "t", "--address", "127.0.0.1:1", "--", "true"]) == 3
    assert json.dumps("No broker answers at 127.0.0.1:1.")[1:-1] in capsys.readouterr().err


def test_a_process_of_activiti_without_its_variables_names_each_of_them(osmia, tmp_path, unique):
    declared = {name: {"id": name, "name": name, "type": "string", "required": True} for name in ("guests", "room")}
    model = tmp_path / f"{unique}.bpmn"
    model.write_text((EXAMPLES / "pizza-night.bpmn").read_text().replace("pizzaNight", unique))
    extensions = tmp_path / f"{unique}-extensions.json"
    extensions.write_text(
        json.dumps({"name": unique, "type": "PROCESS", "extensions": {unique: {"properties": declared}}})
    )
    osmia.done("deploy", model, extensions)
    for given, told, tried in (
        ("", "without required variables - guests, room.", " --var guests=VALUE --var room=VALUE"),
        (" --var room=red", "without required variables - guests.", " --var room=red --var guests=VALUE"),
        (" --var guests=4 --var room=red", "Expected 'guests' to be a text", " --var guests=VALUE --var room=red"),
    ):
        refused = re.sub(r" --address \S+", "", osmia.refused(1, "start", unique, *given.split()))
        assert told in refused
        assert refused.endswith(f"  try: osmia start {unique}{tried}\n")


@pytest.mark.parametrize(("error", "is_kept"), [(JobFailure("./charge.sh ended with 1"), False), (KeyError("x"), True)])
def test_a_command_that_fails_is_told_without_our_frames(error, is_kept):
    record = logging.LogRecord("osmia.worker", logging.ERROR, "", 0, "failed", (), (type(error), error, None))
    assert work.without_our_frames(record)
    assert (record.exc_info is not None) == is_kept


def test_a_name_that_is_an_expression_is_shown_as_people_read_it(osmia, tmp_path, unique):
    path = tmp_path / f"{unique}.bpmn"
    path.write_bytes(
        bpmn("start > choose:user(name=For ${guests}) > eat:user(name=Eat) > end", id=unique, dialect="activiti")
    )
    osmia("run", str(path), "--var", "guests=4", "--timeout", "100ms")
    assert "  at For 4 (" in osmia.err
    assert "${guests}" not in osmia.err
    [instance] = osmia.json("instances", "--process", unique)
    shown = osmia.done("instance", "show", instance["processInstanceKey"])
    assert "start → choose" in shown
    assert "${guests}" not in shown
