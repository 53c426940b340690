"""The words of zbctl mean what they meant there, and no word of osmia changes its meaning by them."""

import json

import pytest

from osmia_broker.cli.app import COMMANDS, run
from osmia_broker.cli.familiar import COMMANDS as FAMILIAR
from osmia_broker.cli.familiar import translated


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("create instance dinner --variables {} --withResult", "start dinner --vars {} --await"),
        ("create instance dinner --variables={}", "start dinner --vars={}"),
        ("--address h:1 create instance dinner", "--address h:1 start dinner"),
        ("--insecure create instance dinner", "start dinner"),
        ("cancel instance 5", "instance cancel 5"),
        ("activate jobs pay --maxJobsToActivate 2 --timeout 5m", "job activate pay --max 2 --lock 5m"),
        ("complete job 5 --variables {}", "job complete 5 --vars {}"),
        ("fail job 5 --retries 2 --errorMessage no", "job fail 5 --retries 2 --message no"),
        ("throwError job 5 --errorCode late", "job throw-error 5 late"),
        ("throwError job 5 --errorCode=late", "job throw-error 5 late"),
        ("update retries 5 --retries 3", "job retries 5 --retries 3"),
        ("publish message paid --correlationKey 7", "message publish paid --correlation-key 7"),
        ("resolve incident 5", "incident resolve 5"),
        ("set variables 5 --variables {}", "instance variables 5 --vars {}"),
        ("deploy resource a.bpmn --insecure", "deploy a.bpmn"),
    ],
)
def test_a_command_of_zbctl_is_translated(typed, meant):
    assert translated(typed.split()) == meant.split()


@pytest.mark.parametrize(
    "typed",
    [
        "start dinner --var create=instance",
        "tasks --process create instance",
        "start create instance",
        "create",
        "deploy resource.bpmn",
        "tasks --insecure",
        "",
    ],
)
def test_other_words_stay_as_they_are(typed):
    assert translated(typed.split()) == typed.split()


def test_no_command_of_osmia_is_taken_over():
    assert {verb for verb, _ in FAMILIAR} & set(COMMANDS) == {"deploy"}


def test_a_folder_of_that_name_is_deployed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resource").mkdir()
    assert translated(["deploy", "resource"]) == ["deploy", "resource"]


def test_zbctl_words_do_the_work(osmia, unique):
    osmia.deploy(f"start > charge:job(type={unique}) > end", unique)
    key = json.loads(osmia.done("create", "instance", unique, "--variables", '{"n": 1}', "-o", "json"))[
        "processInstanceKey"
    ]
    job = osmia.done("activate", "jobs", unique, "-o", "key").strip()
    osmia.done("complete", "job", job, "--variables", '{"paid": true}')
    assert "COMPLETED" in osmia.done("instance", "show", key)


def test_an_unknown_noun_of_a_known_verb_is_refused(capsys):
    assert run(["create", "nothing"]) == 2
    assert "There is no command 'create'." in capsys.readouterr().err
